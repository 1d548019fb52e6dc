//! Protocols by what each side says first: the client's opening bytes and the server's must agree as far as both were
//! captured. Sees openings and keeps nothing; knows no flow.
//!
//! To add one that is only bytes: an entry in `pattern.toml`. One that needs arithmetic: a file in `protocol/`, and its
//! name in [`CODED`].

mod coap;
mod dcerpc;
pub mod dns;
mod ethereum;
mod gh0st;
mod modbus;
mod ntp;
mod quic;
mod radius;
mod rtp;
pub mod tls_records;

use super::{Label, Sender};
use crate::class::{Class, Weight};
use crate::port::Transport;
use regex::bytes::{Regex, RegexSet, RegexSetBuilder};
use std::sync::OnceLock;

/// What one side said first: the beginning of its stream, or its first datagrams.
pub type Said<'a> = [&'a [u8]];

/// Reads one side's opening; what it saw in words, empty where the protocol's name says all; `None` where this is not it.
pub type Read = fn(&Said<'_>) -> Option<String>;

/// Which side is enough where the other was not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    Either,
    Client,
    Server,
    Neither,
}

/// An example of an opening, for the tests: what each side said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    pub client: &'static [&'static [u8]],
    pub server: &'static [&'static [u8]],
}

/// A protocol whose openings are read by code.
#[derive(Clone, Copy, Debug)]
pub struct Coded {
    pub id: &'static str,
    pub protocol: &'static str,
    pub about: &'static str,
    pub class: Class,
    pub weight: Weight,
    pub attack: Option<&'static str>,
    pub transports: &'static [Transport],
    pub client: Option<Read>,
    pub server: Option<Read>,
    /// Both sides send the same: it does not tell who serves.
    pub symmetric: bool,
    /// One side is enough, whatever the other says.
    pub one_side: bool,
    pub alone: Alone,
    pub hits: &'static [Example],
    pub misses: &'static [Example],
}

/// The protocols that need arithmetic.
pub const CODED: &[&Coded] = &[
    &dns::DNS,
    &dns::OVER_TCP,
    &dns::TUNNEL,
    &ntp::PROTOCOL,
    &radius::PROTOCOL,
    &quic::QUIC,
    &quic::DTLS,
    &rtp::PROTOCOL,
    &dcerpc::PROTOCOL,
    &modbus::PROTOCOL,
    &ethereum::PROTOCOL,
    &gh0st::PROTOCOL,
    &coap::PROTOCOL,
    &tls_records::PROTOCOL,
];

/// How an opening is looked at.
#[derive(Clone, Debug)]
pub(super) enum Look {
    Pattern(Pattern),
    Code(Read),
}

/// A regular expression, compiled for itself when it is first seen to fit: the sets tell which do.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Anchored, with its flags; known to be sound.
    pub text: String,
    pub regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| super::pattern::compile(&self.text).ok()).as_ref()
    }
}

impl Look {
    /// Which of the messages it is seen in, and what it saw.
    fn see(&self, said: &Said<'_>) -> Option<(usize, String)> {
        match self {
            Look::Code(read) => read(said).map(|detail| (0, detail)),
            Look::Pattern(pattern) => said.iter().enumerate().find_map(|(index, bytes)| {
                let captures = pattern.regex()?.captures(bytes)?;
                let detail = captures
                    .name("detail")
                    .map_or_else(String::new, |detail| super::quote(detail.as_bytes().trim_ascii()));
                Some((index, detail))
            }),
        }
    }
}

/// A protocol, wherever it came from.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub label: Label,
    pub about: &'static str,
    pub transports: &'static [Transport],
    pub(super) client: Option<Look>,
    pub(super) server: Option<Look>,
    /// One side is enough, whatever the other says.
    pub(super) one_side: bool,
    /// Also looked for where the side that accepted the connection speaks as the client.
    pub(super) backwards: bool,
    /// Both sides send the same: it does not tell who serves.
    pub(super) symmetric: bool,
    pub alone: Alone,
    pub hits: Vec<Example>,
    pub misses: Vec<Example>,
}

