//! Mounts: which paths were asked for, and what came of it.

use super::About;
use super::details::listed;
use super::reads::{self, Made};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Conversation, first_frames};
use crate::flow::ReplySeen;
use crate::frame::Stamp;
use crate::merge::earliest;
use crate::signature::arguments::{Detail, Kind};
use crate::signature::mount;
use std::collections::BTreeMap;

pub const ABOUT: About = About {
    id: "mount.paths",
    about: "Which paths were asked for in mount calls, and whether each was granted, from the answer with the same transaction id. Says what was \
asked, decides nothing.",
    attack: None,
};

/// Paths named in one line.
const MAX_NAMED: usize = 8;

pub fn evidence(flows: &[Conversation]) -> Option<Evidence> {
    let mut paths: BTreeMap<(&str, &str), (u64, Option<Stamp>)> = BTreeMap::new();
    for Made { call, detail, reply, .. } in reads::detailed(flows) {
        let is_path = |detail: &&Detail| matches!(detail.kind, Kind::MountPath | Kind::UnmountPath);
        let Some(detail) = detail.filter(is_path) else { continue };
        let fate = match (detail.kind, reply) {
            (Kind::UnmountPath, _) => "unmounted",
            (_, Some(ReplySeen { outcome, status: Some(word), .. })) if outcome.is_success() => mount::status(*word),
            (_, Some(ReplySeen { outcome, .. })) => outcome.name(),
            (_, None) => "no answer captured",
        };
        let entry = paths.entry((&detail.what, fate)).or_default();
        *entry = (entry.0 + 1, earliest(entry.1, Some(call.first)));
    }
    let cut =
        flows.iter().filter_map(|flow| flow.from_client.remote_calls.as_deref()).any(|calls| calls.calls.is_cut());
    let of = if cut { ", of the calls that are kept" } else { "" };
    let named = paths.iter().map(|((path, fate), (count, _))| match count {
        1 => format!("“{path}”: {fate}"),
        _ => format!("“{path}”: {fate} ×{count}"),
    });
    (!paths.is_empty()).then(|| Evidence {
        by: ABOUT.id,
        class: Class::Custom,
        weight: Weight::NOTE,
        says: format!("asked for {}{of}", listed(named.collect(), MAX_NAMED)),
        frames: first_frames(paths.values().filter_map(|(_, first)| *first)),
        attack: None,
    })
}
