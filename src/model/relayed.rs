//! Relayed addresses: where the far side of a TURN server is to be looked for.
//!
//! In: answers to Allocate requests. Out: the addresses that they grant, each once, to be announced to all shards.
//! Never: a flow. That one runs from or to such an address is for its shard to see.

use super::analyzer::FrontSink;
use super::media_context::Announcement;
use crate::net::{Datagram, Endpoint};
use crate::proto::stun::{AttributeType, Class, Message, Method};
use std::collections::HashSet;
use std::sync::Arc;

/// Addresses kept; those beyond are not looked for.
const MAX_RELAYED: usize = 1 << 16;
/// The first two bytes of an Allocate success response (RFC 8489, section 5; RFC 8656, section 17).
const ALLOCATE_SUCCESS: [u8; 2] = [0x01, 0x03];

/// The addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct RelayedAddresses(HashSet<Endpoint, ahash::RandomState>);

impl RelayedAddresses {
    /// False where it is known already, or there is no room.
    pub(crate) fn add(&mut self, endpoint: Endpoint) -> bool {
        self.0.len() < MAX_RELAYED && self.0.insert(endpoint)
    }

    /// Keeps those that `stays` says.
    pub(crate) fn retain(&mut self, stays: impl Fn(&Endpoint) -> bool) {
        self.0.retain(stays);
        self.0.shrink_to(self.0.len() * 2);
    }

    pub(crate) fn has(&self, endpoint: Endpoint) -> bool {
        !self.0.is_empty() && self.0.contains(&endpoint)
    }

    /// Takes a STUN message; announces the addresses that it grants. Behind a NAT the server's own side has the port of
    /// the relayed address and the address at which the client reaches it in this capture.
    pub(crate) fn stun(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        if !datagram.payload.starts_with(&ALLOCATE_SUCCESS) {
            return;
        }
        let Ok(message) = Message::parse(datagram.payload) else { return };
        if message.class() != Class::SuccessResponse || message.method() != Method::ALLOCATE {
            return;
        }
        let granted = message
            .attributes()
            .filter(|attribute| attribute.kind == AttributeType::XOR_RELAYED_ADDRESS)
            .filter_map(|attribute| attribute.address())
            .map(Endpoint::from);
        let both = granted.flat_map(|relayed| [relayed, Endpoint { addr: datagram.flow.src.addr, port: relayed.port }]);
        let fresh: Vec<Endpoint> = both.filter(|endpoint| self.add(*endpoint)).collect();
        if !fresh.is_empty() {
            sink.announce(&Arc::new(Announcement::of_relayed(fresh)), datagram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Addr;

    #[test]
    fn an_address_is_new_once_and_there_is_an_end_to_their_number() {
        let endpoint = |n: u32| Endpoint { addr: Addr::v4(n.to_be_bytes()), port: 9 };
        let mut relayed = RelayedAddresses::default();
        assert!(!relayed.has(endpoint(1)));
        assert!(relayed.add(endpoint(1)));
        assert!(!relayed.add(endpoint(1)));
        assert!(relayed.has(endpoint(1)) && !relayed.has(endpoint(2)));
        let taken = (0..MAX_RELAYED as u32 + 10).filter(|n| relayed.add(endpoint(*n))).count();
        assert_eq!((taken, relayed.0.len()), (MAX_RELAYED - 1, MAX_RELAYED));
    }
}
