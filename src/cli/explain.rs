//! `gapwatch explain`: the story of a port, an RPC program, a signature or a rule. All of it from the tables.

use super::{Common, Status};
use crate::class::Class;
use crate::port::{Transport, WELL_KNOWN_END};
use crate::registry::{Entry, Registry, Status as PortStatus, lore, program};
use crate::signature::pattern;
use crate::{rule, signature};
use anyhow::bail;
use clap::Args;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// The range in which servers and clients without a fixed port are given one (glibc, libtirpc, xnu: `bindresvport`).
const DYNAMIC_RPC: std::ops::RangeInclusive<u16> = 600..=1023;

const EXAMPLES: &str = "\
Examples:
  gapwatch explain 817
  gapwatch explain 817/udp
  gapwatch explain 200100000                  an RPC program
  gapwatch explain shell.prompt               an id from a report
  gapwatch explain all";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// A port (817, 817/udp), an RPC program (100004), or an id from a report (rpc.verified); `all` lists the ids
    #[arg(value_name = "WHAT")]
    what: String,
    #[command(flatten)]
    common: Common,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Status> {
        let registry = self.common.registry()?;
        let (number, transport) = match self.what.split_once('/') {
            None => (self.what.as_str(), None),
            Some((number, "tcp")) => (number, Some(Transport::Tcp)),
            Some((number, "udp")) => (number, Some(Transport::Udp)),
            Some(_) => bail!("“{}”: say a port as 817, 817/tcp or 817/udp", self.what),
        };
        let text = match number.parse::<u32>() {
            Ok(number) => match u16::try_from(number) {
                Ok(port) => port_story(port, transport, &registry),
                Err(_) => program_story(number)?,
            },
            Err(_) => id_story(&self.what)?,
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(Status::Done)
    }
}

fn port_story(port: u16, only: Option<Transport>, registry: &Registry) -> String {
    let mut text = String::new();
    let shown: Vec<Transport> =
        Transport::ALL.into_iter().filter(|transport| only.is_none_or(|only| only == *transport)).collect();
    let name = only.map_or_else(|| port.to_string(), |transport| format!("{port}/{transport}"));
    let _ = writeln!(text, "Port {name}\n");
    if port >= WELL_KNOWN_END {
        let _ = writeln!(text, "Not a well-known port: gapwatch looks at 0-1023. Anybody may bind it.");
        return text;
    }
    let _ = writeln!(text, "Registry (IANA, as of {})", registry.date());
    let mut unassigned = false;
    for &transport in &shown {
        let Some(entry) = registry.entry(transport, port) else { continue };
        unassigned |= entry.status == PortStatus::Unassigned;
        let _ = writeln!(text, "  {port}/{transport}: {}", status_story(&entry));
        if entry.status != PortStatus::Assigned {
            let (first, last) = registry.run(transport, port);
            let run = if first == last {
                "alone between its neighbours".to_owned()
            } else {
                format!("in the gap {first}-{last}")
            };
            let _ = writeln!(text, "    {run}");
        }
        if !entry.remark.is_empty() {
            let _ = writeln!(text, "    IANA notes: {}", entry.remark);
        }
    }
    tenants(&mut text, port, &shown);
    let _ = writeln!(text, "\nWho may bind it");
    let _ = writeln!(
        text,
        "  UNIX and Linux: root, or CAP_NET_BIND_SERVICE; anybody from net.ipv4.ip_unprivileged_port_start up"
    );
    let _ = writeln!(
        text,
        "  (1024 by default, 0 inside most containers). macOS since 10.14 lets any user bind it on all addresses;"
    );
    let _ = writeln!(text, "  Windows has no such rule. So a service here is no proof of root.");
    if unassigned {
        let _ = writeln!(text, "\nWhat to suspect now");
        let _ = writeln!(text, "  Nothing standard lives here. What talks on it is");
        if DYNAMIC_RPC.contains(&port) {
            let _ =
                writeln!(text, "  - an RPC service that took a port of the dynamic RPC range: ask `rpcinfo -p HOST`;");
            let _ = writeln!(text, "  - the source port of an NFS, RPC or rsh client: then look at what it talks to;");
        }
        let _ = writeln!(text, "  - somebody's own application, or a known one that was moved here;");
        let _ = writeln!(text, "  - or something that hides where nobody looks.");
    }
    checks(&mut text, port);
    text
}

