//! The pcap format (draft-ietf-opsawg-pcap): one link type for the file, both byte orders, micro- and nanoseconds.

use super::capture_file::{Fault, MAX_CAPTURED, Record, Tape};
use crate::frame::{LinkType, Timestamp};
use pcap_parser::pcap::LegacyPcapBlock;
use pcap_parser::{PcapError, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};

const HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
/// Eight bytes more in each record: interface, protocol, packet type (Kuznetsov's patch to libpcap 0.4).
const MODIFIED_RECORD_HEADER: usize = 24;

type Parsed<'a> = Result<(&'a [u8], LegacyPcapBlock<'a>), nom_error::Error<'a>>;
type Parse = for<'a> fn(&'a [u8]) -> Parsed<'a>;

/// The error type of pcap-parser's functions.
mod nom_error {
    pub type Error<'a> = pcap_parser::nom::Err<super::PcapError<&'a [u8]>>;
}

pub(super) struct Layout {
    link: LinkType,
    /// Nanoseconds in a unit of the second time field.
    unit: u64,
    record_header: usize,
    parse: Parse,
    big_endian: bool,
}

impl Layout {
    /// Reads the file header.
    pub fn read(tape: &mut Tape) -> Result<Self, Fault> {
        tape.want(HEADER, "the file header before packet")?;
        let (_, header) = parse_pcap_header(&tape.blocks.bytes()[..HEADER])
            .map_err(|_| tape.corrupt("a pcap header that cannot be read"))?;
        let modified = header.is_modified_format();
        let big_endian = tape.blocks.bytes()[0] == 0xa1;
        let parse: Parse = if big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
        let layout = Layout {
            // The upper bits say how long the frame check sequence is, where one is kept.
            link: LinkType(header.network.0.cast_unsigned() & 0x03ff_ffff),
            unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
            record_header: if modified { MODIFIED_RECORD_HEADER } else { RECORD_HEADER },
            parse,
            big_endian,
        };
        tape.blocks.consume(HEADER);
        Ok(layout)
    }

    pub fn records(&mut self, tape: &mut Tape, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        while !tape.is_at_end()? {
            tape.want(self.record_header, "packet")?;
            let captured = self.captured_len(tape.blocks.bytes());
            if captured > MAX_CAPTURED {
                return Err(tape.corrupt(&format!("a packet of {captured} bytes, more than any capture holds")));
            }
            let record_len = self.record_header + captured;
            tape.want(record_len, "packet")?;
            // The eight bytes that the modified header has more lie between header and data.
            let extra = self.record_header - RECORD_HEADER;
            let Ok((_, record)) = (self.parse)(&tape.blocks.bytes()[..record_len]) else {
                return Err(tape.corrupt("a packet that cannot be read"));
            };
            let time = Timestamp::new(record.ts_sec.into(), u64::from(record.ts_usec) * self.unit);
            let (link, wire_len) = (self.link, record.origlen);
            let data = RECORD_HEADER + extra..record_len;
            sink(Record::Frame(tape.frame(time, link, wire_len, data)));
            tape.blocks.consume(record_len);
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
