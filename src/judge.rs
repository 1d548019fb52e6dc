//! From features to findings: who serves, what was seen, and what the rules make of it. Computed once, at the end, from
//! the table and its context; reads no packet.

mod describe;
mod filters;
mod questions;
mod site;

use crate::class::{Class, Evidence, Verdict, Weight};
use crate::conversation::back::{self, Announced, NfsServers};
use crate::conversation::{Answer, Bindings, Conversation, Seen, Service, Side, State, Traffic, first_frames};
use crate::conversation::{dialogue, elsewhere, roles};
use crate::finding::{self, Around, Finding, Kind, Opening};
use crate::flow::{Chunk, Directions, Flow, FlowKey, Half, Regions, SHOWN};
use crate::frame::Stamp;
use crate::packet::Endpoint;
use crate::policy::{Policy, Subject};
use crate::port::{Ports, Scope, Transport};
use crate::registry::Registry;
use crate::rule::company::Company;
use crate::rule::{self, Context, disguise, rpc, rpc_abuse, rpc_credential, rpc_password, sweep};
use crate::signature::pattern;
use crate::signature::protocol::Catalogue;
use crate::signature::rpc::Found;
use crate::signature::{self, Payload, read_again, secret};
use crate::table::{FlowTable, Gathered, Tier};
use crate::words::count;
use describe::describe;
use questions::Questions;
use rayon::prelude::*;
use site::Site;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

/// Conversations that are gathered before they are looked into on all threads.
const AT_ONCE: usize = 4096;

/// What the judgement leaves out of the findings, so that it can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Conversations of context ports: read for what they say of others.
    pub context_flows: u64,
    /// Questions to everybody on the net that were answered: those who answered are the services.
    pub broadcast_flows: u64,
    /// Connections that are told together with others on their four-tuple.
    pub joined: u64,
    /// Conversations with portmappers, binders and NetInfo of which more was said than is kept.
    pub unread_flows: u64,
}

/// How to judge.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Whether passwords that were captured are shown in the report.
    pub show_secrets: bool,
    /// The protocols that are known.
    pub catalogue: &'a Catalogue,
    /// The site's own word.
    pub policy: Option<&'a Policy>,
    /// What Community IDs begin with: the same on every tool of a site.
    pub community_id_seed: u16,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { show_secrets: false, catalogue: pattern::built_in(), policy: None, community_id_seed: 0 }
    }
}

