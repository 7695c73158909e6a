//! A packet socket and the ring that it shares with the kernel (packet(7), TPACKET_V3).
//!
//! In: what the kernel writes into the ring. Out: blocks of frames, each with its time, its address and its bytes.
//! Never: a copy of a frame; a frame that reaches out of its block; a look at a block that the kernel owns.

use super::bpf::Instruction;
use libc::{c_int, c_void, socklen_t};
use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Bytes of a block; a frame lies in one block, and the longest that the stack puts together has 64 KiB.
const BLOCK: usize = 1 << 18;
/// After so many milliseconds the kernel hands over a block that is not full. With little traffic that is how fast the ring fills: the
/// usual 64 MiB hold 13 s of it.
pub(super) const RETIRE_MILLIS: u32 = 50;
/// Blocks of the largest ring.
const MAX_BLOCKS: usize = 1 << 14;
/// How many frames ahead of the one that is looked at they are fetched into the cache, and how many lines of each: its head takes two, the
/// headers of an RTP packet one more.
const AHEAD: usize = 4;
const HEADERS: usize = 3;
/// Alignment of frames that the kernel asks for in a request; version 3 packs them closer.
const FRAME: u32 = 2048;

/// A socket with a ring, bound to nothing yet.
pub(super) struct Ring {
    socket: OwnedFd,
    map: MmapRaw,
    /// Blocks in the ring, and the one that comes next.
    blocks: usize,
    next: usize,
    dropped: u64,
}

impl Ring {
    /// A ring of about `bytes`, which sees nothing before it is bound.
    pub(super) fn open(bytes: usize) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointer is handed over.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened above, is valid, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        let blocks = bytes.div_ceil(BLOCK).clamp(2, MAX_BLOCKS);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME,
            tp_frame_nr: (blocks * BLOCK) as u32 / FRAME,
            tp_retire_blk_tov: RETIRE_MILLIS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        let map = MmapOptions::new().len(blocks * BLOCK).map_raw(socket.as_raw_fd())?;
        Ok(Self { socket, map, blocks, next: 0, dropped: 0 })
    }

    /// Lets the kernel accept only what the program accepts, and only the bytes that it returns.
    pub(super) fn attach(&self, program: &[Instruction]) -> io::Result<()> {
        let mut filters: Vec<libc::sock_filter> =
            program.iter().map(|one| libc::sock_filter { code: one.code, jt: one.jt, jf: one.jf, k: one.k }).collect();
        let len = u16::try_from(filters.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let program = libc::sock_fprog { len, filter: filters.as_mut_ptr() };
        set_at(&self.socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Asks the interface for what is addressed to others, too, as long as the socket is open.
    pub(super) fn promiscuous(&self, index: u32) -> io::Result<()> {
        let request =
            Membership { index: index as c_int, kind: libc::PACKET_MR_PROMISC as u16, length: 0, address: [0; 8] };
        set(&self.socket, libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// From here on packets come: those of one interface, or of all where `index` is 0.
    pub(super) fn bind(&self, index: u32) -> io::Result<()> {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
            sll_ifindex: index as c_int,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of_val(&address) as socklen_t;
        // SAFETY: the socket is open, and the pointer is that of a whole `sockaddr_ll` with its true length.
        checked(unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length) })
    }

    /// Waits until the kernel hands over a block; false where the time was over first.
    ///
    /// # Errors
    /// What the socket reports, `ENETDOWN` above all; reading goes on behind it.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the pointer is that of one `pollfd`, which lives until the call is over.
        match checked(unsafe { libc::poll(&raw mut poll, 1, millis) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            result => result?,
        }
        if poll.revents & libc::POLLERR != 0 {
            let error: c_int = get(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR)?;
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
        }
        Ok(poll.revents & libc::POLLIN != 0)
    }

    /// Blocks that there are.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// True where the kernel has handed over the next block.
    pub(super) fn is_ready(&self) -> bool {
        self.place(self.next).1.load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// Where a block begins, and its status.
    fn place(&self, block: usize) -> (*const u8, &AtomicU32) {
        assert!(block < self.blocks, "a block beyond the ring");
        // SAFETY: `block` is below `blocks`, and the mapping has `blocks` times BLOCK bytes.
        let start = unsafe { self.map.as_mut_ptr().add(block * BLOCK) };
        // SAFETY: the block begins with a `tpacket_block_desc`, whose status lies there, aligned to four bytes since blocks
        // begin on pages; both sides access it atomically, and it lives as long as the mapping, which `self` owns.
        (start.cast_const(), unsafe { AtomicU32::from_ptr(start.add(STATUS).cast()) })
    }

    /// The next block, where the kernel has handed it over.
    pub(super) fn block(&mut self) -> Option<Block<'_>> {
        if !self.is_ready() {
            return None;
        }
        let at = self.next;
        self.next = (at + 1) % self.blocks;
        let (start, status) = self.place(at);
        // SAFETY: the kernel writes nothing into a block between its setting TP_STATUS_USER, which was just seen, and our
        // clearing it, which `Block` does when it is dropped; the slice is handed out by borrows of that `Block` only.
        let bytes = unsafe { std::slice::from_raw_parts(start, BLOCK) };
        Some(Block { bytes, status })
    }

    /// Packets that the kernel had no room for, since the ring is there.
    pub(super) fn dropped(&mut self) -> u64 {
        // The kernel begins anew at each look.
        if let Ok(statistics) = get::<libc::tpacket_stats_v3>(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS) {
            self.dropped += u64::from(statistics.tp_drops);
        }
        self.dropped
    }
}

/// `struct packet_mreq` of packet(7).
#[repr(C)]
struct Membership {
    index: c_int,
    kind: u16,
    length: u16,
    address: [u8; 8],
}

/// Types that are whole without padding that matters and that the kernel reads or writes as they are.
///
/// # Safety
/// Any bits that the kernel writes have to be a valid value, and the type has to be plain data.
unsafe trait Plain: Copy {}
// SAFETY: an integer.
unsafe impl Plain for c_int {}
// SAFETY: three integers.
unsafe impl Plain for libc::tpacket_stats_v3 {}

fn set<T>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, option, value)
}

