//! Records from the network interfaces of this machine (Linux), as they come.
//!
//! In: names of interfaces. Out: records in the order of the kernel's ring, numbered from 1, and what the kernel dropped.
//! Never: a packet twice because it left and came in by loopback; a wait that does not end; what the kernel dropped
//! passed over in silence.
//!
//! All interfaces share one ring, so that their packets come in the order of their times without being held back for one
//! another.

mod bpf;
mod interfaces;
mod link;
mod privileges;
mod ring;

pub use bpf::Instruction;
pub use interfaces::{NetworkInterface, network_interfaces};
pub use privileges::{Keep, drop_privileges};

use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::time::Timestamp;
use ring::{RETIRE_MILLIS, Ring};
use std::io;
use std::time::Duration;

/// The word that stands for all interfaces.
pub const ANY: &str = "any";
/// Interfaces that can be named.
pub const MAX_INTERFACES: usize = 64;
/// Interfaces that packets of [`ANY`] are told apart by.
const MAX_SEEN: usize = 4096;

/// How long what comes may lie in the ring. A look at it costs some hundred packets: whoever looks finds another program in the caches.
const LONGEST_REST: Duration = Duration::from_millis(50);
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// The part of the ring that may fill meanwhile: as many times faster may packets suddenly come.
const PART_OF_RING: usize = 8;

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The list of interfaces cannot be had.
    #[error("the interfaces of this machine cannot be listed: {0}")]
    List(io::Error),
    /// No interface has that name.
    #[error("there is no interface {name:?}; there are {}", there.join(", "))]
    NoSuchInterface {
        /// As it was named.
        name: String,
        /// Those that there are.
        there: Vec<String>,
    },
    /// The user may not.
    #[error("capturing needs CAP_NET_RAW: run as root, or once `sudo setcap cap_net_raw=ep {program}`")]
    NotAllowed {
        /// The path of this program.
        program: String,
    },
    /// It was there, and is no longer.
    #[error("the interface {0} has gone")]
    Gone(String),
    /// One of the steps failed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

/// What to capture.
pub struct LiveOptions<'o> {
    /// Names of interfaces; [`ANY`] for all.
    pub interfaces: &'o [String],
    /// What is addressed to others, too.
    pub promiscuous: bool,
    /// Bytes kept of each packet.
    pub snap_length: u32,
    /// Bytes of the ring.
    pub buffer: usize,
    /// The user's filter for packets of a link type, for the kernel; none where it cannot be run there.
    pub filter: &'o dyn Fn(LinkType) -> Option<Vec<Instruction>>,
}

/// An interface that packets came from, or may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInterface {
    /// Its name; its number where it was gone before it could be asked for.
    pub name: String,
    /// How its packets begin.
    pub link: LinkType,
    /// Packets so far.
    pub packets: u64,
    index: u32,
    hardware: u16,
    is_loopback: bool,
    is_gone: bool,
}

/// A running capture.
pub struct LiveCapture {
    ring: Ring,
    interfaces: Vec<LiveInterface>,
    /// So many of them, the first ones, were asked for by name.
    named: usize,
    /// Where the last packet's interface stands in that list.
    last: usize,
    snap_length: u32,
    frames: u64,
    is_filtered: bool,
    scratch: Vec<u8>,
    /// Blocks taken since the last rest, and how long the next one is.
    taken: usize,
    rest: Duration,
}

