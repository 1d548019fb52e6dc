//! NDJSON (one JSON object a line): `begin` with the inputs, a `finding` each, `end` with the totals (`gapwatch.events/1`, as a
//! running capture tells them). For programs that want to begin before they have read all.

use super::json;
use crate::finding::Finding;
use crate::report::{Input, PolicyNote, RegistryNote, Report, ScopeNote, TotalsNote};
use serde::Serialize;
use std::io::{self, Write};

pub const SCHEMA: &str = "gapwatch.events/1";

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Begin {
        schema: &'static str,
        gapwatch: &'static str,
        inputs: &'a [Input],
        registry: &'a RegistryNote,
        scope: &'a ScopeNote,
    },
    Finding {
        finding: &'a Finding,
    },
    End {
        totals: &'a TotalsNote,
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<&'a PolicyNote>,
        findings: usize,
    },
}

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, mut writer: impl Write) -> io::Result<()> {
    let Report { gapwatch, inputs, registry, scope, totals, policy, findings, .. } = report;
    json::write_line(&Event::Begin { schema: SCHEMA, gapwatch, inputs, registry, scope }, &mut writer)?;
    for finding in findings {
        json::write_line(&Event::Finding { finding }, &mut writer)?;
    }
    json::write_line(&Event::End { totals, policy: policy.as_ref(), findings: findings.len() }, &mut writer)
}
