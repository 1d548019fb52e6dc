//! Verdicts against what the traffic is: the confusion table of the labelled fixtures, which `docs/verdicts.md` shows
//! (`GAPWATCH_BLESS=1` writes it anew), every signal raised somewhere, and every known protocol recognised from frames.

mod forge;

use forge::{ACK, PSH, SYN};
use gapwatch::class::{Class, Confidence, Weight};
use gapwatch::frame::{Frame, FrameRef, LinkType, Timestamp};
use gapwatch::port::Transport;
use gapwatch::registry::Registry;
use gapwatch::report::{Report, report};
use gapwatch::signature::{self, pattern};
use gapwatch::table::FlowTable;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A finding that somebody expects, with what the traffic is.
struct Labelled {
    fixture: String,
    label: String,
    expected: toml::Table,
    /// As the golden report has it.
    found: Value,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Every expectation beside a fixture, with its finding.
fn labelled() -> Vec<Labelled> {
    let mut all = Vec::new();
    let entries = fs::read_dir(root().join("fixtures")).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "toml"));
    paths.sort();
    for path in paths {
        let expected: toml::Table = fs::read_to_string(&path).expect("readable").parse().expect("valid TOML");
        let fixture = path.file_stem().and_then(|name| name.to_str()).expect("plain names").to_owned();
        let golden = ["pcap", "pcapng"].map(|suffix| root().join(format!("fixtures/golden/{fixture}.{suffix}.json")));
        let golden = golden.iter().find(|path| path.exists()).expect("every fixture has its golden report");
        let report: Value = serde_json::from_slice(&fs::read(golden).expect("readable")).expect("valid JSON");
        for finding in expected.get("finding").and_then(|list| list.as_array()).into_iter().flatten() {
            let wanted = finding.as_table().expect("a table");
            let is_it = |found: &&Value| {
                ["kind", "address", "transport"].iter().all(|key| {
                    wanted.get(*key).and_then(|value| value.as_str()).is_none_or(|value| text(found, key) == value)
                }) && wanted.get("port").is_none_or(|port| found["port"].as_i64() == port.as_integer())
            };
            let found = report["findings"].as_array().expect("a list").iter().find(is_it);
            let label = wanted.get("label").or_else(|| expected.get("label")).and_then(|label| label.as_str());
            // Recordings without a label are what they are expected to be called.
            let class = wanted.get("class").and_then(|class| class.as_str()).unwrap_or_default();
            let label = label.unwrap_or(match class {
                "legacy-rpc" => "rpc",
                "suspicious" => "hostile",
                _ => "benign",
            });
            all.push(Labelled {
                fixture: fixture.clone(),
                label: label.to_owned(),
                expected: wanted.clone(),
                found: found.unwrap_or_else(|| panic!("{fixture}: nothing found for {wanted:?}")).clone(),
            });
        }
    }
    all
}

/// No benign finding is called suspicious with more than weak confidence, no hostile one is missed, no RPC service lost.
#[test]
fn benign_twins_stay_benign_and_hostile_ones_are_found() {
    let all = labelled();
    let count = |label: &str| all.iter().filter(|one| one.label == label).count();
    assert!(count("hostile") >= 60 && count("benign") >= 90 && count("rpc") >= 60, "the labelled set shrank");
    for one in &all {
        let (class, confidence) = (text(&one.found, "class"), text(&one.found, "confidence"));
        let right = match one.label.as_str() {
            "hostile" => class == "suspicious",
            "benign" => class == "custom" || (class == "suspicious" && confidence == "weak"),
            _ => class == "legacy-rpc",
        };
        assert!(right, "{} {:?}: {class}, {confidence}", one.fixture, one.expected);
    }
}

