//! Findings of no weight that come in thousands become a line each, so that a flood makes no report that nobody can open. A
//! function of the sorted findings alone: the same for any cut of the capture.

use crate::class::{Class, Confidence, Weight};
use crate::conversation::State;
use crate::finding::{Finding, Kind};
use crate::frame::Timestamp;
use crate::port::Transport;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Findings alike that are listed one by one; where there are more, they fold. A network has some hundreds of dead ports, and
/// only floods have thousands.
const ALIKE: usize = 1000;
/// Of those that fold, the heaviest, which are listed all the same: to see what they look like.
const EXAMPLES: usize = 32;
/// Packets and clients up to which a service is of no weight.
const SLIGHT_PACKETS: u64 = 32;
const SLIGHT_CLIENTS: usize = 4;
/// Findings that a report lists one by one, whatever they are: of some 3 kB each in JSON, less than half of what a report may
/// take, and a page of them opens at once.
const MAX_FINDINGS: usize = 8000;
/// Of these, those that are kept for what has no strong reason, however much has.
const RESERVED: usize = 1000;
/// Names of services that folded, over the report: 40 bytes each.
const MAX_NAMED: usize = 131_072;
/// Lines: kinds of evidence are few, and clients with a thousand services each are not many.
const MAX_LINES: usize = 1024;

/// Findings that are alike, told together.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Folded {
    pub kind: Kind,
    pub transport: Transport,
    pub class: Class,
    pub state: State,
    /// The highest of any.
    pub confidence: Confidence,
    /// Of the heaviest of them.
    pub what: String,
    /// The reasons that each of them has.
    pub evidence: Vec<&'static str>,
    /// The kind of tunnel that they came through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<&'static str>,
    /// Where all of them have one client, and it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// How many findings these are.
    pub findings: usize,
    /// How many of them are new since the baseline.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub new: usize,
    /// Whom they are about, the heaviest first: `10.0.0.5:817/udp`, of scanners the address. As many as there is room for.
    pub names: Vec<String>,
    pub addresses_total: usize,
    pub ports_total: usize,
    pub flows: usize,
    pub packets: u64,
    pub bytes: u64,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
}

/// What findings of one line have in common.
type Key = (Class, bool, Kind, State, Transport, Option<&'static str>, Vec<&'static str>);

/// The same, and the client that they have in common.
type Group = (Key, Option<IpAddr>);

fn key(finding: &Finding) -> Key {
    let ids: BTreeSet<&'static str> = finding.evidence.iter().map(|reason| reason.by).collect();
    let tunnel = finding.tunnel.as_ref().map(|tunnel| tunnel.kind);
    let is_client = finding.kind == Kind::Client;
    (finding.class, is_client, finding.kind, finding.state, finding.transport, tunnel, ids.into_iter().collect())
}

/// Whether nothing is known of it, nobody said anything about it, and little went to it. A hint is no more than a note here: that
/// many hosts have the same is what a flood brings about by itself.
fn is_slight(finding: &Finding) -> bool {
    finding.class == Class::Custom
        && matches!(finding.state, State::Unexplained | State::NoPayload | State::Refused | State::Unanswered)
        && finding.evidence.iter().all(|reason| reason.weight <= Weight::HINT)
        && finding.protocol.is_empty()
        && finding.rpc.is_empty()
        && finding.known.is_none()
        && finding.quieted == 0
        && finding.packets <= SLIGHT_PACKETS
        && finding.clients_total <= SLIGHT_CLIENTS
}

/// What a finding of no strong evidence weighs; the place makes it unique.
fn weight(finding: &Finding, place: usize) -> impl Ord + use<> {
    (Reverse(finding.clients_total), Reverse(finding.packets), Reverse(finding.bytes), place)
}

