//! ONC RPC (RFC 5531): calls and replies by their full layout, on any port, over UDP and over TCP with record marks.
//! Knows the message header; programs have their own files.

use super::xdr::Reader;
use super::{Payload, Sender, Signature};
use crate::class::{Class, Weight};
use crate::port::Transport;
use crate::registry::program;

/// No credential or verifier is longer (RFC 5531, section 8.2).
const MAX_AUTH: usize = 400;
/// Programs count their versions from 1; the largest in use are `GlusterFS`'s 330 and 400, and nmap asks for 104316 on
/// purpose to be refused.
const MAX_VERSION: u32 = 1024;
const NMAP_VERSION: u32 = 104_316;
const MAX_PROCEDURE: u32 = 1024;
/// The largest record that is believed: an NFS write of 1 MiB with its headers is normal, 32 MiB is no RPC.
const MAX_RECORD: usize = 32 << 20;
/// The smallest message: a denied reply with an authentication error.
const MIN_MESSAGE: usize = 20;
/// Fragments of one record that are followed within one payload.
const MAX_FRAGMENTS: usize = 64;

/// What an RPC message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub xid: u32,
    pub body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Call(Call),
    Reply(Outcome),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    pub program: u32,
    pub version: u32,
    pub procedure: u32,
    /// The credential's flavor (RFC 5531, section 8.1).
    pub flavor: u32,
    /// The capture ends before the credential does, so the layout was checked only up to there.
    pub cut: bool,
}

/// How a call was answered (RFC 5531, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    #[default]
    Success,
    ProgramUnavailable,
    ProgramMismatch,
    ProcedureUnavailable,
    GarbageArguments,
    SystemError,
    RpcMismatch,
    AuthError,
}

impl Outcome {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::ProgramUnavailable => "program unavailable",
            Outcome::ProgramMismatch => "version mismatch",
            Outcome::ProcedureUnavailable => "procedure unavailable",
            Outcome::GarbageArguments => "garbage arguments",
            Outcome::SystemError => "system error",
            Outcome::RpcMismatch => "RPC version mismatch",
            Outcome::AuthError => "authentication error",
        }
    }
}

/// The RPC messages that begin in a payload: one in a datagram, any number in a segment that begins with a record.
pub fn messages<'a>(payload: &Payload<'a>) -> impl Iterator<Item = Message> + use<'a> {
    with_bodies(payload).map(|(message, _)| message)
}

/// The same, each with what follows its header as far as it is there: a call's arguments, a reply's result.
pub fn with_bodies<'a>(payload: &Payload<'a>) -> impl Iterator<Item = (Message, &'a [u8])> + use<'a> {
    let mut records = Records::new(payload);
    std::iter::from_fn(move || records.next_message())
}

/// Walks the records of a payload. Stops for good at the first thing that is no RPC.
struct Records<'a> {
    transport: Transport,
    rest: Option<&'a [u8]>,
    /// Bytes of `rest` that were sent but not captured.
    missing: usize,
}

impl<'a> Records<'a> {
    fn new(payload: &Payload<'a>) -> Self {
        Records {
            transport: payload.transport,
            rest: Some(payload.bytes),
            missing: payload.wire_len.saturating_sub(payload.bytes.len()),
        }
    }

    fn next_message(&mut self) -> Option<(Message, &'a [u8])> {
        let bytes = self.rest.take()?;
        if self.transport == Transport::Udp {
            return message(bytes, bytes.len() + self.missing);
        }
        let (mut last, mut fragment, mut rest) = record_mark(bytes)?;
        // Fragments of length nothing are legal and carry nothing (RFC 5531, section 11).
        for _ in 0..MAX_FRAGMENTS {
            if fragment > 0 || last {
                break;
            }
            (last, fragment, rest) = record_mark(rest)?;
        }
        if !(MIN_MESSAGE..=MAX_RECORD).contains(&fragment) {
            return None;
        }
        let here = &rest[..rest.len().min(fragment)];
        let found = message(here, fragment)?;
        self.rest = after(last, rest.get(fragment..));
        Some(found)
    }
}

/// The bytes after a record whose first fragment ends at `rest`.
fn after(mut last: bool, mut rest: Option<&[u8]>) -> Option<&[u8]> {
    for _ in 0..MAX_FRAGMENTS {
        if last {
            return rest.filter(|rest| !rest.is_empty());
        }
        let (is_last, fragment, tail) = record_mark(rest?)?;
        (last, rest) = (is_last, tail.get(fragment..));
    }
    None
}

