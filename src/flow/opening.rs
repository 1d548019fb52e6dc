//! The first bytes of a direction, kept as the segments that came earliest, and put together by sequence number at the
//! end. Knows no protocol.

use crate::frame::Stamp;
use crate::merge::{Merge, earliest};
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
    /// For messages that are read again: a few lists of services, or eighty short answers.
    Answers,
    /// Where every answer counts: a portmapper's list of 500 services, in one datagram or over several segments.
    Large,
    /// For small segments only: a thousand of them hold what a stream in crumbs says.
    Crumbs,
}

impl Size {
    const fn budget(self) -> usize {
        match self {
            Size::Ordinary => 4096,
            Size::Answers => 8192,
            Size::Large => 32 * 1024,
            Size::Crumbs => 64 * 1024,
        }
    }

    const fn chunk(self) -> usize {
        match self {
            Size::Ordinary => 2048,
            Size::Answers => 8192,
            Size::Large => 16 * 1024,
            Size::Crumbs => MAX_CRUMB,
        }
    }
}

/// The largest segment that counts as small.
pub const MAX_CRUMB: usize = 128;
/// Bytes that a report shows of what was said first.
pub const SHOWN: usize = 64;

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

/// The different payloads of a direction that were seen earliest, until their cost reaches the budget, except those that were
/// counted when they came.
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
    /// The last payload that was to be kept.
    last: Option<Stamp>,
    /// The beginning of the earliest payload of which everything was counted when it came: for the report to show.
    counted: Option<Chunk>,
}

impl Opening {
    /// Gives it another size. To be called for every packet of a flow, or for none.
    pub fn resize(&mut self, size: Size) {
        self.size = size;
    }

    /// Keeps a payload to be put together with others, or to be read again.
    pub fn observe(&mut self, stamp: Stamp, packet: &Packet<'_>) {
        self.last = self.last.max(Some(stamp));
        if self.closed.is_none_or(|closed| stamp < closed) {
            self.insert(chunk(stamp, packet, self.size.chunk()));
            self.trim();
        }
    }

    /// Takes a payload of which everything was counted when it came: of the earliest of those the first `shown` bytes are kept.
    pub fn count(&mut self, stamp: Stamp, packet: &Packet<'_>, shown: impl FnOnce() -> usize) {
        if self.counted.as_ref().is_none_or(|known| stamp < known.stamp) {
            self.counted = Some(chunk(stamp, packet, shown().min(SHOWN)));
        }
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

    /// What came from a place on, up to another: of one of several connections.
    #[must_use]
    pub fn between(&self, from: Option<Stamp>, until: Option<Stamp>) -> Self {
        let within = |chunk: &&Chunk| {
            from.is_none_or(|from| from <= chunk.stamp) && until.is_none_or(|until| chunk.stamp < until)
        };
        let counted = self.counted.as_ref().filter(within).cloned();
        let chunks = self.chunks.iter().filter(within).cloned().collect();
        Opening { chunks, counted, ..*self }
    }

    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// The most that is kept of one payload, in bytes.
    #[must_use]
    pub fn most(&self) -> usize {
        self.size.chunk()
    }

    /// Where the budget was reached: what came later was not kept, and of the last payload perhaps not all.
    #[must_use]
    pub fn closed(&self) -> Option<Stamp> {
        self.closed
    }

    /// Whether payloads came after that.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.closed.is_some() && self.closed < self.last
    }

    /// The beginning of the earliest payload that was only counted.
    #[must_use]
    pub fn counted(&self) -> Option<&Chunk> {
        self.counted.as_ref()
    }

    /// All that is kept, in the order in which it was seen: [`Opening::chunks`] and [`Opening::counted`].
    pub fn payloads(&self) -> impl Iterator<Item = &Chunk> {
        let counted = self.counted.as_ref();
        let earlier = counted.map_or(0, |counted| self.chunks.partition_point(|chunk| chunk.stamp < counted.stamp));
        let (before, behind) = self.chunks.split_at(earlier);
        before.iter().chain(counted).chain(behind)
    }

