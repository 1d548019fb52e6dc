//! The features of one direction, apart by where its segments lie in the space of sequence numbers. Knows no feature.
//!
//! A four-tuple may be used again by another connection, whose initial sequence numbers lie elsewhere (RFC 9293, section
//! 3.4.1; RFC 6528). Where a segment lies is told by the segment alone, so what is kept apart here merges in any order;
//! which regions are one connection is told at the end, when every SYN is known.
//!
//! The space is a circle of cells of one size. A region is a run of cells with segments in them: a connection, however much
//! it sends, is one region.

use crate::merge::Merge;

/// Cells with segments that are told apart in a direction. Where there are more, all cells are doubled until there are not. Each
/// may be a region with an opening of its own, so there are few.
pub const MAX_CELLS: u32 = 4;
/// The first cells are 1 MiB: a connection that follows a second later on a host whose initial sequence numbers follow a clock
/// lies in another (Linux's clock runs through 1 MiB in 0.07 s).
const FIRST_SHIFT: u8 = 20;
/// All sequence numbers are one cell.
const LAST_SHIFT: u8 = 32;

/// A run of cells on the circle. None where nothing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    first: u32,
    cells: u32,
}

impl Run {
    #[inline]
    fn contains(self, cell: u32, last_cell: u32) -> bool {
        cell.wrapping_sub(self.first) & last_cell < self.cells
    }

    /// Whether the runs share a cell, or one begins where the other ends.
    fn touches(self, other: Run, last_cell: u32) -> bool {
        let behind = |a: Run, b: Run| b.first.wrapping_sub(a.first) & last_cell <= a.cells;
        behind(self, other) || behind(other, self)
    }

    /// Both as one; they touch.
    fn with(self, other: Run, last_cell: u32) -> Run {
        let from = |a: Run, b: Run| {
            let offset = b.first.wrapping_sub(a.first) & last_cell;
            (offset <= a.cells).then(|| Run { first: a.first, cells: a.cells.max(offset.saturating_add(b.cells)) })
        };
        let run = [from(self, other), from(other, self)].into_iter().flatten().min_by_key(|run| run.cells);
        run.unwrap_or(self).on_the_circle(last_cell)
    }

    /// A run that goes all around begins at the first cell.
    fn on_the_circle(self, last_cell: u32) -> Run {
        if self.cells > last_cell { Run { first: 0, cells: last_cell.saturating_add(1) } } else { self }
    }

    /// The same in cells of twice the size.
    fn doubled(self, last_cell: u32) -> Run {
        let last = self.first.wrapping_add(self.cells - 1) & last_cell;
        let (first, last, last_cell) = (self.first >> 1, last >> 1, last_cell >> 1);
        // A run that ends in the cell in which it begins has gone around.
        let around = self.cells > 2 && first == last;
        let cells = if around { last_cell } else { last.wrapping_sub(first) & last_cell };
        Run { first, cells: cells + 1 }.on_the_circle(last_cell)
    }
}

/// Where segments of a direction lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    run: Run,
    shift: u8,
}

impl Region {
    /// How many sequence numbers lie between the cell in which `start` lies and this region, forward and around; 0 inside of it.
    #[must_use]
    pub fn distance_from(self, start: u32) -> u32 {
        let (cell, last_cell) = (cell_of(start, self.shift), last_cell(self.shift));
        if self.run.contains(cell, last_cell) {
            return 0;
        }
        (self.run.first.wrapping_sub(cell) & last_cell).checked_shl(self.shift.into()).unwrap_or_default()
    }
}

fn cell_of(sequence: u32, shift: u8) -> u32 {
    sequence.checked_shr(shift.into()).unwrap_or_default()
}

/// The number of the last cell, which is a mask as well.
const fn last_cell(shift: u8) -> u32 {
    if shift >= LAST_SHIFT { 0 } else { u32::MAX >> shift }
}

