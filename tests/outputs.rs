//! Every output of every fixture, and what others make of it: readers, validators and libraries that we did not write.
//! `GAPWATCH_BLESS=1 cargo test --test outputs` writes the goldens anew: read the difference before it is committed.

mod forge;
mod world;

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use world::{World, captures, fixture, json, status, stderr, stdout};

/// The files that one run writes, one of each output.
const FILES: [&str; 10] = [
    "r.html",
    "r.json",
    "r.ndjson",
    "r.csv",
    "r.log",
    "r.zeek.json",
    "r.eve.json",
    "r.ecs.ndjson",
    "r.stix.json",
    "r.txt",
];

/// Captures with something of every class, whose outputs are kept in full.
const MIX: [&str; 6] =
    ["netinfo-817.pcap", "nis-817.pcap", "redis-722.pcap", "shell-bind-1005.pcap", "sweep.pcap", "tls-783.pcap"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden(name: &str) -> PathBuf {
    root().join("fixtures/golden").join(name)
}

fn bless() -> bool {
    std::env::var_os("GAPWATCH_BLESS").is_some()
}

/// Every output of some captures, by file name.
fn outputs(captures: &[&str]) -> BTreeMap<&'static str, Vec<u8>> {
    let world = World::new();
    for name in captures {
        world.write(name, &fixture(name));
    }
    let files = FILES.iter().flat_map(|file| ["-o", file]);
    let arguments: Vec<&str> = ["-q"].into_iter().chain(captures.iter().copied()).chain(files).collect();
    let output = world.run(&arguments);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{captures:?}");
    FILES.iter().map(|file| (*file, fs::read(world.folder.path().join(file)).expect("it was written"))).collect()
}

#[test]
fn every_output_of_every_fixture_is_as_golden() {
    let mut lines = String::from("# SHA-256 of each output of each fixture; the mix beside it is kept in full.\n");
    for capture in captures() {
        for (file, bytes) in outputs(&[&capture]) {
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push_str(&format!("{capture}\t{file}\t{hash}\n"));
        }
    }
    let mut wanted = vec![("outputs.tsv".to_owned(), lines.into_bytes())];
    wanted.extend(outputs(&MIX).into_iter().map(|(file, bytes)| (format!("mix/{file}"), bytes)));
    for (name, found) in wanted {
        let path = golden(&name);
        if bless() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(&path, &found).expect("writable");
        }
        let kept = fs::read(&path).unwrap_or_default();
        let differs = || {
            let (kept, found) = (String::from_utf8_lossy(&kept), String::from_utf8_lossy(&found));
            let lines = kept.lines().zip(found.lines()).filter(|(kept, found)| kept != found);
            lines.take(3).map(|(kept, found)| format!("- {kept}\n+ {found}\n")).collect::<String>()
        };
        assert!(kept == found, "{} differs from what is written now:\n{}", path.display(), differs());
    }
}

