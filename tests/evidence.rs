//! Evidence is never written over: whatever name a file is reached by, and however a write ends.

mod forge;
mod world;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use world::{World, fixture, json, status, stderr, stdout};

const CAPTURE: &str = "http-81.pcap";

/// A world with a capture and everything else that a run reads.
fn world() -> World {
    let world = World::new();
    world.write("in.json", &fixture(CAPTURE));
    world.write("policy.json", b"[[service]]\nname = \"x\"\nport = 81\n");
    let report = world.run(&["-f", "json", "in.json"]);
    world.write("baseline.json", &report.stdout);
    let registry = world.run(&["registry"]);
    world.write("registry.json", &registry.stdout);
    world.write("signatures.json", b"");
    world
}

fn path(world: &World, name: &str) -> PathBuf {
    world.folder.path().join(name)
}

/// Names of the folder, without those of what is read.
fn left(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.folder.path()).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs, and holds that it is refused without a change to any file.
fn refused(world: &World, arguments: &[&str], said: &str) {
    let content = |name: &String| fs::read(path(world, name)).unwrap_or_default();
    let before: Vec<_> = left(world).iter().map(|name| (name.clone(), content(name))).collect();
    let output = world.run(arguments);
    assert_eq!((status(&output), stdout(&output).as_str()), (2, ""), "{arguments:?}: {}", stderr(&output));
    assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    let after: Vec<_> = left(world).iter().map(|name| (name.clone(), content(name))).collect();
    assert!(before == after, "{arguments:?} changed {:?}", left(world));
}

#[test]
fn what_is_read_on_standard_input_is_not_written_over() {
    let world = world();
    for arguments in [&["-", "-o", "in.json"][..], &["-f", "json", "-", "-o", "./in.json"]] {
        let capture = fs::File::open(path(&world, "in.json")).expect("there");
        let output = world.command().args(arguments).stdin(capture).output().expect("it runs");
        assert_eq!(status(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains("in.json: it is standard input"), "{}", stderr(&output));
        assert_eq!(fs::read(path(&world, "in.json")).expect("there"), fixture(CAPTURE));
    }
    // Standard output that is appended to the capture.
    let both = fs::File::options().append(true).open(path(&world, "in.json")).expect("there");
    for arguments in [&["in.json"][..], &["carve", "in.json", "-w", "-"]] {
        let output = world.command().args(arguments).stdout(both.try_clone().expect("a file")).output().expect("runs");
        assert!(status(&output) == 2 && stderr(&output).contains("standard output: not written: it is in.json"));
        assert_eq!(fs::read(path(&world, "in.json")).expect("there"), fixture(CAPTURE));
    }
}

#[test]
fn no_file_of_the_run_is_written_over() {
    let world = world();
    let all = ["--policy", "policy.json", "--baseline", "baseline.json", "--registry", "registry.json"];
    let arguments = [&["in.json", "--signatures", "signatures.json"], &all[..]].concat();
    let sound = world.run(&arguments);
    assert_eq!(status(&sound), 0, "{}", stderr(&sound));
    for (name, role) in [
        ("in.json", "it is in.json, which is read"),
        ("policy.json", "it is policy.json, the policy"),
        ("baseline.json", "the baseline"),
        ("registry.json", "the registry"),
        ("signatures.json", "which has signatures"),
    ] {
        fs::hard_link(path(&world, name), path(&world, "hard.json")).expect("one file system");
        refused(&world, &[&arguments[..], &["-o", name]].concat(), role);
        refused(&world, &[&arguments[..], &["-o", "hard.json"]].concat(), role);
        fs::remove_file(path(&world, "hard.json")).expect("there");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(name, path(&world, "soft.json")).expect("a link");
            refused(&world, &[&arguments[..], &["-o", "soft.json"]].concat(), role);
            fs::remove_file(path(&world, "soft.json")).expect("there");
        }
    }
}

#[test]
fn a_policy_that_nobody_named_is_not_written_over() {
    let world = world();
    world.write("config/gapwatch/policy.toml", &fs::read(path(&world, "policy.json")).expect("there"));
    fs::hard_link(path(&world, "config/gapwatch/policy.toml"), path(&world, "out.json")).expect("one file system");
    refused(&world, &["in.json", "-o", "out.json"], "policy.toml, the policy");
    refused(&world, &["carve", "in.json", "-w", "out.json"], "policy.toml, the policy");
    world.write("data/gapwatch/ports.tsv", &fs::read(path(&world, "registry.json")).expect("there"));
    fs::hard_link(path(&world, "data/gapwatch/ports.tsv"), path(&world, "ports.json")).expect("one file system");
    refused(&world, &["in.json", "-o", "ports.json"], "ports.tsv, the registry");
}

#[test]
fn two_reports_do_not_share_a_file() {
    let world = world();
    fs::create_dir(path(&world, "folder")).expect("writable");
    let said = "it is written by another flag as well";
    refused(&world, &["in.json", "-o", "x.json", "-o", "./x.json"], said);
    refused(&world, &["in.json", "-o", "x.json", "-o", "folder/../x.json"], said);
    refused(&world, &["in.json", "-o", "x.json", "-o", path(&world, "x.json").to_str().expect("plain")], said);
    world.write("old.json", b"old");
    fs::hard_link(path(&world, "old.json"), path(&world, "hard.csv")).expect("one file system");
    refused(&world, &["in.json", "-o", "old.json", "-o", "hard.csv"], said);
    #[cfg(unix)]
    {
        // A link to what is not there yet.
        std::os::unix::fs::symlink("new.json", path(&world, "soft.csv")).expect("a link");
        refused(&world, &["in.json", "-o", "new.json", "-o", "soft.csv"], said);
        refused(&world, &["in.json", "-o", "soft.csv", "-o", "new.json"], said);
    }
}