impl LiveCapture {
    /// Opens the interfaces; packets come from here on.
    ///
    /// # Errors
    /// A name that is none, a right that is not there, or a step that failed.
    pub fn open(options: &LiveOptions<'_>) -> Result<Self, LiveError> {
        let there = network_interfaces().map_err(LiveError::List)?;
        let all = options.interfaces.iter().any(|name| name == ANY);
        let mut wanted: Vec<&NetworkInterface> = Vec::new();
        for name in options.interfaces.iter().filter(|_| !all) {
            let found = there.iter().find(|interface| interface.name == *name).ok_or_else(|| {
                let names = there.iter().map(|interface| interface.name.clone());
                LiveError::NoSuchInterface { name: name.clone(), there: names.chain([ANY.to_owned()]).collect() }
            })?;
            if !wanted.contains(&found) {
                wanted.push(found);
            }
        }
        let ring = Ring::open(options.buffer).map_err(not_allowed)?;
        let interfaces: Vec<LiveInterface> = if all { there.iter().collect() } else { wanted.clone() }
            .into_iter()
            .map(|interface| LiveInterface {
                name: interface.name.clone(),
                link: link::link_type(interface.hardware),
                packets: 0,
                index: interface.index,
                hardware: interface.hardware,
                is_loopback: interface.is_loopback,
                is_gone: false,
            })
            .collect();
        let is_filtered = attach(&ring, options, &interfaces, all)?;
        let only = match interfaces.as_slice() {
            [one] if !all => one.index,
            _ => 0,
        };
        if options.promiscuous {
            for interface in interfaces.iter().filter(|interface| !interface.is_loopback) {
                ring.promiscuous(interface.index).map_err(system("promiscuous mode"))?;
            }
        }
        ring.bind(only).map_err(system("the interface cannot be listened to"))?;
        let snap_length = options.snap_length;
        Ok(Self {
            ring,
            named: if all { 0 } else { interfaces.len() },
            interfaces,
            last: 0,
            snap_length,
            frames: 0,
            is_filtered,
            scratch: Vec::new(),
            taken: 0,
            rest: SHORTEST_REST,
        })
    }

    /// Lets packets come together, where the ring has been emptied and has room for them.
    pub fn rest(&mut self) {
        if self.taken == 0 || self.ring.is_ready() {
            return;
        }
        self.rest = next_rest(self.rest, self.taken, self.ring.blocks());
        self.taken = 0;
        std::thread::sleep(self.rest);
    }

    /// Waits for packets, at most `timeout`, and hands on what there is, each with the name of its interface. False of
    /// `sink` ends the batch; the rest of its block is given up. True where something came.
    ///
    /// # Errors
    /// The interface has gone. Where it is only down, nothing comes until it is up again.
    pub fn next_batch(
        &mut self,
        timeout: Duration,
        sink: &mut dyn FnMut(&RawPacket<'_>, &str) -> bool,
    ) -> Result<bool, LiveError> {
        let is_ready = self.ring.is_ready();
        match if is_ready { Ok(true) } else { self.ring.wait(timeout) } {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => return self.still_there().map(|()| false),
            Err(error) => return Err(LiveError::System { what: "the capture has ended", error }),
        }
        let Self { ring, interfaces, last, snap_length, frames, scratch, taken, .. } = self;
        let Some(block) = ring.block() else { return Ok(false) };
        *taken += 1;
        for frame in block.frames() {
            let at = match interfaces.get(*last) {
                Some(interface) if interface.index == frame.index() => *last,
                _ => place(interfaces, frame.index(), frame.hardware()),
            };
            *last = at;
            let Some(interface) = interfaces.get_mut(at) else { continue };
            if interface.is_loopback && frame.kind() == libc::PACKET_OUTGOING {
                continue;
            }
            let (data, wire_len) = link::record(&frame, interface.link, scratch);
            interface.packets += 1;
            *frames += 1;
            let packet = RawPacket {
                ts: Timestamp::from_parts(frame.seconds().into(), frame.nanos().into()),
                frame: FrameNo(*frames),
                interface: at as u32,
                link: interface.link,
                wire_len,
                data: data.get(..*snap_length as usize).unwrap_or(data),
            };
            if !sink(&packet, &interface.name) {
                break;
            }
        }
        Ok(true)
    }

    /// Lets nothing more come in. What did is all there once nothing more came for [`Self::settled`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn stop(&self) -> io::Result<()> {
        self.ring.attach(&bpf::NOTHING)
    }

    /// How long the kernel may keep a packet in a block before it hands it over.
    pub const fn settled() -> Duration {
        Duration::from_millis(3 * RETIRE_MILLIS as u64)
    }

    /// Packets that the kernel had no room for, so far.
    pub fn dropped(&mut self) -> u64 {
        self.ring.dropped()
    }

    /// Where packets came from, or may come from; [`RawPacket::interface`] is an index into it.
    pub fn interfaces(&self) -> &[LiveInterface] {
        &self.interfaces
    }

    /// True where the kernel runs the user's filter, and nobody counts what it leaves out.
    pub const fn is_filtered_by_kernel(&self) -> bool {
        self.is_filtered
    }

