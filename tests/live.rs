//! Live capture on interfaces of namespaces that the tests make and remove. Needs root and iproute2, says so where they are
//! missing, and fails there when CI is set: no test is skipped unseen.

#![cfg(all(feature = "live", target_os = "linux"))]

use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Two namespaces with a cable between them: 10.77.0.1 and 10.77.0.2.
struct Net {
    names: [String; 2],
}

fn run(command: &[&str]) -> Output {
    Command::new(command[0]).args(&command[1..]).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

impl Net {
    /// `None`, with a printed reason, where it cannot be made.
    fn new() -> Option<Net> {
        let missing = ["ip", "tcpdump", "python3", "setpriv"].into_iter().find(|tool| {
            Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        });
        if let Some(tool) = missing {
            println!("skipped: {tool} is not installed");
            assert!(std::env::var_os("CI").is_none(), "CI installs {tool}");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let names = ["a", "b"].map(|side| format!("gwt{id}-{number}{side}"));
        let possible = Command::new("ip").args(["netns", "add", &names[0]]).output();
        if !possible.as_ref().is_ok_and(|output| output.status.success()) {
            let reason = possible
                .map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stderr).into_owned());
            println!("skipped: no namespace can be made here: {}", reason.trim());
            assert!(std::env::var_os("CI").is_none(), "CI has the rights for this");
            return None;
        }
        let net = Net { names };
        let [a, b] = &net.names;
        run(&["ip", "netns", "add", b]);
        run(&["ip", "link", "add", "gw0", "netns", a, "type", "veth", "peer", "name", "gw0", "netns", b]);
        for (name, address) in [(a, "10.77.0.1/24"), (b, "10.77.0.2/24")] {
            run(&["ip", "-n", name, "addr", "add", address, "dev", "gw0"]);
            run(&["ip", "-n", name, "link", "set", "gw0", "up"]);
            run(&["ip", "-n", name, "link", "set", "lo", "up"]);
        }
        sleep(Duration::from_millis(300));
        Some(net)
    }

    fn command(&self, side: usize, program: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[side]]).args(program);
        command.env("XDG_DATA_HOME", "/nonexistent").env("XDG_CONFIG_HOME", "/nonexistent").stdin(Stdio::null());
        command
    }

    /// gapwatch on the second host, once it says that it watches.
    fn watch(&self, arguments: &[&str]) -> Watch {
        let program = [&[env!("CARGO_BIN_EXE_gapwatch"), "live"], arguments].concat();
        let mut child =
            self.command(1, &program).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut errors = BufReader::new(child.stderr.take().expect("piped"));
        let mut first = String::new();
        errors.read_line(&mut first).expect("it says something");
        Watch { child, errors, first }
    }

    /// A question and an answer over TCP on this port of the second host, by two small Python programs.
    fn talk(&self, port: u16, question: &str, answer: &str) {
        let server = format!(
            "import socket\ns=socket.socket(); s.setsockopt(1,2,1); s.bind(('10.77.0.2',{port})); s.listen()\nc=s.accept()[0]; c.recv(999); c.sendall({answer:?}.encode()); c.recv(9)"
        );
        let mut server = self.command(1, &["python3", "-c", &server]).spawn().expect("it starts");
        let client = format!(
            "import socket,time\nfor _ in range(50):\n  try: c=socket.create_connection(('10.77.0.2',{port})); break\n  except OSError: time.sleep(0.1)\nc.sendall({question:?}.encode()); c.recv(999); time.sleep(0.1)"
        );
        assert!(self.command(0, &["python3", "-c", &client]).status().expect("it runs").success());
        let _ = server.wait();
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            run(&["ip", "netns", "del", name]);
        }
    }
}

struct Watch {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    first: String,
}

impl Watch {
    fn signal(&self, name: &str) {
        run(&["kill", "-s", name, &self.child.id().to_string()]);
    }

