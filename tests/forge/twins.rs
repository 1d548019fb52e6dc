//! RPC and its twins: the same transaction ids both ways, RPC inside something else, harmless arguments that look like an
//! exploit, and exploits that hide behind two odd bytes. Written to `fixtures/forged-*.pcap` by `tests/forged.rs`.

use super::shapes::{CLIENT, Tape, call, from_outside, opaque, reply, words};
use super::{ACK, Forged, SYN, record, tcp_frame};

/// Name and frames of every made-up fixture of this file.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![
        ("forged-same-ids", same_ids()),
        ("forged-inside", inside()),
        ("forged-harmless", harmless()),
        ("forged-odd-bytes", odd_bytes()),
    ]
}

/// Both sides number their calls for themselves: a storage server that calls back with one id for all, NFS 4.1 whose callbacks
/// come on the same connection, two daemons that call each other; and a script that uses one id for every call.
fn same_ids() -> Vec<Forged> {
    let mut tape = Tape::default();
    let mut payloads = Vec::new();
    for xid in 40..46 {
        payloads.push((false, record(&call(xid, [1_298_437, 400, 27], &words(&[0; 8])))));
        payloads.push((true, record(&reply(xid, &words(&[0, 0])))));
    }
    payloads.push((true, record(&call(42, [52_743_234, 1, 5], &words(&[0; 6])))));
    tape.tcp((1, 1015), (2, 933), &payloads);
    let compound = |xid| record(&call(xid, [100_003, 4, 1], &words(&[0, 1, 1, 53])));
    let back = record(&call(1, [0x4000_0000, 1, 1], &words(&[0, 1, 0, 2, 11, 4])));
    let done = |xid| record(&reply(xid, &words(&[0, 0, 1])));
    let payloads =
        [(false, compound(1)), (true, done(1)), (true, back), (false, done(1)), (false, compound(2)), (true, done(2))];
    tape.tcp((1, 40_817), (2, 817), &payloads);
    for xid in 1..4 {
        tape.ask((3, 827), (4, 827), &call(xid, [100_021, 4, 7], &opaque(b"lock")), &reply(xid, &[]));
        tape.ask((4, 827), (3, 827), &call(xid, [100_021, 4, 12], &opaque(b"done")), &reply(xid, &[]));
    }
    // A portmapper's client that never changes its id: each answer is for what was asked before it.
    for (program, port) in [(100_003, 821), (100_005, 822)] {
        let question = call(9, [100_000, 2, 3], &words(&[program, 2, 6, 0]));
        tape.ask((1, 40_111), (5, 111), &question, &reply(9, &words(&[port])));
    }
    for port in [821, 822] {
        tape.add(tcp_frame((1, 40_000), (5, port), 9, SYN, &[]));
        tape.add(tcp_frame((5, port), (1, 40_000), 9, SYN | ACK, &[]));
    }
    // A store that gives back the recording that was put into it is no pair of daemons.
    let recording =
        |xid| [record(&call(xid, [100_003, 3, 1], &opaque(b"handle"))), record(&reply(xid, &words(&[0; 22])))].concat();
    let both = [recording(0x5a00_0001), recording(0x5a00_0002)].concat();
    tape.tcp((1, 40_820), (2, 820), &[(false, both.clone()), (true, b"OK\r\n".to_vec()), (true, both)]);
    for (procedure, result) in [(0, vec![]), (3, words(&[111])), (4, words(&[0]))] {
        tape.ask(CLIENT, (2, 872), &call(1, [100_000, 2, procedure], &words(&[100_003, 3, 6, 0])), &reply(1, &result));
    }
    tape.0
}

/// A tunnel with NFS in its frames; NFS through a proxy; a recording that is copied over NFS, with an exploit in it; and
/// measurements that a server pushes in words which read as replies.
fn inside() -> Vec<Forged> {
    let mut tape = Tape::default();
    let framed =
        |message: &[u8]| [&[0, 0, 0, 200, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 0][..], &record(message)].concat();
    let getattr = |xid| call(xid, [100_003, 3, 1], &opaque(b"handle"));
    let payloads: Vec<(bool, Vec<u8>)> = (0x5a00_0001..0x5a00_0005)
        .flat_map(|xid| [(false, framed(&getattr(xid))), (true, framed(&reply(xid, &words(&[0; 22]))))])
        .collect();
    tape.tcp((1, 40_817), (2, 817), &payloads);

    let connected = b"\x05\0\0\x01\x0a\0\0\x05\x08\x01".to_vec();
    let payloads = [
        (false, b"\x05\x01\0".to_vec()),
        (true, b"\x05\0".to_vec()),
        (false, b"\x05\x01\0\x01\xc0\0\x02\x05\x08\x01".to_vec()),
        (true, connected),
        (false, record(&getattr(7))),
        (true, record(&reply(7, &words(&[0; 22])))),
    ];
    tape.tcp((1, 40_818), (2, 818), &payloads);

    let recorded = |message: &[u8]| [vec![0x55; 37], record(message), vec![0x55; 90]].concat();
    let attack = call(99, [100_232, 10, 1], &[opaque(b"/bin/sh -c id"), vec![0x90; 64]].concat());
    let write = record(&call(
        8,
        [100_003, 3, 7],
        &[opaque(b"handle"), words(&[0, 0, 3000, 1, 3000]), vec![0x55; 3000]].concat(),
    ));
    let read = record(&reply(9, &[words(&[0; 24]), vec![0x55; 3000]].concat()));
    let data = |whole: &[u8], message: &[u8]| {
        let middle = recorded(message);
        let mut rest = whole[1200..].to_vec();
        rest[..middle.len()].copy_from_slice(&middle);
        (whole[..1200].to_vec(), rest)
    };
    let (write_head, write_rest) = data(&write, &attack);
    let (read_head, read_rest) = data(&read, &reply(99, &words(&[0])));
    let payloads = [
        (false, write_head),
        (false, write_rest),
        (true, record(&reply(8, &words(&[0; 6])))),
        (false, record(&call(9, [100_003, 3, 6], &[opaque(b"handle"), words(&[0, 0, 3000])].concat()))),
        (true, read_head),
        (true, read_rest),
    ];
    tape.tcp((1, 40_819), (2, 819), &payloads);

    let pushed: Vec<(bool, Vec<u8>)> =
        (0..12).map(|n| (true, record(&words(&[0x5a00_0000 + n * 1000, 1, 0, 0, 0, 0, 0x3f80_0000 + n])))).collect();
    tape.tcp((1, 40_932), (2, 932), &pushed);
    tape.0
}

