//! The desk of `gapwatch live`: keeps the table, judges when it is time to, closes windows, and tells. Takes no packet from the
//! kernel and handles no signal.

use super::events::{event, line_of};
use super::keep::Keeper;
use super::metrics::{By, Counters};
use super::{LiveArgs, Message, Outside, TICK};
use crate::baseline::Baseline;
use crate::class::{Class, Confidence, Evidence, Weight};
use crate::cli::outputs::{Format, Opened};
use crate::cli::{Status, command_line};
use crate::finding::{Finding, Kind};
use crate::judge::Options;
use crate::output::html::Case;
use crate::output::ndjson::{self, Begin, End, Event};
use crate::output::{json, safe};
use crate::policy::Policy;
use crate::port::Transport;
use crate::registry::Registry;
use crate::report::{Input, PolicyNote, Report, Status as InputStatus, report_with};
use crate::signature::pattern;
use crate::signature::protocol::Catalogue;
use crate::source::live::{self, Losses};
use crate::source::sockets::{self, Held};
use crate::table::FlowTable;
use crate::words::thousands;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
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
type Key = (Kind, Transport, IpAddr, Option<u16>, Option<IpAddr>);

/// Keeps the table, judges, and tells.
pub struct Desk<'a> {
    arguments: &'a LiveArgs,
    registry: Registry,
    catalogue: Option<Catalogue>,
    policy: Option<(PathBuf, Policy)>,
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
        let catalogue = arguments.site.knowledge.catalogue()?;
        let policy = arguments.site.knowledge.policy(catalogue.as_ref())?;
        let baseline = arguments.site.baseline()?;
        let color = arguments.common.color();
        let addresses = live::interfaces().unwrap_or_default().into_iter().flat_map(|interface| interface.addresses);
        let own = (addresses.collect(), sockets::held().unwrap_or_default());
        Ok(Desk {
            arguments,
            registry,
            catalogue,
            policy,
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

    /// Opens the files of the report, and is told how the interface was opened.
    pub fn open(&mut self, kernel_filter: bool) -> anyhow::Result<()> {
        self.kernel_filter = kernel_filter;
        if self.arguments.window.is_none() {
            self.files =
                self.arguments.outputs.open(&self.arguments.write.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Files that SIGHUP reads again.
    pub fn readable(&self) -> Vec<PathBuf> {
        let files =
            self.arguments.site.knowledge.files().into_iter().chain(self.policy.iter().map(|(path, _)| path.clone()));
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
                Message::Frames(mut batch) => {
                    dirty = true;
                    if keeper.is_some() {
                        batch.frames().for_each(|frame| table.take(&frame));
                        keep(keeper, bar, |keeper| keeper.hold(batch));
                    } else {
                        batch.pour_into(table);
                    }
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

    /// The report of what was seen so far in this window.
    fn report(&self, table: &mut FlowTable, outside: &Outside, interface: &str) -> Report {
        table.settle();
        let own = table.totals.clone();
        // What the other thread counted since the window began.
        let before = &self.before.totals;
        let mut elsewhere = outside.totals.clone();
        elsewhere.frames = elsewhere.frames.saturating_sub(before.frames);
        elsewhere.bytes = elsewhere.bytes.saturating_sub(before.bytes);
        elsewhere.outside = elsewhere.outside.saturating_sub(before.outside);
        elsewhere.cut = elsewhere.cut.saturating_sub(before.cut);
        // A window begins where the one before it ended.
        elsewhere.first = if before.last.is_some() {
            before.last.filter(|last| Some(*last) < elsewhere.last)
        } else {
            elsewhere.first
        };
        elsewhere.last = elsewhere.last.filter(|last| before.last < Some(*last));
        crate::merge::Merge::merge(&mut table.totals, elsewhere);
        let losses = Losses {
            kernel: outside.losses.kernel.saturating_sub(self.before.losses.kernel),
            interface: outside.losses.interface.saturating_sub(self.before.losses.interface),
        };
        let frames = table.totals.frames;
        let mut notes = BTreeMap::new();
        for (note, count) in [
            ("packets dropped because the kernel's buffer was full", losses.kernel),
            ("packets dropped by the interface or its driver", losses.interface),
        ] {
            if count > 0 {
                notes.insert(note, count);
            }
        }
        let lost = losses.kernel * 100 >= (frames + losses.kernel).max(1) * MUCH_LOST && losses.kernel > 0;
        let problem = lost.then(|| {
            format!(
                "{} of {} packets were lost: what was not seen may change verdicts",
                thousands(losses.kernel),
                thousands(frames + losses.kernel)
            )
        });
        let input = Input {
            name: interface.to_owned(),
            format: "live".to_owned(),
            status: if self.ended.is_some() { InputStatus::Failed } else { InputStatus::Complete },
            problem: self.ended.clone().or(problem),
            frames,
            bytes: table.totals.bytes,
            first: table.totals.first,
            last: table.totals.last,
            notes,
            kernel_filter: Some(self.kernel_filter),
            filter: Some(self.arguments.expression.join(" ")).filter(|filter| !filter.is_empty()),
            sha256: None,
            interfaces: Vec::new(),
        };
        let options = Options {
            show_secrets: self.arguments.show_secrets,
            catalogue: self.catalogue.as_ref().unwrap_or_else(|| pattern::built_in()),
            policy: self.policy.as_ref().map(|(_, policy)| policy),
            community_id_seed: self.arguments.outputs.community_id_seed,
        };
        let mut report = report_with(table, vec![input], &self.registry, options);
        table.totals = own;
        report.policy =
            self.policy.as_ref().map(|(path, _)| PolicyNote::of(path.display().to_string(), &report.findings));
        if let Some(baseline) = &self.baseline {
            report.mark_new(baseline);
        }
        for finding in report.findings.iter_mut().filter(|finding| finding.kind == Kind::Service) {
            finding.evidence.extend(self.process_of(finding));
        }
        report
    }

    /// Who on this host holds the socket of a service, where it is one of this host's.
    fn process_of(&self, finding: &Finding) -> Option<Evidence> {
        let (addresses, held) = &self.own;
        addresses.contains(&finding.address.to_string()).then_some(())?;
        let of = |held: &&Held| {
            let address = held.answers_at(finding.address).is_some();
            address && held.transport == finding.transport && Some(held.port) == finding.port
        };
        let found = held.iter().filter(of).min_by_key(|held| held.answers_at(finding.address))?;
        let named = found.processes.iter().take(MAX_PROCESSES);
        let mut processes: Vec<String> =
            named.map(|process| format!("{} (pid {}) {}", process.name, process.pid, process.executable)).collect();
        let more = found.processes.len() + found.processes_more - processes.len();
        if processes.is_empty() {
            return None;
        }
        if more > 0 {
            processes.push(format!("{more} more"));
        }
        Some(Evidence {
            by: "process",
            class: Class::Custom,
            weight: Weight::NOTE,
            says: format!("on this host, held by {} when the watch began", processes.join(" and ")),
            frames: Vec::new(),
            attack: None,
        })
    }

    /// Tells the findings that are new, or whose class or confidence rose.
    fn tell(&mut self, report: &Report, bar: Option<&ProgressBar>) -> anyhow::Result<()> {
        for finding in &report.findings {
            let key = (finding.kind, finding.transport, finding.address, finding.port, finding.server);
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

    fn stats(&self, table: &FlowTable, outside: &Outside) -> Event<'static> {
        Event::Stats {
            packets: self.packets(table, outside),
            observed: table.totals.observed,
            outside: outside.totals.outside + table.totals.outside,
            dropped_kernel: outside.losses.kernel,
            dropped_interface: outside.losses.interface,
            not_kept: table.beyond_bounds().iter().map(|(_, packets, _)| packets).sum(),
            findings: self.by_class(),
        }
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

    fn count(&self, table: &FlowTable, outside: &Outside) {
        let counters = &self.counters;
        counters.packets.inc_by(self.packets(table, outside).saturating_sub(counters.packets.get()));
        counters.observed.set(table.totals.observed);
        let not_kept: u64 = table.beyond_bounds().iter().map(|(_, packets, _)| packets).sum();
        for (by, count) in
            [("kernel", outside.losses.kernel), ("interface", outside.losses.interface), ("memory", not_kept)]
        {
            let counter = counters.dropped.get_or_create(&By { by });
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        for class in [Class::Suspicious, Class::LegacyRpc, Class::Custom] {
            let told = self.told.values().filter(|(of, _)| *of == class).count();
            counters.findings.get_or_create(&By { by: class.name() }).set(told as u64);
        }
    }

    fn by_class(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (class, _) in self.told.values() {
            *counts.entry(class.name()).or_default() += 1;
        }
        counts
    }

    fn reload(&mut self, bar: Option<&ProgressBar>) {
        let again = || -> anyhow::Result<_> {
            let catalogue = self.arguments.site.knowledge.catalogue()?;
            let policy = self.arguments.site.knowledge.policy(catalogue.as_ref())?;
            Ok((catalogue, policy))
        };
        let again = again();
        let failed = again.is_err();
        let message = match again {
            Ok((catalogue, policy)) => {
                (self.catalogue, self.policy) = (catalogue, policy);
                "policy and signatures read again".to_owned()
            }
            Err(error) => format!("policy and signatures stay as they were: {error:#}"),
        };
        // What failed is said, also where nothing else is.
        if failed || !self.arguments.quiet {
            say(bar, &message);
        }
    }

    fn status_line(&self) -> Option<ProgressBar> {
        let shown = !self.arguments.quiet && io::stderr().is_terminal();
        shown.then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        })
    }

    fn refresh(&self, bar: &ProgressBar, table: &FlowTable, outside: &Outside, rate: &mut (Instant, u64)) {
        let elapsed = rate.0.elapsed();
        if elapsed < TICK {
            return;
        }
        let packets = self.packets(table, outside);
        let per_second = u128::from(packets.saturating_sub(rate.1)) * 1000 / elapsed.as_millis().max(1);
        *rate = (Instant::now(), packets);
        let classes: Vec<String> =
            self.by_class().into_iter().map(|(class, count)| format!("{count} {class}")).collect();
        let not_kept: u64 = table.beyond_bounds().iter().map(|(_, packets, _)| packets).sum();
        bar.set_message(format!(
            "{} packets, {per_second}/s; {}; dropped: kernel {}, interface {}, not kept {}",
            thousands(packets),
            if classes.is_empty() { "nothing found".to_owned() } else { classes.join(", ") },
            thousands(outside.losses.kernel),
            thousands(outside.losses.interface),
            thousands(not_kept),
        ));
        bar.tick();
    }
}

/// The time, as a name of a file takes it: when a window closed.
fn mark() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// A message on stderr, beside the status line.
fn say(bar: Option<&ProgressBar>, message: &str) {
    let message = safe::text(message);
    match bar {
        Some(bar) => bar.suspend(|| eprintln!("gapwatch: {message}")),
        None => eprintln!("gapwatch: {message}"),
    }
}

/// Lets the keeper work; where its disk fills, it stops, and the watch goes on.
fn keep(keeper: &mut Option<Keeper>, bar: Option<&ProgressBar>, work: impl FnOnce(&mut Keeper) -> io::Result<()>) {
    let Some(error) = keeper.as_mut().and_then(|keeper| work(keeper).err()) else { return };
    if let Some(keeper) = keeper.take() {
        say(bar, &keeper.account());
    }
    say(bar, &format!("{error}; no more frames are kept, the watch goes on"));
}
