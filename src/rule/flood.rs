//! Floods, reflection and flags: traffic whose point is not to talk.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::frame::Stamp;
use crate::port::Transport;
use crate::words::{count, thousands};
use std::collections::BTreeSet;
use std::net::IpAddr;

pub const FLOOD: About = About {
    id: "flood",
    about: "Many connections are asked for and none comes about: at least 100 half-open ones, 20 a second, nine of ten of all; or datagrams \
that nobody answers, from 50 addresses and more, or 5,000 and more at 1,000 a second. The service is the victim.",
    attack: Some("T1498.001"),
};

pub const AMPLIFICATION: About = About {
    id: "amplification",
    about: "Over UDP, small questions bring answers at least ten times their size, again and again: 10 questions and more. Servers are \
abused that way to flood whoever the questions claim to come from; more than a hint at 10 questions a second, strong when 10 addresses and more get such answers.",
    attack: Some("T1498.002"),
};

pub const FLAGS: About = About {
    id: "odd-flags",
    about: "TCP packets with flags that no connection has: none at all, FIN without ACK, SYN with FIN or RST. Scanners and fuzzers send them.",
    attack: Some("T1046"),
};

const MIN_HALF_OPEN: usize = 100;
const MIN_RATE: u64 = 20;
const MIN_SOURCES: usize = 50;
/// Where nothing of the server was captured, an ordinary service may have so many clients.
const MANY_SOURCES: usize = 500;
const MIN_DATAGRAMS: u64 = 5000;
const MIN_DATAGRAM_RATE: u64 = 1000;
const MIN_FACTOR: u64 = 10;
const MIN_QUESTIONS: u64 = 10;
/// Questions larger than this on average are no bait.
const MAX_QUESTION: u64 = 128;
const MIN_VICTIMS: usize = 10;

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    [half_open(flows), datagrams(flows), amplification(flows), flags(flows)].into_iter().flatten().collect()
}

fn half_open(flows: &[Conversation]) -> Option<Evidence> {
    let is_half_open = |flow: &&Conversation| {
        let client = &flow.from_client;
        client.syn > 0 && client.packets == client.syn + client.rst && client.payload_packets == 0
    };
    let open: Vec<&Conversation> = flows.iter().filter(is_half_open).collect();
    if open.len() < MIN_HALF_OPEN || open.len() * 10 < flows.len() * 9 {
        return None;
    }
    let (seconds, rate) = rate(&open)?;
    (rate >= MIN_RATE).then(|| {
        let sources = clients(&open);
        reason(
            FLOOD,
            Weight::STRONG,
            format!(
                "{} half-open from {} within {seconds} s ({rate} a second; threshold {MIN_HALF_OPEN} and {MIN_RATE} a second), {} came about",
                count(open.len(), "connection"),
                count(sources.len(), "address"),
                flows.len() - open.len()
            ),
            open.iter().filter_map(|flow| flow.first()),
        )
    })
}

fn datagrams(flows: &[Conversation]) -> Option<Evidence> {
    let unanswered: Vec<&Conversation> =
        flows.iter().filter(|flow| flow.key.transport == Transport::Udp && flow.from_server.packets == 0).collect();
    let heard = unanswered.iter().any(|flow| flow.server_heard);
    let sources = clients(&unanswered);
    let (seconds, rate) = rate(&unanswered)?;
    if sources.len() >= MIN_SOURCES && rate >= MIN_RATE && (heard || sources.len() >= MANY_SOURCES) {
        let says = format!(
            "datagrams from {} within {seconds} s, none answered; threshold {MIN_SOURCES} addresses ({MANY_SOURCES} where the server is not heard \
             at all) and {MIN_RATE} a second",
            count(sources.len(), "address")
        );
        return Some(reason(FLOOD, Weight::STRONG, says, unanswered.iter().filter_map(|flow| flow.first())));
    }
    // One source that sends more than anybody would listen to. Streams of media have their own signature.
    let packets: u64 = unanswered.iter().filter(|flow| flow.seen.is_empty()).map(|flow| flow.from_client.packets).sum();
    let last = unanswered.iter().filter_map(|flow| flow.last()).max()?;
    let first = unanswered.iter().filter_map(|flow| flow.first()).min()?;
    let seconds = last.time.since(first.time) / 1_000_000_000 + 1;
    (packets >= MIN_DATAGRAMS && packets / seconds >= MIN_DATAGRAM_RATE).then(|| {
        let says = format!(
            "{} datagrams of no known protocol within {seconds} s, none answered; threshold {} and {} a second",
            thousands(packets),
            thousands(MIN_DATAGRAMS),
            thousands(MIN_DATAGRAM_RATE)
        );
        reason(FLOOD, Weight::MODERATE, says, [first].into_iter())
    })
}