/// A schema that changes is another version: then the file here has another name, and the old one stays.
#[test]
fn schemas_are_those_that_are_kept_and_every_golden_fits() {
    let world = World::new();
    let mut validators = BTreeMap::new();
    for (of, name) in
        [("report", "gapwatch.report-1"), ("events", "gapwatch.events-1"), ("listening", "gapwatch.listening-1")]
    {
        let output = world.run(&["generate", "schema", of]);
        let path = root().join("docs/schema").join(format!("{name}.json"));
        if bless() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(&path, &output.stdout).expect("writable");
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(
            kept == output.stdout,
            "{}: what is written has changed; give the schema another version",
            path.display()
        );
        let schema: Value = serde_json::from_slice(&kept).expect("valid JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].as_str().is_some_and(|title| title.ends_with(&name.replace('-', "/"))), "{schema}");
        jsonschema::meta::validate(&schema).expect("a valid schema");
        validators.insert(of, jsonschema::validator_for(&schema).expect("a valid schema"));
    }
    let fits = |of: &str, value: &Value, whose: &str| {
        let faults: Vec<String> =
            validators[of].iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{whose}: {faults:#?}");
    };
    for capture in captures() {
        let report: Value =
            serde_json::from_slice(&fs::read(golden(&format!("{capture}.json"))).expect("readable")).expect("JSON");
        fits("report", &report, &capture);
    }
    let mix = fs::read_to_string(golden("mix/r.ndjson")).expect("readable");
    for line in mix.lines() {
        fits("events", &serde_json::from_str(line).expect("JSON"), line);
    }
    let listening = json(&world.run(&["listening", "-f", "json"]));
    fits("listening", &listening, "this machine");
    // A schema that takes everything would find all of this well.
    let mut wrong: Value = serde_json::from_slice(&fs::read(golden("mix/r.json")).expect("readable")).expect("JSON");
    wrong["findings"][0]["class"] = "harmless".into();
    assert!(!validators["report"].is_valid(&wrong));
    wrong["findings"][0].as_object_mut().expect("an object").remove("class");
    assert!(!validators["report"].is_valid(&wrong));
}

/// Community ID's published vectors
/// (<https://github.com/corelight/community-id-spec/tree/master/baseline>).
#[test]
fn community_ids_are_those_of_the_specification() {
    let id = |seed: &str, transport: &str, source: ([u8; 4], u16), destination: ([u8; 4], u16)| {
        let rest = if transport == "tcp" {
            forge::tcp(source.1, destination.1, 1, forge::SYN, b"")
        } else {
            forge::udp(source.1, destination.1, b"payload")
        };
        let protocol = if transport == "tcp" { 6 } else { 17 };
        let frame = forge::ethernet(0x0800, &forge::ipv4(protocol, source.0, destination.0, 0, &rest));
        let world = World::new();
        world.write("one.pcap", &forge::pcap(1, false, true, &[forge::at(1_000_000_000, frame)]));
        let report = json(&world.run(&["-f", "json", "--community-id-seed", seed, "--ports", "0-1023", "one.pcap"]));
        report["findings"][0]["community_ids"][0].as_str().expect("one").to_owned()
    };
    let (client, server) = (([128, 232, 110, 120], 34_855), ([66, 35, 250, 204], 80));
    assert_eq!(id("0", "tcp", client, server), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    assert_eq!(id("1", "tcp", client, server), "1:3V71V58M3Ksw/yuFALMcW0LAHvc=");
    let (client, server) = (([192, 168, 1, 52], 54_585), ([8, 8, 8, 8], 53));
    assert_eq!(id("0", "udp", client, server), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    assert_eq!(id("0", "udp", server, client), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
}

/// CSV: as many cells in every line, and none that a spreadsheet would run.
#[test]
fn no_cell_is_a_formula() {
    let world = World::new();
    // What the server says stands in the report; here it would be a formula.
    let frames = forge::conversation((1, 40_000), (2, 817), b"=cmd|' /C calc'!A0\r\n", b"=HYPERLINK(\"http://a\")\r\n");
    world.write("=1+1.pcap", &forge::pcap(1, false, true, &frames));
    let output = world.run(&["-q", "-f", "csv", "=1+1.pcap"]);
    let text = stdout(&output);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let header = rows.headers().expect("a header").clone();
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.expect("as many cells as the header")).collect();
    assert!(header.len() > 20 && rows.len() == 1, "{text}");
    for cell in rows.iter().flatten() {
        assert!(!cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
    }
}

/// The fields that Suricata's own schema has for these events (etc/schema.json of Suricata 7), each with its type.
#[test]
fn eve_has_the_fields_of_suricata() {
    let top = [
        ("timestamp", "string"),
        ("flow_id", "integer"),
        ("event_type", "string"),
        ("src_ip", "string"),
        ("src_port", "integer"),
        ("dest_ip", "string"),
        ("dest_port", "integer"),
        ("proto", "string"),
        ("community_id", "string"),
        ("app_proto", "string"),
        ("flow", "object"),
        ("alert", "object"),
    ];
    let flow = [
        ("pkts_toserver", "integer"),
        ("pkts_toclient", "integer"),
        ("bytes_toserver", "integer"),
        ("bytes_toclient", "integer"),
        ("start", "string"),
        ("end", "string"),
        ("age", "integer"),
        ("state", "string"),
        ("reason", "string"),
        ("alerted", "boolean"),
    ];
    let alert = [
        ("action", "string"),
        ("gid", "integer"),
        ("signature_id", "integer"),
        ("rev", "integer"),
        ("signature", "string"),
        ("category", "string"),
        ("severity", "integer"),
        ("metadata", "object"),
    ];
    let metadata = [("signature_severity", "array"), ("attack_target", "array"), ("tag", "array")];
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |value: &Value, fields: &[(&str, &str)]| {
        for (name, value) in value.as_object().expect("an object") {
            assert!(fields.contains(&(name.as_str(), kind(value))), "{name}: {value}");
        }
    };
    let mut kinds = BTreeSet::new();
    for line in fs::read_to_string(golden("mix/r.eve.json")).expect("readable").lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        fits(&event, &top);
        fits(&event["flow"], &flow);
        kinds.insert(event["event_type"].as_str().expect("a kind").to_owned());
        if event["event_type"] == "alert" {
            fits(&event["alert"], &alert);
            fits(&event["alert"]["metadata"], &metadata);
        }
        let time = event["timestamp"].as_str().expect("a time");
        assert!(time.len() == 31 && time.ends_with("+0000"), "{time}");
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["alert", "flow"]);
}

/// Zeek's log through zat, the bundle through OASIS's stix2 and stix2-validator: Python packages, where they are installed.
/// `GAPWATCH_PYTHON` names the interpreter that has them.
#[test]
fn readers_that_others_wrote_read_them() {
    let python = std::env::var("GAPWATCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let ready = Command::new(&python).args(["-c", "import zat, stix2, stix2validator, stix2patterns"]).output();
    if !ready.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no zat, stix2 and stix2-validator");
        assert!(std::env::var_os("CI").is_none(), "CI installs them");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let captures = captures();
    let all: Vec<&str> = captures.iter().map(String::as_str).collect();
    for (name, captures) in [("mix", &MIX[..]), ("all", &all[..])] {
        let of = folder.path().join(name);
        fs::create_dir(&of).expect("writable");
        let written = outputs(captures);
        for (file, bytes) in &written {
            fs::write(of.join(file), bytes).expect("writable");
        }
    }
    for name in ["mix", "all"] {
        let output = Command::new(&python)
            .arg(root().join("tests/readers/read_back.py"))
            .arg(folder.path().join(name))
            .output()
            .expect("it runs");
        let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {out}{errors}");
        println!("{out}");
    }
}

/// What comes from packets and file names stays text in every output.
#[test]
fn hostile_text_does_nothing_in_any_output() {
    let world = World::new();
    let hostile = "<script>alert(1)</script>\u{202e}\x1b[2J\"'`$(id)\u{0}\t,;|";
    let name = "<img src=x onerror=alert(1)>\u{202e}.pcap";
    let said = format!("HTTP/1.1 200 OK\r\nServer: {hostile}\r\n\r\n");
    let asked = format!("GET /{hostile} HTTP/1.1\r\nHost: {hostile}\r\nUser-Agent: {hostile}\r\n\r\n");
    let shell = format!("uid=0(root) gid=0(root) {hostile}\n");
    let mut frames = forge::conversation((1, 40_000), (2, 817), asked.as_bytes(), said.as_bytes());
    frames.extend(forge::conversation((3, 40_001), (2, 813), b"id\n", shell.as_bytes()));
    world.write(name, &forge::pcap(1, false, true, &frames));
    let files = FILES.iter().flat_map(|file| ["-o", file]);
    let arguments: Vec<&str> = ["-q", name].into_iter().chain(files).collect();
    let output = world.run(&arguments);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    for file in FILES {
        let text = fs::read_to_string(world.folder.path().join(file)).expect("UTF-8");
        assert!(text.contains("813"), "{file} has the service");
        let acts =
            |c: char| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(acts), "{file}: {:?}", text.chars().find(|c| acts(*c)));
    }
    let page = fs::read_to_string(world.folder.path().join("r.html")).expect("UTF-8");
    assert!(page.contains("script&#62;alert(1)") || page.contains("script&gt;alert(1)"), "it is shown as text");
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert_eq!(page.matches("<img").count(), 0);
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is asked of anybody");
}

/// An alert names the flow in which the reason was seen, not whoever talked to the service first.
#[test]
fn alerts_accuse_whom_the_reason_is_about() {
    let world = World::new();
    let mut frames = forge::conversation((1, 40_000), (2, 813), b"hello\n", b"hello yourself\n");
    frames.extend(forge::conversation((66, 41_000), (2, 813), b"id\n", b"uid=0(root) gid=0(root)\n"));
    world.write("two.pcap", &forge::pcap(1, false, true, &frames));
    let output = world.run(&["-q", "-f", "eve", "two.pcap"]);
    let events: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |kind: &str| events.iter().filter(|event| event["event_type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("flow").len(), 2);
    for flow in of("flow") {
        assert_eq!(flow["flow"]["alerted"], flow["src_ip"] == "10.0.0.66", "{flow}");
    }
    let shells: Vec<&Value> = events
        .iter()
        .filter(|event| event["alert"]["signature"].as_str().is_some_and(|text| text.contains("shell.")))
        .collect();
    assert!(!shells.is_empty() && shells.iter().all(|alert| alert["src_ip"] == "10.0.0.66"), "{shells:#?}");
}

/// A reason that no single flow of a service shows is told of the service: none of its clients is accused.
#[test]
fn alerts_about_a_whole_service_name_no_client() {
    let world = World::new();
    let mut frames = Vec::new();
    let mut ask = |client: u8, host: u8, xid: u32, procedure: u32| {
        let call = forge::rpc_call(xid, 100_000, 2, procedure);
        let time = 1_000_000_000_000_000_000 + frames.len() as u64 * 1_000_000;
        frames.push(forge::at(time, forge::udp_frame((client, 40_000), (host, 813), &call)));
        frames.push(forge::at(time + 1, forge::udp_frame((host, 813), (client, 40_000), &forge::rpc_reply(xid))));
    };
    // One asks every portmapper for its list; another only says hello to the last of them.
    (20..32).for_each(|host| ask(1, host, u32::from(host) << 16, 4));
    ask(9, 31, 7 << 16, 0);
    world.write("sweep.pcap", &forge::pcap(1, false, true, &frames));
    let output = world.run(&["-q", "-f", "eve", "sweep.pcap"]);
    let alerts: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|event: &Value| event["event_type"] == "alert" && event["dest_ip"] == "10.0.0.31")
        .collect();
    assert!(!alerts.is_empty(), "{}", stdout(&output));
    for alert in alerts {
        assert!(alert["src_ip"].is_null() && alert["flow"].is_null() && alert["dest_port"] == 813, "{alert}");
    }
}

/// A capture without times gives every output, and none with a null where its format wants a value.
#[test]
fn captures_without_times_are_told_as_well() {
    let world = World::new();
    let writer = forge::Pcapng { big_endian: false };
    let frames = forge::conversation((1, 40_000), (2, 813), b"id\n", b"uid=0(root) gid=0(root)\n");
    let mut file = [writer.section(), writer.interface(1, 0, None)].concat();
    for frame in &frames {
        file.extend(writer.simple_packet(&frame.bytes, frame.wire_len));
    }
    world.write("timeless.pcapng", &file);
    let files = FILES.iter().flat_map(|file| ["-o", file]);
    let arguments: Vec<&str> = ["-q", "timeless.pcapng"].into_iter().chain(files).collect();
    assert_eq!(status(&world.run(&arguments)), 0);
    let read = |name: &str| fs::read_to_string(world.folder.path().join(name)).expect("it was written");
    assert!(read("r.stix.json").contains("\"type\": \"indicator\""));
    for name in ["r.eve.json", "r.ecs.ndjson", "r.stix.json", "r.zeek.json"] {
        assert!(read(name).contains("813") && !read(name).contains("null"), "{name}: {}", read(name));
    }
}

/// The hash is that of what was read, or none.
#[test]
fn standard_input_has_no_hash() {
    let world = World::new();
    world.write("-", b"something else");
    world.write("nis.pcap", &fixture("nis-817.pcap"));
    let output = world
        .command()
        .args(["-q", "-f", "json", "--hash", "-"])
        .stdin(fs::File::open(world.folder.path().join("nis.pcap")).expect("readable"))
        .output()
        .expect("the program runs");
    assert!(json(&output)["inputs"][0]["sha256"].is_null());
    let named = json(&world.run(&["-q", "-f", "json", "--hash", "nis.pcap"]));
    let hash: String = Sha256::digest(fixture("nis-817.pcap")).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(named["inputs"][0]["sha256"], hash.as_str());
}

/// No output shows a password that was captured; asked for, the report does.
#[test]
fn no_output_shows_a_password_unless_it_is_asked_for() {
    let world = World::new();
    world.write("logins.pcap", &fixture("forged-logins.pcap"));
    let secret = forge::secrets::SECRET;
    let shows = |bytes: &[u8]| {
        // As text, as numbers of a JSON list, and in the columns of a dump.
        let text = String::from_utf8_lossy(bytes).into_owned();
        let spaced: Vec<String> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let numbers: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
        let plain = text.split_whitespace().collect::<Vec<_>>().join("");
        text.contains(secret)
            || text.contains(&spaced.join(" "))
            || plain.contains(&numbers.join(","))
            || plain.contains(&spaced.concat())
    };
    for format in ["table", "json", "ndjson", "html", "csv", "zeek", "zeek-json", "eve", "ecs", "stix"] {
        let output = world.run(&["-v", "-f", format, "logins.pcap"]);
        assert!(output.status.success(), "{format}");
        assert!(!shows(&output.stdout), "{format} shows a password:\n{}", String::from_utf8_lossy(&output.stdout));
    }
    let asked = world.run(&["-v", "-f", "json", "--show-secrets", "logins.pcap"]);
    assert!(shows(&asked.stdout), "--show-secrets shows none");
}
