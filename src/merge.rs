//! Features that grow in one way only: `merge`, associative and commutative. And the two bounded maps that keep that
//! law: they keep the entries of least rank, where an entry's rank depends on its key alone. Knows no packet.
//!
//! An entry that is among the least of everything is among the least of every part, so it was never dropped anywhere
//! and its features are whole; one that was dropped anywhere cannot come back. That is why pieces can be read in any
//! order and by any number of threads.

mod sample;

use indexmap::IndexMap;
pub use sample::Sample;
use smallvec::SmallVec;
use std::hash::Hash;

pub trait Merge {
    /// Takes the features of `other` in. Associative and commutative, with the default value as unit.
    fn merge(&mut self, other: Self);
}

/// Both directions of a conversation, and whatever else comes in pairs.
impl<M: Merge> Merge for [M; 2] {
    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.iter_mut().zip(other) {
            mine.merge(theirs);
        }
    }
}

/// The order in which a bounded map keeps its keys: evenly spread, and the same on every run and machine.
pub trait Rank {
    fn rank(&self) -> u64;
}

impl Rank for u32 {
    fn rank(&self) -> u64 {
        spread(u64::from(*self))
    }
}

/// A bijective mixing of 64 bits (the finalizer of Steele, Lea and Flood's `SplitMix64`, OOPSLA 2014).
#[must_use]
pub const fn spread(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Mixes another value into a rank.
#[must_use]
pub const fn spread_with(rank: u64, value: u64) -> u64 {
    spread(rank.rotate_left(17) ^ value.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A rank for bytes of any length.
#[must_use]
pub fn spread_bytes(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |rank, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        spread_with(rank, u64::from_le_bytes(word))
    })
}

/// The smaller of two, where `None` is no value at all.
#[inline]
#[must_use]
pub fn earliest<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Keeps the smaller of two. It is written only where that changes, and never copied: a copy would be waited for behind all
/// writes before it, and on the way of every packet those go to memory that is seldom in a cache.
#[inline]
pub fn keep_earliest<T: Ord>(kept: &mut Option<T>, value: T) {
    if kept.as_ref().is_none_or(|kept| value < *kept) {
        *kept = Some(value);
    }
}

/// A large map that grows a quarter beyond its limit and is then brought back to it. The entries lie in a row, and the
/// hash table holds their places only: it stays small, and growing it moves no entry.
#[derive(Clone, Debug)]
pub struct Bounded<K, V> {
    entries: IndexMap<K, V, foldhash::fast::RandomState>,
    limit: usize,
    /// The least key that was ever dropped; nothing from there on is let in again.
    cut: Option<(u64, K)>,
}

impl<K: Copy + Ord + Hash + Rank, V: Default + Merge> Bounded<K, V> {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Bounded { entries: IndexMap::default(), limit: limit.max(1), cut: None }
    }

    /// The features of `key`; `None` where the map is full and the key is not among the least.
    #[inline]
    pub fn entry(&mut self, key: K) -> Option<&mut V> {
        self.place(key).map(|(_, value)| value)
    }

    fn make_room(&mut self) {
        if self.is_full() {
            self.settle();
        }
    }

    /// Whether the next new key brings the map to its limit, and entries to other places.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() > self.limit.saturating_add(self.limit / 4)
    }

    /// The place of a key and its features; as [`Bounded::entry`].
    #[inline]
    pub fn place(&mut self, key: K) -> Option<(usize, &mut V)> {
        let place = if let Some(place) = self.entries.get_index_of(&key) {
            place
        } else {
            self.make_room();
            if !self.is_let_in(&key) {
                return None;
            }
            self.entries.insert_full(key, V::default()).0
        };
        self.entries.get_index_mut(place).map(|(_, value)| (place, value))
    }

    /// The features at a place; entries stay where they are until the map is full, or settled, or merged.
    #[inline]
    pub fn at_mut(&mut self, place: usize) -> Option<&mut V> {
        self.entries.get_index_mut(place).map(|(_, value)| value)
    }

    fn is_let_in(&self, key: &K) -> bool {
        self.cut.is_none_or(|cut| (key.rank(), *key) < cut)
    }

    /// Brings the map to its limit. Two maps that have seen the same are equal once both are settled.
    pub fn settle(&mut self) {
        if self.entries.len() > self.limit {
            let mut order: Vec<(u64, K)> = self.entries.keys().map(|key| (key.rank(), *key)).collect();
            let (_, cut, _) = order.select_nth_unstable(self.limit);
            self.cut = earliest(self.cut, Some(*cut));
            self.drop_from_cut();
        }
    }

    fn drop_from_cut(&mut self) {
        if let Some(cut) = self.cut {
            self.entries.retain(|key, _| (key.rank(), *key) < cut);
        }
    }

    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// In no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// In no order that means anything.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.values_mut()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any key was ever dropped.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// How many different keys were seen: exact while nothing was dropped, otherwise estimated from the rank of the
    /// least dropped key (k minimum values; Bar-Yossef et al., RANDOM 2002).
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an estimate
    pub fn distinct(&self) -> u64 {
        match self.cut {
            None => self.entries.len() as u64,
            Some((rank, _)) => (self.entries.len() as f64 * (u64::MAX as f64 / (rank as f64).max(1.0))) as u64,
        }
    }
}

