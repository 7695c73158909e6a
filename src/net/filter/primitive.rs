//! A filter as it was understood.
//!
//! In: nothing. Out: the tree that the parser builds and the compiler walks. Never: anything of a link type.

use super::error::Span;

/// `and` and `or` bind alike and to the left; chains of one of them are one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Primitive(Primitive, Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    Protocol(Protocol),
    /// `ip proto N`; without a family, either.
    IpProtocol {
        family: Option<Family>,
        number: u8,
    },
    /// `host` and `net`; `within` is IP, ARP or RARP, and `None` is any of them.
    Net4 {
        within: Option<Protocol>,
        direction: Direction,
        address: u32,
        mask: u32,
    },
    Net6 {
        direction: Direction,
        address: u128,
        mask: u128,
    },
    /// `port` and `portrange`; `transport` is TCP, UDP or SCTP, and `None` is any of them.
    Ports {
        transport: Option<Protocol>,
        direction: Direction,
        first: u16,
        last: u16,
    },
    Vlan(Option<u16>),
    /// Length on the wire at least this.
    Greater(u32),
    /// Length on the wire at most this.
    Less(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Esp,
    Ah,
}

impl Protocol {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "ip" => Self::Ip,
            "ip6" => Self::Ip6,
            "arp" => Self::Arp,
            "rarp" => Self::Rarp,
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "sctp" => Self::Sctp,
            "icmp" => Self::Icmp,
            "icmp6" => Self::Icmp6,
            "igmp" => Self::Igmp,
            "esp" => Self::Esp,
            "ah" => Self::Ah,
            _ => return None,
        })
    }
}
