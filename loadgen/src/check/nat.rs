//! How a NAT maps and filters (RFC 5780, sections 4.3 and 4.4; the words are those of RFC 4787).
//!
//! In: what the tests saw. Out: a behaviour. Never: a behaviour where a test that it follows from had no answer.

use std::net::SocketAddr;

/// What is known of the NAT on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nat {
    /// How addresses of ours become addresses outside.
    pub mapping: Option<Mapping>,
    /// From whom packets are let in.
    pub filtering: Option<Filtering>,
}

/// How addresses of ours become addresses outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
    /// Our address is the one outside.
    None,
    /// The same for every target.
    EndpointIndependent,
    /// Another one for each target address.
    AddressDependent,
    /// Another one for each target address and port.
    AddressAndPortDependent,
}

impl Mapping {
    /// As RFC 4787 names it.
    pub const fn name(self) -> &'static str {
        match self {
            Mapping::None => "no-nat",
            Mapping::EndpointIndependent => "endpoint-independent",
            Mapping::AddressDependent => "address-dependent",
            Mapping::AddressAndPortDependent => "address-and-port-dependent",
        }
    }
}

/// From whom packets are let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filtering {
    /// From anybody.
    EndpointIndependent,
    /// From addresses that were sent to.
    AddressDependent,
    /// From addresses and ports that were sent to.
    AddressAndPortDependent,
}

impl Filtering {
    /// As RFC 4787 names it.
    pub const fn name(self) -> &'static str {
        match self {
            Filtering::EndpointIndependent => "endpoint-independent",
            Filtering::AddressDependent => "address-dependent",
            Filtering::AddressAndPortDependent => "address-and-port-dependent",
        }
    }
}

/// The mapping, of the answers of the server (I), of its other address at the same port (II), and of its other address at
/// the other port (III). `local` is our own address.
pub fn mapping(
    local: SocketAddr,
    first: SocketAddr,
    second: Option<SocketAddr>,
    third: Option<SocketAddr>,
) -> Option<Mapping> {
    if first == local {
        return Some(Mapping::None);
    }
    let second = second?;
    if second == first {
        return Some(Mapping::EndpointIndependent);
    }
    Some(if third? == second { Mapping::AddressDependent } else { Mapping::AddressAndPortDependent })
}

/// The filtering: whether an answer came from the other address and port, and whether one came from the other port only.
pub const fn filtering(from_other_address: bool, from_other_port: bool) -> Filtering {
    match (from_other_address, from_other_port) {
        (true, _) => Filtering::EndpointIndependent,
        (false, true) => Filtering::AddressDependent,
        (false, false) => Filtering::AddressAndPortDependent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_mapping_follows_from_the_addresses_that_servers_see() {
        let local = SocketAddr::from(([10, 0, 0, 2], 1));
        for (second, third, wanted) in [
            (Some(at(1)), None, Some(Mapping::EndpointIndependent)),
            (Some(at(2)), Some(at(2)), Some(Mapping::AddressDependent)),
            (Some(at(2)), Some(at(3)), Some(Mapping::AddressAndPortDependent)),
            (Some(at(2)), None, None),
            (None, Some(at(1)), None),
        ] {
            assert_eq!(mapping(local, at(1), second, third), wanted);
        }
        assert_eq!(mapping(at(1), at(1), None, None), Some(Mapping::None));
    }

    #[test]
    fn a_filter_is_as_narrow_as_what_it_held_back() {
        assert_eq!(filtering(true, false), Filtering::EndpointIndependent);
        assert_eq!(filtering(false, true), Filtering::AddressDependent);
        assert_eq!(filtering(false, false), Filtering::AddressAndPortDependent);
    }
}
