//! Whatever the input, a report can be opened: what comes in thousands folds, lists are cut fairly, and nothing of weight is
//! hidden by it.

mod forge;
mod world;

use forge::{ACK, Forged, PSH, SYN, at};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use world::{World, fixture, json, status, stderr, stdout};

/// More than this of one kind fold; of those so many are listed all the same.
const ALIKE: usize = 1000;
const EXAMPLES: usize = 32;
/// Ports that nobody holds.
const GAPS: std::ops::Range<u16> = 811..828;

/// A datagram between hosts by number.
fn datagram(from: (u32, u16), to: (u32, u16), payload: &[u8]) -> Vec<u8> {
    let address = |host: u32| (0x0a00_0000 + host).to_be_bytes();
    forge::ethernet(0x0800, &forge::ipv4(17, address(from.0), address(to.0), 0, &forge::udp(from.1, to.1, payload)))
}

/// So many services, each asked once by a client of its own, which says nothing that is known.
fn flood(services: u32) -> Vec<Forged> {
    let gaps = u32::from(GAPS.end - GAPS.start);
    let frame = |n: u32| {
        let port = GAPS.start + u16::try_from(n % gaps).expect("small");
        let bytes = datagram((0x0080_0000 + n, 40_000), (0x1000 + n / gaps, port), format!("well {n}").as_bytes());
        at(1_000_000_000_000_000_000 + u64::from(n) * 1_000_000, bytes)
    };
    (0..services).map(frame).collect()
}

fn list<'a>(report: &'a Value, name: &str) -> &'a [Value] {
    report[name].as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("small")
}

