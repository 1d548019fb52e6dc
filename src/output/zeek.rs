//! Zeek's `conn.log`, as TSV with its header lines or as JSON: one line a flow. What gapwatch does not know is unset.
//! The fields are those of Zeek 7 with the Community ID package
//! (<https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html>).

use super::{json, safe};
use crate::finding::{Finding, FlowNote};
use crate::frame::Timestamp;
use crate::report::Report;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Name and type of each column.
const FIELDS: [(&str, &str); 22] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("community_id", "string"),
];

/// Writes the flows as tab-separated values.
///
/// # Errors
/// What the writer says.
pub fn write_tsv(report: &Report, mut writer: impl Write) -> io::Result<()> {
    let stamp = |time: Option<Timestamp>| {
        let text = time.map(|time| time.to_string()).unwrap_or_default();
        text.get(..19).unwrap_or("1970-01-01T00:00:00").replace(['T', ':'], "-")
    };
    writeln!(writer, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn")?;
    writeln!(writer, "#open\t{}", stamp(report.totals.first))?;
    let column =
        |of: fn(&(&'static str, &'static str)) -> &'static str| FIELDS.iter().map(of).collect::<Vec<_>>().join("\t");
    writeln!(writer, "#fields\t{}\n#types\t{}", column(|field| field.0), column(|field| field.1))?;
    for (finding, flow) in flows(report) {
        let line = line(finding, flow);
        let cells: Vec<String> = FIELDS
            .iter()
            .map(|(name, _)| match line.get(*name) {
                None => "-".to_owned(),
                Some(Value::String(text)) => escaped(text),
                Some(time) if matches!(*name, "ts" | "duration") => format!("{:.6}", time.as_f64().unwrap_or(0.0)),
                Some(other) => other.to_string(),
            })
            .collect();
        writeln!(writer, "{}", cells.join("\t"))?;
    }
    writeln!(writer, "#close\t{}", stamp(report.totals.last))
}

/// Writes the flows as JSON, one object a line.
///
/// # Errors
/// What the writer says.
pub fn write_json(report: &Report, mut writer: impl Write) -> io::Result<()> {
    flows(report).into_iter().try_for_each(|(finding, flow)| json::write_line(&line(finding, flow), &mut writer))
}

/// Every flow once, by time: one that belongs to two findings (a service and who scans it, two that serve each other) as that of
/// the first.
pub(super) fn flows(report: &Report) -> Vec<(&Finding, &FlowNote)> {
    let mut flows: Vec<(&Finding, &FlowNote)> =
        report.findings.iter().flat_map(|finding| finding.flows.iter().map(move |flow| (finding, flow))).collect();
    let key = |(finding, flow): &(&Finding, &FlowNote)| {
        let mut ends = [(flow.client.address, flow.client.port), (flow.server.address, flow.server.port)];
        ends.sort_unstable(); // two that serve each other are one flow, whoever is told as the client
        let tunnel = finding.tunnel.as_ref().map(|tunnel| (tunnel.kind, tunnel.network));
        (flow.first_seen, ends, flow.transport, tunnel)
    };
    flows.sort_by_key(key);
    flows.dedup_by_key(|entry| key(entry));
    flows
}

fn line(finding: &Finding, flow: &FlowNote) -> Map<String, Value> {
    let mut line = Map::new();
    let mut set = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
    if let Some(first) = flow.first_seen {
        set("ts", seconds(first.0));
    }
    set("uid", uid(finding, flow).into());
    set("id.orig_h", flow.client.address.to_string().into());
    set("id.orig_p", flow.client.port.into());
    set("id.resp_h", flow.server.address.to_string().into());
    set("id.resp_p", flow.server.port.into());
    set("proto", flow.transport.name().into());
    let service = service(finding, flow);
    if !service.is_empty() {
        set("service", service.into());
    }
    if let (Some(first), Some(last)) = (flow.first_seen, flow.last_seen) {
        set("duration", seconds(last.since(first)));
    }
    set("orig_bytes", flow.to_server.payload_bytes.into());
    set("resp_bytes", flow.to_client.payload_bytes.into());
    set("conn_state", flow.connection.name().into());
    set("orig_pkts", flow.to_server.packets.into());
    set("resp_pkts", flow.to_client.packets.into());
    set("community_id", flow.community_id.clone().into());
    line
}

/// What the flow speaks, each once; where its own bytes do not tell it, what its service speaks.
pub(super) fn service(finding: &Finding, flow: &FlowNote) -> String {
    if !flow.protocols.is_empty() {
        return flow.protocols.join(",");
    }
    let names: BTreeSet<&str> = finding.rpc.iter().map(|program| program.name.as_str()).collect();
    // A service that speaks in several ways says nothing of this flow.
    let one = finding.flows.iter().all(|flow| flow.protocols.is_empty());
    match names.len() {
        _ if !one => String::new(),
        0 => finding.protocol.to_owned(),
        _ => names.into_iter().collect::<Vec<_>>().join(","),
    }
}

/// Seconds with six decimals, as Zeek writes times and intervals.
fn seconds(nanoseconds: u64) -> Value {
    let text = format!("{}.{:06}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000 / 1000);
    serde_json::from_str(&text).unwrap_or_else(|_| json!(0))
}

/// An identity as Zeek's look, the same for the same flow: `C` and 17 characters of a hash.
fn uid(finding: &Finding, flow: &FlowNote) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = u128::from_be_bytes(super::digest(&[
        &flow.community_id,
        flow.transport.name(),
        &super::words::tunnel(finding).unwrap_or_default(),
        &flow.first_seen.map(|time| time.to_string()).unwrap_or_default(),
    ]));
    let mut text = String::from("C");
    for _ in 0..17 {
        text.push(char::from(DIGITS[usize::try_from(number % 62).unwrap_or(0)]));
        number /= 62;
    }
    text
}

/// Text in a cell: neither a separator nor an end of line, and nothing that acts.
fn escaped(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    safe::text(text).into_owned()
}
