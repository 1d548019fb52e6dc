//! What only shows beside other services: port knocks, clients that turn server, one odd service on many hosts.

use super::{About, encrypted};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Answer, Conversation, Service, first_frames};
use crate::frame::Stamp;
use crate::packet::Endpoint;
use crate::port::{Scope, Transport};
use crate::signature::texture::Kind;
use crate::words::count;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub const KNOCK: About = About {
    id: "knock",
    about: "A client touched three closed ports or more within 30 seconds, each for itself, and within a minute was let in on another \
port of the same host. Strong where that port had refused the same client before; a search for a service looks alike otherwise, and is \
a hint.",
    attack: Some("T1205.001"),
};

pub const TURNABOUT: About = About {
    id: "turnabout",
    about: "A host that was a client on such a port becomes a server on another one within ten minutes, and the server that it had talked \
to connects to it. Known protocols and RPC that call back are left out.",
    attack: Some("T1008"),
};

pub const SPREAD: About = About {
    id: "spread",
    about: "The same unexplained service answers on the same port of five hosts and more. Agents of the house do the same: a hint where \
the content can be read, more where it cannot.",
    attack: Some("T1571"),
};

const MIN_KNOCKS: usize = 3;
/// More closed ports than this are a sweep.
const MAX_KNOCKS: usize = 12;
const KNOCKS_WITHIN: u64 = 30 * SECOND;
const LET_IN_WITHIN: u64 = 60 * SECOND;
const TURN_WITHIN: u64 = 600 * SECOND;
const SECOND: u64 = 1_000_000_000;
const MIN_HOSTS: usize = 5;
/// Packets of one touch: a SYN and its repetitions, and the reset.
const MAX_TOUCH: u64 = 6;

/// What services have to do with each other.
#[derive(Clone, Debug, Default)]
pub struct Company {
    reasons: BTreeMap<Service, Vec<Evidence>>,
}

/// One attempt of a client at a service.
struct Attempt {
    service: Service,
    first: Stamp,
    let_in: bool,
    touch: bool,
}

impl Company {
    /// Of all conversations, before scanners are taken out.
    #[must_use]
    pub fn of(conversations: &[Conversation], scope: &Scope) -> Self {
        let mut company = Company::default();
        let targets =
            || conversations.iter().filter(|flow| scope.is_target(flow.key.transport, flow.service().end.port));
        company.knocks(targets());
        company.turnabouts(targets());
        company.spread(targets());
        company
    }

    /// The reasons for a service.
    #[must_use]
    pub fn evidence(&self, service: &Service) -> Vec<Evidence> {
        self.reasons.get(service).cloned().unwrap_or_default()
    }

    fn add(
        &mut self,
        service: Service,
        about: About,
        weight: Weight,
        says: String,
        frames: impl IntoIterator<Item = Stamp>,
    ) {
        let frames = first_frames(frames);
        let known = self.reasons.entry(service).or_default();
        if !known.iter().any(|reason| reason.by == about.id) {
            known.push(Evidence { by: about.id, class: Class::Suspicious, weight, says, frames, attack: about.attack });
        }
    }

