//! What a load would be, before there is one: for `--dry-run`.
//!
//! In: what is meant, the seed, and what the engine says of this machine. Out: packets, bits, sockets, ports, memory as
//! text. Never: a socket, a promise; rates of video and of arrivals are means.

mod search;

pub use search::SearchPlan;

use super::number::{bitrate, bytes, count, packet_rate, rate, span};
use crate::config::{End, Load, Peer, RunConfig};
use crate::media::{Parts, StreamPlan};
use crate::uri::{Host, Wire};
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// What an allocation takes of memory at most.
const BYTES_PER_ALLOCATION: f64 = 20.0 * 1_024.0;
/// Seldom are more of a Poisson process up at once than its mean and so many deviations.
const DEVIATIONS: f64 = 4.0;

/// What a load would be.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    target: String,
    seed: u64,
    /// Most allocations at once.
    peak: f64,
    /// True where the peak is a matter of chance.
    is_chance: bool,
    /// Allocations that are made, in all; where it is known.
    made: Option<f64>,
    /// How many are made a second while they are made; none where all are made at once.
    made_per_second: Option<f64>,
    /// Until the drain.
    lasts: Option<Duration>,
    /// Of the streams of one allocation, none for a flood; of a capture one for the mean allocation.
    rates: Vec<Option<Rates>>,
    /// Parts of the capture that is replayed, and all their streams.
    replayed: Option<(u64, u64)>,
    /// Of all streams.
    packets: Option<f64>,
    /// Bytes around the RTP packet, up to and with the IP header.
    overhead: f64,
    peer: Peer,
    source_addresses: usize,
    /// Where it is only the most that a search tries.
    search: Option<SearchPlan>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Rates {
    packets_per_second: f64,
    bits_per_second: f64,
}

impl Plan {
    /// Of `config` with its `parts`, and everything random from `seed`.
    pub fn of(config: &RunConfig, parts: &Parts, seed: u64) -> Self {
        let streams: usize = parts.iter().map(<[StreamPlan]>::len).sum();
        let replayed = parts.longest().map(|_| (parts.iter().len() as u64, streams as u64));
        let rates: Vec<Option<Rates>> = match replayed {
            Some(_) => vec![Rates::mean(parts)],
            None => parts.of_allocation(0).iter().map(Rates::of).collect(),
        };
        let schedule = Schedule::of(&config.load, config.end, &rates, parts);
        let packets = match config.end {
            End::Messages(messages) => {
                let each = streams as f64 / parts.iter().len().max(1) as f64;
                schedule.made.map(|made| made * messages as f64 * each)
            }
            End::OnceThrough => schedule.made.and_then(|made| parts.packets(made as u64)).map(|packets| packets as f64),
            End::After(_) | End::WithStages => {
                sum(&rates, |rates| rates.packets_per_second).and_then(|each| Some(each * schedule.allocation_seconds?))
            }
        };
        Self {
            target: config.server.to_string(),
            seed,
            peak: schedule.peak,
            is_chance: matches!(config.load, Load::Arrivals { .. }),
            made: schedule.made,
            made_per_second: schedule.made_per_second,
            lasts: schedule.lasts,
            rates,
            replayed,
            packets,
            overhead: overhead(config),
            peer: config.peer.clone(),
            source_addresses: config.source_ips.len().max(1),
            search: None,
        }
    }

    /// The same as the most that a search tries.
    #[must_use]
    pub fn as_limit_of(self, search: SearchPlan) -> Self {
        Self { search: Some(search), ..self }
    }

