//! The link header off: from a captured frame to the IP packet in it. Knows link layers, and nothing above IP.

mod logged;
mod wireless;

use crate::frame::LinkType;
use crate::skip::Skip;

/// More tags or labels than this on one frame is no network but an attack on the reader; such frames are malformed.
const MAX_TAGS: usize = 16;

/// The bytes of a frame from its IP header on.
///
/// # Errors
/// [`Skip::UnknownLink`] for a link type that is not in the list, [`Skip::NotIp`] and its kin for frames of other protocols,
/// [`Skip::Cut`] where the capture or the frame ends before the IP header.
pub fn peel(link: LinkType, bytes: &[u8]) -> Result<&[u8], Skip> {
    match link.0 {
        1 => ether_type(at(bytes, 12)?, from(bytes, 14)?),
        12 | 14 | 101 | 228 | 229 => Ok(bytes),
        113 => ether_type(at(bytes, 14)?, from(bytes, 16)?),
        276 => ether_type(at(bytes, 0)?, from(bytes, 20)?),
        // The address family in the byte order of whoever captured.
        0 | 108 => of_family(word_of_either_order(bytes)?, from(bytes, 4)?),
        // Cisco's framing, told by its address byte (unicast or broadcast), or PPP (RFC 1661, 1662).
        9 | 50 if matches!(bytes, [0x0f | 0x8f, 0, ..]) => ether_type(at(bytes, 2)?, from(bytes, 4)?),
        9 => ppp(bytes),
        50 if bytes.first() == Some(&0xff) => ppp(bytes),
        50 | 104 => ether_type(at(bytes, 2)?, from(bytes, 4)?),
        51 => pppoe(bytes),
        6 => token_ring(bytes),
        // Direction and compressed header of BSD's SLIP.
        8 => from(bytes, 16),
        10 => fddi(bytes),
        // LLC-encapsulated AAL 5 (RFC 2684).
        100 => llc(bytes),
        105 => wireless::ieee802_11(bytes, 0),
        107 => frame_relay(bytes),
        // IPsec before or after it: address family, SPI, flags.
        109 => of_family(word_of_either_order(bytes)?, from(bytes, 12)?),
        117 => logged::pflog(bytes),
        119 => wireless::prism(bytes),
        // Two addresses of eight bytes (RFC 2625), then LLC.
        122 => llc(from(bytes, 16)?),
        127 => wireless::radiotap(bytes),
        // Two addresses of eight bytes, then the type.
        138 => ether_type(at(bytes, 16)?, from(bytes, 18)?),
        163 => wireless::avs(bytes),
        226 => logged::ipnet(bytes),
        239 => logged::nflog(bytes),
        // Four bytes of the analyser's before the frame.
        240 => peel_ethernet(from(bytes, 4)?),
        258 => logged::pktap(bytes),
        // The preamble; only a frame that is no fragment (IEEE 802.3br) starts with the usual delimiter.
        274 if bytes.get(7) == Some(&0xd5) => peel_ethernet(from(bytes, 8)?),
        274 if bytes.len() > 7 => Err(Skip::LaterFragment),
        274 => Err(Skip::Cut),
        other => Err(Skip::UnknownLink(other)),
    }
}

/// The IP packet in an Ethernet frame, as tunnels carry them.
///
/// # Errors
/// As [`peel`].
pub fn peel_ethernet(bytes: &[u8]) -> Result<&[u8], Skip> {
    ether_type(at(bytes, 12)?, from(bytes, 14)?)
}

