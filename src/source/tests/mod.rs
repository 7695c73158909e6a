//! Whole files through the whole source layer.

#![forbid(unsafe_code)]

mod damage;
mod inputs;
mod pcap;
mod pcapng;
