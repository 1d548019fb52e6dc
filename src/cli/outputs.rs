//! The flags that say what is written, where and how: formats by name or by suffix, files opened before anything is read.
//! Makes no report.

use super::files::{Kept, Waiting};
use crate::class::Class;
use crate::finding::Finding;
use crate::output::html::{self, Case};
use crate::output::{csv, ecs, eve, json, ndjson, stix, table, zeek};
use crate::report::Report;
use crate::words::count;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Columns where the output is no terminal and `COLUMNS` is not set.
const DEFAULT_WIDTH: u16 = 120;
/// Files of the same name and time that are told apart.
#[cfg(all(feature = "live", unix))]
const MAX_ALIKE: u32 = 100;

#[derive(Args, Clone, Debug)]
pub struct Outputs {
    /// How to report on standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub format: Format,
    /// Also write the report here; the suffix says how: .html .json .ndjson .csv .txt .log (Zeek) .zeek.json .eve.json
    /// .ecs.ndjson .stix.json. Repeatable
    #[arg(short, long, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Exit with 1 when a finding has this class
    #[arg(long, value_enum, value_name = "CLASS")]
    fail_on: Option<FailOn>,
    /// What Community IDs begin with: the same on every tool of a site
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub community_id_seed: u16,
    /// Every reason with its frames, and a Wireshark filter for every finding
    #[arg(short, long)]
    verbose: bool,
    /// List what the policy allows among the findings of the table; without it there is a count
    #[arg(long)]
    show_allowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For the terminal
    Table,
    /// The whole report (gapwatch.report/1)
    Json,
    /// One event a line: begin, finding, end; while a capture runs also update, stats and report
    Ndjson,
    /// One page for people, with pictures, that needs nothing else
    Html,
    /// One line a finding, for spreadsheets
    Csv,
    /// Zeek's conn.log, one line a flow
    Zeek,
    /// The same as JSON
    ZeekJson,
    /// Suricata's EVE: flows, and alerts for what is suspicious
    Eve,
    /// Documents of the Elastic Common Schema, one a finding
    Ecs,
    /// A STIX 2.1 bundle of what is suspicious
    Stix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Suspicious,
    LegacyRpc,
    Custom,
}

impl FailOn {
    pub const fn class(self) -> Class {
        match self {
            FailOn::Suspicious => Class::Suspicious,
            FailOn::LegacyRpc => Class::LegacyRpc,
            FailOn::Custom => Class::Custom,
        }
    }
}

/// A file that waits for the report. What stood in it stays until then.
pub struct Opened {
    format: Format,
    file: Waiting,
}

impl Outputs {
    /// Whether every suffix is known.
    pub fn check(&self) -> anyhow::Result<()> {
        self.output.iter().try_for_each(|path| format_of(path).map(drop))
    }

    /// Opens what is to be written before anything is read, so that a wrong path fails at once. None of it may be one of `kept`,
    /// by whatever name. `hold` is for who gives up rights before the report is written.
    pub fn open(&self, kept: &mut Kept, hold: bool) -> anyhow::Result<Vec<Opened>> {
        self.check()?;
        let mut opened = Vec::new();
        for path in &self.output {
            opened.push(Opened { format: format_of(path)?, file: Waiting::open(path, kept, hold)? });
        }
        kept.check_standard_output()?;
        // They were made to see what they are.
        if !hold {
            for opened in &mut opened {
                opened.file.take_back();
            }
        }
        Ok(opened)
    }

    /// Writes the report to the files, each whole or not at all. Gives what could not be written.
    pub fn write_files(&self, report: &Report, case: Case<'_>, files: Vec<Opened>) -> Vec<anyhow::Error> {
        let write = |Opened { format, file }: Opened| {
            file.write(|mut writer| self.write(report, case, format, false, &mut writer))
        };
        files.into_iter().filter_map(|file| write(file).err()).collect()
    }

    /// Writes the report to a new file of each name, with `mark` before its suffix: `case.json` becomes `case.MARK.json`.
    #[cfg(all(feature = "live", unix))]
    pub fn write_marked(&self, report: &Report, case: Case<'_>, mark: &str) -> Vec<anyhow::Error> {
        let open = |path: &PathBuf| -> anyhow::Result<Opened> {
            let format = format_of(path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let at = name.len() - suffix_of(format, &name).len();
            // Two windows may close at the same time by a clock that was set back.
            for number in 0..MAX_ALIKE {
                let number = if number == 0 { String::new() } else { format!("-{number}") };
                let path = path.with_file_name(format!("{}.{mark}{number}{}", &name[..at], &name[at..]));
                match Waiting::begin(&path) {
                    Ok(file) => return Ok(Opened { format, file }),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error).context(format!("{}: cannot be written", path.display())),
                }
            }
            anyhow::bail!("{}: cannot be written: there are {MAX_ALIKE} of that time", path.display())
        };
        let mut errors = Vec::new();
        for path in &self.output {
            match open(path) {
                Ok(file) => errors.extend(self.write_files(report, case, vec![file])),
                Err(error) => errors.push(error),
            }
        }
        errors
    }

