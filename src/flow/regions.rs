//! The features of one direction, apart by where its segments lie in the space of sequence numbers. Knows no feature.
//!
//! A four-tuple may be used again by another connection, whose initial sequence numbers lie elsewhere (RFC 9293, section
//! 3.4.1; RFC 6528). Where a segment lies is told by the segment alone, so what is kept apart here merges in any order;
//! which regions are one connection is told at the end, when every SYN is known.

use crate::merge::Merge;

/// Regions kept apart of a direction. A direction of more has them joined in pairs until there are no more: a bulk transfer
/// walks through many. Each may hold an opening, so there are few.
pub const MAX_REGIONS: usize = 4;
/// The first regions are 4 MiB: most connections stay in one, and one that follows a second later on a host whose initial
/// sequence numbers follow a clock lies in another (Linux's clock runs through 4 MiB in 0.3 s).
const FIRST_SHIFT: u8 = 22;
/// All sequence numbers are one region.
const LAST_SHIFT: u8 = 32;
/// No region: nothing was seen.
const NONE: u32 = u32::MAX;

/// A part of the space of sequence numbers: `2^shift` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    number: u32,
    shift: u8,
}

impl Region {
    fn of(sequence: u32, shift: u8) -> u32 {
        // At most a sequence number.
        u32::try_from(u64::from(sequence) >> shift).unwrap_or_default()
    }

    /// How many sequence numbers lie between the regions of this size in which `start` and this one lie, forward and around.
    #[must_use]
    pub fn distance_from(self, start: u32) -> u32 {
        let first = |number: u32| u32::try_from((u64::from(number) << self.shift) & u64::from(u32::MAX)).unwrap_or(0);
        first(self.number).wrapping_sub(first(Region::of(start, self.shift)))
    }
}

/// The features of one direction, by region. UDP has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions<F> {
    shift: u8,
    /// The region of `here`, or [`NONE`].
    number: u32,
    /// Most directions have one region: it needs no memory of its own.
    here: F,
    /// Boxed, because few have any.
    #[allow(clippy::box_collection)] // one word instead of three in every direction
    more: Option<Box<Vec<(u32, F)>>>,
}

impl<F: Default> Default for Regions<F> {
    fn default() -> Self {
        Regions { shift: FIRST_SHIFT, number: NONE, here: F::default(), more: None }
    }
}

impl<F: Default + Merge> Regions<F> {
    /// The features of the region of a sequence number.
    #[inline]
    pub fn entry(&mut self, sequence: u32) -> &mut F {
        let number = Region::of(sequence, self.shift);
        if number == self.number { &mut self.here } else { self.other(sequence, number) }
    }

    #[cold]
    fn other(&mut self, sequence: u32, number: u32) -> &mut F {
        if self.number == NONE {
            self.number = number;
            return &mut self.here;
        }
        let more = self.more.get_or_insert_default();
        if !more.iter().any(|(other, _)| *other == number) {
            more.push((number, F::default()));
            self.limit();
        }
        // Where regions were joined, it lies in another.
        let number = Region::of(sequence, self.shift);
        let others = self.more.as_deref_mut().into_iter().flatten();
        others.filter(|(other, _)| *other == number).map(|(_, features)| features).next().unwrap_or(&mut self.here)
    }

    /// The features of the region of a sequence number, where anything was seen in it.
    #[inline]
    pub fn get_mut(&mut self, sequence: u32) -> Option<&mut F> {
        let number = Region::of(sequence, self.shift);
        if number == self.number {
            return Some(&mut self.here);
        }
        self.more.as_deref_mut()?.iter_mut().find(|(other, _)| *other == number).map(|(_, features)| features)
    }

    /// Joins neighbours until there are no more regions than the limit. The last size depends on the regions alone, and not
    /// on the order in which they came: what is too much for a part is too much for the whole.
    fn limit(&mut self) {
        while self.len() > MAX_REGIONS && self.shift < LAST_SHIFT {
            self.widen(self.shift + 1);
        }
    }

    fn widen(&mut self, shift: u8) {
        if self.shift >= shift {
            return;
        }
        let by = u32::from(shift - self.shift);
        self.shift = shift;
        if self.number == NONE {
            return;
        }
        let wider = |number: u32| number.checked_shr(by).unwrap_or_default();
        self.number = wider(self.number);
        for (number, features) in self.more.take().map_or_else(Vec::new, |more| *more) {
            self.add(wider(number), features);
        }
    }

