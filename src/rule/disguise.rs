//! Protocols that are not what they begin as, and protocols inside others: impersonation and tunnels.

use super::About;
use crate::class::{Class, Evidence, Weight};
use crate::conversation::{Basis, Conversation, Seen, Side, first_frames};
use crate::frame::Stamp;
use crate::port::Transport;
use crate::signature::Sender;
use crate::signature::protocol::dns;
use crate::signature::texture::{Kind, Texture};
use crate::words::count;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub const IMPERSONATION: About = About {
    id: "impersonation",
    about: "A conversation begins as a known protocol and does not go on as one: an RPC call that is answered by something else than \
RPC, a TLS hello that is answered by something else than TLS, or an HTTP request that is answered by random bytes.",
    attack: Some("T1001.003"),
};

pub const TUNNEL: About = About {
    id: "tunnel",
    about: "SSH speaks inside another protocol of the same connection: HTTP, WebSocket, SOCKS or TLS's place.",
    attack: Some("T1572"),
};

pub const BACKWARDS: About = About {
    id: "backwards",
    about: "The side that accepted the connection asks, and the side that opened it answers: the protocol runs against the connection, as \
through a tunnel that was opened from inside.",
    attack: Some("T1572"),
};

pub const ODD_NAME: About = About {
    id: "tls.odd-name",
    about: "The TLS client asks for a server by its address; names only are allowed there (RFC 6066, section 3). Simple tools and \
scripts do that.",
    attack: Some("T1573.002"),
};

pub const TOR_LIKE: About = About {
    id: "tls.tor-like",
    about: "The TLS client asks for www., a random word with digits as base32 has them, and .com or .net, without an application protocol: \
so Tor's own clients do. Other random names exist: a hint.",
    attack: Some("T1090.003"),
};

pub const PROXY: About = About {
    id: "proxy",
    about: "A SOCKS proxy: whoever reaches it reaches what it reaches. A hint; strong together with a proxy that is driven from the far end.",
    attack: Some("T1090"),
};

pub const PROBES: About = About {
    id: "service-probes",
    about: "One client opened the service in three and more different protocols, as scanners do to find out what speaks there. It says \
something of the client, little of the service.",
    attack: Some("T1046"),
};

/// Bytes of an answer from which on it is no accident.
const MIN_ANSWER: u64 = 24;
/// Different openings of one client that make probes.
const MIN_KINDS: usize = 3;

