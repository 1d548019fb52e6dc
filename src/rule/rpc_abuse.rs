//! Abuse of RPC: exploits, remote commands, scans, portmappers used as proxies and as amplifiers. It speaks for
//! suspicious and keeps the RPC name.

use super::details::{self, is_inside, listed, outsiders};
use super::{About, Context};
use crate::class::{Class, Evidence, Weight};
use crate::conversation::elsewhere::is_broadcast;
use crate::conversation::{Conversation, Service, first_frames};
use crate::flow::{Named, Sighting};
use crate::frame::Stamp;
use crate::merge::{Merge, earliest};
use crate::packet::Endpoint;
use crate::port::Transport;
use crate::registry::program;
use crate::signature::arguments::Kind;
use crate::signature::nis::YPBIND;
use crate::signature::portmap::{PORTMAPPER, longest_result};
use crate::signature::rpc::NMAP_VERSION;
use crate::words::count;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub const EXPLOIT: About = About {
    id: "rpc.exploit",
    about: "The arguments of an RPC call look like an exploit: too long and filled with one pattern, printf directives or a shell command in a \
name, a path that climbs, a string that claims gigabytes; a verifier of a flavor that has none; a result longer than its procedure gives; or rexd \
was told to run something. Only programs whose arguments are short strings are \
looked at (sadmind, cmsd, ttdbserverd, statd, mountd, amd and others).",
    attack: Some("T1210"),
};

pub const SCAN: About = About {
    id: "rpc.scan",
    about: "Calls that only a scanner makes: the version 104316, with which nmap asks to be refused, or NULL calls to five or more different programs \
at one service. Strong where it answered in RPC and nothing else was asked of it, a hint where it speaks another language.",
    attack: Some("T1046"),
};

pub const FORWARD: About = About {
    id: "rpc.forward",
    about: "A portmapper was told to call a program itself (CALLIT, INDIRECT): from a public address to a private one that is a way around a filter; \
broadcast on one net it is how NIS and NetInfo clients find their servers.",
    attack: Some("T1090"),
};

pub const SET: About = About {
    id: "rpc.set",
    about: "Another host than its own told a portmapper to register or unregister a program, or ypbind which NIS server to take (SETDOM): that takes \
over or removes a service. Strong; SETDOM only from a public address to a private one, and otherwise moderate: an administrator's ypset does it, too.",
    attack: Some("T1557"),
};

pub const DUMPS: About = About {
    id: "rpc.dump-sweep",
    about: "One source asked the portmappers of five or more hosts for their whole table. Weak from 5 hosts, probable from 10.",
    attack: Some("T1046"),
};

pub const REFLECTION: About = About {
    id: "rpc.reflection",
    about: "A portmapper is used to amplify: ten or more requests for its table within a second from one address (which is then the victim's), \
answers of one large size to ten or more addresses that asked nothing in this capture, or large answers of ten or more servers to one that asked none.",
    attack: Some("T1498.002"),
};

pub const HOLES: About = About {
    id: "rpc.holes",
    about: "A program was called that is known for remote holes or runs commands for whoever asks (rexd, sadmind, cmsd, ttdbserverd, ypupdated, \
snmpXdmid, kcms_server, cachefsd). A reason to look, not a verdict.",
    attack: Some("T1210"),
};

/// Programs that are rarely called for anything good today.
const WITH_HOLES: [u32; 8] = [100_017, 100_028, 100_068, 100_083, 100_221, 100_232, 100_235, 100_249];
/// Different programs pinged at one service: rpcinfo asks for one, an NFS client for three.
const MANY_PROGRAMS: usize = 5;
/// Hosts whose tables one source asks for: few, many.
const FEW_HOSTS: usize = 5;
const MANY_HOSTS: usize = 10;
/// Requests in a second: Snort's rule 1-45165.
const DUMPS_A_SECOND: u64 = 10;
/// Addresses that get answers they did not ask for; servers that send such answers to one.
const VICTIMS: usize = 10;
/// The smallest answer that amplifies, in bytes: a table of eight entries.
const LARGE_ANSWER: u64 = 180;
/// Names in one line.
const MAX_NAMED: usize = 4;

/// Where large answers go that nobody asked for, and who sends them.
pub type Victims = BTreeMap<Endpoint, BTreeSet<IpAddr>>;

