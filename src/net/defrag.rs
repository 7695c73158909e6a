//! Puts fragmented IP datagrams together again (RFC 791, section 3.2; RFC 8200, section 4.5).
//!
//! In: fragments in any order, repeated, overlapping. Out: the datagram, once its last hole is filled.
//! Never: more memory than the limits, a wall clock, a byte that came twice taken from the second.

use super::cut::Cut;
use super::datagram::{Addr, TunnelId};
use super::ip::Fragment;
use crate::bytes::ParseError;
use crate::time::{NANOS_PER_SEC, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// RFC 791 starts at 15 seconds and RFC 1122, section 3.3.2, allows more; hosts of our days give up after 30.
pub(super) const TIMEOUT_V4: i64 = 30 * NANOS_PER_SEC;
/// RFC 8200, section 4.5.
pub(super) const TIMEOUT_V6: i64 = 60 * NANOS_PER_SEC;
/// What both length fields can say (RFC 791, section 3.1; RFC 8200, section 4.5).
const MAX_DATAGRAM: usize = 65_535;
/// Charged for a piece and for a datagram on top of their bytes, so that many tiny ones meet the limit too.
const PIECE_OVERHEAD: usize = 96;
const DATAGRAM_OVERHEAD: usize = 384;
/// Datagrams that are remembered when they are whole, to know the copies of their fragments, and for how long: no sender
/// uses an identification again so soon (RFC 6864, section 4.3).
const REMEMBERED: usize = 64;
const REMEMBERED_NANOS: i64 = NANOS_PER_SEC / 2;
/// Fragments of one that is remembered; at the least MTU of IPv6 the largest datagram has 54.
const MAX_REMEMBERED_FRAGMENTS: usize = 64;
/// Fragments before it can be told whether those alike to the last bit are a mirror port's.
const ENOUGH_ORIGINALS: u64 = 8;

/// What belongs together. Interface and link header are not part of it: bonded links spread the fragments of one
/// datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) src: Addr,
    pub(super) dst: Addr,
    pub(super) id: u32,
    /// 0 in IPv6, where only the first fragment's next header counts.
    pub(super) protocol: u8,
    pub(super) tunnel: TunnelId,
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub(super) key: Key,
    pub(super) ts: Timestamp,
    /// Nanoseconds after the first fragment at which the datagram is given up.
    pub(super) timeout: i64,
    pub(super) fragment: Fragment,
    /// Differs where interface, link header or hop count does: of two copies of a fragment.
    pub(super) tag: u32,
    /// Protocol of the whole, as this fragment has it.
    pub(super) protocol: u8,
    /// Of this fragment's packet.
    pub(super) ip_len: u32,
    pub(super) content: Cut<'a>,
}

/// A datagram without holes. Where a snap length cut a fragment, the bytes end there and `wire` tells the true length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    pub(super) wire: usize,
    pub(super) protocol: u8,
    pub(super) ip_len: u32,
}

/// Counts since the start, except where said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentStatistics {
    /// Fragments seen.
    pub fragments: u64,
    /// Datagrams put together.
    pub reassembled: u64,
    /// Datagrams given up because the time for their fragments was over. As with `evicted` and `held`, without those of
    /// which only fragments of a whole one came again.
    pub expired: u64,
    /// Datagrams given up because there was no room.
    pub evicted: u64,
    /// Fragments that repeated bytes already there, wholly or in part.
    pub overlapping: u64,
    /// Fragments seen before: at the same place of the same datagram, with the same length.
    pub repeated: u64,
    /// Those of them on another link or with another hop count that completed nothing.
    pub copies_elsewhere: u64,
    /// Those of them alike to the last bit.
    pub alike: u64,
    /// The same without those that completed a datagram once more.
    pub alike_held: u64,
    /// Datagrams that wait for fragments now.
    pub held: u64,
    /// Bytes that these take now, with a charge for the bookkeeping.
    pub held_bytes: u64,
}

impl FragmentStatistics {
    /// Fragments that a mirror port doubled and that completed nothing: all on another link or with another hop count,
    /// and those alike to the last bit where at least half of all fragments have one. Where few do, the network doubled
    /// them.
    pub fn copies(&self) -> u64 {
        let originals = self.fragments.saturating_sub(self.repeated);
        let mirrored = originals >= ENOUGH_ORIGINALS && self.alike * 2 >= originals;
        self.copies_elsewhere + if mirrored { self.alike_held } else { 0 }
    }
}

