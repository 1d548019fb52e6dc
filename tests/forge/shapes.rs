//! The made-up fixtures: odd shapes of RPC that no daemon sends on demand, each as a small capture. Written to
//! `fixtures/forged-*.pcap` by `tests/forged.rs`.

use super::{ACK, FIN, Forged, PSH, RST, SYN, ethernet, host, ipv4, record, rpc_call, tcp_frame, udp, udp_frame};

pub(super) type End = (u8, u16);

/// Name and frames of every made-up fixture.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![
        ("forged-records", records()),
        ("forged-counts", counts()),
        ("forged-crumbs", crumbs()),
        ("forged-lost-segments", lost_segments()),
        ("forged-one-sided", one_sided()),
        ("forged-snapped", snapped()),
        ("forged-credentials", credentials()),
        ("forged-errors", errors()),
        ("forged-fragments", fragments()),
        ("forged-bindings", bindings()),
        ("forged-broadcast", broadcast()),
        ("forged-back-connections", back_connections()),
        ("forged-programs", programs()),
        ("forged-exploits", exploits()),
        ("forged-rpc-scans", scans()),
        ("forged-reflection", reflection()),
        ("forged-outside", outside()),
        ("forged-look-alikes", look_alikes()),
    ]
}

/// Frames a millisecond apart.
#[derive(Default)]
pub(super) struct Tape(pub(super) Vec<Forged>);

impl Tape {
    pub(super) fn add(&mut self, bytes: Vec<u8>) {
        let time = 1_000_000_000_000_000_000 + self.0.len() as u64 * 1_000_000;
        self.0.push(Forged { time, wire_len: bytes.len() as u32, bytes });
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        if let Some(last) = self.0.last_mut() {
            last.time += seconds * 1_000_000_000;
        }
    }

    pub(super) fn udp(&mut self, from: End, to: End, payload: &[u8]) {
        self.add(udp_frame(from, to, payload));
    }

    /// A question and its answer.
    pub(super) fn ask(&mut self, client: End, server: End, question: &[u8], answer: &[u8]) {
        self.udp(client, server, question);
        self.udp(server, client, answer);
    }

    /// A handshake, payloads in turn (from the server?), and the end.
    pub(super) fn tcp(&mut self, client: End, server: End, payloads: &[(bool, Vec<u8>)]) {
        self.add(tcp_frame(client, server, 99, SYN, &[]));
        self.add(tcp_frame(server, client, 499, SYN | ACK, &[]));
        let [a, b] = self.middle(client, server, [100, 500], payloads);
        self.add(tcp_frame(client, server, a, FIN | ACK, &[]));
        self.add(tcp_frame(server, client, b, FIN | ACK, &[]));
    }

    /// Payloads without handshake and end; gives the next sequence numbers.
    pub(super) fn middle(
        &mut self,
        client: End,
        server: End,
        mut next: [u32; 2],
        payloads: &[(bool, Vec<u8>)],
    ) -> [u32; 2] {
        for (from_server, bytes) in payloads {
            let (from, to, side) = if *from_server { (server, client, 1) } else { (client, server, 0) };
            self.add(tcp_frame(from, to, next[side], PSH | ACK, bytes));
            next[side] = next[side].wrapping_add(bytes.len() as u32);
        }
        next
    }
}

pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut all = words(&[bytes.len() as u32]);
    all.extend(bytes);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

/// A call with a credential of this flavor and body, and arguments.
pub fn call_as(xid: u32, named: [u32; 3], flavor: u32, body: &[u8], arguments: &[u8]) -> Vec<u8> {
    [words(&[xid, 0, 2, named[0], named[1], named[2], flavor]), opaque(body), words(&[0, 0]), arguments.to_vec()]
        .concat()
}

pub fn call(xid: u32, named: [u32; 3], arguments: &[u8]) -> Vec<u8> {
    call_as(xid, named, 0, &[], arguments)
}

pub fn reply(xid: u32, result: &[u8]) -> Vec<u8> {
    [words(&[xid, 1, 0, 0, 0, 0]), result.to_vec()].concat()
}

