//! More made-up RPC, of what is easily missed or taken for what it is not: cut where nobody looks, refused, asked for and
//! not given, at the end of a connection. Written to `fixtures/forged-*.pcap` by `tests/forged.rs`.

use super::shapes::{CLIENT, End, Tape, auth_sys, call, call_as, opaque, reply, words};
use super::{ACK, FIN, Forged, PSH, SYN, ethernet, host, ipv4, record, tcp_frame, udp};

/// Name and frames of every made-up fixture of this file.
#[must_use]
pub fn all() -> Vec<(&'static str, Vec<Forged>)> {
    vec![
        ("forged-cut-records", cut_records()),
        ("forged-versions", versions()),
        ("forged-not-given", not_given()),
        ("forged-unreachable", unreachable()),
        ("forged-closes", closes()),
        ("forged-ends", ends()),
        ("forged-victim", victim()),
        ("forged-not-served", not_served()),
        ("forged-busy", busy()),
        ("forged-late", late()),
        ("forged-reads", reads()),
        ("forged-length-prefixed", length_prefixed()),
    ]
}

/// A record in fragments of these lengths, the last of which takes the rest.
fn in_fragments(message: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = message;
    for len in lengths {
        let (fragment, after) = rest.split_at(*len);
        bytes.extend(words(&[*len as u32]));
        bytes.extend(fragment);
        rest = after;
    }
    bytes.extend(record(rest));
    bytes
}

/// Fragments that end inside the credential, inside an exploit, and inside the list of a portmapper.
fn cut_records() -> Vec<Forged> {
    let mut tape = Tape::default();
    let mount = |xid, path: &[u8]| call_as(xid, [100_005, 3, 1], 1, &auth_sys(b"client", 0, 0), &opaque(path));
    let granted = |xid| record(&reply(xid, &[words(&[0]), opaque(&[9; 16]), words(&[1, 1])].concat()));
    for (port, cut) in [(811, 40), (812, 60)] {
        let asked = in_fragments(&mount(1, b"/export/home/data"), &[cut]);
        let apart = in_fragments(&mount(2, b"/export/mail"), &[cut]);
        let (first, second) = apart.split_at(cut + 4);
        let payloads = [(false, asked), (true, granted(1)), (false, first.to_vec()), (false, second.to_vec())];
        tape.tcp((1, 40_000 + port), (2, port), &[&payloads[..], &[(true, granted(2))]].concat());
    }
    let attack = b"%08x%08x%08x%08x%236x%n%137x%n/bin/sh";
    let stat = call(5, [100_024, 1, 1], &opaque(attack));
    let eights = vec![8; stat.len() / 8 - 1];
    for (port, lengths) in [(813, &[][..]), (814, &eights[..]), (815, &[44][..])] {
        let asked = in_fragments(&stat, lengths);
        tape.tcp((1, 41_000 + port), (2, port), &[(false, asked), (true, record(&reply(5, &words(&[1, 0]))))]);
    }
    // The first fragment holds the whole header, and fills its segment.
    let apart = in_fragments(&stat, &[44]);
    let (first, second) = apart.split_at(48);
    let answer = record(&reply(5, &words(&[1, 0])));
    tape.tcp((1, 41_818), (2, 818), &[(false, first.to_vec()), (false, second.to_vec()), (true, answer)]);
    let dump = call(9, [100_000, 2, 4], &[]);
    let list = reply(9, &words(&[1, 100_005, 3, 6, 816, 1, 100_024, 1, 6, 817, 0]));
    tape.tcp((1, 42_000), (2, 111), &[(false, record(&dump)), (true, in_fragments(&list, &[44]))]);
    for port in [816, 817] {
        tape.tcp((1, 43_000 + port), (2, port), &[]);
    }
    tape.0
}

/// Versions at random, as nmap asks; most programs are not there, one is in another version. And one server that has none.
/// A minor version of NFS that is refused before another is served; and a call in RPC version 3, refused, beside one that
/// nobody answers.
fn versions() -> Vec<Forged> {
    let mut tape = Tape::default();
    for (port, there) in [(811, 100_021), (812, 0)] {
        for program in 100_019..100_023 {
            let xid = 0x7000_0000 + program;
            let asked = call(xid, [program, 15_000_000 + program * 7, 0], &[]);
            let status: &[u32] = if program == there { &[2, 1, 4] } else { &[1] };
            let answer = [&words(&[xid, 1, 0, 0, 0]), &words(status)[..]].concat();
            tape.ask((1, 40_000 + port), (2, port), &asked, &answer);
        }
    }
    let compound =
        |xid, minor| record(&call(xid, [100_003, 4, 1], &[opaque(b"mount"), words(&[minor, 1, 24])].concat()));
    let status = |xid, status| record(&reply(xid, &[words(&[status]), opaque(b"mount"), words(&[0])].concat()));
    let payloads = [
        (false, compound(21, 2)),
        (true, status(21, 10_021)),
        (false, compound(22, 1)),
        (true, status(22, 0)),
        (false, compound(23, 1)),
        (true, status(23, 0)),
    ];
    tape.tcp((1, 40_813), (2, 813), &payloads);
    let in_version_3 = |xid| words(&[xid, 0, 3, 100_005, 1, 0, 0, 0, 0, 0]);
    let refused = words(&[0x7000_0001, 1, 1, 0, 2, 2]);
    tape.tcp((1, 40_814), (2, 814), &[(false, record(&in_version_3(0x7000_0001))), (true, record(&refused))]);
    tape.ask((1, 40_815), (2, 815), &in_version_3(0x7000_0002), b"what do you want of me?");
    tape.0
}

