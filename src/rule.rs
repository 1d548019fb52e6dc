//! What rules are: they read conversations and give reasons. One file each, alike; they decide no class alone.
//!
//! To add one: a file beside its neighbours in `rule/`, its call below, and its text in [`ALL`].

pub mod asked_elsewhere;
pub mod back_connection;
pub mod beacon;
pub mod bound;
pub mod company;
pub mod content;
pub mod details;
pub mod disguise;
pub mod encrypted;
pub mod enveloped;
pub mod flood;
pub mod lore;
pub mod mount;
pub mod netinfo;
pub mod nis;
mod reads;
pub mod recognised;
pub mod reserved_client;
pub mod rpc;
pub mod rpc_abuse;
pub mod rpc_credential;
pub mod rpc_password;
pub mod sweep;
pub mod transfer;

use crate::class::Evidence;
use crate::conversation::dialogue::Answered;
use crate::conversation::{Bindings, Conversation, Service};
use crate::policy;
use crate::registry::Registry;

/// What the conversations do not know and a rule needs.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub registry: &'a Registry,
    /// What portmappers gave away.
    pub bindings: &'a Bindings,
    /// Calls that are worth reading in full, with their answers.
    pub answers: &'a [Answered],
    /// Who asked which portmappers for their tables.
    pub dumpers: &'a rpc_abuse::Dumpers,
    /// Who gets answers from many servers without having asked.
    pub victims: &'a rpc_abuse::Victims,
    /// What services have to do with each other.
    pub company: &'a company::Company,
    /// Whether passwords are shown.
    pub show_secrets: bool,
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
    enveloped::ABOUT,
    rpc_credential::ABOUT,
    rpc_credential::PASSWORD,
    rpc_password::ABOUT,
    rpc_abuse::EXPLOIT,
    rpc_abuse::SCAN,
    rpc_abuse::FORWARD,
    rpc_abuse::SET,
    rpc_abuse::DUMPS,
    rpc_abuse::REFLECTION,
    rpc_abuse::HOLES,
    bound::ABOUT,
    netinfo::ABOUT,
    netinfo::TRANSFER,
    nis::MAPS,
    nis::PASSWORDS,
    mount::ABOUT,
    back_connection::ABOUT,
    asked_elsewhere::ABOUT,
    content::ABOUT,
    recognised::ABOUT,
    recognised::ODD_PORT,
    reserved_client::ABOUT,
    disguise::IMPERSONATION,
    disguise::TUNNEL,
    disguise::BACKWARDS,
    disguise::ODD_NAME,
    disguise::TOR_LIKE,
    disguise::PROXY,
    disguise::PROBES,
    encrypted::FIRST,
    encrypted::ENTROPY,
    beacon::ABOUT,
    beacon::INSIDE,
    transfer::PUSH,
    transfer::LONG,
    transfer::STAGE,
    flood::FLOOD,
    flood::AMPLIFICATION,
    flood::FLAGS,
    company::KNOCK,
    company::TURNABOUT,
    company::SPREAD,
    About {
        id: policy::KNOWN,
        about: "The site's policy knows this service, and it does what is expected of it. Hints that it is odd are quieted, and said to be.",
        attack: None,
    },
    About {
        id: policy::CHANGED,
        about: "The site's policy knows this service, and it speaks another protocol than the policy expects.",
        attack: Some("T1036"),
    },
    About {
        id: policy::EXPIRED,
        about: "The site's policy knew this service, and the entry had ended when the capture was made.",
        attack: None,
    },
    About {
        id: "process",
        about: "The service is one of the host that gapwatch watches on: which process held the socket when the watch began.",
        attack: None,
    },
    About {
        id: "baseline.new",
        about: "A service, a scanner, a client or a protocol that the earlier report (--baseline) did not have.",
        attack: None,
    },
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
    About {
        id: "refused",
        about: "The port answered with a reset, or its host said by ICMP that it is unreachable: nobody listens there.",
        attack: None,
    },
    About { id: "unanswered", about: "Somebody asked, and no answer from this port is in the capture.", attack: None },
];

/// The reasons for a service.
pub fn of_service(service: &Service, flows: &[Conversation], calls: &rpc::Sum, context: Context<'_>) -> Vec<Evidence> {
    let mut evidence = of_remote_calls(service, flows, calls, context);
    evidence.extend(content::evidence(flows));
    evidence.extend(recognised::evidence(service, flows, context.registry));
    evidence.extend(back_connection::evidence(flows));
    evidence.extend(asked_elsewhere::evidence(flows));
    // What holds for RPC as well says nothing of it: it is read, written and asked for at a regular pace.
    if !evidence.iter().any(|reason| reason.by == rpc::VERIFIED.id) {
        evidence.extend(disguise::evidence(flows));
        evidence.extend(encrypted::evidence(flows));
        evidence.extend(beacon::evidence(flows));
        evidence.extend(transfer::evidence(flows));
        evidence.extend(context.company.evidence(service));
        encrypted::bound(&mut evidence);
    }
    evidence.extend(flood::evidence(flows));
    evidence.extend(lore::evidence(service));
    evidence
}

/// The reasons for a client on a reserved source port.
pub fn of_client(service: &Service, flows: &[Conversation], calls: &rpc::Sum, context: Context<'_>) -> Vec<Evidence> {
    let mut evidence = of_remote_calls(service, flows, calls, context);
    evidence.extend(content::evidence(flows));
    evidence.extend(recognised::names(flows));
    match back_connection::evidence(flows) {
        Some(back) => evidence.push(back),
        None => evidence.extend(reserved_client::evidence(service, flows, context)),
    }
    evidence
}

/// What ONC RPC says, of services and of clients.
fn of_remote_calls(service: &Service, flows: &[Conversation], calls: &rpc::Sum, context: Context<'_>) -> Vec<Evidence> {
    let mut evidence = rpc::evidence(calls, flows);
    let verified = evidence.iter().any(|reason| reason.by == rpc::VERIFIED.id);
    evidence.extend(enveloped::evidence(flows));
    evidence.extend(bound::evidence(service, flows, context.bindings));
    // Of what only reads like RPC nothing more is told, but for attacks.
    if verified {
        evidence.extend(netinfo::evidence(service, flows, context));
        evidence.extend(nis::evidence(service, flows));
        evidence.extend(mount::evidence(flows));
        evidence.extend(rpc_credential::evidence(flows, context));
        evidence.extend(rpc_password::evidence(flows));
    }
    evidence.extend(rpc_abuse::evidence(service, flows, context));
    evidence
}
