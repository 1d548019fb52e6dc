//! Verified ONC RPC: what the calls and replies of a service add up to, and how sure that is.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::flow::{Named, RemoteCalls};
use crate::frame::Stamp;
use crate::port::Transport;
use crate::registry::program;
use crate::signature::rpc::Outcome;
use crate::words::count_u64;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub const VERIFIED: About = About {
    id: "rpc.verified",
    about: "ONC RPC by its full message layout. Certain: a call with a reply of the same transaction id, or two calls with different ids. \
Probable: one call, or replies alone with two ids that make up at least half of what the server sent.",
    attack: None,
};

pub const PROBED: About = About {
    id: "rpc.probe",
    about: "ONC RPC calls that nobody answered in RPC: a scanner asks so. Says what was asked; makes no service.",
    attack: Some("T1046"),
};

/// Procedures named for each program.
const MAX_NAMED: usize = 6;
/// Programs named in one line.
const MAX_PROGRAMS: usize = 4;

/// What the RPC messages of some conversations add up to.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Different calls; retransmissions count once while the sample of ids is whole.
    pub calls: u64,
    pub replies: u64,
    pub retransmitted: u64,
    /// Calls and replies of the same id, among those kept.
    pub paired: u64,
    /// Calls among those kept whose full layout was seen.
    pub whole: u64,
    /// Different ids of replies among those kept.
    pub reply_ids: u64,
    /// Whether any direction had more ids than are kept.
    pub sampled: bool,
    pub procedures: BTreeMap<Named, (u64, Option<Stamp>)>,
    pub outcomes: BTreeMap<Outcome, u64>,
    pub pair_frames: Vec<Stamp>,
    pub call_frames: Vec<Stamp>,
    pub reply_frames: Vec<Stamp>,
}

/// What was called towards the server and replied from it. Calls that go the other way (callbacks) do not count.
#[must_use]
pub fn sum(flows: &[Conversation]) -> Sum {
    let mut sum = Sum::default();
    let nothing = RemoteCalls::default();
    for flow in flows {
        let asked = flow.from_client.remote_calls.as_deref().unwrap_or(&nothing);
        let answered = flow.from_server.remote_calls.as_deref().unwrap_or(&nothing);
        sum.sampled |= asked.calls.more || answered.replies.more;
        let repeats: u64 = asked.calls.iter().map(|(_, call)| call.times.saturating_sub(1)).sum();
        sum.retransmitted += repeats;
        sum.calls += asked.call_messages - repeats.min(asked.call_messages);
        sum.replies += answered.reply_messages;
        for (xid, call) in asked.calls.iter() {
            let Some((called, _)) = call.first else { continue };
            sum.whole += u64::from(call.whole);
            sum.call_frames.push(called);
            if let Some((replied, _)) = answered.replies.get(xid).and_then(|reply| reply.first) {
                sum.paired += 1;
                sum.pair_frames.extend([called, replied]);
            }
        }
        for (_, reply) in answered.replies.iter() {
            sum.reply_ids += 1;
            sum.reply_frames.extend(reply.first.map(|(stamp, _)| stamp));
        }
        for (named, seen) in asked.procedures.iter() {
            let entry = sum.procedures.entry(*named).or_default();
            *entry = (entry.0 + seen.count, crate::merge::earliest(entry.1, seen.first));
        }
        for (outcome, seen) in answered.outcomes.iter() {
            *sum.outcomes.entry(*outcome).or_default() += seen.count;
        }
    }
    sum
}

/// Whether the RPC messages of a conversation are more than a probe.
#[must_use]
pub fn speaks(flow: &Conversation) -> bool {
    let flows = std::slice::from_ref(flow);
    weigh(&sum(flows), flows) >= Weight::STRONG
}

