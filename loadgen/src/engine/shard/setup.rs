//! From the first request of an allocation to its first packet, and the timers and sockets of all that live.
//!
//! In: what a session came to know. Out: requests, timers, streams that begin. Never: an end that the session did not
//! come to itself.

use super::{Key, Shard, Why};
use crate::client::Alternate;
use crate::clock::Moment;
use crate::engine::plan::FarEnd;
use crate::engine::session::{GRID, News, Phase, Session};
use crate::engine::wire::Broken;
use rustix::event::epoll;
use std::sync::Arc;

impl Shard {
    /// Opens a session; none where it fails at once.
    pub(super) fn open(&mut self, id: u32, due: Moment, now: Moment) -> Option<Key> {
        self.stats.requested(now);
        let slot = self.free.pop().unwrap_or(self.sessions.len() as u32);
        if slot as usize == self.sessions.len() {
            self.sessions.push(None);
            self.generations.push(0);
        }
        let generation = (self.generations[slot as usize] + 1) % Key::GENERATIONS;
        self.generations[slot as usize] = generation;
        match Session::open(&self.plan, id, generation, due, now) {
            Ok(session) => {
                let key = Key { slot, generation };
                self.unheard.sent(now);
                self.sessions[slot as usize] = Some(Box::new(session));
                self.live += 1;
                self.in_flight.begin(key, now);
                self.register(key);
                self.pump(key, now);
                self.session(key).map(|_| key)
            }
            Err(broken) => {
                self.stats.failed(broken.key(), &broken.reason());
                self.free.push(slot);
                None
            }
        }
    }

    pub(super) fn register(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        session.body.watches_write = session.link.wants_write();
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, session.body.watches_write);
        let data = epoll::EventData::new_u64(key.token(Why::Timeout));
        if let Err(errno) = epoll::add(&self.epoll, &session.link, data, flags) {
            self.break_off(key, &Broken::Exhausted(errno));
        }
    }

    pub(super) fn writable(&mut self, key: Key) {
        let now = self.plan.clock.now();
        let Some(session) = self.session(key) else { return };
        match session.link.writable() {
            Ok(()) => self.pump(key, now),
            Err(broken) => self.break_off(key, &broken),
        }
    }

    pub(super) fn timeout(&mut self, key: Key, at: Moment, now: Moment) {
        let Some(session) = self.session(key) else { return };
        if session.body.armed != Some(at) {
            return;
        }
        session.body.armed = None;
        match session.handle_timeout(now) {
            Ok(()) => self.pump(key, now),
            Err(broken) => self.break_off(key, &broken),
        }
    }

    /// Sends what the client wants, hears it, and sets its timer.
    pub(super) fn pump(&mut self, key: Key, now: Moment) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        match session.pump(now, &mut self.output, &mut self.stats) {
            Ok(Some(News::Allocated)) => self.allocated(key, now),
            Ok(Some(News::PeerReady)) => self.peer_ready(key, now),
            // Nothing can be sent any longer.
            Ok(Some(News::PeerRefused)) => self.end(key, now),
            Ok(Some(News::Redirected(alternate))) => self.redirect(key, alternate, now),
            Ok(Some(News::Over)) => self.free(key),
            Ok(None) => {}
            Err(broken) => self.break_off(key, &broken),
        }
        self.arm(key);
        self.watch(key);
    }

    fn arm(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        if let Some(at) = session.poll_timeout()
            && session.body.armed.is_none_or(|armed| at < armed)
        {
            session.body.armed = Some(at);
            self.wheel.insert(at, key.token(Why::Timeout));
        }
    }

    /// Tells the epoll where a stream owes bytes to its socket.
    #[inline]
    pub(super) fn watch(&mut self, key: Key) {
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        let wants = session.link.wants_write();
        if wants != session.body.watches_write {
            session.body.watches_write = wants;
            let flags = if wants { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let data = epoll::EventData::new_u64(key.token(Why::Timeout));
            if let Err(errno) = epoll::modify(&self.epoll, &session.link, data, flags) {
                self.break_off(key, &Broken::Unreachable(errno));
            }
        }
    }

    fn allocated(&mut self, key: Key, now: Moment) {
        let far_end = self.plan.far_end;
        let is_draining = self.draining_until.is_some();
        let Some(session) = self.session(key) else { return };
        if is_draining || session.body.is_unwanted {
            self.end(key, now);
            return;
        }
        self.begin_next(key, now);
        match far_end {
            FarEnd::Peer(peer) => {
                let Some(session) = self.session(key) else { return };
                session.body.open_peer(peer, now);
                self.pump(key, now);
            }
            FarEnd::Pairs => {
                let Some(other) = self.partner(key) else { return };
                let mine = self.session(key).and_then(|session| session.body.client.relayed());
                let theirs = self.session(other).and_then(|session| session.body.client.relayed());
                let (Some(mine), Some(theirs)) = (mine, theirs) else { return };
                for (key, peer) in [(key, theirs), (other, mine)] {
                    if let Some(session) = self.session(key) {
                        session.body.open_peer(peer, now);
                    }
                    self.pump(key, now);
                }
            }
        }
    }

    fn peer_ready(&mut self, key: Key, now: Moment) {
        // What is sent through a TCP relay goes over connections of its own (RFC 6062), which are not made.
        if self.plan.tcp_relay {
            return;
        }
        match self.plan.far_end {
            FarEnd::Peer(_) => self.start_media(key, None, now),
            FarEnd::Pairs => {
                let Some(other) = self.partner(key) else { return };
                if self.session(other).is_some_and(|session| session.body.peer_is_ready) {
                    self.start_media(key, Some(other), now);
                    self.start_media(other, Some(key), now);
                }
            }
        }
    }

    fn start_media(&mut self, key: Key, from: Option<Key>, now: Moment) {
        let plan = Arc::clone(&self.plan);
        // The shards' grids lie between each other, so that not all send at once.
        let grid = Moment::START.plus(GRID * self.number / plan.shards);
        let from = match from {
            Some(other) => self.session(other).map(|session| session.body.id),
            None => None,
        };
        let Some(session) = self.session(key) else { return };
        if session.body.phase != Phase::Up {
            return;
        }
        let from = from.unwrap_or(session.body.id);
        let dues = session.body.start_media(&plan, from, now, grid);
        self.stats.counters.streams += dues.len() as u64;
        for (stream, due) in dues {
            self.wheel.insert(due, key.token(Why::Media(stream as u8)));
        }
    }

    fn redirect(&mut self, key: Key, alternate: Alternate, now: Moment) {
        let plan = Arc::clone(&self.plan);
        let Some(session) = self.sessions.get_mut(key.slot as usize).and_then(Option::as_deref_mut) else { return };
        if session.body.generation != key.generation {
            return;
        }
        session.body.armed = None;
        let server = alternate.server;
        match session.redirect(&plan, alternate, now, &mut self.stats) {
            Ok(true) => {
                self.register(key);
                self.pump(key, now);
            }
            Ok(false) => {
                let why = if crate::config::is_near(server.ip()) {
                    "after others before, which is not followed"
                } else {
                    "a public address that nobody was asked about, which is not followed; name that server where its \
                     owner agrees"
                };
                self.stats.failed("300", &format!("redirected to {server}, {why}"));
                self.free(key);
            }
            Err(broken) => self.break_off(key, &broken),
        }
    }
}
