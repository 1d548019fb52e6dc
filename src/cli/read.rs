//! `gapwatch read`: captures in, report out.

use super::files::Kept;
use super::outputs::Outputs;
use super::ports::PortArgs;
use super::progress::Progress;
use super::site::Site;
use super::{Common, Status, command_line, judge_on};
use crate::output::html::Case;
use crate::output::safe;
use crate::report::Status as InputStatus;
use crate::scan::{self, Scan};
use crate::signature::pattern;
use crate::source::BytesRead;
use crate::table::MAX_FLOWS;
use anyhow::bail;
use clap::Args;
use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  gapwatch read incident.pcap
  gapwatch read -v /captures more.pcapng.zst             every reason with its frames
  gapwatch read incident.pcap -o case.html -o case.json    a page for the case file, and all of it for programs
  gapwatch read -f ndjson incident.pcap | jq .
  gapwatch read --ports 600-1023 --fail-on suspicious incident.pcap
  gapwatch read --policy site.toml --baseline old.json new.pcap";

#[derive(Args, Debug)]
pub struct Read {
    /// Captures, or folders of them (recursive); `-` is standard input
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A capture, as tcpdump names it
    #[arg(short = 'r', value_name = "FILE")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    ports: PortArgs,
    /// Flows with payload kept in memory, as many with RPC, and four times as many without; for each thread
    #[arg(long, value_name = "N", default_value_t = NonZero::new(MAX_FLOWS).unwrap_or(NonZero::<usize>::MIN))]
    max_flows: NonZero<usize>,
    /// Threads to read and to judge with; the report is the same for any number
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Put the SHA-256 of every input into the report, as an HTML report has them in any case; reads the files once more
    #[arg(long)]
    hash: bool,
    /// Show passwords that were captured; without it the report says that one was seen
    #[arg(long)]
    show_secrets: bool,
    /// No progress and no messages on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    common: Common,
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
        let known = self.site.knowledge.read()?;
        let baseline = self.site.baseline()?;
        let paths: Vec<PathBuf> = self.inputs.iter().chain(&self.file).cloned().collect();
        let found = scan::find(&paths);
        let inputs = found.files.clone();
        let left_out = found.left_out;
        let mut kept = Kept::default();
        for path in &inputs {
            kept.read(path, "which is read");
        }
        self.site.keep(&mut kept);
        self.common.registry_file().iter().for_each(|path| kept.read(path, "the registry"));
        let files = self.outputs.open(&mut kept, false)?;
        drop(kept);
        let bytes_read = BytesRead::default();
        let threads = self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
        judge_on(threads);
        let scan = Scan {
            scope: self.ports.scope(&registry),
            max_flows: self.max_flows.get(),
            threads,
            fast_lane: true,
            bytes_read: BytesRead::clone(&bytes_read),
        };
        let progress = Progress::start(found.bytes(), bytes_read, self.quiet);
        // Read while the captures are: the judgement needs them right after.
        let scanned = std::thread::scope(|threads| {
            let protocols = known.is_built_in().then(|| threads.spawn(pattern::built_in));
            let scanned = scan.run(found);
            drop(protocols.map(std::thread::ScopedJoinHandle::join));
            scanned
        });
        drop(progress);
        if !self.quiet {
            for error in &scanned.errors {
                eprintln!("gapwatch: {}", safe::text(&error.to_string()));
            }
        }
        let nothing_read = scanned.inputs.iter().all(|input| input.status == InputStatus::Unreadable);
        let partial =
            !scanned.errors.is_empty() || scanned.inputs.iter().any(|input| input.status != InputStatus::Complete);
        let seed = self.outputs.community_id_seed;
        let mut report = known.report(&scanned.table, scanned.inputs, &registry, self.show_secrets, seed);
        report.left_out = left_out;
        if self.hash || self.outputs.wants_hashes() {
            for (input, path) in report.inputs.iter_mut().zip(&inputs) {
                input.sha256 = crate::source::sha256(path);
            }
        }
        if let Some(baseline) = &baseline {
            report.mark_new(baseline);
        }
        report.bound();
        // The process ends soon: giving back hundreds of megabytes piece by piece would only take time.
        std::mem::forget(scanned.table);
        let command = command_line();
        let case = Case { registry: &registry, command: &command };
        let unwritten = self.outputs.write_files(&report, case, files);
        for error in &unwritten {
            eprintln!("gapwatch: {}", safe::text(&format!("{error:#}")));
        }
        if let (Some(left_out), false) = (self.outputs.left_out(&report), self.quiet) {
            eprintln!("gapwatch: {left_out}");
        }
        if nothing_read {
            return Ok(Status::NoInput);
        }
        let mut stdout = BufWriter::new(io::stdout().lock());
        self.outputs.write_standard(&report, case, self.common.color(), &mut stdout)?;
        stdout.flush()?;
        let lost = !report.totals.beyond_bounds.is_empty();
        Ok(Status::of(self.outputs.met(&report), partial || lost || !unwritten.is_empty()))
    }
}