/// Reads who gets answers without having asked, from whichever servers.
#[must_use]
pub fn victims(conversations: &[Conversation]) -> Victims {
    let mut victims = Victims::new();
    for flow in conversations.iter().filter(|flow| is_unasked(flow)) {
        victims.entry(flow.client()).or_default().insert(flow.server().address);
    }
    victims.retain(|_, servers| servers.len() >= VICTIMS);
    victims
}

/// Whose tables each source asked for, with the first question of each.
pub type Dumpers = BTreeMap<IpAddr, BTreeMap<IpAddr, Stamp>>;

/// Reads who asked which portmappers for their tables, on whatever port.
#[must_use]
pub fn dumpers(conversations: &[Conversation]) -> Dumpers {
    let mut dumpers = Dumpers::new();
    for conversation in conversations {
        if let Some((_, Some(first))) = dumps(conversation) {
            let hosts = dumpers.entry(conversation.client().address).or_default();
            let known = hosts.entry(conversation.server().address).or_insert(first);
            *known = first.min(*known);
        }
    }
    dumpers
}

/// How often a conversation asks for a portmapper's table or its statistics.
fn dumps(conversation: &Conversation) -> Option<(u64, Option<Stamp>)> {
    let calls = conversation.from_client.remote_calls.as_deref()?;
    let is_dump = |named: &Named| {
        named.program == PORTMAPPER && (named.procedure == 4 || (named.version == 4 && named.procedure == 12))
    };
    let of: Vec<_> = calls.procedures.iter().filter(|(named, _)| is_dump(named)).map(|(_, seen)| seen).collect();
    let first = of.iter().map(|seen| seen.first).fold(None, earliest);
    (!of.is_empty()).then(|| (of.iter().map(|seen| seen.count).sum(), first))
}

pub fn evidence(service: &Service, flows: &[Conversation], context: Context<'_>) -> Vec<Evidence> {
    let procedures = procedures(flows);
    let mut evidence = exploits(flows);
    evidence.extend(long_results(flows));
    evidence.extend(scan(&procedures, flows));
    evidence.extend(forwarded(service, flows));
    evidence.extend(SETTINGS.iter().filter_map(|setting| set(service, flows, setting)));
    evidence.extend(dump_sweep(flows, context.dumpers));
    evidence.extend(flood(flows));
    evidence.extend(reflected(flows).or_else(|| converging(flows, context.victims)));
    let holes: BTreeSet<u32> =
        procedures.keys().map(|named| named.program).filter(|program| WITH_HOLES.contains(program)).collect();
    if !holes.is_empty() && evidence.iter().all(|reason| reason.by != EXPLOIT.id) {
        let names: Vec<_> = holes.iter().map(|number| program::name(*number, 0)).collect();
        let first =
            procedures.iter().filter(|(named, _)| holes.contains(&named.program)).filter_map(|(_, seen)| seen.first);
        evidence.push(reason(&HOLES, Weight::HINT, format!("{} called", names.join(", ")), first));
    }
    evidence
}

fn reason(about: &About, weight: Weight, says: String, frames: impl IntoIterator<Item = Stamp>) -> Evidence {
    Evidence {
        by: about.id,
        class: Class::Suspicious,
        weight,
        says,
        frames: first_frames(frames),
        attack: about.attack,
    }
}

/// A procedure with its calls.
#[derive(Clone, Debug, Default)]
struct Called {
    count: u64,
    first: Option<Stamp>,
}

fn procedures(flows: &[Conversation]) -> BTreeMap<Named, Called> {
    let mut procedures: BTreeMap<Named, Called> = BTreeMap::new();
    for flow in flows {
        let calls = flow.from_client.remote_calls.as_deref();
        for (named, seen) in calls.into_iter().flat_map(|calls| calls.procedures.iter()) {
            let called = procedures.entry(*named).or_default();
            called.count += seen.count;
            called.first = earliest(called.first, seen.first);
        }
    }
    procedures
}

