//! Much data in one direction, and connections that last: pushes out of a client, stages sent before anybody asked.

use super::{About, encrypted};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::port::Transport;
use crate::signature::texture::Kind;
use crate::words::{count, thousands};

pub const PUSH: About = About {
    id: "push",
    about: "Clients send the service much more than they get: a producer-consumer ratio of 0.8 or more (Bullard and Gerth, FloCon 2014; \
1 is a pure push) over at least 128 KiB. Backups and log shipping do the same: a hint where the content can be read, more where it \
cannot.",
    attack: Some("T1048"),
};

pub const LONG: About = About {
    id: "long-connection",
    about: "One connection lasted an hour or longer (RITA's base for long connections). So do SSH sessions, VPNs and databases.",
    attack: Some("T1571"),
};

pub const STAGE: About = About {
    id: "staging",
    about: "The server spoke first: four bytes that are a length, and then as many bytes as they say, 4 KiB or more (exactly as many, or random ones), before the client said \
anything. That is how loaders over bare TCP get their second stage, packed or encrypted.",
    attack: Some("T1104"),
};

/// Bytes both ways from which a ratio means something.
const MIN_BYTES: u64 = 128 << 10;
const MIN_RATIO: f64 = 0.8;
const MIN_STAGE: u32 = 4096;
/// Seconds that make a connection long.
const LONG_SECONDS: u64 = 3600;

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    [push(flows), long(flows), stage(flows)].into_iter().flatten().collect()
}

#[allow(clippy::cast_precision_loss)] // a ratio
fn push(flows: &[Conversation]) -> Option<Evidence> {
    let ratio = |flow: &Conversation| {
        let (sent, got) = (flow.from_client.payload_bytes as f64, flow.from_server.payload_bytes as f64);
        (sent - got) / (sent + got).max(1.0)
    };
    let pushes: Vec<&Conversation> = flows
        .iter()
        .filter(|flow| flow.from_client.payload_bytes + flow.from_server.payload_bytes >= MIN_BYTES)
        .filter(|flow| ratio(flow) >= MIN_RATIO)
        .collect();
    let most = pushes.iter().max_by_key(|flow| flow.from_client.payload_bytes)?;
    let unreadable = encrypted::is_unreadable(most);
    Some(Evidence {
        by: PUSH.id,
        class: Class::Suspicious,
        weight: if unreadable { Weight::MODERATE } else { Weight::HINT },
        says: format!(
            "{} sent {} bytes and got {}: producer-consumer ratio {:.2} (from {MIN_RATIO} on, over at least {} bytes), in {}",
            most.asker().address,
            thousands(most.from_client.payload_bytes),
            thousands(most.from_server.payload_bytes),
            ratio(most),
            thousands(MIN_BYTES),
            count(pushes.len(), "flow")
        ),
        frames: first_frames(pushes.iter().filter_map(|flow| flow.from_client.first_payload)),
        attack: PUSH.attack,
    })
}

fn long(flows: &[Conversation]) -> Option<Evidence> {
    let seconds = |flow: &Conversation| Some(flow.last()?.time.since(flow.first()?.time) / 1_000_000_000);
    let long = flows.iter().filter(|flow| flow.key.transport == Transport::Tcp && encrypted::is_unknown(flow));
    let (lasted, flow) = long.filter_map(|flow| Some((seconds(flow)?, flow))).max_by_key(|(seconds, _)| *seconds)?;
    (lasted >= LONG_SECONDS).then(|| Evidence {
        by: LONG.id,
        class: Class::Suspicious,
        weight: Weight::HINT,
        says: format!("a connection of no known protocol lasted {lasted} s; long from {LONG_SECONDS} s on"),
        frames: first_frames(flow.first().into_iter().chain(flow.last())),
        attack: LONG.attack,
    })
}

fn stage(flows: &[Conversation]) -> Option<Evidence> {
    let staged = |flow: &&Conversation| {
        let texture = flow.from_server.texture.as_deref()?;
        let began = flow.from_server.syn_ack > 0 || flow.from_client.syn > 0;
        let head = texture.head?;
        let length = [u32::from_le_bytes(head), u32::from_be_bytes(head)]
            .into_iter()
            .find(|length| *length >= MIN_STAGE && u64::from(*length) + 4 <= flow.from_server.payload_bytes)?;
        let exact = u64::from(length) + 4 == flow.from_server.payload_bytes;
        let asked = flow.from_client.first_payload.is_some_and(|asked| asked < texture.first);
        // More may follow when the stage runs; then the bytes behind the length must look like one.
        (began && !asked && (exact || texture.kind == Kind::Random)).then_some((length, texture.first))
    };
    let stages: Vec<(u32, crate::frame::Stamp)> = flows.iter().filter_map(|flow| staged(&flow)).collect();
    let (length, _) = stages.first()?;
    Some(Evidence {
        by: STAGE.id,
        class: Class::Suspicious,
        weight: Weight::STRONG,
        says: format!(
            "the server sent a length, {length}, and as many bytes, before it was asked anything ({}; at least {MIN_STAGE} bytes)",
            count(stages.len(), "connection")
        ),
        frames: first_frames(stages.iter().map(|(_, stamp)| *stamp)),
        attack: STAGE.attack,
    })
}
