//! Tunnels: what a packet carries when it carries another packet. The inner one counts; the outer is named.

use crate::frame::LinkType;
use crate::link;
use crate::skip::Skip;
use serde::Serialize;

/// A frame nested deeper than this is no network; what lies below is not opened.
pub const MAX_DEPTH: usize = 4;

/// IP protocols of tunnels that are opened, for whoever filters before: IP in IP, IPv6 in IP, GRE, `EtherIP` (RFC 3378), MPLS
/// in IP (RFC 4023).
pub const IP_PROTOCOLS: [u8; 5] = [4, 41, 47, 97, 137];

/// UDP ports that a tunnel is sent to, and whether its answers come from there to any other port.
pub const UDP_PORTS: [(u16, bool); 9] = [
    (1701, true),   // L2TP (RFC 2661, RFC 3931)
    (2152, false),  // GTP-U (3GPP TS 29.281)
    (3544, true),   // Teredo (RFC 4380)
    (4789, false),  // VXLAN (RFC 7348)
    (4790, false),  // VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe)
    (6081, false),  // Geneve (RFC 8926)
    (6635, false),  // MPLS in UDP (RFC 7510)
    (8472, false),  // VXLAN as Linux and Flannel use it by default
    (37008, false), // TZSP
];

/// Whether a tunnel is looked for between these ports. The fast lane leaves such to the slow lane.
#[inline]
#[must_use]
pub const fn may_be_between(source: u16, destination: u16) -> bool {
    let mut place = 0;
    while place < UDP_PORTS.len() {
        let (port, both_ways) = UDP_PORTS[place];
        if destination == port || (both_ways && source == port) {
            return true;
        }
        place += 1;
    }
    false
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Ipip,
    Gre,
    Erspan,
    Vxlan,
    Geneve,
    Gtpu,
    VxlanGpe,
    Mpls,
    Teredo,
    L2tp,
    Tzsp,
    EtherIp,
}

impl Kind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Ipip => "ip-in-ip",
            Kind::Gre => "gre",
            Kind::Erspan => "erspan",
            Kind::Vxlan => "vxlan",
            Kind::Geneve => "geneve",
            Kind::Gtpu => "gtp-u",
            Kind::VxlanGpe => "vxlan-gpe",
            Kind::Mpls => "mpls",
            Kind::Teredo => "teredo",
            Kind::L2tp => "l2tp",
            Kind::Tzsp => "tzsp",
            Kind::EtherIp => "etherip",
        }
    }
}

/// Which tunnel a packet came through. Part of the flow's key: the same addresses may mean other hosts in another tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    pub kind: Kind,
    /// The virtual network identifier; 0 where the framing has none, or one per direction (GRE keys, GTP-U tunnel ends).
    pub network: u32,
}

/// What a payload is that has a tunnel's framing: the tunnel with the IP packet in it, or the reason why there is none.
pub type Opened<'a> = Result<(Tunnel, &'a [u8]), Skip>;

/// The IP packet inside an IP payload of this protocol number, where it is a tunnel that can be opened.
#[must_use]
pub fn in_ip(protocol: u8, payload: &[u8]) -> Option<(Tunnel, &[u8])> {
    let tunnel = |kind| Tunnel { kind, network: 0 };
    match protocol {
        4 | 41 => is_ip(payload).then_some((tunnel(Kind::Ipip), payload)),
        47 => gre(payload),
        // Version 3, and twelve bits of nothing.
        97 if payload.first()? >> 4 == 3 => Some((tunnel(Kind::EtherIp), link::peel_ethernet(payload.get(2..)?).ok()?)),
        137 => Some((tunnel(Kind::Mpls), link::mpls(payload).ok()?)),
        _ => None,
    }
}

/// What is inside a UDP payload between ports of [`UDP_PORTS`]; `None` where the payload has no tunnel's framing. Reserved
/// bits say nothing (RFC 7348, section 5; RFC 8926, section 3.4).
#[must_use]
pub fn in_udp(source: u16, destination: u16, payload: &[u8]) -> Option<Opened<'_>> {
    if !may_be_between(source, destination) {
        return None;
    }
    match destination {
        4789 | 8472 => vxlan(payload),
        4790 => vxlan_gpe(payload),
        6081 => geneve(payload),
        2152 => gtp(payload),
        6635 => Some(inner(Kind::Mpls, 0, link::mpls(payload))),
        37008 => tzsp(payload),
        _ if source == 3544 || destination == 3544 => teredo(payload),
        _ => l2tp(payload),
    }
}

