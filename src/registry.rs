//! The facts: whose port it is, what an RPC program is called, who is known to have lived on a port.
//! Tables are embedded as text and read at compile time: a bad row fails the build. Knows no packet.

#[cfg(feature = "cli")]
pub mod import;
pub mod lore;
pub mod program;
mod rows;

use crate::port::{PortSet, Scope, Transport, WELL_KNOWN_END};
pub use rows::BadRow;
use rows::{ranged, text_of};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

const PORTS: &str = include_str!("registry/ports.tsv");

static BUILT_IN: Table = match Table::read(PORTS.as_bytes()) {
    Ok(table) => table,
    // Evaluated by the compiler: a bad row fails the build.
    Err(_) => panic!("src/registry/ports.tsv has a bad row"),
};

/// What IANA says of a (transport, port) pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Assigned,
    /// Nobody holds it.
    Unassigned,
    /// Set aside by IANA; not to be had by ordinary application (RFC 6335, section 6), so not unassigned.
    Reserved,
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Status::Assigned => "assigned",
            Status::Unassigned => "unassigned",
            Status::Reserved => "reserved",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One row of the table, as it concerns a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Entry<'a> {
    pub status: Status,
    /// How the registry says so: `named`, `private`, `explicit`, `de-registered`, `removed`, `absent`, `remark`, `reserved`.
    pub kind: &'a str,
    /// Service names, the main one first, separated by `|`.
    pub names: &'a str,
    pub description: &'a str,
    /// The date of registration or of the last change, where IANA gives one.
    pub since: &'a str,
    pub remark: &'a str,
}

impl<'a> Entry<'a> {
    /// The main service name; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.names.split('|').next().unwrap_or_default()
    }
}

/// The registry of the 1,024 well-known ports per transport, with its date.
#[derive(Clone, Debug)]
pub struct Registry {
    text: Cow<'static, str>,
    table: Cow<'static, Table>,
}

impl Default for Registry {
    fn default() -> Self {
        Registry::built_in()
    }
}

impl Registry {
    /// The table this program was built with.
    #[must_use]
    pub fn built_in() -> Self {
        Registry { text: Cow::Borrowed(PORTS), table: Cow::Borrowed(&BUILT_IN) }
    }

    /// A table as [`Registry::text`] gives it.
    ///
    /// # Errors
    /// Says the line that cannot be read, or which pair has no row.
    pub fn read(text: String) -> Result<Self, BadRow> {
        let table = Table::read(text.as_bytes())?;
        Ok(Registry { text: Cow::Owned(text), table: Cow::Owned(table) })
    }

    /// The table in its own format: tab-separated rows under comment lines.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The newest registration or change that the table knows of (yyyy-mm-dd).
    #[must_use]
    pub fn date(&self) -> &str {
        self.text.lines().find_map(|line| line.strip_prefix("# date\t")).unwrap_or_default()
    }

    /// `None` for a port from 1024 up.
    #[must_use]
    pub fn status(&self, transport: Transport, port: u16) -> Option<Status> {
        self.table.status[transport as usize].get(usize::from(port)).copied()
    }

    /// `None` for a port from 1024 up.
    #[must_use]
    pub fn entry(&self, transport: Transport, port: u16) -> Option<Entry<'_>> {
        let status = self.status(transport, port)?;
        let start = self.table.line[transport as usize][usize::from(port)] as usize;
        let line = self.text[start..].lines().next().unwrap_or_default();
        let mut fields = line.split('\t').skip(3);
        let mut next = || fields.next().unwrap_or_default();
        Some(Entry { status, kind: next(), names: next(), description: next(), since: next(), remark: next() })
    }

    /// The service name of an assigned port; empty otherwise.
    #[must_use]
    pub fn name(&self, transport: Transport, port: u16) -> &str {
        self.entry(transport, port).map_or("", |entry| entry.name())
    }

    /// The run of neighbouring ports of the same status around `port`, ends included.
    #[must_use]
    pub fn run(&self, transport: Transport, port: u16) -> (u16, u16) {
        let same = |other: &u16| self.status(transport, *other) == self.status(transport, port);
        let first = (0..=port).rev().take_while(same).last().unwrap_or(port);
        let last = (port..WELL_KNOWN_END).take_while(same).last().unwrap_or(port);
        (first, last)
    }

    /// All ports of one status.
    #[must_use]
    pub fn ports(&self, transport: Transport, status: Status) -> PortSet {
        (0..WELL_KNOWN_END).filter(|&port| self.status(transport, port) == Some(status)).collect()
    }

    /// The number of unassigned (port, transport) pairs: 571 in the built-in table.
    #[must_use]
    pub fn unassigned(&self) -> usize {
        Transport::ALL.iter().map(|&transport| self.ports(transport, Status::Unassigned).len()).sum()
    }

    /// What a run is about by default: the unassigned ports, and the reserved ones where they were asked for.
    #[must_use]
    pub fn scope(&self, include_reserved: bool) -> Scope {
        let set = |transport| {
            let unassigned = self.ports(transport, Status::Unassigned);
            if include_reserved { unassigned.union(&self.ports(transport, Status::Reserved)) } else { unassigned }
        };
        Scope::new(set(Transport::Tcp), set(Transport::Udp))
    }
}

