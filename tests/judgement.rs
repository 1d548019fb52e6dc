//! What frames mean: small made-up captures, each with the finding that a responder would want. Hand-written, one a shape.

mod forge;

use forge::{ACK, FIN, PSH, RST, SYN, rpc_call, rpc_reply, tcp_frame, udp_frame};
use gapwatch::class::{Class, Confidence};
use gapwatch::conversation::{Basis, State};
use gapwatch::finding::{Finding, Kind};
use gapwatch::frame::{Frame, FrameRef, LinkType, Timestamp};
use gapwatch::registry::Registry;
use gapwatch::report::{Report, report};
use gapwatch::table::FlowTable;

/// Reports on frames that follow each other by a millisecond; each is cut to `snap_len`.
fn judged_cut(frames: &[Vec<u8>], snap_len: usize) -> Report {
    let registry = Registry::built_in();
    let mut table = FlowTable::new(registry.scope(false), 10_000);
    for (index, bytes) in frames.iter().enumerate() {
        table.take(&Frame {
            time: Timestamp(1_000_000_000 + index as u64 * 1_000_000),
            link: LinkType(1),
            wire_len: u32::try_from(bytes.len()).expect("short"),
            bytes: &bytes[..bytes.len().min(snap_len)],
            at: FrameRef::new(0, index as u64 + 1),
            interface: 0,
        });
    }
    table.settle();
    report(&table, Vec::new(), &registry)
}

fn judged(frames: &[Vec<u8>]) -> Report {
    judged_cut(frames, usize::MAX)
}

/// The only finding.
fn only(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    &report.findings[0]
}

const CLIENT: (u8, u16) = (1, 40_000);
const SERVER: (u8, u16) = (2, 817);

/// Handshake, then payloads in turn: (from the server?, bytes).
fn conversation(client: (u8, u16), server: (u8, u16), payloads: &[(bool, &[u8])]) -> Vec<Vec<u8>> {
    let mut frames = vec![
        tcp_frame(client, server, 99, SYN, &[]),
        tcp_frame(server, client, 499, SYN | ACK, &[]),
        tcp_frame(client, server, 100, ACK, &[]),
    ];
    let mut next = [100u32, 500];
    for (from_server, bytes) in payloads {
        let (from, to, side) = if *from_server { (server, client, 1) } else { (client, server, 0) };
        frames.push(tcp_frame(from, to, next[side], PSH | ACK, bytes));
        next[side] += u32::try_from(bytes.len()).expect("short");
    }
    frames
}

fn call_record(xid: u32, procedure: u32) -> Vec<u8> {
    forge::record(&rpc_call(xid, 100_004, 2, procedure))
}

fn reply_record(xid: u32) -> Vec<u8> {
    forge::record(&rpc_reply(xid))
}

#[test]
fn a_call_and_its_reply_are_certain_rpc() {
    let report = judged(&conversation(CLIENT, SERVER, &[(false, &call_record(1, 3)), (true, &reply_record(1))]));
    let finding = only(&report);
    assert_eq!(
        (finding.class, finding.confidence, finding.protocol),
        (Class::LegacyRpc, Confidence::Certain, "onc-rpc")
    );
    assert_eq!((finding.rpc[0].name.as_str(), &finding.rpc[0].procedures[..]), ("ypserv", &["MATCH".to_owned()][..]));
    assert_eq!((finding.rpc[0].calls, finding.rpc[0].replies), (1, 1));
}

#[test]
fn records_in_segments_of_three_bytes_are_put_together() {
    let (call, reply) = (call_record(1, 3), reply_record(1));
    let pieces: Vec<(bool, &[u8])> =
        call.chunks(3).map(|piece| (false, piece)).chain(reply.chunks(3).map(|piece| (true, piece))).collect();
    let report = judged(&conversation(CLIENT, SERVER, &pieces));
    assert_eq!((only(&report).class, only(&report).confidence), (Class::LegacyRpc, Confidence::Certain));
    // Also without the handshake, and with segments out of order.
    let mut late = conversation(CLIENT, SERVER, &pieces).split_off(3);
    late.swap(2, 5);
    let report = judged(&late);
    assert_eq!((only(&report).class, only(&report).port), (Class::LegacyRpc, Some(817)));
}

