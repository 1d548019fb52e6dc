//! Protocols that are only bytes: entries of `pattern.toml`, and of the files that users write in the same form. Reads text
//! that it is given; opens no file.
//!
//! An entry: `id`, `protocol`, `about`, `transport` (`tcp`, `udp`, `both`), a regular expression for the `client`, the
//! `server` or `both`, optionally `alone` (`client`, `server`, `none`), `agree = "one"`, `backwards = true`, `class` (`custom`), `weight`
//! (0-100, 60) and `attack`; and examples: `hits` that it must accept, `misses` that it must refuse.

use super::protocol::{Alone, CODED, Catalogue, Example, Look, Pattern, Protocol};
use super::{Label, Sender};
use crate::class::{Class, Weight};
use crate::port::Transport;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use std::sync::{LazyLock, OnceLock};
use thiserror::Error;

const BUILT_IN: &str = include_str!("pattern.toml");
/// The compiled size of one pattern, in bytes: the largest of ours takes a tenth of it.
const PATTERN_SIZE: usize = 1 << 20;
/// The compiled size of all patterns of one role together.
pub(super) const SET_SIZE: usize = 64 << 20;
/// Entries of a user's file; more want to be several files, and each costs memory that is never given back.
const MAX_ENTRIES: usize = 1000;

