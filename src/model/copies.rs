//! Copies of one packet that a mirror port or an any-interface capture made, outside of RTP.
//!
//! In: each datagram of a flow that is not RTP, or each segment of a connection. Out: whether it is a copy. RTP streams
//! tell copies by sequence number themselves. Never: taken for a retransmission (which is a new IP packet), or memory beyond a few packets a flow.

use super::flow::Direction;
use crate::net::{Carrier, Segment};

/// How long after the first a copy may come where the IP identification tells one packet from another, and where not.
const SAME_ID_NANOS: i64 = 500_000_000;
const NO_ID_NANOS: i64 = 20_000_000;
const RECENT: usize = 16;
/// Originals of a flow before packets that are alike to the last bit can be told from ones that the network doubled.
const ENOUGH_ORIGINALS: u64 = 8;

#[derive(Clone, Copy, Debug)]
struct Seen {
    digest: u64,
    nanos: i64,
    ip_id: u16,
    tag: u32,
}

/// The last datagrams of a flow, or segments of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct CopyGuard {
    seen: Vec<Seen>,
    next: usize,
    originals: u64,
    alike: u64,
}

impl CopyGuard {
    /// True where the same IP packet was seen just before. One alike to the last bit, link header included, may as well
    /// be a packet that the network doubled: it is a copy only on a flow where at least half of the packets have one,
    /// which takes some packets to see.
    pub(crate) fn is_copy(&mut self, direction: Direction, carrier: &Carrier, payload: &[u8]) -> bool {
        self.was_seen(digest(direction, payload), carrier, true)
    }

    /// The same for a datagram that is known by a digest.
    pub(crate) fn is_copy_of(&mut self, direction: Direction, carrier: &Carrier, digest: u64) -> bool {
        self.was_seen(mixed(digest, direction as u64), carrier, true)
    }

    /// The same for a segment of TCP. Its numbers, flags and length tell it from others without a look at its bytes.
    ///
    /// Acknowledgments are repeated on purpose, and where the IP header has no identification such a repetition is alike
    /// to the last bit. They are judged by what the other segments show.
    pub(crate) fn is_copied_segment(&mut self, segment: &Segment<'_>) -> bool {
        let is_evidence = !segment.payload.is_empty() || segment.carrier.ip_id.unwrap_or(0) != 0;
        self.was_seen(segment_digest(segment), &segment.carrier, is_evidence)
    }

    fn was_seen(&mut self, digest: u64, carrier: &Carrier, is_evidence: bool) -> bool {
        let now = Seen {
            digest,
            nanos: carrier.ts.as_nanos(),
            ip_id: carrier.ip_id.unwrap_or(0),
            tag: carrier.link_tag ^ u32::from(carrier.ttl) << 24,
        };
        let window = if now.ip_id == 0 { NO_ID_NANOS } else { SAME_ID_NANOS };
        let original = self.seen.iter().find(|before| {
            before.digest == now.digest && before.ip_id == now.ip_id && now.nanos.saturating_sub(before.nanos) <= window
        });
        match original {
            Some(before) if before.tag != now.tag => true,
            Some(_) => {
                self.alike += u64::from(is_evidence);
                self.originals >= ENOUGH_ORIGINALS && self.alike * 2 >= self.originals
            }
            None => {
                self.originals += u64::from(is_evidence);
                self.remember(now);
                false
            }
        }
    }

    fn remember(&mut self, seen: Seen) {
        if self.seen.len() < RECENT {
            self.seen.push(seen);
        } else {
            self.seen[self.next] = seen;
        }
        self.next = (self.next + 1) % RECENT;
    }
}

/// A digest of length, direction and the bytes: all of a short datagram, the ends of a long one (media inside
/// ChannelData differs in its first bytes).
fn digest(direction: Direction, payload: &[u8]) -> u64 {
    let mut state = payload.len() as u64 ^ (direction as u64) << 32 ^ SEED;
    let mut mix = |word: u64| state = mixed(state, word);
    let head = payload.get(..256).unwrap_or(payload);
    let (words, rest) = head.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| mix(u64::from(*byte)));
    if let Some(tail) = payload.last_chunk::<16>() {
        mix(u128::from_le_bytes(*tail) as u64);
        mix((u128::from_le_bytes(*tail) >> 64) as u64);
    }
    state
}

fn segment_digest(segment: &Segment<'_>) -> u64 {
    let source = segment.flow.src.addr.halves();
    let length = (segment.payload.len() as u64).wrapping_add(u64::from(segment.missing));
    [
        u64::from(segment.seq) << 32 | u64::from(segment.ack),
        length << 32 | u64::from(segment.flags.0) << 16 | u64::from(segment.flow.src.port),
        source.0 ^ source.1.rotate_left(32),
    ]
    .into_iter()
    .fold(SEED, mixed)
}

const SEED: u64 = 0x243f_6a88_85a3_08d3;

