//! What a portmapper or NetInfo's binder gave away: which program is behind which port, from calls and their answers,
//! wherever each was seen. Knows no verdict.

use crate::flow::{Flow, FlowKey, Half};
use crate::frame::Stamp;
use crate::port::Transport;
use crate::signature::Payload;
use crate::signature::portmap::{Binding, Question};
use crate::signature::rpc::{self, Body, Outcome};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// RPC messages that are read from one opening.
const MAX_MESSAGES: usize = 1024;
/// Different programs that are kept for one port.
const MAX_HISTORY: usize = 16;

/// Something that was learnt of a port, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Learnt {
    /// When and where the answer was seen.
    pub stamp: Stamp,
    pub binding: Binding,
    /// The procedure that was asked.
    pub by: &'static str,
    /// Who answered.
    pub from: IpAddr,
}

/// Every port that was given away, each with its history, the earliest first.
#[derive(Clone, Debug, Default)]
pub struct Bindings(BTreeMap<(IpAddr, Transport, u16), Vec<Learnt>>);

impl Bindings {
    /// Learns from a conversation; what both sides said is read whoever is taken for the server.
    pub fn read(&mut self, key: &FlowKey, flow: &Flow) {
        for server in [0, 1] {
            let questions = questions(&flow.halves[1 - server], key.transport);
            if questions.is_empty() {
                continue;
            }
            let from = key.ends[server].address;
            for (xid, stamp, result) in answers(&flow.halves[server], key.transport) {
                let Some(question) = questions.get(&xid) else { continue };
                for binding in question.learn(&result, key.transport) {
                    self.add(Learnt { stamp, binding, by: question.name(), from });
                }
            }
        }
    }

    fn add(&mut self, learnt: Learnt) {
        if learnt.binding.port == 0 {
            return;
        }
        let address = learnt.binding.address.unwrap_or(learnt.from);
        let history = self.0.entry((address, learnt.binding.transport, learnt.binding.port)).or_default();
        let same = |known: &Learnt| {
            (known.binding.program, known.binding.version) == (learnt.binding.program, learnt.binding.version)
        };
        match history.iter_mut().find(|known| same(known)) {
            Some(known) if *known <= learnt => {}
            Some(known) => *known = learnt,
            None => history.push(learnt),
        }
        history.sort();
        history.truncate(MAX_HISTORY);
    }

    /// What was learnt of a port.
    #[must_use]
    pub fn of(&self, address: IpAddr, transport: Transport, port: u16) -> &[Learnt] {
        self.0.get(&(address, transport, port)).map_or(&[], Vec::as_slice)
    }
}

/// The questions that one side asked, by transaction id.
fn questions(half: &Half, transport: Transport) -> HashMap<u32, Question> {
    let mut questions = HashMap::new();
    each_message(half, transport, |_, message, body| {
        if let Body::Call(call) = message.body
            && !call.cut
            && let Some(question) = Question::of(call.program, call.version, call.procedure, body)
        {
            questions.entry(message.xid).or_insert(question);
        }
    });
    questions
}

/// The successful replies of one side: transaction id, place, result.
fn answers(half: &Half, transport: Transport) -> Vec<(u32, Stamp, Vec<u8>)> {
    let mut answers = Vec::new();
    each_message(half, transport, |stamp, message, body| {
        if message.body == Body::Reply(Outcome::Success) {
            answers.push((message.xid, stamp, body.to_vec()));
        }
    });
    answers
}

/// Every message of an opening: each datagram for itself, segments put together.
fn each_message(half: &Half, transport: Transport, mut take: impl FnMut(Stamp, rpc::Message, &[u8])) {
    match transport {
        Transport::Udp => {
            for chunk in half.opening.chunks() {
                let payload = Payload { transport, bytes: &chunk.bytes, wire_len: chunk.wire_len as usize };
                rpc::with_bodies(&payload).for_each(|(message, body)| take(chunk.stamp, message, body));
            }
        }
        Transport::Tcp => {
            let stream = half.opening.stream(half.start.map(|(_, sequence)| sequence));
            let payload = Payload { transport, bytes: &stream.bytes, wire_len: stream.bytes.len() };
            let seen = half.remote_calls.as_deref();
            for (message, body) in rpc::with_bodies(&payload).take(MAX_MESSAGES) {
                // Where its own segment was seen, if it began one.
                let own = seen.and_then(|seen| match message.body {
                    Body::Call(_) => seen.calls.get(&message.xid)?.first.map(|(stamp, _)| stamp),
                    Body::Reply(_) => seen.replies.get(&message.xid)?.first.map(|(stamp, _)| stamp),
                });
                if let Some(stamp) = own.or_else(|| stream.seen(0)) {
                    take(stamp, message, body);
                }
            }
        }
    }
}
