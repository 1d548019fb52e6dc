//! The framing of Gh0st and its many descendants: a tag, the length of all, the length unpacked, and zlib.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;
use crate::signature::quote;

/// Tags are five letters in the original and up to this long in its descendants.
const MAX_TAG: usize = 13;
const MIN_TAG: usize = 3;
/// The most that a packet of this family is believed to hold.
const MAX_LENGTH: u32 = 64 << 20;

fn framed(said: &Said<'_>) -> Option<String> {
    let stream = said.first()?;
    (MIN_TAG..=MAX_TAG).find_map(|tag| {
        let (name, rest) = stream.split_at_checked(tag)?;
        let (lengths, body) = rest.split_first_chunk::<8>()?;
        let total = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]);
        let plain = u32::from_le_bytes([lengths[4], lengths[5], lengths[6], lengths[7]]);
        let least = u32::try_from(tag + 8 + 6).ok()?; // an empty zlib stream
        let fits = (least..MAX_LENGTH).contains(&total)
            && (1..MAX_LENGTH).contains(&plain)
            && plain / 1032 <= total // zlib packs no better than 1:1032
            && name.iter().all(u8::is_ascii_graphic);
        let packed = matches!(body, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]);
        (fits && packed).then(|| format!("tag {}, {total} bytes", quote(name)))
    })
}

const LOGIN: &[u8] = b"Gh0st\x16\0\0\0\x01\0\0\0\x78\x9c\x4b\x04\0\0\x62\0\x62";

pub const PROTOCOL: Coded = Coded {
    id: "rat.gh0st",
    protocol: "gh0st",
    about: "A packet of the Gh0st family of remote access tools: a short tag, total and unpacked length, zlib.",
    class: Class::Suspicious,
    weight: Weight::DECISIVE,
    attack: Some("T1095"),
    transports: &[Transport::Tcp],
    client: Some(framed),
    server: Some(framed),
    symmetric: true,
    one_side: true,
    alone: Alone::Either,
    hits: &[Example { client: &[LOGIN], server: &[] }],
    misses: &[Example { client: &[b"Gh0st\x16\0\0\0\x01\0\0\0plain text"], server: &[] }],
};
