//! The command line: what was typed, what it means, and the exit status. One file a verb.

mod carve;
mod explain;
mod files;
mod generate;
mod listening;
#[cfg(all(feature = "live", unix))]
mod live;
mod outputs;
mod policy;
mod ports;
mod progress;
mod read;
mod registry;
mod site;

use crate::registry::Registry;
use anyhow::Context as _;
use clap::{Args, ColorChoice, CommandFactory, Parser, Subcommand};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// How a run ended, as the exit status tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Done, whatever was found.
    Done = 0,
    /// `--fail-on` was met.
    Found = 1,
    /// Usage or configuration.
    Usage = 2,
    /// No input could be read at all.
    NoInput = 3,
    /// The report is given, and something was cut, corrupt or lost.
    Partial = 4,
    /// No right to capture.
    #[cfg(all(feature = "live", unix))]
    NoPermission = 5,
}

impl Status {
    /// Of a run that ended with a report: whether `--fail-on` was met, and whether something was lost.
    const fn of(met: bool, partial: bool) -> Self {
        match (met, partial) {
            (true, _) => Status::Found,
            (false, true) => Status::Partial,
            (false, false) => Status::Done,
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  gapwatch incident.pcap                what talks on unassigned well-known ports
  gapwatch incident.pcap -o case.html   the same as a page for the case file
  gapwatch carve incident.pcap -w shell.pcapng --class suspicious
                                        the frames behind the findings, for Wireshark
  gapwatch -v /captures                 every capture in a folder, every reason with its frames
  zcat old.pcap.gz | gapwatch -f json -   from a pipe, as JSON
  gapwatch live -i eth0                 watch an interface until Ctrl-C
  gapwatch listening                    what this machine itself serves there
  gapwatch explain 817                  the story of a port
  gapwatch --policy site.toml --baseline old.json new.pcap
                                        with the site's own word, and what is new since the last report

Exit status: 0 done, whatever was found · 1 --fail-on met · 2 usage or configuration · 3 no input could be read ·
4 partial: the report is given, and something was cut, corrupt or lost · 5 no permission to capture. A closed pipe is 0.";

/// Says what is really talking on the well-known ports that IANA never assigned: legacy RPC, something custom, or
/// something that hides - and why.
#[derive(Debug, Parser)]
#[command(name = "gapwatch", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    read: read::Read,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read captures and report (the same as naming them without a verb)
    #[command(after_help = read::EXAMPLES)]
    Read(Box<read::Read>),
    /// Watch an interface, tell findings as they come, and report at the end
    #[cfg(all(feature = "live", unix))]
    Live(Box<live::LiveArgs>),
    /// The frames behind findings, as they were, in a pcapng file with a comment on each
    Carve(Box<carve::Carve>),
    /// This machine's own sockets on unassigned well-known ports, with process and user
    Listening(Box<listening::Listening>),
    /// What a port, an RPC program, a signature or a rule means
    Explain(explain::Explain),
    /// Whether a policy is sound, and what it would do to a report
    Policy(policy::PolicyArgs),
    /// The port registry as gapwatch sees it; refresh it from IANA's CSV
    Registry(registry::RegistryArgs),
    /// Completions, manual pages, and the schemas of what gapwatch writes
    Generate(generate::Generate),
}

/// What all verbs take.
#[derive(Args, Clone, Debug)]
struct Common {
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    /// Port registry to use: a table made by `gapwatch registry import`, or `built-in`
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
}

impl Common {
    /// Colour on standard output: as asked for, or on a terminal unless `NO_COLOR` is set (<https://no-color.org>).
    fn color(&self) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
                io::stdout().is_terminal() && !refused && !dumb
            }
        }
    }

    /// The file of the registry named, or of the one imported earlier; `None` where the built-in one is used.
    fn registry_file(&self) -> Option<PathBuf> {
        match &self.registry {
            Some(path) if path.as_os_str() == "built-in" => None,
            Some(path) => Some(path.clone()),
            None => registry::imported_path().filter(|path| path.exists()),
        }
    }

    /// The registry named, the one imported earlier, or the built-in one.
    fn registry(&self) -> anyhow::Result<Registry> {
        let Some(path) = self.registry_file() else { return Ok(Registry::built_in()) };
        let text = std::fs::read_to_string(&path).with_context(|| format!("registry {}", path.display()))?;
        Registry::read(text).with_context(|| {
            format!(
                "registry {}: not a table of gapwatch's; make one with `gapwatch registry import CSV`",
                path.display()
            )
        })
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let status = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => {
            // Help and version are no errors; a closed pipe while printing them is none either.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(Status::Usage as u8) } else { ExitCode::SUCCESS };
        }
    };
    match status {
        Ok(status) => ExitCode::from(status as u8),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gapwatch: {}", crate::output::safe::text(&format!("{error:#}")));
            // A report that could not be written whole was lost on the way; anything else was asked for wrongly.
            ExitCode::from(if is_full_disk(&error) { Status::Partial } else { Status::Usage } as u8)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Status> {
    match cli.verb {
        Some(Verb::Read(read)) => read.run(),
        #[cfg(all(feature = "live", unix))]
        Some(Verb::Live(live)) => live.run(),
        Some(Verb::Carve(carve)) => carve.run(),
        Some(Verb::Listening(listening)) => listening.run(),
        Some(Verb::Explain(explain)) => explain.run(),
        Some(Verb::Policy(policy)) => policy.run(),
        Some(Verb::Registry(registry)) => registry.run(),
        Some(Verb::Generate(generate)) => generate.run(),
        None if cli.read.names_nothing() => {
            Cli::command().print_help()?;
            Ok(Status::Usage)
        }
        None => cli.read.run(),
    }
}

/// Says on how many threads findings are judged: once, before the first are.
fn judge_on(threads: usize) {
    drop(rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()); // fails where it was said already
}

/// What was typed, as it could be typed again.
fn command_line() -> String {
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./:,=+@%".contains(c));
    let words = std::env::args_os().skip(1).map(|word| {
        let word = word.to_string_lossy();
        if plain(&word) { word.into_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    std::iter::once("gapwatch".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    has_kind(error, &[io::ErrorKind::BrokenPipe])
}

fn is_full_disk(error: &anyhow::Error) -> bool {
    has_kind(error, &[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge])
}

fn has_kind(error: &anyhow::Error, kinds: &[io::ErrorKind]) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| kinds.contains(&error.kind())))
}
