//! A finding: one service, one scanner, or one client on a reserved port, put together from its verdict and its
//! conversations. Plain data; judges nothing.

use crate::class::{Class, Confidence, Evidence, Verdict};
use crate::conversation::{Basis, Conversation, Service, State, Traffic};
use crate::frame::{Stamp, Timestamp};
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::registry::program;
use crate::rule::rpc;
use crate::rule::sweep::Targets;
use crate::tunnel::Tunnel;
use crate::words::ranges;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Flows and clients that a finding lists; the totals beside them count all.
const MAX_LISTED: usize = 1024;
/// Parts of a timeline: few enough for a line of a terminal.
pub const BUCKETS: usize = 48;
/// Runs of ports that a Wireshark filter names.
const MAX_FILTER_RUNS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Service,
    Scanner,
    Client,
}

/// One service, one scanner, or one client on a reserved port.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub kind: Kind,
    pub transport: Transport,
    /// Of the service; of the scanner or the client where it is one.
    pub address: IpAddr,
    /// Of the service; of the service a client talks to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where a client's service is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelNote>,
    pub class: Class,
    pub state: State,
    /// The name of the service in the site's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// The reasons of the policy's entries that quieted evidence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Reasons that the policy quieted; they stand among the evidence with their old weight in words.
    #[serde(skip_serializing_if = "is_zero")]
    pub quieted: usize,
    /// Whether it would be suspicious without the policy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lifted: bool,
    /// What is new since the baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<String>,
    pub confidence: Confidence,
    pub what: String,
    pub protocol: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rpc: Vec<RpcProgram>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    pub direction_basis: Basis,
    pub clients: Vec<IpAddr>,
    /// How many clients there are; the list holds the first 1,024.
    pub clients_total: usize,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub packets: u64,
    /// Whole frames on the wire.
    pub bytes: u64,
    pub to_server: DirectionNote,
    pub to_client: DirectionNote,
    /// Connections that began in each of [`BUCKETS`] equal parts of the capture; empty where times are not known.
    pub timeline: Vec<u32>,
    pub evidence: Vec<Evidence>,
    /// How many flows there are; the list holds the first 1,024 by time.
    pub flows_total: usize,
    pub flows: Vec<FlowNote>,
    pub community_ids: Vec<String>,
    pub wireshark: String,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Clone, Debug, Serialize)]
pub struct TunnelNote {
    pub kind: &'static str,
    pub network: u32,
}

