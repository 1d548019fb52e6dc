//! Wireshark filters of services that share an end with others: in a tunnel, or on a four-tuple that was used again. Judges
//! nothing.

use crate::finding::{EndNote, Finding, FlowNote, Kind, wireshark};
use crate::frame::Timestamp;
use crate::packet::Endpoint;
use crate::port::Transport;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

/// The same address and port, plain and in a tunnel, are two services: the plain one's filter leaves tunnels out.
pub(super) fn tell_tunnels_apart(findings: &mut [Finding]) {
    let place = |finding: &Finding| (finding.kind, finding.transport, finding.address, finding.port, finding.server);
    let tunnelled: HashSet<_> = findings.iter().filter(|finding| finding.tunnel.is_some()).map(place).collect();
    for finding in findings.iter_mut().filter(|finding| finding.tunnel.is_none()) {
        if tunnelled.contains(&place(finding)) {
            finding.wireshark = wireshark::outside_of_tunnels(&finding.wireshark);
        }
    }
}

/// A four-tuple that was used again with the roles exchanged belongs to two services, each at its own times.
pub(super) fn tell_reused_apart(findings: &mut [Finding]) {
    let ordered = |flow: &FlowNote| {
        let [a, b] = [flow.client, flow.server].map(|end| Endpoint { address: end.address, port: end.port });
        if a <= b { [a, b] } else { [b, a] }
    };
    let mut servers: HashMap<[Endpoint; 2], BTreeSet<(IpAddr, u16)>> = HashMap::new();
    let services =
        findings.iter().filter(|finding| finding.kind == Kind::Service && finding.transport == Transport::Tcp);
    for flow in services.flat_map(|finding| &finding.flows) {
        servers.entry(ordered(flow)).or_default().insert((flow.server.address, flow.server.port));
    }
    servers.retain(|_, servers| servers.len() > 1);
    for finding in findings.iter_mut().filter(|finding| finding.kind == Kind::Service) {
        let mut times: BTreeMap<[Endpoint; 2], ([EndNote; 2], Timestamp, Timestamp)> = BTreeMap::new();
        for flow in finding.flows.iter().filter(|flow| servers.contains_key(&ordered(flow))) {
            let Some((first, last)) = flow.first_seen.zip(flow.last_seen) else { continue };
            let known = times.entry(ordered(flow)).or_insert(([flow.client, flow.server], first, last));
            (known.1, known.2) = (known.1.min(first), known.2.max(last));
        }
        if !times.is_empty() {
            let times: Vec<_> = times.into_values().collect();
            finding.wireshark = wireshark::at_these_times(&finding.wireshark, finding.transport, &times);
        }
    }
}
