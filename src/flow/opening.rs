//! The first bytes of a direction, kept as the segments that came earliest, and put together by sequence number at the
//! end. Knows no protocol.

use crate::frame::Stamp;
use crate::merge::Merge;
use crate::packet::{Packet, flag};

/// What a chunk costs beside its bytes.
const OVERHEAD: usize = 64;

/// How much an opening may hold: its budget, and the most of one payload, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Enough for a TLS hello with its certificate, for the first calls of an RPC session, or for sixty segments of a few
    /// bytes.
    #[default]
    Ordinary,
    /// Where every answer counts: a portmapper's list of 500 services, in one datagram or over several segments.
    Large,
    /// For small segments only: a thousand of them hold what a stream in crumbs says.
    Crumbs,
}

impl Size {
    const fn budget(self) -> usize {
        match self {
            Size::Ordinary => 4096,
            Size::Large => 32 * 1024,
            Size::Crumbs => 64 * 1024,
        }
    }

    const fn chunk(self) -> usize {
        match self {
            Size::Ordinary => 2048,
            Size::Large => 16 * 1024,
            Size::Crumbs => MAX_CRUMB,
        }
    }
}

/// The largest segment that counts as small.
pub const MAX_CRUMB: usize = 128;

/// One payload, or the head of a long one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chunk {
    /// When it was first seen; a retransmission is the same chunk.
    pub stamp: Stamp,
    /// The sequence number of its first byte; 0 in UDP.
    pub sequence: u32,
    pub bytes: Box<[u8]>,
    /// As sent.
    pub wire_len: u32,
}

/// The different payloads of a direction that were seen earliest, until their cost reaches the budget.
///
/// Mergeable: a payload that belongs to the earliest of everything belongs to the earliest of the part in which it was
/// first seen, because what stands before it there stands before it everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opening {
    /// In the order of their stamps.
    chunks: Vec<Chunk>,
    cost: usize,
    /// The last chunk's stamp once the budget is reached: what comes later is refused without a look at the chunks.
    closed: Option<Stamp>,
    size: Size,
}

impl Opening {
    /// Gives it another size. To be called for every packet of a flow, or for none.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
    }

    pub fn observe(&mut self, stamp: Stamp, packet: &Packet<'_>) {
        if self.closed.is_some_and(|closed| closed <= stamp) {
            return;
        }
        let bytes = &packet.payload[..packet.payload.len().min(self.size.chunk())];
        // A SYN takes a sequence number of its own, before the data that it may carry (RFC 9293, section 3.4).
        let sequence = packet.tcp.map_or(0, |tcp| tcp.sequence.wrapping_add((tcp.flags & flag::SYN != 0).into()));
        self.insert(Chunk { stamp, sequence, bytes: bytes.into(), wire_len: packet.payload_len });
        self.trim();
    }

    fn insert(&mut self, chunk: Chunk) {
        let same = |known: &Chunk| {
            (known.sequence, known.wire_len, &known.bytes) == (chunk.sequence, chunk.wire_len, &chunk.bytes)
        };
        if let Some(index) = self.chunks.iter().position(same) {
            if self.chunks[index].stamp <= chunk.stamp {
                return;
            }
            self.cost -= cost(&self.chunks.remove(index));
        }
        let index = self.chunks.partition_point(|known| known.stamp < chunk.stamp);
        self.cost += cost(&chunk);
        self.chunks.insert(index, chunk);
    }

    /// Drops what comes after the budget is reached.
    fn trim(&mut self) {
        while let Some(last) = self.chunks.last()
            && self.cost - cost(last) >= self.size.budget()
        {
            self.cost -= cost(last);
            self.chunks.pop();
        }
        self.closed = self.chunks.last().filter(|_| self.cost >= self.size.budget()).map(|last| last.stamp);
    }

    /// In the order in which they were seen.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The beginning of the byte stream, without gaps: from the sequence number after `start` where the handshake was
    /// seen, otherwise from the earliest byte there is.
    #[must_use]
    pub fn stream(&self, start: Option<u32>) -> Stream {
        self.streams(start).next().filter(|stream| stream.from_start || start.is_none()).unwrap_or_default()
    }

    /// The byte stream in pieces without gaps, by sequence number; the first begins where [`Opening::stream`] does.
    pub fn streams(&self, start: Option<u32>) -> impl Iterator<Item = Stream> {
        // Sequence numbers wrap (RFC 9293, section 3.4): distances are taken from a base, half the space either way.
        let base =
            start.map_or_else(|| self.chunks.first().map_or(0, |first| first.sequence), |start| start.wrapping_add(1));
        let distance = move |chunk: &Chunk| i64::from(chunk.sequence.wrapping_sub(base).cast_signed());
        let mut order: Vec<&Chunk> =
            self.chunks.iter().filter(|chunk| start.is_none() || distance(chunk) >= 0).collect();
        order.sort_by_key(|chunk| (distance(chunk), chunk.stamp));
        let mut order = order.into_iter().peekable();
        std::iter::from_fn(move || {
            let first = distance(order.peek()?);
            let mut stream = Stream { from_start: start.is_some() && first == 0, ..Stream::default() };
            let mut at = first;
            while let Some(chunk) = order.next_if(|chunk| distance(chunk) <= at) {
                // Bytes that were seen before are not taken again: the first copy counts.
                let seen = usize::try_from(at - distance(chunk)).unwrap_or(usize::MAX);
                let Some(new) = chunk.bytes.get(seen..).filter(|new| !new.is_empty()) else { continue };
                stream.pieces.push((stream.bytes.len(), chunk.stamp));
                stream.bytes.extend_from_slice(new);
                at += i64::try_from(new.len()).unwrap_or(i64::MAX);
                if chunk.bytes.len() < chunk.wire_len as usize {
                    break; // the rest of this segment is missing
                }
            }
            Some(stream)
        })
    }
}

