//! What is learnt of the RPC messages of one direction: sums by procedure, and a sample of transaction ids that is the
//! same sample in both directions, so that calls and replies can be paired at the end, whoever saw them.

use super::ToRead;
use crate::frame::Stamp;
use crate::merge::{Few, Merge, Rank, Sample, earliest, spread, spread_bytes, spread_with};
use crate::signature::arguments::{self, Detail};
use crate::signature::nfs;
use crate::signature::rpc::{Body, Call, Credential, Found, Outcome};
use std::sync::LazyLock;

/// Transaction ids kept of a direction: those of least rank. While there are no more, pairing and the counting of
/// retransmissions are exact; beyond that they are a fair sample.
pub const MAX_XIDS: usize = 96;
/// Different procedures counted of a direction.
pub const MAX_PROCEDURES: usize = 64;
/// Different credentials kept of a direction: users of one machine, mostly.
pub const MAX_CREDENTIALS: usize = 8;
/// Different details kept of a direction: maps, paths, keys, and what looks like an exploit.
pub const MAX_DETAILS: usize = 24;

/// The RPC messages of one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteCalls {
    /// Messages, retransmissions included.
    pub call_messages: u64,
    pub reply_messages: u64,
    /// The length of all calls and of all replies as sent, without their record marks.
    pub call_bytes: u64,
    pub reply_bytes: u64,
    pub calls: Sample<CallSeen, MAX_XIDS>,
    /// What calls ask for in detail, where that is worth a look.
    pub asked: Sample<Asked, MAX_XIDS>,
    pub replies: Sample<ReplySeen, MAX_XIDS>,
    pub procedures: Few<Named, super::Sighting, MAX_PROCEDURES, 1>,
    /// Replies by how the call went.
    pub outcomes: Few<Outcome, super::Sighting, { Outcome::COUNT }, 1>,
    pub credentials: Few<Identity, super::Sighting, MAX_CREDENTIALS>,
    pub details: Few<Detail, super::Sighting, MAX_DETAILS>,
    /// Boxed, because few directions have any.
    pub to_read: Option<Box<ToRead>>,
    /// Messages found inside segments, of which only the other direction can say whether they are any.
    /// Boxed, because few directions have any.
    pub strays: Option<Box<Strays>>,
}

/// See [`crate::signature::rpc::Message::inside`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strays {
    pub calls: Sample<CallSeen, MAX_XIDS>,
    pub asked: Sample<Asked, MAX_XIDS>,
    pub replies: Sample<ReplySeen, MAX_XIDS>,
    /// All of them, also those beyond the samples, and their length.
    pub call_bytes: u64,
    pub reply_bytes: u64,
    pub procedures: Few<Named, super::Sighting, MAX_PROCEDURES, 1>,
    pub outcomes: Few<Outcome, super::Sighting, { Outcome::COUNT }, 1>,
    pub credentials: Few<Identity, super::Sighting, MAX_CREDENTIALS>,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    pub program: u32,
    pub version: u32,
    /// [`Named::CUT`] where the capture ends before it.
    pub procedure: u16,
    /// The minor version of `NFSv4`, where the call says it and the capture has it.
    pub minor: Option<u8>,
}

impl Rank for Named {
    fn rank(&self) -> u64 {
        let procedure = u64::from(self.procedure) | self.minor.map_or(0, |minor| u64::from(minor) + 1) << 16;
        spread_with(spread_with(spread(u64::from(self.program)), u64::from(self.version)), procedure)
    }
}

impl Rank for Outcome {
    fn rank(&self) -> u64 {
        *self as u64
    }
}

/// A credential, owned. What changes with every call (stamps, sequence numbers) is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    System { machine: Box<[u8]>, uid: u32, gid: u32 },
    Gss { service: u32 },
    Tls,
    Other(u32),
}

impl Identity {
    fn of(credential: Credential<'_>) -> Option<Self> {
        Some(match credential {
            Credential::None => return None,
            Credential::System { machine, uid, gid } => Identity::System { machine: machine.into(), uid, gid },
            Credential::Gss { service, .. } => Identity::Gss { service },
            Credential::Tls => Identity::Tls,
            Credential::Other(flavor) => Identity::Other(flavor),
        })
    }
}

impl Rank for Identity {
    fn rank(&self) -> u64 {
        match self {
            Identity::System { machine, uid, gid } => {
                spread_with(spread_bytes(machine), u64::from(*uid) << 32 | u64::from(*gid))
            }
            Identity::Gss { service } => spread_with(6, u64::from(*service)),
            Identity::Tls => spread(7),
            Identity::Other(flavor) => spread_with(1, u64::from(*flavor)),
        }
    }
}

