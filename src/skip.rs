//! Why a frame gave no packet, in one word each: counted, and shown in every report. Knows no bytes.

use crate::frame::LinkType;
use std::borrow::Cow;

/// Why a frame gave no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// A link type that gapwatch cannot peel, by its LINKTYPE number.
    UnknownLink(u32),
    /// Another protocol than IP, by `EtherType`; 0 for plain IEEE 802.3.
    NotIp(u16),
    /// The same by PPP protocol number.
    Ppp(u16),
    /// The same by the address family of whoever captured.
    Family(u16),
    /// A frame of IEEE 802.11 that cannot be looked into.
    Wireless(Wireless),
    /// A tunnel that could not be opened, or that is nested too deep, by its name.
    Tunnel(&'static str),
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

/// What is the matter with a frame of IEEE 802.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wireless {
    /// Management, control, or a data frame that says something by its header only.
    NoData,
    Encrypted,
    /// Several frames in one (A-MSDU).
    Aggregate,
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
            Skip::Ppp(0xc021) => "PPP LCP",
            Skip::Ppp(0xc023) => "PPP PAP",
            Skip::Ppp(0xc223) => "PPP CHAP",
            Skip::Ppp(0x8021) => "PPP IPCP",
            Skip::Ppp(0x8057) => "PPP IPV6CP",
            Skip::Ppp(0x80fd) => "PPP CCP",
            Skip::Ppp(0x00fd) => "PPP, compressed",
            Skip::Ppp(0x002d | 0x002f) => "PPP with compressed TCP headers",
            Skip::Ppp(0x003d) => "PPP multilink",
            Skip::Ppp(protocol) => return Cow::Owned(format!("PPP protocol 0x{protocol:04x}")),
            Skip::Family(family) => return Cow::Owned(format!("address family {family}")),
            Skip::Wireless(Wireless::NoData) => "IEEE 802.11 without data",
            Skip::Wireless(Wireless::Encrypted) => "IEEE 802.11, encrypted",
            Skip::Wireless(Wireless::Aggregate) => "IEEE 802.11, several frames in one",
            Skip::Tunnel(kind) => return Cow::Owned(format!("tunnel not opened ({kind})")),
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