    fn knocks<'a>(&mut self, flows: impl Iterator<Item = &'a Conversation<'a>>) {
        let mut pairs: BTreeMap<(IpAddr, IpAddr), Vec<Attempt>> = BTreeMap::new();
        for flow in flows {
            let Some(first) = flow.first().filter(|first| first.time.is_known()) else { continue };
            let let_in = matches!(flow.answer, Answer::Spoke | Answer::Connected);
            let touch = !let_in && flow.packets() <= MAX_TOUCH && flow.from_client.packets > 0;
            let attempt = Attempt { service: flow.service(), first, let_in, touch };
            pairs.entry((flow.asker().address, attempt.service.end.address)).or_default().push(attempt);
        }
        for ((client, _), mut attempts) in pairs {
            attempts.sort_by_key(|attempt| (attempt.first, attempt.service));
            let touched: BTreeSet<Service> = attempts.iter().filter(|a| a.touch).map(|a| a.service).collect();
            // The very first success at each service, with what came shortly before it.
            let mut done = BTreeSet::new();
            for (index, opened) in attempts.iter().enumerate().filter(|(_, attempt)| attempt.let_in) {
                if touched.len() > MAX_KNOCKS || !done.insert(opened.service) {
                    continue;
                }
                let before = &attempts[..index];
                let recent = before
                    .iter()
                    .rev()
                    .take_while(|attempt| opened.first.time.since(attempt.first.time) <= KNOCKS_WITHIN + LET_IN_WITHIN);
                let mut knocks: Vec<&Attempt> =
                    recent.filter(|attempt| attempt.touch && attempt.service != opened.service).collect();
                knocks.reverse();
                let Some(last) = knocks.last() else { continue };
                let (last_time, opened_time) = (last.first.time, opened.first.time);
                knocks.retain(|knock| last_time.since(knock.first.time) <= KNOCKS_WITHIN);
                let ports: BTreeSet<(Transport, u16)> =
                    knocks.iter().map(|knock| (knock.service.transport, knock.service.end.port)).collect();
                if ports.len() < MIN_KNOCKS || opened_time.since(last_time) > LET_IN_WITHIN {
                    continue;
                }
                let was_closed = before.iter().any(|attempt| attempt.touch && attempt.service == opened.service);
                let names: Vec<String> = ports_in_order(&knocks);
                let says = format!(
                    "{client} touched the closed ports {} within {} s and was let in here {} s later{}; threshold {MIN_KNOCKS} ports in 30 s",
                    names.join(", "),
                    last_time.since(knocks[0].first.time) / SECOND,
                    opened_time.since(last_time) / SECOND,
                    if was_closed { "; before that, this port had not let it in" } else { "" },
                );
                let weight = if was_closed { Weight::STRONG } else { Weight::HINT };
                let frames = knocks.iter().map(|knock| knock.first).chain([opened.first]);
                self.add(opened.service, KNOCK, weight, says, frames);
            }
        }
    }

    fn turnabouts<'a>(&mut self, flows: impl Iterator<Item = &'a Conversation<'a>>) {
        let mut begun: Vec<&Conversation> = flows
            .filter(|flow| flow.from_client.syn > 0 && matches!(flow.answer, Answer::Spoke | Answer::Connected))
            .filter(|flow| flow.first().is_some_and(|first| first.time.is_known()))
            .collect();
        begun.sort_unstable_by_key(|flow| flow.order());
        let mut went: BTreeMap<(IpAddr, IpAddr), (Stamp, Endpoint)> = BTreeMap::new();
        for flow in &begun {
            let (pair, Some(first)) = ((flow.client().address, flow.server().address), flow.first()) else { continue };
            let known = went.entry(pair).or_insert((first, flow.server()));
            *known = (*known).min((first, flow.server()));
        }
        for flow in begun.iter().filter(|flow| encrypted::is_unknown(flow) || !flow.has_payload()) {
            let (pair, Some(first)) = ((flow.server().address, flow.client().address), flow.first()) else { continue };
            let Some((before, to)) = went.get(&pair) else { continue };
            // On one host everybody is everybody's client.
            let other = flow.client().address != flow.server().address;
            if other && *before < first && first.time.since(before.time) <= TURN_WITHIN && to.port != flow.server().port
            {
                let says = format!(
                    "this host was a client of {to} and {} s later serves it on port {}",
                    first.time.since(before.time) / SECOND,
                    flow.server().port
                );
                let (before, to) = (*before, *to);
                let back = format!(
                    "its client {} serves it back {} s later on port {}",
                    flow.server().address,
                    first.time.since(before.time) / SECOND,
                    flow.server().port
                );
                self.add(flow.service(), TURNABOUT, Weight::MODERATE, says, [before, first]);
                let service = Service { end: to, ..flow.service() };
                self.add(service, TURNABOUT, Weight::MODERATE, back, [before, first]);
            }
        }
    }

    fn spread<'a>(&mut self, flows: impl Iterator<Item = &'a Conversation<'a>>) {
        let mut by_port: BTreeMap<(Transport, u16), BTreeMap<Service, (Stamp, bool)>> = BTreeMap::new();
        for flow in flows.filter(|flow| flow.answer == Answer::Spoke && encrypted::is_unknown(flow)) {
            let texture = flow.from_server.texture.as_deref().or(flow.from_client.texture.as_deref());
            let (Some(first), Some(texture)) = (flow.first(), texture) else { continue };
            let readable = !matches!(texture.kind, Kind::Random | Kind::Binary);
            let services = by_port.entry((flow.key.transport, flow.service().end.port)).or_default();
            let known = services.entry(flow.service()).or_insert((first, readable));
            *known = (known.0.min(first), known.1 && readable);
        }
        for services in by_port.values().filter(|services| services.len() >= MIN_HOSTS) {
            let readable = services.values().all(|(_, readable)| *readable);
            let weight = if readable { Weight::HINT } else { Weight::MODERATE };
            for (service, (first, _)) in services {
                let says = format!(
                    "the same port serves something unexplained on {}; threshold {MIN_HOSTS}",
                    count(services.len(), "host")
                );
                self.add(*service, SPREAD, weight, says, [*first]);
            }
        }
    }
}

/// Each port once, in the order of the knocks.
fn ports_in_order(knocks: &[&Attempt]) -> Vec<String> {
    let mut names = Vec::new();
    for knock in knocks {
        let name = format!("{}/{}", knock.service.end.port, knock.service.transport);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
