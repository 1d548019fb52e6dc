//! `gapwatch carve`: the frames behind findings, copied as they were, with a comment each.

use super::files::{Kept, Waiting};
use super::outputs::FailOn;
use super::ports::PortArgs;
use super::site::Knowledge;
use super::{Common, Status};
use crate::carve::{self, Carved, Wanted};
use crate::output::safe;
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::report::{SCHEMA, Status as InputStatus};
use crate::saved::{Saved, SavedFinding, SavedInput};
use crate::scan::{self, Scan};
use crate::source::{self, BytesRead};
use crate::table::MAX_FLOWS;
use crate::words::{count, count_u64};
use anyhow::{Context as _, bail};
use clap::Args;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  gapwatch carve incident.pcap -w suspicious.pcapng --class suspicious
  gapwatch carve /captures -w shell.pcapng --service 10.9.0.2:1005/tcp
  gapwatch carve --from case.json -w first.pcapng --finding 1     the inputs that the report names
  gapwatch carve incident.pcap -w flow.pcapng --flow 1:KzA4JWgFynELA8vZAHgMK6HK9a0=

Without a choice, the frames of all findings. Comments say verdict, reasons, and where each frame was.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Carve {
    /// Captures, or folders of them; with --from the inputs of the report, where none is named
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The pcapng file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    write: PathBuf,
    /// A saved JSON report: nothing is judged again
    #[arg(long, value_name = "REPORT", conflicts_with_all = ["policy", "signatures", "ports", "include_reserved", "community_id_seed"])]
    from: Option<PathBuf>,
    /// Findings of this class
    #[arg(long, value_enum, value_name = "CLASS")]
    class: Option<FailOn>,
    /// Findings of this service: 10.0.0.5:817/tcp. Repeatable
    #[arg(long, value_name = "ADDRESS:PORT/TRANSPORT", value_parser = service)]
    service: Vec<(Transport, Endpoint)>,
    /// The finding of this place in the report, from 1. Repeatable
    #[arg(long, value_name = "N")]
    finding: Vec<NonZero<usize>>,
    /// The flow of this Community ID. Repeatable
    #[arg(long, value_name = "COMMUNITY-ID")]
    flow: Vec<String>,
    #[command(flatten)]
    ports: PortArgs,
    /// No messages on stderr
    #[arg(short, long)]
    quiet: bool,
    /// What Community IDs begin with, as in the report that has them
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    community_id_seed: u16,
    #[command(flatten)]
    knowledge: Knowledge,
    #[command(flatten)]
    common: Common,
}

fn service(text: &str) -> Result<(Transport, Endpoint), String> {
    carve::parse_service(text)
        .ok_or_else(|| format!("“{text}” is no service; say 10.0.0.5:817/tcp or [fe80::1]:817/udp"))
}

