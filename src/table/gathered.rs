//! A table as it is read: every connection once, its features of all tiers merged, and later fragments with their first.
//! Changes nothing.

use super::connections::{self, Part};
use super::{Crumbs, FlowTable};
use crate::flow::{BothHeaders, Flow, FlowKey, Fragments, Half};
use crate::frame::Stamp;
use crate::merge::Merge;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// A connection as a table is read, or a conversation over UDP: its features of all tiers.
#[derive(Clone, Debug)]
pub struct Gathered<'a> {
    pub key: FlowKey,
    /// Which of the connections on its four-tuple it is, in the order of time.
    pub number: usize,
    /// How many connections it is that could not be told apart: their sequence numbers lie too close to each other.
    pub joined: usize,
    /// The side that serves, where an earlier window shows that and the connection goes on from it.
    pub server: Option<usize>,
    /// Later fragments included.
    pub headers: BothHeaders,
    /// Borrowed where they lie in one place, as most do.
    pub halves: [Cow<'a, Half>; 2],
    /// The identifications of datagrams of which later fragments were added.
    pub fragments: [Vec<u32>; 2],
    /// ICMP messages from either side that nobody listens there.
    pub refusals: [u64; 2],
    /// The small segments, where they were kept.
    pub crumbs: Option<Cow<'a, Crumbs>>,
}

/// Later fragments of a four-tuple: who sent them, and their identification.
type Later<'a> = (usize, u32, &'a Fragments);

/// What is seen of one direction in one region, with its payload where there is any.
type Seen<'a> = SmallVec<[(Part<'a>, Option<&'a Half>); 4]>;

impl Gathered<'_> {
    #[must_use]
    pub fn into_flow(self) -> Flow {
        Flow { headers: self.headers, halves: self.halves.map(Cow::into_owned) }
    }

    fn first(&self) -> Option<Stamp> {
        crate::merge::earliest(self.headers[0].first, self.headers[1].first)
    }
}

/// The halves of several places as one.
fn joined<'a>(halves: &[&'a Half]) -> Cow<'a, Half> {
    match halves {
        [] => Cow::Owned(Half::default()),
        [half] => Cow::Borrowed(half),
        [first, others @ ..] => {
            let mut all = Half::clone(first);
            for other in others {
                all.merge(Half::clone(other));
            }
            all.settle();
            Cow::Owned(all)
        }
    }
}

impl FlowTable {
    /// Later fragments whose first one tells the flow: they are counted as skipped, and belong to those observed.
    #[must_use]
    pub fn gathered_fragments(&self) -> u64 {
        self.owned_fragments().map(|(.., fragments)| fragments.later).sum()
    }

    fn owned_fragments(&self) -> impl Iterator<Item = (FlowKey, usize, u32, &Fragments)> + '_ {
        let owned = self
            .fragments
            .iter()
            .filter_map(|(key, fragments)| Some((fragments.owner()?, key.identification, fragments)));
        let kept =
            |key: &FlowKey| self.bare.get(key).is_some() || self.spoken.iter().any(|tier| tier.get(key).is_some());
        owned
            .filter(move |((key, _), ..)| kept(key))
            .map(|((key, sender), identification, fragments)| (key, sender, identification, fragments))
    }

    /// Every connection of a settled table, the features of its tiers merged; in no order that means anything.
    pub fn conversations(&self) -> impl Iterator<Item = Gathered<'_>> + '_ {
        let mut fragments: HashMap<FlowKey, Vec<Later<'_>>> = HashMap::new();
        for (key, sender, identification, later) in self.owned_fragments() {
            fragments.entry(key).or_default().push((sender, identification, later));
        }
        // Each four-tuple where it is met first: in its last tier, or among those without payload.
        let spoken = (0..self.spoken.len()).flat_map(|place| {
            let later = &self.spoken[place + 1..];
            let keys = self.spoken[place].iter().map(|(key, _)| key);
            keys.filter(|key| later.iter().all(|tier| tier.get(key).is_none()))
        });
        let bare = self.bare.iter().map(|(key, _)| key);
        let bare = bare.filter(|key| self.spoken.iter().all(|tier| tier.get(key).is_none()));
        spoken.chain(bare).flat_map(move |key| self.gather(key, fragments.get(key).map_or(&[], Vec::as_slice)))
    }

    /// The connections on one four-tuple of a settled table, in the order of time.
    pub fn connections(&self, key: &FlowKey) -> impl Iterator<Item = Gathered<'_>> + use<'_> {
        self.gather(key, &[]).into_iter()
    }

    fn gather(&self, key: &FlowKey, fragments: &[Later<'_>]) -> SmallVec<[Gathered<'_>; 1]> {
        debug_assert!(self.waiting.is_empty(), "a table is read before it is settled");
        let mut seen: Seen = SmallVec::new();
        // The last tier holds most, and the others are merged into a copy of it.
        for directions in self.spoken.iter().rev().filter_map(|tier| tier.get(key)) {
            for (side, direction) in directions.iter().enumerate() {
                let regions = direction.iter();
                seen.extend(regions.map(|(region, of)| (Part { side, region, headers: &of.headers }, Some(&of.half))));
            }
        }
        for (side, direction) in self.bare.get(key).into_iter().flatten().enumerate() {
            seen.extend(direction.iter().map(|(region, headers)| (Part { side, region, headers }, None)));
        }
        let parts: SmallVec<[Part<'_>; 8]> = seen.iter().map(|(part, _)| *part).collect();
        let told = connections::tell(&parts);
        let count = told.joined.len().min(told.numbers.iter().max().map_or(0, |last| last + 1));
        let mut gathered: SmallVec<[Gathered<'_>; 1]> = SmallVec::new();
        for number in 0..count {
            let own = || seen.iter().zip(&told.numbers).filter(move |(_, told)| **told == number).map(|(seen, _)| seen);
            let mut headers = BothHeaders::default();
            own().for_each(|(part, _)| headers[part.side].merge(*part.headers));
            let halves = [0, 1].map(|side| {
                let halves = own().filter(|(part, _)| part.side == side).filter_map(|(_, half)| *half);
                joined(&halves.collect::<SmallVec<[&Half; 4]>>())
            });
            let (fragments, refusals) = Default::default();
            let server = self.earlier.get(key).copied().filter(|_| number == 0);
            let joined = told.joined[number];
            let key = *key;
            gathered.push(Gathered { key, number, joined, server, headers, halves, fragments, refusals, crumbs: None });
        }
        let starts: SmallVec<[Option<Stamp>; 1]> = gathered.iter().map(Gathered::first).collect();
        for (sender, identification, later) in fragments {
            let number = starts.partition_point(|start| *start <= later.first).saturating_sub(1);
            gathered[number].headers[*sender].gather(later);
            gathered[number].fragments[*sender].push(*identification);
        }
        if let Some(first) = gathered.first_mut() {
            first.refusals = self.refusals.get(key).copied().unwrap_or_default().0;
        }
        let crumbs = self.crumbs.get(key);
        for (number, of) in gathered.iter_mut().enumerate() {
            of.crumbs = match crumbs {
                Some(crumbs) if count > 1 => {
                    let until = starts.get(number + 1).copied().flatten();
                    Some(Cow::Owned(crumbs.between(starts[number], until)))
                }
                crumbs => crumbs.map(Cow::Borrowed),
            };
        }
        gathered
    }
}
