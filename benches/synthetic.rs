//! A capture of RTP streams made by seed, and the speed of light over it.
//!
//! `synthetic write FILE PACKETS STREAMS [SEED]` writes a nanosecond pcap of Ethernet, IPv4, UDP and RTP. Each stream has
//! its own five-tuple and SSRC and sends every 20 ms; PCMU (payload type 0) and a dynamic type alternate between streams.
//! The seed decides arrival jitter, and which packets are lost (1 in 200), arrive after the next two (1 in 500), or
//! arrive twice (1 in 1000). A record is 200 bytes with its 16-byte header.
//!
//! `synthetic walk FILE` maps a file and steps over its record headers, adding up lengths: what no analyzer can beat.
//!
//! `synthetic send INTERFACE PER_SECOND SECONDS STREAMS` sends the same packets by an interface (Linux), at that rate.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own that is run by hand")]
#![allow(clippy::disallowed_methods, reason = "packets are sent at a rate")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

const PCAP_NANOS: u32 = 0xa1b2_3c4d;
const RECORD_HEADER: usize = 16;
const FRAME: usize = 184;
const HEADERS: usize = 14 + 20 + 8 + 12;
const SPACING_NANOS: u64 = 20_000_000;
const START_NANOS: u64 = 1_700_000_000_000_000_000;
/// Samples of 20 ms at 8 kHz.
const TICKS: u32 = 160;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["write", file, packets, streams] => write(file, packets, streams, "1"),
        ["write", file, packets, streams, seed] => write(file, packets, streams, seed),
        ["walk", file] => walk(file),
        #[cfg(target_os = "linux")]
        ["send", interface, rate, seconds, streams] => sender::send(interface, rate, seconds, streams),
        _ => Err("usage: synthetic write FILE PACKETS STREAMS [SEED] | walk FILE | send INTERFACE PER_SECOND SECONDS \
                  STREAMS"
            .into()),
    };
    match result {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

pub(crate) type Outcome = Result<String, Box<dyn std::error::Error>>;

pub(crate) fn write(file: &str, packets: &str, streams: &str, seed: &str) -> Outcome {
    let (packets, streams, seed): (u64, u32, u64) = (packets.parse()?, streams.parse()?, seed.parse()?);
    if streams == 0 || packets < u64::from(streams) {
        return Err("at least one stream, and one packet for each".into());
    }
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    for word in [PCAP_NANOS, 0x0004_0002, 0, 0, 65_535, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut schedule = Schedule::new(streams, seed);
    for _ in 0..packets {
        let sent = schedule.next_packet();
        let mut record = [0; RECORD_HEADER + FRAME];
        fill(&mut record, &sent);
        out.write_all(&record)?;
    }
    out.flush()?;
    let Schedule { lost, reordered, duplicated, .. } = schedule;
    Ok(format!("{packets} packets, {streams} streams, {lost} lost, {reordered} reordered, {duplicated} duplicated"))
}

/// A packet as it arrives.
#[derive(Clone, Copy)]
struct Arrival {
    nanos: u64,
    stream: u32,
    /// Counts the stream's packets from 0.
    index: u32,
}

/// Decides which packet arrives next. Streams take turns; a turn is 20 ms, in which each stream has its own moment.
struct Schedule {
    streams: u32,
    stream: u32,
    /// Next packet index of each stream.
    next: Vec<u32>,
    /// What arrives right behind the last packet: one that was overtaken, or the second copy of one.
    pending: Option<Arrival>,
    /// Of each stream the packet that is being overtaken.
    held: Vec<Option<u32>>,
    turn: u64,
    random: SplitMix,
    lost: u64,
    reordered: u64,
    duplicated: u64,
}

impl Schedule {
    fn new(streams: u32, seed: u64) -> Self {
        Self {
            streams,
            stream: 0,
            next: vec![0; streams as usize],
            pending: None,
            held: vec![None; streams as usize],
            turn: 0,
            random: SplitMix(seed),
            lost: 0,
            reordered: 0,
            duplicated: 0,
        }
    }

    fn next_packet(&mut self) -> Arrival {
        if let Some(pending) = self.pending.take() {
            return pending;
        }
        let stream = self.stream;
        let slot = stream as usize;
        let moment = SPACING_NANOS * u64::from(stream) / u64::from(self.streams);
        // The jitter stays below the distance to the next stream's moment: the file is in order of time.
        let jitter = self.random.below(SPACING_NANOS / u64::from(self.streams) / 2 + 1);
        let nanos = START_NANOS + self.turn * SPACING_NANOS + moment + jitter;
        self.advance();
        if let Some(index) = self.held[slot].take() {
            // Two were faster.
            self.pending = Some(Arrival { nanos, stream, index });
            self.reordered += 1;
        }
        if self.random.below(200) == 0 {
            self.next[slot] += 1;
            self.lost += 1;
        }
        let mut index = self.next[slot];
        self.next[slot] += 1;
        if self.pending.is_none() {
            if self.random.below(500) == 0 {
                self.held[slot] = Some(index);
                index = self.next[slot];
                self.next[slot] += 1;
            } else if self.random.below(1000) == 0 {
                self.pending = Some(Arrival { nanos, stream, index });
                self.duplicated += 1;
            }
        }
        Arrival { nanos, stream, index }
    }

    fn advance(&mut self) {
        self.stream += 1;
        if self.stream == self.streams {
            self.stream = 0;
            self.turn += 1;
        }
    }
}

fn fill(record: &mut [u8; RECORD_HEADER + FRAME], sent: &Arrival) {
    let length = FRAME as u32;
    let seconds = (sent.nanos / 1_000_000_000) as u32;
    let nanos = (sent.nanos % 1_000_000_000) as u32;
    for (chunk, word) in record.chunks_exact_mut(4).zip([seconds, nanos, length, length]) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    let frame = &mut record[RECORD_HEADER..];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00]);
    let [a, b, c, d] = sent.stream.to_be_bytes();
    let ip_length = (FRAME - 14) as u16;
    frame[14..34].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, b, c, d, 10, 128 | b, c, d]);
    frame[16..18].copy_from_slice(&ip_length.to_be_bytes());
    let checksum = ipv4_checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    let port = 16_384 + (sent.stream % 16_384) as u16 * 2;
    frame[34..36].copy_from_slice(&port.to_be_bytes());
    frame[36..38].copy_from_slice(&port.to_be_bytes());
    frame[38..40].copy_from_slice(&(ip_length - 20).to_be_bytes());
    let payload_type = if sent.stream.is_multiple_of(2) { 0 } else { 96 };
    frame[42] = 0x80;
    frame[43] = payload_type;
    frame[44..46].copy_from_slice(&(sent.index as u16).to_be_bytes());
    frame[46..50].copy_from_slice(&sent.index.wrapping_mul(TICKS).to_be_bytes());
    frame[50..54].copy_from_slice(&[0x10 | a, b, c, d]);
    frame[HEADERS..].fill(0xd5);
}