/// The table in the documentation is that of the fixtures.
#[test]
fn the_documented_confusion_table_is_the_measured_one() {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for one in labelled() {
        let class = text(&one.found, "class").to_owned();
        let column = if class == "suspicious" { format!("{class}, {}", text(&one.found, "confidence")) } else { class };
        *counts.entry((one.label, column)).or_default() += 1;
    }
    let columns = ["legacy-rpc", "custom", "suspicious, weak", "suspicious, probable", "suspicious, certain"];
    let mut table = format!("| what it is | {} |\n|---|{}\n", columns.join(" | "), "---:|".repeat(columns.len()));
    for label in ["rpc", "benign", "hostile"] {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| counts.get(&(label.to_owned(), (*column).to_owned())).map_or("0".into(), ToString::to_string))
            .collect();
        let _ = writeln!(table, "| {label} | {} |", cells.join(" | "));
    }
    println!("{table}");
    let path = root().join("docs/verdicts.md");
    let page = fs::read_to_string(&path).expect("it is there");
    let (before, rest) = page.split_once("<!-- table -->\n").expect("a mark before the table");
    let (shown, after) = rest.split_once("<!-- end -->").expect("a mark behind the table");
    if std::env::var_os("GAPWATCH_BLESS").is_some() {
        fs::write(&path, format!("{before}<!-- table -->\n{table}<!-- end -->{after}")).expect("writable");
    } else {
        assert_eq!(shown, table, "docs/verdicts.md shows another table");
    }
}

/// Every id that can speak for suspicious is raised by a fixture, and explained in the documentation by its family.
#[test]
fn every_signal_is_raised_by_a_fixture() {
    let raised: BTreeSet<String> = labelled()
        .iter()
        .flat_map(|one| one.found["evidence"].as_array().expect("a list").clone())
        .filter(|reason| text(reason, "class") == "suspicious")
        .map(|reason| text(&reason, "by").to_owned())
        .collect();
    let signatures = signature::ALL.iter().filter(|one| one.class == Class::Suspicious).map(|one| one.id);
    let catalogue = pattern::built_in().protocols();
    let patterns = catalogue.iter().filter(|one| one.label.class == Class::Suspicious).map(|one| one.label.id);
    let rules = [
        "impersonation",
        "tunnel",
        "backwards",
        "tls.odd-name",
        "proxy",
        "service-probes",
        "encrypted-start",
        "entropy",
        "beacon",
        "beacon.inside",
        "push",
        "long-connection",
        "staging",
        "flood",
        "amplification",
        "odd-flags",
        "knock",
        "turnabout",
        "spread",
        "sweep",
        "odd-port",
        "tls.tor-like",
    ];
    let missing: Vec<&str> = signatures.chain(patterns).chain(rules).filter(|id| !raised.contains(*id)).collect();
    assert!(missing.is_empty(), "no fixture raises {missing:?}");
}

/// Every id that can speak for suspicious stands in the documentation, by itself or by its family.
#[test]
fn every_signal_is_documented() {
    let page = ["docs/verdicts.md", "docs/rpc.md"]
        .map(|path| fs::read_to_string(root().join(path)).expect("it is there"))
        .join("\n");
    let signatures = signature::ALL.iter().filter(|one| one.class == Class::Suspicious).map(|one| one.id);
    let catalogue = pattern::built_in().protocols();
    let patterns = catalogue.iter().filter(|one| one.label.class == Class::Suspicious).map(|one| one.label.id);
    let rules = gapwatch::rule::ALL.iter().filter(|rule| rule.attack.is_some()).map(|rule| rule.id);
    for id in signatures.chain(patterns).chain(rules) {
        let family = id.split_once('.').map(|(family, _)| format!("`{family}.*`"));
        let named = page.contains(&format!("`{id}`")) || family.is_some_and(|family| page.contains(&family));
        assert!(named, "{id} is not in docs/verdicts.md");
    }
}

/// The report of frames, a second apart.
fn report_of(frames: &[Vec<u8>]) -> Report {
    let registry = Registry::built_in();
    let mut table = FlowTable::new(registry.scope(false), 1000);
    for (bytes, number) in frames.iter().zip(1u64..) {
        let time = Timestamp(1_700_000_000_000_000_000 + number * 1_000_000_000);
        let wire_len = u32::try_from(bytes.len()).expect("short");
        table.take(&Frame { time, link: LinkType(1), wire_len, bytes, at: FrameRef::new(0, number), interface: 0 });
    }
    table.settle();
    report(&table, Vec::new(), &registry)
}

/// A conversation of these messages, the client's first, with a handshake or from the middle.
fn conversation(transport: Transport, example: &signature::protocol::Example, handshake: bool) -> Vec<Vec<u8>> {
    let (client, server) = ((1, 40_000), (2, 817));
    let mut frames = Vec::new();
    if transport == Transport::Tcp && handshake {
        frames.push(forge::tcp_frame(client, server, 99, SYN, &[]));
        frames.push(forge::tcp_frame(server, client, 499, SYN | ACK, &[]));
    }
    for (from, to, mut sequence, said) in [(client, server, 100, example.client), (server, client, 500, example.server)]
    {
        for message in said {
            frames.push(match transport {
                Transport::Tcp => forge::tcp_frame(from, to, sequence, PSH | ACK, message),
                Transport::Udp => forge::udp_frame(from, to, message),
            });
            sequence += u32::try_from(message.len()).expect("short");
        }
    }
    frames
}

