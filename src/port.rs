//! Ports and sets of them: which (transport, port) pairs a run is about. Knows no registry and no packet.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The first port that is not well-known (RFC 6335, section 6).
pub const WELL_KNOWN_END: u16 = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub const ALL: [Transport; 2] = [Transport::Tcp, Transport::Udp];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }

    /// The number of this transport in the IP header (IANA protocol numbers).
    #[must_use]
    pub const fn protocol(self) -> u8 {
        match self {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two ports of a packet and what carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    pub transport: Transport,
    pub source: u16,
    pub destination: u16,
}

/// A set of well-known ports, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortSet([u64; 16]);

impl PortSet {
    pub const EMPTY: PortSet = PortSet([0; 16]);

    /// Ports from 1024 up are in no such set.
    #[inline]
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        port < WELL_KNOWN_END && (self.0[(port >> 6) as usize] >> (port & 63)) & 1 == 1
    }

    /// Adds a port; one from 1024 up is left out.
    pub const fn insert(&mut self, port: u16) {
        if port < WELL_KNOWN_END {
            self.0[(port >> 6) as usize] |= 1 << (port & 63);
        }
    }

    #[must_use]
    pub fn union(&self, other: &PortSet) -> PortSet {
        PortSet(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 16]
    }

    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..WELL_KNOWN_END).filter(|&port| self.contains(port))
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<T: IntoIterator<Item = u16>>(ports: T) -> Self {
        let mut set = PortSet::EMPTY;
        ports.into_iter().for_each(|port| set.insert(port));
        set
    }
}

/// Ports that are read although they are never reported as services, because another finding needs them.
pub const CONTEXT_PORTS: [(Transport, u16); 4] = [
    (Transport::Tcp, PORTMAPPER), // who was told which port (RFC 1833)
    (Transport::Udp, PORTMAPPER),
    (Transport::Tcp, 512), // rexec and rsh: which port of the client's the server connects back to (rcmd of 4.2BSD)
    (Transport::Tcp, 514),
];
const PORTMAPPER: u16 = 111;

/// Which (transport, port) pairs a run is about. The fast and the slow lane ask the same scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    targets: [PortSet; 2],
    /// Context ports that are no targets.
    context: [PortSet; 2],
    /// Both.
    watched: [PortSet; 2],
}

impl Scope {
    /// `tcp` and `udp` are the ports whose services are reported; the context ports are read as well.
    #[must_use]
    pub fn new(tcp: PortSet, udp: PortSet) -> Self {
        let context = |of, targets: &PortSet| -> PortSet {
            let ports = CONTEXT_PORTS.into_iter().filter(|(transport, _)| *transport == of).map(|(_, port)| port);
            ports.filter(|port| !targets.contains(*port)).collect()
        };
        let context = [context(Transport::Tcp, &tcp), context(Transport::Udp, &udp)];
        let watched = [tcp.union(&context[0]), udp.union(&context[1])];
        Scope { targets: [tcp, udp], context, watched }
    }

    /// Whether a packet between these ports is to be looked at.
    #[inline]
    #[must_use]
    pub fn wants(&self, ports: Ports) -> bool {
        let set = &self.watched[ports.transport as usize];
        set.contains(ports.source) || set.contains(ports.destination)
    }

    /// Whether these ports are only looked at for what they say of others.
    #[inline]
    #[must_use]
    pub fn is_context(&self, ports: Ports) -> bool {
        let set = &self.context[ports.transport as usize];
        set.contains(ports.source) || set.contains(ports.destination)
    }

    /// Whether these ports are a portmapper's: every answer of it counts.
    #[inline]
    #[must_use]
    pub fn is_portmapper(&self, ports: Ports) -> bool {
        ports.source == PORTMAPPER || ports.destination == PORTMAPPER
    }

    /// Whether a service on this port is to be reported.
    #[must_use]
    pub fn is_target(&self, transport: Transport, port: u16) -> bool {
        self.targets[transport as usize].contains(port)
    }

    #[must_use]
    pub fn targets(&self, transport: Transport) -> &PortSet {
        &self.targets[transport as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_from_1024_up() {
        let set: PortSet = [0, 63, 64, 817, 1023, 1024, 65535].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 817, 1023]);
        assert_eq!(set.len(), 5);
        assert!(!set.contains(1024) && !set.contains(65535) && !set.contains(1));
    }

    #[test]
    fn context_ports_are_watched_but_are_no_targets() {
        let scope = Scope::new([817].into_iter().collect(), PortSet::EMPTY);
        let ports = |transport, source, destination| Ports { transport, source, destination };
        assert!(scope.wants(ports(Transport::Tcp, 817, 40000)) && scope.wants(ports(Transport::Tcp, 40000, 817)));
        assert!(!scope.wants(ports(Transport::Udp, 817, 40000)));
        assert!(scope.wants(ports(Transport::Udp, 111, 40000)) && !scope.is_target(Transport::Udp, 111));
    }
}
