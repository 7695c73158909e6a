//! The server's process on this machine, or its thread in this process.
//!
//! In: its number. Out: its CPU and memory, each second. Never: a signal to it.

use crate::clock::Moment;
use crate::result::ServerSample;
use std::time::Duration;

/// Looks at a process or a thread.
pub(super) struct ProcessProbe {
    /// Of proc(5).
    stat: String,
    /// It is a thread of ours: its memory cannot be told from the rest, its CPU time is part of that of the process.
    is_ours: bool,
    before: Option<(Moment, Duration)>,
}

/// Whether there is such a process.
pub(crate) fn exists(pid: u32) -> bool {
    ProcessProbe::new(pid).is_there()
}

impl ProcessProbe {
    pub(super) fn new(pid: u32) -> Self {
        Self { stat: format!("/proc/{pid}/stat"), is_ours: false, before: None }
    }

    /// A thread of this process.
    #[cfg(feature = "demo")]
    pub(super) fn of_thread(thread: u32) -> Self {
        Self { stat: format!("/proc/self/task/{thread}/stat"), is_ours: true, before: None }
    }

    pub(super) fn is_there(&self) -> bool {
        std::path::Path::new(&self.stat).exists()
    }

    /// CPU time that this process spent on being the server, up to the last sample.
    pub(super) fn our_cpu(&self) -> Duration {
        match self.before {
            Some((_, cpu)) if self.is_ours => cpu,
            _ => Duration::ZERO,
        }
    }

    /// Since the sample before; none where there is no such process.
    pub(super) fn sample(&mut self, now: Moment) -> Option<ServerSample> {
        let stat = std::fs::read_to_string(&self.stat).ok()?;
        let (cpu, pages) = figures(&stat)?;
        let cpu = Duration::from_secs_f64(cpu as f64 / rustix::param::clock_ticks_per_second() as f64);
        let cores = self
            .before
            .replace((now, cpu))
            .map(|(then, before)| cpu.saturating_sub(before).as_secs_f64() / now.since(then).as_secs_f64().max(1e-3));
        let memory = pages.saturating_mul(rustix::param::page_size() as u64);
        Some(ServerSample {
            cpu_cores: cores,
            memory_bytes: (!self.is_ours).then_some(memory),
            ..ServerSample::default()
        })
    }
}

/// CPU ticks of user and kernel, and resident pages: fields 14, 15 and 24 of proc(5). The name in the second field may
/// hold blanks and brackets, so that counting begins behind its last bracket.
fn figures(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 5 0 999 123456 77 88";
        assert_eq!(figures(stat), Some((300, 77)));
        assert_eq!(figures("7 (a"), None);
    }

    #[test]
    fn our_own_process_has_memory() {
        let mut probe = ProcessProbe::new(std::process::id());
        let first = probe.sample(Moment::START).expect("this process");
        assert!(first.memory_bytes > Some(100_000) && first.cpu_cores.is_none());
        assert!(probe.sample(Moment::from_nanos(1_000_000_000)).expect("this process").cpu_cores.is_some());
        assert_eq!(ProcessProbe::new(u32::MAX).sample(Moment::START), None);
        assert!(exists(std::process::id()) && !exists(u32::MAX));
    }
}
