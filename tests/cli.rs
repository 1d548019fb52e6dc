//! The program as its users meet it: good input, bad input, exit status, and what reaches a terminal.

mod forge;
mod world;

use forge::{ACK, PSH, SYN, at};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use world::{World, fixture, json, status, stderr, stdout};

#[test]
fn a_capture_needs_no_verb_and_no_suffix() {
    let world = World::new();
    world.write("nothing-special", &fixture("nis-817.pcap"));
    let short = world.run(&["nothing-special"]);
    assert_eq!((status(&short), stderr(&short).as_str()), (0, ""));
    assert!(stdout(&short).contains("10.9.0.2:817/tcp") && stdout(&short).contains("ypserv v2"), "{}", stdout(&short));
    assert_eq!(world.run(&["read", "nothing-special"]).stdout, short.stdout);
    assert_eq!(world.run(&["-r", "nothing-special"]).stdout, short.stdout);
}

#[test]
fn standard_input_and_folders_are_read() {
    let world = World::new();
    let mut child =
        world.command().args(["-f", "json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    child.stdin.take().expect("piped").write_all(&fixture("http-81.pcap")).expect("it reads");
    let piped = child.wait_with_output().expect("it ends");
    assert_eq!((status(&piped), json(&piped)["inputs"][0]["name"].as_str()), (0, Some("-")));

    world.write("in/deep/er/one.cap", &fixture("http-81.pcap"));
    world.write("in/notes.txt", b"not a capture");
    world.write("in/empty", b"");
    let folder = world.run(&["-f", "json", "in"]);
    assert_eq!((status(&folder), stderr(&folder).as_str()), (0, ""), "what is no capture is left out of a folder");
    assert_eq!(json(&folder)["inputs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn bad_inputs_are_named_and_the_others_are_read() {
    let world = World::new();
    world.write("good", &fixture("http-81.pcap"));
    world.write("empty", b"");
    world.write("text", b"hello, world\n");
    fs::create_dir(world.folder.path().join("folder")).expect("writable");
    for (bad, said) in [
        ("empty", "empty: the file is empty"),
        ("text", "text: not a capture: text that begins with “hello, world”"),
        ("missing", "missing: cannot be opened: No such file"),
        ("folder", "folder: no captures in this folder (0 files looked at"),
    ] {
        let alone = world.run(&[bad]);
        assert_eq!(status(&alone), 3, "{bad}");
        assert!(stderr(&alone).contains(said) && stderr(&alone).lines().count() == 1, "{}", stderr(&alone));
        assert_eq!(stdout(&alone), "", "{bad}");
        let both = world.run(&["-f", "json", bad, "good"]);
        assert_eq!((status(&both), stderr(&both).lines().count()), (4, 1), "{bad}");
        assert_eq!(json(&both)["totals"]["frames"].as_u64(), Some(20), "{bad}");
    }
    // Frames are named by the place of their input, also behind one that gave nothing.
    let both = json(&world.run(&["-f", "json", "empty", "good"]));
    let input = both["findings"][0]["evidence"][0]["frames"][0]["input"].as_u64().expect("a number");
    assert_eq!(both["inputs"][usize::try_from(input).expect("small")]["name"].as_str(), Some("good"));
}

#[test]
fn a_cut_capture_is_reported_as_far_as_it_goes() {
    let world = World::new();
    let whole = fixture("nis-817.pcap");
    world.write("cut", &whole[..whole.len() - 7]);
    let output = world.run(&["-f", "json", "cut"]);
    assert_eq!(status(&output), 4);
    let report = json(&output);
    let input = &report["inputs"][0];
    assert_eq!(input["status"].as_str(), Some("truncated"));
    let frames = input["frames"].as_u64().expect("a number");
    let place = format!("inside packet {} at byte ", frames + 1);
    assert!(input["problem"].as_str().is_some_and(|problem| problem.contains(&place)), "{input}");
    assert!(!report["findings"].as_array().expect("a list").is_empty());
    let table = stdout(&world.run(&["cut"]));
    assert!(table.contains("truncated") && table.contains(&place), "{table}");
}

#[test]
fn an_unknown_link_type_is_counted_by_its_name() {
    let world = World::new();
    world.write("user", &forge::pcap(147, false, false, &[at(1, vec![0; 80]), at(2, vec![0; 80])]));
    let table = stdout(&world.run(&["user"]));
    assert!(
        table.contains("2 frames = 0 observed + 0 outside the scope + 2 skipped (link type 147 USER0 2)"),
        "{table}"
    );
    assert!(table.starts_with("No port was looked at: all 2 frames were skipped (link type 147 USER0).\n"), "{table}");
}

/// “No service” is said only where ports were looked at, of the ports that were, and with what is missing.
#[test]
fn there_is_no_false_all_clear() {
    let world = World::new();
    let web = forge::tcp_frame((1, 40_000), (2, 443), 1, ACK, b"hello");
    let web = forge::pcap(1, false, true, &[at(1_000_000_000, web)]);
    world.write("web", &web);
    world.write("cut", &web[..web.len() - 1]);
    world.write("second-cut", &[&web[..], &web[24..60]].concat());
    world.write("nothing", &web[..24]);
    world.write("arp", &forge::pcap(1, false, true, &[at(1_000_000_000, forge::ethernet(0x0806, &[0; 28]))]));
    let ng = forge::Pcapng { big_endian: false };
    world.write("nobody", &[ng.section(), ng.packet(0, 1, &[0; 60], 60)].concat());
    world.write("text", b"hello, world");
    let cases: [(&[&str], i32, &str); 12] = [
        (&["web"], 0, "No service on an unassigned well-known port."),
        (&["web", "--include-reserved"], 0, "No service on an unassigned or reserved well-known port."),
        (&["web", "--ports", "817"], 0, "No service on port 817."),
        (&["web", "--ports", "1-99,900-1023"], 0, "No service on ports 1-99,900-1023."),
        (&["web", "--ports", "817/tcp,9-10/udp"], 0, "No service on tcp port 817 and udp ports 9-10."),
        (&["arp"], 0, "No port was looked at: the only frame was skipped (ARP)."),
        (&["nothing"], 0, "No port was looked at: there are no frames."),
        (&["nobody"], 4, "No port was looked at: the only frame was skipped (unknown interface)."),
        (&["cut"], 4, "No port was looked at: there are no frames."),
        (
            &["second-cut"],
            4,
            "No service on an unassigned well-known port in what was read; the input was not read as a whole.",
        ),
        (
            &["web", "nobody"],
            4,
            "No service on an unassigned well-known port in what was read; 1 of 2 inputs was not read as a whole.",
        ),
        (
            &["web", "text"],
            4,
            "No service on an unassigned well-known port in what was read; 1 of 2 inputs was not read as a whole.",
        ),
    ];
    for (arguments, wanted, headline) in cases {
        let output = world.run(&[arguments, &["-o", "page.html"]].concat());
        let table = stdout(&output);
        assert_eq!((status(&output), table.lines().next()), (wanted, Some(headline)), "{arguments:?}");
        let page = fs::read_to_string(world.folder.path().join("page.html")).expect("written");
        assert!(page.contains(headline), "{arguments:?}: {headline} is not on the page");
    }
    let nobody = json(&world.run(&["-f", "json", "nobody"]));
    assert_eq!(nobody["inputs"][0]["status"].as_str(), Some("corrupt"));
    assert!(
        nobody["inputs"][0]["problem"].as_str().is_some_and(|problem| problem.contains("never described, at packet 1"))
    );
    // Files are written where nothing could be opened.
    assert_eq!(status(&world.run(&["text", "-o", "page.html"])), 3);
    let page = fs::read_to_string(world.folder.path().join("page.html")).expect("written");
    assert!(page.contains("Nothing was looked at: no input could be opened."), "{page}");
}

/// In a folder, what is or may be a capture is read or told of; the rest is counted.
#[test]
fn a_folder_hides_no_capture() {
    let world = World::new();
    let shell = fixture("shell-bind-1005.pcap");
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).expect("memory");
    xz.write_all(&shell).expect("memory");
    world.write("in/shell.pcap.xz", &xz.finish().expect("memory"));
    world.write("in/web.pcap", &fixture("http-81.pcap"));
    world.write("in/notes.txt", b"not a capture");
    world.write("in/empty", b"");
    let found = world.run(&["in", "--fail-on", "suspicious"]);
    assert_eq!((status(&found), stderr(&found).as_str()), (1, ""));
    let table = stdout(&found);
    assert!(table.contains("2 files in the folders left out: by their content no captures"), "{table}");
    for (name, bytes, said) in [
        ("in/sub/empty.pcap", &b""[..], "the file is empty"),
        ("in/sub/old.7z", b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
        ("in/sub/old.pcap.Z", b"\x1f\x9d\x90", "a file packed by `compress`"),
        ("in/sub/lfs.pcap1", b"version https://git-lfs", "text that begins with"),
        ("in/sub/old.snoop", b"snoop\0\0\0\0", "a Solaris snoop capture"),
        ("in/sub/cut.gz", b"\x1f\x8b\x08\0", "its gzip data end before there is a capture"),
    ] {
        world.write(name, bytes);
        let output = world.run(&["in"]);
        assert_eq!(status(&output), 4, "{name}");
        assert!(stderr(&output).contains(said) && stderr(&output).lines().count() == 1, "{name}: {}", stderr(&output));
        assert!(stdout(&output).contains("2 files in the folders left out"), "{name}");
        fs::remove_file(world.folder.path().join(name)).expect("there");
    }
    world.write(&format!("in/{}x.pcap", "d/".repeat(66)), b"");
    let deep = world.run(&["in"]);
    assert!(status(&deep) == 4 && stderr(&deep).contains(": not entered: folders in folders"), "{}", stderr(&deep));
}

#[test]
fn outputs_are_opened_before_anything_is_read() {
    let world = World::new();
    world.write("good", &fixture("http-81.pcap"));
    let nowhere = world.run(&["good", "-o", "no/such/folder/report.json"]);
    assert_eq!((status(&nowhere), stdout(&nowhere).as_str()), (2, ""));
    assert!(stderr(&nowhere).contains("no/such/folder/report.json: cannot be written"), "{}", stderr(&nowhere));
    let odd = world.run(&["good", "-o", "report.docx"]);
    assert_eq!(status(&odd), 2);
    assert!(stderr(&odd).contains("known are .zeek.json"), "{}", stderr(&odd));
    let kept = world.run(&["good", "-o", "report.json", "-o", "report.txt"]);
    assert_eq!(status(&kept), 0);
    let saved: Value =
        serde_json::from_slice(&fs::read(world.folder.path().join("report.json")).expect("written")).expect("JSON");
    assert_eq!(saved["schema"].as_str(), Some("gapwatch.report/1"));
    assert_eq!(fs::read(world.folder.path().join("report.txt")).expect("written"), kept.stdout);
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_is_full_makes_the_report_partial() {
    let world = World::new();
    world.write("nis.pcap", &fixture("nis-817.pcap"));
    let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let output = world.command().args(["-q", "nis.pcap"]).stdout(full).output().expect("the program runs");
    assert!(status(&output) == 4 && stderr(&output).contains("No space left"), "{}", stderr(&output));
}

#[test]
fn events_are_the_report_line_by_line() {
    let world = World::new();
    world.write("nis.pcap", &fixture("nis-817.pcap"));
    let output = world.run(&["-f", "ndjson", "-o", "whole.json", "nis.pcap"]);
    let report: Value = serde_json::from_slice(&fs::read(world.folder.path().join("whole.json")).expect("written"))
        .expect("valid JSON");
    let text = stdout(&output);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("valid JSON")).collect();
    let (begin, end) = (events.first().expect("one"), events.last().expect("one"));
    assert_eq!((&begin["event"], &begin["schema"]), (&"begin".into(), &"gapwatch.events/1".into()));
    assert_eq!((&begin["inputs"], &begin["scope"]), (&report["inputs"], &report["scope"]));
    assert_eq!((&end["event"], &end["totals"]), (&"end".into(), &report["totals"]));
    let findings: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "finding").map(|event| &event["finding"]).collect();
    assert_eq!(findings, report["findings"].as_array().expect("a list").iter().collect::<Vec<_>>());
}

#[test]
fn a_closed_pipe_is_quiet() {
    let world = World::new();
    world.write("good", &fixture("sweep.pcap"));
    for arguments in [&["-f", "json", "good"][..], &["-v", "good"], &["registry"], &["explain", "817"], &["--help"]] {
        let mut child =
            world.command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        drop(child.stdout.take()); // nobody reads
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn exit_status_says_what_was_found_when_asked() {
    let world = World::new();
    world.write("shell", &fixture("shell-bind-1005.pcap"));
    world.write("nis", &fixture("nis-817.pcap"));
    let status_of = |arguments: &[&str]| status(&world.run(arguments));
    assert_eq!(status_of(&["shell"]), 0);
    assert_eq!(status_of(&["--fail-on", "suspicious", "shell"]), 1);
    assert_eq!(status_of(&["--fail-on", "suspicious", "nis"]), 0);
    assert_eq!(status_of(&["--fail-on", "legacy-rpc", "nis"]), 1);
    assert_eq!(status_of(&["--fail-on", "nonsense", "nis"]), 2);
    assert_eq!(status_of(&["--no-such-flag"]), 2);
    assert_eq!(status_of(&[]), 2);
    assert_eq!(status_of(&["--help"]), 0);
    assert_eq!(status_of(&["--version"]), 0);
}

#[test]
fn ports_narrow_and_widen_the_scope() {
    let world = World::new();
    world.write("nis", &fixture("nis-817.pcap"));
    let found = |arguments: &[&str]| -> Vec<String> {
        let report = json(&world.run(&[&["-f", "json", "nis"], arguments].concat()));
        let services =
            report["findings"].as_array().expect("a list").iter().filter(|finding| finding["kind"] == "service");
        services
            .map(|finding| format!("{}/{}", finding["port"], finding["transport"].as_str().unwrap_or_default()))
            .collect()
    };
    assert_eq!(found(&[]), ["817/tcp", "817/udp"]);
    assert_eq!(found(&["--ports", "817/udp"]), ["817/udp"]);
    assert_eq!(found(&["--ports", "1-99,900-1023"]), Vec::<String>::new());
    assert_eq!(found(&["--ports", "111/tcp"]), ["111/tcp"], "asked for, it is a service like any other");
    for (bad, said) in
        [("1033", "no well-known port"), ("x", "no port"), ("9-3", "ends before it begins"), ("9/sctp", "no transport")]
    {
        let output = world.run(&["nis", "--ports", bad]);
        assert_eq!(status(&output), 2);
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

/// Bytes from packets and file names reach the terminal only as harmless text, in every format.
#[test]
fn hostile_bytes_do_nothing() {
    let world = World::new();
    let host = "\u{202e}evil\u{9b}31m\u{1b}]0;owned\u{7}\u{200b}\u{e0041}\u{7f}";
    let request = format!("GET /\u{1b}[2J HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let prompt = "root@\u{1b}[31mhost:~# ";
    let frames = [
        at(1_000_000_000, forge::tcp_frame((1, 40_000), (2, 81), 1, SYN, &[])),
        at(1_000_000_001, forge::tcp_frame((1, 40_000), (2, 81), 2, PSH | ACK, request.as_bytes())),
        at(1_000_000_002, forge::tcp_frame((2, 81), (1, 40_000), 2, PSH | ACK, prompt.as_bytes())),
    ];
    let name = "evil\u{1b}[31m\u{202e}name";
    world.write(name, &forge::pcap(1, false, true, &frames));
    for arguments in
        [&["-v", "--color", "never", name][..], &["-f", "json", name], &["--color", "never", "evil\u{1b}missing"]]
    {
        let output = world.run(arguments);
        let shown = stdout(&output) + &stderr(&output);
        let bad: Vec<char> = shown.chars().filter(|c| *c != '\n' && gapwatch::output::safe::is_harmful(*c)).collect();
        assert!(bad.is_empty(), "{arguments:?}: {bad:?} in {shown}");
    }
    let report = json(&world.run(&["-f", "json", name]));
    assert_eq!(report["inputs"][0]["name"].as_str(), Some(name), "JSON reads back as it was");
}

#[test]
fn colour_comes_when_asked_for_only() {
    let world = World::new();
    world.write("shell", &fixture("shell-bind-1005.pcap"));
    let colored = |arguments: &[&str]| stdout(&world.run(&[arguments, &["shell"]].concat())).contains('\u{1b}');
    assert!(!colored(&[]), "no terminal, no colour");
    assert!(colored(&["--color", "always"]));
    assert!(!colored(&["--color", "never"]));
}

#[test]
fn the_table_keeps_to_the_terminal_s_width() {
    let world = World::new();
    for name in ["nis-817.pcap", "sweep.pcap", "http-81.pcap", "ipv6-http-100.pcap"] {
        world.write(name, &fixture(name));
    }
    for columns in ["80", "100", "120", "200"] {
        let output = world.command().args(["."]).env("COLUMNS", columns).output().expect("runs");
        let limit: usize = columns.parse().expect("a number");
        let table = stdout(&output);
        let rows = table.lines().take_while(|line| !line.contains(" frames = "));
        for row in rows {
            assert!(row.chars().count() <= limit, "{columns}: {row}");
        }
    }
}

#[test]
fn explain_tells_the_story_of_a_port() {
    let world = World::new();
    let story = stdout(&world.run(&["explain", "817"]));
    for part in [
        "2026-02-13",
        "811-827",
        "unassigned",
        "dynamic RPC range",
        "NetInfo",
        "Open Directory",
        "10.5",
        "2007",
        "root",
        "net.ipv4.ip_unprivileged_port_start",
        "ss -tulpn 'sport = :817'",
        "sudo lsof -nP -i :817",
        "netstat -ano | findstr :817",
    ] {
        assert!(story.contains(part), "{part} is not in:\n{story}");
    }
    assert!(!story.contains("817 = NetInfo"));
    assert!(stdout(&world.run(&["explain", "716/udp"])).contains("assigned to pana"));
    assert!(stdout(&world.run(&["explain", "716/tcp"])).contains("unassigned"));
    assert!(stdout(&world.run(&["explain", "1015"])).contains("reserved"));
    assert!(stdout(&world.run(&["explain", "100004"])).contains("ypserv"));
    assert!(stdout(&world.run(&["explain", "200100000"])).contains("LOOKUP"));
    assert_eq!(status(&world.run(&["explain", "no-such-id"])), 2);
}

/// Every id that a report can carry is explained.
#[test]
fn explain_knows_every_id() {
    let world = World::new();
    let ids = stdout(&world.run(&["explain", "all"]));
    assert!(ids.lines().count() > 20);
    for id in ids.lines() {
        let output = world.run(&["explain", id]);
        assert!(status(&output) == 0 && stdout(&output).len() > 40, "{id}");
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let report = json(&world.run(&["-f", "json", fixtures.to_str().expect("plain")]));
    for finding in report["findings"].as_array().expect("a list") {
        for reason in finding["evidence"].as_array().expect("a list") {
            let by = reason["by"].as_str().expect("an id");
            assert!(ids.lines().any(|id| id == by), "{by} is not explained");
        }
    }
}

#[test]
fn the_registry_is_printed_and_replaced() {
    let world = World::new();
    let table = stdout(&world.run(&["registry"]));
    assert!(table.contains("811-827\t*\tunassigned"));
    // IANA's own layout, made from the table; port 817 has been assigned since.
    let mut csv =
        "Service Name,Port Number,Transport Protocol,Description,Assignee,Contact,Registration Date,Modification Date,\
        Reference,Service Code,Unauthorized Use Reported,Assignment Notes\r\n"
            .to_owned();
    for row in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = row.split('\t').collect();
        let (ports, transport, kind, names) = (fields[0], fields[1].trim_matches('*'), fields[3], fields[4]);
        let description = match kind {
            "named" => fields[5].to_owned(),
            "private" => "any private service".to_owned(),
            "explicit" => "Unassigned\nwith a second line".to_owned(),
            "absent" => continue,
            other => other.to_owned(),
        };
        for name in names.split('|') {
            csv += &format!(
                "{name},{ports},{transport},\"{}\",,,,{},,,,\r\n",
                description.replace('"', "\"\""),
                fields[6]
            );
        }
    }
    csv += "netinfo-again,817,tcp,Somebody got it,,,2026-12-01,,,,,\r\n";
    world.write("iana.csv", csv.as_bytes());
    let imported = world.run(&["registry", "import", "iana.csv"]);
    assert_eq!(status(&imported), 0, "{}", stderr(&imported));
    let said = stdout(&imported);
    assert!(
        said.contains("registry of 2026-12-01") && said.contains("817/tcp: unassigned -> assigned (netinfo-again)"),
        "{said}"
    );
    assert!(
        stdout(&world.run(&["explain", "817/tcp"])).contains("assigned to netinfo-again"),
        "it is used from now on"
    );
    assert!(stdout(&world.run(&["explain", "817/tcp", "--registry", "built-in"])).contains("nobody holds it"));
    world.write("nis", &fixture("nis-817.pcap"));
    let report = json(&world.run(&["-f", "json", "nis"]));
    assert_eq!(report["registry"]["date"].as_str(), Some("2026-12-01"));

    world.write("cut.csv", &csv.as_bytes()[..2000]);
    let cut = world.run(&["registry", "import", "cut.csv"]);
    assert_eq!(status(&cut), 2);
    assert!(stderr(&cut).contains("cut off"), "{}", stderr(&cut));
}

#[test]
fn a_captured_password_is_shown_only_when_asked_for() {
    let world = World::new();
    world.write("mac.pcap", &fixture("netinfo-817.pcap"));
    for arguments in [&["-v", "mac.pcap"][..], &["-f", "json", "mac.pcap"]] {
        let hidden = stdout(&world.run(arguments));
        assert!(hidden.contains("netinfo.password") && !hidden.contains("s3cret!"), "{hidden}");
        // Neither as it was on the wire nor in escapes of it.
        assert!(!hidden.contains('\u{8c}') && !hidden.contains("8c cc") && !hidden.contains("\\x8c"), "{hidden}");
        let shown = stdout(&world.run(&[arguments, &["--show-secrets"]].concat()));
        assert!(shown.contains("s3cret!"), "{shown}");
    }
}

/// Passwords and keys in calls of every kind and in their answers, also where the capture cuts them and no rule reads them, or an
/// echo sends them back.
#[test]
fn no_report_shows_what_rpc_messages_carry() {
    let world = World::new();
    let secret = b"Zx9secret";
    let text = |bytes: &[u8]| forge::shapes::opaque(bytes);
    let inverted: Vec<u8> = secret.iter().map(|byte| !byte).collect();
    let plain = |named: [u32; 3], arguments: &[u8]| forge::shapes::call(7, named, arguments);
    let as_machine = |named: [u32; 3]| {
        forge::shapes::call_as(7, named, 1, &forge::shapes::auth_sys(&inverted, 0, 0), &forge::shapes::words(&[1, 1]))
    };
    let update = [text(secret), text(b"jdoe"), text(b"x"), text(b"%n%n%n%s")].concat();
    let calls = [
        plain([100_009, 1, 1], &update),
        plain([100_009, 2, 1], &update),
        plain([100_009, 1, 1], &[text(&secret.repeat(40)), text(b"jdoe")].concat()),
        plain([150_001, 2, 13], &[text(b""), text(b"bob"), text(secret)].concat()),
        plain([100_029, 2, 7], &secret.repeat(5)),
        plain([100_000, 2, 5], &[&forge::shapes::words(&[100_009, 1, 1, 40])[..], &update].concat()),
        as_machine([200_100_000, 2, 8]),
        as_machine([200_100_000, 2, 1]),
        as_machine([200_100_001, 1, 5]),
    ];
    let needles: [Vec<u8>; 2] = [secret[..5].to_vec(), inverted[..5].to_vec()];
    let written = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
    for (number, call) in calls.iter().enumerate() {
        for (tcp, echo) in [(false, false), (false, true), (true, false)] {
            let mut frames = Vec::new();
            let mut send = |from: (u8, u16), to: (u8, u16), sequence: u32, message: &[u8]| {
                let frame = if tcp {
                    forge::tcp_frame(from, to, sequence, PSH | ACK, &forge::record(message))
                } else {
                    forge::udp_frame(from, to, message)
                };
                frames.push(at(1_000_000_000 + frames.len() as u64, frame));
            };
            send((1, 40_000), (2, 817), 1, call);
            // As a map of passwords is answered.
            let entry = [forge::shapes::words(&[1]), text(secret)].concat();
            let answer = if echo { call.clone() } else { forge::shapes::reply(7, &entry) };
            send((2, 817), (1, 40_000), 1, &answer);
            for snap_len in (60..frames[0].bytes.len()).step_by(if number % 2 == 0 { 7 } else { 5 }).chain([usize::MAX])
            {
                let mut cut = frames.clone();
                for frame in &mut cut {
                    frame.bytes.truncate(snap_len);
                }
                world.write("call.pcap", &forge::pcap(1, false, true, &cut));
                world.run(&["-q", "call.pcap", "-o", "r.html", "-o", "r.json"]);
                let reports = ["r.html", "r.json"]
                    .map(|name| fs::read_to_string(world.folder.path().join(name)).expect("written"));
                for needle in &needles {
                    let hex = written(needle);
                    let told = reports.iter().any(|text| text.contains(&hex.concat()) || text.contains(&hex.join(" ")));
                    assert!(!told, "call {number}, tcp {tcp}, echo {echo}, {snap_len} bytes captured");
                }
            }
        }
    }
}

/// Calls in one file and answers in another teach and pair as those in one file do.
#[test]
fn a_call_and_its_answer_may_lie_in_different_files() {
    let world = World::new();
    for (name, frames) in forge::shapes::all() {
        let from_server = |frame: &forge::Forged| frame.bytes[26..30] == forge::host(2);
        let (answers, calls): (Vec<_>, Vec<_>) = frames.iter().cloned().partition(from_server);
        world.write("whole.pcap", &forge::pcap(1, false, true, &frames));
        world.write("a-calls.pcap", &forge::pcap(1, false, true, &calls));
        world.write("b-answers.pcap", &forge::pcap(1, false, true, &answers));
        let told = |arguments: &[&str]| {
            let report = json(&world.run(&[&["-f", "json"], arguments].concat()));
            let findings = report["findings"].as_array().expect("a list").clone();
            let line = |finding: &Value| {
                let rpc: Vec<String> =
                    finding["rpc"].as_array().into_iter().flatten().map(ToString::to_string).collect();
                format!("{} {} {} {} {rpc:?}", finding["address"], finding["port"], finding["class"], finding["what"])
            };
            let mut lines: Vec<String> = findings.iter().map(line).collect();
            lines.sort();
            lines
        };
        let whole = told(&["whole.pcap"]);
        assert_eq!(told(&["a-calls.pcap", "b-answers.pcap"]), whole, "{name}");
        assert_eq!(told(&["--threads", "1", "b-answers.pcap", "a-calls.pcap"]), whole, "{name}");
    }
}
