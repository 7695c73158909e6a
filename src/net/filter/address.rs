//! Numbers and addresses of a filter.
//!
//! In: one word. Out: its value, or what is wrong with it. Never: a name.

use std::net::Ipv6Addr;

/// Decimal, `0x` hexadecimal, or octal after a leading 0, as in C.
pub(super) fn number(word: &str) -> Option<u32> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if word.len() > 1 && word.starts_with('0') => (word, 8),
        None => (word, 10),
    };
    let all_digits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if all_digits { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// An IPv4 address of one to four numbers and the mask of the numbers given: `10.1` is 10.1.0.0 with 255.255.0.0.
pub(super) fn ipv4(word: &str) -> Option<(u32, u32)> {
    let mut address = 0_u32;
    let mut octets = 0;
    for part in word.split('.') {
        let decimal = !part.is_empty() && part.chars().all(|digit| digit.is_ascii_digit());
        let octet: u8 = part.parse().ok().filter(|_| decimal)?;
        octets += 1;
        if octets > 4 {
            return None;
        }
        address = address << 8 | u32::from(octet);
    }
    let missing = 32 - 8 * octets;
    Some((address << missing, u32::MAX << missing))
}

/// An IPv6 address without a zone.
pub(super) fn ipv6(word: &str) -> Option<u128> {
    word.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits)
}

/// The mask of the first `length` bits of `width`; `None` where there are not so many.
pub(super) fn prefix_mask(length: u32, width: u32) -> Option<u128> {
    let host_bits = width.checked_sub(length)?;
    let all = u128::MAX.checked_shr(128 - width).unwrap_or(0);
    Some(u128::MAX.checked_shl(host_bits).unwrap_or(0) & all)
}
