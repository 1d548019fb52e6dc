//! RPC messages on their way to the sums of their conversations: written one behind another, and added a good many at a
//! time in the order of their conversations, because going to a conversation's memory costs more than what is done there.
//! Knows no packet.

use crate::flow::{Counted, Flow, FlowKey};
use crate::merge::Bounded;

/// Messages that wait, at most: 2 MB.
const MAX_WAITING: usize = 256;

/// Messages with the places of their directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waiting(Vec<(Direction, Counted)>);

/// Tier, place in the tier, and sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Direction {
    pub tier: u8,
    pub sender: u8,
    pub place: u32,
}

impl Waiting {
    #[inline]
    pub fn push(&mut self, direction: Direction, counted: Counted) {
        self.0.push((direction, counted));
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_WAITING
    }

    /// Adds all to their conversations, which must be at the places where they were.
    pub fn add_to<const TIERS: usize>(&mut self, tiers: &mut [Bounded<FlowKey, Flow>; TIERS]) {
        for (Direction { tier, sender, place }, counted) in self.0.drain(..) {
            let flow = tiers[tier as usize].at_mut(place as usize);
            if let Some(calls) = flow.and_then(|flow| flow.halves[sender as usize].remote_calls.as_deref_mut()) {
                calls.add(counted);
            }
        }
    }
}
