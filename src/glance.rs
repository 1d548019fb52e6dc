//! The fast lane: the two ports of a plain frame, read more cheaply than by decoding it. Decides nothing: where it is
//! not sure, it says nothing, and where it says something, the slow lane says the same (the lane lemma).

use crate::frame::Frame;
use crate::port::{Ports, Transport};
use crate::tunnel;

/// The ports of a frame that holds an unfragmented TCP or UDP packet in plain IP, with at most one VLAN tag around it.
/// `None` for everything else: that is the slow lane's.
#[inline]
#[must_use]
pub fn glance(frame: &Frame<'_>) -> Option<Ports> {
    let bytes = frame.bytes;
    let (kind, ip) = match frame.link.0 {
        1 => match bytes.get(12..14)? {
            [0x81, 0x00] => (u16_at(bytes, 16)?, 18),
            &[a, b] => (u16::from_be_bytes([a, b]), 14),
            _ => return None,
        },
        113 => (u16_at(bytes, 14)?, 16),
        276 => (u16_at(bytes, 0)?, 20),
        12 | 14 | 101 | 228 | 229 => (if bytes.first()? >> 4 == 4 { 0x0800 } else { 0x86dd }, 0),
        _ => return None,
    };
    let ip = bytes.get(ip..)?;
    let (protocol, ports) = match kind {
        0x0800 => {
            let header = ip.first_chunk::<24>()?;
            let plain = header[0] == 0x45
                && u16::from_be_bytes([header[2], header[3]]) >= 28
                && u16::from_be_bytes([header[6], header[7]]) & 0x3fff == 0;
            if !plain {
                return None;
            }
            (header[9], [header[20], header[21], header[22], header[23]])
        }
        0x86dd => {
            let header = ip.first_chunk::<44>()?;
            if header[0] >> 4 != 6 || u16::from_be_bytes([header[4], header[5]]) < 8 {
                return None;
            }
            (header[6], [header[40], header[41], header[42], header[43]])
        }
        _ => return None,
    };
    let [a, b, c, d] = ports;
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match protocol {
        6 => Some(Ports { transport: Transport::Tcp, source, destination }),
        17 if !tunnel::may_be_between(source, destination) => {
            Some(Ports { transport: Transport::Udp, source, destination })
        }
        _ => None,
    }
}

#[inline]
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(offset)?, *bytes.get(offset + 1)?]))
}
