//! From findings to their frames: reads captures again and copies the frames behind chosen findings, as they were, each with a
//! comment that says why. Judges nothing.

use crate::error::Error;
use crate::finding::Kind;
use crate::frame::{Frame, FrameRef, LinkType, Timestamp};
use crate::glance::glance;
use crate::output::pcapng::File;
use crate::output::safe;
use crate::packet::{self, Endpoint, FragmentKey, Held};
use crate::port::{Ports, Transport};
use crate::report::{Input, Status};
use crate::saved::{SavedFinding, SavedFlow, SavedTargets};
use crate::source::capture_file::Record;
use crate::source::{self, Options};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Datagrams of which later fragments are looked for.
const MAX_DATAGRAMS: usize = 1 << 20;
/// Findings that a frame's comment names; those of a frame are few.
const MAX_NAMED: usize = 4;

/// Whom a finding is about, in a line.
fn who(finding: &SavedFinding) -> String {
    match (finding.kind, finding.service()) {
        (Kind::Client, Some((transport, end))) => format!("client {} of {end}/{transport}", finding.address),
        (_, Some((transport, end))) => format!("{end}/{transport}"),
        _ => format!("scanner {}", finding.address),
    }
}

/// The frames of some findings, and how they are recognised.
pub struct Wanted<'a> {
    findings: Vec<&'a SavedFinding>,
    services: HashMap<(Transport, Endpoint), Vec<usize>>,
    scanners: HashMap<IpAddr, Vec<usize>>,
    /// By both ends in their order: of clients, and of single flows that were asked for.
    flows: HashMap<(Transport, [Endpoint; 2]), Vec<usize>>,
    /// When each finding's flows were seen, by both ends in their order, where all are listed: a four-tuple may be used again,
    /// with the roles exchanged.
    times: HashMap<(usize, [Endpoint; 2]), Vec<RangeInclusive<Timestamp>>>,
    /// Reasons that name a frame.
    reasons: HashMap<FrameRef, BTreeSet<&'a str>>,
    /// Whether the scanner touched the port.
    touched: Vec<HashSet<u16>>,
    /// Every port that one of these packets has: a packet without is passed over before it is decoded.
    ports: HashSet<u16>,
    cut: usize,
}

impl<'a> Wanted<'a> {
    /// The frames of `findings`; of their flows only those of these Community IDs, where there are any. `input` gives the
    /// place of a report's input among those that are read.
    #[must_use]
    pub fn new(findings: Vec<&'a SavedFinding>, community_ids: &[String], input: impl Fn(u32) -> Option<u32>) -> Self {
        let mut wanted = Wanted {
            services: HashMap::new(),
            scanners: HashMap::new(),
            flows: HashMap::new(),
            times: HashMap::new(),
            reasons: HashMap::new(),
            touched: Vec::new(),
            ports: HashSet::new(),
            cut: 0,
            findings,
        };
        for (index, finding) in wanted.findings.iter().enumerate() {
            let ports = finding.targets.iter().flat_map(|targets| targets.ports.iter().copied());
            wanted.touched.push(ports.collect());
            let all = community_ids.is_empty();
            let listed = |targets: &SavedTargets| targets.ports_total.is_none_or(|total| total == targets.ports.len());
            wanted.cut += usize::from(!finding.targets.as_ref().is_none_or(listed));
            if finding.flows_total == finding.flows.len() {
                for flow in &finding.flows {
                    let ends = ordered(flow.client.endpoint(), flow.server.endpoint());
                    wanted.times.entry((index, ends)).or_default().extend(flow.seen());
                }
            }
            let conversation = |flow: &SavedFlow| {
                let ends = ordered(flow.client.endpoint(), flow.server.endpoint());
                (flow.transport.unwrap_or(finding.transport), ends)
            };
            match (finding.kind, finding.service()) {
                (Kind::Service, Some(service)) if all => {
                    wanted.services.entry(service).or_default().push(index);
                    // Connections that the server makes back to its clients are on other ports.
                    let back = finding.flows.iter().map(conversation).filter(|(_, ends)| !ends.contains(&service.1));
                    let back: Vec<_> = back.collect();
                    wanted.cut += usize::from(!back.is_empty() && finding.flows_total > finding.flows.len());
                    for flow in back {
                        wanted.flows.entry(flow).or_default().push(index);
                    }
                }
                // A scanner may also have real conversations with a port that it touched: told apart where its flows are listed.
                (Kind::Scanner, _) if all && finding.flows_total > finding.flows.len() => {
                    wanted.scanners.entry(finding.address).or_default().push(index);
                }
                _ => {
                    wanted.cut += usize::from(all && finding.flows_total > finding.flows.len());
                    for flow in finding.flows.iter().filter(|flow| all || community_ids.contains(&flow.community_id)) {
                        wanted.flows.entry(conversation(flow)).or_default().push(index);
                    }
                }
            }
            let flows = finding.flows.iter().flat_map(|flow| [flow.client.port, flow.server.port]);
            wanted.ports.extend(finding.port.into_iter().chain(flows));
            wanted.ports.extend(&wanted.touched[index]);
            for reason in &finding.evidence {
                for frame in &reason.frames {
                    if let Some(input) = input(frame.input) {
                        let at = FrameRef::new(input, frame.number);
                        wanted.reasons.entry(at).or_default().insert(&reason.by);
                    }
                }
            }
        }
        wanted
    }

