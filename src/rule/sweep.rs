//! Sweeps: one source that touches many services and gets nothing from them. One finding a scanner, not one a probe.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Answer, Conversation, Service, first_frames};
use crate::port::Transport;
use crate::words::count;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

pub const ABOUT: About = About {
    id: "sweep",
    about: "One source touched many services on unassigned well-known ports without ever exchanging data: probes of one or two packets \
(SYN, connect, FIN, NULL, XMAS, ACK, SYN-ACK, UDP). Weak from 5 services (probable where most probes have flags that no connection has), probable from 10, certain from 15; and only while failures outnumber \
successes by 4, which is where the threshold random walk of Jung et al. (2004) decides.",
    attack: Some("T1046"),
};

/// Services that make a sweep weak, probable, certain. RPC and NFS clients touch two to four; 15 is Zeek's rule for ports.
const FEW: usize = 5;
const SOME: usize = 10;
const MANY: usize = 15;
/// Four failures in a row decide at the constants of Jung et al. (2004): 4^4 > 99.
const LEAD: usize = 4;
/// UDP that is not answered looks the same as UDP of which only one direction was captured: several hosts that get
/// datagrams on one and the same port are a sweep only from here on.
const MANY_HOSTS_UDP: usize = 15;
/// Retries of one UDP probe.
const MAX_UDP_PROBES: u64 = 4;
/// Retries of one ACK probe.
const MAX_ACK_PROBES: u64 = 2;
/// A probe that goes through connects and leaves; more packets than this without payload are something else.
const MAX_PROBE_PACKETS: u64 = 10;
/// Addresses and services that a finding lists.
const MAX_LISTED: usize = 1024;
/// Open services that the evidence names.
const MAX_NAMED: usize = 8;

/// What a scanner touched.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Targets {
    pub services: usize,
    pub addresses_total: usize,
    /// The first 1,024.
    pub addresses: Vec<IpAddr>,
    pub ports: Vec<u16>,
    /// How many ports there are, where the list has not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports_total: Option<usize>,
    /// Services that accepted a connection; the first 1,024.
    pub open: Vec<String>,
    /// How many of them there are, where the list has not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_total: Option<usize>,
}

/// A source and its fruitless conversations.
pub struct Scanner<'a> {
    pub address: IpAddr,
    pub probes: Vec<Conversation<'a>>,
    weight: Weight,
    answered: usize,
}

/// Takes the scanners' probes out; what is left are conversations of services and clients, in no particular order.
pub fn take<'a>(conversations: &mut Vec<Conversation<'a>>) -> Vec<Scanner<'a>> {
    conversations.sort_unstable_by_key(|conversation| (conversation.client().address, conversation.order()));
    let mut scanners: BTreeMap<IpAddr, Scanner<'a>> = BTreeMap::new();
    for group in conversations.chunk_by(|a, b| a.client().address == b.client().address) {
        let others = group.iter().filter(|conversation| !is_fruitless(conversation));
        let answered = others.map(Conversation::service).collect::<BTreeSet<_>>().len();
        if let Some(weight) = weigh(group, answered) {
            let address = group[0].client().address;
            scanners.insert(address, Scanner { address, probes: Vec::new(), weight, answered });
        }
    }
    let is_probe = |conversation: &mut Conversation| {
        is_fruitless(conversation) && scanners.contains_key(&conversation.client().address)
    };
    let probes: Vec<Conversation> = conversations.extract_if(.., is_probe).collect();
    for probe in probes {
        if let Some(scanner) = scanners.get_mut(&probe.client().address) {
            scanner.probes.push(probe);
        }
    }
    scanners.into_values().collect()
}

/// A conversation from which the client learnt at most whether the port is open.
fn is_fruitless(conversation: &Conversation) -> bool {
    if conversation.from_server.payload_packets > 0 {
        return false;
    }
    match conversation.key.transport {
        Transport::Tcp => {
            let (client, refused) = (&conversation.from_client, conversation.answer == Answer::Refused);
            // Without a SYN or odd flags it may be the middle of an idle connection: then only a lone packet that nobody
            // acknowledged is a probe.
            let probes = client.syn + client.odd_flags > 0
                || refused
                || (conversation.answer != Answer::Connected && client.packets <= MAX_ACK_PROBES);
            conversation.packets() <= MAX_PROBE_PACKETS && probes && (client.payload_packets == 0 || refused)
        }
        // A sound question in a capture of one direction only is no probe: the answer is missing there.
        Transport::Udp if !conversation.seen.is_empty() && !conversation.server_heard => false,
        Transport::Udp => conversation.from_client.packets <= MAX_UDP_PROBES,
    }
}

