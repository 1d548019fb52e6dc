//! RTP (RFC 3550, section 5.1): several packets of one source whose sequence numbers count up.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// Packets in a row that must count up; two would be chance once in 2^16, with the source once in 2^48.
const ROW: usize = 3;

/// Payload type, sequence number and source of a packet.
fn head(message: &[u8]) -> Option<(u8, u16, [u8; 4])> {
    let &[first, second, high, low, _, _, _, _, ref source @ ..] = message.first_chunk::<12>()?;
    let kind = second & 0x7f;
    // 72-76 would be RTCP (RFC 5761, section 4).
    (first >> 6 == 2 && !(72..=76).contains(&kind) && (kind <= 34 || kind >= 77)).then_some((
        kind,
        u16::from_be_bytes([high, low]),
        *source,
    ))
}

fn stream(said: &Said<'_>) -> Option<String> {
    let heads: Vec<_> = said.iter().map_while(|message| head(message)).collect();
    if heads.len() < ROW || heads.len() < said.len() {
        return None;
    }
    let follows =
        |pair: &[(u8, u16, [u8; 4])]| pair[0].2 == pair[1].2 && (1..=4).contains(&pair[1].1.wrapping_sub(pair[0].1));
    heads.windows(2).all(follows).then(|| format!("payload type {}", heads[0].0))
}

pub const PROTOCOL: Coded = Coded {
    id: "rtp",
    protocol: "rtp",
    about: "A stream of RTP: version 2, one source, sequence numbers that count up over all first packets of a side.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: None,
    transports: &[Transport::Udp],
    client: Some(stream),
    server: Some(stream),
    symmetric: true,
    one_side: true,
    alone: Alone::Either,
    hits: &[Example {
        client: &[
            b"\x80\x00\x00\x01\0\0\0\0abcd~",
            b"\x80\x00\x00\x02\0\0\0\xa0abcd~",
            b"\x80\x00\x00\x03\0\0\x01\x40abcd~",
        ],
        server: &[],
    }],
    misses: &[
        Example { client: &[b"\x80\x00\x00\x01\0\0\0\0abcd~"], server: &[] },
        Example {
            client: &[
                b"\x80\x00\x00\x01\0\0\0\0abcd~",
                b"\x80\x00\x00\x09\0\0\0\xa0abcd~",
                b"\x80\x00\x00\x03\0\0\x01\x40abcd~",
            ],
            server: &[],
        },
    ],
};
