//! Discovery of Ethereum's peers (devp2p, Node Discovery v4): hash, signature, a type, and a list that fills the datagram.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// Bytes of the hash and the signature before the packet type.
const TYPE_AT: usize = 97;

/// The type of a packet whose list (RLP) ends with it.
fn kind(message: &[u8]) -> Option<u8> {
    let (&kind, list) = message.get(TYPE_AT..)?.split_first()?;
    let (head, length) = match *list.first()? {
        short @ 0xc0..=0xf7 => (1, usize::from(short - 0xc0)),
        0xf8 => (2, usize::from(*list.get(1)?)),
        0xf9 => (3, usize::from(u16::from_be_bytes([*list.get(1)?, *list.get(2)?]))),
        _ => return None,
    };
    ((1..=6).contains(&kind) && head + length == list.len()).then_some(kind)
}

fn discovery(said: &Said<'_>) -> Option<String> {
    let kinds: Option<Vec<u8>> = said.iter().map(|message| kind(message)).collect();
    kinds.filter(|kinds| !kinds.is_empty()).map(|_| String::new())
}

const PING: [u8; 101] = {
    let mut bytes = [0x5a; 101];
    bytes[TYPE_AT] = 1;
    bytes[TYPE_AT + 1] = 0xc2;
    bytes
};

pub const PROTOCOL: Coded = Coded {
    id: "ethereum",
    protocol: "ethereum",
    about: "Discovery packets of Ethereum nodes: 97 bytes of hash and signature, a type, and a list that ends with the datagram.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: None,
    transports: &[Transport::Udp],
    client: Some(discovery),
    server: Some(discovery),
    symmetric: true,
    one_side: false,
    alone: Alone::Either,
    hits: &[Example { client: &[&PING], server: &[&PING] }],
    misses: &[
        Example { client: &[&PING, b"short"], server: &[] },
        Example { client: &[PING.split_at(100).0], server: &[] },
    ],
};
