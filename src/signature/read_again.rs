//! Which RPC messages are worth reading once more when everything is there: calls of the programs that give ports and
//! domains away, and results that have the outline of an answer of theirs. Sees one message; what it says, its program's file reads.

use super::rpc::{Body, Call, Found};
use super::xdr::Reader;
use super::{netinfo, portmap};

/// Programs whose calls are read once more, with their answers.
pub const PROGRAMS: [u32; 3] = [portmap::PORTMAPPER, netinfo::BINDER, netinfo::NETINFO];

/// Strings in answers are no longer: a universal address, a network id, a domain's tag.
const MAX_STRING: u32 = 256;
/// STATISTICS has five properties.
const MAX_PROPERTIES: u32 = 16;

/// Whether a whole message is to be kept. A reply does not say which call it answers, and the call may be in another piece of
/// the capture: so its result alone decides.
#[must_use]
pub fn is_worth(found: &Found<'_>) -> bool {
    match found.message.body {
        Body::Call(call) => call.cut || asks(&call),
        Body::Reply(outcome) => {
            let length = found.message.length.saturating_sub(found.header.into());
            outcome.is_success() && may_answer(found.content, length)
        }
    }
}

/// Whether the answer to a call says something that is read.
fn asks(call: &Call) -> bool {
    match call.program {
        portmap::PORTMAPPER => call.procedure > 0,
        netinfo::BINDER => matches!(call.procedure, 1 | 3 | 4), // REGISTER, GETREGISTER, LISTREG
        netinfo::NETINFO => matches!(call.procedure, netinfo::STATISTICS | netinfo::RPARENT),
        _ => false,
    }
}

/// Whether a result of `length` bytes as sent can be an answer of [`PROGRAMS`] that says something: those that
/// [`portmap::Question::learn`], [`netinfo::tag_of_statistics`] and [`netinfo::parent`] read. What the capture cut off may be
/// anything.
fn may_answer(result: &[u8], length: u32) -> bool {
    let mut reader = Reader::new(result);
    let Some(first) = reader.word() else { return length >= 4 };
    let rest = length.saturating_sub(4);
    match first {
        // GETPORT, SET, UNSET and REGISTER; GETREGISTER with its two ports.
        _ if rest == 0 => first <= 0xffff,
        0 if rest == 8 => true,
        // LISTREG: how many domains, and the first tag. RPARENT: a tag and an address.
        0 => {
            let mut list = reader;
            let listed = list.word().is_none_or(|count| count > 0 && begins_with_name(list));
            listed || (begins_with_name(reader) && ends_after_string(reader, rest, 4))
        }
        // DUMP and GETADDRLIST: an entry follows.
        1 => true,
        // STATISTICS: properties by name. GETADDR: an address. INDIRECT: an address and a result. CALLIT: a port and a result.
        2..=MAX_PROPERTIES if begins_with_name(reader) => true,
        2..=MAX_STRING if begins_with_text(reader.rest()) => true,
        2..=0xffff => ends_after_string(reader, rest, 0),
        _ => false,
    }
}

/// Whether a string follows that may be a name: not empty, and not of zeros and other controls, as numbers are.
fn begins_with_name(mut reader: Reader<'_>) -> bool {
    reader.word().is_none_or(|len| (1..=MAX_STRING).contains(&len) && begins_with_text(reader.rest()))
}

fn begins_with_text(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|byte| !byte.is_ascii_control())
}

/// Whether `rest` bytes are a string, and `more` bytes behind it.
fn ends_after_string(mut reader: Reader<'_>, rest: u32, more: u32) -> bool {
    reader.word().is_none_or(|len| rest.checked_sub(4 + more).is_some_and(|room| len <= room && room - len < 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn string(text: &str) -> Vec<u8> {
        let mut bytes = words(&[u32::try_from(text.len()).expect("short")]);
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn may_be(result: &[u8]) -> bool {
        may_answer(result, u32::try_from(result.len()).expect("short"))
    }

    #[test]
    fn every_answer_that_is_read_is_kept_wherever_the_capture_cuts_it() {
        let answers = [
            ("GETPORT", words(&[817])),
            ("SET", words(&[1])),
            ("nothing registered", words(&[0])),
            ("DUMP", words(&[1, 100_000, 2, 6, 111, 1, 100_005, 3, 17, 820, 0])),
            ("CALLIT", [words(&[817]), string("abcde")].concat()),
            ("CALLIT of NULL", words(&[723, 0])),
            ("GETADDR", string("10.9.0.2.3.52")),
            ("GETADDR", string("10.0.0.9.3.5")),
            ("GETADDR", string("::.3.52")),
            ("GETADDR, not registered", string("")),
            (
                "DUMP of rpcbind",
                [words(&[1, 100_024, 1]), string("udp"), string("0.0.0.0.3.49"), string("root"), words(&[0])].concat(),
            ),
            (
                "GETADDRLIST",
                [
                    words(&[1]),
                    string("10.9.0.2.3.52"),
                    string("udp"),
                    words(&[1]),
                    string("inet"),
                    string("udp"),
                    words(&[0]),
                ]
                .concat(),
            ),
            ("INDIRECT", [string("10.9.0.2.3.52"), string("any result")].concat()),
            ("INDIRECT", [string("::1.3.52"), string("")].concat()),
            ("GETREGISTER", words(&[0, 816, 817])),
            (
                "LISTREG",
                [words(&[0, 2]), string("local"), words(&[1033, 1033]), string("network"), words(&[816, 817])].concat(),
            ),
            ("LISTREG", [words(&[0, 1]), string("\u{e9}t\u{e9}"), words(&[816, 817])].concat()),
            ("REGISTER", words(&[0])),
            (
                "STATISTICS",
                [
                    words(&[2]),
                    string("checksum"),
                    words(&[1]),
                    string("42"),
                    string("tag"),
                    words(&[2]),
                    string("network"),
                    string("clone"),
                ]
                .concat(),
            ),
            ("RPARENT", [words(&[0]), string("root"), words(&[0x0a00_0009])].concat()),
        ];
        for (name, answer) in answers {
            for kept in 0..=answer.len() {
                let length = u32::try_from(answer.len()).expect("short");
                assert!(may_answer(&answer[..kept], length), "{name}, {kept} of {length} bytes captured");
            }
        }
    }

    #[test]
    fn results_of_other_programs_have_another_outline() {
        let attributes = words(&[1, 0o644, 1, 0, 0, 0, 4096, 0, 4096, 0, 0, 0, 7, 0, 99, 1, 2, 3, 4, 5, 6]);
        let handle = [words(&[32]), vec![0x41; 32]].concat();
        for (name, result) in [
            ("NULL", Vec::new()),
            ("NFS GETATTR", [words(&[0]), attributes.clone()].concat()),
            ("NFS LOOKUP", [words(&[0]), handle.clone(), words(&[1]), attributes.clone()].concat()),
            ("NFS READ", [words(&[0, 1]), attributes.clone(), words(&[4096, 1, 4096]), vec![0x20; 4096]].concat()),
            ("NFS LOOKUP, no such file", [words(&[2, 1]), attributes].concat()),
            ("NFSv4 COMPOUND", words(&[0, 0, 2, 24, 0, 3, 0, 0x1111])),
            ("mount MNT", [words(&[0]), handle, words(&[1, 1])].concat()),
            ("NIS MATCH", [words(&[1_u32.wrapping_neg()]), string("")].concat()),
            ("rstatd STATS", words(&[99_000, 3, 2, 1, 0, 0, 0, 0])),
        ] {
            assert!(!may_be(&result), "{name}");
        }
    }
}
