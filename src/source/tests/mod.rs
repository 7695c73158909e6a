//! Whole files through the whole source layer.

mod damage;
mod inputs;
mod pcap;
mod pcapng;
