//! A table as it is read: every conversation once, its features of all tiers merged, and later fragments with their first.
//! Changes nothing.

use super::FlowTable;
use crate::flow::{BothHeaders, Flow, FlowKey, Fragments, Half};
use crate::merge::Merge;
use std::borrow::Cow;
use std::collections::HashMap;

/// A conversation as a table is read: its features of all tiers.
#[derive(Clone, Debug)]
pub struct Gathered<'a> {
    pub key: FlowKey,
    /// Later fragments included.
    pub headers: BothHeaders,
    /// Borrowed where they lie in one tier, as most do.
    pub halves: Cow<'a, [Half; 2]>,
    /// The identifications of datagrams of which later fragments were added.
    pub fragments: [Vec<u32>; 2],
    /// ICMP messages from either side that nobody listens there.
    pub refusals: [u64; 2],
}

impl<'a> Gathered<'a> {
    fn new(key: FlowKey, headers: &BothHeaders, halves: Cow<'a, [Half; 2]>) -> Self {
        Gathered { key, headers: *headers, halves, fragments: Default::default(), refusals: [0; 2] }
    }

    fn add(&mut self, flow: &Flow) {
        self.headers.merge(flow.headers);
        let halves = self.halves.to_mut();
        for (mine, theirs) in halves.iter_mut().zip(&flow.halves) {
            mine.merge(theirs.clone());
            mine.settle();
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

    /// Every conversation of a settled table, the features of its tiers merged; in no order that means anything.
    pub fn conversations(&self) -> impl Iterator<Item = Gathered<'_>> + '_ {
        debug_assert!(self.waiting.is_empty(), "a table is read before it is settled");
        let mut fragments: HashMap<FlowKey, Vec<(usize, u32, &Fragments)>> = HashMap::new();
        for (key, sender, identification, later) in self.owned_fragments() {
            fragments.entry(key).or_default().push((sender, identification, later));
        }
        // From the last tier on: it holds most, and the others are merged into a copy of it.
        let spoken = (0..self.spoken.len()).rev().flat_map(|place| {
            let (earlier, later) = (&self.spoken[..place], &self.spoken[place + 1..]);
            let flows = self.spoken[place].iter().filter(|(key, _)| later.iter().all(|tier| tier.get(key).is_none()));
            flows.map(|(key, flow)| {
                let mut all = Gathered::new(*key, &flow.headers, Cow::Borrowed(&flow.halves));
                earlier.iter().filter_map(|tier| tier.get(key)).for_each(|more| all.add(more));
                all
            })
        });
        let with_bare = spoken.map(|mut all| {
            if let Some(headers) = self.bare.get(&all.key) {
                all.headers.merge(*headers);
            }
            all
        });
        let bare = self.bare.iter().filter(|(key, _)| self.spoken.iter().all(|tier| tier.get(key).is_none()));
        let bare = bare.map(|(key, headers)| Gathered::new(*key, headers, Cow::Owned(<[Half; 2]>::default())));
        with_bare.chain(bare).map(move |mut all| {
            for (sender, identification, later) in fragments.get(&all.key).into_iter().flatten() {
                all.headers[*sender].gather(later);
                all.fragments[*sender].push(*identification);
            }
            all.refusals = self.refusals.get(&all.key).copied().unwrap_or_default().0;
            all
        })
    }

    /// One conversation of a settled table that said something, the features of its tiers merged.
    #[must_use]
    pub fn flow(&self, key: &FlowKey) -> Option<Flow> {
        debug_assert!(self.waiting.is_empty(), "a table is read before it is settled");
        let mut parts = self.spoken.iter().filter_map(|tier| tier.get(key));
        let mut flow = parts.next()?.clone();
        parts.for_each(|more| flow.merge(more.clone()));
        if let Some(headers) = self.bare.get(key) {
            flow.headers.merge(*headers);
        }
        flow.settle();
        Some(flow)
    }
}
