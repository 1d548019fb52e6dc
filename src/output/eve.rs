//! Suricata's EVE JSON, one event a line: a `flow` each, and an `alert` for every finding that is suspicious
//! (<https://docs.suricata.io/en/latest/output/eve/eve-json-format.html>).

use super::{json, words, zeek};
use crate::class::{Class, Confidence, Evidence, Weight};
use crate::finding::{Connection, Finding, FlowNote, Kind};
use crate::frame::Timestamp;
use crate::port::Transport;
use crate::report::Report;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// The generator of rules that a site writes itself; gapwatch's signature ids count from [`FIRST_SIGNATURE`] on.
const GENERATOR: u32 = 1;
/// The range for local use ends before 2,000,000 (<https://sidallocation.org/>).
const FIRST_SIGNATURE: u32 = 1_900_000;

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, mut writer: impl Write) -> io::Result<()> {
    let flows = zeek::flows(report);
    let mut told: BTreeSet<(*const Finding, &str)> = BTreeSet::new();
    for (finding, flow) in &flows {
        let reasons: Vec<&Evidence> = alerts(finding).filter(|reason| flow.evidence.contains(&reason.by)).collect();
        json::write_line(&flow_event(finding, flow, !reasons.is_empty()), &mut writer)?;
        for reason in reasons {
            told.insert((*finding, reason.by));
            json::write_line(&alert_event(finding, reason, flow), &mut writer)?;
        }
    }
    // What no single flow shows is told of the service alone, where it has several: no client is accused of it.
    for finding in &report.findings {
        for reason in alerts(finding).filter(|reason| !told.contains(&(std::ptr::from_ref(finding), reason.by))) {
            let event = match finding.flows.as_slice() {
                [flow] => alert_event(finding, reason, flow),
                _ => service_alert_event(finding, reason),
            };
            json::write_line(&event, &mut writer)?;
        }
    }
    Ok(())
}

/// The reasons that make a finding suspicious.
fn alerts(finding: &Finding) -> impl Iterator<Item = &Evidence> {
    let suspicious = finding.class == Class::Suspicious;
    finding
        .evidence
        .iter()
        .filter(move |reason| suspicious && reason.class == Class::Suspicious && reason.weight > Weight::NOTE)
}

/// What all events of a flow begin with.
fn event(kind: &str, finding: &Finding, flow: &FlowNote, time: Option<Timestamp>) -> Value {
    json!({
        "timestamp": written(time.unwrap_or_default()),
        "flow_id": flow_id(finding, flow),
        "event_type": kind,
        "src_ip": flow.client.address,
        "src_port": flow.client.port,
        "dest_ip": flow.server.address,
        "dest_port": flow.server.port,
        "proto": flow.transport.name().to_uppercase(),
        "community_id": flow.community_id,
    })
}

fn flow_event(finding: &Finding, flow: &FlowNote, alerted: bool) -> Value {
    let mut event = event("flow", finding, flow, flow.last_seen);
    event["app_proto"] = application_of(finding, flow).into();
    event["flow"] = counts(flow);
    if let Some(last) = flow.last_seen {
        event["flow"]["end"] = written(last).into();
    }
    let seconds = flow.last_seen.zip(flow.first_seen).map_or(0, |(last, first)| last.since(first) / 1_000_000_000);
    event["flow"]["age"] = seconds.into();
    let closed = matches!(
        flow.connection,
        Connection::SF | Connection::REJ | Connection::RSTO | Connection::RSTR | Connection::RSTOS0
    );
    let state = match (flow.transport, flow.connection) {
        (Transport::Udp, Connection::SF) => "established",
        (_, Connection::S0 | Connection::SH | Connection::SHR | Connection::RSTRH) => "new",
        _ if closed => "closed",
        _ => "established",
    };
    event["flow"]["state"] = state.into();
    event["flow"]["reason"] = "shutdown".into();
    event["flow"]["alerted"] = alerted.into();
    event
}

