//! Replies over UDP whose calls went elsewhere: a call that was broadcast is answered by each host from its own address,
//! and some servers answer from another address or port than the one that was asked. Judges nothing.

use super::Conversation;
use crate::flow::CallSeen;
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::signature::arguments::Detail;
use std::collections::HashMap;

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
    let mut answered: Vec<usize> = Vec::new();
    for conversation in conversations.iter_mut().filter(|conversation| wanting(conversation)) {
        let client = conversation.client();
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
        let calls = conversation.from_client.remote_calls.get_or_insert_default().to_mut();
        for (xid, sent) in found {
            if let Some(detail) = sent.detail.clone() {
                calls.ask(xid, &sent.call, detail);
            }
            calls.add_call(xid, &sent.call);
            answered.extend(Some(sent.place).filter(|_| !sent.answered));
        }
        calls.settle();
    }
    for place in answered {
        conversations[place].answered_elsewhere += 1;
    }
}

/// Whether datagrams to this address go to more than one host: multicast, or an address that ends in 255 and never spoke.
#[must_use]
pub fn is_broadcast(conversation: &Conversation) -> bool {
    let silent = conversation.from_server.packets == 0;
    match conversation.server().address {
        std::net::IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || (silent && v4.octets()[3] == 255),
        std::net::IpAddr::V6(v6) => v6.is_multicast(),
    }
}
