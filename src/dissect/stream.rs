//! What a segment of a TCP stream begins with.
//!
//! In: the payload of one segment. Out: the messages at its beginning that say themselves where they end. Never: a guess by
//! the first byte as for a datagram: a segment may begin anywhere within a message.

use super::{Tree, channel_data, message, stun, text, websocket_frames};
use crate::proto::channel_data::ChannelData;
use crate::proto::demux::{Class, classify};
use crate::proto::{http, websocket};
use std::ops::Range;

/// Channel numbers of RFC 8656, section 12; those above are letters more often.
const CHANNELS: Range<u16> = 0x4000..0x5000;
/// What RTSP has in front of a packet: `$`, channel, length (RFC 7826, section 14).
const INTERLEAVED: usize = 4;

pub(super) fn segment(tree: &mut Tree<'_>, mut at: Range<usize>) {
    while !at.is_empty() {
        match first(tree, &at) {
            Some(end) => at.start = end.clamp(at.start + 1, at.end),
            None => return tree.add("Payload", format!("part of a TCP stream, {} bytes", at.len()), at),
        }
    }
}

/// Takes the first message apart and gives its end; none where there is no telling what it is.
fn first(tree: &mut Tree<'_>, at: &Range<usize>) -> Option<usize> {
    let bytes = tree.slice(at);
    let is_text = match classify(bytes) {
        _ if http::Message::parse(bytes).is_some() => Some("HTTP"),
        Class::Sip => Some("SIP"),
        Class::Rtsp => Some("RTSP"),
        _ => None,
    };
    if let Some(protocol) = is_text {
        text::message(tree, protocol, at.clone());
    } else if stun::begins(bytes) {
        let end = at.start + 20 + tree.number(at.start + 2, 2)? as usize;
        stun::message(tree, at.start..end.min(at.end));
        return Some(end);
    } else if let Some(length) = channel_message(bytes) {
        channel_data(tree, at.start..(at.start + length).min(at.end));
        return Some(at.start + length);
    } else if let Some(length) = interleaved(bytes) {
        let end = at.start + length;
        tree.within("RTSP interleaved", format!("{length} bytes"), at.start..end, |tree| {
            tree.count("Channel", at.start + 1, 1);
            tree.count("Length", at.start + 2, 2);
            message(tree, at.start + INTERLEAVED..end);
        });
        return Some(end);
    } else if websocket::looks_like_frames(bytes) {
        websocket_frames(tree, at.clone());
    } else {
        framed(tree, at)?;
    }
    Some(at.end)
}

/// The bytes of ChannelData with its padding, where all messages behind it are such of its channel, or STUN follows. Only
/// the last of them may go on in the next segment.
fn channel_message(bytes: &[u8]) -> Option<usize> {
    let channel = u16::from_be_bytes(*bytes.first_chunk()?);
    let length = |rest: &[u8]| {
        let data = ChannelData::parse(rest).ok()?;
        Some(4 + usize::from(data.declared).next_multiple_of(4))
    };
    let own = length(bytes)?;
    // The padding of the last one is left out by some.
    if !CHANNELS.contains(&channel) || own > bytes.len().next_multiple_of(4) {
        return None;
    }
    let mut rest = bytes.get(own..).unwrap_or_default();
    while rest.len() >= INTERLEAVED && !stun::begins(rest) {
        if !rest.starts_with(&channel.to_be_bytes()) {
            return None;
        }
        rest = rest.get(length(rest)?..).unwrap_or_default();
    }
    Some(own)
}

/// The bytes of an interleaved packet that is here as a whole.
fn interleaved(bytes: &[u8]) -> Option<usize> {
    let &[b'$', _, high, low] = bytes.first_chunk()? else { return None };
    let end = INTERLEAVED + usize::from(u16::from_be_bytes([high, low]));
    let inner = bytes.get(INTERLEAVED..end)?;
    matches!(classify(inner), Class::Rtp | Class::Rtcp).then_some(end)
}

/// RFC 4571: a length, and a packet as in UDP. Where all of the segment is one.
fn framed(tree: &mut Tree<'_>, at: &Range<usize>) -> Option<()> {
    let length = tree.number(at.start, 2)? as usize;
    let inner = at.start + 2..at.end;
    let is_packet = !matches!(classify(tree.slice(&inner)), Class::Unknown(_) | Class::ProposedQuicShort);
    if length != inner.len() || !is_packet {
        return None;
    }
    tree.count("RFC 4571 length", at.start, 2);
    message(tree, inner);
    Some(())
}