/// Takes findings that fold out of the list; what is left keeps its order.
pub(super) fn fold(findings: &mut Vec<Finding>) -> Vec<Folded> {
    let mut folds = vec![false; findings.len()];
    let mut alike: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate().filter(|(_, finding)| is_slight(finding)) {
        alike.entry(key(finding)).or_default().push(place);
    }
    for mut places in alike.into_values().filter(|places| places.len() > ALIKE) {
        places.sort_by_cached_key(|place| weight(&findings[*place], *place));
        places[EXAMPLES..].iter().for_each(|place| folds[*place] = true);
    }
    let listed: Vec<usize> = (0..findings.len()).filter(|place| !folds[*place]).collect();
    if listed.len() > MAX_FINDINGS {
        let is_strong = |finding: &Finding| finding.evidence.iter().any(|reason| reason.weight >= Weight::STRONG);
        let (strong, others): (Vec<usize>, Vec<usize>) =
            listed.into_iter().partition(|place| is_strong(&findings[*place]));
        let reserved = RESERVED.min(others.len());
        let left = MAX_FINDINGS - room(findings, strong, MAX_FINDINGS - reserved, &mut folds);
        room(findings, others, left, &mut folds);
    }
    if !folds.contains(&true) {
        return Vec::new();
    }
    let lines = lines(findings, &folds);
    let mut place = 0;
    findings.retain(|_| {
        place += 1;
        !folds[place - 1]
    });
    lines
}

/// Lets so many of these findings stay, shared fairly among those that are alike: no flood of one kind crowds out another. What
/// is suspicious or RPC stays in the order of the report, of the rest the heaviest. Gives how many stay.
fn room(findings: &[Finding], places: Vec<usize>, budget: usize, folds: &mut [bool]) -> usize {
    let mut alike: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for place in places {
        alike.entry(key(&findings[place])).or_default().push(place);
    }
    let sizes: Vec<usize> = alike.values().map(Vec::len).collect();
    let shares = super::bounds::shares(&sizes, budget);
    for (mut places, share) in alike.into_values().zip(&shares) {
        if places.len() > *share && places.iter().all(|place| findings[*place].class == Class::Custom) {
            places.sort_by_cached_key(|place| weight(&findings[*place], *place));
        }
        places.iter().skip(*share).for_each(|place| folds[*place] = true);
    }
    shares.iter().sum()
}

/// A line for all that are alike, and one for each client that has a thousand of them to itself.
fn lines(findings: &[Finding], folds: &[bool]) -> Vec<Folded> {
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (place, finding) in findings.iter().enumerate().filter(|(place, _)| folds[*place]) {
        groups.entry(key(finding)).or_default().push(place);
    }
    let only = |place: usize| match findings[place].clients[..] {
        [client] if findings[place].kind == Kind::Service => Some(client),
        _ => None,
    };
    let mut split: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
    for (key, places) in groups {
        let mut of: BTreeMap<IpAddr, usize> = BTreeMap::new();
        places.iter().filter_map(|place| only(*place)).for_each(|client| *of.entry(client).or_default() += 1);
        for place in places {
            let client = only(place).filter(|client| of[client] > ALIKE && split.len() < MAX_LINES);
            split.entry((key.clone(), client)).or_default().push(place);
        }
    }
    let sizes: Vec<usize> = split.values().map(Vec::len).collect();
    let named = super::bounds::shares(&sizes, MAX_NAMED);
    let line = |((group, mut places), named): ((Group, Vec<usize>), usize)| {
        let (key, client) = group;
        places.sort_by_cached_key(|place| weight(&findings[*place], *place));
        let of = || places.iter().map(|place| &findings[*place]);
        let (class, _, kind, state, transport, tunnel, evidence) = key;
        Folded {
            kind,
            transport,
            class,
            state,
            confidence: of().map(|finding| finding.confidence).max().unwrap_or(Confidence::Weak),
            what: of().next().map(|finding| finding.what.clone()).unwrap_or_default(),
            evidence,
            tunnel,
            client,
            findings: places.len(),
            new: of().filter(|finding| !finding.new.is_empty()).count(),
            names: of().take(named).map(Finding::name).collect(),
            addresses_total: of().map(|finding| finding.address).collect::<BTreeSet<_>>().len(),
            ports_total: of().filter_map(|finding| finding.port).collect::<BTreeSet<_>>().len(),
            flows: of().map(|finding| finding.flows_total).sum(),
            packets: of().map(|finding| finding.packets).sum(),
            bytes: of().map(|finding| finding.bytes).sum(),
            first_seen: of().filter_map(|finding| finding.first_seen).min(),
            last_seen: of().filter_map(|finding| finding.last_seen).max(),
        }
    };
    split.into_iter().zip(named).map(line).collect()
}
