//! Connections that run back from a server to its client, so that the client's port looks like a service: callbacks of
//! NFSv4.0, and the channel for standard error that rsh and rexec ask for. Judges nothing else.

use super::{Bindings, Conversation, is_callback};
use crate::flow::{Flow, FlowKey, Named};
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::signature::nfs::{NFS, TRANSIENT};
use crate::tunnel::Tunnel;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where NFS servers listen, if the capture does not show where: the callback does not say it.
const NFS_PORT: u16 = 2049;
/// rexec and rsh.
const REMOTE_SHELLS: [u16; 2] = [512, 514];

/// Which port a client told its server to connect back to: (client, server, the client's port), and the server's port.
#[derive(Clone, Debug, Default)]
pub struct Announced(BTreeMap<(IpAddr, IpAddr, u16), u16>);

impl Announced {
    /// Reads what the client says first: the port in decimal digits, and a zero byte (`rcmd`, `rexec` of 4.2BSD).
    pub fn read(&mut self, key: &FlowKey, flow: &Flow) {
        for server in [0, 1] {
            let (end, client) = (key.ends[server], key.ends[1 - server]);
            if key.transport != Transport::Tcp || !REMOTE_SHELLS.contains(&end.port) {
                continue;
            }
            let start = flow.headers[1 - server].start_sequence();
            let stream = flow.halves[1 - server].opening.stream(start);
            let digits = stream.bytes.split(|&byte| byte == 0).next().unwrap_or_default();
            let told = std::str::from_utf8(digits).ok().filter(|_| stream.bytes.len() > digits.len());
            if let Some(port) = told.and_then(|text| text.parse().ok()).filter(|port| *port > 0) {
                self.0.insert((client.address, end.address, port), end.port);
            }
        }
    }
}

/// Where hosts serve NFS version 4 to which clients, as far as the capture shows it.
#[derive(Clone, Debug, Default)]
pub struct NfsServers(BTreeMap<Pair, u16>);

/// A transport, a tunnel, a server and its client.
type Pair = (Transport, Option<Tunnel>, IpAddr, IpAddr);

impl NfsServers {
    #[must_use]
    pub fn of(conversations: &[Conversation]) -> Self {
        let mut servers = BTreeMap::new();
        for conversation in conversations {
            let (server, client) = (conversation.server(), conversation.client());
            let calls = conversation.from_client.remote_calls.as_deref();
            let mut procedures = calls.into_iter().flat_map(|calls| calls.procedures.iter());
            // Answered, or its side is not in the capture.
            let replies = conversation.from_server.remote_calls.as_deref();
            let mut outcomes = replies.into_iter().flat_map(|replies| replies.outcomes.iter());
            let answered = conversation.from_server.packets == 0 || outcomes.any(|(outcome, _)| outcome.is_success());
            if answered && procedures.any(|(named, _)| (named.program, named.version) == (NFS, 4)) {
                let pair = (conversation.key.transport, conversation.key.tunnel, server.address, client.address);
                let port = servers.entry(pair).or_insert(server.port);
                *port = server.port.min(*port);
            }
        }
        NfsServers(servers)
    }
}

/// Marks a conversation that runs back to a client.
pub fn mark(conversation: &mut Conversation, announced: &Announced, nfs: &NfsServers, bindings: &Bindings) {
    let (called, caller) = (conversation.server(), conversation.client());
    let calls = conversation.from_client.remote_calls.as_deref();
    let mut procedures = calls.into_iter().flat_map(|calls| calls.procedures.iter());
    let transport = conversation.key.transport;
    // What a portmapper gave away is a service.
    let pair = (transport, conversation.key.tunnel, caller.address, called.address);
    let served = nfs.0.get(&pair).copied();
    // A client chooses the program for its callbacks (RFC 7530, section 16.33); most take the first that is transient. Which
    // it is shows by what it is called with, or where the caller is known to serve it NFS.
    let shows = calls.is_some_and(|calls| calls.procedures.iter().any(|(named, _)| is_callback(transport, named)));
    let is_back = |named: &Named| {
        is_callback(transport, named)
            || ((served.is_some() || shows)
                && TRANSIENT.contains(&named.program)
                && named.version <= 1
                && named.procedure <= 1)
    };
    let only_callbacks = procedures.next().is_some_and(|(named, _)| is_back(named))
        && procedures.all(|(named, _)| is_back(named))
        && bindings.of(called.address, transport, called.port).is_empty();
    let told = announced.0.get(&(called.address, caller.address, called.port));
    let port = if only_callbacks { Some(served.unwrap_or(NFS_PORT)) } else { told.copied() };
    conversation.back_from = port.map(|port| Endpoint { address: caller.address, port });
}
