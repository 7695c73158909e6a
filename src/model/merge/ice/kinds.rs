//! What kind of candidate stands at each end of a pair (RFC 8445, sections 5.1.1 and 7.2.5.3.1).
//!
//! In: the candidates that a session's descriptions and messages name, addresses that servers gave or saw, and as whom
//! the ends of a pair saw each other. Out: a kind for each end. Never: a kind where the descriptions may be incomplete.

use super::super::super::flow::{Direction, Origin};
use super::super::super::signalling::SessionSummary;
use super::super::super::snapshot::{PairRow, Snapshot};
use super::super::{Merge, Place};
use crate::net::{Endpoint, Transport};
use crate::proto::sdp::{Candidate, CandidateKind, CandidateTransport, TcpType};
use std::collections::{HashMap, HashSet};

/// Candidates of one fragment that are looked at; where there are more, none is called peer reflexive.
const MAX_CANDIDATES: usize = 256;

/// The candidates that a session names, by username fragment.
pub(super) struct Announced<'s> {
    by_fragment: HashMap<&'s str, Vec<&'s Candidate>, ahash::RandomState>,
    is_whole: bool,
}

impl<'s> Announced<'s> {
    pub(super) fn of(session: &'s SessionSummary) -> Self {
        let mut by_fragment: HashMap<&'s str, Vec<&'s Candidate>, ahash::RandomState> = HashMap::default();
        for described in &session.descriptions {
            for media in &described.sdp.media {
                let Some(credentials) = described.sdp.ice_credentials(media) else { continue };
                by_fragment.entry(credentials.ufrag).or_default().extend(&media.attributes.candidates);
            }
        }
        for trickled in &session.candidates {
            if let Some(ufrag) = &trickled.ufrag {
                by_fragment.entry(ufrag).or_default().push(&trickled.candidate);
            }
        }
        let is_whole =
            session.candidates.len() < MAX_CANDIDATES && session.candidates.iter().all(|known| known.ufrag.is_some());
        Self { by_fragment, is_whole }
    }
}

/// Addresses that servers gave or saw.
pub(super) struct Seen {
    relayed: HashSet<Endpoint, ahash::RandomState>,
    /// As who a server saw an address of this side, where it is another one.
    mapped: HashMap<Endpoint, Endpoint, ahash::RandomState>,
}

impl Seen {
    pub(super) fn of(merge: &Merge<'_>, snapshot: &Snapshot) -> Self {
        let allocations = snapshot.allocations.iter();
        let relayed = allocations.clone().filter_map(|row| row.allocation.relayed).collect();
        let by_turn = allocations.filter_map(|row| Some((row.client, row.allocation.mapped?)));
        let by_stun = merge.details().flat_map(|(_, flow, details)| {
            let ends = [Direction::Forward, Direction::Backward].into_iter().zip(details.ice.reflexive());
            ends.filter_map(|(end, mapped)| Some((flow.sender(end), mapped?))).collect::<Vec<_>>()
        });
        let mapped = by_turn.chain(by_stun).filter(|(base, mapped)| base != mapped).collect();
        Self { relayed, mapped }
    }
}

impl Merge<'_> {
    /// The kinds of the candidates at both ends of a pair, as the one that has each of them sees it.
    pub(super) fn kinds(&self, row: &PairRow, announced: &Announced<'_>, seen: &Seen) -> [Option<CandidateKind>; 2] {
        let Some((_, place)) = self.place_of(&row.flow) else { return [None, None] };
        [Direction::Forward, Direction::Backward].map(|end| self.kind(place, end, row, announced, seen))
    }

    fn kind(
        &self,
        place: Place,
        end: Direction,
        row: &PairRow,
        announced: &Announced<'_>,
        seen: &Seen,
    ) -> Option<CandidateKind> {
        let flow = self.flow(place);
        let (own, transport) = match flow.origin {
            Origin::Captured => (flow.sender(end), flow.tuple.transport),
            Origin::InTurn { parent, .. } => {
                let outer = self.flow((place.0, parent)).details.as_ref()?;
                let client = outer.turn.allocations().last()?.client_direction;
                if client == end {
                    return Some(CandidateKind::Relayed);
                }
                let [peer, _] = self.names(place, end);
                (peer?, Transport::Udp)
            }
        };
        // The candidate of a pair is what its check came from in the eyes of who answered (section 7.2.5.3.1).
        let mapped = row.pair.mapped[end as usize];
        let address = mapped.unwrap_or(own);
        let fragment = row.pair.fragments.as_ref().map(|fragments| fragments[end as usize].as_str());
        let candidates = fragment.and_then(|fragment| announced.by_fragment.get(fragment)).map(Vec::as_slice);
        let candidates = candidates.unwrap_or_default();
        let usable = candidates.iter().take(MAX_CANDIDATES).copied().filter(|known| is_over(known, transport));
        let by_description = [address, own].into_iter().find_map(|address| named(usable.clone(), address));
        let others = || {
            if seen.relayed.contains(&address) {
                return Some(CandidateKind::Relayed);
            }
            let is_reflexive = address != own && seen.mapped.get(&own) == Some(&address);
            if candidates.is_empty() {
                return is_reflexive.then_some(CandidateKind::ServerReflexive);
            }
            let is_whole = announced.is_whole && candidates.len() <= MAX_CANDIDATES;
            is_whole.then_some(CandidateKind::PeerReflexive)
        };
        by_description.or_else(|| unnamed(usable, address)).or_else(others)
    }
}

fn is_over(candidate: &Candidate, transport: Transport) -> bool {
    match transport {
        Transport::Udp => candidate.transport == CandidateTransport::Udp,
        Transport::Tcp => candidate.transport == CandidateTransport::Tcp,
    }
}

/// The kind of the candidate with this address: of several the one that needs no help, since others with the same
/// address are redundant (section 5.1.3).
fn named<'c>(candidates: impl Iterator<Item = &'c Candidate>, address: Endpoint) -> Option<CandidateKind> {
    let same = candidates.filter(|known| known.port == address.port && is_at(known, address));
    same.map(|known| &known.kind).min_by_key(|kind| rank(kind)).cloned()
}

/// The kind of a candidate that does not say its address or port: the base of one that a server saw, a name of
/// multicast DNS, a TCP client.
fn unnamed<'c>(candidates: impl Iterator<Item = &'c Candidate> + Clone, address: Endpoint) -> Option<CandidateKind> {
    let is_base = |known: &Candidate| {
        let related = known.related.as_ref().and_then(|(base, port)| Some((base.ip()?, *port)));
        known.kind == CandidateKind::ServerReflexive && related == Some((address.addr.ip(), address.port))
    };
    let is_hidden =
        |known: &Candidate| known.kind == CandidateKind::Host && known.address.is_mdns() && known.port == address.port;
    if candidates.clone().any(|known| is_base(known) || is_hidden(known)) {
        return Some(CandidateKind::Host);
    }
    // It opens connections from any port (RFC 6544, section 4.5).
    let mut active = candidates.filter(|known| known.tcp_type == Some(TcpType::Active));
    active.find(|known| is_at(known, address) || known.address.is_mdns()).map(|known| known.kind.clone())
}

fn is_at(candidate: &Candidate, address: Endpoint) -> bool {
    candidate.address.ip().is_some_and(|ip| ip == address.addr.ip())
}

const fn rank(kind: &CandidateKind) -> u8 {
    match kind {
        CandidateKind::Host => 0,
        CandidateKind::ServerReflexive => 1,
        CandidateKind::PeerReflexive => 2,
        CandidateKind::Relayed => 3,
        CandidateKind::Other(_) => 4,
    }
}
