//! What messages mean over time.
//!
//! In: records with their time. Out: a [`Snapshot`](snapshot::Snapshot). Never: a clock, a file, a thread's order.

#![forbid(unsafe_code)]

pub mod analyzer;
pub mod belonging;
pub mod call;
pub mod capture;
pub mod class;
mod clock_steps;
mod copies;
pub mod dtls;
pub mod finding;
mod finding_rules;
pub mod flow;
mod forget;
pub mod gathering;
pub mod ice;
mod icmp;
pub mod integrity;
pub mod ladder;
mod media;
mod media_context;
mod merge;
mod mos;
pub mod negotiation;
pub mod pipeline;
mod relay_hop;
mod relayed;
mod round;
pub mod rtcp;
pub mod rtp_stream;
mod session_time;
mod shard;
pub mod sieve;
pub mod sightings;
pub mod signalling;
mod snap_length;
pub mod snapshot;
#[cfg(test)]
mod stage;
pub mod stun;
mod tcp;
pub mod trail;
pub mod turn;
mod words;
