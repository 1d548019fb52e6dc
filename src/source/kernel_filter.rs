//! A filter for the kernel, made from the scope: it keeps busy links from costing anything. Lets too much through rather
//! than too little: everything that is not plain IP with ports out of scope. Knows no interface.

use crate::port::{CONTEXT_PORTS, Scope, Transport};
use crate::tunnel;
use std::fmt::Write as _;

/// The authentication header (RFC 4302): an IPv4 packet has its ports behind it. IPv6 is let through by what it is not.
const AUTHENTICATION: u8 = 51;
/// As few runs of ports are compared one after the other; more are halved first.
const MAX_IN_A_ROW: usize = 2;

/// The expression, as pcap-filter(7) has them.
#[must_use]
pub fn expression(scope: &Scope) -> String {
    let tcp = runs(scope, Transport::Tcp);
    let udp = runs(scope, Transport::Udp);
    let protocols = tunnel::IP_PROTOCOLS.iter().chain([&AUTHENTICATION]);
    let protocols: Vec<String> = protocols.map(|number| format!("ip[9] = {number}")).collect();
    let ports = |source: &str, destination: &str, runs: &[(u16, u16)]| {
        format!("({} or {})", tree(source, runs), tree(destination, runs))
    };
    [
        // VLAN, MPLS, PPPoE and whatever else may hold IP further in.
        "(not ip and not ip6)".to_owned(),
        // Later fragments have no ports.
        format!("(ip and (ip[6:2] & 0x1fff != 0 or {}))", protocols.join(" or ")),
        format!("(ip and tcp and {})", ports("tcp[0:2]", "tcp[2:2]", &tcp)),
        format!("(ip and udp and {})", ports("udp[0:2]", "udp[2:2]", &udp)),
        // Port unreachable: nobody listens there.
        "(icmp and icmp[0:2] = 0x0303)".to_owned(),
        "(ip6 and ip6[6] = 58 and ip6[40:2] = 0x0104)".to_owned(),
        // Extension headers, and tunnels of IPv6; all but plain TCP, UDP and ICMPv6.
        "(ip6 and ip6[6] != 6 and ip6[6] != 17 and ip6[6] != 58)".to_owned(),
        format!("(ip6 and ip6[6] = 6 and {})", ports("ip6[40:2]", "ip6[42:2]", &tcp)),
        format!("(ip6 and ip6[6] = 17 and {})", ports("ip6[40:2]", "ip6[42:2]", &udp)),
    ]
    .join(" or ")
}

/// The ports that matter in runs, ascending.
fn runs(scope: &Scope, transport: Transport) -> Vec<(u16, u16)> {
    let context = CONTEXT_PORTS.iter().filter(|(over, _)| *over == transport).map(|(_, port)| *port);
    // Of either end: some tunnels answer from there, and what leaves by such a port is little.
    let tunnels = tunnel::UDP_PORTS.into_iter().filter(|_| transport == Transport::Udp).map(|(port, _)| port);
    let mut ports: Vec<u16> = scope.targets(transport).iter().chain(context).chain(tunnels).collect();
    ports.sort_unstable();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in ports {
        match runs.last_mut() {
            Some((_, last)) if port <= last.saturating_add(1) => *last = port,
            _ => runs.push((port, port)),
        }
    }
    runs
}

/// Whether a value lies in one of the runs, by halving them.
fn tree(value: &str, runs: &[(u16, u16)]) -> String {
    if runs.len() <= MAX_IN_A_ROW {
        let parts: Vec<String> = runs
            .iter()
            .map(|(first, last)| {
                if first == last {
                    format!("{value} = {first}")
                } else {
                    format!("({value} >= {first} and {value} <= {last})")
                }
            })
            .collect();
        return if parts.is_empty() { "1 = 0".to_owned() } else { format!("({})", parts.join(" or ")) };
    }
    let (low, high) = runs.split_at(runs.len() / 2);
    let middle = high[0].0;
    let mut text = String::new();
    let _ = write!(
        text,
        "(({value} < {middle} and {}) or ({value} >= {middle} and {}))",
        tree(value, low),
        tree(value, high)
    );
    text
}