/// Every finding, in the order of the report.
#[must_use]
pub fn judge(table: &FlowTable, registry: &Registry, options: Options<'_>) -> (Vec<Finding>, Apart) {
    let talkative = talkative(table);
    let answers = dialogue::answered(talkative.iter().map(|(key, flow)| (key, flow)), |call| {
        read_again::PROGRAMS.contains(&call.program)
    });
    let unread = talkative.iter().filter(|(key, flow)| has_unread(table.scope(), key, flow)).count();
    let bindings = Bindings::of_answers(&answers);
    let mut announced = Announced::default();
    for (key, _) in table.tier(Tier::Context) {
        table.connections(key).for_each(|gathered| announced.read(key, &gathered.into_flow()));
    }
    let questions = Questions::of_table(table);
    let mut conversations: Vec<Conversation> = Vec::new();
    let mut gathered = table.conversations();
    loop {
        let some: Vec<Gathered> = gathered.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            break;
        }
        conversations.par_extend(some.into_par_iter().map(|gathered| {
            let asked = questions.of(&gathered);
            Conversation::new(&gathered, asked, table.scope(), &bindings, options.catalogue)
        }));
    }
    conversations.retain(|flow| !is_carried_over(table, flow));
    roles::turn_to_known(&mut conversations);
    let scope = table.scope();
    let mutual = roles::served_by_clients(&conversations);
    conversations.extend(mutual.into_iter().filter(|flow| is_target(scope, &flow.service())));
    let nfs = NfsServers::of(&conversations);
    for conversation in &mut conversations {
        back::mark(conversation, &announced, &nfs, &bindings);
    }
    elsewhere::pair(&mut conversations);
    elsewhere::find_answers(&mut conversations);
    let sends = |flow: &Conversation| {
        let ends = [(flow.client(), &flow.from_client), (flow.server(), &flow.from_server)];
        ends.map(|(end, traffic)| (traffic.packets > 0).then_some(end.address))
    };
    let heard: HashSet<IpAddr> = conversations.iter().flat_map(sends).flatten().collect();
    for conversation in &mut conversations {
        conversation.server_heard = heard.contains(&conversation.server().address);
    }
    let joined = conversations.iter().map(|flow| flow.joined as u64).filter(|joined| *joined > 1).sum();
    let dumpers = rpc_abuse::dumpers(&conversations);
    let victims = rpc_abuse::victims(&conversations);
    let company = Company::of(&conversations, table.scope());
    let totals = &table.totals;
    let around = Around { span: totals.first.zip(totals.last), community_id_seed: options.community_id_seed };
    let site = Site { policy: options.policy, around };
    let context = Context {
        registry,
        bindings: &bindings,
        answers: &answers,
        dumpers: &dumpers,
        victims: &victims,
        company: &company,
        show_secrets: options.show_secrets,
    };

    let scanners = sweep::take(&mut conversations);
    // What went to everybody is no service where somebody answers: those are.
    let broadcasts = conversations.extract_if(.., |flow| {
        elsewhere::is_broadcast(flow) && flow.answered_from.is_some() && flow.back_from.is_none()
    });
    let broadcast_flows = broadcasts.count() as u64;
    let mut rest: Vec<Conversation> =
        conversations.extract_if(.., |conversation| !is_target(scope, &conversation.service())).collect();
    conversations.sort_unstable_by_key(|conversation| (conversation.service(), conversation.order()));
    let services: Vec<&[Conversation]> = conversations.chunk_by(|a, b| a.service() == b.service()).collect();
    let judged: Vec<_> = services
        .par_iter()
        .map(|flows| {
            let mut finding = service_finding(flows[0].service(), flows, context, site);
            finding.opening = opening(table, flows, &finding, options.show_secrets);
            (finding, disguise::probers(flows))
        })
        .collect();
    let mut findings = Vec::with_capacity(judged.len());
    let mut probers: BTreeMap<IpAddr, Evidence> = BTreeMap::new();
    for (finding, asking) in judged {
        findings.push(finding);
        for (client, evidence) in asking {
            let known = probers.entry(client).or_insert_with(|| evidence.clone());
            if evidence.weight > known.weight {
                *known = evidence;
            }
        }
    }
    for scanner in scanners {
        let evidence = [Some(scanner.evidence()), probers.remove(&scanner.address)].into_iter().flatten().collect();
        findings.push(scanner_finding(&scanner, scanner.what(), evidence, site));
    }
    // Who asks a service as only scanners do is a finding as well; what was said counts for the service, too.
    let mut probes: BTreeMap<IpAddr, Vec<Conversation>> = BTreeMap::new();
    for flow in conversations.iter().filter(|flow| probers.contains_key(&flow.asker().address)) {
        probes.entry(flow.asker().address).or_default().push(flow.clone());
    }
    for (client, evidence) in probers {
        let Some(probes) = probes.remove(&client) else { continue };
        let scanner = sweep::Scanner::of_probes(client, probes);
        findings.push(scanner_finding(&scanner, format!("asks what runs: {}", evidence.says), vec![evidence], site));
    }
    let on_target_port = |flow: &Conversation| {
        let is_target = |end: Endpoint| scope.is_target(flow.key.transport, end.port);
        is_target(flow.client()) || (flow.back_from.is_some() && is_target(flow.server()))
    };
    let context_flows = rest.iter().filter(|flow| !on_target_port(flow)).count() as u64;
    rest.retain(on_target_port);
    let pair = |flow: &Conversation| (flow.service(), flow.asker().address);
    rest.sort_unstable_by_key(|conversation| (pair(conversation), conversation.order()));
    let pairs: Vec<&[Conversation]> = rest.chunk_by(|a, b| pair(a) == pair(b)).collect();
    findings.par_extend(pairs.par_iter().map(|flows| {
        let (service, client) = pair(&flows[0]);
        let mut finding = client_finding(service, client, flows, context, site);
        finding.opening = opening(table, flows, &finding, options.show_secrets);
        finding
    }));
    filters::tell_tunnels_apart(&mut findings);
    filters::tell_reused_apart(&mut findings);
    if !options.show_secrets {
        findings.par_iter_mut().for_each(hide_secrets);
    }
    findings.sort_by_key(Finding::order);
    (findings, Apart { context_flows, broadcast_flows, joined, unread_flows: unread as u64 })
}

