//! The two sides of a TURN server: datagrams inside TURN, and datagrams from or to a relayed address, each as sixteen
//! bytes to know it again by.
//!
//! In: messages of such flows. Out: [`Print`]s in capture order, for the merge to match. Never: a print of any other flow,
//! or memory beyond its bound.

use super::{Inner, Look, Shard};
use crate::model::copies::CopyGuard;
use crate::model::flow::{Direction, Flow, Origin, Peer};
use crate::net::Transport;
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// Prints that the flows of a shard may keep together: 8 MiB.
const MAX_PRINTS: usize = 1 << 19;

/// One datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    pub(crate) ts: Timestamp,
    /// A digest of what a relay leaves as it is: the RTP header and length, or the whole payload. The lowest bit tells
    /// which.
    pub(crate) key: u32,
    frame: u32,
}

impl Print {
    pub(crate) const fn is_rtp(self) -> bool {
        self.key & 1 == 1
    }

    pub(crate) fn frame(self) -> FrameNo {
        FrameNo(u64::from(self.frame))
    }

    #[cfg(test)]
    pub(crate) fn at(micros: i64, key: u32, frame: u32) -> Self {
        Self { ts: Timestamp::from_nanos(micros * 1000), key, frame }
    }
}

/// The datagrams of a flow on one side of a server.
#[derive(Default)]
pub(crate) struct Leg {
    copies: CopyGuard,
    prints: [Vec<Print>; 2],
    cut: [u64; 2],
}

impl Leg {
    pub(crate) fn prints(&self, direction: Direction) -> &[Print] {
        &self.prints[direction as usize]
    }

    /// Datagrams outside of RTP that a snap length cut: they cannot be known again.
    pub(crate) const fn cut(&self, direction: Direction) -> u64 {
        self.cut[direction as usize]
    }

    /// From the first to the last datagram of either direction.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let all = || self.prints.iter().flatten().map(|print| print.ts);
        Some((all().min()?, all().max()?))
    }
}

/// What the legs of a shard may still keep.
pub(crate) struct PrintRoom {
    left: usize,
    /// From here on nothing was kept.
    pub(crate) full_since: Option<Timestamp>,
    pub(crate) dropped: u64,
}

impl Default for PrintRoom {
    fn default() -> Self {
        Self { left: MAX_PRINTS, full_since: None, dropped: 0 }
    }
}

impl PrintRoom {
    /// What these flows leave of it.
    pub(super) fn recount(&mut self, flows: &[Flow]) {
        let legs = flows.iter().filter_map(|flow| flow.leg.as_deref());
        let kept: usize = legs.flat_map(|leg| &leg.prints).map(Vec::len).sum();
        self.left = MAX_PRINTS.saturating_sub(kept);
        if kept == 0 {
            self.full_since = None;
        }
    }
}

impl Shard {
    /// A place for prints, where the flow may be a side of a server. With copies kept nothing can be matched.
    pub(super) fn leg(&self, flow: &Flow) -> Option<Box<Leg>> {
        let is_side = match flow.origin {
            Origin::InTurn { parent, peer: Peer::Address(_) } => self.flows[parent as usize].origin == Origin::Captured,
            Origin::InTurn { .. } => false,
            Origin::Captured => {
                let (src, dst) = (flow.tuple.src, flow.tuple.dst);
                flow.tuple.transport == Transport::Udp && (self.relayed.has(src) || self.relayed.has(dst))
            }
        };
        (self.remove_copies && is_side).then(Box::default)
    }

    /// Keeps the print of a message on a side of a server.
    #[inline(never)]
    pub(super) fn print(&mut self, message: &Inner<'_>, look: Look) {
        let flow = &mut self.flows[message.flow as usize];
        let Some(leg) = &mut flow.leg else { return };
        let Some(digest) = digest(message, look) else {
            leg.cut[message.direction as usize] += 1;
            return;
        };
        // What is inside TURN has passed the guard of the flow around it.
        let may_be_copied = flow.origin == Origin::Captured;
        if may_be_copied && leg.copies.is_copy_of(message.direction, message.carrier, digest) {
            return;
        }
        let room = &mut self.prints;
        let (Ok(frame), Some(left)) = (u32::try_from(message.carrier.frame.0), room.left.checked_sub(1)) else {
            room.full_since.get_or_insert(message.carrier.ts);
            room.dropped += 1;
            return;
        };
        room.left = left;
        let key = (digest >> 32) as u32 & !1 | u32::from(matches!(look, Look::Rtp(..)));
        leg.prints[message.direction as usize].push(Print { ts: message.carrier.ts, key, frame });
    }
}

/// None where the end is cut off: the other side may have more of it, or less.
fn digest(message: &Inner<'_>, look: Look) -> Option<u64> {
    let mut state = SEED;
    let mut mix = |word: u64| {
        let product = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
        state = product as u64 ^ (product >> 64) as u64 ^ 0x1319_8a2e_0370_7344;
    };
    match look {
        Look::Rtp(header, bytes) => {
            let kind = u64::from(header.payload_type()) | u64::from(header.marker()) << 7;
            mix(u64::from(header.ssrc.0) << 32 | u64::from(header.timestamp));
            mix(u64::from(header.sequence) << 48 | kind << 32 | u64::from(bytes));
        }
        Look::Other(_) if message.missing > 0 => return None,
        Look::Other(_) => {
            mix(message.payload.len() as u64);
            let (words, rest) = message.payload.as_chunks::<8>();
            words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
            rest.iter().for_each(|byte| mix(u64::from(*byte)));
        }
    }
    Some(state)
}

const SEED: u64 = 0x243f_6a88_85a3_08d3;