impl From<&Coded> for Protocol {
    fn from(coded: &Coded) -> Self {
        let Coded {
            id,
            protocol,
            about,
            class,
            weight,
            attack,
            transports,
            client,
            server,
            symmetric,
            one_side,
            alone,
            hits,
            misses,
        } = *coded;
        Protocol {
            label: Label { id, protocol, class, weight, attack, sender: Sender::Either },
            about,
            transports,
            client: client.map(Look::Code),
            server: server.map(Look::Code),
            one_side,
            symmetric,
            backwards: false,
            alone,
            hits: hits.to_vec(),
            misses: misses.to_vec(),
        }
    }
}

/// A protocol that was recognised: who said what, and in which of its messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognised {
    /// Its sender is not set.
    pub label: Label,
    /// The side (0 or 1) that is the client; `None` where both sides say the same.
    pub client: Option<usize>,
    /// What each side said: the message's number and the detail. `None` for a side that was not heard or needs say nothing.
    pub seen: [Option<(usize, String)>; 2],
}

/// Every protocol that is looked for.
#[derive(Clone, Debug)]
pub struct Catalogue {
    protocols: Vec<Protocol>,
    /// For each transport and role.
    sets: [[Set; 2]; 2],
}

/// The patterns of a transport and role as one automaton. It is built when it is first asked: that takes longer than reading
/// most captures, and where all is RPC nobody asks.
#[derive(Clone, Debug, Default)]
struct Set {
    patterns: Vec<String>,
    /// The protocol of each.
    places: Vec<usize>,
    automaton: OnceLock<RegexSet>,
}

impl Set {
    fn build(&self) -> Result<RegexSet, regex::Error> {
        RegexSetBuilder::new(&self.patterns).unicode(false).size_limit(super::pattern::SET_SIZE).build()
    }

    /// The protocols whose pattern fits.
    fn fitting(&self, bytes: &[u8]) -> impl Iterator<Item = usize> + use<'_> {
        // Sound: those of users were built when they were read, those of the house are by a test.
        let automaton = self.automaton.get_or_init(|| self.build().unwrap_or_else(|_| RegexSet::empty()));
        automaton.matches(bytes).into_iter().map(|pattern| self.places[pattern])
    }
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

impl Catalogue {
    /// Of these protocols; earlier ones come first in every answer.
    #[must_use]
    pub fn new(protocols: Vec<Protocol>) -> Self {
        let set = |transport: Transport, role: usize| {
            let patterns = protocols.iter().enumerate().filter_map(|(index, protocol)| {
                let look = if role == CLIENT { &protocol.client } else { &protocol.server };
                match look {
                    Some(Look::Pattern(pattern)) if protocol.transports.contains(&transport) => {
                        Some((pattern.text.clone(), index))
                    }
                    _ => None,
                }
            });
            let (patterns, places) = patterns.unzip();
            Set { patterns, places, automaton: OnceLock::new() }
        };
        let sets = Transport::ALL.map(|transport| [set(transport, CLIENT), set(transport, SERVER)]);
        Catalogue { protocols, sets }
    }

    /// The same, with every automaton built.
    ///
    /// # Errors
    /// All patterns of a role together are larger than the engine takes.
    pub fn built(self) -> Result<Self, regex::Error> {
        for set in self.sets.iter().flatten() {
            let _ = set.automaton.set(set.build()?); // there already: the same
        }
        Ok(self)
    }