impl Rank for Detail {
    fn rank(&self) -> u64 {
        let text = spread_with(spread_bytes(self.what.as_bytes()), spread_bytes(self.within.as_bytes()));
        // What looks like an exploit is kept before everything else: harmless details cannot push it out.
        let rank = spread_with(text, self.kind as u64) >> 1;
        if self.kind.is_abuse() { rank } else { rank | 1 << 63 }
    }
}

/// The calls with one transaction id: where the earliest stands, what they ask for (the least, where that differs), and how many.
#[allow(clippy::struct_excessive_bools)] // four answers in four bytes
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallSeen {
    pub first: Stamp,
    pub named: Named,
    pub times: u32,
    /// Of the longest, as sent.
    pub length: u32,
    /// Whether the full layout was seen, in any of them.
    pub whole: bool,
    /// Whether they ask for different things: one id used for several calls.
    pub mixed: bool,
    /// See [`crate::signature::rpc::Message`].
    pub odd_version: bool,
    pub chained: bool,
}

impl Merge for CallSeen {
    fn merge(&mut self, other: Self) {
        self.mixed |= other.mixed || !self.named.is_like(&other.named);
        self.first = self.first.min(other.first);
        self.named = self.named.with(other.named);
        self.whole |= other.whole;
        self.length = self.length.max(other.length);
        self.odd_version |= other.odd_version;
        self.chained |= other.chained;
        self.times = self.times.saturating_add(other.times);
    }
}

/// What the calls with one transaction id ask for in detail. Apart from [`CallSeen`], because few calls have any.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked(Option<Box<Detail>>);

impl Merge for Asked {
    fn merge(&mut self, other: Self) {
        self.0 = earliest(self.0.take(), other.0);
    }
}

/// The replies with one transaction id.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReplySeen {
    pub first: Stamp,
    pub outcome: Outcome,
    /// The first word of the result, which many programs give a status.
    pub status: Option<u32>,
    /// Of the longest, as sent.
    pub length: u32,
    /// How much of it is header, its verifier included.
    pub header: u16,
    /// See [`crate::signature::rpc::Message::chained`].
    pub chained: bool,
    pub times: u32,
}

impl Merge for ReplySeen {
    fn merge(&mut self, other: Self) {
        let key = |seen: &Self| (seen.first, seen.outcome, seen.status);
        (self.first, self.outcome, self.status) = key(self).min(key(&other));
        self.chained |= other.chained;
        (self.length, self.header) = (self.length, self.header).max((other.length, other.header));
        self.times = self.times.saturating_add(other.times);
    }
}

impl ReplySeen {
    /// Bytes of the result as sent.
    #[must_use]
    pub fn result_length(&self) -> u32 {
        self.length.saturating_sub(self.header.into())
    }
}

/// A message as it counts, with its transaction id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counted {
    Call(u32, CallSeen),
    Reply(u32, ReplySeen),
}

impl RemoteCalls {
    /// Takes in what a message says beside its header, and one inside a segment as a whole. What is left of others is given
    /// back: it is for [`RemoteCalls::add`], now or later.
    #[must_use]
    pub fn observe(&mut self, stamp: Stamp, found: &Found<'_>) -> Option<Counted> {
        let message = &found.message;
        match message.body {
            Body::Call(call) => {
                let detail = arguments::detail(&call, found);
                let (odd_version, chained) = (message.odd_version, message.chained);
                let named = Named::of(&call, found);
                let (whole, length) = (!call.cut, message.length);
                let seen =
                    CallSeen { first: stamp, named, times: 1, length, whole, mixed: false, odd_version, chained };
                let credentials = match message.inside {
                    true => &mut self.strays.get_or_insert_default().credentials,
                    false => &mut self.credentials,
                };
                if let Some(identity) = Identity::of(found.credential)
                    && let Some(count) = credentials.entry(identity)
                {
                    count.add(stamp);
                }
                if message.inside {
                    let strays = self.strays.get_or_insert_default();
                    if let Some(count) = strays.procedures.entry(named) {
                        count.add(stamp);
                    }
                    strays.call_bytes += u64::from(length);
                    strays.calls.push(message.xid, seen);
                    if let Some(detail) = detail {
                        strays.asked.push(message.xid, Asked(Some(detail.into())));
                    }
                    return None;
                }
                if let Some(detail) = detail {
                    self.ask(message.xid, &seen, detail);
                }
                Some(Counted::Call(message.xid, seen))
            }
            Body::Reply(outcome) => {
                let status = if outcome.is_success() { found.content.first_chunk() } else { None };
                let status = status.map(|word| u32::from_be_bytes(*word));
                let (length, header, chained) = (message.length, found.header, message.chained);
                let seen = ReplySeen { first: stamp, outcome, status, length, header, chained, times: 1 };
                if message.inside {
                    let strays = self.strays.get_or_insert_default();
                    if let Some(count) = strays.outcomes.entry(outcome) {
                        count.add(stamp);
                    }
                    strays.reply_bytes += u64::from(length);
                    strays.replies.push(message.xid, seen);
                    return None;
                }
                Some(Counted::Reply(message.xid, seen))
            }
        }
    }