#[test]
fn a_capture_of_short_frames_still_shows_rpc() {
    let frames = conversation(CLIENT, SERVER, &[(false, &call_record(1, 3)), (true, &reply_record(1))]);
    // Ethernet, IP and TCP take 54 bytes; the mark and the call's header up to the procedure 28.
    let report = judged_cut(&frames, 54 + 28);
    assert_eq!((only(&report).class, only(&report).rpc[0].name.as_str()), (Class::LegacyRpc, "ypserv"));
    assert!(report.totals.cut > 0);
}

#[test]
fn a_long_write_that_never_ends_is_rpc_from_its_head() {
    let mut write = rpc_call(9, 100_003, 3, 7);
    write.extend([0; 1200]);
    let mut head = 0x8010_0000u32.to_be_bytes().to_vec(); // 1 MiB to come
    head.extend(&write);
    let report = judged(&conversation((1, 722), (2, 817), &[(false, &head), (false, &[7; 1400]), (false, &[7; 1400])]));
    assert_eq!((only(&report).class, only(&report).confidence), (Class::LegacyRpc, Confidence::Probable));
    assert!(only(&report).what.contains("nfs v3 (WRITE)"));
}

#[test]
fn one_unanswered_ping_is_a_probe_and_no_service() {
    let report = judged(&[udp_frame(CLIENT, SERVER, &rpc_call(1, 100_000, 104_316, 0))]);
    let finding = only(&report);
    assert_eq!((finding.class, finding.confidence), (Class::Suspicious, Confidence::Weak), "nmap's version");
    assert!(finding.state == State::Unanswered && finding.evidence.iter().any(|reason| reason.by == "rpc.probe"));
    let plain = judged(&[udp_frame(CLIENT, SERVER, &rpc_call(1, 100_000, 2, 0))]);
    assert_eq!((only(&plain).class, only(&plain).state), (Class::Custom, State::Unanswered));
}

#[test]
fn a_service_that_answers_a_call_in_another_language_is_no_rpc() {
    let report =
        judged(&conversation(CLIENT, SERVER, &[(false, &call_record(1, 3)), (true, b"-ERR unknown command\r\n")]));
    assert_eq!((only(&report).class, only(&report).state), (Class::Custom, State::Unexplained));
}

#[test]
fn a_call_in_one_direction_is_probable_and_two_are_certain() {
    let one = judged(&[udp_frame(CLIENT, SERVER, &rpc_call(1, 100_005, 3, 1))]);
    assert_eq!((only(&one).class, only(&one).confidence), (Class::LegacyRpc, Confidence::Probable));
    let again = judged(&[
        udp_frame(CLIENT, SERVER, &rpc_call(1, 100_005, 3, 1)),
        udp_frame(CLIENT, SERVER, &rpc_call(1, 100_005, 3, 1)),
    ]);
    assert_eq!(only(&again).confidence, Confidence::Probable, "a retransmission is the same call");
    assert!(only(&again).evidence[0].says.contains("1 retransmitted"), "{:?}", only(&again).evidence);
    let two = judged(&[
        udp_frame(CLIENT, SERVER, &rpc_call(1, 100_005, 3, 1)),
        udp_frame(CLIENT, SERVER, &rpc_call(2, 100_005, 3, 1)),
    ]);
    assert_eq!(only(&two).confidence, Confidence::Certain);
}

#[test]
fn replies_alone_need_two_ids_and_half_of_what_was_sent() {
    let replies =
        |ids: &[u32]| ids.iter().map(|id| udp_frame(SERVER, CLIENT, &rpc_reply(0x4f2c_0000 | *id))).collect::<Vec<_>>();
    let one = judged(&replies(&[1, 1, 1]));
    assert_eq!((only(&one).class, only(&one).port), (Class::Custom, Some(817)));
    let two = judged(&replies(&[1, 2]));
    assert_eq!((only(&two).class, only(&two).confidence), (Class::LegacyRpc, Confidence::Probable));
    assert!(only(&two).what.contains("program unknown"));
    let mut answered = replies(&[1, 2]);
    answered.extend([1u8, 2].map(|n| udp_frame(CLIENT, SERVER, &[0, 0, 0, n, 0, 0, 0, 9, 0, 0, 0, 0])));
    assert_eq!(only(&judged(&answered)).class, Class::Custom, "the questions are there, and are no calls");
    let mut mixed = replies(&[1, 2]);
    mixed.extend((0..5u8).map(|n| udp_frame(SERVER, CLIENT, &[n; 30])));
    assert_eq!(only(&judged(&mixed)).class, Class::Custom, "words that read as a reply by chance");
}