    /// How many findings are looked for.
    #[must_use]
    pub fn findings(&self) -> usize {
        self.findings.len()
    }

    /// Findings of which not all flows are found, because they are looked for one by one and the report does not list all.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut
    }

    /// Whether a frame is plainly another's: the fast lane tells its ports, and neither is one of these.
    fn passes_over(&self, frame: &Frame<'_>) -> bool {
        let has = |ports: Ports| self.ports.contains(&ports.source) || self.ports.contains(&ports.destination);
        glance(frame).is_some_and(|ports| !has(ports))
    }

    /// The findings that a packet belongs to.
    fn of(&self, packet: &packet::Packet<'_>, time: Timestamp) -> Vec<usize> {
        let ends = [packet.source, packet.destination];
        let mut found = BTreeSet::new();
        for (end, other) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            found.extend(self.services.get(&(packet.transport, end)).into_iter().flatten());
            for index in self.scanners.get(&end.address).into_iter().flatten() {
                if self.touched[*index].contains(&other.port) {
                    found.insert(index);
                }
            }
        }
        let flow = (packet.transport, ordered(ends[0], ends[1]));
        found.extend(self.flows.get(&flow).into_iter().flatten());
        // The same addresses in another tunnel are other hosts; a scanner is one wherever it scans.
        let through = packet.tunnel.map(|tunnel| (tunnel.kind.name(), tunnel.network));
        let same_tunnel = |index: &usize| {
            let finding = self.findings[*index];
            let of = finding.tunnel.as_ref().map(|tunnel| (tunnel.kind.as_str(), tunnel.network));
            finding.kind == Kind::Scanner || of == through
        };
        let within = |index: &usize| {
            let times = self.times.get(&(*index, flow.1)).filter(|times| !times.is_empty() && time.is_known());
            times.is_none_or(|times| times.iter().any(|times| times.contains(&time)))
        };
        found.into_iter().copied().filter(same_tunnel).filter(within).collect()
    }

    fn comment(&self, found: &[usize], input: &str, at: FrameRef) -> String {
        let named: Vec<String> = found
            .iter()
            .take(MAX_NAMED)
            .filter_map(|index| self.findings.get(*index))
            .map(|finding| format!("{} ({}) {}: {}", finding.class, finding.confidence, who(finding), finding.what))
            .collect();
        let reasons = self.reasons.get(&at).map_or_else(String::new, |reasons| {
            format!("; seen here: {}", reasons.iter().copied().collect::<Vec<_>>().join(", "))
        });
        let text = format!("gapwatch: {}{reasons}; frame {} of {input}", named.join(" | "), at.number());
        safe::text(&text).into_owned()
    }
}

/// What was copied.
#[derive(Clone, Debug, Default)]
pub struct Carved {
    pub frames: u64,
    pub inputs: Vec<Input>,
    /// Inputs that gave nothing at all.
    pub unread: Vec<String>,
    /// Whether there were more datagrams in fragments than can be followed.
    pub fragments_beyond_bound: bool,
}