impl<K: Copy + Ord + Hash + Rank, V: Default + Merge> Merge for Bounded<K, V> {
    fn merge(&mut self, other: Self) {
        self.limit = self.limit.min(other.limit);
        self.cut = earliest(self.cut, other.cut);
        self.drop_from_cut();
        for (key, value) in other.entries {
            if let Some(mine) = self.entries.get_mut(&key) {
                mine.merge(value);
            } else if self.is_let_in(&key) {
                self.entries.insert(key, value);
            }
            self.make_room();
        }
        self.settle();
    }
}

impl<K: Copy + Ord + Hash + Rank, V: Default + Merge + PartialEq> PartialEq for Bounded<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let same = |(key, value): (&K, &V)| other.get(key) == Some(value);
        self.cut == other.cut && self.len() == other.len() && self.iter().all(same)
    }
}

/// A small map of at most `N` entries, of which the first `HERE` lie in it and need no memory of their own. The order of
/// rank lies apart from the entries, so that a new one moves a few bytes only.
#[derive(Clone, Debug)]
pub struct Few<K, V, const N: usize, const HERE: usize = 0> {
    entries: SmallVec<[(K, V); HERE]>,
    /// The place of the entry that was asked for last.
    recent: u32,
    /// Whether any key was ever dropped.
    pub more: bool,
    /// Ranks in ascending order (ties by key), each with the place of its entry. Two take no more room than none.
    order: SmallVec<[(u32, u32); 2]>,
}

impl<K, V, const N: usize, const HERE: usize> Default for Few<K, V, N, HERE> {
    fn default() -> Self {
        Few { order: SmallVec::new(), entries: SmallVec::new(), recent: 0, more: false }
    }
}

impl<K: Ord + Rank, V: Default + Merge, const N: usize, const HERE: usize> Few<K, V, N, HERE> {
    /// The features of `key`; `None` where the map is full and the key is not among the least.
    #[inline]
    pub fn entry(&mut self, key: K) -> Option<&mut V> {
        // What came last often comes again, and then its rank is not needed.
        let recent = self.recent as usize;
        if self.entries.get(recent).is_some_and(|(known, _)| *known == key) {
            return self.entries.get_mut(recent).map(|(_, value)| value);
        }
        self.ranked_entry(key)
    }

