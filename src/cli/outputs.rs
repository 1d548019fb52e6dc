//! The flags that say what is written, where and how: formats by name or by suffix, files opened before anything is read.
//! Makes no report.

use crate::class::Class;
use crate::output::{json, ndjson, table};
use crate::report::Report;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Columns where the output is no terminal and `COLUMNS` is not set.
const DEFAULT_WIDTH: u16 = 120;

#[derive(Args, Clone, Debug)]
pub struct Outputs {
    /// How to report on standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub format: Format,
    /// Also write the report here; the suffix says how: .json, .ndjson, or .txt for the table. Repeatable
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Exit with 1 when a finding has this class
    #[arg(long, value_enum, value_name = "CLASS")]
    fail_on: Option<FailOn>,
    /// Every reason with its frames, and a Wireshark filter for every finding
    #[arg(short, long)]
    verbose: bool,
    /// List what the policy allows among the findings of the table; without it there is a count
    #[arg(long)]
    show_allowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// The whole report (gapwatch.report/1)
    Json,
    /// One event a line: begin, finding, end; while a capture runs also update, stats and report
    Ndjson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Suspicious,
    LegacyRpc,
    Custom,
}

impl FailOn {
    const fn class(self) -> Class {
        match self {
            FailOn::Suspicious => Class::Suspicious,
            FailOn::LegacyRpc => Class::LegacyRpc,
            FailOn::Custom => Class::Custom,
        }
    }
}

/// A file that waits for the report.
pub struct Opened {
    path: PathBuf,
    format: Format,
    file: BufWriter<File>,
}

impl Outputs {
    /// Whether every suffix is known.
    pub fn check(&self) -> anyhow::Result<()> {
        self.output.iter().try_for_each(|path| format_of(path).map(drop))
    }

    /// Opens what is to be written before anything is read, so that a wrong path fails at once.
    pub fn open(&self) -> anyhow::Result<Vec<Opened>> {
        self.check()?;
        self.output.iter().map(|path| open(path, path)).collect()
    }

    /// Writes the report to the files.
    pub fn write_files(&self, report: &Report, files: Vec<Opened>) -> anyhow::Result<()> {
        for Opened { path, format, mut file } in files {
            self.write(report, format, false, &mut file)
                .and_then(|()| file.flush())
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// Writes the report to a file of each name with `mark` before its suffix: `case.json` becomes `case.MARK.json`.
    #[cfg(feature = "live")]
    pub fn write_marked(&self, report: &Report, mark: &str) -> anyhow::Result<()> {
        let marked = |path: &PathBuf| {
            let suffix = path.extension().unwrap_or_default().to_string_lossy().into_owned();
            open(path, &path.with_extension(format!("{mark}.{suffix}")))
        };
        let files = self.output.iter().map(marked).collect::<anyhow::Result<_>>()?;
        self.write_files(report, files)
    }

    /// Writes the report as `--format` says.
    pub fn write_standard(&self, report: &Report, color: bool, writer: &mut impl Write) -> io::Result<()> {
        self.write(report, self.format, color, writer)
    }

    fn write(&self, report: &Report, format: Format, color: bool, writer: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Json => json::write(report, writer),
            Format::Ndjson => ndjson::write(report, writer),
            Format::Table => table::write(
                report,
                table::Layout { width: width(), color, verbose: self.verbose, show_allowed: self.show_allowed },
                writer,
            ),
        }
    }

    /// Whether `--fail-on` asks for what the report has.
    pub fn met(&self, report: &Report) -> bool {
        self.fail_on.is_some_and(|class| report.findings.iter().any(|finding| finding.class == class.class()))
    }
}

/// Opens `path` to be written as the suffix of `named` says.
fn open(named: &Path, path: &Path) -> anyhow::Result<Opened> {
    let format = format_of(named)?;
    let file = File::create(path).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(Opened { path: path.to_owned(), format, file: BufWriter::new(file) })
}

/// The format that a file's suffix asks for.
fn format_of(path: &Path) -> anyhow::Result<Format> {
    match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("ndjson") => Ok(Format::Ndjson),
        Some("txt") => Ok(Format::Table),
        _ => bail!("{}: the suffix says how to write, and only .json, .ndjson and .txt are known", path.display()),
    }
}

/// The terminal's columns; elsewhere `COLUMNS`, or a width that fits most pages.
fn width() -> u16 {
    let asked = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| width.0);
    if io::stdout().is_terminal() { terminal() } else { None }.or_else(asked).unwrap_or(DEFAULT_WIDTH)
}
