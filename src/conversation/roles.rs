//! Who serves and who asks, and on what basis that is told. Judges nothing else.

use super::{Answer, Bindings, Conversation, Found, Traffic};
use crate::flow::{FlowKey, Named};
use crate::frame::Stamp;
use crate::packet::Endpoint;
use crate::port::{Scope, Transport, WELL_KNOWN_END};
use crate::signature::Sender;
use crate::signature::nfs::TRANSIENT;
use serde::Serialize;
use std::collections::HashSet;

/// Ports from 1024 up that clients on reserved source ports are known to talk to: NFS, mountd and lockd as they are
/// pinned, `GlusterFS`, and NetInfo's local domain. None that a client may be given for its own (from 32768 up on Linux).
const SERVER_PORTS: [u16; 7] = [1033, 2049, 4045, 4046, 20048, 24007, 24008];

/// On what basis the server was told from the client, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A SYN or a SYN-ACK was seen.
    Handshake,
    /// An RPC call goes to the server, a reply comes from it.
    RpcCall,
    /// A signature that only one side sends.
    Signature,
    /// A portmapper gave the port away.
    Binding,
    /// Other conversations show that one side serves there, or an earlier window of the capture does.
    KnownServer,
    /// Only one port can be the service's.
    Port,
    /// One side refused what the other sent.
    Reset,
    /// Who was heard first.
    EarliestPacket,
}

impl Basis {
    /// For the reader.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Basis::Handshake => "the handshake",
            Basis::RpcCall => "the direction of the RPC calls",
            Basis::Signature => "what each side said",
            Basis::Binding => "what a portmapper said",
            Basis::KnownServer => "what other conversations show of the server",
            Basis::Port => "the ports",
            Basis::Reset => "the reset",
            Basis::EarliestPacket => "who was heard first",
        }
    }
}

/// Each basis gives points to the side that it takes for the server; a tie leaves the word to the next.
fn decide(points: [u64; 2]) -> Option<usize> {
    match points[0].cmp(&points[1]) {
        std::cmp::Ordering::Greater => Some(0),
        std::cmp::Ordering::Less => Some(1),
        std::cmp::Ordering::Equal => None,
    }
}

/// The side that accepted the connection, where that was seen.
pub(super) fn handshake(halves: &[Traffic; 2]) -> Option<usize> {
    decide([0, 1].map(|side| halves[1 - side].syn.min(1) + 2 * halves[side].syn_ack.min(1)))
}

/// The side that resets a connection which the other side accepted, without having asked for it: who sends nothing but SYN-ACKs
/// probes, or answers what others sent in this side's name.
fn unasked(halves: &[Traffic; 2]) -> Option<usize> {
    [0, 1].into_iter().find(|&side| {
        let (mine, other) = (&halves[side], &halves[1 - side]);
        let accepts_only = other.syn_ack > 0 && other.packets - other.rst == other.syn_ack;
        accepts_only && mine.syn == 0 && mine.rst > 0 && mine.packets == mine.rst
    })
}

/// The place of the server, and how that was told.
pub(super) fn tell(
    key: &FlowKey,
    halves: &[Traffic; 2],
    seen: &[Vec<Found>; 2],
    scope: &Scope,
    bindings: &Bindings,
    earlier: Option<usize>,
) -> (usize, Basis) {
    if let Some(server) = unasked(halves) {
        return (server, Basis::Reset);
    }
    if let Some(server) = handshake(halves) {
        return (server, Basis::Handshake);
    }
    let rpc = rpc_points(key.transport, halves);
    if let Some(server) = decide(rpc) {
        return (server, Basis::RpcCall);
    }
    let sent =
        |side: usize, sender: Sender| seen[side].iter().filter(|found| found.label.sender == sender).count() as u64;
    let signed = [0, 1].map(|side| sent(1 - side, Sender::Client) + sent(side, Sender::Server));
    if let Some(server) = decide(signed) {
        return (server, Basis::Signature);
    }
    let bound = [0, 1].map(|side| {
        let end = key.ends[side];
        u64::from(!bindings.of(end.address, key.transport, end.port).is_empty())
    });
    if let Some(server) = decide(bound) {
        return (server, Basis::Binding);
    }
    if let Some(server) = earlier {
        return (server, Basis::KnownServer);
    }
    // Flags that no connection has are a probe, and a reset answers it.
    let probed = [0, 1].map(|side: usize| halves[1 - side].odd_flags.min(1) * halves[side].rst.min(1));
    if let Some(server) = decide(probed) {
        return (server, Basis::Reset);
    }
    // A TCP stream without its handshake begins in the middle: who was heard first says little, and who ended or reset it
    // says nothing. In UDP, where both sides spoke, the first datagram is a question.
    let heard: [Option<Stamp>; 2] = [0, 1].map(|side: usize| halves[side].first_payload.or(halves[side].first));
    let second = match (heard[0], heard[1]) {
        (Some(a), Some(b)) if a < b => Some(1),
        (Some(a), Some(b)) if b < a => Some(0),
        (Some(_), None) => Some(1),
        (None, Some(_)) => Some(0),
        _ => None,
    };
    let both_spoke = heard.iter().all(Option::is_some);
    let likely = decide([0, 1].map(|side| port_likelihood(key, side, scope)));
    if key.transport == Transport::Udp
        && both_spoke
        && let Some(server) = second
        // A capture may begin with an answer.
        && likely.is_none_or(|likely| likely == server)
    {
        return (server, Basis::EarliestPacket);
    }
    if let Some(server) = likely {
        return (server, Basis::Port);
    }
    // Of two ports alike: one that was asked without payload and sent nothing but resets refused.
    let refused = [0, 1].map(|side: usize| {
        let (mine, other) = (&halves[side], &halves[1 - side]);
        let asked = other.packets > other.rst && other.payload_packets == 0;
        u64::from(asked && mine.packets > 0 && mine.packets == mine.rst)
    });
    match decide(refused) {
        Some(server) => (server, Basis::Reset),
        None => (second.unwrap_or(0), Basis::EarliestPacket),
    }
}

