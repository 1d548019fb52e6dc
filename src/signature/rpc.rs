//! ONC RPC (RFC 5531): calls and replies by their full layout, on any port, over UDP and over TCP with record marks.
//! Knows the message header; programs have their own files.

mod fragments;
mod records;

use super::nfs::TRANSIENT;
use super::xdr::Reader;
use super::{Payload, Sender, Signature};
use crate::class::{Class, Weight};
use crate::port::Transport;
use crate::registry::program;
pub use fragments::Joined;
use records::Records;
pub use records::marks_lead;

/// No credential or verifier is longer (RFC 5531, section 8.2).
const MAX_AUTH: usize = 400;
/// The longest machine name in a credential (RFC 5531, appendix A).
const MAX_MACHINE: usize = 255;
/// Programs count their versions from 1; the largest in use are `GlusterFS`'s 330 and 400. Where the header is not there in
/// full, a version must be one of them or the one that nmap asks for first, to be refused; a full header may ask for any, as
/// nmap and rpcinfo do.
const MAX_VERSION: u32 = 1024;
pub const NMAP_VERSION: u32 = 104_316;
/// The same for procedures, which are small numbers in every program.
const MAX_PROCEDURE: u32 = 1024;
const MAX_PROCEDURE_IN_FULL: u32 = 0xfffe;
/// Stands for a procedure that the capture cut off.
pub const PROCEDURE_CUT: u32 = u32::MAX;
/// Stands for a program that the capture cut off: no program has this number.
pub const PROGRAM_CUT: u32 = 0;
/// Without credential, verifier and arguments; a denied one (RFC 5531, section 9).
const SHORTEST_CALL: usize = 40;
const SHORTEST_REPLY: usize = 20;
/// Transaction id, type, RPC version, program, version, procedure and flavor of a call, in bytes.
const BEFORE_CREDENTIAL: usize = 28;
/// What an RPC message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub xid: u32,
    pub body: Body,
    /// Its length as sent, in bytes, without the record mark; of the first fragment where it has several.
    pub length: u32,
    /// Found inside a segment that does not begin with a record; a call of which the segment does not hold all of
    /// the header, or of another RPC version than 2, which servers refuse, or with odd bytes behind it; or a reply without its
    /// status. It counts only where a message of the other direction has the same transaction id.
    pub inside: bool,
    /// A call in another RPC version than 2: it counts only where it is refused for that.
    pub odd_version: bool,
    /// Inside a segment, and another record where it ends: then both are what they seem, or both lie in a file that is
    /// copied. It counts also where nothing was captured of the other direction.
    pub chained: bool,
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
    /// [`PROCEDURE_CUT`] where the capture ends before it.
    pub procedure: u32,
    /// The capture ends before the credential does, so the layout was checked only up to there.
    pub cut: bool,
}

/// Who a call says that it comes from (RFC 5531, section 8; RFC 2203; RFC 9289).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Credential<'a> {
    #[default]
    None,
    /// `AUTH_SYS`. The name need not be printable: NetInfo puts a password there, every bit inverted.
    System { machine: &'a [u8], uid: u32, gid: u32 },
    /// `RPCSEC_GSS`: control procedure and service.
    Gss { procedure: u32, service: u32 },
    /// `AUTH_TLS`: asks for TLS on this connection.
    Tls,
    /// Another flavor, by its number.
    Other(u32),
}

/// How a call was answered (RFC 5531, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    #[default]
    Success,
    /// Accepted, with the verifier `STARTTLS` (RFC 9289, section 4.1): TLS follows.
    StartTls,
    ProgramUnavailable,
    ProgramMismatch,
    ProcedureUnavailable,
    GarbageArguments,
    SystemError,
    RpcMismatch,
    AuthError,
    /// The capture ends before the status.
    Cut,
}