#[test]
fn services_of_no_weight_that_come_in_thousands_are_told_together() {
    let world = World::new();
    world.write("few.pcap", &forge::pcap(1, false, true, &flood(1000)));
    world.write("many.pcap", &forge::pcap(1, false, true, &flood(3000)));
    let few = json(&world.run(&["-f", "json", "few.pcap"]));
    assert_eq!((list(&few, "findings").len(), few.get("folded"), few.get("cut")), (ALIKE, None, None));
    let files = ["r.json", "r.html", "r.csv", "r.ecs.ndjson", "r.ndjson", "r.stix.json", "r.txt"];
    let outputs = files.iter().flat_map(|file| ["-o", file]);
    let arguments: Vec<&str> = ["many.pcap"].into_iter().chain(outputs).collect();
    let output = world.run(&arguments);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    let read = |name: &str| fs::read_to_string(world.folder.path().join(name)).expect("written");
    let many: Value = serde_json::from_str(&read("r.json")).expect("JSON");
    assert_eq!(list(&many, "findings").len(), EXAMPLES);
    let [line] = list(&many, "folded") else { panic!("one line: {}", many["folded"]) };
    let folded = 3000 - EXAMPLES;
    assert_eq!((number(&line["findings"]), number(&many["cut"]["findings"])), (folded, folded));
    assert_eq!(list(line, "names").len(), folded, "each is named");
    assert_eq!((number(&line["packets"]), number(&line["flows"]), number(&line["ports_total"])), (folded, folded, 17));
    assert_eq!((line["class"].as_str(), line["state"].as_str()), (Some("custom"), Some("unanswered")));
    // Together they are all that was there, each once.
    let listed =
        list(&many, "findings").iter().map(|f| format!("{}:{}/udp", f["address"].as_str().unwrap(), f["port"]));
    let folded_names = list(line, "names").iter().map(|name| name.as_str().expect("text").to_owned());
    assert_eq!(listed.chain(folded_names).collect::<BTreeSet<_>>().len(), 3000);
    let said = "custom 2,968 services over udp told together";
    for file in ["r.html", "r.csv", "r.ecs.ndjson", "r.txt"] {
        assert!(read(file).contains(said), "{file} does not say it");
    }
    assert!(read("r.ndjson").lines().any(|line| line.starts_with(r#"{"event":"folded""#)));
    let table = stdout(&output);
    assert!(table.starts_with("3,000 custom services.\n"), "{table}");
    assert!(table.contains("LISTED IN PART: 2,968 findings told together; the totals count all"), "{table}");
    assert!(read("r.html").contains("UTC; listed in part: 2,968 findings told together</p>"), "it stands on top");
    assert!(read("r.html").contains("3,000 findings"), "the page's key counts all");
    assert_eq!(status(&world.run(&["-q", "many.pcap", "--fail-on", "custom"])), 1);

    // What is carved by way of it says what is missing.
    let carved = world.run(&["carve", "--from", "r.json", "-w", "out.pcapng"]);
    assert_eq!(status(&carved), 4, "{}", stderr(&carved));
    assert!(
        stderr(&carved).contains("2,968 findings that the report does not list are missing"),
        "{}",
        stderr(&carved)
    );
    let whole = world.run(&["carve", "many.pcap", "-w", "out.pcapng"]);
    assert_eq!(status(&whole), 0, "{}", stderr(&whole));
    assert!(stderr(&whole).contains("3,000 frames of 3,000 findings"), "{}", stderr(&whole));
}

/// Law 8 of the design: no flood hides a service.
#[test]
fn no_flood_hides_a_service() {
    let world = World::new();
    let mut own = forge::conversation((1, 40_000), (2, 813), b"id\n", b"uid=0(root) gid=0(root) groups=0(root)\n");
    own.extend(forge::conversation((3, 40_001), (2, 814), b"hello\n", b"well, hello\n"));
    own.extend(forge::conversation(
        (3, 40_002),
        (2, 815),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ));
    own.push(at(1_000_000_000_000_000_000, forge::udp_frame((3, 40_003), (2, 816), b"nobody answers")));
    own.push(at(1_000_000_000_000_000_000, forge::tcp_frame((3, 40_004), (2, 817), 1, SYN, b"")));
    for n in 0..4u16 {
        let call = forge::rpc_call(u32::from(n) + 7, 100_004, 2, 1);
        let time = 1_000_000_001_000_000_000 + u64::from(n);
        own.push(at(time, forge::udp_frame((4, 700 + n), (5, 818), &call)));
        own.push(at(time, forge::udp_frame((5, 818), (4, 700 + n), &forge::rpc_reply(u32::from(n) + 7))));
    }
    // A second flood: connections that are answered with bytes that nobody knows.
    let mut frames = flood(6000);
    for n in 0..3000u32 {
        let (client, server) = ((0x0090_0000 + n, 40_000), (0x2000 + n, 819));
        let time = 1_000_000_002_000_000_000 + u64::from(n);
        frames.push(at(time, datagram(client, server, b"what now")));
        frames.push(at(time, datagram(server, client, b"nothing")));
    }
    world.write("own.pcap", &forge::pcap(1, false, true, &own));
    frames.extend(own);
    world.write("mixed.pcap", &forge::pcap(1, false, true, &frames));
    let alone = json(&world.run(&["-f", "json", "own.pcap"]));
    let mixed = json(&world.run(&["-f", "json", "mixed.pcap"]));
    let name =
        |f: &Value| format!("{}:{}/{}", f["address"].as_str().unwrap(), f["port"], f["transport"].as_str().unwrap());
    let strong = |f: &Value| -> Vec<Value> {
        let strong = list(f, "evidence").iter().filter(|reason| reason["weight"].as_u64() >= Some(50));
        strong.map(|reason| reason["by"].clone()).collect()
    };
    let mut whole = 0;
    for finding in list(&alone, "findings").iter().filter(|finding| finding["kind"] == "service") {
        let same = list(&mixed, "findings").iter().find(|f| f["kind"] == "service" && name(f) == name(finding));
        if let Some(same) = same {
            assert_eq!((&same["class"], strong(same)), (&finding["class"], strong(finding)), "{}", name(finding));
            whole += 1;
            continue;
        }
        let is_named = |line: &&Value| list(line, "names").iter().any(|n| n.as_str() == Some(&name(finding)));
        let line = list(&mixed, "folded").iter().find(is_named);
        let line = line.unwrap_or_else(|| panic!("{} is hidden", name(finding)));
        assert_eq!((&line["class"], strong(finding)), (&finding["class"], vec![]), "{}", name(finding));
    }
    assert!(whole >= 4, "the shell, HTTP, RPC and what was answered over TCP come whole: {whole}");
    assert!(list(&mixed, "findings").len() < 200, "and the floods do not");
}

/// Scanners that are barely any, from addresses that may be forged, crowd out nothing that is sure.
#[test]
fn a_flood_of_weak_scanners_hides_no_rpc() {
    let world = World::new();
    let mut frames = Vec::new();
    for n in 0..9000u32 {
        for target in 0..5u8 {
            let (ports, from) = ((40_000, 811 + u16::from(target)), (0x0a80_0000 + n).to_be_bytes());
            let probe = forge::tcp(ports.0, ports.1, 1, SYN, b"");
            let bytes = forge::ethernet(0x0800, &forge::ipv4(6, from, [10, 0, 0, 9], 0, &probe));
            frames.push(at(1_000_000_000_000_000_000 + u64::from(n) * 1000, bytes));
        }
    }
    for n in 0..300u16 {
        let (client, server) = ((u8::try_from(n % 100).expect("small"), 700), (200, 700 + n));
        let time = 1_000_000_001_000_000_000 + u64::from(n);
        frames.push(at(time, forge::udp_frame(client, server, &forge::rpc_call(u32::from(n), 100_004, 2, 1))));
        frames.push(at(time, forge::udp_frame(server, client, &forge::rpc_reply(u32::from(n)))));
    }
    world.write("mixed.pcap", &forge::pcap(1, false, true, &frames));
    world.write("rpc.pcap", &forge::pcap(1, false, true, &frames[45_000..]));
    let rpc = |name: &str| -> Vec<String> {
        let report = json(&world.run(&["-f", "json", name]));
        assert!(list(&report, "findings").len() <= 8000);
        let of = list(&report, "findings").iter().filter(|finding| finding["class"] == "legacy-rpc");
        of.map(|finding| format!("{} {} {}", finding["address"], finding["port"], finding["evidence"])).collect()
    };
    let alone: Vec<String> =
        rpc("rpc.pcap").iter().map(|line| line.split(" [").next().expect("one").to_owned()).collect();
    let mixed: Vec<String> =
        rpc("mixed.pcap").iter().map(|line| line.split(" [").next().expect("one").to_owned()).collect();
    assert!(alone.len() > 100, "{}", alone.len());
    assert_eq!(mixed, alone);
}

/// The same for any order and cut of the captures, as everything in a report.
#[test]
fn what_folds_does_not_depend_on_order_or_threads() {
    let world = World::new();
    let frames = flood(2500);
    world.write("a.pcap", &forge::pcap(1, false, true, &frames[..1300]));
    world.write("b.pcap", &forge::pcap(1, false, true, &frames[1300..]));
    let of = |arguments: &[&str]| json(&world.run(&[&["-f", "json", "a.pcap", "b.pcap"], arguments].concat()));
    let one = of(&["--threads", "1"]);
    assert_eq!(one, of(&["--threads", "3"]));
    world.write("c.pcap", &forge::pcap(1, false, true, &frames));
    let whole = json(&world.run(&["-f", "json", "c.pcap"]));
    assert_eq!(one["folded"], whole["folded"]);
}

#[test]
fn flows_are_shared_out_fairly() {
    let world = World::new();
    let mut frames = Vec::new();
    // One service with a shell, that speaks last, among twenty with a thousand flows each.
    for n in 0..20_000u32 {
        let (client, server) = ((0x0080_0000 + n, 40_000), (0x10 + n % 20, 817));
        let time = 1_000_000_000_000_000_000 + u64::from(n);
        frames.push(at(time, datagram(client, server, b"hello there")));
        frames.push(at(time, datagram(server, client, b"well")));
    }
    let shell = b"uid=0(root) gid=0(root) groups=0(root)\n";
    frames.push(at(2_000_000_000_000_000_000, forge::tcp_frame((200, 40_000), (9, 813), 1, PSH | ACK, b"id\n")));
    frames.push(at(2_000_000_000_000_000_001, forge::tcp_frame((9, 813), (200, 40_000), 1, PSH | ACK, shell)));
    world.write("flows.pcap", &forge::pcap(1, false, true, &frames));
    let output = world.run(&["flows.pcap", "-o", "r.json", "-f", "zeek"]);
    let report: Value =
        serde_json::from_slice(&fs::read(world.folder.path().join("r.json")).expect("written")).expect("JSON");
    let of = |name: &str| list(&report, "findings").iter().map(|finding| list(finding, name).len()).collect::<Vec<_>>();
    let (flows, totals): (Vec<usize>, usize) =
        (of("flows"), list(&report, "findings").iter().map(|finding| number(&finding["flows_total"])).sum());
    assert_eq!((flows[0], totals, flows.iter().sum::<usize>()), (1, 20_001, 16_000), "{flows:?}");
    assert!(flows[1..].iter().all(|listed| (799..=800).contains(listed)), "{flows:?}");
    assert_eq!(number(&report["cut"]["flows"]), 4001);
    assert_eq!(of("community_ids"), flows);
    assert!(stderr(&output).contains("4,001 flows of 20 findings are not in the output"), "{}", stderr(&output));
}

/// An old report that told some together knows them still.
#[test]
fn what_was_told_together_is_not_new() {
    let world = World::new();
    world.write("many.pcap", &forge::pcap(1, false, true, &flood(3000)));
    world.run(&["-q", "many.pcap", "-o", "old.json"]);
    let mut frames = flood(3000).split_off(2990);
    frames.push(at(1, forge::udp_frame((1, 40_000), (2, 823), b"new here")));
    world.write("new.pcap", &forge::pcap(1, false, true, &frames));
    let report = json(&world.run(&["-f", "json", "new.pcap", "--baseline", "old.json"]));
    let new: Vec<_> = list(&report, "findings").iter().filter(|finding| !list(finding, "new").is_empty()).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    assert_eq!(new[0]["address"].as_str(), Some("10.0.0.2"));
}

#[test]
fn a_document_names_the_inputs_that_its_frames_lie_in() {
    let world = World::new();
    world.write("a.pcap", &fixture("http-81.pcap"));
    world.write("b.pcap", &fixture("nis-817.pcap"));
    world.write("c.pcap", &fixture("shell-bind-1005.pcap"));
    let output = world.run(&["-q", "-f", "ecs", "a.pcap", "b.pcap", "c.pcap"]);
    let documents: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let shell = documents.iter().find(|document| document["server"]["port"] == 1005).expect("the shell");
    assert_eq!(
        (&shell["gapwatch"]["inputs"], &shell["gapwatch"]["inputs_total"]),
        (&serde_json::json!(["c.pcap"]), &3.into())
    );
    assert!(documents.iter().all(|document| list(&document["gapwatch"], "inputs").len() == 1));
}

/// A terminal shows some hundreds of a class, and says how many more there are.
#[test]
fn the_table_stays_readable() {
    let world = World::new();
    world.write("few.pcap", &forge::pcap(1, false, true, &flood(900)));
    let rows = |table: &str| table.lines().filter(|line| line.contains("no answer from this port")).count();
    let table = stdout(&world.run(&["few.pcap"]));
    assert!(table.contains("… and 600 more findings of this group (-v lists more, "), "{table}");
    assert!(rows(&table) <= 700, "{}", rows(&table));
    let all = stdout(&world.run(&["-v", "few.pcap"]));
    assert!(!all.contains("more findings of this group"), "{}", all.len());
}
