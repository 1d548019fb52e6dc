//! A flow of a finding as the report has it. Plain data; judges nothing.

use crate::class::Evidence;
use crate::conversation::{Basis, Conversation, Traffic};
use crate::frame::{FrameRef, Stamp, Timestamp};
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::registry::program;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Protocols that are listed of one flow.
const MAX_PROTOCOLS: usize = 8;

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct FlowNote {
    /// A scanner's flows may be of either.
    pub transport: Transport,
    pub client: EndNote,
    pub server: EndNote,
    pub community_id: String,
    pub to_server: DirectionNote,
    pub to_client: DirectionNote,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub direction_basis: Basis,
    pub connection: Connection,
    /// What it speaks, where that is known: of RPC the programs that were called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Reasons of the finding whose frames lie in this flow, as far as the flow remembers them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<&'static str>,
}

/// How far a connection came, in the codes of Zeek's `conn_state`, which is the field's vocabulary for it
/// (<https://docs.zeek.org/en/master/scripts/base/protocols/conn/main.zeek.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum Connection {
    /// Asked for, and no answer.
    S0,
    /// Established, and not ended in the capture.
    S1,
    /// Established and ended; of UDP: both sides spoke.
    SF,
    /// Refused.
    REJ,
    /// Established; only the client ended it.
    S2,
    /// Established; only the server ended it.
    S3,
    /// Established; the client aborted it.
    RSTO,
    /// The server aborted it.
    RSTR,
    /// The client asked and aborted, and the server said nothing.
    RSTOS0,
    /// The server accepted and aborted, and the capture has nothing of the asking.
    RSTRH,
    /// The client asked and ended, and the server said nothing.
    SH,
    /// The server accepted and ended, and the capture has nothing of the asking.
    SHR,
    /// No handshake in the capture.
    OTH,
}

impl Connection {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Connection::S0 => "S0",
            Connection::S1 => "S1",
            Connection::SF => "SF",
            Connection::REJ => "REJ",
            Connection::S2 => "S2",
            Connection::S3 => "S3",
            Connection::RSTO => "RSTO",
            Connection::RSTR => "RSTR",
            Connection::RSTOS0 => "RSTOS0",
            Connection::RSTRH => "RSTRH",
            Connection::SH => "SH",
            Connection::SHR => "SHR",
            Connection::OTH => "OTH",
        }
    }

    fn of(flow: &Conversation) -> Self {
        let (client, server) = (&flow.from_client, &flow.from_server);
        if flow.key.transport == Transport::Udp {
            return match (client.packets > 0, server.packets > 0) {
                (true, true) => Connection::SF,
                (true, false) => Connection::S0,
                _ => Connection::SHR,
            };
        }
        let (asked, accepted) = (client.syn > 0, server.syn_ack > 0);
        match (asked, accepted) {
            (false, true) if server.rst > 0 => Connection::RSTRH,
            (false, true) if server.fin > 0 => Connection::SHR,
            (false, _) => Connection::OTH,
            (true, false) if server.rst > 0 => Connection::REJ,
            (true, false) if server.packets > 0 => Connection::OTH,
            (true, false) if client.rst > 0 => Connection::RSTOS0,
            (true, false) if client.fin > 0 => Connection::SH,
            (true, false) => Connection::S0,
            (true, true) if client.fin > 0 && server.fin > 0 => Connection::SF,
            (true, true) if client.rst > 0 => Connection::RSTO,
            (true, true) if server.rst > 0 => Connection::RSTR,
            (true, true) if client.fin > 0 => Connection::S2,
            (true, true) if server.fin > 0 => Connection::S3,
            (true, true) => Connection::S1,
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct EndNote {
    pub address: IpAddr,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct DirectionNote {
    pub packets: u64,
    pub bytes: u64,
    pub payload_bytes: u64,
}

pub(super) fn direction(traffic: &Traffic) -> DirectionNote {
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

/// The frames that reasons name, ascending, each with the reason.
pub(super) struct Named(Vec<(FrameRef, &'static str)>);

impl Named {
    pub fn by(evidence: &[Evidence]) -> Self {
        let mut frames: Vec<_> =
            evidence.iter().flat_map(|reason| reason.frames.iter().map(|frame| (*frame, reason.by))).collect();
        frames.sort_unstable();
        Named(frames)
    }

    /// The reasons that name one of these frames, each once.
    fn reasons(&self, frames: impl Iterator<Item = FrameRef>) -> Vec<&'static str> {
        let (Some((first, _)), Some((last, _))) = (self.0.first(), self.0.last()) else { return Vec::new() };
        let mut reasons = BTreeSet::new();
        // Most frames lie behind those that are named: reasons name the first ones.
        frames.filter(|frame| first <= frame && frame <= last).for_each(|frame| {
            let from = self.0.partition_point(|(named, _)| *named < frame);
            reasons.extend(self.0[from..].iter().take_while(|(named, _)| *named == frame).map(|(_, by)| *by));
        });
        reasons.into_iter().collect()
    }
}

/// A flow as the report has it, with the reasons that were seen in it.
pub(super) fn flow_note(flow: &Conversation, named: &Named, community_id_seed: u16) -> FlowNote {
    let end = |end: Endpoint| EndNote { address: end.address, port: end.port };
    let time = |stamp: Option<Stamp>| stamp.map(|stamp| stamp.time).filter(|time| time.is_known());
    FlowNote {
        transport: flow.key.transport,
        client: end(flow.client()),
        server: end(flow.server()),
        community_id: community_id(flow, community_id_seed),
        to_server: direction(&flow.from_client),
        to_client: direction(&flow.from_server),
        first_seen: time(flow.first()),
        last_seen: time(flow.last()),
        direction_basis: flow.basis,
        connection: Connection::of(flow),
        protocols: protocols(flow),
        evidence: named.reasons(flow.frames()),
    }
}

/// The names of what a conversation speaks, each once, in order.
fn protocols(flow: &Conversation) -> Vec<String> {
    let calls = flow.from_client.remote_calls.as_deref();
    let called = calls.into_iter().flat_map(|calls| calls.procedures.iter());
    let programs = called.map(|(named, _)| program::name(named.program, named.version).to_string());
    let seen = flow.seen.iter().map(|seen| seen.label.protocol).filter(|name| !name.is_empty());
    let names: BTreeSet<String> = programs.chain(seen.map(str::to_owned)).collect();
    names.into_iter().take(MAX_PROTOCOLS).collect()
}

/// Community ID version 1 (<https://github.com/corelight/community-id-spec>).
fn community_id(flow: &Conversation, seed: u16) -> String {
    let (client, server) = (flow.client(), flow.server());
    community_id::calculate_community_id(
        seed,
        client.address,
        server.address,
        Some(client.port),
        Some(server.port),
        flow.key.transport.protocol(),
        Default::default(),
    )
    .unwrap_or_default()
}
