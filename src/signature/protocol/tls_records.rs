//! TLS joined in the middle: records of application data one behind the other (RFC 8446, section 5.1), without the handshake.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// The longest record: 2^14 bytes, and what protection adds (RFC 5246, section 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;
/// A record of all the bytes that fit, before protection adds to them.
const FULL: usize = 5 + (1 << 14);
/// The shortest protected record: an alert with its tag.
const MIN_RECORD: usize = 17;

/// The length of the record that begins here, its header included.
fn record(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<5>()?;
    let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let known = matches!(header[0], 20..=24) && header[1] == 3 && (1..=4).contains(&header[2]);
    (known && (MIN_RECORD..=MAX_RECORD).contains(&length)).then_some(5 + length)
}

/// Whether a message is records that lead to its end, or one behind the other beyond it.
fn leads(message: &[u8]) -> bool {
    let (mut at, mut records) = (0, 0);
    while let Some(length) = message.get(at..).and_then(record) {
        at += length;
        records += 1;
    }
    // The last may end in a later segment, or where the capture cut it; of a full one the header alone is enough.
    let is_full = record(message).is_some_and(|length| (FULL..FULL + 256).contains(&length));
    message.first() == Some(&23) && (at == message.len() || ((records > 1 || is_full) && at > message.len()))
}

fn seen(said: &Said<'_>) -> Option<String> {
    said.iter().any(|message| leads(message)).then(|| "records, joined in the middle".to_owned())
}

pub const PROTOCOL: Coded = Coded {
    id: ID,
    protocol: "tls",
    about: "TLS records of application data that lead from one to the next, on a connection whose beginning was not captured.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: None,
    transports: &[Transport::Tcp],
    client: Some(seen),
    server: Some(seen),
    symmetric: true,
    one_side: true,
    alone: Alone::Either,
    hits: &[
        Example { client: &[b"\x17\x03\x03\0\x18abcdefghijklmnopqrstuvwx"], server: &[] },
        Example { client: &[], server: &[b"\x17\x03\x03\x40\x18abcdefghijklmnopqrstuvwx"] },
    ],
    misses: &[
        Example { client: &[b"\x17\x03\x03\0\x18abcdefghijklmnopqrstuvwxyz"], server: &[] },
        Example { client: &[b"\x17\x03\x03\x30\0abcd"], server: &[] },
    ],
};

/// Where a connection's beginning was captured, such records without a handshake are no TLS.
pub const ID: &str = "tls.records";
