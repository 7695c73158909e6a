//! One allocation on its socket: the client, its streams, and where it is in its life.
//!
//! In: messages, times. Out: messages to the link, figures to the statistics. Never: another session; that two of them
//! talk to each other is the shard's matter.

use super::burst::Burst;
use super::clock::Almanac;
use super::plan::{FarEnd, Plan};
use super::wire::{self, Broken, Link};
use crate::client::{Alternate, Client, Counters, Event, Failure, Input, PeerId};
use crate::clock::Moment;
use crate::media::{self, Arrived, Due, Fate, MAX_STREAMS, Pacer, Receiver, StreamId, StreamPlan, Verdict};
use crate::stats::{ShardStats, Way};
use std::net::SocketAddr;
use std::time::Duration;

/// How fine the schedules of streams are told apart.
pub(super) const GRID: Duration = Duration::from_micros(500);
/// Redirections that are followed one after the other.
const MAX_REDIRECTIONS: u32 = 3;

/// Where a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The transport is being set up.
    Connecting,
    /// The server was asked.
    Allocating,
    /// The allocation is there, its peer is not ready.
    Up,
    /// Media goes.
    Streaming,
    /// No more media; the last echoes may come.
    Lingering,
    /// Its deletion was asked for.
    Closing,
    /// Nothing more will happen.
    Over,
}

/// One stream, there and back.
pub(super) struct Stream {
    /// None where it is only heard.
    pub(super) pacer: Option<Pacer>,
    pub(super) due: Option<Due>,
    pub(super) is_paced: bool,
    pub(super) id: StreamId,
    pub(super) sent: u64,
    receiver: Receiver,
    /// What had been sent one and two seconds ago: so long an echo may take before it is counted as lost.
    sent_before: [u64; 2],
    /// Packets below this one do not count.
    counted_from: u64,
}

impl Stream {
    /// What a packet is, and whether it counts: not where it was sent before the media does. The numbers of other streams'
    /// packets say nothing of that, and no time at which they come is the right one.
    #[inline]
    fn arrive(&mut self, packet: &Arrived, now: Moment) -> (Verdict, bool) {
        let verdict = self.receiver.arrive(packet, now);
        (verdict, verdict.fate == Fate::Misdelivered || packet.stamp.sequence >= self.counted_from)
    }
}

/// Packets sent by each stream of an allocation.
pub(super) type Sent = [u64; MAX_STREAMS];

/// One allocation.
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) body: Body,
}

/// All but the socket.
pub(super) struct Body {
    pub(super) id: u32,
    pub(super) generation: u32,
    pub(super) phase: Phase,
    pub(super) client: Client,
    /// When it was due.
    pub(super) opened: Moment,
    /// When the last answer to a request arrived.
    answered: Moment,
    pub(super) streams: Vec<Stream>,
    pub(super) peer: Option<PeerId>,
    pub(super) peer_is_ready: bool,
    way: Way,
    /// The slot of the other one of a pair.
    pub(super) partner: Option<u32>,
    /// The slot of the one that waits for the port above ours.
    pub(super) next: Option<u32>,
    /// Nothing is asked for before a port is reserved for it.
    pub(super) waits: bool,
    /// The port that is reserved for it.
    reservation: Option<[u8; 8]>,
    /// The earliest timer in the wheel.
    pub(super) armed: Option<Moment>,
    /// What the epoll was told.
    pub(super) watches_write: bool,
    /// When its media ended.
    pub(super) ended: Moment,
    /// The longest time that a packet was on its way.
    pub(super) longest: Duration,
    /// What is lost has been counted.
    pub(super) is_settled: bool,
    /// Its end came before its answer.
    pub(super) is_unwanted: bool,
    server: Alternate,
    redirections: u32,
    /// The client has something to say.
    is_dirty: bool,
    dropped: u32,
    counted: Counters,
}

/// What the shard has to see to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// The relay is there.
    Allocated,
    /// The peer can be sent to.
    PeerReady,
    /// It cannot.
    PeerRefused,
    /// The server sends us elsewhere.
    Redirected(Alternate),
    /// The session is over.
    Over,
}

