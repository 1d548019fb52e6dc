//! Frames on their way from the thread that captures to the one that keeps the table, with their bytes. Knows no format and
//! no flow.

use crate::frame::{Frame, FrameRef, LinkType, Timestamp};
use std::ops::Range;

/// What goes over at once: small enough to stay in a second-level cache until it is taken.
const BATCH_BYTES: usize = 128 * 1024;
/// Frames that make a batch where they are short, and room for one long frame beyond its bytes.
const BATCH_FRAMES: usize = 1024;
const LONG_FRAME: usize = 64 * 1024;

pub struct Batch {
    frames: Vec<Kept>,
    bytes: Vec<u8>,
}

struct Kept {
    time: Timestamp,
    link: LinkType,
    wire_len: u32,
    at: FrameRef,
    bytes: Range<usize>,
}

impl Batch {
    pub fn new() -> Self {
        Batch { frames: Vec::with_capacity(BATCH_FRAMES), bytes: Vec::with_capacity(BATCH_BYTES + LONG_FRAME) }
    }

    pub fn add(&mut self, frame: &Frame<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame.bytes);
        let Frame { time, link, wire_len, bytes: _, at, interface: _ } = *frame;
        self.frames.push(Kept { time, link, wire_len, at, bytes: start..self.bytes.len() });
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.frames.len() >= BATCH_FRAMES
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Bytes that it takes in memory, about.
    pub fn size(&self) -> usize {
        self.bytes.capacity() + self.frames.capacity() * size_of::<Kept>()
    }

    /// The frames, in their order.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|Kept { time, link, wire_len, at, bytes }| Frame {
            time: *time,
            link: *link,
            wire_len: *wire_len,
            bytes: &self.bytes[bytes.clone()],
            at: *at,
            interface: 0,
        })
    }
}
