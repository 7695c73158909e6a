//! What the signalling has said of the two ends of a direction.
//!
//! In: a flow and a direction. Out: the contexts of receiver and sender, by the addresses that descriptions name. Inside
//! TURN these are the peer's address and the client's relayed address (RFC 8445, section 5.1.1.2), which the datagrams
//! do not have. Never: the figures of tshark, which knows only what is on the wire.

use super::super::flow::{Direction, Origin, Peer};
use super::super::media_context::{Format, MediaContext, Source};
use super::{Merge, Place};
use crate::net::Endpoint;

/// The contexts of a direction's ends: by the username fragment that connectivity checks name, which no two sides share,
/// and by up to two addresses, the one that descriptions name and the one on the wire.
#[derive(Clone, Copy, Default)]
pub(super) struct Described<'a> {
    receiver: [Option<&'a MediaContext>; 3],
    sender: [Option<&'a MediaContext>; 3],
}

impl<'a> Described<'a> {
    /// As the receiver said it (RFC 3264, section 5.1), then as the sender did.
    fn receiver_first(&self) -> impl Iterator<Item = &'a MediaContext> + use<'a> {
        self.receiver.into_iter().chain(self.sender).flatten()
    }

    fn sender_first(&self) -> impl Iterator<Item = &'a MediaContext> + use<'a> {
        self.sender.into_iter().chain(self.receiver).flatten()
    }

    /// True where either end has a description.
    pub(super) fn is_any(&self) -> bool {
        self.receiver_first().next().is_some()
    }

    /// The format of a payload type.
    pub(super) fn format(&self, payload_type: u8) -> Option<&'a Format> {
        self.receiver_first().find_map(|context| context.formats.get(&payload_type))
    }

    /// What the section of a payload type carries.
    pub(super) fn kind(&self, payload_type: u8) -> Option<&'a str> {
        self.receiver_first().find_map(|context| context.kinds.get(&payload_type)).map(String::as_str)
    }

    /// What is said of a source: by its sender.
    pub(super) fn source(&self, ssrc: u32) -> Option<&'a Source> {
        self.sender_first().find_map(|context| context.sources.get(&ssrc))
    }

    /// Whether the profiles are those of SRTP; none where nobody said, or both were said.
    pub(super) fn is_secure(&self) -> Option<bool> {
        self.receiver_first().find_map(|context| (context.srtp != context.rtp).then_some(context.srtp))
    }
}

impl<'a> Merge<'a> {
    /// What was described of the ends of a direction.
    pub(super) fn described(&self, place: Place, direction: Direction) -> Described<'a> {
        let [receiver, sender] = [direction.opposite(), direction].map(|end| {
            let ice = self.flow(place).details.as_ref().map(|details| &details.ice);
            let fragment = ice.and_then(|ice| self.contexts().of_fragment(ice.fragment(end)?)).map(|known| &**known);
            let [named, own] = self.names(place, end).map(|name| self.contexts().at(name?));
            [fragment, named, own]
        });
        Described { receiver, sender }
    }

    /// The addresses of the end that sends in this direction: the one that descriptions name where it is not on the
    /// wire, and the one on the wire.
    pub(super) fn names(&self, place: Place, sender: Direction) -> [Option<Endpoint>; 2] {
        [self.name_behind_turn(place, sender), Some(self.flow(place).sender(sender))]
    }

    fn name_behind_turn(&self, place: Place, sender: Direction) -> Option<Endpoint> {
        let Origin::InTurn { parent, peer } = self.flow(place).origin else { return None };
        let peer_address = match peer {
            Peer::Address(address) => Some(address),
            Peer::Channel(_) => None,
        };
        let allocations = self.flow((place.0, parent)).details.as_ref()?.turn.allocations();
        let has_peer = peer_address.and_then(|address| {
            allocations.iter().rfind(|allocation| allocation.permissions.contains_key(&address.addr))
        });
        match has_peer.or(allocations.last()) {
            Some(allocation) if allocation.client_direction == sender => allocation.relayed,
            // Without an allocation nobody knows which end is the client's, and the peer may be either.
            _ => peer_address,
        }
    }
}