/// Datagrams in the making.
#[derive(Debug)]
pub(super) struct FragmentPool {
    max_datagrams: usize,
    max_bytes: usize,
    bytes: usize,
    buffers: HashMap<Key, Buffer>,
    /// Oldest first.
    order: BTreeMap<u64, Key>,
    next_order: u64,
    /// Those that were completed last, newest first.
    completed: VecDeque<Completed>,
    statistics: FragmentStatistics,
}

impl FragmentPool {
    pub(super) fn new(max_datagrams: usize, max_bytes: usize) -> Self {
        Self {
            max_datagrams,
            max_bytes,
            bytes: 0,
            buffers: HashMap::new(),
            order: BTreeMap::new(),
            next_order: 0,
            completed: VecDeque::new(),
            statistics: FragmentStatistics::default(),
        }
    }

    pub(super) fn statistics(&self) -> FragmentStatistics {
        let held = self.order.values().filter_map(|key| self.buffers.get(key)).filter(|buffer| buffer.is_missed());
        FragmentStatistics { held: held.count() as u64, held_bytes: self.bytes as u64, ..self.statistics }
    }

    /// Takes a fragment; gives the datagram where this was the one it waited for.
    pub(super) fn insert(&mut self, arrival: &Arrival<'_>) -> Result<Option<Whole>, ParseError> {
        self.statistics.fragments += 1;
        let end = arrival.content.wire().saturating_add(arrival.fragment.offset as usize);
        if end > MAX_DATAGRAM {
            return Err(ParseError::invalid("ip fragment", 0, "ends beyond 65,535 bytes"));
        }
        self.expire(arrival);
        let completed = self.completed.iter().find(|completed| completed.is_of(arrival));
        let (mut repetition, is_spent) = completed
            .map_or((None, false), |completed| (completed.repetition(arrival, end as u32), completed.took_repetitions));
        if repetition.is_some() && is_spent {
            // Some of its copies were taken for repetitions while it was put together: the rest of them completes nothing.
            self.repeated(repetition, false);
            return Ok(None);
        }
        let order = &mut self.order;
        let next_order = &mut self.next_order;
        let held = &mut self.bytes;
        let buffer = self.buffers.entry(arrival.key).or_insert_with(|| {
            *next_order += 1;
            order.insert(*next_order, arrival.key);
            *held += DATAGRAM_OVERHEAD;
            Buffer::new(*next_order, arrival)
        });
        buffer.only_repeats &= repetition.is_some();
        let own = buffer.repetition(arrival, end as u32);
        buffer.took_repetitions |= own.is_some();
        repetition = own.or(repetition);
        let (added, overlaps) = buffer.add(arrival, end as u32);
        self.bytes += added;
        self.statistics.overlapping += u64::from(overlaps);
        let whole = buffer.whole();
        self.repeated(repetition, whole.is_some());
        if whole.is_some() {
            self.complete(arrival);
        }
        self.make_room();
        Ok(whole)
    }

    fn repeated(&mut self, repetition: Option<Repetition>, completes: bool) {
        let statistics = &mut self.statistics;
        statistics.repeated += u64::from(repetition.is_some());
        match repetition {
            Some(Repetition::Elsewhere) => statistics.copies_elsewhere += u64::from(!completes),
            Some(Repetition::Alike) => {
                statistics.alike += 1;
                statistics.alike_held += u64::from(!completes);
            }
            None => {}
        }
    }

    fn complete(&mut self, arrival: &Arrival<'_>) {
        self.statistics.reassembled += 1;
        let Some(buffer) = self.remove(&arrival.key) else { return };
        if let Some(known) = self.completed.iter_mut().find(|completed| completed.is_of(arrival)) {
            known.took_repetitions |= buffer.took_repetitions;
        } else if buffer.pieces.len() <= MAX_REMEMBERED_FRAGMENTS {
            self.completed.truncate(REMEMBERED - 1);
            self.completed.push_front(Completed {
                key: arrival.key,
                ts: arrival.ts,
                fragments: buffer.pieces.iter().map(|(start, piece)| (*start, piece.end, piece.tag)).collect(),
                took_repetitions: buffer.took_repetitions,
            });
        }
    }

