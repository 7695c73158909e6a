//! How many allocations there are to be: what the scenario wants, and the calls that arrive.
//!
//! In: the time. Out: allocations begun and ended. Never: an answer waited for, but where the load does not say when.

use super::{Key, Shard, Why};
use crate::clock::Moment;
use crate::engine::session::Phase;
use crate::scenario::{Arrival, share};
use std::collections::VecDeque;
use std::time::Duration;

/// Allocations asked for at once where the load does not say when: more only fill the server's socket buffer.
const IN_FLIGHT: usize = 64;
/// An answer that takes longer is not waited for with the next request.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often the number of allocations is looked at while it changes, and while it does not.
const LOOK_SOON: Duration = Duration::from_millis(1);
const LOOK_LATER: Duration = Duration::from_millis(50);

/// Allocations that were asked for just now, the oldest first; never more than are begun within [`PATIENCE`].
#[derive(Default)]
pub(super) struct InFlight(VecDeque<(Moment, Key)>);

impl InFlight {
    pub(super) fn begin(&mut self, key: Key, now: Moment) {
        self.count(now, |_| true);
        self.0.push_back((now, key));
    }

    /// How many wait for an answer, as far as that is waited for.
    fn count(&mut self, now: Moment, is_waiting: impl Fn(Key) -> bool) -> usize {
        let is_over = |(since, key): &mut (Moment, Key)| now.since(*since) >= PATIENCE || !is_waiting(*key);
        while self.0.pop_front_if(is_over).is_some() {}
        self.0.len()
    }
}

impl Shard {
    /// Opens and ends as many as the scenario says.
    pub(super) fn look(&mut self, now: Moment) {
        if self.draining_until.is_some() {
            return;
        }
        let scenario = &self.plan.scenario;
        let ends = scenario.ends();
        if self.plan.signal.is_draining() || ends.is_some_and(|end| now >= end) {
            self.drain(now);
            return;
        }
        let next = if self.arrivals.is_some() { self.take_calls(now) } else { self.keep_up(now) };
        // Nothing is there, and nothing will come.
        let is_idle = self.live == 0 && next.is_none_or(|next| Some(next) == ends);
        if is_idle {
            self.drain(now);
            return;
        }
        let latest = now.plus(LOOK_LATER);
        let next = next.map_or(latest, |next| next.min(latest));
        self.wheel.insert(next, Key::NOBODY.token(Why::Look));
    }

    /// Brings the allocations to the number that is wanted; when to look again.
    fn keep_up(&mut self, now: Moment) -> Option<Moment> {
        let wanted = self.plan.scenario.wanted(now);
        let wanted = if self.plan.is_in_twos() { wanted / 2 } else { wanted };
        let wanted = share(wanted, self.number, self.plan.shards) as usize;
        while self.roster.len() > wanted {
            let Some(call) = self.roster.pop() else { break };
            call.into_iter().flatten().for_each(|key| self.end_one(key, now));
        }
        // Many at once are asked for as fast as the server answers; a few when they are due.
        let at_once = wanted - self.roster.len();
        while self.roster.len() < wanted {
            if at_once > IN_FLIGHT && self.in_flight(now) >= IN_FLIGHT {
                return Some(now.plus(LOOK_SOON));
            }
            let call = self.open_call(now, now);
            self.roster.push(call);
        }
        self.plan.scenario.next_change(now)
    }

    /// Opens the calls that have arrived; when the next one does.
    fn take_calls(&mut self, now: Moment) -> Option<Moment> {
        loop {
            let shards = u64::from(self.plan.shards);
            let mine = |call: &Arrival| call.index % shards == u64::from(self.number);
            let call = match self.next_call.take() {
                Some(call) => call,
                None => self.arrivals.as_mut()?.find(mine)?,
            };
            if call.at > now {
                self.next_call = Some(call);
                return Some(call.at);
            }
            for key in self.open_call(call.at, now).into_iter().flatten() {
                self.wheel.insert(call.until, key.token(Why::Ends));
            }
        }
    }

    /// Allocations that were asked for just now and have no answer yet.
    fn in_flight(&mut self, now: Moment) -> usize {
        let sessions = &self.sessions;
        self.in_flight.count(now, |key| {
            let session = sessions.get(key.slot as usize).and_then(Option::as_deref);
            session.is_some_and(|session| {
                session.body.generation == key.generation
                    && matches!(session.body.phase, Phase::Connecting | Phase::Allocating)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_arrive_for_days_are_not_remembered_for_days() {
        let mut in_flight = InFlight::default();
        for call in 0..100_000_u32 {
            in_flight.begin(Key { slot: call, generation: 0 }, Moment::START.plus(Duration::from_millis(5) * call));
            assert!(in_flight.0.len() <= 40, "{}", in_flight.0.len());
        }
    }

    #[test]
    fn who_is_answered_or_silent_for_long_is_not_waited_for() {
        let at = |millis| Moment::START.plus(Duration::from_millis(millis));
        let mut in_flight = InFlight::default();
        for (slot, millis) in [(0, 0), (1, 50), (2, 100)] {
            in_flight.begin(Key { slot, generation: 0 }, at(millis));
        }
        assert_eq!(in_flight.count(at(150), |_| true), 3);
        assert_eq!(in_flight.count(at(150), |key| key.slot > 0), 2);
        assert_eq!((in_flight.count(at(250), |_| true), in_flight.count(at(300), |_| true)), (1, 0));
    }
}
