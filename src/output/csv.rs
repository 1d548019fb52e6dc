//! CSV (RFC 4180) with a header: one line a finding. Cells that a spreadsheet would run are defused.

use super::{safe, words};
use crate::finding::Finding;
use crate::report::{Folded, Report};
use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

/// Clients that a cell names.
const MAX_CLIENTS: usize = 32;

const HEADER: [&str; 28] = [
    "class",
    "confidence",
    "kind",
    "transport",
    "address",
    "port",
    "server",
    "what",
    "why",
    "protocol",
    "state",
    "known",
    "new",
    "clients",
    "clients_named",
    "flows",
    "packets",
    "bytes",
    "bytes_to_server",
    "bytes_to_client",
    "first_seen",
    "last_seen",
    "evidence",
    "says",
    "frames",
    "attack",
    "community_ids",
    "wireshark",
];

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, writer: impl Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(writer);
    table.write_record(HEADER)?;
    for finding in &report.findings {
        let row = row(report, finding);
        table.write_record(row.iter().map(|cell| defused(cell).into_owned()))?;
    }
    for line in &report.folded {
        let row = folded_row(line);
        table.write_record(row.iter().map(|cell| defused(cell).into_owned()))?;
    }
    table.flush()
}

/// Findings that are told together: of the kind `folded`, with the first of them in words, and no address of their own.
fn folded_row(line: &Folded) -> [String; HEADER.len()] {
    let time = |time: Option<crate::frame::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let mut row: [String; HEADER.len()] = std::array::from_fn(|_| String::new());
    let cells = [
        ("class", line.class.name().into()),
        ("confidence", line.confidence.name().into()),
        ("kind", "folded".into()),
        ("transport", line.transport.to_string()),
        ("what", words::folded(line)),
        ("state", line.state.name().into()),
        ("flows", line.flows.to_string()),
        ("packets", line.packets.to_string()),
        ("bytes", line.bytes.to_string()),
        ("first_seen", time(line.first_seen)),
        ("last_seen", time(line.last_seen)),
        ("evidence", line.evidence.join("; ")),
    ];
    for (name, cell) in cells {
        if let Some(place) = HEADER.iter().position(|header| *header == name) {
            row[place] = cell;
        }
    }
    row
}

fn row(report: &Report, finding: &Finding) -> [String; HEADER.len()] {
    let time = |time: Option<crate::frame::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let addresses = |addresses: &[IpAddr]| {
        let named: Vec<String> = addresses.iter().take(MAX_CLIENTS).map(ToString::to_string).collect();
        named.join(" ")
    };
    let each = |of: fn(&crate::class::Evidence) -> String| {
        let parts: Vec<String> = finding.evidence.iter().map(of).filter(|part| !part.is_empty()).collect();
        parts.join("; ")
    };
    let frames: Vec<String> = finding
        .evidence
        .iter()
        .flat_map(|reason| &reason.frames)
        .map(|frame| match report.inputs.get(frame.input() as usize) {
            Some(input) if report.inputs.len() > 1 => format!("{}:{}", input.name, frame.number()),
            _ => frame.number().to_string(),
        })
        .collect();
    [
        finding.class.name().into(),
        finding.confidence.name().into(),
        finding.kind.name().into(),
        finding.transport.to_string(),
        finding.address.to_string(),
        finding.port.map(|port| port.to_string()).unwrap_or_default(),
        finding.server.map(|server| server.to_string()).unwrap_or_default(),
        finding.what.clone(),
        words::why(finding),
        finding.protocol.into(),
        finding.state.name().into(),
        finding.known.clone().unwrap_or_default(),
        finding.new.join("; "),
        finding.clients_total.to_string(),
        addresses(&finding.clients),
        finding.flows_total.to_string(),
        finding.packets.to_string(),
        finding.bytes.to_string(),
        finding.to_server.bytes.to_string(),
        finding.to_client.bytes.to_string(),
        time(finding.first_seen),
        time(finding.last_seen),
        each(|reason| reason.by.to_owned()),
        each(|reason| reason.says.clone()),
        frames.join(" "),
        each(|reason| reason.attack.map(ToOwned::to_owned).unwrap_or_default()),
        finding.community_ids.iter().take(MAX_CLIENTS).cloned().collect::<Vec<_>>().join(" "),
        finding.wireshark.clone(),
    ]
}

/// A cell that no spreadsheet takes for a formula (OWASP, CSV Injection): an apostrophe before what would begin one. Also after
/// a semicolon, at which spreadsheets of many countries begin a new cell.
fn defused(cell: &str) -> Cow<'_, str> {
    const BEGINS: [char; 10] = ['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠'];
    let runs = |part: &str| part.trim_start().starts_with(BEGINS);
    let first = runs(cell) || cell.starts_with(['\t', '\r', '\n']);
    if !first && !cell.split(';').skip(1).any(runs) {
        return safe::text(cell);
    }
    let mut text = String::new();
    for (place, part) in cell.split(';').enumerate() {
        text.push_str(if place > 0 { ";" } else { "" });
        text.push_str(if runs(part) || (place == 0 && first) { "'" } else { "" });
        text.push_str(&safe::text(part));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_become_text() {
        for hostile in ["=1+1", "+1", "-1", "@SUM(A1)", " =cmd|' /C calc'!A0", "\t=1", "\r=1", "＝1"] {
            assert!(defused(hostile).starts_with('\''), "{hostile}");
        }
        assert_eq!(defused("interactive shell"), "interactive shell");
        assert_eq!(defused("GET /a;=cmd|calc!A0; x"), "GET /a;'=cmd|calc!A0; x");
    }
}
