//! What a call asks for in detail, for the programs where triage wants to know: maps, paths, domains, forwarded calls,
//! and arguments that look like an exploit. Sees one call; knows no flow and no verdict.
//!
//! To add a program: a file beside its neighbours with a function like theirs, and its arm in [`detail`].

use super::rpc::{Call, Found};
use super::{exploit, mount, netinfo, nis, password, portmap};

/// The longest piece of an argument that is kept, in bytes: paths are longer than what a signature quotes.
const MAX_PIECE: usize = 160;

/// What a [`Detail`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    // What looks like an exploit; `what` quotes it, `within` says of which argument or limit.
    /// Arguments longer than the program ever takes, filled with a repeated pattern.
    Overlong,
    /// A verifier that no client sends.
    Verifier,
    /// printf directives where a name belongs.
    FormatString,
    /// A shell or a command where a name belongs.
    Command,
    /// A path that climbs out of where it belongs.
    Traversal,
    /// A string that claims more bytes than any message has.
    Bomb,
    // What ordinary clients ask.
    /// A NIS map is read as a whole; `within` is the domain.
    WholeMap,
    /// A NIS map is read entry by entry; `within` is the domain.
    MapEntries,
    /// A NIS server is told to fetch a map from another; `within` is the domain.
    MapToFetch,
    /// A key of a NIS map; `within` is the domain.
    MapKey,
    NisDomain,
    /// A password; `what` is whose, `within` how it is hidden.
    Password,
    MountPath,
    UnmountPath,
    /// A NetInfo domain by its tag; `within` says what is done with it.
    Tag,
    /// A NetInfo look-up: `key=value`.
    Lookup,
    /// A program called through the portmapper: `what` is program and procedure by number.
    Forwarded,
}

impl Kind {
    /// Whether it speaks of an attack.
    #[must_use]
    pub const fn is_abuse(self) -> bool {
        matches!(
            self,
            Kind::Overlong | Kind::Verifier | Kind::FormatString | Kind::Command | Kind::Traversal | Kind::Bomb
        )
    }
}

/// What a call asks for. The texts come from the packet: outputs escape them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Detail {
    pub kind: Kind,
    pub what: Box<str>,
    /// What it belongs to; empty where that says nothing.
    pub within: Box<str>,
}

impl Detail {
    #[must_use]
    pub fn new(kind: Kind, what: &[u8], within: &[u8]) -> Self {
        Detail { kind, what: piece(what), within: piece(within) }
    }
}

fn piece(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_PIECE)]).into()
}

/// What is worth telling of a call; `found` is the message that it is in.
#[must_use]
pub fn detail(call: &Call, found: &Found<'_>) -> Option<Detail> {
    if call.cut {
        return None;
    }
    let (arguments, length) = (found.content, found.message.length);
    if let Some(abuse) = exploit::verifier(found.verifier).or_else(|| exploit::detail(call, arguments, length)) {
        return Some(abuse);
    }
    match call.program {
        portmap::PORTMAPPER => portmap::forwarded(call, arguments),
        nis::YPSERV | nis::YPBIND | nis::YPXFRD | nis::FREEBSD_YPXFRD => nis::detail(call, arguments),
        mount::MOUNTD => mount::detail(call, arguments),
        password::YPPASSWDD | password::PCNFSD => password::detail(call, arguments),
        netinfo::NETINFO | netinfo::BINDER => netinfo::detail(call, arguments),
        _ => None,
    }
}