/// The features of one direction, by region. UDP has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions<F> {
    shift: u8,
    /// Where `here` lies.
    run: Run,
    /// Most directions have one region: it needs no memory of its own.
    here: F,
    /// Boxed, because few have any.
    #[allow(clippy::box_collection)] // one word instead of three in every direction
    more: Option<Box<Vec<(Run, F)>>>,
}

impl<F: Default> Default for Regions<F> {
    fn default() -> Self {
        Regions { shift: FIRST_SHIFT, run: Run::default(), here: F::default(), more: None }
    }
}

impl<F: Default + Merge> Regions<F> {
    /// The features of the region of a sequence number.
    #[inline]
    pub fn entry(&mut self, sequence: u32) -> &mut F {
        if self.run.contains(cell_of(sequence, self.shift), last_cell(self.shift)) {
            return &mut self.here;
        }
        self.other(sequence)
    }

    #[cold]
    fn other(&mut self, sequence: u32) -> &mut F {
        let cell = cell_of(sequence, self.shift);
        let last_cell = last_cell(self.shift);
        let known = self.more.as_deref().into_iter().flatten().any(|(run, _)| run.contains(cell, last_cell));
        if !known {
            self.add(Run { first: cell, cells: 1 }, None);
            self.limit();
        }
        let (cell, last_cell) = (cell_of(sequence, self.shift), self::last_cell(self.shift));
        let mut others = self.more.as_deref_mut().into_iter().flatten();
        match others.find(|(run, _)| run.contains(cell, last_cell)) {
            Some((_, features)) => features,
            None => &mut self.here,
        }
    }

    /// The features of the region of a sequence number, where anything was seen in it.
    #[inline]
    pub fn get_mut(&mut self, sequence: u32) -> Option<&mut F> {
        let (cell, last_cell) = (cell_of(sequence, self.shift), last_cell(self.shift));
        if self.run.contains(cell, last_cell) {
            return Some(&mut self.here);
        }
        let mut others = self.more.as_deref_mut()?.iter_mut();
        others.find(|(run, _)| run.contains(cell, last_cell)).map(|(_, features)| features)
    }

    /// Doubles the cells until there are no more than the limit. Their last size depends on the cells alone, and not on the order
    /// in which they came: what is too much for a part is too much for the whole.
    fn limit(&mut self) {
        while self.shift < LAST_SHIFT {
            let more = self.more.as_deref().into_iter().flatten().map(|(run, _)| run.cells);
            if more.sum::<u32>().saturating_add(self.run.cells) <= MAX_CELLS {
                return;
            }
            self.widen(self.shift + 1);
        }
    }

    fn widen(&mut self, shift: u8) {
        while self.shift < shift {
            let last_cell = last_cell(self.shift);
            self.shift += 1;
            if self.run.cells == 0 {
                continue;
            }
            self.run = self.run.doubled(last_cell);
            for (run, features) in self.more.take().map_or_else(Vec::new, |more| *more) {
                self.add(run.doubled(last_cell), Some(features));
            }
        }
    }

    /// Takes a region in; regions that touch become one.
    fn add(&mut self, run: Run, features: Option<F>) {
        let last_cell = last_cell(self.shift);
        if self.run.cells == 0 {
            (self.run, self.here) = (run, features.unwrap_or_default());
            return;
        }
        let (mut run, mut features) = (run, features);
        // What it touches may touch others with it.
        loop {
            if self.run.touches(run, last_cell) {
                self.run = self.run.with(run, last_cell);
                if let Some(features) = features.take() {
                    self.here.merge(features);
                }
                let more = self.more.get_or_insert_default();
                let Some(place) = more.iter().position(|(other, _)| self.run.touches(*other, last_cell)) else { break };
                let (other, theirs) = more.swap_remove(place);
                (run, features) = (other, Some(theirs));
                continue;
            }
            let more = self.more.get_or_insert_default();
            let Some(place) = more.iter().position(|(other, _)| run.touches(*other, last_cell)) else {
                more.push((run, features.unwrap_or_default()));
                break;
            };
            let (other, mut theirs) = more.swap_remove(place);
            if let Some(features) = features.take() {
                theirs.merge(features);
            }
            (run, features) = (run.with(other, last_cell), Some(theirs));
        }
        if self.more.as_deref().is_some_and(Vec::is_empty) {
            self.more = None;
        }
    }

