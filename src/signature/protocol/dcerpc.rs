//! DCE/RPC over TCP (C706, section 12.6): a bind whose fragment length fits, answered by its acknowledgement.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// The packet type of a connection-oriented header: version 5.0 or 5.1, little-endian or big-endian, length as sent.
fn kind(stream: &[u8]) -> Option<u8> {
    let head = stream.first_chunk::<16>()?;
    let length = match head[4] {
        0x10 => u16::from_le_bytes([head[8], head[9]]),
        0x00 => u16::from_be_bytes([head[8], head[9]]),
        _ => return None,
    };
    let plausible = head[0] == 5 && head[1] <= 1 && head[3] & 0x80 == 0 && head[5..8] == [0, 0, 0] && length >= 16;
    plausible.then_some(head[2])
}

fn asked(said: &Said<'_>) -> Option<String> {
    let kind = kind(said.first()?)?;
    matches!(kind, 0 | 11 | 14 | 16).then(|| if kind == 11 { "bind".to_owned() } else { String::new() })
}

fn answered(said: &Said<'_>) -> Option<String> {
    matches!(kind(said.first()?)?, 2 | 3 | 12 | 13 | 15).then(String::new)
}

const BIND: &[u8] = b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xd0\x16\xd0\x16";
const ACK: &[u8] = b"\x05\0\x0c\x03\x10\0\0\0\x3c\0\0\0\x01\0\0\0\xd0\x16\xd0\x16";

pub const PROTOCOL: Coded = Coded {
    id: "dcerpc",
    protocol: "dcerpc",
    about: "Microsoft's or DCE's remote procedure calls over TCP: a bind or a request, and the answer.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1021"),
    transports: &[Transport::Tcp],
    client: Some(asked),
    server: Some(answered),
    symmetric: false,
    one_side: false,
    alone: Alone::Either,
    hits: &[Example { client: &[BIND], server: &[ACK] }],
    misses: &[
        Example { client: &[ACK], server: &[] },
        Example { client: &[BIND], server: &[b"HTTP/1.1 400 Bad Request"] },
    ],
};
