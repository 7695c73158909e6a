//! Where one message ends in a stream of bytes.
//!
//! In: nothing. Out: the answer that every framing function of a stream protocol gives, and the bounds they share.
//! Never: state; the caller keeps the bytes and asks again with more of them.
#![forbid(unsafe_code)]

/// What the first bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message of this many bytes, at least one and no more than were given.
    Complete(usize),
    /// The beginning of a message whose end is not here yet. At the end of the stream, what is there is all there is.
    NeedMore,
    /// Not a message of this protocol, or one larger than the bounds here.
    NotThis,
}

/// Bytes of a first line.
pub const MAX_START_LINE: usize = 8 * 1024;
/// Bytes of a head: first line, headers and the empty line.
pub const MAX_HEAD: usize = 64 * 1024;
/// Bytes of a body. A caller never has to hold more than head and body together.
pub const MAX_BODY: usize = 1 << 20;

/// A message of `head` and `body` bytes, of which `have` are here.
pub(crate) fn sized(head: usize, body: usize, have: usize) -> Frame {
    let length = head.saturating_add(body);
    if body > MAX_BODY {
        Frame::NotThis
    } else if have < length {
        Frame::NeedMore
    } else {
        Frame::Complete(length)
    }
}