fn alert_event(finding: &Finding, reason: &Evidence, flow: &FlowNote) -> Value {
    let mut event = event("alert", finding, flow, flow.first_seen);
    event["app_proto"] = application_of(finding, flow).into();
    event["alert"] = alert(finding, reason);
    event["flow"] = counts(flow);
    event
}

/// Of a scanner the source, of anything else what serves.
fn service_alert_event(finding: &Finding, reason: &Evidence) -> Value {
    let mut event = json!({
        "timestamp": written(finding.first_seen.unwrap_or_default()),
        "event_type": "alert",
        "proto": finding.transport.name().to_uppercase(),
        "app_proto": application(finding),
        "alert": alert(finding, reason),
    });
    if finding.kind == Kind::Scanner {
        event["src_ip"] = finding.address.to_string().into();
    } else {
        event["dest_ip"] = finding.server.unwrap_or(finding.address).to_string().into();
        event["dest_port"] = finding.port.unwrap_or_default().into();
    }
    event
}

fn alert(finding: &Finding, reason: &Evidence) -> Value {
    let severity = match finding.confidence {
        Confidence::Certain => 1,
        Confidence::Probable => 2,
        Confidence::Weak => 3,
    };
    json!({
        "action": "allowed",
        "gid": GENERATOR,
        "signature_id": signature_id(reason.by),
        "rev": 1,
        "signature": format!("gapwatch {}: {}", reason.by, reason.says),
        "category": finding.what,
        "severity": severity,
        // The keys are those that Suricata's schema has.
        "metadata": {
            "signature_severity": [finding.confidence.name()],
            "attack_target": [words::who(finding)],
            "tag": std::iter::once(reason.by).chain(reason.attack).collect::<Vec<_>>(),
        },
    })
}

fn counts(flow: &FlowNote) -> Value {
    let mut counts = json!({
        "pkts_toserver": flow.to_server.packets,
        "pkts_toclient": flow.to_client.packets,
        "bytes_toserver": flow.to_server.bytes,
        "bytes_toclient": flow.to_client.bytes,
    });
    if let Some(first) = flow.first_seen {
        counts["start"] = written(first).into();
    }
    counts
}

/// The protocol's name; `failed`, as Suricata has it, where nobody knows it.
fn application(finding: &Finding) -> String {
    if finding.protocol.is_empty() { "failed".to_owned() } else { finding.protocol.to_owned() }
}

/// The same of one flow: a service may speak in several ways.
fn application_of(finding: &Finding, flow: &FlowNote) -> String {
    let is_program = |name: &String| finding.rpc.iter().any(|program| program.name == *name);
    match flow.protocols.first() {
        // Nothing tells what it speaks, unless all are alike.
        None if finding.flows.iter().any(|flow| !flow.protocols.is_empty()) => "failed".to_owned(),
        None => application(finding),
        Some(_) if flow.protocols.iter().any(is_program) => "onc-rpc".to_owned(),
        Some(_) if flow.protocols.iter().any(|name| name == finding.protocol) => finding.protocol.to_owned(),
        Some(first) => first.clone(),
    }
}

/// `2026-11-24T00:10:28.838530+0000`; the beginning of time where there is none.
fn written(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}+0000", text.get(..26).unwrap_or("1970-01-01T00:00:00.000000"))
}

/// 53 bits of a hash: a number that JSON readers keep exactly.
fn flow_id(finding: &Finding, flow: &FlowNote) -> u64 {
    let tunnel = words::tunnel(finding).unwrap_or_default();
    let first = flow.first_seen.map(written).unwrap_or_default();
    let bytes = super::digest(&[&flow.community_id, flow.transport.name(), &tunnel, &first]);
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 11
}

/// The same for the same reason in every version.
fn signature_id(id: &str) -> u32 {
    let bytes = super::digest(&[id]);
    FIRST_SIGNATURE + u32::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}
