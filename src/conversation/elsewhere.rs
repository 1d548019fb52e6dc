//! Answers over UDP to what was sent elsewhere: what was broadcast is answered by each host from its own address, and some
//! servers answer from another address or port than the one that was asked. Judges nothing.

use super::{Conversation, Service};
use crate::flow::CallSeen;
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::signature::arguments::Detail;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// Transaction ids below this are more likely counters of another protocol: clients begin with the time or at random.
pub const COUNTER_END: u32 = 0x1_0000;

/// A call, and whether it was answered from where it was sent.
struct Sent {
    call: CallSeen,
    detail: Option<Detail>,
    /// Its conversation.
    place: usize,
    answered: bool,
}

/// Gives conversations that hold replies without calls the calls that the same client sent to others with the same
/// transaction ids.
pub fn pair(conversations: &mut [Conversation]) {
    let wanting = |conversation: &Conversation| {
        conversation.key.transport == Transport::Udp
            && conversation.from_server.remote_calls.as_deref().is_some_and(|seen| seen.reply_messages > 0)
    };
    if !conversations.iter().any(wanting) {
        return;
    }
    let mut asked: HashMap<(Endpoint, u32), Sent> = HashMap::new();
    for (place, conversation) in conversations.iter().enumerate() {
        if conversation.key.transport != Transport::Udp {
            continue;
        }
        let Some(calls) = conversation.from_client.remote_calls.as_deref() else { continue };
        let replies = conversation.from_server.remote_calls.as_deref();
        for (xid, call) in calls.calls.iter() {
            // A host with two addresses may answer from both.
            let answered = replies.is_some_and(|replies| replies.replies.get(xid).is_some());
            let sent = || Sent { call: *call, detail: calls.detail(xid).cloned(), place, answered };
            let known = asked.entry((conversation.client(), xid)).or_insert_with(sent);
            if (answered, call.first, call.named) < (known.answered, known.call.first, known.call.named) {
                *known = sent();
            }
        }
    }
    let services: Vec<Service> = conversations.iter().map(Conversation::service).collect();
    let mut answered: Vec<(usize, Endpoint)> = Vec::new();
    for conversation in conversations.iter_mut().filter(|conversation| wanting(conversation)) {
        let (client, server) = (conversation.client(), conversation.server());
        let Some(replies) = conversation.from_server.remote_calls.as_deref() else { continue };
        let known = conversation.from_client.remote_calls.as_deref();
        let found: Vec<(u32, &Sent)> = replies
            .replies
            .iter()
            .filter(|(xid, _)| known.is_none_or(|known| known.calls.get(*xid).is_none()))
            .filter_map(|(xid, _)| Some((xid, asked.get(&(client, xid))?)))
            .collect();
        // One small id that was answered already is as likely another's counter.
        let by_chance = |(xid, sent): &(u32, &Sent)| sent.answered && *xid < COUNTER_END;
        if found.is_empty() || (found.len() == 1 && found.iter().all(by_chance)) {
            continue;
        }
        conversation.asked_elsewhere += found.len() as u64;
        conversation.asked_of = found.iter().map(|(_, sent)| services[sent.place]).min();
        let calls = conversation.from_client.remote_calls.get_or_insert_default().to_mut();
        for (xid, sent) in found {
            if let Some(detail) = sent.detail.clone() {
                calls.ask(xid, &sent.call, detail);
            }
            calls.add_call(xid, &sent.call);
            answered.extend(Some((sent.place, server)).filter(|_| !sent.answered));
        }
        calls.settle();
    }
    for (place, from) in answered {
        conversations[place].is_answered_from(from);
    }
}

/// Finds the answers to datagrams that nobody answered from where they went: from another port of the same host, or, where they
/// went to everybody, from the same port of a host. Whatever was said, the client's end is the same.
pub fn find_answers(conversations: &mut [Conversation]) {
    let is_udp = |flow: &Conversation| flow.key.transport == Transport::Udp && flow.back_from.is_none();
    let is_answer =
        |flow: &Conversation| is_udp(flow) && flow.from_client.packets == 0 && flow.from_server.payload_packets > 0;
    let is_question =
        |flow: &Conversation| is_udp(flow) && flow.from_server.packets == 0 && flow.from_client.payload_packets > 0;
    // Each is looked up by what both have in common, so that many questions and many answers cost no more than their number.
    let mut answers: HashMap<(Endpoint, Common), Endpoint> = HashMap::new();
    for flow in conversations.iter().filter(|flow| is_answer(flow)) {
        let (client, from) = (flow.client(), flow.server());
        for common in [Common::Port(from.port), Common::Host(from.address)] {
            answers.entry((client, common)).and_modify(|known| *known = from.min(*known)).or_insert(from);
        }
    }
    if answers.is_empty() {
        return;
    }
    let mut questions: HashMap<(Endpoint, Common), Service> = HashMap::new();
    for flow in conversations.iter_mut().filter(|flow| is_question(flow)) {
        let (client, server, service) = (flow.client(), flow.server(), flow.service());
        let common = if is_broadcast(flow) { Common::Port(server.port) } else { Common::Host(server.address) };
        if let Some(from) = answers.get(&(client, common)) {
            flow.is_answered_from(*from);
            questions.entry((client, common)).and_modify(|known| *known = service.min(*known)).or_insert(service);
        }
    }
    for flow in conversations.iter_mut().filter(|flow| is_answer(flow)) {
        let (client, from) = (flow.client(), flow.server());
        let asked =
            [Common::Port(from.port), Common::Host(from.address)].map(|common| questions.get(&(client, common)));
        flow.asked_of = asked.into_iter().flatten().copied().chain(flow.asked_of).min();
    }
}

/// What a question and its answer have in common beside the client's end: the port, where it went to everybody, or the host.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Common {
    Port(u16),
    Host(IpAddr),
}

/// Where conversations were answered from, in words.
#[must_use]
pub fn in_words(flows: &[Conversation]) -> String {
    let ends: BTreeSet<Endpoint> = flows.iter().filter_map(|flow| flow.answered_from).collect();
    let same_host = |end: &Endpoint| flows.iter().any(|flow| flow.server().address == end.address);
    match ends.first() {
        Some(end) if ends.iter().all(same_host) => format!("answered from port {} of the same host", end.port),
        Some(end) => format!("answered from another address, {end}"),
        None => String::new(),
    }
}

/// Whether datagrams to this address go to more than one host: multicast, or an address that ends in 255 and never spoke.
#[must_use]
pub fn is_broadcast(conversation: &Conversation) -> bool {
    conversation.from_server.packets == 0 && goes_to_all(conversation.server().address)
}

/// Whether an address that sends nothing is one of many hosts: multicast, or one that ends in 255.
#[must_use]
pub fn goes_to_all(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.octets()[3] == 255,
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}
