//! What only shows when the segments of a conversation are put together: greetings and RPC messages that were sent in
//! several, and messages that begin inside a segment, which count where the other side bears them out. Judges nothing.

use super::{Enveloped, Found, Traffic};
use crate::flow::{CallSeen, Named, Opening, RemoteCalls, Strays, Stream, sightings};
use crate::merge::Merge;
use crate::port::Transport;
use crate::signature::nfs::{NFS, NFS_ACL};
use crate::signature::rpc::{self, Body, Joined, Outcome};
use crate::signature::{self, Payload};
use crate::table::Gathered;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// So many records with other bytes between them are no loss of synchrony.
const MIN_APART: u32 = 2;
/// RPC messages that are read from one stream put together.
const MAX_MESSAGES: usize = 1024;

/// Adds to both directions of a TCP conversation what their openings and small segments show. Whether, in either, other bytes
/// stand before the records.
pub(super) fn read(gathered: &Gathered<'_>, traffic: &mut [Traffic; 2], seen: &mut [Vec<Found>; 2]) -> bool {
    let mut spacing = Spacing::default();
    // Where every payload is whole records, they were all seen when they came.
    for (index, half) in gathered.halves.iter().enumerate().filter(|(_, half)| half.broken > 0) {
        let start = gathered.headers[index].start_sequence();
        if half.opening.chunks().len() > 1 {
            read_sightings(&half.opening.stream(start), &mut seen[index]);
            for stream in half.opening.streams(start) {
                spacing.add(read_records(&stream, &mut traffic[index]));
            }
        }
        let small: Option<&Opening> =
            gathered.crumbs.as_deref().map(|crumbs| &crumbs.0[index]).filter(|small| small.chunks().len() > 1);
        for stream in small.into_iter().flat_map(|small| small.streams(start)).filter(|stream| stream.pieces.len() > 1)
        {
            read_records(&stream, &mut traffic[index]);
        }
    }
    spacing.is_apart()
}

/// How records of one stream follow each other.
#[derive(Clone, Copy, Debug, Default)]
struct Spacing {
    /// A record begins where the one before it ends.
    close: u32,
    /// Other bytes lie between them.
    apart: u32,
}

impl Spacing {
    fn add(&mut self, other: Spacing) {
        self.close += other.close;
        self.apart += other.apart;
    }

    fn is_apart(self) -> bool {
        self.apart >= MIN_APART && self.apart > self.close
    }
}

fn read_sightings(stream: &Stream, seen: &mut Vec<Found>) {
    let payload = Payload::whole(Transport::Tcp, &stream.bytes);
    for (number, detail) in sightings(&payload) {
        let label = signature::ALL[number].label();
        // Seen in its first segment already, perhaps with less detail: the stream shows all of it.
        let first = stream.seen(0);
        if seen.iter().any(|known| known.label == label && known.detail == detail) {
            continue;
        }
        match seen.iter_mut().find(|known| known.label == label && known.first == first) {
            Some(known) => known.detail = detail,
            None => seen.push(Found { label, detail, count: 1, first }),
        }
    }
}

