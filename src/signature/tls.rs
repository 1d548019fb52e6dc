//! TLS (RFC 8446, RFC 5246): the hello messages of both sides, with the server name that the client asks for.

use super::{Payload, Sender, Signature, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;

/// The body of a handshake message of this type in a handshake record, as far as it is there.
fn hello(payload: &Payload<'_>, message: u8) -> Option<Vec<u8>> {
    if payload.transport != Transport::Tcp {
        return None;
    }
    let header = payload.bytes.first_chunk::<11>()?;
    let record = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let length = u32::from_be_bytes([0, header[6], header[7], header[8]]) as usize;
    let plausible = header[0] == 22
        && header[1] == 3
        && header[2] <= 4
        && header[5] == message
        && (42..=1 << 16).contains(&length)
        && (4..=1 << 14).contains(&record)
        && header[9] == 3
        && header[10] <= 4;
    plausible.then(|| payload.bytes[9..].iter().copied().take(length).collect())
}

/// The name of a version as the hello states it; TLS 1.3 hides behind 1.2 and is told by an extension.
const fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        _ => "TLS 1.3",
    }
}

/// The extensions of a hello: (type, body). Ends where the bytes do.
fn extensions(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let body = rest.get(..len)?;
        bytes = &rest[len..];
        Some((u16::from_be_bytes([header[0], header[1]]), body))
    })
}

/// `Version, server name NAME`; the name from the `server_name` extension (RFC 6066, section 3).
fn client(payload: &Payload<'_>) -> Option<String> {
    let body = hello(payload, 1)?;
    let mut version = u16::from_be_bytes([body[0], body[1]]);
    let mut name = None;
    if let Some(list) = client_extensions(&body) {
        for (kind, data) in extensions(list) {
            match (kind, data) {
                (0, [_, _, 0, a, b, rest @ ..]) => {
                    name = rest.get(..usize::from(u16::from_be_bytes([*a, *b]))).map(quote);
                }
                (43, [_, versions @ ..]) => {
                    let offered = versions.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]]));
                    version = offered.filter(|offer| (0x0300..=0x0304).contains(offer)).fold(version, u16::max);
                }
                _ => {}
            }
        }
    }
    let version = version_name(version);
    Some(name.map_or_else(|| format!("{version}, no server name"), |name| format!("{version}, server name {name}")))
}

/// Skips random, session, cipher suites and compression methods.
fn client_extensions(body: &[u8]) -> Option<&[u8]> {
    let rest = body.get(34..)?;
    let rest = rest.get(1 + usize::from(*rest.first()?)..)?;
    let suites = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
    let rest = rest.get(2 + suites..)?;
    let rest = rest.get(1 + usize::from(*rest.first()?)..)?;
    rest.get(2..)
}

/// The version that the server chose.
fn server(payload: &Payload<'_>) -> Option<String> {
    let body = hello(payload, 2)?;
    let mut version = u16::from_be_bytes([body[0], body[1]]);
    let rest = body.get(34..).and_then(|rest| rest.get(1 + usize::from(*rest.first()?) + 3 + 2..));
    for (kind, data) in extensions(rest.unwrap_or_default()) {
        if let (43, &[a, b]) = (kind, data) {
            version = u16::from_be_bytes([a, b]);
        }
    }
    Some(version_name(version).to_owned())
}

const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\0\x45\x01\0\0\x41\x03\x03\
0123456789abcdef0123456789abcdef\0\0\x02\x13\x01\x01\0\0\x16\0\0\0\x0d\0\x0b\0\0\x08odd.test\0\x2b\0\x01\0\0\0\0\0\0";
const SERVER_HELLO: &[u8] = b"\x16\x03\x03\0\x32\x02\0\0\x2e\x03\x03\
0123456789abcdef0123456789abcdef\0\x13\x01\0\0\x06\0\x2b\0\x02\x03\x04";

pub const CLIENT: Signature = Signature {
    id: "tls.client",
    protocol: "tls",
    about: "A TLS ClientHello: a handshake record of a known version that holds message type 1. The server name is the one the client \
asks for.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1573.002"),
    sender: Sender::Client,
    see: client,
    hits: &[(Transport::Tcp, CLIENT_HELLO)],
    misses: &[
        (Transport::Tcp, SERVER_HELLO),
        (Transport::Udp, CLIENT_HELLO),
        (Transport::Tcp, b"\x16\x03\x01\0\x05hello"),
        (Transport::Tcp, b"\x17\x03\x03\0\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ],
};

pub const SERVER: Signature = Signature {
    id: "tls.server",
    protocol: "tls",
    about: "A TLS ServerHello: a handshake record of a known version that holds message type 2.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1573.002"),
    sender: Sender::Server,
    see: server,
    hits: &[(Transport::Tcp, SERVER_HELLO)],
    misses: &[(Transport::Tcp, CLIENT_HELLO), (Transport::Tcp, b"\x16\x03\x03\0\x02\x02\0")],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_are_read_from_extensions() {
        assert_eq!(
            client(&Payload::whole(Transport::Tcp, CLIENT_HELLO)).as_deref(),
            Some("TLS 1.2, server name odd.test")
        );
        assert_eq!(server(&Payload::whole(Transport::Tcp, SERVER_HELLO)).as_deref(), Some("TLS 1.3"));
    }
}