/// Whether this fragment is the record's last, its length, and what follows the mark (RFC 5531, section 11).
fn record_mark(bytes: &[u8]) -> Option<(bool, usize, &[u8])> {
    let (mark, rest) = bytes.split_first_chunk::<4>()?;
    let mark = u32::from_be_bytes(*mark);
    Some((mark >> 31 == 1, (mark & 0x7fff_ffff) as usize, rest))
}

/// A message by its full layout; `wire_len` is its length as sent.
fn message(bytes: &[u8], wire_len: usize) -> Option<(Message, &[u8])> {
    let mut reader = Reader::new(bytes);
    let xid = reader.word()?;
    let body = match reader.word()? {
        0 => Body::Call(call(&mut reader, wire_len - bytes.len().min(wire_len))?),
        1 => Body::Reply(reply(&mut reader)?),
        _ => return None,
    };
    Some((Message { xid, body }, reader.rest()))
}

/// Signature C: version 2, a program in the useful range, plausible version and procedure, known flavors, lengths that fit.
fn call(reader: &mut Reader<'_>, missing: usize) -> Option<Call> {
    if reader.word()? != 2 {
        return None;
    }
    let (program, version, procedure) = (reader.word()?, reader.word()?, reader.word()?);
    let plausible = (1..0x6000_0000).contains(&program)
        && (version <= MAX_VERSION || version == NMAP_VERSION)
        && procedure <= MAX_PROCEDURE;
    if !plausible {
        return None;
    }
    let call = |flavor, cut| Some(Call { program, version, procedure, flavor, cut });
    // A credential and a verifier; where the capture ends inside them, what is there must still fit.
    let mut flavors = [0; 2];
    for flavor in &mut flavors {
        let left = reader.rest().len();
        match reader.word() {
            None if missing > 0 && left < 4 => return call(flavors[0], true),
            word => *flavor = word.filter(|&word| is_flavor(word))?,
        }
        let mut ahead = *reader;
        let len = match ahead.word() {
            None if missing > 0 => return call(flavors[0], true),
            len => len.map(|len| len as usize).filter(|&len| len <= MAX_AUTH)?,
        };
        match reader.opaque(MAX_AUTH) {
            Some(_) => {}
            None if ahead.rest().len() < len.next_multiple_of(4) && missing > 0 => return call(flavors[0], true),
            None => return None,
        }
    }
    call(flavors[0], false)
}

/// Signature R2: an accepted reply with a proper verifier and status, or a denied one of exactly its layout.
fn reply(reader: &mut Reader<'_>) -> Option<Outcome> {
    match reader.word()? {
        0 => {
            reader.word().filter(|&word| is_flavor(word))?;
            reader.opaque(MAX_AUTH)?;
            Some(match reader.word()? {
                0 => Outcome::Success,
                1 => Outcome::ProgramUnavailable,
                2 => {
                    let (low, high) = (reader.word()?, reader.word()?);
                    (low <= high).then_some(Outcome::ProgramMismatch)?
                }
                3 => Outcome::ProcedureUnavailable,
                4 => Outcome::GarbageArguments,
                5 => Outcome::SystemError,
                _ => return None,
            })
        }
        1 => match (reader.word()?, reader.word()?) {
            (0, 2) if reader.word()? >= 2 && reader.rest().is_empty() => Some(Outcome::RpcMismatch),
            (1, 0..=14) if reader.rest().is_empty() => Some(Outcome::AuthError),
            _ => None,
        },
        _ => None,
    }
}

/// Flavors that are met on the wire (RFC 5531, section 8; RFC 2203; RFC 9289; `GlusterFS`).
const fn is_flavor(flavor: u32) -> bool {
    matches!(flavor, 0..=7 | 300_001 | 390_000..=390_255)
}

fn describe(payload: &Payload<'_>, wanted: fn(&Body) -> bool) -> Option<String> {
    let first = messages(payload).next().filter(|message| wanted(&message.body))?;
    Some(match first.body {
        Body::Call(call) => format!(
            "{} v{} {}",
            program::name(call.program, call.version),
            call.version,
            program::procedure_name(call.program, call.version, call.procedure)
        ),
        Body::Reply(outcome) => outcome.name().to_owned(),
    })
}

/// Portmapper GETPORT without credential, as a datagram and as a record.
const GETPORT: &[u8] =
    b"\x4f\x2c\x10\x07\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
\0\x01\x86\xa4\0\0\0\x02\0\0\0\x11\0\0\0\0";
const NULL_RECORD: &[u8] =
    b"\x80\0\0\x28\x01\x02\x03\x04\0\0\0\0\0\0\0\x02\x0b\xed\x48\xa0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const ACCEPTED: &[u8] = b"\x4f\x2c\x10\x07\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\x31";
