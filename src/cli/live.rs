//! `gapwatch live`: watches an interface. One thread takes packets from the kernel and passes on those in scope, another
//! keeps the table, judges, and tells what it finds as soon as there is enough to tell.

use super::keep::Keeper;
use super::metrics::{self, By, Counters};
use super::read::{Ports, scope_of, width};
use super::rights;
use super::site::Site;
use super::{Common, Status};
use crate::class::{Class, Confidence, Evidence, Weight};
use crate::error::Error;
use crate::finding::{Finding, Kind};
use crate::glance::glance;
use crate::judge::Options;
use crate::output::{json, pcap, safe, table};
use crate::port::Transport;
use crate::registry::Registry;
use crate::report::{Input, PolicyNote, Report, Status as InputStatus, report_with};
use crate::scan::shards::Batch;
use crate::signature::pattern;
use crate::source::live::{self, Live, Losses};
use crate::source::sockets::{self, Held};
use crate::table::{FlowTable, MAX_FLOWS, Totals};
use crate::words::{count_u64, thousands};
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Batches on their way from the packets to the table; when there are as many, the kernel's buffer fills.
const WAITING: usize = 64;
/// How often clocks and signals are looked at where nothing comes.
const TICK: Duration = Duration::from_millis(200);
/// The least between two judgements, and how many times their own cost.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
const JUDGE_SHARE: u32 = 10;
/// How often programs that read events are told figures.
const STATS_EVERY: Duration = Duration::from_secs(10);
/// From this share of lost packets on, verdicts are said to be less sure, in hundredths.
const MUCH_LOST: u64 = 1;

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a flag that was given or not
pub struct LiveArgs {
    /// The interface to watch; `any` for all of them (Linux)
    #[arg(short, long, value_name = "IFACE", required_unless_present = "list")]
    interface: Option<String>,
    /// List the interfaces, with addresses and state
    #[arg(short = 'D', long = "list-interfaces")]
    list: bool,
    /// Bytes of each packet that are captured
    #[arg(short, long, value_name = "BYTES", default_value_t = 262_144, value_parser = clap::value_parser!(i32).range(68..=262_144))]
    snapshot_length: i32,
    /// The kernel's buffer in MiB
    #[arg(short = 'B', long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(i32).range(1..=2047))]
    buffer_size: i32,
    /// End after so many packets
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// End after this time: 90s, 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Take packets for other hosts, too
    #[arg(short, long)]
    promisc: bool,
    /// Hand packets over at once instead of many together
    #[arg(long)]
    immediate: bool,
    /// Let the kernel hand over every packet, instead of those that may be in scope
    #[arg(long)]
    no_kernel_filter: bool,
    /// Close and report a window of packet time, and start afresh with what portmappers have said: 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    window: Option<Duration>,
    /// Keep the frames behind suspicious findings here, as pcap
    #[arg(short, long, value_name = "FILE")]
    write: Option<std::path::PathBuf>,
    /// Begin another file (FILE.1, FILE.2 …) after so many MiB; 0 for never
    #[arg(short = 'C', long, value_name = "MIB", requires = "write", default_value_t = 0)]
    file_size: u64,
    /// After so many files, write the first again
    #[arg(short = 'W', long, value_name = "N", requires = "write", default_value_t = 10)]
    file_count: u32,
    /// Serve counters for Prometheus here: 127.0.0.1:9817
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<std::net::SocketAddr>,
    /// How to tell on standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    format: Format,
    /// Look at these ports instead of the unassigned ones
    #[arg(long, value_name = "PORTS", value_parser = super::read::parse_ports)]
    ports: Option<Ports>,
    /// Look at the ports that IANA keeps reserved as well
    #[arg(long)]
    include_reserved: bool,
    /// Flows with payload kept in memory, as many with RPC, and four times as many without
    #[arg(long, value_name = "N", default_value_t = NonZero::new(MAX_FLOWS).unwrap_or(NonZero::<usize>::MIN))]
    max_flows: NonZero<usize>,
    /// Show passwords that were captured
    #[arg(long)]
    show_secrets: bool,
    /// No status line and no messages on stderr
    #[arg(short, long)]
    quiet: bool,
    /// Every reason with its frames in reports
    #[arg(short, long)]
    verbose: bool,
    /// List what the policy allows in reports
    #[arg(long)]
    show_allowed: bool,
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    common: Common,
    /// A filter as tcpdump has them; joined to gapwatch's own
    #[arg(value_name = "EXPRESSION", trailing_var_arg = true)]
    expression: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line a finding, and the report as a table at the end
    Table,
    /// The report at the end
    Json,
    /// One event a line: begin, finding, update, stats, report, end
    Ndjson,
}

