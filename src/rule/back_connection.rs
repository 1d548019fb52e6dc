//! Connections that run back to a client: its port is no service.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::registry::program;
use std::collections::BTreeSet;

/// Programs named in one line.
const MAX_NAMED: usize = 4;

pub const ABOUT: About = About {
    id: "back-connection",
    about: "A server connects back to a port of its client's: an NFSv4.0 server to report on delegations, rsh and rexec with standard error. \
The client's port is no service; it is told under what the client talks to.",
    attack: None,
};

pub fn evidence(flows: &[Conversation]) -> Option<Evidence> {
    let back: Vec<&Conversation> = flows.iter().filter(|flow| flow.back_from.is_some()).collect();
    let ports: BTreeSet<u16> = back.iter().map(|flow| flow.server().port).collect();
    let service = back.first()?.back_from?;
    let calls = back.iter().filter_map(|flow| flow.from_client.remote_calls.as_deref());
    let programs: BTreeSet<_> = calls
        .flat_map(|calls| calls.procedures.iter())
        .map(|(named, _)| program::name(named.program, named.version))
        .take(MAX_NAMED)
        .collect();
    let called = match programs.is_empty() {
        true => String::new(),
        false => format!(", and calls {}", programs.into_iter().collect::<Vec<_>>().join(", ")),
    };
    let ports: Vec<String> = ports.iter().take(8).map(u16::to_string).collect();
    Some(Evidence {
        by: ABOUT.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!("the host of {service} connects back to its client, to port {}{called}", ports.join(", ")),
        frames: first_frames(back.iter().filter_map(|flow| flow.first())),
        attack: None,
    })
}
