//! The values of attributes, read and written.
//!
//! In: the bytes of a value and its shape, or a [`Value`]. Out: the other of the two. Never: an allocation while
//! reading, a guess where the bytes are too few.

use super::address;
use super::attribute_type::{AttributeType, Shape};
use std::net::SocketAddr;

/// What an attribute says. The variant follows from the attribute's type; a type that is not known gives `Bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// All attributes that hold a transport address; no longer XORed.
    Address(SocketAddr),
    /// Text that the RFC wants to be UTF-8: USERNAME, REALM, NONCE, SOFTWARE and others. It may be anything.
    Text(&'a [u8]),
    /// Opaque: DATA, MESSAGE-INTEGRITY, RESERVATION-TOKEN and others, and every type that is not known.
    Bytes(&'a [u8]),
    /// Attributes without a value: USE-CANDIDATE, DONT-FRAGMENT.
    Flag,
    /// REQUESTED-TRANSPORT: a protocol number.
    U8(u8),
    /// CHANNEL-NUMBER, RESPONSE-PORT.
    U16(u16),
    /// LIFETIME, PRIORITY, CHANGE-REQUEST, CONNECTION-ID, FINGERPRINT and others.
    U32(u32),
    /// ICE-CONTROLLED, ICE-CONTROLLING.
    U64(u64),
    /// EVEN-PORT: whether the next higher port is to be reserved too.
    EvenPort(bool),
    /// REQUESTED-ADDRESS-FAMILY, ADDITIONAL-ADDRESS-FAMILY.
    Family(Family),
    /// ERROR-CODE: 300 to 699, and the reason phrase as it was sent.
    ErrorCode {
        /// Class times 100 plus number.
        code: u16,
        /// UTF-8 by the RFC.
        reason: &'a [u8],
    },
    /// ADDRESS-ERROR-CODE: the error that one of two address families met.
    AddressErrorCode {
        /// The family that could not be allocated.
        family: Family,
        /// Class times 100 plus number.
        code: u16,
        /// UTF-8 by the RFC.
        reason: &'a [u8],
    },
    /// UNKNOWN-ATTRIBUTES.
    AttributeTypes(AttributeTypes<'a>),
    /// PASSWORD-ALGORITHM.
    PasswordAlgorithm(PasswordAlgorithm<'a>),
    /// PASSWORD-ALGORITHMS.
    PasswordAlgorithms(PasswordAlgorithms<'a>),
    /// ICMP: an ICMP error that the server received for the relayed address.
    Icmp {
        /// ICMP type, 7 bits.
        icmp_type: u8,
        /// ICMP code, 9 bits.
        code: u16,
        /// The second word of the ICMP message, such as the MTU of the next hop.
        data: u32,
    },
    /// ECN-CHECK-STUN.
    EcnEcho(EcnEcho),
    /// TRANSACTION_TRANSMIT_COUNTER: the how-manieth transmission of the request, of the response.
    TransmitCounter {
        /// Of the request.
        request: u8,
        /// Of the response, 0 in a request.
        response: u8,
    },
    /// GOOG-NETWORK-INFO: which interface of the sender, and what its use costs (0 to 999).
    NetworkInfo {
        /// Identifier of the interface.
        id: u16,
        /// Cost.
        cost: u16,
    },
}

/// An address family by its number in STUN (RFC 8656, section 18.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Family(pub u8);

impl Family {
    /// RFC 8489, section 14.1.
    pub const IPV4: Self = Self(0x01);
    /// RFC 8489, section 14.1.
    pub const IPV6: Self = Self(0x02);
}

/// The ECN field that the peer saw on the check (RFC 6679, section 7.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EcnEcho {
    /// The two ECN bits.
    pub ecn: u8,
    /// Whether `ecn` holds a value.
    pub valid: bool,
}

/// The list in UNKNOWN-ATTRIBUTES. Iterating yields the types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttributeTypes<'a>(&'a [u8]);

impl<'a> AttributeTypes<'a> {
    /// From the bytes of the list, two a type in network order; an odd last one is not looked at.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Iterator for AttributeTypes<'_> {
    type Item = AttributeType;

    fn next(&mut self) -> Option<AttributeType> {
        let (number, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(AttributeType(u16::from_be_bytes(*number)))
    }
}

/// A password algorithm and its parameters (RFC 8489, sections 14.11 and 18.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordAlgorithm<'a> {
    /// The registered number.
    pub number: u16,
    /// Empty for both registered algorithms.
    pub parameters: &'a [u8],
}

impl<'a> PasswordAlgorithm<'a> {
    /// MD5 of `username:realm:password` (RFC 8489, section 18.5.1.1).
    pub const MD5: PasswordAlgorithm<'static> = PasswordAlgorithm { number: 1, parameters: &[] };
    /// SHA-256 of `username:realm:password` (RFC 8489, section 18.5.1.2).
    pub const SHA256: PasswordAlgorithm<'static> = PasswordAlgorithm { number: 2, parameters: &[] };

    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([c, d]));
        let parameters = rest.get(..len)?;
        let next = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((Self { number: u16::from_be_bytes([a, b]), parameters }, next))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        // A value that long makes the attribute too long, which the builder reports.
        out.extend_from_slice(&(self.parameters.len() as u16).to_be_bytes());
        out.extend_from_slice(self.parameters);
        out.resize(out.len() + self.parameters.len().wrapping_neg() % 4, 0);
    }
}

/// The list in PASSWORD-ALGORITHMS. Iterating yields the algorithms up to the first that is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl PasswordAlgorithms<'static> {
    /// The offer of both registered algorithms, the stronger one first.
    pub const SHA256_AND_MD5: Self = Self(&[0, 2, 0, 0, 0, 1, 0, 0]);
}

