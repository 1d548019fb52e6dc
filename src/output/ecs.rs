//! Documents of the Elastic Common Schema, one a line, one a finding; what has no field there is under `gapwatch.*`
//! (<https://www.elastic.co/guide/en/ecs/8.17/index.html>).

use super::{json, words};
use crate::class::{Class, Confidence, Evidence};
use crate::finding::{Finding, Kind};
use crate::report::{Folded, Report};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::IpAddr;

const VERSION: &str = "8.17.0";
/// When things happened in a capture without times: a document must have one.
const TIMELESS: &str = "1970-01-01T00:00:00.000000000Z";

/// Inputs that a document names; `inputs_total` beside them counts all that were read.
const MAX_INPUTS: usize = 16;

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, mut writer: impl Write) -> io::Result<()> {
    report.findings.iter().try_for_each(|finding| json::write_line(&document(report, finding), &mut writer))?;
    report.folded.iter().try_for_each(|line| json::write_line(&folded(report, line), &mut writer))
}

/// Findings that are told together: one document a line, whatever their class no alert.
fn folded(report: &Report, line: &Folded) -> Value {
    let time = line.last_seen.filter(|time| time.is_known()).or(report.totals.last);
    let says = words::folded(line);
    let first = line.first_seen.map(|time| time.to_string()).unwrap_or_default();
    let bytes = super::digest(&["folded", &says, &first]);
    json!({
        "@timestamp": time.map_or_else(|| TIMELESS.to_owned(), |time| time.to_string()),
        "ecs": { "version": VERSION },
        "message": says,
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["info"],
            "module": "gapwatch",
            "dataset": "gapwatch.folded",
            "id": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "severity": 21,
        },
        "observer": { "vendor": "gapwatch", "product": "gapwatch", "type": "sensor", "version": report.gapwatch },
        "network": { "transport": line.transport.name(), "packets": line.packets, "bytes": line.bytes },
        "gapwatch": {
            "class": line.class,
            "confidence": line.confidence,
            "kind": line.kind,
            "state": line.state,
            "what": line.what,
            "findings": line.findings,
            "evidence_ids": line.evidence,
        },
    })
}

/// The inputs in which the frames of a finding's reasons lie, each once.
fn inputs<'a>(report: &'a Report, finding: &Finding) -> Vec<&'a str> {
    let frames = finding.evidence.iter().flat_map(|reason| &reason.frames);
    let places: BTreeSet<u32> = frames.map(|frame| frame.input()).collect();
    let named = places.into_iter().filter_map(|place| report.inputs.get(place as usize));
    named.map(|input| input.name.as_str()).take(MAX_INPUTS).collect()
}

fn document(report: &Report, finding: &Finding) -> Value {
    let suspicious = finding.class == Class::Suspicious;
    let who = words::who(finding);
    let decisive = finding.evidence.iter().find(|reason| reason.class == finding.class);
    let severity = match (suspicious, finding.confidence) {
        (true, Confidence::Certain) => 73,
        (true, Confidence::Probable) => 47,
        _ => 21,
    };
    let last = finding.last_seen.filter(|time| time.is_known());
    let time = last.or(report.totals.last);
    let mut document = json!({
        "@timestamp": time.map_or_else(|| TIMELESS.to_owned(), |time| time.to_string()),
        "ecs": { "version": VERSION },
        "message": format!("{} ({}): {who}: {}", finding.class, finding.confidence.name(), finding.what),
        "event": {
            "kind": if suspicious { "alert" } else { "event" },
            "category": if suspicious { json!(["network", "intrusion_detection"]) } else { json!(["network"]) },
            "type": ["info"],
            "module": "gapwatch",
            "dataset": "gapwatch.finding",
            "id": identity(finding),
            "severity": severity,
            "reason": words::why(finding),
        },
        "observer": { "vendor": "gapwatch", "product": "gapwatch", "type": "sensor", "version": report.gapwatch },
        "network": {
            "type": if finding.address.is_ipv4() { "ipv4" } else { "ipv6" },
            "transport": finding.transport.name(),
            "packets": finding.packets,
            "bytes": finding.bytes,
            "community_id": finding.community_ids,
        },
        "related": { "ip": related(finding) },
        "gapwatch": {
            "class": finding.class,
            "confidence": finding.confidence,
            "kind": finding.kind,
            "state": finding.state,
            "what": finding.what,
            "clients": finding.clients_total,
            "evidence": finding.evidence.iter().map(reason).collect::<Vec<_>>(),
            "inputs": inputs(report, finding),
            "inputs_total": report.inputs.len() + report.cut.map_or(0, |cut| cut.inputs),
            "wireshark": finding.wireshark,
        },
    });
    if let (Some(first), Some(last)) = (finding.first_seen, last) {
        document["event"]["start"] = first.to_string().into();
        document["event"]["end"] = last.to_string().into();
        document["event"]["duration"] = last.since(first).into();
    }
    if !finding.protocol.is_empty() {
        document["network"]["protocol"] = finding.protocol.into();
    }
    let ends = |address: IpAddr, port: Option<u16>, bytes: u64, packets: u64| {
        let mut end = Map::new();
        end.insert("address".into(), address.to_string().into());
        end.insert("ip".into(), address.to_string().into());
        if let Some(port) = port {
            end.insert("port".into(), port.into());
        }
        end.insert("bytes".into(), bytes.into());
        end.insert("packets".into(), packets.into());
        Value::Object(end)
    };
    let server = match finding.kind {
        Kind::Service => Some(finding.address),
        Kind::Client => finding.server,
        Kind::Scanner => None,
    };
    if let Some(address) = server {
        // What a side sent: the server's bytes are those to the client.
        let end = ends(address, finding.port, finding.to_client.bytes, finding.to_client.packets);
        (document["server"], document["destination"]) = (end.clone(), end);
    }
    if let [address] = finding.clients[..] {
        let end = ends(address, None, finding.to_server.bytes, finding.to_server.packets);
        (document["client"], document["source"]) = (end.clone(), end);
    }
    let techniques: BTreeSet<&str> = finding.evidence.iter().filter_map(|reason| reason.attack).collect();
    if suspicious && !techniques.is_empty() {
        document["threat"] = json!({ "framework": "MITRE ATT&CK", "technique": { "id": techniques } });
    }
    if let Some(reason) = decisive {
        document["rule"] = json!({ "id": reason.by, "name": reason.by, "ruleset": "gapwatch" });
    }
    document
}

fn reason(reason: &Evidence) -> Value {
    json!({
        "by": reason.by,
        "class": reason.class,
        "weight": reason.weight,
        "says": reason.says,
        "frames": reason.frames.iter().map(|frame| frame.number()).collect::<Vec<_>>(),
    })
}

fn related(finding: &Finding) -> BTreeSet<IpAddr> {
    let targets = finding.targets.iter().flat_map(|targets| targets.addresses.iter().copied());
    finding.clients.iter().copied().chain([finding.address]).chain(finding.server).chain(targets).collect()
}

/// The same for the same finding of the same traffic, so that reading a capture again makes no second document.
fn identity(finding: &Finding) -> String {
    let first = finding.first_seen.map(|time| time.to_string()).unwrap_or_default();
    let bytes = super::digest(&[&words::who(finding), finding.class.name(), &first, &finding.wireshark]);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
