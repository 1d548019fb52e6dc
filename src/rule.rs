//! What rules are: they read conversations and give reasons. One file each, alike; they decide no class alone.
//!
//! To add one: a file beside its neighbours in `rule/`, its call below, and its text in [`ALL`].

pub mod bound;
pub mod content;
pub mod lore;
pub mod recognised;
pub mod reserved_client;
pub mod rpc;
pub mod sweep;

use crate::class::Evidence;
use crate::conversation::{Bindings, Conversation, Service};
use crate::registry::Registry;

/// What the conversations do not know and a rule needs.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub registry: &'a Registry,
    /// What portmappers gave away.
    pub bindings: &'a Bindings,
}

/// A rule as `gapwatch explain` tells it.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub id: &'static str,
    pub about: &'static str,
    pub attack: Option<&'static str>,
}

/// Every id that evidence may carry beside the signatures' own.
pub const ALL: &[About] = &[
    rpc::VERIFIED,
    rpc::PROBED,
    bound::ABOUT,
    content::ABOUT,
    recognised::ABOUT,
    recognised::ODD_PORT,
    reserved_client::ABOUT,
    sweep::ABOUT,
    lore::ABOUT,
    About {
        id: "unexplained",
        about: "Payload was exchanged, and no signature knows it. Not suspicious by itself: look at it.",
        attack: None,
    },
    About {
        id: "no-payload",
        about: "Connections came about, and the capture holds no payload of them.",
        attack: None,
    },
    About { id: "refused", about: "The port answered with a reset: nobody listens there.", attack: None },
    About {
        id: "unanswered",
        about: "Somebody asked, and nobody answered; or the answers are not in the capture.",
        attack: None,
    },
];

/// The reasons for a service.
pub fn of_service(service: &Service, flows: &[Conversation], context: Context<'_>) -> Vec<Evidence> {
    let mut evidence = rpc::evidence(flows);
    evidence.extend(bound::evidence(service, flows, context.bindings));
    evidence.extend(content::evidence(flows));
    evidence.extend(recognised::evidence(flows));
    evidence.extend(lore::evidence(service));
    evidence
}

/// The reasons for a client on a reserved source port.
pub fn of_client(service: &Service, flows: &[Conversation], context: Context<'_>) -> Vec<Evidence> {
    let mut evidence = rpc::evidence(flows);
    evidence.extend(bound::evidence(service, flows, context.bindings));
    evidence.extend(content::evidence(flows));
    evidence.extend(recognised::names(flows));
    evidence.extend(reserved_client::evidence(service, flows, context));
    evidence
}
