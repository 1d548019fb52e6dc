//! Why a frame gave no packet, in one word each: counted, and shown in every report. Knows no bytes.

use crate::frame::LinkType;
use std::borrow::Cow;

/// Why a frame gave no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// A link type that gapwatch cannot peel, by its LINKTYPE number.
    UnknownLink(u32),
    /// Another protocol than IP, by `EtherType` (or PPP protocol, or address family); 0 for plain IEEE 802.3.
    NotIp(u16),
    /// Another protocol than TCP and UDP, by IP protocol number.
    OtherTransport(u8),
    /// A fragment other than the first: it has no ports.
    LaterFragment,
    /// The capture ends before the ports.
    Cut,
    /// Headers that contradict themselves.
    Malformed,
    /// A pcapng record that is counted like a packet but is none (a journal entry, a system call).
    NotAPacket,
    /// A packet of an interface that the capture does not describe.
    NoInterface,
}

impl Skip {
    /// A short stable name, as reports have it.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Skip::UnknownLink(number) => {
                let name = LinkType(number).name();
                let blank = if name.is_empty() { "" } else { " " };
                return Cow::Owned(format!("link type {number}{blank}{name}"));
            }
            Skip::NotIp(0x0806) => "ARP",
            Skip::NotIp(0x88cc) => "LLDP",
            Skip::NotIp(0x888e) => "EAPOL",
            Skip::NotIp(0x88e5) => "MACsec",
            Skip::NotIp(0x8847) => "MPLS without IP",
            Skip::NotIp(0x8863 | 0x8864) => "PPPoE without IP",
            Skip::NotIp(0) => "IEEE 802.3 without IP",
            Skip::NotIp(kind) => return Cow::Owned(format!("EtherType 0x{kind:04x}")),
            Skip::OtherTransport(1) => "ICMP",
            Skip::OtherTransport(2) => "IGMP",
            Skip::OtherTransport(47) => "GRE that could not be opened",
            Skip::OtherTransport(50) => "ESP",
            Skip::OtherTransport(58) => "ICMPv6",
            Skip::OtherTransport(89) => "OSPF",
            Skip::OtherTransport(132) => "SCTP",
            Skip::OtherTransport(number) => return Cow::Owned(format!("IP protocol {number}")),
            Skip::LaterFragment => "later fragment",
            Skip::Cut => "cut before the ports",
            Skip::Malformed => "malformed",
            Skip::NotAPacket => "not a packet",
            Skip::NoInterface => "unknown interface",
        })
    }
}
