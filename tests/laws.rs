//! The laws of the design as properties: pieces merge to the whole, both lanes agree, every frame is counted.

#![allow(clippy::cast_possible_truncation)] // numbers are small

mod forge;

use forge::{ACK, FIN, PSH, RST, SYN};
use gapwatch::class::Class;
use gapwatch::frame::{Frame, FrameRef, LinkType, Timestamp};
use gapwatch::glance::glance;
use gapwatch::merge::Merge;
use gapwatch::output::json;
use gapwatch::packet;
use gapwatch::registry::Registry;
use gapwatch::report::report;
use gapwatch::scan::{self, Scan};
use gapwatch::signature::{self, Payload};
use gapwatch::source::BytesRead;
use gapwatch::table::FlowTable;
use proptest::prelude::*;

/// A frame in the making.
type Spec = (u64, Vec<u8>);

/// The argument of a mount call, and of a call that reads a NIS map.
const PATH: &[u8] = b"\0\0\0\x07/export\0";
const PASSWORDS: &[u8] = b"\0\0\0\x09gaps.test\0\0\0\0\0\0\x0dpasswd.byname\0\0\0";

/// Addresses and ports from a small world, so that flows meet; payloads that signatures know, and others.
fn frame() -> impl Strategy<Value = Spec> {
    let port = prop::sample::select(vec![817u16, 722, 111, 1015, 2049, 443, 40000, 40001, 4789, 3544, 1701]);
    let host = 1u8..4;
    let end = (host, port);
    let xid = 1u32..6;
    let payload = prop_oneof![
        3 => Just(Vec::new()),
        2 => (xid.clone(), 0u32..3).prop_map(|(xid, procedure)| forge::rpc_call(xid, 100_004, 2, procedure)),
        2 => xid.clone().prop_map(forge::rpc_reply),
        2 => (xid.clone(), any::<bool>()).prop_map(|(xid, two)| {
            let call = forge::record(&forge::rpc_call(xid, 100_005, 3, 1));
            if two { [call.clone(), call].concat() } else { call }
        }),
        // A call or a reply inside a segment, and pieces of them.
        2 => (1u32..6, 0usize..60, any::<bool>()).prop_map(|(xid, cut, call)| {
            let message = if call { forge::rpc_call(xid, 100_005, 3, 1) } else { forge::rpc_reply(xid) };
            let record = forge::record(&message);
            if cut < record.len() { record[cut..].to_vec() } else { [vec![9; cut], record].concat() }
        }),
        // A record in two fragments, or the first of them alone.
        2 => (xid.clone(), 0usize..60, any::<bool>()).prop_map(|(xid, cut, both)| {
            let message = [forge::rpc_call(xid, 100_005, 3, 1), PATH.to_vec()].concat();
            let (first, rest) = message.split_at(cut.min(message.len()));
            let mark = u32::try_from(first.len()).expect("short").to_be_bytes();
            let rest = if both { forge::record(rest) } else { Vec::new() };
            [&mark[..], first, &rest].concat()
        }),
        // A map of passwords is asked for, given, and denied.
        1 => xid.clone().prop_map(|xid| [&forge::rpc_call(xid, 100_004, 2, 4)[..], PASSWORDS].concat()),
        1 => xid.clone().prop_map(|xid| [&forge::rpc_reply(xid)[..], &[b'x'; 40]].concat()),
        1 => xid.clone().prop_map(|xid| [&forge::rpc_reply(xid)[..20], &[0, 0, 0, 1]].concat()),
        // A portmapper is asked, and says 817.
        1 => xid.clone().prop_map(|xid| [forge::rpc_call(xid, 100_000, 2, 3), forge::rpc_call(100_004, 2, 6, 0)].concat()),
        1 => xid.clone().prop_map(|xid| [&forge::rpc_reply(xid)[..24], &[0, 0, 3, 49]].concat()),
        1 => Just(b"SSH-2.0-made_up\r\n".to_vec()),
        1 => Just(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        1 => Just(b"uid=0(root) gid=0(root)\n".to_vec()),
        2 => prop::collection::vec(any::<u8>(), 1..40),
        1 => prop::collection::vec(any::<u8>(), 1500..2500),
    ];
    let flags = prop::sample::select(vec![SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST, 0, FIN, SYN | FIN]);
    let wrap = 0u8..13;
    // Mostly one connection; some far from it.
    let sequence = prop_oneof![3 => 0u32..3000, 1 => any::<u32>()];
    (0u64..50, end.clone(), end, sequence, flags, payload, wrap, any::<prop::sample::Index>()).prop_map(
        |(time, from, to, sequence, flags, payload, wrap, cut)| {
            let segment = forge::tcp(from.1, to.1, sequence, flags, &payload);
            let datagram = forge::udp(from.1, to.1, &payload);
            let (a, b) = (forge::host(from.0), forge::host(to.0));
            let v4 = |protocol, fragment, rest: &[u8]| forge::ipv4(protocol, a, b, fragment, rest);
            let mut bytes = match wrap {
                3..=4 => forge::ethernet(0x0800, &v4(17, 0, &datagram)),
                5 => forge::ethernet(0x86dd, &forge::ipv6(6, from.0.into(), to.0.into(), &segment)),
                6 => forge::ethernet(0x8100, &[&[0, 5, 8, 0], &v4(6, 0, &segment)[..]].concat()),
                7 => forge::ethernet(0x0800, &v4(17, 0x2000, &datagram)),
                8 => forge::ethernet(0x0800, &v4(17, 0x0010, &payload)),
                9 => forge::ethernet(0x0800, &v4(47, 0, &[&[0, 0, 8, 0], &v4(6, 0, &segment)[..]].concat())),
                10 => forge::ethernet(0x0806, &payload),
                // Nobody listens where the datagram went.
                12 => {
                    let quoted = [&[3, 3, 0, 0, 0, 0, 0, 0], &v4(17, 0, &datagram)[..28]].concat();
                    forge::ethernet(0x0800, &forge::ipv4(1, b, a, 0, &quoted))
                }
                _ => forge::ethernet(0x0800, &v4(6, 0, &segment)),
            };
            if wrap == 11 {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            (time, bytes)
        },
    )
}

fn table(specs: &[Spec], offset: usize, max_flows: usize, fast_lane: bool) -> FlowTable {
    let table = FlowTable::new(Registry::built_in().scope(false), max_flows);
    let mut table = if fast_lane { table } else { table.without_fast_lane() };
    for (index, (time, bytes)) in specs.iter().enumerate() {
        table.take(&Frame {
            time: Timestamp(*time),
            link: LinkType(1),
            wire_len: u32::try_from(bytes.len()).expect("short"),
            bytes,
            at: FrameRef::new(0, (offset + index + 1) as u64),
            interface: 0,
        });
    }
    table.settle();
    table
}

fn rendered(table: &FlowTable) -> String {
    let mut bytes = Vec::new();
    json::write(&report(table, Vec::new(), &Registry::built_in()), &mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

fn merged(mut a: FlowTable, b: FlowTable) -> FlowTable {
    a.merge(b);
    a.settle();
    a
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Laws 1 and 2: any cut, any order of the pieces, any bound.
    #[test]
    fn pieces_merge_to_the_whole(
        specs in prop::collection::vec(frame(), 0..60),
        cuts in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        order in Just([0usize, 1, 2]).prop_shuffle(),
        max_flows in prop::sample::select(vec![1usize, 3, 1000]),
    ) {
        let (a, b) = (cuts.0.index(specs.len() + 1), cuts.1.index(specs.len() + 1));
        let (a, b) = (a.min(b), a.max(b));
        let piece = |index: usize| match index {
            0 => table(&specs[..a], 0, max_flows, true),
            1 => table(&specs[a..b], a, max_flows, true),
            _ => table(&specs[b..], b, max_flows, true),
        };
        let whole = table(&specs, 0, max_flows, true);
        let [x, y, z] = order;
        let left = merged(merged(piece(x), piece(y)), piece(z));
        let right = merged(piece(x), merged(piece(y), piece(z)));
        prop_assert_eq!(rendered(&left), rendered(&whole));
        prop_assert!(left == whole && right == whole, "the tables differ where the reports do not show it");
        let unit = FlowTable::new(Registry::built_in().scope(false), max_flows);
        prop_assert!(merged(unit, whole.clone()) == whole);
    }

    /// Law 2, the rest of it: frames may come in any order.
    #[test]
    fn the_order_of_frames_does_not_matter(
        specs in prop::collection::vec(frame(), 0..40).prop_flat_map(|specs| {
            let numbered: Vec<(usize, Spec)> = specs.into_iter().enumerate().collect();
            (Just(numbered.clone()), Just(numbered).prop_shuffle())
        }),
    ) {
        let take = |specs: &[(usize, Spec)]| {
            let pieces = specs.iter().map(|(number, spec)| table(std::slice::from_ref(spec), *number, 2, true));
            pieces.fold(FlowTable::new(Registry::built_in().scope(false), 2), merged)
        };
        prop_assert!(take(&specs.0) == take(&specs.1));
    }

    /// Law 3: the report is the same with the fast lane off.
    #[test]
    fn both_lanes_give_the_same_table(specs in prop::collection::vec(frame(), 0..60)) {
        let (fast, slow) = (table(&specs, 0, 1000, true), table(&specs, 0, 1000, false));
        prop_assert_eq!(rendered(&fast), rendered(&slow));
        prop_assert_eq!(&fast.totals, &slow.totals);
    }

    /// Law 3, the lemma: what the fast lane says, the slow lane says; on frames of any link type, whole, cut or broken.
    #[test]
    fn a_glance_says_what_decoding_says(
        spec in frame(),
        link in prop::sample::select(vec![0u32, 1, 6, 9, 12, 14, 50, 51, 101, 104, 105, 108, 109, 113, 117, 127, 226, 228, 229, 239, 258, 276, 147]),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let ip = &spec.1[14.min(spec.1.len())..];
        let mut bytes = match link {
            1 => spec.1.clone(),
            113 => [&[0; 14], &[8, 0][..], ip].concat(),
            276 => [&[8, 0], &[0; 18][..], ip].concat(),
            _ => ip.to_vec(),
        };
        for (place, value) in noise {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let frame = Frame {
            time: Timestamp(1),
            link: LinkType(link),
            wire_len: 3000,
            bytes: &bytes,
            at: FrameRef::new(0, 1),
            interface: 0,
        };
        let decoded = packet::decode(&frame).map(|packet| packet.ports());
        if let Some(ports) = glance(&frame) {
            prop_assert_eq!(decoded, Ok(ports));
        }
    }

    /// Whatever follows a link header or is sent to a tunnel's port, decoding ends, and says nothing else than the glance.
    #[test]
    fn anything_is_decoded(
        link in 0u32..300, port in prop::sample::select(gapwatch::tunnel::UDP_PORTS.map(|(port, _)| port).to_vec()),
        back in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..120), small in any::<bool>(),
    ) {
        // Small numbers are lengths that fit.
        let bytes: Vec<u8> = if small { bytes.iter().map(|byte| byte & 0x8f).collect() } else { bytes };
        let (from, to) = if back { (port, 50_000) } else { (50_000, port) };
        for (link, bytes) in [(link, bytes.clone()), (1, forge::udp_frame((1, from), (2, to), &bytes))] {
            let frame = Frame {
                time: Timestamp(1),
                link: LinkType(link),
                wire_len: 1000,
                bytes: &bytes,
                at: FrameRef::new(0, 1),
                interface: 0,
            };
            let decoded = packet::decode(&frame).map(|packet| packet.ports());
            if let Some(ports) = glance(&frame) {
                prop_assert_eq!(decoded, Ok(ports));
            }
        }
    }

    /// Laws 5 and 7.
    #[test]
    fn every_frame_is_counted_and_every_class_has_its_reason(specs in prop::collection::vec(frame(), 0..80)) {
        let table = table(&specs, 0, 4, true);
        let totals = &table.totals;
        let skipped: u64 = totals.skipped.values().sum();
        prop_assert_eq!(totals.frames, specs.len() as u64);
        prop_assert_eq!(totals.frames, totals.observed + totals.outside + skipped);
        for finding in report(&table, Vec::new(), &Registry::built_in()).findings {
            let named = finding.evidence.iter().any(|reason| reason.class == finding.class && !reason.frames.is_empty());
            prop_assert!(finding.class == Class::Custom || named, "{:?}", finding);
        }
    }

    /// Law 4: no prefix and no mutation of an example makes a signature panic.
    #[test]
    fn signatures_survive_anything(
        which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), more in 0usize..100,
    ) {
        let examples: Vec<_> = signature::ALL.iter().flat_map(|signature| signature.hits.iter().chain(signature.misses)).collect();
        let (transport, example) = examples[which.index(examples.len())];
        let mut bytes = example.to_vec();
        for (place, value) in noise {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let payload = Payload { transport: *transport, bytes: &bytes, wire_len: bytes.len() + more };
        for signature in signature::ALL {
            let _ = (signature.see)(&payload);
        }
    }
}

/// Law 4: every signature accepts its own hits and refuses its misses.
#[test]
fn signatures_accept_their_hits_and_refuse_their_misses() {
    for signature in signature::ALL {
        assert!(!signature.hits.is_empty() && !signature.misses.is_empty(), "{} has no examples", signature.id);
        for (transport, bytes) in signature.hits {
            assert!(
                (signature.see)(&Payload::whole(*transport, bytes)).is_some(),
                "{} misses {bytes:02x?}",
                signature.id
            );
        }
        for (transport, bytes) in signature.misses {
            assert_eq!(
                (signature.see)(&Payload::whole(*transport, bytes)),
                None,
                "{} takes {bytes:02x?}",
                signature.id
            );
        }
    }
}

/// Law 2 on one large capture: how it is dealt over threads does not show, whether those that do not read have much to do,
/// and the blocks are read in between, or little, and after a few megabytes they are read ahead.
#[test]
fn a_large_capture_is_the_same_on_any_number_of_threads() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for (about, every) in [("all in scope", 1), ("few in scope", 1000)] {
        let frames: Vec<forge::Forged> = (0..10_000u32)
            .map(|n| {
                let (client, port) = ((n % 200) as u8, if n % every == 0 { 817 } else { 443 });
                let message = forge::record(&[&forge::rpc_call(n, 100_004, 2, n % 9)[..], &[0; 700]].concat());
                let frame = forge::tcp_frame((client, 40_000), (201, port), n * 744, PSH | ACK, &message);
                forge::at(1_000_000_000 + u64::from(n), frame)
            })
            .collect();
        std::fs::write(file.path(), forge::pcap(1, false, true, &frames)).expect("written");
        let read = |threads| {
            let scope = Registry::built_in().scope(false);
            let scan = Scan { scope, max_flows: 1000, threads, fast_lane: true, bytes_read: BytesRead::default() };
            scan.run(scan::find(&[file.path().to_owned()])).table
        };
        let one = read(1);
        assert_eq!(one.totals.observed, 10_000 / u64::from(every), "{about}");
        for threads in [2, 3, 8] {
            assert!(read(threads) == one, "{about}, {threads} threads");
        }
    }
}

/// A tunnel that is not opened is counted as that, but where a service of interest could hide behind it.
#[test]
fn a_tunnel_that_is_not_opened_hides_no_port() {
    let arp = [&[8u8, 0, 0, 0, 0, 0, 7, 0], &[0; 12][..], &[8, 6], &[0; 28]].concat();
    let nested = (0..6).fold(forge::udp_frame((1, 50_000), (2, 817), b"x"), |inner, _| {
        forge::udp_frame((1, 50_000), (2, 4789), &[&[8, 0, 0, 0, 0, 0, 7, 0], &inner[..]].concat())
    });
    for (frame, observed, outside, skipped) in [
        (forge::udp_frame((1, 50_000), (2, 4789), &arp), 0, 0, "ARP"),
        (forge::udp_frame((1, 817), (2, 4789), &arp), 1, 0, ""),
        (forge::udp_frame((1, 53), (2, 4789), &arp), 0, 1, ""),
        (forge::udp_frame((1, 50_000), (2, 2152), &[0x30, 1, 0, 0, 0, 0, 0, 0]), 0, 0, "tunnel not opened (gtp-u)"),
        (forge::udp_frame((1, 50_000), (2, 4789), b"PLAIN TEXT, NO HEADER"), 0, 1, ""),
        (forge::udp_frame((1, 50_000), (2, 4789), b"header, and no more"), 0, 0, "malformed"),
        (nested, 0, 0, "tunnel not opened (vxlan)"),
    ] {
        let totals = table(&[(1, frame)], 0, 10, true).totals;
        let names: Vec<_> = totals.skipped.keys().map(|skip| skip.name()).collect();
        assert_eq!((totals.observed, totals.outside, &*names.concat()), (observed, outside, skipped));
    }
}

/// Law 6: what is kept has a bound, and the report says what the bound cost.
#[test]
fn a_flood_of_one_kind_pushes_out_no_other() {
    let mut specs: Vec<Spec> = (0..20_000u32)
        .map(|n| {
            let source = [172, 16, (n >> 8) as u8, n as u8];
            let syn = forge::tcp(40_000, 817, n, SYN, &[]);
            (1, forge::ethernet(0x0800, &forge::ipv4(6, source, forge::host(2), 0, &syn)))
        })
        .collect();
    let call = forge::rpc_call(7, 100_004, 2, 1);
    specs.push((2, forge::udp_frame((1, 700), (2, 817), &call)));
    specs.push((3, forge::udp_frame((2, 817), (1, 700), &forge::rpc_reply(7))));
    let table = table(&specs, 0, 100, true);
    let report = report(&table, Vec::new(), &Registry::built_in());
    let beyond = &report.totals.beyond_bounds;
    assert_eq!((beyond.len(), beyond[0].flows, beyond[0].packets), (1, "without payload", 19_600));
    assert!((15_000..25_000).contains(&beyond[0].flows_estimated), "{}", beyond[0].flows_estimated);
    assert!(report.findings.iter().any(|finding| finding.class == Class::LegacyRpc && finding.port == Some(817)));
}

/// The same for what ICMP quotes of conversations that nobody saw: it costs no conversation its place, and is told.
#[test]
fn quotes_of_unseen_conversations_push_out_none() {
    let quoting = |source: [u8; 4]| {
        let datagram = forge::udp(40_000, 817, b"12345678");
        let quote = forge::ipv4(17, source, forge::host(2), 0, &datagram);
        let message = [&[3, 3, 0, 0, 0, 0, 0, 0], &quote[..28]].concat();
        (1, forge::ethernet(0x0800, &forge::ipv4(1, forge::host(2), source, 0, &message)))
    };
    let mut specs: Vec<Spec> = (0..1000u32).map(|n| quoting([172, 16, (n >> 8) as u8, n as u8])).collect();
    let table_of = |specs: &[Spec]| report(&table(specs, 0, 10, true), Vec::new(), &Registry::built_in());
    let unseen = table_of(&specs);
    assert!(unseen.findings.is_empty() && unseen.totals.beyond_bounds.is_empty());
    assert!(unseen.totals.refused_flows.is_some_and(|flows| (500..2000).contains(&flows)));
    specs.push((2, forge::udp_frame((1, 700), (2, 817), &forge::rpc_call(7, 100_004, 2, 1))));
    specs.push((3, forge::udp_frame((2, 817), (1, 700), &forge::rpc_reply(7))));
    assert_eq!(table_of(&specs).findings[0].class, Class::LegacyRpc);
}