const DENIED_RECORD: &[u8] = b"\x80\0\0\x14\x01\x02\x03\x04\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x05";

pub const CALL: Signature = Signature {
    id: "rpc.call",
    protocol: "onc-rpc",
    about: "An ONC RPC call by its full layout: message type 0, RPC version 2, a program number that can be, a credential and a \
verifier of known flavors whose lengths fit. 227 bits are fixed, so chance does not make one.",
    class: Class::LegacyRpc,
    weight: Weight::STRONG,
    attack: None,
    sender: Sender::Client,
    see: |payload| describe(payload, |body| matches!(body, Body::Call(_))),
    hits: &[(Transport::Udp, GETPORT), (Transport::Tcp, NULL_RECORD)],
    misses: &[
        (Transport::Udp, ACCEPTED),
        (Transport::Tcp, GETPORT),
        (Transport::Udp, NULL_RECORD),
        (Transport::Udp, &[0; 60]),
        (Transport::Tcp, b"GET / HTTP/1.1\r\n\r\n"),
    ],
};

pub const REPLY: Signature = Signature {
    id: "rpc.reply",
    protocol: "onc-rpc",
    about: "An ONC RPC reply by its full layout: message type 1, accepted with a proper verifier and a status up to 5, or denied in \
exactly 20 or 24 bytes. A reply names no program: that is learnt from the call with the same transaction id (xid).",
    class: Class::LegacyRpc,
    weight: Weight::STRONG,
    attack: None,
    sender: Sender::Server,
    see: |payload| describe(payload, |body| matches!(body, Body::Reply(_))),
    hits: &[(Transport::Udp, ACCEPTED), (Transport::Tcp, DENIED_RECORD)],
    misses: &[(Transport::Udp, GETPORT), (Transport::Tcp, ACCEPTED), (Transport::Udp, &[0xff; 28])],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(payload: &[u8], transport: Transport) -> Vec<Message> {
        messages(&Payload::whole(transport, payload)).collect()
    }

    #[test]
    fn a_call_gives_program_version_and_procedure() {
        let found = calls(GETPORT, Transport::Udp);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].xid, 0x4f2c_1007);
        let Body::Call(call) = found[0].body else { panic!("{found:?}") };
        assert_eq!((call.program, call.version, call.procedure, call.cut), (100_000, 2, 3, false));
    }

    #[test]
    fn several_records_in_a_segment_are_all_seen_and_the_last_may_be_incomplete() {
        let long = [&[0x80, 0x10, 0, 0][..], &NULL_RECORD[4..], &[7; 100]].concat(); // a 1 MiB record begins
        let segment = [NULL_RECORD, DENIED_RECORD, NULL_RECORD, &long].concat();
        assert_eq!(calls(&segment, Transport::Tcp).len(), 4);
    }

    #[test]
    fn a_record_in_several_fragments_is_one_message() {
        let fragments = [
            &[0, 0, 0, 0, 0, 0, 0, 40][..],
            &NULL_RECORD[4..],
            &[0, 0, 0, 3, 1, 2, 3, 0x80, 0, 0, 1, 9],
            DENIED_RECORD,
        ];
        assert_eq!(calls(&fragments.concat(), Transport::Tcp).len(), 2);
    }

    #[test]
    fn a_call_that_the_capture_cut_is_believed_as_far_as_it_goes() {
        for cut in 28..NULL_RECORD.len() {
            let payload =
                Payload { transport: Transport::Tcp, bytes: &NULL_RECORD[..cut], wire_len: NULL_RECORD.len() };
            let found: Vec<_> = messages(&payload).collect();
            assert!(
                matches!(found[..], [Message { body: Body::Call(Call { cut: true, .. }), .. }]),
                "{cut}: {found:?}"
            );
        }
        let unfinished = &NULL_RECORD[..36];
        assert!(calls(unfinished, Transport::Udp).is_empty());
    }

    #[test]
    fn replies_say_how_the_call_went() {
        let mut mismatch = ACCEPTED[..24].to_vec();
        mismatch[23] = 2;
        assert!(calls(&mismatch, Transport::Udp).is_empty(), "the two versions are missing");
        mismatch.extend([0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(calls(&mismatch, Transport::Udp)[0].body, Body::Reply(Outcome::ProgramMismatch));
        assert_eq!(calls(DENIED_RECORD, Transport::Tcp)[0].body, Body::Reply(Outcome::AuthError));
    }
}