    /// Those that are to be put together or read again, in the order in which they were seen.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The beginning of the byte stream, without gaps: from the sequence number after `start` where the handshake was
    /// seen, otherwise from the earliest byte there is. Empty where the earliest payload was only counted.
    #[must_use]
    pub fn stream(&self, start: Option<u32>) -> Stream {
        let begins = |stream: &Stream| match start {
            Some(_) => stream.from_start,
            None => self.payloads().next() == self.chunks.first(),
        };
        self.streams(start).next().filter(begins).unwrap_or_default()
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

/// A packet's payload, or the first `max` bytes of it.
fn chunk(stamp: Stamp, packet: &Packet<'_>, max: usize) -> Chunk {
    let bytes = packet.payload[..packet.payload.len().min(max)].into();
    // A SYN takes a sequence number of its own, before the data that it may carry (RFC 9293, section 3.4).
    let sequence = packet.tcp.map_or(0, |tcp| tcp.sequence.wrapping_add((tcp.flags & flag::SYN != 0).into()));
    Chunk { stamp, sequence, bytes, wire_len: packet.payload_len }
}

fn cost(chunk: &Chunk) -> usize {
    chunk.bytes.len() + OVERHEAD
}

impl Merge for Opening {
    fn merge(&mut self, other: Self) {
        self.size = self.size.max(other.size);
        other.chunks.into_iter().for_each(|chunk| self.insert(chunk));
        self.trim();
        self.last = self.last.max(other.last);
        self.counted = earliest(self.counted.take(), other.counted);
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

    fn take(opening: &mut Opening, chunk: Chunk, counted: bool) {
        if counted {
            opening.counted = earliest(opening.counted.take(), Some(chunk));
        } else {
            opening.insert(chunk);
            opening.trim();
        }
    }

    fn mixed(chunks: &[(Chunk, bool)]) -> Opening {
        let mut opening = Opening::default();
        for (chunk, counted) in chunks {
            take(&mut opening, chunk.clone(), *counted);
        }
        opening
    }

    fn opening(chunks: &[Chunk]) -> Opening {
        mixed(&chunks.iter().map(|chunk| (chunk.clone(), false)).collect::<Vec<_>>())
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

    #[test]
    fn the_first_payload_that_was_counted_is_kept_and_no_stream_begins_behind_it() {
        let parts = [(chunk(2, 0, b"count"), true), (chunk(3, 5, b"later"), true), (chunk(4, 10, b"begun"), false)];
        let mut opening = mixed(&parts);
        let kept: Vec<&[u8]> = opening.payloads().map(|chunk| &*chunk.bytes).collect();
        assert_eq!(kept, [b"count", b"begun"]);
        assert_eq!(opening.stream(None), Stream::default());
        assert_eq!(opening.streams(None).next().map(|stream| stream.bytes), Some(b"begun".to_vec()));

        take(&mut opening, chunk(1, 0, b"first"), false);
        let kept: Vec<&[u8]> = opening.payloads().map(|chunk| &*chunk.bytes).collect();
        assert_eq!(kept, [b"first", b"count", b"begun"]);
    }

    proptest! {
        #[test]
        fn openings_of_pieces_are_the_opening_of_the_whole(
            parts in proptest::collection::vec((0u64..30, 0u32..4, 0usize..3000, proptest::bool::weighted(0.3)), 0..20),
            cut in 0usize..20,
            swap: bool,
        ) {
            let chunks: Vec<(Chunk, bool)> = parts.iter().enumerate().map(|(number, &(time, sequence, len, counted))| {
                let stamp = Stamp { time: Timestamp(time), at: FrameRef::new(0, number as u64 + 1) };
                let bytes = vec![0; len.min(Size::Ordinary.chunk())].into();
                (Chunk { stamp, sequence, bytes, wire_len: 0 }, counted)
            }).collect();
            let (a, b) = chunks.split_at(cut.min(chunks.len()));
            let (a, b) = if swap { (b, a) } else { (a, b) };
            let mut merged = mixed(a);
            merged.merge(mixed(b));
            prop_assert_eq!(merged, mixed(&chunks));
        }
    }
}
