//! A STIX 2.1 bundle of the suspicious findings: what was observed, an indicator for it, and the techniques it points at.
//! Identifiers are those of the specification's section 2.9: the same bundle for the same report
//! (<https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html>).

use super::{json, words};
use crate::class::{Class, Evidence, Weight};
use crate::finding::{Finding, FlowNote, Kind};
use crate::frame::Timestamp;
use crate::report::Report;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use uuid::{Uuid, uuid};

/// The namespace of identifiers of observables (STIX 2.1, section 2.9).
const OBSERVABLES: Uuid = uuid!("00abedb4-aa42-466c-9c01-fed23315a9b7");
/// The namespace of what gapwatch itself says; random, and for ever.
const OWN: Uuid = uuid!("5d0f2f0e-6c5a-4f4e-9d55-0b7f2a8e9c31");
/// When gapwatch's own identity was made: a bundle has no clock.
const MADE: &str = "2026-01-01T00:00:00.000Z";
/// When things happened in a capture without times: the format wants a time.
const TIMELESS: &str = "1970-01-01T00:00:00.000Z";
/// Flows of a finding that are told as traffic.
const MAX_FLOWS: usize = 16;
/// Flows of all findings, with their addresses some 1.2 kB each.
const MAX_ALL_FLOWS: usize = 16_000;
/// Findings that are told, some 3 kB each: who takes indicators from a bundle takes no more.
const MAX_INDICATORS: usize = 5000;

/// Writes a report.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, writer: impl Write) -> io::Result<()> {
    let mut bundle = Bundle::default();
    let author = bundle.author();
    let suspicious = report.findings.iter().filter(|finding| finding.class == Class::Suspicious);
    for finding in suspicious.take(MAX_INDICATORS) {
        bundle.add(report, finding, &author);
    }
    bundle.note(report, &author);
    let ids: Vec<&str> = bundle.objects.keys().map(String::as_str).collect();
    let id = format!("bundle--{}", Uuid::new_v5(&OWN, ids.join(" ").as_bytes()));
    let objects: Vec<Value> = bundle.objects.into_values().collect();
    json::write(&json!({ "type": "bundle", "id": id, "objects": objects }), writer)
}

/// Objects by their identifiers, each once.
#[derive(Default)]
struct Bundle {
    objects: BTreeMap<String, Value>,
    /// Flows that are told so far.
    flows: usize,
}

impl Bundle {
    fn author(&mut self) -> String {
        self.own("identity", "gapwatch", MADE, MADE, None, json!({ "name": "gapwatch", "identity_class": "system" }))
    }

    /// What is missing here, so that nobody takes the bundle for all there is.
    fn note(&mut self, report: &Report, author: &str) {
        let suspicious = report.number(|_, class, _| class == Class::Suspicious);
        if suspicious <= MAX_INDICATORS && report.folded.iter().all(|line| line.class != Class::Suspicious) {
            return;
        }
        let listed = report.findings.iter().filter(|finding| finding.class == Class::Suspicious).count();
        let content = format!(
            "This bundle has the first {} of {}; the JSON report lists {} and tells the others together.",
            crate::words::thousands(listed.min(MAX_INDICATORS) as u64),
            crate::words::count(suspicious, "suspicious finding"),
            crate::words::thousands(listed as u64),
        );
        let more = json!({ "content": content, "object_refs": [author] });
        self.own("note", &content, MADE, MADE, Some(author), more);
    }

    fn add(&mut self, report: &Report, finding: &Finding, author: &str) {
        let last = finding.last_seen.or(report.totals.last).filter(|time| time.is_known());
        let first = finding.first_seen.or(report.totals.first).or(last);
        let time = |time: Option<Timestamp>| time.map_or_else(|| TIMELESS.to_owned(), written);
        let (first, last) = (time(first), time(last));
        let who = words::who(finding);
        let key = format!("{who} {first} {}", finding.wireshark);
        let address = self.address(finding.address);
        let mut seen: Vec<String> = vec![address];
        let told = finding.flows.len().min(MAX_FLOWS).min(MAX_ALL_FLOWS - self.flows);
        self.flows += told;
        seen.extend(finding.flows.iter().take(told).flat_map(|flow| self.traffic(finding, flow)));
        seen.sort_unstable();
        seen.dedup();
        let count = finding.flows_total.clamp(1, 999_999_999);
        let observed = json!({
            "first_observed": first, "last_observed": last, "number_observed": count, "object_refs": seen,
        });
        let observed = self.own("observed-data", &key, &last, &last, Some(author), observed);
        let reasons: Vec<&Evidence> = finding
            .evidence
            .iter()
            .filter(|reason| reason.class == Class::Suspicious && reason.weight > Weight::NOTE)
            .collect();
        let mut says: Vec<String> =
            reasons.iter().map(|reason| format!("{}: {}", reason.by, super::safe::text(&reason.says))).collect();
        // A bundle is to be read: of many flows it has the first, and says so.
        if finding.flows_total > told {
            says.push(format!("{told} of {} are in this bundle", crate::words::count(finding.flows_total, "flow")));
        }
        let indicator = json!({
            "name": format!("{who}: {}", super::safe::text(&finding.what)),
            "description": says.join("\n"),
            "indicator_types": [if finding.kind == Kind::Scanner { "anomalous-activity" } else { "malicious-activity" }],
            "pattern": pattern(finding),
            "pattern_type": "stix",
            "valid_from": first,
            "confidence": match finding.confidence {
                crate::class::Confidence::Certain => 95,
                crate::class::Confidence::Probable => 75,
                crate::class::Confidence::Weak => 40,
            },
        });
        let indicator = self.own("indicator", &key, &last, &last, Some(author), indicator);
        self.relation("based-on", &indicator, &observed, &last, author);
        for technique in reasons.iter().filter_map(|reason| reason.attack) {
            let place = technique.replace('.', "/");
            let known = json!({
                "name": technique,
                "external_references": [{
                    "source_name": "mitre-attack",
                    "external_id": technique,
                    "url": format!("https://attack.mitre.org/techniques/{place}"),
                }],
            });
            let technique = self.own("attack-pattern", technique, MADE, MADE, Some(author), known);
            self.relation("indicates", &indicator, &technique, &last, author);
        }
    }

