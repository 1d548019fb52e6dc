//! All that was learnt from frames: flows, and a count of every frame that went elsewhere. Tables of pieces merge to
//! the table of the whole. Judges nothing.

mod connections;
mod gathered;
mod waiting;

use crate::flow::{self, Directions, FlowKey, Fragments, Headers, MAX_CRUMB, Opening, Regions, Size};
use crate::frame::{Frame, Stamp, Timestamp};
use crate::glance::glance;
use crate::merge::{Bounded, Merge};
use crate::packet::{self, FragmentKey, Held, Packet};
use crate::port::{Ports, Scope, Transport};
use crate::signature::Payload;
use crate::signature::rpc::{self, Found, Joined};
use crate::skip::Skip;
use crate::tunnel;
use smallvec::SmallVec;
use std::collections::BTreeMap;

pub use gathered::Gathered;
use waiting::{Place, Waiting};

/// Flows with payload that are kept by default. One costs 0.8 KB, and up to 9 KB more when both openings are full;
/// where both sides say without end what portmappers say, 32 KB more.
pub const MAX_FLOWS: usize = 50_000;
/// Flows without payload for each with: they cost 0.3 KB, and a scan makes many.
const BARE_FLOWS: usize = 4;
/// Flows with payload for each with a portmapper: those keep openings of 32 KiB.
const CONTEXT_SHARE: usize = 8;
/// Flows with payload for each whose small segments are kept: those cost up to 128 KiB.
const CRUMB_SHARE: usize = 24;
/// Datagrams whose fragments are counted, for each flow with payload: they cost 0.2 KB.
const FRAGMENTED: usize = 2;
/// RPC messages that are taken from one payload: more than the largest segment holds.
const MAX_MESSAGES: usize = 4096;

/// Which bound a packet falls under. It depends on the packet alone, so a flood of one kind cannot push out another:
/// a million forged SYNs leave every payload where it is, and a flood of payloads leaves every RPC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// No payload: handshakes, probes, resets.
    Bare,
    Payload,
    /// RPC messages by their full layout.
    RemoteCall,
    /// Everything to and from a context port: what it says of others is worth more room, and a bound of its own.
    Context,
}

impl Tier {
    pub const ALL: [Tier; 4] = [Tier::Bare, Tier::Payload, Tier::RemoteCall, Tier::Context];

    /// The place of a tier in [`FlowTable::spoken`].
    const fn spoken(self) -> Option<usize> {
        match self {
            Tier::Bare => None,
            Tier::Payload => Some(0),
            Tier::RemoteCall => Some(1),
            Tier::Context => Some(2),
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Bare => "without payload",
            Tier::Payload => "with payload",
            Tier::RemoteCall => "with RPC messages",
            Tier::Context => "read for context",
        }
    }
}

/// What every frame was counted as. frames = observed + outside + skipped, always.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    pub frames: u64,
    /// On the wire.
    pub bytes: u64,
    /// Frames that went into flows.
    pub observed: u64,
    /// TCP and UDP on other ports.
    pub outside: u64,
    pub skipped: BTreeMap<Skip, u64>,
    /// Observed frames that came through a tunnel, by its kind.
    pub tunnelled: BTreeMap<tunnel::Kind, u64>,
    /// Frames that the capture cut.
    pub cut: u64,
    /// Of the frames that carry a time.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
}

impl Merge for Totals {
    fn merge(&mut self, other: Self) {
        let Totals { frames, bytes, observed, outside, skipped, tunnelled, cut, first, last } = other;
        self.frames += frames;
        self.bytes += bytes;
        self.observed += observed;
        self.outside += outside;
        for (skip, count) in skipped {
            *self.skipped.entry(skip).or_default() += count;
        }
        for (kind, count) in tunnelled {
            *self.tunnelled.entry(kind).or_default() += count;
        }
        self.cut += cut;
        self.first = crate::merge::earliest(self.first, first);
        self.last = self.last.max(last);
    }
}

