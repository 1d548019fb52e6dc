//! Verified ONC RPC: how sure it is from what the calls and replies of a service add up to, and that in words. Counts nothing
//! itself.

mod sum;

pub use sum::{Sum, by_program, sum};

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::elsewhere::{self, is_broadcast};
use crate::conversation::{Conversation, Firsts};
use crate::port::Transport;
use crate::registry::program;
use crate::signature::portmap::PORTMAPPER;
use crate::signature::rpc::Outcome;
use crate::words::count_u64;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use sum::Standing;

pub const VERIFIED: About = About {
    id: "rpc.verified",
    about: "ONC RPC by its full message layout. Certain: a call with a reply of the same transaction id, or two calls with different ids. \
Probable: one call, or replies alone with two ids that make up at least half of what the server sent. Weak: one reply in a \
record of its own, and nothing else. Calls without replies count where their answers were acknowledged, or where one connection has eight and more.",
    attack: None,
};

pub const PROBED: About = About {
    id: "rpc.probe",
    about: "ONC RPC calls that nobody answered in RPC: a scanner asks so. Says what was asked; makes no service.",
    attack: Some("T1046"),
};

/// RFC 5531, section 11.
const RECORD_MARK: u64 = 4;
/// The shortest reply with its record mark, in bytes: accepted, without a result.
const SMALLEST_REPLY: u64 = 28;
/// Different calls on one connection that nobody makes for nothing.
const PATIENT: u64 = 8;
/// Procedures named for each program.
const MAX_NAMED: usize = 6;
/// Programs named in one line.
const MAX_PROGRAMS: usize = 4;

/// Whether the RPC messages of a conversation are more than a probe.
#[must_use]
pub fn speaks(flow: &Conversation) -> bool {
    let flows = std::slice::from_ref(flow);
    weigh(&sum(flows), flows) >= Weight::MODERATE
}

/// Whether a conversation is one of calls that nobody answered.
#[must_use]
pub fn only_asks(flow: &Conversation) -> bool {
    let calls = flow.from_client.remote_calls.as_deref().is_some_and(|calls| calls.call_messages > 0);
    calls && flow.from_server.payload_packets == 0
}

/// How sure it is that this is RPC, after section 5 of the wire facts: a full call that is answered, or two calls.
fn weigh(sum: &Sum, flows: &[Conversation]) -> Weight {
    if sum.paired > 0 {
        return Weight::DECISIVE;
    }
    if sum.calls > 0 && sum.replies == 0 {
        // The answers were received, and are not in the capture; or nobody goes on asking so often for nothing.
        let vain = flows.iter().all(|flow| is_broadcast(flow) || is_in_vain(flow));
        let patient = sum.kept_calls >= PATIENT && flows.iter().any(is_established);
        if !vain && sum.whole > 0 && (sum.unseen_answers >= sum.calls * SMALLEST_REPLY || patient) {
            return if sum.whole >= 2 { Weight::DECISIVE } else { Weight::STRONG };
        }
        // Pings alone are a scanner's question, and so is what goes to everybody.
        let only_pings = sum.procedures.keys().all(|named| named.procedure == 0);
        if only_pings || vain {
            return Weight::NOTE;
        }
        // A host that is heard elsewhere and silent here has nobody there, or its answers went another way: probable at
        // most, and not even that where a portmapper is asked for its table, as scanners do.
        let silent = flows.iter().all(is_silent);
        if silent && sum.procedures.keys().all(|named| named.program == PORTMAPPER) {
            return Weight::NOTE;
        }
        return match sum.whole {
            2.. if silent => Weight::STRONG,
            2.. => Weight::DECISIVE,
            1 => Weight::STRONG,
            0 if sum.kept_calls >= 2 => Weight::STRONG,
            0 => Weight::NOTE,
        };
    }
    if sum.whole >= 2 {
        return Weight::DECISIVE;
    }
    if sum.kept_calls >= 2 || sum.whole >= 1 {
        return Weight::STRONG;
    }
    // Messages of counters and zeros can read as replies; where the questions were captured and are no calls, they do.
    let unasked = flows.iter().all(|flow| flow.from_client.captured_payload() == 0)
        && !flows.iter().filter(|flow| replied(flow)).all(is_quiet);
    let sent: u64 = flows.iter().map(|flow| flow.from_server.payload_packets).sum();
    let sent_bytes: u64 = flows.iter().map(|flow| flow.from_server.payload_bytes).sum();
    // By number, or by length where replies fill several segments; what claims more than there is claims too much.
    let fills = sum.reply_bytes * 2 >= sent_bytes && sum.reply_bytes <= sent_bytes * 2;
    let most = sum.replies * 2 >= sent || fills;
    // A record mark in front of each leaves little to chance; datagrams have none.
    let datagrams = flows.iter().any(|flow| flow.key.transport == Transport::Udp);
    let ids = if datagrams { sum.large_reply_ids } else { sum.reply_ids };
    // A record of one reply, and nothing else was sent.
    let exact = !datagrams && sum.resynchronised == 0 && sum.reply_bytes + RECORD_MARK * sum.replies == sent_bytes;
    match ids {
        2.. if most && unasked => Weight::STRONG,
        1 if exact && unasked => Weight::MODERATE,
        _ => Weight::NOTE,
    }
}

