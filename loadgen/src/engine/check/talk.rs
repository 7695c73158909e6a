//! One link, talked over at leisure: wait for what comes, or for a time.
//!
//! In: messages to send, how long to wait. Out: messages that came. Never: a wait beyond what was asked.

use super::super::clock::RunClock;
use super::super::wire::{Broken, Link, SETUP, Transport};
use crate::check::{Cause, Certificate};
use crate::clock::Moment;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) struct Talk {
    link: Link,
    clock: RunClock,
    buffer: Vec<u8>,
    inbox: VecDeque<Vec<u8>>,
    /// When the socket could first be written to: the TCP connection is there.
    pub(super) connected: Option<Moment>,
}

impl Talk {
    pub(super) fn open(transport: &Transport, server: SocketAddr, clock: RunClock) -> Result<Self, Broken> {
        let link = Link::open(transport, server, None, clock)?;
        Ok(Self { link, clock, buffer: vec![0; 64 * 1024], inbox: VecDeque::new(), connected: None })
    }

    /// Until messages can be sent; false where that did not come about in time.
    pub(super) fn make_ready(&mut self, until: Moment) -> Result<bool, Broken> {
        while !self.link.is_ready() {
            if self.clock.now() >= until {
                return Ok(false);
            }
            self.wait(until, None)?;
        }
        Ok(true)
    }

    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Broken> {
        self.link.send(message).map(|_| ())
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        self.inbox.pop_front()
    }

    /// Returns when something happened on the link or on `other`, and at `until` at the latest.
    pub(super) fn wait(&mut self, until: Moment, other: Option<BorrowedFd<'_>>) -> Result<(), Broken> {
        let due = self.link.poll_timeout().map_or(until, |due| due.min(until));
        let pause = due.since(self.clock.now());
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, self.link.wants_write());
        let (readable, writable) = {
            let mut places = vec![PollFd::from_borrowed_fd(self.link.as_fd(), flags)];
            places.extend(other.map(|other| PollFd::from_borrowed_fd(other, PollFlags::IN)));
            match poll(&mut places, Some(&timespec(pause))) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Broken::Exhausted(errno)),
            }
            let seen = places[0].revents();
            let trouble = seen.intersects(PollFlags::ERR | PollFlags::HUP);
            (seen.contains(PollFlags::IN) || trouble, seen.contains(PollFlags::OUT) || trouble)
        };
        if writable {
            self.link.writable()?;
            self.connected.get_or_insert_with(|| self.clock.now());
        }
        if readable {
            let inbox = &mut self.inbox;
            self.link.receive(&mut self.buffer, |message, _| inbox.push_back(message.to_vec()))?;
        }
        let now = self.clock.now();
        if self.link.poll_timeout().is_some_and(|due| due <= now) {
            self.link.handle_timeout(now)?;
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.link.close();
    }
}

/// For the system, up to the next whole microsecond.
pub(super) fn timespec(pause: Duration) -> Timespec {
    Timespec { tv_sec: pause.as_secs().min(3_600) as i64, tv_nsec: i64::from(pause.subsec_nanos()) }
}

/// What it means that a link broke in a step.
pub(super) fn cause(broken: &Broken, step: &'static str) -> Cause {
    match broken {
        Broken::Unreachable(Errno::CONNREFUSED) => Cause::Refused,
        Broken::Unreachable(errno) => Cause::Unreachable(errno.to_string()),
        Broken::Silent => Cause::NoAnswer { step, waited: SETUP },
        Broken::Closed => Cause::Closed { step },
        Broken::Exhausted(errno) => Cause::Local(errno.to_string()),
        Broken::Certificate(doubt, why) => Cause::Certificate(*doubt, why.clone()),
        Broken::Security(why) => Cause::Handshake(why.clone()),
        Broken::Garbage => Cause::Protocol(broken.reason()),
    }
}

/// What a broken link says of the certificate.
pub(super) const fn certificate(broken: &Broken) -> Option<Certificate> {
    match broken {
        Broken::Certificate(doubt, _) => Some(Certificate::Doubted(*doubt)),
        _ => None,
    }
}