#[test]
fn an_error_reply_is_rpc_and_says_so() {
    let refused: Vec<u8> = [1u32, 1, 0, 0, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect();
    let report = judged(&[udp_frame(CLIENT, SERVER, &rpc_call(1, 300_019, 1, 3)), udp_frame(SERVER, CLIENT, &refused)]);
    let finding = only(&report);
    assert_eq!((finding.class, finding.rpc[0].name.as_str()), (Class::LegacyRpc, "amd"));
    assert!(finding.evidence[0].says.contains("program unavailable"));
}

#[test]
fn a_callback_makes_the_client_no_service() {
    // An NFSv4.0 server calls back on the client's own connection, towards its reserved port.
    let (client, server) = ((1, 880), (2, 2049));
    let callback = forge::record(&rpc_call(77, 0x4000_0000, 1, 0));
    let report = judged(&conversation(
        client,
        server,
        &[
            (false, &forge::record(&rpc_call(1, 100_003, 4, 1))),
            (true, &reply_record(1)),
            (true, &callback),
            (false, &reply_record(77)),
        ],
    ));
    let finding = only(&report);
    assert_eq!(
        (finding.kind, finding.port, finding.address.to_string().as_str()),
        (Kind::Client, Some(2049), "10.0.0.1")
    );
    assert!(finding.what.contains("nfs v4 (COMPOUND)") && !finding.what.contains("callback"), "{}", finding.what);
}

#[test]
fn a_client_on_a_reserved_port_is_no_service_even_without_its_handshake() {
    let midstream = [
        tcp_frame((1, 722), (2, 2049), 100, PSH | ACK, &forge::record(&rpc_call(5, 100_003, 3, 1))),
        tcp_frame((2, 2049), (1, 722), 500, PSH | ACK, &reply_record(5)),
    ];
    let report = judged(&midstream);
    assert_eq!((only(&report).kind, only(&report).direction_basis), (Kind::Client, Basis::RpcCall));
    let bare = judged(&[tcp_frame((1, 722), (2, 2049), 100, ACK, &[]), tcp_frame((2, 2049), (1, 722), 500, ACK, &[])]);
    assert_eq!((only(&bare).kind, only(&bare).port), (Kind::Client, Some(2049)));
    let printer = judged(&conversation((1, 722), (2, 515), &[(false, b"\x02queue\n"), (true, &[0])]));
    assert!(
        only(&printer).kind == Kind::Client && only(&printer).what.contains("(printer)"),
        "{}",
        only(&printer).what
    );
}

#[test]
fn a_conversation_joined_in_the_middle_has_its_server_on_the_odd_port() {
    let report = judged(&[
        tcp_frame(SERVER, CLIENT, 500, PSH | ACK, b"\x01\x02status ok"),
        tcp_frame(CLIENT, SERVER, 100, PSH | ACK, b"\x01\x01next"),
    ]);
    assert_eq!(
        (only(&report).kind, only(&report).port, only(&report).direction_basis),
        (Kind::Service, Some(817), Basis::Port)
    );
    assert_eq!(only(&report).state, State::Unexplained);
}

#[test]
fn a_client_on_the_first_ephemeral_port_is_a_client() {
    let report = judged(&[udp_frame((1, 32_768), SERVER, b"state=up")]);
    assert_eq!((only(&report).kind, only(&report).port), (Kind::Service, Some(817)));
}

#[test]
fn whoever_asks_first_over_udp_is_the_client() {
    let report = judged(&[udp_frame((1, 817), (2, 930), b"ask"), udp_frame((2, 930), (1, 817), b"answer")]);
    assert_eq!((only(&report).port, only(&report).direction_basis), (Some(930), Basis::EarliestPacket));
}

#[test]
fn a_sweep_is_one_finding_however_it_probes() {
    let ports = [4u16, 6, 8, 10, 12, 14, 15, 16, 26, 28, 30, 32, 34, 36, 40, 60];
    for flags in [SYN, FIN, 0, FIN | PSH | 32, ACK] {
        let probes = ports.iter().flat_map(|port| {
            let answer = tcp_frame((2, *port), CLIENT, 0, RST | ACK, &[]);
            [tcp_frame(CLIENT, (2, *port), 7, flags, &[]), answer]
        });
        let report = judged(&probes.collect::<Vec<_>>());
        let finding = only(&report);
        assert_eq!(
            (finding.kind, finding.class, finding.confidence),
            (Kind::Scanner, Class::Suspicious, Confidence::Certain)
        );
        let targets = finding.targets.as_ref().expect("a scanner has targets");
        assert_eq!(
            (finding.address.to_string().as_str(), targets.services, &targets.ports[..]),
            ("10.0.0.1", 16, &ports[..])
        );
    }
    let hosts = (10u8..30).map(|n| tcp_frame(CLIENT, (n, 817), 7, SYN, &[]));
    let report = judged(&hosts.collect::<Vec<_>>());
    assert!(
        only(&report).kind == Kind::Scanner && only(&report).what.contains("1 port on 20 hosts"),
        "{}",
        only(&report).what
    );
}

#[test]
fn a_few_attempts_are_no_sweep() {
    let four = [4u16, 6, 8, 10].map(|port| tcp_frame(CLIENT, (2, port), 7, SYN, &[]));
    let report = judged(&four);
    assert_eq!(report.findings.len(), 4);
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::Service && finding.state == State::Unanswered));
    // Idle connections to many servers, captured in the middle.
    let idle = (10u8..20)
        .flat_map(|n| [tcp_frame((1, 722), (n, 2049), 1, ACK, &[]), tcp_frame((n, 2049), (1, 722), 1, ACK, &[])]);
    let report = judged(&idle.collect::<Vec<_>>());
    assert!(report.findings.iter().all(|finding| finding.kind == Kind::Client), "{:#?}", report.findings);
    // A sender to six peers of which only one direction was captured.
    let peers = (10u8..16).map(|n| udp_frame(CLIENT, (n, 817), b"state=up"));
    let report = judged(&peers.collect::<Vec<_>>());
    assert_eq!(report.findings.iter().filter(|finding| finding.kind == Kind::Scanner).count(), 0);
}

