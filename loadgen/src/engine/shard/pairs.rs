//! Allocations that come in twos: those that send to each other, and those of which the first reserves the port of the
//! second (RFC 8656, section 7: EVEN-PORT and RESERVATION-TOKEN).
//!
//! In: what became of one of the two. Out: what the other one does. Never: two of different shards.

use super::{Call, Key, Shard};
use crate::clock::Moment;
use crate::engine::session::Session;
use std::sync::Arc;

/// Under which an allocation is counted that was never asked for, because no port was reserved for it.
const NO_RESERVATION: &str = "no-reservation";

impl Shard {
    /// A call alone, or two that belong together.
    pub(super) fn open_call(&mut self, due: Moment, now: Moment) -> Call {
        let number = self.number + self.begun * self.plan.shards;
        self.begun += 1;
        if !self.plan.is_in_twos() {
            return [self.open(number, due, now), None];
        }
        // The second one first: where the first one fails at once, it is there to be told.
        let second = self.open(number * 2 + 1, due, now);
        let first = self.open(number * 2, due, now);
        let (Some(first_key), Some(second_key)) = (first, second) else {
            if let Some(second) = second {
                self.give_up(second.slot, number * 2 + 1);
            }
            if self.plan.is_paired() {
                [first, second].into_iter().flatten().for_each(|key| self.left_alone(key, now));
            }
            return [first, second];
        };
        if self.plan.reserves() {
            match self.session(first_key) {
                Some(session) => session.body.next = Some(second_key.slot),
                None => self.give_up(second_key.slot, number * 2 + 1),
            }
        }
        if self.plan.is_paired() {
            for (key, partner) in [(first_key, second_key), (second_key, first_key)] {
                if let Some(session) = self.session(key) {
                    session.body.partner = Some(partner.slot);
                }
            }
        }
        [first, second]
    }

    /// The other one of a pair, where it lives.
    pub(super) fn partner(&self, key: Key) -> Option<Key> {
        let slot = self.sessions.get(key.slot as usize)?.as_deref()?.body.partner?;
        let generation = self.sessions.get(slot as usize)?.as_deref()?.body.generation;
        let other = Key { slot, generation };
        let back = self.sessions.get(slot as usize)?.as_deref()?.body.partner;
        (back == Some(key.slot)).then_some(other)
    }

    /// Nobody is there to send to, and where the streams decide when the load is over, nothing else would end it.
    pub(super) fn left_alone(&mut self, key: Key, now: Moment) {
        if self.plan.scenario.ends().is_none() {
            self.end_one(key, now);
        }
    }

    /// An allocation is there: the one that waits for the port above it may begin.
    pub(super) fn begin_next(&mut self, key: Key, now: Moment) {
        let plan = Arc::clone(&self.plan);
        let Some(session) = self.session(key) else { return };
        let Some(slot) = session.body.next.take() else { return };
        let (id, server, token) =
            (session.body.id + 1, session.body.server().clone(), session.body.client.reservation());
        let Some(token) = token else {
            // Section 7.3: a server that cannot reserve refuses; this one has granted without.
            return self.give_up(slot, id);
        };
        let Some(next) = self.waiting(slot, id) else { return };
        let Some(session) = self.session(next) else { return };
        match session.begin_at(&plan, server, token, now) {
            Ok(is_elsewhere) => {
                if is_elsewhere {
                    self.register(next);
                }
                self.pump(next, now);
            }
            Err(broken) => self.break_off(next, &broken),
        }
    }

    /// Nothing was reserved for allocation `id`, which waits in `slot` where it still does.
    pub(super) fn give_up(&mut self, slot: u32, id: u32) {
        if let Some(next) = self.waiting(slot, id) {
            self.stats.failed(NO_RESERVATION, "the allocation whose port is the one below reserved none");
            self.free(next);
        }
    }

    fn waiting(&self, slot: u32, id: u32) -> Option<Key> {
        let waits = |session: &&Session| session.body.id == id && session.body.waits;
        let session = self.sessions.get(slot as usize)?.as_deref().filter(waits)?;
        Some(Key { slot, generation: session.body.generation })
    }
}
