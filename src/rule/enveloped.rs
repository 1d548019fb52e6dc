//! RPC messages inside another protocol: what is served on the port is that one, and RPC somewhere behind it.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Enveloped, first_frames};
use crate::registry::program;
use crate::words::count_u64;
use std::collections::BTreeSet;

pub const ABOUT: About = About {
    id: "rpc.enveloped",
    about: "RPC messages that are answered, and other bytes stand before every one of them: frames of a tunnel, of a multiplexer or of another \
protocol, with RPC inside. The port itself is no RPC service. Decides nothing.",
    attack: None,
};

pub fn evidence(flows: &[Conversation]) -> Option<Evidence> {
    let inside: Vec<&Enveloped> = of(flows).collect();
    let messages: u64 = inside.iter().map(|inside| inside.messages).sum();
    (!inside.is_empty()).then(|| Evidence {
        by: ABOUT.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!(
            "{} inside another protocol, other bytes before each: {}",
            count_u64(messages, "RPC message"),
            programs(flows)
        ),
        frames: first_frames(inside.iter().map(|inside| inside.first)),
        attack: None,
    })
}

/// What the port is, where nothing else is known; `None` where no RPC is inside.
#[must_use]
pub fn describe(flows: &[Conversation]) -> Option<String> {
    of(flows).next().map(|_| format!("another protocol, with RPC inside: {}", programs(flows)))
}

fn of<'a>(flows: &'a [Conversation]) -> impl Iterator<Item = &'a Enveloped> {
    flows
        .iter()
        .flat_map(|flow| [&flow.from_client, &flow.from_server])
        .filter_map(|traffic| traffic.enveloped.as_ref())
}

/// `nfs v3, mountd v3`.
fn programs(flows: &[Conversation]) -> String {
    let programs: BTreeSet<(u32, u32)> = of(flows).filter_map(|inside| inside.called).collect();
    let names: Vec<String> = programs
        .into_iter()
        .map(|(number, version)| format!("{} v{version}", program::name(number, version)))
        .collect();
    if names.is_empty() { "program unknown, no call was captured".to_owned() } else { names.join(", ") }
}