/// Whether a connection came about, as far as the capture has it.
fn is_established(flow: &Conversation) -> bool {
    let server = &flow.from_server;
    flow.key.transport == Transport::Tcp && (server.syn_ack > 0 || server.packets > server.rst || server.packets == 0)
}

fn replied(flow: &Conversation) -> bool {
    flow.from_server.remote_calls.as_deref().is_some_and(|calls| calls.reply_messages > 0)
}

/// Whether a connection's beginning was captured, and the client never sent anything: its sequence numbers had not moved when it
/// acknowledged what the server sent.
fn is_quiet(flow: &Conversation) -> bool {
    flow.key.transport == Transport::Tcp
        && flow.from_client.payload_packets == 0
        && flow.from_client.sent_nothing
        && flow.from_client.last > flow.from_server.first_payload
}

/// Whether it shows that the server did not answer the calls of a conversation, rather than that its side was not
/// captured: it spoke another language, hung up, or nobody listens there.
fn is_in_vain(flow: &Conversation) -> bool {
    let server = &flow.from_server;
    let spoke = server.captured_payload() > 0 && server.missing_bytes == 0;
    // A client may close when it has said what wants no answer; a server that closes first hangs up.
    let closed_first = server.closed.is_some_and(|server| flow.from_client.closed.is_none_or(|client| server < client));
    let hung_up = server.payload_packets == 0 && closed_first;
    spoke || hung_up || server.refusals > 0 || flow.answered_from.is_some()
}

/// Whether nothing was captured of a server over UDP whose host was heard elsewhere.
fn is_silent(flow: &Conversation) -> bool {
    flow.key.transport == Transport::Udp && flow.from_server.packets == 0 && flow.server_heard
}

pub fn evidence(sum: &Sum, flows: &[Conversation]) -> Vec<Evidence> {
    if sum.calls + sum.replies == 0 {
        return Vec::new();
    }
    let weight = weigh(sum, flows);
    if weight == Weight::NOTE {
        let calls = count_u64(sum.calls, "RPC call");
        let says = if sum.calls == 0 {
            let replies = count_u64(sum.replies, "message");
            match flows.iter().any(|flow| flow.from_client.captured_payload() > 0) {
                true => format!("{replies} that read as RPC replies, and what was asked is no RPC call"),
                false if flows.iter().filter(|flow| replied(flow)).all(is_quiet) => {
                    format!("{replies} that read as RPC replies, and nothing was asked")
                }
                false => {
                    format!("{replies} that read as RPC replies: too few, too small a part, or numbered like counters")
                }
            }
        } else if flows.iter().all(is_broadcast) {
            format!("{calls}, to everybody on the net: {}", programs(sum))
        } else if flows.iter().all(|flow| flow.answered_from.is_some()) {
            format!("{calls}, {}: {}", elsewhere::in_words(flows), programs(sum))
        } else {
            format!("{calls}, and no reply in RPC: {}", programs(sum))
        };
        return vec![Evidence {
            by: PROBED.id,
            class: Class::Custom,
            weight,
            says,
            frames: if sum.calls > 0 { sum.call_frames.frames() } else { sum.reply_frames.frames() },
            attack: PROBED.attack.filter(|_| sum.calls > 0),
        }];
    }
    let frames = [&sum.pair_frames, &sum.call_frames, &sum.reply_frames].into_iter().find(|frames| !frames.is_empty());
    vec![Evidence {
        by: VERIFIED.id,
        class: Class::LegacyRpc,
        weight,
        says: says(sum),
        frames: frames.map(Firsts::frames).unwrap_or_default(),
        attack: None,
    }]
}

