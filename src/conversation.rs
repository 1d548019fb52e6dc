//! One conversation as the rules see it: who serves and on what basis, whether anybody answered, what was recognised.

pub mod bindings;
mod roles;

pub use bindings::{Bindings, Learnt};
pub use roles::Basis;

use crate::flow::{Chunk, Flow, FlowKey, Half, RemoteCalls, Stream, sightings};
use crate::frame::{FrameRef, Stamp};
use crate::merge::Merge;
use crate::packet::Endpoint;
use crate::port::{Scope, Transport};
use crate::signature::{self, Payload, Signature, rpc};
use crate::tunnel::Tunnel;
use serde::Serialize;

/// RPC messages that are read from an opening.
const MAX_MESSAGES: usize = 64;

/// Frames that a piece of evidence names, at most.
pub const MAX_FRAMES: usize = 5;

/// What serves: an address, a port, a transport, and the tunnel it lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    pub end: Endpoint,
    pub transport: Transport,
    pub tunnel: Option<Tunnel>,
}

/// How far the server's side answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It sent payload.
    Spoke,
    /// It accepted the connection.
    Connected,
    /// It reset the connection before anything came about.
    Refused,
    /// The client goes on as if it had been answered, and the capture holds the client's side only.
    OneSided,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Client,
    Server,
}

/// How far a service is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Payload, but nothing known. Above recognised in the report: it wants a look.
    Unexplained,
    Recognised,
    NoPayload,
    Refused,
    Unanswered,
}

impl State {
    /// In words, for a finding of which nothing else is known.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            State::Unexplained => "unexplained: payload that no signature knows",
            State::Recognised => "recognised",
            State::NoPayload => "connections without payload in the capture",
            State::Refused => "nobody listens: refused",
            State::Unanswered => "nobody answered",
        }
    }
}

/// What a signature saw in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The place in [`signature::ALL`].
    pub number: usize,
    pub detail: String,
    /// Who sent it.
    pub from: Side,
    pub count: u64,
    pub first: Option<Stamp>,
}

impl Seen {
    #[must_use]
    pub fn signature(&self) -> &'static Signature {
        signature::ALL[self.number]
    }
}

/// What a signature saw in one direction.
struct Found {
    number: usize,
    detail: String,
    count: u64,
    first: Option<Stamp>,
}

/// A conversation with its roles.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub key: FlowKey,
    /// The place of the server in `key.ends`.
    server: usize,
    pub basis: Basis,
    pub answer: Answer,
    pub seen: Vec<Seen>,
    pub from_client: Traffic,
    pub from_server: Traffic,
}

/// The features of a direction that rules and reports read.
#[derive(Clone, Debug)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
    pub payload_packets: u64,
    pub payload_bytes: u64,
    pub missing_bytes: u64,
    pub syn: u64,
    pub syn_ack: u64,
    pub rst: u64,
    pub odd_flags: u64,
    pub first: Option<Stamp>,
    pub last: Option<Stamp>,
    pub first_payload: Option<Stamp>,
    pub remote_calls: Option<Box<RemoteCalls>>,
}

impl Traffic {
    /// Payload bytes that are in the capture.
    #[must_use]
    pub fn captured_payload(&self) -> u64 {
        self.payload_bytes - self.missing_bytes
    }
}

impl Conversation {
    #[must_use]
    pub fn new(key: FlowKey, flow: &Flow, scope: &Scope, bindings: &Bindings) -> Self {
        let mut halves = flow.halves.each_ref().map(|half| traffic(half, key.transport));
        let mut seen: [Vec<Found>; 2] = flow.halves.each_ref().map(|half| {
            half.sightings
                .iter()
                .map(|(key, seen)| Found {
                    number: key.signature,
                    detail: key.detail.to_string(),
                    count: seen.count,
                    first: seen.first,
                })
                .collect()
        });
        if key.transport == Transport::Tcp {
            for (index, half) in flow.halves.iter().enumerate() {
                read_stream(half, &mut halves[index], &mut seen[index]);
            }
        }
        let (server, basis) = roles::tell(&key, &halves, &seen, scope, bindings);
        let mut conversation = Conversation {
            key,
            server,
            basis,
            answer: Answer::None,
            seen: Vec::new(),
            from_client: halves[1 - server].clone(),
            from_server: halves[server].clone(),
        };
        for (index, found) in seen.into_iter().enumerate() {
            let from = if index == server { Side::Server } else { Side::Client };
            conversation.seen.extend(found.into_iter().map(|Found { number, detail, count, first }| Seen {
                number,
                detail,
                from,
                count,
                first,
            }));
        }
        conversation.seen.sort_by(|a, b| (a.number, a.first, &a.detail).cmp(&(b.number, b.first, &b.detail)));
        conversation.answer = conversation.answered();
        conversation
    }