    /// Writes the report as `--format` says.
    pub fn write_standard(
        &self,
        report: &Report,
        case: Case<'_>,
        color: bool,
        writer: &mut impl Write,
    ) -> io::Result<()> {
        self.write(report, case, self.format, color, writer)
    }

    /// What outputs of one line a flow leave out, because a finding lists so many flows and no more; `None` where nothing is.
    pub fn left_out(&self, report: &Report) -> Option<String> {
        let formats = self.output.iter().filter_map(|path| format_of(path).ok()).chain([self.format]);
        let by_flow = |format| matches!(format, Format::Zeek | Format::ZeekJson | Format::Eve);
        let missing = |finding: &Finding| finding.flows_total - finding.flows.len();
        let cut: Vec<usize> = report.findings.iter().map(missing).filter(|missing| *missing > 0).collect();
        let folded = &report.folded;
        if (cut.is_empty() && folded.is_empty()) || !formats.into_iter().any(by_flow) {
            return None;
        }
        let flows = cut.iter().sum::<usize>() + folded.iter().map(|line| line.flows).sum::<usize>();
        let findings = cut.len() + folded.iter().map(|line| line.findings).sum::<usize>();
        let (flows, findings) = (count(flows, "flow"), count(findings, "finding"));
        Some(format!(
            "{flows} of {findings} are not in the output: a finding lists the first 1,024, and a report 16,000 of those it lists"
        ))
    }

    /// Whether any of the outputs shows what only a second reading of the inputs tells.
    pub fn wants_hashes(&self) -> bool {
        let formats = self.output.iter().filter_map(|path| format_of(path).ok());
        formats.chain([self.format]).any(|format| format == Format::Html)
    }

    fn write(
        &self,
        report: &Report,
        case: Case<'_>,
        format: Format,
        color: bool,
        writer: &mut impl Write,
    ) -> io::Result<()> {
        match format {
            Format::Table => table::write(
                report,
                table::Layout { width: width(), color, verbose: self.verbose, show_allowed: self.show_allowed },
                writer,
            ),
            Format::Json => json::write(report, writer),
            Format::Ndjson => ndjson::write(report, writer),
            Format::Html => html::write(report, case, writer),
            Format::Csv => csv::write(report, writer),
            Format::Zeek => zeek::write_tsv(report, writer),
            Format::ZeekJson => zeek::write_json(report, writer),
            Format::Eve => eve::write(report, writer),
            Format::Ecs => ecs::write(report, writer),
            Format::Stix => stix::write(report, writer),
        }
    }

    /// Whether `--fail-on` asks for what the report has.
    pub fn met(&self, report: &Report) -> bool {
        self.fail_on.is_some_and(|class| report.number(|_, found, _| found == class.class()) > 0)
    }
}

/// Suffixes and the formats that they ask for, the longer ones first.
const SUFFIXES: [(&str, Format); 11] = [
    (".zeek.json", Format::ZeekJson),
    (".eve.json", Format::Eve),
    (".stix.json", Format::Stix),
    (".ecs.ndjson", Format::Ecs),
    (".ndjson", Format::Ndjson),
    (".json", Format::Json),
    (".html", Format::Html),
    (".htm", Format::Html),
    (".csv", Format::Csv),
    (".log", Format::Zeek),
    (".txt", Format::Table),
];

/// The format that a file's suffix asks for, in whatever case it is written.
fn format_of(path: &Path) -> anyhow::Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let known = SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, format)| *format);
    known.with_context(|| {
        let known: Vec<&str> = SUFFIXES.iter().map(|(suffix, _)| *suffix).collect();
        format!("{}: the suffix says how to write; known are {}", path.display(), known.join(" "))
    })
}

/// The suffix that made a name be of a format.
#[cfg(all(feature = "live", unix))]
fn suffix_of(format: Format, name: &str) -> &str {
    let lower = name.to_ascii_lowercase();
    let suffix = SUFFIXES.iter().find(|(suffix, of)| *of == format && lower.ends_with(suffix));
    suffix.map_or("", |(suffix, _)| &name[name.len() - suffix.len()..])
}

/// The terminal's columns; elsewhere `COLUMNS`, or a width that fits most pages.
fn width() -> u16 {
    let asked = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| width.0);
    if io::stdout().is_terminal() { terminal() } else { None }.or_else(asked).unwrap_or(DEFAULT_WIDTH)
}
