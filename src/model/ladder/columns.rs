//! Which hosts have a column.
//!
//! In: the events. Out: a column for each address, or for each endpoint of an address that talks to itself. Never: more columns
//! than there is room for.

use super::super::snapshot::Snapshot;
use super::Host;
use super::events::Draft;
use crate::net::{Addr, Endpoint};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Column {
    Address(Addr),
    Port(Endpoint),
}

pub(super) struct Columns {
    /// Addresses whose endpoints have columns of their own.
    split: BTreeSet<Addr>,
    index: BTreeMap<Column, usize>,
    hosts: Vec<Host>,
    columns: Vec<Column>,
}

impl Columns {
    pub(super) fn of(drafts: &[Draft], most: usize) -> Self {
        let ends = || drafts.iter().filter_map(|draft| draft.ends);
        let split: BTreeSet<Addr> =
            ends().filter(|(from, to)| from.addr == to.addr).map(|(from, _)| from.addr).collect();
        let column =
            |end: Endpoint| if split.contains(&end.addr) { Column::Port(end) } else { Column::Address(end.addr) };
        let mut counts: BTreeMap<Column, (usize, usize)> = BTreeMap::new();
        let mut order = 0;
        for (from, to) in ends() {
            for end in [from, to] {
                let (_, count) = counts.entry(column(end)).or_insert_with(|| {
                    order += 1;
                    (order, 0)
                });
                *count += 1;
            }
        }
        let mut busiest: Vec<(Column, (usize, usize))> = counts.into_iter().collect();
        busiest.sort_by_key(|(_, (first, count))| (std::cmp::Reverse(*count), *first));
        busiest.truncate(most.max(2));
        busiest.sort_by_key(|(_, (first, _))| *first);
        let columns: Vec<Column> = busiest.into_iter().map(|(column, _)| column).collect();
        let name = |column: &Column| match column {
            Column::Address(addr) => addr.to_string(),
            Column::Port(end) => end.to_string(),
        };
        let hosts = columns.iter().map(|column| Host { name: name(column), roles: Vec::new() }).collect();
        let index = columns.iter().enumerate().map(|(at, column)| (*column, at)).collect();
        Self { split, index, hosts, columns }
    }

    pub(super) fn of_endpoint(&self, end: Endpoint) -> Option<usize> {
        let column = if self.split.contains(&end.addr) { Column::Port(end) } else { Column::Address(end.addr) };
        self.index.get(&column).copied()
    }

    /// Says what a host is, where that is known for certain.
    pub(super) fn name_roles(&mut self, snapshot: &Snapshot) {
        let servers: BTreeSet<Endpoint> = snapshot.allocations.iter().map(|row| row.server).collect();
        let relays: BTreeSet<Addr> =
            snapshot.allocations.iter().filter_map(|row| Some(row.allocation.relayed?.addr)).collect();
        for (column, host) in self.columns.iter().zip(&mut self.hosts) {
            let (is_server, is_relay) = match column {
                Column::Address(addr) => (servers.iter().any(|server| server.addr == *addr), relays.contains(addr)),
                Column::Port(end) => (servers.contains(end), false),
            };
            if is_server {
                host.roles.push("TURN server");
            } else if is_relay {
                host.roles.push("TURN relay");
            }
        }
    }

    pub(super) fn into_hosts(self) -> Vec<Host> {
        self.hosts
    }
}
