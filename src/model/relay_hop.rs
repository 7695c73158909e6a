//! What a TURN server did to the packets that it relayed.
//!
//! In: nothing. Out: the figures of a direction. Never: a figure of which only one side was seen.

use crate::packet::FrameNo;

/// Frames of lost packets that are named.
pub(super) const NAMED_FRAMES: usize = 32;

/// Both directions of an allocation; none where the capture does not hold both sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelayHop {
    /// From the client into the server and out of it to the peers.
    pub to_peer: Option<HopFigures>,
    /// From the peers into the server and out of it to the client.
    pub from_peer: Option<HopFigures>,
}

/// One direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HopFigures {
    /// Packets that went into the server and came out of it.
    pub matched: u64,
    /// Packets that went in and did not come out, while the other side was being captured.
    pub lost: u64,
    /// The first frames of these.
    pub lost_frames: Vec<FrameNo>,
    /// Packets that came out and had not been seen to go in: the capture lacks them.
    pub unseen: u64,
    /// Matched packets that came out behind one that went in later.
    pub reordered: u64,
    /// Time inside the server; none where no packet can be told from all others, or the two sides have different clocks.
    pub delay_ms: Option<DelayFigures>,
}

/// Time inside the server, in milliseconds. A percentile is that of the packet at this rank (nearest rank).
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DelayFigures {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl DelayFigures {
    /// Of the times of packets, in nanoseconds.
    pub(super) fn of(mut nanos: Vec<i64>) -> Option<Self> {
        nanos.sort_unstable();
        let at_rank = |percent: usize| {
            let rank = (nanos.len() * percent).div_ceil(100).max(1);
            Some(*nanos.get(rank - 1)? as f64 / 1e6)
        };
        Some(Self { p50: at_rank(50)?, p99: at_rank(99)?, max: at_rank(100)? })
    }
}

impl RelayHop {
    /// Both directions, where the capture holds them.
    pub fn directions(&self) -> impl Iterator<Item = &HopFigures> {
        [&self.to_peer, &self.from_peer].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_packet_of_its_rank() {
        let figures = DelayFigures::of((1..=200).rev().map(|millis| millis * 1_000_000).collect());
        assert_eq!(figures, Some(DelayFigures { p50: 100.0, p99: 198.0, max: 200.0 }));
        assert_eq!(DelayFigures::of(vec![5_000_000]), Some(DelayFigures { p50: 5.0, p99: 5.0, max: 5.0 }));
        assert_eq!(DelayFigures::of(Vec::new()), None);
    }
}
