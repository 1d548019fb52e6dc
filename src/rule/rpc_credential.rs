//! Who RPC calls say that they come from: credentials, said for the reader. A password that NetInfo put into one is
//! reported and not shown, unless it is asked for.

use super::{About, Context};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::flow::Identity;
use crate::frame::Stamp;
use crate::merge::earliest;
use crate::signature::netinfo::{BINDER, NETINFO};
use crate::signature::{quote, rpc};
use crate::words::thousands;
use std::collections::BTreeMap;

pub const ABOUT: About = About {
    id: "rpc.credential",
    about: "The credentials of RPC calls: machine, user and group of AUTH_SYS, the service of RPCSEC_GSS, a request for TLS. AUTH_SYS is a \
claim that nobody checked. Says who, decides nothing.",
    attack: None,
};

pub const PASSWORD: About = About {
    id: "netinfo.password",
    about: "A NetInfo client sent a password in place of its machine's name, every bit inverted (Libinfo, ni_glue.c): whoever captured it can \
read it. It is not shown unless --show-secrets is given.",
    attack: Some("T1552"),
};

/// Credentials named in one line.
const MAX_NAMED: usize = 6;

pub fn evidence(flows: &[Conversation], context: Context<'_>) -> Vec<Evidence> {
    let mut seen: BTreeMap<(&Identity, bool), (u64, Option<Stamp>)> = BTreeMap::new();
    // Who calls back at a client is the server.
    let asking = flows.iter().filter(|flow| flow.back_from.is_none());
    for calls in asking.filter_map(|flow| flow.from_client.remote_calls.as_deref()) {
        // Elsewhere such a name is one of another language.
        let is_netinfo = calls.procedures.iter().any(|(named, _)| matches!(named.program, NETINFO | BINDER));
        for (identity, count) in calls.credentials.iter() {
            let is_password = is_netinfo && inverted(identity).is_some();
            let entry = seen.entry((identity, is_password)).or_default();
            *entry = (entry.0 + count.count, earliest(entry.1, count.first));
        }
    }
    let mut evidence = Vec::new();
    let (passwords, claims): (Vec<_>, Vec<_>) = seen
        .into_iter()
        .map(|((identity, is_password), seen)| (is_password, (identity, seen)))
        .partition(|(is_password, _)| *is_password);
    let [passwords, claims] = [passwords, claims].map(|all| all.into_iter().map(|(_, seen)| seen).collect::<Vec<_>>());
    if !claims.is_empty() {
        let mut order = claims;
        order.sort_by_key(|(identity, (count, _))| (std::cmp::Reverse(*count), *identity));
        let more = order.len().saturating_sub(MAX_NAMED);
        let mut named: Vec<String> = order
            .iter()
            .take(MAX_NAMED)
            .map(|(identity, (count, _))| format!("{} ×{}", in_words(identity), thousands(*count)))
            .collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        evidence.push(Evidence {
            by: ABOUT.id,
            class: Class::Custom,
            weight: Weight::NOTE,
            says: format!("calls came as {}", named.join(", ")),
            frames: first_frames(order.iter().filter_map(|(_, (_, first))| *first)),
            attack: None,
        });
    }
    if !passwords.is_empty() {
        let shown: Vec<String> = passwords
            .iter()
            .filter_map(|(identity, (count, _))| {
                let clear = inverted(identity)?;
                let text = match context.show_secrets {
                    true => format!("“{}”", quote(&clear)),
                    false => "(hidden; --show-secrets shows it)".to_owned(),
                };
                let Identity::System { uid, .. } = identity else { return None };
                Some(format!("uid {uid}, {} bytes {text} ×{count}", clear.len()))
            })
            .collect();
        evidence.push(Evidence {
            by: PASSWORD.id,
            class: Class::Suspicious,
            weight: Weight::HINT,
            says: format!("a password with every bit inverted in place of the machine name: {}", shown.join(", ")),
            frames: first_frames(passwords.iter().filter_map(|(_, (_, first))| *first)),
            attack: PASSWORD.attack,
        });
    }
    evidence
}

/// The machine name with every bit inverted, where it cannot be printed as it is: NetInfo puts a password there.
fn inverted(identity: &Identity) -> Option<Vec<u8>> {
    match identity {
        Identity::System { machine, .. } if machine.iter().any(|byte| !(0x20..0x7f).contains(byte)) => {
            Some(machine.iter().map(|byte| !byte).collect())
        }
        _ => None,
    }
}

fn in_words(identity: &Identity) -> String {
    match identity {
        Identity::System { machine, uid, gid } => {
            format!("uid {uid}, gid {gid} of machine “{}” (AUTH_SYS)", quote(machine))
        }
        Identity::Gss { service } => {
            let service = ["control", "authentication", "integrity", "privacy"].get(*service as usize);
            format!("RPCSEC_GSS ({})", service.unwrap_or(&"unknown service"))
        }
        Identity::Tls => "a request for TLS (AUTH_TLS)".to_owned(),
        Identity::Other(flavor) => format!("flavor {flavor} ({})", rpc::flavor_name(*flavor)),
    }
}