pub fn auth_sys(machine: &[u8], uid: u32, gid: u32) -> Vec<u8> {
    [words(&[77]), opaque(machine), words(&[uid, gid, 0])].concat()
}

pub(super) const CLIENT: End = (1, 40_000);

/// Several records in a segment, a record over segments, a mark over two, several fragments, one of them empty.
fn records() -> Vec<Forged> {
    let mut tape = Tape::default();
    let getattr = |xid| record(&call(xid, [100_003, 3, 1], &opaque(&[7; 32])));
    let together = [getattr(1), getattr(2), getattr(3)].concat();
    let answers: Vec<u8> = [1, 2, 3].into_iter().flat_map(|xid| record(&reply(xid, &[0; 88]))).collect();
    tape.tcp(CLIENT, (2, 817), &[(false, together), (true, answers)]);
    let lookup = record(&call(4, [100_003, 3, 3], &[opaque(&[7; 32]), opaque(b"notes.txt")].concat()));
    let pieces = [&lookup[..50], &lookup[50..]].map(|piece| (false, piece.to_vec()));
    tape.tcp((1, 40_001), (2, 818), &[&pieces[..], &[(true, record(&reply(4, &[0; 40])))]].concat());
    let access = record(&call(5, [100_003, 3, 4], &opaque(&[7; 32])));
    let split = [&access[..2], &access[2..]].map(|piece| (false, piece.to_vec()));
    tape.tcp((1, 40_002), (2, 819), &[&split[..], &[(true, record(&reply(5, &[0; 20])))]].concat());
    let message = call(6, [100_003, 3, 19], &opaque(&[7; 32]));
    let (head, tail) = message.split_at(60);
    let mark = |last: u32, len: usize| words(&[last << 31 | len as u32]);
    let fragments =
        [mark(0, 0), mark(0, head.len()), head.to_vec(), mark(0, 0), mark(1, tail.len()), tail.to_vec()].concat();
    tape.tcp((1, 40_003), (2, 820), &[(false, fragments), (true, record(&reply(6, &[0; 20])))]);
    tape.0
}

/// Three hundred calls of one session; replies sent twice; one id for two calls on the same ports; headers in fragments of
/// a few bytes.
fn counts() -> Vec<Forged> {
    let mut tape = Tape::default();
    let many: Vec<(bool, Vec<u8>)> = (1..=300)
        .flat_map(|xid| {
            [(false, record(&call(xid, [100_003, 3, 1], &opaque(&[7; 32])))), (true, record(&reply(xid, &[0; 20])))]
        })
        .collect();
    tape.tcp(CLIENT, (2, 817), &many);
    for xid in 1..=3 {
        let asked = call_as(xid, [100_005, 3, 1], 1, &auth_sys(b"desk", 0, 0), &opaque(b"/home"));
        tape.ask(CLIENT, (2, 818), &asked, &reply(xid, &[0; 8]));
        tape.ask(CLIENT, (2, 818), &asked, &reply(xid, &[0; 8]));
    }
    for named in [[100_003, 3, 1], [100_005, 3, 1]] {
        tape.ask(CLIENT, (2, 819), &call(1, named, &opaque(b"/home")), &reply(1, &[0; 8]));
    }
    let spread = |message: &[u8], len: usize| -> Vec<u8> {
        let (head, tail) = message.split_at(len);
        [words(&[len as u32]), head.to_vec(), words(&[0x8000_0000 | tail.len() as u32]), tail.to_vec()].concat()
    };
    let asked = call(9, [100_021, 4, 2], &opaque(b"lock"));
    tape.tcp((1, 40_001), (2, 820), &[(false, spread(&asked, 4)), (true, spread(&reply(9, &[0; 8]), 4))]);
    tape.0
}

