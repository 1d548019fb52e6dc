//! What RPC calls asked for in detail, summed over the conversations of a service: for the rules that read it. Gives no
//! reason itself.

use crate::conversation::Conversation;
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
