//! DTLS over datagrams.
//!
//! In: datagrams of the socket, messages to send. Out: messages. Never: a message sent before the certificate of the
//! server is judged.

use super::{Belief, Broken, Sent, send_datagram};
use crate::clock::Moment;
use crate::engine::clock::RunClock;
use dimpl::{Dtls, Output};
use rustix::fd::OwnedFd;
use std::sync::Arc;

/// The largest record, and some room.
const BUFFER: usize = 18 * 1024;

pub(super) struct DtlsWire {
    dtls: Dtls,
    belief: Arc<Belief>,
    clock: RunClock,
    timeout: Option<Moment>,
    is_connected: bool,
    is_believed: bool,
}

impl DtlsWire {
    pub(super) fn new(belief: Arc<Belief>, clock: RunClock) -> Self {
        // Version 1.2: what TURN servers speak today (RFC 7350 and its successors name no other).
        let now = clock.instant(clock.now());
        let mut dtls = Dtls::new_12(Arc::clone(&belief.dtls), belief.own.clone(), now);
        dtls.set_active(true);
        Self { dtls, belief, clock, timeout: None, is_connected: false, is_believed: false }
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.is_connected && self.is_believed
    }

    pub(super) const fn poll_timeout(&self) -> Option<Moment> {
        self.timeout
    }

    pub(super) fn start(&mut self, socket: &OwnedFd) -> Result<(), Broken> {
        self.handle_timeout(socket)
    }

    pub(super) fn send(&mut self, socket: &OwnedFd, message: &[u8]) -> Result<Sent, Broken> {
        match self.dtls.send_application_data(message) {
            Ok(_) => self.drain(socket, &mut |_| {}),
            Err(error) => Err(broken(&error)),
        }
    }

    pub(super) fn receive(
        &mut self,
        socket: &OwnedFd,
        datagram: &[u8],
        deliver: &mut impl FnMut(&[u8]),
    ) -> Result<(), Broken> {
        let now = self.clock.instant(self.clock.now());
        self.dtls
            .handle_timeout(now)
            .and_then(|()| self.dtls.handle_packet(datagram))
            .map_err(|error| broken(&error))?;
        self.drain(socket, deliver).map(drop)
    }

    pub(super) fn handle_timeout(&mut self, socket: &OwnedFd) -> Result<(), Broken> {
        let now = self.clock.instant(self.clock.now());
        self.dtls.handle_timeout(now).map_err(|error| broken(&error))?;
        self.drain(socket, &mut |_| {}).map(drop)
    }

    pub(super) fn close(&mut self, socket: &OwnedFd) {
        if self.dtls.close().is_ok() {
            drop(self.drain(socket, &mut |_| {}));
        }
    }

    /// Whether the socket had room for all that was to be sent.
    fn drain(&mut self, socket: &OwnedFd, deliver: &mut impl FnMut(&[u8])) -> Result<Sent, Broken> {
        let mut buffer = [0; BUFFER];
        let mut sent = Sent::Yes;
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => {
                    // No room is as good as lost on the way: the handshake repeats itself, media does not.
                    let taken = send_datagram(socket, packet)?;
                    sent = if taken == Sent::NoRoom { taken } else { sent };
                }
                Output::PeerCert(leaf) => {
                    self.belief.judge_leaf(leaf).map_err(|error| Broken::of_tls(&error))?;
                    self.is_believed = true;
                }
                Output::Connected => self.is_connected = true,
                Output::ApplicationData(message) if self.is_believed => deliver(message),
                Output::CloseNotify => return Err(Broken::Closed),
                Output::BufferTooSmall { .. } => {
                    return Err(Broken::Security("a record larger than DTLS allows".to_owned()));
                }
                Output::Timeout(at) => {
                    self.timeout = Some(self.clock.moment(at));
                    return Ok(sent);
                }
                _ => {}
            }
        }
    }
}

fn broken(error: &dimpl::Error) -> Broken {
    Broken::Security(format!("DTLS: {error}"))
}
