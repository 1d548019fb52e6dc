//! NIS: which domains and maps were read, and whether passwords left the net.

use super::About;
use super::details::{self, listed, outsiders};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Service, first_frames};
use crate::signature::arguments::Kind;
use crate::signature::nis;
use std::collections::BTreeSet;

pub const MAPS: About = About {
    id: "nis.maps",
    about: "Which NIS domains and maps the calls name, and whether a map was read as a whole or by keys. Says what was read, decides nothing.",
    attack: None,
};

pub const PASSWORDS: About = About {
    id: "nis.passwords",
    about: "A map of passwords was read. Ordinary inside a NIS domain, and said there as a hint; strong where the client's address is public \
and the server's private: the map left the net.",
    attack: Some("T1003.008"),
};

/// Maps named in one line.
const MAX_NAMED: usize = 8;

pub fn evidence(service: &Service, flows: &[Conversation]) -> Vec<Evidence> {
    let asked = details::of(flows, |kind| matches!(kind, Kind::WholeMap | Kind::MapKey | Kind::NisDomain));
    if asked.is_empty() {
        return Vec::new();
    }
    let named = asked.iter().map(|(detail, asked)| match detail.kind {
        Kind::NisDomain => format!("domain “{}” ×{}", detail.what, asked.count),
        Kind::WholeMap => format!("map “{}” of domain “{}” as a whole ×{}", detail.what, detail.within, asked.count),
        _ => format!("keys of map “{}” of domain “{}” ×{}", detail.what, detail.within, asked.count),
    });
    let mut evidence = vec![Evidence {
        by: MAPS.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!("asked for {}", listed(named.collect(), MAX_NAMED)),
        frames: first_frames(asked.values().filter_map(|asked| asked.first)),
        attack: None,
    }];
    let passwords: Vec<_> = asked
        .iter()
        .filter(|(detail, _)| detail.kind == Kind::WholeMap && nis::holds_passwords(&detail.what))
        .collect();
    if !passwords.is_empty() {
        let clients: BTreeSet<_> = passwords.iter().flat_map(|(_, asked)| &asked.clients).copied().collect();
        let outside = outsiders(&clients, service.end.address);
        let by = if outside.is_empty() { clients.into_iter().collect() } else { outside.clone() };
        let by = listed(by.iter().map(ToString::to_string).collect(), MAX_NAMED);
        let from = if outside.is_empty() { "read by" } else { "left the net: read from outside by" };
        let maps: BTreeSet<&str> = passwords.iter().map(|(detail, _)| &*detail.what).collect();
        evidence.push(Evidence {
            by: PASSWORDS.id,
            class: Class::Suspicious,
            weight: if outside.is_empty() { Weight::HINT } else { Weight::STRONG },
            says: format!(
                "map {} {from} {by}",
                maps.into_iter().map(|map| format!("“{map}”")).collect::<Vec<_>>().join(", ")
            ),
            frames: first_frames(passwords.iter().filter_map(|(_, asked)| asked.first)),
            attack: PASSWORDS.attack,
        });
    }
    evidence
}