/// Password maps and databases that were asked for and not given, or only told to be fetched; writes that were refused.
fn not_given() -> Vec<Forged> {
    let mut tape = Tape::default();
    let map = [opaque(b"gaps.test"), opaque(b"passwd.byname")].concat();
    let transfer = [map.clone(), words(&[1]), opaque(b"master"), words(&[5, 0x4000_0000, 970])].concat();
    tape.ask(CLIENT, (2, 811), &call(1, [100_004, 2, 6], &transfer), &reply(1, &words(&[5, 1])));
    let missing = words(&[1, u32::MAX, 0, 0, 0]);
    let all = record(&call(2, [100_004, 2, 8], &map));
    tape.tcp((1, 40_001), (2, 812), &[(false, all.clone()), (true, record(&reply(2, &missing)))]);
    let denied = words(&[2, 1, 1, 1, 1]);
    tape.tcp((1, 40_002), (2, 813), &[(false, all.clone()), (true, record(&denied))]);
    // The same answer behind a verifier.
    let verified = [words(&[2, 1, 0, 6, 24]), vec![7; 24], words(&[0]), missing].concat();
    tape.tcp((1, 40_006), (2, 816), &[(false, all), (true, record(&verified))]);
    let read_all = record(&call(3, [200_100_000, 2, 25], &words(&[4711])));
    let unchanged = record(&reply(3, &words(&[0, 4711, 0, 0])));
    tape.tcp((1, 40_003), (2, 814), &[(false, read_all), (true, unchanged)]);
    let write = record(&call(4, [200_100_000, 2, 15], &words(&[3, 0, 1, 0])));
    let statistics = record(&call(5, [200_100_000, 2, 1], &[]));
    let values = |values: &[&[u8]]| {
        [words(&[values.len() as u32]), values.iter().flat_map(|value| opaque(value)).collect()].concat()
    };
    let clone = [words(&[1]), opaque(b"tag"), values(&[b"network", b"clone"])].concat();
    let payloads = [
        (false, write),
        (true, record(&reply(4, &words(&[13])))),
        (false, statistics),
        (true, record(&reply(5, &clone))),
    ];
    tape.tcp((1, 40_004), (2, 815), &payloads);
    tape.0
}

/// What is called and not there: NetInfo beside mountd; NFS whose server does not have it, and NFS over another transport,
/// whose callbacks are then services; and a machine's name in another language beside NetInfo.
fn not_served() -> Vec<Forged> {
    let mut tape = Tape::default();
    let absent = |xid| words(&[xid, 1, 0, 0, 0, 1]);
    tape.ask(CLIENT, (2, 811), &call(1, [200_100_000, 2, 25], &words(&[0])), &absent(1));
    tape.ask(CLIENT, (2, 811), &call(2, [100_005, 3, 0], &[]), &reply(2, &[]));
    let compound = |xid| record(&call(xid, [100_003, 4, 1], &words(&[0, 0, 1, 24])));
    let back = |xid| call(xid, [0x4000_0123, 1, 1], &words(&[0, 0, 0]));
    tape.tcp((1, 40_001), (2, 817), &[(false, compound(3)), (true, record(&absent(3)))]);
    let called = [(false, record(&back(4))), (true, record(&reply(4, &words(&[0]))))];
    tape.tcp((2, 50_000), (1, 823), &called);
    tape.tcp((1, 40_002), (3, 817), &[(false, compound(5)), (true, record(&reply(5, &words(&[0, 0, 0]))))]);
    tape.ask((3, 50_001), (1, 824), &back(6), &reply(6, &words(&[0])));
    let name = auth_sys("計算機".as_bytes(), 0, 0);
    let mount = call_as(7, [100_005, 3, 1], 1, &name, &opaque(b"/export"));
    tape.ask(CLIENT, (2, 813), &mount, &reply(7, &words(&[0, 0, 0])));
    tape.ask((4, 40_003), (2, 813), &call(8, [200_100_000, 2, 0], &[]), &reply(8, &[]));
    tape.0
}

