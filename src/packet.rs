//! The slow lane: a frame decoded to a TCP or UDP packet, or the reason why it is none. The only user of etherparse.

use crate::frame::Frame;
use crate::link;
use crate::port::{Ports, Transport, WELL_KNOWN_END};
use crate::skip::Skip;
use crate::tunnel::{self, Tunnel};
use etherparse::{LaxIpSlice, TcpSlice};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// One side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub address: IpAddr,
    pub port: u16,
}

/// In one word where that is enough: every packet in scope is looked up by its two endpoints.
impl Hash for Endpoint {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.address {
            IpAddr::V4(address) => state.write_u64(u64::from(address.to_bits()) << 16 | u64::from(self.port)),
            IpAddr::V6(address) => {
                state.write_u128(address.to_bits());
                state.write_u16(self.port);
            }
        }
    }
}

/// `10.0.0.5:817`, `[fe80::1]:817`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// TCP flag bits as they stand in the header (RFC 9293, section 3.1).
pub mod flag {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
}

/// What only TCP packets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub sequence: u32,
    /// What the sender has received up to, where the ACK flag is set.
    pub acknowledged: u32,
    /// [`flag`] bits.
    pub flags: u8,
}

/// A decoded packet, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub transport: Transport,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub tunnel: Option<Tunnel>,
    pub tcp: Option<Tcp>,
    /// The payload as far as it was captured.
    pub payload: &'a [u8],
    /// The payload's length on the wire, in this frame.
    pub payload_len: u32,
    /// The first of several IP fragments, and the identification of its datagram.
    pub fragment: Option<u32>,
}

/// What the fragments of one datagram have in common (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentKey {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub identification: u32,
    pub tunnel: Option<Tunnel>,
}

impl Packet<'_> {
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports { transport: self.transport, source: self.source.port, destination: self.destination.port }
    }

    /// What later fragments have in common with this packet, if it is the first of several fragments.
    #[must_use]
    pub fn fragment_key(&self) -> Option<FragmentKey> {
        let (source, destination) = (self.source.address, self.destination.address);
        self.fragment.map(|identification| FragmentKey {
            source,
            destination,
            protocol: self.transport.protocol(),
            identification,
            tunnel: self.tunnel,
        })
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    Packet(Packet<'a>),
    /// A later fragment: the datagram that it belongs to, and the bytes of payload that it adds.
    Later(FragmentKey, u32),
    /// An ICMP message, and the datagram that it quotes, of which it says that nobody takes it.
    Refusal(Skip, Packet<'a>),
    Other(Skip),
}

/// Decodes a frame. Bad checksums are no reason to refuse one.
#[must_use]
pub fn read<'a>(frame: &Frame<'a>) -> Held<'a> {
    match peel(frame) {
        Ok(packet) => Held::Packet(packet),
        Err(Refused::Skip(skip)) => Held::Other(skip),
        Err(Refused::Later(key, len)) => Held::Later(key, len),
        Err(Refused::Message { protocol, from, payload, tunnel }) => {
            let skip = Skip::OtherTransport(protocol);
            quoted(protocol, from, payload, tunnel).map_or(Held::Other(skip), |packet| Held::Refusal(skip, packet))
        }
        Err(Refused::Tunnel(tunnel, _)) => Held::Other(Skip::Tunnel(tunnel.kind.name())),
    }
}

/// The packet that a frame holds.
///
/// # Errors
/// The reason why the frame holds no TCP or UDP packet with ports.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
    match read(frame) {
        Held::Packet(packet) => Ok(packet),
        Held::Later(..) => Err(Skip::LaterFragment),
        Held::Refusal(skip, _) | Held::Other(skip) => Err(skip),
    }
}

/// The datagram that a port unreachable quotes (RFC 792; RFC 4443, section 3.1), if it comes from the host that the datagram
/// was sent to: others may say so of anybody.
fn quoted(protocol: u8, from: IpAddr, message: &[u8], tunnel: Option<Tunnel>) -> Option<Packet<'_>> {
    let (header, quote) = message.split_first_chunk::<8>()?;
    if !matches!((protocol, header), (1, [3, 3, ..]) | (58, [1, 4, ..])) {
        return None;
    }
    network(quote, quote.len(), tunnel).ok().filter(|packet| packet.destination.address == from)
}

