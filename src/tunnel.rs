//! Tunnels: what a packet carries when it carries another packet. The inner one counts; the outer is named.

use crate::link;
use serde::Serialize;

/// A frame nested deeper than this is no network; what lies below is not opened.
pub const MAX_DEPTH: usize = 4;

/// UDP destination ports on which a tunnel is looked for. The fast lane leaves them to the slow lane.
pub const UDP_PORTS: [u16; 4] = [
    2152, // GTP-U (3GPP TS 29.281)
    4789, // VXLAN (RFC 7348)
    6081, // Geneve (RFC 8926)
    8472, // VXLAN as Linux and Flannel use it by default
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Ipip,
    Gre,
    Erspan,
    Vxlan,
    Geneve,
    Gtpu,
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

/// The IP packet inside an IP payload of this protocol number, where it is a tunnel that can be opened.
#[must_use]
pub fn in_ip(protocol: u8, payload: &[u8]) -> Option<(Tunnel, &[u8])> {
    match protocol {
        4 | 41 => is_ip(payload).then_some((Tunnel { kind: Kind::Ipip, network: 0 }, payload)),
        47 => gre(payload),
        _ => None,
    }
}

/// The IP packet inside a UDP payload towards one of [`UDP_PORTS`], where the payload has the tunnel's framing.
#[must_use]
pub fn in_udp(destination: u16, payload: &[u8]) -> Option<(Tunnel, &[u8])> {
    let header = payload.first_chunk::<8>()?;
    let network = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    match destination {
        // Flags: only "identifier is valid"; the reserved fields are zero
        4789 | 8472 if header[0] == 0x08 && header[1..4] == [0, 0, 0] && header[7] == 0 => {
            Some((Tunnel { kind: Kind::Vxlan, network }, link::peel_ethernet(&payload[8..]).ok()?))
        }
        // Version 0, options as long as the first byte says
        6081 if header[0] >> 6 == 0 && header[7] == 0 => {
            let rest = payload.get(8 + usize::from(header[0] & 0x3f) * 4..)?;
            let inner = match u16::from_be_bytes([header[2], header[3]]) {
                0x6558 => link::peel_ethernet(rest).ok()?,
                kind => link::ether_type(kind, rest).ok()?,
            };
            Some((Tunnel { kind: Kind::Geneve, network }, inner))
        }
        // Version 1, protocol type GTP, message type G-PDU
        2152 if header[0] >> 4 == 3 && header[1] == 0xff => {
            let mut rest = &payload[8..];
            if header[0] & 0x07 != 0 {
                let mut next = *rest.get(3)?;
                rest = &rest[4..];
                while next != 0 {
                    let length = usize::from(*rest.first()?) * 4;
                    next = *rest.get(length.checked_sub(1)?)?;
                    rest = &rest[length..];
                }
            }
            is_ip(rest).then_some((Tunnel { kind: Kind::Gtpu, network: 0 }, rest))
        }
        _ => None,
    }
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

    #[test]
    fn ip_is_found_in_every_tunnel() {
        let ethernet = [&[0u8; 12], &[8, 0][..], IP].concat();
        let cases = [
            (in_ip(4, IP), Kind::Ipip),
            (in_ip(47, &[&[0, 0, 8, 0][..], IP].concat()), Kind::Gre),
            (in_ip(47, &[&[0x30, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8][..], IP].concat()), Kind::Gre),
            (
                in_ip(47, &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], &ethernet].concat()),
                Kind::Erspan,
            ),
            (in_udp(4789, &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet].concat()), Kind::Vxlan),
            (in_udp(6081, &[&[1, 0, 0x65, 0x58, 0, 0, 7, 0, 9, 9, 9, 9][..], &ethernet].concat()), Kind::Geneve),
            (in_udp(2152, &[&[0x30, 0xff, 0, 4, 0, 0, 0, 9][..], IP].concat()), Kind::Gtpu),
            (in_udp(2152, &[&[0x34, 0xff, 0, 12, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0][..], IP].concat()), Kind::Gtpu),
        ]
        .map(|(found, kind)| (found.map(|(tunnel, inner)| (tunnel.kind, inner.to_vec())), kind));
        for (found, kind) in cases {
            assert_eq!(found, Some((kind, IP.to_vec())));
        }
        assert_eq!(in_udp(4789, b"anything else"), None);
    }
}
