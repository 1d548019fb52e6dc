//! NetInfo in words that a person understands: which domain, what it was asked, who is its parent.

use super::details::{self, listed};
use super::reads::{self, Fate, Made, Request};
use super::{About, Context};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Service, first_frames};
use crate::flow::Named;
use crate::frame::Stamp;
use crate::signature::arguments::Kind;
use crate::signature::netinfo::{self, BINDER, Copy, NETINFO, READALL, Use};
use crate::signature::rpc::Outcome;
use crate::words::{count, count_u64};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

pub const ABOUT: About = About {
    id: "netinfo",
    about: "What a NetInfo service was asked: look-ups, reads, writes and full transfers told apart, the tag of its domain from the binder or from \
its own statistics, whether it is the domain's master, its parent, and what was looked up.",
    attack: None,
};

pub const TRANSFER: About = About {
    id: "netinfo.transfer",
    about: "The whole NetInfo database was read at once (READALL), password hashes included. A clone does so; strong where the reader's address is \
public and the server's private.",
    attack: Some("T1087.002"),
};

/// Look-ups and domains named in one line.
const MAX_NAMED: usize = 6;

/// What is known of a service from its answers.
#[derive(Clone, Debug, Default)]
struct Known {
    tags: BTreeSet<String>,
    copies: BTreeSet<Copy>,
    parents: BTreeSet<(String, Ipv4Addr)>,
}

fn known(service: &Service, context: Context<'_>) -> Known {
    let mut known = Known::default();
    for learnt in context.bindings.of(service.end.address, service.transport, service.end.port) {
        known.tags.extend(learnt.binding.domain.clone());
    }
    let own =
        context.answers.iter().filter(|answer| answer.from == service.end && answer.transport == service.transport);
    for answer in own.filter(|answer| answer.call.program == NETINFO) {
        match answer.call.procedure {
            netinfo::STATISTICS => {
                if let Some((tag, copy)) = netinfo::tag_of_statistics(&answer.result) {
                    known.tags.insert(tag);
                    known.copies.extend(copy);
                }
            }
            netinfo::RPARENT => known.parents.extend(netinfo::parent(&answer.result)),
            _ => {}
        }
    }
    known
}

/// How often each use was made of a service, with the first frame.
fn uses(flows: &[Conversation]) -> BTreeMap<Use, (u64, Option<Stamp>, BTreeSet<IpAddr>)> {
    let mut uses: BTreeMap<Use, (u64, Option<Stamp>, BTreeSet<IpAddr>)> = BTreeMap::new();
    if !is_served(flows) {
        return uses;
    }
    for flow in flows {
        let calls = flow.from_client.remote_calls.as_deref();
        for (named, seen) in calls.into_iter().flat_map(|calls| calls.procedures.iter()) {
            if named.program == NETINFO {
                let empty = if is_transfer(named) { empty_transfers(flow) } else { 0 }.min(seen.count);
                for (made, count) in
                    [(Use::of(named.procedure.into()), seen.count - empty), (Use::EmptyTransfer, empty)]
                {
                    if count > 0 {
                        let entry = uses.entry(made).or_default();
                        entry.0 += count;
                        entry.1 = crate::merge::earliest(entry.1, seen.first);
                        entry.2.insert(flow.client().address);
                    }
                }
            }
        }
    }
    uses
}

fn is_transfer(named: &Named) -> bool {
    (named.program, u32::from(named.procedure)) == (NETINFO, READALL)
}

/// Calls of READALL that were answered without a database.
fn empty_transfers(flow: &Conversation) -> u64 {
    kept_transfers(flow).filter(|request| request.fate == Fate::Empty).count() as u64
}

fn kept_transfers<'a>(flow: &'a Conversation<'a>) -> impl Iterator<Item = Request<'a>> + 'a {
    reads::of_program(std::slice::from_ref(flow), NETINFO).filter(|made| is_transfer(&made.call.named)).map(
        |Made { client, call, reply, .. }| Request {
            fate: Fate::of(call, reply),
            client,
            first: Some(call.first),
            what: "",
        },
    )
}

