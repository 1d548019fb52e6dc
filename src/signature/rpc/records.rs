//! Record marking over TCP (RFC 5531, section 11): where messages begin in a segment, also where it does not begin with one.
//! Knows marks; what a message is, its parent knows, and records in several fragments are put together before.

use super::{Body, Call, Found, beginning, message};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// The largest record that is believed: an NFS write of 1 MiB with its headers is normal, 32 MiB is no RPC.
pub(super) const MAX_RECORD: usize = 32 << 20;
/// The same where a record is looked for inside a segment and nothing before it says that one begins there.
const MAX_RECORD_INSIDE: usize = 4 << 20;
/// The longest header of a message: a call's with the longest credential and verifier.
const MAX_HEADER: usize = 840;
/// The smallest message: a denied reply with an authentication error.
const MIN_MESSAGE: usize = 20;
/// Fragments of one record that are followed within one payload.
const MAX_FRAGMENTS: usize = 256;
/// Records in a row that hold no message that is known, and are passed over.
const MAX_UNREAD: usize = 16;
/// Places of one payload that look like a record with a call or a reply and are tried.
const MAX_TRIES: usize = 64;

/// Message type and RPC version of a call.
static CALL_WORDS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0, 0, 0, 0, 0, 0, 2]));
/// Message type, acceptance, empty verifier and status of a successful reply.
static REPLY_WORDS: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
/// Bytes of a record before those words: the mark and the transaction id.
const BEFORE_WORDS: usize = 8;

/// Walks the records of a segment.
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    /// Bytes that were sent behind `bytes` but not captured.
    missing: usize,
    /// Where the next record begins, if one does.
    at: Option<usize>,
    /// Whether a record was found elsewhere than where one should begin.
    astray: bool,
    /// Where the words of the next call and of the next reply stand, once they are looked for.
    places: Option<[Option<usize>; 2]>,
    tries: usize,
}

/// A message and where the record behind it begins, where that is within the payload.
type Step<'a> = (Found<'a>, Option<usize>);

impl<'a> Records<'a> {
    /// `missing` bytes were sent behind `bytes` and not captured.
    pub(super) fn new(bytes: &'a [u8], missing: usize) -> Self {
        Records { bytes, missing, at: Some(0), astray: false, places: None, tries: 0 }
    }

    pub(super) fn next_message(&mut self) -> Option<Found<'a>> {
        let at = self.at.take()?;
        if let Some((mut found, next)) = self.record(at, MAX_RECORD).or_else(|| self.beyond(at)) {
            self.at = next;
            found.message.inside |= self.astray;
            found.message.chained |= self.astray;
            return Some(found);
        }
        let mut from = at;
        while self.tries < MAX_TRIES {
            let at = self.place(from)? - BEFORE_WORDS;
            from = at + 1;
            if self.bytes[at] >> 7 == 0 {
                continue; // no mark of a last fragment
            }
            self.tries += 1;
            if let Some((mut found, next)) = self.record(at, MAX_RECORD_INSIDE) {
                found.message.inside = true;
                found.message.chained = next.is_some_and(|next| self.record(next, MAX_RECORD).is_some());
                (self.at, self.astray) = (next, true);
                return Some(found);
            }
        }
        None
    }

    /// The first message behind records that hold something else, where whole records lead from one to the next.
    fn beyond(&self, mut at: usize) -> Option<Step<'a>> {
        for _ in 0..MAX_UNREAD {
            let (last, len, _) = record_mark(self.bytes.get(at..)?)?;
            if !last || !(MIN_MESSAGE..=MAX_RECORD_INSIDE).contains(&len) {
                return None;
            }
            at += 4 + len;
            if let Some(step) = self.record(at, MAX_RECORD_INSIDE) {
                return Some(step);
            }
        }
        None
    }

    /// Where the next call or reply may have its words, if a record can begin from `from` on.
    fn place(&mut self, from: usize) -> Option<usize> {
        let from = from + BEFORE_WORDS;
        let next = |words: &Finder<'_>| words.find(self.bytes.get(from..)?).map(|place| from + place);
        let places = self.places.get_or_insert_with(|| [next(&CALL_WORDS), next(&REPLY_WORDS)]);
        for (place, words) in places.iter_mut().zip([&CALL_WORDS, &REPLY_WORDS]) {
            if place.is_some_and(|place| place < from) {
                *place = next(words);
            }
        }
        crate::merge::earliest(places[0], places[1])
    }

    /// The message in the record at this place.
    fn record(&self, at: usize, max: usize) -> Option<Step<'a>> {
        let (mut last, mut fragment, mut rest) = record_mark(self.bytes.get(at..)?)?;
        // Fragments of length nothing are legal and carry nothing (RFC 5531, section 11).
        for _ in 0..MAX_FRAGMENTS {
            if fragment > 0 || last {
                break;
            }
            (last, fragment, rest) = record_mark(rest)?;
        }
        if !(MIN_MESSAGE..=max).contains(&fragment) {
            return None;
        }
        let start = self.bytes.len() - rest.len();
        let here = &rest[..rest.len().min(fragment)];
        // Where more fragments follow, the header may end in one of them.
        let sent = if last { fragment } else { fragment + MAX_HEADER };
        let mut found = match message(here, sent) {
            Some(found) => Found { at: start, ..found },
            // The segment is this record, and the capture holds the first words of it.
            None if last && at == 0 && self.missing > 0 && start + fragment == self.bytes.len() + self.missing => {
                Found { at: start, ..beginning(here, fragment)? }
            }
            None => return None,
        };
        found.message.length = u32::try_from(fragment).unwrap_or(u32::MAX);
        found.ended = last && here.len() == fragment;
        // The rest of its header is in the next segment: put together with that it counts.
        let unfinished = self.missing == 0 && matches!(found.message.body, Body::Call(Call { cut: true, .. }));
        // One of several fragments, and its end not here: a small number in the place of the mark reads so, too.
        let vague = !last && here.len() < fragment;
        let reply_in_part = !last && matches!(found.message.body, Body::Reply(_));
        found.message.inside |= unfinished || vague || reply_in_part;
        Some((found, self.after(last, start + fragment)))
    }

    /// Where the record after this one begins: its first fragment ends at `end`.
    fn after(&self, mut last: bool, mut end: usize) -> Option<usize> {
        for _ in 0..MAX_FRAGMENTS {
            if last {
                return (end < self.bytes.len()).then_some(end);
            }
            let (is_last, fragment, _) = record_mark(self.bytes.get(end..)?)?;
            (last, end) = (is_last, end + 4 + fragment);
        }
        None
    }
}

/// Whether record marks lead from one place to another exactly.
pub fn marks_lead(bytes: &[u8], mut from: usize, to: usize) -> bool {
    while from < to {
        let Some((_, len, _)) = bytes.get(from..).and_then(record_mark) else { return false };
        from += 4 + len;
    }
    from == to
}

/// Whether this fragment is the record's last, its length, and what follows the mark (RFC 5531, section 11).
pub(super) fn record_mark(bytes: &[u8]) -> Option<(bool, usize, &[u8])> {
    let (mark, rest) = bytes.split_first_chunk::<4>()?;
    let mark = u32::from_be_bytes(*mark);
    Some((mark >> 31 == 1, (mark & 0x7fff_ffff) as usize, rest))
}
