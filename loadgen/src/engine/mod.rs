//! Sockets, clock and threads: the only place of turnload that touches the world while a load runs.
//!
//! In: a plan. Out: statistics once a second and the sum at the end. Never: a decision about what the figures mean.

mod burst;
pub(crate) mod check;
pub(crate) mod clock;
mod cpus;
#[cfg(feature = "demo")]
pub mod demo;
pub(crate) mod drive;
pub(crate) mod exposition;
mod health;
pub(crate) mod http;
mod interfaces;
pub(crate) mod interrupt;
pub(crate) mod limits;
pub(crate) mod peer;
pub(crate) mod plan;
pub(crate) mod process;
mod scraper;
pub(crate) mod server;
mod session;
mod shard;
pub(crate) mod socket;
mod wheel;
pub(crate) mod wire;
