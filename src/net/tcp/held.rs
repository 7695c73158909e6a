//! The pieces of a stream that came before their turn.
//!
//! In: pieces at any position. Out: the same, sorted, without overlaps: the first bytes at a position stay.
//! Never: a decision on when to stop waiting.

use crate::packet::FrameNo;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Pieces for which an empty queue keeps its memory.
const MAX_IDLE_ROOM: usize = 8;

/// A range `[start, end)` of the stream, of which the first bytes were captured: all of them, or fewer where the
/// snap length cut the segment. Positions are unwrapped sequence numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) bytes: &'a [u8],
    pub(super) ts: Timestamp,
    pub(super) frame: FrameNo,
}

impl<'a> Piece<'a> {
    /// The part of it from `from` to `to`.
    pub(super) fn slice(&self, from: u64, to: u64) -> Piece<'a> {
        let start = from.clamp(self.start, self.end);
        let end = to.clamp(start, self.end);
        let captured =
            |position: u64| usize::try_from(position - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        let bytes = self.bytes.get(captured(start)..captured(end)).unwrap_or_default();
        Piece { start, end, bytes, ..*self }
    }
}

#[derive(Debug)]
pub(super) struct HeldPiece {
    start: u64,
    end: u64,
    bytes: Box<[u8]>,
    ts: Timestamp,
    frame: FrameNo,
}

impl HeldPiece {
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece { start: self.start, end: self.end, bytes: &self.bytes, ts: self.ts, frame: self.frame }
    }
}

/// Pieces in the order of the stream.
#[derive(Debug, Default)]
pub(super) struct Held {
    pieces: VecDeque<HeldPiece>,
    bytes: usize,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the first piece starts.
    pub(super) fn first_start(&self) -> Option<u64> {
        self.pieces.front().map(|held| held.start)
    }

    /// Takes the first piece out where it starts at `position` or before.
    pub(super) fn pop_at(&mut self, position: u64) -> Option<HeldPiece> {
        if self.first_start()? > position {
            return None;
        }
        let held = self.pieces.pop_front()?;
        self.bytes -= held.bytes.len();
        if self.pieces.is_empty() {
            // The room for many pieces is not kept for ever on every connection that once had them.
            self.pieces.shrink_to(MAX_IDLE_ROOM);
        }
        Some(held)
    }

    /// Keeps what nothing held covers yet.
    pub(super) fn insert(&mut self, piece: &Piece<'_>) {
        let mut from = piece.start;
        let mut index = self.pieces.partition_point(|held| held.end <= from);
        while from < piece.end {
            let Some((start, end)) = self.pieces.get(index).map(|held| (held.start, held.end)) else {
                self.put(index, &piece.slice(from, piece.end));
                break;
            };
            if from < start {
                let free = piece.slice(from, start);
                from = free.end;
                self.put(index, &free);
            } else {
                from = end.min(piece.end);
            }
            index += 1;
        }
    }

    fn put(&mut self, index: usize, piece: &Piece<'_>) {
        self.bytes += piece.bytes.len();
        let held = HeldPiece {
            start: piece.start,
            end: piece.end,
            bytes: piece.bytes.into(),
            ts: piece.ts,
            frame: piece.frame,
        };
        self.pieces.insert(index, held);
    }
}
