//! IEEE 802.11, and the three kinds of header that capturing programs put before it. Knows data frames in clear only.

use super::{from, llc};
use crate::skip::{Skip, Wireless};

/// The magic number of an AVS header, but for its version in the last bits.
const AVS: [u8; 3] = [0x80, 0x21, 0x10];
/// Words of what a radiotap header holds; more is no header.
const MAX_PRESENT: usize = 16;

/// A frame whose header is padded to a multiple of four bytes where `padded` says so.
pub(super) fn ieee802_11(bytes: &[u8], flags: u8) -> Result<&[u8], Skip> {
    let &[control, more] = bytes.first_chunk().ok_or(Skip::Cut)?;
    // Protocol version 0; data that are there.
    if control & 0x03 != 0 {
        return Err(Skip::Malformed);
    }
    if control & 0x0c != 0x08 || control & 0x40 != 0 {
        return Err(Skip::Wireless(Wireless::NoData));
    }
    if more & 0x40 != 0 {
        return Err(Skip::Wireless(Wireless::Encrypted));
    }
    // Four addresses from one access point to another; quality of service, and what it may have behind it.
    let addresses = if more & 0x03 == 0x03 { 30 } else { 24 };
    let has_quality = control & 0x80 != 0;
    let header = match (has_quality, more & 0x80 != 0) {
        (false, _) => addresses,
        (true, false) => addresses + 2,
        (true, true) => addresses + 6,
    };
    if has_quality && bytes.get(addresses).ok_or(Skip::Cut)? & 0x80 != 0 {
        return Err(Skip::Wireless(Wireless::Aggregate));
    }
    if bytes.get(22).ok_or(Skip::Cut)? & 0x0f != 0 {
        return Err(Skip::LaterFragment);
    }
    let header = if flags & PADDED == 0 { header } else { header.next_multiple_of(4) };
    llc(from(bytes, header)?)
}

/// The flag of radiotap's that there is padding between header and data.
const PADDED: u8 = 0x20;

/// Radiotap (<https://www.radiotap.org>): its length, and of its fields the flags, which stand behind the time.
pub(super) fn radiotap(bytes: &[u8]) -> Result<&[u8], Skip> {
    let &[version, _, a, b] = bytes.first_chunk().ok_or(Skip::Cut)?;
    if version != 0 {
        return Err(Skip::Malformed);
    }
    let length = usize::from(u16::from_le_bytes([a, b]));
    let header = bytes.get(..length).ok_or(Skip::Cut)?;
    let mut fields = 4;
    let mut present = 0;
    for word in 0..MAX_PRESENT {
        let next = header.get(fields..).and_then(|rest| rest.first_chunk()).ok_or(Skip::Malformed)?;
        let next = u32::from_le_bytes(*next);
        present = if word == 0 { next } else { present };
        fields += 4;
        if next >> 31 == 0 {
            break;
        }
    }
    let flags = match present & 0x03 {
        // Eight bytes of time, at a multiple of eight.
        0x03 => header.get(fields.next_multiple_of(8) + 8),
        0x02 => header.get(fields),
        _ => None,
    };
    ieee802_11(&bytes[length..], flags.copied().unwrap_or(0))
}

/// The header of the Prism driver, which says its length in the byte order of whoever captured; or an AVS header.
pub(super) fn prism(bytes: &[u8]) -> Result<&[u8], Skip> {
    if bytes.starts_with(&AVS) {
        return avs(bytes);
    }
    let length = *bytes.get(4..).and_then(|rest| rest.first_chunk()).ok_or(Skip::Cut)?;
    let length = if length[0] == 0 { u32::from_be_bytes(length) } else { u32::from_le_bytes(length) };
    ieee802_11(from(bytes, length as usize)?, 0)
}

/// The AVS header, whose second word is its length.
pub(super) fn avs(bytes: &[u8]) -> Result<&[u8], Skip> {
    let length = *bytes.get(4..).and_then(|rest| rest.first_chunk()).ok_or(Skip::Cut)?;
    ieee802_11(from(bytes, u32::from_be_bytes(length) as usize)?, 0)
}