    /// Writes it, and below it `notes`: what the machine cannot give, a line each.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, notes: &[String], out: &mut dyn Write) -> io::Result<()> {
        let what = if self.search.is_some() { "search for the knee of" } else { "load on" };
        writeln!(out, "Plan of a {what} {}; nothing was sent\n", self.target)?;
        if let Some(search) = &self.search {
            for (name, text) in search.lines() {
                writeln!(out, "  {name:<13}{text}")?;
            }
            writeln!(out, "\nIts largest step:\n")?;
        }
        for (name, text) in self.lines() {
            writeln!(out, "  {name:<13}{text}")?;
        }
        for note in notes {
            writeln!(out, "\n  ! {note}")?;
        }
        Ok(())
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let peak = whole(self.peak);
        let mut lines = vec![("allocations", self.allocations_line())];
        if let Some(lasts) = self.lasts {
            lines.push(("lasts", format!("{}, and the drain", span(lasts))));
        }
        lines.extend([("streams", self.streams_line()), ("offered", self.offered_line())]);
        if let Some(packets) = self.packets {
            lines.push(("packets", format!("{} from the clients, as many back", whole(packets))));
        }
        let peer = match &self.peer {
            Peer::Embedded { .. } => ("in this process: each packet passes the relay twice", ", and those of the peer"),
            Peer::At(place) => (&*format!("{place}: each packet passes the relay twice"), ""),
            Peer::Pairs => ("another allocation: each packet passes two relays", ""),
        };
        lines.push(("peer", peer.0.to_owned()));
        lines.push(("sockets", format!("{peak}{}", peer.1)));
        let each = whole((self.peak / self.source_addresses as f64).ceil());
        let addresses = match self.source_addresses {
            1 => "one source address".to_owned(),
            several => format!("each of {several} source addresses"),
        };
        lines.push(("local ports", format!("{each} on {addresses}")));
        lines.push(("relay ports", format!("{} on the server", peak)));
        lines.push(("memory", format!("{} at most", bytes(self.peak * BYTES_PER_ALLOCATION))));
        lines.push(("seed", self.seed.to_string()));
        lines
    }

    fn allocations_line(&self) -> String {
        let about = if self.is_chance { "about " } else { "" };
        let mut text = format!("{about}{} at most", whole(self.peak));
        if let Some(made) = self.made {
            text.push_str(&format!(", {about}{} made", whole(made)));
        }
        match self.made_per_second {
            Some(per_second) => text.push_str(&format!(", {} while they are made", rate(per_second))),
            None => text.push_str(", as fast as the server answers"),
        }
        text
    }

    fn streams_line(&self) -> String {
        let each: Vec<String> = self
            .rates
            .iter()
            .map(|rates| match rates {
                Some(rates) => {
                    format!("{}, {}", packet_rate(rates.packets_per_second), bitrate(rates.bits_per_second))
                }
                None => "as fast as it goes".to_owned(),
            })
            .collect();
        if let Some((parts, streams)) = self.replayed {
            let parts = if parts == 1 { "one part".to_owned() } else { format!("{} parts in turn", count(parts)) };
            return format!("{} captured in {parts}: {} an allocation in the mean", count(streams), each.join(" and "));
        }
        format!("{}: {} each", whole(self.peak * self.rates.len() as f64), each.join(" and "))
    }

    fn offered_line(&self) -> String {
        let packets = sum(&self.rates, |rates| rates.packets_per_second);
        let bits = sum(&self.rates, |rates| rates.bits_per_second);
        let (Some(packets), Some(bits)) = (packets, bits) else {
            return "as fast as it goes".to_owned();
        };
        let with_headers = bits + packets * self.overhead * 8.0;
        format!(
            "{} at the peak, {} of RTP, {} with headers to the server, the same back",
            packet_rate(self.peak * packets),
            bitrate(self.peak * bits),
            bitrate(self.peak * with_headers)
        )
    }
}

impl Rates {
    fn of(plan: &StreamPlan) -> Option<Self> {
        Some(Self { packets_per_second: plan.packets_per_second()?, bits_per_second: plan.bits_per_second()? })
    }

    fn mean(parts: &Parts) -> Option<Self> {
        Some(Self {
            packets_per_second: parts.mean(StreamPlan::packets_per_second)?,
            bits_per_second: parts.mean(StreamPlan::bits_per_second)?,
        })
    }
}

/// None where one of the streams has no rate.
fn sum(rates: &[Option<Rates>], of: fn(&Rates) -> f64) -> Option<f64> {
    rates.iter().map(|rates| rates.as_ref().map(of)).sum()
}

/// How many allocations there are, and for how long.
struct Schedule {
    peak: f64,
    made: Option<f64>,
    made_per_second: Option<f64>,
    lasts: Option<Duration>,
    /// The time that all of them are up, together.
    allocation_seconds: Option<f64>,
}

