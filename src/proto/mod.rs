//! Stateless codecs: one message in, what it says out.
//!
//! In: the bytes of one message. Out: borrowed views and values, with a [`ParseError`](crate::bytes::ParseError) for
//! the part that could not be read. Never: memory of another message, a panic, an allocation per RTP packet.

#[cfg(feature = "analyzer")]
pub mod framing;

#[cfg(feature = "analyzer")]
pub mod header;
#[cfg(feature = "analyzer")]
pub mod http;
#[cfg(feature = "analyzer")]
pub mod multipart;
#[cfg(feature = "analyzer")]
pub mod rtsp;
#[cfg(feature = "analyzer")]
pub mod sdp;
#[cfg(feature = "analyzer")]
pub mod sip;
