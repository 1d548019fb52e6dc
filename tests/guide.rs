//! The guide does what it says: every command in it is run, in a copy of the fixtures, and prints what stands there.

#![cfg(all(feature = "live", target_os = "linux"))]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A command, the lines that the guide shows under it, and where these stand in the text.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// Commands and files of the guide, in its order.
enum Part {
    Console(Vec<Step>),
    File { name: String, text: String },
}

fn parts(guide: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language == "console" {
            let mut steps: Vec<Step> = Vec::new();
            for line in block {
                match line.strip_prefix("$ ") {
                    Some(command) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                    None => steps.last_mut().expect("a command first").shown.push(line.to_owned()),
                }
            }
            parts.push(Part::Console(steps));
        } else if let Some(name) = block.first().and_then(|line| line.strip_prefix("# ")) {
            parts.push(Part::File { name: name.to_owned(), text: block.join("\n") });
        }
    }
    parts
}

/// A network namespace with an interface `eth0`, for the commands that watch; `None` where it cannot be made.
struct Net(String);

impl Net {
    fn new() -> Option<Net> {
        let name = format!("gwg{}", std::process::id());
        let run = |arguments: &[&str]| Command::new("ip").args(arguments).output();
        let made = run(&["netns", "add", &name]);
        if !made.is_ok_and(|output| output.status.success()) {
            return None;
        }
        for arguments in [
            &["-n", &name, "link", "add", "eth0", "type", "veth", "peer", "name", "peer0"][..],
            &["-n", &name, "link", "set", "eth0", "up"],
            &["-n", &name, "link", "set", "peer0", "up"],
            &["-n", &name, "link", "set", "lo", "up"],
        ] {
            assert!(run(arguments).is_ok_and(|output| output.status.success()), "{arguments:?}");
        }
        Some(Net(name))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

fn run(folder: &Path, net: Option<&Net>, command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_gapwatch")).parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(program).chain(std::env::split_paths(&path));
    let mut shell = match net {
        Some(net) => {
            let mut ip = Command::new("ip");
            ip.args(["netns", "exec", &net.0, "sh"]);
            ip
        }
        None => Command::new("sh"),
    };
    shell.args(["-c", command]).current_dir(folder).env("PATH", std::env::join_paths(paths).expect("paths"));
    shell.env("XDG_DATA_HOME", "/nonexistent").env("XDG_CONFIG_HOME", "/nonexistent").env_remove("COLUMNS");
    shell.output().expect("a shell")
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/guide.md")).expect("it is there");
    let folder = tempfile::tempdir().expect("a folder");
    for entry in
        fs::read_dir(root.join("fixtures")).expect("it is there").flatten().filter(|entry| entry.path().is_file())
    {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("writable");
    }
    let net = Net::new();
    let (mut commands, mut watched) = (0, 0);
    for part in parts(&guide) {
        let steps = match part {
            Part::File { name, text } => {
                fs::write(folder.path().join(name), text).expect("writable");
                continue;
            }
            Part::Console(steps) => steps,
        };
        for Step { command, shown } in steps {
            commands += 1;
            let watches = command.starts_with("sudo ");
            if watches && net.is_none() {
                println!("skipped, without the right to make a namespace: {command}");
                assert!(std::env::var_os("CI").is_none(), "CI has the right");
                continue;
            }
            watched += u32::from(watches);
            let typed = command.strip_prefix("sudo ").unwrap_or(&command);
            let output = run(folder.path(), net.as_ref().filter(|_| watches), typed);
            let wanted = i32::from(command.contains("--fail-on"));
            let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(wanted), "$ {command}\n{out}{errors}");
            if !shown.is_empty() {
                let said: Vec<&str> = out.lines().chain(errors.lines()).collect();
                assert_eq!(said, shown, "$ {command}");
            }
        }
    }
    assert!(commands >= 15 && (watched >= 2 || net.is_none()), "{commands} commands, {watched} of them watch");
}