fn inner(kind: Kind, network: u32, packet: Result<&[u8], Skip>) -> Opened<'_> {
    packet.map(|packet| (Tunnel { kind, network }, packet))
}

/// The identifier in the fifth to the seventh byte.
fn network(header: [u8; 8]) -> u32 {
    u32::from_be_bytes([0, header[4], header[5], header[6]])
}

/// A flag says that the identifier is valid.
fn vxlan(payload: &[u8]) -> Option<Opened<'_>> {
    let (header, rest) = payload.split_first_chunk::<8>()?;
    (header[0] & 0x08 != 0).then(|| inner(Kind::Vxlan, network(*header), link::peel_ethernet(rest)))
}

/// As VXLAN, with version, a flag that says whether a protocol is named, and one of messages about the tunnel itself.
fn vxlan_gpe(payload: &[u8]) -> Option<Opened<'_>> {
    let (header, rest) = payload.split_first_chunk::<8>()?;
    if header[0] & 0x08 == 0 {
        return None;
    }
    let kind = Kind::VxlanGpe;
    if header[0] & 0x30 != 0 || header[0] & 0x01 != 0 {
        return Some(Err(Skip::Tunnel(kind.name())));
    }
    let protocol = if header[0] & 0x04 == 0 { 3 } else { header[3] };
    let packet = match protocol {
        // A network service header (RFC 8300): its length in words, and the protocol behind it.
        4 => match rest {
            [_, words, _, protocol, ..] => rest
                .get(usize::from(words & 0x3f) * 4..)
                .ok_or(Skip::Cut)
                .and_then(|rest| gpe_protocol(*protocol, rest)),
            _ => Err(Skip::Cut),
        },
        protocol => gpe_protocol(protocol, rest),
    };
    Some(inner(kind, network(*header), packet))
}

fn gpe_protocol(protocol: u8, rest: &[u8]) -> Result<&[u8], Skip> {
    match protocol {
        1 | 2 => Ok(rest),
        3 => link::peel_ethernet(rest),
        5 => link::mpls(rest),
        _ => Err(Skip::Tunnel(Kind::VxlanGpe.name())),
    }
}

/// Version 0, options as long as the first byte says, a protocol by its `EtherType`.
fn geneve(payload: &[u8]) -> Option<Opened<'_>> {
    let header = payload.first_chunk::<8>()?;
    let kind = u16::from_be_bytes([header[2], header[3]]);
    if header[0] >> 6 != 0 || kind < 0x0600 {
        return None;
    }
    if header[1] & 0x80 != 0 {
        return Some(Err(Skip::Tunnel(Kind::Geneve.name()))); // about the tunnel itself
    }
    let rest = payload.get(8 + usize::from(header[0] & 0x3f) * 4..).ok_or(Skip::Cut);
    let packet =
        rest.and_then(|rest| if kind == 0x6558 { link::peel_ethernet(rest) } else { link::ether_type(kind, rest) });
    Some(inner(Kind::Geneve, network(*header), packet))
}

/// Version 1, protocol type GTP, message type G-PDU; others carry no packet.
fn gtp(payload: &[u8]) -> Option<Opened<'_>> {
    let header = payload.first_chunk::<8>()?;
    if header[0] >> 4 != 3 {
        return None;
    }
    let not_opened = Some(Err(Skip::Tunnel(Kind::Gtpu.name())));
    if header[1] != 0xff {
        return not_opened;
    }
    let packet = if header[0] & 0x07 == 0 { Some(&payload[8..]) } else { behind_gtp_options(&payload[8..]) };
    packet.filter(|packet| is_ip(packet)).map(|packet| inner(Kind::Gtpu, 0, Ok(packet))).or(not_opened)
}