/// Calls and replies in segments of three and of seven bytes, one connection from its start and one from its middle.
fn crumbs() -> Vec<Forged> {
    let mut tape = Tape::default();
    let dialogue = |first: u32, program: u32, procedures: &[u32], step: usize| -> Vec<(bool, Vec<u8>)> {
        let mut payloads = Vec::new();
        for (xid, procedure) in (first..).zip(procedures) {
            let asked =
                record(&call_as(xid, [program, 3, *procedure], 1, &auth_sys(b"mac", 501, 20), &opaque(b"/home")));
            let answered = record(&reply(xid, &[0; 8]));
            payloads.extend(asked.chunks(step).map(|piece| (false, piece.to_vec())));
            payloads.extend(answered.chunks(step).map(|piece| (true, piece.to_vec())));
        }
        payloads
    };
    tape.tcp(CLIENT, (2, 817), &dialogue(100, 100_005, &[0, 1, 2, 3, 5], 3));
    // The stream is joined five bytes into a call, so that no segment begins a record.
    let late = dialogue(200, 100_003, &[1, 3, 4, 6, 19, 20], 7).split_off(1);
    tape.middle((1, 40_001), (2, 818), [1_000, u32::MAX - 40], &late);
    tape.0
}

/// A long write whose middle was not captured, with calls behind it that begin inside segments.
fn lost_segments() -> Vec<Forged> {
    let mut tape = Tape::default();
    let write = record(&call(1, [100_003, 3, 7], &[opaque(&[7; 32]), vec![b'w'; 4000]].concat()));
    let commit = record(&call(2, [100_003, 3, 21], &opaque(&[7; 32])));
    let stream = [write, commit, record(&call(3, [100_003, 3, 1], &opaque(&[7; 32])))].concat();
    let segments: Vec<&[u8]> = stream.chunks(1400).collect();
    for (number, segment) in segments.iter().enumerate() {
        if number != 1 {
            tape.add(tcp_frame(CLIENT, (2, 817), 100 + 1400 * number as u32, PSH | ACK, segment));
        }
    }
    let answers = [1, 2, 3].map(|xid| record(&reply(xid, &[0; 24])));
    let mut sequence = 500;
    for answer in answers {
        tape.add(tcp_frame((2, 817), CLIENT, sequence, PSH | ACK, &answer));
        sequence += answer.len() as u32;
    }
    // Joined in the middle of a write of 1 MiB: the call behind its end is all that shows.
    let tail = [vec![b'x'; 900], record(&call(9, [100_227, 3, 1], &opaque(&[7; 32])))].concat();
    tape.middle((1, 40_001), (2, 819), [100, 500], &[(false, tail), (true, record(&reply(9, &[0; 40])))]);
    tape.0
}

/// Calls alone, and replies alone, over both transports; replies of 8 KiB over many segments.
fn one_sided() -> Vec<Forged> {
    let mut tape = Tape::default();
    for xid in [1, 2, 3] {
        tape.udp(CLIENT, (2, 817), &call(xid, [100_011, 1, 1], &[opaque(b"/home"), words(&[501])].concat()));
        tape.udp((2, 818), (1, 40_001), &reply(0x3c0d_e000 | xid, &[0; 60]));
    }
    let replies: Vec<u8> =
        [7, 8, 9].into_iter().flat_map(|xid| record(&reply(0x3c0d_e000 | xid, &[5; 8192]))).collect();
    let mut sequence = 1;
    for segment in replies.chunks(1448) {
        tape.add(tcp_frame((2, 819), CLIENT, sequence, ACK, segment));
        sequence += segment.len() as u32;
    }
    let calls: Vec<(bool, Vec<u8>)> =
        [4, 5].into_iter().map(|xid| (false, record(&call(xid, [100_021, 4, 2], &opaque(b"lock"))))).collect();
    tape.middle(CLIENT, (2, 820), [50, 60], &calls);
    tape.0
}

/// What a snap length of 96 bytes leaves of calls with large credentials; and of 80, where the procedure is cut off.
fn snapped() -> Vec<Forged> {
    let mut tape = Tape::default();
    let asked = |xid, version| {
        record(&call_as(xid, [100_003, version, 1], 1, &auth_sys(b"workstation", 501, 20), &opaque(&[7; 32])))
    };
    for (port, version) in [(817, 3), (818, 2)] {
        let payloads: Vec<(bool, Vec<u8>)> = [1, 2]
            .into_iter()
            .flat_map(|xid| [(false, asked(xid, version)), (true, record(&reply(xid, &[0; 90])))])
            .collect();
        tape.tcp((1, 40_000 + port), (2, port), &payloads);
    }
    for (number, frame) in tape.0.iter_mut().enumerate() {
        frame.bytes.truncate(if number < 8 { 96 } else { 80 });
    }
    tape.0
}