/// Every example of every protocol, as frames, is recognised by the whole program, whichever way it was captured.
#[test]
fn every_known_protocol_is_recognised_from_its_frames() {
    for protocol in pattern::built_in().protocols() {
        for example in &protocol.hits {
            for transport in protocol.transports {
                for handshake in [true, false] {
                    // Records without a handshake are TLS only where the beginning was not captured.
                    if handshake && protocol.label.id == signature::protocol::tls_records::ID {
                        continue;
                    }
                    let report = report_of(&conversation(*transport, example, handshake));
                    let by =
                        |id: &str| report.findings.iter().flat_map(|one| &one.evidence).any(|reason| reason.by == id);
                    assert!(by(protocol.label.id), "{}: {:#?}", protocol.label.id, report.findings);
                    let hostile = report.findings.iter().any(|one| one.class == Class::Suspicious);
                    let strong = protocol.label.weight >= Weight::MODERATE;
                    assert!(
                        hostile == (protocol.label.class == Class::Suspicious && strong)
                            || protocol.label.weight == Weight::HINT,
                        "{}: {:#?}",
                        protocol.label.id,
                        report.findings
                    );
                }
            }
        }
    }
}

/// What no signature knows is never called suspicious with confidence, whatever its bytes.
#[test]
fn unknown_bytes_alone_are_never_more_than_weak() {
    let mut state = 7u64;
    let mut noise = |len: usize| -> Vec<u8> {
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    };
    for len in [1, 8, 40, 100, 300, 1400] {
        let messages: Vec<&'static [u8]> = (0..4).map(|_| &*noise(len).leak()).collect();
        let example = signature::protocol::Example { client: messages.clone().leak(), server: messages.leak() };
        for transport in Transport::ALL {
            for finding in report_of(&conversation(transport, &example, true)).findings {
                let calm = finding.class == Class::Custom || finding.confidence == Confidence::Weak;
                assert!(calm, "{len} bytes: {finding:#?}");
            }
        }
    }
}

/// What an earlier window saw of portmappers teaches the next, and is no finding of it.
#[test]
fn the_next_window_knows_and_does_not_repeat() {
    let registry = Registry::built_in();
    let take = |table: &mut FlowTable, second: u64, bytes: &[u8]| {
        let time = Timestamp(1_700_000_000_000_000_000 + second * 1_000_000_000);
        let wire_len = u32::try_from(bytes.len()).expect("short");
        table.take(&Frame { time, link: LinkType(1), wire_len, bytes, at: FrameRef::new(0, second), interface: 0 });
    };
    let arguments: Vec<u8> = [100_004u32, 2, 6, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    let asked = [forge::rpc_call(7, 100_000, 2, 3), arguments].concat();
    let answered = [&forge::rpc_reply(7)[..24], &[0, 0, 3, 49]].concat();
    let mut table = FlowTable::new(registry.scope(false), 100);
    take(&mut table, 1, &forge::udp_frame((1, 1005), (2, 111), &asked));
    take(&mut table, 2, &forge::udp_frame((2, 111), (1, 1005), &answered));
    let mut early = table.clone().next_window();
    table.settle();
    let first = report(&table, Vec::new(), &registry);
    assert_eq!(first.findings.len(), 1, "the client on a reserved port");
    let mut next = table.next_window();
    early.settle();
    assert_eq!(early, next, "what was not settled is known as well");
    take(&mut next, 9, &forge::tcp_frame((1, 40_000), (2, 817), 1, SYN, &[]));
    take(&mut next, 10, &forge::tcp_frame((2, 817), (1, 40_000), 1, SYN | ACK, &[]));
    next.settle();
    let second = report(&next, Vec::new(), &registry);
    let ports: Vec<Option<u16>> = second.findings.iter().map(|finding| finding.port).collect();
    assert_eq!(ports, [Some(817)], "{:#?}", second.findings);
    assert_eq!(second.findings[0].class, Class::LegacyRpc, "the binding is still known");
}