/// A password map read from outside behind four hundred look-ups, so that its call is not among those kept; and one read
/// from inside with an answer, and asked for from outside without.
fn busy() -> Vec<Forged> {
    let mut tape = Tape::default();
    let map = |name: &[u8]| [opaque(b"gaps.test"), opaque(name)].concat();
    let found = |xid| reply(xid, &[words(&[1]), opaque(b"root:x:0:0:root"), opaque(b"root")].concat());
    for xid in 1..400 {
        let key = [map(b"hosts.byname"), opaque(b"server")].concat();
        super::shapes::from_outside(&mut tape, (2, 811), &call(xid, [100_004, 2, 3], &key), &found(xid));
    }
    super::shapes::from_outside(
        &mut tape,
        (2, 811),
        &call(1000, [100_004, 2, 4], &map(b"passwd.byname")),
        &found(1000),
    );
    tape.ask(CLIENT, (2, 812), &call(1, [100_004, 2, 4], &map(b"passwd.byname")), &found(1));
    let asked = udp(40_000, 812, &call(2, [100_004, 2, 4], &map(b"passwd.byname")));
    tape.add(ethernet(0x0800, &ipv4(17, [203, 0, 113, 7], host(2), 0, &asked)));
    tape.0
}

/// Small calls with long answers over UDP to twelve clients, each call for something else: NFS reads files, NetInfo lists
/// directories.
fn reads() -> Vec<Forged> {
    let mut tape = Tape::default();
    for xid in 1..=4 {
        for host in 11..=22 {
            let client = (host, 40_000);
            let read = [words(&[0, 0, 800, 0]), opaque(&[b'x'; 800])].concat();
            let place = [opaque(&[7; 4]), words(&[0, xid * 800, 800])].concat();
            tape.ask(client, (2, 811), &call(xid, [100_003, 3, 6], &place), &reply(xid, &read));
            let listed = [words(&[0, 0, xid, 200]), words(&[9; 200])].concat();
            tape.ask(client, (2, 812), &call(xid, [200_100_000, 2, 11], &words(&[xid, 0])), &reply(xid, &listed));
        }
    }
    tape.0
}

/// What gives away a name or a port comes late: a NetInfo client looks up 120 machines before it asks whose domain that is,
/// and a monitor pings a portmapper 350 times before it asks it for a port.
fn late() -> Vec<Forged> {
    let mut tape = Tape::default();
    let netinfo = |procedure| [200_100_000, 2, procedure];
    let mut said = Vec::new();
    for xid in 1..=120 {
        let asked = [words(&[5, 0]), opaque(b"name"), opaque(b"desk")].concat();
        said.push((false, record(&call(xid, netinfo(10), &asked))));
        said.push((true, record(&reply(xid, &words(&[0, 1, 7, 5, 3])))));
    }
    let text = |texts: &[&[u8]]| texts.iter().flat_map(|text| opaque(text)).collect::<Vec<u8>>();
    let statistics = [
        words(&[2]),
        text(&[b"checksum"]),
        words(&[1]),
        text(&[b"42"]),
        text(&[b"tag"]),
        words(&[2]),
        text(&[b"office", b"clone"]),
    ];
    said.push((false, record(&call(1000, netinfo(1), &[]))));
    said.push((true, record(&reply(1000, &statistics.concat()))));
    said.push((false, record(&call(1001, netinfo(22), &[]))));
    said.push((true, record(&reply(1001, &[words(&[0]), opaque(b"root"), words(&[0x0a00_0009])].concat()))));
    tape.tcp(CLIENT, (2, 817), &said);
    for xid in 1..=350 {
        tape.ask(CLIENT, (3, 111), &call(xid, [100_000, 2, 0], &[]), &reply(xid, &[]));
    }
    tape.ask(CLIENT, (3, 111), &call(1000, [100_000, 2, 3], &words(&[100_005, 3, 6, 0])), &reply(1000, &words(&[814])));
    tape.add(tcp_frame((1, 40_001), (3, 814), 99, SYN, &[]));
    tape.add(tcp_frame((3, 814), (1, 40_001), 499, SYN | ACK, &[]));
    // More lists than are kept of one conversation: the report says so.
    let list: Vec<u8> = (0..200).flat_map(|n| words(&[1, 300_019, n, 6, 700])).chain(words(&[0])).collect();
    for xid in 1..=9 {
        tape.ask(CLIENT, (4, 111), &call(xid, [100_000, 2, 4], &[]), &reply(xid, &list));
    }
    tape.0
}