impl Schedule {
    fn of(load: &Load, end: End, rates: &[Option<Rates>], parts: &Parts) -> Self {
        let full = match end {
            End::After(time) => Some(time),
            // The slowest stream of an allocation ends last.
            End::Messages(messages) => rates
                .iter()
                .map(|rates| rates.map(|rates| messages as f64 / rates.packets_per_second))
                .try_fold(0.0_f64, |longest, time| Some(longest.max(time?)))
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            End::OnceThrough => parts.longest().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            End::WithStages => None,
        };
        match load {
            Load::Allocations { count, ramp } => {
                let (count, ramp_seconds) = (f64::from(*count), ramp.as_secs_f64());
                Self {
                    peak: count,
                    made: Some(count),
                    made_per_second: (!ramp.is_zero()).then(|| count / ramp_seconds),
                    lasts: full.map(|full| full.saturating_add(*ramp)),
                    allocation_seconds: full.map(|full| count * (ramp_seconds / 2.0 + full.as_secs_f64())),
                }
            }
            Load::Arrivals { rate, hold } => {
                let (per_second, hold) = (rate.per_second(), hold.as_secs_f64());
                let mean = per_second * full.map_or(hold, |full| hold.min(full.as_secs_f64()));
                Self {
                    peak: (mean + DEVIATIONS * mean.sqrt()).ceil(),
                    made: full.map(|full| per_second * full.as_secs_f64()),
                    made_per_second: Some(per_second),
                    lasts: full,
                    // Of those that come last, the end cuts off what is left of them.
                    allocation_seconds: full.map(|full| {
                        let (full, cut) = (full.as_secs_f64(), hold.min(full.as_secs_f64()));
                        per_second * cut * (full - cut / 2.0)
                    }),
                }
            }
            Load::Stages(stages) => {
                let (mut from, mut peak, mut made, mut seconds, mut fastest) = (0.0, 0.0_f64, 0.0, 0.0, None);
                for stage in stages.list() {
                    let (to, over) = (f64::from(stage.target), stage.over.as_secs_f64());
                    seconds += over * (from + to) / 2.0;
                    if to > from {
                        made += to - from;
                        let climb = (over > 0.0).then(|| (to - from) / over);
                        fastest =
                            climb.map(|climb| fastest.map_or(climb, |fastest: f64| fastest.max(climb))).or(fastest);
                    }
                    peak = peak.max(to);
                    from = to;
                }
                Self {
                    peak,
                    made: Some(made),
                    made_per_second: fastest,
                    lasts: Some(stages.duration()),
                    allocation_seconds: Some(seconds),
                }
            }
        }
    }
}

/// Bytes of a packet to the server besides RTP. A name is taken for one of IPv4.
fn overhead(config: &RunConfig) -> f64 {
    let ip = match config.server.host {
        Host::Address(IpAddr::V6(_)) => 40.0,
        _ => 20.0,
    };
    // RFC 8446, section 5.2: header, content type, tag; RFC 6347, section 4.1, with the explicit nonce of AES-GCM.
    let (transport, security) = match config.wire {
        Wire::Udp => (8.0, 0.0),
        Wire::Tcp => (20.0, 0.0),
        Wire::Tls => (20.0, 22.0),
        Wire::Dtls => (8.0, 37.0),
    };
    // RFC 8656, section 12.4; else RFC 8489: header, XOR-PEER-ADDRESS of IPv4 or IPv6, head of DATA.
    let turn = match (config.relay.send_indications, config.relay.ipv6_relay) {
        (false, _) => 4.0,
        (true, false) => 20.0 + 12.0 + 4.0,
        (true, true) => 20.0 + 24.0 + 4.0,
    };
    ip + transport + security + turn
}

