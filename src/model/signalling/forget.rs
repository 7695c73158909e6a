//! The signalling lets go of sessions that are over.
//!
//! In: which sessions stay. Out: the same signalling without the others, and room where they were. Never: a number of
//! before that still stands somewhere.

use super::{MAX_SESSIONS, Signalling};
use crate::model::merge::Named;
use crate::time::Timestamp;

impl Signalling {
    /// Keeps what stays; messages and candidates of no session stay while they are fresh.
    pub(crate) fn forget(&mut self, stays: &[bool], named: &Named, is_fresh: impl Fn(Timestamp) -> bool) {
        let mut next = 0;
        let places: Vec<Option<usize>> = stays
            .iter()
            .map(|stays| {
                next += usize::from(*stays);
                stays.then_some(next.wrapping_sub(1))
            })
            .collect();
        self.trail.forget(&places, &is_fresh);
        self.web.forget(&places, is_fresh);
        self.contexts.retain(|at| named.endpoints.contains(at), |fragment| named.fragments.contains(fragment));
        self.relayed.retain(|at| named.endpoints.contains(at));
        if places.iter().all(Option::is_some) {
            return;
        }
        let mut stays = places.iter().map(Option::is_some);
        self.sessions.retain(|_| stays.next().unwrap_or(false));
        let mut stays = places.iter().map(Option::is_some);
        self.rounds.retain(|_| stays.next().unwrap_or(false));
        let mut stays = places.iter().map(Option::is_some);
        self.texts.retain(|_| stays.next().unwrap_or(false));
        self.text = self.texts.iter().sum();
        self.by_call_id.retain(|_, index| moved(&places, index));
        let room = self.sessions.len().saturating_mul(2).min(MAX_SESSIONS);
        self.sessions.shrink_to(room);
        self.rounds.shrink_to(room);
        self.texts.shrink_to(room);
        self.by_call_id.shrink_to(room);
    }

    /// A session keeps so many more.
    pub(super) fn keeps(&mut self, index: usize, bytes: usize) {
        self.text += bytes;
        if let Some(own) = self.texts.get_mut(index) {
            *own += bytes;
        }
    }
}

/// Gives a session its number from now on; false where it has left.
pub(super) fn moved(places: &[Option<usize>], index: &mut usize) -> bool {
    match places.get(*index).copied().flatten() {
        Some(place) => {
            *index = place;
            true
        }
        None => false,
    }
}
