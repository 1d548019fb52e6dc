//! `gapwatch live`: watches an interface. One thread takes packets from the kernel and passes on those in scope, another
//! keeps the table, judges, and tells what it finds as soon as there is enough to tell.

mod batch;
mod desk;
mod events;
mod keep;
mod metrics;
mod rights;

use super::files::Kept;
use super::outputs::Outputs;
use super::ports::PortArgs;
use super::site::Site;
use super::{Common, Status, judge_on};
use crate::error::Error;
use crate::glance::glance;
use crate::output::{pcap, safe};
use crate::source::live::{self, Live, Losses};
use crate::table::{FlowTable, MAX_FLOWS, Totals};
use anyhow::{Context as _, bail};
use batch::Batch;
use clap::Args;
use desk::Desk;
use keep::Keeper;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Batches on their way from the packets to the table; when there are as many, the kernel's buffer fills.
const WAITING: usize = 64;
/// How often clocks and signals are looked at where nothing comes.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  gapwatch live -D                                         the interfaces
  gapwatch live -i eth0                                    until Ctrl-C
  gapwatch live -i any --window 1h -f ndjson --metrics 127.0.0.1:9817
  gapwatch live -i eth0 -w kept.pcap -C 64 -W 8            the frames behind suspicious findings
  gapwatch live -i eth0 --duration 5m -o case.html not host 10.0.0.9
  
  Signals: INT and TERM end with the report, USR1 prints the report so far, HUP reads policy and signatures again.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
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
    write: Option<PathBuf>,
    /// Begin another file (FILE.1, FILE.2 …) after so many MiB; 0 for never
    #[arg(short = 'C', long, value_name = "MIB", requires = "write", default_value_t = 0)]
    file_size: u64,
    /// After so many files, write the first again
    #[arg(short = 'W', long, value_name = "N", requires = "write", default_value_t = 10)]
    file_count: u32,
    /// Serve counters for Prometheus here: 127.0.0.1:9817
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<std::net::SocketAddr>,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    ports: PortArgs,
    /// Flows with payload kept in memory, as many with RPC, and four times as many without
    #[arg(long, value_name = "N", default_value_t = NonZero::new(MAX_FLOWS).unwrap_or(NonZero::<usize>::MIN))]
    max_flows: NonZero<usize>,
    /// Show passwords that were captured
    #[arg(long)]
    show_secrets: bool,
    /// No status line and no messages on stderr
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    common: Common,
    /// A filter as tcpdump has them; joined to gapwatch's own
    #[arg(value_name = "EXPRESSION", trailing_var_arg = true)]
    expression: Vec<String>,
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
    /// The interface has another name now.
    Renamed(String),
    /// The interface gave up, and why.
    Ended(String),
}

/// What the packets' thread counts for itself.
#[derive(Clone, Default)]
struct Outside {
    totals: Totals,
    losses: Losses,
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
        let scope = self.ports.scope(&registry);
        self.outputs.check()?;
        let mut desk = Desk::new(&self, registry)?;
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
        let mut kept = Kept::default();
        self.site.keep(&mut kept);
        self.common.registry_file().iter().for_each(|path| kept.read(path, "the registry"));
        desk.open(live.kernel_filter(), &mut kept)?;
        let keeper = match &self.write {
            Some(path) => {
                let size = self.file_size << 20;
                let allowed = Box::new(move |file: &File| kept.check(file));
                let files = pcap::Files::create(path, live.link(), size, self.file_count, allowed);
                Some(Keeper::new(files.with_context(|| format!("{}: cannot be written", path.display()))?))
            }
            None => None,
        };
        let given_up = rights::give_up(&desk.readable(), &self.folders());
        // Files that are begun later must be possible with the rights that are left.
        for folder in self.folders_of_later_files() {
            rights::try_folder(&folder).with_context(|| {
                format!(
                    "{}: more files are to be begun here after all rights are given up, so it must be there and belong to the \
                     user that gapwatch runs as",
                    folder.display()
                )
            })?;
        }
        if !self.quiet {
            let filter = match (live.kernel_filter(), self.expression.is_empty()) {
                (true, _) => "kernel filter on",
                (false, true) => "no kernel filter",
                (false, false) => "your filter alone",
            };
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
        judge_on(1); // the other processors are left to who takes packets; its thread starts without rights
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
            }
            Ok(status)
        })
    }

    /// Folders in which files are written while it runs, or at its end: a report is written beside and renamed.
    fn folders(&self) -> BTreeSet<PathBuf> {
        self.write.iter().chain(&self.outputs.output).map(|path| folder_of(path)).collect()
    }

    /// Those of them in which more than the files that are open already are written.
    fn folders_of_later_files(&self) -> BTreeSet<PathBuf> {
        let rotated = self.write.iter().filter(|_| self.file_size > 0 && self.file_count > 1);
        let reports = self.outputs.output.iter().filter(|_| self.window.is_some());
        rotated.chain(reports).map(|path| folder_of(path)).collect()
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
                let counted = Outside { totals: outside.totals.clone(), losses: live.losses() };
                let _ = sender.send(Message::Tick(Box::new(counted)));
                if let Some(name) = live.renamed() {
                    let _ = sender.send(Message::Renamed(name));
                }
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
        let counted = Outside { totals: outside.totals.clone(), losses: live.losses() };
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

/// The folder that a file lies in.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
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