impl Session {
    /// Begins to connect; it was `due`.
    pub(super) fn open(plan: &Plan, id: u32, generation: u32, due: Moment, now: Moment) -> Result<Self, Broken> {
        let link = Link::open(&plan.transport, plan.server, plan.source(id), plan.clock)?;
        let body = Body {
            id,
            generation,
            phase: Phase::Connecting,
            client: Client::new(plan.client(id, 0, now.since(Moment::START), None)),
            opened: due,
            answered: now,
            streams: Vec::new(),
            peer: None,
            peer_is_ready: false,
            way: if plan.far_end == FarEnd::Pairs { Way::Direct } else { Way::Echo },
            partner: None,
            next: None,
            waits: plan.reserves() && id % 2 == 1,
            reservation: None,
            armed: None,
            watches_write: false,
            ended: Moment::START,
            longest: Duration::ZERO,
            is_settled: false,
            is_unwanted: false,
            server: Alternate { server: plan.server, domain: None },
            redirections: 0,
            is_dirty: false,
            dropped: 0,
            counted: Counters::default(),
        };
        Ok(Self { link, body })
    }

    /// Asks `server` for the port that is reserved there. Whether it had to be connected to anew.
    pub(super) fn begin_at(
        &mut self,
        plan: &Plan,
        server: Alternate,
        token: [u8; 8],
        now: Moment,
    ) -> Result<bool, Broken> {
        let is_elsewhere = self.body.server != server;
        if is_elsewhere {
            self.connect_to(plan, server)?;
            self.body.dropped = 0;
            self.body.watches_write = false;
        }
        self.body.waits = false;
        // What it waited for before is the other one's time.
        self.body.opened = now;
        self.body.reservation = Some(token);
        self.body.client = Client::new(plan.client(self.body.id, 0, now.since(Moment::START), Some(token)));
        Ok(is_elsewhere)
    }

    /// To another server, as the one before said. Whether that is followed.
    pub(super) fn redirect(
        &mut self,
        plan: &Plan,
        alternate: Alternate,
        now: Moment,
        stats: &mut ShardStats,
    ) -> Result<bool, Broken> {
        // The client that follows counts from zero.
        self.account(stats);
        self.body.redirections += 1;
        let may_go = plan.may_leave || alternate == self.body.server || crate::config::is_near(alternate.server.ip());
        if self.body.redirections > MAX_REDIRECTIONS || !may_go {
            return Ok(false);
        }
        self.connect_to(plan, alternate)?;
        let (attempt, token) = (self.body.redirections, self.body.reservation);
        let config = plan.client(self.body.id, attempt, now.since(Moment::START), token);
        self.body.client = Client::new(config);
        self.body.counted = Counters::default();
        self.body.dropped = 0;
        self.body.phase = Phase::Connecting;
        self.body.watches_write = false;
        Ok(true)
    }

    fn connect_to(&mut self, plan: &Plan, alternate: Alternate) -> Result<(), Broken> {
        let transport = plan.transport.named(alternate.domain.as_deref())?;
        self.link = Link::open(&transport, alternate.server, plan.source(self.body.id), plan.clock)?;
        self.body.server = alternate;
        Ok(())
    }

