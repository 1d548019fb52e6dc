//! Display filters that show the frames of a finding. Knows Wireshark's fields and no verdict.

use super::{EndNote, Kind};
use crate::conversation::{Conversation, Service};
use crate::frame::Timestamp;
use crate::port::Transport;
use crate::tunnel::{self, Tunnel};
use crate::words::ranges;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Programs that Wireshark 4.0 takes for RPC on any port, by trying a call of each program in our table. A call to any other
/// is shown as bare data, unless it is told to dissect unknown programs.
const DISSECTED: [u32; 29] = [
    100_000,
    100_001,
    100_003,
    100_004,
    100_005,
    100_007,
    100_008,
    100_009,
    100_011,
    100_012,
    100_020,
    100_021,
    100_024,
    100_026,
    100_069,
    100_227,
    100_232,
    100_300,
    100_302,
    150_001,
    395_183,
    395_184,
    395_185,
    1_298_437,
    14_398_633,
    34_123_456,
    123_451_501,
    788_585_389,
    0x4000_0000,
];

/// What Wireshark and tshark are to be told, so that they show the calls of these programs.
pub(super) fn option(programs: impl IntoIterator<Item = u32>) -> Option<&'static str> {
    let unknown = programs.into_iter().any(|program| !DISSECTED.contains(&program));
    unknown.then_some("-o rpc.dissect_unknown_programs:TRUE")
}

/// Runs of ports that a filter names.
const MAX_FILTER_RUNS: usize = 64;

/// A display filter that shows the finding's frames. ICMP errors quote the packets that they are about, and Wireshark
/// finds the ports in them too.
pub(super) fn filter(kind: Kind, service: &Service, address: IpAddr, conversations: &[Conversation]) -> String {
    let filter = plain_filter(kind, service, address, conversations);
    match service.tunnel.filter(|_| kind != Kind::Scanner) {
        Some(tunnel) => format!("{} && {filter}", through(tunnel)),
        None => filter,
    }
}

/// Packets that came through a tunnel, as far as Wireshark has a field for which one.
fn through(tunnel: Tunnel) -> String {
    let network = |field: &str| format!("{field} == {}", tunnel.network);
    match tunnel.kind {
        tunnel::Kind::Ipip => "(ip.proto == 4 || ip.proto == 41 || ipv6.nxt == 4 || ipv6.nxt == 41)".to_owned(),
        tunnel::Kind::Gre => "gre".to_owned(),
        tunnel::Kind::Erspan => network("erspan.spanid"),
        tunnel::Kind::Vxlan | tunnel::Kind::VxlanGpe => network("vxlan.vni"),
        tunnel::Kind::Geneve => network("geneve.vni"),
        tunnel::Kind::Gtpu => "gtp".to_owned(),
        tunnel::Kind::Mpls => "mpls".to_owned(),
        tunnel::Kind::Teredo => "teredo".to_owned(),
        tunnel::Kind::L2tp => "l2tp".to_owned(),
        tunnel::Kind::Tzsp => "tzsp".to_owned(),
        tunnel::Kind::EtherIp => "etherip".to_owned(),
    }
}

/// The filter of a service without what went over these four-tuples at other times: they were used again, with the roles
/// exchanged. Each has both ends, and from when to when it was this service's.
pub(crate) fn at_these_times(
    filter: &str,
    transport: Transport,
    flows: &[([EndNote; 2], Timestamp, Timestamp)],
) -> String {
    let transport = transport.name();
    flows.iter().take(MAX_FILTER_RUNS).fold(filter.to_owned(), |filter, ([a, b], first, last)| {
        let net = if a.address.is_ipv4() { "ip" } else { "ipv6" };
        let seconds = |time: &Timestamp| format!("{}.{:09}", time.0 / 1_000_000_000, time.0 % 1_000_000_000);
        format!(
            "{filter} && !({net}.addr == {} && {net}.addr == {} && {transport}.port == {} && {transport}.port == {} && \
             (frame.time_epoch < {} || frame.time_epoch > {}))",
            a.address,
            b.address,
            a.port,
            b.port,
            seconds(first),
            seconds(last)
        )
    })
}

/// The filter of a service of which there is a twin in a tunnel: without what came through any.
pub(crate) fn outside_of_tunnels(filter: &str) -> String {
    format!(
        "{filter} && !(gre || erspan || vxlan || geneve || gtp || ip.proto == 4 || ip.proto == 41 || ipv6.nxt == 4 || ipv6.nxt == 41)"
    )
}