/// What is wrong with a file of patterns. Says which entry and why.
#[derive(Debug, Error)]
pub enum BadPattern {
    #[error("line {line} is no TOML as patterns are written: {reason}")]
    Text { line: usize, reason: String },
    #[error("{0} entries; {MAX_ENTRIES} at most")]
    TooMany(usize),
    #[error("entry {number} (`{id}`): {reason}")]
    Entry { number: usize, id: String, reason: String },
    #[error("all patterns together are too large: {0}")]
    Size(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pattern: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    protocol: String,
    about: String,
    transport: Over,
    client: Option<String>,
    server: Option<String>,
    both: Option<String>,
    alone: Option<Enough>,
    agree: Option<Agree>,
    #[serde(default)]
    backwards: bool,
    #[serde(default = "custom")]
    class: Spoken,
    weight: Option<u16>,
    attack: Option<String>,
    #[serde(default)]
    hits: Vec<Sample>,
    #[serde(default)]
    misses: Vec<Sample>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Over {
    Tcp,
    Udp,
    Both,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Enough {
    Client,
    Server,
    None,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Agree {
    One,
    Both,
}

/// The classes that a pattern may speak for; legacy RPC is told by its layout alone.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Spoken {
    Custom,
    Suspicious,
}

const fn custom() -> Spoken {
    Spoken::Custom
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    client: Option<String>,
    server: Option<String>,
}

/// The protocols of the house: read once, when the first conversation wants them.
///
/// # Panics
/// Never: a test reads the entries.
pub fn built_in() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> =
        LazyLock::new(|| catalogue(&[]).unwrap_or_else(|bad| unreachable!("pattern.toml: {bad}")));
    &CATALOGUE
}

/// The protocols of the house, and those of users' files, given as their text. Users' entries come first: they know their
/// site. What is read lives as long as the program.
///
/// # Errors
/// An entry that cannot be used; the number is its place in its file.
pub fn catalogue(files: &[&str]) -> Result<Catalogue, BadPattern> {
    let mut protocols = Vec::new();
    for text in files {
        protocols.extend(read(text)?);
    }
    protocols.extend(CODED.iter().copied().map(Protocol::from));
    protocols.extend(entries(BUILT_IN, false)?);
    let twice = |(index, protocol): (usize, &Protocol)| {
        let id = protocol.label.id;
        let taken = protocols[..index].iter().any(|known| known.label.id == id)
            || super::ALL.iter().any(|known| known.id == id);
        taken.then_some((index, id))
    };
    if let Some((index, id)) = protocols.iter().enumerate().find_map(twice) {
        let reason = "the id is taken".to_owned();
        return Err(BadPattern::Entry { number: index + 1, id: id.to_owned(), reason });
    }
    let catalogue = Catalogue::new(protocols);
    if files.is_empty() {
        return Ok(catalogue);
    }
    catalogue.built().map_err(|error| BadPattern::Size(error.to_string()))
}

/// The entries of one file.
///
/// # Errors
/// As of [`catalogue`].
pub fn read(text: &str) -> Result<Vec<Protocol>, BadPattern> {
    entries(text, true)
}

/// `check`: compile every pattern and try its examples. Tests do that for the entries of the house, and every run saves
/// the time.
fn entries(text: &str, check: bool) -> Result<Vec<Protocol>, BadPattern> {
    let file: File = toml::from_str(text).map_err(|error| {
        let (line, reason) = crate::words::toml_fault(text, &error);
        BadPattern::Text { line, reason }
    })?;
    if file.pattern.len() > MAX_ENTRIES {
        return Err(BadPattern::TooMany(file.pattern.len()));
    }
    let entries = file.pattern.into_iter().zip(1..);
    entries
        .map(|(entry, number)| {
            let id = entry.id.clone();
            entry.protocol(check).map_err(|reason| BadPattern::Entry { number, id, reason })
        })
        .collect()
}

impl Entry {
    fn protocol(self, check: bool) -> Result<Protocol, String> {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if !plain(&self.id) || !plain(&self.protocol) {
            return Err("id and protocol are letters, digits, dots, hyphens and underscores".to_owned());
        }
        let symmetric = self.both.is_some();
        let (client, server) = match (self.client, self.server, self.both) {
            (None, None, Some(both)) => (Some(both.clone()), Some(both)),
            (None, None, None) => return Err("no pattern: say `client`, `server` or `both`".to_owned()),
            (client, server, None) => (client, server),
            _ => return Err("`both` stands for `client` and `server`, and was given beside them".to_owned()),
        };
        let class = match self.class {
            Spoken::Custom => Class::Custom,
            Spoken::Suspicious => Class::Suspicious,
        };
        if self.attack.as_deref().is_some_and(|attack| !is_technique(attack)) {
            return Err("attack is an id of MITRE ATT&CK: T1571 or T1059.004".to_owned());
        }
        let weight = Weight(self.weight.unwrap_or(Weight::STRONG.0));
        if weight > Weight::DECISIVE {
            return Err(format!("weight {}; 100 at most", weight.0));
        }
        let label = Label {
            id: self.id.leak(),
            protocol: self.protocol.leak(),
            class,
            weight,
            attack: self.attack.map(|attack| &*attack.leak()),
            sender: Sender::Either,
        };
        let protocol = Protocol {
            label,
            about: self.about.leak(),
            transports: match self.transport {
                Over::Tcp => &[Transport::Tcp],
                Over::Udp => &[Transport::Udp],
                Over::Both => &Transport::ALL,
            },
            client: client.map(|pattern| look(&pattern, check)).transpose()?,
            server: server.map(|pattern| look(&pattern, check)).transpose()?,
            symmetric,
            backwards: self.backwards,
            one_side: self.agree == Some(Agree::One),
            alone: match self.alone {
                None => Alone::Either,
                Some(Enough::Client) => Alone::Client,
                Some(Enough::Server) => Alone::Server,
                Some(Enough::None) => Alone::Neither,
            },
            hits: self.hits.into_iter().map(Sample::example).collect::<Result<_, _>>()?,
            misses: self.misses.into_iter().map(Sample::example).collect::<Result<_, _>>()?,
        };
        if protocol.hits.is_empty() || protocol.misses.is_empty() {
            return Err("no examples: `hits` that it must accept, and `misses` that it must refuse".to_owned());
        }
        if !check {
            return Ok(protocol);
        }
        if let Some(index) = protocol.hits.iter().position(|example| !protocol.fits(example)) {
            return Err(format!("hit {} is refused", index + 1));
        }
        if let Some(index) = protocol.misses.iter().position(|example| protocol.fits(example)) {
            return Err(format!("miss {} is accepted", index + 1));
        }
        Ok(protocol)
    }
}

/// `T` and four digits, with three more behind a dot for a sub-technique.
fn is_technique(id: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let (technique, sub) = id.split_once('.').unwrap_or((id, "000"));
    technique.strip_prefix('T').is_some_and(|number| digits(number, 4)) && digits(sub, 3)
}

/// A pattern, anchored at the first byte. The engine takes time linear in what it reads, whatever the pattern.
fn look(pattern: &str, check: bool) -> Result<Look, String> {
    let text = format!(r"(?s-u)\A(?:{pattern})");
    if check {
        let regex = compile(&text);
        let regex = regex.map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())?;
        if regex.is_match(b"") {
            return Err("the pattern fits everything".to_owned());
        }
    }
    Ok(Look::Pattern(Pattern { text, regex: OnceLock::new() }))
}

pub(super) fn compile(anchored: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(anchored).unicode(false).size_limit(PATTERN_SIZE).build()
}

impl Sample {
    fn example(self) -> Result<Example, String> {
        let said = |text: Option<String>| -> Result<&'static [&'static [u8]], String> {
            let Some(text) = text else { return Ok(&[]) };
            let bytes: &'static [u8] = unescape(&text)?.leak();
            Ok(vec![bytes].leak())
        };
        Ok(Example { client: said(self.client)?, server: said(self.server)? })
    }
}

