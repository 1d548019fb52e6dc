//! What a service is, in a line of words. Weighs nothing.

use crate::class::{Class, Verdict};
use crate::conversation::{Conversation, Seen, Service, Side, State, elsewhere};
use crate::rule::{self, Context, bound, rpc};
use crate::signature::netinfo::NETINFO;
use std::collections::BTreeSet;

/// What the bytes of an unexplained service are like: of the client, and of the server where it is something else.
fn like(flows: &[Conversation]) -> Option<String> {
    let of = |side: Side| {
        let textures = flows.iter().filter_map(|flow| flow.texture(side));
        textures.min_by_key(|texture| texture.first).map(|texture| texture.kind.in_words())
    };
    let said = match (of(Side::Client), of(Side::Server)) {
        (Some(asked), Some(answered)) if asked == answered => format!("{asked} both ways"),
        (Some(asked), Some(answered)) => format!("{asked} to the server, {answered} back"),
        (Some(asked), None) => format!("{asked} to the server"),
        (None, Some(answered)) => format!("{answered} from the server"),
        (None, None) => return None,
    };
    Some(format!("unexplained: {said} that no signature knows"))
}

/// What connections began with before they spoke RPC: a proxy, which is what listens on the port.
fn behind(flows: &[Conversation]) -> String {
    let before = |flow: &Conversation| {
        let calls = flow.from_client.remote_calls.as_deref();
        calls.into_iter().flat_map(|calls| calls.procedures.iter()).filter_map(|(_, seen)| seen.first).min()
    };
    let names: BTreeSet<&str> = flows
        .iter()
        .filter(|flow| flow.from_client.preamble)
        .flat_map(|flow| flow.seen.iter().filter(move |seen| seen.first.zip(before(flow)).is_some_and(|(a, b)| a < b)))
        .map(|seen| seen.label.protocol)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!(", behind {}", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// A short protocol name, and what the service is in words.
pub(super) fn describe(
    service: &Service,
    flows: &[Conversation],
    calls: &rpc::Sum,
    verdict: &Verdict,
    state: State,
    context: Context<'_>,
) -> (&'static str, String) {
    let content = rule::content::summary(flows);
    if let Some(what) = rpc::describe(calls, flows) {
        // In NetInfo's own words, where nothing else is served there.
        let own = calls.serves_only(NETINFO).then(|| rule::netinfo::describe(service, flows, context));
        let what = format!("{}{}", own.flatten().unwrap_or(what), behind(flows));
        return ("onc-rpc", content.map_or(what.clone(), |content| format!("{what}; {content}")));
    }
    if verdict.class == Class::LegacyRpc
        && let Some(what) = bound::describe(service, context.bindings)
    {
        return ("onc-rpc", what);
    }
    let mut seen: Vec<&Seen> = flows.iter().flat_map(|flow| &flow.seen).collect();
    let other = |seen: &Seen| seen.label.class != verdict.class;
    // What the server says itself comes before what it was asked in.
    let by_server: BTreeSet<&str> =
        seen.iter().filter(|seen| seen.from == Side::Server).map(|seen| seen.label.protocol).collect();
    let only_asked = |seen: &Seen| {
        seen.label.class == Class::Custom && !by_server.is_empty() && !by_server.contains(seen.label.protocol)
    };
    seen.sort_by_key(|seen| {
        (other(seen), seen.label.class, only_asked(seen), std::cmp::Reverse(seen.label.weight), seen.first)
    });
    let protocol = seen.iter().map(|seen| seen.label.protocol).find(|name| !name.is_empty()).unwrap_or_default();
    let recognised = rule::recognised::summary(&seen);
    let parts: Vec<String> = content
        .filter(|_| verdict.class == Class::Suspicious || recognised.is_empty())
        .into_iter()
        .chain((!recognised.is_empty()).then_some(recognised))
        .collect();
    let what = if !parts.is_empty() {
        parts.join("; ")
    } else if flows.iter().all(|flow| flow.back_from.is_some()) {
        "a connection that runs back to it, for standard error".to_owned()
    } else if flows.iter().all(elsewhere::is_broadcast) {
        "sent to everybody on the net".to_owned()
    } else if flows.iter().all(|flow| flow.answered_from.is_some()) {
        elsewhere::in_words(flows)
    } else if let Some(what) = rule::enveloped::describe(flows) {
        what
    } else {
        like(flows).filter(|_| state == State::Unexplained).unwrap_or_else(|| state.what().to_owned())
    };
    (protocol, what)
}
