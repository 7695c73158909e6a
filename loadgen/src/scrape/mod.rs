//! What Prometheus endpoints know of the server: coturn's own, and node_exporter's of its machine.
//!
//! In: the text of an endpoint and when it was read. Out: CPU in cores, memory, allocations. Never: a socket, a clock; a
//! figure of the exporter taken for one of the server.

mod text;

use crate::clock::Moment;
use crate::result::ServerSample;
use text::{Line, Sample, lines};

/// Allocations that coturn has, by the kind of their sockets. Until the first one there is only the family.
const ALLOCATIONS: &str = "turn_total_allocations";
/// Of any process that says something of itself.
const PROCESS_CPU: &str = "process_cpu_seconds_total";
const PROCESS_MEMORY: &str = "process_resident_memory_bytes";
/// Of a machine, as node_exporter says it.
const MACHINE_CPU: &str = "node_cpu_seconds_total";
const MACHINE_TOTAL: &str = "node_memory_MemTotal_bytes";
const MACHINE_AVAILABLE: &str = "node_memory_MemAvailable_bytes";
/// Modes in which a CPU works for its machine. It waits in `idle` and `iowait`, and `steal` is another machine's.
const BUSY: [&str; 5] = ["user", "nice", "system", "irq", "softirq"];

/// What one look at an endpoint has shown.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Reading {
    /// Seconds, since the process began.
    process_cpu: Option<f64>,
    process_memory: Option<f64>,
    allocations: Option<f64>,
    /// Seconds of all CPUs, since the machine began.
    machine_cpu: Option<f64>,
    machine_total: Option<f64>,
    machine_available: Option<f64>,
}

impl Reading {
    /// Of the text of an endpoint; none where it has no figure that is known here.
    pub fn of(text: &str) -> Option<Self> {
        let mut reading = Self::default();
        for line in lines(text) {
            match line {
                Line::Family(ALLOCATIONS) => reading.allocations = reading.allocations.or(Some(0.0)),
                Line::Family(_) => {}
                Line::Sample(sample) => reading.add(&sample),
            }
        }
        if reading.machine_cpu.is_some() || reading.machine_total.is_some() {
            // These are of node_exporter itself.
            (reading.process_cpu, reading.process_memory) = (None, None);
        }
        // The library of coturn's exporter counts the time of children that have ended, of which it has none.
        reading.process_cpu = reading.process_cpu.filter(|seconds| *seconds > 0.0);
        (reading != Self::default()).then_some(reading)
    }

    fn add(&mut self, sample: &Sample<'_>) {
        let place = match sample.name {
            ALLOCATIONS => &mut self.allocations,
            PROCESS_CPU => &mut self.process_cpu,
            PROCESS_MEMORY => &mut self.process_memory,
            MACHINE_CPU if sample.label("mode").is_some_and(|mode| BUSY.contains(&mode)) => &mut self.machine_cpu,
            MACHINE_TOTAL => &mut self.machine_total,
            MACHINE_AVAILABLE => &mut self.machine_available,
            _ => return,
        };
        *place = Some(place.unwrap_or_default() + sample.value);
    }
}

/// Makes rates of the readings of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    before: Option<(Moment, Reading)>,
}

