//! The architecture, executed: imports go to lower layers only, and the core names no I/O and no clock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules by layer, as in the tree of the design. A module may use those of lower numbers.
const LAYERS: [(&str, u32); 31] = [
    // words
    ("frame", 0),
    ("merge", 0),
    ("port", 0),
    ("words", 0),
    ("class", 1),
    ("skip", 1),
    // facts and bytes
    ("registry", 2),
    ("link", 2),
    ("tunnel", 3),
    ("glance", 4),
    ("packet", 4),
    // signatures
    ("signature", 5),
    // features
    ("flow", 6),
    ("table", 7),
    // judgement
    ("conversation", 8),
    ("policy", 9),
    ("rule", 10),
    ("finding", 11),
    ("saved", 12),
    ("baseline", 13),
    ("judge", 13),
    ("report", 14),
    // from here on, I/O
    ("error", 15),
    ("source", 16),
    ("output", 16),
    ("carve", 17),
    ("scan", 17),
    ("cli", 18),
    ("lib", 19),
    ("main", 20),
    ("gapwatch", 19),
];

/// The first layer that may do I/O.
const IO: u32 = 15;

/// What the core must not name.
const OUTSIDE: [&str; 12] = [
    "std::fs",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "TcpListener",
    "SystemTime",
    "Instant",
    "std::path",
];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            files.push(path);
        }
    }
}

fn files() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).expect("below the root");
            let first = inside.components().next().expect("a name").as_os_str().to_str().expect("plain names");
            (first.trim_end_matches(".rs").to_owned(), path)
        })
        .collect()
}

/// The code of a file: without comments, and without its tests, which stand at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("readable");
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Top-level modules that a file names with `crate::`.
fn used(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for piece in code.split("crate::").skip(1) {
        let inside = piece.strip_prefix('{').and_then(|rest| rest.split('}').next());
        let words = inside.unwrap_or(piece).split(',').map(str::trim);
        let take = |word: &str| word.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match inside {
            Some(_) => names.extend(words.map(take)),
            None => names.push(take(piece)),
        }
    }
    names
}

#[test]
fn imports_go_down_only() {
    let layers: BTreeMap<&str, u32> = LAYERS.into_iter().collect();
    let mut seen = 0;
    for (module, path) in files() {
        let Some(layer) = layers.get(module.as_str()) else {
            panic!("{}: in no layer; give it one here", path.display())
        };
        for name in used(&code(&path)) {
            let Some(other) = layers.get(name.as_str()) else { continue };
            seen += 1;
            let down = name == module || other < layer;
            assert!(down, "{} (layer {layer}) uses {name} (layer {other})", path.display());
        }
    }
    assert!(seen > 100, "the test has gone blind: it saw {seen} imports");
}

#[test]
fn the_core_has_no_io_and_no_clock() {
    let layers: BTreeMap<&str, u32> = LAYERS.into_iter().collect();
    for (module, path) in files() {
        if layers.get(module.as_str()).is_some_and(|layer| *layer < IO) {
            let code = code(&path);
            for name in OUTSIDE {
                assert!(!code.contains(name), "{} names {name}", path.display());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (_, path) in files() {
        let text = fs::read_to_string(&path).expect("readable");
        assert!(text.starts_with("//! "), "{} does not say what it is for", path.display());
    }
}

/// Text from packets goes through one place: only the outputs and the program print, and they know `safe`.
#[test]
fn only_outputs_and_the_program_print() {
    for (module, path) in files() {
        let code = code(&path);
        if ["print!(", "println!(", "eprintln!("].iter().any(|word| code.contains(word)) {
            assert!(module == "cli" && code.contains("safe::text"), "{} prints", path.display());
        }
    }
}
