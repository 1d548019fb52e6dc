//! Passwords in clear: that one was sent, and for whom. Reported, not blamed, and the password itself is not kept.

use super::{Payload, Sender, Signature, first_line, http, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// An `Authorization: Basic` field is looked for in this many bytes of a request.
const HEAD: usize = 2048;
/// Commands with a password are shorter.
const MAX_LINE: usize = 256;
/// IMAP's tags are shorter.
const MAX_TAG: usize = 20;
/// The longest name that is taken for a user's.
const MAX_NAME: usize = 64;

fn seen(payload: &Payload<'_>) -> Option<String> {
    if payload.transport != Transport::Tcp || payload.bytes.len() < 6 {
        return None;
    }
    let head = &payload.bytes[..payload.bytes.len().min(MAX_LINE)];
    match head[0] {
        b'P' | b'p' if has_word(head, b"PASS ") => Some("PASS, as FTP, POP3 and IRC send a password".to_owned()),
        b'A' | b'a' if has_word(head, b"AUTH PLAIN ") => Some("AUTH PLAIN with a password".to_owned()),
        b'A' | b'a' if has_word(head, b"AUTHINFO PASS ") => Some("AUTHINFO PASS with a password".to_owned()),
        b'*' if starts_auth(payload.bytes) => Some("AUTH with a password, as Redis takes it".to_owned()),
        b'G' | b'P' | b'H' | b'O' | b'C' | b'D' if http::is_request(payload.bytes) => basic(payload.bytes),
        first if first.is_ascii_alphanumeric() => login(head),
        _ => None,
    }
}

fn has_word(line: &[u8], word: &[u8]) -> bool {
    line.len() > word.len() && line[..word.len()].eq_ignore_ascii_case(word)
}

/// Redis: an array whose first string is AUTH.
fn starts_auth(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(24)];
    memchr::memmem::find(head, b"\r\n$4\r\n")
        .is_some_and(|at| head.get(at + 6..at + 10).is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH")))
}

/// `a1 LOGIN name password`, as IMAP takes it.
fn login(head: &[u8]) -> Option<String> {
    let tag = memchr::memchr(b' ', &head[..head.len().min(MAX_TAG + 1)])?;
    if !has_word(&head[tag + 1..], b"LOGIN ") {
        return None;
    }
    let line = first_line(head);
    let mut words = line.split(|&byte| byte == b' ');
    let (tag, verb, name, password) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_tag = !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric);
    let complete = verb.eq_ignore_ascii_case(b"LOGIN") && !password.is_empty() && name.len() <= MAX_NAME;
    (is_tag && complete).then(|| format!("LOGIN of {} with a password", quote(name)))
}

/// The field of an HTTP request. The name before the colon would need its base64 taken off: that it is there is enough.
fn basic(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let at = memchr::memmem::find_iter(head, b"uthorization: Basic ").next()?;
    (head.get(at.checked_sub(2)?) == Some(&b'\n')).then(|| "HTTP Basic authorization".to_owned())
}

pub const CLEAR: Signature = Signature {
    id: "credential.clear",
    protocol: "",
    about: "A password was sent in clear: PASS, AUTH, LOGIN or HTTP Basic. A matter of hygiene, not a sign of an intruder; the password is not kept.",
    class: Class::Custom,
    weight: Weight::NOTE,
    attack: Some("T1040"),
    sender: Sender::Client,
    see: seen,
    hits: &[
        (Transport::Tcp, b"PASS secret\r\n"),
        (Transport::Tcp, b"a1 LOGIN alice secret\r\n"),
        (Transport::Tcp, b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n"),
        (Transport::Tcp, b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"),
    ],
    misses: &[
        (Transport::Tcp, b"PASSWORD\r\n"),
        (Transport::Tcp, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Transport::Tcp, b"*2\r\n$4\r\nECHO\r\n$4\r\nAUTH\r\n"),
    ],
};
