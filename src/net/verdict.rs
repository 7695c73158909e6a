//! What the decoder says of a record: what it carried, or why nothing came out of it.
//!
//! In: nothing. Out: the types. Never: a reason without a variant of its own: callers count by reason.

use crate::bytes::ParseError;
use crate::net::{Datagram, IcmpError, Segment};
use crate::packet;
use std::fmt;

/// One thing that a record carried (or completed, where it was the last fragment).
///
/// The payload is a sub-slice of the record's `data`, except where fragments were put together: that one lives only
/// as long as the call.
#[derive(Clone, Copy, Debug)]
pub enum Unit<'a> {
    /// A UDP datagram.
    Datagram(Datagram<'a>),
    /// A TCP segment.
    Segment(Segment<'a>),
    /// An ICMP error about a datagram or segment. The record's verdict is [`OtherReason::Icmp`] all the same.
    Error(IcmpError),
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sink was called.
    Delivered,
    /// A fragment of a datagram that is not complete yet.
    FragmentHeld,
    /// Understood, but neither UDP nor TCP in the clear.
    Other(OtherReason),
    /// Not what its headers say.
    Malformed(ParseError),
}

impl Verdict {
    /// The verdict on headers that are `cut`: where bytes lack, it is not their sender who left them out.
    pub(super) fn on_headers(self, cut: bool) -> Self {
        match self {
            Verdict::Malformed(error) if cut && error.need > error.have => Verdict::Other(OtherReason::CutOff),
            verdict => verdict,
        }
    }
}

impl From<ParseError> for Verdict {
    fn from(error: ParseError) -> Self {
        Verdict::Malformed(error)
    }
}

impl From<OtherReason> for Verdict {
    fn from(reason: OtherReason) -> Self {
        Verdict::Other(reason)
    }
}

/// Why a well-formed record gave neither datagram nor segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OtherReason {
    /// ARP, RFC 826.
    Arp,
    /// ICMP and ICMPv6; the packet that an error quotes is not one that travelled here.
    Icmp,
    /// IGMP.
    Igmp,
    /// SCTP.
    Sctp,
    /// IPsec ESP, RFC 4303.
    Esp,
    /// An IPv6 packet whose last header says that nothing follows (RFC 8200, section 4.7).
    NoNextHeader,
    /// Any other IP protocol, by its number.
    IpProtocol(u8),
    /// Any other ether type.
    EtherType(u16),
    /// 802.2 LLC other than IP in SNAP.
    Llc,
    /// Any other PPP protocol, by its number.
    PppProtocol(u16),
    /// A BSD address family other than IPv4 and IPv6.
    AddressFamily(u32),
    /// A Frame Relay payload other than IP, by its NLPID.
    Nlpid(u8),
    /// A pseudo-wire or another payload behind MPLS labels that is neither IP nor Ethernet.
    MplsPayload,
    /// An 802.11 frame without data: management, control, null.
    WirelessControl,
    /// An encrypted 802.11 frame.
    WirelessEncrypted,
    /// A part of a fragmented 802.11 frame.
    WirelessFragment,
    /// A frame whose check sequence the receiver found wrong.
    WirelessDamaged,
    /// More tunnels in one another than the limit.
    TunnelDepth,
    /// A link type that is not read.
    LinkType(u16),
    /// A record that a snap length cut within the headers.
    CutOff,
}

/// As the report writes it.
impl fmt::Display for OtherReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp => f.write_str("ARP"),
            Self::Icmp => f.write_str("ICMP"),
            Self::Igmp => f.write_str("IGMP"),
            Self::Sctp => f.write_str("SCTP"),
            Self::Esp => f.write_str("ESP"),
            Self::NoNextHeader => f.write_str("IPv6 without a next header"),
            Self::IpProtocol(number) => write!(f, "IP protocol {number}"),
            Self::EtherType(number) => write!(f, "ether type 0x{number:04x}"),
            Self::Llc => f.write_str("802.2 LLC"),
            Self::PppProtocol(number) => write!(f, "PPP protocol 0x{number:04x}"),
            Self::AddressFamily(number) => write!(f, "address family {number}"),
            Self::Nlpid(number) => write!(f, "Frame Relay NLPID 0x{number:02x}"),
            Self::MplsPayload => f.write_str("MPLS payload that is neither IP nor Ethernet"),
            Self::WirelessControl => f.write_str("802.11 frame without data"),
            Self::WirelessEncrypted => f.write_str("encrypted 802.11 frame"),
            Self::WirelessFragment => f.write_str("part of a fragmented 802.11 frame"),
            Self::WirelessDamaged => f.write_str("damaged 802.11 frame"),
            Self::TunnelDepth => f.write_str("tunnels nested too deep"),
            Self::LinkType(number) => write!(f, "link type {}", packet::LinkType(*number)),
            Self::CutOff => f.write_str("headers cut off by the snap length"),
        }
    }
}