/// Every kind of credential; a NetInfo password; STARTTLS with TLS behind it.
fn credentials() -> Vec<Forged> {
    let mut tape = Tape::default();
    let gss = |procedure, service| [words(&[1, procedure, 9, service]), opaque(b"handle")].concat();
    let calls = [
        call_as(1, [100_003, 4, 0], 6, &gss(1, 1), &opaque(b"token")),
        call_as(2, [100_003, 4, 1], 6, &gss(0, 3), &[9; 60]),
        call_as(3, [100_003, 3, 1], 2, b"shorthand!!!", &opaque(&[7; 32])),
        call_as(4, [100_003, 3, 1], 3, &words(&[1, 99]), &opaque(&[7; 32])),
        call_as(5, [100_003, 3, 1], 390_003, &[], &opaque(&[7; 32])),
        call_as(6, [100_003, 3, 1], 1, &auth_sys(b"desk.gaps.test", 0, 0), &opaque(&[7; 32])),
    ];
    for (xid, asked) in (1..).zip(&calls) {
        tape.ask((1, 40_000), (2, 817), asked, &reply(xid, &[0; 20]));
    }
    let inverted: Vec<u8> = b"open sesame".iter().map(|byte| !byte).collect();
    let write = [words(&[5, 0, 1, 1]), opaque(b"value")].concat();
    tape.tcp(
        (1, 1009),
        (2, 818),
        &[
            (false, record(&call_as(1, [200_100_000, 2, 15], 1, &auth_sys(&inverted, 501, 20), &write))),
            (true, record(&reply(1, &words(&[0, 5, 1])))),
        ],
    );
    let inverted: Vec<u8> = "pässwörd\n".bytes().map(|byte| !byte).collect();
    tape.tcp(
        (1, 1010),
        (2, 820),
        &[
            (false, record(&call_as(1, [200_100_000, 2, 15], 1, &auth_sys(&inverted, 501, 20), &write))),
            (true, record(&reply(1, &words(&[0, 5, 1])))),
        ],
    );
    let agreed = [words(&[1, 1, 0, 0]), opaque(b"STARTTLS"), words(&[0])].concat();
    let hello = b"\x16\x03\x01\0\x45\x01\0\0\x41\x03\x030123456789abcdef0123456789abcdef\0\0\x02\x13\x01\x01\0\0\x16\0\0\0\x0d\0\x0b\0\0\x08odd.test\0\x2b\0\x01\0\0\0\0\0\0";
    tape.tcp(
        (1, 40_001),
        (2, 819),
        &[
            (false, record(&call_as(1, [100_003, 4, 0], 7, &[], &[]))),
            (true, record(&agreed)),
            (false, hello.to_vec()),
            (true, b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03".iter().copied().chain([0x5a; 116]).collect()),
        ],
    );
    tape.0
}

/// Every way to refuse, a retransmission, a call without a reply and a reply without a call.
fn errors() -> Vec<Forged> {
    let mut tape = Tape::default();
    let (client, server) = (CLIENT, (2, 817));
    let asked = |xid, program, version| call(xid, [program, version, 3], &[]);
    tape.ask(client, server, &asked(1, 300_019, 1), &words(&[1, 1, 0, 0, 0, 1]));
    tape.ask(client, server, &asked(2, 300_019, 9), &words(&[2, 1, 0, 0, 0, 2, 1, 2]));
    tape.ask(client, server, &asked(3, 300_019, 1), &words(&[3, 1, 0, 0, 0, 3]));
    tape.ask(client, server, &asked(4, 300_019, 1), &words(&[4, 1, 0, 0, 0, 4]));
    tape.ask(client, server, &asked(5, 300_019, 1), &words(&[5, 1, 0, 0, 0, 5]));
    tape.ask(client, server, &asked(6, 300_019, 1), &words(&[6, 1, 1, 0, 2, 2]));
    tape.ask(client, server, &asked(7, 300_019, 1), &words(&[7, 1, 1, 1, 5]));
    tape.udp(client, server, &asked(8, 300_019, 1));
    tape.ask(client, server, &asked(8, 300_019, 1), &reply(8, &[]));
    tape.udp(client, server, &asked(9, 300_019, 1));
    tape.udp(server, client, &reply(10, &[]));
    tape.0
}

/// An answer of 8 KiB over UDP in fragments, one of them before the first; and a fragment whose first was not captured.
fn fragments() -> Vec<Forged> {
    let mut tape = Tape::default();
    tape.udp(CLIENT, (2, 817), &call(1, [100_003, 3, 6], &[opaque(&[7; 32]), words(&[0, 0, 8192])].concat()));
    let datagram = udp(817, CLIENT.1, &reply(1, &[6; 8192]));
    let pieces: Vec<Vec<u8>> = datagram
        .chunks(1480)
        .enumerate()
        .map(|(number, piece)| {
            let more = if (number + 1) * 1480 < datagram.len() { 0x2000 } else { 0 };
            ethernet(0x0800, &ipv4(17, host(2), host(1), more | (number * 1480 / 8) as u16, piece))
        })
        .collect();
    for index in [1, 0, 2, 3, 4, 5] {
        tape.add(pieces[index].clone());
    }
    tape.add(ethernet(0x0800, &ipv4(17, host(3), host(1), 0x00b9, &[9; 400])));
    // A portmapper forwards a call, and its answer comes in two: the first gives the port away.
    tape.udp(CLIENT, (4, 111), &call(2, [100_000, 2, 5], &[words(&[100_002, 2, 2]), opaque(b"")].concat()));
    let answer = udp(111, CLIENT.1, &reply(2, &[words(&[811]), opaque(&[1; 1600])].concat()));
    let (first, rest) = answer.split_at(1480);
    tape.add(ethernet(0x0800, &ipv4(17, host(4), host(1), 0x2000, first)));
    tape.add(ethernet(0x0800, &ipv4(17, host(4), host(1), 185, rest)));
    tape.ask((1, 40_001), (4, 811), b"?", b"!");
    tape.0
}

/// What portmappers of every version give away, a port that passes from one program to another, and one that is gone.
fn bindings() -> Vec<Forged> {
    let mut tape = Tape::default();
    let portmapper = (2, 111);
    let silent = |tape: &mut Tape, port: u16| {
        let client = ((port - 800) as u8, 40_000);
        tape.add(tcp_frame(client, (2, port), 9, SYN, &[]));
        tape.add(tcp_frame((2, port), client, 9, SYN | ACK, &[]));
        tape.add(tcp_frame((2, port), client, 10, RST | ACK, &[]));
    };
    let getport = |xid, program: u32, version| call(xid, [100_000, 2, 3], &words(&[program, version, 6, 0]));
    tape.ask(CLIENT, portmapper, &getport(1, 100_004, 2), &reply(1, &words(&[811])));
    let dump: Vec<u8> = [words(&[1, 100_005, 3, 6, 812]), words(&[1, 100_024, 1, 6, 813]), words(&[0])].concat();
    tape.ask(CLIENT, portmapper, &call(2, [100_000, 2, 4], &[]), &reply(2, &dump));
    let getaddr = [words(&[100_011, 2]), opaque(b"tcp"), opaque(b""), opaque(b"")].concat();
    tape.ask(CLIENT, portmapper, &call(3, [100_000, 4, 3], &getaddr), &reply(3, &opaque(b"10.0.0.2.3.46")));
    let listed = [
        words(&[1]),
        opaque(b"10.0.0.2.3.47"),
        opaque(b"tcp"),
        words(&[3]),
        opaque(b"inet"),
        opaque(b"tcp"),
        words(&[0]),
    ]
    .concat();
    tape.ask(
        CLIENT,
        portmapper,
        &call(4, [100_000, 4, 11], &[words(&[391_002, 2]), opaque(b""), opaque(b""), opaque(b"")].concat()),
        &reply(4, &listed),
    );
    // 816: ypserv first, after ten minutes mountd; and mountd is gone from there in the end.
    tape.ask(CLIENT, portmapper, &getport(5, 100_004, 1), &reply(5, &words(&[816])));
    for port in 811..=816 {
        silent(&mut tape, port);
    }
    tape.wait(600);
    let later = tape.0.len();
    tape.ask(CLIENT, portmapper, &getport(6, 100_005, 1), &reply(6, &words(&[816])));
    tape.ask(CLIENT, portmapper, &getport(7, 100_005, 1), &reply(7, &words(&[0])));
    for frame in &mut tape.0[later..] {
        frame.time += 600_000_000_000;
    }
    tape.0
}

/// A call to everybody is answered by two hosts from their own addresses; a server that answers from another port.
fn broadcast() -> Vec<Forged> {
    let mut tape = Tape::default();
    let question = call(1, [100_001, 3, 1], &[]);
    tape.udp(CLIENT, (255, 817), &question);
    for server in [2, 3] {
        tape.udp((server, 817), CLIENT, &reply(1, &[0; 80]));
    }
    tape.udp((1, 40_001), (4, 819), &call(2, [300_019, 1, 0], &[]));
    tape.udp((4, 818), (1, 40_001), &reply(2, &[]));
    tape.0
}

/// An `NFSv4.0` callback to a reserved port, on the client's own connection and on one of its own; rsh's standard error.
fn back_connections() -> Vec<Forged> {
    let mut tape = Tape::default();
    let back = |xid| record(&call(xid, [0x4000_0000, 1, 1], &words(&[0, 0, 1, 0])));
    tape.tcp(
        (1, 880),
        (2, 2049),
        &[
            (false, record(&call(1, [100_003, 4, 1], &words(&[0, 0, 0])))),
            (true, record(&reply(1, &[0; 12]))),
            (true, back(70)),
            (false, record(&reply(70, &[0; 12]))),
        ],
    );
    tape.tcp((2, 40_000), (1, 898), &[(false, back(71)), (true, record(&reply(71, &[0; 12])))]);
    // rsh: the client says "1002", the server connects back from a reserved port of its own.
    tape.tcp(
        (1, 1010),
        (2, 514),
        &[(false, b"1002\0".to_vec()), (false, b"me\0you\0date\0".to_vec()), (true, b"\0".to_vec())],
    );
    tape.tcp((2, 1008), (1, 1002), &[(false, b"date: no such file\n".to_vec())]);
    tape.0
}

/// Programs that no table knows, of every range.
fn programs() -> Vec<Forged> {
    let mut tape = Tape::default();
    let odd = [(811, 100_999), (812, 0x2000_0077), (813, 0x4123_4567), (814, 200_100_050), (815, 0x4000_0007)];
    for (port, program) in odd {
        let server = (2, port);
        tape.ask((1, 700), server, &rpc_call(1, program, 1, 4), &reply(1, &[0; 4]));
        tape.ask((1, 700), server, &rpc_call(2, program, 1, 0), &reply(2, &[]));
    }
    tape.0
}

/// The shapes of known attacks, one a port.
fn exploits() -> Vec<Forged> {
    let mut tape = Tape::default();
    let root = auth_sys(b"localhost", 0, 0);
    let attack = |tape: &mut Tape, port: u16, named: [u32; 3], arguments: &[u8]| {
        tape.ask(
            CLIENT,
            (2, port),
            &call_as(u32::from(port), named, 1, &root, arguments),
            &reply(u32::from(port), &[0; 4]),
        );
    };
    let sled = opaque(&[b"\x90".repeat(1300), b"\xeb\x1f\x5e\x89\x76\x08/bin/sh".to_vec()].concat());
    attack(&mut tape, 811, [100_068, 4, 21], &sled);
    attack(&mut tape, 812, [100_083, 1, 7], &opaque(&b"\x80\x1c\x40\x11".repeat(330)));
    attack(
        &mut tape,
        813,
        [100_232, 10, 1],
        &[words(&[0; 12]), opaque(b"system"), opaque(b"../../../../../bin/sh"), opaque(b"-c"), opaque(b"id")].concat(),
    );
    attack(
        &mut tape,
        814,
        [100_024, 1, 1],
        &opaque(b"\x18\xf7\xff\xbf\x19\xf7\xff\xbf%8x%8x%8x%8x%8x%62716x%hn%51859x%hn"),
    );
    attack(&mut tape, 815, [100_017, 1, 1], &[opaque(b"sh"), opaque(b"-c"), opaque(b"echo + + > /.rhosts")].concat());
    attack(&mut tape, 816, [100_000, 4, 3], &[words(&[100_003, 3]), words(&[0x3fff_ffff]), vec![0; 40]].concat());
    // What the same programs are asked on a good day.
    attack(&mut tape, 820, [100_024, 1, 1], &opaque(b"client.gaps.test"));
    attack(&mut tape, 821, [100_005, 3, 1], &opaque(b"/export/home"));
    tape.0
}

/// nmap's probe, programs tried one after another, and a sweep over the portmappers of twelve hosts on another port.
fn scans() -> Vec<Forged> {
    let mut tape = Tape::default();
    let mismatch = |xid| words(&[xid, 1, 0, 0, 0, 2, 2, 4]);
    tape.ask((9, 50_000), (2, 811), &rpc_call(0x72fe_1d13, 100_000, 104_316, 0), &mismatch(0x72fe_1d13));
    for (xid, program) in (1..).zip([100_000, 100_001, 100_002, 100_003, 100_004, 100_005, 100_007]) {
        tape.ask((9, 50_001), (2, 812), &rpc_call(xid, program, 2, 0), &words(&[xid, 1, 0, 0, 0, 1]));
    }
    let table: Vec<u8> = [words(&[1, 100_003, 3, 17, 2049]), words(&[0])].concat();
    for server in 20..32 {
        tape.ask(
            (9, 50_002),
            (server, 813),
            &call(u32::from(server), [100_000, 2, 4], &[]),
            &reply(u32::from(server), &table),
        );
    }
    tape.0
}

/// A portmapper on another port that answers a spoofed victim twenty times, and one whose questions were not captured.
fn reflection() -> Vec<Forged> {
    let mut tape = Tape::default();
    let table: Vec<u8> = (0..12).flat_map(|n| words(&[1, 100_003 + n, 3, 17, 2049])).chain([0; 4]).collect();
    for xid in 1..=20 {
        tape.ask((99, 80), (2, 817), &call(xid, [100_000, 2, 4], &[]), &reply(xid, &table));
    }
    for victim in 100..112 {
        for xid in [1, 2] {
            tape.udp((3, 818), (victim, 53), &reply(0x3c0d_e000 | xid, &table));
        }
    }
    tape.0
}

/// A packet with an address of its own choice for the client.
pub(super) fn from_outside(tape: &mut Tape, server: End, question: &[u8], answer: &[u8]) {
    let outside = [203, 0, 113, 7];
    let asked = ipv4(17, outside, host(server.0), 0, &udp(40_000, server.1, question));
    let answered = ipv4(17, host(server.0), outside, 0, &udp(server.1, 40_000, answer));
    tape.add(ethernet(0x0800, &asked));
    tape.add(ethernet(0x0800, &answered));
}

/// A portmapper, a NIS server and a NetInfo server of a private net, asked from a public address; SET from afar, and two
/// NIS clients that another host binds to a server (ypset), from within the net and from outside.
fn outside() -> Vec<Forged> {
    let mut tape = Tape::default();
    let forward = [words(&[100_005, 1, 5]), opaque(b"")].concat();
    from_outside(&mut tape, (2, 811), &call(1, [100_000, 2, 5], &forward), &reply(1, &words(&[820, 0])));
    let map = [opaque(b"gaps.test"), opaque(b"passwd.byname")].concat();
    from_outside(
        &mut tape,
        (2, 812),
        &call(2, [100_004, 2, 4], &map),
        &reply(2, &[words(&[1]), opaque(b"root:x:0:0"), opaque(b"root")].concat()),
    );
    let root = [words(&[0, 1, 0, 1, 0, 0, 1]), opaque(b"master"), words(&[1]), opaque(b"server/network")].concat();
    let database = [root, words(&[0, 0, 0])].concat(); // its parent, no children, no more objects
    from_outside(&mut tape, (2, 813), &call(3, [200_100_000, 2, 25], &words(&[0])), &reply(3, &database));
    let set = call(4, [100_000, 2, 1], &words(&[100_004, 2, 17, 999]));
    tape.ask((2, 40_000), (2, 814), &set, &reply(4, &words(&[1]))); // by the host itself, as it should be
    tape.ask(CLIENT, (2, 814), &set, &reply(4, &words(&[1])));
    let unset = call(6, [100_000, 2, 2], &words(&[100_004, 2, 17, 999]));
    tape.ask(CLIENT, (2, 814), &unset, &reply(6, &words(&[1])));
    let binding = words(&[0x0a00_0009, 0x03e9_0000, 2]); // address, port, version
    let bind = call(5, [100_007, 2, 2], &[opaque(b"gaps.test"), binding].concat());
    tape.ask(CLIENT, (2, 815), &bind, &reply(5, &[]));
    from_outside(&mut tape, (2, 816), &bind, &reply(5, &[]));
    tape.0
}

/// What reads like RPC for a few words and is none: counters, zeros, a recording of RPC in a file.
fn look_alikes() -> Vec<Forged> {
    let mut tape = Tape::default();
    // The first words of a reply in datagrams that are asked for with something else.
    for n in 1..6 {
        tape.ask(CLIENT, (2, 811), &words(&[n, 9, 0, 0]), &words(&[n, 1, 0, 0, 0, 0, 7]));
    }
    // Type and version of a call, and no credential behind them.
    for n in 1..4u32 {
        tape.udp(CLIENT, (2, 812), &words(&[n, 0, 2, 0x8765_4321, 1, 1, 0, 0, 0, 0]));
    }
    // A recording of NFS in transfer: calls and replies come from one side.
    let frame = |message: &[u8]| [&[0x5a; 70][..], &record(message)].concat();
    let file = [
        b"HTTP/1.0 200 OK\r\n\r\n".to_vec(),
        frame(&call(1, [100_003, 3, 1], &opaque(&[7; 32]))),
        frame(&reply(1, &[0; 60])),
        vec![1; 90],
    ]
    .concat();
    tape.tcp(CLIENT, (2, 813), &[(false, b"GET /nfs.pcap HTTP/1.0\r\n\r\n".to_vec()), (true, file)]);
    // A call to a server that answers in another language.
    tape.tcp(
        (1, 40_001),
        (2, 814),
        &[(false, record(&rpc_call(1, 100_000, 2, 0))), (true, b"-ERR unknown command\r\n".to_vec())],
    );
    // Lengths, numbers and zeros, as message brokers send them: a full request, and an answer like a reply.
    for id in 1..5u32 {
        let request = [words(&[20, 0x0012_0003, id]), opaque(b"client-1"), vec![0, 0, 0, 0]].concat();
        let answer = words(&[32, id, 1, 0, 0, 0, 0, 7, 7]);
        let [a, b] = [100 + id * 28, 500 + id * 36];
        tape.middle((1, 40_002), (2, 815), [a, b], &[(false, request), (true, answer)]);
    }
    // What is sent comes back: a recording of RPC, too.
    let recorded: Vec<u8> = (1..4)
        .flat_map(|xid| [frame(&call(xid, [100_003, 3, 1], &[])), frame(&reply(xid, &[0; 8]))].concat())
        .collect();
    tape.tcp((1, 40_003), (2, 816), &[(false, recorded.clone()), (true, recorded)]);
    // Two questions for a table that a host which is there leaves unanswered.
    for xid in [1, 2] {
        tape.udp((1, 40_004), (2, 817), &call(xid, [100_000, 2, 4], &[]));
    }
    tape.0
}
