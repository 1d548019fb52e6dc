//! Clients that send from a reserved source port (bindresvport, rresvport): the port is the client's, not a service.

use super::About;
use super::Context;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Service, first_frames};
use std::collections::BTreeSet;

pub const ABOUT: About = About {
    id: "reserved-client",
    about: "A client sends from an unassigned well-known port because its server trusts such ports: NFS, RPC and rsh clients bind one \
of 512-1023 (bindresvport). The port says nothing; what it talks to does.",
    attack: None,
};

/// Source ports named in the evidence.
const MAX_PORTS: usize = 8;

pub fn evidence(service: &Service, flows: &[Conversation], context: Context<'_>) -> Option<Evidence> {
    let ports: BTreeSet<u16> = flows.iter().map(|flow| flow.client().port).collect();
    let named: Vec<String> = ports.iter().take(MAX_PORTS).map(u16::to_string).collect();
    let more = if ports.len() > MAX_PORTS { format!(" and {} more", ports.len() - MAX_PORTS) } else { String::new() };
    let name = context.registry.name(service.transport, service.end.port);
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    let basis = flows.iter().map(|flow| flow.basis).min()?;
    Some(Evidence {
        by: ABOUT.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!(
            "sends from source port{} {}{more} to port {}{name}; the server was told by {}",
            if ports.len() == 1 { "" } else { "s" },
            named.join(", "),
            service.end.port,
            basis.in_words(),
        ),
        frames: first_frames(flows.iter().filter_map(Conversation::first)),
        attack: None,
    })
}