impl Carve {
    pub fn run(self) -> anyhow::Result<Status> {
        let (saved, files) = match &self.from {
            Some(path) => self.saved(path)?,
            None => self.judged()?,
        };
        let mut output = self.output(&files)?;
        let chosen = self.choose(&saved)?;
        let places: Vec<Option<u32>> = saved.inputs.iter().map(|input| place(input, &files)).collect();
        let missing = saved.inputs.iter().zip(&places).filter(|(_, place)| place.is_none());
        for (input, _) in missing.filter(|_| !self.quiet) {
            say(&format!("{}: is not among the inputs; reasons name no frames of it", input.name));
        }
        let wanted = Wanted::new(chosen, &self.flow, |input| places.get(input as usize).copied().flatten());
        let open = || -> io::Result<Box<dyn Write>> {
            match &mut output {
                Some(file) => Ok(Box::new(BufWriter::with_capacity(1 << 20, file.begun()?))),
                None => Ok(Box::new(io::stdout().lock())),
            }
        };
        let carved = carve::carve(&files, &wanted, open)
            .and_then(|carved| output.map_or(Ok(()), Waiting::finish).map(|()| carved))
            .with_context(|| format!("{}: cannot be written", self.write.display()))?;
        self.account(&wanted, &carved);
        // A report of thousands of findings or inputs does not list all.
        let is_wanted = |class: &str| {
            let one_by_one = !self.finding.is_empty() || !self.flow.is_empty() || !self.service.is_empty();
            !one_by_one && self.class.is_none_or(|wanted| wanted.class().name() == class)
        };
        let folded = saved.folded.iter().filter(|line| is_wanted(&line.class));
        let folded = folded.map(|line| line.findings).sum::<usize>();
        let unlisted = if self.inputs.is_empty() { saved.cut.inputs } else { 0 };
        for (number, noun) in [(folded, "finding"), (unlisted, "input")] {
            if number > 0 && !self.quiet {
                let number = count(number, noun);
                say(&format!("{number} that the report does not list are missing; carve from the captures instead"));
            }
        }
        let incomplete = carved.inputs.iter().any(|input| input.status != InputStatus::Complete);
        let lost = incomplete
            || !carved.unread.is_empty()
            || carved.fragments_beyond_bound
            || wanted.cut() > 0
            || folded + unlisted > 0;
        Ok(if carved.inputs.iter().all(|input| input.status == InputStatus::Unreadable) {
            Status::NoInput
        } else {
            Status::of(false, lost)
        })
    }

    /// The file to write, which is none of those that are read; `None` for standard output, which is none either.
    fn output(&self, files: &[PathBuf]) -> anyhow::Result<Option<Waiting>> {
        let mut kept = Kept::default();
        for path in files {
            kept.read(path, "which is read");
        }
        self.from.iter().for_each(|path| kept.read(path, "the report that it is carved from"));
        self.knowledge.keep(&mut kept);
        self.common.registry_file().iter().for_each(|path| kept.read(path, "the registry"));
        if self.write.as_os_str() == "-" {
            kept.check_standard_output()?;
            return Ok(None);
        }
        let mut file = Waiting::open(&self.write, &mut kept, false)?;
        file.take_back();
        Ok(Some(file))
    }

    /// What was copied, and what was not.
    fn account(&self, wanted: &Wanted<'_>, carved: &Carved) {
        if self.quiet {
            return;
        }
        for input in carved.inputs.iter().filter(|input| input.status != InputStatus::Complete) {
            say(&format!("{}: {}", input.name, input.problem.as_deref().unwrap_or(input.status.name())));
        }
        if carved.fragments_beyond_bound {
            say("there were more datagrams in fragments than can be followed; later fragments of some are missing");
        }
        if wanted.cut() > 0 {
            let findings = count(wanted.cut(), "finding");
            say(&format!("of {findings} the report lists not all flows; those that it does not list are missing"));
        }
        if carved.inputs.iter().all(|input| input.status == InputStatus::Unreadable) {
            return say("nothing was read, so nothing was written");
        }
        let findings = count(wanted.findings(), "finding");
        say(&format!("{} of {findings} in {}", count_u64(carved.frames, "frame"), self.write.display()));
    }

    /// The findings of a saved report, and its inputs where none was named.
    fn saved(&self, path: &Path) -> anyhow::Result<(Saved, Vec<PathBuf>)> {
        let named = || format!("report {}", path.display());
        let text = fs::read(path).with_context(named)?;
        let saved: Saved =
            serde_json::from_slice(&text).context("not a JSON report of gapwatch's").with_context(named)?;
        if saved.schema != SCHEMA {
            bail!("report {}: of schema “{}”; this program reads {SCHEMA}", path.display(), saved.schema);
        }
        let files = if self.inputs.is_empty() {
            saved.inputs.iter().map(|input| PathBuf::from(&input.name)).collect()
        } else {
            scan::find(&self.inputs).files
        };
        can_be_read_again(&files)?;
        // A report that knows its inputs by their hashes is about those and no others.
        let known: Vec<&str> = saved.inputs.iter().filter_map(|input| input.sha256.as_deref()).collect();
        if known.len() == saved.inputs.len() && !known.is_empty() {
            let other = |file: &&PathBuf| source::sha256(file).is_some_and(|hash| !known.contains(&hash.as_str()));
            if let Some(file) = files.iter().find(other) {
                bail!("{}: is no file that the report is about (its SHA-256 is another)", file.display());
            }
        }
        Ok((saved, files))
    }

