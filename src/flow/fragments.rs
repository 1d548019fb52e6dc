//! The later fragments of datagrams, which have no ports: counted by what they have in common with the first, in
//! whatever order and piece of a capture each comes. Puts no bytes together.

use super::FlowKey;
use crate::frame::{Frame, Stamp};
use crate::merge::{Merge, Rank, earliest, spread_with};
use crate::packet::FragmentKey;
use std::net::IpAddr;

/// What is known of the fragments of one datagram; of several, where a sender used an identification again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fragments {
    /// The flow that a first fragment belongs to, and which of its ends sent it.
    owner: Option<(FlowKey, usize)>,
    /// First fragments of different flows came with this identification: whose the later ones are cannot be told.
    disputed: bool,
    pub later: u64,
    /// Whole frames on the wire.
    pub bytes: u64,
    pub payload_bytes: u64,
    pub first: Option<Stamp>,
    pub last: Option<Stamp>,
}

impl Fragments {
    /// Takes a first fragment in.
    pub fn claim(&mut self, key: FlowKey, sender: usize) {
        self.merge(Fragments { owner: Some((key, sender)), ..Fragments::default() });
    }

    /// Takes a later fragment in.
    pub fn add(&mut self, frame: &Frame<'_>, payload_len: u32) {
        let stamp = Some(frame.stamp());
        let (bytes, payload_bytes) = (u64::from(frame.wire_len), u64::from(payload_len));
        self.merge(Fragments { later: 1, bytes, payload_bytes, first: stamp, last: stamp, ..Fragments::default() });
    }

    /// Whose the later fragments are, where that is known and there are any.
    #[must_use]
    pub fn owner(&self) -> Option<(FlowKey, usize)> {
        self.owner.filter(|_| !self.disputed && self.later > 0)
    }
}

impl Merge for Fragments {
    fn merge(&mut self, other: Self) {
        let Fragments { owner, disputed, later, bytes, payload_bytes, first, last } = other;
        self.disputed |= disputed || matches!((self.owner, owner), (Some(mine), Some(theirs)) if mine != theirs);
        self.owner = earliest(self.owner, owner);
        self.later += later;
        self.bytes += bytes;
        self.payload_bytes += payload_bytes;
        self.first = earliest(self.first, first);
        self.last = self.last.max(last);
    }
}

impl Rank for FragmentKey {
    fn rank(&self) -> u64 {
        let address = |rank, address: &IpAddr| match address {
            IpAddr::V4(v4) => spread_with(rank, u64::from(v4.to_bits())),
            IpAddr::V6(v6) => {
                #[allow(clippy::cast_possible_truncation)] // both halves are taken
                let (high, low) = ((v6.to_bits() >> 64) as u64, v6.to_bits() as u64);
                spread_with(spread_with(rank, high), low)
            }
        };
        let start = u64::from(self.protocol) << 32 | u64::from(self.identification);
        let tunnel = self.tunnel.map_or(0, |tunnel| (tunnel.kind as u64 + 1) << 32 | u64::from(tunnel.network));
        spread_with(address(address(start, &self.source), &self.destination), tunnel)
    }
}
