//! What the RPC messages of some conversations add up to: calls, replies, pairs, programs and how they were answered. Counts;
//! weighs nothing and knows no words.

use crate::conversation::elsewhere::COUNTER_END;
use crate::conversation::{Conversation, Firsts, Traffic};
use crate::flow::{Named, RemoteCalls};
use crate::frame::Stamp;
use crate::merge::earliest;
use crate::signature::nfs::{MINOR_VERSION_MISMATCH, NFS};
use crate::signature::rpc::{Outcome, PROCEDURE_CUT, PROGRAM_CUT};
use std::collections::{BTreeMap, BTreeSet};

/// Where so many messages are expected in a sample and none is there, that is no chance: under one in four hundred.
const UNLIKELY: u64 = 6;
/// RFC 5531, section 11.
const RECORD_MARK: u64 = 4;
/// The rest of a record at either end of a stream is no message that was missed; nor is a short one.
const SMALLEST_RECORD: u64 = 64;

/// What the RPC messages of some conversations add up to.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Different calls; retransmissions count once while the sample of ids is whole.
    pub calls: u64,
    pub replies: u64,
    /// The length of all replies.
    pub reply_bytes: u64,
    pub retransmitted: u64,
    /// Calls and replies of the same id, among those kept.
    pub paired: u64,
    /// Calls among those kept that nobody answered, and replies whose call is not there.
    pub unanswered: u64,
    pub unasked: u64,
    /// Calls among those kept whose full layout was seen.
    pub whole: u64,
    /// Different ids of replies among those kept, and those of them that are no small counter.
    pub reply_ids: u64,
    pub large_reply_ids: u64,
    /// Whether any direction had more ids than are kept.
    pub sampled: bool,
    /// Whether more were sent than were read: records of a stream do not account for its bytes.
    pub at_least: bool,
    /// Bytes that clients acknowledged and that the capture does not have.
    pub unseen_answers: u64,
    /// Messages that began inside a segment, and replies whose call went to another address.
    pub resynchronised: u64,
    pub asked_elsewhere: u64,
    pub procedures: BTreeMap<Named, (u64, Option<Stamp>)>,
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Calls that were answered, by program and version, among those kept.
    pub answered: BTreeMap<(u32, u32), Answered>,
    /// Minor versions of `NFSv4` that were answered, and whether otherwise than by “not this one”.
    minors: BTreeMap<u8, bool>,
    /// Calls that are kept.
    pub(super) kept_calls: u64,
    pub(super) pair_frames: Firsts,
    pub(super) call_frames: Firsts,
    pub(super) reply_frames: Firsts,
}

/// How often the calls of a program and version were answered, among those kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answered {
    pub times: u64,
    /// Of those, “program unavailable” and “version mismatch”.
    absent: u64,
    other_version: u64,
}

impl Answered {
    fn add(&mut self, other: Answered) {
        self.times += other.times;
        self.absent += other.absent;
        self.other_version += other.other_version;
    }
}

