//! Records that were sent in several fragments (RFC 5531, section 11), put into one each, as far as a payload holds them:
//! an exploit or a path is read wherever it was cut. Knows marks and the first words of a message.

use super::super::Payload;
use super::records::{MAX_RECORD, record_mark};
use crate::port::Transport;

/// A payload in which every record that begins with a message is in one fragment.
#[derive(Debug)]
pub struct Joined {
    bytes: Vec<u8>,
    /// Where pieces begin, here and in the payload that they were taken from.
    pieces: Vec<(usize, usize)>,
}

/// The first words of a message: transaction id, type, and the RPC version of a call or the state of a reply.
const FIRST_WORDS: usize = 12;
/// The first fragment of a record of which the payload does not hold the end is not shorter: a call's header.
const MIN_FRAGMENT: usize = 40;

impl Joined {
    /// `None` where there is nothing to put together, as in nearly every payload.
    #[inline]
    #[must_use]
    pub fn of(payload: &Payload<'_>) -> Option<Self> {
        if payload.transport != Transport::Tcp {
            return None;
        }
        Self::from_record(payload.bytes, 0)
    }

    /// The same of a stream that has RPC, and may begin inside a record: where a segment was sent again with less before it.
    #[must_use]
    pub fn of_stream(payload: &Payload<'_>) -> Option<Self> {
        Self::of(payload).or_else(|| {
            let first = (1..payload.bytes.len()).find(|&at| begins_message(payload.bytes, at))?;
            Self::from_record(payload.bytes, first)
        })
    }

    /// Follows the marks from the record that begins at `at`.
    #[inline]
    fn from_record(bytes: &[u8], mut at: usize) -> Option<Self> {
        loop {
            let (last, len, _) = record_mark(bytes.get(at..)?)?;
            if len > MAX_RECORD {
                return None;
            }
            if !last && len > 0 && begins_message(bytes, at) {
                return Some(Self::from(bytes, at));
            }
            at += 4 + len;
        }
    }

    /// Copies the records, of which one that begins at `first` is in several fragments and those before it are not.
    #[cold]
    fn from(bytes: &[u8], first: usize) -> Self {
        let mut joined = Joined { bytes: Vec::with_capacity(bytes.len()), pieces: Vec::new() };
        joined.copy(bytes, 0, first);
        let mut at = first;
        while let Some((last, len, _)) = bytes.get(at..).and_then(record_mark)
            && len <= MAX_RECORD
        {
            if last || !begins_message(bytes, at) {
                joined.copy(bytes, at, at + 4 + len);
                at += 4 + len;
                continue;
            }
            let (start, pieces) = (joined.bytes.len(), joined.pieces.len());
            let (from, first_len) = (at, len);
            joined.pieces.push((start, at));
            joined.bytes.extend([0; 4]);
            let (mut total, mut finished) = (0, false);
            while let Some((last, len, _)) = bytes.get(at..).and_then(record_mark)
                && !finished
                && total + len <= MAX_RECORD
            {
                joined.copy(bytes, at + 4, at + 4 + len);
                (at, total, finished) = (at + 4 + len, total + len, last);
            }
            if !finished && first_len < MIN_FRAGMENT {
                // Short messages with their lengths before them read so, too, and have no end.
                joined.bytes.truncate(start);
                joined.pieces.truncate(pieces);
                at = from;
                break;
            }
            #[allow(clippy::cast_possible_truncation)] // at most MAX_RECORD
            let mark = u32::from(finished) << 31 | total as u32;
            joined.bytes[start..start + 4].copy_from_slice(&mark.to_be_bytes());
        }
        joined.copy(bytes, at, bytes.len());
        joined
    }

    fn copy(&mut self, bytes: &[u8], from: usize, to: usize) {
        if let Some(piece) = bytes.get(from..to.min(bytes.len())).filter(|piece| !piece.is_empty()) {
            self.pieces.push((self.bytes.len(), from));
            self.bytes.extend_from_slice(piece);
        }
    }

