//! Content that has no business on such a port: shells and programs in transfer, as the signatures saw them.

use super::About;
use crate::class::{Class, Evidence};
use crate::conversation::{Conversation, Seen, Side, first_frames};
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
        if seen.signature().class == Class::Suspicious {
            by_signature.entry(seen.number).or_default().push(seen);
        }
    }
    by_signature
        .into_values()
        .filter_map(|mut seen| {
            seen.sort_by(|a, b| (a.first, &a.detail).cmp(&(b.first, &b.detail)));
            let first = *seen.first()?;
            let times: u64 = seen.iter().map(|seen| seen.count).sum();
            let from = match first.from {
                Side::Client => "the client",
                Side::Server => "the server",
            };
            let times = if times == 1 { String::new() } else { format!(" (seen {times} times)") };
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