/// Behind sequence number, N-PDU number and extension headers, each of which names the next.
fn behind_gtp_options(options: &[u8]) -> Option<&[u8]> {
    let (&[_, _, _, mut next], mut rest) = options.split_first_chunk()?;
    while next != 0 {
        let length = usize::from(*rest.first()?) * 4;
        next = *rest.get(length.checked_sub(1)?)?;
        rest = &rest[length..];
    }
    Some(rest)
}

/// IPv6 from or to an address of Teredo's, or between neighbours, after who is authenticated and where the client is seen, if
/// it says so (RFC 4380, sections 2.14 and 5.1.1).
fn teredo(payload: &[u8]) -> Option<Opened<'_>> {
    let mut rest = payload;
    if let [0, 1, client, value, after @ ..] = rest {
        rest = after.get(usize::from(*client) + usize::from(*value) + 9..)?;
    }
    if let [0, 0, _, _, _, _, _, _, after @ ..] = rest {
        rest = after;
    }
    let header = rest.first_chunk::<40>()?;
    let teredo = |address: &[u8]| matches!(address, [0x20, 0x01, 0, 0, ..] | [0xfe, 0x80, ..]);
    (header[0] >> 4 == 6 && (teredo(&header[8..]) || teredo(&header[24..]))).then(|| inner(Kind::Teredo, 0, Ok(rest)))
}

/// Data of L2TP version 2 with PPP in them; in version 3 nothing says what the data are.
fn l2tp(payload: &[u8]) -> Option<Opened<'_>> {
    let (&flags, mut rest) = payload.split_first_chunk::<2>()?;
    let flags = u16::from_be_bytes(flags);
    let (is_data, version) = (flags & 0x8000 == 0, flags & 0x000f);
    if !is_data || !matches!(version, 2 | 3) {
        return None;
    }
    if version == 3 {
        return Some(Err(Skip::Tunnel("l2tp version 3")));
    }
    let mut take = |len: usize| {
        let (taken, after) = rest.split_at_checked(len)?;
        rest = after;
        Some(taken)
    };
    let mut header = || {
        take(if flags & 0x4000 == 0 { 0 } else { 2 })?; // length
        take(4)?; // tunnel and session
        take(if flags & 0x0800 == 0 { 0 } else { 4 })?; // sequence numbers
        if flags & 0x0200 != 0 {
            let offset = take(2)?;
            take(u16::from_be_bytes([offset[0], offset[1]]).into())?;
        }
        Some(())
    };
    let whole = header().is_some();
    Some(inner(Kind::L2tp, 0, if whole { link::ppp(rest) } else { Err(Skip::Cut) }))
}

/// The `TaZmen` Sniffer Protocol: version 1, what kind of message, what is inside, and notes about it up to an end mark.
fn tzsp(payload: &[u8]) -> Option<Opened<'_>> {
    let &[version, kind, a, b] = payload.first_chunk()?;
    if version != 1 || kind > 5 {
        return None;
    }
    // A frame that was received, or that is to be sent; others are about the sniffer itself.
    let link = match (kind, u16::from_be_bytes([a, b])) {
        (0 | 1, 1) => 1,
        (0 | 1, 18) => 105,
        (0 | 1, 119) => 119,
        (0 | 1, 127) => 163,
        _ => return Some(Err(Skip::Tunnel(Kind::Tzsp.name()))),
    };
    let mut rest = &payload[4..];
    let frame = loop {
        match rest {
            [1, frame @ ..] => break Ok(frame),
            [0, after @ ..] => rest = after,
            [_, length, after @ ..] if after.len() >= usize::from(*length) => rest = &after[usize::from(*length)..],
            _ => break Err(Skip::Cut),
        }
    };
    Some(inner(Kind::Tzsp, 0, frame.and_then(|frame| link::peel(LinkType(link), frame))))
}