/// Words for people: a message between two rulers, a comment with a semicolon, a diary's entry.
fn harmless() -> Vec<Forged> {
    let mut tape = Tape::default();
    let ruler = "-".repeat(72);
    let prose = "The file server will be down on Saturday from nine to noon. ".repeat(18);
    let text = format!("{ruler}\n{prose}\n{ruler}\n");
    tape.ask(CLIENT, (2, 811), &call(1, [100_008, 1, 2], &opaque(text.as_bytes())), &reply(1, &[]));
    let comment = [opaque(b"client"), opaque(b"laser"), opaque(b"HP LaserJet 4 (2nd floor; left)")].concat();
    tape.ask(CLIENT, (2, 812), &call(2, [150_001, 2, 2], &comment), &reply(2, &words(&[0, 0, 0])));
    let entry = format!("{}\n{prose}", "=".repeat(70));
    tape.ask(CLIENT, (2, 813), &call(3, [100_068, 4, 6], &opaque(entry.as_bytes())), &reply(3, &words(&[0])));
    tape.0
}

/// Two bytes too many behind a call, which servers do not mind; an exploit of odd length; single entries of a password map, read
/// from outside; an overflow behind a record of an unknown kind; replies alone beside a knock; and a server that answers from
/// both of its addresses.
fn odd_bytes() -> Vec<Forged> {
    let mut tape = Tape::default();
    let odd = |xid: u32, named, arguments: &[u8]| [call(xid, named, arguments), vec![0, 0]].concat();
    for xid in [0x1234_0001, 0x1234_0002] {
        tape.ask(CLIENT, (2, 811), &odd(xid, [100_002, 2, 1], &[]), &reply(xid, &words(&[3])));
    }
    let overflow = [words(&[1500]), vec![0x41; 1501]].concat();
    tape.ask(CLIENT, (2, 812), &call(5, [100_068, 4, 21], &overflow), &reply(5, &words(&[0])));
    let key = [opaque(b"gaps.test"), opaque(b"passwd.byname"), opaque(b"root")].concat();
    let entry = reply(6, &[words(&[1]), opaque(b"root:x1y2z3:0:0:root:/:/bin/sh")].concat());
    from_outside(&mut tape, (2, 813), &call(6, [100_004, 2, 3], &key), &entry);
    // An overflow behind a record that nobody can read.
    let unreadable = [words(&[0x7000_0002, 0, 2, 100_232, 10, 0, 99, 0, 0, 0])].concat();
    let segment = [
        record(&call(0x7000_0001, [100_232, 10, 0], &[])),
        record(&unreadable),
        record(&call(0x7000_0003, [100_068, 4, 21], &[words(&[1500]), vec![0x41; 1500]].concat())),
    ];
    let denied = words(&[0x7000_0002, 1, 1, 1, 2]);
    let answers = [record(&reply(0x7000_0001, &[])), record(&denied), record(&reply(0x7000_0003, &words(&[0])))];
    tape.tcp((1, 40_821), (2, 821), &[(false, segment.concat()), (true, answers.concat())]);
    // Replies alone, and a host that only knocks.
    let replies = [0x7100_0001, 0x7100_0002].map(|xid| (true, record(&reply(xid, &words(&[0; 22])))));
    tape.middle((1, 40_822), (2, 822), [100, 500], &replies);
    tape.add(tcp_frame((5, 50_000), (2, 822), 99, SYN, &[]));
    for xid in [0x5a5a_0001, 0x6b6b_0002, 0x7c7c_0003] {
        tape.ask(CLIENT, (2, 818), &call(xid, [100_001, 3, 1], &[]), &reply(xid, &words(&[7; 20])));
        tape.udp((3, 818), CLIENT, &reply(xid, &words(&[7; 20])));
    }
    tape.0
}