/// RPC messages of a stream that no single segment showed, and how its records follow each other.
fn read_records(stream: &Stream, traffic: &mut Traffic) -> Spacing {
    let payload = Payload::whole(Transport::Tcp, &stream.bytes);
    let joined = if traffic.remote_calls.is_some() { Joined::of_stream(&payload) } else { Joined::of(&payload) };
    let payload = joined.as_ref().map_or(payload, |joined| joined.payload(&payload));
    let (mut spacing, mut end) = (Spacing::default(), None);
    for found in rpc::found(&payload).take(MAX_MESSAGES) {
        let message = &found.message;
        // Between where the record before it ended and this one other records may lie, and nothing else.
        if let Some(end) = end {
            let close = rpc::marks_lead(payload.bytes, end, found.at.saturating_sub(4));
            spacing.add(Spacing { close: close.into(), apart: (!close).into() });
        }
        end = found.ended.then_some(found.at + message.length as usize);
        let calls = traffic.remote_calls.get_or_insert_default();
        let known = match message.body {
            // Beyond the sample nobody knows what was counted already: segments mostly begin with records, so it was.
            Body::Call(_) if !calls.calls.covers(message.xid) => Some(true),
            Body::Reply(_) if !calls.replies.covers(message.xid) => Some(true),
            Body::Call(call) => calls.calls.get(message.xid).map(|seen| seen.whole || call.cut),
            Body::Reply(_) => calls.replies.get(message.xid).map(|_| true),
        };
        // The segments that it lies in, from the one where it begins.
        let at = joined.as_ref().map_or(found.at, |joined| joined.original(found.at));
        let Some(stamp) = stream.seen(at) else { continue };
        let stray = match message.body {
            Body::Call(_) => calls.strays().calls.get(message.xid).is_some(),
            Body::Reply(_) => calls.strays().replies.get(message.xid).is_some(),
        };
        if message.inside && stray {
            continue;
        }
        match known {
            Some(true) => {
                if let Some(detail) = calls.new_detail(&found) {
                    calls.to_mut().learn(message.xid, detail);
                }
            }
            Some(false) => calls.to_mut().complete(message.xid, &found),
            None => {
                let calls = calls.to_mut();
                if let Some(counted) = calls.observe(stamp, &found) {
                    calls.add(&counted);
                }
            }
        }
    }
    if traffic.remote_calls.as_deref().is_some_and(|calls| **calls == RemoteCalls::default()) {
        traffic.remote_calls = None;
    }
    spacing
}