/// Masks what words of packets in a finding are secret.
fn hide_secrets(finding: &mut Finding) {
    let texts = finding.evidence.iter_mut().map(|reason| &mut reason.says).chain([&mut finding.what]);
    for text in texts {
        if let Some(masked) = secret::masked_text(text) {
            *text = masked;
        }
    }
}

/// Whether a conversation with a portmapper belongs to an earlier window, and is here for what it taught.
fn is_carried_over(table: &FlowTable, flow: &Conversation) -> bool {
    let [a, b] = flow.key.ends;
    let ports = Ports { transport: flow.key.transport, source: a.port, destination: b.port };
    let ended = |since| flow.last().is_none_or(|Stamp { time, .. }| time <= since);
    table.scope().is_context(ports) && table.since.is_some_and(ended)
}

/// Whether answers of a conversation with these halves are read in full.
fn asks_to_read<'a>(halves: impl Iterator<Item = &'a Half>) -> bool {
    let mut calls = halves.filter_map(|half| half.remote_calls.as_deref());
    calls.any(|calls| read_again::PROGRAMS.iter().any(|program| calls.calls_program(*program)))
}

/// Whether a portmapper, a binder or NetInfo said more than is kept to be read.
fn has_unread(scope: &Scope, key: &FlowKey, flow: &Flow) -> bool {
    let [a, b] = key.ends;
    let ports = Ports { transport: key.transport, source: a.port, destination: b.port };
    (scope.is_portmapper(ports) || asks_to_read(flow.halves.iter())) && flow.halves.iter().any(Half::has_unread)
}

/// Conversations whose calls and answers are worth reading in full: with portmappers, binders and NetInfo's servers, on
/// whatever port, and datagrams that answer a call sent elsewhere.
fn talkative(table: &FlowTable) -> Vec<(FlowKey, Flow)> {
    let context = table.tier(Tier::Context).map(|(key, _)| *key);
    let speaks = |key: &FlowKey, directions: &Directions| {
        let halves = || directions.iter().flat_map(Regions::iter).map(|(_, direction)| &direction.half);
        let only_replies = || {
            let mut counts = halves().filter_map(|half| half.remote_calls.as_deref()).peekable();
            counts.peek().is_some() && counts.all(|calls| calls.call_messages == 0)
        };
        asks_to_read(halves()) || (key.transport == Transport::Udp && only_replies())
    };
    let others = table.tier(Tier::RemoteCall).filter(|(key, flow)| speaks(key, flow)).map(|(key, _)| *key);
    let connections = |key: FlowKey| table.connections(&key).map(move |gathered| (key, gathered.into_flow()));
    context.chain(others).flat_map(connections).collect()
}

fn is_target(scope: &Scope, service: &Service) -> bool {
    scope.is_target(service.transport, service.end.port)
}

