//! ICMP errors: what became of a packet that did not arrive.
//!
//! In: an ICMP message. Out: who says what of which datagram. Never: the quoted packet taken for one that travelled here.

use super::cut::Cut;
use super::datagram::{Addr, Carrier, Endpoint, FiveTuple, Transport, TunnelId};
use super::ip::{self, protocol};
use std::fmt;

/// Why a datagram did not arrive. ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443) say much the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IcmpReason {
    /// Nobody listens at that port.
    PortUnreachable,
    /// The host cannot be reached, or does not exist.
    HostUnreachable,
    /// There is no route.
    NetworkUnreachable,
    /// The host does not speak that protocol.
    ProtocolUnreachable,
    /// A firewall or a policy forbids it.
    Prohibited,
    /// It is larger than the next hop takes.
    PacketTooBig,
    /// It went through too many hops.
    TimeExceeded,
}

impl fmt::Display for IcmpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PortUnreachable => "port unreachable",
            Self::HostUnreachable => "host unreachable",
            Self::NetworkUnreachable => "network unreachable",
            Self::ProtocolUnreachable => "protocol unreachable",
            Self::Prohibited => "administratively prohibited",
            Self::PacketTooBig => "packet too big",
            Self::TimeExceeded => "time exceeded",
        })
    }
}

/// An ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// When, where, in which IP packet.
    pub carrier: Carrier,
    /// Who says so: the host itself, or a router on the way.
    pub from: Addr,
    /// The datagram that it quotes, as it was sent.
    pub flow: FiveTuple,
    /// What became of it.
    pub reason: IcmpReason,
    /// Bytes that the next hop takes, where it says so.
    pub mtu: Option<u32>,
    /// A number that differs, in all likelihood, where another packet is quoted.
    pub quote: u64,
}

/// What is quoted, and what is said of it.
pub(super) struct Message {
    pub(super) flow: FiveTuple,
    pub(super) reason: IcmpReason,
    pub(super) mtu: Option<u32>,
    pub(super) quote: u64,
}

/// Bytes of the quote that tell it from others: IP and UDP headers, and the head of what they carry.
const QUOTE: usize = 96;

/// Reads a message; none where it is no error, or quotes neither UDP nor TCP.
pub(super) fn error(v4: bool, cut: Cut<'_>, tunnel: TunnelId) -> Option<Message> {
    let head = cut.head::<8>("icmp").ok()?;
    let reason = if v4 { reason_v4(head[0], head[1]) } else { reason_v6(head[0], head[1]) }?;
    let mtu = match (reason, v4) {
        // Routers from before RFC 1191 have nothing there.
        (IcmpReason::PacketTooBig, true) => {
            Some(u32::from(u16::from_be_bytes([head[6], head[7]]))).filter(|mtu| *mtu > 0)
        }
        (IcmpReason::PacketTooBig, false) => Some(u32::from_be_bytes([head[4], head[5], head[6], head[7]])),
        _ => None,
    };
    let quoted = cut.after(8);
    let (header, payload) = ip::open(quoted).ok()?;
    if header.v4 != v4 || payload.fragment.is_some_and(|fragment| fragment.offset > 0) {
        return None;
    }
    let transport = match payload.protocol {
        protocol::UDP | protocol::UDP_LITE => Transport::Udp,
        protocol::TCP => Transport::Tcp,
        _ => return None,
    };
    let ports = payload.content.head::<4>("icmp").ok()?;
    let flow = FiveTuple {
        src: Endpoint { addr: header.src, port: u16::from_be_bytes([ports[0], ports[1]]) },
        dst: Endpoint { addr: header.dst, port: u16::from_be_bytes([ports[2], ports[3]]) },
        transport,
        tunnel,
    };
    // FNV-1a.
    let quote = quoted.at_most(QUOTE).bytes().iter();
    let quote =
        quote.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    Some(Message { flow, reason, mtu, quote })
}

/// RFC 792; the codes of type 3 from RFC 1122, section 3.2.2.1, and RFC 1812, section 5.2.7.1.
fn reason_v4(kind: u8, code: u8) -> Option<IcmpReason> {
    Some(match (kind, code) {
        (3, 0 | 6 | 11) => IcmpReason::NetworkUnreachable,
        (3, 1 | 7 | 12) => IcmpReason::HostUnreachable,
        (3, 2) => IcmpReason::ProtocolUnreachable,
        (3, 3) => IcmpReason::PortUnreachable,
        (3, 4) => IcmpReason::PacketTooBig,
        (3, 9 | 10 | 13) => IcmpReason::Prohibited,
        (11, 0) => IcmpReason::TimeExceeded,
        _ => return None,
    })
}

/// RFC 4443, section 3.
fn reason_v6(kind: u8, code: u8) -> Option<IcmpReason> {
    Some(match (kind, code) {
        (1, 0) => IcmpReason::NetworkUnreachable,
        (1, 1 | 5 | 6) => IcmpReason::Prohibited,
        (1, 2 | 3) => IcmpReason::HostUnreachable,
        (1, 4) => IcmpReason::PortUnreachable,
        (2, _) => IcmpReason::PacketTooBig,
        (3, 0) => IcmpReason::TimeExceeded,
        _ => return None,
    })
}
