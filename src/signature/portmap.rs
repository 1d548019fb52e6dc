//! The portmapper's language (RFC 1833) and that of NetInfo's binder: which answers give a port away. Reads arguments and
//! results; knows no message header and no flow.

use super::arguments::{Detail, Kind};
use super::netinfo::{self, BINDER as NETINFO_BINDER, NETINFO};
use super::rpc::Call;
use super::xdr::Reader;
use crate::port::Transport;
use std::net::IpAddr;

pub const PORTMAPPER: u32 = 100_000;
const NETINFO_VERSION: u32 = 2;

/// Entries that are read from one answer.
const MAX_ENTRIES: usize = 512;
/// The longest string in a mapping: a universal address, a network id, an owner.
pub(super) const MAX_STRING: usize = 256;
/// Domains that a binder may list (`nibind_prot.x`).
const MAX_DOMAINS: usize = 32;

/// A call that asks for a port, or tells one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// GETPORT, GETADDR, GETVERSADDR: one program over one transport.
    Port { program: u32, version: u32, transport: Option<Transport>, universal: bool },
    /// DUMP of version 2.
    Dump,
    /// DUMP of versions 3 and 4.
    DumpAddresses,
    /// GETADDRLIST of version 4.
    AddressList { program: u32, version: u32 },
    /// SET: the call itself tells the port.
    Set(Binding),
    /// UNSET: whether a program is gone from all its ports.
    Unset { program: u32, version: u32 },
    /// CALLIT, BCAST, INDIRECT: a program called through the portmapper.
    Forward { program: u32, version: u32, procedure: u32, universal: bool },
    /// NetInfo's GETREGISTER: the ports of a domain.
    Domain { tag: String },
    /// NetInfo's LISTREG: those of all domains.
    Domains,
    /// NetInfo's REGISTER: the call itself tells both ports.
    Registered(Vec<Binding>),
}

/// Program and version behind a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    pub program: u32,
    pub version: u32,
    pub transport: Transport,
    /// `None` for the host that answers.
    pub address: Option<IpAddr>,
    /// 0: nobody is there any more.
    pub port: u16,
    /// Every IPv6 address of the host, and none of its IPv4 addresses.
    pub only_v6: bool,
    /// The NetInfo domain, where it is one.
    pub domain: Option<String>,
}