/// How sure it is that this is RPC, after section 5 of the wire facts: a full call that is answered, or two calls.
fn weigh(sum: &Sum, flows: &[Conversation]) -> Weight {
    let only_pings = sum.procedures.keys().all(|named| named.procedure == 0);
    // One call to a server that answers in another language is a scanner's question.
    let spoke_otherwise = sum.replies == 0 && flows.iter().any(|flow| flow.from_server.captured_payload() > 0);
    // Datagrams of counters and zeros can read as replies; where the questions were captured and are no calls, they do.
    let unasked =
        flows.iter().all(|flow| flow.key.transport == Transport::Tcp || flow.from_client.captured_payload() == 0);
    let sent: u64 = flows.iter().map(|flow| flow.from_server.payload_packets).sum();
    if sum.paired > 0 {
        Weight::DECISIVE
    } else if sum.calls > 0 && sum.replies == 0 && only_pings {
        Weight::NOTE
    } else if sum.whole >= 2 {
        Weight::DECISIVE
    } else if sum.calls > 0 && spoke_otherwise {
        Weight::NOTE
    } else if sum.call_frames.len() >= 2 || sum.whole >= 1 || (sum.reply_ids >= 2 && sum.replies * 2 >= sent && unasked)
    {
        Weight::STRONG
    } else {
        Weight::NOTE
    }
}

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let sum = sum(flows);
    if sum.calls + sum.replies == 0 {
        return Vec::new();
    }
    let weight = weigh(&sum, flows);
    if weight == Weight::NOTE {
        return vec![Evidence {
            by: PROBED.id,
            class: Class::Custom,
            weight,
            says: format!("{}, and no reply in RPC: {}", count_u64(sum.calls, "RPC call"), programs(&sum)),
            frames: first_frames(sum.call_frames.iter().chain(&sum.reply_frames).copied()),
            attack: PROBED.attack,
        }];
    }
    let mut says = match (sum.calls, sum.replies) {
        (0, replies) => {
            format!("{} and no call: one direction only is in the capture", count_u64(replies, "RPC reply"))
        }
        (calls, 0) => format!("{} and no reply", count_u64(calls, "RPC call")),
        (calls, replies) => {
            let of = if sum.sampled { " of those kept" } else { "" };
            format!(
                "{}, {}, {} paired by transaction id{of}",
                count_u64(calls, "RPC call"),
                count_u64(replies, "reply"),
                sum.paired
            )
        }
    };
    if sum.retransmitted > 0 {
        let _ = write!(says, ", {} retransmitted", sum.retransmitted);
    }
    let failed: Vec<String> = sum
        .outcomes
        .iter()
        .filter(|(outcome, _)| **outcome != Outcome::Success)
        .map(|(outcome, count)| format!("{count} answered “{}”", outcome.name()))
        .collect();
    if !failed.is_empty() {
        let _ = write!(says, "; {}", failed.join(", "));
    }
    let frames = [&sum.pair_frames, &sum.call_frames, &sum.reply_frames].into_iter().find(|frames| !frames.is_empty());
    vec![Evidence {
        by: VERIFIED.id,
        class: Class::LegacyRpc,
        weight,
        says,
        frames: first_frames(frames.into_iter().flatten().copied()),
        attack: None,
    }]
}

/// What the service is, where it is RPC.
#[must_use]
pub fn describe(flows: &[Conversation]) -> Option<String> {
    let sum = sum(flows);
    (weigh(&sum, flows) >= Weight::STRONG).then(|| {
        if sum.procedures.is_empty() {
            "ONC RPC, program unknown: no call was captured".to_owned()
        } else {
            programs(&sum)
        }
    })
}

/// `ypserv v2 (DOMAIN, MATCH ×3), program 536870913 (site range) v1 (procedure 4)`, the most called first.
fn programs(sum: &Sum) -> String {
    let mut by_program: BTreeMap<(u32, u32), Vec<(u64, u32)>> = BTreeMap::new();
    for (named, (count, _)) in &sum.procedures {
        by_program.entry((named.program, named.version)).or_default().push((*count, named.procedure));
    }
    let mut order: Vec<_> = by_program.into_iter().collect();
    order.sort_by_key(|((program, version), procedures)| {
        (std::cmp::Reverse(procedures.iter().map(|(count, _)| count).sum::<u64>()), *program, *version)
    });
    let total = order.len();
    let mut parts: Vec<String> = order
        .into_iter()
        .take(MAX_PROGRAMS)
        .map(|((number, version), mut procedures)| {
            procedures.sort_by_key(|(count, procedure)| (std::cmp::Reverse(*count), *procedure));
            let more = procedures.len().saturating_sub(MAX_NAMED);
            let mut names: Vec<String> = procedures
                .iter()
                .take(MAX_NAMED)
                .map(|(count, procedure)| {
                    let name = program::procedure_name(number, version, *procedure);
                    if *count == 1 { name.into_owned() } else { format!("{name} ×{count}") }
                })
                .collect();
            if more > 0 {
                names.push(format!("{more} more"));
            }
            format!("{} v{version} ({})", program::name(number, version), names.join(", "))
        })
        .collect();
    if total > MAX_PROGRAMS {
        parts.push(format!("{} more programs", total - MAX_PROGRAMS));
    }
    parts.join(", ")
}

/// Each program with its procedures, as reports list them.
#[must_use]
pub fn by_program(sum: &Sum) -> Vec<(u32, u32, BTreeSet<u32>, u64)> {
    let mut programs: BTreeMap<(u32, u32), (BTreeSet<u32>, u64)> = BTreeMap::new();
    for (named, (count, _)) in &sum.procedures {
        let entry = programs.entry((named.program, named.version)).or_default();
        entry.0.insert(named.procedure);
        entry.1 += count;
    }
    programs
        .into_iter()
        .map(|((program, version), (procedures, calls))| (program, version, procedures, calls))
        .collect()
}