    /// Takes what the socket has; whether [`Self::pump`] is needed.
    #[inline]
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        now: Moment,
        almanac: Almanac,
        stats: &mut ShardStats,
    ) -> Result<bool, Broken> {
        let body = &mut self.body;
        self.link.receive(buffer, |message, arrived| {
            let arrived = arrived.map_or(now, |time| almanac.moment(time, now));
            body.input(message, arrived, now, stats);
        })?;
        Ok(std::mem::take(&mut body.is_dirty) || body.phase == Phase::Connecting)
    }

    /// Does what is due of client and transport.
    pub(super) fn handle_timeout(&mut self, now: Moment) -> Result<(), Broken> {
        if self.link.poll_timeout().is_some_and(|at| at <= now) {
            self.link.handle_timeout(now)?;
        }
        if self.body.client.poll_timeout().is_some_and(|at| at <= now) {
            self.body.client.handle_timeout(now);
        }
        Ok(())
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        match (self.link.poll_timeout(), self.body.client.poll_timeout()) {
            (Some(link), Some(client)) => Some(link.min(client)),
            (link, client) => link.or(client),
        }
    }

    /// Sends what the client wants to say, and hears what it came to know.
    pub(super) fn pump(
        &mut self,
        now: Moment,
        out: &mut Vec<u8>,
        stats: &mut ShardStats,
    ) -> Result<Option<News>, Broken> {
        let body = &mut self.body;
        if body.phase == Phase::Connecting && !body.waits && self.link.is_ready() {
            body.phase = Phase::Allocating;
            body.client.allocate(now);
        }
        if self.link.is_ready() {
            loop {
                out.clear();
                if !body.client.poll_transmit(out) {
                    break;
                }
                // What a datagram socket has no room for is as good as lost on the way: it is sent again.
                self.link.send(out)?;
            }
        }
        let mut news = None;
        while let Some(event) = body.client.poll_event() {
            news = body.hear(event, now, stats).or(news);
        }
        Ok(news)
    }

    /// Takes back what it asked for; no answer is waited for.
    pub(super) fn withdraw(&mut self, now: Moment, out: &mut Vec<u8>) {
        self.body.client.withdraw(now);
        out.clear();
        if self.link.is_ready() && self.body.client.poll_transmit(out) {
            // Where it cannot be sent, the allocation lives as long as the server lets it.
            drop(self.link.send(out));
        }
    }

    /// Sends the packet of `stream` that was due, and on UDP those that were due with it; when the next one is.
    #[inline]
    pub(super) fn send_media(
        &mut self,
        stream: usize,
        now: Moment,
        out: &mut Vec<u8>,
        stats: &mut ShardStats,
    ) -> Result<Option<Moment>, Broken> {
        let body = &mut self.body;
        let (Some(peer), Some(stream), Phase::Streaming) = (body.peer, body.streams.get_mut(stream), body.phase) else {
            return Ok(None);
        };
        let has_room = self.link.has_room();
        if !has_room && !stream.is_paced {
            // As fast as it goes is no faster than the server reads.
            return Ok(Some(now.plus(GRID)));
        }
        let takes_more = self.link.takes_bursts();
        let Some(burst) = Burst::write(stream, (&mut body.client, peer), takes_more, now, out, stats) else {
            return Ok(None);
        };
        if !has_room {
            burst.count_blocked(stats);
            return Ok(stream.due.map(|next| next.at));
        }
        let taken = match burst.count {
            0 => 0,
            1 => u64::from(self.link.send(out)? == wire::Sent::Yes),
            _ => self.link.send_burst(out, burst.message)?,
        };
        stream.sent += taken;
        burst.count(taken, now, stats);
        Ok(stream.due.map(|next| if stream.is_paced { next.at } else { now }))
    }

    /// Adds what socket and client have counted since this was asked last.
    pub(super) fn account(&mut self, stats: &mut ShardStats) {
        let body = &mut self.body;
        let dropped = self.link.dropped();
        let counters = &mut stats.counters;
        counters.socket_drops += u64::from(dropped.wrapping_sub(std::mem::replace(&mut body.dropped, dropped)));
        let now = *body.client.counters();
        let before = std::mem::replace(&mut body.counted, now);
        for (sum, now, before) in [
            (&mut counters.requests, now.requests, before.requests),
            (&mut counters.retransmissions, now.retransmissions, before.retransmissions),
            (&mut counters.challenges, now.challenges, before.challenges),
            (&mut counters.stale_nonces, now.stale_nonces, before.stale_nonces),
            (&mut counters.refreshes, now.refreshes, before.refreshes),
            (&mut counters.renewals, now.renewals, before.renewals),
        ] {
            *sum += u64::from(now.saturating_sub(before));
        }
    }
}

impl Body {
    /// Who grants what it asks for.
    pub(super) const fn server(&self) -> &Alternate {
        &self.server
    }

    #[inline]
    fn input(&mut self, message: &[u8], arrived: Moment, now: Moment, stats: &mut ShardStats) {
        match self.client.handle_input(message, now) {
            Input::Data { payload, .. } => self.arrive(payload, arrived, stats),
            Input::Handled => {
                stats.answered(now.since(arrived));
                self.answered = arrived;
                self.is_dirty = true;
            }
            Input::Ignored => {}
        }
    }

