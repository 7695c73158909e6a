//! A CPU that has to be shared: busy loops, and processes pinned beside them.

#![allow(dead_code, reason = "no file of tests uses all of it")]

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::process::{Child, Command, Stdio};

/// The last of the CPUs that this process may run on, as a set of its own.
pub(crate) fn one_cpu() -> CpuSet {
    let allowed = sched_getaffinity(None).expect("an affinity");
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| allowed.is_set(*cpu)).expect("a CPU");
    let mut one = CpuSet::new();
    one.set(last);
    one
}

/// What starts in here runs on one CPU.
pub(crate) fn pinned<T>(start: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None).expect("an affinity");
    sched_setaffinity(None, &one_cpu()).expect("pinned");
    let started = start();
    sched_setaffinity(None, &before).expect("free again");
    started
}

/// Processes that do nothing, as fast as they can.
pub(crate) struct BusyLoops(Vec<Child>);

impl BusyLoops {
    pub(crate) fn start(count: usize) -> Self {
        let one = |_| {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).stdout(Stdio::null());
            command.spawn().expect("a shell")
        };
        Self(pinned(|| (0..count).map(one).collect()))
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