    /// To be read instead of `payload`.
    #[must_use]
    pub fn payload(&self, payload: &Payload<'_>) -> Payload<'_> {
        let missing = payload.wire_len.saturating_sub(payload.bytes.len());
        Payload { transport: payload.transport, bytes: &self.bytes, wire_len: self.bytes.len() + missing }
    }

    /// Where the byte at `at` was in the payload.
    #[must_use]
    pub fn original(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|(here, _)| *here <= at);
        self.pieces.get(after.wrapping_sub(1)).map_or(at, |(here, there)| there + (at - here))
    }
}

/// Whether the record at this place begins with the first words of a call or a reply, in however many fragments.
fn begins_message(bytes: &[u8], mut at: usize) -> bool {
    let mut words = [0; FIRST_WORDS];
    let mut filled = 0;
    for _ in 0..=FIRST_WORDS {
        let Some((last, len, rest)) = bytes.get(at..).and_then(record_mark) else { return false };
        let here = &rest[..len.min(rest.len()).min(FIRST_WORDS - filled)];
        words[filled..filled + here.len()].copy_from_slice(here);
        filled += here.len();
        if filled == FIRST_WORDS {
            return matches!(words[4..], [0, 0, 0, 0, 0, 0, 0, 2] | [0, 0, 0, 1, 0, 0, 0, 0 | 1]);
        }
        if last {
            return false;
        }
        at += 4 + len;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::{found, tests::NULL_CALL};
    use super::*;
    use proptest::prelude::*;

    /// A message as a record in fragments that end at these places.
    fn record(message: &[u8], cuts: &[usize]) -> Vec<u8> {
        let mut ends: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < message.len()).collect();
        ends.sort_unstable();
        ends.push(message.len());
        let mut bytes = Vec::new();
        let mut start = 0;
        for end in ends {
            let last = if end == message.len() { 1 << 31 } else { 0 };
            bytes.extend((u32::try_from(end - start).expect("short") | last).to_be_bytes());
            bytes.extend(&message[start..end]);
            start = end;
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_call_is_the_same_however_it_was_cut(
            cuts in proptest::collection::vec(0usize..120, 0..6), before in 0usize..3, content: [u8; 32],
        ) {
            let message = [NULL_CALL, &content].concat();
            let whole = record(&message, &[]);
            let bytes = [whole.repeat(before), record(&message, &cuts), whole.clone()].concat();
            let payload = Payload::whole(Transport::Tcp, &bytes);
            let joined = Joined::of(&payload);
            let read = joined.as_ref().map_or(payload, |joined| joined.payload(&payload));
            let calls: Vec<_> = found(&read).collect();
            prop_assert_eq!(calls.len(), before + 2);
            // Where each record begins, in the bytes as they were sent.
            let mut starts: Vec<usize> = (0..=before).map(|index| index * whole.len()).collect();
            starts.push(bytes.len() - whole.len());
            for (call, start) in calls.iter().zip(starts) {
                prop_assert_eq!(call.content, &content);
                prop_assert!(!call.message.inside && call.ended);
                // Behind fragments of length nothing, which carry none of it.
                let at = joined.as_ref().map_or(call.at - 4, |joined| joined.original(call.at - 4));
                prop_assert!((start..=start + 4 * cuts.len()).contains(&at), "{at} for {start}");
            }
        }

        /// A segment that was sent again begins in the middle of the record before.
        #[test]
        fn a_stream_may_begin_inside_a_record(tail in 0usize..60, first in 1usize..40, second in 1usize..40) {
            let message = [NULL_CALL, &[7; 40]].concat();
            let whole = record(&message, &[]);
            let tail = &whole[whole.len() - tail..];
            let bytes = [tail, &record(&message, &[first, first + second])].concat();
            let payload = Payload::whole(Transport::Tcp, &bytes);
            let joined = Joined::of_stream(&payload).expect("a record in three fragments");
            let calls: Vec<_> = found(&joined.payload(&payload)).collect();
            prop_assert_eq!(calls.len(), 1);
            prop_assert!(calls[0].ended && calls[0].content == [7; 40], "{calls:?}");
        }

        #[test]
        fn nothing_else_is_touched(bytes: Vec<u8>) {
            let joined = Joined::of(&Payload::whole(Transport::Tcp, &bytes));
            prop_assert!(joined.is_none_or(|joined| joined.bytes.len() <= bytes.len()));
        }
    }
}
