//! The messages of a WebSocket connection: frames put together and inflated.
//!
//! In: whole frames of either direction in order, and where some were lost. Out: messages, unmasked and in the clear.
//! Never: more of a message than [`MAX_BODY`], compressed or not; a guess at what was lost.

use crate::net::tcp::Direction;
use crate::proto::framing::MAX_BODY;
use crate::proto::websocket::{Deflate, Opcode, WebsocketFrame};
use flate2::{Decompress, FlushDecompress, Status};

/// Bytes of earlier messages that a later one may refer to (RFC 7692, section 7.1.2: at most 2 to the 15th).
const WINDOW: usize = 1 << 15;
/// What the sender leaves out at the end of each message (RFC 7692, section 7.2.2).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes that the room for what is inflated grows by.
const STEP: usize = 16 << 10;

/// Both directions of a connection.
#[derive(Debug, Default)]
pub(super) struct Websocket {
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    /// The frames of an unfinished message, and whether they are compressed.
    begun: Option<(Vec<u8>, bool)>,
    /// Each message is compressed by itself.
    is_fresh: bool,
    /// The end of what was inflated, without a hole. What a message refers to is in it, or the message is not read: a
    /// reference counts bytes backwards.
    window: Vec<u8>,
}

impl Websocket {
    /// A connection that a server has granted with these extensions; `server` is the direction in which it sends.
    pub(super) fn granted(server: Direction, extensions: Option<&str>) -> Self {
        let agreed = extensions.and_then(Deflate::parse).unwrap_or_default();
        let mut all = Self::default();
        all.sides[server as usize].is_fresh = agreed.server_no_context_takeover;
        all.sides[server.opposite() as usize].is_fresh = agreed.client_no_context_takeover;
        all
    }

    /// Memory of what is kept.
    pub(super) fn held_cost(&self) -> usize {
        let side = |side: &Side| side.window.capacity() + side.begun.as_ref().map_or(0, |(begun, _)| begun.capacity());
        self.sides.iter().map(side).sum()
    }

    /// Bytes of a direction were lost.
    pub(super) fn lost(&mut self, direction: Direction) {
        let side = &mut self.sides[direction as usize];
        *side = Side { is_fresh: side.is_fresh, ..Side::default() };
    }

    /// Takes a frame; gives the message that is whole with it.
    pub(super) fn frame(&mut self, direction: Direction, bytes: &[u8]) -> Option<Vec<u8>> {
        let frame = WebsocketFrame::parse(bytes)?;
        let side = &mut self.sides[direction as usize];
        let (mut message, is_compressed) = match frame.opcode {
            Opcode::Text | Opcode::Binary => (Vec::new(), frame.is_compressed),
            Opcode::Continuation => side.begun.take()?,
            Opcode::Close | Opcode::Ping | Opcode::Pong => return None,
        };
        let payload = frame.payload();
        if message.len() + payload.len() > MAX_BODY {
            self.lost(direction);
            return None;
        }
        if message.is_empty() {
            message = payload;
        } else {
            message.extend_from_slice(&payload);
        }
        if !frame.is_final {
            side.begun = Some((message, is_compressed));
            return None;
        }
        if is_compressed { side.inflate(message) } else { Some(message) }
    }
}

impl Side {
    /// A message in the clear. One that is broken, or longer than can be read, leaves nothing to refer to for the next.
    fn inflate(&mut self, mut compressed: Vec<u8>) -> Option<Vec<u8>> {
        compressed.extend(TAIL);
        let Some(message) = inflate(&compressed, &self.window) else {
            self.window = Vec::new();
            return None;
        };
        if !self.is_fresh {
            let keep = message.len().min(WINDOW);
            let old = (self.window.len() + keep).saturating_sub(WINDOW);
            self.window.drain(..old.min(self.window.len()));
            self.window.extend_from_slice(message.get(message.len() - keep..).unwrap_or_default());
        }
        Some(message)
    }
}

