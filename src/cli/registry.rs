//! `gapwatch registry`: prints the table, or replaces it from IANA's own CSV.

use super::files::{Kept, Waiting};
use super::{Common, Status};
use crate::output::safe;
use crate::port::{Transport, WELL_KNOWN_END};
use crate::registry::{Registry, import};
use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// Changes that are named one by one.
const MAX_NAMED: usize = 20;

const EXAMPLES: &str = "\
Examples:
  gapwatch registry
  gapwatch registry import service-names-port-numbers.csv";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RegistryArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Replace the table from IANA's service-names-port-numbers.csv
    Import {
        /// The CSV file as IANA publishes it
        csv: PathBuf,
        /// Write the table here instead of where gapwatch looks for it
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The table to compare with
        #[command(flatten)]
        common: Common,
    },
}

impl RegistryArgs {
    pub fn run(self) -> anyhow::Result<Status> {
        match self.verb {
            None => {
                io::stdout().write_all(self.common.registry()?.text().as_bytes())?;
                Ok(Status::Done)
            }
            Some(Verb::Import { csv, output, common }) => import(&csv, output, &common),
        }
    }
}

fn import(csv: &PathBuf, output: Option<PathBuf>, common: &Common) -> anyhow::Result<Status> {
    let bytes = fs::read(csv).with_context(|| csv.display().to_string())?;
    let new = import::from_csv(&bytes).with_context(|| csv.display().to_string())?;
    // A table that cannot be read is no reason not to replace it.
    let old = common.registry().unwrap_or_default();
    let path = output
        .or_else(imported_path)
        .ok_or_else(|| anyhow!("no home folder to keep the table in; name one with -o FILE"))?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut kept = Kept::default();
    kept.read(csv, "which is imported");
    let file = Waiting::open(&path, &mut kept, false)?;
    file.write(|writer| writer.write_all(new.text().as_bytes()))?;
    let mut text = changes(&old, &new);
    let _ = writeln!(text, "written to {}", safe::text(&path.display().to_string()));
    io::stdout().write_all(text.as_bytes())?;
    Ok(Status::Done)
}

/// Which pairs have another status now.
fn changes(old: &Registry, new: &Registry) -> String {
    let mut lines = Vec::new();
    for port in 0..WELL_KNOWN_END {
        for transport in Transport::ALL {
            if let (Some(before), Some(after)) = (old.status(transport, port), new.status(transport, port))
                && before != after
            {
                let name = new.name(transport, port);
                let name = if name.is_empty() { String::new() } else { format!(" ({})", safe::text(name)) };
                lines.push(format!("  {port}/{transport}: {before} -> {after}{name}"));
            }
        }
    }
    let total = lines.len();
    if total > MAX_NAMED {
        lines.truncate(MAX_NAMED);
        lines.push(format!("  and {} more", total - MAX_NAMED));
    }
    let changed = match total {
        0 => "no status changed".to_owned(),
        1 => "1 status changed".to_owned(),
        more => format!("{more} statuses changed"),
    };
    let mut text =
        format!("registry of {}: {} unassigned pairs; {changed} since {}\n", new.date(), new.unassigned(), old.date());
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Where an imported table lies: `$XDG_DATA_HOME/gapwatch/ports.tsv` (XDG Base Directory Specification).
pub fn imported_path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let data = data.or_else(|| set("LOCALAPPDATA"))?;
    Some(data.join("gapwatch").join("ports.tsv"))
}
