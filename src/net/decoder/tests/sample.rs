//! Packets put together by hand.

use crate::packet::LinkType;

pub(super) fn ethernet(ether_type: u16, content: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &ether_type.to_be_bytes()[..], content].concat()
}

/// From 10.0.0.1 to 10.0.0.2.
pub(super) fn ipv4(protocol: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + content.len() as u16).to_be_bytes();
    let header = [0x45, 0, high, low, 0, 7, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], content].concat()
}

/// From fd00::1 to fd00::2.
pub(super) fn ipv6(next_header: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let address = |last| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    [&[0x60, 0, 0, 0, high, low, next_header, 64][..], &address(1), &address(2), content].concat()
}

pub(super) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len() as u16).to_be_bytes();
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &length, &[0, 0], payload].concat()
}

/// With sequence number 0x01020304, acknowledgment number 0x05060708, PSH and ACK.
pub(super) fn tcp(src: u16, dst: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = ((5 + options.len() / 4) << 4) as u8;
    let fixed = [1, 2, 3, 4, 5, 6, 7, 8, offset, 0x18, 1, 0, 0, 0, 0, 0];
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &fixed, options, payload].concat()
}

/// 10.0.0.1:5000 to 10.0.0.2:6000, "hello".
pub(super) fn hello() -> Vec<u8> {
    ipv4(17, &udp(5000, 6000, b"hello"))
}

pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// One record for each way that a packet can be wrapped; each carries [`hello`].
pub(super) fn samples() -> Vec<(LinkType, Vec<u8>)> {
    let mut samples = super::links::wrapped();
    samples.extend(super::tunnels::wrapped().into_iter().map(|(_, packet)| (LinkType::ETHERNET, packet)));
    samples
}

/// xorshift64: the same bytes in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 24) as u8).collect()
    }
}
