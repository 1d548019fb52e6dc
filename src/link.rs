//! The link header off: from a captured frame to the IP packet in it. Knows link layers, and nothing above IP.

use crate::frame::LinkType;
use crate::skip::Skip;

/// More tags or labels than this on one frame is no network but an attack on the reader; such frames are malformed.
const MAX_TAGS: usize = 16;

const ETHERNET: LinkType = LinkType(1);

/// The bytes of a frame from its IP header on.
///
/// # Errors
/// [`Skip::UnknownLink`] for a link type that is not in the list, [`Skip::NotIp`] for frames of other protocols,
/// [`Skip::Cut`] where the capture or the frame ends before the IP header.
pub fn peel(link: LinkType, bytes: &[u8]) -> Result<&[u8], Skip> {
    match link.0 {
        1 => ether_type(at(bytes, 12)?, from(bytes, 14)?),
        12 | 14 | 101 | 228 | 229 => Ok(bytes),
        113 => ether_type(at(bytes, 14)?, from(bytes, 16)?),
        276 => ether_type(at(bytes, 0)?, from(bytes, 20)?),
        // The address family in the byte order of whoever captured; 2 is IPv4 everywhere, IPv6 is 10, 24, 28 or 30.
        0 | 108 => match bytes.first_chunk().ok_or(Skip::Cut)? {
            [2 | 24 | 28 | 30 | 10, 0, 0, 0] | [0, 0, 0, 2 | 24 | 28 | 30 | 10] => Ok(&bytes[4..]),
            &[a, b, c, d] => {
                Err(Skip::NotIp(if a == 0 { u16::from_be_bytes([c, d]) } else { u16::from_le_bytes([a, b]) }))
            }
        },
        9 => ppp(bytes),
        // Either PPP in HDLC-like framing (RFC 1662) or Cisco's framing, told by the first byte.
        50 if bytes.first() == Some(&0xff) => ppp(bytes),
        50 | 104 => ether_type(at(bytes, 2)?, from(bytes, 4)?),
        51 => pppoe(bytes),
        other => Err(Skip::UnknownLink(other)),
    }
}

/// The IP packet in an Ethernet frame, as tunnels carry them.
///
/// # Errors
/// As [`peel`].
pub fn peel_ethernet(bytes: &[u8]) -> Result<&[u8], Skip> {
    peel(ETHERNET, bytes)
}

/// What follows an `EtherType`: IP, or tags and labels with IP behind them.
///
/// # Errors
/// As [`peel`].
pub fn ether_type(mut kind: u16, mut rest: &[u8]) -> Result<&[u8], Skip> {
    for _ in 0..MAX_TAGS {
        match kind {
            0x0800 | 0x86dd => return Ok(rest),
            // IEEE 802.1Q, 802.1ad, and the older QinQ numbers
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => (kind, rest) = (at(rest, 2)?, from(rest, 4)?),
            0x8847 | 0x8848 => return mpls(rest),
            0x8864 => return pppoe(rest),
            // IEEE 802.3 with an LLC/SNAP header (RFC 1042)
            0..0x0600 if rest.starts_with(&[0xaa, 0xaa, 0x03, 0, 0, 0]) => {
                (kind, rest) = (at(rest, 6)?, from(rest, 8)?);
            }
            0..0x0600 => return Err(Skip::NotIp(0)),
            _ => return Err(Skip::NotIp(kind)),
        }
    }
    Err(Skip::Malformed)
}

/// Labels down to the bottom of the stack (RFC 3032); IP is told by its version, as no field names the payload.
fn mpls(mut rest: &[u8]) -> Result<&[u8], Skip> {
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
fn ppp(bytes: &[u8]) -> Result<&[u8], Skip> {
    let bytes = bytes.strip_prefix(&[0xff, 0x03]).unwrap_or(bytes);
    match bytes {
        [0x00, 0x21 | 0x57, rest @ ..] | [0x21 | 0x57, rest @ ..] => Ok(rest),
        [a, b, ..] => Err(Skip::NotIp(u16::from_be_bytes([*a, *b]))),
        _ => Err(Skip::Cut),
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

    const IP: &[u8] = &[0x45, 0, 0, 20];

    fn ethernet(tail: &[u8]) -> Vec<u8> {
        [&[0u8; 12], tail, IP].concat()
    }

    #[test]
    fn ip_is_found_behind_every_link_header() {
        let cases: [(u32, Vec<u8>); 15] = [
            (1, ethernet(&[8, 0])),
            (1, ethernet(&[0x81, 0, 0, 5, 8, 0])),
            (1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 0x81, 0, 0, 8, 8, 0])),
            (1, ethernet(&[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64])),
            (1, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0, 0x21])),
            (1, ethernet(&[0, 12, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0])),
            (113, [&[0u8; 14][..], &[8, 0], IP].concat()),
            (276, [&[8u8, 0], &[0; 18][..], IP].concat()),
            (0, [&[2u8, 0, 0, 0], IP].concat()),
            (0, [&[0u8, 0, 0, 30], IP].concat()),
            (108, [&[0u8, 0, 0, 2], IP].concat()),
            (101, IP.to_vec()),
            (9, [&[0xffu8, 3, 0, 0x21], IP].concat()),
            (50, [&[0x0fu8, 0, 8, 0], IP].concat()),
            (9, [&[0x21u8], IP].concat()),
        ];
        for (link, bytes) in cases {
            assert_eq!(peel(LinkType(link), &bytes), Ok(IP), "link type {link}: {bytes:02x?}");
            for cut in 0..bytes.len() - IP.len() {
                assert!(peel(LinkType(link), &bytes[..cut]).map_or(true, |rest| rest.len() < IP.len()));
            }
        }
    }

    #[test]
    fn what_is_no_ip_says_so() {
        assert_eq!(peel(ETHERNET, &ethernet(&[8, 6])), Err(Skip::NotIp(0x0806)));
        assert_eq!(peel(LinkType(127), IP), Err(Skip::UnknownLink(127)));
        assert_eq!(LinkType(127).name(), "IEEE802_11_RADIOTAP");
        let endless = ethernet(&[0x81, 0, 0x81, 0].repeat(40));
        assert_eq!(peel(ETHERNET, &endless), Err(Skip::Malformed));
    }
}
