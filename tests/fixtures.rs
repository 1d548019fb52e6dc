//! Every capture in `fixtures/` against the expectations written by hand beside it, and against its golden reports.
//! `GAPWATCH_BLESS=1 cargo test --test fixtures` writes the goldens anew: read the difference before it is committed.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The captures, each with its `.toml`.
fn captures() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures()).expect("the folder is there").map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|suffix| suffix == "pcap" || suffix == "pcapng")).collect();
    paths.sort();
    paths
}

/// Runs gapwatch in the fixtures folder, so that reports name captures without a path.
fn gapwatch(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_gapwatch"))
        .args(arguments)
        .current_dir(fixtures())
        .env("XDG_DATA_HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env_remove("COLUMNS")
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("plain names")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Why a finding does not fit an expectation; empty where it does.
fn differences(finding: &Value, wanted: &toml::Table) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, value) in wanted {
        let fits = match (key.as_str(), value) {
            ("label", _) => true, // what the traffic is, for tests/verdicts.rs
            ("what", toml::Value::Array(parts)) => {
                parts.iter().all(|part| text(finding, "what").contains(part.as_str().expect("texts")))
            }
            ("evidence", toml::Value::Array(ids)) => {
                let wanted: BTreeSet<&str> = ids.iter().map(|id| id.as_str().expect("texts")).collect();
                let found: BTreeSet<&str> =
                    finding["evidence"].as_array().expect("a list").iter().map(|reason| text(reason, "by")).collect();
                wanted == found
            }
            ("clients", toml::Value::Integer(number)) => finding["clients_total"].as_i64() == Some(*number),
            (key, toml::Value::Integer(number)) => finding[key].as_i64() == Some(*number),
            (key, toml::Value::String(string)) => text(finding, key) == string,
            (key, _) => panic!("an expectation of a kind nobody reads: {key}"),
        };
        if !fits {
            wrong.push(format!(
                "{key}: {value} wanted, {} found",
                finding[if key == "clients" { "clients_total" } else { key }]
            ));
        }
    }
    wrong
}

#[test]
fn every_fixture_is_found_as_its_author_expects() {
    let captures = captures();
    assert!(captures.len() >= 14, "fixtures are missing");
    for capture in captures {
        let expected = fs::read_to_string(capture.with_extension("toml")).expect("every capture has its .toml");
        let expected: toml::Table = expected.parse().expect("valid TOML");
        assert!(
            expected["why"].as_str().is_some_and(|why| why.len() > 20),
            "{}: why does it exist?",
            capture.display()
        );
        let report: Value = serde_json::from_slice(&gapwatch(&["-f", "json", name(&capture)])).expect("valid JSON");
        let findings = report["findings"].as_array().expect("a list");
        let wanted: Vec<&toml::Table> = expected
            .get("finding")
            .and_then(|list| list.as_array())
            .map(|list| list.iter().map(|entry| entry.as_table().expect("a table")).collect())
            .unwrap_or_default();
        for expectation in &wanted {
            let closest = findings.iter().map(|finding| differences(finding, expectation)).min_by_key(Vec::len);
            let closest = closest.unwrap_or_else(|| vec!["no finding at all".to_owned()]);
            assert!(closest.is_empty(), "{}: {closest:#?}", capture.display());
        }
        assert_eq!(findings.len(), wanted.len(), "{}: other findings than expected", capture.display());
        for (key, value) in expected.get("totals").and_then(|totals| totals.as_table()).into_iter().flatten() {
            assert_eq!(report["totals"][key].as_i64(), value.as_integer(), "{}: totals.{key}", capture.display());
        }
    }
}

#[test]
fn every_report_is_as_golden() {
    let bless = std::env::var_os("GAPWATCH_BLESS").is_some();
    for capture in captures() {
        for (suffix, arguments) in [("txt", &["-v", "--color", "never"][..]), ("json", &["-f", "json"])] {
            let found = gapwatch(&[arguments, &[name(&capture)]].concat());
            let path = fixtures().join("golden").join(format!("{}.{suffix}", name(&capture)));
            if bless {
                fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
                fs::write(&path, &found).expect("writable");
            }
            let golden = fs::read(&path).unwrap_or_default();
            assert!(
                golden == found,
                "{} differs from what is reported now:\n{}",
                path.display(),
                String::from_utf8_lossy(&found)
            );
        }
    }
}

/// The README shows what the program prints.
#[test]
fn the_readme_shows_the_real_output() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("it is there");
    let (_, block) = readme.split_once("$ cd fixtures && gapwatch ").expect("the example");
    let (command, rest) = block.split_once('\n').expect("a line");
    let (shown, _) = rest.split_once("\n```").expect("the end of the example");
    let output = Command::new(env!("CARGO_BIN_EXE_gapwatch"))
        .args(command.split(' '))
        .current_dir(fixtures())
        .env("XDG_DATA_HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("COLUMNS", "100")
        .output()
        .expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), shown);
}

/// Law 2 on the whole program: the order on the command line and the number of threads do not show.
#[test]
fn order_and_threads_do_not_show() {
    let captures = captures();
    let names: Vec<&str> = captures.iter().map(|path| name(path)).collect();
    let backwards: Vec<&str> = names.iter().rev().copied().collect();
    let run = |threads, names: &[&str]| gapwatch(&[&["-f", "json", "--threads", threads], names].concat());
    let one = run("1", &names);
    for threads in ["2", "3", "8"] {
        assert!(run(threads, &backwards) == one, "{threads} threads, backwards");
    }
    let twice: Vec<&str> = names.iter().chain(&names).copied().collect();
    assert!(run("2", &twice) == one, "a capture that is named twice is read once");
    let single = |threads| gapwatch(&["-f", "json", "--threads", threads, "nis-817.pcap"]);
    assert!(single("1") == single("2"), "reading ahead shows");
}

/// The Wireshark filters select the finding's frames and no others; asks tshark where it is installed.
#[test]
fn wireshark_filters_select_the_finding_s_frames() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("tshark is not installed: its filters were not tried");
        return;
    }
    for capture in captures() {
        let report: Value = serde_json::from_slice(&gapwatch(&["-f", "json", name(&capture)])).expect("valid JSON");
        for finding in report["findings"].as_array().expect("a list") {
            let filter = text(finding, "wireshark");
            let shown = Command::new("tshark")
                .args(["-r", name(&capture), "-Y", filter, "-T", "fields", "-e", "frame.number"])
                .current_dir(fixtures())
                .output()
                .expect("tshark runs");
            let frames = String::from_utf8_lossy(&shown.stdout).lines().count() as u64;
            assert_eq!(Some(frames), finding["packets"].as_u64(), "{}: {filter}", capture.display());
        }
    }
}
