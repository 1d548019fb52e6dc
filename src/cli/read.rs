//! `gapwatch read`: captures in, report out.

use super::progress::Progress;
use super::site::Site;
use super::{Common, Status};
use crate::class::Class;
use crate::judge::Options;
use crate::output::{json, table};
use crate::port::{PortSet, Scope, Transport, WELL_KNOWN_END};
use crate::registry::Registry;
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
    /// Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only
    #[arg(long, value_name = "PORTS", value_parser = parse_ports)]
    ports: Option<Ports>,
    /// Look at the ports that IANA keeps reserved as well
    #[arg(long)]
    include_reserved: bool,
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
enum Format {
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
            scope: scope_of(&registry, self.ports.as_ref(), self.include_reserved),
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

/// The ports that are looked at.
pub fn scope_of(registry: &Registry, ports: Option<&Ports>, include_reserved: bool) -> Scope {
    match ports {
        Some(ports) => Scope::new(ports.0[0], ports.0[1]),
        None => registry.scope(include_reserved),
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

/// Ports per transport, in the order of [`Transport`].
#[derive(Clone, Debug)]
pub struct Ports([PortSet; 2]);

/// `817`, `600-1023`, `817/udp`, joined by commas.
pub fn parse_ports(text: &str) -> Result<Ports, String> {
    let mut sets = [PortSet::EMPTY; 2];
    for part in text.split(',').map(str::trim) {
        let (range, transports) = match part.split_once('/') {
            None => (part, &Transport::ALL[..]),
            Some((range, "tcp")) => (range, &Transport::ALL[..1]),
            Some((range, "udp")) => (range, &Transport::ALL[1..]),
            Some((_, other)) => return Err(format!("“{other}” is no transport; say tcp or udp")),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| match text.trim().parse::<u16>() {
            Ok(port) if port < WELL_KNOWN_END => Ok(port),
            Ok(port) => Err(format!("{port} is no well-known port; gapwatch looks at 0-1023")),
            Err(_) => Err(format!("“{part}” is no port; say 817, 600-1023 or 817/udp")),
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("“{part}” ends before it begins"));
        }
        for transport in transports {
            (first..=last).for_each(|port| sets[*transport as usize].insert(port));
        }
    }
    Ok(Ports(sets))
}
