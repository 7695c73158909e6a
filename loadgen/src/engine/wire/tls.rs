//! TLS over a stream.
//!
//! In: bytes of the socket, messages to send. Out: messages. Never: a certificate judged here.

use super::backlog::Backlog;
use super::framing::Partial;
use super::{Belief, Broken, connected_or};
use rustix::fd::OwnedFd;
use rustls::ClientConnection;
use std::io::{self, Read, Write};
use std::sync::Arc;

pub(super) struct TlsWire {
    connection: ClientConnection,
    connected: bool,
    partial: Partial,
    /// Records that the socket had no room for.
    backlog: Backlog,
}

impl TlsWire {
    pub(super) fn new(belief: &Belief) -> Result<Self, Broken> {
        let mut connection = ClientConnection::new(Arc::clone(&belief.tls), belief.name.clone())
            .map_err(|error| Broken::Security(error.to_string()))?;
        // Records are taken out as soon as they are made, and half a message would garble all that come after it.
        connection.set_buffer_limit(None);
        Ok(Self { connection, connected: false, partial: Partial::default(), backlog: Backlog::default() })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.connected && !self.connection.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.connected || !self.backlog.is_empty() || self.connection.wants_write()
    }

    pub(super) const fn has_room(&self) -> bool {
        self.backlog.has_room()
    }

    pub(super) fn send(&mut self, socket: &OwnedFd, message: &[u8]) -> Result<(), Broken> {
        self.connection.writer().write_all(message).map_err(|error| Broken::Security(error.to_string()))?;
        self.flush(socket)
    }

    pub(super) fn receive(
        &mut self,
        socket: &OwnedFd,
        mut bytes: &[u8],
        deliver: &mut impl FnMut(&[u8]),
    ) -> Result<(), Broken> {
        let mut plain = [0; 16 * 1024];
        while !bytes.is_empty() {
            self.connection.read_tls(&mut bytes).map_err(|error| Broken::Security(error.to_string()))?;
            let outcome = self.connection.process_new_packets();
            if let Err(error) = outcome {
                // The alert that tells the server why.
                drop(self.flush(socket));
                return Err(Broken::of_tls(&error));
            }
            loop {
                match self.connection.reader().read(&mut plain) {
                    Ok(0) => return Err(Broken::Closed),
                    Ok(length) => self.partial.split(&plain[..length], deliver)?,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => return Err(Broken::Closed),
                }
            }
        }
        self.flush(socket)
    }

    pub(super) fn writable(&mut self, socket: &OwnedFd) -> Result<(), Broken> {
        connected_or(socket, &mut self.connected)?;
        self.flush(socket)
    }

    pub(super) fn close(&mut self, socket: &OwnedFd) {
        self.connection.send_close_notify();
        drop(self.flush(socket));
    }

    fn flush(&mut self, socket: &OwnedFd) -> Result<(), Broken> {
        if !self.connected {
            return Ok(());
        }
        while self.connection.wants_write() {
            let taken = self.connection.write_tls(self.backlog.end());
            taken.map_err(|error| Broken::Security(error.to_string()))?;
        }
        self.backlog.flush(socket)
    }
}
