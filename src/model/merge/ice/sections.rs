//! Whose a username fragment is: the sections and sides of the descriptions that name it.
//!
//! In: the descriptions of a session. Out: side and section of each fragment, and the restarts that they show (RFC 8839).
//! Never: what was checked, or what passed.

use super::super::super::signalling::{Described, SessionSummary};
use super::super::calls::sides::sides;
use crate::proto::sdp::Media;
use std::collections::{BTreeSet, HashMap};

/// The sections that username fragments are of, by the side that made them. Bundled ones are one section.
pub(super) struct Sections<'s> {
    by_fragment: HashMap<&'s str, BTreeSet<(usize, usize)>, ahash::RandomState>,
}

impl<'s> Sections<'s> {
    pub(super) fn of(session: &'s SessionSummary) -> Self {
        let mut by_fragment: HashMap<&'s str, BTreeSet<(usize, usize)>, ahash::RandomState> = HashMap::default();
        // What the answer does not bundle is not bundled (RFC 8843, section 7.3).
        let last = session.answer().or(session.offer());
        for (described, side) in session.descriptions.iter().zip(sides(session)) {
            for (at, media) in described.sdp.media.iter().enumerate() {
                if let Some(credentials) = described.sdp.ice_credentials(media) {
                    let section = last.and_then(|last| bundled_with(last, media)).unwrap_or(at);
                    by_fragment.entry(credentials.ufrag).or_default().insert((side, section));
                }
            }
        }
        Self { by_fragment }
    }

    /// The side that made a fragment.
    pub(super) fn side(&self, fragment: &str) -> Option<usize> {
        let mut sides = self.of_fragment(fragment).map(|(side, _)| side);
        let first = sides.next()?;
        sides.all(|side| side == first).then_some(first)
    }

    pub(super) fn of_fragment(&self, fragment: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.by_fragment.get(fragment).into_iter().flatten().copied()
    }
}

/// The place of the section that one is bundled with.
fn bundled_with(described: &Described, media: &Media) -> Option<usize> {
    let mid = media.attributes.mid.as_deref()?;
    let is_its = |members: &&Vec<String>| members.iter().any(|member| member == mid);
    let groups = described.sdp.attributes.groups.iter();
    let mut bundles = groups.filter(|group| group.semantics.eq_ignore_ascii_case("BUNDLE")).map(|group| &group.mids);
    let tag = bundles.find(is_its)?.first()?;
    described.sdp.media.iter().position(|media| media.attributes.mid.as_ref() == Some(tag))
}

/// Restarts that the descriptions show: rounds that changed the fragments of both sides (RFC 8839, section 4.4.3.1.1).
pub(super) fn described_restarts(session: &SessionSummary) -> u64 {
    let fragments = |described: &Described| -> BTreeSet<String> {
        let media = described.sdp.media.iter();
        media.filter_map(|media| Some(described.sdp.ice_credentials(media)?.ufrag.to_owned())).collect()
    };
    let all = &session.descriptions;
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut generations = 0_u64;
    for offer in all.iter().filter(|described| described.is_offer) {
        let Some(answer) = all.iter().rfind(|described| described.answers(offer)) else { continue };
        let (offered, answered) = (fragments(offer), fragments(answer));
        let is_new = |own: &BTreeSet<String>| !own.is_empty() && own.is_disjoint(&known);
        generations += u64::from(is_new(&offered) && is_new(&answered));
        known.extend(offered);
        known.extend(answered);
    }
    generations.saturating_sub(1)
}
