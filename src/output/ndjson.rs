//! NDJSON (one JSON object a line, `gapwatch.events/1`): of a report `begin` with the inputs, a `finding` each, `end` with the
//! totals; a running capture tells `update`, `stats` and `report` as well. For programs that begin before all is read.

use super::json;
use crate::finding::Finding;
use crate::report::{Cut, Folded, Input, PolicyNote, RegistryNote, Report, ScopeNote, TotalsNote};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

pub const SCHEMA: &str = "gapwatch.events/1";

/// One line.
#[derive(Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event<'a> {
    Begin(Begin<'a>),
    /// A finding, told for the first time.
    Finding {
        finding: &'a Finding,
    },
    /// Findings that are told together.
    Folded {
        folded: &'a Folded,
    },
    /// A finding whose class or confidence rose.
    Update {
        finding: &'a Finding,
    },
    /// Figures of a running capture since it began, and findings of this window by class.
    Stats {
        packets: u64,
        observed: u64,
        outside: u64,
        dropped_kernel: u64,
        dropped_interface: u64,
        not_kept: u64,
        findings: BTreeMap<&'static str, usize>,
    },
    /// Of a window that closed, of a signal that asked for it, or of the end.
    Report {
        report: &'a Report,
    },
    End(End<'a>),
}

/// The first line. Of captures the inputs, the registry and the scope; of a running capture the interface.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Begin<'a> {
    pub schema: &'static str,
    pub gapwatch: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_filter: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<&'a [Input]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<&'a RegistryNote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a ScopeNote>,
}

/// The last line. Of captures the totals and the number of findings; of a running capture what was lost.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct End<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<&'a TotalsNote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<&'a PolicyNote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<usize>,
    /// What is not listed, because the report would be too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<&'a Cut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_kernel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_interface: Option<u64>,
    /// Why it ended, where nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'a str>,
}

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, mut writer: impl Write) -> io::Result<()> {
    let begin = Begin {
        schema: SCHEMA,
        gapwatch: report.gapwatch,
        inputs: Some(&report.inputs),
        registry: Some(&report.registry),
        scope: Some(&report.scope),
        ..Begin::default()
    };
    json::write_line(&Event::Begin(begin), &mut writer)?;
    for finding in &report.findings {
        json::write_line(&Event::Finding { finding }, &mut writer)?;
    }
    for folded in &report.folded {
        json::write_line(&Event::Folded { folded }, &mut writer)?;
    }
    let end = End {
        cut: report.cut.as_ref(),
        totals: Some(&report.totals),
        policy: report.policy.as_ref(),
        findings: Some(report.findings.len()),
        ..End::default()
    };
    json::write_line(&Event::End(end), &mut writer)
}
