//! QUIC (RFC 9000, section 17.2) and DTLS (RFC 6347, section 4.1): what they show before everything is encrypted.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// A client's first datagram is filled up to this size (RFC 9000, section 14.1); captures may cut it.
const INITIAL: usize = 1200;
/// Connection ids are at most this long in version 1.
const MAX_ID: u8 = 20;

/// The version of a packet with a long header.
fn version(message: &[u8]) -> Option<&'static str> {
    let &[first, a, b, c, d, id, ..] = message.first_chunk::<6>()?;
    let name = match [a, b, c, d] {
        [0, 0, 0, 1] => "version 1",
        [0x6b, 0x33, 0x43, 0xcf] => "version 2",
        [0xff, 0, 0, 16..=34] => "a draft",
        [b'Q' | b'T', b'0', ..] => "Google's version",
        _ => return None,
    };
    let second = *message.get(6 + usize::from(id))?;
    (first >= 0xc0 && id <= MAX_ID && second <= MAX_ID).then_some(name)
}

fn client_initial(said: &Said<'_>) -> Option<String> {
    said.iter().find_map(|message| version(message).filter(|_| message.len() >= INITIAL)).map(ToOwned::to_owned)
}

fn server_packet(said: &Said<'_>) -> Option<String> {
    // Version negotiation states version 0.
    let negotiates =
        |message: &&&[u8]| message.first().is_some_and(|first| first >= &0x80) && message.get(1..5) == Some(&[0; 4]);
    let versioned = said.iter().find_map(|message| version(message)).map(ToOwned::to_owned);
    versioned.or_else(|| said.iter().find(negotiates).map(|_| "version negotiation".to_owned()))
}

/// Bytes of a DTLS record header and of the handshake header behind it.
const RECORD: usize = 13;

fn handshake(message: &[u8], kinds: &[u8]) -> Option<&'static str> {
    let head = message.first_chunk::<{ RECORD + 1 }>()?;
    let version = match head[1..3] {
        [0xfe, 0xff] => "DTLS 1.0",
        [0xfe, 0xfd] => "DTLS 1.2",
        [0xfe, 0xfc] => "DTLS 1.3",
        _ => return None,
    };
    let length = usize::from(u16::from_be_bytes([head[11], head[12]]));
    (head[0] == 22 && head[3..5] == [0, 0] && length >= 12 && kinds.contains(&head[RECORD])).then_some(version)
}

fn client_hello(said: &Said<'_>) -> Option<String> {
    said.iter().find_map(|message| handshake(message, &[1])).map(ToOwned::to_owned)
}

fn server_hello(said: &Said<'_>) -> Option<String> {
    said.iter().find_map(|message| handshake(message, &[2, 3])).map(ToOwned::to_owned)
}

const LONG: [u8; INITIAL] = {
    let mut bytes = [0; INITIAL];
    bytes[0] = 0xc3;
    bytes[4] = 1;
    bytes[5] = 8;
    bytes
};
const HELLO: &[u8] = b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x50\x01\0\0\x44\0\0\0\0\0\0\0\x44\xfe\xfd";
const VERIFY: &[u8] = b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x23\x03\0\0\x17\0\0\0\0\0\0\0\x17\xfe\xff";

pub const QUIC: Coded = Coded {
    id: "quic",
    protocol: "quic",
    about: "A QUIC Initial packet of the size the standard asks for, and an answer of a known version.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1573.002"),
    transports: &[Transport::Udp],
    client: Some(client_initial),
    server: Some(server_packet),
    symmetric: false,
    one_side: false,
    alone: Alone::Client,
    hits: &[Example { client: &[&LONG], server: &[b"\xc3\0\0\0\x01\0\x08abcdefgh"] }],
    misses: &[Example { client: &[b"\xc3\0\0\0\x01\0\x08abcdefgh"], server: &[] }],
};

pub const DTLS: Coded = Coded {
    id: "dtls",
    protocol: "dtls",
    about: "A DTLS ClientHello, answered by a ServerHello or a request to verify.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1573.002"),
    transports: &[Transport::Udp],
    client: Some(client_hello),
    server: Some(server_hello),
    symmetric: false,
    one_side: false,
    alone: Alone::Either,
    hits: &[Example { client: &[HELLO], server: &[VERIFY] }],
    misses: &[Example { client: &[VERIFY], server: &[] }],
};