fn mixed(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64 ^ 0x1319_8a2e_0370_7344
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Addr, Endpoint, FiveTuple, TcpFlags, Transport, TunnelId};
    use crate::packet::FrameNo;
    use crate::time::Timestamp;

    fn carrier(millis: i64, ip_id: u16, link_tag: u32) -> Carrier {
        Carrier {
            ts: Timestamp::from_nanos(millis * 1_000_000),
            frame: FrameNo(1),
            ip_len: 100,
            ip_id: Some(ip_id),
            ttl: 64,
            traffic_class: 0,
            link_tag,
        }
    }

    #[test]
    fn a_copy_seen_on_another_link_is_a_copy() {
        let mut guard = CopyGuard::default();
        assert!(!guard.is_copy(Direction::Forward, &carrier(0, 7, 1), b"hello"));
        assert!(guard.is_copy(Direction::Forward, &carrier(1, 7, 2), b"hello"));
    }

    #[test]
    fn a_retransmission_is_a_new_ip_packet_and_no_copy() {
        let mut guard = CopyGuard::default();
        assert!(!guard.is_copy(Direction::Forward, &carrier(0, 7, 1), b"hello"));
        assert!(!guard.is_copy(Direction::Forward, &carrier(1, 8, 1), b"hello"));
        assert!(!guard.is_copy(Direction::Forward, &carrier(900, 7, 1), b"hello"));
    }

    #[test]
    fn where_all_packets_are_doubled_they_are_copies_and_where_one_is_it_is_the_networks() {
        let mut mirrored = CopyGuard::default();
        let mut doubled_once = CopyGuard::default();
        for id in 1..50_u16 {
            let payload = id.to_be_bytes();
            assert!(!mirrored.is_copy(Direction::Forward, &carrier(i64::from(id), id, 1), &payload));
            let doubled = mirrored.is_copy(Direction::Forward, &carrier(i64::from(id), id, 1), &payload);
            assert_eq!(doubled, u64::from(id) >= ENOUGH_ORIGINALS);
            assert!(!doubled_once.is_copy(Direction::Forward, &carrier(i64::from(id), id, 1), &payload));
        }
        assert!(!doubled_once.is_copy(Direction::Forward, &carrier(49, 49, 1), &49_u16.to_be_bytes()));
    }

    #[test]
    fn the_first_doubled_packet_of_a_flow_is_no_copy_but_one_with_another_ttl_is() {
        let mut guard = CopyGuard::default();
        assert!(!guard.is_copy(Direction::Forward, &carrier(0, 7, 1), b"hello"));
        assert!(!guard.is_copy(Direction::Forward, &carrier(0, 7, 1), b"hello"));
        let routed = Carrier { ttl: 63, ..carrier(1, 7, 1) };
        assert!(guard.is_copy(Direction::Forward, &routed, b"hello"));
    }

    fn segment(millis: i64, ip_id: u16, link_tag: u32, seq: u32, payload: &[u8]) -> Segment<'_> {
        let end = |host| Endpoint { addr: Addr::v4([10, 0, 0, host]), port: 5060 };
        Segment {
            carrier: carrier(millis, ip_id, link_tag),
            flow: FiveTuple { src: end(1), dst: end(2), transport: Transport::Tcp, tunnel: TunnelId(0) },
            seq,
            ack: 1,
            flags: TcpFlags(TcpFlags::ACK),
            missing: 0,
            payload,
        }
    }

    #[test]
    fn a_segment_on_another_link_is_a_copy_and_one_sent_again_is_not() {
        let mut guard = CopyGuard::default();
        assert!(!guard.is_copied_segment(&segment(0, 7, 1, 100, b"hello")));
        assert!(guard.is_copied_segment(&segment(0, 7, 2, 100, b"hello")));
        assert!(!guard.is_copied_segment(&segment(300, 8, 1, 100, b"hello")));
        assert!(!guard.is_copied_segment(&segment(301, 7, 2, 105, b"hello")));
        let mut from_there = segment(302, 8, 2, 100, b"hello");
        std::mem::swap(&mut from_there.flow.src, &mut from_there.flow.dst);
        assert!(!guard.is_copied_segment(&from_there));
    }

    #[test]
    fn repeated_acknowledgments_without_identification_are_no_copies_unless_the_data_has_some() {
        let mut lossy = CopyGuard::default();
        let mut mirrored = CopyGuard::default();
        for at in 0..30 {
            let data = segment(at, 0, 1, 100 + at as u32, b"x");
            assert!(!lossy.is_copied_segment(&data));
            assert!(!mirrored.is_copied_segment(&data));
            mirrored.is_copied_segment(&data);
        }
        assert!(!lossy.is_copied_segment(&segment(30, 0, 1, 900, b"")));
        assert!(!mirrored.is_copied_segment(&segment(30, 0, 1, 900, b"")));
        for _ in 0..100 {
            assert!(!lossy.is_copied_segment(&segment(31, 0, 1, 900, b"")));
            assert!(mirrored.is_copied_segment(&segment(31, 0, 1, 900, b"")));
        }
    }

    #[test]
    fn the_other_direction_is_another_packet() {
        let mut guard = CopyGuard::default();
        assert!(!guard.is_copy(Direction::Forward, &carrier(0, 7, 1), b"hello"));
        assert!(!guard.is_copy(Direction::Backward, &carrier(0, 7, 2), b"hello"));
    }
}
