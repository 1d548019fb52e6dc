//! Which regions of sequence numbers are one connection: a four-tuple may be used again, and then each connection begins with
//! a SYN of its own. Knows headers only.

use crate::flow::{Headers, Region};
use crate::frame::Stamp;

/// A SYN from either side within this time, in nanoseconds, is one connection opened by both (RFC 9293, section 3.5): a round
/// trip, and what the clocks of two sensors may differ by.
const SIMULTANEOUS: u64 = 10_000_000_000;
/// Bytes that a connection may have sent since its SYN, to be known by its sequence numbers; beyond that the time tells it.
const NEAR: u32 = 1 << 29;

/// What is seen of one direction in one region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub side: usize,
    pub region: Region,
    pub headers: &'a Headers,
}

/// A connection by the SYN that begins it.
#[derive(Clone, Copy, Debug)]
struct Connection {
    from: Stamp,
    /// The initial sequence number of either side, where that was seen.
    start: [Option<u32>; 2],
}

/// Which connection each part belongs to, and how many connections each is that could not be told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// By part, in the order of time.
    pub numbers: Vec<usize>,
    /// By connection.
    pub joined: Vec<usize>,
}

/// Tells the connections on a four-tuple apart. Where sequence numbers of one lie among those of another, both are told as one.
pub(super) fn tell(parts: &[Part<'_>]) -> Told {
    let connections = begun(parts);
    if connections.is_empty() {
        return Told { numbers: vec![0; parts.len()], joined: vec![1] };
    }
    // 0 is what was there before the first SYN, then the connections in the order of time, then what came behind the last.
    let mut groups = Groups((0..connections.len() + 2).collect());
    let told: Vec<usize> = parts.iter().map(|part| of(part, parts, &connections, &mut groups)).collect();
    let joined = |group: usize| {
        let ends = told.iter().copied().chain(1..=connections.len()).filter(|number| groups.find(*number) == group);
        ends.collect::<std::collections::BTreeSet<_>>().len()
    };
    let mut used: Vec<usize> = told.iter().map(|number| groups.find(*number)).collect();
    used.sort_unstable();
    used.dedup();
    let numbers = told.iter().map(|number| used.binary_search(&groups.find(*number)).unwrap_or_default()).collect();
    Told { numbers, joined: used.iter().map(|group| joined(*group)).collect() }
}

/// Which groups are one: each points to the least of its own.
struct Groups(Vec<usize>);

impl Groups {
    fn find(&self, number: usize) -> usize {
        self.0[number]
    }

    /// All from one to another are one.
    fn join(&mut self, first: usize, last: usize) {
        let least = self.0[first.min(last)..=first.max(last)].iter().copied().min().unwrap_or(first);
        let greatest = self.0.iter().rposition(|group| self.0[first.min(last)..=first.max(last)].contains(group));
        for group in &mut self.0[least..=greatest.unwrap_or(last)] {
            *group = least;
        }
    }
}

/// The connections that a SYN begins, in the order of time.
fn begun(parts: &[Part<'_>]) -> Vec<Connection> {
    let starts = parts.iter().flat_map(|part| {
        let starts = part.headers.starts();
        starts.into_iter().map(|(stamp, sequence, syn)| (stamp, part.side, sequence, syn))
    });
    let mut starts: Vec<(Stamp, usize, u32, bool)> = starts.collect();
    starts.sort_unstable();
    let asked = starts.iter().any(|(.., syn)| *syn);
    let mut connections: Vec<Connection> = Vec::new();
    for (stamp, side, sequence, syn) in starts {
        // The same SYN with data and without, as it stands in two tiers of a table, or sent again.
        if connections.iter().any(|known| known.start[side] == Some(sequence)) {
            continue;
        }
        if !syn && asked {
            // An answer: to the last SYN of the other side that has none. Another answer than the first, after data, is one to a
            // SYN that was not told from an earlier one.
            let open = connections.iter_mut().rev().find(|known| known.start[side].is_none());
            if let Some(known) = open {
                known.start[side] = Some(sequence);
            } else if connections.last().is_some_and(|last| spoke(last, stamp, parts)) {
                let mut start = [None; 2];
                start[side] = Some(sequence);
                connections.push(Connection { from: stamp, start });
            }
            continue;
        }
        match connections.last_mut() {
            Some(last) if !begins_another(last, stamp, side, parts) => {
                last.start[side].get_or_insert(sequence);
            }
            _ => {
                let mut start = [None; 2];
                start[side] = Some(sequence);
                connections.push(Connection { from: stamp, start });
            }
        }
    }
    connections
}

/// Whether data was sent in a connection before a place.
fn spoke(connection: &Connection, before: Stamp, parts: &[Part<'_>]) -> bool {
    parts.iter().any(|part| {
        let overlaps = part.headers.first < Some(before) && part.headers.last >= Some(connection.from);
        part.headers.payload_packets > 0 && overlaps
    })
}

/// Whether a SYN begins another connection than the one before: that one came about, and this is not the other side's SYN to it.
fn begins_another(last: &Connection, stamp: Stamp, side: usize, parts: &[Part<'_>]) -> bool {
    let answered = last.start[1 - side].is_some() && last.start[side].is_some();
    let is_other_half = last.start[side].is_none() && stamp.time.since(last.from.time) <= SIMULTANEOUS;
    !is_other_half && (answered || spoke(last, stamp, parts))
}

/// The connection of a part, by its sequence numbers where they follow those of a SYN, and otherwise by its time. Connections
/// whose sequence numbers lie in the same part are joined.
fn of(part: &Part<'_>, parts: &[Part<'_>], connections: &[Connection], groups: &mut Groups) -> usize {
    let (Some(first), Some(last)) = (part.headers.first, part.headers.last) else { return 0 };
    let numbered = || connections.iter().zip(1..);
    let is_inside = |connection: &Connection| match connection.start[part.side] {
        Some(start) => part.region.distance_from(start) == 0,
        // This side's SYN was not told: it may lie anywhere, where the other side's shows that there was one.
        None => first < connection.from && connection.start[1 - part.side].is_some() && came_about(connection, parts),
    };
    let mut inside = numbered().filter(|(connection, _)| connection.from <= last && is_inside(connection));
    if let Some((earliest, least)) = inside.next() {
        let greatest = inside.last().map_or(least, |(_, number)| number);
        // What came long before its own SYN is of another connection.
        let before = earliest.from.time.since(first.time) > SIMULTANEOUS;
        groups.join(if before { least - 1 } else { least }, greatest);
        return least;
    }
    let begun = connections.partition_point(|connection| connection.from <= first);
    let distance = |connection: &Connection| connection.start[part.side].map(|start| part.region.distance_from(start));
    let is_near = |connection: &Connection| distance(connection).is_some_and(|distance| distance < NEAR);
    match connections[..begun].last() {
        // Where this side's SYN was not captured, the time tells it.
        Some(latest) if latest.start[part.side].is_none() || is_near(latest) => begun,
        Some(latest) => {
            let near = numbered().take(begun).filter_map(|(one, number)| Some((distance(one)?, number)));
            let nearest = near.filter(|(distance, _)| *distance < NEAR).min();
            // Far from where it began and after its end: another one, whose SYN was not captured.
            let is_other = latest.start[part.side].is_some() && ended(latest, parts, first);
            match nearest {
                Some((_, number)) => number,
                None if is_other => begun + 1,
                None => begun,
            }
        }
        // The first part of the answer to a SYN may bear an earlier time than it, where two sensors' clocks differ.
        None => {
            let early =
                connections[0].start[part.side].is_none() && connections[0].from.time.since(first.time) <= SIMULTANEOUS;
            usize::from(early)
        }
    }
}

/// Whether a SYN was answered, or data follows it.
fn came_about(connection: &Connection, parts: &[Part<'_>]) -> bool {
    connection.start.iter().all(Option::is_some)
        || parts.iter().any(|part| {
            let follows = |start: u32| part.region.distance_from(start) == 0;
            part.headers.payload_packets > 0
                && part.headers.last >= Some(connection.from)
                && connection.start[part.side].is_some_and(follows)
        })
}

/// Whether a FIN or RST of a connection was seen before a place.
fn ended(connection: &Connection, parts: &[Part<'_>], before: Stamp) -> bool {
    parts.iter().any(|part| {
        let closed = part.headers.closed.is_some_and(|closed| connection.from <= closed && closed < before);
        closed && connection.start[part.side].is_some_and(|start| part.region.distance_from(start) < NEAR)
    })
}
