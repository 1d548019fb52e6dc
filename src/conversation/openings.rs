//! What both sides said first, held against every known protocol; and where none fits, what the bytes are like. Judges
//! nothing.

use super::Found;
use crate::flow::{Chunk, Half, Headers};
use crate::frame::Stamp;
use crate::port::Transport;
use crate::signature::protocol::{Catalogue, tls_records};
use crate::signature::texture::Texture;
use crate::signature::{Label, Payload, Sender, rpc};
use crate::table::Gathered;

/// Datagrams, or segments of a stream without its beginning, that are looked at on each side.
const MAX_MESSAGES: usize = 16;

/// A side's opening: its messages, each with the place where it was seen.
struct Said<'a> {
    stream: Vec<u8>,
    messages: Vec<&'a [u8]>,
    stamps: Vec<Stamp>,
}

impl<'a> Said<'a> {
    fn of(half: &'a Half, start: Option<u32>, transport: Transport) -> Self {
        let mut said = Said { stream: Vec::new(), messages: Vec::new(), stamps: Vec::new() };
        if transport == Transport::Tcp && half.opening.chunks().len() > 1 {
            let stream = half.opening.stream(start);
            if let Some(stamp) = stream.seen(0) {
                said.stamps.push(stamp);
                said.stream = stream.bytes;
            }
            if stream.from_start {
                // Whole messages are no part of the stream.
                said.add(half.opening.counted());
                return said;
            }
        }
        said.add(half.opening.payloads().take(MAX_MESSAGES));
        said
    }

    fn add(&mut self, chunks: impl IntoIterator<Item = &'a Chunk>) {
        for chunk in chunks {
            self.messages.push(&chunk.bytes);
            self.stamps.push(chunk.stamp);
        }
    }

    fn messages(&'a self) -> Vec<&'a [u8]> {
        let stream = (!self.stream.is_empty()).then_some(&*self.stream);
        stream.into_iter().chain(self.messages.iter().copied()).collect()
    }
}

/// Whether a direction of which the beginning was captured, and which has RPC messages, begins with something else: what is
/// said to a proxy.
pub(super) fn begins_otherwise(half: &Half, headers: &Headers) -> bool {
    headers.start_sequence().is_some_and(|start| {
        half.opening.chunks().first().is_some_and(|first| {
            let payload = Payload { transport: Transport::Tcp, bytes: &first.bytes, wire_len: first.wire_len as usize };
            first.sequence == start.wrapping_add(1) && rpc::messages(&payload).next().is_none()
        })
    })
}

/// Adds what the openings of a conversation show, and measures the bytes of sides that nobody knows. `server` is the side
/// that accepted, where that is known; `spoken`: what each side says is RPC, and whether it began otherwise; `asked`: what the
/// silent side of a conversation sent to everybody instead.
pub(super) fn read(
    catalogue: &Catalogue,
    gathered: &Gathered<'_>,
    server: Option<usize>,
    (spoken, preambles): ([bool; 2], [bool; 2]),
    asked: Option<&Half>,
    seen: &mut [Vec<Found>; 2],
) -> [Option<Box<Texture>>; 2] {
    let (transport, headers) = (gathered.key.transport, &gathered.headers);
    let halves = gathered.halves.each_ref().map(|half| &**half);
    let from_start = [0, 1].map(|side: usize| spoken[side] && !preambles[side]);
    // Whole RPC messages that do not count, as in a recording that is copied, are no other protocol either.
    let is_rpc =
        |half: &Half| half.opening.counted().is_some_and(|counted| half.opening.payloads().next() == Some(counted));
    if halves.iter().all(|half| half.opening.payloads().next().is_none()) || from_start == [true, true] {
        return [None, None];
    }
    let heard = [0, 1].map(|side: usize| match asked {
        Some(asked) if headers[side].packets == 0 => asked,
        _ => halves[side],
    });
    let said = [0, 1].map(|side| Said::of(heard[side], headers[side].start_sequence(), transport));
    let messages = said.each_ref().map(Said::messages);
    if from_start == [false, false] && !halves.into_iter().any(is_rpc) {
        for recognised in catalogue.recognise(transport, [&messages[0], &messages[1]], server) {
            let from_start = headers.iter().any(|headers| headers.start.is_some());
            if recognised.label.id == tls_records::ID && from_start {
                continue;
            }
            for (side, found) in recognised.seen.into_iter().enumerate() {
                let Some((message, detail)) = found else { continue };
                let sender = match recognised.client {
                    None => Sender::Either,
                    Some(client) if client == side => Sender::Client,
                    Some(_) => Sender::Server,
                };
                let label = Label { sender, ..recognised.label };
                let first = said[side].stamps.get(message).copied();
                seen[side].push(Found { label, detail, count: 1, first });
            }
        }
    }
    [0, 1].map(|side: usize| {
        let first = halves[side].opening.payloads().next()?;
        let known = !seen[side].is_empty() || spoken[side];
        let begins = headers[side].start.is_some() || transport == Transport::Udp;
        (!known).then(|| Box::new(Texture::of(&first.bytes, &messages[side], begins, first.stamp)))
    })
}