/// The features of every conversation in scope.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowTable {
    scope: Scope,
    max_flows: usize,
    fast_lane: bool,
    /// What ended before this is known from an earlier window: it teaches, and is not reported.
    pub since: Option<Timestamp>,
    /// The sides that serve in connections that were open when an earlier window ended.
    earlier: BTreeMap<FlowKey, usize>,
    bare: Bounded<FlowKey, [Regions<Headers>; 2]>,
    /// The flows of [`Tier::Payload`], [`Tier::RemoteCall`] and [`Tier::Context`].
    spoken: [Bounded<FlowKey, Directions>; 3],
    /// RPC messages that are to be counted in those.
    waiting: Waiting,
    /// Packets that fell under each tier, kept or not.
    tier_packets: [u64; Tier::ALL.len()],
    /// Small TCP segments that are no whole RPC records: a stream in crumbs shows its messages only put together.
    crumbs: Bounded<FlowKey, Crumbs>,
    fragments: Bounded<FragmentKey, Fragments>,
    /// Conversations of which an ICMP message says that nobody listens; many may be of no conversation at all.
    refusals: Bounded<FlowKey, Refusals>,
    pub totals: Totals,
}

/// How often either side's host said that nobody listens there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Refusals([u64; 2]);

impl Merge for Refusals {
    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}

/// The small segments of both directions, as [`crate::flow::Directions`] has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crumbs(pub [Opening; 2]);

impl Crumbs {
    /// Those from a place on, up to another.
    fn between(&self, from: Option<Stamp>, until: Option<Stamp>) -> Self {
        Crumbs(self.0.each_ref().map(|opening| opening.between(from, until)))
    }
}

impl Merge for Crumbs {
    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl FlowTable {
    /// An empty table that keeps at most `max_flows` flows with payload, as many with RPC messages, and four times as
    /// many without payload.
    #[must_use]
    pub fn new(scope: Scope, max_flows: usize) -> Self {
        FlowTable {
            scope,
            max_flows,
            fast_lane: true,
            since: None,
            earlier: BTreeMap::new(),
            bare: Bounded::new(max_flows.saturating_mul(BARE_FLOWS)),
            spoken: [max_flows, max_flows, max_flows.div_ceil(CONTEXT_SHARE)].map(Bounded::new),
            waiting: Waiting::default(),
            tier_packets: [0; Tier::ALL.len()],
            crumbs: Bounded::new(max_flows.div_ceil(CRUMB_SHARE)),
            fragments: Bounded::new(max_flows.saturating_mul(FRAGMENTED)),
            refusals: Bounded::new(max_flows),
            totals: Totals::default(),
        }
    }

    /// Decodes every frame. The table is the same; this exists to show that.
    #[must_use]
    pub fn without_fast_lane(mut self) -> Self {
        self.fast_lane = false;
        self
    }

    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Conversations that are held, each once for every tier that it has packets of.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        self.bare.len() + self.spoken.iter().map(Bounded::len).sum::<usize>()
    }

    /// Takes a frame in.
    #[inline]
    pub fn take(&mut self, frame: &Frame<'_>) {
        self.take_glanced(frame, if self.fast_lane { glance(frame) } else { None });
    }

    /// The same, where the fast lane has been asked already.
    #[inline]
    pub fn take_glanced(&mut self, frame: &Frame<'_>, glanced: Option<Ports>) {
        self.totals.frames += 1;
        self.totals.bytes += u64::from(frame.wire_len);
        self.totals.cut += u64::from((frame.wire_len as usize) > frame.bytes.len());
        if frame.time.is_known() {
            self.totals.first = Some(self.totals.first.map_or(frame.time, |first| first.min(frame.time)));
            self.totals.last = self.totals.last.max(Some(frame.time));
        }
        if glanced.is_some_and(|ports| !self.scope.wants(ports)) {
            self.totals.outside += 1;
            return;
        }
        match packet::read(frame) {
            Held::Packet(packet) if self.scope.wants(packet.ports()) => self.observe(frame, &packet),
            Held::Packet(_) => self.totals.outside += 1,
            Held::Later(key, len) => {
                if let Some(fragments) = self.fragments.entry(key) {
                    fragments.add(frame, len);
                }
                self.skip(Skip::LaterFragment);
            }
            Held::Refusal(skip, quoted) => {
                if self.scope.wants(quoted.ports()) {
                    self.refuse(&quoted);
                }
                self.skip(skip);
            }
            Held::Other(skip) => self.skip(skip),
        }
    }

    /// Takes in that nobody listens where this packet went. It counts once its conversation is seen.
    fn refuse(&mut self, quoted: &Packet<'_>) {
        let (key, sender) = FlowKey::of(quoted);
        if let Some(refusals) = self.refusals.entry(key) {
            refusals.0[1 - sender] += 1;
        }
    }