/// What signals ask for.
struct Signals {
    end: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

/// What the table's thread is told.
enum Message {
    Frames(Batch),
    /// A moment without packets, with what the other thread knows.
    Tick(Box<Outside>),
    Report,
    Reload,
    /// The interface gave up, and why.
    Ended(String),
}

/// What the packets' thread counts for itself.
#[derive(Clone, Default)]
struct Outside {
    totals: Totals,
    losses: Losses,
    bytes: u64,
}

impl LiveArgs {
    pub fn run(self) -> anyhow::Result<Status> {
        if self.list {
            return list();
        }
        let Some(interface) = self.interface.clone() else {
            bail!("no interface: name one with -i, or list them with -D")
        };
        let signals = Signals::register()?;
        let registry = self.common.registry()?;
        let scope = scope_of(&registry, self.ports.as_ref(), self.include_reserved);
        let desk = Desk::new(&self, registry)?;
        let options = live::Options {
            interface: interface.clone(),
            snap_len: self.snapshot_length,
            buffer: self.buffer_size,
            promiscuous: self.promisc,
            immediate: self.immediate,
            expression: self.expression.join(" "),
            kernel_filter: !self.no_kernel_filter,
        };
        let mut live = match Live::open(&options, &scope) {
            Ok(live) => live,
            Err(error @ Error::Permission { .. }) => {
                eprintln!("gapwatch: {}", safe::text(&format!("{error}; {}", how_to_get_rights())));
                return Ok(Status::NoPermission);
            }
            Err(error @ (Error::NoInterface { .. } | Error::Interface { .. })) => {
                eprintln!("gapwatch: {}", safe::text(&error.to_string()));
                return Ok(Status::NoInput);
            }
            Err(error) => return Err(error.into()),
        };
        let metrics = self.metrics.map(metrics::listen).transpose()?;
        let keeper = match &self.write {
            Some(path) => {
                let files = pcap::Files::create(path, live.link(), self.file_size << 20, self.file_count);
                Some(Keeper::new(files.with_context(|| format!("{}: cannot be written", path.display()))?))
            }
            None => None,
        };
        let folder = self
            .write
            .as_ref()
            .map(|path| path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        let given_up = rights::give_up(&desk.readable(), &folder.map(Path::to_owned).into_iter().collect::<Vec<_>>());
        if !self.quiet {
            let filter = if self.no_kernel_filter { "no kernel filter" } else { "kernel filter on" };
            let filter = if interface == "any" {
                format!("{filter}, each packet once for every interface it passes")
            } else {
                filter.to_owned()
            };
            eprintln!(
                "gapwatch: watching {}, {filter}; {given_up}; Ctrl-C ends with the report",
                safe::text(&interface)
            );
        }
        if let Some(listener) = metrics {
            metrics::serve(listener, &desk.counters);
        }
        let (sender, receiver) = sync_channel(WAITING);
        let table = FlowTable::new(scope, self.max_flows.get());
        let outside = FlowTable::new(scope, 1);
        let gone = AtomicBool::new(false);
        thread::scope(|threads| {
            let desk = threads.spawn(|| {
                let status = desk.work(table, keeper, &receiver, &interface);
                gone.store(true, Ordering::Relaxed);
                drop(receiver);
                status
            });
            let ended = self.take_packets(&mut live, outside, &signals, &sender, &gone);
            if let Err(error) = &ended {
                let _ = sender.send(Message::Ended(error.to_string()));
            }
            drop(sender);
            let status = desk.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))?;
            if let Err(error) = ended {
                eprintln!(
                    "gapwatch: {}: {}; the report is of what was seen until then",
                    safe::text(&interface),
                    safe::text(&error.to_string())
                );
                return Ok(Status::Partial);
            }
            Ok(status)
        })
    }