/// Status and line offset of every pair; made at compile time for the built-in table.
#[derive(Clone, Debug)]
struct Table {
    status: [[Status; 1024]; 2],
    line: [[u32; 1024]; 2],
}

impl Table {
    /// Reads rows `ports, transport (tcp, udp, *), status, kind, names, description, since, remark`; every pair
    /// must have exactly one.
    const fn read(text: &[u8]) -> Result<Table, BadRow> {
        let mut table = Table { status: [[Status::Reserved; 1024]; 2], line: [[u32::MAX; 1024]; 2] };
        let mut at = 0;
        while at < text.len() {
            let Some(row) = ranged(text, at) else { return Err(BadRow { byte: at }) };
            if let Some((first, last)) = row.ports {
                if row.fields != 8 || last >= WELL_KNOWN_END {
                    return Err(BadRow { byte: at });
                }
                let status = match text_of(text, row.third) {
                    b"assigned" => Status::Assigned,
                    b"unassigned" => Status::Unassigned,
                    b"reserved" => Status::Reserved,
                    _ => return Err(BadRow { byte: at }),
                };
                let mut port = first as usize;
                while port <= last as usize {
                    let mut transport = 0;
                    while transport < 2 {
                        if row.transports[transport] {
                            if table.line[transport][port] != u32::MAX {
                                return Err(BadRow { byte: at });
                            }
                            table.status[transport][port] = status;
                            #[allow(clippy::cast_possible_truncation)] // the text is far under 4 GiB
                            {
                                table.line[transport][port] = at as u32;
                            }
                        }
                        transport += 1;
                    }
                    port += 1;
                }
            }
            at = row.end;
        }
        let mut port = 0;
        while port < 1024 {
            if table.line[0][port] == u32::MAX || table.line[1][port] == u32::MAX {
                return Err(BadRow { byte: text.len() });
            }
            port += 1;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_has_the_registry_s_counts() {
        let registry = Registry::built_in();
        let count = |transport, status| registry.ports(transport, status).len();
        assert_eq!(registry.unassigned(), 571);
        assert_eq!((count(Transport::Tcp, Status::Unassigned), count(Transport::Udp, Status::Unassigned)), (286, 285));
        assert_eq!((count(Transport::Tcp, Status::Reserved), count(Transport::Udp, Status::Reserved)), (49, 54));
        assert_eq!(registry.date(), "2026-02-13");
    }

    #[test]
    fn status_is_per_transport_and_reserved_is_not_unassigned() {
        let registry = Registry::built_in();
        assert_eq!(registry.status(Transport::Udp, 716), Some(Status::Assigned));
        assert_eq!(registry.status(Transport::Tcp, 716), Some(Status::Unassigned));
        assert_eq!(registry.status(Transport::Tcp, 1015), Some(Status::Reserved));
        assert!(!registry.scope(false).is_target(Transport::Tcp, 1015));
        assert!(registry.scope(true).is_target(Transport::Tcp, 1015));
        assert_eq!(registry.status(Transport::Tcp, 1024), None);
    }

    #[test]
    fn the_gap_around_817_is_811_to_827() {
        let registry = Registry::built_in();
        assert_eq!(registry.run(Transport::Tcp, 817), (811, 827));
        assert_eq!(registry.name(Transport::Tcp, 514), "shell");
        assert_eq!(registry.name(Transport::Udp, 514), "syslog");
    }

    #[test]
    fn a_bad_row_is_refused_with_its_place() {
        let broken = PORTS.replace("817", "8l7").replace("811-827", "811-82x");
        let error = Registry::read(broken).expect_err("a port that is no number");
        assert!(error.to_string().contains("byte"), "{error}");
        let missing: String =
            PORTS.lines().filter(|line| !line.starts_with("80\t")).map(|l| format!("{l}\n")).collect();
        assert!(Registry::read(missing).is_err(), "port 80 has no row");
    }
}
