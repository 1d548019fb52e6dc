//! NIS: which domains and maps were read, and whether passwords left the net.

use super::About;
use super::details::{self, is_inside, listed};
use super::reads::{self, Fate, Made, Request};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Service, first_frames};
use crate::signature::arguments::{Detail, Kind};
use crate::signature::nis;
use std::collections::BTreeMap;

pub const MAPS: About = About {
    id: "nis.maps",
    about: "Which NIS domains and maps the calls name, and whether a map was read as a whole or by keys. Says what was read, decides nothing.",
    attack: None,
};

pub const PASSWORDS: About = About {
    id: "nis.passwords",
    about: "A map of passwords was read, or asked for, from the answer with the same transaction id. Ordinary inside a NIS domain, and said \
there as a hint; strong where the client's address is public and the server's private: the map left the net. From there single entries \
count as well. Less where it was not given.",
    attack: Some("T1003.008"),
};

/// Maps named in one line.
const MAX_NAMED: usize = 8;

pub fn evidence(service: &Service, flows: &[Conversation]) -> Vec<Evidence> {
    let is_map = |kind| matches!(kind, Kind::WholeMap | Kind::MapEntries | Kind::MapKey | Kind::MapToFetch);
    let asked = details::of(flows, |kind| kind == Kind::NisDomain || is_map(kind));
    if asked.is_empty() {
        return Vec::new();
    }
    let named = asked.iter().map(|(detail, asked)| match detail.kind {
        Kind::NisDomain => format!("domain “{}” ×{}", detail.what, asked.count),
        Kind::WholeMap => format!("map “{}” of domain “{}” as a whole ×{}", detail.what, detail.within, asked.count),
        Kind::MapEntries => {
            format!("map “{}” of domain “{}” entry by entry ×{}", detail.what, detail.within, asked.count)
        }
        Kind::MapToFetch => {
            format!("map “{}” of domain “{}” to be fetched by the server ×{}", detail.what, detail.within, asked.count)
        }
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
    let of_maps = reads::worst(requests(flows).into_iter(), service.end.address);
    let of_entries = reads::worst(entries_from_outside(flows), service.end.address);
    for (what, reads) in [("map", of_maps), ("entries of map", of_entries)] {
        let Some(reads) = reads else { continue };
        let maps: Vec<String> = reads.what.iter().map(|map| format!("“{map}”")).collect();
        evidence.push(Evidence {
            by: PASSWORDS.id,
            class: Class::Suspicious,
            weight: reads.weight,
            says: format!("{what} {} {}", maps.join(", "), reads.says),
            frames: first_frames(reads.first),
            attack: PASSWORDS.attack,
        });
    }
    evidence
}

/// Requests of clients from outside for single entries of password maps: inside, every log-in makes one.
fn entries_from_outside<'a>(flows: &'a [Conversation<'a>]) -> impl Iterator<Item = Request<'a>> + 'a {
    let outside = |flow: &&Conversation| is_inside(flow.server().address) && !is_inside(flow.client().address);
    flows.iter().filter(outside).flat_map(|flow| reads::detailed(std::slice::from_ref(flow))).filter_map(|made| {
        let map = made.detail.filter(|map| map.kind == Kind::MapKey && nis::holds_passwords(&map.what))?;
        let (fate, first) = (Fate::of(made.call, made.reply), Some(made.call.first));
        Some(Request { fate, client: made.client, first, what: &map.what })
    })
}

/// Every request for a map of passwords. Of those that are counted and not kept, nobody knows what came.
fn requests<'a>(flows: &'a [Conversation<'a>]) -> Vec<Request<'a>> {
    let mut requests = Vec::new();
    for flow in flows {
        let flow = std::slice::from_ref(flow);
        let mut kept: BTreeMap<&Detail, u64> = BTreeMap::new();
        for Made { client, call, detail, reply } in reads::detailed(flow) {
            if let Some(map) = detail.filter(|detail| is_password_map(detail)) {
                *kept.entry(map).or_default() += u64::from(call.times);
                requests.push(Request {
                    fate: Fate::of(call, reply),
                    client,
                    first: Some(call.first),
                    what: &map.what,
                });
            }
        }
        let counted = details::of(flow, |kind| matches!(kind, Kind::WholeMap | Kind::MapEntries));
        for (map, asked) in counted.into_iter().filter(|(map, _)| is_password_map(map)) {
            if asked.count > kept.get(map).copied().unwrap_or(0) {
                requests.extend(asked.clients.iter().map(|client| Request {
                    fate: Fate::Unknown,
                    client: *client,
                    first: asked.first,
                    what: &map.what,
                }));
            }
        }
    }
    requests
}

fn is_password_map(detail: &Detail) -> bool {
    matches!(detail.kind, Kind::WholeMap | Kind::MapEntries) && nis::holds_passwords(&detail.what)
}