fn exploits(flows: &[Conversation]) -> Vec<Evidence> {
    let asked = details::of(flows, Kind::is_abuse);
    let mut by_kind: BTreeMap<Kind, Vec<_>> = BTreeMap::new();
    for (detail, asked) in &asked {
        by_kind.entry(detail.kind).or_default().push((*detail, asked));
    }
    let in_words = |kind| match kind {
        Kind::Overlong => "arguments that are too long and filled with one pattern",
        Kind::Verifier => "a verifier that no client sends",
        Kind::FormatString => "printf directives where a name belongs",
        Kind::Command => "a command where a name belongs",
        Kind::Traversal => "a path that climbs out of where it belongs",
        _ => "a string that claims more bytes than there are",
    };
    by_kind
        .into_iter()
        .map(|(kind, found)| {
            let texts = found.iter().map(|(detail, _)| match (&*detail.what, &*detail.within) {
                ("", within) => within.to_owned(),
                (what, "") => format!("“{what}”"),
                (what, within) => format!("“{what}” ({within})"),
            });
            let calls: u64 = found.iter().map(|(_, asked)| asked.count).sum();
            let says = format!("{}: {}; in {calls} calls", in_words(kind), listed(texts.collect(), MAX_NAMED));
            reason(
                &EXPLOIT,
                Weight::STRONG,
                says.replace("in 1 calls", "in 1 call"),
                found.iter().filter_map(|(_, asked)| asked.first),
            )
        })
        .collect()
}

/// Replies with a result that is longer than the procedure ever gives: an attack on the client.
fn long_results(flows: &[Conversation]) -> Option<Evidence> {
    let mut found: Vec<(u32, u32, Stamp, String)> = Vec::new();
    for flow in flows {
        let calls = flow.from_client.remote_calls.as_deref().zip(flow.from_server.remote_calls.as_deref());
        let pairs = calls.into_iter().flat_map(|(asked, answered)| asked.calls.join(&answered.replies));
        for (_, call, reply) in pairs {
            let Some((call, reply)) = call.zip(reply).filter(|(call, reply)| !call.mixed && reply.outcome.is_success())
            else {
                continue;
            };
            let Named { program, version, procedure, .. } = call.named;
            let longest = (program == PORTMAPPER).then(|| longest_result(version, procedure.into())).flatten();
            if let Some(longest) = longest.filter(|longest| reply.result_length() > *longest) {
                let name = program::procedure_name(program, version, procedure.into()).into_owned();
                found.push((reply.result_length(), longest, reply.first, name));
            }
        }
    }
    let (length, longest, _, name) = found.iter().max_by_key(|(length, _, first, _)| (*length, *first))?;
    let says = format!(
        "a result of {length} bytes for {name}, which gives {longest} at most; in {}: an attack on the client",
        count(found.len(), "reply")
    );
    Some(reason(&EXPLOIT, Weight::STRONG, says, found.iter().map(|(_, _, first, _)| *first)))
}

fn scan(procedures: &BTreeMap<Named, Called>, flows: &[Conversation]) -> Option<Evidence> {
    let pings: BTreeSet<u32> =
        procedures.keys().filter(|named| named.procedure == 0).map(|named| named.program).collect();
    let nmap = procedures.iter().filter(|(named, _)| named.version == NMAP_VERSION);
    let asked_by_nmap: u64 = nmap.clone().map(|(_, called)| called.count).sum();
    let says = match (asked_by_nmap, pings.len()) {
        (1.., programs) => {
            format!("{asked_by_nmap} with version {NMAP_VERSION}, as nmap asks; {} pinged", count(programs, "program"))
        }
        (0, MANY_PROGRAMS..) => {
            format!("{} pinged at one service; threshold {MANY_PROGRAMS}", count(pings.len(), "different program"))
        }
        _ => return None,
    };
    let used_otherwise = procedures.keys().any(|named| named.procedure != 0);
    let spoke = flows.iter().any(|flow| flow.from_server.payload_packets > 0);
    let replied =
        flows.iter().filter_map(|flow| flow.from_server.remote_calls.as_deref()).any(|calls| calls.reply_messages > 0);
    let weight = match (replied, spoke) {
        (true, _) if !used_otherwise => Weight::STRONG,
        // A service of another kind that a scanner tried.
        (false, true) => Weight::HINT,
        _ => Weight::MODERATE,
    };
    Some(reason(
        &SCAN,
        weight,
        format!("calls of a scanner: {says}"),
        procedures.iter().filter(|(named, _)| named.procedure == 0).filter_map(|(_, called)| called.first),
    ))
}