#[test]
fn a_scanner_that_finds_a_service_leaves_the_service_in_the_report() {
    let mut frames: Vec<Vec<u8>> = (900..920u16).map(|port| tcp_frame(CLIENT, (2, port), 7, SYN, &[])).collect();
    frames.extend(conversation(CLIENT, SERVER, &[(false, &call_record(1, 0)), (true, &reply_record(1))]));
    let report = judged(&frames);
    let kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Scanner, Kind::Service]);
    assert_eq!(report.findings[1].class, Class::LegacyRpc);
}

#[test]
fn a_first_fragment_names_the_flow() {
    let datagram = forge::udp(40_000, 817, &rpc_call(1, 100_003, 3, 6));
    let first = forge::ethernet(0x0800, &forge::ipv4(17, forge::host(1), forge::host(2), 0x2000, &datagram));
    let later = forge::ethernet(0x0800, &forge::ipv4(17, forge::host(1), forge::host(2), 0x0010, &[7; 100]));
    let orphan = forge::ethernet(0x0800, &forge::ipv4(17, forge::host(3), forge::host(2), 0x0010, &[7; 100]));
    for order in [[&first, &later, &orphan], [&later, &orphan, &first]] {
        let report = judged(&order.map(Clone::clone));
        let finding = only(&report);
        assert_eq!((finding.rpc[0].name.as_str(), finding.packets), ("nfs", 2));
        assert_eq!(finding.bytes, (first.len() + later.len()) as u64);
        assert_eq!((report.totals.observed, report.totals.skipped.get("later fragment")), (2, Some(&1)));
    }
}

#[test]
fn what_a_tunnel_carries_counts() {
    let inner = tcp_frame(CLIENT, SERVER, 1, SYN, &[]);
    let vxlan = |network: u8| {
        let payload = [&[8, 0, 0, 0, 0, 0, network, 0][..], &inner].concat();
        udp_frame((8, 50_000), (9, 4789), &payload)
    };
    let report = judged(&[vxlan(5), vxlan(6)]);
    assert_eq!(report.findings.len(), 2, "the same addresses in two networks are two services");
    assert_eq!(report.totals.tunnelled.get("vxlan"), Some(&2));
    assert_eq!(report.findings[0].tunnel.as_ref().map(|tunnel| tunnel.network), Some(5));
}

