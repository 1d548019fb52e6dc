//! TLS (RFC 8446, RFC 5246): the hello messages of both sides, with the server name that the client asks for.

use super::{Payload, Sender, Signature, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;
use sha2::Digest;

/// Version, random, an empty session, a suite and a compression method.
const MIN_HELLO: usize = 38;

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
        && (MIN_HELLO..=1 << 16).contains(&length)
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
    let mut protocols = None;
    if let Some(list) = client_extensions(&body) {
        for (kind, data) in extensions(list) {
            match (kind, data) {
                (0, [_, _, 0, a, b, rest @ ..]) => {
                    name = rest.get(..usize::from(u16::from_be_bytes([*a, *b]))).map(quote);
                }
                (16, [_, _, length, first @ ..]) => protocols = first.get(..usize::from(*length)).map(quote),
                (43, [_, versions @ ..]) => {
                    let offered = versions.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]]));
                    version = offered.filter(|offer| (0x0300..=0x0304).contains(offer)).fold(version, u16::max);
                }
                _ => {}
            }
        }
    }
    let name = name.map_or_else(|| "no server name".to_owned(), |name| format!("server name {name}"));
    let protocols = protocols.map_or_else(String::new, |first| format!(", ALPN {first}"));
    let fingerprint = ja4(&body, payload).map_or_else(String::new, |ja4| format!(", JA4 {ja4}"));
    Some(format!("{}, {name}{protocols}{fingerprint}", version_name(version)))
}

/// Reserved values that clients send to keep servers honest (RFC 8701).
const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

/// The fingerprint JA4 of a TLS client (`FoxIO`, BSD licence): version, server name, numbers of cipher suites and extensions,
/// first application protocol; then hashes of both lists. `None` where the hello is not there in full.
fn ja4(body: &[u8], payload: &Payload<'_>) -> Option<String> {
    let length = u32::from_be_bytes([0, payload.bytes[6], payload.bytes[7], payload.bytes[8]]) as usize;
    // A hello over several records is not put together here.
    let record = usize::from(u16::from_be_bytes([payload.bytes[3], payload.bytes[4]]));
    if body.len() < length || record < length + 4 {
        return None;
    }
    let rest = body.get(34..)?;
    let rest = rest.get(1 + usize::from(*rest.first()?)..)?;
    let suites = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
    let ciphers: Vec<u16> = pairs(rest.get(2..2 + suites)?).filter(|suite| !is_grease(*suite)).collect();
    let list = client_extensions(body).unwrap_or_default();
    let mut version = u16::from_be_bytes([body[0], body[1]]);
    let (mut named, mut protocol, mut algorithms) = ('i', "00".to_owned(), Vec::new());
    let mut kinds: Vec<u16> = Vec::new();
    for (kind, data) in extensions(list).filter(|(kind, _)| !is_grease(*kind)) {
        kinds.push(kind);
        match (kind, data) {
            (0, _) => named = 'd',
            (13, [_, _, list @ ..]) => algorithms = pairs(list).filter(|value| !is_grease(*value)).collect(),
            (16, [_, _, length, first @ ..]) => {
                let first = first.get(..usize::from(*length))?;
                if let (Some(a), Some(b)) = (first.first(), first.last()) {
                    let plain = a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric();
                    protocol = if plain {
                        format!("{}{}", char::from(*a), char::from(*b))
                    } else {
                        format!("{:x}{:x}", a >> 4, b & 15)
                    };
                }
            }
            (43, [_, list @ ..]) => version = pairs(list).filter(|value| !is_grease(*value)).max().unwrap_or(version),
            _ => {}
        }
    }
    let version = match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    };
    let (number, extensions) = (ciphers.len().min(99), kinds.len().min(99));
    Some(format!("t{version}{named}{number:02}{extensions:02}{protocol}_{}", ja4_hashes(ciphers, kinds, &algorithms)))
}

/// The two hashed parts: sorted suites; sorted extensions without name and application protocol, with the algorithms as sent.
fn ja4_hashes(mut ciphers: Vec<u16>, mut kinds: Vec<u16>, algorithms: &[u16]) -> String {
    let joined = |values: &[u16]| values.iter().map(|value| format!("{value:04x}")).collect::<Vec<_>>().join(",");
    let hash = |text: &str| -> String {
        if text.is_empty() {
            return "000000000000".to_owned();
        }
        sha2::Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    };
    ciphers.sort_unstable();
    kinds.retain(|kind| !matches!(kind, 0 | 16));
    kinds.sort_unstable();
    let mut listed = joined(&kinds);
    if !algorithms.is_empty() && !listed.is_empty() {
        listed = format!("{listed}_{}", joined(algorithms));
    }
    format!("{}_{}", hash(&joined(&ciphers)), hash(&listed))
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

    /// The example of the specification.
    #[test]
    fn fingerprints_are_those_of_the_specification() {
        let ciphers = [
            0x002f, 0x0035, 0x009c, 0x009d, 0x1301, 0x1302, 0x1303, 0xc013, 0xc014, 0xc02b, 0xc02c, 0xc02f, 0xc030,
            0xcca8, 0xcca9,
        ];
        let kinds = [
            0x0000, 0x0010, 0x0005, 0x000a, 0x000b, 0x000d, 0x0012, 0x0015, 0x0017, 0x001b, 0x0023, 0x002b, 0x002d,
            0x0033, 0x4469, 0xff01,
        ];
        let algorithms = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        assert_eq!(ja4_hashes(ciphers.to_vec(), kinds.to_vec(), &algorithms), "8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn names_and_versions_are_read_from_extensions() {
        assert_eq!(
            client(&Payload::whole(Transport::Tcp, CLIENT_HELLO)).as_deref(),
            Some("TLS 1.2, server name odd.test, JA4 t12d010200_0f2cb44170f4_b9a491fefe05")
        );
        assert_eq!(server(&Payload::whole(Transport::Tcp, SERVER_HELLO)).as_deref(), Some("TLS 1.3"));
    }
}
