//! From a captured record to datagrams and TCP segments with their five-tuple.
//!
//! In: [`RawPacket`](crate::packet::RawPacket). Out: [`Datagram`] and [`Segment`].
//! Never: a look at what the payload means.

#![forbid(unsafe_code)]

pub mod datagram;
pub mod decoder;
pub mod tunnel;
pub mod verdict;

mod cut;
mod defrag;
pub mod filter;
mod icmp;
mod ip;
mod link;
mod plain;
pub mod tcp;
mod wireless;

pub use datagram::{
    Addr, Carrier, Datagram, Endpoint, FiveTuple, Segment, TcpFlags, Transport, TunnelId, TunnelKind, TunnelLayer,
};
pub use decoder::{Decoder, Limits};
pub use defrag::FragmentStatistics;
pub use icmp::{IcmpError, IcmpReason};
pub(crate) use plain::Straight;
pub use tunnel::TunnelTable;
pub use verdict::{OtherReason, Unit, Verdict};