impl Question {
    /// Who was asked what by this call, for the reader.
    #[must_use]
    pub const fn name(&self, call: &Call) -> &'static str {
        match self {
            Question::Port { universal: true, .. } if call.procedure == 9 => "rpcbind GETVERSADDR",
            Question::Forward { .. } if call.version == 3 => "rpcbind CALLIT",
            Question::Forward { universal: true, .. } if call.procedure == 5 => "rpcbind BCAST",
            Question::Port { universal: false, .. } => "portmap GETPORT",
            Question::Port { universal: true, .. } => "rpcbind GETADDR",
            Question::Dump => "portmap DUMP",
            Question::DumpAddresses => "rpcbind DUMP",
            Question::AddressList { .. } => "rpcbind GETADDRLIST",
            Question::Set(_) => "portmap SET",
            Question::Unset { .. } => "portmap UNSET",
            Question::Forward { universal: false, .. } => "portmap CALLIT",
            Question::Forward { universal: true, .. } => "rpcbind INDIRECT",
            Question::Domain { .. } => "NetInfo binder GETREGISTER",
            Question::Domains => "NetInfo binder LISTREG",
            Question::Registered(_) => "NetInfo binder REGISTER",
        }
    }

    /// Whether the answer lists what is registered; to a question for one program any version is answered.
    #[must_use]
    pub const fn lists(&self) -> bool {
        matches!(self, Question::Dump | Question::DumpAddresses)
    }

    /// What a call asks, by its program, version, procedure and arguments; `None` where its answer gives no port away.
    #[must_use]
    pub fn of(program: u32, version: u32, procedure: u32, arguments: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(arguments);
        match (program, version, procedure) {
            (PORTMAPPER, 2, 1) => Some(Question::Set(mapping(&mut reader)?)),
            (PORTMAPPER, 2..=4, 2) => Some(Question::Unset { program: reader.word()?, version: reader.word()? }),
            (PORTMAPPER, 2, 3) => {
                let (program, version, protocol) = (reader.word()?, reader.word()?, reader.word()?);
                Some(Question::Port { program, version, transport: Some(transport(protocol)?), universal: false })
            }
            (PORTMAPPER, 2, 4) => Some(Question::Dump),
            (PORTMAPPER, 3 | 4, 1) => Some(Question::Set(address_mapping(&mut reader)?)),
            (PORTMAPPER, 3 | 4, 3) | (PORTMAPPER, 4, 9) => {
                let (program, version) = (reader.word()?, reader.word()?);
                // The network id may be empty: then the answer is for the transport of the call.
                let transport = network(reader.opaque(MAX_STRING)?);
                Some(Question::Port { program, version, transport, universal: true })
            }
            (PORTMAPPER, 3 | 4, 4) => Some(Question::DumpAddresses),
            (PORTMAPPER, 4, 11) => Some(Question::AddressList { program: reader.word()?, version: reader.word()? }),
            (PORTMAPPER, 2..=4, 5) | (PORTMAPPER, 4, 10) => {
                let (program, called, procedure) = (reader.word()?, reader.word()?, reader.word()?);
                Some(Question::Forward { program, version: called, procedure, universal: version > 2 })
            }
            (NETINFO_BINDER, 1, 1) => {
                let tag = text(reader.opaque(MAX_STRING)?);
                Some(Question::Registered(domain_ports(&mut reader, &tag)?))
            }
            (NETINFO_BINDER, 1, 3) => Some(Question::Domain { tag: text(reader.opaque(MAX_STRING)?) }),
            (NETINFO_BINDER, 1, 4) => Some(Question::Domains),
            _ => None,
        }
    }

    /// What the answer teaches. `over` is the transport on which the call went. Ends where the result is cut.
    #[must_use]
    pub fn learn(&self, result: &[u8], over: Transport) -> Vec<Binding> {
        let mut reader = Reader::new(result);
        let mut learnt = Vec::new();
        let binding = |program, version, transport, port| Binding {
            program,
            version,
            transport,
            address: None,
            port,
            domain: None,
            only_v6: false,
        };
        match self {
            Question::Port { program, version, transport, universal } => {
                let transport = transport.unwrap_or(over);
                let port = if *universal {
                    reader.opaque(MAX_STRING).and_then(universal_address)
                } else {
                    reader.word().and_then(|port| u16::try_from(port).ok()).map(|port| (None, port))
                };
                learnt.extend(
                    port.map(|(address, port)| Binding { address, ..binding(*program, *version, transport, port) }),
                );
            }
            Question::Dump => {
                while learnt.len() < MAX_ENTRIES && reader.word() == Some(1) {
                    let Some(entry) = mapping_or_other(&mut reader) else { break };
                    learnt.extend(entry);
                }
            }
            Question::DumpAddresses => {
                while learnt.len() < MAX_ENTRIES && reader.word() == Some(1) {
                    let Some(entry) = address_mapping_or_other(&mut reader) else { break };
                    learnt.extend(entry);
                }
            }
            Question::AddressList { program, version } => {
                while learnt.len() < MAX_ENTRIES && reader.word() == Some(1) {
                    let Some(entry) = listed_address(&mut reader) else { break };
                    let found = entry.map(|(transport, address, port)| Binding {
                        address,
                        ..binding(*program, *version, transport, port)
                    });
                    learnt.extend(found);
                }
            }
            // Whether it was accepted is the answer.
            Question::Set(told) => learnt.extend((reader.word() == Some(1)).then(|| told.clone())),
            Question::Unset { program, version } => {
                if reader.word() == Some(1) {
                    learnt.extend(Transport::ALL.map(|transport| binding(*program, *version, transport, 0)));
                }
            }
            Question::Forward { program, version, universal, .. } => {
                let place = if *universal {
                    reader.opaque(MAX_STRING).and_then(universal_address)
                } else {
                    reader.word().and_then(|port| u16::try_from(port).ok()).map(|port| (None, port))
                };
                // Forwarded calls go over UDP (RFC 1833, section 3.2).
                let found = place.filter(|(_, port)| *port != 0);
                learnt.extend(
                    found.map(|(address, port)| Binding {
                        address,
                        ..binding(*program, *version, Transport::Udp, port)
                    }),
                );
            }
            Question::Domain { tag } => {
                if reader.word() == Some(0) {
                    learnt.extend(domain_ports(&mut reader, tag).unwrap_or_default());
                }
            }
            Question::Domains => {
                if reader.word() == Some(0) {
                    let count = reader.word().map_or(0, |count| (count as usize).min(MAX_DOMAINS));
                    for _ in 0..count {
                        let Some(tag) = reader.padded(MAX_STRING).map(text) else { break };
                        let Some(ports) = domain_ports(&mut reader, &tag) else { break };
                        learnt.extend(ports);
                    }
                }
            }
            Question::Registered(told) => {
                if reader.word() == Some(0) {
                    learnt.extend(told.iter().cloned());
                }
            }
        }
        learnt
    }
}

