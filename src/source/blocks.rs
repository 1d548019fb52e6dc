//! A byte stream in large blocks, read on this thread or ahead on another. Every block has room in front, so that a
//! record that straddles two blocks is put together by moving its head alone. Whoever looks into a block may keep it; it
//! is read into again when nobody does. Knows no format.

use super::ReadAhead;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// What is read at once: as much as stays in a second-level cache.
const BLOCK: usize = 256 * 1024;
/// Room in front of a block: no record that is held whole may be longer.
pub const MAX_HELD: usize = 512 * 1024;
/// Blocks that are read ahead.
const AHEAD: usize = 2;
/// Of a stream so many bytes are read before it is asked whether other threads have little to do.
const TRIAL: u64 = 4 << 20;
/// They have little to do where they were left less than one byte of so many. Measured: with two in three, reading here
/// takes a tenth less time; with one in a hundred, a fifth more.
const BUSY: u64 = 8;

/// Where in memory a read goes: at the start of a page, as the page cache does. Copies between places that are not
/// aligned alike were measured at a fifth of the speed (AMD's `rep movsb`).
const PAGE: usize = 4096;

/// A buffer: room for a record's head, then what was read.
pub struct Block {
    buffer: Vec<u8>,
    /// Where reading begins.
    base: usize,
    end: usize,
}

impl Block {
    fn new() -> Self {
        let buffer = vec![0; PAGE + MAX_HELD + BLOCK];
        let aligned = buffer[MAX_HELD..].as_ptr().align_offset(PAGE);
        let base = MAX_HELD + if aligned < PAGE { aligned } else { 0 };
        Block { buffer, base, end: base }
    }

    /// Where these bytes lie in the block that they were borrowed from.
    #[inline]
    #[must_use]
    pub fn place_of(&self, bytes: &[u8]) -> Range<usize> {
        let start = bytes.as_ptr().addr().wrapping_sub(self.buffer.as_ptr().addr());
        debug_assert!(start <= self.end, "bytes of another block");
        start..start.saturating_add(bytes.len())
    }

    /// The bytes at such a place.
    #[inline]
    #[must_use]
    pub fn at(&self, place: Range<usize>) -> &[u8] {
        self.buffer.get(place).unwrap_or_default()
    }

