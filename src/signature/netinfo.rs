//! NetInfo's languages (Libinfo-78, `ni_prot.x` and `nibind_prot.x`): domains by tag, look-ups by key, and what each
//! procedure is for. Reads arguments and results; knows no message header.

use super::arguments::{Detail, Kind};
use super::rpc::Call;
use super::xdr::Reader;
use std::net::Ipv4Addr;

/// `netinfod`, one for each domain.
pub const NETINFO: u32 = 200_100_000;
/// `nibindd`, which tells the ports of the domains.
pub const BINDER: u32 = 200_100_001;

/// The longest name that is read; the protocol allows 65,535.
const MAX_NAME: usize = 255;
/// Properties in the answer to STATISTICS: far more than netinfod gives.
const MAX_PROPERTIES: u32 = 64;
/// Procedures whose results are read.
pub const STATISTICS: u32 = 1;
pub const RPARENT: u32 = 22;
pub const READALL: u32 = 25;
/// How a server that is no master answers a write: `NI_RDONLY`, `NI_NOTMASTER`.
pub const NO_WRITES: [u32; 2] = [13, 16];

/// What a procedure of `netinfod` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    LookUp,
    Read,
    Write,
    /// The whole database at once.
    Transfer,
    /// READALL answered without a database: the asker's copy is still good, or it was refused.
    EmptyTransfer,
    /// Replication: RESYNC, CRASHED.
    Replication,
    /// Asks for the parent domain's server.
    Parent,
    /// PING and STATISTICS: whether the server is there and its copy still good.
    Check,
}

impl Use {
    #[must_use]
    pub const fn of(procedure: u32) -> Self {
        match procedure {
            10 | 28 => Use::LookUp,
            5 | 6 | 8 | 12 | 13 | 15 | 16 | 18 | 19 | 21 => Use::Write,
            RPARENT => Use::Parent,
            READALL => Use::Transfer,
            26 | 27 => Use::Replication,
            0 | STATISTICS => Use::Check,
            _ => Use::Read,
        }
    }

    /// For a count.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Use::LookUp => "look-up",
            Use::Read => "read",
            Use::Write => "write",
            Use::Transfer => "full database transfer",
            Use::EmptyTransfer => "transfer answered without data",
            Use::Replication => "replication message",
            Use::Parent => "parent query",
            Use::Check => "check",
        }
    }
}

pub fn detail(call: &Call, arguments: &[u8]) -> Option<Detail> {
    let mut reader = Reader::new(arguments);
    match (call.program, call.procedure) {
        (NETINFO, 10 | 28) => {
            reader.fixed(8)?; // the directory
            let (key, value) = (reader.opaque(MAX_NAME)?, reader.opaque(MAX_NAME)?);
            Some(Detail::new(Kind::Lookup, &[key, b"=", value].concat(), b""))
        }
        (BINDER, 8) => {
            reader.word()?; // the client's address
            let (client, server) = (reader.opaque(MAX_NAME)?, reader.opaque(MAX_NAME)?);
            let within = [b"asked for as the parent of ", client].concat();
            Some(Detail::new(Kind::Tag, server, &within))
        }
        (BINDER, procedure) => {
            let within: &[u8] = match procedure {
                1 => b"registered",
                2 => b"unregistered",
                3 => b"looked up",
                5 => b"created as master",
                6 => b"created as clone",
                7 => b"destroyed",
                _ => return None,
            };
            Some(Detail::new(Kind::Tag, reader.opaque(MAX_NAME)?, within))
        }
        _ => None,
    }
}

/// What a server holds of its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Copy {
    Master,
    Clone,
}

/// The domain's tag, and what the server holds of it, from the answer to STATISTICS: a list of properties without a
/// status before it, of which `tag` has two values on a clone and three on a master (netinfod, `ni_prot_proc.c`).
#[must_use]
pub fn tag_of_statistics(result: &[u8]) -> Option<(String, Option<Copy>)> {
    let mut reader = Reader::new(result);
    for _ in 0..reader.word().filter(|count| *count <= MAX_PROPERTIES)? {
        let name = reader.opaque(MAX_NAME)?;
        let declared = reader.word()?;
        let values: Vec<&[u8]> = (0..declared.min(16)).map_while(|_| reader.opaque(MAX_NAME)).collect();
        if name == b"tag" {
            let copy = match declared {
                2 => Some(Copy::Clone),
                3 => Some(Copy::Master),
                _ => None,
            };
            return values.first().map(|tag| (super::quote(tag), copy));
        }
    }
    None
}

/// Tag and address of the parent domain's server, from the answer to RPARENT.
#[must_use]
pub fn parent(result: &[u8]) -> Option<(String, Ipv4Addr)> {
    let mut reader = Reader::new(result);
    (reader.word()? == 0).then_some(())?;
    Some((super::quote(reader.padded(MAX_NAME)?), Ipv4Addr::from_bits(reader.word()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_binds_and_tags_are_read() {
        let call = |program, procedure| Call { program, version: 2, procedure, cut: false };
        let lookup = b"\0\0\0\0\0\0\0\0\0\0\0\x04name\0\0\0\x05users\0\0\0";
        assert_eq!(detail(&call(NETINFO, 10), lookup), Some(Detail::new(Kind::Lookup, b"name=users", b"")));
        let bind = b"\x0a\0\0\x01\0\0\0\x05local\0\0\0\0\0\0\x07network\0";
        let found = detail(&call(BINDER, 8), bind).expect("a bind");
        assert_eq!((&*found.what, &*found.within), ("network", "asked for as the parent of local"));
        let statistics = b"\0\0\0\x02\0\0\0\x08checksum\0\0\0\x01\0\0\0\x0242\0\0\0\0\0\x03tag\0\0\0\0\x02\0\0\0\x07network\0\0\0\0\x05clone\0\0\0";
        assert_eq!(tag_of_statistics(statistics), Some(("network".to_owned(), Some(Copy::Clone))));
        let mut of_master = statistics[..statistics.len() - 8].to_vec();
        of_master[39] = 3;
        assert_eq!(
            tag_of_statistics(&of_master),
            Some(("network".to_owned(), Some(Copy::Master))),
            "cut by the capture"
        );
        assert_eq!(
            parent(b"\0\0\0\0\0\0\0\x04root\x0a\0\0\x09"),
            Some(("root".to_owned(), Ipv4Addr::new(10, 0, 0, 9)))
        );
        assert_eq!(parent(b"\0\0\0\x0b"), None, "this is the root");
        for cut in 0..statistics.len() {
            let _ = (
                tag_of_statistics(&statistics[..cut]),
                parent(&statistics[..cut]),
                detail(&call(NETINFO, 10), &lookup[..cut.min(lookup.len())]),
            );
        }
    }
}
