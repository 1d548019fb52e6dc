//! A folder of its own for a test of the program, and what came out of it. Shared by tests; knows no case.

#![allow(dead_code, clippy::must_use_candidate)] // not every test needs all of it

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

pub struct World {
    pub folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        World { folder: tempfile::tempdir().expect("a folder for the test") }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gapwatch"));
        command.current_dir(&self.folder).env("XDG_DATA_HOME", self.folder.path().join("data"));
        command.env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command.env_remove("COLUMNS").env_remove("NO_COLOR");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().expect("the program runs")
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }
}

/// The names of all captures among the fixtures.
pub fn captures() -> Vec<String> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).expect("the folder is there");
    let mut names = Vec::new();
    for path in entries.map(|entry| entry.expect("readable").path()) {
        if path.extension().is_some_and(|suffix| suffix == "pcap" || suffix == "pcapng") {
            names.push(path.file_name().and_then(|name| name.to_str()).expect("plain names").to_owned());
        }
    }
    names.sort();
    names
}

pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).expect("the fixture is there")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("valid JSON")
}

pub fn status(output: &Output) -> i32 {
    output.status.code().expect("an exit status")
}