/// What follows an `EtherType`: IP, or tags and labels with IP behind them.
///
/// # Errors
/// As [`peel`].
pub fn ether_type(mut kind: u16, mut rest: &[u8]) -> Result<&[u8], Skip> {
    for _ in 0..MAX_TAGS {
        let header = match kind {
            0x0800 | 0x86dd => return Ok(rest),
            0x8847 | 0x8848 => return mpls(rest),
            0x8864 => return pppoe(rest),
            // Tags in front of another type: IEEE 802.1Q, 802.1ad and the older QinQ numbers; Cisco's VN-Tag; E-Tag
            // (IEEE 802.1BR); the addresses inside a provider's backbone (IEEE 802.1ah); Cisco MetaData, which says how many
            // words of options it has.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x8200 => 2,
            0x8926 => 4,
            0x893f => 6,
            0x88e7 => 16,
            0x8909 => 2 + 4 * usize::from(at(rest, 0)? & 0xff),
            // IEEE 802.3: the length, then LLC.
            0..0x0600 if rest.starts_with(&[0xaa, 0xaa, 0x03]) && is_plain(rest) => 6,
            0..0x0600 => return llc(rest),
            _ => return Err(Skip::NotIp(kind)),
        };
        (kind, rest) = (at(rest, header)?, from(rest, header + 2)?);
    }
    Err(Skip::Malformed)
}

/// Whether a SNAP header has an `EtherType`: RFC 1042's number, or that of IEEE 802.1H's bridges.
fn is_plain(snap: &[u8]) -> bool {
    matches!(snap.get(3..6), Some([0, 0, 0 | 0xf8]))
}

/// Logical link control (IEEE 802.2): IP behind a SNAP header (RFC 1042), or by its own number.
fn llc(bytes: &[u8]) -> Result<&[u8], Skip> {
    match bytes {
        [0xaa, 0xaa, 0x03, ..] if bytes.len() < 8 => Err(Skip::Cut),
        [0xaa, 0xaa, 0x03, ..] if is_plain(bytes) && at(bytes, 6)? >= 0x0600 => {
            ether_type(at(bytes, 6)?, from(bytes, 8)?)
        }
        [0x06, 0x06, 0x03, rest @ ..] => Ok(rest),
        [_, _, _, ..] => Err(Skip::NotIp(0)),
        _ => Err(Skip::Cut),
    }
}

/// Token ring (IEEE 802.5): two bytes of control, two addresses, and the way through the bridges where the source says so.
fn token_ring(bytes: &[u8]) -> Result<&[u8], Skip> {
    let header = bytes.get(..14).ok_or(Skip::Cut)?;
    if header[1] & 0xc0 != 0x40 {
        return Err(Skip::NotIp(0)); // the ring's own business
    }
    let rest = &bytes[14..];
    let routed = header[8] & 0x80 != 0;
    let route = if routed { usize::from(rest.first().ok_or(Skip::Cut)? & 0x1f) } else { 0 };
    llc(from(rest, route)?)
}

/// FDDI: a byte of control, two addresses, then LLC.
fn fddi(bytes: &[u8]) -> Result<&[u8], Skip> {
    match bytes.first().ok_or(Skip::Cut)? & 0x30 {
        0x10 => llc(from(bytes, 13)?),
        _ => Err(Skip::NotIp(0)), // tokens and station management
    }
}

/// Frame relay with IP by its network layer number, or behind a SNAP header (RFC 2427).
fn frame_relay(bytes: &[u8]) -> Result<&[u8], Skip> {
    match bytes {
        [_, _, 0x03, 0xcc | 0x8e, rest @ ..] => Ok(rest),
        [_, _, 0x03, 0x00, 0x80, 0, 0, 0, rest @ ..] => ether_type(at(rest, 0)?, from(rest, 2)?),
        [_, _, _, _, ..] => Err(Skip::NotIp(0)),
        _ => Err(Skip::Cut),
    }
}

/// A word that is a small number, in whichever byte order it is one.
fn word_of_either_order(bytes: &[u8]) -> Result<u16, Skip> {
    match *bytes.first_chunk().ok_or(Skip::Cut)? {
        [0, 0, c, d] => Ok(u16::from_be_bytes([c, d])),
        [a, b, 0, 0] => Ok(u16::from_le_bytes([a, b])),
        _ => Err(Skip::Malformed),
    }
}

