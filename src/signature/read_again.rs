//! Which RPC messages are worth reading once more when everything is there: calls of the programs that give ports and
//! domains away, and results that have the outline of an answer of theirs. Sees one message; what it says, its program's file reads.

use super::rpc::{Body, Call, Found};
use super::xdr::Reader;
use super::{netinfo, portmap};

/// Programs whose calls are read once more, with their answers.
pub const PROGRAMS: [u32; 3] = [portmap::PORTMAPPER, netinfo::BINDER, netinfo::NETINFO];

/// Whether a message is to be kept. A reply does not say which call it answers, and the call may be in another piece of the
/// capture: so its result alone decides. Of the first fragment of a datagram the length is not known.
#[must_use]
pub fn is_worth(found: &Found<'_>, is_fragment: bool) -> bool {
    match found.message.body {
        Body::Call(call) => !call.cut && asks(&call),
        Body::Reply(outcome) => {
            let length = found.message.length.saturating_sub(found.header.into());
            outcome.is_success() && (is_fragment || may_answer(found.content, length))
        }
    }
}

/// Whether the answer to a call says something that is read, or could be taken for an answer that does.
fn asks(call: &Call) -> bool {
    match call.program {
        // Not NULL, and not what has to do with time, addresses and statistics (RFC 1833, section 2.2).
        portmap::PORTMAPPER => matches!(call.procedure, 1..=5 | 9..=11),
        netinfo::BINDER => call.procedure > 0,
        netinfo::NETINFO => matches!(call.procedure, netinfo::STATISTICS | netinfo::RPARENT),
        _ => false,
    }
}

/// Whether a result of at least `length` bytes can be an answer of [`PROGRAMS`] that says something: one that
/// [`portmap::Question::learn`], [`netinfo::tag_of_statistics`] or [`netinfo::parent`] reads. What the capture cut off may be
/// anything.
fn may_answer(result: &[u8], length: u32) -> bool {
    let mut reader = Reader::new(result);
    let Some(first) = reader.word() else { return length >= 4 };
    let rest = length.saturating_sub(4);
    match first {
        // The status of most programs: here SET and UNSET that failed, an empty list, REGISTER, and GETREGISTER with two ports, or
        // a name behind it.
        0 => rest <= 12 || is_list_of_tags(reader) || is_parent(reader, rest),
        // A port, with CALLIT's result behind it; a universal address; that an entry follows; the number of STATISTICS' properties.
        1..=0xffff => true,
        _ => false,
    }
}

/// LISTREG: how many domains, and the tag of the first. Elsewhere numbers follow, which are no strings with padding of zeros.
fn is_list_of_tags(mut reader: Reader<'_>) -> bool {
    reader.word().is_none_or(|count| count > 0 && string(&mut reader).is_some())
}

/// RPARENT: a tag, an address, and a word behind it at most.
fn is_parent(mut reader: Reader<'_>, rest: u32) -> bool {
    reader.rest().len() < 4 || string(&mut reader).is_some_and(|len| rest.saturating_sub(len) <= 12)
}

/// The length of a string with its padding, if a string is what follows as far as the capture goes.
fn string(reader: &mut Reader<'_>) -> Option<u32> {
    let Some(len) = reader.word() else { return Some(0) };
    let padded = (len as usize <= portmap::MAX_STRING).then(|| len.next_multiple_of(4))?;
    let padding = reader.rest().get(len as usize..).unwrap_or_default();
    let is_padded = padding.iter().take((padded - len) as usize).all(|byte| *byte == 0);
    is_padded.then_some(padded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Transport;
    use proptest::prelude::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn string(text: &str) -> Vec<u8> {
        padded(text.as_bytes())
    }

    fn may_be(result: &[u8]) -> bool {
        may_answer(result, u32::try_from(result.len()).expect("short"))
    }

    fn padded(text: &[u8]) -> Vec<u8> {
        let mut bytes = words(&[u32::try_from(text.len()).expect("short")]);
        bytes.extend(text);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// What the readers make of a result, whichever call it answers.
    fn read(result: &[u8]) -> Vec<String> {
        let numbers = words(&[100_005, 3, 6, 0]);
        let strings = [words(&[100_005, 3]), padded(b"tcp"), padded(b""), padded(b"")].concat();
        let forward = [words(&[100_002, 3, 2]), padded(b"")].concat();
        let set = words(&[100_005, 3, 6, 814]);
        let registered = [padded(b"network"), words(&[816, 817])].concat();
        let questions = [
            (portmap::PORTMAPPER, 2, 1, &set),
            (portmap::PORTMAPPER, 2, 2, &set),
            (portmap::PORTMAPPER, 2, 3, &numbers),
            (portmap::PORTMAPPER, 2, 4, &numbers),
            (portmap::PORTMAPPER, 2, 5, &forward),
            (portmap::PORTMAPPER, 3, 3, &strings),
            (portmap::PORTMAPPER, 3, 4, &strings),
            (portmap::PORTMAPPER, 4, 9, &strings),
            (portmap::PORTMAPPER, 4, 10, &forward),
            (portmap::PORTMAPPER, 4, 11, &strings),
            (netinfo::BINDER, 1, 1, &registered),
            (netinfo::BINDER, 1, 3, &registered),
            (netinfo::BINDER, 1, 4, &registered),
        ];
        let mut read: Vec<String> = questions
            .into_iter()
            .flat_map(|(program, version, procedure, arguments)| {
                let question = portmap::Question::of(program, version, procedure, arguments).expect("a question");
                question.learn(result, Transport::Udp).into_iter().map(|learnt| format!("{learnt:?}"))
            })
            .collect();
        read.extend(netinfo::tag_of_statistics(result).map(|tag| format!("{tag:?}")));
        read.extend(netinfo::parent(result).map(|parent| format!("{parent:?}")));
        read
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::sample::select(vec![0, 1, 2, 17, 111, 817, 100_005, 0x0a00_0009])
                .prop_map(|word: u32| words(&[word])),
            any::<u32>().prop_map(|word| words(&[word])),
            proptest::sample::select(vec![
                "",
                "tcp",
                "udp6",
                "10.9.0.2.3.52",
                "::1.3.52",
                "network",
                "tag",
                "\u{1}\u{7f}x"
            ])
            .prop_map(|text| padded(text.as_bytes())),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| padded(&bytes)),
        ]
    }

    proptest! {
        /// Bytes that nobody reads, behind an answer, are let alone.
        #[test]
        fn what_is_read_of_a_result_is_kept(pieces in proptest::collection::vec(piece(), 0..8), cut in 0usize..80) {
            let whole = pieces.concat();
            let all = read(&whole);
            for text in &all {
                let end = (0..=whole.len()).find(|&end| read(&whole[..end]).contains(text)).expect("at the end");
                let length = u32::try_from(end).expect("short");
                for kept in [end, end.min(cut)] {
                    prop_assert!(may_answer(&whole[..kept], length), "{text} in {:02x?}, {kept} kept", &whole[..end]);
                }
            }
        }
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
            ("NFSv4 COMPOUND", words(&[0, 0, 2, 24, 0, 3, 0, 0x1111])),
            ("NIS MATCH", [words(&[1_u32.wrapping_neg()]), string("")].concat()),
            ("rstatd STATS", words(&[99_000, 3, 2, 1, 0, 0, 0, 0])),
        ] {
            assert!(!may_be(&result), "{name}");
        }
    }
}