/// A service and everything that was said to it.
fn service_finding(service: Service, flows: &[Conversation], context: Context<'_>, site: Site<'_>) -> Finding {
    let state = state_of(flows);
    // What a server calls back at its clients is no program of its own.
    let calls = rpc::sum(flows.iter().filter(|flow| flow.back_from.is_none()));
    let mut evidence = rule::of_service(&service, flows, &calls, context);
    evidence.extend(state_evidence(state, flows));
    let clients = clients(flows);
    let (servers, ports) = ([service.end.address], [service.end.port]);
    let subject = Subject { servers: &servers, transport: service.transport, ports: &ports, clients: &clients };
    let (effect, lifted) = site.apply(&subject, flows, state, &mut evidence);
    let verdict = Verdict::from_evidence(evidence);
    let (protocol, what) = describe(&service, flows, &calls, &verdict, state, context);
    let what = effect.known.as_ref().map_or(what.clone(), |name| format!("{name}: {what}"));
    let acknowledged = effect.known.is_some() && verdict.class != Class::Suspicious;
    let state = if acknowledged { State::Acknowledged } else { state };
    let (kind, address) = (Kind::Service, service.end.address);
    let finding = finding::finding(kind, service, address, verdict, protocol, what, state, &calls, flows, site.around);
    Finding { known: effect.known, allowed: effect.allowed, quieted: effect.quieted, lifted, ..finding }
}

fn clients(flows: &[Conversation]) -> Vec<IpAddr> {
    let clients: BTreeSet<IpAddr> = flows.iter().map(|flow| flow.asker().address).collect();
    clients.into_iter().collect()
}

/// A source that touched many services.
fn scanner_finding(scanner: &sweep::Scanner, what: String, mut evidence: Vec<Evidence>, site: Site<'_>) -> Finding {
    let transport = scanner.probes[0].key.transport;
    let targets = scanner.targets();
    let subject =
        Subject { servers: &targets.addresses, transport, ports: &targets.ports, clients: &[scanner.address] };
    let (effect, lifted) = site.apply(&subject, &[], State::Unanswered, &mut evidence);
    let verdict = Verdict::from_evidence(evidence);
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
        site.around,
    );
    finding.targets = Some(targets);
    Finding { allowed: effect.allowed, quieted: effect.quieted, lifted, ..finding }
}

/// A client on a reserved source port: not a service, told under what it talks to.
fn client_finding(
    service: Service,
    client: IpAddr,
    flows: &[Conversation],
    context: Context<'_>,
    site: Site<'_>,
) -> Finding {
    let state = state_of(flows);
    let only_back = flows.iter().all(|flow| flow.back_from.is_some());
    let calls = rpc::sum(flows.iter().filter(|flow| only_back || flow.back_from.is_none()));
    let mut evidence = rule::of_client(&service, flows, &calls, context);
    evidence.extend(state_evidence(state, flows));
    let (servers, ports, clients) = ([service.end.address], [service.end.port], [client]);
    let subject = Subject { servers: &servers, transport: service.transport, ports: &ports, clients: &clients };
    let (effect, lifted) = site.apply(&subject, flows, state, &mut evidence);
    let verdict = Verdict::from_evidence(evidence);
    let (protocol, what) = describe(&service, flows, &calls, &verdict, state, context);
    let name = context.registry.name(service.transport, service.end.port);
    let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
    let what = format!("client of {}/{}{name}: {what}", service.end, service.transport);
    let kind = Kind::Client;
    let finding = finding::finding(kind, service, client, verdict, protocol, what, state, &calls, flows, site.around);
    Finding { known: effect.known, allowed: effect.allowed, quieted: effect.quieted, lifted, ..finding }
}

