//! What the shell and the reader of manuals get: help, manual pages, completions, all from one definition, and kept here so
//! that a change is seen. `GAPWATCH_BLESS=1 cargo test --test shell` writes them anew: read the difference.

#![cfg(feature = "live")] // they are those of the whole program

mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use world::{World, status, stderr, stdout};

const VERBS: [&str; 8] = ["read", "live", "carve", "listening", "explain", "policy", "registry", "generate"];

/// Holds what is written now against what is kept.
fn is_kept(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name);
    if std::env::var_os("GAPWATCH_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(&path, found).expect("writable");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == found, "{} differs from what is written now:\n{found}", path.display());
}

#[test]
fn help_is_as_kept_and_has_examples() {
    let world = World::new();
    let mut all = String::new();
    for verb in [&["--help"][..]].into_iter().chain(VERBS.iter().map(std::slice::from_ref)) {
        let arguments: Vec<&str> = verb.iter().copied().chain((verb != ["--help"]).then_some("--help")).collect();
        let output = world.run(&arguments);
        assert_eq!(status(&output), 0, "{verb:?}: {}", stderr(&output));
        let text = stdout(&output);
        assert!(text.contains("Examples:") && text.lines().all(|line| line.chars().count() <= 130), "{text}");
        all.push_str(&format!("$ gapwatch {}\n{text}\n", arguments.join(" ")));
    }
    let listed: BTreeSet<&str> = all
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|verb| !verb.is_empty()))
        .collect();
    assert_eq!(listed, VERBS.into_iter().chain(["help"]).collect(), "a verb is missing here");
    is_kept("help.txt", &all);
}

#[test]
fn manual_pages_are_as_kept() {
    let world = World::new();
    let output = world.run(&["generate", "man", "--to", "man"]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let mut names: Vec<_> =
        fs::read_dir(world.folder.path().join("man")).expect("it is there").flatten().map(|file| file.path()).collect();
    names.sort();
    assert!(names.len() > VERBS.len());
    for path in names {
        let name = path.file_name().and_then(|name| name.to_str()).expect("plain");
        let page = fs::read_to_string(&path).expect("readable");
        assert!(page.contains(".SH NAME") && !page.contains(".SH EXTRA"), "{name}");
        is_kept(&format!("man/{name}"), &page);
        // Every page that it points at is there.
        for other in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
            let file = format!("{}.1", other.replace('\\', ""));
            assert!(world.folder.path().join("man").join(&file).exists(), "{name} points at {file}");
        }
        // The one page of a verb is the same as among all.
        let verb = name.trim_end_matches(".1").trim_start_matches("gapwatch").trim_start_matches('-');
        if !verb.is_empty() && !VERBS.contains(&verb) {
            continue;
        }
        assert!(page.contains(".SH EXAMPLES"), "{name}");
        let arguments: Vec<&str> = ["generate", "man"].into_iter().chain((!verb.is_empty()).then_some(verb)).collect();
        assert_eq!(stdout(&world.run(&arguments)), page, "{name}");
    }
    let output = world.run(&["generate", "man", "nonsense"]);
    assert!(status(&output) == 2 && stderr(&output).contains("“nonsense” is no verb"), "{}", stderr(&output));
}

#[test]
fn completions_are_as_kept_and_their_shells_take_them() {
    let world = World::new();
    for (shell, name) in [("bash", "gapwatch.bash"), ("zsh", "_gapwatch"), ("fish", "gapwatch.fish")] {
        let script = stdout(&world.run(&["generate", shell]));
        is_kept(&format!("completions/{name}"), &script);
        for verb in VERBS {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
        world.write(name, script.as_bytes());
        let parses = Command::new(shell).arg("-n").arg(name).current_dir(&world.folder).stdin(Stdio::null()).output();
        match parses {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                println!("{shell} was not asked: {error}");
                assert!(std::env::var_os("CI").is_none(), "CI installs {shell}");
            }
        }
    }
}