/// IP by an address family: 2 is IPv4 everywhere, IPv6 is 10 (Linux), 24, 26, 28 or 30 (the BSDs, Solaris, macOS).
fn of_family(family: u16, rest: &[u8]) -> Result<&[u8], Skip> {
    match family {
        2 | 10 | 24 | 26 | 28 | 30 => Ok(rest),
        other => Err(Skip::Family(other)),
    }
}

/// Labels down to the bottom of the stack (RFC 3032); IP is told by its version, as no field names the payload.
///
/// # Errors
/// As [`peel`].
pub fn mpls(mut rest: &[u8]) -> Result<&[u8], Skip> {
    for _ in 0..MAX_TAGS {
        let label = rest.first_chunk::<4>().ok_or(Skip::Cut)?;
        rest = &rest[4..];
        if label[2] & 1 == 1 {
            return match rest.first().ok_or(Skip::Cut)? >> 4 {
                4 | 6 => Ok(rest),
                _ => Err(Skip::NotIp(0x8847)), // a pseudowire or a generic control word
            };
        }
    }
    Err(Skip::Malformed)
}

/// A PPP frame, with or without address and control field, with a protocol field of one or two bytes (RFC 1661, 1662).
///
/// # Errors
/// As [`peel`].
pub fn ppp(bytes: &[u8]) -> Result<&[u8], Skip> {
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    // A number that is odd in its first byte has no second.
    let (protocol, rest) = match bytes {
        [a, rest @ ..] if a & 1 == 1 => (u16::from(*a), rest),
        [a, b, rest @ ..] => (u16::from_be_bytes([*a, *b]), rest),
        _ => return Err(Skip::Cut),
    };
    match protocol {
        0x0021 | 0x0057 => Ok(rest),
        0x0281 | 0x0283 => mpls(rest),
        other => Err(Skip::Ppp(other)),
    }
}

/// A `PPPoE` session packet (RFC 2516, section 4): six bytes of header, then PPP.
fn pppoe(bytes: &[u8]) -> Result<&[u8], Skip> {
    match bytes {
        [0x11, 0x00, _, _, _, _, rest @ ..] => ppp(rest),
        [_, _, _, _, _, _, ..] => Err(Skip::NotIp(0x8864)),
        _ => Err(Skip::Cut),
    }
}

fn at(bytes: &[u8], offset: usize) -> Result<u16, Skip> {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map(|two| u16::from_be_bytes(*two)).ok_or(Skip::Cut)
}

