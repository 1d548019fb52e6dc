//! What the headers of one direction's packets tell, whatever those carry. Knows no payload, but how long each was.

use super::Fragments;
use crate::frame::{Frame, Stamp};
use crate::merge::{Merge, earliest, keep_earliest};
use crate::packet::{Packet, flag};

/// The headers of one direction. All that is kept of packets without payload: a scan or a flood makes many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Headers {
    pub packets: u64,
    /// Whole frames, as they were on the wire.
    pub bytes: u64,
    pub payload_packets: u64,
    /// Payload on the wire, retransmissions included.
    pub payload_bytes: u64,
    pub fragments: u64,
    pub syn: u64,
    pub syn_ack: u64,
    pub fin: u64,
    pub rst: u64,
    /// TCP packets whose flags no connection has: none at all, FIN without ACK, SYN with FIN or RST.
    pub odd_flags: u64,
    pub first: Option<Stamp>,
    pub last: Option<Stamp>,
    /// The sequence number of the last packet.
    pub last_sequence: u32,
    /// The earliest SYN or SYN-ACK with its sequence number, and the latest.
    pub start: Option<(Stamp, u32)>,
    last_start: Option<(Stamp, u32)>,
    /// The earliest FIN or RST.
    pub closed: Option<Stamp>,
    /// What the earliest and the last packet with the ACK flag acknowledge.
    acknowledged: [Option<(Stamp, u32)>; 2],
}

impl Headers {
    pub fn observe(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        let stamp = frame.stamp();
        self.packets += 1;
        self.bytes += u64::from(frame.wire_len);
        self.payload_packets += u64::from(packet.payload_len > 0);
        self.payload_bytes += u64::from(packet.payload_len);
        self.fragments += u64::from(packet.fragment.is_some());
        keep_earliest(&mut self.first, stamp);
        let is_last = self.last.is_none_or(|last| last < stamp);
        if is_last {
            self.last = Some(stamp);
        }
        let Some(tcp) = packet.tcp else { return };
        if is_last {
            self.last_sequence = tcp.sequence;
        }
        let has = |bits| tcp.flags & bits == bits;
        if has(flag::ACK) {
            let acknowledged = (stamp, tcp.acknowledged);
            keep_earliest(&mut self.acknowledged[0], acknowledged);
            if self.acknowledged[1].is_none_or(|last| last < acknowledged) {
                self.acknowledged[1] = Some(acknowledged);
            }
        }
        if tcp.flags & (flag::SYN | flag::ACK | flag::FIN | flag::RST) == flag::ACK {
            return; // as most are
        }
        let (syn, ack, fin, rst) = (has(flag::SYN), has(flag::ACK), has(flag::FIN), has(flag::RST));
        self.syn += u64::from(syn && !ack);
        self.syn_ack += u64::from(syn && ack);
        self.fin += u64::from(fin);
        self.rst += u64::from(rst);
        self.odd_flags += u64::from(tcp.flags & (flag::SYN | flag::ACK | flag::RST) == 0 || (syn && (fin || rst)));
        if fin || rst {
            keep_earliest(&mut self.closed, stamp);
        }
        if syn {
            keep_earliest(&mut self.start, (stamp, tcp.sequence));
            self.last_start = self.last_start.max(Some((stamp, tcp.sequence)));
        }
    }

    /// Takes in what the later fragments of a datagram of this direction add.
    pub fn gather(&mut self, later: &Fragments) {
        self.packets += later.later;
        self.bytes += later.bytes;
        self.payload_bytes += later.payload_bytes;
        self.fragments += later.later;
        self.first = earliest(self.first, later.first);
        self.last = self.last.max(later.last);
    }

    /// Bytes of the other direction that were acknowledged from the first packet with the ACK flag to the last, its FIN included.
    #[must_use]
    pub fn acknowledged_bytes(&self) -> u32 {
        let [Some((_, first)), Some((_, last))] = self.acknowledged else { return 0 };
        let bytes = last.wrapping_sub(first);
        if bytes <= u32::MAX / 2 { bytes } else { 0 }
    }

    /// Whether the sequence numbers show that nothing was sent: from the handshake on only its SYN and its FIN took one.
    #[must_use]
    pub fn sent_nothing(&self) -> bool {
        self.start.is_some_and(|(_, start)| self.last_sequence.wrapping_sub(start) <= 2)
    }

    /// The SYNs or SYN-ACKs that are known, the earliest first: stamp, sequence number, and whether it asks. Where others than
    /// these two came between, they are not known.
    #[must_use]
    pub fn starts(&self) -> Vec<(Stamp, u32, bool)> {
        let other = self.last_start.filter(|last| self.start.is_some_and(|start| start.1 != last.1));
        self.start.into_iter().chain(other).map(|(stamp, sequence)| (stamp, sequence, self.syn > 0)).collect()
    }

    /// Whether it sent any packet with the ACK flag.
    #[must_use]
    pub fn acknowledges(&self) -> bool {
        self.acknowledged[0].is_some()
    }

    /// The sequence number of the handshake, where it was seen.
    #[must_use]
    pub fn start_sequence(&self) -> Option<u32> {
        self.start.map(|(_, sequence)| sequence)
    }
}

impl Merge for Headers {
    fn merge(&mut self, other: Self) {
        // Taken apart by name, so that a new feature cannot be forgotten here.
        let Headers {
            packets,
            bytes,
            payload_packets,
            payload_bytes,
            fragments,
            syn,
            syn_ack,
            fin,
            rst,
            odd_flags,
            first,
            last,
            last_sequence,
            start,
            last_start,
            closed,
            acknowledged,
        } = other;
        self.packets += packets;
        self.bytes += bytes;
        self.payload_packets += payload_packets;
        self.payload_bytes += payload_bytes;
        self.fragments += fragments;
        self.syn += syn;
        self.syn_ack += syn_ack;
        self.fin += fin;
        self.rst += rst;
        self.odd_flags += odd_flags;
        self.first = earliest(self.first, first);
        (self.last, self.last_sequence) = (self.last, self.last_sequence).max((last, last_sequence));
        self.start = earliest(self.start, start);
        self.last_start = self.last_start.max(last_start);
        self.closed = earliest(self.closed, closed);
        self.acknowledged[0] = earliest(self.acknowledged[0], acknowledged[0]);
        self.acknowledged[1] = self.acknowledged[1].max(acknowledged[1]);
    }
}

/// The headers of both directions, as [`super::FlowKey::ends`] sent them.
pub type BothHeaders = [Headers; 2];