/// Takes messages from inside segments for what they seem where the other direction has their transaction id, or where
/// their program is called in this direction anyway. The rest is forgotten: files hold recorded RPC, too. Where no record
/// begins a segment and all stand `apart`, another protocol has them inside.
pub(super) fn adopt(traffic: &mut [Traffic; 2], transport: Transport, apart: bool) {
    for calls in traffic.iter_mut().filter_map(|half| half.remote_calls.as_mut()) {
        // What is borrowed from the table is settled already.
        if let Cow::Owned(calls) = calls {
            calls.settle();
        }
    }
    let recordings = [0, 1].map(|side: usize| is_recording(&traffic[side], &traffic[1 - side]));
    for (half, _) in traffic.iter_mut().zip(recordings).filter(|(_, recording)| *recording) {
        half.remote_calls = None;
    }
    let has_strays = |half: &Traffic| half.remote_calls.as_deref().is_some_and(|calls| calls.strays.is_some());
    if !traffic.iter().any(has_strays) {
        return;
    }
    let certain = |half: &Traffic| half.remote_calls.as_deref().is_some_and(|calls| calls.is_certain());
    if apart && !traffic.iter().any(certain) {
        return traffic.iter_mut().for_each(envelope);
    }
    let called = |half: &Traffic| -> BTreeSet<u32> {
        let seen = half.remote_calls.iter();
        seen.flat_map(|seen| seen.calls.iter().chain(seen.strays().calls.iter())).map(|(xid, _)| xid).collect()
    };
    let replied = |half: &Traffic| -> BTreeSet<u32> {
        let seen = half.remote_calls.iter();
        seen.flat_map(|seen| seen.replies.iter().chain(seen.strays().replies.iter())).map(|(xid, _)| xid).collect()
    };
    let called = [called(&traffic[0]), called(&traffic[1])];
    let replied = [replied(&traffic[0]), replied(&traffic[1])];
    let refused = |half: &Traffic| -> BTreeSet<u32> {
        let seen = half.remote_calls.iter();
        let replies = seen.flat_map(|seen| seen.replies.iter().chain(seen.strays().replies.iter()));
        replies.filter(|(_, reply)| reply.outcome == Outcome::RpcMismatch).map(|(xid, _)| xid).collect()
    };
    let refused = [refused(&traffic[0]), refused(&traffic[1])];
    let silent = [0, 1].map(|side: usize| traffic[side].captured_payload() == 0);
    for side in [0, 1] {
        let Some(seen) = traffic[side].remote_calls.as_mut().map(Cow::to_mut) else { continue };
        let strays = seen.strays.take().map_or_else(Strays::default, |strays| *strays);
        let programs: BTreeSet<(u32, u32)> =
            seen.procedures.iter().map(|(named, _)| (named.program, named.version)).collect();
        let (mut calls, mut all_calls) = (BTreeMap::<Named, BorneOut>::new(), BorneOut::default());
        for (xid, call) in strays.calls.iter() {
            // The access lists of NFS version 3 go over its connection.
            let with_nfs = call.named.program == NFS_ACL && programs.iter().any(|(program, _)| *program == NFS);
            let familiar = with_nfs || programs.contains(&(call.named.program, call.named.version));
            // What both sides call with one id is an echo.
            let echoed = called[1 - side].contains(&xid);
            let new = seen.calls.covers(xid) && seen.calls.get(xid).is_none();
            let answers = if call.odd_version { &refused } else { &replied };
            let answered = answers[1 - side].contains(&xid);
            // Where records begin segments, those inside may be what is written to a file: a recording of other calls.
            let unheard = silent[1 - side] && (familiar || call.chained) && !call.odd_version;
            let borne_out = unheard || (answered && (familiar || programs.is_empty() || transport == Transport::Udp));
            let adopted = new && !echoed && borne_out;
            for tally in [calls.entry(call.named).or_default(), &mut all_calls] {
                tally.add(adopted, call.times, call.length);
            }
            if adopted {
                if let Some(detail) = strays.detail(xid) {
                    seen.ask(xid, call, detail);
                }
                seen.add_call(xid, call);
                traffic[side].resynchronised += 1;
            }
        }
        // Beyond the sample as many are borne out as within it.
        if strays.calls.is_cut() {
            for (named, all) in strays.procedures.iter() {
                let tally = calls.get(named).copied().unwrap_or_default();
                let messages = if tally.messages == 0 { all_calls.of(all.count) } else { tally.beyond(all.count) };
                traffic[side].resynchronised += messages;
                seen.add_unsampled_calls(*named, messages, all.first);
            }
            seen.call_bytes += all_calls.bytes_beyond(strays.call_bytes);
            seen.calls.bound_by(&strays.calls);
        }
        if programs.is_empty() && seen.call_messages > 0 {
            seen.credentials.merge(strays.credentials);
        }
        // Where the other direction was not captured at all, replies behind the first are borne out by that one.
        let chained = strays.replies.iter().any(|(_, reply)| reply.chained);
        let alone = silent[1 - side] && (seen.reply_messages > 0 || chained);
        let (mut replies, mut all_replies) = (BTreeMap::<Outcome, BorneOut>::new(), BorneOut::default());
        for (xid, reply) in strays.replies.iter() {
            let borne_out = called[1 - side].contains(&xid) || (alone && reply.outcome != Outcome::Cut);
            let echoed = replied[1 - side].contains(&xid);
            let adopted = seen.replies.covers(xid) && seen.replies.get(xid).is_none() && borne_out && !echoed;
            for tally in [replies.entry(reply.outcome).or_default(), &mut all_replies] {
                tally.add(adopted, reply.times, reply.length);
            }
            if adopted {
                seen.add_reply(xid, reply);
                traffic[side].resynchronised += 1;
            }
        }
        if strays.replies.is_cut() {
            for (outcome, all) in strays.outcomes.iter() {
                let tally = replies.get(outcome).copied().unwrap_or_default();
                let messages = if tally.messages == 0 { all_replies.of(all.count) } else { tally.beyond(all.count) };
                traffic[side].resynchronised += messages;
                seen.add_unsampled_replies(*outcome, messages, all.first);
            }
            seen.reply_bytes += all_replies.bytes_beyond(strays.reply_bytes);
            seen.replies.bound_by(&strays.replies);
        }
        seen.settle();
        if !seen.is_certain() {
            traffic[side].remote_calls = None;
        }
    }
}

