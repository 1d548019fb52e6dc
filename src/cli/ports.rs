//! The flags that say which ports are looked at. Knows no packet.

use crate::port::{PortSet, Scope, Transport, WELL_KNOWN_END};
use crate::registry::Registry;
use clap::Args;

#[derive(Args, Clone, Debug)]
pub struct PortArgs {
    /// Look at these ports instead of the unassigned ones: 817, 600-1023, 817/udp, comma-separated, well-known ports only
    #[arg(long, value_name = "PORTS", value_parser = parse_ports)]
    ports: Option<Ports>,
    /// Look at the ports that IANA keeps reserved as well
    #[arg(long)]
    include_reserved: bool,
}

impl PortArgs {
    /// The ports that are looked at.
    pub fn scope(&self, registry: &Registry) -> Scope {
        match &self.ports {
            Some(Ports([tcp, udp])) => Scope::new(*tcp, *udp),
            None => registry.scope(self.include_reserved),
        }
    }
}

/// Ports per transport, in the order of [`Transport`].
#[derive(Clone, Debug)]
struct Ports([PortSet; 2]);

/// `817`, `600-1023`, `817/udp`, joined by commas.
fn parse_ports(text: &str) -> Result<Ports, String> {
    let mut sets = [PortSet::EMPTY; 2];
    for part in text.split(',').map(str::trim) {
        let (range, transports) = match part.split_once('/') {
            None => (part, &Transport::ALL[..]),
            Some((range, "tcp")) => (range, &Transport::ALL[..1]),
            Some((range, "udp")) => (range, &Transport::ALL[1..]),
            Some((_, other)) => return Err(format!("“{other}” is no transport; say tcp or udp")),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| match text.trim().parse::<u16>() {
            Ok(port) if port < WELL_KNOWN_END => Ok(port),
            Ok(port) => Err(format!("{port} is no well-known port; gapwatch looks at 0-1023")),
            Err(_) => Err(format!("“{part}” is no port; say 817, 600-1023 or 817/udp")),
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("“{part}” ends before it begins"));
        }
        for transport in transports {
            (first..=last).for_each(|port| sets[*transport as usize].insert(port));
        }
    }
    Ok(Ports(sets))
}
