//! Which packet of one capture is which of the other.
//!
//! In: both sightings. Out: pairs of groups, and in each the pairs of packets. Never: a packet in two pairs.
//!
//! Groups are paired first, those that share most packets before others: a capture on a relay sees each packet twice, on the
//! way in and on the way out, and only one of these is the other end of a pair. An address that both have counts for more: what
//! an echo sends back has the same packets too, and may have lost fewer of them. Within a pair of groups the nth packet with a
//! key is the nth packet with it.

use crate::model::sightings::{Sighting, Sightings};
use std::collections::{BTreeMap, BTreeSet};

/// Groups that one key is counted for, at each side: what is always the same, such as a keep-alive, pairs nothing.
const MAX_GROUPS_OF_KEY: usize = 16;

/// A pair of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Paired {
    pub(super) a: usize,
    pub(super) b: usize,
    /// Places in the sightings of A and of B, in the order of A.
    pub(super) matched: Vec<(u32, u32)>,
    /// Places of those without a partner, in capture order.
    pub(super) only_a: Vec<u32>,
    pub(super) only_b: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Pairing {
    /// In order of their first packet in A.
    pub(super) pairs: Vec<Paired>,
    /// Groups of A and of B without a partner, with the number of their packets.
    pub(super) lone_a: Vec<(usize, usize)>,
    pub(super) lone_b: Vec<(usize, usize)>,
}

impl Pairing {
    pub(super) fn of(a: &Sightings, b: &Sightings) -> Self {
        let partners = partners(a, b);
        let (in_a, in_b) = (by_group(a), by_group(b));
        let mut pairing = Self::default();
        for (group_a, group_b) in &partners {
            let (Some(of_a), Some(of_b)) = (in_a.get(*group_a), in_b.get(*group_b)) else { continue };
            pairing.pairs.push(matched(*group_a, *group_b, (a, of_a), (b, of_b)));
        }
        let taken_b: BTreeSet<usize> = partners.values().copied().collect();
        let lone = |groups: &[Vec<u32>], taken: &dyn Fn(usize) -> bool| {
            let all = groups.iter().enumerate().filter(|(group, _)| !taken(*group));
            all.map(|(group, packets)| (group, packets.len())).collect()
        };
        pairing.lone_a = lone(&in_a, &|group| partners.contains_key(&group));
        pairing.lone_b = lone(&in_b, &|group| taken_b.contains(&group));
        pairing
    }
}

fn by_group(sightings: &Sightings) -> Vec<Vec<u32>> {
    let mut groups = vec![Vec::new(); sightings.groups.len()];
    for (at, seen) in (0..).zip(&sightings.seen) {
        if let Some(group) = groups.get_mut(seen.group as usize) {
            group.push(at);
        }
    }
    groups
}

/// The partner in B of each group of A that has one.
fn partners(a: &Sightings, b: &Sightings) -> BTreeMap<usize, usize> {
    let mut shared: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let (keys_a, keys_b) = (keys(a), keys(b));
    let (mut rest_a, mut rest_b) = (keys_a.as_slice(), keys_b.as_slice());
    while let (Some((key_a, _)), Some((key_b, _))) = (rest_a.first(), rest_b.first()) {
        let key = *key_a.max(key_b);
        let (run_a, behind_a) = run(rest_a, key);
        let (run_b, behind_b) = run(rest_b, key);
        for (group_a, count_a) in groups_of(run_a) {
            for (group_b, count_b) in groups_of(run_b) {
                *shared.entry((group_a, group_b)).or_default() += count_a.min(count_b);
            }
        }
        (rest_a, rest_b) = (behind_a, behind_b);
    }
    let alike = |group_a: u32, group_b: u32| match (a.groups.get(group_a as usize), b.groups.get(group_b as usize)) {
        (Some(one), Some(other)) => usize::from(one.src == other.src) + usize::from(one.dst == other.dst),
        _ => 0,
    };
    let mut candidates: Vec<((u32, u32), usize)> = shared.into_iter().collect();
    candidates.sort_by_key(|((group_a, group_b), count)| {
        (std::cmp::Reverse(*count * (2 + alike(*group_a, *group_b))), *group_a, *group_b)
    });
    let (mut partners, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for ((group_a, group_b), _) in candidates {
        if !partners.contains_key(&(group_a as usize)) && taken.insert(group_b) {
            partners.insert(group_a as usize, group_b as usize);
        }
    }
    partners
}

/// A key and the group that it was seen in.
type Key = (u64, u32);

/// Keys with their groups, sorted.
fn keys(sightings: &Sightings) -> Vec<Key> {
    let mut keys: Vec<Key> = sightings.seen.iter().map(|seen| (seen.key, seen.group)).collect();
    keys.sort_unstable();
    keys
}

/// Those with the key, and those with larger ones.
fn run(keys: &[Key], key: u64) -> (&[Key], &[Key]) {
    let start = keys.partition_point(|(other, _)| *other < key);
    let end = keys.partition_point(|(other, _)| *other <= key);
    (keys.get(start..end).unwrap_or_default(), keys.get(end..).unwrap_or_default())
}

/// Groups of a run, the first few, with their counts.
fn groups_of(run: &[Key]) -> Vec<(u32, usize)> {
    let mut groups: Vec<(u32, usize)> = Vec::new();
    for of_group in run.chunk_by(|(_, one), (_, other)| one == other).take(MAX_GROUPS_OF_KEY) {
        groups.extend(of_group.first().map(|(_, group)| (*group, of_group.len())));
    }
    groups
}

fn matched(group_a: usize, group_b: usize, a: (&Sightings, &[u32]), b: (&Sightings, &[u32])) -> Paired {
    let (keys_a, keys_b) = (places(a), places(b));
    let mut paired = Paired { a: group_a, b: group_b, ..Paired::default() };
    let (mut at_a, mut at_b) = (0, 0);
    while let (Some((key_a, place_a)), Some((key_b, place_b))) = (keys_a.get(at_a), keys_b.get(at_b)) {
        match key_a.cmp(key_b) {
            std::cmp::Ordering::Less => {
                paired.only_a.push(*place_a);
                at_a += 1;
            }
            std::cmp::Ordering::Greater => {
                paired.only_b.push(*place_b);
                at_b += 1;
            }
            std::cmp::Ordering::Equal => {
                paired.matched.push((*place_a, *place_b));
                (at_a, at_b) = (at_a + 1, at_b + 1);
            }
        }
    }
    paired.only_a.extend(keys_a.iter().skip(at_a).map(|(_, place)| place));
    paired.only_b.extend(keys_b.iter().skip(at_b).map(|(_, place)| place));
    paired.matched.sort_unstable();
    paired.only_a.sort_unstable();
    paired.only_b.sort_unstable();
    paired
}

/// Keys with the places of their packets, sorted: the nth of a key stands behind the one before it.
fn places((sightings, places): (&Sightings, &[u32])) -> Vec<(u64, u32)> {
    let seen = |place: &u32| sightings.seen.get(*place as usize);
    let mut keys: Vec<(u64, u32)> =
        places.iter().filter_map(|place| seen(place).map(|Sighting { key, .. }| (*key, *place))).collect();
    keys.sort_unstable();
    keys
}
