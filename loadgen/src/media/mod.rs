//! Media: what a stream sends and when, and what its receiver can tell of what came back.
//!
//! In: the [`Traffic`](crate::config::Traffic) that is meant, a seed, and points in time. Out: due packets
//! ([`Pacer`]), their bytes ([`write()`], [`read`]), and verdicts on what arrives ([`Receiver`]). Never: a socket, a
//! clock, memory that grows with packets.

mod pacer;
mod parts;
mod payload;
mod plan;
mod receiver;
mod track;

pub use pacer::{Due, Pacer};
pub use parts::{MAX_STREAMS, Parts};
pub use payload::{Arrived, Corrupt, MIN_PAYLOAD, Packet, Stamp, StreamId, read, write};
pub use plan::{Kind, StreamPlan, Unplannable};
pub use receiver::{Fate, Receiver, Tally, Verdict};
pub use track::{Beat, Course};
