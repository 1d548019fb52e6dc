//! Ports that a portmapper gave away: they name a service even where nobody saw its payload.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Bindings, Conversation, Learnt, Service, first_frames};
use crate::frame::Stamp;
use crate::registry::program;
use crate::signature::portmap;
use std::collections::BTreeSet;
use std::fmt::Write as _;

pub const ABOUT: About = About {
    id: "rpc.bound",
    about: "A portmapper, rpcbind or NetInfo's binder said which program is behind the port. Probable where no payload of the port was \
captured; beside verified RPC it is said for the reader; it decides nothing where the port speaks another language.",
    attack: None,
};

/// The reason; none for the portmapper's own port, which needs nobody to say what it is.
pub fn evidence(service: &Service, flows: &[Conversation], bindings: &Bindings) -> Option<Evidence> {
    let learnt = of(service, bindings);
    let first = learnt.first().filter(|learnt| learnt.binding.program != portmap::PORTMAPPER)?;
    let unseen =
        flows.iter().all(|flow| flow.from_client.captured_payload() + flow.from_server.captured_payload() == 0);
    let mut says = format!("{}: learnt from {} by {} in {}", names(learnt), first.by, first.from, place(first.stamp));
    // One program after another on the same port: when each was said to be there.
    let programs: BTreeSet<u32> = learnt.iter().map(|learnt| learnt.binding.program).collect();
    if programs.len() > 1 {
        let history = learnt.iter().map(|learnt| {
            let (name, by) = (program::name(learnt.binding.program, learnt.binding.version), learnt.by);
            format!("{name} from {} ({by})", clock(learnt.stamp))
        });
        let _ = write!(says, "; in turn: {}", history.collect::<Vec<_>>().join(", then "));
    }
    let gone: Vec<String> = learnt
        .iter()
        .filter_map(|learnt| {
            let removed = bindings.removed(learnt)?;
            let name = program::name(learnt.binding.program, learnt.binding.version);
            Some(format!("{name} v{} no longer registered at {}", learnt.binding.version, clock(removed)))
        })
        .collect();
    if !gone.is_empty() {
        let _ = write!(says, "; {}", gone.join(", "));
    }
    Some(Evidence {
        by: ABOUT.id,
        class: Class::LegacyRpc,
        weight: if unseen { Weight::STRONG } else { Weight::NOTE },
        says,
        frames: first_frames(learnt.iter().map(|learnt| learnt.stamp)),
        attack: None,
    })
}

/// What the port is by what was learnt of it, for a service that did not show it itself.
#[must_use]
pub fn describe(service: &Service, bindings: &Bindings) -> Option<String> {
    let learnt = of(service, bindings);
    let binder =
        if learnt.iter().all(|learnt| learnt.binding.domain.is_some()) { "NetInfo's binder" } else { "a portmapper" };
    (!learnt.is_empty()).then(|| format!("{}, as {binder} said", names(learnt)))
}

fn of<'a>(service: &Service, bindings: &'a Bindings) -> &'a [Learnt] {
    bindings.of(service.end.address, service.transport, service.end.port)
}

/// `frame 12`, and of which input where that is not the first.
fn place(stamp: Stamp) -> String {
    match stamp.at.input() {
        0 => format!("frame {}", stamp.at.number()),
        input => format!("frame {} of input {}", stamp.at.number(), input + 1),
    }
}

/// `2026-11-23 23:54:47 UTC`; the frame where the capture has no times.
fn clock(stamp: Stamp) -> String {
    match { stamp.time }.to_string().get(..19) {
        Some(text) => format!("{} UTC", text.replace('T', " ")),
        None => place(stamp),
    }
}

/// `ypserv v1, v2; NetInfo domain “network”`: in the order in which it was learnt, programs once.
fn names(learnt: &[Learnt]) -> String {
    let mut programs: Vec<(u32, Vec<String>)> = Vec::new();
    // A table lists the versions that are registered; to a question for one port any version is answered.
    let is_listed = |program: u32| learnt.iter().any(|learnt| learnt.listed && learnt.binding.program == program);
    let told = learnt.iter().filter(|learnt| learnt.listed || !is_listed(learnt.binding.program));
    for binding in told.map(|learnt| &learnt.binding) {
        let detail = match &binding.domain {
            Some(domain) => format!("domain “{domain}”"),
            None => format!("v{}", binding.version),
        };
        match programs.iter_mut().find(|(program, _)| *program == binding.program) {
            Some((_, details)) => details.push(detail),
            None => programs.push((binding.program, vec![detail])),
        }
    }
    let parts =
        programs.into_iter().map(|(number, details)| format!("{} {}", program::name(number, 0), details.join(", ")));
    parts.collect::<Vec<_>>().join("; ")
}
