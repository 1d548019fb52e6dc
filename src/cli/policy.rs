//! `gapwatch policy check`: whether a policy is sound, and what each of its entries would do to a report.

use super::{Status, site};
use crate::finding::Kind;
use crate::output::safe;
use crate::policy::{Place, Policy, Subject};
use crate::saved::SavedFinding;
use crate::words::count;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  gapwatch policy check site.toml
  gapwatch policy check site.toml case.json   what it would do to a saved report";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PolicyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read a policy, and say what each entry would do to a JSON report
    Check { file: PathBuf, report: Option<PathBuf> },
}

impl PolicyArgs {
    pub fn run(&self) -> anyhow::Result<Status> {
        let Verb::Check { file, report } = &self.verb;
        let policy = site::read_policy(file, None)?;
        let findings = match report {
            Some(path) => Some(site::read_report(path).with_context(|| format!("report {}", path.display()))?.findings),
            None => None,
        };
        io::stdout().lock().write_all(story(&policy, findings.as_deref()).as_bytes())?;
        Ok(Status::Done)
    }
}

/// One paragraph an entry.
fn story(policy: &Policy, findings: Option<&[SavedFinding]>) -> String {
    let mut text = format!(
        "{} and {}\n",
        count(policy.services.len(), "known service"),
        count(policy.allowed.len(), "allow entry")
    );
    for (known, number) in policy.services.iter().zip(1..) {
        let expects = if known.protocol.is_empty() { "anything" } else { &known.protocol };
        let owner =
            if known.owner.is_empty() { String::new() } else { format!(", owner {}", safe::text(&known.owner)) };
        let _ = writeln!(
            text,
            "\n[[service]] {number}: {}{owner}, expects {}; {}",
            safe::text(&known.name),
            safe::text(expects),
            where_and_when(&known.place)
        );
        let services = |finding: &&SavedFinding| finding.kind == Kind::Service && covers(&known.place, finding);
        list(&mut text, findings, services, |finding| {
            let holds = with_subject(finding, |subject| {
                policy.known(subject, finding.last_seen()).is_some_and(|other| std::ptr::eq(other, known))
            });
            if known.place.has_expired(finding.last_seen()) {
                return "covered, but the entry had ended".to_owned();
            }
            if !holds {
                return "covered, but an entry above holds".to_owned();
            }
            let program = finding.rpc.iter().any(|program| program.name == known.protocol);
            if program || known.protocol.is_empty() || known.protocol == finding.protocol {
                "known".to_owned()
            } else {
                let speaks = if finding.protocol.is_empty() { "something unexplained" } else { &finding.protocol };
                format!("speaks {}: would be suspicious", safe::text(speaks))
            }
        });
    }
    for (allowed, number) in policy.allowed.iter().zip(1..) {
        let ids: Vec<&str> = allowed.evidence.iter().map(String::as_str).collect();
        let _ = writeln!(
            text,
            "\n[[allow]] {number}: {}; {}; {}",
            ids.join(", "),
            safe::text(&allowed.reason),
            where_and_when(&allowed.place)
        );
        let quiets = |finding: &SavedFinding| -> Vec<String> {
            let counting = finding.evidence.iter().filter(|reason| reason.class == "suspicious" && reason.weight > 0);
            counting.map(|reason| reason.by.clone()).filter(|id| allowed.evidence.contains(id)).collect()
        };
        let touched = |finding: &&SavedFinding| covers(&allowed.place, finding) && !quiets(finding).is_empty();
        list(&mut text, findings, touched, |finding| {
            if allowed.place.has_expired(finding.last_seen()) {
                return "covered, but the entry had ended".to_owned();
            }
            format!("quiets {}", quiets(finding).join(", "))
        });
    }
    text
}

fn list(
    text: &mut String,
    findings: Option<&[SavedFinding]>,
    touched: impl Fn(&&SavedFinding) -> bool,
    effect: impl Fn(&SavedFinding) -> String,
) {
    let Some(findings) = findings else { return };
    let mut touched = findings.iter().filter(touched).peekable();
    if touched.peek().is_none() {
        let _ = writeln!(text, "    touches nothing in this report");
    }
    for finding in touched {
        let port = finding.port.map_or_else(String::new, |port| format!(" port {port}"));
        let _ = writeln!(text, "    {}{port}/{}: {}", finding.address, finding.transport, effect(finding));
    }
}

fn covers(place: &Place, finding: &SavedFinding) -> bool {
    with_subject(finding, |subject| place.covers(subject))
}

/// The finding as a policy sees it.
fn with_subject<T>(finding: &SavedFinding, then: impl FnOnce(&Subject<'_>) -> T) -> T {
    let (address, port) = ([finding.address], finding.port.into_iter().collect::<Vec<u16>>());
    let server: Vec<IpAddr> = finding.server.into_iter().collect();
    let transport = finding.transport;
    match (finding.kind, &finding.targets) {
        (Kind::Service, _) => then(&Subject { servers: &address, transport, ports: &port, clients: &finding.clients }),
        (Kind::Client, _) => then(&Subject { servers: &server, transport, ports: &port, clients: &address }),
        (Kind::Scanner, Some(targets)) => {
            then(&Subject { servers: &targets.addresses, transport, ports: &targets.ports, clients: &address })
        }
        (Kind::Scanner, None) => then(&Subject { servers: &[], transport, ports: &[], clients: &address }),
    }
}

fn where_and_when(place: &Place) -> String {
    let nets = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !place.servers.is_empty() {
        parts.push(format!("server {}", nets(&place.servers)));
    }
    if !place.clients.is_empty() {
        parts.push(format!("client {}", nets(&place.clients)));
    }
    let port = |(first, last): &(u16, u16)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    if !place.ports.is_empty() {
        parts.push(format!("port {}", place.ports.iter().map(port).collect::<Vec<_>>().join(", ")));
    }
    parts.extend(place.transport.map(|transport| transport.to_string()));
    parts.extend(place.expires.as_ref().map(|(day, _)| format!("until {day}")));
    parts.join(", ")
}