    /// Counts a message.
    #[inline]
    pub fn add(&mut self, counted: &Counted) {
        match counted {
            Counted::Call(xid, seen) => self.add_call(*xid, seen),
            Counted::Reply(xid, seen) => self.add_reply(*xid, seen),
        }
    }

    /// Takes in the whole of a call of which a part was counted already.
    pub fn complete(&mut self, xid: u32, found: &Found<'_>) {
        let Body::Call(call) = found.message.body else { return };
        let Some(known) = self.calls.get(xid).map(|seen| (seen.first, seen.named)) else { return };
        let named = Named::of(&call, found);
        let mut whole = RemoteCalls::default();
        if let Some(counted) = whole.observe(known.0, found) {
            whole.add(&counted);
        }
        // Counted once: under its full name instead of the one with the procedure cut off.
        (whole.call_messages, whole.call_bytes) = (0, 0);
        let asked = |named: &Named| (named.program, named.version, named.procedure);
        if asked(&known.1) == asked(&named) {
            whole.procedures = Few::default();
        }
        whole.calls = Sample::default();
        self.calls.push(xid, CallSeen { first: known.0, named, times: 0, whole: true, ..CallSeen::default() });
        self.merge(whole);
    }

    /// What a known call asks for in detail, where only the whole of it shows that.
    #[must_use]
    pub fn new_detail(&self, found: &Found<'_>) -> Option<Detail> {
        let Body::Call(call) = found.message.body else { return None };
        self.calls.get(found.message.xid).filter(|_| self.detail(found.message.xid).is_none())?;
        arguments::detail(&call, found)
    }

    /// Takes in what [`RemoteCalls::new_detail`] found.
    pub fn learn(&mut self, xid: u32, detail: Detail) {
        let Some((first, named)) = self.calls.get(xid).map(|seen| (seen.first, seen.named)) else { return };
        if let Some(count) = self.details.entry(detail.clone()) {
            count.add(first);
        }
        self.asked.push(xid, Asked(Some(detail.into())));
        self.calls.push(xid, CallSeen { first, named, times: 0, whole: true, ..CallSeen::default() });
        self.settle(); // so that it is known when it is met again
    }

    /// What the calls with one transaction id ask for in detail.
    #[must_use]
    pub fn detail(&self, xid: u32) -> Option<&Detail> {
        self.asked.get(xid).and_then(|asked| asked.0.as_deref())
    }

    /// Counts calls with one transaction id.
    #[inline]
    pub fn add_call(&mut self, xid: u32, seen: &CallSeen) {
        let times = u64::from(seen.times);
        self.call_messages += times;
        self.call_bytes += u64::from(seen.length) * times;
        if let Some(count) = self.procedures.entry(seen.named) {
            count.add_times(times, seen.first);
        }
        self.calls.push(xid, *seen);
    }

    /// Counts calls of which no id is kept.
    pub fn add_unsampled_calls(&mut self, named: Named, times: u64, first: Option<Stamp>) {
        self.call_messages += times;
        if let Some((count, first)) = self.procedures.entry(named).zip(first) {
            count.add_times(times, first);
        }
    }

    /// The same of replies.
    pub fn add_unsampled_replies(&mut self, outcome: Outcome, times: u64, first: Option<Stamp>) {
        self.reply_messages += times;
        if let Some((count, first)) = self.outcomes.entry(outcome).zip(first) {
            count.add_times(times, first);
        }
    }

    /// Takes in what calls with one transaction id ask for in detail.
    pub fn ask(&mut self, xid: u32, seen: &CallSeen, detail: Detail) {
        if let Some(count) = self.details.entry(detail.clone()) {
            count.add_times(seen.times.into(), seen.first);
        }
        self.asked.push(xid, Asked(Some(detail.into())));
    }

    /// Counts replies with one transaction id.
    #[inline]
    pub fn add_reply(&mut self, xid: u32, seen: &ReplySeen) {
        let times = u64::from(seen.times);
        self.reply_messages += times;
        self.reply_bytes += u64::from(seen.length) * times;
        if let Some(count) = self.outcomes.entry(seen.outcome) {
            count.add_times(times, seen.first);
        }
        self.replies.push(xid, *seen);
    }

    /// Whether a program is called, as far as that is counted: beyond the bound it may be.
    #[must_use]
    pub fn calls_program(&self, program: u32) -> bool {
        self.procedures.more || self.procedures.iter().any(|(named, _)| named.program == program)
    }

