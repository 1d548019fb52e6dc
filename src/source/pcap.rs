//! The pcap format (draft-ietf-opsawg-pcap): one link type for the file, both byte orders, micro- and nanoseconds, and what
//! has been written under the same magic numbers since 1988. Knows no other format.

use super::capture_file::{Fault, Kind, MAX_CAPTURED, Record, Tape, recognise};
use crate::frame::{LinkType, Timestamp};
use pcap_parser::pcap::LegacyPcapBlock;
use pcap_parser::{PcapError, nom, parse_pcap_frame, parse_pcap_frame_be};

const HEADER: usize = 24;
/// Seconds, fraction, captured length, length on the wire.
const RECORD_HEADER: usize = 16;
/// Under the usual magic number also: interface, protocol and packet type more (Kuznetsov's first patch to libpcap 0.4, as
/// Red Hat 6.1 had it), and Nokia's four bytes more. Told by the content only.
const RECORD_HEADERS: [usize; 3] = [RECORD_HEADER, 24, 20];
/// Under Kuznetsov's magic number: as his last patch has them, and as `SuSE` 6.3 had it (two processors more, and padding).
const MODIFIED_RECORD_HEADERS: [usize; 2] = [24, 28];
/// Record headers that must make sense before another layout than the first is believed: the second is where the first
/// goes wrong.
const TRIED: usize = 2;
/// Since this minor version the captured length stands before the length on the wire; in the one before it, either way.
const LENGTHS_IN_ORDER: u16 = 4;
/// The major version of `tcpdump` on DG/UX, with the lengths as in the oldest files.
const DG_UX: u16 = 543;
const MODIFIED: u32 = 0xa1b2_cd34;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

type Parsed<'a> = Result<(&'a [u8], LegacyPcapBlock<'a>), nom::Err<PcapError<&'a [u8]>>>;

pub(super) struct Layout {
    link: LinkType,
    /// Nanoseconds in a unit of the second time field.
    unit: u64,
    big_endian: bool,
    record_header: usize,
    /// Whether the two lengths may stand the other way round: the captured one is the smaller.
    swapped: bool,
    /// For records as nearly every file has them.
    parse: Option<for<'a> fn(&'a [u8]) -> Parsed<'a>>,
}

/// A record that is there in full.
struct Raw<'a> {
    seconds: u32,
    fraction: u32,
    wire_len: u32,
    data: &'a [u8],
    rest: &'a [u8],
}

impl Layout {
    /// Reads the file header, and the first record headers where several layouts have the same.
    pub fn read(tape: &mut Tape) -> Result<Self, Fault> {
        tape.want(HEADER, "the file header before packet")?;
        let header = &tape.blocks.bytes()[..HEADER];
        let big_endian = header[0] == 0xa1;
        let word = |at| word(header, at, big_endian);
        let (magic, versions) = (word(0), word(4));
        // Two numbers of two bytes, each in the byte order of the file.
        let (major, minor) =
            if big_endian { (versions >> 16, versions & 0xffff) } else { (versions & 0xffff, versions >> 16) };
        #[allow(clippy::cast_possible_truncation)] // halves of a word
        let (major, minor) = (major as u16, minor as u16);
        // The upper bits say how long the frame check sequence is, where one is kept.
        let network = word(20) & 0x03ff_ffff;
        if major < 2 {
            return Err(tape.corrupt(&format!("a pcap file of version {major}.{minor}, which nobody has described")));
        }
        let aix = (magic, major, minor) == (0xa1b2_c3d4, 2, 2);
        let aix = aix.then(|| interface_type(network)).flatten();
        let mut layout = Layout {
            link: LinkType(aix.unwrap_or(network)),
            unit: if magic == NANOSECONDS || aix.is_some() { 1 } else { 1000 },
            big_endian,
            record_header: RECORD_HEADER,
            swapped: major == DG_UX || (major == 2 && minor < LENGTHS_IN_ORDER),
            parse: None,
        };
        tape.blocks.consume(HEADER);
        if !layout.swapped && magic != NANOSECONDS {
            let candidates = if magic == MODIFIED { &MODIFIED_RECORD_HEADERS[..] } else { &RECORD_HEADERS };
            layout.record_header = layout.told_by_content(tape, candidates);
        }
        if !layout.swapped && layout.record_header == RECORD_HEADER {
            layout.parse = Some(if big_endian { parse_pcap_frame_be } else { parse_pcap_frame });
        }
        Ok(layout)
    }

