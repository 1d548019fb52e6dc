//! One conversation as the rules see it: who serves and on what basis, whether anybody answered, what was recognised.

pub mod back;
pub mod bindings;
pub mod dialogue;
pub mod elsewhere;
mod openings;
pub mod roles;
mod streams;
mod traffic;

pub use bindings::{Bindings, Learnt};
pub use roles::{Basis, is_callback};
pub use traffic::{Enveloped, Traffic};

use crate::flow::{FlowKey, Half};
use crate::frame::{FrameRef, Stamp};
use crate::packet::Endpoint;
use crate::port::{Scope, Transport};
use crate::signature::protocol::Catalogue;
use crate::signature::texture::Texture;
use crate::signature::{self, Label};
use crate::table::Gathered;
use crate::tunnel::Tunnel;
use serde::Serialize;
use std::borrow::Cow;

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
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Client,
    Server,
}

/// How far a service is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Payload, but nothing known. Above recognised in the report: it wants a look.
    Unexplained,
    Recognised,
    /// The site's policy names it.
    Acknowledged,
    NoPayload,
    Refused,
    Unanswered,
}

impl State {
    /// As in the JSON report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Unexplained => "unexplained",
            State::Recognised => "recognised",
            State::Acknowledged => "acknowledged",
            State::NoPayload => "no-payload",
            State::Refused => "refused",
            State::Unanswered => "unanswered",
        }
    }

    /// In words, for a finding of which nothing else is known.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            State::Unexplained => "unexplained: payload that no signature knows",
            State::Recognised => "recognised",
            State::Acknowledged => "known to the site",
            State::NoPayload => "connections without payload in the capture",
            State::Refused => "nobody listens: refused",
            State::Unanswered => "no answer from this port",
        }
    }
}

/// What a signature saw in a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Which signature.
    pub label: Label,
    pub detail: String,
    /// Who sent it.
    pub from: Side,
    pub count: u64,
    pub first: Option<Stamp>,
}

/// What a signature saw in one direction.
struct Found {
    label: Label,
    detail: String,
    count: u64,
    first: Option<Stamp>,
}

/// A conversation with its roles.
#[derive(Clone, Debug)]
pub struct Conversation<'a> {
    pub key: FlowKey,
    /// Which of the connections on its four-tuple it is, in the order of time.
    pub number: usize,
    /// How many connections it is that could not be told apart.
    pub joined: usize,
    /// The place of the server in `key.ends`.
    server: usize,
    pub basis: Basis,
    pub answer: Answer,
    pub seen: Vec<Seen>,
    pub from_client: Traffic<'a>,
    pub from_server: Traffic<'a>,
    /// Replies whose calls the client had sent to another address: broadcast, mostly.
    pub asked_elsewhere: u64,
    /// Where what it asks was answered from, where that is another address or port: the least.
    pub answered_from: Option<Endpoint>,
    /// Over UDP, where its client sent nothing here: what the client had sent its question to.
    pub asked_of: Option<Service>,
    /// Whether anything at all was captured that the server's host sent, in any conversation.
    pub server_heard: bool,
    /// Where the conversation runs back from a server to its client: what the client talks to.
    pub back_from: Option<Endpoint>,
}