    /// Reads once; an empty block is the end of the stream.
    fn fill(&mut self, reader: &mut impl Read) -> io::Result<()> {
        loop {
            let room = self.base..self.base + BLOCK;
            match reader.read(&mut self.buffer[room]) {
                Ok(read) => {
                    self.end = self.base + read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A window onto a byte stream.
pub struct Blocks {
    supply: Supply,
    block: Arc<Block>,
    start: usize,
    /// Bytes of the stream that were consumed.
    consumed: u64,
    ended: bool,
    /// Why it ended, until somebody wants what was not read for it.
    failed: Option<io::Error>,
}

enum Supply {
    Here {
        reader: Box<dyn Read + Send>,
        used: Used,
        /// See [`ReadAhead::Spare`].
        left_to_others: Option<Arc<AtomicU64>>,
    },
    Ahead {
        filled: Receiver<io::Result<Block>>,
        used: SyncSender<Arc<Block>>,
    },
}

/// Blocks that this stream has left behind; others may still look into them.
#[derive(Default)]
struct Used(Vec<Arc<Block>>);

impl Used {
    /// One that nobody looks into, or a new one.
    fn take(&mut self) -> Block {
        let free = self.0.iter().position(|block| Arc::strong_count(block) == 1);
        free.and_then(|place| Arc::into_inner(self.0.swap_remove(place))).unwrap_or_else(Block::new)
    }
}

impl Blocks {
    #[must_use]
    pub fn new(reader: Box<dyn Read + Send>, read_ahead: ReadAhead) -> Self {
        let used = Used::default();
        let supply = match read_ahead {
            ReadAhead::Never => Supply::Here { reader, used, left_to_others: None },
            ReadAhead::Always => ahead(reader, used),
            ReadAhead::Spare(left) => Supply::Here { reader, used, left_to_others: Some(left) },
        };
        let block = Block::new();
        Blocks { supply, start: block.end, block: Arc::new(block), consumed: 0, ended: false, failed: None }
    }

    /// What is there of the stream from here on.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.block.buffer[self.start..self.block.end]
    }

    /// The block that they lie in.
    #[inline]
    #[must_use]
    pub fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Bytes of the stream before [`Blocks::bytes`].
    #[inline]
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.consumed
    }

    /// Moves on by `len` of the bytes that are there.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.block.end - self.start);
        self.start += len;
        self.consumed += len as u64;
    }

    /// Sees that at least `len` bytes are there, unless the stream ends before. `len` is at most [`MAX_HELD`].
    ///
    /// # Errors
    /// What the reader says.
    pub fn want(&mut self, len: usize) -> io::Result<bool> {
        if self.look_ahead(len) {
            return Ok(true);
        }
        self.failed.take().map_or(Ok(false), Err)
    }

    /// The same, where what is there is of use without the rest: an error is kept for who wants what was not read.
    pub fn look_ahead(&mut self, len: usize) -> bool {
        debug_assert!(len <= MAX_HELD);
        while self.block.end - self.start < len && !self.ended {
            self.refill();
        }
        self.block.end - self.start >= len
    }

    /// Moves on by any length, without holding the bytes. Gives what the stream was short of.
    ///
    /// # Errors
    /// What the reader says.
    pub fn skip(&mut self, mut len: u64) -> io::Result<u64> {
        while len > 0 {
            let here = usize::try_from(len).unwrap_or(usize::MAX).min(self.block.end - self.start);
            self.consume(here);
            len -= here as u64;
            if len > 0 && !self.want(1)? {
                break;
            }
        }
        Ok(len)
    }

    /// Leaves the reading to a thread of its own, where others have little to do.
    fn read_ahead_if_spare(&mut self) {
        let consumed = self.consumed;
        if let Supply::Here { reader, used, left_to_others: Some(left) } = &mut self.supply
            && consumed >= TRIAL
            && left.load(Ordering::Relaxed).saturating_mul(BUSY) < consumed
        {
            let reader = std::mem::replace(reader, Box::new(io::empty()));
            self.supply = ahead(reader, std::mem::take(used));
        }
    }

    /// Takes the next block, with what is left of this one in front of it.
    fn refill(&mut self) {
        let tail = self.block.end - self.start;
        self.read_ahead_if_spare();
        let next = match &mut self.supply {
            Supply::Here { reader, used, .. } => {
                let mut block = used.take();
                block.fill(reader).map(|()| block)
            }
            // No block and no error: the other thread has come to the end.
            Supply::Ahead { filled, .. } => filled.recv().unwrap_or_else(|_| Ok(Block::new())),
        };
        let mut next = match next {
            Ok(block) if block.end > block.base => block,
            end => {
                self.ended = true;
                self.failed = end.err();
                return;
            }
        };
        let base = next.base;
        next.buffer[base - tail..base].copy_from_slice(self.bytes());
        self.start = base - tail;
        let old = std::mem::replace(&mut self.block, Arc::new(next));
        match &mut self.supply {
            Supply::Here { used, .. } => used.0.push(old),
            Supply::Ahead { used, .. } => drop(used.try_send(old)), // none wanted: the other thread has ended
        }
    }
}

/// Starts a thread that fills blocks. It ends with the stream, on an error, or when nobody takes its blocks any more.
fn ahead(mut reader: Box<dyn Read + Send>, mut pool: Used) -> Supply {
    let (filled_sender, filled) = sync_channel(AHEAD);
    let (used, come_back) = sync_channel::<Arc<Block>>(AHEAD * 2);
    thread::spawn(move || {
        loop {
            pool.0.extend(come_back.try_iter());
            let mut block = pool.take();
            let filled = block.fill(&mut reader).map(|()| block);
            let last = filled.as_ref().map_or(true, |block| block.end == block.base);
            if filled_sender.send(filled).is_err() || last {
                return;
            }
        }
    });
    Supply::Ahead { filled, used }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of at most `step`.
    struct Slow(io::Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(self.1);
            self.0.read(&mut buffer[..len])
        }
    }

    fn spare(left_to_others: u64) -> ReadAhead {
        ReadAhead::Spare(Arc::new(AtomicU64::new(left_to_others)))
    }

    #[test]
    fn every_byte_comes_once_and_in_order_however_it_was_read() {
        let bytes: Vec<u8> = (0..6_000_000u32).map(|n| (n % 251) as u8).collect();
        let (here, ahead) = (ReadAhead::Never, ReadAhead::Always);
        let (idle, busy) = (spare(0), spare(u64::MAX));
        for (read_ahead, step, want) in [
            (&here, 70_001, 100_003),
            (&ahead, 1 << 20, 65_537),
            (&ahead, 13_001, 400_000),
            (&here, 9, 20),
            (&idle, 70_001, 100_003),
            (&busy, 70_001, 100_003),
        ] {
            let bytes = &bytes[..bytes.len().min(step * 1000)];
            let mut blocks = Blocks::new(Box::new(Slow(io::Cursor::new(bytes.to_vec()), step)), read_ahead.clone());
            let mut seen = Vec::new();
            while blocks.want(want).expect("no error") {
                seen.extend_from_slice(&blocks.bytes()[..want]);
                blocks.consume(want);
            }
            seen.extend_from_slice(blocks.bytes());
            assert!(seen == bytes, "{read_ahead:?} {step} {want}");
            assert_eq!(blocks.offset(), (bytes.len() / want * want) as u64);
        }
    }

    #[test]
    fn a_block_that_somebody_holds_is_not_read_into() {
        let bytes: Vec<u8> = (0..5_000_000u32).map(|n| (n / 1000 % 251) as u8).collect();
        for read_ahead in [ReadAhead::Never, ReadAhead::Always, spare(0)] {
            let mut blocks = Blocks::new(Box::new(io::Cursor::new(bytes.clone())), read_ahead.clone());
            let mut held = Vec::new();
            while blocks.want(10_000).expect("no error") {
                let head = &blocks.bytes()[..10_000];
                held.push((Arc::clone(blocks.block()), blocks.block().place_of(head)));
                blocks.consume(10_000);
            }
            let seen: Vec<u8> = held.iter().flat_map(|(block, place)| block.at(place.clone())).copied().collect();
            assert!(seen == bytes, "{read_ahead:?}");
        }
    }

    #[test]
    fn a_skip_says_what_was_missing() {
        let mut blocks = Blocks::new(Box::new(io::Cursor::new(vec![7; 1000])), ReadAhead::Never);
        assert_eq!(blocks.skip(990).expect("no error"), 0);
        assert_eq!(blocks.skip(u64::MAX).expect("no error"), u64::MAX - 10);
    }
}
