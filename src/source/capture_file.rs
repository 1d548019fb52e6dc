//! A capture file of either format, read record by record. What is wrong with it ends up in its [`Input`] note: the frames
//! before the fault have been given by then.

use super::blocks::{Block, Blocks};
use super::{BytesRead, Options, pcap, pcapng};
use crate::error::Error;
use crate::frame::{Frame, FrameRef, LinkType, Timestamp};
use crate::report::{Input, Status};
use crate::skip::Skip;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The longest frame that is believed: libpcap's largest snap length.
pub(super) const MAX_CAPTURED: usize = 262_144;

/// A record that is numbered as a frame.
#[derive(Clone, Copy)]
pub enum Record<'a> {
    /// And the block that its bytes lie in.
    Frame(Frame<'a>, &'a Arc<Block>),
    /// It has a number, and cannot be looked into.
    Unreadable(Skip),
}

/// The file formats, told by their first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pcap,
    Pcapng,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Pcap => "pcap",
            Kind::Pcapng => "pcapng",
        }
    }
}

/// How captures begin. The fifth and sixth are Kuznetsov's variant with longer record headers.
pub(super) const MAGIC: [([u8; 4], Kind); 7] = [
    ([0xa1, 0xb2, 0xc3, 0xd4], Kind::Pcap),
    ([0xd4, 0xc3, 0xb2, 0xa1], Kind::Pcap),
    ([0xa1, 0xb2, 0x3c, 0x4d], Kind::Pcap),
    ([0x4d, 0x3c, 0xb2, 0xa1], Kind::Pcap),
    ([0xa1, 0xb2, 0xcd, 0x34], Kind::Pcap),
    ([0x34, 0xcd, 0xb2, 0xa1], Kind::Pcap),
    ([0x0a, 0x0d, 0x0d, 0x0a], Kind::Pcapng),
];

#[inline]
pub(super) fn recognise(magic: &[u8]) -> Option<Kind> {
    let start = magic.first_chunk::<4>()?;
    MAGIC.iter().find(|(known, _)| known == start).map(|(_, kind)| *kind)
}

/// Why reading ended before the end.
#[derive(Debug)]
pub(super) enum Fault {
    Truncated(String),
    Corrupt(String),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

/// What both formats need while they read: the bytes, and the account of what was read from them.
pub(super) struct Tape {
    pub blocks: Blocks,
    pub account: Account,
}

/// What is told of an input at the end.
pub(super) struct Account {
    input: u32,
    number: u64,
    first: Option<Timestamp>,
    latest: Timestamp,
    notes: BTreeMap<&'static str, u64>,
    /// Of the frames that follow.
    pub interface: u32,
    /// Names of interfaces, in the order of the file, as far as they are kept.
    interfaces: Vec<String>,
}

/// Interfaces whose names are kept, and characters of a name.
const MAX_NAMES: usize = 1024;
const MAX_NAME: usize = 256;

impl Account {
    pub fn name_interface(&mut self, name: &str) {
        if self.interfaces.len() < MAX_NAMES {
            self.interfaces.push(name.chars().take(MAX_NAME).collect());
        }
    }

    /// Gives a frame its number and counts what is odd about it.
    #[inline]
    pub fn frame<'a>(&mut self, time: Timestamp, link: LinkType, wire_len: u32, bytes: &'a [u8]) -> Frame<'a> {
        self.number += 1;
        let odd = time < self.latest || self.first.is_none() || (wire_len as usize) < bytes.len() || !time.is_known();
        let wire_len = if odd { self.odd_frame(time, wire_len, bytes.len()) } else { wire_len };
        self.latest = self.latest.max(time);
        Frame { time, link, wire_len, bytes, at: FrameRef::new(self.input, self.number), interface: self.interface }
    }

    /// The first frame, and frames that contradict themselves or those before. Gives the length on the wire.
    #[cold]
    fn odd_frame(&mut self, time: Timestamp, wire_len: u32, captured: usize) -> u32 {
        if time.is_known() {
            if time < self.latest {
                self.note("frames whose time lies before that of an earlier frame", 1);
            }
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
        } else {
            self.note("frames without a time", 1);
        }
        if (wire_len as usize) < captured {
            self.note("frames longer in the file than they were on the wire", 1);
        }
        wire_len.max(u32::try_from(captured).unwrap_or(u32::MAX))
    }

    pub fn unreadable(&mut self, skip: Skip) -> Record<'static> {
        self.number += 1;
        Record::Unreadable(skip)
    }

    pub fn note(&mut self, what: &'static str, times: u64) {
        *self.notes.entry(what).or_default() += times;
    }
}

