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
    /// The beginning of a message whose end is not here yet, and what to wait for before asking again. At the end of the
    /// stream, what is there is all there is.
    NeedMore(Need),
    /// Not a message of this protocol, or one larger than the bounds here.
    NotThis,
}

/// What has to come before another look at the same bytes finds a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// So many bytes from the start.
    Bytes(usize),
    /// The end of the first line, or more than a first line can have.
    Line,
    /// The empty line behind a head, or more than a head can have.
    Head,
}

impl Need {
    /// True where it is met by `bytes`, the first `seen` of which did not meet it. Looks at the others only, so that
    /// asking after each byte that comes costs no more than asking once.
    pub fn is_met(self, bytes: &[u8], seen: usize) -> bool {
        let fresh = |before: usize| bytes.get(seen.saturating_sub(before)..).unwrap_or_default();
        match self {
            Need::Bytes(length) => bytes.len() >= length,
            Need::Line => bytes.len() >= MAX_START_LINE || fresh(0).contains(&b'\n'),
            Need::Head => {
                let has = |end: &[u8]| fresh(2).windows(end.len()).any(|window| window == end);
                bytes.len() >= MAX_HEAD || has(b"\n\n") || has(b"\n\r\n")
            }
        }
    }
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
        Frame::NeedMore(Need::Bytes(length))
    } else {
        Frame::Complete(length)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Of a message that is whole with its last byte: no look that a need tells to leave out would have found it.
    #[track_caller]
    pub(crate) fn assert_needs_are_honest(frame: impl Fn(&[u8]) -> Frame, message: &[u8]) {
        assert_eq!(frame(message), Frame::Complete(message.len()));
        for seen in 1..message.len() {
            let Frame::NeedMore(need) = frame(&message[..seen]) else { panic!("no message is whole at {seen}") };
            assert!(!need.is_met(&message[..seen], seen), "{need:?} is met by the {seen} bytes that need it");
            assert!(need.is_met(message, seen), "{need:?} of {seen} bytes is not met by the whole message");
        }
    }

    #[test]
    fn a_line_is_met_by_its_end_and_a_head_by_an_empty_line() {
        assert!(!Need::Line.is_met(b"INVITE sip:a", 3));
        assert!(Need::Line.is_met(b"INVITE sip:a\n", 3));
        for whole in [&b"a: b\r\n\r\n"[..], b"a: b\n\n", b"a: b\r\n\n", b"a\n\r\nbody"] {
            let end = whole.windows(2).position(|two| two == b"\n\n" || two == b"\r\n").unwrap();
            for seen in 0..=end {
                assert!(Need::Head.is_met(whole, seen), "{whole:?} seen to {seen}");
            }
        }
        for cut in [&b"a: b\r\n"[..], b"a: b\r\n\r", b"a: b\nc: d\n", b"", b"\r\n"] {
            assert!(!Need::Head.is_met(cut, 0), "{cut:?}");
        }
    }

    #[test]
    fn an_empty_line_is_seen_wherever_the_bytes_are_cut() {
        let head = b"a: b\r\nc: d\r\n\r\n";
        for cut in 0..head.len() {
            assert!(!Need::Head.is_met(&head[..cut], 0), "{cut}");
            assert!(Need::Head.is_met(head, cut), "{cut}");
        }
    }

    #[test]
    fn what_is_longer_than_it_can_be_is_looked_at() {
        assert!(Need::Line.is_met(&[b'a'; MAX_START_LINE], MAX_START_LINE - 1));
        assert!(Need::Head.is_met(&[b'a'; MAX_HEAD], MAX_HEAD - 1));
        assert!(!Need::Head.is_met(&[b'a'; MAX_HEAD - 1], 0));
    }
}
