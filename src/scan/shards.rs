//! One capture over several threads: the frames in scope go to the thread that keeps their conversation, as places in
//! the blocks that were read. The tables of all merge to the table of the whole, whoever took a frame. Knows no format and
//! no flow.

use crate::frame::{Frame, FrameRef, LinkType, Timestamp};
use crate::glance::glance;
use crate::merge::{Merge, spread};
use crate::port::{Ports, Scope};
use crate::source::blocks::Block;
use crate::source::capture_file::Record;
use crate::table::FlowTable;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Scope as ThreadScope, ScopedJoinHandle};

/// Blocks that wait for a thread; when there are more, the reading thread takes one itself, or waits.
const WAITING: usize = 16;
/// Flows up to which the reading thread helps out: each that two threads have seen is merged at the end.
const FEW_FLOWS: usize = 256;
/// Parts that conversations are dealt into; the reading thread keeps fewer than the others, because it reads as well.
const PARTS: usize = 64;
/// Of as many parts as each other thread has, the reading one keeps this many hundredths.
const OWN_SHARE: usize = 65;

/// Frames of one block on their way to another thread.
struct Share {
    block: Arc<Block>,
    frames: Vec<Noted>,
    /// Their length.
    bytes: u64,
}

/// A frame without its bytes, where those lie in their block, and what the fast lane said of it.
struct Noted {
    time: Timestamp,
    at: FrameRef,
    bytes: Range<u32>,
    wire_len: u32,
    link: LinkType,
    ports: Ports,
}

impl Share {
    /// Gives the frames to a table, and the emptied list back.
    fn pour_into(mut self, table: &mut FlowTable) -> Vec<Noted> {
        for Noted { time, at, bytes, wire_len, link, ports } in self.frames.drain(..) {
            let bytes = self.block.at(bytes.start as usize..bytes.end as usize);
            table.take_glanced(&Frame { time, link, wire_len, bytes, at, interface: 0 }, Some(ports));
        }
        self.frames
    }
}

/// The reading thread's table, and the way to the others.
pub(super) struct Shards<'scope> {
    scope: Scope,
    table: FlowTable,
    /// Bytes of the frames that the others were given.
    left_to_helpers: Arc<AtomicU64>,
    /// Who keeps each part; nobody stands for this thread.
    dealt: [Option<usize>; PARTS],
    helpers: Vec<Helper<'scope>>,
}

struct Helper<'scope> {
    share: Option<Share>,
    full: SyncSender<Share>,
    empty: Receiver<Vec<Noted>>,
    thread: ScopedJoinHandle<'scope, FlowTable>,
}

impl<'scope> Shards<'scope> {
    /// Starts the threads, each with an empty table.
    pub fn start(
        threads: &'scope ThreadScope<'scope, '_>,
        helpers: usize,
        left_to_helpers: Arc<AtomicU64>,
        table: impl Fn() -> FlowTable,
    ) -> Self {
        let start = |()| {
            let (full, inbox) = sync_channel::<Share>(WAITING);
            let (outbox, empty) = sync_channel(WAITING * 2);
            let mut table = table();
            let thread = threads.spawn(move || {
                for share in inbox {
                    drop(outbox.try_send(share.pour_into(&mut table))); // not wanted: it is freed
                }
                table.settle();
                table
            });
            Helper { share: None, full, empty, thread }
        };
        let table = table();
        let own = PARTS / (helpers + 1) * OWN_SHARE / 100;
        let dealt = std::array::from_fn(|part| part.checked_sub(own).and_then(|rest| rest.checked_rem(helpers)));
        Shards {
            dealt,
            scope: *table.scope(),
            table,
            left_to_helpers,
            helpers: (0..helpers).map(|_| start(())).collect(),
        }
    }

    #[inline]
    pub fn take(&mut self, record: Record<'_>) {
        let (frame, block) = match record {
            Record::Frame(frame, block) => (frame, block),
            Record::Unreadable(skip) => return self.table.take_unreadable(skip),
        };
        let glanced = glance(&frame);
        let Some(ports) = glanced.filter(|ports| self.scope.wants(*ports)) else {
            return self.table.take_glanced(&frame, glanced);
        };
        match self.helper_of(ports) {
            Some(index) => self.hand_over(index, &frame, block, ports),
            None => self.table.take_glanced(&frame, glanced),
        }
    }

    /// Who keeps the conversation between these ports, whichever way the frame goes; `None` for this thread.
    #[inline]
    fn helper_of(&self, ports: Ports) -> Option<usize> {
        let spread = spread(u64::from(ports.source ^ ports.destination));
        #[allow(clippy::cast_possible_truncation)] // its lower bits are as good as any
        self.dealt[spread as usize % PARTS]
    }

    #[inline]
    fn hand_over(&mut self, index: usize, frame: &Frame<'_>, block: &Arc<Block>, ports: Ports) {
        if self.helpers[index].share.as_ref().is_none_or(|share| !Arc::ptr_eq(&share.block, block)) {
            self.send(index);
            let frames = self.helpers[index].empty.try_recv().unwrap_or_default();
            self.helpers[index].share = Some(Share { block: Arc::clone(block), frames, bytes: 0 });
        }
        let Some(share) = &mut self.helpers[index].share else { return };
        let Frame { time, link, wire_len, bytes, at, interface: _ } = *frame;
        share.bytes += bytes.len() as u64;
        let place = block.place_of(bytes);
        #[allow(clippy::cast_possible_truncation)] // a block is shorter than a megabyte
        let bytes = place.start as u32..place.end as u32;
        share.frames.push(Noted { time, at, bytes, wire_len, link, ports });
    }

    /// Sends what a thread shall have of the block that is done with.
    fn send(&mut self, index: usize) {
        let helper = &mut self.helpers[index];
        let Some(share) = helper.share.take() else { return };
        self.left_to_helpers.fetch_add(share.bytes, Ordering::Relaxed);
        match helper.full.try_send(share) {
            // Few conversations are dealt unevenly; those that this thread keeps a part of are soon merged.
            Err(TrySendError::Full(share)) if self.table.flow_count() < FEW_FLOWS => {
                share.pour_into(&mut self.table);
            }
            Err(TrySendError::Full(share)) => drop(helper.full.send(share)),
            Ok(()) | Err(TrySendError::Disconnected(_)) => {} // its panic is passed on when it is joined
        }
    }

    /// The table of everything.
    pub fn finish(mut self) -> FlowTable {
        (0..self.helpers.len()).for_each(|index| self.send(index)); // where nobody takes it, joining passes the panic on
        let threads: Vec<_> = self.helpers.into_iter().map(|Helper { thread, .. }| thread).collect();
        self.table.settle();
        for thread in threads {
            let other = thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
            // The smaller one moves.
            let (mut table, smaller) =
                if other.flow_count() > self.table.flow_count() { (other, self.table) } else { (self.table, other) };
            table.merge(smaller);
            self.table = table;
        }
        self.table.settle();
        self.table
    }
}