fn peel<'a>(frame: &Frame<'a>) -> Result<Packet<'a>, Refused<'a>> {
    let mut ip = link::peel(frame.link, frame.bytes)?;
    let mut through = None;
    for depth in 0.. {
        // What lies before the IP header was captured in full, so the rest of the wire length is the packet's.
        let on_wire = (frame.wire_len as usize).saturating_sub(frame.bytes.len()) + ip.len();
        let opened = match network(ip, on_wire, through) {
            Ok(packet) => match in_packet(&packet) {
                None => return Ok(packet),
                Some(opened) => opened,
            },
            Err(Refused::Tunnel(tunnel, rest)) => Ok((tunnel, rest)),
            Err(refused) => return Err(refused),
        };
        match opened {
            Ok((tunnel, rest)) if depth < tunnel::MAX_DEPTH => (through, ip) = (Some(tunnel), rest),
            Ok((tunnel, _)) => return Err(Skip::Tunnel(tunnel.kind.name()).into()),
            Err(skip) => return Err(skip.into()),
        }
    }
    Err(Skip::Malformed.into())
}

/// What a datagram holds that is a tunnel's. One that cannot be opened is taken for a tunnel only where no end may be a
/// service of interest: nothing is to hide behind the other port.
fn in_packet<'a>(packet: &Packet<'a>) -> Option<tunnel::Opened<'a>> {
    if packet.transport != Transport::Udp || packet.fragment.is_some() {
        return None;
    }
    let (source, destination) = (packet.source.port, packet.destination.port);
    let whole = packet.payload.len() == packet.payload_len as usize;
    let opened = match tunnel::in_udp(source, destination, packet.payload)? {
        Err(Skip::Cut) if whole => Err(Skip::Malformed),
        opened => opened,
    };
    (opened.is_ok() || source.min(destination) >= WELL_KNOWN_END).then_some(opened)
}

enum Refused<'a> {
    Skip(Skip),
    Tunnel(Tunnel, &'a [u8]),
    /// A later fragment, and its bytes of payload.
    Later(FragmentKey, u32),
    /// ICMP or `ICMPv6`.
    Message {
        protocol: u8,
        from: IpAddr,
        payload: &'a [u8],
        tunnel: Option<Tunnel>,
    },
}

impl From<Skip> for Refused<'_> {
    fn from(skip: Skip) -> Self {
        Refused::Skip(skip)
    }
}

/// One IP packet; `on_wire` is its length before the capture cut it, padding included.
fn network(ip: &[u8], on_wire: usize, tunnel: Option<Tunnel>) -> Result<Packet<'_>, Refused<'_>> {
    let parsed = LaxIpSlice::from_slice(ip);
    let Ok((slice, stop)) = &parsed else { return Err(cut_or_malformed(ip)) };
    let (header_len, declared) = match slice {
        LaxIpSlice::Ipv4(v4) => (v4.header().slice().len(), usize::from(v4.header().total_len())),
        LaxIpSlice::Ipv6(v6) => (40, 40 + usize::from(v6.header().payload_length())),
    };
    // A length that is smaller than the header is no length: 0 stands there in segments that the network card cuts.
    let declared = if declared <= header_len { on_wire } else { declared };
    let carried = slice.payload();
    let transport_at = ip.len().min(declared) - carried.payload.len().min(ip.len().min(declared));
    let carried_len = declared - transport_at;
    let protocol = carried.ip_number.0;
    let source = slice.source_addr();
    let destination = slice.destination_addr();
    let fragmented = slice.is_fragmenting_payload();
    let fragment = fragmented.then(|| fragment(slice));
    if let Some((identification, 1..)) = fragment {
        let key = FragmentKey { source, destination, protocol, identification, tunnel };
        return Err(Refused::Later(key, u32::try_from(carried_len).unwrap_or(u32::MAX)));
    }
    let payload = carried.payload;
    let cut = || if payload.len() < carried_len { Skip::Cut } else { Skip::Malformed };
    match protocol {
        6 | 17 if stop.is_none() || matches!(protocol, 6 | 17) => {}
        _ => {
            return Err(match tunnel::in_ip(protocol, payload) {
                Some((tunnel, rest)) if !fragmented => Refused::Tunnel(tunnel, rest),
                _ if stop.is_some() => cut().into(),
                _ if matches!(protocol, 1 | 58) && !fragmented => {
                    Refused::Message { protocol, from: slice.source_addr(), payload, tunnel }
                }
                _ => Skip::OtherTransport(protocol).into(),
            });
        }
    }
    let &[a, b, c, d] = payload.first_chunk::<4>().ok_or_else(cut)?;
    let (source_port, destination_port) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let (transport, tcp, data, data_len) =
        if protocol == 6 { segment(payload, carried_len) } else { datagram(payload, carried_len) };
    Ok(Packet {
        transport,
        source: Endpoint { address: source, port: source_port },
        destination: Endpoint { address: destination, port: destination_port },
        tunnel,
        tcp,
        payload: data,
        payload_len: u32::try_from(data_len).unwrap_or(u32::MAX),
        fragment: fragment.map(|(identification, _)| identification),
    })
}