#[test]
fn a_tag_on_one_direction_does_not_split_a_conversation() {
    let frames = conversation(CLIENT, SERVER, &[(false, &call_record(1, 3)), (true, &reply_record(1))]);
    let tagged: Vec<Vec<u8>> = frames
        .into_iter()
        .enumerate()
        .map(|(n, frame)| if n % 2 == 0 { frame } else { [&frame[..12], &[0x81, 0, 0, 9], &frame[12..]].concat() })
        .collect();
    assert_eq!(only(&judged(&tagged)).confidence, Confidence::Certain);
}

#[test]
fn a_refused_port_is_told_as_such() {
    let report = judged(&[tcp_frame(CLIENT, SERVER, 7, SYN, &[]), tcp_frame(SERVER, CLIENT, 0, RST | ACK, &[])]);
    assert_eq!((only(&report).class, only(&report).state), (Class::Custom, State::Refused));
}

#[test]
fn a_shell_inside_verified_rpc_is_still_a_shell() {
    let mut frames = conversation(CLIENT, SERVER, &[(false, &call_record(1, 3)), (true, &reply_record(1))]);
    frames.extend(conversation((1, 40_001), SERVER, &[(false, b"id\n"), (true, b"uid=0(root) gid=0(root)\n")]));
    let report = judged(&frames);
    let finding = only(&report);
    assert_eq!(finding.class, Class::Suspicious);
    assert!(finding.what.contains("ypserv") && finding.what.contains("bind shell"), "{}", finding.what);
}

#[test]
fn a_shell_does_not_hide_behind_many_lighter_sightings() {
    // More different prompts and commands than sightings are kept of one direction, before and after what weighs.
    let about = |n: usize| [format!("cat /srv/file{n}\n"), format!("user@web:/srv/directory{n}$ ")];
    let (first, rest): (Vec<_>, Vec<_>) = ((0..40).map(about).collect(), (40..80).map(about).collect());
    let identity = ["id\n".to_owned(), "uid=0(root) gid=0(root)\n".to_owned()];
    let told: Vec<String> = [first.as_flattened(), &identity, rest.as_flattened()].concat();
    let told: Vec<(bool, &[u8])> = told.iter().enumerate().map(|(n, text)| (n % 2 == 1, text.as_bytes())).collect();
    let report = judged(&conversation(CLIENT, SERVER, &told));
    let finding = only(&report);
    assert!(finding.evidence.iter().any(|evidence| evidence.by == "shell.identity"), "{:?}", finding.evidence);
}

#[test]
fn a_portmapper_names_a_service_whose_payload_nobody_saw() {
    let ask = [rpc_call(1, 100_000, 2, 3), [100_004u32, 2, 6, 0].iter().flat_map(|word| word.to_be_bytes()).collect()]
        .concat();
    let told = [&rpc_reply(1)[..24], &817u32.to_be_bytes()].concat();
    let lookup = [udp_frame((1, 50_000), (2, 111), &ask), udp_frame((2, 111), (1, 50_000), &told)];
    let silent = conversation(CLIENT, SERVER, &[]);
    for frames in [[&lookup[..], &silent].concat(), [&silent[..], &lookup].concat()] {
        let report = judged(&frames);
        let finding = only(&report);
        assert_eq!(
            (finding.class, finding.confidence, finding.protocol),
            (Class::LegacyRpc, Confidence::Probable, "onc-rpc")
        );
        assert!(finding.what.starts_with("ypserv v2"), "{}", finding.what);
        let reason = &finding.evidence[0];
        assert!(
            reason.says.contains("learnt from portmap GETPORT by 10.0.0.2") && !reason.frames.is_empty(),
            "{reason:?}"
        );
    }
    // A port that speaks another language is what it speaks.
    let web = conversation(CLIENT, SERVER, &[(false, b"GET / HTTP/1.1\r\n\r\n"), (true, b"HTTP/1.1 200 OK\r\n\r\n")]);
    let report = judged(&[&lookup[..], &web].concat());
    assert_eq!((only(&report).class, only(&report).protocol), (Class::Custom, "http"));
    // An answer to nobody's question teaches nothing.
    assert_eq!(only(&judged(&[&lookup[1..], &silent].concat())).class, Class::Custom);
}

