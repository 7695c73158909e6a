//! Stateless codecs: one message in, what it says out.
//!
//! In: the bytes of one message. Out: borrowed views and values, with a [`ParseError`](crate::bytes::ParseError) for
//! the part that could not be read. Never: memory of another message, a panic, an allocation per RTP packet.

pub mod rtcp;
pub mod rtp;
