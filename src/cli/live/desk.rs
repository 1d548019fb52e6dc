//! The desk of `gapwatch live`: keeps the table, judges when it is time to, closes windows, and tells. Takes no packet from the
//! kernel and handles no signal.

mod report;
mod screen;

use super::events::{event, line_of};
use super::keep::Keeper;
use super::metrics::Counters;
use super::{LiveArgs, Message, Outside, TICK};
use crate::baseline::Baseline;
use crate::class::{Class, Confidence};
use crate::cli::files::Kept;
use crate::cli::outputs::{Format, Opened};
use crate::cli::site::Known;
use crate::cli::{Status, command_line};
use crate::finding::Kind;
use crate::output::html::Case;
use crate::output::json;
use crate::output::ndjson::{self, Begin, End, Event};
use crate::port::Transport;
use crate::registry::Registry;
use crate::report::Report;
use crate::source::live;
use crate::source::sockets::{self, Held};
use crate::table::FlowTable;
use anyhow::Context as _;
use indicatif::ProgressBar;
use screen::say;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// The least between two judgements, and how many times their own cost.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
const JUDGE_SHARE: u32 = 10;
/// How often programs that read events are told figures.
const STATS_EVERY: Duration = Duration::from_secs(10);
/// From this share of lost packets on, verdicts are said to be less sure, in hundredths.
const MUCH_LOST: u64 = 1;

/// Processes of a socket that a finding names.
const MAX_PROCESSES: usize = 4;

/// What a finding is recognised by from one judgement to the next.
type Key = (Kind, Transport, IpAddr, Option<u16>, Option<IpAddr>, Option<(&'static str, u32)>);

/// Keeps the table, judges, and tells.
pub struct Desk<'a> {
    arguments: &'a LiveArgs,
    registry: Registry,
    known: Known,
    baseline: Option<Baseline>,
    /// What was told of each finding.
    told: BTreeMap<Key, (Class, Confidence)>,
    pub counters: Counters,
    /// This host's addresses, and its sockets when the watch began: afterwards there is no right to look.
    own: (Vec<String>, Vec<Held>),
    /// What the windows that were closed had.
    before: Outside,
    closed: u64,
    /// Why the interface gave up.
    ended: Option<String>,
    /// Files that wait for the report; with windows, each is begun when one closes.
    files: Vec<Opened>,
    kernel_filter: bool,
    outcome: Outcome,
    /// How gapwatch was called.
    command: String,
    color: bool,
}

/// What is known of the interface while it is watched.
struct Watch<'a> {
    opened_as: &'a str,
    interface: String,
    outside: Outside,
}

/// What decides the exit status, over this window and those that were closed.
#[derive(Default)]
struct Outcome {
    /// Whether `--fail-on` was met.
    met: bool,
    /// Whether something was lost.
    partial: bool,
}

impl<'a> Desk<'a> {
    pub fn new(arguments: &'a LiveArgs, registry: Registry) -> anyhow::Result<Self> {
        let known = arguments.site.knowledge.read()?;
        let baseline = arguments.site.baseline()?;
        let color = arguments.common.color();
        let addresses = live::interfaces().unwrap_or_default().into_iter().flat_map(|interface| interface.addresses);
        let own = (addresses.collect(), sockets::held().unwrap_or_default());
        Ok(Desk {
            arguments,
            registry,
            known,
            baseline,
            told: BTreeMap::new(),
            counters: Counters::default(),
            own,
            before: Outside::default(),
            closed: 0,
            ended: None,
            files: Vec::new(),
            kernel_filter: false,
            outcome: Outcome::default(),
            command: command_line(),
            color,
        })
    }

    /// Opens the files of the report, none of which is one of `kept`, and is told how the interface was opened.
    pub fn open(&mut self, kernel_filter: bool, kept: &mut Kept) -> anyhow::Result<()> {
        self.kernel_filter = kernel_filter;
        if self.arguments.window.is_none() {
            self.files = self.arguments.outputs.open(kept, true)?;
        }
        Ok(())
    }

    /// Files that SIGHUP reads again.
    pub fn readable(&self) -> Vec<PathBuf> {
        let files = self.arguments.site.knowledge.files().into_iter().chain(self.known.policy_file());
        // The folder: a file that is replaced by another one of its name is another file.
        let folder = |file: PathBuf| match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        files.map(folder).collect()
    }

