//! Who is known to have lived on a port: hints for a person. Never a verdict.

use super::rows::{ranged, text_of};
use crate::port::Transport;

const LORE: &str = include_str!("lore.tsv");

const _: () = assert!(is_well_formed(), "src/registry/lore.tsv has a bad row");

/// One known tenant of a port or of a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lore {
    /// `range`, `legacy`, `vendor`, `unofficial` or `malware`.
    pub kind: &'static str,
    pub ports: &'static str,
    /// `tcp`, `udp` or `*`.
    pub transport: &'static str,
    pub what: &'static str,
    pub source: &'static str,
}

/// All that is known of a port, ranges first.
pub fn of(transport: Transport, port: u16) -> impl Iterator<Item = Lore> {
    all().filter(move |lore| {
        let (first, last) = lore.ports.split_once('-').unwrap_or((lore.ports, lore.ports));
        let within =
            first.parse().is_ok_and(|first: u16| first <= port) && last.parse().is_ok_and(|last: u16| port <= last);
        within && (lore.transport == "*" || lore.transport == transport.name())
    })
}

/// The whole table.
pub fn all() -> impl Iterator<Item = Lore> {
    LORE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        Lore { ports: next(), transport: next(), kind: next(), what: next(), source: next() }
    })
}

/// Whether every row reads `ports, transport, kind, what, source`.
const fn is_well_formed() -> bool {
    let text = LORE.as_bytes();
    let mut at = 0;
    while at < text.len() {
        let Some(row) = ranged(text, at) else { return false };
        if row.ports.is_some() {
            let known =
                matches!(text_of(text, row.third), b"range" | b"legacy" | b"vendor" | b"unofficial" | b"malware");
            if row.fields != 5 || !known {
                return false;
            }
        }
        at = row.end;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lore_is_found_by_port_and_transport() {
        assert!(all().count() > 70);
        assert!(of(Transport::Tcp, 817).any(|lore| lore.what.contains("dynamic RPC range")));
        assert!(of(Transport::Udp, 987).any(|lore| lore.what.contains("PlayStation")));
        assert!(!of(Transport::Tcp, 987).any(|lore| lore.what.contains("PlayStation")));
        assert_eq!(of(Transport::Tcp, 10).count(), 0);
    }
}
