//! Content that has no business on such a port: shells and programs in transfer, as the signatures saw them.

use super::About;
use crate::class::{Class, Evidence};
use crate::conversation::{Conversation, Seen, Side, first_frames};
use crate::signature::shell;
use std::collections::BTreeMap;

pub const ABOUT: About = About {
    id: "content",
    about: "A signature of suspicious content was seen; the evidence carries the signature's own id.",
    attack: None,
};

/// One reason for each suspicious signature, with its first quotation and how often it was seen.
pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let mut by_signature: BTreeMap<usize, Vec<&Seen>> = BTreeMap::new();
    for seen in flows.iter().flat_map(|flow| &flow.seen) {
        if is_suspicious(seen) {
            by_signature.entry(seen.number).or_default().push(seen);
        }
    }
    by_signature
        .into_values()
        .filter_map(|mut seen| {
            seen.sort_by(|a, b| (a.first, &a.detail).cmp(&(b.first, &b.detail)));
            let first = *seen.first()?;
            let times: u64 = seen.iter().map(|seen| seen.count).sum();
            let from = side(first.from);
            let times = if times == 1 { String::new() } else { format!(", and {} more such", times - 1) };
            let signature = first.signature();
            Some(Evidence {
                by: signature.id,
                class: signature.class,
                weight: signature.weight,
                says: format!("{from} sent “{}”{times}", first.detail),
                frames: first_frames(seen.iter().filter_map(|seen| seen.first)),
                attack: signature.attack,
            })
        })
        .collect()
}

/// What the content is, in words: whose shell, whose program. `None` where there is none.
#[must_use]
pub fn summary(flows: &[Conversation]) -> Option<String> {
    let seen: Vec<&Seen> = flows.iter().flat_map(|flow| &flow.seen).filter(|seen| is_suspicious(seen)).collect();
    let of =
        |family: &str| seen.iter().filter(|seen| seen.signature().id.starts_with(family)).copied().collect::<Vec<_>>();
    let mut parts = Vec::new();
    // What a shell prints comes from where it runs; what is typed into it comes from the other side.
    let (typed, printed): (Vec<&Seen>, Vec<&Seen>) =
        of("shell.").into_iter().partition(|seen| seen.signature().id == shell::COMMAND.id);
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

fn is_suspicious(seen: &Seen) -> bool {
    seen.signature().class == Class::Suspicious
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "the client",
        Side::Server => "the server",
    }
}