/// Reads the captures twice: once for the datagrams whose later fragments have no ports, and once to copy. The output is opened
/// in between, and not at all where nothing could be read.
///
/// # Errors
/// The output cannot be written. What is wrong with an input is told in [`Carved`].
pub fn carve<W: Write>(
    files: &[PathBuf],
    wanted: &Wanted<'_>,
    open: impl FnOnce() -> io::Result<W>,
) -> io::Result<Carved> {
    let mut carved = Carved::default();
    let mut datagrams: HashMap<FragmentKey, Vec<usize>> = HashMap::new();
    for (index, path) in files.iter().enumerate() {
        let seen = read(path, index, |frame| {
            // The fast lane leaves fragments to the slow one.
            if glance(frame).is_some() {
                return;
            }
            let Ok(packet) = packet::decode(frame) else { return };
            let Some(key) = packet.fragment_key() else { return };
            let found = wanted.of(&packet, frame.time);
            if found.is_empty() {
                return;
            }
            // A sender may use an identification again: then nobody knows whose the later fragments are, and all have them.
            if datagrams.len() < MAX_DATAGRAMS || datagrams.contains_key(&key) {
                let owners = datagrams.entry(key).or_default();
                owners.extend(found.into_iter().filter(|index| !owners.contains(index)).collect::<Vec<_>>());
            } else {
                carved.fragments_beyond_bound = true;
            }
        });
        match seen {
            Ok(input) => carved.inputs.push(input),
            Err(error) => {
                carved.unread.push(error.to_string());
                carved.inputs.push(Input::unreadable(path.display().to_string(), &error));
            }
        }
    }
    if carved.inputs.iter().all(|input| input.status == Status::Unreadable) {
        return Ok(carved);
    }
    let mut copier = Copier { file: File::begin(open()?)?, interfaces: BTreeMap::new() };
    for (index, path) in files.iter().enumerate() {
        let input = &carved.inputs[index];
        if input.status == Status::Unreadable {
            continue;
        }
        let (mut frames, mut result) = (0, Ok(()));
        let read_again = read(path, index, |frame| {
            if wanted.passes_over(frame) {
                return;
            }
            let found = match packet::read(frame) {
                Held::Packet(packet) => wanted.of(&packet, frame.time),
                Held::Later(key, _) => datagrams.get(&key).cloned().unwrap_or_default(),
                Held::Refusal(..) | Held::Other(_) => return,
            };
            if !found.is_empty() && result.is_ok() {
                result = copier.copy(index, input, frame, &wanted.comment(&found, &input.name, frame.at));
                frames += 1;
            }
        });
        result?;
        carved.frames += frames;
        if let Err(error) = read_again {
            carved.unread.push(error.to_string());
        }
    }
    copier.file.finish()?;
    Ok(carved)
}

/// The output, with the interfaces that it has so far: by input, their place there, and link type.
struct Copier<W> {
    file: File<W>,
    interfaces: BTreeMap<(usize, u32, LinkType), u32>,
}

impl<W: Write> Copier<W> {
    fn copy(&mut self, index: usize, input: &Input, frame: &Frame<'_>, comment: &str) -> io::Result<()> {
        let number = match self.interfaces.entry((index, frame.interface, frame.link)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let name = input.interfaces.get(frame.interface as usize).map_or("", String::as_str);
                *new.insert(self.file.interface(frame.link, &safe::text(name), &safe::text(&input.name))?)
            }
        };
        self.file.frame(number, frame, comment)
    }
}

fn read(path: &std::path::Path, index: usize, mut take: impl FnMut(&Frame<'_>)) -> Result<Input, Error> {
    let options = Options { input: u32::try_from(index).unwrap_or(u32::MAX), ..Options::default() };
    let capture = source::open(path, &options)?;
    Ok(capture.read(|record| {
        if let Record::Frame(frame, _) = record {
            take(&frame);
        }
    }))
}

fn ordered(a: Endpoint, b: Endpoint) -> [Endpoint; 2] {
    if a <= b { [a, b] } else { [b, a] }
}

/// Reads `10.0.0.5:817/tcp` or `[fe80::1]:817/udp`.
#[must_use]
pub fn parse_service(text: &str) -> Option<(Transport, Endpoint)> {
    let (end, transport) = text.rsplit_once('/')?;
    let transport = Transport::ALL.into_iter().find(|known| known.name() == transport)?;
    let end: SocketAddr = end.parse().ok()?;
    Some((transport, Endpoint { address: end.ip(), port: end.port() }))
}
