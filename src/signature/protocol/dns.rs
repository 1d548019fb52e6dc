//! DNS (RFC 1035, section 4.1), and through it tunnels: the header's counts and the names must fit the message.

use super::{Alone, Coded, Example, Said};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// What a question says.
struct Question {
    name: String,
    kind: u16,
    longest_label: usize,
}

/// From this length on, a label is longer than people choose: names that carry data fill the 63 bytes a label may have.
const LONG_LABEL: usize = 40;
/// So many of the 32 letters of a `NetBIOS` name are from A to P, also where one was damaged.
const MOST_HALVES: usize = 28;
/// Questions of that kind that make a tunnel; one may be a key or a token.
const MIN_CARRYING: usize = 3;

/// The first question of a message; `None` where the message is no DNS of this direction.
fn question(message: &[u8], answer: bool) -> Option<Question> {
    let header = message.first_chunk::<12>()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let flags = count(2);
    let (operation, reserved) = (flags >> 11 & 15, flags & 0x40);
    let plausible = (flags >> 15 == 1) == answer
        && matches!(operation, 0 | 4 | 5)
        && reserved == 0
        && count(4) == 1
        && (answer || (flags & 15 == 0 && count(6) == 0))
        && count(6) <= 64
        && count(8) <= 64
        && count(10) <= 64;
    if !plausible {
        return None;
    }
    let mut rest = &message[12..];
    let (mut name, mut longest_label) = (String::new(), 0);
    loop {
        let (&length, tail) = rest.split_first()?;
        let length = usize::from(length);
        if length == 0 {
            rest = tail;
            break;
        }
        let label = tail.get(..length).filter(|_| length < 64 && name.len() < 255)?;
        longest_label = longest_label.max(length);
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label));
        rest = &tail[length..];
    }
    // NetBIOS names travel in the same form (RFC 1002, section 4.2).
    let halves = name.bytes().take(32).filter(|byte| (b'A'..=b'P').contains(byte)).count();
    if message[12] == 32 && halves >= MOST_HALVES {
        return None;
    }
    let [a, b, class_high, class_low] = *rest.first_chunk::<4>()?;
    let (kind, class) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([class_high & 0x7f, class_low]));
    (kind != 0 && matches!(class, 1 | 3 | 4 | 254 | 255)).then_some(Question { name, kind, longest_label })
}

/// Names of the types that people meet (IANA, DNS parameters).
fn kind_name(kind: u16) -> String {
    let name = match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        25 => "KEY",
        28 => "AAAA",
        33 => "SRV",
        65 => "HTTPS",
        252 => "AXFR",
        255 => "ANY",
        _ => return format!("type {kind}"),
    };
    name.to_owned()
}

fn asked(said: &Said<'_>) -> Option<String> {
    said.iter()
        .find_map(|message| question(message, false))
        .map(|asked| format!("{} {}", kind_name(asked.kind), asked.name))
}

fn answered(said: &Said<'_>) -> Option<String> {
    said.iter().find_map(|message| question(message, true)).map(|_| String::new())
}

/// Over TCP, messages follow their length.
fn unframed<'a>(said: &Said<'a>) -> Vec<&'a [u8]> {
    let mut messages = Vec::new();
    for stream in said {
        let mut rest = *stream;
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            messages.push(&tail[..length.min(tail.len())]);
            let Some(next) = tail.get(length..).filter(|_| length > 0) else { break };
            rest = next;
        }
    }
    messages
}

fn asked_over_tcp(said: &Said<'_>) -> Option<String> {
    asked(&unframed(said))
}

fn answered_over_tcp(said: &Said<'_>) -> Option<String> {
    answered(&unframed(said))
}

/// Whether a name carries data: a label of 40 bytes and more that is no hash, or bytes that are no letters.
#[must_use]
pub fn carries_data(name: &str) -> bool {
    let is_hash = |label: &str| matches!(label.len(), 40 | 56) && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    !name.is_ascii() || name.split('.').any(|label| label.len() >= LONG_LABEL && !is_hash(label))
}