    /// Counts a record of a capture that is numbered like a frame but cannot be looked into.
    pub fn take_unreadable(&mut self, skip: Skip) {
        self.totals.frames += 1;
        self.skip(skip);
    }

    fn skip(&mut self, skip: Skip) {
        *self.totals.skipped.entry(skip).or_default() += 1;
    }

    fn observe(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        self.totals.observed += 1;
        if let Some(tunnel) = packet.tunnel {
            *self.totals.tunnelled.entry(tunnel.kind).or_default() += 1;
        }
        let payload =
            Payload { transport: packet.transport, bytes: packet.payload, wire_len: packet.payload_len as usize };
        let joined = Joined::of(&payload);
        let payload = joined.as_ref().map_or(payload, |joined| joined.payload(&payload));
        let mut calls: SmallVec<[Found<'_>; 2]> = SmallVec::new();
        for found in rpc::found(&payload).take(MAX_MESSAGES) {
            calls.push(found);
        }
        let certain = calls.iter().any(|found| !found.message.inside);
        let context = self.scope.is_context(packet.ports());
        let tier = match (packet.payload_len, certain) {
            _ if context => Tier::Context,
            (0, _) => Tier::Bare,
            (_, false) => Tier::Payload,
            (_, true) => Tier::RemoteCall,
        };
        self.tier_packets[tier as usize] += 1;
        let whole = packet.payload_len > 0 && flow::is_whole(packet, &calls);
        let (key, sender) = FlowKey::of(packet);
        let sequence = packet.tcp.map_or(0, |tcp| tcp.sequence);
        match tier.spoken() {
            None => {
                if let Some(headers) = self.bare.entry(key) {
                    headers[sender].entry(sequence).observe(frame, packet);
                }
            }
            Some(place) => {
                if self.waiting.is_full() || self.spoken[place].is_full() {
                    self.waiting.count(&mut self.spoken);
                }
                if let Some((at, directions)) = self.spoken[place].place(key) {
                    let direction = directions[sender].entry(sequence);
                    direction.headers.observe(frame, packet);
                    let half = &mut direction.half;
                    if self.scope.is_portmapper(packet.ports()) {
                        half.opening.resize(Size::Large);
                    }
                    #[allow(clippy::cast_possible_truncation)] // three tiers, two senders, and no billions of flows
                    let place = Place { tier: place as u8, sender: sender as u8, at: at as u32, sequence };
                    let waiting = &mut self.waiting;
                    half.observe(frame.stamp(), packet, &calls, whole, |counted| waiting.push(place, counted));
                }
            }
        }
        if is_crumb(packet, whole)
            && !context
            && let Some(crumbs) = self.crumbs.entry(key)
        {
            let opening = &mut crumbs.0[sender];
            opening.resize(Size::Crumbs);
            opening.observe(frame.stamp(), packet);
        }
        if let Some(fragment) = packet.fragment_key()
            && let Some(fragments) = self.fragments.entry(fragment)
        {
            fragments.claim(key, sender);
        }
    }

    /// An empty table that knows what portmappers have said, and who serves in connections that are open: for the next window
    /// of a capture that goes on.
    #[must_use]
    pub fn next_window(&mut self) -> Self {
        self.waiting.count(&mut self.spoken);
        let mut next = FlowTable { fast_lane: self.fast_lane, ..FlowTable::new(self.scope, self.max_flows) };
        if let Some(place) = Tier::Context.spoken() {
            next.spoken[place].clone_from(&self.spoken[place]);
        }
        next.tier_packets[Tier::Context as usize] = self.tier_packets[Tier::Context as usize];
        next.since = self.totals.last;
        next.earlier = self.open_connections();
        next
    }

    /// The sides that serve in connections that have not ended: by their handshake, or as it was known before. No more than
    /// are kept of those without payload.
    fn open_connections(&self) -> BTreeMap<FlowKey, usize> {
        let told = self.bare.iter().filter_map(|(key, sides)| {
            let sum = |side: usize, of: fn(&Headers) -> u64| sides[side].iter().map(|(_, headers)| of(headers)).sum();
            let asked: [u64; 2] = [0, 1].map(|side| sum(side, |headers| headers.syn));
            let accepted: [u64; 2] = [0, 1].map(|side| sum(side, |headers| headers.syn_ack));
            let ended: [u64; 2] = [0, 1].map(|side| sum(side, |headers| headers.fin + headers.rst));
            let server = match [0, 1].map(|side| asked[1 - side].min(1) + 2 * accepted[side].min(1)) {
                [a, b] if a > b => Some(0),
                [a, b] if a < b => Some(1),
                _ => self.earlier.get(key).copied(),
            };
            server.filter(|_| ended[0] == 0 || ended[1] == 0).map(|server| (*key, server))
        });
        told.collect()
    }

    /// Brings every bound to its limit. Tables of the same frames are equal once they are settled.
    pub fn settle(&mut self) {
        self.waiting.count(&mut self.spoken);
        self.bare.settle();
        self.bare.values_mut().flatten().for_each(Regions::settle);
        for tier in &mut self.spoken {
            tier.settle();
            for direction in tier.values_mut().flatten() {
                direction.settle();
                direction.values_mut().for_each(|direction| direction.half.settle());
            }
        }
        self.crumbs.settle();
        self.fragments.settle();
        self.refusals.settle();
    }

    /// The four-tuples of one tier of a settled table, with what was said under it; in no order that means anything.
    pub fn tier(&self, tier: Tier) -> impl Iterator<Item = (&FlowKey, &Directions)> + '_ {
        debug_assert!(self.waiting.is_empty(), "a table is read before it is settled");
        tier.spoken().into_iter().flat_map(|place| self.spoken[place].iter())
    }

