//! Where one message ends in a stream of bytes.
//!
//! In: nothing. Out: the answer that every framing function of a stream protocol gives.
//! Never: state; the caller keeps the bytes and asks again with more of them.

/// What the first bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message of this many bytes, at least one and no more than were given.
    Complete(usize),
    /// The beginning of a message whose end is not here yet. At the end of the stream, what is there is all there is.
    NeedMore,
    /// Not a message of this protocol.
    NotThis,
}