impl<'a> Conversation<'a> {
    #[must_use]
    pub fn new(
        gathered: &Gathered<'a>,
        asked: Option<&Half>,
        scope: &Scope,
        bindings: &Bindings,
        catalogue: &Catalogue,
    ) -> Self {
        let (key, number) = (gathered.key, gathered.number);
        let mut traffic = [0, 1].map(|side| Traffic::of(gathered, side));
        for (traffic, half) in traffic.iter_mut().zip(&gathered.halves) {
            traffic.remote_calls = match half {
                Cow::Borrowed(half) => half.remote_calls.as_ref().map(Cow::Borrowed),
                Cow::Owned(half) => half.remote_calls.clone().map(Cow::Owned),
            };
        }
        let mut seen: [Vec<Found>; 2] = gathered.halves.each_ref().map(|half| {
            half.sightings
                .iter()
                .map(|(key, seen)| Found {
                    label: signature::ALL[key.signature].label(),
                    detail: key.detail.to_string(),
                    count: seen.count,
                    first: seen.first,
                })
                .collect()
        });
        let apart = match key.transport {
            Transport::Tcp => streams::read(gathered, &mut traffic, &mut seen),
            Transport::Udp => false,
        };
        streams::adopt(&mut traffic, key.transport, apart);
        let accepted = roles::handshake(&traffic);
        let mut spoken = traffic.each_ref().map(|half| half.remote_calls.is_some());
        if spoken != [false, false] && !streams::is_firm(&traffic, key.transport) {
            spoken = [false, false];
        }
        for (side, half) in traffic.iter_mut().enumerate() {
            half.preamble = spoken[side] && openings::begins_otherwise(&gathered.halves[side], &gathered.headers[side]);
        }
        let preambles = traffic.each_ref().map(|half| half.preamble);
        let known = seen.each_ref().map(Vec::len);
        let textures = openings::read(catalogue, gathered, accepted, (spoken, preambles), asked, &mut seen);
        // What reads as RPC once in another protocol is that protocol.
        let recognised = seen.iter().zip(known).any(|(seen, known)| seen.len() > known);
        if spoken == [false, false] && recognised {
            for half in &mut traffic {
                half.remote_calls = None;
            }
        }
        for (half, texture) in traffic.iter_mut().zip(textures) {
            half.texture = texture;
        }
        let (server, basis) = roles::tell(&key, &traffic, &seen, scope, bindings, gathered.server);
        let [a, b] = traffic;
        let (from_client, from_server) = if server == 0 { (b, a) } else { (a, b) };
        let mut conversation = Conversation {
            key,
            number,
            joined: gathered.joined,
            server,
            basis,
            answer: Answer::None,
            seen: Vec::new(),
            from_client,
            from_server,
            asked_elsewhere: 0,
            answered_from: None,
            asked_of: None,
            server_heard: false,
            back_from: None,
        };
        for (index, found) in seen.into_iter().enumerate() {
            let from = if index == server { Side::Server } else { Side::Client };
            conversation.seen.extend(found.into_iter().map(|Found { label, detail, count, first }| Seen {
                label,
                detail,
                from,
                count,
                first,
            }));
        }
        conversation.seen.sort_by(|a, b| (a.label.id, a.first, &a.detail).cmp(&(b.label.id, b.first, &b.detail)));
        conversation.answer = conversation.answered();
        conversation
    }

    /// Takes the client for the server, and the server for the client.
    fn turn(&mut self) {
        self.server = 1 - self.server;
        std::mem::swap(&mut self.from_client, &mut self.from_server);
        for seen in &mut self.seen {
            seen.from = if seen.from == Side::Client { Side::Server } else { Side::Client };
        }
        self.answer = self.answered();
    }

    fn is_answered_from(&mut self, from: Endpoint) {
        self.answered_from = Some(self.answered_from.map_or(from, |known| known.min(from)));
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
        let end = self.back_from.unwrap_or_else(|| self.server());
        Service { end, transport: self.key.transport, tunnel: self.key.tunnel }
    }

