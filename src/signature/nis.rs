//! NIS (`yp.x`, `ypxfrd.x`): which map of which domain a call reads. Reads arguments; knows no message header.

use super::arguments::{Detail, Kind};
use super::rpc::Call;
use super::xdr::Reader;

pub const YPSERV: u32 = 100_004;
pub const YPBIND: u32 = 100_007;
pub const YPXFRD: u32 = 100_069;
/// The number under which FreeBSD registers the same protocol.
pub const FREEBSD_YPXFRD: u32 = 600_100_069;

/// Domains and maps are no longer (`YPMAXDOMAIN`, `YPMAXMAP` in `yp.x`).
const MAX_NAME: usize = 64;

pub fn detail(call: &Call, arguments: &[u8]) -> Option<Detail> {
    let mut reader = Reader::new(arguments);
    let mut name = || reader.opaque(MAX_NAME);
    match (call.program, call.version, call.procedure) {
        (YPSERV, 2, 1 | 2 | 11) | (YPBIND, _, 1 | 2) => Some(Detail::new(Kind::NisDomain, name()?, b"")),
        (YPSERV, 2, procedure @ (3..=6 | 8)) => {
            let (domain, map) = (name()?, name()?);
            Some(Detail::new(kind_of(procedure), map, domain))
        }
        // Version 1 puts a request type before them (`yprequest`).
        (YPSERV, 1, procedure @ (3..=5 | 7..=9)) => {
            reader.word()?;
            let (domain, map) = (reader.opaque(MAX_NAME)?, reader.opaque(MAX_NAME)?);
            Some(Detail::new(if procedure >= 7 { Kind::MapToFetch } else { kind_of(procedure) }, map, domain))
        }
        (YPXFRD | FREEBSD_YPXFRD, 1, 1) => {
            let (map, domain) = (name()?, name()?);
            Some(Detail::new(Kind::WholeMap, map, domain))
        }
        _ => None,
    }
}

/// MATCH asks for one key, FIRST and NEXT for one entry after another; XFR (and PUSH, PULL and GET of version 1) tells the server to fetch or send on a map, and gives
/// the caller nothing of it.
const fn kind_of(procedure: u32) -> Kind {
    match procedure {
        3 => Kind::MapKey,
        4 | 5 => Kind::MapEntries,
        6 => Kind::MapToFetch,
        _ => Kind::WholeMap,
    }
}

/// Whether a map holds passwords, or did where shadow maps are not in use.
#[must_use]
pub fn holds_passwords(map: &str) -> bool {
    ["passwd.", "master.passwd.", "shadow."].iter().any(|prefix| map.starts_with(prefix)) || map == "passwd"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_domains_are_read_from_arguments() {
        let arguments = b"\0\0\0\x09gaps.test\0\0\0\0\0\0\x0dpasswd.byname\0\0\0";
        let call = |procedure| Call { program: YPSERV, version: 2, procedure, cut: false };
        assert_eq!(detail(&call(8), arguments), Some(Detail::new(Kind::WholeMap, b"passwd.byname", b"gaps.test")));
        assert_eq!(detail(&call(6), arguments), Some(Detail::new(Kind::MapToFetch, b"passwd.byname", b"gaps.test")));
        assert_eq!(detail(&call(1), arguments), Some(Detail::new(Kind::NisDomain, b"gaps.test", b"")));
        for cut in 0..20 {
            assert_eq!(detail(&call(8), &arguments[..cut]), None);
        }
        assert!(holds_passwords("passwd.byname") && !holds_passwords("hosts.byname"));
    }
}