fn ipv4_checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}

fn walk(file: &str) -> Outcome {
    let file = File::open(file)?;
    // SAFETY: the map is read only, and this program is run on a file that nothing else writes to meanwhile.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    let (mut at, mut packets, mut bytes) = (24, 0_u64, 0_u64);
    while let Some(length) = map.get(at + 8..at + 12).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes) {
        packets += 1;
        bytes += u64::from(length);
        at += RECORD_HEADER + length as usize;
    }
    Ok(format!("{packets} packets, {bytes} bytes"))
}

/// SplitMix64: small, and the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[cfg(target_os = "linux")]
mod sender {
    use super::{FRAME, Outcome, RECORD_HEADER, Schedule, fill};
    use std::io::Error;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::time::{Duration, Instant};

    /// Frames of one call into the kernel.
    const BATCH: usize = 64;

    pub(super) fn send(interface: &str, rate: &str, seconds: &str, streams: &str) -> Outcome {
        let (rate, seconds, streams): (f64, f64, u32) = (rate.parse()?, seconds.parse()?, streams.parse()?);
        if !(rate >= 1.0 && seconds > 0.0 && streams > 0) {
            return Err("at least one packet a second, some time and one stream".into());
        }
        let socket = bound_to(interface)?;
        let mut schedule = Schedule::new(streams, 1);
        let total = (rate * seconds) as u64;
        let (began, mut sent) = (Instant::now(), 0_u64);
        while sent < total {
            let due = (began.elapsed().as_secs_f64() * rate) as u64;
            if due < sent + BATCH as u64 && due < total {
                std::thread::sleep(Duration::from_micros(100));
                continue;
            }
            let mut records = [[0; RECORD_HEADER + FRAME]; BATCH];
            let records = &mut records[..(total - sent).min(BATCH as u64) as usize];
            records.iter_mut().for_each(|record| fill(record, &schedule.next_packet()));
            send_all(&socket, records)?;
            sent += records.len() as u64;
        }
        Ok(format!("{sent} packets in {:.2} s", began.elapsed().as_secs_f64()))
    }

    fn bound_to(interface: &str) -> Result<OwnedFd, Box<dyn std::error::Error>> {
        let name = std::ffi::CString::new(interface)?;
        // SAFETY: the pointer is that of a string with a zero at its end.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(format!("{interface}: {}", Error::last_os_error()).into());
        }
        // SAFETY: no pointer is handed over.
        let descriptor = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
        if descriptor < 0 {
            return Err(Error::last_os_error().into());
        }
        // SAFETY: the descriptor was opened above, and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: 0,
            sll_ifindex: i32::try_from(index)?,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: the address lives until the call is over, and its length is true.
        let bound =
            unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of_val(&address) as u32) };
        if bound == 0 { Ok(socket) } else { Err(Error::last_os_error().into()) }
    }

    fn send_all(socket: &OwnedFd, records: &mut [[u8; RECORD_HEADER + FRAME]]) -> Result<(), Error> {
        let mut pieces: Vec<libc::iovec> = records
            .iter_mut()
            .map(|record| libc::iovec { iov_base: record[RECORD_HEADER..].as_mut_ptr().cast(), iov_len: FRAME })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = pieces
            .iter_mut()
            .map(|piece| {
                // SAFETY: a message of zeros is one without address, data and control.
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = piece;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        let mut done = 0;
        while done < messages.len() {
            let left = &mut messages[done..];
            // SAFETY: messages, their pieces and the frames live until the call is over, and their lengths are true.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), left.as_mut_ptr(), left.len() as u32, 0) };
            match usize::try_from(sent) {
                Ok(sent) => done += sent,
                Err(_) if Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(_) => return Err(Error::last_os_error()),
            }
        }
        Ok(())
    }
}