    /// Takes packets from the kernel until something ends it.
    fn take_packets(
        &self,
        live: &mut Live,
        mut outside: FlowTable,
        signals: &Signals,
        sender: &SyncSender<Message>,
        gone: &AtomicBool,
    ) -> Result<(), Error> {
        let scope = *outside.scope();
        let started = Instant::now();
        let mut batch = Batch::new();
        let mut bytes = 0;
        let mut ticked = Instant::now();
        let mut result = Ok(());
        loop {
            let left = self.count.map(|count| count.saturating_sub(live.packets()));
            let timed_out = self.duration.is_some_and(|duration| started.elapsed() >= duration);
            if signals.end.load(Ordering::Relaxed) || gone.load(Ordering::Relaxed) || timed_out || left == Some(0) {
                break;
            }
            let mut allowed = left.unwrap_or(u64::MAX);
            let taken = live.batch(TICK, |frame| {
                if allowed == 0 {
                    return;
                }
                allowed -= 1;
                bytes += frame.bytes.len() as u64;
                // What is out of scope is counted here; everything else is read by the other thread.
                let ports = glance(&frame);
                if ports.is_some_and(|ports| !scope.wants(ports)) {
                    outside.take_glanced(&frame, ports);
                    return;
                }
                batch.add(&frame);
                if batch.is_full() {
                    let _ = sender.send(Message::Frames(std::mem::replace(&mut batch, Batch::new())));
                }
            });
            if let Err(error) = taken {
                result = Err(error);
                break;
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                if !batch.is_empty() {
                    let _ = sender.send(Message::Frames(std::mem::replace(&mut batch, Batch::new())));
                }
                let counted = Outside { totals: outside.totals.clone(), losses: live.losses(), bytes };
                let _ = sender.send(Message::Tick(Box::new(counted)));
                if signals.report.swap(false, Ordering::Relaxed) {
                    let _ = sender.send(Message::Report);
                }
                if signals.reload.swap(false, Ordering::Relaxed) {
                    let _ = sender.send(Message::Reload);
                }
            }
        }
        if !batch.is_empty() {
            let _ = sender.send(Message::Frames(batch));
        }
        let counted = Outside { totals: outside.totals.clone(), losses: live.losses(), bytes };
        let _ = sender.send(Message::Tick(Box::new(counted)));
        result
    }
}

impl Signals {
    fn register() -> anyhow::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
        let signals = Signals { end: Arc::default(), report: Arc::default(), reload: Arc::default() };
        for (signal, flag) in
            [(SIGINT, &signals.end), (SIGTERM, &signals.end), (SIGUSR1, &signals.report), (SIGHUP, &signals.reload)]
        {
            signal_hook::flag::register(signal, Arc::clone(flag)).context("signals cannot be waited for")?;
        }
        Ok(signals)
    }
}

fn list() -> anyhow::Result<Status> {
    let mut stdout = io::stdout().lock();
    for interface in live::interfaces()? {
        let addresses =
            if interface.addresses.is_empty() { "no address".to_owned() } else { interface.addresses.join(", ") };
        let about =
            if interface.description.is_empty() { String::new() } else { format!(" ({})", interface.description) };
        writeln!(stdout, "{}{}: {}; {addresses}", safe::text(&interface.name), safe::text(&about), interface.state)?;
    }
    Ok(Status::Done)
}

/// The line to type, with this program's own path.
fn how_to_get_rights() -> String {
    let program = std::env::current_exe().map_or_else(|_| "gapwatch".to_owned(), |path| path.display().to_string());
    format!("give the program the right once (sudo setcap cap_net_raw=eip {program}), or run it with sudo")
}

/// `90s`, `5m`, `2h`, or a number of seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("“{text}” is no time; say 90s, 5m or 2h");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" | "" => number,
        "m" => number.saturating_mul(60),
        "h" => number.saturating_mul(3600),
        "d" => number.saturating_mul(86_400),
        _ => return Err(wrong()),
    };
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

type Key = (Kind, Transport, IpAddr, Option<u16>, Option<IpAddr>);

/// Keeps the table, judges, and tells.
struct Desk<'a> {
    arguments: &'a LiveArgs,
    registry: Registry,
    catalogue: Option<crate::signature::protocol::Catalogue>,
    policy: Option<(std::path::PathBuf, crate::policy::Policy)>,
    baseline: Option<crate::baseline::Baseline>,
    /// What was told of each finding.
    told: BTreeMap<Key, (Class, Confidence)>,
    counters: Counters,
    /// This host's addresses, and its sockets when the watch began: afterwards there is no right to look.
    own: (Vec<String>, Vec<Held>),
    /// What the windows that were closed had.
    before: Outside,
    closed: u64,
    /// Why the interface gave up.
    ended: Option<String>,
    color: bool,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Begin {
        schema: &'static str,
        gapwatch: &'static str,
        interface: &'a str,
        kernel_filter: bool,
    },
    Finding {
        finding: &'a Finding,
    },
    Update {
        finding: &'a Finding,
    },
    Stats {
        packets: u64,
        observed: u64,
        outside: u64,
        dropped_kernel: u64,
        dropped_interface: u64,
        not_kept: u64,
        findings: BTreeMap<&'static str, usize>,
    },
    Report {
        report: &'a Report,
    },
    End {
        packets: u64,
        dropped_kernel: u64,
        dropped_interface: u64,
        /// Why it ended, where nobody asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'a str>,
    },
}