impl Outcome {
    pub const COUNT: usize = 10;

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::StartTls => "STARTTLS",
            Outcome::ProgramUnavailable => "program unavailable",
            Outcome::ProgramMismatch => "version mismatch",
            Outcome::ProcedureUnavailable => "procedure unavailable",
            Outcome::GarbageArguments => "garbage arguments",
            Outcome::SystemError => "system error",
            Outcome::RpcMismatch => "RPC version mismatch",
            Outcome::AuthError => "authentication error",
            Outcome::Cut => "status cut off",
        }
    }

    /// Whether the call was carried out.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Outcome::Success | Outcome::StartTls)
    }
}

/// A message with what it carries, as far as that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub message: Message,
    pub credential: Credential<'a>,
    /// A call's arguments, a reply's result.
    pub content: &'a [u8],
    /// The flavor of a call's verifier, and its bytes.
    pub verifier: (u32, u16),
    /// Bytes of the message before that.
    pub header: u16,
    /// Where the message begins in the payload, at its transaction id.
    pub at: usize,
    /// Whether the payload holds it to its end.
    pub ended: bool,
}

impl Found<'_> {
    /// Whether the payload begins with this message, or with its record.
    #[must_use]
    pub const fn is_at_start(&self) -> bool {
        self.at <= 4
    }
}

/// How many bytes of a payload can hold no secret: up to the flavor of a call's credential, and of a reply up to the first word
/// of its result. Behind them come machine names, passwords, and maps of them.
#[must_use]
pub fn before_secrets(found: &[Found<'_>]) -> usize {
    let open = found.iter().map(|found| match found.message.body {
        Body::Call(_) => found.at + BEFORE_CREDENTIAL,
        Body::Reply(_) => found.at + usize::from(found.header) + 4,
    });
    open.min().unwrap_or(usize::MAX)
}

/// The RPC messages that begin in a payload: one in a datagram, any number in a segment.
pub fn messages<'a>(payload: &Payload<'a>) -> impl Iterator<Item = Message> + use<'a> {
    found(payload).map(|found| found.message)
}

/// The same, each with its credential and with what follows its header.
///
/// A segment is expected to begin with a record. Where it does not, or where the records in it end, records are looked
/// for further on: see [`Message::inside`].
pub fn found<'a>(payload: &Payload<'a>) -> impl Iterator<Item = Found<'a>> + use<'a> {
    let missing = payload.wire_len.saturating_sub(payload.bytes.len());
    let (bytes, transport) = (payload.bytes, payload.transport);
    let mut records = Records::new(bytes, missing);
    let mut datagram = Some(bytes);
    std::iter::from_fn(move || match transport {
        Transport::Udp => {
            let mut found = message(datagram.take()?, bytes.len() + missing)?;
            // XDR comes in words of four bytes (RFC 4506, section 3), and a datagram holds nothing else; but neither side minds
            // bytes behind a message.
            let is_even = (bytes.len() + missing).is_multiple_of(4);
            found.message.inside |= !is_even;
            Some(found)
        }
        Transport::Tcp => records.next_message(),
    })
}

/// A message by its full layout; `wire_len` is its length as sent.
fn message(bytes: &[u8], wire_len: usize) -> Option<Found<'_>> {
    let mut reader = Reader::new(bytes);
    let xid = reader.word()?;
    let (mut odd_version, mut verifier) = (false, (0, 0));
    let (body, credential, inside) = match reader.word()? {
        0 => {
            odd_version = reader.word()? != 2;
            let (call, credential, length) = call(&mut reader, wire_len - bytes.len().min(wire_len))?;
            verifier = length;
            // Another version has only the rest of the layout to show that it is any.
            if odd_version && call.cut {
                return None;
            }
            // A transient program's versions begin at 1 (RFC 7530, section 18.36); zeros in other protocols read as 0.
            let vague = call.version == 0 && TRANSIENT.contains(&call.program);
            (Body::Call(call), credential, odd_version || vague)
        }
        1 => {
            let outcome = reply(&mut reader, wire_len > bytes.len())?;
            // One whose status is cut off says too little to count without its call, and so does a denied one with bytes behind
            // it, as Windows sends them.
            let denied = matches!(outcome, Outcome::RpcMismatch | Outcome::AuthError);
            let vague = outcome == Outcome::Cut || (denied && !reader.rest().is_empty());
            (Body::Reply(outcome), Credential::None, vague)
        }
        _ => return None,
    };
    let length = u32::try_from(wire_len).unwrap_or(u32::MAX);
    Some(Found {
        message: Message { xid, body, length, inside, odd_version, chained: false },
        credential,
        content: reader.rest(),
        verifier,
        header: u16::try_from(bytes.len() - reader.rest().len()).unwrap_or(u16::MAX), // 840 at most
        at: 0,
        ended: bytes.len() >= wire_len,
    })
}