/// Turns conversations that only ports or the first packet told, where others show that the other side serves there: the
/// tail of a connection says nothing of who began it.
pub fn turn_to_known(conversations: &mut [Conversation]) {
    let serves = |flow: &Conversation| {
        matches!(flow.basis, Basis::Handshake | Basis::RpcCall | Basis::Signature) && flow.answer == Answer::Spoke
    };
    let place = |flow: &Conversation, end: Endpoint| (end, flow.key.transport, flow.key.tunnel);
    let known: HashSet<_> =
        conversations.iter().filter(|flow| serves(flow)).map(|flow| place(flow, flow.server())).collect();
    for flow in conversations.iter_mut().filter(|flow| flow.basis >= Basis::Port) {
        let [client, server] = [flow.client(), flow.server()].map(|end| known.contains(&place(flow, end)));
        if client && !server {
            flow.turn();
        }
        if client != server {
            flow.basis = Basis::KnownServer;
        }
    }
}

/// Conversations in which the client serves as well, as its server sees it: two daemons of one kind that call each other
/// from the port that they serve on (statd, lockd).
#[must_use]
pub fn served_by_clients<'a>(conversations: &[Conversation<'a>]) -> Vec<Conversation<'a>> {
    let answers = |flow: &&Conversation<'a>| {
        let calls = flow.from_server.remote_calls.as_deref().filter(|calls| calls.call_messages > 0);
        let replies = flow.from_client.remote_calls.as_deref().filter(|replies| replies.reply_messages > 0);
        let pairs = calls.zip(replies).map(|(calls, replies)| calls.calls.join(&replies.replies));
        flow.key.transport == Transport::Udp
            && pairs.is_some_and(|mut pairs| pairs.any(|(_, call, reply)| call.is_some() && reply.is_some()))
    };
    let mut turned: Vec<_> = conversations.iter().filter(answers).cloned().collect();
    turned.iter_mut().for_each(Conversation::turn);
    turned
}

/// RPC messages that speak for each side as the server: calls that it gets and replies that it sends. Where a connection
/// holds other calls as well, those with which an `NFSv4` server calls its client back (RFC 7530, section 3.4) do not
/// count, nor the replies to them.
fn rpc_points(transport: Transport, halves: &[Traffic; 2]) -> [u64; 2] {
    let counts = |side: usize| {
        let Some(seen) = halves[side].remote_calls.as_deref() else { return (0, 0, 0) };
        let back = seen.procedures.iter().filter(|(named, _)| is_callback(transport, named));
        let back: u64 = back.map(|(_, seen)| seen.count).sum();
        (seen.call_messages.saturating_sub(back), back, seen.reply_messages)
    };
    let [a, b] = [counts(0), counts(1)];
    if a.0 + b.0 == 0 {
        return [b.1 + a.2, a.1 + b.2];
    }
    [b.0 + a.2.saturating_sub(b.1), a.0 + b.2.saturating_sub(a.1)]
}

/// Whether a call is one with which an NFSv4.0 server calls its client back: over TCP, to the first transient program,
/// by one of the two procedures `CB_NULL` and `CB_COMPOUND`; or to another of them, by a `CB_COMPOUND` that reads as one.
#[must_use]
pub fn is_callback(transport: Transport, named: &Named) -> bool {
    let first = named.program == TRANSIENT.start && named.version == 1 && named.procedure <= 1;
    transport == Transport::Tcp && (first || (TRANSIENT.contains(&named.program) && named.minor.is_some()))
}

/// How likely a service has this port, if nothing else is known: a port that is known for servers, a well-known port
/// that is assigned, one that is not, any other.
fn port_likelihood(key: &FlowKey, side: usize, scope: &Scope) -> u64 {
    let port = key.ends[side].port;
    if SERVER_PORTS.contains(&port) {
        3
    } else if port < WELL_KNOWN_END && !scope.is_target(key.transport, port) {
        2
    } else {
        u64::from(port < WELL_KNOWN_END)
    }
}
