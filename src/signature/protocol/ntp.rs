//! NTP (RFC 5905, section 7.3): 48 bytes and more, a version, a mode for each side, and a plausible stratum.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// A header with one of these modes.
fn header(message: &[u8], modes: &[u8]) -> Option<u8> {
    let head = message.first_chunk::<48>()?;
    let (version, mode) = (head[0] >> 3 & 7, head[0] & 7);
    // Bare, or with a key and a digest of MD5 or SHA-1; a precision is a negative power of two, or not set.
    let plausible = (1..=4).contains(&version)
        && modes.contains(&mode)
        && head[1] <= 16
        && (head[2] <= 17 || head[2] == 0xff)
        && (head[3] == 0 || head[3] >= 0xe0 || head[3] == 0x20)
        && matches!(message.len(), 48 | 68 | 72);
    plausible.then_some(version)
}

fn asked(said: &Said<'_>) -> Option<String> {
    said.iter().find_map(|message| header(message, &[1, 3])).map(|version| format!("version {version}"))
}

fn answered(said: &Said<'_>) -> Option<String> {
    said.iter().find_map(|message| header(message, &[2, 4, 5])).map(|version| format!("version {version}"))
}

const ASK: &[u8] = b"\x23\0\x06\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xea\x01\x02\x03\x04\x05\x06\x07";
const SAY: &[u8] = b"\x24\x02\x06\xe8\0\0\0\x10\0\0\0\x20\x0a\0\0\x01\xea\0\0\0\0\0\0\0\xea\x01\x02\x03\x04\x05\x06\x07\xea\0\0\0\0\0\0\0\xea\0\0\0\0\0\0\0";

pub const PROTOCOL: Coded = Coded {
    id: "ntp",
    protocol: "ntp",
    about: "Network Time Protocol: a client's and a server's packet.",
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
    misses: &[Example { client: &[ASK], server: &[ASK] }, Example { client: &[b"\x23"], server: &[] }],
};
