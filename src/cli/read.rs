//! `gapwatch read`: captures in, report out.

use super::ports::PortArgs;
use super::progress::Progress;
use super::site::Site;
use super::{Common, Status};
use crate::class::Class;
use crate::judge::Options;
use crate::output::{json, table};
use crate::report::{PolicyNote, Report, Status as InputStatus, report_with};
use crate::scan::{self, Scan};
use crate::signature::pattern;
use crate::source::BytesRead;
use crate::table::MAX_FLOWS;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// Columns where the output is no terminal and `COLUMNS` is not set.
const DEFAULT_WIDTH: u16 = 120;

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a flag that was given or not
pub struct Read {
    /// Captures, or folders of them (recursive); `-` is standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A capture, as tcpdump names it
    #[arg(short = 'r', value_name = "FILE")]
    file: Vec<PathBuf>,
    /// How to report on standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    format: Format,
    /// Also write the report here; the suffix says how: .json, or .txt for the table. Repeatable
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    #[command(flatten)]
    ports: PortArgs,
    /// Exit with 1 when a finding has this class
    #[arg(long, value_enum, value_name = "CLASS")]
    fail_on: Option<FailOn>,
    /// Flows with payload kept in memory, as many with RPC, and four times as many without; for each thread
    #[arg(long, value_name = "N", default_value_t = NonZero::new(MAX_FLOWS).unwrap_or(NonZero::<usize>::MIN))]
    max_flows: NonZero<usize>,
    /// Threads to read with; the report is the same for any number
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Show passwords that were captured; without it the report says that one was seen
    #[arg(long)]
    show_secrets: bool,
    /// No progress and no messages on stderr
    #[arg(short, long)]
    quiet: bool,
    /// Every reason with its frames, and a Wireshark filter for every finding
    #[arg(short, long)]
    verbose: bool,
    /// List what the policy allows among the findings of the table; without it there is a count
    #[arg(long)]
    show_allowed: bool,
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
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

impl Read {
    pub fn names_nothing(&self) -> bool {
        self.inputs.is_empty() && self.file.is_empty()
    }

    pub fn run(self) -> anyhow::Result<Status> {
        if self.names_nothing() {
            bail!("no input: name captures or folders, or `-` for standard input");
        }
        let registry = self.common.registry()?;
        let catalogue = self.site.catalogue()?;
        let policy = self.site.policy(catalogue.as_ref())?;
        let baseline = self.site.baseline()?;
        let outputs = self.open_outputs()?;
        let paths: Vec<PathBuf> = self.inputs.iter().chain(&self.file).cloned().collect();
        let found = scan::find(&paths);
        let bytes_read = BytesRead::default();
        let scan = Scan {
            scope: self.ports.scope(&registry),
            max_flows: self.max_flows.get(),
            threads: self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get),
            fast_lane: true,
            bytes_read: BytesRead::clone(&bytes_read),
        };
        let progress = Progress::start(found.bytes(), bytes_read, self.quiet);
        // Compiled while the captures are read: the judgement needs it right after.
        let scanned = std::thread::scope(|threads| {
            let compiling = catalogue.is_none().then(|| threads.spawn(pattern::built_in));
            let scanned = scan.run(found);
            drop(compiling.map(std::thread::ScopedJoinHandle::join));
            scanned
        });
        drop(progress);
        if !self.quiet {
            for error in &scanned.errors {
                eprintln!("gapwatch: {}", crate::output::safe::text(&error.to_string()));
            }
        }
        let nothing_read = scanned.inputs.iter().all(|input| input.status == InputStatus::Unreadable);
        let partial =
            !scanned.errors.is_empty() || scanned.inputs.iter().any(|input| input.status != InputStatus::Complete);
        let options = Options {
            show_secrets: self.show_secrets,
            catalogue: catalogue.as_ref().unwrap_or_else(|| pattern::built_in()),
            policy: policy.as_ref().map(|(_, policy)| policy),
        };
        let mut report = report_with(&scanned.table, scanned.inputs, &registry, options);
        report.policy = policy.as_ref().map(|(path, _)| PolicyNote::of(path.display().to_string(), &report.findings));
        if let Some(baseline) = &baseline {
            report.mark_new(baseline);
        }
        // The process ends soon: giving back hundreds of megabytes piece by piece would only take time.
        std::mem::forget(scanned.table);
        for (path, mut file) in outputs {
            self.write(&report, format_of(&path)?, false, &mut file)
                .and_then(|()| file.flush())
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        if nothing_read {
            return Ok(Status::NoInput);
        }
        let mut stdout = BufWriter::new(io::stdout().lock());
        self.write(&report, self.format, self.common.color(), &mut stdout)?;
        stdout.flush()?;
        let lost = !report.totals.beyond_bounds.is_empty();
        let met =
            self.fail_on.is_some_and(|class| report.findings.iter().any(|finding| finding.class == class.class()));
        Ok(if met {
            Status::Found
        } else if partial || lost {
            Status::Partial
        } else {
            Status::Done
        })
    }

    /// Opens what is to be written before anything is read, so that a wrong path fails at once.
    fn open_outputs(&self) -> anyhow::Result<Vec<(PathBuf, BufWriter<File>)>> {
        let open = |path: &PathBuf| {
            format_of(path)?;
            let file = File::create(path).with_context(|| format!("{}: cannot be written", path.display()))?;
            Ok((path.clone(), BufWriter::new(file)))
        };
        self.output.iter().map(open).collect()
    }

    fn write(&self, report: &Report, format: Format, color: bool, writer: &mut impl Write) -> io::Result<()> {
        match format {
            Format::Json => json::write(report, writer),
            Format::Table => table::write(
                report,
                table::Layout { width: width(), color, verbose: self.verbose, show_allowed: self.show_allowed },
                writer,
            ),
        }
    }
}

/// The format that a file's suffix asks for.
fn format_of(path: &Path) -> anyhow::Result<Format> {
    match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("txt") => Ok(Format::Table),
        _ => bail!("{}: the suffix says how to write, and only .json and .txt are known", path.display()),
    }
}

/// The terminal's columns; elsewhere `COLUMNS`, or a width that fits most pages.
pub fn width() -> u16 {
    let asked = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| width.0);
    if io::stdout().is_terminal() { terminal() } else { None }.or_else(asked).unwrap_or(DEFAULT_WIDTH)
}
