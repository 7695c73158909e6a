//! Where messages end in a stream (RFC 8656, section 12.5).
//!
//! In: what was read, cut anywhere. Out: whole messages. Never: more kept than the beginning of one message.

use super::Broken;
use rtcscope::proto::stun::{Frame, frame};

/// The beginning of a message whose end is not here yet.
#[derive(Default)]
pub(super) struct Partial(Vec<u8>);

impl Partial {
    /// Hands on each message that is whole with `bytes`.
    pub(super) fn split(&mut self, mut bytes: &[u8], deliver: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        while !self.0.is_empty() && !bytes.is_empty() {
            // A few bytes at a time, until the header says how long the whole is.
            let wanted = match frame(&self.0) {
                Frame::NeedMore(total) => total.saturating_sub(self.0.len()).max(1),
                Frame::Stun(_) | Frame::ChannelData { .. } => 1,
                Frame::Neither => return Err(Broken::Garbage),
            };
            let (more, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.0.extend_from_slice(more);
            bytes = rest;
            if let Frame::Stun(length) | Frame::ChannelData { len: length } = frame(&self.0)
                && length == self.0.len()
            {
                deliver(&self.0);
                self.0.clear();
            }
        }
        loop {
            match frame(bytes) {
                _ if bytes.is_empty() => return Ok(()),
                Frame::Stun(length) | Frame::ChannelData { len: length } => {
                    let (message, rest) = bytes.split_at(length);
                    deliver(message);
                    bytes = rest;
                }
                Frame::NeedMore(_) => {
                    self.0.extend_from_slice(bytes);
                    return Ok(());
                }
                Frame::Neither => return Err(Broken::Garbage),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        // A Binding request without attributes, ChannelData of 3 bytes with its padding, one of none.
        let mut stream = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        stream.extend_from_slice(&[7; 12]);
        stream.extend_from_slice(&[0x40, 1, 0, 3, 9, 9, 9, 0]);
        stream.extend_from_slice(&[0x40, 2, 0, 0]);
        let lengths = [20, 8, 4];
        for step in 1..=stream.len() {
            let mut partial = Partial::default();
            let mut found = Vec::new();
            for part in stream.chunks(step) {
                partial.split(part, &mut |message: &[u8]| found.push(message.len())).expect("messages");
            }
            assert_eq!(found, lengths, "in parts of {step}");
        }
    }

    #[test]
    fn what_is_no_message_breaks_the_link() {
        let mut partial = Partial::default();
        assert_eq!(partial.split(b"\x16\x03\x01\x02\x00 TLS", &mut |_: &[u8]| {}), Err(Broken::Garbage));
    }
}
