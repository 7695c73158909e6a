//! How allocations end: the last echoes, the deletion, and what is left when the time is over.
//!
//! In: allocations that are to end, or broke. Out: what they lost, and their places, free. Never: an end counted twice.

use super::{Key, Shard, Why};
use crate::clock::Moment;
use crate::engine::session::{Phase, Sent};
use crate::engine::wire::Broken;
use std::time::Duration;

/// How long the last echoes may take where others come back fast; and where they take long, or nothing comes at all, so
/// that a stall at the end is no loss either: as long as any packet may take.
const LINGER: Duration = Duration::from_millis(500);
const MAX_LINGER: Duration = Duration::from_secs(2);
/// An answer that takes longer than this at the end of an allocation is none: RTO (RFC 8489, section 6.2.1).
const LAST_ANSWER: Duration = Duration::from_millis(500);
/// How often it is looked whether they have come.
const LINGER_STEP: Duration = Duration::from_millis(20);
/// Between two deletions, so that the server's socket buffer holds them.
const DELETE_GAP: Duration = Duration::from_micros(100);
/// How long the answers to deletions are waited for.
const DELETE_PATIENCE: Duration = Duration::from_secs(3);

impl Shard {
    /// Stops the media and waits for what is on its way; of a pair for both.
    pub(super) fn end(&mut self, key: Key, now: Moment) {
        if let Some(other) = self.partner(key) {
            self.end_one(other, now);
        }
        self.end_one(key, now);
    }

    pub(super) fn end_one(&mut self, key: Key, now: Moment) {
        let Some(session) = self.session(key) else { return };
        let latest = session.body.opened.plus(LAST_ANSWER);
        match session.body.phase {
            // One that came just before the end has no answer yet, and that is not the server's fault.
            Phase::Connecting | Phase::Allocating if now < latest => {
                session.body.is_unwanted = true;
                self.wheel.insert(latest, key.token(Why::Ends));
            }
            Phase::Connecting | Phase::Allocating => {
                self.stats.failed("timeout", "no answer before the end of the load");
                if let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) {
                    session.withdraw(now, &mut self.output);
                }
                self.free(key);
            }
            Phase::Up | Phase::Streaming => {
                let is_unheard = session.body.peer.is_some() && !session.body.peer_is_ready;
                if is_unheard && now >= latest {
                    self.stats.peer_refused("timeout", "no answer before the end of the load");
                }
                let Some(session) = self.session(key) else { return };
                session.body.stop_media(now);
                self.wheel.insert(now.plus(LINGER_STEP), key.token(Why::Linger));
            }
            Phase::Lingering | Phase::Closing | Phase::Over => {}
        }
    }

    /// Deletes the allocation once the last echoes are here, or are lost.
    pub(super) fn linger(&mut self, key: Key, now: Moment) {
        let senders = self.senders(key);
        let next_delete = self.next_delete.max(now);
        let last_heard = self.last_heard;
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation || session.body.phase != Phase::Lingering {
            return;
        }
        if !session.body.is_settled {
            let ended = session.body.ended;
            let is_stalled = last_heard <= ended && !session.body.is_lossy();
            let patience = if is_stalled { MAX_LINGER } else { LINGER.max(session.body.longest * 2).min(MAX_LINGER) };
            if now < ended.plus(patience) && !session.body.is_complete(senders) {
                self.wheel.insert(now.plus(LINGER_STEP), key.token(Why::Linger));
                return;
            }
            if is_stalled && !session.body.is_complete(senders) {
                self.stats.silence = self.stats.silence.max(self.unheard.silence(now));
            }
            session.body.settle_all(senders, &mut self.stats);
            if self.plan.abandon {
                self.free(key);
                return;
            }
            self.next_delete = next_delete.plus(DELETE_GAP);
            if next_delete > now {
                self.wheel.insert(next_delete, key.token(Why::Linger));
                return;
            }
        }
        session.body.phase = Phase::Closing;
        session.body.client.close(now);
        self.pump(key, now);
    }

    pub(super) fn break_off(&mut self, key: Key, broken: &Broken) {
        let senders = self.senders(key);
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        session.body.settle_all(senders, &mut self.stats);
        session.body.break_off(broken, &mut self.stats);
        self.free(key);
    }

    /// How many packets the streams have sent that are to arrive here.
    pub(super) fn senders(&self, key: Key) -> Sent {
        let sender = self.partner(key).unwrap_or(key);
        let session = self.sessions.get(sender.slot as usize).and_then(Option::as_deref);
        session.map_or(Sent::default(), |session| session.body.sent())
    }

    pub(super) fn free(&mut self, key: Key) {
        let senders = self.senders(key);
        let Some(place) = self.sessions.get_mut(key.slot as usize) else { return };
        if place.as_ref().is_none_or(|session| session.body.generation != key.generation) {
            return;
        }
        let Some(mut session) = place.take() else { return };
        session.body.settle_all(senders, &mut self.stats);
        session.account(&mut self.stats);
        session.link.close();
        if let Some(partner) =
            session.body.partner.and_then(|slot| self.sessions.get_mut(slot as usize)?.as_deref_mut())
            && partner.body.partner == Some(key.slot)
        {
            // Nobody is left to send to.
            partner.body.partner = None;
            partner.body.pause();
            let partner = Key { slot: session.body.partner.unwrap_or_default(), generation: partner.body.generation };
            self.left_alone(partner, self.plan.clock.now());
        }
        self.free.push(key.slot);
        self.live -= 1;
        if let Some(next) = session.body.next {
            self.give_up(next, session.body.id + 1);
        }
    }

    pub(super) fn is_over(&self, now: Moment) -> bool {
        match self.draining_until {
            Some(until) => self.live == 0 || now >= until,
            None => false,
        }
    }

    pub(super) fn drain(&mut self, now: Moment) {
        if self.draining_until.is_some() {
            return;
        }
        self.stats.silence = self.stats.silence.max(self.unheard.silence(now));
        self.draining_until = Some(now.plus(MAX_LINGER + DELETE_GAP * self.live + DELETE_PATIENCE));
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            self.end_one(key, now);
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        (0_u32..).zip(&self.sessions).filter_map(|(slot, session)| {
            session.as_ref().map(|session| Key { slot, generation: session.body.generation })
        })
    }

    pub(super) fn finish(mut self) {
        let keys: Vec<Key> = self.keys().collect();
        for key in keys {
            // Who ends at once leaves the others there, too.
            let may_delete = !self.plan.abandon;
            let is_left = self.session(key).is_some_and(|session| match session.body.phase {
                Phase::Closing => true,
                Phase::Up | Phase::Streaming | Phase::Lingering => may_delete,
                Phase::Connecting | Phase::Allocating | Phase::Over => false,
            });
            self.stats.counters.undeleted += u64::from(is_left);
            self.free(key);
        }
        self.send_report();
    }
}