fn cost(chunk: &Chunk) -> usize {
    chunk.bytes.len() + OVERHEAD
}

impl Merge for Opening {
    fn merge(&mut self, other: Self) {
        self.size = self.size.max(other.size);
        other.chunks.into_iter().for_each(|chunk| self.insert(chunk));
        self.trim();
    }
}

/// The beginning of a byte stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stream {
    pub bytes: Vec<u8>,
    /// Whether the first byte is the first that was sent.
    pub from_start: bool,
    /// At which byte a segment begins, and where it was seen.
    pub pieces: Vec<(usize, Stamp)>,
}

impl Stream {
    /// Where the byte at `offset` was seen.
    #[must_use]
    pub fn seen(&self, offset: usize) -> Option<Stamp> {
        self.pieces.iter().rev().find(|(start, _)| *start <= offset).map(|(_, stamp)| *stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameRef, Timestamp};
    use proptest::prelude::*;

    fn chunk(number: u64, sequence: u32, bytes: &[u8]) -> Chunk {
        let stamp = Stamp { time: Timestamp(number), at: FrameRef::new(0, number) };
        #[allow(clippy::cast_possible_truncation)]
        Chunk { stamp, sequence, bytes: bytes.into(), wire_len: bytes.len() as u32 }
    }

    fn opening(chunks: &[Chunk]) -> Opening {
        let mut opening = Opening::default();
        for chunk in chunks {
            opening.insert(chunk.clone());
            opening.trim();
        }
        opening
    }

    #[test]
    fn bytes_are_put_together_by_sequence_number_over_the_wrap() {
        let parts =
            [chunk(3, 1, b"late"), chunk(1, u32::MAX - 1, b"abc"), chunk(2, u32::MAX - 1, b"ab"), chunk(4, 9, b"gap")];
        let stream = opening(&parts).stream(Some(u32::MAX - 2));
        assert_eq!(stream.bytes, b"abclate");
        assert!(stream.from_start);
        assert_eq!(stream.seen(3).map(|stamp| stamp.at.number()), Some(3));
    }

    #[test]
    fn without_a_handshake_the_stream_begins_at_its_earliest_byte() {
        let stream = opening(&[chunk(1, 104, b"b"), chunk(2, 100, b"aaaa")]).stream(None);
        assert_eq!((stream.bytes.as_slice(), stream.from_start), (&b"aaaab"[..], false));
    }

    proptest! {
        #[test]
        fn openings_of_pieces_are_the_opening_of_the_whole(
            parts in proptest::collection::vec((0u64..30, 0u32..4, 0usize..3000), 0..20), cut in 0usize..20, swap: bool,
        ) {
            let chunks: Vec<Chunk> = parts.iter().enumerate().map(|(number, &(time, sequence, len))| {
                let stamp = Stamp { time: Timestamp(time), at: FrameRef::new(0, number as u64 + 1) };
                Chunk { stamp, sequence, bytes: vec![0; len.min(Size::Ordinary.chunk())].into(), wire_len: 0 }
            }).collect();
            let (a, b) = chunks.split_at(cut.min(chunks.len()));
            let (a, b) = if swap { (b, a) } else { (a, b) };
            let mut merged = opening(a);
            merged.merge(opening(b));
            prop_assert_eq!(merged, opening(&chunks));
        }
    }
}