/// `\xNN`, `\r`, `\n`, `\t`, `\0` and `\\`; everything else stands for itself.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let bad = || format!("“{text}”: a backslash is followed by xNN, r, n, t, 0 or another one");
        let (&kind, tail) = rest.split_first().ok_or_else(bad)?;
        rest = tail;
        match kind {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'0' => bytes.push(0),
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let (digits, tail) = rest.split_first_chunk::<2>().ok_or_else(bad)?;
                let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
                rest = tail;
            }
            _ => return Err(bad()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entries_of_the_house_are_sound() {
        read(BUILT_IN).unwrap_or_else(|bad| panic!("{bad}"));
        let catalogue = catalogue(&[]).unwrap_or_else(|bad| panic!("{bad}")).built().expect("not too large");
        assert!(catalogue.protocols().len() > 80);
        for protocol in catalogue.protocols() {
            assert!(!protocol.hits.is_empty() && !protocol.misses.is_empty(), "{} has no examples", protocol.label.id);
            for example in &protocol.hits {
                assert!(protocol.fits(example), "{} misses {example:02x?}", protocol.label.id);
            }
            for example in &protocol.misses {
                assert!(!protocol.fits(example), "{} takes {example:02x?}", protocol.label.id);
            }
        }
    }

    /// Every example is recognised as its own protocol and as no other.
    #[test]
    fn no_protocol_takes_the_examples_of_another() {
        let catalogue = built_in();
        for protocol in catalogue.protocols() {
            for (example, transport) in protocol.hits.iter().zip(protocol.transports.iter().cycle()) {
                for server in [Some(1), None] {
                    let found = catalogue.recognise(*transport, [example.client, example.server], server);
                    let names: Vec<&str> = found.iter().map(|found| found.label.id).collect();
                    assert!(names.contains(&protocol.label.id), "{}: {names:?}", protocol.label.id);
                    let kin = |found: &&str| {
                        let family = |id: &str| id.split('.').next().unwrap_or_default().to_owned();
                        let other = catalogue.protocols().iter().find(|other| *other.label.id == **found);
                        other.is_some_and(|other| other.label.protocol == protocol.label.protocol)
                            || family(found) == family(protocol.label.id)
                    };
                    assert!(names.iter().all(kin), "{}: {names:?}", protocol.label.id);
                }
            }
        }
    }

    #[test]
    fn a_bad_entry_is_named_with_its_reason() {
        let entry = |rest: &str| {
            format!("[[pattern]]\nid = \"a\"\nprotocol = \"a\"\nabout = \"a\"\ntransport = \"tcp\"\n{rest}")
        };
        let error = |text: &str| read(text).map(|_| ()).expect_err("it is bad").to_string();
        let examples = "hits = [{ client = 'ab' }]\nmisses = [{ client = 'b' }]\n";
        assert!(read(&entry(&format!("client = 'a'\n{examples}"))).is_ok());
        assert!(error(&entry("client = '('\n")).contains("entry 1 (`a`)"));
        assert!(error(&entry(&format!("client = 'x'\n{examples}"))).contains("hit 1 is refused"));
        assert!(error(&entry(&format!("client = '[ab]'\n{examples}"))).contains("miss 1 is accepted"));
        assert!(error(&entry("client = 'a*'\n")).contains("fits everything"));
        assert!(error(&entry("client = 'a'\n")).contains("no examples"));
        assert!(error(&entry("")).contains("no pattern"));
        assert!(error(&entry("client = 'a'\nweight = 101\n")).contains("weight 101"));
        assert!(error(&entry("colour = 'a'\n")).contains("colour"));
        assert!(error("[[pattern]\n").contains("TOML"));
    }
}