pub fn evidence(flows: &[Conversation]) -> Vec<Evidence> {
    [
        impersonation(flows),
        tunnel(flows),
        dns_tunnel(flows),
        backwards(flows),
        odd_name(flows),
        tor_like(flows),
        proxy(flows),
        probes(flows),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn impersonation(flows: &[Conversation]) -> Option<Evidence> {
    let verified = flows.iter().any(|flow| flow.from_server.remote_calls.is_some());
    let places: Vec<(&str, Weight, Stamp)> = flows
        .iter()
        .filter(|flow| flow.key.transport == Transport::Tcp && flow.from_client.syn > 0)
        .filter_map(|flow| {
            let answer = flow.from_server.texture.as_deref()?;
            // What was said before the question answers nothing: a greeting.
            let after = |id: &str| {
                let asked = flow.seen.iter().filter(|seen| seen.label.id == id).filter_map(|seen| seen.first).min();
                asked.is_some_and(|asked| asked < answer.first)
            };
            // A scanner says hello to everybody.
            if flow.seen.iter().any(|seen| seen.label.id == "scan.nmap") {
                return None;
            }
            let enough = flow.from_server.captured_payload() >= MIN_ANSWER;
            let calls = flow.from_client.remote_calls.as_deref().is_some_and(|calls| calls.call_messages > 0);
            let greets = after("tls.client") && !flow.seen.iter().any(|seen| seen.from == Side::Server);
            let asks = after("http.request") && !flow.seen.iter().any(|seen| seen.from == Side::Server);
            // A portmapper's own record mark at the head would be a reply that the capture cut.
            let marked = answer.head.is_some_and(|head| head[0] & 0x7f == 0);
            if calls && !verified && enough && !marked {
                Some(("an RPC call was answered by what is no RPC", Weight::MODERATE, answer.first))
            } else if greets && enough && !is_tls_record(answer) {
                // A server of another kind complains in words: the hello reached the wrong one, and the client leaves.
                let goes_on = flow.from_client.payload_packets > 2 && flow.from_server.payload_packets > 1;
                let (says, weight) = match answer.kind {
                    Kind::Text | Kind::Json if goes_on => ("a TLS hello was answered in plain text", Weight::MODERATE),
                    Kind::Text | Kind::Json => ("a TLS hello was answered in plain text", Weight::HINT),
                    _ => ("a TLS hello was answered by what is no TLS", Weight::MODERATE),
                };
                Some((says, weight, answer.first))
            } else if asks && enough && answer.kind == Kind::Random {
                Some(("an HTTP request was answered by random bytes", Weight::MODERATE, answer.first))
            } else {
                None
            }
        })
        .collect();
    let (says, weight, _) = places.iter().max_by_key(|(_, weight, first)| (*weight, std::cmp::Reverse(*first)))?;
    Some(reason(
        IMPERSONATION,
        *weight,
        format!("{says}, in {}", count(places.len(), "connection")),
        places.iter().map(|(.., stamp)| *stamp),
    ))
}

/// Alerts, handshakes and data of any version (RFC 8446, section 5.1), and SSL 2's own header.
fn is_tls_record(texture: &Texture) -> bool {
    texture.head.is_some_and(|head| (matches!(head[0], 20..=23) && head[1] == 3) || (head[0] >= 0x80 && head[2] == 4))
}

fn tunnel(flows: &[Conversation]) -> Option<Evidence> {
    const OUTER: [&str; 6] = ["http", "websocket", "socks", "http2", "chisel", "dns"];
    let inside = |flow: &Conversation| {
        let inner = flow.seen.iter().filter(|seen| seen.label.protocol == "ssh").min_by_key(|seen| seen.first)?;
        // The outer one came first, and was answered in its own way, as far as that side was captured: a stray request to an
        // SSH server is no tunnel.
        let heard = [&flow.from_client, &flow.from_server].iter().all(|traffic| traffic.captured_payload() > 0);
        let is_answered = |outer: &Seen| {
            flow.seen.iter().any(|other| other.label.protocol == outer.label.protocol && other.from != outer.from)
        };
        let mut before =
            flow.seen.iter().filter(|seen| OUTER.contains(&seen.label.protocol) && seen.first <= inner.first);
        let outer = before.find(|outer| !heard || is_answered(outer))?;
        Some((outer.label.protocol, inner.first?))
    };
    let tunnels: Vec<(&str, Stamp)> = flows.iter().filter_map(inside).collect();
    let (outer, _) = tunnels.first()?;
    Some(reason(
        TUNNEL,
        Weight::STRONG,
        format!("SSH speaks inside {outer}, in {}", count(tunnels.len(), "connection")),
        tunnels.iter().map(|(_, stamp)| *stamp),
    ))
}

/// Questions of many flows, each from a port of its own as resolvers send them, that carry data in their names.
fn dns_tunnel(flows: &[Conversation]) -> Option<Evidence> {
    const MIN_FLOWS: usize = 10;
    if flows.iter().flat_map(|flow| &flow.seen).any(|seen| seen.label.id == dns::TUNNEL.id) {
        return None; // told by the signature already
    }
    let questions = flows
        .iter()
        .flat_map(|flow| &flow.seen)
        .filter(|seen| matches!(seen.label.id, "dns" | "dns.tcp") && seen.from == Side::Client);
    let name = |seen: &Seen| seen.detail.split_once(' ').map(|(_, name)| name.to_owned()).unwrap_or_default();
    let all: Vec<&Seen> = questions.collect();
    let carrying: Vec<&&Seen> = all.iter().filter(|seen| dns::carries_data(&name(seen))).collect();
    let first = carrying.first()?;
    (carrying.len() >= MIN_FLOWS && carrying.len() * 4 >= all.len()).then(|| {
        reason(
            About { id: dns::TUNNEL.id, about: "", attack: dns::TUNNEL.attack },
            Weight::STRONG,
            format!(
                "{} of {} first questions of flows carry data in their names (threshold {MIN_FLOWS} and a quarter), as {}",
                carrying.len(),
                all.len(),
                first.detail
            ),
            carrying.iter().filter_map(|seen| seen.first),
        )
    })
}

fn backwards(flows: &[Conversation]) -> Option<Evidence> {
    let asks = |seen: &&Seen| {
        seen.from == Side::Server && seen.label.sender == Sender::Client && !seen.label.protocol.is_empty()
    };
    let answers = |flow: &Conversation| {
        flow.seen.iter().any(|seen| seen.from == Side::Client && seen.label.sender == Sender::Server)
    };
    let places: Vec<&Seen> = flows
        .iter()
        .filter(|flow| flow.basis == Basis::Handshake && answers(flow))
        .filter_map(|flow| flow.seen.iter().find(asks))
        .collect();
    let first = places.first()?;
    Some(reason(
        BACKWARDS,
        Weight::MODERATE,
        format!(
            "the side that accepted the connection asks in {}, and the side that opened it answers, in {}",
            first.label.protocol,
            count(places.len(), "connection")
        ),
        places.iter().filter_map(|seen| seen.first),
    ))
}

/// Remote desktops, telephones and scripts do so as well: a hint; twice that where the client takes whatever cipher there is.
const ODD_NAME_WEIGHT: Weight = Weight(20);
/// Cipher suites that no browser, library or system offers by itself: ncat has 78, `OpenSSL`'s own list 31.
const MANY_SUITES: u32 = 50;

/// How many cipher suites a hello offers, as its JA4 fingerprint counts them.
fn suites(detail: &str) -> Option<u32> {
    detail.split_once(", JA4 ")?.1.get(4..6)?.parse().ok()
}

fn odd_name(flows: &[Conversation]) -> Option<Evidence> {
    let name = |seen: &Seen| {
        let (_, rest) = seen.detail.split_once("server name ")?;
        let name = rest.split(", ").next()?;
        name.parse::<IpAddr>().is_ok().then(|| name.to_owned())
    };
    let hellos = || flows.iter().flat_map(|flow| &flow.seen).filter(|seen| seen.label.id == "tls.client");
    let first = hellos().find_map(name)?;
    let offers =
        hellos().filter(|seen| name(seen).is_some()).filter_map(|seen| suites(&seen.detail)).max().unwrap_or(0);
    let (weight, many) = match offers {
        MANY_SUITES.. => (ODD_NAME_WEIGHT, format!(", and offers {offers} cipher suites, as tools that take any do")),
        _ => (Weight::HINT, String::new()),
    };
    let places = hellos().filter(|seen| name(seen).is_some()).filter_map(|seen| seen.first);
    Some(reason(
        ODD_NAME,
        weight,
        format!("the TLS client asks for a server named {first}, which is an address{many}"),
        places,
    ))
}

/// Characters that such a word has; shorter ones are names.
const TOR_WORD: std::ops::RangeInclusive<usize> = 8..=25;

fn tor_like(flows: &[Conversation]) -> Option<Evidence> {
    let is_like = |seen: &&Seen| {
        let name = seen.detail.split_once("server name www.").and_then(|(_, rest)| rest.split(", ").next());
        let word = name.and_then(|name| name.strip_suffix(".com").or_else(|| name.strip_suffix(".net")));
        let random = word.is_some_and(|word| {
            TOR_WORD.contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
                && word.bytes().filter(u8::is_ascii_digit).count() >= 2
        });
        seen.label.id == "tls.client" && random && !seen.detail.contains(", ALPN ")
    };
    let seen: Vec<&Seen> = flows.iter().flat_map(|flow| &flow.seen).filter(is_like).collect();
    let first = seen.first()?;
    let says = format!("the TLS client greets as Tor's do: {}", first.detail);
    Some(reason(TOR_LIKE, Weight::HINT, says, seen.iter().filter_map(|seen| seen.first)))
}

fn proxy(flows: &[Conversation]) -> Option<Evidence> {
    let seen: Vec<&Seen> =
        flows.iter().flat_map(|flow| &flow.seen).filter(|seen| seen.label.protocol == "socks").collect();
    (!seen.is_empty()).then(|| {
        let frames = seen.iter().filter_map(|seen| seen.first);
        reason(PROXY, Weight::HINT, "a SOCKS proxy: it lets others in".to_owned(), frames)
    })
}

/// Who asks a service in ways that only scanners do: clients with how sure that is, what they did, and where.
pub fn probers(flows: &[Conversation]) -> Vec<(IpAddr, Evidence)> {
    let mut found: BTreeMap<IpAddr, (Weight, String, Vec<Stamp>)> = BTreeMap::new();
    for (flow, seen) in flows.iter().flat_map(|flow| flow.seen.iter().map(move |seen| (flow, seen))) {
        if seen.label.id == "scan.nmap" && seen.from == Side::Client {
            let says = "sent probes of nmap's service detection".to_owned();
            let entry = found.entry(flow.asker().address).or_insert((Weight::DECISIVE, says, Vec::new()));
            entry.2.extend(seen.first);
        }
    }
    for (client, (kinds, stamps)) in kinds_of_openings(flows) {
        if kinds.len() >= MIN_KINDS {
            let names: Vec<&str> = kinds.into_iter().collect();
            let says = format!("tried {} on one service; threshold {MIN_KINDS} protocols", names.join(", "));
            found.entry(client).or_insert((Weight::STRONG, says, stamps));
        }
    }
    found
        .into_iter()
        .map(|(client, (weight, says, stamps))| (client, reason(PROBES, weight, says, stamps.into_iter())))
        .collect()
}

fn probes(flows: &[Conversation]) -> Option<Evidence> {
    let (client, (kinds, stamps)) = kinds_of_openings(flows).into_iter().max_by_key(|(_, (kinds, _))| kinds.len())?;
    (kinds.len() >= MIN_KINDS).then(|| {
        let names: Vec<&str> = kinds.iter().copied().collect();
        reason(
            PROBES,
            Weight::HINT,
            format!("{client} tried {}; threshold {MIN_KINDS} protocols", names.join(", ")),
            stamps.into_iter(),
        )
    })
}

/// In which protocols each client opened a service.
fn kinds_of_openings(flows: &[Conversation]) -> BTreeMap<IpAddr, (BTreeSet<&'static str>, Vec<Stamp>)> {
    let mut kinds: BTreeMap<IpAddr, (BTreeSet<&'static str>, Vec<Stamp>)> = BTreeMap::new();
    for flow in flows {
        let client = |seen: &&Seen| {
            seen.from == Side::Client && seen.label.class == Class::Custom && !seen.label.protocol.is_empty()
        };
        let mut said: Vec<(&'static str, Option<Stamp>)> =
            flow.seen.iter().filter(client).map(|seen| (seen.label.protocol, seen.first)).collect();
        if flow.from_client.remote_calls.is_some() {
            said.push(("onc-rpc", flow.from_client.first_payload));
        }
        // A connection that goes on in a second protocol is no probe.
        if let [(protocol, stamp)] = said.as_slice() {
            let entry = kinds.entry(flow.asker().address).or_default();
            entry.0.insert(protocol);
            entry.1.extend(*stamp);
        }
    }
    kinds
}

fn reason(about: About, weight: Weight, says: String, frames: impl Iterator<Item = Stamp>) -> Evidence {
    let frames = first_frames(frames);
    Evidence { by: about.id, class: Class::Suspicious, weight, says, frames, attack: about.attack }
}