    fn add(&mut self, number: u32, features: F) {
        if number == self.number {
            return self.here.merge(features);
        }
        let more = self.more.get_or_insert_default();
        match more.iter_mut().find(|(other, _)| *other == number) {
            Some((_, mine)) => mine.merge(features),
            None => more.push((number, features)),
        }
    }

    /// Puts the regions in order; two that have seen the same are equal then.
    pub fn settle(&mut self) {
        let Some(more) = &mut self.more else { return };
        more.sort_unstable_by_key(|(number, _)| *number);
        // The least lies here.
        if let Some((number, features)) = more.first_mut().filter(|(number, _)| *number < self.number) {
            std::mem::swap(number, &mut self.number);
            std::mem::swap(features, &mut self.here);
            more.sort_unstable_by_key(|(number, _)| *number);
        }
    }
}

impl<F> Regions<F> {
    fn len(&self) -> usize {
        usize::from(self.number != NONE) + self.more.as_deref().map_or(0, Vec::len)
    }

    /// The regions in which anything was seen, each with its features.
    pub fn iter(&self) -> impl Iterator<Item = (Region, &F)> {
        let here = (self.number != NONE).then_some((self.number, &self.here));
        let more = self.more.as_deref().into_iter().flatten().map(|(number, features)| (*number, features));
        let shift = self.shift;
        here.into_iter().chain(more).map(move |(number, features)| (Region { number, shift }, features))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut F> {
        let here = (self.number != NONE).then_some(&mut self.here);
        here.into_iter().chain(self.more.as_deref_mut().into_iter().flatten().map(|(_, features)| features))
    }
}

impl<F: Default + Merge> Merge for Regions<F> {
    fn merge(&mut self, mut other: Self) {
        if other.number == NONE {
            return;
        }
        let shift = self.shift.max(other.shift);
        self.widen(shift);
        other.widen(shift);
        if self.number == NONE {
            *self = other;
            return;
        }
        self.add(other.number, other.here);
        for (number, features) in other.more.map_or_else(Vec::new, |more| *more) {
            self.add(number, features);
        }
        self.limit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Count(u64);

    impl Merge for Count {
        fn merge(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    fn regions(sequences: &[u32]) -> Regions<Count> {
        let mut regions: Regions<Count> = Regions::default();
        for sequence in sequences {
            regions.entry(*sequence).0 += 1;
        }
        regions
    }

    fn settled(mut regions: Regions<Count>) -> Regions<Count> {
        regions.settle();
        regions
    }

    proptest! {
        #[test]
        fn regions_of_pieces_are_the_regions_of_the_whole(
            sequences in proptest::collection::vec(prop_oneof![any::<u32>(), 0u32..1 << 25], 0..30),
            cut in 0usize..30,
            swap: bool,
        ) {
            let (a, b) = sequences.split_at(cut.min(sequences.len()));
            let (a, b) = if swap { (b, a) } else { (a, b) };
            let mut merged = regions(a);
            merged.merge(regions(b));
            let (merged, whole) = (settled(merged), settled(regions(&sequences)));
            prop_assert_eq!(&merged, &whole);
            prop_assert!(whole.len() <= MAX_REGIONS);
            let counted: u64 = whole.iter().map(|(_, count)| count.0).sum();
            prop_assert_eq!(counted, sequences.len() as u64);
        }
    }

    #[test]
    fn a_connection_stays_in_its_region_and_the_next_one_lies_in_another() {
        let mut regions = regions(&[1000, 5000, 1_000_000]);
        assert_eq!(regions.iter().count(), 1);
        regions.entry(0x9000_0000).0 += 1;
        assert_eq!(regions.iter().count(), 2);
        assert_eq!(regions.get_mut(0x9000_0001).map(|count| count.0), Some(1));
        assert_eq!(regions.get_mut(0x5000_0000), None);
    }

    #[test]
    fn distances_go_forward_and_around() {
        let mut regions = Regions::default();
        let _: &mut Count = regions.entry(0x0000_1000);
        let region = regions.iter().next().expect("one").0;
        assert_eq!(region.distance_from(0xffff_f000), 1 << FIRST_SHIFT);
        assert_eq!(region.distance_from(0x0000_2000), 0);
        assert_eq!(region.distance_from(0x0040_0000), 0u32.wrapping_sub(1 << FIRST_SHIFT));
    }
}