    #[must_use]
    pub fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    /// What these two sides speak. `server` is the side that accepted, where that is known; otherwise both ways are tried.
    /// Where several protocols fit, those that both sides bear out.
    #[must_use]
    pub fn recognise(&self, transport: Transport, said: [&Said<'_>; 2], server: Option<usize>) -> Vec<Recognised> {
        let heard = said.map(|said| said.iter().any(|bytes| !bytes.is_empty()));
        let mut found: Vec<Recognised> = Vec::new();
        for client in [0, 1] {
            // Against the handshake only what hides that way: a proxy that is driven from the far end.
            let backwards = server == Some(client);
            let seen =
                [(client, CLIENT), (1 - client, SERVER)].map(|(side, role)| self.seen(transport, role, said[side]));
            let [mut by_client, mut by_server] = seen;
            let fitting =
                |protocol: &Protocol| !backwards || protocol.backwards || protocol.label.class == Class::Suspicious;
            for (index, protocol) in self.protocols.iter().enumerate().filter(|(_, protocol)| fitting(protocol)) {
                let take = |seen: &mut Vec<(usize, usize, String)>| {
                    let at = seen.iter().position(|(protocol, ..)| *protocol == index)?;
                    let (_, message, detail) = seen.swap_remove(at);
                    Some((message, detail))
                };
                let (a, b) = (take(&mut by_client), take(&mut by_server));
                if protocol.accepts([a.is_some(), b.is_some()], [heard[client], heard[1 - client]]) {
                    let seen = if client == 0 { [a, b] } else { [b, a] };
                    let client = (!protocol.symmetric).then_some(client);
                    found.push(Recognised { label: protocol.label, client, seen });
                }
            }
        }
        let sides = |recognised: &Recognised| recognised.seen.iter().flatten().count();
        let most = found.iter().map(sides).max().unwrap_or(0);
        // Something hostile inside a protocol is told beside it.
        let borne_out: Vec<&str> = found
            .iter()
            .filter(|recognised| sides(recognised) == most)
            .map(|recognised| recognised.label.protocol)
            .collect();
        found.retain(|recognised| {
            borne_out.contains(&recognised.label.protocol) || recognised.label.class == Class::Suspicious
        });
        // The same either way: the one that more bears out, or the first; and what fits both ways alike does not tell who
        // serves.
        let mut known: Vec<Recognised> = Vec::new();
        for recognised in found {
            match known.iter_mut().find(|known| known.label.id == recognised.label.id) {
                Some(known) if sides(known) < sides(&recognised) => *known = recognised,
                Some(known) if sides(known) == sides(&recognised) => known.client = None,
                Some(_) => {}
                None => known.push(recognised),
            }
        }
        known
    }

    /// The protocols that this side's opening fits in this role: (protocol, message, detail).
    fn seen(&self, transport: Transport, role: usize, said: &Said<'_>) -> Vec<(usize, usize, String)> {
        let set = &self.sets[transport as usize][role];
        let mut candidates: Vec<usize> = said.iter().flat_map(|bytes| set.fitting(bytes)).collect();
        let coded = |protocol: &Protocol| {
            let look = if role == CLIENT { &protocol.client } else { &protocol.server };
            matches!(look, Some(Look::Code(_))) && protocol.transports.contains(&transport)
        };
        if !said.is_empty() {
            candidates
                .extend(self.protocols.iter().enumerate().filter(|(_, protocol)| coded(protocol)).map(|(i, _)| i));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let see = |index: usize| {
            let protocol = &self.protocols[index];
            let look = if role == CLIENT { &protocol.client } else { &protocol.server };
            look.as_ref()?.see(said).map(|(message, detail)| (index, message, detail))
        };
        candidates.into_iter().filter_map(see).collect()
    }
}

impl Protocol {
    /// Whether this is the protocol, where its client's and its server's side were `seen` to fit, and were `heard` at all.
    fn accepts(&self, seen: [bool; 2], heard: [bool; 2]) -> bool {
        let alone = match self.alone {
            Alone::Either => [true, true],
            Alone::Client => [true, false],
            Alone::Server => [false, true],
            Alone::Neither => [false, false],
        };
        match (seen, heard) {
            ([false, false], _) => false,
            ([true, true], _) => true,
            _ if self.one_side => true,
            ([true, false], [_, true]) => self.server.is_none(),
            ([false, true], [true, _]) => self.client.is_none(),
            ([true, false], _) => alone[CLIENT],
            ([false, true], _) => alone[SERVER],
        }
    }

    /// Whether an example is this protocol.
    #[must_use]
    pub fn fits(&self, example: &Example) -> bool {
        let [client, server] = [(&self.client, example.client), (&self.server, example.server)]
            .map(|(look, said)| look.as_ref().is_some_and(|look| look.see(said).is_some()));
        self.accepts([client, server], [!example.client.is_empty(), !example.server.is_empty()])
    }
}
