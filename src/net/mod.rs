//! From a captured record to datagrams and TCP segments with their five-tuple.
//!
//! In: [`RawPacket`](crate::packet::RawPacket). Out: [`Datagram`] and [`Segment`].
//! Never: a look at what the payload means.

pub mod datagram;
pub mod filter;
pub mod tcp;

pub use datagram::{
    Addr, Datagram, Endpoint, FiveTuple, Segment, TcpFlags, Transport, TunnelId, TunnelKind, TunnelLayer,
};