fn amplification(flows: &[Conversation]) -> Option<Evidence> {
    let amplified: Vec<&Conversation> = flows
        .iter()
        .filter(|flow| flow.key.transport == Transport::Udp)
        .filter(|flow| {
            let (asked, answered) = (&flow.from_client, &flow.from_server);
            answered.payload_bytes >= MIN_FACTOR * asked.payload_bytes.max(1)
                && asked.payload_packets > 0
                && asked.payload_bytes <= MAX_QUESTION * asked.payload_packets
                // Acknowledgements of a download differ from each other; bait is the same every time.
                && (asked.payload_packets < 3 || asked.different <= 2)
        })
        .collect();
    let sum = |of: fn(&Conversation) -> u64| amplified.iter().map(|flow| of(flow)).sum::<u64>();
    let questions = sum(|flow| flow.from_client.payload_packets);
    let (asked, answered) = (sum(|flow| flow.from_client.payload_bytes), sum(|flow| flow.from_server.payload_bytes));
    let victims = clients(&amplified).len();
    let first = amplified.iter().filter_map(|flow| flow.first()).min();
    let last = amplified.iter().filter_map(|flow| flow.last()).max();
    let seconds = first.zip(last).map_or(0, |(first, last)| last.time.since(first.time) / 1_000_000_000) + 1;
    let weight = match questions / seconds {
        _ if victims >= MIN_VICTIMS => Weight::STRONG,
        MIN_QUESTIONS.. => Weight::MODERATE,
        _ => Weight::HINT,
    };
    (questions >= MIN_QUESTIONS).then(|| {
        reason(
            AMPLIFICATION,
            weight,
            format!(
                "{} questions of {} bytes in all brought {} bytes to {}: {} times as much (threshold {MIN_FACTOR} times and {MIN_QUESTIONS} \
                 questions)",
                thousands(questions),
                thousands(asked),
                thousands(answered),
                count(victims, "address"),
                answered / asked.max(1)
            ),
            amplified.iter().filter_map(|flow| flow.from_server.first_payload),
        )
    })
}

fn flags(flows: &[Conversation]) -> Option<Evidence> {
    let odd: Vec<&Conversation> = flows.iter().filter(|flow| flow.from_client.odd_flags > 0).collect();
    let packets: u64 = odd.iter().map(|flow| flow.from_client.odd_flags).sum();
    (packets > 0).then(|| {
        reason(
            FLAGS,
            Weight::MODERATE,
            format!(
                "{} packets with flags that no connection has, in {}; one is enough",
                thousands(packets),
                count(odd.len(), "flow")
            ),
            odd.iter().filter_map(|flow| flow.from_client.first),
        )
    })
}

fn clients(flows: &[&Conversation]) -> BTreeSet<IpAddr> {
    flows.iter().map(|flow| flow.asker().address).collect()
}

/// Whole seconds from the first to the last start, and starts a second.
fn rate(flows: &[&Conversation]) -> Option<(u64, u64)> {
    let first = flows.iter().filter_map(|flow| flow.first()).min()?;
    let last = flows.iter().filter_map(|flow| flow.first()).max()?;
    let seconds = last.time.since(first.time) / 1_000_000_000 + 1;
    Some((seconds, flows.len() as u64 / seconds))
}

fn reason(about: About, weight: Weight, says: String, frames: impl Iterator<Item = Stamp>) -> Evidence {
    let frames = first_frames(frames);
    Evidence { by: about.id, class: Class::Suspicious, weight, says, frames, attack: about.attack }
}