/// What was counted, in words.
fn says(sum: &Sum) -> String {
    let of = if sum.sampled { " of those kept" } else { "" };
    let at_least = if sum.at_least { "at least " } else { "" };
    let mut says = match (sum.calls, sum.replies) {
        (0, replies) => {
            format!("{at_least}{} and no call: one direction only is in the capture", count_u64(replies, "RPC reply"))
        }
        (calls, 0) if sum.unseen_answers > 0 => format!(
            "{at_least}{}; the answers are missing in the capture: {} B were acknowledged",
            count_u64(calls, "RPC call"),
            sum.unseen_answers
        ),
        (calls, 0) => format!("{at_least}{} and no reply: answers are missing", count_u64(calls, "RPC call")),
        (calls, replies) => {
            let counts = [count_u64(calls, "RPC call"), count_u64(replies, "reply")];
            format!("{at_least}{}, {} paired by transaction id{of}", counts.join(", "), sum.paired)
        }
    };
    if sum.retransmitted > 0 {
        let about = if sum.sampled { "about " } else { "" };
        let _ = write!(says, ", {about}{} retransmitted", sum.retransmitted);
    }
    // Where ids are a sample, it is the same sample of both directions.
    if sum.calls > 0 && sum.replies > 0 {
        // In a stream whose records begin anywhere, a header that lies over two segments is not always read.
        let known = if sum.resynchronised > 0 { " that was read" } else { "" };
        if sum.unanswered > 0 {
            let _ = write!(says, ", {} without a reply{of}{known}", sum.unanswered);
        }
        if sum.unasked > 0 {
            let _ = write!(says, ", {} without a call{of}{known}", count_u64(sum.unasked, "reply"));
        }
    }
    if sum.resynchronised > 0 {
        let _ = write!(
            says,
            "; {} cut, odd or not where a segment begins, borne out by other messages",
            sum.resynchronised
        );
    }
    if sum.asked_elsewhere > 0 {
        let _ = write!(says, "; {} asked by a call that was sent elsewhere", sum.asked_elsewhere);
    }
    if sum.outcomes.contains_key(&Outcome::StartTls) {
        says.push_str("; the server agreed to TLS, what follows is encrypted");
    }
    let failed: Vec<String> = sum
        .outcomes
        .iter()
        .filter(|(outcome, count)| !outcome.is_success() && **count > 0)
        .map(|(outcome, count)| format!("{count} answered “{}”", outcome.name()))
        .collect();
    if !failed.is_empty() {
        let _ = write!(says, "; {}", failed.join(", "));
    }
    says
}

/// What the service is, where it is RPC.
#[must_use]
pub fn describe(sum: &Sum, flows: &[Conversation]) -> Option<String> {
    (weigh(sum, flows) >= Weight::MODERATE).then(|| {
        let tls = if sum.outcomes.contains_key(&Outcome::StartTls) { ", then TLS" } else { "" };
        if sum.procedures.is_empty() {
            let why = if sum.calls > 0 { "the capture cuts it off" } else { "no call was captured" };
            format!("ONC RPC, program unknown: {why}{tls}")
        } else if sum.procedures.keys().all(|named| sum.standing((named.program, named.version)) == Standing::Absent) {
            format!("ONC RPC, program unknown: none of those asked for is here{tls}: {}", programs(sum))
        } else {
            format!("{}{tls}", programs(sum))
        }
    })
}

/// `ypserv v2 (DOMAIN, MATCH ×3), program 536870913 (site range) v1 (procedure 4)`, the most called first.
fn programs(sum: &Sum) -> String {
    let mut by_program = by_program(sum);
    if by_program.is_empty() {
        return "a program that the capture cuts off".to_owned();
    }
    // What is not served names a service only where nothing else does.
    let best = by_program.keys().map(|asked| sum.standing(*asked)).min().unwrap_or(Standing::Served);
    let mut named: BTreeSet<u32> =
        by_program.keys().filter(|asked| sum.standing(**asked) == Standing::Served).map(|asked| asked.0).collect();
    by_program.retain(|asked, _| match sum.standing(*asked) {
        Standing::Served => true,
        Standing::OtherVersion => named.insert(asked.0),
        Standing::Absent => best == Standing::Absent,
    });
    let mut order: Vec<_> = by_program.into_iter().collect();
    order.sort_by_key(|((program, version), called)| (std::cmp::Reverse(called.calls()), *program, *version));
    let total = order.len();
    let plus = if sum.at_least { "+" } else { "" };
    let mut parts: Vec<String> = order
        .into_iter()
        .take(MAX_PROGRAMS)
        .map(|((number, version), called)| {
            let mut procedures: Vec<(u64, u32)> =
                called.procedures.iter().map(|(procedure, count)| (*count, *procedure)).collect();
            procedures.sort_by_key(|(count, procedure)| (std::cmp::Reverse(*count), *procedure));
            let more = procedures.len().saturating_sub(MAX_NAMED);
            let mut names: Vec<String> = procedures
                .iter()
                .take(MAX_NAMED)
                .map(|(count, procedure)| {
                    let name = program::procedure_name(number, version, *procedure);
                    match count {
                        1 if !sum.at_least => name.into_owned(),
                        count => format!("{name} ×{count}{plus}"),
                    }
                })
                .collect();
            if more > 0 {
                names.push(format!("{more} more"));
            }
            let shown = match sum.standing((number, version)) {
                Standing::OtherVersion => "in no version asked for".to_owned(),
                _ => called.version(version),
            };
            format!("{} {shown} ({})", program::name(number, version), names.join(", "))
        })
        .collect();
    if total > MAX_PROGRAMS {
        parts.push(format!("{} more", total - MAX_PROGRAMS));
    }
    parts.join(", ")
}