/// Questions that carry data in their names, or ask for the types that carry much.
fn carrying(said: &Said<'_>) -> Option<String> {
    let asked: Vec<Question> = said.iter().filter_map(|message| question(message, false)).collect();
    let carries = |question: &&Question| carries_data(&question.name) || matches!(question.kind, 10 | 65399);
    let carrying: Vec<&Question> = asked.iter().filter(carries).collect();
    let longest = carrying.iter().map(|question| question.longest_label).max()?;
    (carrying.len() >= MIN_CARRYING && carrying.len() * 4 >= asked.len()).then(|| {
        format!(
            "{} of the first {} questions carry data (threshold {MIN_CARRYING} and a quarter; a label from {LONG_LABEL} bytes on, no hash): labels \
             of up to {longest} bytes, as in {} {}",
            carrying.len(),
            asked.len(),
            kind_name(carrying[0].kind),
            carrying[0].name
        )
    })
}

const ASK: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03gap\x04test\0\0\x01\0\x01";
const SAY: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x03gap\x04test\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01";
const ASK_TCP: &[u8] = b"\0\x1a\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03gap\x04test\0\0\x01\0\x01";
const SAY_TCP: &[u8] = b"\0\x1a\x12\x34\x81\x80\0\x01\0\0\0\0\0\0\x03gap\x04test\0\0\x01\0\x01";

pub const DNS: Coded = Coded {
    id: "dns",
    protocol: "dns",
    about: "A DNS message: one question whose name and class are well-formed, and counts that fit the direction.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1071.004"),
    transports: &[Transport::Udp],
    client: Some(asked),
    server: Some(answered),
    symmetric: false,
    one_side: false,
    alone: Alone::Either,
    hits: &[Example { client: &[ASK], server: &[SAY] }, Example { client: &[], server: &[SAY] }],
    misses: &[
        Example { client: &[SAY], server: &[] },
        Example { client: &[b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x7fgap"], server: &[] },
        Example { client: &[ASK], server: &[b"no answer"] },
    ],
};

pub const OVER_TCP: Coded = Coded {
    id: "dns.tcp",
    protocol: "dns",
    about: "DNS over TCP: the same messages behind their length (RFC 7766).",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1071.004"),
    transports: &[Transport::Tcp],
    client: Some(asked_over_tcp),
    server: Some(answered_over_tcp),
    symmetric: false,
    one_side: false,
    alone: Alone::Either,
    hits: &[Example { client: &[ASK_TCP], server: &[SAY_TCP] }],
    misses: &[Example { client: &[ASK], server: &[] }],
};

/// A question with a long label, with an id of its own: the same question again would be a repetition.
const fn carry(id: u8) -> [u8; 75] {
    let mut question = *b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x32mzxw6ytboi2dsnrsgqztenbvgy3tqojqgezdgnbvgy3tqojqge\x01t\x04test\0\0\x10\0\x01";
    question[0] = id;
    question
}

pub const TUNNEL: Coded = Coded {
    id: "dns.tunnel",
    protocol: "dns",
    about: "A tunnel through DNS: a quarter of the questions and more have labels of 40 bytes, bytes that are no letters, or ask for NULL records, as programs do that \
carry data in names.",
    class: Class::Suspicious,
    weight: Weight::STRONG,
    attack: Some("T1071.004"),
    transports: &[Transport::Udp],
    client: Some(carrying),
    server: None,
    symmetric: false,
    one_side: false,
    alone: Alone::Either,
    hits: &[Example { client: &[&carry(1), &carry(2), &carry(3)], server: &[SAY] }],
    misses: &[Example { client: &[ASK, ASK, ASK], server: &[] }, Example { client: &[&carry(1)], server: &[] }],
};
