//! turnload drives TURN allocations and relayed streams at a server and says what the server can carry.
//!
//! This version knows what a load is and drives none: [`args`] is what can be typed, [`config`] what is meant by it,
//! and the values in between have types of their own: [`uri`], [`credentials`], [`quantity`], [`stages`], [`threshold`],
//! [`secret`]. [`scenario`] says how many allocations should be up at a time, [`media`] what each of them sends and what
//! became of it; [`stats`] counts, and [`result`] is what it comes to.

#![deny(unsafe_code)]

pub mod args;
pub mod client;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod engine;
mod find_knee;
pub mod knee;
pub mod media;
pub mod quantity;
pub mod random;
pub mod result;
pub mod run;
pub mod scenario;
pub mod secret;
pub mod stages;
pub mod stats;
pub mod threshold;
pub mod uri;
pub mod view;
mod watch;
