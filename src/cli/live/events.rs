//! What `gapwatch live` says while it runs: events for programs, one JSON object a line, and lines for people. Decides nothing
//! about when.

use crate::finding::{Finding, Kind};
use crate::output::{json, safe};
use crate::report::Report;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// One line on standard output (`gapwatch.events/1`).
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event<'a> {
    Begin {
        schema: &'static str,
        gapwatch: &'static str,
        interface: &'a str,
        kernel_filter: bool,
    },
    Finding {
        finding: &'a Finding,
    },
    Update {
        finding: &'a Finding,
    },
    Stats {
        packets: u64,
        observed: u64,
        outside: u64,
        dropped_kernel: u64,
        dropped_interface: u64,
        not_kept: u64,
        findings: BTreeMap<&'static str, usize>,
    },
    Report {
        report: &'a Report,
    },
    End {
        packets: u64,
        dropped_kernel: u64,
        dropped_interface: u64,
        /// Why it ended, where nobody asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'a str>,
    },
}

/// `17:03:22 SUSPICIOUS certain 10.9.0.2:817/tcp interactive shell on the server`.
pub fn line_of(finding: &Finding, again: bool) -> String {
    let time = finding.last_seen.map(|time| time.to_string()).unwrap_or_default();
    let time = time.get(11..19).unwrap_or("--:--:--").to_owned();
    let who = match (finding.kind, finding.port) {
        (Kind::Scanner, _) => format!("scanner {}", finding.address),
        (Kind::Client, _) => format!("client {}", finding.address),
        (_, Some(port)) => format!("{}/{}", std::net::SocketAddr::new(finding.address, port), finding.transport),
        (_, None) => finding.address.to_string(),
    };
    let update = if again { "now " } else { "" };
    format!(
        "{time} {update}{} {} {who} {}",
        finding.class.name().to_uppercase(),
        finding.confidence.name(),
        safe::text(&finding.what)
    )
}

/// One event on standard output, at once.
pub fn event(event: &Event<'_>) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    json::write_line(event, &mut stdout)?;
    stdout.flush()?;
    Ok(())
}
