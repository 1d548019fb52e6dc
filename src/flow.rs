//! Conversations and what is learnt of each direction: features that grow by `merge` alone. Judges nothing.

mod beats;
mod fragments;
mod headers;
mod opening;
mod regions;
mod remote_call;
mod to_read;

pub use beats::Beats;
pub use fragments::Fragments;
pub use headers::{BothHeaders, Headers};
pub use opening::{Chunk, MAX_CRUMB, Opening, SHOWN, Size, Stream};
pub use regions::{Region, Regions};
pub use remote_call::{Asked, CallSeen, Counted, Identity, MAX_XIDS, Named, RemoteCalls, ReplySeen, Strays};
pub use to_read::ToRead;

use crate::class::Class;
use crate::frame::Stamp;
use crate::merge::{Few, Merge, Rank, earliest, keep_earliest, spread_bytes, spread_with};
use crate::packet::{Endpoint, Packet};
use crate::port::Transport;
use crate::signature::{self, Payload, read_again, rpc};
use crate::tunnel::Tunnel;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// Different sightings kept of a direction; one that repeats counts up.
const MAX_SIGHTINGS: usize = 24;

/// The key of a conversation: does not depend on who spoke first or when one began to look. VLAN tags are left out of
/// it, because mirror ports often tag one direction only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowKey {
    pub transport: Transport,
    /// The smaller endpoint first.
    pub ends: [Endpoint; 2],
    pub tunnel: Option<Tunnel>,
}

impl FlowKey {
    /// The key, and which of its ends sent the packet.
    #[must_use]
    pub fn of(packet: &Packet<'_>) -> (FlowKey, usize) {
        let (source, destination) = (packet.source, packet.destination);
        let (ends, sender) =
            if source <= destination { ([source, destination], 0) } else { ([destination, source], 1) };
        (FlowKey { transport: packet.transport, ends, tunnel: packet.tunnel }, sender)
    }
}

/// Without the transport, which tells two apart at most.
impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ends[0].hash(state);
        self.ends[1].hash(state);
        if let Some(tunnel) = self.tunnel {
            tunnel.hash(state);
        }
    }
}

impl Rank for FlowKey {
    fn rank(&self) -> u64 {
        let end = |rank, end: &Endpoint| match end.address {
            IpAddr::V4(v4) => spread_with(spread_with(rank, u64::from(u32::from(v4))), u64::from(end.port)),
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                #[allow(clippy::cast_possible_truncation)] // both halves are taken
                let (high, low) = ((bits >> 64) as u64, bits as u64);
                spread_with(spread_with(spread_with(rank, high), low), u64::from(end.port))
            }
        };
        let tunnel = self.tunnel.map_or(0, |tunnel| (tunnel.kind as u64 + 1) << 32 | u64::from(tunnel.network));
        self.ends.iter().fold(spread_with(self.transport as u64, tunnel), end)
    }
}

/// A connection, or a conversation over UDP, with payload: the features of both directions, each as `FlowKey::ends[0]` and as `FlowKey::ends[1]` sent
/// them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    pub headers: BothHeaders,
    pub halves: [Half; 2],
}

/// What is learnt of one direction's segments in one region of the space of sequence numbers; of all its datagrams.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Direction {
    pub headers: Headers,
    pub half: Half,
}

impl Merge for Direction {
    fn merge(&mut self, other: Self) {
        self.headers.merge(other.headers);
        self.half.merge(other.half);
    }
}

/// Both directions of a four-tuple with payload, as a table keeps them: the connections on it are told apart at the end.
pub type Directions = [Regions<Direction>; 2];

/// What one direction said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Half {
    /// Payload that was on the wire and not in the capture.
    pub missing_bytes: u64,
    /// Payloads that are no whole RPC records: what they say may only show when segments are put together.
    pub broken: u64,
    pub first_payload: Option<Stamp>,
    pub beats: Beats,
    pub opening: Opening,
    pub remote_calls: Option<Box<RemoteCalls>>,
    pub sightings: Few<SightingKey, Sighting, MAX_SIGHTINGS>,
}

/// A signature by its place in [`signature::ALL`], and what it saw.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SightingKey {
    pub signature: usize,
    pub detail: Box<str>,
}

impl Rank for SightingKey {
    /// What weighs more is kept first, and suspicious before known: a hundred commands push out no shell.
    fn rank(&self) -> u64 {
        let signature = signature::ALL[self.signature];
        let hostile = if signature.class == Class::Suspicious { 0x80 } else { 0 };
        let lightness = 0xff - (hostile | signature.weight.0.min(0x7f));
        let spread = spread_with(spread_bytes(self.detail.as_bytes()), self.signature as u64);
        u64::from(lightness) << 56 | spread >> 8
    }
}