    /// Gives up what is too old at this time. IPv4 may wait behind an older IPv6 datagram a little longer for its
    /// memory to be freed, but never takes in a fragment after its time: its own key is always looked at.
    fn expire(&mut self, arrival: &Arrival<'_>) {
        let mut due = self.buffers.get(&arrival.key).filter(|own| own.expired(arrival.ts)).map(|_| arrival.key);
        loop {
            due = due.or_else(|| {
                let oldest = self.order.first_key_value()?.1;
                self.buffers.get(oldest).filter(|buffer| buffer.expired(arrival.ts)).map(|_| *oldest)
            });
            let Some(key) = due.take() else { return };
            self.statistics.expired += self.remove(&key).map_or(0, |buffer| u64::from(buffer.is_missed()));
        }
    }

    fn make_room(&mut self) {
        while self.buffers.len() > self.max_datagrams || self.bytes > self.max_bytes {
            let Some((_, key)) = self.order.first_key_value() else { return };
            let key = *key;
            self.statistics.evicted += self.remove(&key).map_or(0, |buffer| u64::from(buffer.is_missed()));
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Buffer> {
        let buffer = self.buffers.remove(key)?;
        self.order.remove(&buffer.order);
        self.bytes -= buffer.cost;
        Some(buffer)
    }
}

/// How a fragment that was seen before was seen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repetition {
    /// On another link, or with another hop count.
    Elsewhere,
    /// Alike to the last bit.
    Alike,
}

impl Repetition {
    fn of(before: u32, now: u32) -> Self {
        if before == now { Self::Alike } else { Self::Elsewhere }
    }
}

/// A datagram that was handed on.
#[derive(Debug)]
struct Completed {
    key: Key,
    ts: Timestamp,
    /// Start, end and tag.
    fragments: Vec<(u32, u32, u32)>,
    took_repetitions: bool,
}

impl Completed {
    fn is_of(&self, arrival: &Arrival<'_>) -> bool {
        self.key.id == arrival.key.id && self.key == arrival.key && arrival.ts.nanos_since(self.ts) <= REMEMBERED_NANOS
    }

    fn repetition(&self, arrival: &Arrival<'_>, end: u32) -> Option<Repetition> {
        let place = (arrival.fragment.offset, end);
        let (.., tag) = self.fragments.iter().find(|(start, end, _)| (*start, *end) == place)?;
        Some(Repetition::of(*tag, arrival.tag))
    }
}

#[derive(Debug)]
struct Buffer {
    order: u64,
    first_ts: Timestamp,
    timeout: i64,
    /// By first byte, never overlapping.
    pieces: BTreeMap<u32, Piece>,
    covered: u32,
    /// Known once the last fragment came.
    total: Option<u32>,
    protocol: u8,
    ip_len: u32,
    cost: usize,
    /// Fragments came twice.
    took_repetitions: bool,
    /// All its fragments came before, in a datagram that is whole.
    only_repeats: bool,
}

#[derive(Debug)]
struct Piece {
    end: u32,
    /// Of the fragment that brought it.
    tag: u32,
    /// Shorter than the piece where a snap length cut it.
    captured: Vec<u8>,
}

impl Buffer {
    fn new(order: u64, arrival: &Arrival<'_>) -> Self {
        Self {
            order,
            first_ts: arrival.ts,
            timeout: arrival.timeout,
            pieces: BTreeMap::new(),
            covered: 0,
            total: None,
            protocol: arrival.protocol,
            ip_len: 0,
            cost: DATAGRAM_OVERHEAD,
            took_repetitions: false,
            only_repeats: true,
        }
    }

    /// False where nothing is lost with it.
    const fn is_missed(&self) -> bool {
        !self.only_repeats
    }

    fn expired(&self, now: Timestamp) -> bool {
        now.nanos_since(self.first_ts) > self.timeout
    }

    /// Whether the fragment is here already, with the same bytes.
    fn repetition(&self, arrival: &Arrival<'_>, end: u32) -> Option<Repetition> {
        let piece = self.pieces.get(&arrival.fragment.offset).filter(|piece| piece.end == end)?;
        (piece.captured == arrival.content.bytes()).then(|| Repetition::of(piece.tag, arrival.tag))
    }

