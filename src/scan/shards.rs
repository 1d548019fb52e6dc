//! One capture over several threads: the frames in scope are handed in batches to the thread that keeps their
//! conversation. The tables of all merge to the table of the whole, whoever took a frame. Knows no format and no flow.

use crate::frame::{Frame, FrameRef, LinkType, Timestamp};
use crate::glance::glance;
use crate::merge::{Merge, spread};
use crate::port::{Ports, Scope};
use crate::source::capture_file::Record;
use crate::table::FlowTable;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Scope as ThreadScope, ScopedJoinHandle};

/// What goes over at once: small enough to stay in a second-level cache until it is taken.
const BATCH_BYTES: usize = 128 * 1024;
/// Frames that make a batch where they are short, and room for one long frame beyond its bytes.
const BATCH_FRAMES: usize = 1024;
const LONG_FRAME: usize = 64 * 1024;
/// Batches that wait for a thread; when there are more, the reading thread takes one itself, or waits.
const WAITING: usize = 8;
/// Flows up to which the reading thread helps out: each that two threads have seen is merged at the end.
const FEW_FLOWS: usize = 256;
/// Parts that conversations are dealt into; the reading thread keeps fewer than the others, because it reads as well.
const PARTS: u64 = 64;
/// Of as many parts as each other thread has, the reading one keeps this many hundredths.
const OWN_SHARE: u64 = 70;

/// Frames on their way to another thread, with their bytes.
pub(crate) struct Batch {
    frames: Vec<(Timestamp, LinkType, u32, FrameRef, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Batch { frames: Vec::with_capacity(BATCH_FRAMES), bytes: Vec::with_capacity(BATCH_BYTES + LONG_FRAME) }
    }

    pub(crate) fn add(&mut self, frame: &Frame<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame.bytes);
        self.frames.push((frame.time, frame.link, frame.wire_len, frame.at, start..self.bytes.len()));
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.frames.len() >= BATCH_FRAMES
    }

    #[cfg(all(feature = "live", unix))]
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames, in their order.
    #[cfg(all(feature = "live", unix))]
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|(time, link, wire_len, at, range)| Frame {
            time: *time,
            link: *link,
            wire_len: *wire_len,
            bytes: &self.bytes[range.clone()],
            at: *at,
            interface: 0,
        })
    }

    #[cfg(all(feature = "live", unix))]
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Bytes that it takes in memory, about.
    #[cfg(all(feature = "live", unix))]
    pub(crate) fn size(&self) -> usize {
        self.bytes.capacity() + self.frames.capacity() * size_of::<(Timestamp, LinkType, u32, FrameRef, Range<usize>)>()
    }

    pub(crate) fn pour_into(&mut self, table: &mut FlowTable) {
        for (time, link, wire_len, at, range) in self.frames.drain(..) {
            table.take(&Frame { time, link, wire_len, bytes: &self.bytes[range], at, interface: 0 });
        }
        self.bytes.clear();
    }
}

/// The reading thread's table, and the way to the others.
pub(super) struct Shards<'scope> {
    scope: Scope,
    table: FlowTable,
    helpers: Vec<Helper<'scope>>,
    spare: Vec<Batch>,
}

struct Helper<'scope> {
    batch: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    thread: ScopedJoinHandle<'scope, FlowTable>,
}

impl<'scope> Shards<'scope> {
    /// Starts the threads, each with an empty table.
    pub fn start(threads: &'scope ThreadScope<'scope, '_>, helpers: usize, table: impl Fn() -> FlowTable) -> Self {
        let start = |()| {
            let (full, inbox) = sync_channel::<Batch>(WAITING);
            let (outbox, empty) = sync_channel::<Batch>(WAITING * 2);
            let mut table = table();
            let thread = threads.spawn(move || {
                for mut batch in inbox {
                    batch.pour_into(&mut table);
                    drop(outbox.try_send(batch)); // not wanted: it is freed
                }
                table.settle();
                table
            });
            Helper { batch: Batch::new(), full, empty, thread }
        };
        let table = table();
        Shards { scope: *table.scope(), table, helpers: (0..helpers).map(|_| start(())).collect(), spare: Vec::new() }
    }

    #[inline]
    pub fn take(&mut self, record: Record<'_>) {
        let frame = match record {
            Record::Frame(frame) => frame,
            Record::Unreadable(skip) => return self.table.take_unreadable(skip),
        };
        let ports = glance(&frame);
        match ports.filter(|ports| self.scope.wants(*ports)).and_then(|ports| self.helper_of(ports)) {
            Some(index) => self.hand_over(index, &frame),
            None => self.table.take_glanced(&frame, ports),
        }
    }

    /// Who keeps the conversation between these ports, whichever way the frame goes; `None` for this thread.
    fn helper_of(&self, ports: Ports) -> Option<usize> {
        let part = spread(u64::from(ports.source ^ ports.destination)) % PARTS;
        let threads = self.helpers.len() as u64 + 1;
        let own = PARTS / threads * OWN_SHARE / 100;
        let rest = part.checked_sub(own)?;
        usize::try_from(rest % (threads - 1)).ok()
    }

    fn hand_over(&mut self, index: usize, frame: &Frame<'_>) {
        let helper = &mut self.helpers[index];
        helper.batch.add(frame);
        if !helper.batch.is_full() {
            return;
        }
        let next = helper.empty.try_recv().ok().or_else(|| self.spare.pop()).unwrap_or_else(Batch::new);
        let batch = std::mem::replace(&mut helper.batch, next);
        match helper.full.try_send(batch) {
            // Few conversations are dealt unevenly; those that this thread keeps a part of are soon merged.
            Err(TrySendError::Full(mut batch)) if self.table.flow_count() < FEW_FLOWS => {
                batch.pour_into(&mut self.table);
                self.spare.push(batch);
            }
            Err(TrySendError::Full(batch)) => drop(helper.full.send(batch)),
            Ok(()) | Err(TrySendError::Disconnected(_)) => {} // its panic is passed on when it is joined
        }
    }

    /// The table of everything.
    pub fn finish(mut self) -> FlowTable {
        let threads: Vec<_> = self
            .helpers
            .into_iter()
            .map(|Helper { batch, full, thread, .. }| {
                drop(full.send(batch)); // where nobody takes it, joining passes the panic on
                thread
            })
            .collect();
        self.table.settle();
        for thread in threads {
            self.table.merge(thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        }
        self.table.settle();
        self.table
    }
}