    /// The end that is a client of [`Conversation::service`].
    #[must_use]
    pub fn asker(&self) -> Endpoint {
        if self.back_from.is_some() { self.server() } else { self.client() }
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

    /// What the bytes of a side are like, where nobody knows what they are.
    #[must_use]
    pub fn texture(&self, side: Side) -> Option<&Texture> {
        let traffic = match side {
            Side::Client => &self.from_client,
            Side::Server => &self.from_server,
        };
        traffic.texture.as_deref()
    }

    /// The frames that are remembered of it: where it begins and ends, and where anything was seen.
    pub fn frames(&self) -> impl Iterator<Item = FrameRef> + '_ {
        let sides = [&self.from_client, &self.from_server];
        let seen = self.seen.iter().filter_map(|seen| seen.first);
        let ends = sides.into_iter().flat_map(|side| [side.first, side.last, side.first_payload]).flatten();
        let textures = sides.into_iter().filter_map(|side| side.texture.as_ref()).map(|texture| texture.first);
        let calls = sides.into_iter().filter_map(|side| side.remote_calls.as_deref());
        let calls = calls.flat_map(|calls| {
            let sightings = calls.procedures.iter().map(|(_, seen)| seen);
            let sightings = sightings.chain(calls.outcomes.iter().map(|(_, seen)| seen));
            let sightings = sightings.chain(calls.credentials.iter().map(|(_, seen)| seen));
            let sightings = sightings.chain(calls.details.iter().map(|(_, seen)| seen)).filter_map(|seen| seen.first);
            let messages = calls.calls.iter().map(|(_, call)| call.first);
            sightings.chain(messages).chain(calls.replies.iter().map(|(_, reply)| reply.first))
        });
        seen.chain(ends).chain(textures).chain(calls).map(|stamp| stamp.at)
    }

    /// By time, then by key: the same on every run.
    #[must_use]
    pub fn order(&self) -> (Option<Stamp>, FlowKey, usize) {
        (self.first(), self.key, self.number)
    }

    /// Whether it is the end of a connection that began before the capture, or between two pieces of it: a side ends or resets
    /// what nobody asks for. A reset that answers a SYN has the sequence number 0 (RFC 9293, section 3.5.2).
    fn is_tail(&self) -> bool {
        let (client, server) = (&self.from_client, &self.from_server);
        let begins = client.syn + client.odd_flags > 0;
        // One that answers an ACK does not acknowledge.
        let asked = client.packets > 0 && !server.acknowledges;
        let lone_reset = server.rst > 0 && server.last_sequence != 0 && !asked;
        let ended = server.packets == 0 && (client.rst > 0 || (client.fin > 0 && client.packets > client.fin));
        self.key.transport == Transport::Tcp && !begins && client.payload_packets == 0 && (lone_reset || ended)
    }

    fn answered(&self) -> Answer {
        let (client, server) = (&self.from_client, &self.from_server);
        if server.payload_packets > 0 {
            Answer::Spoke
        } else if server.syn_ack > 0
            || (server.packets > server.rst && self.key.transport == Transport::Tcp)
            || self.is_tail()
        {
            Answer::Connected
        } else if server.rst + server.refusals > 0 {
            Answer::Refused
        } else if self.key.transport == Transport::Tcp && client.payload_packets > 0 {
            Answer::OneSided
        } else {
            Answer::None
        }
    }
}

/// The first few of some places, in order, each once.
pub(crate) fn first_frames(stamps: impl IntoIterator<Item = Stamp>) -> Vec<FrameRef> {
    let mut firsts = Firsts::default();
    firsts.extend(stamps);
    firsts.frames()
}

/// The first few of many places, without keeping the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Firsts(Vec<Stamp>);

impl Firsts {
    pub(crate) fn push(&mut self, stamp: Stamp) {
        let full = self.0.len() == MAX_FRAMES;
        if full && self.0.last().is_some_and(|last| *last <= stamp) {
            return;
        }
        if let Err(index) = self.0.binary_search(&stamp) {
            self.0.insert(index, stamp);
            self.0.truncate(MAX_FRAMES);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn frames(&self) -> Vec<FrameRef> {
        self.0.iter().map(|stamp| stamp.at).collect()
    }
}

impl Extend<Stamp> for Firsts {
    fn extend<T: IntoIterator<Item = Stamp>>(&mut self, stamps: T) {
        stamps.into_iter().for_each(|stamp| self.push(stamp));
    }
}
