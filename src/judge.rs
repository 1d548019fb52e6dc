//! From features to findings: who serves, what was seen, and what the rules make of it. Computed once, at the end, from
//! the table and its context; reads no packet.

use crate::class::{Class, Evidence, Verdict, Weight};
use crate::conversation::back::{self, Announced};
use crate::conversation::{Answer, Bindings, Conversation, Seen, Service, State, first_frames};
use crate::conversation::{dialogue, elsewhere};
use crate::finding::{self, Finding, Kind};
use crate::flow::{Flow, FlowKey, READ_AGAIN};
use crate::packet::Endpoint;
use crate::port::{Scope, Transport};
use crate::registry::Registry;
use crate::rule::{self, Context, bound, rpc, rpc_abuse, sweep};
use crate::table::{FlowTable, Tier};
use crate::words::count;
use std::collections::HashSet;
use std::net::IpAddr;

/// What the judgement leaves out of the findings, so that it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Conversations of context ports: read for what they say of others.
    pub context_flows: u64,
}

/// How to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether passwords that were captured are shown in the report.
    pub show_secrets: bool,
}

/// Every finding, in the order of the report.
#[must_use]
pub fn judge(table: &FlowTable, registry: &Registry, options: Options) -> (Vec<Finding>, Apart) {
    let talkative = talkative(table);
    let answers =
        dialogue::answered(talkative.iter().map(|(key, flow)| (key, flow)), |call| READ_AGAIN.contains(&call.program));
    let bindings = Bindings::of_answers(&answers);
    let mut announced = Announced::default();
    table.tier(Tier::Context).for_each(|(key, flow)| announced.read(key, flow));
    let mut conversations: Vec<Conversation> = table
        .flows()
        .map(|(key, flow)| Conversation::new(key, &flow, table.crumbs(&key), table.scope(), &bindings))
        .collect();
    for conversation in &mut conversations {
        back::mark(conversation, &announced, &bindings);
    }
    elsewhere::pair(&mut conversations);
    let sends = |flow: &Conversation| {
        let ends = [(flow.client(), &flow.from_client), (flow.server(), &flow.from_server)];
        ends.map(|(end, traffic)| (traffic.packets > 0).then_some(end.address))
    };
    let heard: HashSet<IpAddr> = conversations.iter().flat_map(sends).flatten().collect();
    for conversation in &mut conversations {
        conversation.server_heard = heard.contains(&conversation.server().address);
    }
    let dumpers = rpc_abuse::dumpers(&conversations);
    let context = Context {
        registry,
        bindings: &bindings,
        answers: &answers,
        dumpers: &dumpers,
        show_secrets: options.show_secrets,
    };

    let mut findings: Vec<Finding> = sweep::take(&mut conversations).iter().map(scanner_finding).collect();
    let scope = table.scope();
    let mut rest: Vec<Conversation> =
        conversations.extract_if(.., |conversation| !is_target(scope, &conversation.service())).collect();
    conversations.sort_unstable_by_key(|conversation| (conversation.service(), conversation.order()));
    for flows in conversations.chunk_by(|a, b| a.service() == b.service()) {
        findings.push(service_finding(flows[0].service(), flows, context));
    }
    let on_target_port = |flow: &Conversation| {
        let is_target = |end: Endpoint| scope.is_target(flow.key.transport, end.port);
        is_target(flow.client()) || (flow.back_from.is_some() && is_target(flow.server()))
    };
    let context_flows = rest.iter().filter(|flow| !on_target_port(flow)).count() as u64;
    rest.retain(on_target_port);
    let pair = |flow: &Conversation| (flow.service(), flow.asker().address);
    rest.sort_unstable_by_key(|conversation| (pair(conversation), conversation.order()));
    for flows in rest.chunk_by(|a, b| pair(a) == pair(b)) {
        let (service, client) = pair(&flows[0]);
        findings.push(client_finding(service, client, flows, context));
    }
    findings.sort_by_key(Finding::order);
    (findings, Apart { context_flows })
}

/// Conversations whose calls and answers are worth reading in full: with portmappers, binders and NetInfo's servers, on
/// whatever port, and datagrams that answer a call sent elsewhere.
fn talkative(table: &FlowTable) -> Vec<(FlowKey, Flow)> {
    let context = table.tier(Tier::Context).map(|(key, _)| *key);
    let speaks = |key: &FlowKey, flow: &Flow| {
        let only_replies = || {
            let counts = flow.halves.iter().filter_map(|half| half.remote_calls.as_deref());
            counts.clone().all(|calls| calls.call_messages == 0) && counts.count() > 0
        };
        READ_AGAIN.iter().any(|program| flow.calls_program(*program))
            || (key.transport == Transport::Udp && only_replies())
    };
    let others = table.tier(Tier::RemoteCall).filter(|(key, flow)| speaks(key, flow)).map(|(key, _)| *key);
    context.chain(others).filter_map(|key| Some((key, table.flow(&key)?))).collect()
}

fn is_target(scope: &Scope, service: &Service) -> bool {
    scope.is_target(service.transport, service.end.port)
}