impl<'a> Desk<'a> {
    fn new(arguments: &'a LiveArgs, registry: Registry) -> anyhow::Result<Self> {
        let catalogue = arguments.site.catalogue()?;
        let policy = arguments.site.policy(catalogue.as_ref())?;
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
            color,
        })
    }

    /// Files that SIGHUP reads again.
    fn readable(&self) -> Vec<std::path::PathBuf> {
        let files = self.arguments.site.files().into_iter().chain(self.policy.iter().map(|(path, _)| path.clone()));
        // The folder: a file that is replaced by another one of its name is another file.
        let folder = |file: std::path::PathBuf| match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => std::path::PathBuf::from("."),
        };
        files.map(folder).collect()
    }

    /// Works until the packets end. A reader that goes away ends it as well.
    fn work(
        mut self,
        mut table: FlowTable,
        mut keeper: Option<Keeper>,
        receiver: &Receiver<Message>,
        interface: &str,
    ) -> anyhow::Result<Status> {
        let ndjson = self.arguments.format == Format::Ndjson;
        let kernel_filter = !self.arguments.no_kernel_filter;
        if ndjson {
            let gapwatch = env!("CARGO_PKG_VERSION");
            event(&Event::Begin { schema: "gapwatch.events/1", gapwatch, interface, kernel_filter })?;
        }
        let bar = self.status_line();
        let mut outside = Outside::default();
        let mut opened = Instant::now();
        let (mut judged, mut cost, mut dirty) = (Instant::now(), Duration::ZERO, false);
        let (mut last_stats, mut rate) = (Instant::now(), (Instant::now(), 0));
        while let Ok(message) = receiver.recv() {
            match message {
                Message::Frames(mut batch) => {
                    dirty = true;
                    if keeper.is_some() {
                        batch.frames().for_each(|frame| table.take(&frame));
                        self.keep(&mut keeper, bar.as_ref(), |keeper| keeper.hold(batch));
                    } else {
                        batch.pour_into(&mut table);
                    }
                }
                Message::Tick(counted) => {
                    outside = *counted;
                    if self.arguments.metrics.is_some() {
                        self.count(&table, &outside);
                    }
                }
                Message::Report => {
                    let report = self.report(&mut table, &outside, interface);
                    self.show(&report, bar.as_ref())?;
                }
                Message::Reload => self.reload(bar.as_ref()),
                Message::Ended(why) => self.ended = Some(why),
            }
            if self.arguments.window.is_some_and(|window| self.window_is_over(window, &table, &outside, opened)) {
                let report = self.report(&mut table, &outside, interface);
                self.tell(&report, bar.as_ref())?;
                self.keep(&mut keeper, bar.as_ref(), |keeper| keeper.want(&report.findings));
                self.show(&report, bar.as_ref())?;
                self.closed += table.totals.frames;
                self.before = outside.clone();
                self.before.totals.last = outside.totals.last.max(table.totals.last);
                table = table.next_window();
                self.told.clear();
                (dirty, opened) = (false, Instant::now());
            }
            if dirty && judged.elapsed() >= JUDGE_EVERY.max(cost * JUDGE_SHARE) {
                let start = Instant::now();
                let report = self.report(&mut table, &outside, interface);
                self.tell(&report, bar.as_ref())?;
                self.keep(&mut keeper, bar.as_ref(), |keeper| keeper.want(&report.findings));
                (judged, cost, dirty) = (Instant::now(), start.elapsed(), false);
            }
            if ndjson && last_stats.elapsed() >= STATS_EVERY {
                last_stats = Instant::now();
                event(&self.stats(&table, &outside))?;
            }
            if let Some(bar) = &bar {
                self.refresh(bar, &table, &outside, &mut rate);
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let report = self.report(&mut table, &outside, interface);
        self.keep(&mut keeper, None, |keeper| keeper.want(&report.findings));
        if let (Some(keeper), false) = (&keeper, self.arguments.quiet) {
            eprintln!("gapwatch: {} kept behind suspicious findings", count_u64(keeper.kept, "frame"));
        }
        if ndjson {
            self.tell(&report, None)?;
        }
        self.show(&report, None)?;
        if ndjson {
            let packets = self.packets(&table, &outside);
            let (dropped_kernel, dropped_interface) = (outside.losses.kernel, outside.losses.interface);
            event(&Event::End { packets, dropped_kernel, dropped_interface, problem: self.ended.as_deref() })?;
        }
        let not_kept = self.arguments.write.is_some() && keeper.is_none();
        let lost = not_kept || outside.losses.kernel > 0 || !report.totals.beyond_bounds.is_empty();
        Ok(if lost { Status::Partial } else { Status::Done })
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
            bytes: outside.bytes.saturating_sub(self.before.bytes),
            first: table.totals.first,
            last: table.totals.last,
            notes,
            kernel_filter: Some(!self.arguments.no_kernel_filter),
        };
        let options = Options {
            show_secrets: self.arguments.show_secrets,
            catalogue: self.catalogue.as_ref().unwrap_or_else(|| pattern::built_in()),
            policy: self.policy.as_ref().map(|(_, policy)| policy),
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
            let address = held.address == finding.address || held.address.is_unspecified();
            address && held.transport == finding.transport && Some(held.port) == finding.port
        };
        let process = held.iter().filter(of).find_map(|held| held.process.as_ref())?;
        Some(Evidence {
            by: "process",
            class: Class::Custom,
            weight: Weight::NOTE,
            says: format!(
                "on this host, held by {} (pid {}) {} when the watch began",
                process.name, process.pid, process.executable
            ),
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
            match (self.arguments.format, before) {
                (Format::Ndjson, None) => event(&Event::Finding { finding })?,
                (Format::Ndjson, Some(_)) => event(&Event::Update { finding })?,
                (Format::Table, _) => {
                    let line = line_of(finding, before.is_some());
                    match bar {
                        Some(bar) => bar.suspend(|| writeln!(io::stdout().lock(), "{line}"))?,
                        None => writeln!(io::stdout().lock(), "{line}")?,
                    }
                }
                (Format::Json, _) => {}
            }
        }
        Ok(())
    }

    fn show(&self, report: &Report, bar: Option<&ProgressBar>) -> anyhow::Result<()> {
        let write = || -> io::Result<()> {
            let mut stdout = io::stdout().lock();
            match self.arguments.format {
                Format::Table => {
                    writeln!(stdout)?;
                    let (verbose, show_allowed) = (self.arguments.verbose, self.arguments.show_allowed);
                    table::write(
                        report,
                        table::Layout { width: width(), color: self.color, verbose, show_allowed },
                        &mut stdout,
                    )?;
                }
                Format::Json => json::write(report, &mut stdout)?,
                Format::Ndjson => json::write_line(&Event::Report { report }, &mut stdout)?,
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

    /// Lets the keeper work; where its disk fills, it stops, and the watch goes on.
    fn keep(
        &self,
        keeper: &mut Option<Keeper>,
        bar: Option<&ProgressBar>,
        work: impl FnOnce(&mut Keeper) -> io::Result<()>,
    ) {
        let Some(error) = keeper.as_mut().and_then(|keeper| work(keeper).err()) else { return };
        *keeper = None;
        let path = self.arguments.write.as_deref().unwrap_or(Path::new("")).display().to_string();
        let message = format!("gapwatch: {}: {error}; no more frames are kept, the watch goes on", safe::text(&path));
        match bar {
            Some(bar) => bar.suspend(|| eprintln!("{message}")),
            None => eprintln!("{message}"),
        }
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
            let catalogue = self.arguments.site.catalogue()?;
            let policy = self.arguments.site.policy(catalogue.as_ref())?;
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
        let message = safe::text(&message).into_owned();
        match bar {
            Some(bar) => bar.suspend(|| eprintln!("gapwatch: {message}")),
            // What failed is said, also where nothing else is.
            None if failed || !self.arguments.quiet => eprintln!("gapwatch: {message}"),
            None => {}
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

/// `17:03:22 SUSPICIOUS certain 10.9.0.2:817/tcp interactive shell on the server`.
fn line_of(finding: &Finding, again: bool) -> String {
    let time = finding.last_seen.map(|time| time.to_string()).unwrap_or_default();
    let time = time.get(11..19).unwrap_or("--:--:--").to_owned();
    let who = match (finding.kind, finding.port) {
        (Kind::Scanner, _) => format!("scanner {}", finding.address),
        (Kind::Client, _) => format!("client {}", finding.address),
        (_, Some(port)) => format!("{}/{}", std::net::SocketAddr::new(finding.address, port), finding.transport),
        (_, None) => finding.address.to_string(),
    };
    let update = if again { "now " } else { "" };
    format!(
        "{time} {update}{} {} {who} {}",
        finding.class.name().to_uppercase(),
        finding.confidence.name(),
        safe::text(&finding.what)
    )
}

/// One event on standard output, at once.
fn event(event: &Event<'_>) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    json::write_line(event, &mut stdout)?;
    stdout.flush()?;
    Ok(())
}
