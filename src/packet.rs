//! One captured record, as every source hands it on.
//!
//! In: nothing. Out: the types that `source` fills and `net` reads.
//! Never: a look inside the bytes.

use crate::time::Timestamp;
use std::fmt;

/// The number of a record in the merged input, counted from 1 as Wireshark's `frame.number`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FrameNo(pub u64);

impl fmt::Display for FrameNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A `LINKTYPE_` number of the tcpdump registry (16 bits: pcap's FCS bits are already cut off).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkType(pub u16);

macro_rules! link_types {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        impl LinkType {
            $(#[doc = $doc] pub const $name: LinkType = LinkType($number);)*

            /// The registry's name without `LINKTYPE_`, where we know it.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(LinkType::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

link_types! {
    NULL = 0, "BSD loopback, family in the writer's byte order.";
    ETHERNET = 1, "IEEE 802.3, shown as EN10MB as tcpdump does.";
    PPP = 9, "PPP, with or without HDLC framing.";
    FDDI = 10, "FDDI.";
    PPP_HDLC = 50, "PPP in HDLC-like framing, RFC 1662.";
    PPP_ETHER = 51, "PPPoE, RFC 2516.";
    RAW_BSD = 12, "Raw IP, as written by some systems.";
    RAW_OPENBSD = 14, "Raw IP, as written by OpenBSD.";
    RAW = 101, "Raw IP; the version nibble tells which.";
    C_HDLC = 104, "Cisco HDLC.";
    IEEE802_11 = 105, "IEEE 802.11.";
    FRELAY = 107, "Frame Relay.";
    LOOP = 108, "OpenBSD loopback, family in network order.";
    LINUX_SLL = 113, "Linux cooked capture v1.";
    IEEE802_11_PRISM = 119, "Prism header and 802.11.";
    IEEE802_11_RADIOTAP = 127, "Radiotap header and 802.11.";
    PPI = 192, "Per-packet information and an inner link type.";
    IPV4 = 228, "Raw IPv4.";
    IPV6 = 229, "Raw IPv6.";
    LINUX_SLL2 = 276, "Linux cooked capture v2.";
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.name()) {
            (LinkType::ETHERNET, _) => f.write_str("EN10MB"),
            (_, Some(name)) => f.write_str(name),
            (LinkType(number), None) => write!(f, "LINKTYPE_{number}"),
        }
    }
}

/// A record of a capture: what was on the wire, or the first part of it.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'a> {
    /// When the capturing machine saw it.
    pub ts: Timestamp,
    /// Its number in the merged input.
    pub frame: FrameNo,
    /// Which interface of the merged input saw it: an index over all files, sections and interfaces.
    pub interface: u32,
    /// How `data` begins.
    pub link: LinkType,
    /// Length on the wire in bytes; more than `data.len()` where a snap length cut it.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

/// A record on its way into the analysis.
#[derive(Clone, Copy, Debug)]
pub struct FedPacket<'m, 's> {
    /// The record.
    pub packet: RawPacket<'s>,
    /// The same bytes with the lifetime of the whole run, where the capture is mapped into memory: they need no copy
    /// to be looked at by another thread later.
    pub mapped: Option<&'m [u8]>,
}

/// Where records go.
pub trait PacketSink<'m> {
    /// Takes the next record; false where it wants no more for now.
    fn packet(&mut self, packet: FedPacket<'m, '_>) -> bool;
}

/// Whatever yields records one after the other: files merged by time, or an interface.
pub trait PacketFeed<'m> {
    /// Goes up to `limit` records on and gives those to `sink` that the user wants, until it wants no more. False at the
    /// end. Many at once, because what is kept between two records costs more than the look at one.
    fn feed(&mut self, limit: usize, sink: &mut impl PacketSink<'m>) -> bool;
}
