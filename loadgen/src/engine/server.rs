//! The server's process on this machine.
//!
//! In: its number. Out: its CPU and memory, each second. Never: a signal to it.

use crate::clock::Moment;
use crate::result::ServerSample;
use std::time::Duration;

/// Looks at a process.
pub(crate) struct ServerProbe {
    pid: u32,
    before: Option<(Moment, Duration)>,
}

impl ServerProbe {
    pub(crate) const fn new(pid: u32) -> Self {
        Self { pid, before: None }
    }

    /// Since the sample before; none where there is no such process.
    pub(crate) fn sample(&mut self, now: Moment) -> Option<ServerSample> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let (cpu, pages) = figures(&stat)?;
        let cpu = Duration::from_secs_f64(cpu as f64 / rustix::param::clock_ticks_per_second() as f64);
        let cores = self
            .before
            .replace((now, cpu))
            .map(|(then, before)| cpu.saturating_sub(before).as_secs_f64() / now.since(then).as_secs_f64().max(1e-3));
        let memory = pages.saturating_mul(rustix::param::page_size() as u64);
        Some(ServerSample { cpu_cores: cores, memory_bytes: Some(memory), allocations: None })
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
        let mut probe = ServerProbe::new(std::process::id());
        let first = probe.sample(Moment::START).expect("this process");
        assert!(first.memory_bytes > Some(100_000) && first.cpu_cores.is_none());
        assert!(probe.sample(Moment::from_nanos(1_000_000_000)).expect("this process").cpu_cores.is_some());
        assert_eq!(ServerProbe::new(u32::MAX).sample(Moment::START), None);
    }
}
