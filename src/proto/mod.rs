//! Stateless codecs: one message in, what it says out.
//!
//! In: the bytes of one message. Out: borrowed views and values, with a [`ParseError`](crate::bytes::ParseError) for
//! the part that could not be read. Never: memory of another message, a panic, an allocation per RTP packet.

pub mod channel_data;
pub mod demux;
#[cfg(feature = "model")]
pub mod dtls;
#[cfg(feature = "model")]
pub mod framing;
#[cfg(feature = "model")]
mod header;
#[cfg(feature = "model")]
pub mod http;
#[cfg(feature = "model")]
mod multipart;
pub mod rtcp;
pub mod rtp;
#[cfg(feature = "model")]
pub mod rtsp;
#[cfg(feature = "model")]
pub mod sap;
#[cfg(feature = "model")]
pub mod sdp;
#[cfg(feature = "model")]
pub mod sip;
pub mod stun;
#[cfg(feature = "model")]
pub mod websocket;