    #[inline]
    fn arrive(&mut self, payload: &[u8], now: Moment, stats: &mut ShardStats) {
        let Ok(arrived) = media::read(payload) else {
            stats.counters.corrupted += 1;
            return;
        };
        // A packet of a stream that is none of ours is the first one's to judge: misdelivered.
        let at = usize::from(arrived.stamp.id.stream);
        let at = if at < self.streams.len() { at } else { 0 };
        match self.streams.get_mut(at) {
            Some(stream) => {
                let (verdict, counts) = stream.arrive(&arrived, now);
                // What others sent tells nothing of how long ours take.
                if verdict.fate.is_delivery() {
                    self.longest = self.longest.max(verdict.since_scheduled);
                }
                if counts {
                    stats.arrived(&verdict, self.way);
                }
            }
            None => stats.counters.misdelivered += 1,
        }
    }

    fn hear(&mut self, event: Event, now: Moment, stats: &mut ShardStats) -> Option<News> {
        match event {
            Event::Allocated { .. } => {
                // From when it was due: connecting and TLS are part of what a user waits for.
                stats.succeeded(self.answered.since(self.opened), now);
                self.phase = Phase::Up;
                Some(News::Allocated)
            }
            Event::PeerReady(_) => {
                self.peer_is_ready = true;
                Some(News::PeerReady)
            }
            Event::PeerRefused(_, failure) => {
                stats.peer_refused(&failure.key(), &failure.to_string());
                self.peer_is_ready = false;
                self.peer = None;
                Some(News::PeerRefused)
            }
            Event::Refreshed => None,
            // Somebody had this port before us, and the server still knows (RFC 8656, section 7.4): from another one.
            Event::Failed(Failure::Code { code: 437, .. }) if self.redirections < MAX_REDIRECTIONS => {
                stats.counters.mismatched += 1;
                Some(News::Redirected(self.server.clone()))
            }
            Event::Failed(failure) => {
                stats.failed(&failure.key(), &failure.to_string());
                self.phase = Phase::Over;
                Some(News::Over)
            }
            Event::Lost(failure) => {
                stats.lost(&failure.key(), &failure.to_string());
                self.phase = Phase::Over;
                Some(News::Over)
            }
            Event::Redirected(server) => {
                stats.counters.redirected += 1;
                Some(News::Redirected(server))
            }
            Event::Closed | Event::Undeleted => {
                stats.counters.closed += u64::from(event == Event::Closed);
                stats.counters.undeleted += u64::from(event == Event::Undeleted);
                self.phase = Phase::Over;
                Some(News::Over)
            }
        }
    }

    /// The link is of no use any longer.
    pub(super) fn break_off(&mut self, broken: &Broken, stats: &mut ShardStats) {
        match self.phase {
            Phase::Connecting | Phase::Allocating => stats.failed(broken.key(), &broken.reason()),
            Phase::Up | Phase::Streaming | Phase::Lingering => stats.lost(broken.key(), &broken.reason()),
            // The answer to the deletion is all that is missing.
            Phase::Closing => stats.counters.undeleted += 1,
            Phase::Over => {}
        }
        self.phase = Phase::Over;
    }

    /// Asks for the way to the peer.
    pub(super) fn open_peer(&mut self, peer: SocketAddr, now: Moment) {
        self.peer = Some(self.client.open_peer(peer, now));
    }

    /// Begins to send; what is to arrive are the packets of allocation `from`. When the first packets of which streams
    /// are due: where a schedule allows it, whole multiples of [`GRID`] after `grid`.
    pub(super) fn start_media(&mut self, plan: &Plan, from: u32, now: Moment, grid: Moment) -> Vec<(usize, Moment)> {
        self.phase = Phase::Streaming;
        let mine = plan.parts.of_allocation(self.id);
        // Of two that play different parts one may hear more streams than it sends.
        let heard = mine.len().max(plan.parts.of_allocation(from).len());
        self.streams.reserve_exact(heard);
        for number in 0..heard {
            let id = StreamId { run: plan.run, allocation: self.id, stream: number as u16 };
            let shape = mine.get(number);
            let mut pacer = shape.map(|shape| first_on_grid(shape, plan.seed, id, now, grid));
            if let Some(messages) = plan.messages {
                pacer = pacer.map(|pacer| pacer.limited(messages));
            }
            let due = pacer.as_mut().and_then(Pacer::next);
            let receiver = Receiver::new(StreamId { allocation: from, ..id });
            self.streams.push(Stream {
                pacer,
                due,
                is_paced: shape.is_none_or(StreamPlan::is_paced),
                id,
                sent: 0,
                receiver,
                sent_before: [0; 2],
                counted_from: 0,
            });
        }
        let due = |(number, stream): (usize, &Stream)| Some((number, stream.due?.at));
        self.streams.iter().enumerate().filter_map(due).collect()
    }