/// Every request for the database. Of those that are counted and not kept, nobody knows what came.
fn transfers<'a>(flows: &'a [Conversation<'a>]) -> Vec<Request<'a>> {
    let mut requests = Vec::new();
    for flow in flows {
        let before = requests.len();
        requests.extend(kept_transfers(flow));
        let calls = flow.from_client.remote_calls.as_deref();
        let mut counts = calls.into_iter().flat_map(|calls| calls.procedures.iter());
        let counted = counts.find(|(named, _)| is_transfer(named));
        let sampled = calls.is_some_and(|calls| calls.calls.is_cut());
        if let Some((_, seen)) = counted.filter(|(_, seen)| sampled && seen.count > (requests.len() - before) as u64) {
            requests.push(Request { fate: Fate::Unknown, client: flow.client().address, first: seen.first, what: "" });
        }
    }
    requests
}

/// Whether what is called NetInfo answers as such: not where every answer says that the program, or its version, is not there.
fn is_served(flows: &[Conversation]) -> bool {
    let outcomes: Vec<Outcome> =
        reads::of_program(flows, NETINFO).filter_map(|made| made.reply.map(|reply| reply.outcome)).collect();
    let is_absent = |outcome: &Outcome| matches!(outcome, Outcome::ProgramUnavailable | Outcome::ProgramMismatch);
    outcomes.is_empty() || !outcomes.iter().all(is_absent)
}

/// Writes that were answered with each status (`ni_status`), where the answer is among those kept.
fn writes(flows: &[Conversation]) -> BTreeMap<u32, u64> {
    let mut by_status = BTreeMap::new();
    for Made { call, reply, .. } in reads::of_program(flows, NETINFO) {
        let is_write = Use::of(call.named.procedure.into()) == Use::Write;
        if let Some(status) = reply.and_then(|reply| reply.status).filter(|_| is_write) {
            *by_status.entry(status).or_default() += 1;
        }
    }
    by_status
}

/// `NetInfo domain “network”: 412 look-ups, 1 full database transfer`; `None` for a service that is no `netinfod`.
#[must_use]
pub fn describe(service: &Service, flows: &[Conversation], context: Context<'_>) -> Option<String> {
    let uses = uses(flows);
    if uses.is_empty() {
        return None;
    }
    let tags: Vec<String> = known(service, context).tags.into_iter().map(|tag| format!("“{tag}”")).collect();
    let domain = if tags.is_empty() {
        "NetInfo domain of unknown tag".to_owned()
    } else {
        format!("NetInfo domain {}", tags.join(", "))
    };
    let clients: BTreeSet<&IpAddr> = uses.values().flat_map(|(_, _, clients)| clients).collect();
    let mut parts = vec![count(clients.len(), "client")];
    parts.extend(uses.iter().map(|(made, (times, ..))| count_u64(*times, made.noun())));
    Some(format!("{domain} (netinfo v2): {}", parts.join(", ")))
}

pub fn evidence(service: &Service, flows: &[Conversation], context: Context<'_>) -> Vec<Evidence> {
    let uses = uses(flows);
    let asked = details::of(flows, |kind| matches!(kind, Kind::Tag | Kind::Lookup));
    let binder = flows.iter().filter_map(|flow| flow.from_client.remote_calls.as_deref());
    let is_binder = binder.flat_map(|calls| calls.procedures.iter()).any(|(named, _)| named.program == BINDER);
    let mut evidence = Vec::new();
    if uses.is_empty() && !is_binder {
        return evidence;
    }
    let known = known(service, context);
    let mut parts = Vec::new();
    let quoted = |names: &BTreeSet<String>| names.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ");
    if !known.tags.is_empty() {
        parts.push(format!("domain {}", quoted(&known.tags)));
    }
    parts.extend(uses.iter().map(|(made, (times, ..))| count_u64(*times, made.noun())));
    let answers = writes(flows);
    match known.copies.first() {
        Some(Copy::Master) => parts.push("this host holds the domain's master, by its own statistics".to_owned()),
        Some(Copy::Clone) => parts.push("this host holds a clone of the domain, by its own statistics".to_owned()),
        None if answers.keys().any(|status| netinfo::NO_WRITES.contains(status)) => {
            parts.push("writes are refused here, as by a clone".to_owned());
        }
        None if answers.contains_key(&0) => {
            parts.push("writes are taken: this host holds the master, or a clone that its master tells".to_owned());
        }
        None => {}
    }
    if !known.parents.is_empty() {
        let parents = known.parents.iter().map(|(tag, address)| format!("“{tag}” at {address}"));
        parts.push(format!("parent domain {}", listed(parents.collect(), MAX_NAMED)));
    }
    let texts = |wanted: Kind| -> Vec<String> {
        let of = asked.iter().filter(|(detail, _)| detail.kind == wanted);
        of.map(|(detail, _)| match &*detail.within {
            "" => format!("“{}”", detail.what),
            within => format!("“{}” {within}", detail.what),
        })
        .collect()
    };
    for (kind, lead) in [(Kind::Tag, "domains "), (Kind::Lookup, "looked up ")] {
        let texts = texts(kind);
        if !texts.is_empty() {
            parts.push(format!("{lead}{}", listed(texts, MAX_NAMED)));
        }
    }
    if !parts.is_empty() {
        let stamps =
            uses.values().filter_map(|(_, first, _)| *first).chain(asked.values().filter_map(|asked| asked.first));
        evidence.push(Evidence {
            by: ABOUT.id,
            class: Class::LegacyRpc,
            weight: Weight::NOTE,
            says: format!("NetInfo: {}", parts.join("; ")),
            frames: first_frames(stamps),
            attack: None,
        });
    }
    let transfers = if uses.is_empty() { Vec::new() } else { transfers(flows) };
    let reads = reads::worst(transfers.into_iter(), service.end.address);
    if let Some(reads) = reads.filter(|reads| reads.fate != Fate::Empty || reads.weight > Weight::NOTE) {
        evidence.push(Evidence {
            by: TRANSFER.id,
            class: Class::Suspicious,
            weight: if reads.weight == Weight::HINT { Weight::NOTE } else { reads.weight }, // a clone reads it all
            says: format!("the whole database {}", reads.says),
            frames: first_frames(reads.first),
            attack: TRANSFER.attack,
        });
    }
    evidence
}
