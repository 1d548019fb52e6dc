//! RPC messages that are to be counted in their conversations, written down and counted some hundred at a time: a
//! conversation's memory is seldom in the processor's caches, and in a loop that does nothing else the waits for one overlap
//! with those for the next. Knows no packet.

use crate::flow::{Counted, Directions, FlowKey};
use crate::merge::Bounded;

/// Messages that wait, but for those of the last packet: 14 KB. Measured: of 64 there is less to gain, and of 1,024 no more.
const MAX_WAITING: usize = 256;

/// Messages with the places of their directions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waiting(Vec<(Place, Counted)>);

/// Where the direction of a message is found: tier, place in it, sender, and sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub tier: u8,
    pub sender: u8,
    pub at: u32,
    pub sequence: u32,
}

impl Waiting {
    #[inline]
    pub fn push(&mut self, place: Place, counted: Counted) {
        self.0.push((place, counted));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_WAITING
    }

    /// Counts all in their conversations, which must be at the places where they were.
    pub fn count<const TIERS: usize>(&mut self, tiers: &mut [Bounded<FlowKey, Directions>; TIERS]) {
        // Read where they lie: a copy made just before would be waited for behind all writes to memory before it.
        for (Place { tier, sender, at, sequence }, counted) in &self.0 {
            let directions = tiers[*tier as usize].at_mut(*at as usize);
            let direction = directions.and_then(|directions| directions[*sender as usize].get_mut(*sequence));
            if let Some(calls) = direction.and_then(|direction| direction.half.remote_calls.as_deref_mut()) {
                calls.add(counted);
            }
        }
        self.0.clear();
    }
}