    /// Ends it, and gives status, standard output and standard error.
    fn end(mut self) -> (i32, String, String) {
        sleep(Duration::from_millis(1500));
        self.signal("INT");
        self.wait()
    }

    fn wait(&mut self) -> (i32, String, String) {
        let start = Instant::now();
        while self.child.try_wait().expect("it can be waited for").is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not end");
            sleep(Duration::from_millis(50));
        }
        let status = self.child.wait().expect("it ended").code().expect("a status");
        let (mut out, mut errors) = (String::new(), std::mem::take(&mut self.first));
        self.child.stdout.take().expect("piped").read_to_string(&mut out).expect("UTF-8");
        self.errors.read_to_string(&mut errors).expect("UTF-8");
        (status, out, errors)
    }
}

/// A finding without what depends on the numbering of frames.
fn essence(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("a list");
    let essence = |finding: &Value| {
        let reasons: Vec<String> = finding["evidence"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|reason| format!("{} {}", reason["by"], reason["says"]))
            .collect();
        format!(
            "{} {} {} {} {} {reasons:?}",
            finding["address"], finding["port"], finding["class"], finding["what"], finding["packets"]
        )
    };
    findings.iter().map(essence).collect()
}

#[test]
fn a_live_report_is_that_of_the_recording() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("recording.pcap");
    let path = recording.to_str().expect("plain");
    let mut tcpdump = match net
        .command(1, &["tcpdump", "-i", "gw0", "-U", "--immediate-mode", "-w", path])
        .stderr(Stdio::null())
        .spawn()
    {
        Ok(tcpdump) => tcpdump,
        Err(error) => panic!("tcpdump: {error}"),
    };
    sleep(Duration::from_millis(1500));
    // Packets of each port in the round before: the recording holds both.
    let mut before: HashMap<u64, u64> = HashMap::new();
    for filter in [&[][..], &["--no-kernel-filter"]] {
        let watch = net.watch(&[&["-i", "gw0", "-f", "json"], filter].concat());
        assert!(watch.first.contains("gave up") && watch.first.contains("all capabilities"), "{}", watch.first);
        net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
        net.talk(722, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
        net.talk(8080, "out of scope", "as well");
        let (status, out, errors) = watch.end();
        assert_eq!(status, 0, "{errors}");
        let live: Value = serde_json::from_str(&out).expect("valid JSON");
        assert_eq!(live["inputs"][0]["format"], "live");
        let services: Vec<&Value> =
            live["findings"].as_array().expect("a list").iter().map(|finding| &finding["port"]).collect();
        assert_eq!(services, [817, 722], "{out}");
        if filter.is_empty() {
            assert_eq!(live["totals"]["outside"], 0, "the kernel dropped them");
            let packets = |finding: &Value| {
                (finding["port"].as_u64().expect("a port"), finding["packets"].as_u64().expect("a number"))
            };
            before = live["findings"].as_array().expect("a list").iter().map(packets).collect();
        } else {
            assert!(live["totals"]["outside"].as_u64().is_some_and(|outside| outside >= 8), "{out}");
            run(&["kill", "-s", "INT", &tcpdump.id().to_string()]);
            let _ = tcpdump.wait();
            let both = run(&[env!("CARGO_BIN_EXE_gapwatch"), "-q", "-f", "json", path]);
            let both: Value = serde_json::from_slice(&both.stdout).expect("valid JSON");
            for finding in both["findings"].as_array().expect("a list") {
                let port = &finding["port"];
                let once = live["findings"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .find(|other| other["port"] == *port)
                    .expect("seen live");
                let in_both = once["packets"].as_u64().expect("a number") + before[&port.as_u64().expect("a port")];
                assert_eq!(finding["packets"].as_u64(), Some(in_both), "{port}");
                assert_eq!((&finding["class"], &finding["what"]), (&once["class"], &once["what"]));
            }
            assert_eq!(essence(&both).len(), essence(&live).len());
        }
    }
}

#[test]
fn findings_are_told_as_they_come_and_signals_are_heard() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("site.toml");
    fs::write(&policy, "").expect("writable");
    let watch = net.watch(&["-i", "any", "-f", "ndjson", "--policy", policy.to_str().expect("plain")]);
    net.talk(817, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
    sleep(Duration::from_millis(1500));
    watch.signal("USR1");
    sleep(Duration::from_millis(500));
    fs::write(&policy, "[[service]]\nname = 'front'\nport = 817\nprotocol = 'http'\n").expect("writable");
    watch.signal("HUP");
    sleep(Duration::from_millis(500));
    let (status, out, errors) = watch.end();
    assert_eq!(status, 0, "{errors}");
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("valid JSON")).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().expect("a kind")).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"begin"), Some(&"end")), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "finding").count(), 1, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "report").count(), 2, "{kinds:?}");
    let reports: Vec<&Value> = events.iter().filter(|event| event["event"] == "report").collect();
    assert!(reports[0]["report"]["findings"][0]["known"].is_null());
    assert_eq!(reports[1]["report"]["findings"][0]["known"], "front", "{errors}");
}