/// How sure it is that the fruitless ones among these conversations of one client are a sweep.
fn weigh(conversations: &[Conversation], answered: usize) -> Option<Weight> {
    let probes = || conversations.iter().filter(|conversation| is_fruitless(conversation));
    let services: BTreeSet<Service> = probes().map(Conversation::service).collect();
    let ports: BTreeSet<(Transport, u16)> =
        services.iter().map(|service| (service.transport, service.end.port)).collect();
    let only_udp_data = probes().all(|probe| probe.key.transport == Transport::Udp && probe.has_payload());
    if only_udp_data && ports.len() < FEW && services.len() < MANY_HOSTS_UDP {
        return None;
    }
    // Others make a host send SYN-ACKs, by SYNs that bear many forged addresses.
    let accepts = probes().all(|probe| probe.from_client.syn_ack > 0);
    // No program that means to talk sends such flags.
    let odd = probes().filter(|probe| probe.from_client.odd_flags > 0).count() * 2 > probes().count();
    match services.len() {
        count if count < FEW || count < answered + LEAD => None,
        _ if accepts => Some(Weight::MODERATE),
        count if count >= MANY => Some(Weight::DECISIVE),
        count if count >= SOME || odd => Some(Weight::STRONG),
        _ => Some(Weight::MODERATE),
    }
}

impl<'a> Scanner<'a> {
    /// Of conversations in which a client asked as scanners do. At least one.
    #[must_use]
    pub fn of_probes(address: IpAddr, probes: Vec<Conversation<'a>>) -> Self {
        Scanner { address, probes, weight: Weight::NOTE, answered: 0 }
    }

    /// In one line.
    #[must_use]
    pub fn what(&self) -> String {
        let kinds: BTreeSet<&str> = self.probes.iter().map(kind_of).collect();
        let kinds: Vec<&str> = kinds.into_iter().collect();
        let targets = self.targets();
        format!(
            "{} sweep over {} on {}",
            kinds.join(" and "),
            count(targets.ports.len(), "port"),
            count(targets.addresses_total, "host"),
        )
    }

    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let targets = self.targets();
        let first = self.probes.iter().filter_map(Conversation::first).min();
        let last = self.probes.iter().filter_map(Conversation::last).max();
        let seconds = match (first, last) {
            (Some(first), Some(last)) => last.time.since(first.time) / 1_000_000_000,
            _ => 0,
        };
        let mut says = format!(
            "{} touched without an exchange ({} on {}) within {seconds} s, {} more with an exchange; threshold {FEW}",
            count(targets.services, "service"),
            count(targets.ports.len(), "port"),
            count(targets.addresses_total, "host"),
            self.answered,
        );
        if self.probes.iter().all(|probe| probe.from_client.syn_ack > 0) {
            says.push_str("; SYN-ACKs that nobody asked for: a scan, or answers to a flood that bears these addresses");
        }
        if let Some((named, more)) = targets.open.split_at_checked(MAX_NAMED).or(Some((&targets.open, &[])))
            && !named.is_empty()
        {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            let _ = write!(says, "; found open: {}{more}", named.join(", "));
        }
        Evidence {
            by: ABOUT.id,
            class: Class::Suspicious,
            weight: self.weight,
            says,
            frames: first_frames(self.probes.iter().filter_map(Conversation::first)),
            attack: ABOUT.attack,
        }
    }

    /// What it touched.
    #[must_use]
    pub fn targets(&self) -> Targets {
        let services: BTreeSet<Service> = self.probes.iter().map(Conversation::service).collect();
        let addresses: BTreeSet<IpAddr> = services.iter().map(|service| service.end.address).collect();
        let ports: BTreeSet<u16> = services.iter().map(|service| service.end.port).collect();
        let accepted = |probe: &&Conversation| probe.answer <= Answer::Connected && probe.from_server.syn_ack > 0;
        let open: BTreeSet<Service> = self.probes.iter().filter(accepted).map(Conversation::service).collect();
        Targets {
            services: services.len(),
            addresses_total: addresses.len(),
            addresses: addresses.into_iter().take(MAX_LISTED).collect(),
            ports: ports.into_iter().collect(),
            ports_total: None,
            open_total: (open.len() > MAX_LISTED).then_some(open.len()),
            open: open
                .iter()
                .take(MAX_LISTED)
                .map(|service| format!("{}/{}", service.end, service.transport))
                .collect(),
        }
    }
}

/// The kind of probe by its flags, as scanners call them.
fn kind_of(probe: &Conversation) -> &'static str {
    let client = &probe.from_client;
    match probe.key.transport {
        Transport::Udp => "UDP",
        Transport::Tcp if client.syn_ack > 0 => "SYN-ACK",
        Transport::Tcp if client.syn > 0 => "SYN",
        Transport::Tcp if client.odd_flags > 0 => "FIN, NULL or XMAS",
        Transport::Tcp => "ACK",
    }
}