    /// Puts the samples in order, so that they can be read and compared.
    pub fn settle(&mut self) {
        self.calls.settle();
        self.asked.settle();
        self.replies.settle();
        if let Some(strays) = &mut self.strays {
            strays.calls.settle();
            strays.asked.settle();
            strays.replies.settle();
        }
    }

    /// Messages found inside segments; none where there are none.
    #[must_use]
    pub fn strays(&self) -> &Strays {
        self.strays.as_deref().unwrap_or(&NO_STRAYS)
    }

    /// Whether there is any message beside those inside segments.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.call_messages + self.reply_messages > 0
    }
}

static NO_STRAYS: LazyLock<Strays> = LazyLock::new(Strays::default);

impl Merge for Strays {
    fn merge(&mut self, other: Self) {
        let Strays { calls, asked, replies, call_bytes, reply_bytes, procedures, outcomes, credentials } = other;
        self.calls.merge(calls);
        self.asked.merge(asked);
        self.replies.merge(replies);
        self.call_bytes += call_bytes;
        self.reply_bytes += reply_bytes;
        self.procedures.merge(procedures);
        self.outcomes.merge(outcomes);
        self.credentials.merge(credentials);
    }
}

impl Strays {
    /// As [`RemoteCalls::detail`].
    #[must_use]
    pub fn detail(&self, xid: u32) -> Option<Detail> {
        self.asked.get(xid).and_then(|asked| asked.0.as_deref().cloned())
    }
}

impl Named {
    /// Stands for a procedure that the capture cut off.
    pub const CUT: u16 = u16::MAX;

    /// What a call asks for; `found` is the message that it is in.
    #[must_use]
    pub fn of(call: &Call, found: &Found<'_>) -> Self {
        Named {
            program: call.program,
            version: call.version,
            procedure: u16::try_from(call.procedure).unwrap_or(Named::CUT),
            minor: nfs::minor_version(call, found.credential, found.content),
        }
    }

    /// What both say together: what one does not know the other may. Associative, so that [`CallSeen`] can be merged.
    fn with(self, other: Self) -> Self {
        if (self.program, self.version) != (other.program, other.version) {
            return self.min(other);
        }
        // A procedure that was cut off is the greatest of all.
        Named { procedure: self.procedure.min(other.procedure), minor: earliest(self.minor, other.minor), ..self }
    }

    /// Whether both may be the same, as far as the capture has them.
    fn is_like(&self, other: &Self) -> bool {
        let fits = |a: Option<u8>, b: Option<u8>| a.is_none() || b.is_none() || a == b;
        (self.program, self.version) == (other.program, other.version)
            && (self.procedure == other.procedure || self.procedure == Named::CUT || other.procedure == Named::CUT)
            && fits(self.minor, other.minor)
    }
}

impl Merge for RemoteCalls {
    fn merge(&mut self, other: Self) {
        let RemoteCalls {
            call_messages,
            reply_messages,
            call_bytes,
            reply_bytes,
            calls,
            asked,
            replies,
            procedures,
            outcomes,
            credentials,
            details,
            to_read,
            strays,
        } = other;
        self.call_messages += call_messages;
        self.reply_messages += reply_messages;
        self.call_bytes += call_bytes;
        self.reply_bytes += reply_bytes;
        self.calls.merge(calls);
        self.asked.merge(asked);
        self.replies.merge(replies);
        self.procedures.merge(procedures);
        self.outcomes.merge(outcomes);
        self.credentials.merge(credentials);
        self.details.merge(details);
        if let Some(theirs) = to_read {
            self.to_read.get_or_insert_default().merge(*theirs);
        }
        if let Some(theirs) = strays {
            self.strays.get_or_insert_default().merge(*theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calls() -> impl Strategy<Value = CallSeen> {
        let minors = prop_oneof![Just(None), (0u8..2).prop_map(Some)];
        (1u32..3, prop_oneof![Just(Named::CUT), 0u16..2], minors, any::<bool>()).prop_map(
            |(program, procedure, minor, whole)| CallSeen {
                named: Named { program, version: 4, procedure, minor },
                times: 1,
                whole,
                ..CallSeen::default()
            },
        )
    }

    proptest! {
        #[test]
        fn calls_of_one_id_merge_in_any_order(seen in proptest::collection::vec(calls(), 3)) {
            let merged = |order: [usize; 3], first_two: bool| {
                let [mut a, mut b, c] = order.map(|place| seen[place]);
                if first_two {
                    a.merge(b);
                    a.merge(c);
                } else {
                    b.merge(c);
                    a.merge(b);
                }
                a
            };
            let all = merged([0, 1, 2], true);
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                prop_assert_eq!(merged(order, true), all);
                prop_assert_eq!(merged(order, false), all);
            }
        }
    }
}