/// GRE (RFC 2784, RFC 2890) with IP, Ethernet or ERSPAN inside.
fn gre(payload: &[u8]) -> Option<(Tunnel, &[u8])> {
    let &[flags, version, a, b] = payload.first_chunk::<4>()?;
    if version & 0x07 != 0 {
        return None; // version 1 is PPTP's, with PPP inside
    }
    let optional = [0x80, 0x20, 0x10].iter().filter(|&&bit| flags & bit != 0).count() * 4;
    let rest = payload.get(4 + optional..)?;
    let tunnel = |kind| Tunnel { kind, network: 0 };
    match u16::from_be_bytes([a, b]) {
        0x6558 => Some((tunnel(Kind::Gre), link::peel_ethernet(rest).ok()?)),
        // ERSPAN type I has no header of its own and no sequence number, type II has eight bytes
        0x88be if flags & 0x10 == 0 => Some((tunnel(Kind::Erspan), link::peel_ethernet(rest).ok()?)),
        0x88be => Some((tunnel(Kind::Erspan), link::peel_ethernet(rest.get(8..)?).ok()?)),
        // Type III: twelve bytes, eight more where its last bit says so
        0x22eb => {
            let more = if rest.get(11)? & 1 == 1 { 20 } else { 12 };
            Some((tunnel(Kind::Erspan), link::peel_ethernet(rest.get(more..)?).ok()?))
        }
        kind => Some((tunnel(Kind::Gre), link::ether_type(kind, rest).ok()?)),
    }
}

