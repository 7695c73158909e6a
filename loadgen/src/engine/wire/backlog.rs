//! What a stream owes to its socket, because the server did not read what it was sent before.
//!
//! In: bytes in order. Out: as many of them as the socket takes. Never: a byte left out; whoever sends media looks before
//! whether there is room.

use super::Broken;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SendFlags;

/// Bytes that may wait before media is no longer taken: that of a second. Requests are few, and always taken.
const MAX_BACKLOG: usize = 256 * 1024;

#[derive(Default)]
pub(super) struct Backlog(Vec<u8>);

impl Backlog {
    /// Sends what fits, and keeps the rest.
    #[inline]
    pub(super) fn send(&mut self, socket: &OwnedFd, bytes: &[u8]) -> Result<(), Broken> {
        let written = if self.0.is_empty() { write(socket, bytes)? } else { 0 };
        self.0.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Sends more of what waits.
    pub(super) fn flush(&mut self, socket: &OwnedFd) -> Result<(), Broken> {
        let written = write(socket, &self.0)?;
        self.0.drain(..written);
        Ok(())
    }

    /// For those who write into it and flush it then.
    pub(super) const fn end(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn has_room(&self) -> bool {
        self.0.len() <= MAX_BACKLOG
    }
}

/// Writes what fits; how much that was.
fn write(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Broken> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) => Err(Broken::of(errno)),
    }
}
