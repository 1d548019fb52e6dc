//! `gapwatch generate`: completions, manual pages and schemas, from the same definitions as the program itself.

use super::{Cli, Status, listening};
use crate::output::{json, ndjson};
use crate::report::Report;
use anyhow::Context as _;
use clap::{Args, CommandFactory, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use schemars::generate::SchemaSettings;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  gapwatch generate bash > /etc/bash_completion.d/gapwatch
  gapwatch generate zsh > /usr/local/share/zsh/site-functions/_gapwatch
  gapwatch generate fish > ~/.config/fish/completions/gapwatch.fish
  gapwatch generate man --to /usr/local/share/man/man1
  gapwatch generate schema listening";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
    /// The manual page of a verb, or of gapwatch; with --to, all of them
    Man {
        #[arg(value_name = "VERB")]
        verb: Option<String>,
        /// Write every page into this folder
        #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
        to: Option<PathBuf>,
    },
    /// The JSON Schema (2020-12) of what gapwatch writes
    Schema {
        #[arg(value_enum, default_value_t = Of::Report)]
        of: Of,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// gapwatch.report/1, of -f json
    Report,
    /// A line of gapwatch.events/1, of -f ndjson
    Events,
    /// gapwatch.listening/1
    Listening,
}

impl Generate {
    pub fn run(self) -> anyhow::Result<Status> {
        match self.what {
            What::Bash => complete(Shell::Bash)?,
            What::Zsh => complete(Shell::Zsh)?,
            What::Fish => complete(Shell::Fish)?,
            What::Man { to: Some(folder), .. } => every_page(&folder)?,
            What::Man { verb: None, .. } => io::stdout().lock().write_all(&page(&Cli::command(), "gapwatch")?)?,
            What::Man { verb: Some(verb), .. } => {
                let command = Cli::command();
                let found = command.find_subcommand(&verb).with_context(|| format!("“{verb}” is no verb"))?;
                io::stdout().lock().write_all(&page(found, &format!("gapwatch-{verb}"))?)?;
            }
            What::Schema { of } => {
                // What is written, not what might be read: a field that is left out at times is not required.
                let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
                let mut schema = match of {
                    Of::Report => generator.into_root_schema_for::<Report>(),
                    Of::Events => generator.into_root_schema_for::<ndjson::Event<'static>>(),
                    Of::Listening => generator.into_root_schema_for::<listening::Report>(),
                };
                let (title, version) = match of {
                    Of::Report => ("A report of gapwatch", crate::report::SCHEMA),
                    Of::Events => ("A line of gapwatch's events", ndjson::SCHEMA),
                    Of::Listening => ("What a machine serves, by gapwatch", listening::SCHEMA),
                };
                schema.insert("title".to_owned(), format!("{title}: {version}").into());
                // What stands in the document as its schema is this one and no other.
                if let Some(named) = schema.pointer_mut("/properties/schema").and_then(|named| named.as_object_mut()) {
                    named.insert("const".to_owned(), version.into());
                }
                json::write(&schema, io::stdout().lock())?;
            }
        }
        Ok(Status::Done)
    }
}

fn complete(shell: Shell) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gapwatch", &mut script);
    io::stdout().lock().write_all(&script)
}

fn every_page(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut pages = Vec::new();
    collect(&Cli::command(), "gapwatch", &mut pages)?;
    for (name, page) in pages {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    Ok(())
}

/// The page of a command, and those of its own commands.
fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    pages.push((name.to_owned(), page(command, name)?));
    for inner in command.get_subcommands() {
        collect(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

/// A manual page (man(7)).
fn page(command: &clap::Command, name: &str) -> io::Result<Vec<u8>> {
    let command = command
        .clone()
        .name(name.to_owned())
        .bin_name(name.replace('-', " "))
        .disable_help_subcommand(true)
        .version(env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    // No date: a page is the same whenever it is made.
    Man::new(command).section("1").manual("gapwatch").render(&mut page)?;
    // What stands behind the options are examples.
    Ok(String::from_utf8_lossy(&page).replace("\n.SH EXTRA\n", "\n.SH EXAMPLES\n").into_bytes())
}
