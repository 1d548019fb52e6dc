//! The pcapng format (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces with link types and clocks of
//! their own, blocks that nobody here knows.

use super::blocks::MAX_HELD;
use super::capture_file::{Fault, MAX_CAPTURED, Record, Tape};
use crate::frame::{LinkType, Timestamp};
use crate::skip::Skip;
use pcap_parser::OptionCode;
use pcap_parser::pcapng::{
    parse_enhancedpacketblock_be, parse_enhancedpacketblock_le, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le,
};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// The packet block of the format's first draft, obsolete since and still met.
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Blocks that Wireshark numbers like packets: systemd journal entries, sysdig's events, and custom blocks, whether or not
/// they may be copied.
const NUMBERED: [u32; 9] = [9, 0x204, 0x208, 0x216, 0x217, 0x221, 0x223, 0x0bad, 0x4000_0bad];

/// Type, length, and length again at the end.
const MIN_BLOCK: usize = 12;
/// Interfaces of one section: as many as the obsolete packet block can number.
const MAX_INTERFACES: usize = 65_536;
/// The magic number that shows a section's byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    snap_len: u32,
    /// Clock ticks in a second.
    resolution: u64,
    /// Seconds to be added to every time.
    offset: i64,
}

impl Interface {
    #[inline]
    fn time(&self, ticks: u64) -> Timestamp {
        let nanoseconds = match self.resolution {
            1_000_000 => ticks.saturating_mul(1000),
            1_000_000_000 => ticks,
            resolution => {
                let exact = u128::from(ticks) * 1_000_000_000 / u128::from(resolution);
                u64::try_from(exact).unwrap_or(u64::MAX)
            }
        };
        let shift = self.offset.unsigned_abs().saturating_mul(1_000_000_000);
        Timestamp(if self.offset < 0 { nanoseconds.saturating_sub(shift) } else { nanoseconds.saturating_add(shift) })
    }
}

#[derive(Default)]
pub(super) struct Layout {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of sections that have ended.
    before: usize,
    /// The first packet of an interface that was never described.
    undescribed: Option<String>,
}

impl Layout {
    pub fn records(&mut self, tape: &mut Tape, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        while !tape.is_at_end()? {
            tape.want(MIN_BLOCK, "the block before packet")?;
            let kind = self.word(tape, 0);
            if kind == SECTION_HEADER {
                self.section(tape)?;
                continue;
            }
            let len = self.word(tape, 4) as usize;
            if len < MIN_BLOCK || !len.is_multiple_of(4) {
                return Err(tape.corrupt(&format!("a block that claims {len} bytes")));
            }
            match kind {
                ENHANCED_PACKET | OLD_PACKET | SIMPLE_PACKET | INTERFACE | STATISTICS if len > MAX_HELD => {
                    return Err(tape.corrupt(&format!("a block of type {kind} that claims {len} bytes")));
                }
                ENHANCED_PACKET => self.enhanced(tape, len, sink)?,
                OLD_PACKET => self.old(tape, len, sink)?,
                SIMPLE_PACKET => self.simple(tape, len, sink)?,
                INTERFACE => self.interface(tape, len)?,
                STATISTICS => self.statistics(tape, len)?,
                kind => {
                    let missing = tape.blocks.skip(len as u64)?;
                    if missing > 0 {
                        return Err(Fault::Truncated(format!(
                            "the file ends inside a block of type {kind} before packet {}, {missing} bytes short",
                            tape.next_number()
                        )));
                    }
                    if NUMBERED.contains(&kind) {
                        sink(tape.account.unreadable(Skip::NotAPacket));
                    }
                }
            }
        }
        // Packets behind it could be read all the same; the file contradicts itself nevertheless.
        self.undescribed.take().map_or(Ok(()), |problem| Err(Fault::Corrupt(problem)))
    }

    /// A word of the block at hand, in the section's byte order; it is there.
    #[inline]
    fn word(&self, tape: &Tape, at: usize) -> u32 {
        let bytes = tape.blocks.bytes();
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }

    /// A new section: byte order and interfaces begin afresh.
    fn section(&mut self, tape: &mut Tape) -> Result<(), Fault> {
        self.big_endian = false;
        self.before += self.interfaces.len();
        self.interfaces.clear();
        match self.word(tape, 8) {
            BYTE_ORDER => {}
            order if order.swap_bytes() == BYTE_ORDER => self.big_endian = true,
            _ => return Err(tape.corrupt("a section header without byte order")),
        }
        let len = self.word(tape, 4);
        if len < 28 || !len.is_multiple_of(4) {
            return Err(tape.corrupt(&format!("a section header that claims {len} bytes")));
        }
        let missing = tape.blocks.skip(len.into())?;
        if missing > 0 {
            return Err(Fault::Truncated(format!("the file ends inside a section header, {missing} bytes short")));
        }
        Ok(())
    }

    fn interface(&mut self, tape: &mut Tape, len: usize) -> Result<(), Fault> {
        tape.want(len, "an interface description before packet")?;
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(tape.corrupt("more interfaces than a capture can have"));
        }
        let parse =
            if self.big_endian { parse_interfacedescriptionblock_be } else { parse_interfacedescriptionblock_le };
        let Ok((_, block)) = parse(&tape.blocks.bytes()[..len]) else {
            return Err(tape.corrupt("an interface description that cannot be read"));
        };
        // pcap-parser 0.17 refuses every binary clock and reads the offset in one byte order only, so both are read here.
        let resolution = ticks_per_second(block.if_tsresol);
        let offset = block.options.iter().find(|option| option.code == OptionCode::IfTsoffset);
        let offset = offset
            .and_then(|option| option.value.first_chunk())
            .map_or(0, |bytes| if self.big_endian { i64::from_be_bytes(*bytes) } else { i64::from_le_bytes(*bytes) });
        let interface = Interface {
            link: LinkType(block.linktype.0.cast_unsigned() & 0xffff),
            snap_len: block.snaplen,
            resolution: resolution.unwrap_or(1_000_000),
            offset,
        };
        let name = block.options.iter().find(|option| option.code == OptionCode::IfName);
        let name = name.map(|option| String::from_utf8_lossy(&option.value).trim_end_matches('\0').to_owned());
        tape.account.name_interface(&name.unwrap_or_default());
        if resolution.is_none() {
            tape.account.note("interfaces with an impossible clock, taken for microseconds", 1);
        }
        self.interfaces.push(interface);
        tape.blocks.consume(len);
        Ok(())
    }

    fn enhanced(&mut self, tape: &mut Tape, len: usize, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        tape.want(len, "packet")?;
        let parse = if self.big_endian { parse_enhancedpacketblock_be } else { parse_enhancedpacketblock_le };
        let Ok((_, block)) = parse(&tape.blocks.bytes()[..len]) else {
            return Err(tape.corrupt("a packet block that cannot be read"));
        };
        let (id, caplen, wire_len) = (block.if_id as usize, block.caplen as usize, block.origlen);
        let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
        self.packet(tape, id, Some(ticks), wire_len, 28..28usize.saturating_add(caplen), len, sink)
    }

    /// As the enhanced one, but for an interface number of two bytes and a count of drops after it.
    fn old(&mut self, tape: &mut Tape, len: usize, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        tape.want(len, "packet")?;
        if len < 32 {
            return Err(tape.corrupt("a packet block without room for its header"));
        }
        let both = self.word(tape, 8);
        let id = if self.big_endian { both >> 16 } else { both & 0xffff } as usize;
        let ticks = u64::from(self.word(tape, 12)) << 32 | u64::from(self.word(tape, 16));
        let (caplen, wire_len) = (self.word(tape, 20) as usize, self.word(tape, 24));
        self.packet(tape, id, Some(ticks), wire_len, 28..28usize.saturating_add(caplen), len, sink)
    }

    /// A packet of the first interface, without a time, cut at the interface's snap length.
    fn simple(&mut self, tape: &mut Tape, len: usize, sink: &mut impl FnMut(Record<'_>)) -> Result<(), Fault> {
        tape.want(len, "packet")?;
        if len < 16 {
            return Err(tape.corrupt("a packet block without room for its header"));
        }
        let wire_len = self.word(tape, 8);
        let snap_len = self.interfaces.first().map_or(0, |interface| interface.snap_len);
        let snap_len = if snap_len == 0 { u32::MAX } else { snap_len };
        let captured = (wire_len.min(snap_len) as usize).min(len - 16);
        self.packet(tape, 0, None, wire_len, 12..12 + captured, len, sink)
    }

    #[allow(clippy::too_many_arguments)] // the fields that three kinds of block share
    #[inline]
    fn packet(
        &mut self,
        tape: &mut Tape,
        id: usize,
        ticks: Option<u64>,
        wire_len: u32,
        data: std::ops::Range<usize>,
        len: usize,
        sink: &mut impl FnMut(Record<'_>),
    ) -> Result<(), Fault> {
        if data.len() > MAX_CAPTURED || data.end > len - 4 {
            return Err(tape.corrupt(&format!("a packet of {} bytes in a block of {len}", data.len())));
        }
        match self.interfaces.get(id) {
            None => {
                let problem = || tape.corrupt(&format!("a packet of interface {id}, which was never described"));
                if self.undescribed.is_none()
                    && let Fault::Corrupt(problem) = problem()
                {
                    self.undescribed = Some(problem);
                }
                sink(tape.account.unreadable(Skip::NoInterface));
            }
            Some(interface) => {
                let time = ticks.map_or(Timestamp::UNKNOWN, |ticks| interface.time(ticks));
                let Tape { blocks, account } = tape;
                account.interface = u32::try_from(self.before + id).unwrap_or(u32::MAX);
                let frame = account.frame(time, interface.link, wire_len, &blocks.bytes()[data]);
                sink(Record::Frame(frame, blocks.block()));
            }
        }
        tape.blocks.consume(len);
        Ok(())
    }

    /// What the capturing program says it lost: options 5 (interface) and 7 (operating system), 64-bit counts.
    fn statistics(&mut self, tape: &mut Tape, len: usize) -> Result<(), Fault> {
        tape.want(len, "a statistics block before packet")?;
        let mut at = 20;
        while at + 4 <= len - 4 {
            let head = self.word(tape, at);
            let (code, size) = if self.big_endian { (head >> 16, head & 0xffff) } else { (head & 0xffff, head >> 16) };
            let value = at + 4;
            at = value + (size as usize).next_multiple_of(4);
            if code == 0 || at > len - 4 {
                break;
            }
            if matches!(code, 5 | 7) && size == 8 {
                let (a, b) = (u64::from(self.word(tape, value)), u64::from(self.word(tape, value + 4)));
                let dropped = if self.big_endian { a << 32 | b } else { b << 32 | a };
                if dropped > 0 {
                    let what = if code == 5 {
                        "packets dropped by the interface while capturing"
                    } else {
                        "packets dropped by the system while capturing"
                    };
                    tape.account.note(what, dropped);
                }
            }
        }
        tape.blocks.consume(len);
        Ok(())
    }
}

/// The option `if_tsresol`: a negative power of ten, or of two where the first bit is set. `None` beyond 64 bits.
fn ticks_per_second(option: u8) -> Option<u64> {
    match option {
        0x80.. => 1u64.checked_shl((option & 0x7f).into()),
        _ => 10u64.checked_pow(option.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_every_kind_give_nanoseconds() {
        let at =
            |resolution, offset, ticks| Interface { link: LinkType(1), snap_len: 0, resolution, offset }.time(ticks).0;
        assert_eq!(at(1_000_000, 0, 1_500_000), 1_500_000_000);
        assert_eq!(at(1_000_000_000, 0, 7), 7);
        assert_eq!(at(1 << 10, 0, 1 << 9), 500_000_000);
        assert_eq!(at(1, -5, 6), 1_000_000_000);
        assert_eq!(at(1, 5, 6), 11_000_000_000);
        assert_eq!(at(1, i64::MAX, u64::MAX), u64::MAX);
        assert_eq!(at(1, i64::MIN, 5), 0);
    }
}
