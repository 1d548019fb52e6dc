//! `gapwatch carve`: the frames behind findings, as they were.

mod forge;
mod world;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use world::{World, captures, fixture, json, status, stderr};

/// Bytes and times of all frames, as libpcap reads them.
#[cfg(feature = "live")]
fn frames(path: &Path) -> Vec<(i64, i64, Vec<u8>)> {
    let mut capture = pcap::Capture::from_file_with_precision(path, pcap::Precision::Nano).expect("libpcap reads it");
    let mut frames = Vec::new();
    while let Ok(packet) = capture.next_packet() {
        #[allow(clippy::useless_conversion)] // not on every machine
        frames.push((packet.header.ts.tv_sec.into(), packet.header.ts.tv_usec.into(), packet.data.to_vec()));
    }
    frames
}

/// The comments in a pcapng file: option 1 of its packet blocks, in its own byte order.
fn comments(file: &[u8]) -> Vec<String> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
    let (mut at, mut comments) = (0, Vec::new());
    while at < file.len() {
        if word(at) == 6 {
            let option = at + 28 + word(at + 20).next_multiple_of(4);
            assert_eq!(file[option..option + 2], [1, 0], "a comment");
            let len = usize::from(u16::from_le_bytes([file[option + 2], file[option + 3]]));
            comments.push(String::from_utf8(file[option + 4..option + 4 + len].to_vec()).expect("UTF-8"));
        }
        at += word(at + 4);
    }
    comments
}

/// Every finding of every fixture: as many frames as the finding has packets, and each is the frame that its comment names.
#[test]
#[cfg(feature = "live")]
fn each_finding_s_frames_are_copied_as_they_were() {
    for name in captures() {
        let world = World::new();
        world.write(&name, &fixture(&name));
        let report = json(&world.run(&["-q", "-f", "json", "-o", "case.json", &name]));
        let original = frames(&world.folder.path().join(&name));
        for (place, finding) in report["findings"].as_array().expect("a list").iter().enumerate() {
            let place = (place + 1).to_string();
            let output = world.run(&["carve", "--from", "case.json", "-w", "out.pcapng", "--finding", &place]);
            assert_eq!(status(&output), 0, "{name}: {}", stderr(&output));
            let path = world.folder.path().join("out.pcapng");
            let (carved, comments) = (frames(&path), comments(&fs::read(&path).expect("readable")));
            assert_eq!(finding["packets"].as_u64(), Some(carved.len() as u64), "{name}, finding {place}");
            let mut named = BTreeSet::new();
            for (frame, comment) in carved.iter().zip(&comments) {
                let (_, number) = comment.rsplit_once("; frame ").expect("a place");
                let number: usize = number.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
                assert_eq!(*frame, original[number - 1], "{name}: {comment}");
                assert!(comment.starts_with(&format!("gapwatch: {}", finding["class"].as_str().expect("text"))));
                named.insert(number as u64);
            }
            assert_eq!(named.len(), carved.len(), "{name}: each once");
            // The frames that reasons name are there, and say so; what a sweep's or a spread's names may lie in others.
            let reasons = finding["evidence"].as_array().expect("a list").iter();
            let seen: usize = reasons
                .flat_map(|reason| reason["frames"].as_array().expect("a list"))
                .filter(|frame| named.contains(&frame["number"].as_u64().expect("a number")))
                .count();
            assert_eq!(comments.iter().any(|comment| comment.contains("; seen here: ")), seen > 0, "{name}");
        }
    }
}