    /// No more media. What is on its way may still come.
    pub(super) fn stop_media(&mut self, now: Moment) {
        self.pause();
        self.phase = Phase::Lingering;
        self.ended = now;
    }

    /// Nothing is sent any longer.
    pub(super) fn pause(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.due = None);
    }

    /// Every stream has sent all that it had to.
    pub(super) fn has_sent_all(&self) -> bool {
        self.phase == Phase::Streaming && self.streams.iter().all(|stream| stream.due.is_none())
    }

    /// Packets that each stream has sent.
    pub(super) fn sent(&self) -> Sent {
        let mut sent = Sent::default();
        sent.iter_mut().zip(&self.streams).for_each(|(sent, stream)| *sent = stream.sent);
        sent
    }

    /// Counts as lost what had been sent two seconds before and has not arrived. `senders` are the counts of those
    /// whose packets come here.
    pub(super) fn settle(&mut self, senders: Sent, stats: &mut ShardStats) {
        for (stream, sent) in self.streams.iter_mut().zip(senders) {
            stats.counters.missed += stream.receiver.settle(stream.sent_before[1]);
            stream.sent_before = [sent, stream.sent_before[0]];
        }
    }

    /// Packets that were sent up to now do not count from now on. Those on their way are nobody's loss.
    pub(super) fn begin_anew(&mut self, senders: Sent, stats: &mut ShardStats) {
        for (stream, sent) in self.streams.iter_mut().zip(senders) {
            stats.counters.missed += stream.receiver.settle(stream.sent_before[1]);
            let _ = stream.receiver.settle(sent);
            stream.sent_before = [sent; 2];
            stream.counted_from = sent;
        }
    }

    /// Counts as lost all that has not arrived; once, what comes later is too late.
    pub(super) fn settle_all(&mut self, senders: Sent, stats: &mut ShardStats) {
        if !std::mem::replace(&mut self.is_settled, true) {
            for (stream, sent) in self.streams.iter_mut().zip(senders) {
                stats.counters.missed += stream.receiver.settle(sent);
            }
        }
    }

    /// Some was lost before the last that arrived.
    pub(super) fn is_lossy(&self) -> bool {
        self.streams.iter().any(|stream| stream.receiver.has_gaps())
    }

    /// Everything that was sent has arrived.
    pub(super) fn is_complete(&self, senders: Sent) -> bool {
        self.streams.iter().zip(senders).all(|(stream, sent)| stream.receiver.tally().delivered >= sent)
    }
}

/// Streams of the same interval meet on a grid: their packets leave with one wake-up of the thread.
fn first_on_grid(shape: &StreamPlan, seed: u64, id: StreamId, now: Moment, grid: Moment) -> Pacer {
    let pacer = Pacer::new(shape, seed, id, now);
    let Some(first) = pacer.due().filter(|_| shape.is_on_grid()) else { return pacer };
    let past = first.as_nanos().saturating_sub(grid.as_nanos()) % GRID.as_nanos() as u64;
    let wait = (GRID.as_nanos() as u64 - past) % GRID.as_nanos() as u64;
    Pacer::new(shape, seed, id, now.plus(Duration::from_nanos(wait)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Stamp;

    #[test]
    fn what_was_sent_before_the_media_counts_does_not_and_what_others_sent_always_does() {
        let id = StreamId { run: 7, allocation: 3, stream: 0 };
        let mut stream = Stream {
            pacer: None,
            due: None,
            is_paced: true,
            id,
            sent: 0,
            receiver: Receiver::new(id),
            sent_before: [0; 2],
            counted_from: 10,
        };
        let mut arrive = |id, sequence| {
            let stamp = Stamp { id, sequence, scheduled: Moment::START, sent: Moment::START };
            let (verdict, counts) = stream.arrive(&Arrived { stamp, bytes: 92 }, Moment::from_nanos(1));
            (verdict.fate, counts)
        };
        assert_eq!((arrive(id, 9), arrive(id, 10)), ((Fate::New, false), (Fate::New, true)));
        assert_eq!(arrive(StreamId { allocation: 4, ..id }, 2), (Fate::Misdelivered, true));
    }
}