fn set_at<T>(socket: &OwnedFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let (pointer, length) = (std::ptr::from_ref(value).cast::<c_void>(), size_of::<T>() as socklen_t);
    // SAFETY: the socket is open; the kernel reads `length` bytes of `value`, which lives until the call is over.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, pointer, length) })
}

fn get<T: Plain>(socket: &OwnedFd, level: c_int, option: c_int) -> io::Result<T> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`, which has as many.
    checked(unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, option, value.as_mut_ptr().cast(), &raw mut length)
    })?;
    // SAFETY: all bytes were zero or written by the kernel, and `Plain` says that any bits are a value.
    Ok(unsafe { value.assume_init() })
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Where the parts of a block's head lie.
const HEAD: usize = offset_of!(libc::tpacket_block_desc, hdr);
const STATUS: usize = HEAD + offset_of!(libc::tpacket_hdr_v1, block_status);
const COUNT: usize = HEAD + offset_of!(libc::tpacket_hdr_v1, num_pkts);
const FIRST: usize = HEAD + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt);
/// Where the parts of a frame's head lie; the link-layer address stands behind it.
const VARIANT: usize = offset_of!(libc::tpacket3_hdr, hv1);
const VLAN_TCI: usize = VARIANT + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci);
const VLAN_TPID: usize = VARIANT + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid);
const ADDRESS: usize = size_of::<libc::tpacket3_hdr>().next_multiple_of(16);
const HEAD_LEN: usize = ADDRESS + size_of::<libc::sockaddr_ll>();
/// Where the frame's head says that its link header begins, and what is behind it.
const LINK: usize = offset_of!(libc::tpacket3_hdr, tp_mac);
const NETWORK: usize = offset_of!(libc::tpacket3_hdr, tp_net);

/// A block of frames, given back to the kernel when it is dropped.
pub(super) struct Block<'r> {
    bytes: &'r [u8],
    status: &'r AtomicU32,
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        self.status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

/// A packet as it lies in the ring. Most of what the kernel says of it nobody asks for: it is read where somebody does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'b> {
    head: &'b [u8; HEAD_LEN],
    /// From the link header on.
    pub(super) bytes: &'b [u8],
}

impl Frame<'_> {
    /// Seconds of its time.
    #[inline]
    pub(super) fn seconds(&self) -> u32 {
        self.u32_at::<{ offset_of!(libc::tpacket3_hdr, tp_sec) }>()
    }

    /// Nanoseconds behind these.
    #[inline]
    pub(super) fn nanos(&self) -> u32 {
        self.u32_at::<{ offset_of!(libc::tpacket3_hdr, tp_nsec) }>()
    }

    /// Its length on the wire, from the link header on, without a VLAN tag that the card or the kernel took off.
    #[inline]
    pub(super) fn wire_len(&self) -> u32 {
        self.u32_at::<{ offset_of!(libc::tpacket3_hdr, tp_len) }>()
    }

    /// That tag: protocol and control information.
    #[inline]
    pub(super) fn vlan(&self) -> Option<(u16, u16)> {
        let status = self.u32_at::<{ offset_of!(libc::tpacket3_hdr, tp_status) }>();
        if status & libc::TP_STATUS_VLAN_VALID == 0 {
            return None;
        }
        let is_known = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
        let protocol = if is_known { self.u16_at::<VLAN_TPID>() } else { libc::ETH_P_8021Q as u16 };
        Some((protocol, self.u32_at::<VLAN_TCI>() as u16))
    }

    /// Of the interface.
    #[inline]
    pub(super) fn index(&self) -> u32 {
        self.u32_at::<{ ADDRESS + offset_of!(libc::sockaddr_ll, sll_ifindex) }>()
    }

    /// ARPHRD_ number of the interface's link.
    #[inline]
    pub(super) fn hardware(&self) -> u16 {
        self.u16_at::<{ ADDRESS + offset_of!(libc::sockaddr_ll, sll_hatype) }>()
    }

    /// PACKET_HOST, PACKET_OUTGOING and so on.
    #[inline]
    pub(super) fn kind(&self) -> u8 {
        self.head[ADDRESS + offset_of!(libc::sockaddr_ll, sll_pkttype)]
    }

    /// Ether type of what the link header is around.
    pub(super) fn protocol(&self) -> u16 {
        u16::from_be(self.u16_at::<{ ADDRESS + offset_of!(libc::sockaddr_ll, sll_protocol) }>())
    }

    /// Length and bytes of the sender's link-layer address.
    pub(super) fn sender(&self) -> (u8, [u8; 8]) {
        let at = ADDRESS + offset_of!(libc::sockaddr_ll, sll_addr);
        let bytes = self.head.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        (self.head[ADDRESS + offset_of!(libc::sockaddr_ll, sll_halen)], bytes)
    }

    /// Length of the link header.
    pub(super) fn link_header(&self) -> usize {
        usize::from(self.u16_at::<NETWORK>()).saturating_sub(usize::from(self.u16_at::<LINK>()))
    }

    #[inline(always)]
    fn u32_at<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= HEAD_LEN) };
        u32::from_ne_bytes([self.head[AT], self.head[AT + 1], self.head[AT + 2], self.head[AT + 3]])
    }

    #[inline(always)]
    fn u16_at<const AT: usize>(&self) -> u16 {
        const { assert!(AT + 2 <= HEAD_LEN) };
        u16::from_ne_bytes([self.head[AT], self.head[AT + 1]])
    }
}

impl Block<'_> {
    /// The frames in order, as far as they lie within the block.
    pub(super) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let count = u32_at(self.bytes, COUNT).unwrap_or(0);
        let mut at = u32_at(self.bytes, FIRST).unwrap_or(0) as usize;
        (0..count).map_while(move |_| {
            let head = self.bytes.get(at..)?;
            let step = u32_at(head, offset_of!(libc::tpacket3_hdr, tp_next_offset))? as usize;
            // The kernel wrote the frames on another CPU. Those behind the next one are asked for before they are needed; that
            // they are as long as this one is a guess, and a wrong one costs nothing.
            prefetch(self.bytes, at.wrapping_add(step.wrapping_mul(AHEAD)));
            at += step;
            frame(head)
        })
    }
}

/// Asks for the cache lines in which the head of a frame and the headers of its packet would lie.
#[inline(always)]
fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..HEADERS {
        let place = bytes.as_ptr().wrapping_add(at.wrapping_add(line * 64));
        // SAFETY: nothing is read, and the processor passes over addresses that are none.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, at);
}

#[inline]
fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let frame = Frame { head: bytes.first_chunk()?, bytes: &[] };
    let link = usize::from(frame.u16_at::<LINK>());
    let captured = frame.u32_at::<{ offset_of!(libc::tpacket3_hdr, tp_snaplen) }>() as usize;
    Some(Frame { bytes: bytes.get(link..link + captured)?, ..frame })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;

    /// The head of a frame with a tag, from interface 3 of Ethernet, sent by this machine with IPv4.
    pub(in super::super) fn head(wire_len: u32) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        let status = libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;
        put(offset_of!(libc::tpacket3_hdr, tp_status), &status.to_ne_bytes());
        put(offset_of!(libc::tpacket3_hdr, tp_len), &wire_len.to_ne_bytes());
        put(VLAN_TCI, &0x2007_u32.to_ne_bytes());
        put(VLAN_TPID, &0x88a8_u16.to_ne_bytes());
        put(LINK, &82_u16.to_ne_bytes());
        put(NETWORK, &96_u16.to_ne_bytes());
        put(ADDRESS + offset_of!(libc::sockaddr_ll, sll_protocol), &0x0800_u16.to_be_bytes());
        put(ADDRESS + offset_of!(libc::sockaddr_ll, sll_ifindex), &3_u32.to_ne_bytes());
        put(ADDRESS + offset_of!(libc::sockaddr_ll, sll_hatype), &libc::ARPHRD_ETHER.to_ne_bytes());
        put(ADDRESS + offset_of!(libc::sockaddr_ll, sll_pkttype), &[libc::PACKET_OUTGOING]);
        put(ADDRESS + offset_of!(libc::sockaddr_ll, sll_halen), &[6, 1, 2, 3, 4, 5, 6]);
        head
    }

    /// The same without the tag.
    pub(in super::super) fn untagged(wire_len: u32) -> [u8; HEAD_LEN] {
        let mut head = head(wire_len);
        head[offset_of!(libc::tpacket3_hdr, tp_status)..][..4].fill(0);
        head
    }

    pub(in super::super) fn frame<'b>(head: &'b [u8; HEAD_LEN], bytes: &'b [u8]) -> Frame<'b> {
        Frame { head, bytes }
    }
}