    /// Fills holes with what the fragment has for them. Returns the added cost, and whether it had bytes for what was
    /// no hole.
    fn add(&mut self, arrival: &Arrival<'_>, end: u32) -> (usize, bool) {
        let start = arrival.fragment.offset;
        if start == 0 {
            self.protocol = arrival.protocol;
        }
        if !arrival.fragment.more {
            self.total.get_or_insert(end);
        }
        let (mut at, mut added, mut overlaps) = (start, 0, false);
        while at < end {
            if let Some((_, piece)) = self.pieces.range(..=at).next_back()
                && piece.end > at
            {
                overlaps = true;
                at = piece.end;
                continue;
            }
            let stop = self.pieces.range(at..).next().map_or(end, |(next, _)| end.min(*next));
            let captured = arrival.content.after((at - start) as usize).at_most((stop - at) as usize).bytes().to_vec();
            added += PIECE_OVERHEAD + captured.len();
            self.covered += stop - at;
            self.pieces.insert(at, Piece { end: stop, tag: arrival.tag, captured });
            at = stop;
        }
        if added > 0 {
            self.ip_len = self.ip_len.saturating_add(arrival.ip_len);
        }
        self.cost += added;
        (added, overlaps)
    }

    fn whole(&self) -> Option<Whole> {
        let total = self.total.filter(|total| self.covered >= *total)?;
        let mut reached = 0;
        let mut bytes = Vec::new();
        let mut cut = false;
        for (start, piece) in self.pieces.range(..total) {
            if *start != reached {
                return None;
            }
            reached = piece.end;
            if !cut {
                bytes.extend_from_slice(&piece.captured);
                cut = piece.captured.len() < (piece.end - start) as usize;
            }
        }
        bytes.truncate(total as usize);
        (reached >= total).then_some(Whole {
            bytes,
            wire: total as usize,
            protocol: self.protocol,
            ip_len: self.ip_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key =
        Key { src: Addr::v4([10, 0, 0, 1]), dst: Addr::v4([10, 0, 0, 2]), id: 7, protocol: 17, tunnel: TunnelId(0) };

    fn pool() -> FragmentPool {
        FragmentPool::new(8, 1 << 20)
    }

    fn at(seconds: i64, id: u32, offset: u32, more: bool, bytes: &[u8]) -> Arrival<'_> {
        Arrival {
            key: Key { id, ..KEY },
            ts: Timestamp::from_parts(seconds, 0),
            timeout: TIMEOUT_V4,
            fragment: Fragment { id, offset, more },
            tag: 1,
            protocol: 17,
            ip_len: 20 + bytes.len() as u32,
            content: Cut::new(bytes, bytes.len()),
        }
    }

    fn data() -> Vec<u8> {
        (0..60).collect()
    }

    #[test]
    fn fragments_in_any_order_give_the_datagram() {
        let data = data();
        let parts = [(0, true, 0..24), (24, true, 24..48), (48, false, 48..60)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut pool = pool();
            let results: Vec<_> = order
                .iter()
                .map(|part| {
                    let (offset, more, range) = parts[*part].clone();
                    pool.insert(&at(0, 7, offset, more, &data[range])).unwrap()
                })
                .collect();
            assert_eq!(results[..2], [None, None], "{order:?}");
            let whole = results[2].clone().unwrap();
            assert_eq!((whole.bytes, whole.wire, whole.ip_len), (data.clone(), 60, 120), "{order:?}");
            assert_eq!(
                (pool.statistics().held, pool.statistics().held_bytes, pool.statistics().reassembled),
                (0, 0, 1)
            );
        }
    }

    #[test]
    fn a_duplicate_changes_nothing_and_is_counted() {
        let data = data();
        let mut pool = pool();
        for _ in 0..3 {
            assert_eq!(pool.insert(&at(0, 7, 0, true, &data[..24])), Ok(None));
        }
        let whole = pool.insert(&at(0, 7, 24, false, &data[24..])).unwrap().unwrap();
        assert_eq!((whole.bytes, whole.ip_len, pool.statistics().overlapping), (data, 100, 2));
    }

    /// Puts in three fragments of each of ten datagrams and a second set of them with this tag, all fragments of a set
    /// or each with its copy; gives how many datagrams came out and how many fragments are copies.
    fn doubled(tag: u32, sets: bool, has_copy: impl Fn(u32) -> bool) -> (usize, u64) {
        let data = data();
        let mut pool = pool();
        let mut wholes = 0;
        for id in 0..10 {
            let parts = [(0, true, 0..24), (24, true, 24..48), (48, false, 48..60)];
            let original = parts.map(|(offset, more, range)| at(0, id, offset, more, &data[range]));
            let copy = original.map(|part| Arrival { tag, ..part });
            let order: Vec<Arrival<'_>> = match (has_copy(id), sets) {
                (false, _) => original.to_vec(),
                (true, true) => [original, copy].concat(),
                (true, false) => original.into_iter().zip(copy).flat_map(|(one, two)| [one, two]).collect(),
            };
            wholes += order.iter().filter_map(|part| pool.insert(part).unwrap()).count();
        }
        assert_eq!(pool.statistics().held, 0);
        (wholes, pool.statistics().copies())
    }

    #[test]
    fn copies_of_fragments_are_told_apart_from_fragments_in_either_order() {
        for tag in [1, 2] {
            // The last of a second set completes the datagram again, and is judged as a datagram.
            assert_eq!(doubled(tag, true, |_| true), (20, 20), "tag {tag}");
            assert_eq!(doubled(tag, false, |_| true), (10, 30), "tag {tag}");
        }
    }

    #[test]
    fn a_fragment_that_comes_again_behind_its_datagram_leaves_nothing_incomplete() {
        let data = data();
        let mut pool = pool();
        for id in 0..20 {
            assert_eq!(pool.insert(&at(0, id, 0, true, &data[..24])), Ok(None));
            assert!(pool.insert(&at(0, id, 24, false, &data[24..])).unwrap().is_some());
            assert_eq!(pool.insert(&at(0, id, 0, true, &data[..24])), Ok(None));
        }
        let left = |pool: &FragmentPool| {
            let statistics = pool.statistics();
            (statistics.held, statistics.expired, statistics.evicted)
        };
        assert_eq!(left(&pool), (0, 0, 0));
        assert_eq!(pool.insert(&at(40, 90, 0, true, &data[..24])), Ok(None));
        assert_eq!((left(&pool), pool.buffers.len()), ((1, 0, 0), 1));
        // Behind it comes what was never part of the datagram that is whole: another one, and that is missed.
        assert!(pool.insert(&at(40, 90, 24, false, &data[24..])).unwrap().is_some());
        assert_eq!(pool.insert(&at(40, 90, 0, true, &data[..24])), Ok(None));
        assert_eq!(pool.insert(&at(40, 90, 32, true, &data[..8])), Ok(None));
        assert_eq!(left(&pool), (1, 0, 0));
    }

    #[test]
    fn the_last_of_three_copies_opens_nothing_where_two_of_them_came_at_once() {
        let data = data();
        let mut pool = pool();
        let parts = [(0, true, 0..24), (24, true, 24..48), (48, false, 48..60)];
        let original = parts.map(|(offset, more, range)| at(0, 1, offset, more, &data[range]));
        let twice = original.iter().flat_map(|part| [*part, *part]);
        let wholes = original.iter().copied().chain(twice).filter_map(|part| pool.insert(&part).unwrap()).count();
        let statistics = pool.statistics();
        assert_eq!((wholes, statistics.repeated, statistics.held_bytes), (2, 6, 0));
    }

    #[test]
    fn a_few_fragments_alike_to_the_last_bit_are_the_networks_and_on_another_link_they_are_copies() {
        assert_eq!(doubled(1, false, |id| id == 3), (10, 0));
        assert_eq!(doubled(2, false, |id| id == 3), (10, 3));
    }

    #[test]
    fn an_identification_that_comes_back_later_is_another_datagram() {
        let mut pool = pool();
        for seconds in [0, 1, 2] {
            assert_eq!(pool.insert(&at(seconds, 7, 0, true, &[1; 8])), Ok(None));
            assert!(pool.insert(&at(seconds, 7, 8, false, &[1; 8])).unwrap().is_some());
        }
        assert_eq!(pool.statistics().repeated, 0);
    }

    #[test]
    fn what_is_remembered_of_whole_datagrams_is_bounded() {
        let mut pool = pool();
        for id in 0..1000 {
            assert_eq!(pool.insert(&at(0, id, 0, true, &[1; 8])), Ok(None));
            assert!(pool.insert(&at(0, id, 8, false, &[1; 8])).unwrap().is_some());
        }
        assert_eq!(pool.completed.len(), REMEMBERED);
    }

    #[test]
    fn overlaps_keep_the_first_bytes() {
        let mut pool = pool();
        assert_eq!(pool.insert(&at(0, 7, 16, true, &[1; 16])), Ok(None));
        assert_eq!(pool.insert(&at(0, 7, 8, true, &[2; 32])), Ok(None));
        assert_eq!(pool.insert(&at(0, 7, 40, false, &[3; 4])), Ok(None));
        let whole = pool.insert(&at(0, 7, 0, true, &[4; 16])).unwrap().unwrap();
        let expected = [vec![4; 8], vec![2; 8], vec![1; 16], vec![2; 8], vec![3; 4]].concat();
        assert_eq!((whole.bytes, pool.statistics().overlapping), (expected, 2));
    }

    #[test]
    fn bytes_beyond_the_last_fragment_are_not_part_of_the_datagram() {
        let mut pool = pool();
        assert_eq!(pool.insert(&at(0, 7, 32, true, &[9; 8])), Ok(None));
        assert_eq!(pool.insert(&at(0, 7, 8, false, &[1; 8])), Ok(None));
        let whole = pool.insert(&at(0, 7, 0, true, &[2; 8])).unwrap().unwrap();
        assert_eq!(whole.bytes, [[2; 8], [1; 8]].concat());
    }

    #[test]
    fn a_snap_length_shortens_the_bytes_and_not_the_length() {
        let mut pool = pool();
        let mut first = at(0, 7, 0, true, &[1; 10]);
        first.content = Cut::new(&[1; 10], 16);
        assert_eq!(pool.insert(&first), Ok(None));
        let whole = pool.insert(&at(0, 7, 16, false, &[2; 5])).unwrap().unwrap();
        assert_eq!((whole.bytes, whole.wire), (vec![1; 10], 21));
    }

    #[test]
    fn a_datagram_expires_by_packet_time() {
        let mut pool = pool();
        assert_eq!(pool.insert(&at(0, 7, 0, true, &[1; 8])), Ok(None));
        assert_eq!(pool.insert(&at(31, 7, 8, false, &[2; 8])), Ok(None));
        assert_eq!((pool.statistics().expired, pool.statistics().held), (1, 1));
        assert!(pool.insert(&at(60, 7, 0, true, &[1; 8])).unwrap().is_some());
    }

    #[test]
    fn an_older_datagram_with_a_longer_time_does_not_save_a_younger_one() {
        let mut pool = pool();
        let long = Arrival { timeout: TIMEOUT_V6, ..at(0, 1, 0, true, &[1; 8]) };
        assert_eq!(pool.insert(&long), Ok(None));
        assert_eq!(pool.insert(&at(1, 2, 0, true, &[1; 8])), Ok(None));
        assert_eq!(pool.insert(&at(40, 2, 8, false, &[2; 8])), Ok(None));
        assert_eq!(pool.statistics().expired, 1);
        assert_eq!(pool.insert(&at(70, 3, 0, true, &[1; 8])), Ok(None));
        assert_eq!(pool.statistics().expired, 2);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let mut pool = pool();
        for id in 0..20 {
            assert_eq!(pool.insert(&at(0, id, 0, true, &[1; 8])), Ok(None));
        }
        assert_eq!((pool.statistics().held, pool.statistics().evicted), (8, 12));
        assert!(pool.insert(&at(0, 19, 8, false, &[2; 8])).unwrap().is_some());
        assert!(pool.insert(&at(0, 0, 8, false, &[2; 8])).unwrap().is_none());
    }

    #[test]
    fn bytes_are_bounded_even_for_tiny_fragments() {
        let mut pool = FragmentPool::new(1000, 10_000);
        for id in 0..10 {
            for offset in 0..100 {
                assert_eq!(pool.insert(&at(0, id, offset * 16, true, &[1])), Ok(None));
                assert!(pool.statistics().held_bytes <= 10_000);
            }
        }
        assert!(pool.statistics().evicted > 0);
    }

    #[test]
    fn a_fragment_that_ends_beyond_the_largest_datagram_is_malformed() {
        let mut pool = pool();
        assert!(pool.insert(&at(0, 7, 65_528, false, &[1; 8])).is_err());
        assert_eq!(pool.statistics().held, 0);
    }
}