impl<'a> PasswordAlgorithms<'a> {
    /// From the bytes of the list.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for PasswordAlgorithms<'a> {
    type Item = PasswordAlgorithm<'a>;

    fn next(&mut self) -> Option<PasswordAlgorithm<'a>> {
        let (algorithm, rest) = PasswordAlgorithm::split(self.0)?;
        self.0 = rest;
        Some(algorithm)
    }
}

/// Reads the value of an attribute. `mask` is what an XORed address is XORed with.
pub(super) fn read(shape: Shape, bytes: &[u8], mask: u128) -> Result<Value<'_>, &'static str> {
    Ok(match shape {
        Shape::Address => Value::Address(address::read(bytes, 0)?),
        Shape::XorAddress => Value::Address(address::read(bytes, mask)?),
        Shape::Text => Value::Text(bytes),
        Shape::Bytes => Value::Bytes(bytes),
        Shape::Flag if bytes.is_empty() => Value::Flag,
        Shape::Flag => return Err("a value where there is none by the RFC"),
        Shape::U8 => Value::U8(first::<1>(bytes)?[0]),
        Shape::EvenPort => Value::EvenPort(first::<1>(bytes)?[0] & 0x80 != 0),
        Shape::Family => Value::Family(Family(first::<1>(bytes)?[0])),
        Shape::U16 => Value::U16(u16::from_be_bytes(first(bytes)?)),
        Shape::U32 => Value::U32(u32::from_be_bytes(first(bytes)?)),
        Shape::U64 => Value::U64(u64::from_be_bytes(first(bytes)?)),
        Shape::ErrorCode => {
            let [_, _, class, number] = first(bytes)?;
            Value::ErrorCode { code: error_code(class, number), reason: bytes.get(4..).unwrap_or_default() }
        }
        Shape::AddressErrorCode => {
            let [family, _, class, number] = first(bytes)?;
            let reason = bytes.get(4..).unwrap_or_default();
            Value::AddressErrorCode { family: Family(family), code: error_code(class, number), reason }
        }
        Shape::AttributeTypes => Value::AttributeTypes(AttributeTypes(bytes)),
        Shape::PasswordAlgorithm => {
            let (algorithm, _) = PasswordAlgorithm::split(bytes).ok_or("password algorithm cut")?;
            Value::PasswordAlgorithm(algorithm)
        }
        Shape::PasswordAlgorithms => Value::PasswordAlgorithms(PasswordAlgorithms(bytes)),
        Shape::Icmp => {
            let [_, _, a, b, data @ ..] = first::<8>(bytes)?;
            let code = u16::from_be_bytes([a & 1, b]);
            Value::Icmp { icmp_type: a >> 1, code, data: u32::from_be_bytes(data) }
        }
        Shape::EcnEcho => {
            let [_, _, _, bits] = first(bytes)?;
            Value::EcnEcho(EcnEcho { ecn: bits >> 1 & 0b11, valid: bits & 1 != 0 })
        }
        Shape::TransmitCounter => {
            let [_, _, request, response] = first(bytes)?;
            Value::TransmitCounter { request, response }
        }
        Shape::NetworkInfo => {
            let [a, b, c, d] = first(bytes)?;
            Value::NetworkInfo { id: u16::from_be_bytes([a, b]), cost: u16::from_be_bytes([c, d]) }
        }
    })
}