/// The first words of a message of this length, where the capture ends before a program is named: they count only where both
/// sides have them with one transaction id.
fn beginning(bytes: &[u8], length: usize) -> Option<Found<'_>> {
    let mut reader = Reader::new(bytes);
    let (xid, kind) = (reader.word()?, reader.word()?);
    let rest = reader.rest();
    let begins = |words: &[u8]| rest.len() < 12 && rest.iter().zip(words).all(|(a, b)| a == b);
    let body = match kind {
        0 if length >= SHORTEST_CALL && begins(&[0, 0, 0, 2]) => {
            Body::Call(Call { program: PROGRAM_CUT, version: 0, procedure: PROCEDURE_CUT, cut: true })
        }
        1 if length >= SHORTEST_REPLY && (begins(&[0; 4]) || begins(&[0, 0, 0, 1])) => Body::Reply(Outcome::Cut),
        _ => return None,
    };
    Some(Found {
        message: Message {
            xid,
            body,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            inside: true,
            odd_version: false,
            chained: false,
        },
        credential: Credential::None,
        content: &[],
        verifier: (0, 0),
        header: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
        at: 0,
        ended: false,
    })
}

/// Signature C, behind the RPC version: a program in the useful range, plausible version and procedure, known flavors, lengths
/// that fit.
fn call<'a>(reader: &mut Reader<'a>, missing: usize) -> Option<(Call, Credential<'a>, (u32, u16))> {
    let (program, version) = (reader.word()?, reader.word()?);
    let procedure = match reader.word() {
        // What is there of it must be the beginning of a small number.
        None if missing > 0 && reader.rest().iter().all(|&byte| byte == 0) => PROCEDURE_CUT,
        word => word.filter(|&word| word <= MAX_PROCEDURE_IN_FULL)?,
    };
    if !(1..0x6000_0000).contains(&program) {
        return None;
    }
    let usual = (version <= MAX_VERSION || version == NMAP_VERSION)
        && (procedure <= MAX_PROCEDURE || procedure == PROCEDURE_CUT);
    let cut = |credential| usual.then_some((Call { program, version, procedure, cut: true }, credential, (0, 0)));
    if procedure == PROCEDURE_CUT {
        return cut(Credential::None);
    }
    // A credential and a verifier; where the capture ends inside them, what is there must still fit.
    let (mut credential, mut verifier) = (None, (0, 0));
    for _ in 0..2 {
        let known = credential.unwrap_or_default();
        let left = reader.rest().len();
        let flavor = match reader.word() {
            None if missing > 0 && left < 4 => return cut(known),
            word => word.filter(|&word| is_flavor(word))?,
        };
        let mut ahead = *reader;
        let len = match ahead.word() {
            None if missing > 0 => return cut(known),
            len => len.map(|len| len as usize).filter(|&len| len <= MAX_AUTH)?,
        };
        match reader.opaque(MAX_AUTH) {
            Some(body) => {
                credential.get_or_insert_with(|| read_credential(flavor, body));
                verifier = (flavor, u16::try_from(body.len()).unwrap_or(u16::MAX));
            }
            None if ahead.rest().len() < len.next_multiple_of(4) && missing > 0 => return cut(known),
            None => return None,
        }
    }
    Some((Call { program, version, procedure, cut: false }, credential.unwrap_or_default(), verifier))
}