/// An RPC program as it was called.
#[derive(Clone, Debug, Serialize)]
pub struct RpcProgram {
    pub program: u32,
    pub name: String,
    pub version: u32,
    pub procedures: Vec<String>,
    /// Call messages.
    pub calls: u64,
    /// Calls among the kept transaction ids that were answered.
    pub replies: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct FlowNote {
    pub client: EndNote,
    pub server: EndNote,
    pub community_id: String,
    pub to_server: DirectionNote,
    pub to_client: DirectionNote,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub direction_basis: Basis,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct EndNote {
    pub address: IpAddr,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct DirectionNote {
    pub packets: u64,
    pub bytes: u64,
    pub payload_bytes: u64,
}

/// Puts a finding together from its verdict and its conversations.
#[allow(clippy::too_many_arguments)] // the parts of a finding, each made elsewhere
pub(crate) fn finding(
    kind: Kind,
    service: Service,
    address: IpAddr,
    verdict: Verdict,
    protocol: &'static str,
    what: String,
    state: State,
    calls: &rpc::Sum,
    conversations: &[Conversation],
    span: Option<(Timestamp, Timestamp)>,
) -> Finding {
    let clients: BTreeSet<IpAddr> = conversations.iter().map(|flow| flow.asker().address).collect();
    let flows: Vec<FlowNote> = conversations.iter().take(MAX_LISTED).map(flow_note).collect();
    let programs = rpc::by_program(calls).into_iter().map(|(number, version, procedures, times)| RpcProgram {
        program: number,
        name: program::name(number, version).into_owned(),
        version,
        procedures: procedures
            .iter()
            .map(|procedure| program::procedure_name(number, version, *procedure).into_owned())
            .collect(),
        calls: times,
        replies: calls.answered.get(&(number, version)).copied().unwrap_or(0),
    });
    let mut community_ids: Vec<String> = flows.iter().map(|flow| flow.community_id.clone()).collect();
    community_ids.sort_unstable();
    community_ids.dedup();
    Finding {
        kind,
        transport: service.transport,
        address,
        port: (kind != Kind::Scanner).then_some(service.end.port),
        server: (kind == Kind::Client).then_some(service.end.address),
        tunnel: service.tunnel.map(tunnel_note),
        class: verdict.class,
        state,
        known: None,
        allowed: Vec::new(),
        quieted: 0,
        lifted: false,
        new: Vec::new(),
        confidence: verdict.confidence,
        what,
        protocol,
        rpc: programs.collect(),
        targets: None,
        direction_basis: conversations.iter().map(|flow| flow.basis).min().unwrap_or(Basis::EarliestPacket),
        clients_total: clients.len(),
        clients: clients.into_iter().take(MAX_LISTED).collect(),
        first_seen: conversations
            .iter()
            .filter_map(Conversation::first)
            .map(|stamp| stamp.time)
            .filter(|time| time.is_known())
            .min(),
        last_seen: conversations.iter().filter_map(Conversation::last).map(|stamp| stamp.time).max(),
        packets: conversations.iter().map(Conversation::packets).sum(),
        bytes: conversations.iter().map(Conversation::bytes).sum(),
        to_server: conversations.iter().map(|flow| direction(&flow.from_client)).sum(),
        to_client: conversations.iter().map(|flow| direction(&flow.from_server)).sum(),
        timeline: timeline(span, conversations),
        evidence: verdict.evidence,
        wireshark: wireshark(kind, &service, address, conversations),
        flows_total: conversations.len(),
        flows,
        community_ids,
    }
}

impl Finding {
    /// The report's order: class, kind, how much it wants a look, points, address, port.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        let points: u32 = self
            .evidence
            .iter()
            .filter(|reason| reason.class == self.class)
            .map(|reason| u32::from(reason.weight.0))
            .sum();
        let key = (self.address, self.port, self.transport, self.server);
        (self.class, self.kind == Kind::Client, self.state, std::cmp::Reverse(points), key, self.wireshark.clone())
    }
}

fn direction(traffic: &Traffic) -> DirectionNote {
    DirectionNote { packets: traffic.packets, bytes: traffic.bytes, payload_bytes: traffic.payload_bytes }
}

impl std::iter::Sum for DirectionNote {
    fn sum<I: Iterator<Item = Self>>(notes: I) -> Self {
        notes.fold(DirectionNote::default(), |a, b| DirectionNote {
            packets: a.packets + b.packets,
            bytes: a.bytes + b.bytes,
            payload_bytes: a.payload_bytes + b.payload_bytes,
        })
    }
}

/// Starts in equal parts of the whole capture, so that findings can be laid beside each other.
fn timeline(span: Option<(Timestamp, Timestamp)>, conversations: &[Conversation]) -> Vec<u32> {
    let Some((from, to)) = span else { return Vec::new() };
    let part = (to.since(from) / BUCKETS as u64).max(1);
    let mut counts = vec![0; BUCKETS];
    let starts = conversations.iter().filter_map(Conversation::first).filter(|start| start.time.is_known());
    for start in starts {
        let bucket = usize::try_from(start.time.since(from) / part).unwrap_or(BUCKETS).min(BUCKETS - 1);
        counts[bucket] += 1;
    }
    counts
}

fn flow_note(flow: &Conversation) -> FlowNote {
    let end = |end: Endpoint| EndNote { address: end.address, port: end.port };
    let time = |stamp: Option<Stamp>| stamp.map(|stamp| stamp.time).filter(|time| time.is_known());
    FlowNote {
        client: end(flow.client()),
        server: end(flow.server()),
        community_id: community_id(flow),
        to_server: direction(&flow.from_client),
        to_client: direction(&flow.from_server),
        first_seen: time(flow.first()),
        last_seen: time(flow.last()),
        direction_basis: flow.basis,
    }
}

/// Community ID version 1 with seed 0 (<https://github.com/corelight/community-id-spec>).
fn community_id(flow: &Conversation) -> String {
    let (client, server) = (flow.client(), flow.server());
    community_id::calculate_community_id(
        0,
        client.address,
        server.address,
        Some(client.port),
        Some(server.port),
        flow.key.transport.protocol(),
        Default::default(),
    )
    .unwrap_or_default()
}

fn tunnel_note(tunnel: Tunnel) -> TunnelNote {
    TunnelNote { kind: tunnel.kind.name(), network: tunnel.network }
}

/// A display filter that shows the finding's frames. ICMP errors quote the packets that they are about, and Wireshark
/// finds the ports in them too.
fn wireshark(kind: Kind, service: &Service, address: IpAddr, conversations: &[Conversation]) -> String {
    let (net, icmp) = if address.is_ipv4() { ("ip", "icmp") } else { ("ipv6", "icmpv6") };
    let transport = service.transport.name();
    let port = service.end.port;
    let later = later_fragments(conversations, net);
    match kind {
        Kind::Service => format!(
            "(({net}.src == {address} && {transport}.srcport == {port}) || ({net}.dst == {address} && \
             {transport}.dstport == {port}){later}) && !{icmp}"
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
