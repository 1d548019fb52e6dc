//! Made-up answers that come from elsewhere, in odd lengths, or not at all; and who serves where nobody said so. Written to
//! `fixtures/forged-*.pcap` by `tests/forged.rs`.

use super::shapes::{Tape, call, opaque, reply, words};
use super::{ACK, FIN, Forged, PSH, RST, SYN, ethernet, host, ipv4, record, tcp_frame, udp, udp_frame};

/// Name and frames of every made-up fixture of this file.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![
        ("forged-elsewhere", elsewhere()),
        ("forged-one-sided-calls", one_sided()),
        ("forged-odd-replies", odd_replies()),
        ("forged-client-attacked", client_attacked()),
        ("forged-roles", roles()),
        ("forged-unasked", unasked()),
    ]
}

const PING: [u32; 3] = [100_005, 3, 0];

/// A datagram to an address by its four bytes.
fn to_address(from: (u8, u16), address: [u8; 4], port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(17, host(from.0), address, 0, &udp(from.1, port, payload)))
}

/// Answers from another port of the same host, with RPC and without; three hosts that answer what went to everybody, in a
/// protocol that nobody knows and in one that is known.
fn elsewhere() -> Vec<Forged> {
    let mut tape = Tape::default();
    for (xid, port) in [(0x5100_0001, 50_000), (0x5100_0002, 50_001)] {
        tape.udp((1, port), (2, 817), &call(xid, PING, &[]));
        tape.udp((2, 818), (1, port), &reply(xid, &[]));
    }
    tape.udp((1, 50_010), (2, 820), b"\x02question 0000001\x03");
    tape.udp((2, 821), (1, 50_010), b"\x02answer 0000000001\x03");
    tape.add(to_address((1, 40_001), [255; 4], 811, b"\x01who is there\x02\x03\x04"));
    for number in [5, 6, 7] {
        tape.udp((number, 811), (1, 40_001), &[&b"\x81it is me "[..], &[number; 20]].concat());
    }
    // NTP, asked of everybody.
    let ask = [&[0x23, 0, 6, 0x20][..], &[0; 36], &[0xea, 1, 2, 3, 4, 5, 6, 7]].concat();
    let say = [&[0x24, 2, 6, 0xe8, 0, 0, 0, 0x10, 0, 0, 0, 0x20, 10, 0, 0, 1][..], &[0xea; 32]].concat();
    tape.add(to_address((1, 40_002), [10, 0, 0, 255], 822, &ask));
    tape.udp((5, 822), (1, 40_002), &say);
    // Nobody answers this one.
    tape.add(to_address((1, 40_003), [10, 0, 0, 255], 824, b"\x01nobody home?\x02\x03\x04"));
    tape.0
}

/// A segment that acknowledges.
fn acknowledging(from: (u8, u16), to: (u8, u16), next: [u32; 2], flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = tcp_frame(from, to, next[0], flags | ACK, payload);
    let at = 14 + 20 + 8;
    frame[at..at + 4].copy_from_slice(&next[1].to_be_bytes());
    frame
}

/// The client's side only: five pings, of which each answer was acknowledged; two of which none was (a probe); many calls on a
/// connection whose server says nothing; and one reply in a record of its own.
fn one_sided() -> Vec<Forged> {
    let mut tape = Tape::default();
    let (client, server) = ((1, 700), (2, 817));
    tape.add(tcp_frame(client, server, 99, SYN, &[]));
    let mut next = [100, 500];
    for xid in 1..=5 {
        tape.add(acknowledging(client, server, next, PSH, &record(&call(xid, PING, &[]))));
        next = [next[0] + 44, next[1] + 28];
    }
    tape.add(acknowledging(client, server, next, FIN, &[]));
    let (client, server) = ((1, 702), (2, 819));
    tape.add(tcp_frame(client, server, 99, SYN, &[]));
    for xid in 1..=2 {
        tape.add(acknowledging(client, server, [56 + 44 * xid, 500], PSH, &record(&call(xid, PING, &[]))));
    }
    let (client, server) = ((1, 704), (2, 821));
    tape.add(tcp_frame(client, server, 99, SYN, &[]));
    tape.add(tcp_frame(server, client, 499, SYN | ACK, &[]));
    for xid in 1..=40 {
        tape.add(tcp_frame(client, server, 56 + 44 * xid, PSH | ACK, &record(&call(xid, PING, &[]))));
        tape.add(tcp_frame(server, client, 500, ACK, &[]));
    }
    tape.add(tcp_frame((2, 823), (1, 706), 900, PSH | ACK, &record(&reply(0x5a5a_0001, &words(&[0, 7])))));
    tape.0
}

