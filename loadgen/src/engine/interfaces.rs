//! The addresses of the interfaces of this machine.
//!
//! In: nothing. Out: addresses. Never: those of interfaces that are down.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Each address once, in the system's order.
#[allow(unsafe_code, reason = "only libc lists interfaces")]
pub(super) fn addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `list` is a valid place for a pointer.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return found;
    }
    let mut next = list.cast_const();
    // SAFETY: the list is what getifaddrs gave and ends with a null pointer; it is freed only behind this loop.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        let is_up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        // SAFETY: `ifa_addr` is null or points to an address whose layout its family says.
        let address = unsafe { address(entry.ifa_addr) };
        found.extend(address.filter(|address| is_up && !found.contains(address)));
    }
    // SAFETY: the list is what getifaddrs gave, and nothing borrows from it any longer.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// # Safety
/// `pointer` is null or points to a socket address that is as large as its family says.
#[allow(unsafe_code, reason = "only libc lists interfaces")]
unsafe fn address(pointer: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: every socket address begins with its family.
    let family = i32::from(unsafe { pointer.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in; it may be less aligned.
            let address = unsafe { pointer.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is a sockaddr_in6; it may be less aligned.
            let address = unsafe { pointer.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_address_and_none_twice() {
        let found = addresses();
        assert!(found.contains(&Ipv4Addr::LOCALHOST.into()), "{found:?}");
        for (at, address) in found.iter().enumerate() {
            assert!(!found[..at].contains(address), "{found:?}");
        }
    }
}