    /// For each tier what its bound cost: packets whose flow was not kept, and about how many flows there were.
    #[must_use]
    pub fn beyond_bounds(&self) -> Vec<(Tier, u64, u64)> {
        let counted = |headers: &[Regions<Headers>; 2]| -> u64 {
            headers.iter().flat_map(Regions::iter).map(|(_, headers)| headers.packets).sum()
        };
        let packets = |directions: &Directions| -> u64 {
            directions.iter().flat_map(Regions::iter).map(|(_, direction)| direction.headers.packets).sum()
        };
        Tier::ALL
            .into_iter()
            .filter_map(|tier| {
                let (kept, distinct): (u64, u64) = match tier.spoken() {
                    None => (self.bare.iter().map(|(_, headers)| counted(headers)).sum(), self.bare.distinct()),
                    Some(place) => {
                        let flows = &self.spoken[place];
                        (flows.iter().map(|(_, directions)| packets(directions)).sum(), flows.distinct())
                    }
                };
                let lost = self.tier_packets[tier as usize] - kept;
                (lost > 0).then_some((tier, lost, distinct))
            })
            .collect()
    }

    /// About how many conversations ICMP messages refused, where not all of them could be kept.
    #[must_use]
    pub fn refusals_beyond_bound(&self) -> Option<u64> {
        self.refusals.is_cut().then(|| self.refusals.distinct())
    }

    /// About how many conversations in small segments there were, where not all of them could be put together.
    #[must_use]
    pub fn crumbs_beyond_bound(&self) -> Option<u64> {
        self.crumbs.is_cut().then(|| self.crumbs.distinct())
    }
}

impl Merge for FlowTable {
    /// Both tables must be of the same scope.
    fn merge(&mut self, mut other: Self) {
        debug_assert!(self.scope == other.scope, "tables of different scopes");
        self.waiting.count(&mut self.spoken);
        other.waiting.count(&mut other.spoken);
        self.bare.merge(other.bare);
        for (mine, theirs) in self.spoken.iter_mut().zip(other.spoken) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.tier_packets.iter_mut().zip(other.tier_packets) {
            *mine += theirs;
        }
        self.crumbs.merge(other.crumbs);
        self.fragments.merge(other.fragments);
        self.refusals.merge(other.refusals);
        self.totals.merge(other.totals);
        for (key, server) in other.earlier {
            self.earlier.entry(key).and_modify(|known| *known = server.min(*known)).or_insert(server);
        }
    }
}

/// Whether a packet is a small segment that says nothing by itself: no whole RPC records.
fn is_crumb(packet: &Packet<'_>, whole: bool) -> bool {
    packet.transport == Transport::Tcp && (1..=MAX_CRUMB).contains(&packet.payload.len()) && !whole
}