fn forwarded(service: &Service, flows: &[Conversation]) -> Option<Evidence> {
    let asked = details::of(flows, |kind| kind == Kind::Forwarded);
    let clients: BTreeSet<IpAddr> = asked.values().flat_map(|asked| &asked.clients).copied().collect();
    let outside = outsiders(&clients, service.end.address);
    let texts = asked.keys().map(|detail| {
        let mut numbers = detail.what.split(' ').filter_map(|word| word.parse::<u32>().ok());
        let mut next = || numbers.next().unwrap_or_default();
        let (number, version, procedure) = (next(), next(), next());
        let name = program::name(number, version);
        let procedure = program::procedure_name(number, version, procedure);
        if detail.within.is_empty() {
            format!("{name} {procedure}")
        } else {
            format!("{name} {procedure} ({})", detail.within)
        }
    });
    let frames = asked.values().filter_map(|asked| asked.first);
    let what = listed(texts.collect(), MAX_NAMED);
    match (asked.is_empty(), outside.is_empty()) {
        (true, _) => None,
        (false, false) => {
            let by = listed(outside.iter().map(ToString::to_string).collect(), MAX_NAMED);
            Some(reason(&FORWARD, Weight::STRONG, format!("told from outside, by {by}, to call {what}"), frames))
        }
        (false, true) => Some(reason(&FORWARD, Weight::NOTE, format!("told from its own net to call {what}"), frames)),
    }
}

/// Procedures by which a host is told what serves it.
struct Setting {
    program: u32,
    procedures: &'static [u16],
    name: &'static str,
    /// Where another host calls them, but not from outside.
    weight: Weight,
}

const SETTINGS: [Setting; 2] = [
    Setting { program: PORTMAPPER, procedures: &[1, 2], name: "SET or UNSET", weight: Weight::STRONG },
    Setting { program: YPBIND, procedures: &[2], name: "SETDOM", weight: Weight::MODERATE },
];

fn set(service: &Service, flows: &[Conversation], setting: &Setting) -> Option<Evidence> {
    let is_set = |named: &Named| named.program == setting.program && setting.procedures.contains(&named.procedure);
    let mut callers = BTreeSet::new();
    let mut called: BTreeMap<Named, Sighting> = BTreeMap::new();
    // What a host tells itself is no news.
    for flow in flows.iter().filter(|flow| flow.client().address != service.end.address) {
        let calls = flow.from_client.remote_calls.as_deref();
        let procedures = calls.into_iter().flat_map(|calls| calls.procedures.iter());
        for (named, seen) in procedures.filter(|(named, _)| is_set(named)) {
            callers.insert(flow.client().address);
            called.entry(*named).or_default().merge(seen.clone());
        }
    }
    let count: u64 = called.values().map(|seen| seen.count).sum();
    (count > 0).then(|| {
        let by = listed(callers.iter().map(ToString::to_string).collect(), MAX_NAMED);
        let times = crate::words::count_u64(count, "call");
        let says = format!("{times} to {} from another host: {by}", setting.name);
        let outside = !outsiders(&callers, service.end.address).is_empty();
        let weight = if outside { Weight::STRONG } else { setting.weight };
        reason(&SET, weight, says, called.values().filter_map(|seen| seen.first))
    })
}

fn dump_sweep(flows: &[Conversation], dumpers: &Dumpers) -> Vec<Evidence> {
    let clients: BTreeSet<IpAddr> =
        flows.iter().filter(|flow| dumps(flow).is_some()).map(|flow| flow.client().address).collect();
    let found = clients.into_iter().filter_map(|client| Some((client, dumpers.get(&client)?)));
    found
        .filter(|(_, hosts)| hosts.len() >= FEW_HOSTS)
        .map(|(client, hosts)| {
            let (first, last) = (hosts.values().min(), hosts.values().max());
            let seconds = first.zip(last).map_or(0, |(first, last)| last.time.since(first.time) / 1_000_000_000);
            let weight = if hosts.len() >= MANY_HOSTS { Weight::STRONG } else { Weight::MODERATE };
            let says = format!(
                "{client} asked the portmappers of {} for their whole table within {seconds} s; threshold {FEW_HOSTS}",
                count(hosts.len(), "host")
            );
            reason(&DUMPS, weight, says, hosts.values().copied())
        })
        .collect()
}