fn inflate(compressed: &[u8], window: &[u8]) -> Option<Vec<u8>> {
    let mut state = Decompress::new(false);
    if !window.is_empty() {
        state.set_dictionary(window).ok()?;
    }
    let mut message = Vec::with_capacity(compressed.len().saturating_mul(4).clamp(64, STEP));
    let mut read = 0;
    loop {
        let (before_in, before_out) = (state.total_in(), message.len());
        let status =
            state.decompress_vec(compressed.get(read..).unwrap_or_default(), &mut message, FlushDecompress::Sync);
        let status = status.ok()?;
        read += usize::try_from(state.total_in() - before_in).unwrap_or(usize::MAX);
        // A block marked as the last one may stand before the tail (RFC 7692, section 7.2.3.4).
        if status == Status::StreamEnd || (read >= compressed.len() && message.len() < message.capacity()) {
            return Some(message);
        }
        if message.len() > MAX_BODY {
            return None;
        }
        if message.len() == message.capacity() {
            message.reserve(STEP.max(message.len() / 2));
        } else if state.total_in() == before_in && message.len() == before_out {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    const FORWARD: Direction = Direction::Forward;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            0..126 => bytes.push(payload.len() as u8),
            126..65536 => {
                bytes.push(126);
                bytes.extend((payload.len() as u16).to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    /// What a sender puts into a frame: without the tail.
    fn deflate(state: &mut Compress, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 1000);
        state.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - 4);
        out
    }

    fn text(websocket: &mut Websocket, bytes: &[u8]) -> Option<String> {
        websocket.frame(FORWARD, bytes).map(|message| String::from_utf8(message).unwrap())
    }

    #[test]
    fn the_examples_of_rfc_7692_are_inflated() {
        // Section 7.2.3: with and without context, a block without compression, a last block, and two blocks.
        let mut kept = Websocket::granted(FORWARD, Some("permessage-deflate"));
        for bytes in [
            &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\xc1\x05\xf2\x00\x11\x00\x00",
            b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            assert_eq!(text(&mut kept, bytes).as_deref(), Some("Hello"), "{bytes:x?}");
        }
        assert_eq!(text(&mut kept, b"\x41\x03\xf2\x48\xcd"), None);
        assert_eq!(text(&mut kept, b"\x89\x00"), None);
        assert_eq!(text(&mut kept, b"\x80\x04\xc9\xc9\x07\x00").as_deref(), Some("Hello"));
    }

    #[test]
    fn messages_refer_to_what_was_said_as_far_back_as_the_window_goes() {
        let mut kept = Websocket::granted(FORWARD, Some("permessage-deflate"));
        let mut state = Compress::new(Compression::best(), false);
        let garbage = crate::proto::dtls::vectors::garbage(5, 20_000);
        for round in 0..8 {
            let message = format!("{{\"{round}\":{:?}}}", &garbage[..round * 1000]);
            let sent = deflate(&mut state, message.as_bytes());
            assert_eq!(text(&mut kept, &frame(0xc1, &sent)).as_deref(), Some(message.as_str()), "{round}");
            assert!(kept.sides[0].window.len() <= WINDOW);
        }
        assert!(kept.held_cost() <= 4 * WINDOW);
    }

    #[test]
    fn behind_a_loss_only_messages_that_refer_to_nothing_are_inflated() {
        let hello = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
        let again = b"\xc1\x05\xf2\x00\x11\x00\x00";
        let mut kept = Websocket::granted(FORWARD, Some("permessage-deflate"));
        let mut fresh = Websocket::granted(FORWARD, Some("permessage-deflate; server_no_context_takeover"));
        for websocket in [&mut kept, &mut fresh] {
            assert!(text(websocket, hello).is_some());
            websocket.lost(FORWARD);
        }
        assert_eq!((text(&mut kept, again), kept.held_cost()), (None, 0));
        assert_eq!((text(&mut fresh, hello).as_deref(), fresh.held_cost()), (Some("Hello"), 0));
        assert_eq!(text(&mut kept, b"\x81\x02{}").as_deref(), Some("{}"), "what is not compressed is whole");
        assert_eq!(text(&mut kept, hello).as_deref(), Some("Hello"));
        assert_eq!(text(&mut kept, again).as_deref(), Some("Hello"));
    }

    #[test]
    fn a_message_that_grows_beyond_its_bound_is_not_read() {
        let mut state = Compress::new(Compression::best(), false);
        let bomb = deflate(&mut state, &vec![b'x'; 3 * MAX_BODY]);
        assert!(bomb.len() < 10_000);
        let mut websocket = Websocket::default();
        assert_eq!(websocket.frame(FORWARD, &frame(0xc1, &bomb)), None);
        assert_eq!(websocket.held_cost(), 0);
        let part = vec![b'x'; MAX_BODY / 2 + 1];
        assert_eq!(websocket.frame(FORWARD, &frame(0x01, &part)), None);
        assert!(websocket.held_cost() > 0);
        assert_eq!(websocket.frame(FORWARD, &frame(0x80, &part)), None);
        assert_eq!(websocket.held_cost(), 0);
    }

    #[test]
    fn every_truncation_and_garbage_is_read_without_a_panic() {
        let mut state = Compress::new(Compression::best(), false);
        let sent = deflate(&mut state, &b"v=0 o=- s=- ".repeat(40));
        for length in 0..sent.len() {
            let inflated = Websocket::default().frame(FORWARD, &frame(0xc1, &sent[..length]));
            assert!(inflated.is_none_or(|message| message.len() <= 1000), "{length}");
        }
        let garbage = crate::proto::dtls::vectors::garbage(3, 6000);
        let mut websocket = Websocket::default();
        for piece in garbage.chunks(60) {
            websocket.frame(FORWARD, &frame(0xc1, piece));
            websocket.lost(FORWARD);
        }
    }
}
