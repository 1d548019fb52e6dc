//! Answers to what was asked of another address or port: who else is the same service, and how it was found.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Service, first_frames};
use crate::words::count;
use std::collections::BTreeSet;
use std::net::IpAddr;

pub const ABOUT: About = About {
    id: "asked-elsewhere",
    about: "The service answers over UDP what its client sent to another address or port: to everybody on the net, mostly, or to another port of \
the same host.",
    attack: None,
};

/// Places that were asked, named in one line.
const MAX_NAMED: usize = 3;

pub fn evidence(flows: &[Conversation]) -> Option<Evidence> {
    let asked: BTreeSet<Service> = flows.iter().filter_map(|flow| flow.asked_of).collect();
    let clients: BTreeSet<IpAddr> =
        flows.iter().filter(|flow| flow.asked_of.is_some()).map(|flow| flow.client().address).collect();
    let places: Vec<String> = asked.iter().take(MAX_NAMED).map(|service| service.end.to_string()).collect();
    (!asked.is_empty()).then(|| Evidence {
        by: ABOUT.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!("answers what {} sent to {}", count(clients.len(), "client"), places.join(", ")),
        frames: first_frames(flows.iter().filter(|flow| flow.asked_of.is_some()).filter_map(Conversation::first)),
        attack: None,
    })
}