/// Requests for the table from one address, and what they brought.
#[derive(Clone, Copy, Debug, Default)]
struct Flood {
    times: u64,
    first: Option<Stamp>,
    last: Option<Stamp>,
    asked_bytes: u64,
    answered_bytes: u64,
}

impl Flood {
    fn is_fast(&self) -> bool {
        let span = self.first.zip(self.last).map_or(0, |(first, last)| last.time.since(first.time));
        self.times >= DUMPS_A_SECOND * (span / 1_000_000_000).max(1)
    }
}

/// Many requests for the table from one address in a short time.
fn flood(flows: &[Conversation]) -> Option<Evidence> {
    let mut by_client: BTreeMap<IpAddr, Flood> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| flow.key.transport == Transport::Udp) {
        if let Some((times, first)) = dumps(flow) {
            let flood = by_client.entry(flow.client().address).or_default();
            flood.times += times;
            flood.first = earliest(flood.first, first);
            flood.last = flood.last.max(flow.from_client.last);
            flood.asked_bytes += flow.from_client.payload_bytes;
            flood.answered_bytes += flow.from_server.payload_bytes;
        }
    }
    let fast = by_client.into_iter().filter(|(_, flood)| flood.is_fast());
    let (client, flood) = fast.max_by_key(|(client, flood)| (flood.times, *client))?;
    #[allow(clippy::cast_precision_loss)] // a ratio with one decimal
    let factor = flood.answered_bytes as f64 / flood.asked_bytes.max(1) as f64;
    let says = format!(
        "{} requests for the table from {client} at {DUMPS_A_SECOND} a second or more, {factor:.1} bytes answered for each asked",
        flood.times
    );
    Some(reason(&REFLECTION, Weight::STRONG, says, flood.first))
}

/// Whether a conversation holds large answers over UDP, and nothing that was asked.
fn is_unasked(flow: &Conversation) -> bool {
    let replies = flow.from_server.remote_calls.as_deref().map_or(0, |seen| seen.reply_messages);
    flow.key.transport == Transport::Udp
        && replies > 0
        && flow.from_client.payload_packets == 0
        && flow.asked_elsewhere == 0
        && flow.from_server.payload_bytes / flow.from_server.payload_packets.max(1) >= LARGE_ANSWER
}

/// Large answers to somebody who gets such from many servers and asked none.
fn converging(flows: &[Conversation], victims: &Victims) -> Option<Evidence> {
    let of = flows.iter().filter(|flow| is_unasked(flow));
    let (flow, servers) =
        of.filter_map(|flow| Some((flow, victims.get(&flow.client())?))).max_by_key(|(_, all)| all.len())?;
    let says = format!(
        "large answers to {}, which asked nothing in this capture and gets such from {}; threshold {VICTIMS}",
        flow.client(),
        count(servers.len(), "server")
    );
    Some(reason(&REFLECTION, Weight::STRONG, says, flow.from_server.first))
}

/// Large answers, all of one size, to many addresses that asked nothing.
fn reflected(flows: &[Conversation]) -> Option<Evidence> {
    if flows.iter().any(|flow| flow.from_client.payload_packets > 0 && !is_broadcast(flow)) {
        return None;
    }
    let mut sizes: BTreeMap<u64, Vec<&Conversation>> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| is_unasked(flow)) {
        sizes.entry(flow.from_server.payload_bytes / flow.from_server.payload_packets).or_default().push(flow);
    }
    let (size, victims) = sizes.into_iter().max_by_key(|(_, flows)| flows.len())?;
    let addresses: BTreeSet<IpAddr> = victims.iter().map(|flow| flow.client().address).collect();
    (addresses.len() >= VICTIMS).then(|| {
        let outside = addresses.iter().filter(|address| !is_inside(**address)).count();
        let says = format!(
            "answers of {size} bytes to {} that asked nothing in this capture ({outside} of public addresses); threshold {VICTIMS}",
            count(addresses.len(), "address").replace("addresss", "addresses")
        );
        reason(&REFLECTION, Weight::STRONG, says, victims.iter().filter_map(|flow| flow.from_server.first))
    })
}