    /// The findings of captures that are read and judged now.
    fn judged(&self) -> anyhow::Result<(Saved, Vec<PathBuf>)> {
        if self.inputs.is_empty() {
            bail!("no input: name captures or folders, or a report with --from");
        }
        let registry = self.common.registry()?;
        let known = self.knowledge.read()?;
        let found = scan::find(&self.inputs);
        let files = found.files.clone();
        can_be_read_again(&files)?;
        let scan = Scan {
            scope: self.ports.scope(&registry),
            max_flows: MAX_FLOWS,
            threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            fast_lane: true,
            bytes_read: BytesRead::default(),
        };
        let scanned = scan.run(found);
        let report = known.report(&scanned.table, scanned.inputs, &registry, false, self.community_id_seed);
        // By way of what is saved: carving from a report and carving at once are the same.
        let saved = serde_json::from_value(serde_json::to_value(&report)?)?;
        Ok((saved, files))
    }

    fn choose<'a>(&self, saved: &'a Saved) -> anyhow::Result<Vec<&'a SavedFinding>> {
        if let Some(missing) = self.finding.iter().find(|place| place.get() > saved.findings.len()) {
            bail!("there is no finding {missing}: the report has {}", saved.findings.len());
        }
        for id in &self.flow {
            if !saved.findings.iter().any(|finding| finding.flows.iter().any(|flow| flow.community_id == *id)) {
                bail!("no finding lists a flow with the Community ID “{id}”; a finding lists at most the first 1,024");
            }
        }
        for (transport, end) in &self.service {
            if !saved.findings.iter().any(|finding| finding.service() == Some((*transport, *end))) {
                bail!("no finding is about {end}/{transport}");
            }
        }
        let fits = |place: usize, finding: &SavedFinding| {
            self.class.is_none_or(|class| class.class().name() == finding.class)
                && (self.service.is_empty() || finding.service().is_some_and(|service| self.service.contains(&service)))
                && (self.finding.is_empty() || self.finding.iter().any(|wanted| wanted.get() == place + 1))
                && (self.flow.is_empty() || finding.flows.iter().any(|flow| self.flow.contains(&flow.community_id)))
        };
        Ok(saved
            .findings
            .iter()
            .enumerate()
            .filter(|(place, finding)| fits(*place, finding))
            .map(|(_, finding)| finding)
            .collect())
    }
}

/// Carving reads its inputs more than once, which only files allow.
fn can_be_read_again(files: &[PathBuf]) -> anyhow::Result<()> {
    let once = |file: &&PathBuf| file.as_os_str() == "-" || fs::metadata(file).is_ok_and(|data| !data.is_file());
    match files.iter().find(once) {
        Some(file) => bail!("{}: carving reads its inputs more than once: save this to a file first", file.display()),
        None => Ok(()),
    }
}

/// Where an input of a report is among the files: by its name, by its hash, or by the end of its name where only one has it.
fn place(input: &SavedInput, files: &[PathBuf]) -> Option<u32> {
    let by_name = files.iter().position(|file| file.display().to_string() == input.name);
    let by_hash = || {
        let hash = input.sha256.as_ref()?;
        files.iter().position(|file| source::sha256(file).as_ref() == Some(hash))
    };
    let by_end = || {
        let end = Path::new(&input.name).file_name()?;
        let mut found = files.iter().enumerate().filter(|(_, file)| file.file_name() == Some(end));
        let (place, _) = found.next()?;
        found.next().is_none().then_some(place)
    };
    by_name.or_else(by_hash).or_else(by_end).and_then(|place| u32::try_from(place).ok())
}

fn say(text: &str) {
    eprintln!("gapwatch: {}", safe::text(text));
}