    /// The first length of a record header that fits; the first of all where none does. Waits for the second record.
    fn told_by_content(&self, tape: &mut Tape, candidates: &[usize]) -> usize {
        for (place, &header) in candidates.iter().enumerate() {
            let mut at = 0;
            let mut fit = 0;
            let wrong = loop {
                if fit == TRIED || !tape.blocks.look_ahead(at + header) {
                    break false;
                }
                let record = &tape.blocks.bytes()[at..];
                let (captured, wire_len) = self.lengths(record);
                let fraction = u64::from(word(record, 4, self.big_endian));
                if fraction * self.unit >= 1_000_000_000 || captured as usize > MAX_CAPTURED || captured > wire_len {
                    break true;
                }
                fit += 1;
                at += header + captured as usize;
            };
            if !wrong && (place == 0 || fit == TRIED) {
                return header;
            }
        }
        candidates[0]
    }

    pub fn records(&mut self, tape: &mut Tape, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        while !tape.is_at_end()? {
            tape.want(RECORD_HEADER, "packet")?;
            if is_file_header(tape.blocks.bytes()) {
                *self = Layout::read(tape)?;
                tape.account.note("further pcap files joined to the first, as `zcat a.gz b.gz` does", 1);
                continue;
            }
            let captured = self.lengths(tape.blocks.bytes()).0 as usize;
            if captured > MAX_CAPTURED {
                return Err(tape.corrupt(&format!("a packet of {captured} bytes, more than any capture holds")));
            }
            // Every record that is there in full, then the next block.
            let Tape { blocks, account } = tape;
            let mut rest = blocks.bytes();
            while let Some(record) = self.record(rest)
                && record.data.len() <= MAX_CAPTURED
                && (!record.data.is_empty() || !is_file_header(rest))
            {
                let time = Timestamp::new(record.seconds.into(), u64::from(record.fraction) * self.unit);
                sink(Record::Frame(account.frame(time, self.link, record.wire_len, record.data), blocks.block()));
                rest = record.rest;
            }
            let done = blocks.bytes().len() - rest.len();
            if done > 0 {
                blocks.consume(done);
            } else {
                // A record that straddles two blocks, or the end of the file.
                tape.want(self.record_header + captured, "packet")?;
            }
        }
        Ok(())
    }

    /// The record at the beginning, if it is there in full.
    #[inline]
    fn record<'a>(&self, bytes: &'a [u8]) -> Option<Raw<'a>> {
        if let Some(parse) = self.parse {
            let (rest, record) = parse(bytes).ok()?;
            let LegacyPcapBlock { ts_sec, ts_usec, origlen, data, .. } = record;
            return Some(Raw { seconds: ts_sec, fraction: ts_usec, wire_len: origlen, data, rest });
        }
        self.rare_record(bytes)
    }

    #[cold]
    fn rare_record<'a>(&self, bytes: &'a [u8]) -> Option<Raw<'a>> {
        let (header, after) = bytes.split_at_checked(self.record_header)?;
        let (captured, wire_len) = self.lengths(header);
        let (data, rest) = after.split_at_checked(captured as usize)?;
        let (seconds, fraction) = (word(header, 0, self.big_endian), word(header, 4, self.big_endian));
        Some(Raw { seconds, fraction, wire_len, data, rest })
    }

    /// The captured length and that on the wire, as the record header states them; it is there.
    #[inline]
    fn lengths(&self, record: &[u8]) -> (u32, u32) {
        let (first, second) = (word(record, 8, self.big_endian), word(record, 12, self.big_endian));
        if self.swapped { (first.min(second), first.max(second)) } else { (first, second) }
    }
}

/// The link type that AIX means by an interface type (the ifType of RFC 1573), where it is one of those that it captures on.
/// Version 2.2 of libpcap itself had no link types of these numbers but 9, for PPP, which is rarer.
const fn interface_type(number: u32) -> Option<u32> {
    match number {
        6 => Some(1),   // Ethernet
        9 => Some(6),   // token ring
        15 => Some(10), // FDDI
        24 => Some(0),  // loopback
        _ => None,
    }
}

#[inline]
fn word(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
}

/// Whether a file header begins here: a magic number and a version from 2.0 to 2.4, each in the same byte order. Read as a
/// record it would be a packet of no bytes, captured in 2055 or later.
fn is_file_header(bytes: &[u8]) -> bool {
    let Some([magic, _, _, _, version @ ..]) = bytes.first_chunk::<8>() else { return false };
    let fits = if *magic == 0xa1 { matches!(version, [0, 2, 0, 0..=4]) } else { matches!(version, [2, 0, 0..=4, 0]) };
    fits && recognise(bytes) == Some(Kind::Pcap)
}