/// A home-made protocol: a length, a small number, a type, a count. Its words read like the beginning of RPC in fragments.
fn length_prefixed() -> Vec<Forged> {
    let mut tape = Tape::default();
    let payloads: Vec<(bool, Vec<u8>)> =
        (1..20).flat_map(|id| [(false, words(&[12, id, 0, 2])), (true, words(&[12, id, 1, 0]))]).collect();
    tape.tcp((1, 40_000), (2, 813), &payloads);
    tape.0
}

/// Calls to a port where nobody listens: the host says so.
fn unreachable() -> Vec<Forged> {
    let mut tape = Tape::default();
    let client: End = (1, 40_000);
    for xid in [1, 2] {
        let asked = udp(client.1, 811, &call(xid, [100_005, 3, 1], &opaque(b"/export")));
        let packet = ipv4(17, host(1), host(2), 0, &asked);
        let message = [&[3, 3, 0, 0, 0, 0, 0, 0], &packet[..28]].concat();
        tape.add(ethernet(0x0800, &packet));
        tape.add(ethernet(0x0800, &ipv4(1, host(2), host(1), 0, &message)));
    }
    tape.0
}

/// One-way calls of lockd: the client closes when it has said all; and a server that closes first, which serves no RPC.
fn closes() -> Vec<Forged> {
    let mut tape = Tape::default();
    for (port, server_first) in [(811, false), (812, true)] {
        let (client, server) = ((1, 40_000 + port), (2, port));
        tape.add(tcp_frame(client, server, 99, SYN, &[]));
        tape.add(tcp_frame(server, client, 499, SYN | ACK, &[]));
        let calls =
            [1, 2, 3].map(|xid| (false, record(&call(xid, [100_021, 4, 12], &[opaque(b"x"), words(&[0])].concat()))));
        let [a, b] = tape.middle(client, server, [100, 500], &calls);
        let mut end = [tcp_frame(client, server, a, FIN | ACK, &[]), tcp_frame(server, client, b, FIN | ACK, &[])];
        if server_first {
            end.reverse();
        }
        for frame in end {
            tape.add(frame);
        }
    }
    tape.0
}

/// Twelve reflectors send tables that nobody asked for to one endpoint.
fn victim() -> Vec<Forged> {
    let mut tape = Tape::default();
    let entries: Vec<u8> = (0..10).flat_map(|port| words(&[1, 100_005, 3, 17, 800 + port])).collect();
    for reflector in 1..13 {
        for xid in [0x1234_0001, 0x1234_0002] {
            let answer = udp(811, 80, &reply(xid + u32::from(reflector), &[entries.clone(), words(&[0])].concat()));
            tape.add(ethernet(0x0800, &ipv4(17, [203, 0, 113, reflector], host(9), 0, &answer)));
        }
    }
    tape.0
}

/// The tail of a connection to a verified server from a client's port that could be a service's; a callback with a program
/// of the client's choice; and two daemons that tell each other from the port that they serve on.
fn ends() -> Vec<Forged> {
    let mut tape = Tape::default();
    tape.ask(CLIENT, (2, 717), &call(1, [100_000, 2, 0], &[]), &reply(1, &[]));
    tape.tcp((1, 40_001), (2, 717), &[(false, record(&call(2, [100_000, 2, 0], &[]))), (true, record(&reply(2, &[])))]);
    for (from, to, xid) in [(2, 3, 7), (3, 2, 8)] {
        let notify = call(xid, [100_024, 1, 6], &[opaque(b"here"), words(&[3])].concat());
        tape.ask((from, 819), (to, 819), &notify, &reply(xid, &[]));
    }
    tape.add(tcp_frame((2, 717), (1, 822), 700, FIN | ACK, &[]));
    tape.add(tcp_frame((1, 822), (2, 717), 300, ACK, &[]));
    let compound = |xid| record(&call(xid, [100_003, 4, 1], &words(&[0, 0, 1, 24])));
    tape.tcp((1, 820), (2, 817), &[(false, compound(3)), (true, record(&reply(3, &words(&[0, 0, 0]))))]);
    let back = [0, 1].map(|procedure| call(40 + procedure, [0x4000_0123, 1, procedure], &words(&[0, 0, 0])));
    let payloads: Vec<(bool, Vec<u8>)> = back
        .iter()
        .zip([40, 41])
        .flat_map(|(call, xid)| [(false, record(call)), (true, record(&reply(xid, &words(&[0]))))])
        .collect();
    tape.tcp((2, 50_000), (1, 823), &payloads);
    tape.add(tcp_frame((1, 823), (2, 50_000), 900, PSH | ACK, &[]));
    tape.0
}
