//! What a source hands to the core: one captured frame, its time and its place. Knows nothing of what is inside it.

use serde::Serialize;
use std::fmt;
use std::num::NonZeroU64;

/// LINKTYPE numbers of frames that hold IP where gapwatch can find it (<https://www.tcpdump.org/linktypes.html>), with their names.
const LINK_TYPES: [(u32, &str); 32] = [
    (0, "NULL"),
    (1, "ETHERNET"),
    (6, "IEEE802_5"),
    (8, "SLIP"),
    (9, "PPP"),
    (10, "FDDI"),
    (12, "RAW"), // DLT_RAW where a file holds the DLT instead of the LINKTYPE number
    (14, "RAW"), // the same on OpenBSD
    (50, "PPP_HDLC"),
    (51, "PPP_ETHER"),
    (100, "ATM_RFC1483"),
    (101, "RAW"),
    (104, "C_HDLC"),
    (105, "IEEE802_11"),
    (107, "FRELAY"),
    (108, "LOOP"),
    (109, "ENC"),
    (113, "LINUX_SLL"),
    (117, "PFLOG"),
    (119, "IEEE802_11_PRISM"),
    (122, "IP_OVER_FC"),
    (127, "IEEE802_11_RADIOTAP"),
    (138, "APPLE_IP_OVER_IEEE1394"),
    (163, "IEEE802_11_AVS"),
    (226, "IPNET"),
    (228, "IPV4"),
    (229, "IPV6"),
    (239, "NFLOG"),
    (240, "NETANALYZER"),
    (258, "PKTAP"),
    (274, "ETHERNET_MPACKET"),
    (276, "LINUX_SLL2"),
];

/// Names of link types that are met in the field and hold no IP that gapwatch reads.
const OTHER_LINK_TYPES: [(u32, &str); 10] = [
    (7, "ARCNET_BSD"),
    (147, "USER0"),
    (149, "USER2"), // of macOS's PKTAP where a file holds the DLT
    (187, "BLUETOOTH_HCI_H4"),
    (189, "USB_LINUX"),
    (195, "IEEE802_15_4_WITHFCS"),
    (220, "USB_LINUX_MMAPPED"),
    (227, "CAN_SOCKETCAN"),
    (241, "NETANALYZER_TRANSPARENT"),
    (253, "NETLINK"),
];

/// Nanoseconds since 1970-01-01 UTC, as the capture says; [`Timestamp::UNKNOWN`] where it says nothing
/// (pcapng simple packets carry no time). Reaches to the year 2554; what lies beyond is held at the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time of a frame whose capture recorded none.
    pub const UNKNOWN: Timestamp = Timestamp(0);

    /// From a second count and a fraction already in nanoseconds; saturates.
    #[must_use]
    pub const fn new(seconds: u64, nanoseconds: u64) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }

    /// Whether the capture recorded a time.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0 != 0
    }

    /// Nanoseconds from `earlier` to here; 0 when the clock ran backwards.
    #[must_use]
    pub const fn since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// RFC 3339 in UTC with nine decimals; empty for an unknown time.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_known() {
            return Ok(());
        }
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => write!(f, "{time:.9}"),
            Err(_) => Ok(()), // a u64 of nanoseconds always fits
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_known() { serializer.collect_str(self) } else { serializer.serialize_none() }
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "RFC 3339 in UTC, with nanoseconds; null where it is not known",
            "type": ["string", "null"],
            "format": "date-time",
        })
    }
}

/// A link-layer header type by its LINKTYPE number (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// The LINKTYPE name, without the prefix; empty for one that is in no list here.
    #[must_use]
    pub fn name(self) -> &'static str {
        let lists = LINK_TYPES.iter().chain(&OTHER_LINK_TYPES);
        lists.copied().find(|&(number, _)| number == self.0).map_or("", |(_, name)| name)
    }
}

/// Where a frame lies: the input (by its place in the report's list) and its number there, from 1, as Wireshark counts.
// One word, because a table holds a great many of them; it keeps their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(into = "Place")]
pub struct FrameRef(NonZeroU64);

/// A reference to a frame, spelt out.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename = "FrameRef")]
struct Place {
    input: u32,
    number: u64,
}

/// Bits for the number: a million million frames of an input, and sixteen million inputs.
const NUMBER_BITS: u32 = 40;
const MAX_NUMBER: u64 = (1 << NUMBER_BITS) - 1;
const MAX_INPUT: u64 = u64::MAX >> NUMBER_BITS;

impl FrameRef {
    /// Holds both at what there is room for.
    #[must_use]
    pub const fn new(input: u32, number: u64) -> Self {
        let input = if input as u64 > MAX_INPUT { MAX_INPUT } else { input as u64 };
        let number = if number > MAX_NUMBER { MAX_NUMBER } else { number };
        match NonZeroU64::new(input << NUMBER_BITS | number) {
            Some(word) => FrameRef(word),
            None => FrameRef(NonZeroU64::MIN), // frames are numbered from 1
        }
    }

    #[must_use]
    pub const fn input(self) -> u32 {
        (self.0.get() >> NUMBER_BITS) as u32
    }

    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get() & MAX_NUMBER
    }
}

/// The first frame of the first input.
impl Default for FrameRef {
    fn default() -> Self {
        FrameRef::new(0, 1)
    }
}

impl From<FrameRef> for Place {
    fn from(at: FrameRef) -> Self {
        Place { input: at.input(), number: at.number() }
    }
}

impl fmt::Debug for FrameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} of input {}", self.number(), self.input())
    }
}

/// A moment and a place in the capture. The order is total over all inputs of a run, so "the first" never depends on
/// the order in which frames were read.
// Aligned to four bytes only: a table holds a great many, each with a number of four bytes beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C, packed(4))]
pub struct Stamp {
    pub time: Timestamp,
    pub at: FrameRef,
}

/// One captured frame, borrowed from its source.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub time: Timestamp,
    pub link: LinkType,
    /// Bytes that were on the wire; may exceed `bytes.len()` where a snap length cut the frame.
    pub wire_len: u32,
    pub bytes: &'a [u8],
    pub at: FrameRef,
    /// Which interface of its input it came from, in the order of the file; 0 where there is one, or where nobody will ask.
    pub interface: u32,
}

impl Frame<'_> {
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { time: self.time, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_ordered_by_input_and_number_and_held_at_the_limit() {
        let places = [(0, 1), (0, MAX_NUMBER), (1, 1), (7, 2), (u32::MAX >> 8, MAX_NUMBER)];
        assert!(places.map(|(input, number)| FrameRef::new(input, number)).is_sorted());
        assert!(places.iter().all(|&(input, number)| {
            let at = FrameRef::new(input, number);
            (at.input(), at.number()) == (input, number)
        }));
        assert_eq!(FrameRef::new(u32::MAX, u64::MAX), FrameRef::new(u32::MAX >> 8, MAX_NUMBER));
        assert_eq!(size_of::<Option<Stamp>>(), 16);
    }

    #[test]
    fn times_are_written_with_nine_decimals_in_utc() {
        assert_eq!(Timestamp::new(1_000_000_000, 5).to_string(), "2001-09-09T01:46:40.000000005Z");
        assert_eq!(Timestamp::UNKNOWN.to_string(), "");
        assert_eq!(Timestamp(u64::MAX).to_string(), "2554-07-21T23:34:33.709551615Z");
    }
}
