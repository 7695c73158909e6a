//! ICMP errors about the datagrams of a capture, by datagram path and reason.
//!
//! In: errors in capture order. Out: how many, from whom, with the first frames. Never: more than a bounded number of paths,
//! or a copy that a mirror port made counted again.

use crate::net::{Addr, FiveTuple, IcmpError, IcmpReason};
use crate::packet::FrameNo;
use crate::time::Timestamp;
use hashbrown::HashMap;

/// Paths with errors; a scan of ports makes one of each.
const MAX_PATHS: usize = 4096;
/// Milliseconds in which a mirror port shows a packet again.
const COPY_MS: f64 = 100.0;
/// Frames that are kept of each.
const FRAMES: usize = 10;

/// Errors of one reason about what one end sent to another.
#[derive(Clone, Debug)]
pub struct IcmpRow {
    /// What could not be delivered.
    pub flow: FiveTuple,
    /// Why.
    pub reason: IcmpReason,
    /// Who said so first.
    pub from: Addr,
    /// The smallest size that a next hop was said to take.
    pub mtu: Option<u32>,
    /// How many.
    pub count: u64,
    /// The first ones.
    pub frames: Vec<FrameNo>,
    /// Time of the first.
    pub first_ts: Timestamp,
    /// Time of the last.
    pub last_ts: Timestamp,
    /// The longest time between two of them, in milliseconds.
    pub max_gap_ms: f64,
    last_quote: u64,
}

/// All of them, in order of their first frame.
#[derive(Default)]
pub(crate) struct IcmpErrors {
    places: HashMap<(FiveTuple, IcmpReason), usize, ahash::RandomState>,
    rows: Vec<IcmpRow>,
    /// Errors of paths beyond the bound.
    pub(crate) dropped: u64,
}

impl IcmpErrors {
    pub(crate) fn rows(&self) -> &[IcmpRow] {
        &self.rows
    }

    /// Lets paths go whose last error is not fresh.
    pub(crate) fn forget(&mut self, is_fresh: impl Fn(Timestamp) -> bool) {
        self.rows.retain(|row| is_fresh(row.last_ts));
        self.places = self.rows.iter().zip(0..).map(|(row, place)| ((row.flow, row.reason), place)).collect();
    }

    #[cold]
    pub(crate) fn error(&mut self, error: &IcmpError) {
        let key = (error.flow, error.reason);
        let carrier = &error.carrier;
        let Some(place) = self.places.get(&key) else {
            if self.rows.len() < MAX_PATHS {
                self.places.insert(key, self.rows.len());
                self.rows.push(IcmpRow {
                    flow: error.flow,
                    reason: error.reason,
                    from: error.from,
                    mtu: error.mtu,
                    count: 1,
                    frames: vec![carrier.frame],
                    first_ts: carrier.ts,
                    last_ts: carrier.ts,
                    max_gap_ms: 0.0,
                    last_quote: error.quote,
                });
            } else {
                self.dropped += 1;
            }
            return;
        };
        let Some(row) = self.rows.get_mut(*place) else { return };
        // One packet is refused once; a request that is made again may look the same, and comes later.
        if row.last_quote == error.quote && carrier.ts.millis_since(row.last_ts).abs() < COPY_MS {
            return;
        }
        row.last_quote = error.quote;
        row.count += 1;
        row.max_gap_ms = row.max_gap_ms.max(carrier.ts.millis_since(row.last_ts));
        row.last_ts = row.last_ts.max(carrier.ts);
        row.mtu = row.mtu.min(error.mtu).or(row.mtu).or(error.mtu);
        if row.frames.len() < FRAMES {
            row.frames.push(carrier.frame);
        }
    }
}
