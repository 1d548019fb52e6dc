//! Makes frames and captures for tests. Knows the wire formats, and nothing of gapwatch's judgement.
#![allow(dead_code, clippy::cast_possible_truncation)] // every test file takes what it needs; lengths are small

pub mod answers;
pub mod escapes;
pub mod incarnations;
pub mod innocent;
pub mod packed;
pub mod secrets;
pub mod shapes;
pub mod signals;
pub mod twins;
pub mod wrapped;

use std::net::Ipv4Addr;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const PSH: u8 = 8;
pub const ACK: u8 = 16;

/// A frame with its time in nanoseconds.
#[derive(Clone, Debug)]
pub struct Forged {
    pub time: u64,
    pub bytes: Vec<u8>,
    pub wire_len: u32,
}

#[must_use]
pub fn at(time: u64, bytes: Vec<u8>) -> Forged {
    Forged { time, wire_len: bytes.len() as u32, bytes }
}

#[must_use]
pub fn ethernet(kind: u16, rest: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &kind.to_be_bytes()[..], rest].concat()
}

/// An IPv4 packet; `fragment` is the whole field of flags and offset.
#[must_use]
pub fn ipv4(protocol: u8, source: [u8; 4], destination: [u8; 4], fragment: u16, rest: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(((20 + rest.len()) as u16).to_be_bytes());
    header.extend([0, 7]);
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(source);
    header.extend(destination);
    [&header, rest].concat()
}

#[must_use]
pub fn ipv6(next: u8, source: u16, destination: u16, rest: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend([next, 64]);
    for end in [source, destination] {
        header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend(end.to_be_bytes());
    }
    [&header, rest].concat()
}

#[must_use]
pub fn tcp(source: u16, destination: u16, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(destination.to_be_bytes());
    header.extend(sequence.to_be_bytes());
    header.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    [&header, payload].concat()
}

#[must_use]
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(destination.to_be_bytes());
    header.extend(((8 + payload.len()) as u16).to_be_bytes());
    header.extend([0, 0]);
    [&header, payload].concat()
}

/// Host number `n` of a small network.
#[must_use]
pub fn host(n: u8) -> [u8; 4] {
    Ipv4Addr::new(10, 0, 0, n).octets()
}

#[must_use]
pub fn tcp_frame(from: (u8, u16), to: (u8, u16), sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(6, host(from.0), host(to.0), 0, &tcp(from.1, to.1, sequence, flags, payload)))
}

#[must_use]
pub fn udp_frame(from: (u8, u16), to: (u8, u16), payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(17, host(from.0), host(to.0), 0, &udp(from.1, to.1, payload)))
}

/// A whole TCP conversation: handshake, a question, an answer, and the end, one frame a millisecond.
#[must_use]
pub fn conversation(client: (u8, u16), server: (u8, u16), question: &[u8], answer: &[u8]) -> Vec<Forged> {
    let (mut asked, mut answered) = (1000, 5000);
    let mut frames = Vec::new();
    let mut send = |from_client: bool, flags: u8, payload: &[u8]| {
        let (from, to, sequence) =
            if from_client { (client, server, &mut asked) } else { (server, client, &mut answered) };
        let time = 1_000_000_000_000_000_000 + u64::from(client.1) * 1_000_000_000 + frames.len() as u64 * 1_000_000;
        frames.push(at(time, tcp_frame(from, to, *sequence, flags, payload)));
        *sequence += payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
    };
    send(true, SYN, b"");
    send(false, SYN | ACK, b"");
    send(true, ACK, b"");
    send(true, PSH | ACK, question);
    send(false, PSH | ACK, answer);
    send(true, FIN | ACK, b"");
    send(false, FIN | ACK, b"");
    frames
}

/// An RPC call without credential.
#[must_use]
pub fn rpc_call(xid: u32, program: u32, version: u32, procedure: u32) -> Vec<u8> {
    [xid, 0, 2, program, version, procedure, 0, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A successful reply with four bytes of result.
#[must_use]
pub fn rpc_reply(xid: u32) -> Vec<u8> {
    [xid, 1, 0, 0, 0, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A record of one fragment.
#[must_use]
pub fn record(message: &[u8]) -> Vec<u8> {
    [&(0x8000_0000 | message.len() as u32).to_be_bytes()[..], message].concat()
}

/// A pcap file in either byte order, in micro- or nanoseconds.
#[must_use]
pub fn pcap(link: u32, big_endian: bool, nanoseconds: bool, frames: &[Forged]) -> Vec<u8> {
    let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = Vec::new();
    file.extend(word(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
    file.extend(if big_endian { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    for value in [0, 0, 262_144, link] {
        file.extend(word(value));
    }
    for frame in frames {
        let fraction = frame.time % 1_000_000_000;
        file.extend(word((frame.time / 1_000_000_000) as u32));
        file.extend(word(if nanoseconds { fraction } else { fraction / 1000 } as u32));
        file.extend(word(frame.bytes.len() as u32));
        file.extend(word(frame.wire_len));
        file.extend(&frame.bytes);
    }
    file
}

/// Writes pcapng blocks of one byte order.
#[derive(Clone, Copy, Debug)]
pub struct Pcapng {
    pub big_endian: bool,
}

impl Pcapng {
    #[must_use]
    pub fn word(self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    #[must_use]
    pub fn half(self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    #[must_use]
    pub fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let len = self.word((12 + body.len() + padding.len()) as u32);
        [&self.word(kind)[..], &len, body, &padding, &len].concat()
    }

    #[must_use]
    pub fn section(self) -> Vec<u8> {
        let body = [&self.word(0x1a2b_3c4d)[..], &self.half(1), &self.half(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    /// An interface; `resolution` as the option `if_tsresol` has it.
    #[must_use]
    pub fn interface(self, link: u16, snap_len: u32, resolution: Option<u8>) -> Vec<u8> {
        self.shifted_interface(link, snap_len, resolution, 0)
    }

    /// An interface whose clock is `offset` seconds off (`if_tsoffset`).
    #[must_use]
    pub fn shifted_interface(self, link: u16, snap_len: u32, resolution: Option<u8>, offset: i64) -> Vec<u8> {
        let mut body = [&self.half(link)[..], &self.half(0), &self.word(snap_len)].concat();
        if let Some(resolution) = resolution {
            body.extend(
                [&self.half(9)[..], &self.half(1), &[resolution, 0, 0, 0], &self.half(0), &self.half(0)].concat(),
            );
        }
        if offset != 0 {
            let value = if self.big_endian { offset.to_be_bytes() } else { offset.to_le_bytes() };
            body.extend([&self.half(14)[..], &self.half(8), &value].concat());
        }
        body.extend([&self.half(0)[..], &self.half(0)].concat());
        self.block(1, &body)
    }

    /// An enhanced packet; `ticks` in the interface's own clock.
    #[must_use]
    pub fn packet(self, interface: u32, ticks: u64, frame: &[u8], wire_len: u32) -> Vec<u8> {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let mut body: Vec<u8> =
            [interface, high, low, frame.len() as u32, wire_len].iter().flat_map(|value| self.word(*value)).collect();
        body.extend(frame);
        self.block(6, &body)
    }

    #[must_use]
    pub fn simple_packet(self, frame: &[u8], wire_len: u32) -> Vec<u8> {
        self.block(3, &[&self.word(wire_len)[..], frame].concat())
    }
}