/// What CALLIT, BCAST and INDIRECT are to call: program, version and procedure by number; of NetInfo's BIND, the domain.
pub(super) fn forwarded(call: &Call, arguments: &[u8]) -> Option<Detail> {
    let forwards = call.procedure == 5 || (call.version == 4 && call.procedure == 10);
    let mut reader = forwards.then(|| Reader::new(arguments))?;
    let (program, version, procedure) = (reader.word()?, reader.word()?, reader.word()?);
    let inner = Call { program, version, procedure, cut: false };
    let asked = (program == NETINFO_BINDER).then(|| netinfo::detail(&inner, reader.rest().get(4..)?)).flatten();
    let within = asked.map_or_else(String::new, |detail| format!("domain “{}” {}", detail.what, detail.within));
    Some(Detail::new(Kind::Forwarded, format!("{program} {version} {procedure}").as_bytes(), within.as_bytes()))
}

/// Program, version, protocol, port (RFC 1833, section 3.1).
fn mapping(reader: &mut Reader<'_>) -> Option<Binding> {
    mapping_or_other(reader)?
}

/// As [`mapping`]; `Some(None)` for a mapping of another protocol.
#[allow(clippy::option_option)] // cut short, or of no interest
fn mapping_or_other(reader: &mut Reader<'_>) -> Option<Option<Binding>> {
    let (program, version, protocol, port) = (reader.word()?, reader.word()?, reader.word()?, reader.word()?);
    let known = transport(protocol).zip(u16::try_from(port).ok());
    Some(known.map(|(transport, port)| Binding {
        program,
        version,
        transport,
        address: None,
        port,
        domain: None,
        only_v6: false,
    }))
}

/// Program, version, network id, universal address, owner (RFC 1833, section 2.1).
fn address_mapping(reader: &mut Reader<'_>) -> Option<Binding> {
    address_mapping_or_other(reader)?
}

#[allow(clippy::option_option)] // as above
fn address_mapping_or_other(reader: &mut Reader<'_>) -> Option<Option<Binding>> {
    let (program, version) = (reader.word()?, reader.word()?);
    let (network_id, address) = (reader.opaque(MAX_STRING)?, reader.opaque(MAX_STRING)?);
    reader.opaque(MAX_STRING)?;
    let known = network(network_id).zip(universal_address(address));
    let only_v6 = network_id.ends_with(b"6");
    let binding =
        |(transport, (address, port))| Binding { program, version, transport, address, port, domain: None, only_v6 };
    Some(known.map(binding))
}

/// Address, network id, semantics, family, protocol (RFC 1833, section 2.1, `rpcb_entry`).
#[allow(clippy::option_option)] // as above
fn listed_address(reader: &mut Reader<'_>) -> Option<Option<(Transport, Option<IpAddr>, u16)>> {
    let (address, network_id) = (reader.opaque(MAX_STRING)?, reader.opaque(MAX_STRING)?);
    reader.word()?;
    reader.opaque(MAX_STRING)?;
    reader.opaque(MAX_STRING)?;
    Some(
        network(network_id)
            .zip(universal_address(address))
            .map(|(transport, (address, port))| (transport, address, port)),
    )
}

