//! The CPUs that this process was pinned to, and who had them.
//!
//! In: the affinity of the process, `/proc/stat`. Out: what others had of these CPUs while a load ran. Never: anything
//! where the process may run everywhere: then the system moves it to where there is room.

use super::clock::process_cpu;
use rustix::thread::{CpuSet, sched_getaffinity};
use std::time::Duration;

/// Looks at the CPUs from now on; none where the process is not pinned.
pub(super) struct PinnedCpus {
    cpus: Vec<usize>,
    before: Ticks,
    own_before: Duration,
}

/// What became of the time of the CPUs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shares {
    /// Nobody had anything to do.
    pub(super) idle: f64,
    /// Other processes ran, or the system did.
    pub(super) others: f64,
}

/// In ticks of the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Ticks {
    idle: u64,
    all: u64,
}

impl PinnedCpus {
    pub(super) fn watch() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let allowed = sched_getaffinity(None).ok()?;
        let known = cpus(&text);
        let pinned: Vec<usize> =
            known.iter().copied().filter(|cpu| *cpu < CpuSet::MAX_CPU && allowed.is_set(*cpu)).collect();
        if pinned.is_empty() || pinned.len() == known.len() {
            return None;
        }
        Some(Self { before: ticks(&text, &pinned), cpus: pinned, own_before: process_cpu() })
    }

    /// Since it looked first.
    pub(super) fn shares(&self) -> Option<Shares> {
        let now = ticks(&std::fs::read_to_string("/proc/stat").ok()?, &self.cpus);
        let all = now.all.checked_sub(self.before.all).filter(|all| *all > 0)? as f64;
        let idle = now.idle.saturating_sub(self.before.idle) as f64 / all;
        let own = process_cpu().saturating_sub(self.own_before).as_secs_f64();
        let own = own * rustix::param::clock_ticks_per_second() as f64 / all;
        Some(Shares { idle, others: (1.0 - idle - own).max(0.0) })
    }
}

/// The lines of single CPUs: `cpu3 user nice system idle iowait …` (proc(5)).
fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<u64>)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let cpu = fields.next()?.strip_prefix("cpu")?.parse().ok()?;
        Some((cpu, fields.map_while(|field| field.parse().ok()).collect()))
    })
}

fn cpus(text: &str) -> Vec<usize> {
    lines(text).map(|(cpu, _)| cpu).collect()
}

fn ticks(text: &str, cpus: &[usize]) -> Ticks {
    /// From user to steal; guests are part of user.
    const FIELDS: usize = 8;
    let mut sum = Ticks::default();
    for (_, fields) in lines(text).filter(|(cpu, _)| cpus.contains(cpu)) {
        sum.idle += fields.iter().skip(3).take(2).sum::<u64>();
        sum.all += fields.iter().take(FIELDS).sum::<u64>();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "cpu  30 0 30 300 30 0 3 3 9 0\ncpu0 10 0 10 100 10 0 1 1 3 0\ncpu1 20 0 20 200 20 0 2 2 6 0\nintr 5\n";

    #[test]
    fn the_time_of_single_cpus_is_told_apart() {
        assert_eq!(cpus(STAT), [0, 1]);
        assert_eq!(ticks(STAT, &[1]), Ticks { idle: 220, all: 264 });
        assert_eq!(ticks(STAT, &[0, 1]), Ticks { idle: 330, all: 396 });
        assert_eq!(ticks("", &[0]), Ticks::default());
    }
}
