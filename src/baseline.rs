//! An earlier report, and what is new since then: services, clients, protocols, scanners. Reads plain data; opens no file.

use crate::finding::{Finding, Kind};
use crate::port::Transport;
use crate::saved::{SCHEMA, Saved};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Key = (Kind, Transport, IpAddr, Option<u16>, Option<IpAddr>, Option<(String, u32)>);

/// What was there before.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    known: BTreeMap<Key, Before>,
    /// Names of findings that were told together, by kind.
    folded: BTreeSet<(Kind, String)>,
    /// Kinds, transports and classes of which not all were named: one of these may have been there.
    unnamed: BTreeSet<(Kind, Transport, String)>,
}

#[derive(Clone, Debug, Default)]
struct Before {
    protocol: String,
    clients: BTreeSet<IpAddr>,
    /// Its list of clients was cut: who is not in it may have been there.
    cut: bool,
}

/// New clients that are named.
const MAX_NAMED: usize = 8;

impl Baseline {
    /// From a report of this program; of another version's schema nothing is taken.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of(saved: Saved) -> Result<Self, String> {
        if saved.schema != SCHEMA {
            return Err(format!("it is a {}, not a {}", saved.schema, SCHEMA));
        }
        let known = saved.findings.into_iter().map(|finding| {
            let tunnel = finding.tunnel.map(|tunnel| (tunnel.kind, tunnel.network));
            let key = (finding.kind, finding.transport, finding.address, finding.port, finding.server, tunnel);
            let cut = finding.clients_total > finding.clients.len();
            (key, Before { protocol: finding.protocol, clients: finding.clients.into_iter().collect(), cut })
        });
        let (mut folded, mut unnamed) = (BTreeSet::new(), BTreeSet::new());
        for line in saved.folded {
            if line.names.len() < line.findings {
                unnamed.insert((line.kind, line.transport, line.class));
            }
            folded.extend(line.names.into_iter().map(|name| (line.kind, name)));
        }
        Ok(Baseline { known: known.collect(), folded, unnamed })
    }

    /// What is new about a finding, in words; empty where nothing is.
    #[must_use]
    pub fn news(&self, finding: &Finding) -> Vec<String> {
        let tunnel = finding.tunnel.as_ref().map(|tunnel| (tunnel.kind.to_owned(), tunnel.network));
        let key = (finding.kind, finding.transport, finding.address, finding.port, finding.server, tunnel);
        let Some(before) = self.known.get(&key) else {
            if self.folded.contains(&(finding.kind, finding.name()))
                || self.unnamed.contains(&(finding.kind, finding.transport, finding.class.name().to_owned()))
            {
                return Vec::new();
            }
            let kind = match finding.kind {
                Kind::Service => "service",
                Kind::Scanner => "scanner",
                Kind::Client => "client",
            };
            return vec![kind.to_owned()];
        };
        let mut news = Vec::new();
        if finding.protocol != before.protocol && !finding.protocol.is_empty() {
            let before = if before.protocol.is_empty() { "nothing known" } else { &before.protocol };
            news.push(format!("protocol {} (it was {before})", finding.protocol));
        }
        let clients: Vec<String> = finding
            .clients
            .iter()
            .filter(|client| !before.cut && !before.clients.contains(client))
            .map(ToString::to_string)
            .collect();
        if !clients.is_empty() && finding.kind == Kind::Service {
            let more = clients.len().saturating_sub(MAX_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            news.push(format!("clients {}{more}", clients[..clients.len().min(MAX_NAMED)].join(", ")));
        }
        news
    }
}