    /// Works until the packets end. A reader of standard output that goes away ends it as well; what was asked for in files is
    /// written in any case.
    pub fn work(
        mut self,
        mut table: FlowTable,
        mut keeper: Option<Keeper>,
        receiver: &Receiver<Message>,
        interface: &str,
    ) -> anyhow::Result<Status> {
        let mut watch = Watch { opened_as: interface, interface: interface.to_owned(), outside: Outside::default() };
        let bar = self.status_line();
        let mut told = self.serve(&mut watch, &mut table, &mut keeper, receiver, bar.as_ref());
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let Watch { interface, outside, .. } = watch;
        let report = self.report(&mut table, &outside, &interface);
        keep(&mut keeper, None, |keeper| keeper.want(&report.findings));
        if let (Some(keeper), false) = (&keeper, self.arguments.quiet) {
            say(None, &keeper.account());
        }
        self.write_files(&report, None);
        self.remember(&report);
        told = told.and_then(|()| self.conclude(&report, &table, &outside));
        told.context("standard output")?;
        let not_kept = self.arguments.write.is_some() && keeper.is_none();
        let lost = not_kept || outside.losses.kernel > 0 || self.ended.is_some();
        Ok(Status::of(self.outcome.met, self.outcome.partial || lost))
    }

    /// Takes messages, and tells on standard output what they come to, until there are no more or nobody reads.
    fn serve(
        &mut self,
        watch: &mut Watch<'_>,
        table: &mut FlowTable,
        keeper: &mut Option<Keeper>,
        receiver: &Receiver<Message>,
        bar: Option<&ProgressBar>,
    ) -> anyhow::Result<()> {
        let ndjson = self.arguments.outputs.format == Format::Ndjson;
        if ndjson {
            event(&Event::Begin(Begin {
                schema: ndjson::SCHEMA,
                gapwatch: env!("CARGO_PKG_VERSION"),
                interface: Some(watch.opened_as),
                kernel_filter: Some(self.kernel_filter),
                ..Begin::default()
            }))?;
        }
        let mut opened = Instant::now();
        let (mut judged, mut cost, mut dirty) = (Instant::now(), Duration::ZERO, false);
        let (mut last_stats, mut rate) = (Instant::now(), (Instant::now(), 0));
        while let Ok(message) = receiver.recv() {
            match message {
                Message::Frames(batch) => {
                    dirty = true;
                    batch.frames().for_each(|frame| table.take(&frame));
                    keep(keeper, bar, |keeper| keeper.hold(batch));
                }
                Message::Tick(counted) => {
                    watch.outside = *counted;
                    if self.arguments.metrics.is_some() {
                        self.count(table, &watch.outside);
                    }
                }
                Message::Report => {
                    let report = self.report(table, &watch.outside, &watch.interface);
                    self.show(&report, bar)?;
                }
                Message::Reload => self.reload(bar),
                Message::Renamed(name) => {
                    if !self.arguments.quiet {
                        say(bar, &format!("{} is called {name} now; the watch goes on", watch.opened_as));
                    }
                    watch.interface = format!("{name} (opened as {})", watch.opened_as);
                }
                Message::Ended(why) => self.ended = Some(why),
            }
            let outside = &watch.outside;
            if self.arguments.window.is_some_and(|window| self.window_is_over(window, table, outside, opened)) {
                let report = self.report(table, outside, &watch.interface);
                keep(keeper, bar, |keeper| keeper.want(&report.findings));
                self.write_files(&report, bar);
                self.remember(&report);
                let told = self.tell(&report, bar).and_then(|()| self.show(&report, bar));
                self.closed += table.totals.frames;
                self.before = outside.clone();
                self.before.totals.last = outside.totals.last.max(table.totals.last);
                *table = table.next_window();
                self.told.clear();
                (dirty, opened) = (false, Instant::now());
                told?;
            }
            if dirty && judged.elapsed() >= JUDGE_EVERY.max(cost * JUDGE_SHARE) {
                let start = Instant::now();
                let report = self.report(table, outside, &watch.interface);
                self.tell(&report, bar)?;
                keep(keeper, bar, |keeper| keeper.want(&report.findings));
                (judged, cost, dirty) = (Instant::now(), start.elapsed(), false);
            }
            if ndjson && last_stats.elapsed() >= STATS_EVERY {
                last_stats = Instant::now();
                event(&self.stats(table, outside))?;
            }
            if let Some(bar) = bar {
                self.refresh(bar, table, outside, &mut rate);
            }
        }
        Ok(())
    }

    /// What standard output is told at the end.
    fn conclude(&mut self, report: &Report, table: &FlowTable, outside: &Outside) -> anyhow::Result<()> {
        let ndjson = self.arguments.outputs.format == Format::Ndjson;
        if ndjson {
            self.tell(report, None)?;
        }
        self.show(report, None)?;
        if ndjson {
            event(&Event::End(End {
                packets: Some(self.packets(table, outside)),
                dropped_kernel: Some(outside.losses.kernel),
                dropped_interface: Some(outside.losses.interface),
                problem: self.ended.as_deref(),
                ..End::default()
            }))?;
        }
        Ok(())
    }

