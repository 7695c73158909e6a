//! Transport addresses inside attributes (RFC 8489, sections 14.1 and 14.2).
//!
//! In: the value of an attribute and the 16 bytes of cookie and transaction id, or a socket address. Out: the other of
//! the two. Never: an address of a family that the value is too short for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// RFC 8489, section 14.1.
const FAMILY_IPV4: u8 = 0x01;
/// RFC 8489, section 14.1.
const FAMILY_IPV6: u8 = 0x02;

/// Reads an address. `mask` is cookie and transaction id for an XORed one, zero for a plain one.
pub(super) fn read(value: &[u8], mask: u128) -> Result<SocketAddr, &'static str> {
    let Some(&[_, family, port_high, port_low]) = value.first_chunk::<4>() else {
        return Err("address shorter than its family and port");
    };
    let port = u16::from_be_bytes([port_high, port_low]) ^ (mask >> 112) as u16;
    let octets = value.get(4..).unwrap_or_default();
    let ip = match family {
        FAMILY_IPV4 => {
            let bytes = octets.first_chunk::<4>().ok_or("IPv4 address shorter than 4 bytes")?;
            IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes(*bytes) ^ (mask >> 96) as u32))
        }
        FAMILY_IPV6 => {
            let bytes = octets.first_chunk::<16>().ok_or("IPv6 address shorter than 16 bytes")?;
            IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(*bytes) ^ mask))
        }
        _ => return Err("address family neither IPv4 nor IPv6"),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Appends an address.
pub(super) fn write(address: SocketAddr, mask: u128, out: &mut Vec<u8>) {
    let port = (address.port() ^ (mask >> 112) as u16).to_be_bytes();
    let family = if address.is_ipv4() { FAMILY_IPV4 } else { FAMILY_IPV6 };
    out.extend_from_slice(&[0, family, port[0], port[1]]);
    match address.ip() {
        IpAddr::V4(v4) => out.extend_from_slice(&(v4.to_bits() ^ (mask >> 96) as u32).to_be_bytes()),
        IpAddr::V6(v6) => out.extend_from_slice(&(v6.to_bits() ^ mask).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: u128 = 0x2112_a442_b7e7_a701_bc34_d686_fa87_dfae;

    #[test]
    fn addresses_survive_the_way_out_and_in() {
        for text in ["192.0.2.1:32853", "0.0.0.0:0", "[2001:db8:1234:5678:11:2233:4455:6677]:32853", "[::]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            for mask in [0, MASK] {
                let mut bytes = Vec::new();
                write(address, mask, &mut bytes);
                assert_eq!(read(&bytes, mask), Ok(address));
                for cut in 0..bytes.len() {
                    assert!(read(&bytes[..cut], mask).is_err());
                }
            }
        }
    }

    #[test]
    fn a_family_of_zero_is_no_address() {
        assert_eq!(read(&[0; 20], 0), Err("address family neither IPv4 nor IPv6"));
    }
}
