//! What `gapwatch live` says while it runs: lines for people, and events for programs, at once. Decides nothing about when.

use crate::finding::{Finding, Kind};
use crate::output::ndjson::Event;
use crate::output::{json, safe};
use std::io::{self, Write};

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
