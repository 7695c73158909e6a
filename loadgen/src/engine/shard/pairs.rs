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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Profile;
    use crate::client::{DataPath, EvenPort, PERMISSION_LIFETIME};
    use crate::config::{End, Load, Traffic};
    use crate::credentials::Identity;
    use crate::engine::clock::RunClock;
    use crate::engine::plan::{FarEnd, Plan, Signal};
    use crate::engine::wire::Transport;
    use crate::media::Parts;
    use crate::scenario::Scenario;
    use crate::stats::ShardStats;
    use std::net::{IpAddr, SocketAddr, UdpSocket};
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    /// A pair that sends a packet each, over addresses in turn.
    fn pair(server: SocketAddr, source_ips: Vec<IpAddr>) -> Plan {
        let load = Load::Allocations { count: 2, ramp: Duration::ZERO };
        Plan {
            clock: RunClock::start(),
            unix_start: Duration::ZERO,
            server,
            transport: Transport::Udp,
            source_ips,
            may_leave: false,
            identity: Identity::None,
            family: None,
            even_port: EvenPort::No,
            dont_fragment: false,
            path: DataPath::Channels,
            lifetime: None,
            permission_lifetime: PERMISSION_LIFETIME,
            tcp_relay: false,
            abandon: false,
            far_end: FarEnd::Pairs,
            parts: Parts::of(&Traffic::Profile(Profile::Audio, None)).expect("a plan"),
            messages: Some(1),
            scenario: Scenario::new(&load, End::Messages(1), 7),
            measured_from: None,
            seed: 7,
            run: 7,
            shards: 1,
            signal: Signal::default(),
        }
    }

    #[test]
    fn one_whose_partner_could_not_begin_ends_though_no_packet_of_it_ever_will() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a server that says nothing");
        let address = server.local_addr().expect("its address");
        // One of them is no address of this machine (RFC 5737).
        let [ours, nobodys] = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 0, 2, 1])];
        for source_ips in [vec![ours, nobodys], vec![nobodys, ours]] {
            let (sender, reports) = channel();
            let shard = Shard::new(Arc::new(pair(address, source_ips)), 0, sender).expect("a shard");
            std::thread::spawn(move || shard.run());
            let mut sum = ShardStats::default();
            let ended = loop {
                match reports.recv_timeout(Duration::from_secs(5)) {
                    Ok(report) if sum.counters.requested < 2 || report.standing.pending == 0 => {
                        sum.merge(&report.stats)
                    }
                    Ok(_) => break false,
                    Err(why) => break why == RecvTimeoutError::Disconnected,
                }
            };
            assert!(ended, "it goes on without end");
            assert_eq!((sum.counters.requested, sum.counters.failed), (2, 2));
            assert_eq!((sum.errors.count("local"), sum.errors.count("timeout")), (1, 1));
        }
    }
}
