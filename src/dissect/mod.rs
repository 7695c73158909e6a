//! A frame field by field, each with the bytes that say so.
//!
//! In: one record. Out: [`Field`]s in the order of their bytes, as deep as they lie in each other. Never: a memory of other
//! frames; so of a message that several frames carry only the part of this one is told.

#![forbid(unsafe_code)]

mod dtls;
mod link;
mod rtcp;
mod rtp;
mod stream;
mod stun;
mod text;

use crate::net::{Decoder, Unit};
use crate::packet::RawPacket;
use crate::proto::channel_data::ChannelData;
use crate::proto::demux::{Class, classify};
use crate::proto::websocket;
use std::ops::Range;

/// Fields of a frame; messages in messages.
const MAX_FIELDS: usize = 4096;
const MAX_DEPTH: u8 = 12;
/// Characters of a value.
const MAX_VALUE: usize = 400;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// How deep it lies in others.
    pub depth: u8,
    /// Its name in the RFC.
    pub name: String,
    /// What it says; empty where its parts do.
    pub value: String,
    /// Its bytes in the frame.
    pub bytes: Range<usize>,
}

/// Fields as they are found.
struct Tree<'b> {
    bytes: &'b [u8],
    fields: Vec<Field>,
    depth: u8,
}

impl<'b> Tree<'b> {
    fn add(&mut self, name: impl Into<String>, value: impl Into<String>, at: Range<usize>) {
        if self.fields.len() >= MAX_FIELDS {
            return;
        }
        let mut value: String = value.into();
        if let Some((end, _)) = value.char_indices().nth(MAX_VALUE) {
            value.truncate(end);
            value.push('…');
        }
        let end = at.end.min(self.bytes.len());
        let bytes = at.start.min(end)..end;
        self.fields.push(Field { depth: self.depth, name: name.into(), value, bytes });
    }

    /// A number in network order; none where it is cut off.
    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A field that is a number, and the number.
    fn count(&mut self, name: &str, at: usize, length: usize) -> Option<u64> {
        let number = self.number(at, length)?;
        self.add(name, number.to_string(), at..at + length);
        Some(number)
    }

    /// The same in hexadecimal.
    fn hex(&mut self, name: &str, at: usize, length: usize) -> Option<u64> {
        let number = self.number(at, length)?;
        self.add(name, format!("0x{number:0width$x}", width = length * 2), at..at + length);
        Some(number)
    }

    /// A field, and in it what `inner` finds.
    fn within(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        at: Range<usize>,
        inner: impl FnOnce(&mut Self),
    ) {
        self.add(name, value, at);
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            inner(self);
            self.depth -= 1;
        }
    }

    fn slice(&self, at: &Range<usize>) -> &'b [u8] {
        self.bytes.get(at.clone()).unwrap_or_default()
    }
}

/// Up to so many bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let shown: String = bytes.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > SHOWN { format!("{shown}… ({} bytes)", bytes.len()) } else { shown }
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes a record apart.
pub fn dissect(packet: &RawPacket<'_>) -> Vec<Field> {
    let mut tree = Tree { bytes: packet.data, fields: Vec::new(), depth: 0 };
    let cut = match packet.wire_len as usize {
        length if length > packet.data.len() => format!(" of {length}, the rest was not captured"),
        _ => String::new(),
    };
    tree.add(format!("Frame {}", packet.frame), format!("{} bytes{cut}", packet.data.len()), 0..packet.data.len());
    let mut payloads: Vec<(Range<usize>, bool)> = Vec::new();
    Decoder::default().packet(packet, |unit| {
        let (payload, is_stream) = match unit {
            Unit::Datagram(datagram) => (datagram.payload, false),
            Unit::Segment(segment) => (segment.payload, true),
            // What it quotes is shown as the bytes that it is.
            Unit::Error(_) => return,
        };
        payloads.extend(place(packet.data, payload).map(|place| (place, is_stream)));
    });
    let headers = link::headers(&mut tree, packet.link);
    for (at, is_stream) in payloads {
        if at.start > headers && !at.is_empty() {
            tree.add("Tunnel", format!("{} bytes of headers", at.start - headers), headers..at.start);
        }
        if is_stream {
            stream::segment(&mut tree, at);
        } else {
            message(&mut tree, at);
        }
    }
    tree.fields
}

/// Where a part lies in the whole; none where it is a copy.
fn place(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

/// What a datagram is.
fn message(tree: &mut Tree<'_>, at: Range<usize>) {
    let bytes = tree.slice(&at);
    match classify(bytes) {
        _ if bytes.is_empty() => {}
        Class::Sip => text::message(tree, "SIP", at),
        Class::Rtsp => text::message(tree, "RTSP", at),
        Class::Stun => stun::message(tree, at),
        Class::TurnChannel => channel_data(tree, at),
        Class::Dtls | Class::ProposedDtls => dtls::records(tree, at),
        Class::Rtp => rtp::packet(tree, at),
        Class::Rtcp => rtcp::compound(tree, at),
        Class::Unknown(reason) => tree.add("Payload", format!("{} bytes: {}", bytes.len(), reason.as_str()), at),
        class => tree.add("Payload", format!("{class:?}, {} bytes", bytes.len()), at),
    }
}

/// RFC 8656, section 12.4.
fn channel_data(tree: &mut Tree<'_>, at: Range<usize>) {
    let Ok(data) = ChannelData::parse(tree.slice(&at)) else {
        return tree.add("ChannelData", "cannot be read", at);
    };
    let inner = at.start + 4..(at.start + 4 + data.data.len()).min(at.end);
    tree.within("TURN ChannelData", format!("channel 0x{:04x}", data.channel.number()), at.clone(), |tree| {
        tree.hex("Channel number", at.start, 2);
        tree.count("Length", at.start + 2, 2);
        message(tree, inner);
    });
}

/// RFC 6455, section 5.2.
fn websocket_frames(tree: &mut Tree<'_>, at: Range<usize>) {
    let bytes = tree.slice(&at);
    let Some(frame) = websocket::WebsocketFrame::parse(bytes) else {
        return tree.add("WebSocket", "cannot be read", at);
    };
    let payload = frame.payload();
    let second = tree.number(at.start + 1, 1).unwrap_or(0);
    let is_masked = second & 0x80 != 0;
    let length = match second & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let head = if is_masked { length + 4 } else { length };
    let content = at.start + head..(at.start + head + payload.len()).min(at.end);
    let end = content.end.max(at.start);
    tree.within("WebSocket", format!("{:?}, {} bytes", frame.opcode, payload.len()), at.start..end, |tree| {
        tree.add(
            "Opcode",
            format!("{:?}{}", frame.opcode, if frame.is_final { ", last of its message" } else { "" }),
            at.start..at.start + 1,
        );
        tree.add("Length and mask", if is_masked { "masked" } else { "plain" }, at.start + 1..content.start);
        if frame.is_compressed {
            tree.add("Payload", "compressed (RFC 7692)", content.clone());
        } else {
            text::lines(tree, &payload, content.clone());
        }
    });
}

#[cfg(test)]
mod tests;