fn first<const N: usize>(bytes: &[u8]) -> Result<[u8; N], &'static str> {
    bytes.first_chunk().copied().ok_or("value shorter than its fields")
}

/// Only the three lower bits of the class count (RFC 8489, section 14.8). A number above 99 is kept as it is.
fn error_code(class: u8, number: u8) -> u16 {
    u16::from(class & 0b111) * 100 + u16::from(number)
}

/// Appends a value.
pub(super) fn write(value: &Value<'_>, mask: u128, out: &mut Vec<u8>) {
    match *value {
        Value::Address(address) => address::write(address, mask, out),
        Value::Text(bytes) | Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Flag => {}
        Value::U8(number) | Value::Family(Family(number)) => out.extend_from_slice(&[number, 0, 0, 0]),
        Value::EvenPort(next_too) => out.push(if next_too { 0x80 } else { 0 }),
        Value::U16(number) => out.extend_from_slice(&(u32::from(number) << 16).to_be_bytes()),
        Value::U32(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::U64(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::ErrorCode { code, reason } => write_error(0, code, reason, out),
        Value::AddressErrorCode { family, code, reason } => write_error(family.0, code, reason, out),
        Value::AttributeTypes(AttributeTypes(list)) => out.extend_from_slice(list),
        Value::PasswordAlgorithm(algorithm) => algorithm.write(out),
        Value::PasswordAlgorithms(PasswordAlgorithms(list)) => out.extend_from_slice(list),
        Value::Icmp { icmp_type, code, data } => {
            let word = u16::from(icmp_type) << 9 | (code & 0x1ff);
            out.extend_from_slice(&u32::from(word).to_be_bytes());
            out.extend_from_slice(&data.to_be_bytes());
        }
        Value::EcnEcho(EcnEcho { ecn, valid }) => {
            out.extend_from_slice(&[0, 0, 0, (ecn & 0b11) << 1 | u8::from(valid)]);
        }
        Value::TransmitCounter { request, response } => out.extend_from_slice(&[0, 0, request, response]),
        Value::NetworkInfo { id, cost } => {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&cost.to_be_bytes());
        }
    }
}

fn write_error(family: u8, code: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[family, 0, (code / 100) as u8 & 0b111, (code % 100) as u8]);
    out.extend_from_slice(reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: u128 = 0x2112_a442_0102_0304_0506_0708_090a_0b0c;

    fn example(shape: Shape) -> Value<'static> {
        match shape {
            Shape::Address | Shape::XorAddress => Value::Address("[2001:db8::1]:3478".parse().unwrap()),
            Shape::Text => Value::Text("Grüße".as_bytes()),
            Shape::Bytes => Value::Bytes(&[1, 2, 3]),
            Shape::Flag => Value::Flag,
            Shape::U8 => Value::U8(17),
            Shape::U16 => Value::U16(0x4001),
            Shape::U32 => Value::U32(600),
            Shape::U64 => Value::U64(0x0102_0304_0506_0708),
            Shape::EvenPort => Value::EvenPort(true),
            Shape::Family => Value::Family(Family::IPV6),
            Shape::ErrorCode => Value::ErrorCode { code: 438, reason: b"Stale Nonce" },
            Shape::AddressErrorCode => Value::AddressErrorCode { family: Family::IPV4, code: 508, reason: b"" },
            Shape::AttributeTypes => Value::AttributeTypes(AttributeTypes::new(&[0x80, 0x30, 0, 0x1a])),
            Shape::PasswordAlgorithm => Value::PasswordAlgorithm(PasswordAlgorithm::SHA256),
            Shape::PasswordAlgorithms => Value::PasswordAlgorithms(PasswordAlgorithms::SHA256_AND_MD5),
            Shape::Icmp => Value::Icmp { icmp_type: 3, code: 4, data: 1280 },
            Shape::EcnEcho => Value::EcnEcho(EcnEcho { ecn: 0b11, valid: true }),
            Shape::TransmitCounter => Value::TransmitCounter { request: 3, response: 1 },
            Shape::NetworkInfo => Value::NetworkInfo { id: 2, cost: 900 },
        }
    }

    #[test]
    fn every_known_attribute_is_read_as_it_was_written() {
        for kind in AttributeType::ALL {
            let value = example(kind.shape());
            let mut bytes = Vec::new();
            write(&value, MASK, &mut bytes);
            let mask = if kind.shape() == Shape::Address { 0 } else { MASK };
            let mut expected = Vec::new();
            write(&value, mask, &mut expected);
            assert_eq!(read(kind.shape(), &expected, mask), Ok(value), "{kind}");
        }
    }

    #[test]
    fn no_value_cut_short_is_taken_for_a_whole_one() {
        for kind in AttributeType::ALL {
            let shape = kind.shape();
            let fixed = !matches!(
                shape,
                Shape::Text | Shape::Bytes | Shape::Flag | Shape::AttributeTypes | Shape::PasswordAlgorithms
            );
            if !fixed {
                continue;
            }
            let mut bytes = Vec::new();
            write(&example(shape), 0, &mut bytes);
            let least = match shape {
                Shape::U8 | Shape::EvenPort | Shape::Family => 1,
                Shape::U16 => 2,
                Shape::ErrorCode | Shape::AddressErrorCode => 4,
                _ => bytes.len(),
            };
            for cut in 0..least {
                assert!(read(shape, &bytes[..cut], 0).is_err(), "{kind} of {cut} bytes");
            }
            assert!(read(shape, &bytes[..least], 0).is_ok(), "{kind}");
        }
    }

    #[test]
    fn a_flag_with_a_value_is_an_error() {
        assert!(read(Shape::Flag, &[0], 0).is_err());
    }

    #[test]
    fn the_icmp_code_takes_nine_bits() {
        let bytes = [0, 0, 0x07, 0x04, 0, 0, 5, 0];
        assert_eq!(read(Shape::Icmp, &bytes, 0), Ok(Value::Icmp { icmp_type: 3, code: 0x104, data: 1280 }));
    }

    #[test]
    fn a_password_algorithm_with_parameters_is_stepped_over() {
        let bytes = [0, 9, 0, 3, 0xaa, 0xbb, 0xcc, 0, 0, 1, 0, 0, 0, 7, 0xff];
        let found: Vec<_> = PasswordAlgorithms::new(&bytes).collect();
        assert_eq!(found, [PasswordAlgorithm { number: 9, parameters: &[0xaa, 0xbb, 0xcc] }, PasswordAlgorithm::MD5]);
    }

    #[test]
    fn the_list_of_unknown_attributes_drops_an_odd_byte() {
        let found: Vec<_> = AttributeTypes::new(&[0, 0x1a, 0x80]).collect();
        assert_eq!(found, [AttributeType::DONT_FRAGMENT]);
    }
}
