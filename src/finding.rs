//! A finding: one service, one scanner, or one client on a reserved port, put together from its verdict and its
//! conversations. Plain data; judges nothing.

mod flow;
pub(crate) mod wireshark;

pub use flow::{Connection, DirectionNote, EndNote, FlowNote};

use crate::class::{Class, Confidence, Evidence, Verdict};
use crate::conversation::{Basis, Conversation, Service, Side, State};
use crate::frame::{FrameRef, Timestamp};
use crate::port::Transport;
use crate::registry::program;
use crate::rule::rpc;
use crate::rule::sweep::Targets;
use crate::tunnel::Tunnel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Flows and clients that a finding lists; the totals beside them count all.
const MAX_LISTED: usize = 1024;
/// Parts of a timeline: few enough for a line of a terminal.
pub const BUCKETS: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Service,
    Scanner,
    Client,
}

impl Kind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Service => "service",
            Kind::Scanner => "scanner",
            Kind::Client => "client",
        }
    }
}

/// One service, one scanner, or one client on a reserved port.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
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
    /// How many programs there are, where the list has not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_total: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    pub direction_basis: Basis,
    pub clients: Vec<IpAddr>,
    /// How many clients there are; the list holds at most the first 1,024.
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
    /// How many reasons there are, where the list has not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_total: Option<usize>,
    /// The first payload of each side, in the first conversation that has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub opening: Vec<Opening>,
    /// How many flows there are; the list holds at most the first 1,024 by time.
    pub flows_total: usize,
    pub flows: Vec<FlowNote>,
    pub community_ids: Vec<String>,
    pub wireshark: String,
    /// Whether the filter shows more than the finding, because the one that fits is too long for a report of this size.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wireshark_is_wider: bool,
    /// What Wireshark and tshark are to be told beside it, where they would not take the calls for RPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wireshark_option: Option<&'static str>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct TunnelNote {
    pub kind: &'static str,
    pub network: u32,
}

/// The first payload of a side, or the head of a long one.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Opening {
    pub from: Side,
    pub frame: FrameRef,
    /// The first 64 bytes; unless secrets are shown, only those that can hold no password: of RPC calls those before the
    /// credential, of replies those up to the first word of the result.
    #[serde(serialize_with = "as_hexadecimal")]
    #[cfg_attr(feature = "cli", schemars(with = "String", regex(pattern = "^([0-9a-f]{2})*$")))]
    pub bytes: Vec<u8>,
    /// Of the whole payload, as sent.
    pub length: u32,
}

fn as_hexadecimal<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    serializer.serialize_str(&text)
}

/// What a finding needs to know of the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// From the first to the last packet.
    pub span: Option<(Timestamp, Timestamp)>,
    pub community_id_seed: u16,
}

/// An RPC program as it was called.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct RpcProgram {
    pub program: u32,
    pub name: String,
    pub version: u32,
    /// Minor versions of `NFSv4` that calls name, without those that the server refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub minor_versions: Vec<u8>,
    pub procedures: Vec<String>,
    /// How many procedures there are, where the list has not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub procedures_total: Option<usize>,
    /// Call messages.
    pub calls: u64,
    /// Calls that were answered; of more than are kept by their share of all replies.
    pub replies: u64,
    /// Whether there were more calls or replies than could be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
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
    around: Around,
) -> Finding {
    let clients: BTreeSet<IpAddr> = conversations.iter().map(|flow| flow.asker().address).collect();
    let named = flow::Named::by(&verdict.evidence);
    let listed = conversations.iter().take(MAX_LISTED);
    let flows: Vec<FlowNote> = listed.map(|flow| flow::flow_note(flow, &named, around.community_id_seed)).collect();
    let programs = rpc::by_program(calls).into_iter().map(|((number, version), called)| RpcProgram {
        program: number,
        name: program::name(number, version).into_owned(),
        version,
        minor_versions: called.minors.iter().copied().collect(),
        procedures: called
            .procedures
            .keys()
            .map(|procedure| program::procedure_name(number, version, *procedure).into_owned())
            .collect(),
        procedures_total: None,
        calls: called.calls(),
        replies: calls.replies_of((number, version)),
        at_least: calls.at_least,
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
        rpc_total: None,
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
        to_server: conversations.iter().map(|flow| flow::direction(&flow.from_client)).sum(),
        to_client: conversations.iter().map(|flow| flow::direction(&flow.from_server)).sum(),
        timeline: timeline(around.span, conversations),
        evidence: verdict.evidence,
        evidence_total: None,
        opening: Vec::new(),
        wireshark: wireshark::filter(kind, &service, address, conversations),
        wireshark_is_wider: false,
        wireshark_option: wireshark::option(calls.procedures.keys().map(|named| named.program)),
        flows_total: conversations.len(),
        flows,
        community_ids,
    }
}

impl Finding {
    /// Whom it is about, in a word: `10.0.0.5:817/udp`, of a scanner the address.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.kind, self.port, self.server) {
            (Kind::Client, Some(port), Some(server)) => {
                format!("{} → {}/{}", self.address, SocketAddr::new(server, port), self.transport)
            }
            (_, Some(port), _) => format!("{}/{}", SocketAddr::new(self.address, port), self.transport),
            _ => self.address.to_string(),
        }
    }

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

fn tunnel_note(tunnel: Tunnel) -> TunnelNote {
    TunnelNote { kind: tunnel.kind.name(), network: tunnel.network }
}