    fn ranked_entry(&mut self, key: K) -> Option<&mut V> {
        let rank = Self::rank(&key);
        let place = match self.find(rank, &key) {
            Ok(index) => self.order[index].1,
            Err(index) if index >= N => {
                self.more = true;
                return None;
            }
            Err(index) => {
                let place = if self.order.len() == N {
                    // The greatest gives its place.
                    self.more = true;
                    let place = self.order.pop()?.1;
                    self.entries[place as usize] = (key, V::default());
                    place
                } else {
                    self.entries.push((key, V::default()));
                    u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX) // at most N
                };
                self.order.insert(index, (rank, place));
                place
            }
        };
        self.recent = place;
        self.entries.get_mut(place as usize).map(|(_, value)| value)
    }

    /// The upper half of the rank: keys that share it are told apart by their own order.
    #[allow(clippy::cast_possible_truncation)] // a half
    fn rank(key: &K) -> u32 {
        (key.rank() >> 32) as u32
    }

    fn find(&self, rank: u32, key: &K) -> Result<usize, usize> {
        self.order
            .binary_search_by(|(other, place)| other.cmp(&rank).then_with(|| self.entries[*place as usize].0.cmp(key)))
    }

    /// In the order of rank, which is the same on every run.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.order.iter().map(|(_, place)| {
            let (key, value) = &self.entries[*place as usize];
            (key, value)
        })
    }

    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        let index = self.find(Self::rank(key), key).ok()?;
        Some(&self.entries[self.order[index].1 as usize].1)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Ord + Rank, V: Default + Merge, const N: usize, const HERE: usize> Merge for Few<K, V, N, HERE> {
    fn merge(&mut self, mut other: Self) {
        if self.entries.is_empty() && !self.more {
            *self = other;
            return;
        }
        self.more |= other.more;
        for (key, value) in other.entries.drain(..) {
            if let Some(mine) = self.entry(key) {
                mine.merge(value);
            }
        }
    }
}

impl<K: Ord + Rank, V: Default + Merge + PartialEq, const N: usize, const HERE: usize> PartialEq
    for Few<K, V, N, HERE>
{
    fn eq(&self, other: &Self) -> bool {
        self.more == other.more && self.len() == other.len() && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Sum(u64);

    impl Merge for Sum {
        fn merge(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    fn bounded(keys: &[u32]) -> Bounded<u32, Sum> {
        let mut map: Bounded<u32, Sum> = Bounded::new(5);
        for &key in keys {
            if let Some(sum) = map.entry(key) {
                sum.0 += 1;
            }
        }
        map.settle();
        map
    }

    fn few(keys: &[u32]) -> Few<u32, Sum, 5> {
        let mut map: Few<u32, Sum, 5> = Few::default();
        for &key in keys {
            if let Some(sum) = map.entry(key) {
                sum.0 += 1;
            }
        }
        map
    }

    fn sample(keys: &[u32]) -> Sample<Sum, 5> {
        let mut sample: Sample<Sum, 5> = Sample::default();
        for key in keys {
            sample.push(*key, Sum(1));
        }
        sample.settle();
        sample
    }

    fn settled(mut sample: Sample<Sum, 5>) -> Sample<Sum, 5> {
        sample.settle();
        sample
    }

    fn merged<M: Merge>(mut a: M, b: M) -> M {
        a.merge(b);
        a
    }

    proptest! {
        #[test]
        fn bounded_maps_of_pieces_are_the_map_of_the_whole(
            keys in proptest::collection::vec(0u32..40, 0..200), cut in 0usize..200, again in 0usize..200,
        ) {
            let (cut, again) = (cut.min(keys.len()), again.min(keys.len()));
            let (a, b) = keys.split_at(cut);
            let (c, d) = keys.split_at(again);
            prop_assert_eq!(merged(bounded(a), bounded(b)), bounded(&keys));
            prop_assert_eq!(merged(bounded(d), bounded(c)), bounded(&keys));
            prop_assert_eq!(merged(few(a), few(b)), few(&keys));
            prop_assert_eq!(merged(few(d), few(c)), few(&keys));
            prop_assert_eq!(settled(merged(sample(a), sample(b))), sample(&keys));
            prop_assert_eq!(settled(merged(sample(d), sample(c))), sample(&keys));
        }
    }

    #[test]
    fn the_number_of_keys_is_estimated_when_some_were_dropped() {
        let mut map: Bounded<u32, Sum> = Bounded::new(1000);
        for key in 0..100_000 {
            if let Some(sum) = map.entry(key) {
                sum.0 += 1;
            }
        }
        map.settle();
        assert_eq!(map.len(), 1000);
        assert!((90_000..110_000).contains(&map.distinct()), "{}", map.distinct());
    }
}