type Carried<'a> = (Transport, Option<Tcp>, &'a [u8], usize);

/// A TCP segment. A header that the capture cut still gives what is there of it.
fn segment(bytes: &[u8], wire_len: usize) -> Carried<'_> {
    if let Ok(slice) = TcpSlice::from_slice(bytes) {
        let tcp = Tcp {
            sequence: slice.sequence_number(),
            acknowledged: slice.acknowledgment_number(),
            flags: bytes[13] & 0x3f,
        };
        return (Transport::Tcp, Some(tcp), slice.payload(), wire_len.saturating_sub(slice.header_slice().len()));
    }
    let header_len = bytes.get(12).map_or(20, |byte| usize::from(byte >> 4) * 4).max(20);
    let word =
        |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_be_bytes(*four));
    let (sequence, acknowledged) = (word(4), word(8));
    // A segment that carries data has the ACK flag; a header without data offset is taken for that.
    let flags = bytes.get(13).map_or(flag::ACK, |flags| flags & 0x3f);
    (Transport::Tcp, Some(Tcp { sequence, acknowledged, flags }), &[], wire_len.saturating_sub(header_len))
}

/// A UDP datagram; its own length field counts only where it shortens the payload.
fn datagram(bytes: &[u8], wire_len: usize) -> Carried<'_> {
    let length = bytes.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_be_bytes(*two));
    let wire_len = if length >= 8 { wire_len.min(length.into()) } else { wire_len };
    let data = bytes.get(8..).unwrap_or_default();
    let data_len = wire_len.saturating_sub(8);
    (Transport::Udp, None, &data[..data.len().min(data_len)], data_len)
}

/// Identification and offset of a fragment.
fn fragment(slice: &LaxIpSlice<'_>) -> (u32, u16) {
    match slice {
        LaxIpSlice::Ipv4(v4) => (u32::from(v4.header().identification()), v4.header().fragments_offset().value()),
        LaxIpSlice::Ipv6(v6) => v6
            .extensions()
            .clone()
            .into_iter()
            .find_map(|extension| match extension {
                etherparse::Ipv6ExtensionSlice::Fragment(fragment) => {
                    Some((fragment.identification(), fragment.fragment_offset().value()))
                }
                _ => None,
            })
            .unwrap_or_default(),
    }
}

fn cut_or_malformed(ip: &[u8]) -> Refused<'_> {
    let header_len = match ip.first().map(|first| first >> 4) {
        Some(4) => 20.max(usize::from(ip[0] & 0x0f) * 4),
        Some(6) => 40,
        Some(_) => return Skip::Malformed.into(),
        None => return Skip::Cut.into(),
    };
    if ip.len() < header_len { Skip::Cut.into() } else { Skip::Malformed.into() }
}