/// What a credential says; one whose body does not fit its flavor counts as that flavor alone.
fn read_credential(flavor: u32, body: &[u8]) -> Credential<'_> {
    let mut reader = Reader::new(body);
    let mut system = || {
        reader.word()?; // an arbitrary stamp
        let machine = reader.opaque(MAX_MACHINE)?;
        Some(Credential::System { machine, uid: reader.word()?, gid: reader.word()? })
    };
    match flavor {
        0 => Credential::None,
        1 => system().unwrap_or(Credential::Other(1)),
        6 => {
            let mut word = || reader.word().unwrap_or_default();
            let (_version, procedure, _sequence) = (word(), word(), word());
            Credential::Gss { procedure, service: word() }
        }
        7 => Credential::Tls,
        other => Credential::Other(other),
    }
}

/// The name of a credential's flavor.
#[must_use]
pub const fn flavor_name(flavor: u32) -> &'static str {
    match flavor {
        0 => "AUTH_NONE",
        1 => "AUTH_SYS",
        2 => "AUTH_SHORT",
        3 => "AUTH_DH",
        4 => "AUTH_KERB",
        5 => "AUTH_RSA",
        6 => "RPCSEC_GSS",
        7 => "AUTH_TLS",
        300_001 => "GSSAPI",
        390_003..=390_005 => "Kerberos 5 by pseudo-flavor",
        390_039 => "GlusterFS credential",
        _ => "pseudo-flavor",
    }
}

/// Signature R2: an accepted reply with a proper verifier and status, or a denied one.
fn reply(reader: &mut Reader<'_>, is_cut: bool) -> Option<Outcome> {
    match reader.word()? {
        0 => {
            reader.word().filter(|&word| is_flavor(word))?;
            let mut ahead = *reader;
            let len = ahead.word().map(|len| len as usize).filter(|&len| len <= MAX_AUTH)?;
            if is_cut && ahead.rest().len() < len.next_multiple_of(4) + 4 {
                return Some(Outcome::Cut);
            }
            let verifier = reader.opaque(MAX_AUTH)?;
            Some(match reader.word()? {
                0 if verifier == b"STARTTLS" => Outcome::StartTls,
                0 => Outcome::Success,
                1 => Outcome::ProgramUnavailable,
                2 if is_cut && reader.rest().len() < 8 => Outcome::ProgramMismatch,
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
            (0, 2) if reader.word()? >= 2 => Some(Outcome::RpcMismatch),
            (1, 0..=14) => Some(Outcome::AuthError),
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
    let first = messages(payload).next().filter(|message| wanted(&message.body) && !message.inside)?;
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
verifier of known flavors whose lengths fit. 199 bits are fixed, so chance does not make one.",
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
20 or 24 bytes; with more bytes behind it a denied one counts only for a call of the same id. A reply names no program: that is learnt from the call with the same transaction id (xid).",
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

    /// Without its record mark.
    pub(super) const NULL_CALL: &[u8] =
        b"\x01\x02\x03\x04\0\0\0\0\0\0\0\x02\x0b\xed\x48\xa0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn calls(payload: &[u8], transport: Transport) -> Vec<Message> {
        let payload = Payload::whole(transport, payload);
        let joined = Joined::of(&payload);
        messages(&joined.as_ref().map_or(payload, |joined| joined.payload(&payload))).collect()
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
    fn words_without_a_mark_before_them_do_not_hide_a_record() {
        let decoys = [&[0, 0, 0, 1][..], &[0; 13]].concat().repeat(100); // the words of a reply, one in another
        let reply = [&[0x80, 0, 0, 24], &ACCEPTED[..24]].concat();
        let found = calls(&[&[b'Z'; 12][..], &decoys, &reply].concat(), Transport::Tcp);
        assert!(matches!(found[..], [Message { body: Body::Reply(Outcome::Success), inside: true, .. }]), "{found:?}");
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