/// Of so many messages one is RPC where they are: numbers of other protocols read as a message now and then.
const FIRM_SHARE: u64 = 2;
/// The same over TCP, where calls that carry much fill many segments.
const FIRM_SHARE_TCP: u64 = 32;

/// Whether the RPC messages of a conversation are no accident: one answers another, they are a good part of what was said, or
/// the other side was not captured.
pub(super) fn is_firm(traffic: &[Traffic; 2], transport: Transport) -> bool {
    let calls = |side: usize| traffic[side].remote_calls.as_deref();
    let paired = [0, 1].into_iter().any(|side| {
        let (asked, answered) = (calls(side), calls(1 - side));
        let mut pairs =
            asked.into_iter().zip(answered).flat_map(|(asked, answered)| asked.calls.join(&answered.replies));
        pairs.any(|(_, call, reply)| call.is_some() && reply.is_some())
    });
    let share = if transport == Transport::Udp { FIRM_SHARE } else { FIRM_SHARE_TCP };
    let most = [0, 1].into_iter().any(|side| {
        let messages = calls(side).map_or(0, |calls| calls.call_messages + calls.reply_messages);
        messages > 0 && messages * share >= traffic[side].payload_packets
    });
    paired || most
}

/// How many messages of a sample the other direction bears out.
#[derive(Clone, Copy, Debug, Default)]
struct BorneOut {
    messages: u64,
    adopted: u64,
    bytes: u64,
}

impl BorneOut {
    fn add(&mut self, adopted: bool, times: u32, length: u32) {
        self.messages += u64::from(times);
        self.bytes += u64::from(times) * u64::from(length);
        self.adopted += if adopted { u64::from(times) } else { 0 };
    }

    /// Of so many messages or bytes outside the sample those that would be borne out.
    fn of(self, outside: u64) -> u64 {
        if self.messages == 0 {
            return 0;
        }
        let share = u128::from(outside) * u128::from(self.adopted) / u128::from(self.messages);
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// Of all messages, which those in the sample are a part of.
    fn beyond(self, all: u64) -> u64 {
        self.of(all.saturating_sub(self.messages))
    }

    fn bytes_beyond(self, all: u64) -> u64 {
        self.of(all.saturating_sub(self.bytes))
    }
}

/// Takes messages for what another protocol has inside.
fn envelope(half: &mut Traffic) {
    let Some(seen) = half.remote_calls.take() else { return };
    let calls =
        seen.strays().calls.iter().map(|(_, call)| (call.first, Some((call.named.program, call.named.version))));
    let replies = seen.strays().replies.iter().map(|(_, reply)| (reply.first, None));
    let messages = calls.clone().chain(replies.clone()).count() as u64;
    let first = calls.chain(replies).min_by_key(|(first, called)| (called.is_none(), *first));
    half.enveloped = first.map(|(first, called)| Enveloped { messages, called, first });
}

/// Whether a side sends the calls and the replies to them: that is a recording in transfer. Two that call each other may use
/// the same transaction ids (RFC 5531, section 9): then the other side has messages with them, too.
fn is_recording(half: &Traffic, other: &Traffic) -> bool {
    let Some(seen) = half.remote_calls.as_deref() else { return false };
    if seen.call_messages == 0 || seen.reply_messages == 0 {
        return false;
    }
    // Who sends the same call back is an echo.
    let answers = |xid: u32, call: &CallSeen| {
        other.remote_calls.as_deref().is_some_and(|other| {
            let called = other.calls.get(xid).or_else(|| other.strays().calls.get(xid));
            let replied = other.replies.get(xid).is_some() || other.strays().replies.get(xid).is_some();
            match called {
                Some(theirs) => theirs.named != call.named,
                None => replied || !other.calls.covers(xid),
            }
        })
    };
    let pairs =
        seen.calls.join(&seen.replies).filter_map(|(xid, call, reply)| call.filter(|_| reply.is_some()).zip(Some(xid)));
    let alone = pairs.filter(|(call, xid)| !answers(*xid, call)).count();
    alone > 0 && alone * 2 >= seen.calls.len() && alone * 2 >= seen.replies.len()
}