/// What was called towards the server and replied from it. Calls that go the other way (callbacks) do not count.
#[must_use]
pub fn sum<'a>(flows: impl IntoIterator<Item = &'a Conversation<'a>>) -> Sum {
    let mut sum = Sum::default();
    let nothing: Box<RemoteCalls> = Box::default();
    for flow in flows {
        let asked = flow.from_client.remote_calls.as_deref().unwrap_or(&nothing);
        let answered = flow.from_server.remote_calls.as_deref().unwrap_or(&nothing);
        sum.sampled |= asked.calls.is_cut() || answered.replies.is_cut();
        sum.reply_bytes += answered.reply_bytes;
        sum.resynchronised += flow.from_client.resynchronised + flow.from_server.resynchronised;
        sum.asked_elsewhere += flow.asked_elsewhere;
        sum.at_least |= is_part(&flow.from_client, asked.call_bytes, asked.call_messages)
            || is_part(&flow.from_server, answered.reply_bytes, answered.reply_messages);
        if flow.from_server.payload_packets == 0 {
            sum.unseen_answers += u64::from(flow.from_client.acknowledged);
        }
        // Each connection counts its ids for itself.
        let joined = flow.joined > 1;
        let (mut calls, mut replies) = (BTreeMap::<Named, Kept>::new(), BTreeMap::<Outcome, Kept>::new());
        // One call mostly asks for the same program as the one before.
        let mut recent = ((0, 0), Answered::default());
        for (xid, call, reply) in asked.calls.join(&answered.replies) {
            if let Some(call) = call {
                sum.whole += u64::from(call.whole);
                sum.kept_calls += 1;
                // One id for different calls is no retransmission.
                calls.entry(call.named).or_default().add(call.times, call.mixed || joined);
                sum.call_frames.push(call.first);
            }
            if let Some(reply) = reply {
                sum.reply_ids += 1;
                sum.large_reply_ids += u64::from(xid >= COUNTER_END);
                // Different calls with one id have an answer each.
                let mixed = joined || call.is_some_and(|call| call.mixed);
                replies.entry(reply.outcome).or_default().add(reply.times, mixed);
                sum.reply_frames.push(reply.first);
            }
            match (call, reply) {
                (Some(call), Some(reply)) => {
                    sum.paired += if call.mixed || joined { u64::from(call.times.min(reply.times)) } else { 1 };
                    let asked = (call.named.program, call.named.version);
                    if recent.0 != asked {
                        sum.add_answered(recent);
                        recent = (asked, Answered::default());
                    }
                    recent.1.times += 1;
                    recent.1.absent += u64::from(reply.outcome == Outcome::ProgramUnavailable);
                    recent.1.other_version += u64::from(reply.outcome == Outcome::ProgramMismatch);
                    if let Some(minor) = call.named.minor.filter(|_| call.named.program == NFS) {
                        *sum.minors.entry(minor).or_default() |= reply.status != Some(MINOR_VERSION_MISMATCH);
                    }
                    sum.pair_frames.extend([call.first, reply.first]);
                }
                (Some(_), None) => sum.unanswered += u64::from(answered.replies.covers(xid)),
                (None, _) => sum.unasked += u64::from(asked.calls.covers(xid)),
            }
        }
        sum.add_answered(recent);
        // What is sent twice is mostly of one procedure: each has a share of its own.
        let sampled = calls.values().map(|kept| kept.messages).sum();
        let mut repeated = 0;
        for (named, seen) in asked.procedures.iter() {
            let kept = calls.get(named).copied().unwrap_or_default();
            let times = kept.distinct_of(seen.count, sampled, asked.call_messages);
            repeated += seen.count.saturating_sub(times);
            let entry = sum.procedures.entry(*named).or_default();
            *entry = (entry.0 + times, earliest(entry.1, seen.first));
        }
        sum.calls += asked.call_messages - repeated.min(asked.call_messages);
        sum.retransmitted += repeated;
        let sampled = replies.values().map(|kept| kept.messages).sum();
        let mut repeated = 0;
        for (outcome, seen) in answered.outcomes.iter() {
            let kept = replies.get(outcome).copied().unwrap_or_default();
            let times = kept.distinct_of(seen.count, sampled, answered.reply_messages);
            repeated += seen.count.saturating_sub(times);
            *sum.outcomes.entry(*outcome).or_default() += times;
        }
        sum.replies += answered.reply_messages - repeated.min(answered.reply_messages);
    }
    // A program that the capture cut off has no name.
    sum.procedures.retain(|named, _| named.program != PROGRAM_CUT);
    // A call whose procedure the capture cut says nothing new where the same program's others are there.
    let named: BTreeSet<(u32, u32)> =
        sum.procedures.keys().filter(|named| !is_cut(named)).map(|named| (named.program, named.version)).collect();
    sum.procedures.retain(|cut, _| !is_cut(cut) || !named.contains(&(cut.program, cut.version)));
    sum
}

/// How many messages the kept ids stand for, and how many of them are different.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    messages: u64,
    distinct: u64,
}

impl Kept {
    fn add(&mut self, times: u32, mixed: bool) {
        let times = u64::from(times);
        self.messages += times;
        self.distinct += if mixed { times } else { times.min(1) };
    }

