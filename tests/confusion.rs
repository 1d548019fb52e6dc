//! What is not RPC is not called RPC: every recorded payload of other protocols, ten million random and mutated ones, and
//! every fixture that expects no RPC service.

mod forge;

use gapwatch::frame::{Frame, FrameRef, LinkType, Timestamp};
use gapwatch::packet;
use gapwatch::port::Transport;
use gapwatch::registry::Registry;
use gapwatch::report::report;
use gapwatch::signature::{self, Payload, rpc};
use gapwatch::table::FlowTable;
use std::fs;
use std::path::Path;

const RANDOM: u64 = 5_000_000;
const MUTATED: u64 = 5_000_000;

/// A generator of numbers that is the same on every machine (Steele, Lea and Flood's `SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("small")
    }
}

/// Payloads of protocols that are not RPC: from the recordings, and the examples of the other signatures.
fn payloads() -> Vec<(Transport, Vec<u8>)> {
    let mut payloads = Vec::new();
    let named = [
        "redis-722",
        "tls-783",
        "ssh-26",
        "http-81",
        "download-899",
        "shell-bind-1005",
        "custom-udp-930",
        "ipv6-http-100",
    ];
    let families = ["protocols-", "hostile-", "benign-"];
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        // In one of them somebody pretends to speak RPC.
        path.extension().is_some_and(|suffix| suffix == "pcap")
            && name != "hostile-mind-change"
            && (named.contains(&name) || families.iter().any(|family| name.starts_with(family)))
    });
    paths.sort();
    for path in paths {
        let file = fs::read(path).expect("a fixture");
        let mut rest = &file[24..];
        while let Some((header, more)) = rest.split_first_chunk::<16>() {
            let len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
            let bytes = &more[..len];
            let wire_len = u32::try_from(len).expect("short");
            let frame =
                Frame { time: Timestamp(1), link: LinkType(1), wire_len, bytes, at: FrameRef::new(0, 1), interface: 0 };
            if let Ok(packet) = packet::decode(&frame)
                && !packet.payload.is_empty()
            {
                payloads.push((packet.transport, packet.payload.to_vec()));
            }
            rest = &more[len..];
        }
    }
    let examples = signature::ALL.iter().filter(|signature| signature.protocol != "onc-rpc");
    payloads
        .extend(examples.flat_map(|signature| signature.hits).map(|(transport, bytes)| (*transport, bytes.to_vec())));
    assert!(payloads.len() > 60, "{} payloads are few", payloads.len());
    payloads
}

fn assert_no_message(transport: Transport, bytes: &[u8]) {
    // What begins inside a payload counts for nothing unless the other side bears it out, nor does a reply alone: a counter
    // and zeros read as one. The fixtures are judged as a whole elsewhere.
    let is_call = |found: &rpc::Found<'_>| !found.message.inside && matches!(found.message.body, rpc::Body::Call(_));
    let payload = Payload::whole(transport, bytes);
    let found = rpc::found(&payload).find(is_call);
    assert!(found.is_none(), "{transport}: {found:?} in {bytes:02x?}");
}

#[test]
fn random_payloads_are_no_rpc() {
    let mut numbers = Numbers(1);
    let mut bytes = [0; 160];
    for _ in 0..RANDOM {
        let len = 20 + numbers.below(bytes.len() - 20);
        for eight in bytes[..len].chunks_mut(8) {
            eight.copy_from_slice(&numbers.next().to_be_bytes()[..eight.len()]);
        }
        let transport = Transport::ALL[numbers.below(2)];
        // Protocols of counters and flags are rich in zeros: half of all are made so.
        if numbers.next().is_multiple_of(2) {
            bytes[..len].iter_mut().for_each(|byte| *byte = if *byte < 128 { 0 } else { *byte & 0x1f });
            // The first words of a message, by chance or by malice.
            if len > 12 && numbers.next().is_multiple_of(4) {
                bytes[4..12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 2]);
                bytes[12] |= 0x80; // no program has such a number
            }
        }
        let whole_reply = Payload::whole(transport, &bytes[..len]);
        // Zeros behind a one read as a reply, which alone counts for nothing; a call must not appear.
        let is_call =
            |found: &rpc::Found<'_>| !found.message.inside && matches!(found.message.body, rpc::Body::Call(_));
        let call = rpc::found(&whole_reply).find(is_call);
        assert!(call.is_none(), "{call:?} in {:02x?}", &bytes[..len]);
    }
}

#[test]
fn mutated_payloads_of_other_protocols_are_no_rpc() {
    let payloads = payloads();
    for (transport, bytes) in &payloads {
        assert_no_message(*transport, bytes);
    }
    let mut numbers = Numbers(2);
    let mut bytes = Vec::new();
    for _ in 0..MUTATED {
        let (transport, original) = &payloads[numbers.below(payloads.len())];
        bytes.clear();
        bytes.extend_from_slice(&original[..original.len().min(400)]);
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(bytes.len());
            match numbers.below(3) {
                0 => bytes[at] = numbers.next().to_be_bytes()[0],
                1 => bytes.truncate(at + 1),
                _ => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = 0),
            }
        }
        assert_no_message(*transport, &bytes);
    }
}

/// Random dialogues, judged as a whole: none is legacy-rpc.
#[test]
fn random_dialogues_are_never_called_rpc() {
    let registry = Registry::built_in();
    let mut numbers = Numbers(3);
    let mut table = FlowTable::new(registry.scope(false), 100_000);
    let mut number = 0;
    for client in 0..20_000u16 {
        for turn in 0..4u32 {
            let words: Vec<u32> = (0..6 + numbers.below(10))
                .map(|_| [0, 1, u32::try_from(numbers.next() & 0xffff).expect("small")][numbers.below(3)])
                .collect();
            let payload: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let (from, to) =
                if turn % 2 == 0 { ((1, 20_000 + client), (2, 817)) } else { ((2, 817), (1, 20_000 + client)) };
            let bytes = if client % 2 == 0 {
                forge::udp_frame(from, to, &payload)
            } else {
                forge::tcp_frame(from, to, 1, forge::ACK, &payload)
            };
            number += 1;
            let wire_len = u32::try_from(bytes.len()).expect("short");
            table.take(&Frame {
                time: Timestamp(number),
                link: LinkType(1),
                wire_len,
                bytes: &bytes,
                at: FrameRef::new(0, number),
                interface: 0,
            });
        }
    }
    table.settle();
    let report = report(&table, Vec::new(), &registry);
    assert!(
        report.findings.iter().all(|finding| finding.class != gapwatch::class::Class::LegacyRpc),
        "{:#?}",
        report.findings
    );
}
