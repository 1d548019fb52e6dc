//! Packets with a note of who handed them over: firewall logs (PFLOG, NFLOG), Solaris's IPNET, and macOS's PKTAP.

use super::{from, of_family, peel};
use crate::frame::LinkType;
use crate::skip::Skip;

/// The attribute of NFLOG that is the packet (`NFULA_PAYLOAD` in Linux's `nfnetlink_log.h`).
const NFLOG_PAYLOAD: u16 = 9;
/// Attributes that stand before it; Linux knows two dozen.
const MAX_ATTRIBUTES: usize = 64;
const PKTAP: u32 = 258;

/// The firewall of the BSDs: the length of the header without its padding, and the address family.
pub(super) fn pflog(bytes: &[u8]) -> Result<&[u8], Skip> {
    let &[length, family] = bytes.first_chunk().ok_or(Skip::Cut)?;
    of_family(family.into(), from(bytes, usize::from(length).next_multiple_of(4))?)
}

/// Solaris: version, address family, and 22 bytes more.
pub(super) fn ipnet(bytes: &[u8]) -> Result<&[u8], Skip> {
    let &[version, family] = bytes.first_chunk().ok_or(Skip::Cut)?;
    if version != 1 {
        return Err(Skip::Malformed);
    }
    of_family(family.into(), from(bytes, 24)?)
}

/// Linux's firewall: attributes in the byte order of the machine that captured, of which one is the packet.
pub(super) fn nflog(bytes: &[u8]) -> Result<&[u8], Skip> {
    let &[family, ..] = bytes.first_chunk::<4>().ok_or(Skip::Cut)?;
    let family = of_family(family.into(), &[]).err();
    let attributes = &bytes[4..];
    let packet =
        nflog_payload(attributes, u16::from_le_bytes).or_else(|| nflog_payload(attributes, u16::from_be_bytes));
    match (family, packet) {
        (Some(skip), _) => Err(skip),
        (None, packet) => packet.ok_or(Skip::Cut),
    }
}

fn nflog_payload(mut rest: &[u8], number: fn([u8; 2]) -> u16) -> Option<&[u8]> {
    for _ in 0..MAX_ATTRIBUTES {
        let &[a, b, c, d] = rest.first_chunk()?;
        let length = usize::from(number([a, b]));
        if length < 4 {
            return None;
        }
        if number([c, d]) == NFLOG_PAYLOAD {
            return rest.get(4..length.min(rest.len()));
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// macOS: the length of the header, whether a packet follows, and its link type, all little-endian.
pub(super) fn pktap(bytes: &[u8]) -> Result<&[u8], Skip> {
    let word = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_le_bytes(*four));
    let (Some(length), Some(follows), Some(link)) = (word(0), word(4), word(8)) else { return Err(Skip::Cut) };
    match (follows, link) {
        (_, PKTAP) => Err(Skip::UnknownLink(PKTAP)), // not one in the other
        (1, link) => peel(LinkType(link), from(bytes, length as usize)?),
        _ => Err(Skip::NotAPacket),
    }
}