#[test]
fn a_list_over_tcp_in_several_segments_is_read_to_its_end() {
    let entry = |port: u32| [1u32, 100_005, 3, 6, port].into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>();
    let list: Vec<u8> = (700..790u32).flat_map(entry).chain([0; 4]).collect();
    let reply = forge::record(&[&rpc_reply(9)[..24], &list].concat());
    let call = forge::record(&rpc_call(9, 100_000, 2, 4));
    let pieces: Vec<(bool, &[u8])> =
        std::iter::once((false, &call[..])).chain(reply.chunks(500).map(|piece| (true, piece))).collect();
    let mut frames = conversation((1, 50_000), (2, 111), &pieces);
    frames.extend(conversation(CLIENT, (2, 789), &[]));
    let report = judged(&frames);
    assert!(only(&report).what.starts_with("mountd v3, as a portmapper said"), "{}", only(&report).what);
}

#[test]
fn a_binding_tells_the_server_where_nothing_else_does() {
    // Both ends are low and the stream begins in the middle: the port that the portmapper gave away serves.
    let ask = [rpc_call(1, 100_000, 2, 3), [100_004u32, 2, 6, 0].iter().flat_map(|word| word.to_be_bytes()).collect()]
        .concat();
    let told = [&rpc_reply(1)[..24], &817u32.to_be_bytes()].concat();
    let report = judged(&[
        udp_frame((1, 50_000), (2, 111), &ask),
        udp_frame((2, 111), (1, 50_000), &told),
        tcp_frame((2, 817), (1, 722), 1, ACK, &[]),
        tcp_frame((1, 722), (2, 817), 1, ACK, &[]),
    ]);
    assert_eq!((only(&report).port, only(&report).direction_basis), (Some(817), Basis::Binding));
}

/// However a stream is cut into segments, with its handshake or joined inside a record, every procedure has its name.
#[test]
fn every_procedure_is_named_however_the_stream_is_cut() {
    let procedures = [0u32, 1, 3, 4, 6, 16, 18, 19, 20, 21];
    for step in [3, 7, 20, 50, 100, 128, 200, 536, 1448] {
        for joined_late in [false, true] {
            let side = |asking: bool| -> Vec<u8> {
                let of = |(xid, procedure): (u32, &u32)| {
                    let call = [rpc_call(xid, 100_003, 3, *procedure), vec![7; 36]].concat();
                    forge::record(&if asking { call } else { [rpc_reply(xid), vec![9; 60]].concat() })
                };
                (100..).zip(&procedures).flat_map(of).collect()
            };
            let (asked, answered) = (side(true), side(false));
            let mut payloads: Vec<(bool, &[u8])> = Vec::new();
            let (mut asked, mut answered) = (asked.chunks(step), answered.chunks(step));
            loop {
                let (question, answer) = (asked.next(), answered.next());
                payloads.extend(question.map(|bytes| (false, bytes)));
                payloads.extend(answer.map(|bytes| (true, bytes)));
                if question.is_none() && answer.is_none() {
                    break;
                }
            }
            let frames = conversation(CLIENT, SERVER, &payloads);
            // Joined late: without the handshake and the first two segments of either side.
            let report = judged(if joined_late { &frames[7.min(frames.len() - 2)..] } else { &frames });
            if joined_late && step > 400 {
                continue; // almost nothing is left
            }
            let finding = only(&report);
            assert_eq!(
                (finding.class, finding.confidence),
                (Class::LegacyRpc, Confidence::Certain),
                "{step} {joined_late}"
            );
            let named: usize = finding.rpc.iter().map(|program| program.procedures.len()).sum();
            let lost = if joined_late { 2 * step / 80 + 2 } else { 0 };
            assert!(named + lost >= procedures.len(), "{step} {joined_late}: {named} named: {}", finding.what);
            assert!(!joined_late || named > 4 || step > 128, "{step}: {}", finding.what);
        }
    }
}