#[test]
fn the_same_choice_gives_the_same_file_by_way_of_a_report_or_not() {
    let world = World::new();
    for name in ["shell-bind-1005.pcap", "nis-817.pcap", "sweep.pcap"] {
        world.write(&format!("in/{name}"), &fixture(name));
    }
    let carve = |arguments: &[&str], file: &str| {
        let output = world.run(&[&["carve", "-q", "-w", file], arguments].concat());
        assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
        fs::read(world.folder.path().join(file)).expect("it was written")
    };
    world.run(&["-q", "in", "-o", "case.json", "--hash"]);
    let all = carve(&["in"], "a.pcapng");
    assert_eq!(all, carve(&["in"], "b.pcapng"), "again");
    assert_eq!(all, carve(&["--from", "case.json"], "c.pcapng"), "from the report, with its own inputs");
    assert_eq!(all, carve(&["--from", "case.json", "in"], "d.pcapng"), "from the report, with inputs named");
    let suspicious = carve(&["in", "--class", "suspicious"], "e.pcapng");
    let service = carve(&["in", "--service", "10.9.0.2:1005/tcp"], "f.pcapng");
    let report: Value =
        serde_json::from_slice(&fs::read(world.folder.path().join("case.json")).expect("readable")).expect("JSON");
    let flow = report["findings"][0]["flows"][0]["community_id"].as_str().expect("text");
    assert_eq!(comments(&carve(&["in", "--flow", flow], "g.pcapng")).len(), 18);
    assert_eq!((comments(&service).len(), comments(&suspicious).len()), (18, 100));
    assert!(comments(&all).len() > 100);
    // What was carved says of itself what the whole said.
    let again = json(&world.run(&["-q", "-f", "json", "f.pcapng"]));
    assert_eq!(again["findings"][0]["what"], report["findings"][0]["what"]);
}

