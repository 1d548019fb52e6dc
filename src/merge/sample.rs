//! A bounded sample of numbered things that is written to as a log: cheap to add to, in order once it is settled. Knows
//! no packet.

use super::{Merge, earliest};

/// Mixes 32 bits so that neighbours are spread evenly; a bijection (the finalizer of Appleby's `MurmurHash3`).
const fn spread32(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let value = (value ^ (value >> 13)).wrapping_mul(0xc2b2_ae35);
    value ^ (value >> 16)
}

/// The value that [`spread32`] made this of.
const fn gather32(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x7ed1_b41d);
    let value = (value ^ (value >> 13) ^ (value >> 26)).wrapping_mul(0xa5cb_9243);
    value ^ (value >> 16)
}

/// A sample of things with a 32-bit number: those of the `N` least ranks. It is written to as a log, which costs a few
/// bytes at its end and no search, and put in order when it has grown to twice its size, and by [`Sample::settle`]. What
/// reads from it wants it settled.
#[derive(Clone, Debug)]
pub struct Sample<V, const N: usize> {
    /// Ranks with what they stand for. One that came several times may stand in it several times.
    log: Vec<(u32, V)>,
    /// How many at the head of the log are in order, each rank once.
    settled: usize,
    /// The least rank that was ever dropped; nothing from there on is let in.
    cut: Option<u32>,
}

/// Most conversations hold a few messages. Doubled it comes to a sample's size, and to twice that.
const FIRST_ROOM: usize = 3;

impl<V, const N: usize> Default for Sample<V, N> {
    fn default() -> Self {
        Sample { log: Vec::new(), settled: 0, cut: None }
    }
}

impl<V: Default + Merge, const N: usize> Sample<V, N> {
    /// Adds to what is known of a number.
    #[inline]
    pub fn push(&mut self, number: u32, value: V) {
        self.push_rank(spread32(number), value);
    }

    #[inline]
    fn push_rank(&mut self, rank: u32, value: V) {
        if self.cut.is_some_and(|cut| cut <= rank) {
            return;
        }
        if self.log.len() == self.log.capacity() {
            self.make_room();
        }
        self.log.push((rank, value));
    }

    /// Grows in few steps to twice the sample; then puts the log in order instead.
    #[cold]
    fn make_room(&mut self) {
        let len = self.log.len();
        if len >= 2 * N {
            self.settle();
        } else {
            self.log.reserve_exact(if len == 0 { FIRST_ROOM } else { (2 * len).min(2 * N - len) });
        }
    }

    /// Puts the log in order. Two samples of the same are equal once both are settled.
    pub fn settle(&mut self) {
        if self.settled == self.log.len() {
            return;
        }
        // Ranks are sorted with their places, and every value moves once.
        let ranks = self.log.iter().zip(0u64..).map(|((rank, _), place)| u64::from(*rank) << 32 | place);
        let mut order: Vec<u64> = ranks.collect();
        order.sort_unstable();
        let mut log: Vec<(u32, V)> = Vec::with_capacity(order.len());
        for packed in order {
            #[allow(clippy::cast_possible_truncation)] // the two halves
            let (rank, place) = ((packed >> 32) as u32, packed as u32 as usize);
            let value = std::mem::take(&mut self.log[place].1);
            match log.last_mut() {
                Some((last, known)) if *last == rank => known.merge(value),
                _ => log.push((rank, value)),
            }
        }
        self.log = log;
        if let Some((cut, _)) = self.log.get(N) {
            self.cut = earliest(self.cut, Some(*cut));
            self.log.truncate(N);
        }
        self.settled = self.log.len();
    }

    /// What is known of a number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&V> {
        let rank = spread32(number);
        let (settled, recent) = self.log.split_at(self.settled);
        let found = settled.binary_search_by_key(&rank, |(rank, _)| *rank).ok().map(|index| &settled[index].1);
        found.or_else(|| recent.iter().find(|(other, _)| *other == rank).map(|(_, value)| value))
    }

    /// Every number that is in either sample, with what each knows of it, in the order of rank.
    pub fn join<'a, W>(&'a self, other: &'a Sample<W, N>) -> impl Iterator<Item = (u32, Option<&'a V>, Option<&'a W>)> {
        let (mut mine, mut theirs) = (self.log.iter().peekable(), other.log.iter().peekable());
        std::iter::from_fn(move || {
            let rank = earliest(mine.peek().map(|(rank, _)| *rank), theirs.peek().map(|(rank, _)| *rank))?;
            let own = mine.next_if(|(other, _)| *other == rank).map(|(_, value)| value);
            let other = theirs.next_if(|(other, _)| *other == rank).map(|(_, value)| value);
            Some((gather32(rank), own, other))
        })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.log.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Whether a number would be kept, if it came.
    #[must_use]
    pub fn covers(&self, number: u32) -> bool {
        self.cut.is_none_or(|cut| spread32(number) < cut)
    }

    /// Whether anything was ever dropped.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Keeps no more of the numbers than another sample does, so that both are samples of one kind.
    pub fn bound_by<W>(&mut self, other: &Sample<W, N>) {
        self.cut = earliest(self.cut, other.cut);
        if let Some(cut) = self.cut {
            self.log.retain(|(rank, _)| *rank < cut);
            self.settled = self.settled.min(self.log.len());
        }
    }

    /// In the order of rank, which is the same on every run.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> + Clone {
        debug_assert!(self.settled == self.log.len(), "a sample is read before it is settled");
        self.log.iter().map(|(rank, value)| (gather32(*rank), value))
    }
}

impl<V: Default + Merge, const N: usize> Merge for Sample<V, N> {
    fn merge(&mut self, other: Self) {
        self.bound_by(&other);
        for (rank, value) in other.log {
            self.push_rank(rank, value);
        }
    }
}

impl<V: PartialEq, const N: usize> PartialEq for Sample<V, N> {
    fn eq(&self, other: &Self) -> bool {
        self.cut == other.cut && self.log == other.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rank_leads_back_to_its_number(number: u32) {
            prop_assert_eq!(gather32(spread32(number)), number);
        }
    }
}
