//! Bytes that look encrypted from the first packet on, where no known protocol fits. Never enough for more than *weak*:
//! compressed and private protocols look the same.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, Side, first_frames};
use crate::policy::STATISTICAL;
use crate::port::Transport;
use crate::signature::texture::{Kind, MIN_ENTROPY_SAMPLE, MIN_FIRST, Texture};

pub const FIRST: About = About {
    id: "encrypted-start",
    about: "The first payload of a TCP connection has none of the marks of a protocol that is not encrypted: 3.4 to 4.6 set bits a byte, \
no six printable bytes at its head, no twenty in a row, not half of them printable (after the published study of the Great Firewall, \
USENIX Security 2023). Asked only where every known protocol failed, and from 64 bytes on.",
    attack: Some("T1573.001"),
};

pub const ENTROPY: About = About {
    id: "entropy",
    about: "The bytes of an unknown protocol are as evenly spread as random ones: the entropy exceeds what 99 of 100 random samples of \
the same size have. Not measured under 256 bytes, and a hint only: compression cannot be told from encryption by it.",
    attack: Some("T1573"),
};

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    let unknown = || flows.iter().filter(|flow| is_unknown(flow));
    let mut evidence = Vec::new();
    let starts: Vec<(&Conversation, &Texture)> = unknown()
        .filter(|flow| flow.key.transport == Transport::Tcp)
        .filter_map(|flow| Some((flow, first_spoken(flow)?)))
        .collect();
    let opaque: Vec<&Texture> =
        starts.iter().map(|(_, texture)| *texture).filter(|texture| texture.encrypted_from_start).collect();
    if let Some(first) = opaque.iter().min_by_key(|texture| texture.first)
        && opaque.len() * 2 > starts.len()
    {
        evidence.push(Evidence {
            by: FIRST.id,
            class: Class::Suspicious,
            weight: FIRST_WEIGHT,
            says: format!(
                "the first payload ({} bytes, {:.2} set bits a byte; 3.4 to 4.6 and at least {MIN_FIRST} bytes) looks encrypted, in {} of {} \
                 connections of no known protocol",
                first.first_len,
                first.ones,
                opaque.len(),
                starts.len()
            ),
            frames: first_frames(opaque.iter().map(|texture| texture.first)),
            attack: FIRST.attack,
        });
    }
    let random: Vec<(Side, &Texture)> =
        unknown().flat_map(sides).filter(|(_, texture)| texture.kind == Kind::Random).collect();
    if let Some((side, texture)) = random.iter().min_by_key(|(_, texture)| texture.first) {
        let side = match side {
            Side::Client => "the client's",
            Side::Server => "the server's",
        };
        evidence.push(Evidence {
            by: ENTROPY.id,
            class: Class::Suspicious,
            weight: if unknown().all(is_key_exchange) { Weight::NOTE } else { Weight::HINT },
            says: format!(
                "{side} bytes have {:.2} bits of entropy each over {} bytes; random from {:.2} on, at least {MIN_ENTROPY_SAMPLE} bytes",
                texture.entropy, texture.sample, texture.random_from
            ),
            frames: first_frames(random.iter().map(|(_, texture)| texture.first)),
            attack: ENTROPY.attack,
        });
    }
    evidence
}

/// Twice a hint: file sharing, games and private protocols encrypt from the first byte as well, so it makes no verdict alone.
const FIRST_WEIGHT: Weight = Weight(20);

/// Bytes of the first message of each side where peers that share files agree on a key: 96 of the key, up to 512 of padding
/// (`BitTorrent`'s Message Stream Encryption).
const KEY_EXCHANGE: std::ops::RangeInclusive<usize> = 96..=608;

/// Whether both sides begin as peers do that agree on a key: what follows is as evenly spread as it has to be.
fn is_key_exchange(flow: &Conversation) -> bool {
    let lengths: Vec<usize> = sides(flow).map(|(_, texture)| texture.first_len).collect();
    flow.key.transport == Transport::Tcp
        && lengths.len() == 2
        && lengths.iter().all(|length| KEY_EXCHANGE.contains(length))
}

/// The most that statistical reasons weigh together: under what makes a verdict probable.
const MOST_TOGETHER: u16 = 50;

/// Takes from the lighter ones what is beyond their bound, and says so.
pub fn bound(evidence: &mut [Evidence]) {
    let mut left = MOST_TOGETHER;
    let mut statistical: Vec<&mut Evidence> =
        evidence.iter_mut().filter(|reason| STATISTICAL.contains(&reason.by) && reason.weight > Weight::NOTE).collect();
    statistical.sort_by(|a, b| (b.weight, a.by).cmp(&(a.weight, b.by)));
    for reason in statistical {
        let counted = reason.weight.0.min(left);
        left -= counted;
        if counted < reason.weight.0 {
            reason.says = format!(
                "{} [of {} points {counted} count: timing, size and unreadable bytes are at most {MOST_TOGETHER} together]",
                reason.says, reason.weight.0
            );
            reason.weight = Weight(counted);
        }
    }
}

/// Whether no signature and no RPC message was seen in it.
#[must_use]
pub fn is_unknown(flow: &Conversation) -> bool {
    flow.seen.is_empty() && flow.from_client.remote_calls.is_none() && flow.from_server.remote_calls.is_none()
}

fn sides<'a>(flow: &'a Conversation<'_>) -> impl Iterator<Item = (Side, &'a Texture)> {
    let sides = [(Side::Client, &flow.from_client), (Side::Server, &flow.from_server)];
    sides.into_iter().filter_map(|(side, traffic)| Some((side, traffic.texture.as_deref()?)))
}

/// The texture of the side that spoke first.
fn first_spoken<'a>(flow: &'a Conversation<'_>) -> Option<&'a Texture> {
    sides(flow).map(|(_, texture)| texture).min_by_key(|texture| texture.first)
}

/// Whether nobody can read what an unknown protocol says: neither text nor a packed file.
#[must_use]
pub fn is_unreadable(flow: &Conversation) -> bool {
    is_unknown(flow)
        && sides(flow).any(|(_, texture)| texture.kind == Kind::Random || texture.encrypted_from_start)
        && sides(flow).all(|(_, texture)| {
            matches!(texture.kind, Kind::Random | Kind::Binary) && texture.behind_head != Kind::Packed
        })
}