    #[must_use]
    pub fn server(&self) -> Endpoint {
        self.key.ends[self.server]
    }

    #[must_use]
    pub fn client(&self) -> Endpoint {
        self.key.ends[1 - self.server]
    }

    #[must_use]
    pub fn service(&self) -> Service {
        Service { end: self.server(), transport: self.key.transport, tunnel: self.key.tunnel }
    }

    #[must_use]
    pub fn first(&self) -> Option<Stamp> {
        crate::merge::earliest(self.from_client.first, self.from_server.first)
    }

    #[must_use]
    pub fn last(&self) -> Option<Stamp> {
        self.from_client.last.max(self.from_server.last)
    }

    #[must_use]
    pub fn packets(&self) -> u64 {
        self.from_client.packets + self.from_server.packets
    }

    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.from_client.bytes + self.from_server.bytes
    }

    #[must_use]
    pub fn has_payload(&self) -> bool {
        self.from_client.payload_packets + self.from_server.payload_packets > 0
    }

    /// By time, then by key: the same on every run.
    #[must_use]
    pub fn order(&self) -> (Option<Stamp>, FlowKey) {
        (self.first(), self.key)
    }

    fn answered(&self) -> Answer {
        let (client, server) = (&self.from_client, &self.from_server);
        if server.payload_packets > 0 {
            Answer::Spoke
        } else if server.syn_ack > 0 || (server.packets > server.rst && self.key.transport == Transport::Tcp) {
            Answer::Connected
        } else if server.rst > 0 {
            Answer::Refused
        } else if self.key.transport == Transport::Tcp && client.payload_packets > 0 {
            Answer::OneSided
        } else {
            Answer::None
        }
    }
}

fn traffic(half: &Half, transport: Transport) -> Traffic {
    debug_assert!(transport == Transport::Tcp || half.syn == 0);
    Traffic {
        packets: half.packets,
        bytes: half.bytes,
        payload_packets: half.payload_packets,
        payload_bytes: half.payload_bytes,
        missing_bytes: half.missing_bytes,
        syn: half.syn,
        syn_ack: half.syn_ack,
        rst: half.rst,
        odd_flags: half.odd_flags,
        first: half.first,
        last: half.last,
        first_payload: half.first_payload,
        remote_calls: half.remote_calls.clone(),
    }
}

/// Adds what only shows when segments are put together: messages and greetings that were sent in several.
fn read_stream(half: &Half, traffic: &mut Traffic, seen: &mut Vec<Found>) {
    let chunks: &[Chunk] = half.opening.chunks();
    if chunks.len() < 2 {
        return;
    }
    let stream = half.opening.stream(half.start.map(|(_, sequence)| sequence));
    let payload = Payload { transport: Transport::Tcp, bytes: &stream.bytes, wire_len: stream.bytes.len() };
    for (number, detail) in sightings(&payload) {
        // Seen in its first segment already, perhaps with less detail: the stream shows all of it.
        let first = stream.seen(0);
        if seen.iter().any(|known| known.number == number && known.detail == detail) {
            continue;
        }
        match seen.iter_mut().find(|known| known.number == number && known.first == first) {
            Some(known) => known.detail = detail,
            None => seen.push(Found { number, detail, count: 1, first }),
        }
    }
    read_records(&stream, traffic);
}

/// RPC messages of the stream's head that no single segment showed.
fn read_records(stream: &Stream, traffic: &mut Traffic) {
    let payload = Payload { transport: Transport::Tcp, bytes: &stream.bytes, wire_len: stream.bytes.len() };
    let Some(stamp) = stream.seen(0) else { return };
    let mut found = RemoteCalls::default();
    for message in rpc::messages(&payload).take(MAX_MESSAGES) {
        let known = traffic.remote_calls.as_ref().is_some_and(|calls| match message.body {
            rpc::Body::Call(_) => calls.calls.get(&message.xid).is_some_and(|call| call.whole),
            rpc::Body::Reply(_) => calls.replies.get(&message.xid).is_some(),
        });
        if !known {
            found.observe(stamp, &message);
        }
    }
    if found != RemoteCalls::default() {
        traffic.remote_calls.get_or_insert_default().merge(found);
    }
}

/// The first few of some places, in order, each once.
pub(crate) fn first_frames(stamps: impl IntoIterator<Item = Stamp>) -> Vec<FrameRef> {
    let mut stamps: Vec<Stamp> = stamps.into_iter().collect();
    stamps.sort_unstable();
    stamps.dedup();
    stamps.into_iter().map(|stamp| stamp.at).take(MAX_FRAMES).collect()
}
