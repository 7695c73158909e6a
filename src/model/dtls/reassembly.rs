//! Handshake messages put together from fragments.
//!
//! In: the fragments of one direction of one handshake, in any order, overlapping, more than once. Out: the body of a
//! message when its last byte came. Never: more memory than the fragments' own bytes and the bounds below.

use crate::proto::dtls::{Fragment, HandshakeType};
use std::collections::BTreeMap;

/// A message longer than this is not put together. Chains of certificates are far below.
const MAX_MESSAGE_LEN: u32 = 1 << 16;
/// As many messages of one direction are put together at a time; a flight has at most seven.
const MAX_PENDING: usize = 8;
/// As many separate pieces of one message are kept.
const MAX_PARTS: usize = 128;

/// The unfinished messages of one direction.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    pending: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    message_seq: u16,
    message_type: HandshakeType,
    length: u32,
    /// Bytes by where they begin; no two overlap.
    parts: BTreeMap<u32, Vec<u8>>,
    held: u32,
}

impl Reassembler {
    /// Takes a fragment; gives the message's body where it is whole now. Where a fragment says another type or length
    /// than the first of its message did, the first one holds.
    pub(super) fn push(&mut self, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        if fragment.length > MAX_MESSAGE_LEN {
            return None;
        }
        let index = match self.pending.iter().position(|pending| pending.message_seq == fragment.message_seq) {
            Some(index) => index,
            None => self.open(fragment),
        };
        let pending = self.pending.get_mut(index)?;
        if (pending.message_type, pending.length) != (fragment.message_type, fragment.length) {
            return None;
        }
        pending.insert(fragment.fragment_offset, fragment.body);
        (pending.held == pending.length).then(|| self.pending.remove(index).parts.into_values().flatten().collect())
    }

    fn open(&mut self, fragment: &Fragment<'_>) -> usize {
        if self.pending.len() >= MAX_PENDING {
            self.pending.remove(0);
        }
        self.pending.push(Pending {
            message_seq: fragment.message_seq,
            message_type: fragment.message_type,
            length: fragment.length,
            parts: BTreeMap::new(),
            held: 0,
        });
        self.pending.len() - 1
    }
}

impl Pending {
    /// Keeps what is new of `bytes`, which begin at `offset`. The first copy of a byte holds.
    fn insert(&mut self, offset: u32, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u32);
        let mut at = offset;
        if let Some((start, part)) = self.parts.range(..=offset).next_back() {
            at = at.max(start.saturating_add(part.len() as u32));
        }
        while at < end && self.parts.len() < MAX_PARTS {
            let next = self.parts.range(at..).next().map(|(start, part)| (*start, part.len() as u32));
            let stop = next.map_or(end, |(start, _)| start.min(end));
            if let Some(new) = bytes.get((at - offset) as usize..(stop - offset) as usize)
                && !new.is_empty()
            {
                self.held += new.len() as u32;
                self.parts.insert(at, new.to_vec());
            }
            at = next.map_or(end, |(start, len)| start.saturating_add(len));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(message_seq: u16, length: u32, fragment_offset: u32, body: &[u8]) -> Fragment<'_> {
        let message_type = HandshakeType::CERTIFICATE;
        let fragment_length = body.len() as u32;
        Fragment { offset: 0, message_type, length, message_seq, fragment_offset, fragment_length, body }
    }

    #[test]
    fn fragments_out_of_order_overlapping_and_repeated_give_the_message_once() {
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.push(&fragment(1, 8, 6, &[6, 7])), None);
        assert_eq!(reassembler.push(&fragment(1, 8, 2, &[2, 3])), None);
        assert_eq!(reassembler.push(&fragment(1, 8, 6, &[6, 7])), None);
        assert_eq!(reassembler.push(&fragment(1, 8, 1, &[1, 9, 9, 4])), None);
        assert_eq!(reassembler.push(&fragment(1, 8, 0, &[0, 9, 9, 9, 9, 5, 9, 9])), Some(vec![0, 1, 2, 3, 4, 5, 6, 7]));
        assert!(reassembler.pending.is_empty());
    }

    #[test]
    fn every_pair_of_pieces_gives_the_message_when_together_they_cover_it() {
        let message = [0, 1, 2, 3, 4, 5];
        for (a, b, c, d) in (0..1296).map(|n| (n % 6, n / 6 % 6 + 1, n / 36 % 6, n / 216 % 6 + 1)) {
            if a >= b || c >= d {
                continue;
            }
            let mut reassembler = Reassembler::default();
            let first = reassembler.push(&fragment(0, 6, a as u32, &message[a..b]));
            let second = reassembler.push(&fragment(0, 6, c as u32, &message[c..d]));
            let covered = (0..6).all(|byte| (a..b).contains(&byte) || (c..d).contains(&byte));
            let whole = first.clone().or(second);
            assert_eq!(whole.is_some(), covered, "{a}..{b} {c}..{d}");
            assert!(whole.is_none_or(|body| body == message));
        }
    }

    #[test]
    fn an_empty_fragment_of_an_empty_message_is_whole() {
        assert_eq!(Reassembler::default().push(&fragment(0, 0, 0, &[])), Some(Vec::new()));
    }

    #[test]
    fn two_messages_do_not_mix() {
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.push(&fragment(1, 2, 0, &[1])), None);
        assert_eq!(reassembler.push(&fragment(2, 2, 1, &[4])), None);
        assert_eq!(reassembler.push(&fragment(1, 3, 1, &[2])), None);
        assert_eq!(reassembler.push(&fragment(2, 2, 0, &[3])), Some(vec![3, 4]));
        assert_eq!(reassembler.push(&fragment(1, 2, 1, &[2])), Some(vec![1, 2]));
    }

    #[test]
    fn too_long_messages_and_too_many_are_not_kept() {
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.push(&fragment(0, MAX_MESSAGE_LEN + 1, 0, &[1])), None);
        assert!(reassembler.pending.is_empty());
        for message_seq in 0..100 {
            reassembler.push(&fragment(message_seq, 9, 0, &[1]));
        }
        assert_eq!(reassembler.pending.len(), MAX_PENDING);
        for piece in 0..1000 {
            reassembler.push(&fragment(99, 9000, 9 * piece, &[1]));
        }
        assert!(reassembler.pending.iter().all(|pending| pending.parts.len() <= MAX_PARTS));
    }
}
