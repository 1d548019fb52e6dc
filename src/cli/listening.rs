//! `gapwatch listening`: this machine's own sockets on unassigned well-known ports, who holds them, and what to think of it.

use super::ports::PortArgs;
use super::site::PolicyArg;
use super::{Common, Status};
use crate::output::{json, safe};
use crate::policy::{Policy, Subject};
use crate::port::Transport;
use crate::registry::{lore, program};
use crate::signature::portmap::Binding;
use crate::source::sockets::{self, Held, Holder};
use crate::words::count;
use anyhow::bail;
use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{self, Write};

pub const SCHEMA: &str = "gapwatch.listening/1";

/// Processes of a kind that are named by number in a line.
const MAX_PIDS: usize = 4;

const EXAMPLES: &str = "\
Examples:
  gapwatch listening
  gapwatch listening -f json --fail-on unexplained
  gapwatch listening --policy site.toml";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Listening {
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    ports: PortArgs,
    /// Exit with 1 when a socket is of this opinion
    #[arg(long, value_enum, value_name = "OPINION")]
    fail_on: Option<Opinion>,
    #[command(flatten)]
    policy: PolicyArg,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// What to think of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Opinion {
    /// Nobody says what it is for
    Unexplained,
    /// Registered with this host's rpcbind
    LegacyRpc,
    /// The policy knows it
    Known,
}

#[derive(Serialize, JsonSchema)]
pub struct Report {
    schema: &'static str,
    gapwatch: &'static str,
    /// Whether an rpcbind answered on this host.
    rpcbind: bool,
    /// Network namespaces of this host that were not looked into.
    other_namespaces: Option<usize>,
    sockets: Vec<Entry>,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    #[serde(flatten)]
    held: Held,
    opinion: Opinion,
    /// Program and version, as rpcbind has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rpc: Vec<String>,
    /// The name of the service in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<String>,
    /// What is known to have lived on the port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lore: Vec<String>,
}

impl Listening {
    pub fn run(&self) -> anyhow::Result<Status> {
        let registry = self.common.registry()?;
        let scope = self.ports.scope(&registry);
        let policy = self.policy.read(None)?.map(|(_, policy)| policy);
        let held = match sockets::held() {
            Ok(held) => held,
            Err(problem) => bail!("this machine's sockets cannot be listed: {problem}"),
        };
        let registered = sockets::registered();
        let bindings = registered.as_deref().unwrap_or_default();
        let sockets: Vec<Entry> = held
            .into_iter()
            .filter(|held| scope.is_target(held.transport, held.port))
            .map(|held| entry(held, bindings, policy.as_ref()))
            .collect();
        let report = Report {
            schema: SCHEMA,
            gapwatch: env!("CARGO_PKG_VERSION"),
            rpcbind: registered.is_some(),
            other_namespaces: sockets::other_namespaces(),
            sockets,
        };
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => json::write(&report, &mut stdout)?,
            Format::Table => write(&report, &mut stdout)?,
        }
        let met = self.fail_on.is_some_and(|opinion| report.sockets.iter().any(|entry| entry.opinion == opinion));
        Ok(if met { Status::Found } else { Status::Done })
    }
}

fn entry(held: Held, bindings: &[Binding], policy: Option<&Policy>) -> Entry {
    let rpc: Vec<String> = bindings
        .iter()
        .filter(|binding| held.is_meant_by(binding, sockets::is_local))
        .map(|binding| format!("{} v{}", program::name(binding.program, binding.version), binding.version))
        .collect();
    let (servers, ports) = ([held.address], [held.port]);
    let subject = Subject { servers: &servers, transport: held.transport, ports: &ports, clients: &[] };
    let known = policy.and_then(|policy| policy.known(&subject, None)).map(|known| known.name.clone());
    let lore = lore::of(held.transport, held.port).filter(|known| known.kind != "range");
    let lore = lore.map(|known| format!("{} ({})", known.what, known.kind)).collect();
    let opinion = match (&known, rpc.is_empty()) {
        (Some(_), _) => Opinion::Known,
        (None, false) => Opinion::LegacyRpc,
        (None, true) => Opinion::Unexplained,
    };
    Entry { held, opinion, rpc, known, lore }
}

/// Processes by what they are; those alike with their numbers together.
fn holders(held: &Held) -> String {
    let mut kinds: Vec<(String, Vec<u32>)> = Vec::new();
    for process in &held.processes {
        let user = process.user.as_deref().map_or_else(String::new, |user| format!(", user {user}"));
        let unit = process.unit.as_deref().map_or_else(String::new, |unit| format!(", in {unit}"));
        let kind = format!("{} {}{user}{unit}", process.name, process.executable);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, pids)) => pids.push(process.pid),
            None => kinds.push((kind, vec![process.pid])),
        }
    }
    let mut texts: Vec<String> = kinds
        .into_iter()
        .map(|(kind, pids)| {
            let named: Vec<String> = pids.iter().take(MAX_PIDS).map(ToString::to_string).collect();
            let more =
                if pids.len() > MAX_PIDS { format!(" and {} more", pids.len() - MAX_PIDS) } else { String::new() };
            format!("{kind} (pid {}{more})", named.join(", "))
        })
        .collect();
    if held.processes_more > 0 {
        texts.push(count(held.processes_more, "more process"));
    }
    let owner =
        held.user.as_deref().filter(|owner| held.processes.iter().all(|one| one.user.as_deref() != Some(owner)));
    let owner = owner.map_or_else(String::new, |owner| format!("; the socket is of user {owner}"));
    format!("{}{owner}", texts.join(" and "))
}

fn write(report: &Report, writer: &mut impl Write) -> io::Result<()> {
    if report.sockets.is_empty() {
        writeln!(writer, "Nothing on this machine waits on an unassigned well-known port.")?;
    }
    for entry in &report.sockets {
        let Entry { held, .. } = entry;
        let place = std::net::SocketAddr::new(held.address, held.port);
        let opinion = match entry.opinion {
            Opinion::Known => format!("known by the policy: {}", entry.known.as_deref().unwrap_or_default()),
            Opinion::LegacyRpc => format!("legacy RPC, registered with rpcbind: {}", entry.rpc.join(", ")),
            Opinion::Unexplained => "unexplained".to_owned(),
        };
        writeln!(writer, "{place}/{}  {}", held.transport, safe::text(&opinion))?;
        let holder = match held.holder {
            Holder::Found => holders(held),
            Holder::Kernel => "the kernel itself, no process (NFS or lockd)".to_owned(),
            Holder::Hidden => {
                let user = held.user.as_deref().map_or_else(String::new, |user| format!(" of user {user}"));
                format!("a process{user}: hidden, run this as root, and not in a container, to see it")
            }
        };
        writeln!(writer, "    held by {}", safe::text(&holder))?;
        if !entry.lore.is_empty() {
            writeln!(writer, "    known on this port: {}", entry.lore.join("; "))?;
        }
        if held.transport == Transport::Tcp && entry.opinion == Opinion::Unexplained {
            writeln!(writer, "    `gapwatch explain {}` has the story of the port", held.port)?;
        }
    }
    let rpcbind = if report.rpcbind { "answers" } else { "does not answer" };
    writeln!(writer, "\n{}; rpcbind on this host {rpcbind}", count(report.sockets.len(), "socket"))?;
    match report.other_namespaces {
        None => writeln!(writer, "other network namespaces (containers, mostly) can be counted by root only")?,
        Some(0) => {}
        Some(others) => {
            let others = count(others, "other network namespace");
            writeln!(writer, "{others} not looked into (containers, mostly)")?;
        }
    }
    Ok(())
}
