//! Content that has no business on such a port: shells and programs in transfer, as the signatures saw them.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Seen, Side, first_frames};
use crate::signature::shell;
use std::collections::{BTreeMap, BTreeSet};

/// Different commands that are more than a hint.
const MIN_COMMANDS: usize = 3;

pub const ABOUT: About = About {
    id: "content",
    about: "A signature of suspicious content was seen; the evidence carries the signature's own id.",
    attack: None,
};

/// One reason for each signature of content, with its first quotation and how often it was seen.
pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let mut by_signature: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in flows.iter().flat_map(|flow| &flow.seen) {
        if is_suspicious(seen) || is_note(seen) {
            by_signature.entry(seen.label.id).or_default().push(seen);
        }
    }
    by_signature
        .into_values()
        .filter_map(|mut seen| {
            seen.sort_by(|a, b| (a.first, &a.detail).cmp(&(b.first, &b.detail)));
            let first = *seen.first()?;
            let times: u64 = seen.iter().map(|seen| seen.count).sum();
            let from = side(first.from);
            let what = if is_note(first) {
                format!("{from} sent {}", first.detail)
            } else if first.detail.is_empty() {
                format!("{from} speaks as {} does", first.label.protocol)
            } else {
                format!("{from} sent “{}”", first.detail)
            };
            let times = if times == 1 { String::new() } else { format!(", and {} more such", times - 1) };
            let signature = first.label;
            let different: BTreeSet<&str> = seen.iter().map(|seen| seen.detail.as_str()).collect();
            // One command is a word; several are somebody who looks around.
            let weight = match signature.id {
                id if id == shell::COMMAND.id && different.len() >= MIN_COMMANDS => Weight::MODERATE,
                _ => signature.weight,
            };
            let in_login = signature.id.starts_with("shell.") && is_login(flows);
            Some(Evidence {
                by: signature.id,
                class: signature.class,
                weight: if in_login { weight.min(Weight::HINT) } else { weight },
                says: format!("{what}{times}"),
                frames: first_frames(seen.iter().filter_map(|seen| seen.first)),
                attack: signature.attack,
            })
        })
        .collect()
}

/// Whether a Telnet server asked who is there, in every conversation: what a shell says then is what it is for.
fn is_login(flows: &[Conversation]) -> bool {
    // Where the capture cut the server's words, the question may be among what was cut.
    let asks = |flow: &Conversation| {
        let cut = flow.from_server.missing_bytes > 0;
        flow.seen.iter().any(|seen| seen.label.id == "telnet.login" || (cut && seen.label.id == "telnet"))
    };
    let mut shells = flows.iter().filter(|flow| flow.seen.iter().any(|seen| seen.label.id.starts_with("shell.")));
    shells.all(asks)
}

/// What the content is, in words: whose shell, whose program. `None` where there is none.
#[must_use]
pub fn summary(flows: &[Conversation]) -> Option<String> {
    let seen: Vec<&Seen> = flows.iter().flat_map(|flow| &flow.seen).filter(|seen| is_suspicious(seen)).collect();
    let of = |family: &str| seen.iter().filter(|seen| seen.label.id.starts_with(family)).copied().collect::<Vec<_>>();
    let mut parts = Vec::new();
    let telling = |seen: &&&Seen| !["shell.", "executable."].iter().any(|family| seen.label.id.starts_with(family));
    if let Some(seen) = seen.iter().filter(telling).max_by_key(|seen| (seen.label.weight, !seen.detail.is_empty())) {
        let detail = if seen.detail.is_empty() { String::new() } else { format!(": {}", seen.detail) };
        parts.push(format!("{}{detail}", seen.label.protocol));
    }
    // What a shell prints comes from where it runs; what is typed into it comes from the other side.
    let (typed, printed): (Vec<&Seen>, Vec<&Seen>) =
        of("shell.").into_iter().partition(|seen| seen.label.id == shell::COMMAND.id);
    match printed.first().map(|seen| seen.from) {
        Some(Side::Server) => parts.push("interactive shell on the server (bind shell)".to_owned()),
        Some(Side::Client) => parts.push("interactive shell on the client (reverse shell)".to_owned()),
        None if !typed.is_empty() => parts.push("shell commands".to_owned()),
        None => {}
    }
    if let Some(program) = of("executable.").first() {
        parts.push(format!("program in transfer from {}: {}", side(program.from), program.detail));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Content that is told and not blamed.
fn is_note(seen: &Seen) -> bool {
    seen.label.class == Class::Custom && seen.label.protocol.is_empty()
}

fn is_suspicious(seen: &Seen) -> bool {
    seen.label.class == Class::Suspicious
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "the client",
        Side::Server => "the server",
    }
}
