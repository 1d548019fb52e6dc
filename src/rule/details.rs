//! What RPC calls asked for in detail, summed over the conversations of a service: for the rules that read it. Gives no
//! reason itself.

use crate::class::Weight;
use crate::conversation::Conversation;
use crate::flow::{CallSeen, ReplySeen};
use crate::frame::Stamp;
use crate::merge::earliest;
use crate::signature::arguments::{Detail, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How often something was asked, where first, and by whom.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub count: u64,
    pub first: Option<Stamp>,
    pub clients: BTreeSet<IpAddr>,
}

/// Every detail of some kinds.
pub fn of<'a>(flows: &'a [Conversation<'a>], wanted: impl Fn(Kind) -> bool) -> BTreeMap<&'a Detail, Asked> {
    let mut details: BTreeMap<&Detail, Asked> = BTreeMap::new();
    for flow in flows {
        let calls = flow.from_client.remote_calls.as_deref();
        for (detail, seen) in
            calls.into_iter().flat_map(|calls| calls.details.iter()).filter(|(detail, _)| wanted(detail.kind))
        {
            let asked = details.entry(detail).or_default();
            asked.count += seen.count;
            asked.first = earliest(asked.first, seen.first);
            asked.clients.insert(flow.client().address);
        }
    }
    details
}

/// What came of a request for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Granted,
    /// The answer is not in the capture, or not among those kept.
    Unknown,
    /// Denied, or answered with no data: a copy that is still good wants none.
    Empty,
}

/// The longest reply without data: its header without a verifier (RFC 5531, section 9), and five words, as `ypserv` answers
/// ALL for a map that it does not have: more to come, a status, an empty value, an empty key, no more.
const EMPTY_REPLY: u32 = 24 + 20;

impl Fate {
    #[must_use]
    pub fn of(reply: Option<&ReplySeen>) -> Self {
        match reply {
            None => Fate::Unknown,
            Some(reply) if reply.outcome.is_success() && reply.length > EMPTY_REPLY => Fate::Granted,
            Some(_) => Fate::Empty,
        }
    }
}

/// The calls that are kept, each with its client, and the reply with the same transaction id.
pub fn calls<'a>(
    flows: &'a [Conversation<'a>],
) -> impl Iterator<Item = (IpAddr, &'a CallSeen, Option<&'a ReplySeen>)> + 'a {
    flows.iter().flat_map(|flow| {
        let calls = flow.from_client.remote_calls.as_deref();
        let replies = flow.from_server.remote_calls.as_deref();
        calls
            .into_iter()
            .flat_map(|calls| calls.calls.iter())
            .map(move |(xid, call)| (flow.client().address, call, replies.and_then(|replies| replies.replies.get(xid))))
    })
}

/// Requests for something that must not leave the net, the worst that came of them.
#[derive(Clone, Debug)]
pub struct Reads {
    pub fate: Fate,
    /// Who got it, where anybody did; otherwise who asked.
    pub clients: BTreeSet<IpAddr>,
    pub first: Option<Stamp>,
}

/// Of several requests, those with the worst fate; `None` where there are none.
pub fn worst(requests: impl Iterator<Item = (Fate, IpAddr, Stamp)>) -> Option<Reads> {
    let mut by_fate: BTreeMap<Fate, Reads> = BTreeMap::new();
    for (fate, client, stamp) in requests {
        let reads = by_fate.entry(fate).or_insert_with(|| Reads { fate, clients: BTreeSet::new(), first: None });
        reads.clients.insert(client);
        reads.first = earliest(reads.first, Some(stamp));
    }
    by_fate.pop_first().map(|(_, reads)| reads)
}

impl Reads {
    /// Who read it or asked for it in words, and how much that weighs. `server` is whose data it is.
    pub fn judge(&self, server: IpAddr) -> (String, Weight) {
        let outside = outsiders(&self.clients, server);
        let by: Vec<IpAddr> = if outside.is_empty() { self.clients.iter().copied().collect() } else { outside.clone() };
        let by = listed(by.iter().map(ToString::to_string).collect(), MAX_CLIENTS);
        let (says, weight) = match (self.fate, outside.is_empty()) {
            (Fate::Granted, true) => (format!("read by {by}"), Weight::HINT),
            (Fate::Granted, false) => (format!("left the net: read from outside by {by}"), Weight::STRONG),
            (Fate::Unknown, true) => (format!("asked for by {by}; the answer is not in the capture"), Weight::HINT),
            (Fate::Unknown, false) => {
                (format!("asked for from outside by {by}; the answer is not in the capture"), Weight::STRONG)
            }
            (Fate::Empty, true) => (format!("asked for by {by}, and not given"), Weight::NOTE),
            (Fate::Empty, false) => (format!("asked for from outside by {by}, and not given"), Weight::HINT),
        };
        (says, weight)
    }
}

/// Clients named in one line.
const MAX_CLIENTS: usize = 8;

/// Some of a list, and how many more there are.
pub fn listed(mut items: Vec<String>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    items.truncate(most);
    if more > 0 {
        items.push(format!("{more} more"));
    }
    items.join(", ")
}

/// Whether an address is of a private net: RFC 1918, RFC 6598, link-local, loopback, RFC 4193.
#[must_use]
pub fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Clients of public addresses, where the server's is private: they come from outside.
pub fn outsiders(clients: &BTreeSet<IpAddr>, server: IpAddr) -> Vec<IpAddr> {
    if !is_inside(server) {
        return Vec::new();
    }
    clients.iter().copied().filter(|client| !is_inside(*client)).collect()
}