fn status_story(entry: &Entry<'_>) -> String {
    let since = if entry.since.is_empty() { String::new() } else { format!(", {}", entry.since) };
    match (entry.status, entry.kind) {
        (PortStatus::Assigned, "private") => format!("assigned to private use without a name{since}"),
        (PortStatus::Assigned, _) => {
            format!("assigned to {} ({}){since}", entry.names.replace('|', ", "), entry.description)
        }
        (PortStatus::Reserved, _) => format!("reserved: set aside by IANA, not to be had{since}"),
        (PortStatus::Unassigned, "de-registered" | "removed") => format!("unassigned: given back{since}"),
        (PortStatus::Unassigned, "absent") => "unassigned: the registry has no row for it".to_owned(),
        (PortStatus::Unassigned, _) => format!("unassigned: nobody holds it{since}"),
    }
}

fn tenants(text: &mut String, port: u16, shown: &[Transport]) {
    let mut lines: Vec<String> = Vec::new();
    for &transport in shown {
        for known in lore::of(transport, port) {
            let place = if known.transport == "*" {
                known.ports.to_owned()
            } else {
                format!("{}/{}", known.ports, known.transport)
            };
            let line = format!("  {place}: {} [{}; {}]", known.what, known.kind, known.source);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "\nKnown to have lived here (hints, not proof)\n{}", lines.join("\n"));
    }
}

fn checks(text: &mut String, port: u16) {
    let _ = writeln!(text, "\nWhat listens here now");
    let _ = writeln!(text, "  Linux    ss -tulpn 'sport = :{port}'");
    let _ = writeln!(text, "  macOS    sudo lsof -nP -i :{port}");
    let _ = writeln!(text, "  Windows  netstat -ano | findstr :{port}");
}

fn program_story(number: u32) -> anyhow::Result<String> {
    let rows: Vec<program::Program> = program::all().filter(|row| row.number == number).collect();
    let Some(first) = rows.first() else {
        bail!("{number} is no port, and {} is not in the table of RPC programs", program::name(number, 0));
    };
    let mut text = format!("RPC program {number} (0x{number:08x}): {}, family {}\n", first.name, first.family);
    for row in &rows {
        let version = row.version.map_or_else(|| "any version".to_owned(), |version| format!("version {version}"));
        let procedures: Vec<String> = row.procedures().map(|(number, name)| format!("{number} {name}")).collect();
        let _ = writeln!(
            text,
            "  {version}: {}",
            if procedures.is_empty() { "procedures not known".to_owned() } else { procedures.join(", ") }
        );
    }
    Ok(text)
}

fn id_story(id: &str) -> anyhow::Result<String> {
    if id == "all" {
        let signatures = signature::ALL.iter().map(|signature| signature.id);
        let protocols = pattern::built_in().protocols().iter().map(|protocol| protocol.label.id);
        let mut ids: Vec<&str> = signatures.chain(protocols).chain(rule::ALL.iter().map(|rule| rule.id)).collect();
        ids.sort_unstable();
        return Ok(ids.join("\n") + "\n");
    }
    if let Some(signature) = signature::ALL.iter().find(|signature| signature.id == id) {
        let attack = signature.attack.map_or_else(String::new, |attack| format!("\nMITRE ATT&CK: {attack}"));
        return Ok(format!(
            "Signature {id}: speaks for {}, weight {}\n\n{}{attack}\n",
            signature.class, signature.weight.0, signature.about
        ));
    }
    if let Some(protocol) = pattern::built_in().protocols().iter().find(|protocol| protocol.label.id == id) {
        let label = protocol.label;
        let attack = label.attack.map_or_else(String::new, |attack| format!("\nMITRE ATT&CK: {attack}"));
        return Ok(format!(
            "Signature {id}: protocol {}, speaks for {}, weight {} ({} where both sides bear it out)\n\n{}{attack}\n",
            label.protocol,
            label.class,
            label.weight.0,
            if label.class == Class::Custom { 100 } else { label.weight.0 },
            protocol.about
        ));
    }
    if let Some(rule) = rule::ALL.iter().find(|rule| rule.id == id) {
        let attack = rule.attack.map_or_else(String::new, |attack| format!("\nMITRE ATT&CK: {attack}"));
        return Ok(format!("Rule {id}\n\n{}{attack}\n", rule.about));
    }
    bail!("“{id}” is no port, no RPC program and no id of a signature or rule; `gapwatch explain all` lists the ids")
}
