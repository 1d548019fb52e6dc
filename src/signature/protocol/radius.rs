//! RADIUS (RFC 2865, section 3): the length is that of the message, and attributes fill it.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// The code of a message whose attributes add up to its length.
fn code(message: &[u8]) -> Option<u8> {
    let head = message.first_chunk::<20>()?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let mut rest = message.get(20..length)?;
    while let Some((&[_, len], _)) = rest.split_first_chunk::<2>() {
        rest = rest.get(usize::from(len)..).filter(|_| len >= 2)?;
    }
    (rest.is_empty() && message.len() - length < 4).then_some(head[0])
}

fn asked(said: &Said<'_>) -> Option<String> {
    let name = match said.iter().find_map(|message| code(message))? {
        1 => "Access-Request",
        4 => "Accounting-Request",
        12 => "Status-Server",
        40 => "Disconnect-Request",
        43 => "CoA-Request",
        _ => return None,
    };
    Some(name.to_owned())
}

fn answered(said: &Said<'_>) -> Option<String> {
    let name = match said.iter().find_map(|message| code(message))? {
        2 => "Access-Accept",
        3 => "Access-Reject",
        5 => "Accounting-Response",
        11 => "Access-Challenge",
        41 | 42 | 44 | 45 => "answer",
        _ => return None,
    };
    Some(name.to_owned())
}

const ASK: &[u8] = b"\x01\x07\0\x1b0123456789abcdef\x01\x07alice";
const SAY: &[u8] = b"\x03\x07\0\x140123456789abcdef";

pub const PROTOCOL: Coded = Coded {
    id: "radius",
    protocol: "radius",
    about: "A RADIUS request and its answer: code, length and attributes that fill it.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: None,
    transports: &[Transport::Udp],
    client: Some(asked),
    server: Some(answered),
    symmetric: false,
    one_side: false,
    alone: Alone::Client,
    hits: &[Example { client: &[ASK], server: &[SAY] }],
    misses: &[Example { client: &[ASK.split_at(25).0], server: &[] }, Example { client: &[SAY], server: &[] }],
};
