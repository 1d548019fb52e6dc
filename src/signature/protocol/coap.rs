//! CoAP (RFC 7252, section 3): the chain of options must lead to the end of the message or to its payload.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// Messages fit a datagram that no network cuts (RFC 7252, section 4.6).
const MAX_MESSAGE: usize = 1280;
/// The largest option number in use is below this (IANA, CoAP Option Numbers).
const MAX_OPTION: u32 = 2100;

/// The code of a message that is whole.
fn code(message: &[u8]) -> Option<u8> {
    let head = message.first_chunk::<4>()?;
    let token = usize::from(head[0] & 0x0f);
    let (code, detail) = (head[1] >> 5, head[1] & 0x1f);
    let known = match code {
        0 => detail <= 7,
        2 => matches!(detail, 1..=5 | 31),
        4 => matches!(detail, 0..=6 | 8 | 9 | 12 | 13 | 15 | 22 | 29),
        5 => detail <= 8,
        _ => false,
    };
    if head[0] >> 6 != 1 || token > 8 || !known || message.len() > MAX_MESSAGE {
        return None;
    }
    let mut rest = message.get(4 + token..)?;
    // An empty message is four bytes.
    if head[1] == 0 {
        return (token == 0 && rest.is_empty()).then_some(0);
    }
    let mut number = 0;
    while let Some((&first, tail)) = rest.split_first() {
        if first == 0xff {
            return (!tail.is_empty()).then_some(head[1]);
        }
        let mut after = tail;
        let delta = extended(first >> 4, &mut after)?;
        let length = extended(first & 0x0f, &mut after)?;
        number += delta;
        if number > MAX_OPTION {
            return None;
        }
        rest = after.get(usize::try_from(length).ok()?..)?;
    }
    Some(head[1])
}

/// An option's delta or length, which may go on in the bytes behind it (RFC 7252, section 3.1).
fn extended(nibble: u8, rest: &mut &[u8]) -> Option<u32> {
    match nibble {
        13 => {
            let (&more, tail) = rest.split_first()?;
            *rest = tail;
            Some(u32::from(more) + 13)
        }
        14 => {
            let (more, tail) = rest.split_first_chunk::<2>()?;
            *rest = tail;
            Some(u32::from(u16::from_be_bytes(*more)) + 269)
        }
        15 => None,
        small => Some(small.into()),
    }
}

/// The codes of all messages, where all are whole.
fn codes(said: &Said<'_>) -> Option<Vec<u8>> {
    said.iter().map(|message| code(message)).collect()
}

fn asked(said: &Said<'_>) -> Option<String> {
    let first = codes(said)?.into_iter().find(|code| (1..=7).contains(code))?;
    Some(["", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"][usize::from(first)].to_owned())
}

fn answered(said: &Said<'_>) -> Option<String> {
    let codes = codes(said)?;
    let answer = codes.iter().find(|code| **code >= 0x40);
    match answer {
        Some(code) => Some(format!("{}.{:02}", code >> 5, code & 0x1f)),
        None => codes.iter().all(|code| *code == 0).then(String::new).filter(|_| !codes.is_empty()),
    }
}

pub const PROTOCOL: Coded = Coded {
    id: "coap",
    protocol: "coap",
    about: "Constrained Application Protocol: a request with its method and a response with its code, whose options lead to the end of each \
message.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: None,
    transports: &[Transport::Udp],
    client: Some(asked),
    server: Some(answered),
    symmetric: false,
    one_side: false,
    alone: Alone::Neither,
    hits: &[Example {
        client: &[b"\x41\x01\xb5\x3f\x01\xbb.well-known\x04core"],
        server: &[b"\x61\x45\xb5\x3f\x01\xc1\x28\xff<"],
    }],
    misses: &[
        Example { client: &[b"\x41\x01\xb5\x3f\x01\xbb.well-known\x04core"], server: &[b"text"] },
        // Short headers of QUIC.
        Example {
            client: &[b"\x41\x02\x99\xf3\x17\x4e\x8a\x33\xd0\x11"],
            server: &[b"\x44\x45\x01\x9c\x22\x77\xfe\xfe\xc3\x90"],
        },
    ],
};
