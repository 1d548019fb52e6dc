//! RPC calls with their arguments and the results that came back, wherever each was seen: what a few programs say is worth
//! reading in full. Reads openings; knows no program.

use crate::flow::{Flow, FlowKey};
use crate::frame::Stamp;
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::signature::Payload;
use crate::signature::rpc::{self, Body, Call, Found, Joined};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// RPC messages that are read from one opening.
const MAX_MESSAGES: usize = 1024;

/// A call that was answered with success.
#[derive(Clone, Debug)]
pub struct Answered {
    pub call: Call,
    pub arguments: Vec<u8>,
    pub transport: Transport,
    pub client: Endpoint,
    /// Who was asked; a broadcast address, perhaps.
    pub asked: IpAddr,
    /// Who answered.
    pub from: Endpoint,
    /// When and where the answer was seen.
    pub stamp: Stamp,
    pub result: Vec<u8>,
}

struct Question {
    stamp: Stamp,
    call: Call,
    arguments: Vec<u8>,
}

/// Every answered call of these conversations that is of interest, in no order. A call and its answer are paired by the
/// client's endpoint and the transaction id: a call that was broadcast is answered from another address.
pub fn answered<'a>(
    flows: impl Iterator<Item = (&'a FlowKey, &'a Flow)> + Clone,
    is_of_interest: impl Fn(&Call) -> bool,
) -> Vec<Answered> {
    // By whom it was asked and its id, then who was asked.
    let mut questions: HashMap<(Transport, Endpoint, u32), BTreeMap<IpAddr, Vec<Question>>> = HashMap::new();
    for (key, flow) in flows.clone() {
        for side in [0, 1] {
            each_message(flow, side, key.transport, |stamp, found| {
                if let Body::Call(call) = found.message.body
                    && !call.cut
                    && is_of_interest(&call)
                {
                    let place = (key.transport, key.ends[side], found.message.xid);
                    let asked = key.ends[1 - side].address;
                    let known = questions.entry(place).or_default();
                    let questions = known.entry(asked).or_default();
                    // A piece of a call, as a segment that was sent again may hold, asks less than the whole.
                    if found.ended || questions.is_empty() {
                        questions.push(Question { stamp, call, arguments: found.content.to_vec() });
                    }
                }
            });
        }
    }
    for list in questions.values_mut().flat_map(BTreeMap::values_mut) {
        list.sort_by_key(|question| question.stamp);
    }
    let mut answered = Vec::new();
    if questions.is_empty() {
        return answered;
    }
    for (key, flow) in flows {
        for side in [0, 1] {
            let (from, client) = (key.ends[side], key.ends[1 - side]);
            each_message(flow, side, key.transport, |stamp, found| {
                let Body::Reply(outcome) = found.message.body else { return };
                let Some(known) = questions.get(&(key.transport, client, found.message.xid)) else { return };
                // Whoever was asked, or the only one asked where that was a broadcast.
                let question = known.get_key_value(&from.address).or_else(|| known.first_key_value());
                let Some((asked, questions)) = question else { return };
                // An id may be used again: what was asked last before the answer, or first where the clocks do not agree.
                let asked_before = questions.partition_point(|question| question.stamp < stamp);
                let Some(question) = questions.get(asked_before.saturating_sub(1)) else { return };
                if outcome.is_success() {
                    answered.push(Answered {
                        call: question.call,
                        arguments: question.arguments.clone(),
                        transport: key.transport,
                        client,
                        asked: *asked,
                        from,
                        stamp,
                        result: found.content.to_vec(),
                    });
                }
            });
        }
    }
    answered
}

/// Every message of a side that is to be read, not in the order in which they came: those that came whole, each datagram of its
/// opening for itself, and segments put together.
fn each_message(flow: &Flow, side: usize, transport: Transport, mut take: impl FnMut(Stamp, &Found<'_>)) {
    let half = &flow.halves[side];
    let datagrams = if transport == Transport::Udp { half.opening.chunks() } else { &[] };
    for chunk in half.to_read().into_iter().flat_map(|to_read| to_read.messages.chunks()).chain(datagrams) {
        let payload = Payload { transport, bytes: &chunk.bytes, wire_len: chunk.wire_len as usize };
        rpc::found(&payload).for_each(|found| take(chunk.stamp, &found));
    }
    if transport == Transport::Udp {
        return;
    }
    for stream in half.opening.streams(flow.headers[side].start_sequence()) {
        let payload = Payload::whole(transport, &stream.bytes);
        let joined = Joined::of_stream(&payload);
        let payload = joined.as_ref().map_or(payload, |joined| joined.payload(&payload));
        for found in rpc::found(&payload).take(MAX_MESSAGES) {
            let at = joined.as_ref().map_or(found.at, |joined| joined.original(found.at));
            if let Some(stamp) = stream.seen(at) {
                take(stamp, &found);
            }
        }
    }
}