    /// How many of these messages are different, if the kept ones are a fair sample of them; exact where they are all. `sampled`
    /// of `all` messages are in the sample, whatever they ask: where none of many of one kind is, they have few ids.
    fn distinct_of(self, messages: u64, sampled: u64, all: u64) -> u64 {
        if self.messages == 0 {
            return if messages * sampled >= UNLIKELY * all { 1 } else { messages };
        }
        if self.messages == self.distinct {
            return messages;
        }
        ((messages * self.distinct + self.messages / 2) / self.messages).max(1)
    }
}

/// Whether the records of a direction, found again inside its segments, are fewer than its bytes are: the last may be
/// incomplete, and those before the capture begins as well.
fn is_part(traffic: &Traffic<'_>, bytes: u64, messages: u64) -> bool {
    let usual = bytes.checked_div(messages).unwrap_or_default();
    let accounted = bytes + RECORD_MARK * messages + usual + SMALLEST_RECORD;
    let hard_to_read = traffic.resynchronised > 0 || traffic.missing_bytes > 0;
    messages > 0 && hard_to_read && accounted < traffic.payload_bytes
}

fn is_cut(named: &Named) -> bool {
    named.procedure == Named::CUT
}

/// What the answers say of a program in a version that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Served, or nothing says otherwise.
    Served,
    /// The program is there in another version.
    OtherVersion,
    Absent,
}

impl Sum {
    fn add_answered(&mut self, (asked, answered): ((u32, u32), Answered)) {
        if answered.times > 0 {
            self.answered.entry(asked).or_default().add(answered);
        }
    }

    /// How many calls of a program and version were answered: exact while all ids are kept, and otherwise all replies by the share
    /// that it has of those kept.
    #[must_use]
    pub fn replies_of(&self, asked: (u32, u32)) -> u64 {
        let times = self.answered.get(&asked).map_or(0, |answered| answered.times);
        let all: u64 = self.answered.values().map(|answered| answered.times).sum();
        if !self.sampled || all == 0 { times } else { (self.replies * times + all / 2) / all }
    }

    /// Whether no other program than this one is served, as far as answers say.
    #[must_use]
    pub fn serves_only(&self, program: u32) -> bool {
        let mut asked = self.procedures.keys().map(|named| (named.program, named.version));
        asked.all(|asked| asked.0 == program || self.standing(asked) != Standing::Served)
    }

    pub(super) fn standing(&self, asked: (u32, u32)) -> Standing {
        let Answered { times, absent, other_version } = self.answered.get(&asked).copied().unwrap_or_default();
        match absent + other_version {
            refused if refused < times || refused == 0 => Standing::Served,
            _ if other_version > 0 => Standing::OtherVersion,
            _ => Standing::Absent,
        }
    }
}

/// What was called of a program in one version.
#[derive(Clone, Debug, Default)]
pub struct Called {
    /// Procedures ([`PROCEDURE_CUT`] where the capture ends before it), each with its calls.
    pub procedures: BTreeMap<u32, u64>,
    /// Minor versions of `NFSv4` that calls name, without those that the server refused.
    pub minors: BTreeSet<u8>,
}

impl Called {
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.procedures.values().sum()
    }

    /// `v3`, `v4.1`, `v4.0, v4.2`.
    pub(super) fn version(&self, version: u32) -> String {
        if self.minors.is_empty() {
            return format!("v{version}");
        }
        self.minors.iter().map(|minor| format!("v{version}.{minor}")).collect::<Vec<_>>().join(", ")
    }
}

/// Each program in each version, as reports list them.
#[must_use]
pub fn by_program(sum: &Sum) -> BTreeMap<(u32, u32), Called> {
    let mut programs: BTreeMap<(u32, u32), Called> = BTreeMap::new();
    for (named, (count, _)) in &sum.procedures {
        let called = programs.entry((named.program, named.version)).or_default();
        let procedure = if is_cut(named) { PROCEDURE_CUT } else { named.procedure.into() };
        *called.procedures.entry(procedure).or_default() += count;
        let served = |minor: &u8| named.program == NFS && sum.minors.get(minor) != Some(&false);
        called.minors.extend(named.minor.filter(served));
    }
    programs
}
