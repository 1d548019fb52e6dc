//! A known protocol: it says what speaks, and that it does so on a port nobody assigned to it.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Seen, Service, Side, first_frames};
use crate::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};

pub const ABOUT: About = About {
    id: "recognised",
    about: "A signature knows the protocol; the evidence carries the signature's own id.",
    attack: None,
};

pub const ODD_PORT: About = About {
    id: "odd-port",
    about: "A known protocol on a port that nobody assigned to it. A reason to look, not yet a verdict: administrators move services, \
and so do those who hide (MITRE ATT&CK T1571).",
    attack: Some("T1571"),
};

/// The protocols, and the hint that they are off their port.
pub fn evidence(service: &Service, flows: &[Conversation], registry: &Registry) -> Vec<Evidence> {
    let mut evidence = names(flows);
    let assigned = registry.name(service.transport, service.end.port);
    let at_home = |protocol: &str| assigned.eq_ignore_ascii_case(protocol);
    if let Some(first) = evidence.first()
        && !protocols(flows).into_iter().all(at_home)
    {
        let protocols: Vec<&str> = protocols(flows).into_iter().collect();
        evidence.push(Evidence {
            by: ODD_PORT.id,
            class: Class::Suspicious,
            weight: Weight::HINT,
            says: match assigned {
                "" => format!("{} on a port that nobody assigned to it", protocols.join(" and ")),
                other => format!("{} on the port of {other}", protocols.join(" and ")),
            },
            frames: first.frames.clone(),
            attack: ODD_PORT.attack,
        });
    }
    evidence
}

/// One reason for each signature that names a protocol.
pub fn names(flows: &[Conversation]) -> Vec<Evidence> {
    let mut by_signature: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in flows.iter().flat_map(|flow| &flow.seen).filter(|seen| names_protocol(seen)) {
        by_signature.entry(seen.label.id).or_default().push(seen);
    }
    by_signature
        .into_values()
        .map(|seen| Evidence {
            by: seen[0].label.id,
            class: Class::Custom,
            weight: if borne_out(&seen) { Weight::DECISIVE } else { seen[0].label.weight },
            says: said(seen[0].label.protocol, &details(&seen), borne_out(&seen)),
            frames: first_frames(seen.iter().filter_map(|seen| seen.first)),
            attack: None,
        })
        .collect()
}

/// `tls: TLS 1.3, server name odd.test → TLS 1.3; ssh: …` for the report's one line: what the client said first, and
/// what the server did.
pub fn summary(seen: &[&Seen]) -> String {
    let mut by_protocol: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in seen.iter().filter(|seen| names_protocol(seen)) {
        by_protocol.entry(seen.label.protocol).or_default().push(seen);
    }
    let named = |(name, seen): (&str, Vec<&Seen>)| match exchange(&seen) {
        exchange if exchange.is_empty() => name.to_owned(),
        exchange => format!("{name}: {exchange}"),
    };
    // What the server says itself comes before what it was asked in.
    let (answered, asked): (Vec<_>, Vec<_>) =
        by_protocol.into_iter().partition(|(_, seen)| seen.iter().any(|seen| seen.from == Side::Server));
    let parts: Vec<String> = answered.into_iter().chain(asked).map(named).collect();
    parts.join("; ")
}

fn names_protocol(seen: &Seen) -> bool {
    seen.label.class == Class::Custom && !seen.label.protocol.is_empty()
}

/// Whether both sides said what this protocol's sides say.
fn borne_out(seen: &[&Seen]) -> bool {
    [Side::Client, Side::Server].into_iter().all(|side| seen.iter().any(|seen| seen.from == side))
}

fn said(protocol: &str, details: &str, both: bool) -> String {
    match (details.is_empty(), both) {
        (false, _) => format!("{protocol}: {details}"),
        (true, true) => format!("{protocol}, by what both sides say"),
        (true, false) => format!("{protocol}, by what one side says"),
    }
}

/// Without the fingerprint, which is for the evidence.
fn short(detail: &str) -> &str {
    detail.split(", JA4 ").next().unwrap_or(detail)
}

fn exchange(seen: &[&Seen]) -> String {
    let first = |side| seen.iter().filter(|seen| seen.from == side).min_by_key(|seen| (seen.first, &seen.detail));
    let said = [Side::Client, Side::Server].into_iter().filter_map(first).map(|seen| short(&seen.detail));
    let mut said: Vec<&str> = said.filter(|said| !said.is_empty()).collect();
    said.dedup();
    let distinct: BTreeSet<&str> =
        seen.iter().map(|seen| short(&seen.detail)).filter(|said| !said.is_empty()).collect();
    let more =
        if distinct.len() > said.len() { format!(" and {} more", distinct.len() - said.len()) } else { String::new() };
    format!("{}{more}", said.join(" → "))
}

fn protocols(flows: &[Conversation]) -> BTreeSet<&'static str> {
    let custom = || flows.iter().flat_map(|flow| &flow.seen).filter(|seen| names_protocol(seen));
    let by_server: BTreeSet<&str> =
        custom().filter(|seen| seen.from == Side::Server).map(|seen| seen.label.protocol).collect();
    // What a client tried is not what the service speaks.
    let is_spoken = |name: &&str| by_server.is_empty() || by_server.contains(name);
    custom().map(|seen| seen.label.protocol).filter(is_spoken).collect()
}

/// The first two different things seen, and how many more there were.
fn details(seen: &[&Seen]) -> String {
    let mut order: Vec<(Option<crate::frame::Stamp>, &str)> =
        seen.iter().map(|seen| (seen.first, seen.detail.as_str())).collect();
    order.sort_unstable();
    let mut distinct: Vec<&str> = Vec::new();
    for (_, detail) in order {
        if !detail.is_empty() && !distinct.contains(&detail) {
            distinct.push(detail);
        }
    }
    let more = if distinct.len() > 2 { format!(" and {} more", distinct.len() - 2) } else { String::new() };
    distinct.truncate(2);
    format!("{}{more}", distinct.join(", "))
}
