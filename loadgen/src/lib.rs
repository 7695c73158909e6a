//! turnload drives TURN allocations and relayed streams at a server and says what the server can carry.
//!
//! [`args`] is what can be typed, [`config`] what is meant by it, and the values in between have types of their own:
//! [`uri`], [`credentials`], [`quantity`], [`stages`], [`threshold`], [`secret`]. [`scenario`] says how many allocations
//! should be up at a time, [`client`] is one of them, [`media`] what it sends and what became of it. [`engine`] has the
//! sockets, the clock and the threads; [`stats`] counts, [`result`] is what it comes to. [`check`] says of
//! servers whether they work at all. [`view`] shows it, and [`run`] puts all of it together.

#![deny(unsafe_code)]

pub mod args;
pub mod check;
pub mod client;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod engine;
mod find_knee;
mod keys;
pub mod knee;
pub mod media;
pub mod quantity;
pub mod random;
mod replay;
pub mod result;
pub mod run;
pub mod scenario;
pub mod scrape;
pub mod secret;
pub mod stages;
pub mod stats;
pub mod threshold;
pub mod uri;
pub mod view;
mod watch;
