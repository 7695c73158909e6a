//! TLS over a stream.
//!
//! In: bytes of the socket, messages to send. Out: messages. Never: a certificate judged here.

use super::framing::Partial;
use super::{Belief, Broken, MAX_BACKLOG, Sent, connected_or};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustls::ClientConnection;
use std::io::{self, Read, Write};
use std::sync::Arc;

pub(super) struct TlsWire {
    connection: ClientConnection,
    connected: bool,
    partial: Partial,
    /// Records that the socket had no room for; rustls holds its own, these are asked for by size only.
    owed: usize,
}

impl TlsWire {
    pub(super) fn new(belief: &Belief) -> Result<Self, Broken> {
        let connection = ClientConnection::new(Arc::clone(&belief.tls), belief.name.clone())
            .map_err(|error| Broken::Security(error.to_string()))?;
        Ok(Self { connection, connected: false, partial: Partial::default(), owed: 0 })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.connected && !self.connection.is_handshaking()
    }

    pub(super) fn wants_write(&self) -> bool {
        !self.connected || self.connection.wants_write()
    }

    pub(super) fn send(&mut self, socket: &OwnedFd, message: &[u8]) -> Result<Sent, Broken> {
        if self.owed > MAX_BACKLOG {
            return Ok(Sent::NoRoom);
        }
        match self.connection.writer().write(message) {
            Ok(written) if written == message.len() => {}
            // Half a message would garble all that come after it; the buffer's limit lies far beyond MAX_BACKLOG.
            _ => return Err(Broken::Security("no room for a record".to_owned())),
        }
        self.owed += message.len();
        self.flush(socket)?;
        Ok(Sent::Yes)
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
            match self.connection.write_tls(&mut Socket(socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => {
                    return Err(Errno::from_io_error(&error).map_or(Broken::Closed, Broken::of));
                }
            }
        }
        self.owed = 0;
        Ok(())
    }
}

/// Writes for rustls.
struct Socket<'s>(&'s OwnedFd);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
