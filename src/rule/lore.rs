//! Who is known to have lived on the port: said for the reader, decides nothing.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::Service;
use crate::registry::lore;

pub const ABOUT: About = About {
    id: "lore",
    about: "What is known to have used this port. Most lists of such ports are old, and ports are cheap to change: a hint for a person.",
    attack: None,
};

pub fn evidence(service: &Service) -> Option<Evidence> {
    let known: Vec<String> = lore::of(service.transport, service.end.port)
        .filter(|lore| lore.kind != "range")
        .map(|lore| format!("{} ({})", lore.what, lore.kind))
        .collect();
    (!known.is_empty()).then(|| Evidence {
        by: ABOUT.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!("known on {}/{}: {}", service.end.port, service.transport, known.join("; ")),
        frames: Vec::new(),
        attack: None,
    })
}