#[test]
fn what_is_carved_is_written_over_nothing_that_is_read() {
    let world = world();
    for name in ["in.json", "baseline.json"] {
        fs::hard_link(path(&world, name), path(&world, "hard")).expect("one file system");
        refused(&world, &["carve", "in.json", "--from", "baseline.json", "-w", "hard"], "would be written over it");
        fs::remove_file(path(&world, "hard")).expect("there");
    }
    refused(&world, &["registry", "import", "registry.json", "-o", "./registry.json"], "");
    // Where nothing can be read, what was carved earlier stays.
    world.write("old.pcapng", b"old");
    world.write("text", b"no capture");
    let output = world.run(&["carve", "text", "-w", "old.pcapng"]);
    assert_eq!(status(&output), 3, "{}", stderr(&output));
    assert_eq!(fs::read(path(&world, "old.pcapng")).expect("there"), b"old");
    let output = world.run(&["carve", "in.json", "-w", "old.pcapng"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(fs::read(path(&world, "old.pcapng")).expect("there").starts_with(b"\x0a\x0d\x0d\x0a"));
}

/// A report that cannot be written whole leaves the old one, and no half of itself.
#[test]
#[cfg(target_os = "linux")]
fn a_write_that_fails_destroys_nothing() {
    let world = world();
    world.write("old.json", b"old");
    let before = left(&world);
    // No file of more than some blocks may be written: the report is longer.
    let line = format!(
        "ulimit -f 1; trap '' XFSZ; exec {} -q in.json -f csv -o old.json -o new.json",
        env!("CARGO_BIN_EXE_gapwatch")
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .current_dir(&world.folder)
        .stdout(Stdio::piped())
        .output()
        .expect("it runs");
    assert_eq!(status(&output), 4, "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("json: cannot be written: File too large").count(), 2, "{}", stderr(&output));
    assert_eq!((left(&world), fs::read(path(&world, "old.json")).expect("there")), (before, b"old".to_vec()));
}

/// Until the whole report is there, the old one is: also while it is being read.
#[test]
#[cfg(unix)]
fn rights_and_links_are_kept() {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    let world = world();
    fs::create_dir(path(&world, "folder")).expect("writable");
    world.write("folder/real.json", b"old");
    fs::set_permissions(path(&world, "folder/real.json"), fs::Permissions::from_mode(0o640)).expect("our own");
    symlink("folder/real.json", path(&world, "link.json")).expect("a link");
    symlink("folder/new.csv", path(&world, "dangling.csv")).expect("a link");
    let before = fs::metadata(path(&world, "folder/real.json")).expect("there").ino();
    let output = world.run(&["in.json", "-f", "json", "-o", "link.json", "-o", "dangling.csv"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    for link in ["link.json", "dangling.csv"] {
        assert!(fs::symlink_metadata(path(&world, link)).expect("there").is_symlink(), "{link}");
    }
    let data = fs::metadata(path(&world, "folder/real.json")).expect("there");
    assert_eq!((data.mode() & 0o777, data.ino() == before), (0o640, false));
    assert_eq!(fs::read(path(&world, "folder/real.json")).expect("there"), output.stdout);
    assert!(fs::read(path(&world, "folder/new.csv")).expect("there").starts_with(b"class,"));
    let names: Vec<_> = fs::read_dir(path(&world, "folder")).expect("there").collect();
    assert_eq!(names.len(), 2, "nothing unfinished is left");

    // What is no regular file is written as it is.
    let fifo = path(&world, "pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("it runs").success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo).expect("readable")
    });
    symlink("/dev/stdout", path(&world, "standard.csv")).expect("a link");
    symlink("/dev/null", path(&world, "nothing.json")).expect("a link");
    let arguments = ["in.json", "-q", "-f", "json", "-o", "pipe.json", "-o", "standard.csv", "-o", "nothing.json"];
    let output = world.run(&arguments);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(fs::symlink_metadata(&fifo).expect("there").file_type().is_fifo());
    let piped: serde_json::Value = serde_json::from_slice(&reader.join().expect("it ends")).expect("JSON");
    assert_eq!(piped["schema"], "gapwatch.report/1");
    let said = stdout(&output);
    assert!(said.starts_with("class,") && said.ends_with("}\n"), "{said}");
    assert_eq!(json(&world.run(&["-f", "json", "in.json"]))["schema"], "gapwatch.report/1");
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_written_to_is_told_before_anything_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = world();
    world.write("closed/old.json", b"old");
    fs::set_permissions(path(&world, "closed"), fs::Permissions::from_mode(0o555)).expect("our own");
    if fs::File::create(path(&world, "closed/try")).is_ok() {
        println!("skipped: to root no folder is closed");
        return;
    }
    for name in ["closed/old.json", "closed/new.json"] {
        let output = world.run(&["in.json", "-o", name]);
        assert_eq!((status(&output), stdout(&output).as_str()), (2, ""), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("{name}: cannot be written")), "{}", stderr(&output));
    }
    assert_eq!(fs::read(path(&world, "closed/old.json")).expect("there"), b"old");
}
