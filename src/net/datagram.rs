//! What `net` hands on: a datagram or a TCP segment, and the five-tuple it travelled on.
//!
//! In: nothing. Out: the types. Never: an allocation per packet.

use crate::packet::FrameNo;
use crate::time::Timestamp;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address in 16 bytes; IPv4 is held IPv4-mapped (RFC 4291, section 2.5.5.2), so that both compare alike.
/// Bytes and not an integer: an alignment of 1 keeps what is queued per packet small.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr([u8; 16]);

impl Addr {
    /// From the four bytes of an IPv4 header.
    #[inline]
    pub const fn v4([a, b, c, d]: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// From the sixteen bytes of an IPv6 header.
    #[inline]
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// True for IPv4.
    pub const fn is_v4(self) -> bool {
        self.as_u128() >> 32 == 0xffff
    }

    /// The four bytes of an IPv4 address.
    #[inline]
    pub const fn v4_octets(self) -> Option<[u8; 4]> {
        match self.0 {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some([a, b, c, d]),
            _ => None,
        }
    }

    /// The address as two words for hashing.
    #[inline]
    pub const fn halves(self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
    }

    /// The address as one number, for hashing.
    #[inline]
    pub const fn as_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// As the standard library's type.
    pub const fn ip(self) -> IpAddr {
        let bits = self.as_u128();
        if self.is_v4() { IpAddr::V4(Ipv4Addr::from_bits(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(bits)) }
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ip(), f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A transport address: IP address and port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub addr: Addr,
    /// The port, 0 where the transport has none.
    pub port: u16,
}

impl Endpoint {
    /// Address and port folded into one word, for a choice that must not depend on the run.
    #[inline(always)]
    pub(crate) const fn folded(&self) -> u64 {
        let (high, low) = self.addr.halves();
        (high ^ low).wrapping_add((self.port as u64) << 40)
    }

    /// The same for an IPv4 address in little-endian order, in fewer steps.
    #[inline(always)]
    pub(crate) const fn folded_v4(addr: u32, port: u16) -> u64 {
        let low = (addr as u64) << 32 | 0xffff_0000;
        low.wrapping_add((port as u64) << 40)
    }
}

/// `10.0.0.1:5000`, `[fd00::1]:5000`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(octets) = self.addr.v4_octets() else {
            return write!(f, "[{}]:{}", self.addr, self.port);
        };
        // Digit by digit from the end: there are several in each row of a report.
        let mut text = [0; 21];
        let mut start = text.len();
        let mut number = |mut number: u16, before: Option<u8>| {
            loop {
                start -= 1;
                text[start] = b'0' + (number % 10) as u8;
                number /= 10;
                if number == 0 {
                    break;
                }
            }
            if let Some(sign) = before {
                start -= 1;
                text[start] = sign;
            }
        };
        let [a, b, c, d] = octets;
        number(self.port, Some(b':'));
        [d, c, b].into_iter().for_each(|octet| number(u16::from(octet), Some(b'.')));
        number(u16::from(a), None);
        f.write_str(text.get(start..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<std::net::SocketAddr> for Endpoint {
    fn from(socket: std::net::SocketAddr) -> Self {
        Self { addr: socket.ip().into(), port: socket.port() }
    }
}

/// The transport of a five-tuple.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// RFC 768; UDP-Lite counts as UDP.
    Udp,
    /// RFC 9293.
    Tcp,
}

/// Which stack of tunnels a datagram came out of: an index into the decoder's table, 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TunnelId(pub u32);

/// The kinds of tunnels that are opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TunnelKind {
    /// RFC 2784, with key RFC 2890; `id` is the key.
    Gre,
    /// IP in IP: RFC 2003, 2473, 4213.
    IpIp,
    /// RFC 7348; `id` is the VNI.
    Vxlan,
    /// RFC 8926; `id` is the VNI.
    Geneve,
    /// 3GPP TS 29.281; no `id`, since each receiver chooses its own.
    GtpU,
    /// RFC 4380.
    Teredo,
}

/// One tunnel of a stack, from the outside in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TunnelLayer {
    /// The kind.
    pub kind: TunnelKind,
    /// Key or VNI; 0 where there is none.
    pub id: u32,
}

/// Directional: who sent to whom, over what, inside which tunnels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FiveTuple {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// UDP or TCP.
    pub transport: Transport,
    /// The tunnels around it.
    pub tunnel: TunnelId,
}

/// The facts of the record and of the IP header that every datagram and segment carries along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// Capture time of the (last) record that carried it.
    pub ts: Timestamp,
    /// Its frame number.
    pub frame: FrameNo,
    /// Length on the wire of the innermost IP packet in bytes, header included; for a reassembled one the sum.
    pub ip_len: u32,
    /// Identification of the IPv4 header (RFC 791); `None` in IPv6 without a fragment header.
    pub ip_id: Option<u16>,
    /// Time to live or hop limit of the innermost IP header.
    pub ttl: u8,
    /// DSCP and ECN of the innermost IP header.
    pub traffic_class: u8,
    /// A number that differs, in all likelihood, where interface, MAC addresses or VLAN differ: copies of one packet
    /// that a mirror port made along its way show the same IP packet under different tags.
    pub link_tag: u32,
}

/// A UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// When, where, in which IP packet.
    pub carrier: Carrier,
    /// Who to whom.
    pub flow: FiveTuple,
    /// Payload bytes that were on the wire but not captured (snap length).
    pub missing: u32,
    /// The captured payload.
    pub payload: &'a [u8],
}

/// The flag bits of a TCP header (RFC 9293, section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// ACK.
    pub const ACK: u8 = 0x10;

    /// True where any of `bits` is set.
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// A TCP segment as it was captured, before reassembly.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When, where, in which IP packet.
    pub carrier: Carrier,
    /// Who to whom.
    pub flow: FiveTuple,
    /// Sequence number of the first payload byte (of the SYN where that is set).
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Flag bits.
    pub flags: TcpFlags,
    /// Payload bytes that were on the wire but not captured (snap length).
    pub missing: u32,
    /// The captured payload.
    pub payload: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_prints_as_the_standard_library_prints_a_socket_address() {
        for text in ["0.0.0.0:0", "1.20.255.9:65535", "255.255.255.255:10", "[fd00::1]:443", "[::]:0"] {
            let socket: std::net::SocketAddr = text.parse().unwrap();
            assert_eq!(Endpoint::from(socket).to_string(), text);
        }
    }
}
