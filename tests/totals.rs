//! Numbers in reports are counts, or they say that they are the least: bulk RPC whose records begin anywhere in segments.

#![allow(clippy::cast_possible_truncation)] // lengths are small

mod forge;

use forge::shapes::{call, opaque, reply, words};
use forge::{ACK, PSH, SYN, record, tcp_frame};
use gapwatch::finding::Finding;
use gapwatch::frame::{Frame, FrameRef, LinkType, Timestamp};
use gapwatch::registry::Registry;
use gapwatch::report::report;
use gapwatch::table::FlowTable;

const CLIENT: (u8, u16) = (1, 901);
const SERVER: (u8, u16) = (2, 817);
/// Bytes of a full segment on Ethernet, with TCP's timestamps.
const SEGMENT: usize = 1448;
const NFS_READ: [u32; 3] = [100_003, 3, 6];
const NFS_WRITE: [u32; 3] = [100_003, 3, 7];

/// A connection whose sides send these bytes in full segments, in turn.
fn connection(sides: [&[u8]; 2]) -> Vec<Vec<u8>> {
    let mut frames = vec![
        tcp_frame(CLIENT, SERVER, 99, SYN, &[]),
        tcp_frame(SERVER, CLIENT, 499, SYN | ACK, &[]),
        tcp_frame(CLIENT, SERVER, 100, ACK, &[]),
    ];
    let mut segments =
        [segments_of(sides[0], 100).into_iter().peekable(), segments_of(sides[1], 500).into_iter().peekable()];
    while segments.iter_mut().any(|side| side.peek().is_some()) {
        for (side, (from, to)) in [(CLIENT, SERVER), (SERVER, CLIENT)].into_iter().enumerate() {
            if let Some((sequence, bytes)) = segments[side].next() {
                frames.push(tcp_frame(from, to, sequence, PSH | ACK, bytes));
            }
        }
    }
    frames
}

/// A stream in full segments, each with its sequence number.
fn segments_of(stream: &[u8], first: u32) -> Vec<(u32, &[u8])> {
    let places = (0..stream.len()).step_by(SEGMENT).map(|at| first + at as u32);
    places.zip(stream.chunks(SEGMENT)).collect()
}

/// The only finding that these frames give.
fn finding(frames: &[Vec<u8>]) -> Finding {
    let registry = Registry::built_in();
    let mut table = FlowTable::new(registry.scope(false), 1000);
    for (index, bytes) in frames.iter().enumerate() {
        table.take(&Frame {
            time: Timestamp(1_000_000_000 + index as u64 * 1_000_000),
            link: LinkType(1),
            wire_len: bytes.len() as u32,
            bytes,
            at: FrameRef::new(0, index as u64 + 1),
            interface: 0,
        });
    }
    table.settle();
    let mut report = report(&table, Vec::new(), &registry);
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    report.findings.remove(0)
}

fn xid(number: u32) -> u32 {
    0x5a00_0000 + number * 7
}

/// Whether a number is right, or is said to be the least and is not far from it.
fn is_right(finding: &Finding, name: &str, wanted: u64) {
    let program = &finding.rpc[0];
    let (calls, replies) = (program.calls, program.replies);
    let told = finding.what.split(&format!("{name} ×")).nth(1).unwrap_or_else(|| panic!("{}", finding.what));
    let digits: String = told.chars().take_while(char::is_ascii_digit).collect();
    let number: u64 = digits.parse().expect("a number");
    let least = told[digits.len()..].starts_with('+');
    assert!(
        number == wanted || (least && number < wanted && number * 10 >= wanted * 8),
        "{}: {calls} calls, {replies} replies, {wanted} wanted",
        finding.what
    );
    assert_eq!(least, finding.evidence[0].says.contains("at least"), "{}", finding.evidence[0].says);
}

#[test]
fn writes_whose_heads_lie_inside_segments_are_all_counted() {
    let arguments = [opaque(&[7; 32]), words(&[0, 0, 4096, 0]), opaque(&[0xab; 4096])].concat();
    let calls: Vec<u8> = (0..400).flat_map(|number| record(&call(xid(number), NFS_WRITE, &arguments))).collect();
    let replies: Vec<u8> = (0..400).flat_map(|number| record(&reply(xid(number), &words(&[0; 34])))).collect();
    is_right(&finding(&connection([&calls, &replies])), "WRITE", 400);
}

#[test]
fn reads_whose_replies_fill_many_segments_are_all_counted() {
    let arguments = [opaque(&[7; 32]), words(&[0, 0, 32768])].concat();
    let result = [words(&[0; 24]), opaque(&vec![0xcd; 32768])].concat();
    let calls: Vec<u8> = (0..200).flat_map(|number| record(&call(xid(number), NFS_READ, &arguments))).collect();
    let replies: Vec<u8> = (0..200).flat_map(|number| record(&reply(xid(number), &result))).collect();
    let finding = finding(&connection([&calls, &replies]));
    is_right(&finding, "READ", 200);
    let replies = finding.rpc[0].replies;
    assert!(
        replies == 200 || (replies >= 160 && finding.evidence[0].says.contains("at least")),
        "{replies}: {}",
        finding.evidence[0].says
    );
}

#[test]
fn what_is_sent_again_does_not_count_for_other_procedures() {
    // 160 different GETATTR, and one READ that is sent forty times.
    let getattr = |number| record(&call(xid(number), [100_003, 3, 1], &opaque(&[7; 32])));
    let again = record(&call(xid(1000), NFS_READ, &[opaque(&[7; 32]), words(&[0, 0, 1])].concat()));
    let mut frames = vec![
        tcp_frame(CLIENT, SERVER, 99, SYN, &[]),
        tcp_frame(SERVER, CLIENT, 499, SYN | ACK, &[]),
        tcp_frame(CLIENT, SERVER, 100, ACK, &[]),
    ];
    let [mut asked, mut answered] = [100, 500];
    let send = |from, to, sequence: &mut u32, bytes: &[u8]| {
        let frame = tcp_frame(from, to, *sequence, PSH | ACK, bytes);
        *sequence += bytes.len() as u32;
        frame
    };
    for number in 0..160 {
        frames.push(send(CLIENT, SERVER, &mut asked, &getattr(number)));
        frames.push(send(SERVER, CLIENT, &mut answered, &record(&reply(xid(number), &words(&[0; 22])))));
        if number % 4 == 0 {
            frames.push(send(CLIENT, SERVER, &mut asked, &again));
        }
    }
    let finding = finding(&frames);
    assert!(finding.what.contains("GETATTR ×160"), "{}", finding.what);
    assert!(finding.what.contains("READ") && !finding.what.contains("READ ×"), "{}", finding.what);
}