impl Tape {
    /// The number that the next frame gets.
    pub fn next_number(&self) -> u64 {
        self.account.number + 1
    }

    /// Sees that `len` bytes are there; says where the file ends when they are not.
    #[inline]
    pub fn want(&mut self, len: usize, what: &str) -> Result<(), Fault> {
        if self.blocks.bytes().len() >= len || self.blocks.want(len)? {
            return Ok(());
        }
        Err(self.truncated(len as u64, what))
    }

    pub fn truncated(&self, len: u64, what: &str) -> Fault {
        Fault::Truncated(format!(
            "the file ends inside {what} {} at byte {}: {} of {len} bytes are there",
            self.next_number(),
            self.blocks.offset(),
            self.blocks.bytes().len(),
        ))
    }

    pub fn corrupt(&self, what: &str) -> Fault {
        Fault::Corrupt(format!("{what}, at packet {}, byte {}", self.next_number(), self.blocks.offset()))
    }

    /// Whether the stream ends here, between two records.
    pub fn is_at_end(&mut self) -> Result<bool, Fault> {
        Ok(self.blocks.bytes().is_empty() && !self.blocks.want(1)?)
    }
}

/// A capture that was opened.
pub struct CaptureFile {
    name: String,
    format: String,
    bytes_read: BytesRead,
    tape: Tape,
    layout: Layout,
}

enum Layout {
    Pcap(pcap::Layout),
    Pcapng(pcapng::Layout),
}

impl CaptureFile {
    pub(super) fn new(
        reader: Box<dyn Read + Send>,
        name: String,
        format: String,
        kind: Kind,
        bytes_read: BytesRead,
        options: Options,
    ) -> Result<Self, Error> {
        let mut tape = Tape {
            blocks: Blocks::new(reader, options.read_ahead),
            account: Account {
                input: options.input,
                number: 0,
                first: None,
                latest: Timestamp::UNKNOWN,
                notes: BTreeMap::new(),
                interface: 0,
                interfaces: Vec::new(),
            },
        };
        let layout = match kind {
            Kind::Pcap => pcap::Layout::read(&mut tape).map(Layout::Pcap),
            Kind::Pcapng => Ok(Layout::Pcapng(pcapng::Layout::default())),
        };
        match layout {
            Ok(layout) => Ok(CaptureFile { name, format, bytes_read, tape, layout }),
            Err(Fault::Io(source)) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Err(Error::Truncated { name, problem: format!("{source}, in the header of the capture") })
            }
            Err(Fault::Io(source)) => Err(Error::Read { name, source }),
            Err(Fault::Truncated(problem) | Fault::Corrupt(problem)) => Err(Error::BadHeader { name, problem }),
        }
    }

    /// Gives every record to `sink`, in order, and says how it ended.
    pub fn read(mut self, mut sink: impl FnMut(Record<'_>)) -> Input {
        let end = match &mut self.layout {
            Layout::Pcap(layout) => layout.records(&mut self.tape, &mut sink),
            Layout::Pcapng(layout) => layout.records(&mut self.tape, &mut sink),
        };
        let (status, problem) = match end {
            Ok(()) => (Status::Complete, None),
            Err(Fault::Truncated(problem)) => (Status::Truncated, Some(problem)),
            Err(Fault::Corrupt(problem)) => (Status::Corrupt, Some(problem)),
            Err(Fault::Io(error)) => {
                let status = match error.kind() {
                    io::ErrorKind::UnexpectedEof => Status::Truncated,
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => Status::Corrupt,
                    _ => Status::Failed,
                };
                let (number, offset) = (self.tape.next_number(), self.tape.blocks.offset());
                (status, Some(format!("{error}, at packet {number}, byte {offset}")))
            }
        };
        let account = self.tape.account;
        Input {
            name: self.name,
            format: self.format,
            status,
            problem,
            frames: account.number,
            bytes: self.bytes_read.load(Ordering::Relaxed),
            first: account.first,
            last: account.first.map(|_| account.latest),
            notes: account.notes,
            interfaces: account.interfaces,
            kernel_filter: None,
            filter: None,
            sha256: None,
        }
    }
}