impl Meter {
    /// What a reading says, together with the one before.
    pub fn take(&mut self, reading: Reading, at: Moment) -> ServerSample {
        let before = self.before.replace((at, reading));
        let cores = |of: fn(&Reading) -> Option<f64>| {
            let (then, before) = before.as_ref()?;
            let (now, before) = (of(&reading)?, of(before)?);
            // A counter that has fallen began anew, and what was spent before it did is not known.
            let seconds = at.since(*then).as_secs_f64();
            Some((now - before) / seconds).filter(|cores| cores.is_finite() && *cores >= 0.0)
        };
        let used = |total: f64| Some((total - reading.machine_available?).max(0.0) as u64);
        ServerSample {
            cpu_cores: cores(|reading| reading.process_cpu),
            memory_bytes: reading.process_memory.map(|bytes| bytes as u64),
            allocations: reading.allocations.map(|count| count as u64),
            machine_cpu_cores: cores(|reading| reading.machine_cpu),
            machine_memory_bytes: reading.machine_total.and_then(used),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As coturn writes it once somebody has allocated.
    const COTURN: &str = "\
# HELP turn_total_traffic_rcvp Represents total finished sessions received packets
# TYPE turn_total_traffic_rcvp counter
turn_total_traffic_rcvp 0

# HELP turn_total_allocations Represents current allocations number
# TYPE turn_total_allocations gauge
turn_total_allocations{type=\"UDP\"} 40
turn_total_allocations{type=\"TLS/TCP\"} 2

# TYPE process_cpu_seconds_total gauge
process_cpu_seconds_total 0
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 52428800
";

    fn node(user: f64, idle: f64) -> String {
        format!(
            "node_cpu_seconds_total{{cpu=\"0\",mode=\"user\"}} {user}\n\
             node_cpu_seconds_total{{cpu=\"0\",mode=\"idle\"}} {idle}\n\
             node_cpu_seconds_total{{cpu=\"1\",mode=\"softirq\"}} 10\n\
             node_cpu_seconds_total{{cpu=\"1\",mode=\"steal\"}} {idle}\n\
             node_memory_MemTotal_bytes 8.0e+09\nnode_memory_MemAvailable_bytes 5.0e+09\n\
             process_cpu_seconds_total {idle}\nprocess_resident_memory_bytes 1.5e+07\n"
        )
    }

    fn process(seconds: f64) -> Reading {
        Reading::of(&format!("process_cpu_seconds_total {seconds}")).expect("a figure")
    }

    fn second(at: u64) -> Moment {
        Moment::from_nanos(at * 1_000_000_000)
    }

    #[test]
    fn allocations_of_all_kinds_are_added_and_memory_is_read() {
        let sample = Meter::default().take(Reading::of(COTURN).expect("figures"), second(1));
        assert_eq!((sample.allocations, sample.memory_bytes), (Some(42), Some(52_428_800)));
    }

    #[test]
    fn a_cpu_time_that_is_never_counted_is_unknown_and_not_zero() {
        let mut meter = Meter::default();
        for at in 1..4 {
            assert_eq!(meter.take(Reading::of(COTURN).expect("figures"), second(at)).cpu_cores, None);
        }
    }

    #[test]
    fn before_the_first_allocation_there_is_none_and_that_is_known() {
        let text = "# HELP turn_total_allocations x\n# TYPE turn_total_allocations gauge\n\n";
        let sample = Meter::default().take(Reading::of(text).expect("a figure"), second(1));
        assert_eq!(sample.allocations, Some(0));
    }

    #[test]
    fn counters_become_cores_over_the_time_between_two_readings() {
        let mut meter = Meter::default();
        let cores: Vec<_> = [(1, 10.0), (2, 11.5), (4, 12.5), (4, 13.0)]
            .map(|(at, seconds)| meter.take(process(seconds), second(at)).cpu_cores)
            .into();
        assert_eq!(cores, [None, Some(1.5), Some(0.5), None]);
    }

    #[test]
    fn a_server_that_was_started_again_has_no_rate_below_zero() {
        let mut meter = Meter::default();
        meter.take(process(500.0), second(1));
        assert_eq!(meter.take(process(0.25), second(2)).cpu_cores, None);
        assert_eq!(meter.take(process(1.25), second(3)).cpu_cores, Some(1.0));
    }

    #[test]
    fn a_machine_is_busy_where_it_works_for_itself_and_its_exporter_is_not_the_server() {
        let mut meter = Meter::default();
        meter.take(Reading::of(&node(100.0, 7.0)).expect("figures"), second(1));
        let sample = meter.take(Reading::of(&node(101.5, 900.0)).expect("figures"), second(2));
        assert_eq!(
            sample,
            ServerSample {
                machine_cpu_cores: Some(1.5),
                machine_memory_bytes: Some(3_000_000_000),
                ..ServerSample::default()
            }
        );
    }

    #[test]
    fn a_text_without_known_figures_is_told() {
        for text in ["", "<html>it works</html>", "up 1\n", "turn_traffic_sentb{realm=\"a\"} 5\n"] {
            assert_eq!(Reading::of(text), None, "{text}");
        }
    }

    #[test]
    fn hostile_values_give_no_figure_that_is_no_number() {
        let text = "process_cpu_seconds_total 1e308\nprocess_cpu_seconds_total 1e308\n\
                    turn_total_allocations -5\nnode_memory_MemTotal_bytes 1\nnode_memory_MemAvailable_bytes 9e99\n";
        let mut meter = Meter::default();
        meter.take(process(1.0), second(1));
        let sample = meter.take(Reading::of(text).expect("figures"), second(2));
        assert_eq!((sample.cpu_cores, sample.allocations, sample.machine_memory_bytes), (None, Some(0), Some(0)));
        meter.take(process(1.0), second(3));
        let sample = meter.take(process(f64::MAX), second(4));
        assert!(sample.cpu_cores.is_none_or(f64::is_finite));
    }
}
