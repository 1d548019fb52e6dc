//! Which regions of sequence numbers are one connection: a four-tuple may be used again, and then each connection begins with
//! a SYN of its own. Knows headers only.

use crate::flow::{Headers, Region};
use crate::frame::Stamp;

/// A SYN from either side within this time, in nanoseconds, is one connection opened by both (RFC 9293, section 3.5): a round trip, and what
/// the clocks of two sensors may differ by.
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

/// For each part the connection that it belongs to, by number; in the order of time.
pub(super) fn tell(parts: &[Part<'_>]) -> Vec<usize> {
    let connections = begun(parts);
    if connections.len() < 2 {
        return vec![0; parts.len()];
    }
    let told: Vec<usize> = parts.iter().map(|part| of(part, &connections)).collect();
    // Numbers without gaps, the earliest first: 0 stands for what was there before the first SYN.
    let mut used = told.clone();
    used.sort_unstable();
    used.dedup();
    told.into_iter().map(|number| used.binary_search(&number).unwrap_or_default()).collect()
}

/// The connections that a SYN begins, in the order of time.
fn begun(parts: &[Part<'_>]) -> Vec<Connection> {
    let starts = parts.iter().filter_map(|part| {
        let (stamp, sequence) = part.headers.start?;
        Some((stamp, part.side, sequence, part.headers.syn > 0))
    });
    let mut starts: Vec<(Stamp, usize, u32, bool)> = starts.collect();
    starts.sort_unstable();
    let asked = starts.iter().any(|(_, _, _, syn)| *syn);
    let mut connections: Vec<Connection> = Vec::new();
    for (stamp, side, sequence, syn) in starts {
        // The same SYN with data and without, as it stands in two tiers of a table.
        if connections.iter().any(|known| known.start[side] == Some(sequence)) {
            continue;
        }
        if !syn && asked {
            // An answer: to the last SYN of the other side that has none.
            let open = connections.iter_mut().rev().find(|known| known.start[side].is_none());
            if let Some(known) = open {
                known.start[side] = Some(sequence);
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

/// Whether a SYN begins another connection than the one before: that one came about, and this is not the other side's SYN to it.
fn begins_another(last: &Connection, stamp: Stamp, side: usize, parts: &[Part<'_>]) -> bool {
    let answered = last.start[1 - side].is_some() && last.start[side].is_some();
    let is_other_half = last.start[side].is_none() && stamp.time.since(last.from.time) <= SIMULTANEOUS;
    let spoke = || {
        parts.iter().any(|part| {
            let within = |seen: Stamp| last.from <= seen && seen < stamp;
            part.headers.payload_packets > 0 && part.headers.first.is_some_and(within)
        })
    };
    !is_other_half && (answered || spoke())
}

/// The connection of a part: by its sequence numbers where they follow those of a SYN, otherwise by its time. 0 is what was
/// there before the first SYN.
fn of(part: &Part<'_>, connections: &[Connection]) -> usize {
    let (Some(first), Some(last)) = (part.headers.first, part.headers.last) else { return 0 };
    let near = connections.iter().enumerate().filter(|(_, connection)| connection.from <= last);
    let near = near.filter_map(|(number, connection)| {
        let distance = part.region.distance_from(connection.start[part.side]?);
        (distance < NEAR).then_some((distance, connection.from > first, std::cmp::Reverse(number)))
    });
    if let Some((.., std::cmp::Reverse(number))) = near.min() {
        return number + 1;
    }
    // The first part of the answer to a SYN may bear an earlier time than it, where two sensors' clocks differ.
    let before = connections.partition_point(|connection| connection.from <= first);
    let early = before == 0
        && connections[0].start[part.side].is_none()
        && connections[0].from.time.since(first.time) <= SIMULTANEOUS;
    if early { 1 } else { before }
}
