//! rtcscope reads captures of RTC traffic and explains them.
//!
//! The walk of a packet: a [`source`] yields a record of a capture with its time and number.
//! [`net`] takes off link, tunnel and IP headers, puts fragments and TCP streams together again and
//! hands on a datagram with its five-tuple. [`proto`] reads one message of one protocol and knows
//! nothing of the one before. [`model`] keeps what messages mean over time: flows, transactions,
//! allocations, handshakes, streams. A snapshot of the model goes to a [`view`], which formats it
//! and decides nothing; [`check`] holds it against what somebody expects,
//! and [`compare`] two captures against each other. [`cli`] wires them up; no arrow points back.

pub mod bytes;
pub mod time;

pub mod proto;

#[cfg(feature = "analyzer")]
pub mod check;
#[cfg(feature = "analyzer")]
pub mod cli;
#[cfg(feature = "analyzer")]
pub mod compare;
#[cfg(feature = "analyzer")]
pub mod dissect;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "model")]
pub mod net;
#[cfg(feature = "model")]
pub mod packet;
#[cfg(feature = "model")]
pub mod source;
#[cfg(feature = "analyzer")]
pub mod view;