fn from(bytes: &[u8], offset: usize) -> Result<&[u8], Skip> {
    bytes.get(offset..).ok_or(Skip::Cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETHERNET: LinkType = LinkType(1);
    const IP: &[u8] = &[0x45, 0, 0, 20];
    const SNAP: &[u8] = &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

    fn ethernet(tail: &[u8]) -> Vec<u8> {
        [&[0u8; 12], tail, IP].concat()
    }

    /// So many bytes, then these, then IP.
    fn behind(header: usize, tail: &[u8]) -> Vec<u8> {
        [&vec![0; header][..], tail, IP].concat()
    }

    fn wireless(control: [u8; 2], header: usize) -> Vec<u8> {
        [&control, &vec![0; header - 2][..], SNAP, IP].concat()
    }

    #[test]
    fn ip_is_found_behind_every_link_header() {
        let mut routed = [&[0x10u8, 0x40][..], &[0; 6], &[0x80; 6], &[6, 0x30, 1, 2, 3, 4], SNAP, IP].concat();
        let pktap = |header: u8| {
            let mut bytes = vec![header, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
            bytes.resize(header.into(), 0);
            [&bytes[..], &ethernet(&[8, 0])].concat()
        };
        let nflog = |tail: &[u8]| [&[2u8, 0, 0, 30][..], tail, IP].concat();
        let avs =
            |header: u8| [&[0x80u8, 0x21, 0x10, 1, 0, 0, 0, header][..], &vec![0; usize::from(header) - 8]].concat();
        let cases: [(u32, Vec<u8>); 57] = [
            (1, ethernet(&[8, 0])),
            (1, ethernet(&[0x81, 0, 0, 5, 8, 0])),
            (1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 0x81, 0, 0, 8, 8, 0])),
            (1, ethernet(&[0x82, 0, 0, 5, 8, 0])),
            (1, ethernet(&[0x89, 0x26, 1, 2, 3, 4, 0x81, 0, 0, 5, 8, 0])),
            (1, ethernet(&[0x89, 0x3f, 1, 2, 3, 4, 5, 6, 8, 0])),
            (1, ethernet(&[0x89, 0x09, 1, 1, 0, 1, 0, 7, 8, 0])),
            (1, ethernet(&[0x88, 0xa8, 0, 5, 0x88, 0xe7, 0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 8, 0])),
            (1, ethernet(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64])),
            (1, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0, 0x21])),
            (1, ethernet(&[0, 12, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0])),
            (1, ethernet(&[0, 12, 0xaa, 0xaa, 3, 0, 0, 0xf8, 0x81, 0, 0, 1, 8, 0])),
            (1, ethernet(&[0, 7, 6, 6, 3])),
            (113, behind(14, &[8, 0])),
            (276, [&[8u8, 0], &[0; 18][..], IP].concat()),
            (0, [&[2u8, 0, 0, 0], IP].concat()),
            (0, [&[0u8, 0, 0, 30], IP].concat()),
            (108, [&[0u8, 0, 0, 2], IP].concat()),
            (101, IP.to_vec()),
            (9, [&[0xffu8, 3, 0, 0x21], IP].concat()),
            (9, [&[0x21u8], IP].concat()),
            (9, [&[0xffu8, 3, 0x02, 0x81, 0, 1, 1, 64], IP].concat()),
            (9, [&[0x0fu8, 0, 8, 0], IP].concat()),
            (9, [&[0x8fu8, 0, 8, 0], IP].concat()),
            (50, [&[0x0fu8, 0, 8, 0], IP].concat()),
            (50, [&[0xffu8, 3, 0, 0x57], IP].concat()),
            (104, [&[0x0fu8, 0, 8, 0], IP].concat()),
            (6, [&[0x10, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], SNAP, IP].concat()),
            (6, std::mem::take(&mut routed)),
            (8, behind(16, &[])),
            (10, [&[0x50u8], &[0; 12][..], SNAP, IP].concat()),
            (100, [SNAP, IP].concat()),
            (107, [&[0x18u8, 0x41, 3, 0xcc], IP].concat()),
            (107, [&[0x18u8, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], IP].concat()),
            (105, wireless([0x08, 0x01], 24)),
            (105, wireless([0x88, 0x02], 26)),
            (105, wireless([0x88, 0x83], 36)),
            (109, [&[2u8, 0, 0, 0, 1, 2, 3, 4, 0, 0, 4, 0], IP].concat()),
            (109, [&[0u8, 0, 0, 24, 1, 2, 3, 4, 0, 0, 4, 0], IP].concat()),
            (117, [&[61u8, 2], &[0; 62][..], IP].concat()),
            (117, [&[100u8, 24], &[0; 98][..], IP].concat()),
            (119, [&[0x44u8, 0, 0, 0, 144, 0, 0, 0], &[0; 136][..], &wireless([8, 2], 24)].concat()),
            (119, [&[0u8, 0, 0, 0x44, 0, 0, 0, 144], &[0; 136][..], &wireless([8, 2], 24)].concat()),
            (119, [avs(64), wireless([8, 2], 24)].concat()),
            (163, [avs(64), wireless([8, 2], 24)].concat()),
            (122, [&[0u8; 16], SNAP, IP].concat()),
            (127, [&[0u8, 0, 8, 0, 0, 0, 0, 0][..], &wireless([8, 2], 24)].concat()),
            // Time, flags: the header is padded to four bytes.
            (127, [&[0u8, 0, 17, 0, 3, 0, 0, 0][..], &[0; 8], &[0x20], &wireless([0x88, 2], 28)].concat()),
            // More words of what is there.
            (127, [&[0u8, 0, 13, 0, 2, 0, 0, 0x80, 0, 0, 0, 0, 0x20], &wireless([0x88, 2], 28)[..]].concat()),
            (138, behind(16, &[8, 0])),
            (226, [&[1u8, 2], &[0; 22][..], IP].concat()),
            (239, nflog(&[8, 0, 1, 0, 8, 0, 3, 0, 5, 0, 10, 0, 0, 0, 0, 0, 8, 0, 9, 0])),
            (239, nflog(&[0, 8, 0, 1, 0, 8, 0, 3, 0, 8, 0, 9])),
            (240, [&[0u8; 4], &ethernet(&[8, 0])[..]].concat()),
            (258, pktap(108)),
            (258, pktap(156)),
            (274, [&[0x55u8; 7], &[0xd5][..], &ethernet(&[8, 0])].concat()),
        ];
        for (link, bytes) in cases {
            assert_eq!(peel(LinkType(link), &bytes), Ok(IP), "link type {link}: {bytes:02x?}");
            assert!(!LinkType(link).name().is_empty(), "link type {link} has no name");
            for cut in 0..bytes.len() - IP.len() {
                assert!(peel(LinkType(link), &bytes[..cut]).map_or(true, |rest| rest.len() < IP.len()));
            }
        }
    }

    #[test]
    fn what_is_no_ip_says_so() {
        let told = |link, bytes: &[u8]| peel(LinkType(link), bytes).expect_err("no IP").name().into_owned();
        assert_eq!(told(1, &ethernet(&[8, 6])), "ARP");
        assert_eq!(told(147, IP), "link type 147 USER0");
        assert_eq!(told(9, &[0xff, 3, 0xc0, 0x21, 1, 1]), "PPP LCP");
        assert_eq!(told(9, &[0xff, 3, 0x40, 0x01, 1, 1]), "PPP protocol 0x4001");
        assert_eq!(told(9, &[0xff, 3, 0x08, 0x06, 1, 1]), "PPP protocol 0x0806");
        assert_eq!(told(0, &[0, 0, 0, 16, 0, 0]), "address family 16");
        assert_eq!(told(0, &[6, 8, 0, 0, 0, 0]), "address family 2054");
        assert_eq!(told(109, &[16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "address family 16");
        assert_eq!(told(105, &wireless([0x80, 0], 24)), "IEEE 802.11 without data");
        assert_eq!(told(105, &wireless([0x48, 0], 24)), "IEEE 802.11 without data");
        assert_eq!(told(105, &wireless([0x08, 0x41], 24)), "IEEE 802.11, encrypted");
        let mut aggregate = wireless([0x88, 0x01], 26);
        aggregate[24] = 0x80;
        assert_eq!(told(105, &aggregate), "IEEE 802.11, several frames in one");
        let mut later = wireless([0x08, 0x01], 24);
        later[22] = 1;
        assert_eq!(told(105, &later), "later fragment");
        assert_eq!(told(258, &[[108, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0], [0; 12]].concat()), "link type 258 PKTAP");
        assert_eq!(told(239, &[7, 0, 0, 0, 8, 0, 1, 0, 8, 6, 1, 0]), "address family 7");
        for link in [8, 109, 122, 138, 149, 226, 239, 240, 258, 274] {
            assert!(!LinkType(link).name().is_empty(), "link type {link} has no name");
        }
        let endless = ethernet(&[0x81, 0, 0x81, 0].repeat(40));
        assert_eq!(peel(ETHERNET, &endless), Err(Skip::Malformed));
    }
}