/// A service and everything that was said to it.
fn service_finding(service: Service, flows: &[Conversation], context: Context<'_>) -> Finding {
    let state = state_of(flows);
    let calls = rpc::sum(flows);
    let mut evidence = rule::of_service(&service, flows, &calls, context);
    evidence.extend(state_evidence(state, flows));
    let verdict = Verdict::from_evidence(evidence);
    let (protocol, what) = describe(&service, flows, &calls, &verdict, state, context);
    let kind = Kind::Service;
    finding::finding(kind, service, service.end.address, verdict, protocol, what, state, &calls, flows)
}

/// A source that touched many services.
fn scanner_finding(scanner: &sweep::Scanner) -> Finding {
    let verdict = Verdict::from_evidence(vec![scanner.evidence()]);
    let (targets, what) = (scanner.targets(), scanner.what());
    let state = if targets.open.is_empty() { State::Unanswered } else { State::NoPayload };
    let service = scanner.probes[0].service();
    let mut finding = finding::finding(
        Kind::Scanner,
        service,
        scanner.address,
        verdict,
        "",
        what,
        state,
        &rpc::Sum::default(),
        &scanner.probes,
    );
    finding.targets = Some(targets);
    finding
}

/// A client on a reserved source port: not a service, told under what it talks to.
fn client_finding(service: Service, client: IpAddr, flows: &[Conversation], context: Context<'_>) -> Finding {
    let state = state_of(flows);
    let calls = rpc::sum(flows);
    let mut evidence = rule::of_client(&service, flows, &calls, context);
    evidence.extend(state_evidence(state, flows));
    let verdict = Verdict::from_evidence(evidence);
    let (protocol, what) = describe(&service, flows, &calls, &verdict, state, context);
    let name = context.registry.name(service.transport, service.end.port);
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    let what = format!("client of {}/{}{name}: {what}", service.end, service.transport);
    finding::finding(Kind::Client, service, client, verdict, protocol, what, state, &calls, flows)
}

/// The best that any conversation came to.
fn state_of(flows: &[Conversation]) -> State {
    let has = |answer| flows.iter().any(|flow| flow.answer == answer);
    if flows.iter().any(|flow| flow.has_payload() && (!flow.seen.is_empty() || rpc::speaks(flow))) {
        State::Recognised
    } else if has(Answer::Spoke) {
        State::Unexplained
    } else if has(Answer::Connected) {
        if flows.iter().any(Conversation::has_payload) { State::Unexplained } else { State::NoPayload }
    } else if has(Answer::Refused) {
        State::Refused
    } else if has(Answer::OneSided) {
        State::Unexplained
    } else {
        State::Unanswered
    }
}

/// What the state says about a service of which nothing else is known.
fn state_evidence(state: State, flows: &[Conversation]) -> Option<Evidence> {
    let (by, says) = match state {
        State::Recognised => return None,
        State::Unexplained => ("unexplained", "payload was exchanged, and no signature knows it".to_owned()),
        State::NoPayload => ("no-payload", "connections came about, and no payload was captured".to_owned()),
        State::Refused => ("refused", format!("{} refused, none accepted", count(flows.len(), "attempt"))),
        State::Unanswered => ("unanswered", format!("{}, and nobody answered", count(flows.len(), "attempt"))),
    };
    let frames = first_frames(flows.iter().filter_map(Conversation::first));
    Some(Evidence { by, class: Class::Custom, weight: Weight::NOTE, says, frames, attack: None })
}

/// A short protocol name, and what the service is in words.
fn describe(
    service: &Service,
    flows: &[Conversation],
    calls: &rpc::Sum,
    verdict: &Verdict,
    state: State,
    context: Context<'_>,
) -> (&'static str, String) {
    let content = rule::content::summary(flows);
    if let Some(what) = rpc::describe(calls, flows) {
        let what = rule::netinfo::describe(service, flows, context).unwrap_or(what);
        return ("onc-rpc", content.map_or(what.clone(), |content| format!("{what}; {content}")));
    }
    if verdict.class == Class::LegacyRpc
        && let Some(what) = bound::describe(service, context.bindings)
    {
        return ("onc-rpc", what);
    }
    let mut seen: Vec<&Seen> = flows.iter().flat_map(|flow| &flow.seen).collect();
    seen.sort_by_key(|seen| (seen.signature().class, std::cmp::Reverse(seen.signature().weight), seen.first));
    let protocol = seen.iter().map(|seen| seen.signature().protocol).find(|name| !name.is_empty()).unwrap_or_default();
    let recognised = rule::recognised::summary(&seen);
    let parts: Vec<String> = content
        .filter(|_| verdict.class == Class::Suspicious || recognised.is_empty())
        .into_iter()
        .chain((!recognised.is_empty()).then_some(recognised.clone()))
        .collect();
    let what = if !parts.is_empty() {
        parts.join("; ")
    } else if flows.iter().all(|flow| flow.back_from.is_some()) {
        "a connection that runs back to it, for standard error".to_owned()
    } else if flows.iter().all(elsewhere::is_broadcast) {
        "sent to everybody on the net".to_owned()
    } else if flows.iter().all(|flow| flow.answered_elsewhere > 0) {
        "answered from another address".to_owned()
    } else {
        state.what().to_owned()
    };
    (protocol, what)
}
