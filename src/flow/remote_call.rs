//! What is learnt of the RPC messages of one direction: sums by procedure, and a sample of transaction ids that is the
//! same sample in both directions, so that calls and replies can be paired at the end, whoever saw them.

use crate::frame::Stamp;
use crate::merge::{Few, Merge, Rank, earliest, spread, spread_with};
use crate::signature::rpc::{Body, Call, Message, Outcome};

/// Transaction ids kept of a direction: those of least rank. While there are no more, pairing and the counting of
/// retransmissions are exact; beyond that they are a fair sample.
pub const MAX_XIDS: usize = 96;
/// Different procedures counted of a direction.
pub const MAX_PROCEDURES: usize = 64;

/// The RPC messages of one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteCalls {
    /// Messages, retransmissions included.
    pub call_messages: u64,
    pub reply_messages: u64,
    pub calls: Few<u32, CallSeen, MAX_XIDS>,
    pub replies: Few<u32, ReplySeen, MAX_XIDS>,
    pub procedures: Few<Named, super::Sighting, MAX_PROCEDURES>,
    /// Replies by how the call went.
    pub outcomes: Few<Outcome, super::Sighting, 8>,
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

/// The calls with one transaction id: the earliest of them, and how often it came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallSeen {
    pub first: Option<(Stamp, Named)>,
    /// Whether the full layout was seen, in any of them.
    pub whole: bool,
    pub times: u64,
}

impl Merge for CallSeen {
    fn merge(&mut self, other: Self) {
        self.first = earliest(self.first, other.first);
        self.whole |= other.whole;
        self.times += other.times;
    }
}

/// The replies with one transaction id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplySeen {
    pub first: Option<(Stamp, Outcome)>,
    pub times: u64,
}

impl Merge for ReplySeen {
    fn merge(&mut self, other: Self) {
        self.first = earliest(self.first, other.first);
        self.times += other.times;
    }
}

impl RemoteCalls {
    pub fn observe(&mut self, stamp: Stamp, message: &Message) {
        match message.body {
            Body::Call(Call { program, version, procedure, cut, .. }) => {
                let named = Named { program, version, procedure };
                self.call_messages += 1;
                if let Some(call) = self.calls.entry(message.xid) {
                    call.merge(CallSeen { first: Some((stamp, named)), whole: !cut, times: 1 });
                }
                if let Some(count) = self.procedures.entry(named) {
                    count.add(stamp);
                }
            }
            Body::Reply(outcome) => {
                self.reply_messages += 1;
                if let Some(reply) = self.replies.entry(message.xid) {
                    reply.merge(ReplySeen { first: Some((stamp, outcome)), times: 1 });
                }
                if let Some(count) = self.outcomes.entry(outcome) {
                    count.add(stamp);
                }
            }
        }
    }
}

impl Merge for RemoteCalls {
    fn merge(&mut self, other: Self) {
        let RemoteCalls { call_messages, reply_messages, calls, replies, procedures, outcomes } = other;
        self.call_messages += call_messages;
        self.reply_messages += reply_messages;
        self.calls.merge(calls);
        self.replies.merge(replies);
        self.procedures.merge(procedures);
        self.outcomes.merge(outcomes);
    }
}