/// How often and where first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sighting {
    pub count: u64,
    pub first: Option<Stamp>,
}

impl Sighting {
    #[inline]
    pub fn add(&mut self, stamp: Stamp) {
        self.add_times(1, stamp);
    }

    #[inline]
    pub fn add_times(&mut self, times: u64, stamp: Stamp) {
        self.count += times;
        keep_earliest(&mut self.first, stamp);
    }
}

impl Merge for Sighting {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first = earliest(self.first, other.first);
    }
}

impl Half {
    /// Puts what is written as a log in order.
    pub fn settle(&mut self) {
        if let Some(calls) = self.remote_calls.as_deref_mut() {
            calls.settle();
        }
    }

    /// RPC messages that are to be read again, where there are any.
    #[must_use]
    pub fn to_read(&self) -> Option<&ToRead> {
        self.remote_calls.as_deref()?.to_read.as_deref()
    }

    /// Whether there were more of them than is kept, or segments in which they may have been.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.opening.is_cut() || self.to_read().is_some_and(ToRead::is_cut)
    }

    /// Takes a payload of this direction in. `calls` are the RPC messages that begin in it, and `whole` whether it holds
    /// them whole and nothing else; what is to be counted of them goes to `later`.
    pub fn observe(
        &mut self,
        stamp: Stamp,
        packet: &Packet<'_>,
        calls: &[rpc::Found<'_>],
        whole: bool,
        later: impl FnMut(Counted),
    ) {
        if packet.payload_len == 0 {
            return;
        }
        self.missing_bytes += u64::from(packet.payload_len).saturating_sub(packet.payload.len() as u64);
        keep_earliest(&mut self.first_payload, stamp);
        self.beats.observe(stamp.time);
        if packet.payload.is_empty() {
            return;
        }
        self.broken += u64::from(!whole);
        // The first fragment of a datagram does not say how long its message is, and so not what it may be.
        let is_fragment = packet.fragment.is_some();
        let whole = whole && !is_fragment;
        if whole {
            self.opening.count(stamp, packet, || rpc::before_secrets(calls));
        } else {
            self.opening.observe(stamp, packet);
        }
        if !calls.is_empty() {
            let remote_calls = self.remote_calls.get_or_insert_default();
            if calls.iter().any(|found| read_again::is_worth(found, is_fragment)) {
                remote_calls.to_read.get_or_insert_default().observe(stamp, packet, whole, &self.opening);
            }
            calls.iter().filter_map(|found| remote_calls.observe(stamp, found)).for_each(later);
        }
        // What is RPC from its first byte is nothing else.
        if calls.first().is_some_and(|found| !found.message.inside && found.is_at_start()) {
            return;
        }
        let payload =
            Payload { transport: packet.transport, bytes: packet.payload, wire_len: packet.payload_len as usize };
        for (number, detail) in sightings(&payload) {
            if let Some(sighting) = self.sightings.entry(SightingKey { signature: number, detail: detail.into() }) {
                sighting.add(stamp);
            }
        }
    }
}

/// Whether a packet holds whole RPC messages and nothing else.
#[must_use]
pub fn is_whole(packet: &Packet<'_>, calls: &[rpc::Found<'_>]) -> bool {
    let mark = if packet.transport == Transport::Tcp { 4 } else { 0 };
    let is_cut = packet.payload.len() < packet.payload_len as usize;
    calls.iter().all(|found| !found.message.inside && (found.ended || is_cut))
        && calls.iter().map(|found| mark + found.message.length as usize).sum::<usize>() == packet.payload_len as usize
}

/// What the signatures see in a payload, but for those that have features of their own.
pub fn sightings<'a>(payload: &'a Payload<'a>) -> impl Iterator<Item = (usize, String)> + 'a {
    signature::ALL
        .iter()
        .enumerate()
        .skip(signature::STRUCTURED)
        .filter_map(move |(number, signature)| (signature.see)(payload).map(|detail| (number, detail)))
}

impl Merge for Half {
    fn merge(&mut self, other: Self) {
        // Taken apart by name, so that a new feature cannot be forgotten here.
        let Half { missing_bytes, broken, first_payload, beats, opening, remote_calls, sightings } = other;
        self.missing_bytes += missing_bytes;
        self.broken += broken;
        self.first_payload = earliest(self.first_payload, first_payload);
        self.beats.merge(beats);
        self.opening.merge(opening);
        if let Some(theirs) = remote_calls {
            self.remote_calls.get_or_insert_default().merge(*theirs);
        }
        self.sightings.merge(sightings);
    }
}