    /// Writes the files that were asked for: with windows, each window's own.
    fn write_files(&mut self, report: &Report, bar: Option<&ProgressBar>) {
        let case = Case { registry: &self.registry, command: &self.command };
        let outputs = &self.arguments.outputs;
        let errors = match self.arguments.window {
            Some(_) => outputs.write_marked(report, case, &mark()),
            None => outputs.write_files(report, case, std::mem::take(&mut self.files)),
        };
        if let (Some(left_out), false) = (outputs.left_out(report), self.arguments.quiet) {
            say(bar, &left_out);
        }
        for error in errors {
            say(bar, &format!("{error:#}"));
            self.outcome.partial = true;
        }
    }

    /// What of a report decides the exit status.
    fn remember(&mut self, report: &Report) {
        self.outcome.met |= self.arguments.outputs.met(report);
        self.outcome.partial |= !report.totals.beyond_bounds.is_empty();
    }

    /// Tells the findings that are new, or whose class or confidence rose.
    fn tell(&mut self, report: &Report, bar: Option<&ProgressBar>) -> anyhow::Result<()> {
        for finding in &report.findings {
            let tunnel = finding.tunnel.as_ref().map(|tunnel| (tunnel.kind, tunnel.network));
            let key = (finding.kind, finding.transport, finding.address, finding.port, finding.server, tunnel);
            let now = (finding.class, finding.confidence);
            let before = self.told.get(&key).copied();
            // Classes are ordered from suspicious on; confidence grows.
            let rises =
                before.is_none_or(|(class, confidence)| now.0 < class || (now.0 == class && now.1 > confidence));
            if !rises {
                continue;
            }
            self.told.insert(key, now);
            match (self.arguments.outputs.format, before) {
                (Format::Ndjson, None) => event(&Event::Finding { finding })?,
                (Format::Ndjson, Some(_)) => event(&Event::Update { finding })?,
                (Format::Table, _) => {
                    let line = line_of(finding, before.is_some());
                    match bar {
                        Some(bar) => bar.suspend(|| writeln!(io::stdout().lock(), "{line}"))?,
                        None => writeln!(io::stdout().lock(), "{line}")?,
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn show(&self, report: &Report, bar: Option<&ProgressBar>) -> anyhow::Result<()> {
        let write = || -> io::Result<()> {
            let mut stdout = io::BufWriter::new(io::stdout().lock());
            match self.arguments.outputs.format {
                Format::Ndjson => json::write_line(&Event::Report { report }, &mut stdout)?,
                format => {
                    // Apart from the lines of findings above it.
                    if format == Format::Table {
                        writeln!(stdout)?;
                    }
                    let case = Case { registry: &self.registry, command: &self.command };
                    self.arguments.outputs.write_standard(report, case, self.color, &mut stdout)?;
                }
            }
            stdout.flush()
        };
        match bar {
            Some(bar) => bar.suspend(write)?,
            None => write()?,
        }
        Ok(())
    }

    /// All packets since the beginning, over all windows.
    fn packets(&self, table: &FlowTable, outside: &Outside) -> u64 {
        self.closed + outside.totals.frames + table.totals.frames
    }

    /// By packet time; and where packets stay away, a second after it should have closed.
    fn window_is_over(&self, window: Duration, table: &FlowTable, outside: &Outside, opened: Instant) -> bool {
        let (own, other) = (&table.totals, &outside.totals);
        let last = own.last.max(other.last);
        let first = match self.before.totals.last {
            Some(closed) => Some(closed),
            _ => crate::merge::earliest(own.first, other.first),
        };
        let span = last.zip(first).map_or(0, |(last, first)| last.since(first));
        u128::from(span) >= window.as_nanos() || opened.elapsed() >= window + Duration::from_secs(1)
    }

    fn reload(&mut self, bar: Option<&ProgressBar>) {
        let again = self.arguments.site.knowledge.read();
        let failed = again.is_err();
        let message = match again {
            Ok(known) => {
                self.known = known;
                "policy and signatures read again".to_owned()
            }
            Err(error) => format!("policy and signatures stay as they were: {error:#}"),
        };
        // What failed is said, also where nothing else is.
        if failed || !self.arguments.quiet {
            say(bar, &message);
        }
    }
}

/// The time, as a name of a file takes it: when a window closed.
fn mark() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// Lets the keeper work; where its disk fills, it stops, and the watch goes on.
fn keep(keeper: &mut Option<Keeper>, bar: Option<&ProgressBar>, work: impl FnOnce(&mut Keeper) -> io::Result<()>) {
    let Some(error) = keeper.as_mut().and_then(|keeper| work(keeper).err()) else { return };
    if let Some(keeper) = keeper.take() {
        say(bar, &keeper.account());
    }
    say(bar, &format!("{error}; no more frames are kept, the watch goes on"));
}