    /// A domain object of gapwatch's own.
    fn own(
        &mut self,
        kind: &str,
        key: &str,
        created: &str,
        modified: &str,
        author: Option<&str>,
        more: Value,
    ) -> String {
        let id = format!("{kind}--{}", Uuid::new_v5(&OWN, format!("{kind} {key}").as_bytes()));
        let mut object = Map::new();
        for (name, value) in
            [("type", kind), ("spec_version", "2.1"), ("id", &id), ("created", created), ("modified", modified)]
        {
            object.insert(name.to_owned(), value.into());
        }
        if let Some(author) = author {
            object.insert("created_by_ref".to_owned(), author.into());
        }
        if let Value::Object(more) = more {
            object.extend(more);
        }
        self.objects.insert(id.clone(), Value::Object(object));
        id
    }

    fn relation(&mut self, kind: &str, from: &str, to: &str, time: &str, author: &str) {
        let more = json!({ "relationship_type": kind, "source_ref": from, "target_ref": to });
        self.own("relationship", &format!("{kind} {from} {to}"), time, time, Some(author), more);
    }

    /// An observable, identified by the properties that the specification names for it, as canonical JSON (RFC 8785): of plain
    /// texts and whole numbers, with sorted keys, that is what `serde_json` writes.
    fn observable(&mut self, kind: &str, identifying: &BTreeMap<&str, Value>, more: Value) -> String {
        let canonical = serde_json::to_string(identifying).unwrap_or_default();
        let id = format!("{kind}--{}", Uuid::new_v5(&OBSERVABLES, canonical.as_bytes()));
        let mut object = Map::new();
        for (name, value) in [("type", kind), ("spec_version", "2.1"), ("id", &id)] {
            object.insert(name.to_owned(), value.into());
        }
        object.extend(identifying.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if let Value::Object(more) = more {
            object.extend(more);
        }
        self.objects.insert(id.clone(), Value::Object(object));
        id
    }

    fn address(&mut self, address: IpAddr) -> String {
        let kind = if address.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
        self.observable(kind, &BTreeMap::from([("value", address.to_string().into())]), json!({}))
    }

    /// A flow and its two addresses.
    fn traffic(&mut self, finding: &Finding, flow: &FlowNote) -> Vec<String> {
        let (source, destination) = (self.address(flow.client.address), self.address(flow.server.address));
        let network = if flow.client.address.is_ipv4() { "ipv4" } else { "ipv6" };
        let mut protocols = vec![network.to_owned(), flow.transport.name().to_owned()];
        protocols.extend(Some(finding.protocol.to_owned()).filter(|name| !name.is_empty()));
        let mut identifying = BTreeMap::from([
            ("src_ref", Value::from(source.clone())),
            ("dst_ref", destination.clone().into()),
            ("src_port", flow.client.port.into()),
            ("dst_port", flow.server.port.into()),
            ("protocols", protocols.into()),
        ]);
        if let (Some(first), Some(last)) = (flow.first_seen, flow.last_seen) {
            // Identifiers are of the text, so it is the one that others would write as well: without zeros at its end.
            identifying.insert("start", shortest(first).into());
            identifying.insert("end", shortest(last).into());
        }
        let counts = json!({
            "is_active": false,
            "src_byte_count": flow.to_server.bytes, "dst_byte_count": flow.to_client.bytes,
            "src_packets": flow.to_server.packets, "dst_packets": flow.to_client.packets,
        });
        let traffic = self.observable("network-traffic", &identifying, counts);
        vec![source, destination, traffic]
    }
}

/// What to look for elsewhere (STIX 2.1, section 9).
fn pattern(finding: &Finding) -> String {
    let kind = |address: IpAddr| if address.is_ipv4() { "ipv4-addr" } else { "ipv6-addr" };
    let end = |side: &str, address: IpAddr| {
        format!(
            "network-traffic:{side}_ref.type = '{}' AND network-traffic:{side}_ref.value = '{address}'",
            kind(address)
        )
    };
    let transport = format!("network-traffic:protocols[*] = '{}'", finding.transport.name());
    match (finding.kind, finding.port, finding.server) {
        (Kind::Client, Some(port), Some(server)) => format!(
            "[{} AND {} AND network-traffic:dst_port = {port} AND {transport}]",
            end("src", finding.address),
            end("dst", server)
        ),
        (_, Some(port), _) => {
            format!("[{} AND network-traffic:dst_port = {port} AND {transport}]", end("dst", finding.address))
        }
        _ => format!("[{}]", end("src", finding.address)),
    }
}

/// `2026-11-24T00:10:28.838Z`.
fn written(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..23).unwrap_or_default())
}

/// The same without zeros at the end of its fraction, and without the point where nothing is left.
fn shortest(time: Timestamp) -> String {
    let text = written(time);
    format!("{}Z", text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.'))
}