/// One odd byte behind each reply; denied replies with four bytes behind them, as Windows sends them.
fn odd_replies() -> Vec<Forged> {
    let mut tape = Tape::default();
    for xid in [0x0100_0001, 0x0100_0002] {
        tape.ask((1, 50_000), (2, 817), &call(xid, PING, &[]), &[reply(xid, &[]), vec![0]].concat());
    }
    let denied = |xid| words(&[xid, 1, 1, 1, 5, 0]);
    for xid in [0x0200_0001, 0x0200_0002, 0x0200_0003] {
        tape.ask((1, 50_001), (2, 819), &call(xid, [100_003, 3, 1], &opaque(&[7; 32])), &denied(xid));
    }
    // The harmless twin: the words of a denied reply in another protocol, which nobody asked for in RPC.
    tape.ask((1, 50_002), (2, 821), b"\0\0\0\x07\0\0\0\x09status?!", &denied(7));
    tape.0
}

/// A result far longer than an address is, and a verifier that no client sends; with an ordinary address and an ordinary
/// verifier of `RPCSEC_GSS` beside them.
fn client_attacked() -> Vec<Forged> {
    let mut tape = Tape::default();
    let getaddr =
        |xid| call(xid, [100_000, 4, 3], &[words(&[100_005, 3]), opaque(b"udp"), opaque(b""), opaque(b"")].concat());
    tape.ask((1, 50_000), (2, 817), &getaddr(0x0300_0001), &reply(0x0300_0001, &opaque(&[b'A'; 2048])));
    tape.ask((1, 50_001), (2, 819), &getaddr(0x0300_0002), &reply(0x0300_0002, &opaque(b"10.0.0.2.3.55")));
    let with_verifier =
        |xid, flavor, length| [words(&[xid, 0, 2, 100_005, 3, 0, 0, 0, flavor]), opaque(&vec![b'B'; length])].concat();
    tape.ask((1, 50_002), (2, 821), &with_verifier(0x0300_0003, 0, 400), &reply(0x0300_0003, &[]));
    tape.ask((1, 50_003), (2, 823), &with_verifier(0x0300_0004, 6, 120), &reply(0x0300_0004, &[]));
    tape.0
}

/// QUIC whose server's address sorts before and behind the client's; Modbus and TLS records joined in the middle; NTP among
/// whose datagrams one reads as an RPC call.
fn roles() -> Vec<Forged> {
    let mut tape = Tape::default();
    let initial = |source: u8| {
        let head = [&[0xc3, 0, 0, 0, 1, 8][..], b"destinat", &[8], &[source; 8], &[0, 0x44, 0x9e]].concat();
        [head, (0..1190u32).map(|number| (number * 89 + u32::from(source)) as u8).collect()].concat()
    };
    for (client, server) in [((1, 50_001), (2, 784)), ((9, 50_002), (2, 784))] {
        tape.ask(client, server, &initial(0x11), &initial(0x22));
    }
    let (client, server) = ((1, 50_010), (2, 822));
    let request = |id: u8| vec![0, id, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2];
    let response = |id: u8| vec![0, id, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2];
    let payloads: Vec<_> = (1..5).flat_map(|id| [(true, response(id)), (false, request(id + 1))]).collect();
    tape.middle(client, server, [100, 500], &payloads);
    let data = |seed: u32| {
        let body: Vec<u8> = (0..60u32).map(|number| (number * 151 + seed * 77) as u8).collect();
        [&[23, 3, 3, 0, 60][..], &body].concat()
    };
    for number in 3..9 {
        let payloads = [(true, data(1)), (false, data(2)), (true, [data(3), data(4)].concat())];
        tape.middle((1, 50_020), (number, 824), [100, 500], &payloads);
    }
    let ask = |stamp: u8| [&[0x23, 0, 6, 0x20][..], &[0; 36], &[0xea, 1, 2, 3, 4, 5, 6, stamp]].concat();
    let say = |stamp: u8| {
        [&[0x24, 2, 6, 0xe8, 0, 0, 0, 0x10, 0, 0, 0, 0x20, 10, 0, 0, 1][..], &[0xea; 24], &[stamp; 8]].concat()
    };
    // Version 0 of the transient program "STEP", by its reference id.
    let step = words(&[0xe300_03fa, 0, 2, 0x5354_4550, 0, 0, 0, 0, 0, 0, 0xea01_0203, 0x0405_0607]);
    tape.ask((1, 50_030), (2, 722), &step, &say(1));
    for stamp in 2..18 {
        tape.ask((1, 50_030), (2, 722), &ask(stamp), &say(stamp));
    }
    tape.0
}

/// SYN-ACKs that nobody asked for: a scan from a port in scope, or answers to a flood; and one that is answered by a reset.
fn unasked() -> Vec<Forged> {
    let mut tape = Tape::default();
    for number in 100..120u8 {
        let (victim, probed) = ((66, 817), (number, 2000 + u16::from(number)));
        tape.add(tcp_frame(victim, probed, 7000, SYN | ACK, &[]));
        tape.add(tcp_frame(probed, victim, 1, RST, &[]));
    }
    // A service with an ordinary connection on the same port stays one.
    tape.tcp((1, 50_000), (67, 817), &[(false, b"\x02hello 01\x03".to_vec()), (true, b"\x02fine 001\x03".to_vec())]);
    tape.add(udp_frame((1, 50_001), (67, 817), b"\x01\x02\x03\x04"));
    tape.0
}