fn is_ip(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| matches!(first >> 4, 4 | 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: &[u8] = &[0x45, 0, 0, 20];
    const IPV6: &[u8] = &[
        0x60, 0, 0, 0, 0, 0, 59, 64, 0x20, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x20, 1, 0xd, 0xb8, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 1,
    ];

    #[test]
    fn ip_is_found_in_every_tunnel() {
        let ethernet = [&[0u8; 12], &[8, 0][..], IP].concat();
        let snap = [&[8u8, 1], &[0; 22][..], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], IP].concat();
        let in_ip = |protocol: u8, header: &[u8], rest: &[u8]| {
            let payload = [header, rest].concat();
            in_ip(protocol, &payload).map(|(tunnel, rest)| (tunnel.kind, tunnel.network, rest.to_vec()))
        };
        let in_udp = |destination: u16, header: &[u8], rest: &[u8]| {
            let payload = [header, rest].concat();
            in_udp(50_000, destination, &payload)
                .and_then(Result::ok)
                .map(|(tunnel, rest)| (tunnel.kind, tunnel.network, rest.to_vec()))
        };
        let cases = [
            (in_ip(4, &[], IP), Kind::Ipip, 0),
            (in_ip(47, &[0, 0, 8, 0], IP), Kind::Gre, 0),
            (in_ip(47, &[0x30, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8], IP), Kind::Gre, 0),
            (in_ip(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &ethernet), Kind::Erspan, 0),
            (in_ip(97, &[0x30, 0], &ethernet), Kind::EtherIp, 0),
            (in_ip(137, &[0, 1, 0, 64, 0, 2, 1, 64], IP), Kind::Mpls, 0),
            (in_udp(4789, &[8, 0, 0, 0, 0, 0, 7, 0], &ethernet), Kind::Vxlan, 7),
            (in_udp(8472, &[8, 0, 0, 0, 0, 0, 7, 0], &ethernet), Kind::Vxlan, 7),
            // A group policy, and all that is reserved.
            (in_udp(4789, &[0x88, 0x48, 0, 16, 0, 0, 7, 0], &ethernet), Kind::Vxlan, 7),
            (in_udp(4789, &[0xff, 0xff, 0xff, 0xff, 0, 0, 7, 0xff], &ethernet), Kind::Vxlan, 7),
            (in_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 7, 0], IP), Kind::VxlanGpe, 7),
            (in_udp(4790, &[0x0c, 0, 0, 2, 0, 0, 7, 9], IPV6), Kind::VxlanGpe, 7),
            (in_udp(4790, &[0x0c, 0, 0, 3, 0, 0, 7, 0], &ethernet), Kind::VxlanGpe, 7),
            (in_udp(4790, &[0x08, 0, 0, 0, 0, 0, 7, 0], &ethernet), Kind::VxlanGpe, 7),
            (in_udp(4790, &[0x0c, 0, 0, 4, 0, 0, 7, 0, 0, 2, 2, 1, 0, 0, 0, 1], IP), Kind::VxlanGpe, 7),
            (in_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 7, 0, 9, 9, 9, 9], &ethernet), Kind::Geneve, 7),
            (in_udp(6081, &[0, 0x3f, 8, 0, 0, 0, 7, 0xff], IP), Kind::Geneve, 7),
            (in_udp(2152, &[0x30, 0xff, 0, 4, 0, 0, 0, 9], IP), Kind::Gtpu, 0),
            (in_udp(2152, &[0x34, 0xff, 0, 12, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0], IP), Kind::Gtpu, 0),
            (in_udp(6635, &[0, 1, 1, 64], IP), Kind::Mpls, 0),
            (in_udp(3544, &[], IPV6), Kind::Teredo, 0),
            (in_udp(3544, &[0, 0, 1, 2, 3, 4, 5, 6], IPV6), Kind::Teredo, 0),
            (
                in_udp(3544, &[0, 1, 2, 1, 9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6], IPV6),
                Kind::Teredo,
                0,
            ),
            (in_udp(1701, &[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21], IP), Kind::L2tp, 0),
            (in_udp(1701, &[0x40, 2, 0, 14, 0, 1, 0, 1, 0, 0x21], IP), Kind::L2tp, 0),
            (in_udp(1701, &[0x4a, 2, 0, 30, 0, 1, 0, 1, 0, 5, 0, 6, 0, 2, 9, 9, 0xff, 3, 0, 0x21], IP), Kind::L2tp, 0),
            (in_udp(37008, &[1, 0, 0, 1, 1], &ethernet), Kind::Tzsp, 0),
            (in_udp(37008, &[1, 1, 0, 1, 0, 10, 1, 0xd0, 1], &ethernet), Kind::Tzsp, 0),
            (in_udp(37008, &[1, 0, 0, 18, 0x29, 2, 0, 9, 1], &snap), Kind::Tzsp, 0),
        ];
        for (place, (found, kind, network)) in cases.into_iter().enumerate() {
            let (found, tunnel, inner) = found.unwrap_or_else(|| panic!("case {place}, {kind:?}: not opened"));
            assert_eq!((found, tunnel), (kind, network), "case {place}");
            assert!(inner == IP || inner == IPV6, "case {place}");
        }
    }

    #[test]
    fn a_tunnel_that_is_not_opened_says_so_and_anything_else_is_none() {
        let told = |source, destination, payload: &[u8]| {
            in_udp(source, destination, payload).map(|opened| opened.err().map(|skip| skip.name().into_owned()))
        };
        let says = |text: &str| Some(Some(text.to_owned()));
        let arp = [&[8u8, 0, 0, 0, 0, 0, 7, 0], &[0; 12][..], &[8, 6, 0, 1]].concat();
        assert_eq!(told(1, 4789, &arp), says("ARP"));
        assert_eq!(told(1, 4790, &[0x0d, 0, 0, 1, 0, 0, 7, 0]), says("tunnel not opened (vxlan-gpe)"));
        assert_eq!(told(1, 4790, &[0x0c, 0, 0, 7, 0, 0, 7, 0]), says("tunnel not opened (vxlan-gpe)"));
        assert_eq!(told(1, 6081, &[0, 0x80, 0x65, 0x58, 0, 0, 7, 0]), says("tunnel not opened (geneve)"));
        assert_eq!(told(1, 2152, &[0x30, 1, 0, 4, 0, 0, 0, 9]), says("tunnel not opened (gtp-u)"));
        assert_eq!(told(1, 37008, &[1, 4, 0, 0]), says("tunnel not opened (tzsp)"));
        assert_eq!(told(1701, 1, &[0, 3, 0, 0, 0, 0, 0, 1]), says("tunnel not opened (l2tp version 3)"));
        assert_eq!(told(1701, 1701, &[0, 2, 0, 1, 0, 1, 0xff, 3, 0xc0, 0x21, 1]), says("PPP LCP"));
        for (source, destination) in [(50_000, 4789), (50_000, 3544), (1701, 1701), (4789, 50_000), (1, 2)] {
            assert!(told(source, destination, b"anything else").is_none(), "{source} to {destination}");
        }
        // Control messages of L2TP carry nothing, and hide nothing.
        assert!(told(1701, 1701, &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
    }
}
