//! The mount protocol (RFC 1813, appendix I): which path a call asks for, and what the status of the answer means. Reads
//! arguments; knows no message header.

use super::arguments::{Detail, Kind};
use super::rpc::Call;
use super::xdr::Reader;

pub const MOUNTD: u32 = 100_005;
pub const MNT: u32 = 1;
const UMNT: u32 = 3;

/// The longest path (`MNTPATHLEN`).
const MAX_PATH: usize = 1024;

pub fn detail(call: &Call, arguments: &[u8]) -> Option<Detail> {
    let kind = match call.procedure {
        MNT => Kind::MountPath,
        UMNT => Kind::UnmountPath,
        _ => return None,
    };
    Some(Detail::new(kind, Reader::new(arguments).opaque(MAX_PATH)?, b""))
}

/// The first word of the answer to MNT, in words (RFC 1813, appendix I, `mountstat3`; errno in version 1).
#[must_use]
pub const fn status(word: u32) -> &'static str {
    match word {
        0 => "granted",
        1 => "refused: not the owner",
        2 => "refused: no such path",
        5 => "refused: input or output error",
        13 => "refused: access denied",
        20 => "refused: not a directory",
        63 => "refused: name too long",
        10_004 => "refused: not supported",
        10_006 => "refused: server fault",
        _ => "refused",
    }
}
