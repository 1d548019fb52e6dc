//! SSH: the identification line that both sides send first (RFC 4253, section 4.2).

use super::{Payload, Sender, Signature, first_line, quote};
use crate::class::{Class, Weight};
use crate::port::Transport;

fn banner(payload: &Payload<'_>) -> Option<String> {
    payload.bytes.strip_prefix(b"SSH-")?;
    let line = first_line(payload.bytes);
    let software = line.strip_prefix(b"SSH-")?.strip_prefix(b"2.0-").or_else(|| line.strip_prefix(b"SSH-1."))?;
    (payload.transport == Transport::Tcp && !software.is_empty() && line.iter().all(|byte| (0x20..0x7f).contains(byte)))
        .then(|| quote(line))
}

pub const BANNER: Signature = Signature {
    id: "ssh.banner",
    protocol: "ssh",
    about: "An SSH identification line, which either side sends before anything else.",
    class: Class::Custom,
    weight: Weight::STRONG,
    attack: Some("T1021.004"),
    sender: Sender::Either,
    see: banner,
    hits: &[
        (Transport::Tcp, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
        (Transport::Tcp, b"SSH-1.99-Cisco-1.25\n"),
        (Transport::Tcp, b"SSH-2.0-dropbear_2022.83\r\n\0\0\x01\x2c"),
    ],
    misses: &[
        (Transport::Tcp, b"SSH is not available\r\n"),
        (Transport::Tcp, b"SSH-2.0-"),
        (Transport::Udp, b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
};