#[test]
fn a_window_closes_and_the_next_starts_afresh() {
    let Some(net) = Net::new() else { return };
    let watch = net.watch(&["-i", "gw0", "-f", "ndjson", "--window", "2s"]);
    net.talk(817, "hello\n", "hello\n");
    sleep(Duration::from_millis(2500));
    net.talk(722, "hello\n", "hello\n");
    let (status, out, errors) = watch.end();
    assert_eq!(status, 0, "{errors}");
    let reports: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("valid JSON"))
        .filter(|event: &Value| event["event"] == "report")
        .collect();
    assert!(reports.len() >= 2, "{out}");
    for report in &reports {
        let totals = &report["report"]["totals"];
        let skipped: u64 = totals["skipped"].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
        let sum =
            totals["observed"].as_u64().expect("a number") + totals["outside"].as_u64().expect("a number") + skipped;
        assert_eq!(totals["frames"].as_u64(), Some(sum), "{totals}");
    }
    let last = reports.last().expect("some")["report"]["findings"].to_string();
    assert!(!last.contains("\"port\":817"), "{last}");
}

#[test]
fn an_interface_that_goes_away_ends_with_the_report() {
    let Some(net) = Net::new() else { return };
    let mut watch = net.watch(&["-i", "gw0"]);
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    run(&["ip", "-n", &net.names[1], "link", "del", "gw0"]);
    let (status, out, errors) = watch.wait();
    assert_eq!(status, 4, "{errors}");
    assert!(errors.contains("the report is of what was seen until then"), "{errors}");
    assert!(out.contains("10.77.0.2:817/tcp"), "{out}");
}

#[test]
fn wrong_names_rights_and_filters_have_their_messages() {
    let Some(net) = Net::new() else { return };
    let gapwatch = env!("CARGO_BIN_EXE_gapwatch");
    let output = net.command(1, &[gapwatch, "live", "-i", "gw1"]).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(3) && errors.contains("gw0 is meant"), "{errors}");
    let output = net.command(1, &[gapwatch, "live", "-i", "gw0", "port", "nowhere"]).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && errors.contains("filter “port nowhere”"), "{errors}");
    // A copy that everybody may run.
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .expect("a folder");
    let copy = folder.path().join("gapwatch");
    fs::copy(gapwatch, &copy).expect("it can be copied");
    let copy = copy.to_str().expect("plain");
    let output = net
        .command(1, &["setpriv", "--reuid", "65534", "--clear-groups", copy, "live", "-i", "gw0"])
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(5) && errors.contains(&format!("setcap cap_net_raw=eip {copy}")), "{errors}");
}

