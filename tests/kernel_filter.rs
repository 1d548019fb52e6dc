//! The kernel's filter lets through whatever gapwatch would look at: every frame of every fixture, plain, tagged and in
//! tunnels, through libpcap's own compiler.

#![cfg(feature = "live")]

mod forge;

use gapwatch::frame::{Frame, FrameRef, LinkType, Timestamp};
use gapwatch::packet::{self, Held};
use gapwatch::registry::Registry;
use gapwatch::source::kernel_filter;
use gapwatch::table::FlowTable;
use std::fs;
use std::path::Path;

/// The frames of the captures in the repository that are Ethernet.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|suffix| suffix != "pcap") {
            continue;
        }
        let mut capture = pcap::Capture::from_file(&path).expect("libpcap reads it");
        assert_eq!(capture.get_datalink(), pcap::Linktype(1));
        while let Ok(packet) = capture.next_packet() {
            frames.push(packet.data.to_vec());
        }
    }
    assert!(frames.len() > 7_000, "{} frames are few", frames.len());
    frames
}

fn observed(bytes: &[u8]) -> bool {
    let mut table = FlowTable::new(Registry::built_in().scope(false), 10);
    let wire_len = u32::try_from(bytes.len()).expect("short");
    let frame = Frame { time: Timestamp(1), link: LinkType(1), wire_len, bytes, at: FrameRef::new(0, 1), interface: 0 };
    let tells = matches!(packet::read(&frame), Held::Later(..) | Held::Refusal(..));
    table.take(&frame);
    table.totals.observed > 0 || tells
}

fn program() -> pcap::BpfProgram {
    let expression = kernel_filter::expression(&Registry::built_in().scope(false));
    pcap::Capture::dead(pcap::Linktype(1)).expect("libpcap is there").compile(&expression, true).expect("it compiles")
}

#[test]
fn nothing_in_scope_is_dropped_by_the_kernel() {
    let program = program();
    let mut passed = 0;
    for bytes in frames() {
        let passes = program.filter(&bytes);
        passed += usize::from(passes);
        assert!(passes || !observed(&bytes), "dropped: {bytes:02x?}");
        // The same behind a VLAN tag that the interface leaves in the frame.
        let tagged = [&bytes[..12], &[0x81, 0, 0, 7], &bytes[12..]].concat();
        assert!(program.filter(&tagged), "dropped behind a tag: {tagged:02x?}");
    }
    assert!(passed > 5_000, "{passed}");
}

/// Every encapsulation that gapwatch opens passes, and is opened.
#[test]
fn what_is_opened_is_let_through() {
    let program = program();
    let wrapped = |bytes: &[u8]| {
        let wire_len = u32::try_from(bytes.len()).expect("short");
        let frame =
            Frame { time: Timestamp(1), link: LinkType(1), wire_len, bytes, at: FrameRef::new(0, 1), interface: 0 };
        packet::decode(&frame).map(|packet| packet.ports())
    };
    let call = forge::rpc_call(7, 100_004, 2, 1);
    for frame in [
        forge::udp_frame((1, 40_000), (2, 817), &call),
        forge::udp_frame((2, 817), (1, 40_000), &call),
        forge::tcp_frame((1, 40_000), (2, 1005), 1, forge::ACK, b"uid=0(root)"),
        forge::tcp_frame((2, 81), (1, 40_000), 1, forge::SYN, b""),
    ] {
        for (name, bytes) in forge::wrapped::all(&frame) {
            assert_eq!(wrapped(&bytes), wrapped(&frame), "{name}: {bytes:02x?}");
            assert!(observed(&bytes) && program.filter(&bytes), "{name} is dropped by the kernel: {bytes:02x?}");
        }
    }
}

#[test]
fn what_is_plainly_out_of_scope_is_dropped() {
    let program = program();
    for (from, to) in [(443, 50_000), (50_000, 443), (22, 40_000), (53, 53), (40_000, 50_000), (80, 1024)] {
        assert!(!program.filter(&forge::tcp_frame((1, from), (2, to), 1, forge::ACK, b"payload")), "tcp {from} {to}");
        assert!(!program.filter(&forge::udp_frame((1, from), (2, to), b"payload")), "udp {from} {to}");
    }
    let unreachable =
        [&[3, 3, 0, 0, 0, 0, 0, 0], &forge::ipv4(17, [10, 0, 0, 1], [10, 0, 0, 2], 0, &[0; 8])[..]].concat();
    let message = |bytes: &[u8]| forge::ethernet(0x0800, &forge::ipv4(1, [10, 0, 0, 2], [10, 0, 0, 1], 0, bytes));
    assert!(program.filter(&message(&unreachable)), "port unreachable");
    assert!(!program.filter(&message(&[8, 0, 0, 0, 0, 0, 0, 0])), "an echo request");
    for port in [4, 81, 111, 817, 1005] {
        assert!(program.filter(&forge::tcp_frame((1, 40_000), (2, port), 1, forge::ACK, b"payload")), "tcp {port}");
        assert!(
            program.filter(&forge::tcp_frame((1, port), (2, 40_000), 1, forge::ACK, b"payload")),
            "tcp {port} back"
        );
    }
}

/// The kernel takes 4,096 instructions at most (`BPF_MAXINSNS`).
#[test]
fn the_kernel_takes_it() {
    for reserved in [false, true] {
        let expression = kernel_filter::expression(&Registry::built_in().scope(reserved));
        for link in [1, 113, 276, 12] {
            let dead = pcap::Capture::dead(pcap::Linktype(link)).expect("libpcap is there");
            let instructions = dead.compile(&expression, true).expect("it compiles").get_instructions().len();
            assert!(instructions < 4096, "{instructions} instructions for link type {link}");
            println!("link type {link}: {instructions} instructions");
        }
    }
}