    /// Puts the regions in order; two that have seen the same are equal then.
    pub fn settle(&mut self) {
        let Some(more) = &mut self.more else { return };
        more.sort_unstable_by_key(|(run, _)| *run);
        // The first lies here.
        if let Some((run, features)) = more.first_mut().filter(|(run, _)| *run < self.run) {
            std::mem::swap(run, &mut self.run);
            std::mem::swap(features, &mut self.here);
            more.sort_unstable_by_key(|(run, _)| *run);
        }
    }
}

impl<F> Regions<F> {
    /// The regions in which anything was seen, each with its features.
    pub fn iter(&self) -> impl Iterator<Item = (Region, &F)> {
        let here = (self.run.cells > 0).then_some((self.run, &self.here));
        let more = self.more.as_deref().into_iter().flatten().map(|(run, features)| (*run, features));
        let shift = self.shift;
        here.into_iter().chain(more).map(move |(run, features)| (Region { run, shift }, features))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut F> {
        let here = (self.run.cells > 0).then_some(&mut self.here);
        here.into_iter().chain(self.more.as_deref_mut().into_iter().flatten().map(|(_, features)| features))
    }
}

impl<F: Default + Merge> Merge for Regions<F> {
    fn merge(&mut self, mut other: Self) {
        if other.run.cells == 0 {
            return;
        }
        let shift = self.shift.max(other.shift);
        self.widen(shift);
        other.widen(shift);
        if self.run.cells == 0 {
            *self = other;
            return;
        }
        self.add(other.run, Some(other.here));
        for (run, features) in other.more.map_or_else(Vec::new, |more| *more) {
            self.add(run, Some(features));
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
            sequences in proptest::collection::vec(prop_oneof![any::<u32>(), 0u32..1 << 25, (u32::MAX - (1 << 24))..], 0..30),
            cut in 0usize..30,
            swap: bool,
        ) {
            let (a, b) = sequences.split_at(cut.min(sequences.len()));
            let (a, b) = if swap { (b, a) } else { (a, b) };
            let mut merged = regions(a);
            merged.merge(regions(b));
            let (merged, whole) = (settled(merged), settled(regions(&sequences)));
            prop_assert_eq!(&merged, &whole);
            let cells: u32 = whole.iter().map(|(region, _)| region.run.cells).sum();
            prop_assert!(cells <= MAX_CELLS);
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
    fn a_bulk_transfer_is_one_region_also_over_the_wrap() {
        let mut regions: Regions<Count> = Regions::default();
        for step in 0u32..4000 {
            regions.entry(0xf000_0000u32.wrapping_add(step << 20)).0 += 1;
            assert_eq!(regions.iter().count(), 1, "after {step} MiB");
        }
        regions.settle();
        let counted: u64 = regions.iter().map(|(_, count)| count.0).sum();
        assert_eq!(counted, 4000);
    }

    #[test]
    fn distances_go_forward_and_around() {
        let mut regions = Regions::default();
        let _: &mut Count = regions.entry(0x0000_1000);
        let region = regions.iter().next().expect("one").0;
        assert_eq!(region.distance_from(0xffff_f000), 1 << FIRST_SHIFT);
        assert_eq!(region.distance_from(0x0000_2000), 0);
        assert_eq!(region.distance_from(1 << FIRST_SHIFT), 0u32.wrapping_sub(1 << FIRST_SHIFT));
    }
}