#[test]
fn the_hosts_own_sockets_are_listed_with_their_holders() {
    let Some(net) = Net::new() else { return };
    let gapwatch = env!("CARGO_BIN_EXE_gapwatch");
    let server = "import socket,time\ns=socket.socket(); s.bind(('10.77.0.2',817)); s.listen()\nu=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); u.bind(('0.0.0.0',930))\ntime.sleep(30)";
    let mut server = net.command(1, &["python3", "-c", server]).spawn().expect("it starts");
    sleep(Duration::from_millis(700));
    let output = net.command(1, &[gapwatch, "listening", "-f", "json"]).output().expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let sockets = report["sockets"].as_array().expect("a list");
    let ports: Vec<(&str, u64)> = sockets
        .iter()
        .map(|socket| (socket["transport"].as_str().expect("a name"), socket["port"].as_u64().expect("a number")))
        .collect();
    assert_eq!(ports, [("tcp", 817), ("udp", 930)], "{report}");
    assert_eq!((&report["schema"], &report["rpcbind"]), (&"gapwatch.listening/1".into(), &false.into()));
    for socket in sockets {
        assert_eq!((&socket["holder"], &socket["opinion"]), (&"found".into(), &"unexplained".into()), "{socket}");
        assert!(socket["processes"][0]["name"].as_str().is_some_and(|name| name.starts_with("python")), "{socket}");
        assert_eq!(socket["user"], "root");
    }
    // What others may see of it, and the policy's word.
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .expect("a folder");
    let (copy, policy) = (folder.path().join("gapwatch"), folder.path().join("site.toml"));
    fs::copy(gapwatch, &copy).expect("it can be copied");
    fs::write(&policy, "[[service]]\nname = 'front'\nport = [817, 930]\n").expect("writable");
    let (copy, policy) = (copy.to_str().expect("plain"), policy.to_str().expect("plain"));
    let nobody = ["setpriv", "--reuid", "65534", "--clear-groups", copy, "listening", "--fail-on", "unexplained"];
    let output = net.command(1, &nobody).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.code() == Some(1) && text.contains("hidden, run this as root, and not in a container"),
        "{text}"
    );
    let output = net
        .command(1, &[gapwatch, "listening", "--policy", policy, "--fail-on", "unexplained"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(0) && text.contains("known by the policy: front"), "{text}");
    server.kill().expect("it was running");
    let _ = server.wait();
}