    /// The names of interfaces that were asked for by name and are no longer there; each is told once. The capture goes on with the
    /// others.
    pub fn gone(&mut self) -> Vec<String> {
        if self.named < 2 {
            // The ring says of a single one that it has gone.
            return Vec::new();
        }
        let Ok(there) = network_interfaces() else { return Vec::new() };
        let named = self.interfaces.iter_mut().take(self.named).filter(|known| !known.is_gone);
        let gone = named.filter(|known| !there.iter().any(|one| one.index == known.index));
        gone.map(|known| {
            known.is_gone = true;
            known.name.clone()
        })
        .collect()
    }

    fn still_there(&self) -> Result<(), LiveError> {
        let there = network_interfaces().map_err(LiveError::List)?;
        if self.interfaces.iter().any(|known| there.iter().any(|one| one.index == known.index)) {
            return Ok(());
        }
        let names: Vec<&str> = self.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        Err(LiveError::Gone(names.join(", ")))
    }
}

/// How long to rest after so many blocks came in the time of the last rest.
fn next_rest(last: Duration, taken: usize, blocks: usize) -> Duration {
    if taken * PART_OF_RING > blocks { last / 2 } else { (last * 2).clamp(SHORTEST_REST, LONGEST_REST) }
}

/// Where the interface stands in the list; one that appeared since then is added.
#[cold]
fn place(interfaces: &mut Vec<LiveInterface>, index: u32, hardware: u16) -> usize {
    if let Some(at) = interfaces.iter().position(|interface| interface.index == index) {
        return at;
    }
    // Containers come and go for months; behind the bound they share an entry.
    if interfaces.len() >= MAX_SEEN {
        return interfaces.len() - 1;
    }
    let known = network_interfaces().ok().and_then(|all| all.into_iter().find(|one| one.index == index));
    interfaces.push(LiveInterface {
        name: known.map_or_else(|| format!("interface {index}"), |one| one.name),
        link: link::link_type(hardware),
        packets: 0,
        index,
        hardware,
        is_loopback: hardware == libc::ARPHRD_LOOPBACK,
        is_gone: false,
    });
    interfaces.len() - 1
}

/// Gives the kernel its program; true where the user's filter is in it.
fn attach(ring: &Ring, options: &LiveOptions<'_>, interfaces: &[LiveInterface], all: bool) -> Result<bool, LiveError> {
    let indices: Vec<u32> = interfaces.iter().map(|interface| interface.index).collect();
    let (filter, hardware): (_, &[u16]) = match interfaces {
        [one] if !all && one.link != LinkType::LINUX_SLL2 => ((options.filter)(one.link), &[]),
        [_] if !all => (None, &[]),
        _ => ((options.filter)(LinkType::ETHERNET), &link::LIKE_ETHERNET),
    };
    let loopback = interfaces.iter().find(|interface| interface.is_loopback).map(|interface| interface.index);
    let mut wanted = bpf::Wanted {
        interfaces: if all || indices.len() == 1 { &[] } else { &indices },
        loopback,
        filter: filter.as_deref().map(|filter| (filter, hardware)),
        snap_length: options.snap_length,
    };
    if ring.attach(&bpf::program(&wanted)).is_ok() {
        return Ok(filter.is_some());
    }
    // A filter may be longer than the kernel takes.
    wanted.filter = None;
    ring.attach(&bpf::program(&wanted)).map_err(system("the kernel refuses the filter"))?;
    Ok(false)
}

fn system(what: &'static str) -> impl Fn(io::Error) -> LiveError {
    move |error| LiveError::System { what, error }
}

fn not_allowed(error: io::Error) -> LiveError {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return LiveError::System { what: "the ring cannot be set up", error };
    }
    let program = std::env::current_exe().map_or("rtcscope".to_owned(), |path| path.display().to_string());
    LiveError::NotAllowed { program }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_grows_while_the_ring_stays_empty_and_shrinks_where_it_fills() {
        let mut rest = SHORTEST_REST;
        for _ in 0..8 {
            rest = next_rest(rest, 4, 64);
        }
        assert_eq!(rest, LONGEST_REST);
        assert_eq!(next_rest(rest, 9, 64), LONGEST_REST / 2);
        for _ in 0..64 {
            rest = next_rest(rest, 60, 64);
        }
        assert_eq!(rest, Duration::ZERO);
        assert_eq!(next_rest(rest, 1, 64), SHORTEST_REST);
    }
}
