//! TLS certificates where they are in clear (up to TLS 1.2; RFC 5246, section 7.4.2): whose, by whom, for how long, and
//! those that attack tools bring along.

use super::{Payload, Sender, Signature, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Serial numbers and names of certificates that come with attack tools.
const KNOWN_SERIALS: [(&[u8], &str); 1] = [(&[0x08, 0xbb, 0x00, 0xee], "Cobalt Strike's default")];
const KNOWN_NAMES: [(&str, &str); 5] = [
    ("Major Cobalt Strike", "Cobalt Strike's default"),
    ("AsyncRAT Server", "AsyncRAT's default"),
    ("Quasar Server CA", "Quasar's default"),
    ("DcRat Server", "DcRat's default"),
    ("VenomRAT Server", "VenomRAT's default"),
];
/// Seconds of 398 days, the most that browsers accept (CA/Browser Forum, ballot SC-22).
const LONG_VALIDITY: i64 = 398 * 86_400;

/// The first certificate in the handshake messages at the head of a stream.
fn leaf(payload: &Payload<'_>) -> Option<Vec<u8>> {
    // A record of the handshake whose first message is the server's hello, or the certificate itself.
    if payload.transport != Transport::Tcp || !matches!(payload.bytes, [22, 3, _, _, _, 2 | 11, ..]) {
        return None;
    }
    // Handshake messages may lie over several records: put them together, as far as they are there.
    let mut messages = Vec::new();
    let mut rest = payload.bytes;
    while let Some((&[22, 3, _, high, low], tail)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        messages.extend_from_slice(&tail[..length.min(tail.len())]);
        let Some(next) = tail.get(length..) else { break };
        rest = next;
    }
    let mut rest = &messages[..];
    while let Some((&[kind, a, b, c], tail)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if kind == 11 {
            // A list of certificates, each behind its length in three bytes.
            let (&[_, _, _, a, b, c], first) = tail.split_first_chunk::<6>()?;
            return first.get(..u32::from_be_bytes([0, a, b, c]) as usize).map(<[u8]>::to_vec);
        }
        rest = tail.get(length..)?;
    }
    None
}

fn certificate(payload: &Payload<'_>) -> Option<String> {
    let der = leaf(payload)?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let name = |name: &x509_parser::x509::X509Name<'_>| quote(name.to_string().as_bytes());
    let (subject, issuer) = (name(certificate.subject()), name(certificate.issuer()));
    let validity = certificate.validity();
    let day = |time: i64| {
        let timestamp = jiff::Timestamp::from_second(time).ok()?;
        timestamp.to_string().get(..10).map(ToOwned::to_owned)
    };
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let issued = if subject == issuer { "self-signed".to_owned() } else { format!("issued by {issuer}") };
    let long = if to - from > LONG_VALIDITY { ", longer than 398 days" } else { "" };
    Some(format!("certificate of {subject}, {issued}, valid from {} to {}{long}", day(from)?, day(to)?))
}

fn default(payload: &Payload<'_>) -> Option<String> {
    let der = leaf(payload)?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let serial = KNOWN_SERIALS.iter().find(|(serial, _)| certificate.raw_serial() == *serial).map(|(_, whose)| *whose);
    let subject = certificate.subject().to_string();
    let named = || KNOWN_NAMES.iter().find(|(name, _)| subject.contains(name)).map(|(_, whose)| *whose);
    serial.or_else(named).map(|whose| format!("{whose} certificate, of {}", quote(subject.as_bytes())))
}

pub const CERTIFICATE: Signature = Signature {
    id: "tls.certificate",
    protocol: "tls",
    about: "The server's certificate in a TLS handshake up to version 1.2, where it is in clear: subject, issuer, validity.",
    class: Class::Custom,
    weight: Weight::NOTE,
    attack: None,
    sender: Sender::Server,
    see: certificate,
    hits: &[(Transport::Tcp, EXAMPLE)],
    misses: &[
        (Transport::Tcp, b"\x16\x03\x03\0\x04\x0b\0\0\0"),
        (Transport::Tcp, b"\x16\x03\x03\0\x0a\x0b\0\0\x06\0\0\x03\0\0\0"),
    ],
};

pub const DEFAULT: Signature = Signature {
    id: "tls.default-certificate",
    protocol: "tls",
    about: "A certificate that a known attack tool brings along, by its serial number or its subject.",
    class: Class::Suspicious,
    weight: Weight::DECISIVE,
    attack: Some("T1573.002"),
    sender: Sender::Server,
    see: default,
    hits: &[(Transport::Tcp, TOOL)],
    misses: &[(Transport::Tcp, EXAMPLE)],
};

const EXAMPLE: &[u8] = include_bytes!("certificate/example.bin");
const TOOL: &[u8] = include_bytes!("certificate/tool.bin");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_issuer_and_validity_are_read() {
        let see = certificate(&Payload::whole(Transport::Tcp, EXAMPLE)).expect("a certificate");
        assert!(see.starts_with("certificate of CN=odd.test, self-signed, valid from 20"), "{see}");
        assert_eq!(
            default(&Payload::whole(Transport::Tcp, TOOL)).as_deref().map(|see| see.starts_with("AsyncRAT")),
            Some(true)
        );
    }
}