#[test]
fn interfaces_and_link_types_stay_apart() {
    let world = World::new();
    let writer = forge::Pcapng { big_endian: false };
    let frames = forge::conversation((1, 40_000), (2, 817), b"uid\n", b"uid=0(root) gid=0(root)\n");
    // The first interface is Ethernet in microseconds, the second raw IP in nanoseconds; each has half of the conversation.
    let mut file = [writer.section(), writer.interface(1, 0, None), writer.interface(101, 0, Some(9))].concat();
    for (number, frame) in frames.iter().enumerate() {
        let raw = number % 2 == 1;
        let (interface, ticks, bytes) =
            if raw { (1, frame.time + 1, &frame.bytes[14..]) } else { (0, frame.time / 1000, &frame.bytes[..]) };
        file.extend(writer.packet(interface, ticks, bytes, u32::try_from(bytes.len()).expect("short")));
    }
    world.write("two.pcapng", &file);
    let output = world.run(&["carve", "two.pcapng", "-w", "out.pcapng"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let out = fs::read(world.folder.path().join("out.pcapng")).expect("it was written");
    let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().expect("four bytes"));
    let (mut at, mut links, mut of) = (0, Vec::new(), BTreeMap::<u32, Vec<u64>>::new());
    while at < out.len() {
        match word(at) {
            1 => links.push(word(at + 8) & 0xffff),
            6 => of.entry(word(at + 8)).or_default().push(u64::from(word(at + 12)) << 32 | u64::from(word(at + 16))),
            _ => {}
        }
        at += word(at + 4) as usize;
    }
    assert_eq!(links, [1, 101]);
    assert_eq!(of[&0], frames.iter().step_by(2).map(|frame| frame.time).collect::<Vec<_>>());
    assert_eq!(of[&1], frames.iter().skip(1).step_by(2).map(|frame| frame.time + 1).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_carved_is_said() {
    let world = World::new();
    world.write("shell.pcap", &fixture("shell-bind-1005.pcap"));
    let says = |arguments: &[&str], wanted: (i32, &str)| {
        let output = world.run(&[&["carve", "-w", "out.pcapng"], arguments].concat());
        assert!(
            status(&output) == wanted.0 && stderr(&output).contains(wanted.1),
            "{arguments:?}: {}",
            stderr(&output)
        );
    };
    says(&[], (2, "no input"));
    says(&["-"], (2, "carving reads its inputs more than once"));
    says(&["/dev/null"], (2, "carving reads its inputs more than once"));
    says(&["shell.pcap", "--service", "10.9.0.2:1006/tcp"], (2, "no finding is about 10.9.0.2:1006/tcp"));
    says(&["shell.pcap", "--service", "nonsense"], (2, "is no service; say 10.0.0.5:817/tcp"));
    says(&["shell.pcap", "--finding", "2"], (2, "there is no finding 2: the report has 1"));
    says(&["shell.pcap", "--flow", "1:x"], (2, "no finding lists a flow with the Community ID"));
    says(&["--from", "shell.pcap"], (2, "not a JSON report"));
    says(&["missing.pcap"], (3, "nothing was read, so nothing was written"));
    assert!(!world.folder.path().join("out.pcapng").exists(), "nothing was read, so nothing is begun");
    let output = world.run(&["carve", "shell.pcap", "-w", "shell.pcap"]);
    assert!(status(&output) == 2 && stderr(&output).contains("written over it"), "{}", stderr(&output));
    assert_eq!(fs::read(world.folder.path().join("shell.pcap")).expect("still there"), fixture("shell-bind-1005.pcap"));
    // By whatever name: a link, or the report.
    fs::hard_link(world.folder.path().join("shell.pcap"), world.folder.path().join("link.pcap")).expect("a link");
    let output = world.run(&["carve", "shell.pcap", "-w", "link.pcap"]);
    assert!(status(&output) == 2 && stderr(&output).contains("written over it"), "{}", stderr(&output));
    world.run(&["-q", "--hash", "shell.pcap", "-o", "case.json"]);
    let output = world.run(&["carve", "--from", "case.json", "-w", "case.json"]);
    assert!(status(&output) == 2 && stderr(&output).contains("written over it"), "{}", stderr(&output));
    // Under another name it is found by its hash; one that is not the one of the report is refused, also when it is named.
    fs::rename(world.folder.path().join("link.pcap"), world.folder.path().join("moved.pcap")).expect("it can be moved");
    says(&["--from", "case.json", "moved.pcap"], (0, "18 frames of 1 finding"));
    world.write("shell.pcap", &fixture("nis-817.pcap"));
    says(&["--from", "case.json"], (2, "its SHA-256 is another"));
    says(&["--from", "case.json", "shell.pcap"], (2, "its SHA-256 is another"));
    fs::remove_file(world.folder.path().join("shell.pcap")).expect("it was there");
    says(&["--from", "case.json"], (3, "shell.pcap"));
}

/// Wireshark's own tools read it; where they are installed.
/// A service is found by its port; what it calls back is found flow by flow, and a report lists 1,024.
#[test]
fn connections_that_run_back_are_missing_only_where_it_is_said() {
    let world = World::new();
    let record = |message: &[u8]| forge::record(message);
    let nfs = record(&forge::rpc_call(3, 100_003, 4, 1));
    let back = record(&forge::rpc_call(9, 0x4000_0000, 1, 1));
    for (name, callbacks, exit) in [("few.pcap", 20u16, 0), ("many.pcap", 1100, 4)] {
        let mut frames = forge::conversation((1, 40_000), (2, 817), &nfs, &record(&forge::rpc_reply(3)));
        for port in 30_000..30_000 + callbacks {
            frames.extend(forge::conversation((2, port), (1, 823), &back, &record(&forge::rpc_reply(9))));
        }
        world.write(name, &forge::pcap(1, false, true, &frames));
        let output = world.run(&["carve", name, "--finding", "1", "-w", "out.pcapng"]);
        assert_eq!(status(&output), exit, "{}", stderr(&output));
        assert_eq!(stderr(&output).contains("of 1 finding the report lists not all flows"), exit == 4, "{name}");
        let carved = comments(&fs::read(world.folder.path().join("out.pcapng")).expect("it was written")).len();
        assert_eq!(carved == frames.len(), exit == 0, "{carved} of {}", frames.len());
    }
}

#[test]
fn wireshark_reads_what_was_carved() {
    if Command::new("capinfos").arg("--version").output().is_err() {
        println!("skipped: capinfos and tshark are not installed");
        assert!(std::env::var_os("CI").is_none(), "CI installs them");
        return;
    }
    let world = World::new();
    let names = ["forged-fragments.pcap", "shell-bind-1005.pcap", "nis-817.pcap"];
    for name in names {
        world.write(name, &fixture(name));
    }
    let output = world.run(&[&["carve", "-w", "out.pcapng"], &names[..]].concat());
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(&world.folder).output().expect("it runs");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let infos = said("capinfos", &["out.pcapng"]);
    assert!(infos.contains("gapwatch 0.1.0") && infos.contains("Description = nis-817.pcap"), "{infos}");
    let of = fs::read(world.folder.path().join("out.pcapng")).expect("readable");
    let shown = said("tshark", &["-r", "out.pcapng", "-T", "fields", "-e", "frame.comment"]);
    assert_eq!(shown.lines().collect::<Vec<_>>(), comments(&of));
}

/// Two captures of one name: reasons name frames of their own.
#[test]
fn captures_of_one_name_are_not_taken_for_each_other() {
    let world = World::new();
    world.write("a/x.pcap", &fixture("redis-722.pcap"));
    world.write("b/x.pcap", &fixture("shell-bind-1005.pcap"));
    world.run(&["-q", "a", "b", "-o", "case.json"]);
    for arguments in [&["a", "b"][..], &["--from", "case.json"], &["--from", "case.json", "b", "a"]] {
        let output = world.run(&[&["carve", "-w", "out.pcapng"], arguments].concat());
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        let comments = comments(&fs::read(world.folder.path().join("out.pcapng")).expect("readable"));
        let shells: Vec<&String> = comments.iter().filter(|comment| comment.contains("seen here: shell.")).collect();
        assert!(shells.len() >= 3 && shells.iter().all(|comment| comment.ends_with("of b/x.pcap")), "{shells:#?}");
    }
}

/// The same addresses and ports, plain and in a tunnel, are two services: told apart everywhere.
#[test]
fn what_is_in_a_tunnel_stays_apart() {
    let world = World::new();
    let plain = forge::conversation((1, 40_000), (2, 817), b"id\n", b"uid=0(root) gid=0(root)\n");
    let mut frames = plain.clone();
    for frame in &plain {
        let inner = [&[0, 0, 8, 0], &frame.bytes[14..]].concat();
        frames.push(forge::at(
            frame.time,
            forge::ethernet(0x0800, &forge::ipv4(47, [192, 0, 2, 1], [192, 0, 2, 2], 0, &inner)),
        ));
    }
    world.write("both.pcap", &forge::pcap(1, false, true, &frames));
    let report = json(&world.run(&[
        "-q",
        "-f",
        "json",
        "both.pcap",
        "-o",
        "conn.log",
        "-o",
        "r.ecs.ndjson",
        "-o",
        "r.stix.json",
        "-o",
        "r.txt",
    ]));
    let findings = report["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 2, "{report}");
    let read = |name: &str| fs::read_to_string(world.folder.path().join(name)).expect("it was written");
    assert_eq!(read("conn.log").lines().filter(|line| !line.starts_with('#')).count(), 2);
    assert_eq!(read("r.stix.json").matches("\"type\": \"indicator\"").count(), 2);
    let ids: BTreeSet<String> = read("r.ecs.ndjson")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(read("r.txt").contains("in gre"));
    for (place, finding) in ["1", "2"].into_iter().zip(findings) {
        let output = world.run(&["carve", "both.pcap", "-w", "out.pcapng", "--finding", place]);
        assert!(stderr(&output).contains("7 frames of 1 finding"), "{}", stderr(&output));
        let tunnelled =
            comments(&fs::read(world.folder.path().join("out.pcapng")).expect("readable"))[0].contains("frame 8 ");
        assert_eq!(tunnelled, !finding["tunnel"].is_null());
        let filter = finding["wireshark"].as_str().expect("text");
        let shown = Command::new("tshark").args(["-r", "both.pcap", "-Y", filter]).current_dir(&world.folder).output();
        match shown {
            Ok(shown) => assert_eq!(String::from_utf8_lossy(&shown.stdout).lines().count(), 7, "{filter}"),
            Err(error) => assert!(std::env::var_os("CI").is_none(), "CI installs tshark: {error}"),
        }
    }
}