#[test]
fn frames_behind_suspicious_findings_are_kept() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept.pcap");
    let path = kept.to_str().expect("plain");
    let watch = net.watch(&["-i", "gw0", "-f", "json", "-w", path]);
    net.talk(722, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    let (status, out, errors) = watch.end();
    assert_eq!(status, 0, "{errors}");
    let live: Value = serde_json::from_str(&out).expect("valid JSON");
    let packets = live["findings"][0]["packets"].as_u64().expect("a number");
    assert!(errors.contains(&format!("{packets} frames kept")), "{errors}");
    let again = run(&[env!("CARGO_BIN_EXE_gapwatch"), "-q", "-f", "json", path]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("valid JSON");
    let findings = again["findings"].as_array().expect("a list");
    assert_eq!(
        (findings.len(), &findings[0]["port"], &findings[0]["packets"]),
        (1, &817.into(), &packets.into()),
        "{again}"
    );

    // A row of small files; a disk that is full ends the keeping, not the watch.
    let watch = net.watch(&["-i", "gw0", "-f", "json", "-w", "/dev/full"]);
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    let (status, out, errors) = watch.end();
    assert!(status == 4 && errors.contains("no more frames are kept"), "{status} {errors}");
    assert!(out.contains("\"port\": 817"), "{out}");
}

#[test]
fn counters_are_served_where_they_were_asked_for() {
    let Some(net) = Net::new() else { return };
    let watch = net.watch(&["-i", "gw0", "--metrics", "127.0.0.1:9817"]);
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    // The counters follow the findings in a while: asked again until they do.
    let ask = r#"
import time, urllib.error, urllib.request
for _ in range(50):
    time.sleep(0.3)
    try:
        text = urllib.request.urlopen('http://127.0.0.1:9817/metrics').read().decode()
    except OSError:
        continue
    if 'gapwatch_findings{by="suspicious"} 1' in text:
        break
print(text)
try:
    urllib.request.urlopen('http://127.0.0.1:9817/else')
except urllib.error.HTTPError as error:
    print(error.code)
"#;
    let output = net.command(1, &["python3", "-c", ask]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (status, _, errors) = watch.end();
    assert_eq!(status, 0, "{errors}");
    assert!(
        text.contains("gapwatch_findings{by=\"suspicious\"} 1")
            && text.contains("gapwatch_dropped_total{by=\"kernel\"} 0"),
        "{text}"
    );
    assert!(text.trim_end().ends_with("404"), "{text}");
}

#[test]
fn a_service_of_this_host_is_told_with_its_process() {
    let Some(net) = Net::new() else { return };
    let server = "import socket\ns=socket.socket(); s.bind(('0.0.0.0',722)); s.listen()\nc=s.accept()[0]; c.recv(99); c.sendall(b'ok\\n'); c.recv(9)";
    let mut server = net.command(1, &["python3", "-c", server]).spawn().expect("it starts");
    sleep(Duration::from_millis(700));
    let watch = net.watch(&["-i", "gw0", "-f", "json"]);
    let client = "import socket,time\nc=socket.create_connection(('10.77.0.2',722)); c.sendall(b'hello\\n'); c.recv(9); time.sleep(0.1)";
    assert!(net.command(0, &["python3", "-c", client]).status().expect("it runs").success());
    let pid = server.id();
    let _ = server.wait();
    let (status, out, errors) = watch.end();
    assert_eq!(status, 0, "{errors}");
    assert!(out.contains("on this host, held by python") && out.contains(&format!("(pid {pid})")), "{out}");
}

#[test]
fn reports_go_to_files_and_decide_the_exit_status() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let case = folder.path().join("case.json");
    let path = case.to_str().expect("plain");
    let watch = net.watch(&["-i", "gw0", "-o", path, "--fail-on", "suspicious"]);
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    let (status, out, errors) = watch.end();
    assert_eq!(status, 1, "{errors}");
    let report: Value = serde_json::from_slice(&fs::read(&case).expect("it was written")).expect("valid JSON");
    assert!(report["findings"][0]["port"] == 817 && out.contains("10.77.0.2:817/tcp"), "{report}");

    // With windows each has its own file; what one of them had is not forgotten.
    fs::remove_file(&case).expect("it was there");
    let watch = net.watch(&["-i", "gw0", "-o", path, "--fail-on", "suspicious", "--window", "2s"]);
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    sleep(Duration::from_millis(3600));
    net.talk(722, "hello\n", "hello\n");
    let (status, _, errors) = watch.end();
    assert_eq!(status, 1, "{errors}");
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).expect("it is there").flatten().map(|file| file.path()).collect();
    names.sort();
    assert!(names.len() >= 2 && !case.exists(), "{names:?}");
    let ports = names.iter().map(|name| -> Value {
        let report: Value = serde_json::from_slice(&fs::read(name).expect("readable")).expect("valid JSON");
        report["findings"].as_array().expect("a list").iter().map(|finding| finding["port"].clone()).collect()
    });
    // A conversation may go on over the end of a window.
    let mut ports: Vec<Value> = ports.filter(|ports| ports != &Value::Array(Vec::new())).collect();
    ports.dedup();
    assert_eq!(Value::from(ports), serde_json::json!([[817], [722]]), "{names:?}");
}

