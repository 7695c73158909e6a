//! Whole files through the whole source layer.

#![forbid(unsafe_code)]

mod damage;
mod inputs;
mod packed;
mod pcap;
mod pcapng;
mod saved;
mod writer;