/// The UDP and the TCP port of a NetInfo domain.
fn domain_ports(reader: &mut Reader<'_>, tag: &str) -> Option<Vec<Binding>> {
    let ports = [(Transport::Udp, reader.word()?), (Transport::Tcp, reader.word()?)];
    let binding = |(transport, port): (Transport, u32)| {
        let port = u16::try_from(port).ok().filter(|port| *port != 0)?;
        let domain = Some(tag.to_owned());
        Some(Binding {
            program: NETINFO,
            version: NETINFO_VERSION,
            transport,
            address: None,
            port,
            domain,
            only_v6: false,
        })
    };
    Some(ports.into_iter().filter_map(binding).collect())
}

fn text(bytes: &[u8]) -> String {
    super::quote(bytes)
}

const fn transport(protocol: u32) -> Option<Transport> {
    match protocol {
        6 => Some(Transport::Tcp),
        17 => Some(Transport::Udp),
        _ => None,
    }
}

/// Network ids as `netconfig` has them.
fn network(id: &[u8]) -> Option<Transport> {
    match id {
        b"tcp" | b"tcp6" => Some(Transport::Tcp),
        b"udp" | b"udp6" => Some(Transport::Udp),
        _ => None,
    }
}

/// `a.b.c.d.high.low` or `address.high.low` (RFC 5665, section 5.2.3). The address is `None` where it means every one of
/// the host that answers; an empty string is port 0.
fn universal_address(bytes: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    if bytes.is_empty() {
        return Some((None, 0));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (rest, low) = text.rsplit_once('.')?;
    let (address, high) = rest.rsplit_once('.')?;
    let port = u16::from_be_bytes([high.parse().ok()?, low.parse().ok()?]);
    let address: IpAddr = address.parse().ok()?;
    Some(((!address.is_unspecified()).then_some(address), port))
}

/// The longest universal address that is believed, in bytes (RFC 5665, section 5.2.3.4 has 47 at most).
const MAX_ADDRESS: u32 = 256;

/// The most bytes that a procedure's result has, where that is little (RFC 1833, sections 2.1 and 3.2); `None` where it may be
/// long.
#[must_use]
pub const fn longest_result(version: u32, procedure: u32) -> Option<u32> {
    match (version, procedure) {
        (_, 0) => Some(MAX_ADDRESS), // nothing; some pad it
        (_, 1 | 2) | (2, 3) | (3.., 3 | 6 | 8 | 9) => Some(4 + MAX_ADDRESS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn string(text: &str) -> Vec<u8> {
        let mut bytes = u32::try_from(text.len()).expect("short").to_be_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn bound(program: u32, version: u32, transport: Transport, address: Option<&str>, port: u16) -> Binding {
        let address = address.map(|address| address.parse().expect("an address"));
        Binding { program, version, transport, address, port, domain: None, only_v6: false }
    }

    #[test]
    fn version_2_answers_give_ports_away() {
        let getport = Question::of(PORTMAPPER, 2, 3, &words(&[100_004, 2, 17, 0])).expect("a question");
        assert_eq!(getport.learn(&words(&[817]), Transport::Udp), [bound(100_004, 2, Transport::Udp, None, 817)]);
        assert_eq!(getport.learn(&words(&[0]), Transport::Udp)[0].port, 0, "nobody is there");
        assert!(getport.learn(&[], Transport::Udp).is_empty());

        let dump = Question::of(PORTMAPPER, 2, 4, &[]).expect("a question");
        let answer = words(&[1, 100_000, 2, 6, 111, 1, 100_005, 3, 99, 1, 1, 100_005, 3, 17, 820, 0]);
        let learnt = dump.learn(&answer, Transport::Tcp);
        assert_eq!(
            learnt,
            [bound(100_000, 2, Transport::Tcp, None, 111), bound(100_005, 3, Transport::Udp, None, 820)]
        );
        assert_eq!(dump.learn(&answer[..30], Transport::Tcp).len(), 1, "cut short, the rest still counts");

        let set = Question::of(PORTMAPPER, 2, 1, &words(&[300_019, 1, 6, 900])).expect("a question");
        assert_eq!(set.learn(&words(&[1]), Transport::Tcp), [bound(300_019, 1, Transport::Tcp, None, 900)]);
        assert!(set.learn(&words(&[0]), Transport::Tcp).is_empty(), "refused");

        let callit = Question::of(PORTMAPPER, 2, 5, &words(&[200_100_001, 1, 8, 0])).expect("a question");
        assert_eq!(callit.learn(&words(&[723, 0]), Transport::Udp), [bound(200_100_001, 1, Transport::Udp, None, 723)]);
    }

    #[test]
    fn universal_addresses_of_both_families_are_read() {
        let entry = |network: &str, address: &str| {
            [words(&[1, 100_024, 1]), string(network), string(address), string("root")].concat()
        };
        let dump = Question::of(PORTMAPPER, 4, 4, &[]).expect("a question");
        let answer = [
            entry("udp", "0.0.0.0.3.49"),
            entry("local", "/run/rpcbind.sock"),
            entry("tcp6", "fd09::2.3.52"),
            words(&[0]),
        ]
        .concat();
        assert_eq!(
            dump.learn(&answer, Transport::Tcp),
            [
                bound(100_024, 1, Transport::Udp, None, 817),
                Binding { only_v6: true, ..bound(100_024, 1, Transport::Tcp, Some("fd09::2"), 820) },
            ]
        );

        let arguments = [words(&[100_005, 3]), string("tcp"), string(""), string("")].concat();
        let getaddr = Question::of(PORTMAPPER, 4, 3, &arguments).expect("a question");
        assert_eq!(
            getaddr.learn(&string("10.9.0.2.3.52"), Transport::Udp),
            [bound(100_005, 3, Transport::Tcp, Some("10.9.0.2"), 820)]
        );
        assert_eq!(getaddr.learn(&string(""), Transport::Udp)[0].port, 0);

        let list = Question::of(PORTMAPPER, 4, 11, &words(&[100_005, 3])).expect("a question");
        let answer = [
            words(&[1]),
            string("10.9.0.2.3.52"),
            string("udp"),
            words(&[1]),
            string("inet"),
            string("udp"),
            words(&[0]),
        ]
        .concat();
        assert_eq!(list.learn(&answer, Transport::Udp), [bound(100_005, 3, Transport::Udp, Some("10.9.0.2"), 820)]);
    }

    #[test]
    fn netinfo_s_binder_gives_both_ports_of_a_domain() {
        let ask = Question::of(NETINFO_BINDER, 1, 3, &string("network")).expect("a question");
        let learnt = ask.learn(&words(&[0, 816, 817]), Transport::Udp);
        let named: Vec<_> = learnt.iter().map(|b| (b.transport, b.port, b.domain.as_deref())).collect();
        assert_eq!(named, [(Transport::Udp, 816, Some("network")), (Transport::Tcp, 817, Some("network"))]);
        assert!(ask.learn(&words(&[19]), Transport::Udp).is_empty(), "no such tag");

        let list = Question::of(NETINFO_BINDER, 1, 4, &[]).expect("a question");
        let answer =
            [words(&[0, 2]), string("local"), words(&[1033, 1033]), string("network"), words(&[816, 817])].concat();
        assert_eq!(list.learn(&answer, Transport::Udp).len(), 4);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let noise: Vec<u8> = (0..200u32).map(|n| u8::try_from(n * 37 % 251).expect("small")).collect();
        for version in 1..5 {
            for procedure in 0..13 {
                for cut in 0..noise.len() {
                    for program in [PORTMAPPER, NETINFO_BINDER] {
                        if let Some(question) = Question::of(program, version, procedure, &noise[cut..]) {
                            assert!(question.learn(&noise[..cut], Transport::Udp).len() <= MAX_ENTRIES);
                        }
                    }
                }
            }
        }
    }
}