fn plain_filter(kind: Kind, service: &Service, address: IpAddr, conversations: &[Conversation]) -> String {
    let (net, icmp) = if address.is_ipv4() { ("ip", "icmp") } else { ("ipv6", "icmpv6") };
    let transport = service.transport.name();
    let port = service.end.port;
    let later = later_fragments(conversations, net);
    match kind {
        Kind::Service => format!(
            "(({net}.src == {address} && {transport}.srcport == {port}) || ({net}.dst == {address} && \
             {transport}.dstport == {port}){later}{}) && !{icmp}",
            running_back(conversations, net)
        ),
        Kind::Client => {
            let own = port_set(conversations.iter().map(|flow| flow.asker().port));
            let server = service.end.address;
            // A connection that runs back comes from whatever port the server took for it.
            if conversations.iter().any(|flow| flow.back_from.is_some()) {
                return format!(
                    "{net}.addr == {address} && {net}.addr == {server} && {transport}.port in {own} && !{icmp}"
                );
            }
            format!(
                "{net}.addr == {address} && {net}.addr == {server} && {transport}.port == {port} && \
                 {transport}.port in {own} && !{icmp}"
            )
        }
        Kind::Scanner => {
            let transports: BTreeSet<&str> = conversations.iter().map(|flow| flow.key.transport.name()).collect();
            let part = |name: &str| {
                let of = conversations.iter().filter(|flow| flow.key.transport.name() == name);
                format!("{name}.port in {}", port_set(of.map(|flow| flow.server().port)))
            };
            let parts: Vec<String> = transports.into_iter().map(part).collect();
            format!("{net}.addr == {address} && ({}) && !{icmp}", parts.join(" || "))
        }
    }
}

/// Connections that the server makes back to its clients, from whatever port it took for them. As many clients as a filter
/// can hold.
fn running_back(conversations: &[Conversation], net: &str) -> String {
    let mut ports: BTreeMap<(IpAddr, IpAddr), BTreeSet<u16>> = BTreeMap::new();
    for flow in conversations.iter().filter(|flow| flow.back_from.is_some()) {
        ports.entry((flow.client().address, flow.server().address)).or_default().insert(flow.server().port);
    }
    let transport = conversations.first().map_or("tcp", |flow| flow.key.transport.name());
    ports.into_iter().take(MAX_FILTER_RUNS).fold(String::new(), |clauses, ((from, to), ports)| {
        let ports = port_set(ports.into_iter());
        format!(
            "{clauses} || ({net}.src == {from} && {net}.dst == {to} && {transport}.dstport in {ports}) || ({net}.src == {to} && \
             {net}.dst == {from} && {transport}.srcport in {ports})"
        )
    })
}

/// Later fragments have no ports: Wireshark finds them by the identification of their datagram. None where there are
/// more than a filter can hold.
fn later_fragments(conversations: &[Conversation], net: &str) -> String {
    let mut ids: BTreeMap<(IpAddr, IpAddr), BTreeSet<u32>> = BTreeMap::new();
    for flow in conversations {
        let (client, server) = (flow.client().address, flow.server().address);
        for (traffic, ends) in [(&flow.from_client, (client, server)), (&flow.from_server, (server, client))] {
            ids.entry(ends).or_default().extend(&traffic.gathered);
        }
    }
    if ids.values().map(BTreeSet::len).sum::<usize>() > MAX_FILTER_RUNS {
        return String::new();
    }
    let (field, is_fragment) = match net {
        "ip" => ("ip.id", "(ip.flags.mf == 1 || ip.frag_offset > 0) && "),
        _ => ("ipv6.fraghdr.ident", ""),
    };
    let mut clauses = String::new();
    for ((from, to), ids) in ids.iter().filter(|(_, ids)| !ids.is_empty()) {
        let ids: Vec<String> = ids.iter().map(|id| format!("0x{id:x}")).collect();
        let _ = write!(
            clauses,
            " || ({is_fragment}{net}.src == {from} && {net}.dst == {to} && {field} in {{{}}})",
            ids.join(", ")
        );
    }
    clauses
}

/// `{4, 6, 811..827}`; cut to a range from the first to the last where there are too many runs to read.
fn port_set(ports: impl Iterator<Item = u16>) -> String {
    let ports: BTreeSet<u16> = ports.collect();
    let runs = ranges(ports.iter().copied());
    if runs.split(',').count() > MAX_FILTER_RUNS {
        let (first, last) = (ports.first().copied().unwrap_or(0), ports.last().copied().unwrap_or(0));
        return format!("{{{first}..{last}}}");
    }
    format!("{{{}}}", runs.replace(',', ", ").replace('-', ".."))
}
