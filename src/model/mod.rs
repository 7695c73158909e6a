//! model.

pub mod dtls;
