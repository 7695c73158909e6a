//! The network interfaces of this machine, or of the namespace that the program runs in.
//!
//! In: nothing but the kernel's list. Out: name, number, kind and addresses of each. Never: a change to one.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// As `ip link` has it.
    pub name: String,
    /// The kernel's number, from 1.
    pub index: u32,
    /// ARPHRD_ number of its link.
    pub(super) hardware: u16,
    /// It was switched on.
    pub is_up: bool,
    /// And it can be used: its cable is in.
    pub is_running: bool,
    /// What it sends comes back to it.
    pub is_loopback: bool,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
}

/// All interfaces, by number.
///
/// # Errors
/// The kernel's.
pub fn network_interfaces() -> io::Result<Vec<NetworkInterface>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `first` is where the list's address is to be written.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let list = List(first);
    let mut found = BTreeMap::new();
    let mut addresses: Vec<(String, IpAddr)> = Vec::new();
    for entry in list.entries() {
        // SAFETY: an entry's name is a string that lives as long as the list.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        match address(entry) {
            Some(Address::Link { index, hardware }) => {
                let is = |flag: libc::c_int| entry.ifa_flags & flag as libc::c_uint != 0;
                found.insert(
                    index,
                    NetworkInterface {
                        name,
                        index,
                        hardware,
                        is_up: is(libc::IFF_UP),
                        is_running: is(libc::IFF_RUNNING),
                        is_loopback: is(libc::IFF_LOOPBACK),
                        addresses: Vec::new(),
                    },
                );
            }
            Some(Address::Ip(address)) => addresses.push((name, address)),
            None => {}
        }
    }
    let mut interfaces: Vec<NetworkInterface> = found.into_values().collect();
    for (name, address) in addresses {
        if let Some(interface) = interfaces.iter_mut().find(|interface| interface.name == name) {
            interface.addresses.push(address);
        }
    }
    Ok(interfaces)
}

enum Address {
    Link { index: u32, hardware: u16 },
    Ip(IpAddr),
}

/// A list of getifaddrs(3), given back when it is dropped.
struct List(*mut libc::ifaddrs);

impl List {
    fn entries(&self) -> impl Iterator<Item = &libc::ifaddrs> {
        // SAFETY: null, or the first entry of a list that lives as long as `self`.
        let mut next = unsafe { self.0.as_ref() };
        std::iter::from_fn(move || {
            let entry = next?;
            // SAFETY: null behind the last one, else the next entry of the same list.
            next = unsafe { entry.ifa_next.as_ref() };
            Some(entry)
        })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        // SAFETY: what getifaddrs gave, once; no entry is borrowed any more.
        unsafe { libc::freeifaddrs(self.0) };
    }
}

fn address(entry: &libc::ifaddrs) -> Option<Address> {
    // SAFETY: null, or a socket address that lives as long as the entry.
    let family = unsafe { entry.ifa_addr.as_ref() }?.sa_family;
    match libc::c_int::from(family) {
        libc::AF_PACKET => {
            // SAFETY: by its family it is a whole `sockaddr_ll`; getifaddrs aligns all of them for it.
            let link = unsafe { entry.ifa_addr.cast::<libc::sockaddr_ll>().read_unaligned() };
            Some(Address::Link { index: u32::try_from(link.sll_ifindex).ok()?, hardware: link.sll_hatype })
        }
        libc::AF_INET => {
            // SAFETY: by its family it is a whole `sockaddr_in`.
            let ip = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Address::Ip(Ipv4Addr::from(u32::from_be(ip.sin_addr.s_addr)).into()))
        }
        libc::AF_INET6 => {
            // SAFETY: by its family it is a whole `sockaddr_in6`.
            let ip = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Address::Ip(Ipv6Addr::from(ip.sin6_addr.s6_addr).into()))
        }
        _ => None,
    }
}
