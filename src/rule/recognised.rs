//! A known protocol: it says what speaks, and that it does so on a port nobody assigned to it.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Seen, Side, first_frames};
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
pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let mut evidence = names(flows);
    if let Some(first) = evidence.first() {
        let protocols: Vec<&str> = protocols(flows).into_iter().collect();
        evidence.push(Evidence {
            by: ODD_PORT.id,
            class: Class::Suspicious,
            weight: Weight::HINT,
            says: format!("{} on a port that nobody assigned to it", protocols.join(" and ")),
            frames: first.frames.clone(),
            attack: ODD_PORT.attack,
        });
    }
    evidence
}

/// One reason for each signature that names a protocol.
pub fn names(flows: &[Conversation]) -> Vec<Evidence> {
    let mut by_signature: BTreeMap<usize, Vec<&Seen>> = BTreeMap::new();
    for seen in flows.iter().flat_map(|flow| &flow.seen).filter(|seen| seen.signature().class == Class::Custom) {
        by_signature.entry(seen.number).or_default().push(seen);
    }
    by_signature
        .into_values()
        .map(|seen| Evidence {
            by: seen[0].signature().id,
            class: Class::Custom,
            weight: seen[0].signature().weight,
            says: format!("{}: {}", seen[0].signature().protocol, details(&seen)),
            frames: first_frames(seen.iter().filter_map(|seen| seen.first)),
            attack: None,
        })
        .collect()
}

/// `tls: TLS 1.3, server name odd.test → TLS 1.3; ssh: …` for the report's one line: what the client said first, and
/// what the server did.
pub fn summary(seen: &[&Seen]) -> String {
    let mut by_protocol: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in seen.iter().filter(|seen| seen.signature().class == Class::Custom) {
        by_protocol.entry(seen.signature().protocol).or_default().push(seen);
    }
    let parts: Vec<String> =
        by_protocol.into_iter().map(|(name, seen)| format!("{name}: {}", exchange(&seen))).collect();
    parts.join("; ")
}

fn exchange(seen: &[&Seen]) -> String {
    let first = |side| seen.iter().filter(|seen| seen.from == side).min_by_key(|seen| (seen.first, &seen.detail));
    let mut said: Vec<&str> =
        [Side::Client, Side::Server].into_iter().filter_map(first).map(|seen| seen.detail.as_str()).collect();
    said.dedup();
    let distinct: BTreeSet<&str> = seen.iter().map(|seen| seen.detail.as_str()).collect();
    let more =
        if distinct.len() > said.len() { format!(" and {} more", distinct.len() - said.len()) } else { String::new() };
    format!("{}{more}", said.join(" → "))
}

fn protocols(flows: &[Conversation]) -> BTreeSet<&'static str> {
    let custom = flows.iter().flat_map(|flow| &flow.seen).filter(|seen| seen.signature().class == Class::Custom);
    custom.map(|seen| seen.signature().protocol).collect()
}

/// The first two different things seen, and how many more there were.
fn details(seen: &[&Seen]) -> String {
    let mut order: Vec<(Option<crate::frame::Stamp>, &str)> =
        seen.iter().map(|seen| (seen.first, seen.detail.as_str())).collect();
    order.sort_unstable();
    let mut distinct: Vec<&str> = Vec::new();
    for (_, detail) in order {
        if !distinct.contains(&detail) {
            distinct.push(detail);
        }
    }
    let more = if distinct.len() > 2 { format!(" and {} more", distinct.len() - 2) } else { String::new() };
    distinct.truncate(2);
    format!("{}{more}", distinct.join(", "))
}