/// What was said first: the earliest payload of each side, in the first conversation that has any. Of RPC, unless secrets are to
/// be shown, only what cannot hold a password: see [`signature::rpc::before_secrets`]; and nothing of a service where passwords
/// were seen, or of a side whose first payload is the rest of a message.
fn opening(table: &FlowTable, flows: &[Conversation], finding: &Finding, show_secrets: bool) -> Vec<Opening> {
    let spoke = flows.iter().filter(|flow| flow.has_payload()).min_by_key(|flow| flow.order());
    let kept = |spoke: &Conversation| table.connections(&spoke.key).nth(spoke.number).map(Gathered::into_flow);
    let Some(kept) = spoke.and_then(kept).zip(spoke) else { return Vec::new() };
    let secret = [rpc_credential::PASSWORD, rpc_password::ABOUT, rule::nis::PASSWORDS, rule::netinfo::TRANSFER];
    let tells = |by| secret.iter().any(|about| about.id == by);
    let hidden = !show_secrets && finding.evidence.iter().any(|reason| tells(reason.by));
    let (flow, conversation) = kept;
    let mut openings: Vec<(Stamp, Opening)> = Vec::new();
    for (end, half) in conversation.key.ends.iter().zip(&flow.halves) {
        let Some(first) = half.opening.payloads().next() else { continue };
        let from = if *end == conversation.client() { Side::Client } else { Side::Server };
        let traffic = if from == Side::Client { &conversation.from_client } else { &conversation.from_server };
        let shown = match show_secrets {
            _ if hidden => 0,
            true => SHOWN,
            // That one was cut when it was kept.
            false if half.opening.counted() == Some(first) => SHOWN,
            false => without_secrets(first, traffic, conversation.key.transport),
        };
        let shown = first.bytes.len().min(SHOWN).min(shown);
        let bytes = if show_secrets { first.bytes.to_vec() } else { secret::masked(&first.bytes) };
        let opening = Opening { from, frame: first.stamp.at, bytes: bytes[..shown].to_vec(), length: first.wire_len };
        openings.push((first.stamp, opening));
    }
    openings.sort_by_key(|(stamp, opening)| (*stamp, opening.from));
    openings.into_iter().map(|(_, opening)| opening).collect()
}

/// How many bytes of a first payload can hold no secret.
fn without_secrets(first: &Chunk, traffic: &Traffic<'_>, transport: Transport) -> usize {
    let payload = Payload { transport, bytes: &first.bytes, wire_len: first.wire_len as usize };
    let found: Vec<_> = signature::rpc::found(&payload).collect();
    let is_rest = traffic.remote_calls.is_some() && !traffic.preamble && !found.first().is_some_and(Found::is_at_start);
    if is_rest { 0 } else { signature::rpc::before_secrets(&found) }
}

/// The best that any conversation came to.
fn state_of(flows: &[Conversation]) -> State {
    let has = |answer| flows.iter().any(|flow| flow.answer == answer);
    let tells = |seen: &Seen| !seen.label.protocol.is_empty() || seen.label.class == Class::Suspicious;
    if flows.iter().any(|flow| flow.has_payload() && (flow.seen.iter().any(tells) || rpc::speaks(flow))) {
        State::Recognised
    } else if has(Answer::Spoke) {
        State::Unexplained
    } else if has(Answer::Connected) {
        let said = |flow: &Conversation| flow.has_payload() && !rpc::only_asks(flow);
        match (flows.iter().any(said), flows.iter().any(Conversation::has_payload)) {
            (true, _) => State::Unexplained,
            (false, true) => State::Unanswered,
            (false, false) => State::NoPayload,
        }
    } else if has(Answer::Refused) {
        State::Refused
    } else if flows.iter().any(|flow| flow.answer == Answer::OneSided && !rpc::only_asks(flow)) {
        State::Unexplained
    } else {
        State::Unanswered
    }
}

/// What the state says about a service of which nothing else is known.
fn state_evidence(state: State, flows: &[Conversation]) -> Option<Evidence> {
    let (by, says) = match state {
        State::Recognised | State::Acknowledged => return None,
        State::Unexplained => ("unexplained", "payload was exchanged, and no signature knows it".to_owned()),
        State::NoPayload => ("no-payload", "connections came about, and no payload was captured".to_owned()),
        State::Refused => ("refused", format!("{} refused, none accepted", count(flows.len(), "attempt"))),
        State::Unanswered if flows.iter().all(|flow| flow.answered_from.is_some()) => return None,
        State::Unanswered => {
            ("unanswered", format!("{}, and no answer from this port in the capture", count(flows.len(), "attempt")))
        }
    };
    let frames = first_frames(flows.iter().filter_map(Conversation::first));
    Some(Evidence { by, class: Class::Custom, weight: Weight::NOTE, says, frames, attack: None })
}
