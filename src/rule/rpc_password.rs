//! Passwords in the arguments of RPC calls: whoever captured them can read them.

use super::About;
use super::details::{self, listed};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::signature::arguments::Kind;

pub const ABOUT: About = About {
    id: "rpc.password",
    about: "A call carried a password: yppasswdd's change the old one in clear, pcnfsd's log-in one that is scrambled by a fixed byte. Says whose; the \
password itself is not kept.",
    attack: Some("T1552"),
};

/// Users named in one line.
const MAX_NAMED: usize = 8;

pub fn evidence(flows: &[Conversation]) -> Option<Evidence> {
    let sent = details::of(flows, |kind| kind == Kind::Password);
    let named = sent.iter().map(|(detail, sent)| format!("of “{}”, {} ×{}", detail.what, detail.within, sent.count));
    (!sent.is_empty()).then(|| Evidence {
        by: ABOUT.id,
        class: Class::Suspicious,
        weight: Weight::HINT,
        says: format!("a password in a call: {}", listed(named.collect(), MAX_NAMED)),
        frames: first_frames(sent.values().filter_map(|sent| sent.first)),
        attack: ABOUT.attack,
    })
}
