//! The pcap format (draft-ietf-opsawg-pcap): one link type for the file, both byte orders, micro- and nanoseconds.

use super::capture_file::{Fault, Kind, MAX_CAPTURED, Record, Tape, recognise};
use crate::frame::{LinkType, Timestamp};
use pcap_parser::pcap::LegacyPcapBlock;
use pcap_parser::{
    PcapError, nom, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified, parse_pcap_header,
};

const HEADER: usize = 24;
/// Seconds, fraction, captured length, length on the wire.
const RECORD_HEADER: usize = 16;
/// Interface, protocol and packet type more (Kuznetsov's patch to libpcap 0.4).
const MODIFIED_RECORD_HEADER: usize = 24;

type Parsed<'a> = Result<(&'a [u8], LegacyPcapBlock<'a>), nom::Err<PcapError<&'a [u8]>>>;

pub(super) struct Layout {
    link: LinkType,
    /// Nanoseconds in a unit of the second time field.
    unit: u64,
    big_endian: bool,
    record_header: usize,
    parse: for<'a> fn(&'a [u8]) -> Parsed<'a>,
}

impl Layout {
    /// Reads the file header.
    pub fn read(tape: &mut Tape) -> Result<Self, Fault> {
        tape.want(HEADER, "the file header before packet")?;
        let (_, header) = parse_pcap_header(&tape.blocks.bytes()[..HEADER])
            .map_err(|_| tape.corrupt("a pcap header that cannot be read"))?;
        let big_endian = tape.blocks.bytes()[0] == 0xa1;
        let layout = Layout {
            // The upper bits say how long the frame check sequence is, where one is kept.
            link: LinkType(header.network.0.cast_unsigned() & 0x03ff_ffff),
            unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
            big_endian,
            record_header: if header.is_modified_format() { MODIFIED_RECORD_HEADER } else { RECORD_HEADER },
            parse: match (header.is_modified_format(), big_endian) {
                (false, false) => parse_pcap_frame,
                (false, true) => parse_pcap_frame_be,
                (true, false) => parse_pcap_frame_modified,
                (true, true) => {
                    return Err(tape.corrupt("a modified pcap header in big-endian order, which is not read"));
                }
            },
        };
        tape.blocks.consume(HEADER);
        Ok(layout)
    }

    pub fn records(&mut self, tape: &mut Tape, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        while !tape.is_at_end()? {
            tape.want(RECORD_HEADER, "packet")?;
            if is_file_header(tape.blocks.bytes()) {
                *self = Layout::read(tape)?;
                tape.account.note("further pcap files joined to the first, as `zcat a.gz b.gz` does", 1);
                continue;
            }
            let captured = self.captured_len(tape.blocks.bytes());
            if captured > MAX_CAPTURED {
                return Err(tape.corrupt(&format!("a packet of {captured} bytes, more than any capture holds")));
            }
            // Every record that is there in full, then the next block.
            let Tape { blocks, account } = tape;
            let mut rest = blocks.bytes();
            while let Ok((after, record)) = (self.parse)(rest)
                && record.caplen as usize <= MAX_CAPTURED
                && (record.caplen > 0 || !is_file_header(rest))
            {
                let time = Timestamp::new(record.ts_sec.into(), u64::from(record.ts_usec) * self.unit);
                sink(Record::Frame(account.frame(time, self.link, record.origlen, record.data), blocks.block()));
                rest = after;
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

    /// The captured length as the record header states it; the header is there.
    #[inline]
    fn captured_len(&self, record: &[u8]) -> usize {
        let field = [record[8], record[9], record[10], record[11]];
        (if self.big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }) as usize
    }
}

/// Whether a file header begins here: a magic number and version 2.4, each in the same byte order. Read as a record it
/// would be a packet of no bytes, captured in 2055 or later.
fn is_file_header(bytes: &[u8]) -> bool {
    let version = |little: [u8; 4]| bytes.get(4..8).is_some_and(|found| found == little);
    match recognise(bytes) {
        Some(Kind::Pcap) if bytes[0] == 0xa1 => version([0, 2, 0, 4]),
        Some(Kind::Pcap) => version([2, 0, 4, 0]),
        _ => false,
    }
}
