//! What is learnt of the RPC messages of one direction: sums by procedure, and a sample of transaction ids that is the
//! same sample in both directions, so that calls and replies can be paired at the end, whoever saw them.

use crate::frame::Stamp;
use crate::merge::{Few, Merge, Rank, earliest, spread, spread_bytes, spread_with};
use crate::signature::arguments::{self, Detail};
use crate::signature::rpc::{Body, Call, Credential, Found, Outcome};

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
    /// The length of all replies as sent.
    pub reply_bytes: u64,
    pub calls: Few<u32, CallSeen, MAX_XIDS>,
    pub replies: Few<u32, ReplySeen, MAX_XIDS>,
    pub procedures: Few<Named, super::Sighting, MAX_PROCEDURES>,
    /// Replies by how the call went.
    pub outcomes: Few<Outcome, super::Sighting, { Outcome::COUNT }>,
    pub credentials: Few<Identity, super::Sighting, MAX_CREDENTIALS>,
    pub details: Few<Detail, super::Sighting, MAX_DETAILS>,
    /// Messages found inside segments, of which only the other direction can say whether they are any.
    pub strays: Strays,
}

/// See [`crate::signature::rpc::Message::inside`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strays {
    pub calls: Few<u32, CallSeen, MAX_XIDS>,
    pub replies: Few<u32, ReplySeen, MAX_XIDS>,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    pub program: u32,
    pub version: u32,
    pub procedure: u32,
}

impl Rank for Named {
    fn rank(&self) -> u64 {
        spread_with(spread_with(spread(u64::from(self.program)), u64::from(self.version)), u64::from(self.procedure))
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

/// The calls with one transaction id: the earliest of them, and how often it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallSeen {
    pub first: Option<(Stamp, Named)>,
    /// Whether the full layout was seen, in any of them.
    pub whole: bool,
    pub times: u32,
    /// What it asks for in detail, where that is worth a look.
    pub detail: Option<Box<Detail>>,
}

impl Merge for CallSeen {
    fn merge(&mut self, other: Self) {
        self.first = earliest(self.first, other.first);
        self.whole |= other.whole;
        self.times = self.times.saturating_add(other.times);
        self.detail = earliest(self.detail.take(), other.detail);
    }
}

/// The replies with one transaction id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplySeen {
    /// With the first word of the result, which many programs give a status.
    pub first: Option<(Stamp, Outcome, Option<u32>)>,
    pub times: u32,
}

impl Merge for ReplySeen {
    fn merge(&mut self, other: Self) {
        self.first = earliest(self.first, other.first);
        self.times = self.times.saturating_add(other.times);
    }
}

impl RemoteCalls {
    /// Takes a message in.
    pub fn observe(&mut self, stamp: Stamp, found: &Found<'_>) {
        let message = &found.message;
        match message.body {
            Body::Call(call) => {
                let detail = arguments::detail(&call, found.content, message.length);
                let seen = CallSeen {
                    first: Some((stamp, Named::of(&call))),
                    whole: !call.cut,
                    times: 1,
                    detail: detail.map(Box::new),
                };
                if message.inside {
                    if let Some(call) = self.strays.calls.entry(message.xid) {
                        call.merge(seen);
                    }
                } else {
                    if let Some(identity) = Identity::of(found.credential)
                        && let Some(count) = self.credentials.entry(identity)
                    {
                        count.add(stamp);
                    }
                    self.add_call(message.xid, seen);
                }
            }
            Body::Reply(outcome) => {
                let status = outcome.is_success().then(|| found.content.first_chunk()).flatten();
                let seen =
                    ReplySeen { first: Some((stamp, outcome, status.map(|word| u32::from_be_bytes(*word)))), times: 1 };
                if message.inside {
                    if let Some(reply) = self.strays.replies.entry(message.xid) {
                        reply.merge(seen);
                    }
                } else {
                    self.reply_bytes += u64::from(message.length);
                    self.add_reply(message.xid, seen);
                }
            }
        }
    }

    /// Takes in the whole of a call of which a part was counted already.
    pub fn complete(&mut self, xid: u32, found: &Found<'_>) {
        let Body::Call(call) = found.message.body else { return };
        let Some(known) = self.calls.get(&xid).and_then(|seen| seen.first) else { return };
        let mut whole = RemoteCalls::default();
        whole.observe(known.0, found);
        // Counted once: under its full name instead of the one with the procedure cut off.
        whole.call_messages = 0;
        if known.1 == Named::of(&call) {
            whole.procedures = Few::default();
        }
        if let Some(seen) = whole.calls.entry(xid) {
            seen.times = 0;
        }
        self.merge(whole);
    }

    /// Counts calls with one transaction id.
    pub fn add_call(&mut self, xid: u32, seen: CallSeen) {
        let times = u64::from(seen.times);
        self.call_messages += times;
        if let Some((stamp, named)) = seen.first {
            let more = super::Sighting { count: times, first: Some(stamp) };
            if let Some(count) = self.procedures.entry(named) {
                count.merge(more.clone());
            }
            if let Some(detail) = seen.detail.as_deref()
                && let Some(count) = self.details.entry(detail.clone())
            {
                count.merge(more);
            }
        }
        if let Some(call) = self.calls.entry(xid) {
            call.merge(seen);
        }
    }

    /// Counts replies with one transaction id.
    pub fn add_reply(&mut self, xid: u32, seen: ReplySeen) {
        let times = u64::from(seen.times);
        self.reply_messages += times;
        if let Some((stamp, outcome, _)) = seen.first
            && let Some(count) = self.outcomes.entry(outcome)
        {
            count.merge(super::Sighting { count: times, first: Some(stamp) });
        }
        if let Some(reply) = self.replies.entry(xid) {
            reply.merge(seen);
        }
    }

    /// Whether there is any message beside those inside segments.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.call_messages + self.reply_messages > 0
    }
}

impl Named {
    #[must_use]
    pub const fn of(call: &Call) -> Self {
        Named { program: call.program, version: call.version, procedure: call.procedure }
    }
}

impl Merge for RemoteCalls {
    fn merge(&mut self, other: Self) {
        let RemoteCalls {
            call_messages,
            reply_messages,
            reply_bytes,
            calls,
            replies,
            procedures,
            outcomes,
            credentials,
            details,
            strays,
        } = other;
        self.call_messages += call_messages;
        self.reply_messages += reply_messages;
        self.reply_bytes += reply_bytes;
        self.calls.merge(calls);
        self.replies.merge(replies);
        self.procedures.merge(procedures);
        self.outcomes.merge(outcomes);
        self.credentials.merge(credentials);
        self.details.merge(details);
        self.strays.calls.merge(strays.calls);
        self.strays.replies.merge(strays.replies);
    }
}
