//! Much data in one direction, and connections that last: pushes out of a client, stages sent before anybody asked.

use super::{About, encrypted};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::frame::Stamp;
use crate::port::Transport;
use crate::signature::texture::Kind;
use crate::words::{count, thousands};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub const PUSH: About = About {
    id: "push",
    about: "Clients send the service much more than they get: a producer-consumer ratio of 0.8 or more (Bullard and Gerth, FloCon 2014; \
1 is a pure push) over at least 128 KiB in one flow, or 1 MiB in many of one client. Backups and log shipping do the same: a hint where the content can be read, more where it \
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
    about: "The server spoke first: four bytes that are a length, and then as many bytes as they say, 4 KiB or more, before the client said \
anything, and neither text nor a packed file. Strong for random bytes from 32 KiB on. That is how loaders over bare TCP get their second stage, packed or encrypted.",
    attack: Some("T1104"),
};

/// Bytes both ways from which a ratio means something.
const MIN_BYTES: u64 = 128 << 10;
const MIN_RATIO: f64 = 0.8;
const MIN_STAGE: u32 = 4096;
/// Stages that hold a program are larger than this; greetings are not.
const LARGE_STAGE: u32 = 32 << 10;
/// What many small flows of one client must add up to.
const MIN_BYTES_IN_ALL: u64 = 1 << 20;
/// Seconds that make a connection long.
const LONG_SECONDS: u64 = 3600;

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    [push(flows), long(flows), stage(flows)].into_iter().flatten().collect()
}

fn push(flows: &[Conversation]) -> Option<Evidence> {
    let mut by_client: BTreeMap<IpAddr, Vec<&Conversation>> = BTreeMap::new();
    for flow in flows {
        by_client.entry(flow.asker().address).or_default().push(flow);
    }
    let mut pushes: Vec<Push> = by_client.into_iter().filter_map(|(client, flows)| Push::of(client, &flows)).collect();
    pushes.sort_by_key(|push| std::cmp::Reverse((push.sent, push.client)));
    let most = pushes.first()?;
    let more =
        if pushes.len() > 1 { format!("; {} more do", count(pushes.len() - 1, "client")) } else { String::new() };
    Some(Evidence {
        by: PUSH.id,
        class: Class::Suspicious,
        weight: if most.unreadable { Weight::MODERATE } else { Weight::HINT },
        says: format!(
            "{} sent {} bytes and got {}: producer-consumer ratio {:.2} (from {MIN_RATIO} on, over at least {} bytes in one flow or {} in \
             all), in {}{more}",
            most.client,
            thousands(most.sent),
            thousands(most.got),
            most.ratio(),
            thousands(MIN_BYTES),
            thousands(MIN_BYTES_IN_ALL),
            count(most.flows, "flow"),
        ),
        frames: first_frames(most.first.iter().copied()),
        attack: PUSH.attack,
    })
}

/// What one client pushes to a service.
struct Push {
    client: IpAddr,
    sent: u64,
    got: u64,
    flows: usize,
    first: Vec<Stamp>,
    /// Most of it cannot be read.
    unreadable: bool,
}

impl Push {
    /// `None` where it is no push: too little, or too much comes back.
    fn of(client: IpAddr, flows: &[&Conversation]) -> Option<Push> {
        let sum = |of: fn(&Conversation) -> u64| flows.iter().map(|flow| of(flow)).sum::<u64>();
        let (sent, got) = (sum(|flow| flow.from_client.payload_bytes), sum(|flow| flow.from_server.payload_bytes));
        let large = |flow: &&Conversation| flow.from_client.payload_bytes + flow.from_server.payload_bytes >= MIN_BYTES;
        let unreadable: u64 =
            flows.iter().filter(|flow| encrypted::is_unreadable(flow)).map(|flow| flow.from_client.payload_bytes).sum();
        let first = flows.iter().filter_map(|flow| flow.from_client.first_payload).collect();
        let push = Push { client, sent, got, flows: flows.len(), first, unreadable: unreadable * 2 > sent };
        let enough = flows.iter().any(large) || sent + got >= MIN_BYTES_IN_ALL;
        (enough && push.ratio() >= MIN_RATIO).then_some(push)
    }

    #[allow(clippy::cast_precision_loss)] // a ratio
    fn ratio(&self) -> f64 {
        let (sent, got) = (self.sent as f64, self.got as f64);
        (sent - got) / (sent + got).max(1.0)
    }
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
    let stages: Vec<Stage> = flows.iter().filter_map(Stage::of).collect();
    let heaviest = stages.iter().max_by_key(|stage| stage.weight)?;
    Some(Evidence {
        by: STAGE.id,
        class: Class::Suspicious,
        weight: heaviest.weight,
        says: format!(
            "the server sent a length, {}, and as many bytes of {}, before it was asked anything ({}; at least {MIN_STAGE} bytes, much from \
             {LARGE_STAGE} on)",
            heaviest.length,
            heaviest.kind.in_words(),
            count(stages.len(), "connection")
        ),
        frames: first_frames(stages.iter().map(|stage| stage.first)),
        attack: STAGE.attack,
    })
}

/// A length and as many bytes that the server sent unasked.
struct Stage {
    length: u32,
    kind: Kind,
    weight: Weight,
    first: Stamp,
}

impl Stage {
    fn of(flow: &Conversation) -> Option<Stage> {
        let texture = flow.from_server.texture.as_deref()?;
        let began = flow.from_server.syn_ack > 0 || flow.from_client.syn > 0;
        let asked = flow.from_client.first_payload.is_some_and(|asked| asked < texture.first);
        let head = texture.head.filter(|_| began && !asked)?;
        let sent = flow.from_server.payload_bytes;
        let length = [u32::from_le_bytes(head), u32::from_be_bytes(head)]
            .into_iter()
            .find(|length| *length >= MIN_STAGE && u64::from(*length) + 4 <= sent)?;
        // Text, JSON and packed files that are sent so are somebody's own protocol.
        let weight = match texture.behind_head {
            Kind::Random if length >= LARGE_STAGE => Weight::STRONG,
            Kind::Random => Weight::MODERATE,
            Kind::Binary if length >= LARGE_STAGE => Weight::MODERATE,
            _ => return None,
        };
        Some(Stage { length, kind: texture.behind_head, weight, first: texture.first })
    }
}