#[test]
fn files_are_written_also_when_nobody_reads_standard_output() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (case, gone) = (folder.path().join("case.json"), folder.path().join("gone.csv"));
    std::os::unix::fs::symlink("/dev/full", &gone).expect("a link");
    fs::write(&case, "an earlier report").expect("writable");
    let [case_path, gone_path] = [&case, &gone].map(|path| path.to_str().expect("plain"));
    let mut watch = net.watch(&["-i", "gw0", "-o", gone_path, "-o", case_path]);
    drop(watch.child.stdout.take());
    watch.child.stdout = None;
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    let start = Instant::now();
    while watch.child.try_wait().expect("it can be waited for").is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "a reader that goes away ends it");
        sleep(Duration::from_millis(50));
    }
    let mut errors = String::new();
    watch.errors.read_to_string(&mut errors).expect("UTF-8");
    assert!(errors.contains("gone.csv: cannot be written"), "{errors}");
    let report: Value = serde_json::from_slice(&fs::read(&case).expect("it was written")).expect("valid JSON");
    assert_eq!(report["findings"][0]["port"], 817, "{report}");
}

#[test]
fn later_files_must_be_possible_with_the_rights_that_are_left() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::chown(folder.path(), Some(65_534), None).expect("root may");
    let kept = folder.path().join("kept.pcap");
    let output = net
        .command(
            1,
            &[env!("CARGO_BIN_EXE_gapwatch"), "live", "-i", "gw0", "-C", "1", "-w", kept.to_str().expect("plain")],
        )
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && errors.contains("belong to the user"), "{errors}");
}

#[test]
fn a_filter_that_looks_behind_tags_is_used_alone_and_said() {
    let Some(net) = Net::new() else { return };
    let watch = net.watch(&["-i", "gw0", "-f", "json", "not", "vlan"]);
    assert!(watch.first.contains("your filter alone"), "{}", watch.first);
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    net.talk(8080, "out of scope", "as well");
    let (status, out, errors) = watch.end();
    assert!(status == 0 && !errors.contains("Kernel filter failed"), "{errors}");
    let report: Value = serde_json::from_str(&out).expect("valid JSON");
    assert_eq!((&report["inputs"][0]["kernel_filter"], &report["findings"][0]["port"]), (&false.into(), &817.into()));
}

#[test]
fn an_interface_that_is_renamed_is_watched_on() {
    let Some(net) = Net::new() else { return };
    let watch = net.watch(&["-i", "gw0", "-f", "json"]);
    let renamed = run(&["ip", "-n", &net.names[1], "link", "set", "gw0", "name", "gw9"]);
    if !renamed.status.success() {
        // Linux renames interfaces that are up since 6.2 only.
        println!("skipped: {}", String::from_utf8_lossy(&renamed.stderr));
        return;
    }
    net.talk(817, "id\n", "uid=0(root) gid=0(root)\n");
    let (status, out, errors) = watch.end();
    assert!(status == 0 && errors.contains("gw0 is called gw9 now"), "{errors}");
    let report: Value = serde_json::from_str(&out).expect("valid JSON");
    assert_eq!(report["inputs"][0]["name"], "gw9 (opened as gw0)");
    assert_eq!(report["findings"][0]["port"], 817);
}

#[test]
fn processes_that_share_a_socket_are_all_named() {
    let Some(net) = Net::new() else { return };
    let server =
        "import os,socket,time\ns=socket.socket(); s.bind(('10.77.0.2',817)); s.listen()\nos.fork(); time.sleep(4)";
    let mut server = net.command(1, &["python3", "-c", server]).spawn().expect("it starts");
    sleep(Duration::from_millis(700));
    let output =
        net.command(1, &[env!("CARGO_BIN_EXE_gapwatch"), "listening", "-f", "json"]).output().expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let pids: Vec<u64> = report["sockets"][0]["processes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|process| process["pid"].as_u64().expect("a number"))
        .collect();
    assert!(pids.len() == 2 && pids[0] == u64::from(server.id()) && pids[1] > pids[0], "{report}");
    let _ = server.wait();
}