fn whole(value: f64) -> String {
    count(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use crate::config::Request;
    use clap::Parser;

    fn plan(line: &str) -> String {
        let arguments = Arguments::try_parse_from(format!("turnload {line} --no-auth").split(' ')).expect("arguments");
        let Ok(Request::Run(config)) = Request::of(arguments, &|_| None) else { panic!("a run") };
        let mut text = Vec::new();
        let mut notes = vec!["only 1,024 file descriptors; raise with ulimit -n".to_owned()];
        let plan = |config: &RunConfig| Plan::of(config, &Parts::of(&config.traffic).expect("parts"), 7);
        let plan = match config.find_knee {
            None => plan(&config),
            Some(search) => {
                let (search, largest, warning) = crate::find_knee::plan(&config, search);
                notes.extend(warning);
                plan(&largest).as_limit_of(search)
            }
        };
        plan.write(&notes, &mut text).expect("a vector takes it");
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn a_plan_says_packets_bits_sockets_ports_and_memory() {
        assert_eq!(
            plan("turn:127.0.0.1 --allocations 1000 --ramp 10s --duration 60s --profile audio"),
            "Plan of a load on turn:127.0.0.1:3478; nothing was sent\n\n  \
             allocations  1,000 at most, 1,000 made, 100/s while they are made\n  \
             lasts        1m10s, and the drain\n  \
             streams      1,000: 50 pps, 36.8 kbit/s each\n  \
             offered      50.0 kpps at the peak, 36.8 Mbit/s of RTP, 49.6 Mbit/s with headers to the server, the same back\n  \
             packets      3,250,000 from the clients, as many back\n  \
             peer         in this process: each packet passes the relay twice\n  \
             sockets      1,000, and those of the peer\n  \
             local ports  1,000 on one source address\n  \
             relay ports  1,000 on the server\n  \
             memory       19.5 MiB at most\n  \
             seed         7\n\n  \
             ! only 1,024 file descriptors; raise with ulimit -n\n"
        );
    }

    #[test]
    fn the_plan_of_a_search_says_what_is_tried_and_how_large_it_grows() {
        let text = plan("turn:127.0.0.1 --find-knee -m 500 --duration 1s --threshold media.lost_pct<0.5");
        insta::assert_snapshot!("search", text);
    }

    #[test]
    fn the_plan_of_a_search_for_the_packet_rate_is_in_packets() {
        let text = plan("turn:127.0.0.1 --find-knee=pps -m 10 --pps 800 --size 200 --threshold media.lost_pct<0.5");
        assert!(text.contains("the packet rate of each stream: 50, then twice as fast up to 800"), "{text}");
        // Ten streams of 800 packets.
        assert!(text.contains("offered      8.00 kpps at the peak") && !text.contains("short"), "{text}");
    }

    #[test]
    fn stages_are_added_up_by_their_areas() {
        let text = plan("turn:127.0.0.1 --stages 10s:100,20s:100,10s:0 -z 20 -l 100");
        assert!(text.contains("100 at most, 100 made, 10/s while"), "{text}");
        assert!(text.contains("lasts        40s"), "{text}");
        // (10 s / 2 + 20 s + 10 s / 2) x 100 allocations x 50 packets a second.
        assert!(text.contains("packets      150,000"), "{text}");
    }

    #[test]
    fn arrivals_are_a_matter_of_chance_and_say_so() {
        let text = plan("turn:127.0.0.1 --arrival 10/s --hold 10s --duration 60s");
        assert!(text.contains("about 140 at most, about 600 made, 10/s"), "{text}");
    }

    #[test]
    fn messages_end_a_run_when_they_are_sent() {
        let text = plan("turn:127.0.0.1 -m 10 -n 500");
        assert!(text.contains("lasts        10s") && text.contains("packets      5,000"), "{text}");
    }

    #[test]
    fn a_flood_has_no_rate() {
        let text = plan("turn:127.0.0.1 -m 10 --profile flood");
        assert!(text.contains("offered      as fast as it goes") && !text.contains("packets      "), "{text}");
        assert!(text.contains("10 made, as fast as the server answers"), "{text}");
    }

    #[test]
    fn ports_are_shared_among_source_addresses_and_a_reserved_port_is_that_of_an_allocation() {
        let text = plan("turn:127.0.0.1 -m 6 --source-ip 127.0.0.2 --source-ip 127.0.0.3 --even-port -y");
        assert!(text.contains("3 on each of 2 source addresses") && text.contains("relay ports  6"), "{text}");
    }
}
