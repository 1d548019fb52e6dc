//! Modbus over TCP: the header's length leads to the end of each message, and the function is a known one.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// A message is at most this long behind the length field (Modbus Messaging on TCP/IP 1.0b, section 3.1.2).
const MAX_LENGTH: usize = 254;

/// The functions of the messages that a stream consists of; `None` where one does not fit.
fn functions(stream: &[u8]) -> Option<Vec<u8>> {
    let mut functions = Vec::new();
    let mut rest = stream;
    while let Some(head) = rest.first_chunk::<8>() {
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let function = head[7] & 0x7f;
        let known = matches!(function, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90);
        if head[2..4] != [0, 0] || !(2..=MAX_LENGTH).contains(&length) || !known {
            return None;
        }
        functions.push(head[7]);
        let Some(next) = rest.get(6 + length..) else { break };
        rest = next;
    }
    (!functions.is_empty()).then_some(functions)
}

fn asked(said: &Said<'_>) -> Option<String> {
    let functions = functions(said.first()?)?;
    functions.iter().all(|function| *function < 0x80).then(|| format!("function {}", functions[0]))
}

fn answered(said: &Said<'_>) -> Option<String> {
    functions(said.first()?).map(|_| String::new())
}

pub const PROTOCOL: Coded = Coded {
    id: "modbus",
    protocol: "modbus",
    about: "Modbus over TCP: protocol identifier 0, a length that leads to the next message, a known function; on both sides.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T0885"),
    transports: &[Transport::Tcp],
    client: Some(asked),
    server: Some(answered),
    symmetric: false,
    one_side: false,
    alone: Alone::Neither,
    hits: &[Example {
        client: &[b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x02"],
        server: &[b"\0\x01\0\0\0\x07\x01\x03\x04\0\x01\0\x02"],
    }],
    misses: &[
        Example {
            client: &[b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x02"],
            server: &[b"\0\x01\0\x01\0\x07\x01\x03\x04\0\x01\0\x02"],
        },
        Example { client: &[b"\0\x01\0\0\0\x06\x01\x63\0\0\0\x02"], server: &[] },
    ],
};
