//! How a policy is written: TOML with `[[service]]` and `[[allow]]`, each entry checked. Reads text that it is given; opens no
//! file, and applies nothing.

use super::{Allowed, Known, Place, Policy};
use crate::frame::Timestamp;
use crate::port::Transport;
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::IpAddr;
use thiserror::Error;

/// What is wrong with a policy: which entry, and why.
#[derive(Debug, Error)]
pub enum BadPolicy {
    #[error("line {line} is no TOML as a policy is written: {reason}")]
    Text { line: usize, reason: String },
    #[error("[[{table}]] {number}: {reason}")]
    Entry { table: &'static str, number: usize, reason: String },
}

impl Policy {
    /// # Errors
    /// The text is no TOML, or an entry does not say what it must.
    pub fn read(text: &str) -> Result<Self, BadPolicy> {
        let file: File = toml::from_str(text).map_err(|error| {
            let (line, reason) = crate::words::toml_fault(text, &error);
            BadPolicy::Text { line, reason }
        })?;
        let bad = |table, number| move |reason| BadPolicy::Entry { table, number, reason };
        let services =
            file.service.into_iter().zip(1..).map(|(entry, number)| entry.known().map_err(bad("service", number)));
        let allowed =
            file.allow.into_iter().zip(1..).map(|(entry, number)| entry.allowed().map_err(bad("allow", number)));
        Ok(Policy { services: services.collect::<Result<_, _>>()?, allowed: allowed.collect::<Result<_, _>>()? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    service: Vec<ServiceEntry>,
    #[serde(default)]
    allow: Vec<AllowEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceEntry {
    name: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    protocol: String,
    server: Option<Several<String>>,
    client: Option<Several<String>>,
    transport: Option<String>,
    port: Option<Several<PortEntry>>,
    expires: Option<toml::value::Datetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowEntry {
    reason: String,
    evidence: Several<String>,
    server: Option<Several<String>>,
    client: Option<Several<String>>,
    transport: Option<String>,
    port: Option<Several<PortEntry>>,
    expires: Option<toml::value::Datetime>,
}

/// One value, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Several<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Several<T> {
    fn list(self) -> Vec<T> {
        match self {
            Several::One(value) => vec![value],
            Several::Many(values) => values,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PortEntry {
    Number(u16),
    Range(String),
}

impl ServiceEntry {
    fn known(self) -> Result<Known, String> {
        let place = place(self.server, self.client, self.transport.as_deref(), self.port, self.expires)?;
        if self.name.trim().is_empty() {
            return Err("`name` says nothing".to_owned());
        }
        if place.ports.is_empty() {
            return Err("`port` is missing: a service is known by its port".to_owned());
        }
        Ok(Known { name: self.name, owner: self.owner, protocol: self.protocol, place })
    }
}

impl AllowEntry {
    fn allowed(self) -> Result<Allowed, String> {
        let place = place(self.server, self.client, self.transport.as_deref(), self.port, self.expires)?;
        let evidence: BTreeSet<String> = self.evidence.list().into_iter().collect();
        if self.reason.trim().is_empty() {
            return Err("`reason` says nothing: who reads the report wants to know why".to_owned());
        }
        if evidence.is_empty() {
            return Err("`evidence` names nothing; `gapwatch explain all` lists the ids".to_owned());
        }
        if place.servers.is_empty() && place.clients.is_empty() && place.ports.is_empty() {
            return Err("no `server`, `client` or `port`: it would allow this everywhere".to_owned());
        }
        Ok(Allowed { reason: self.reason, evidence, place })
    }
}

fn place(
    servers: Option<Several<String>>,
    clients: Option<Several<String>>,
    transport: Option<&str>,
    ports: Option<Several<PortEntry>>,
    expires: Option<toml::value::Datetime>,
) -> Result<Place, String> {
    let transport = match transport {
        None => None,
        Some("tcp") => Some(Transport::Tcp),
        Some("udp") => Some(Transport::Udp),
        Some(other) => return Err(format!("“{other}” is no transport; say tcp or udp")),
    };
    let ports =
        ports.map(Several::list).unwrap_or_default().into_iter().map(PortEntry::range).collect::<Result<_, _>>()?;
    Ok(Place {
        servers: nets(servers)?,
        clients: nets(clients)?,
        transport,
        ports,
        expires: expires.map(day).transpose()?,
    })
}

fn nets(entries: Option<Several<String>>) -> Result<Vec<IpNet>, String> {
    let net = |text: String| {
        let host = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        host.or_else(|_| text.parse::<IpNet>())
            .map_err(|_| format!("“{text}” is no address and no network in CIDR notation"))
    };
    entries.map(Several::list).unwrap_or_default().into_iter().map(net).collect()
}

impl PortEntry {
    fn range(self) -> Result<(u16, u16), String> {
        match self {
            PortEntry::Number(port) => Ok((port, port)),
            PortEntry::Range(text) => {
                let (first, last) = text.split_once('-').unwrap_or((&text, &text));
                let range = first.trim().parse().ok().zip(last.trim().parse().ok());
                range
                    .filter(|(first, last): &(u16, u16)| first <= last)
                    .ok_or_else(|| format!("“{text}” is no port and no range of ports; say 817 or \"811-827\""))
            }
        }
    }
}

/// The first nanosecond of the day, in UTC.
fn day(date: toml::value::Datetime) -> Result<(String, Timestamp), String> {
    let wrong = || "`expires` is a day, as 2027-01-31".to_owned();
    let (Some(date), None) = (date.date, date.time) else { return Err(wrong()) };
    let text = format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
    let time: jiff::Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| wrong())?;
    let nanoseconds = u64::try_from(time.as_nanosecond()).map_err(|_| wrong())?;
    Ok((text, Timestamp(nanoseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_entries_are_named() {
        let error = |text: &str| Policy::read(text).expect_err("it is bad").to_string();
        assert!(error("[[service]]\nname = \"a\"\n").contains("[[service]] 1: `port` is missing"));
        assert!(error("[[service]]\nname = \"a\"\nport = \"9-1\"\n").contains("“9-1”"));
        assert!(error("[[service]]\nname = \"a\"\nport = 1\nserver = \"x\"\n").contains("“x”"));
        assert!(error("[[allow]]\nreason = \"a\"\nevidence = \"b\"\n").contains("everywhere"));
        assert!(error("[[allow]]\nreason = \"a\"\nevidence = []\nport = 1\n").contains("names nothing"));
        assert!(error("[[service]]\nname = \"a\"\nport = 1\nexpires = 2027-01-01T00:00:00Z\n").contains("expires"));
        assert!(error("[[services]]\n").contains("services"));
    }
}
