//! Stateless codecs: one message in, what it says out.
//!
//! In: the bytes of one message. Out: borrowed views and values, with a [`ParseError`](crate::bytes::ParseError) for
//! the part that could not be read. Never: memory of another message, a panic, an allocation per RTP packet.

pub mod channel_data;
pub mod demux;
#[cfg(feature = "analyzer")]
pub mod dtls;
#[cfg(feature = "analyzer")]
pub mod framing;
#[cfg(feature = "analyzer")]
mod header;
#[cfg(feature = "analyzer")]
pub mod http;
#[cfg(feature = "analyzer")]
mod multipart;
pub mod rtcp;
pub mod rtp;
#[cfg(feature = "analyzer")]
pub mod rtsp;
#[cfg(feature = "analyzer")]
pub mod sap;
#[cfg(feature = "analyzer")]
pub mod sdp;
#[cfg(feature = "analyzer")]
pub mod sip;
pub mod stun;
#[cfg(feature = "analyzer")]
pub mod websocket;
