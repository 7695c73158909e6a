//! What was meant, in words.
//!
//! In: a configuration. Out: names and texts, in order. Never: a secret.

use super::super::json::wire;
use super::super::number::{bitrate, count, packet_rate, rate, span};
use crate::args::RelayArguments;
use crate::config::{End, FindKnee, Load, Peer, RunConfig, Traffic, Trust};
use crate::credentials::Credentials;
use crate::knee::Axis;
use clap::ValueEnum;

/// What was meant, for [`RunResult::config`](crate::result::RunResult::config).
pub fn meant(config: &RunConfig) -> Vec<(String, String)> {
    [
        ("transport", transport(config)),
        ("credentials", credentials(&config.credentials)),
        ("load", load(config)),
        ("traffic", searched(config).unwrap_or_else(|| traffic(&config.traffic))),
        ("relay", relay(config)),
        ("peer", peer(&config.peer)),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text))
    .collect()
}

fn transport(config: &RunConfig) -> String {
    let mut text = wire(config.wire).to_owned();
    if config.trust == Some(Trust::Anybody) {
        text.push_str(", certificates not verified");
    }
    match config.source_ips.len() {
        0 => {}
        1 => text.push_str(", one source address"),
        several => text.push_str(&format!(", {several} source addresses")),
    }
    text
}

fn credentials(credentials: &Credentials) -> String {
    match credentials {
        Credentials::None => "none".to_owned(),
        Credentials::LongTerm { user, .. } => format!("long-term, user {user}"),
        Credentials::Rest { user: Some(user), .. } => format!("of a shared secret, user {user}"),
        Credentials::Rest { user: None, .. } => "of a shared secret".to_owned(),
    }
}

/// What each step of a search is of, and how far it goes.
fn search(config: &RunConfig, search: FindKnee) -> String {
    let End::After(time) = config.end else { return String::new() };
    let steps = format!("steps of {} after {}", span(time), span(search.settle));
    match (search.axis, &config.load) {
        (Axis::PacketRate, Load::Allocations { count: number, .. }) => format!(
            "search of the packet rate up to {}, {} allocations, {steps}",
            packet_rate(search.limit as f64),
            count((*number).into())
        ),
        _ => format!("search of the number of allocations up to {}, {steps}", count(search.limit)),
    }
}

fn load(config: &RunConfig) -> String {
    if let Some(knee) = config.find_knee {
        return search(config, knee);
    }
    let end = match config.end {
        End::After(time) => format!("for {}", span(time)),
        End::Messages(messages) => format!("for {} packets a stream", count(messages)),
        End::OnceThrough => "once through".to_owned(),
        End::WithStages => String::new(),
    };
    match &config.load {
        Load::Allocations { count: number, ramp } if ramp.is_zero() => {
            format!("{} allocations {end}", count((*number).into()))
        }
        Load::Allocations { count: number, ramp } => {
            format!("{} allocations within {}, then {end}", count((*number).into()), span(*ramp))
        }
        Load::Arrivals { rate: arrivals, hold } => {
            format!("{} new allocations, {} each, {end}", rate(arrivals.per_second()), span(*hold))
        }
        Load::Stages(stages) => {
            let stages: Vec<String> =
                stages.list().iter().map(|stage| format!("{}:{}", span(stage.over), stage.target)).collect();
            format!("allocations by stages {}", stages.join(","))
        }
    }
}

/// Where the rate is what is searched, the one of the configuration means nothing.
fn searched(config: &RunConfig) -> Option<String> {
    match (config.find_knee?.axis, &config.traffic) {
        (Axis::PacketRate, Traffic::Steady { size, .. }) => Some(format!("packets of {size} bytes")),
        _ => None,
    }
}

fn traffic(traffic: &Traffic) -> String {
    match traffic {
        Traffic::Profile(profile, target) => {
            let name = profile.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            match target {
                Some(target) => format!("{name}, {}", bitrate(target.bits_per_second() as f64)),
                None => name,
            }
        }
        Traffic::Steady { rate, size } => format!("{} of {size} bytes", packet_rate(rate.per_second())),
        Traffic::Filled { bitrate: target, size } => {
            format!("{} in packets of {size} bytes", bitrate(target.bits_per_second() as f64))
        }
        Traffic::Sized { rate, bitrate: target } => {
            format!("{} in {}", bitrate(target.bits_per_second() as f64), packet_rate(rate.per_second()))
        }
        Traffic::Replay(file) => format!("as in {}", file.display()),
    }
}

fn relay(config: &RunConfig) -> String {
    let relay = &config.relay;
    let mut parts = match relay {
        // RFC 6062: neither of both.
        RelayArguments { tcp_relay: true, .. } => Vec::new(),
        RelayArguments { send_indications: true, .. } => vec!["Send indications".to_owned()],
        _ => vec!["channels".to_owned()],
    };
    for (is_asked, name) in [
        (relay.ipv6_relay, "IPv6"),
        (relay.tcp_relay, "TCP"),
        (relay.even_port, "even ports, and those above them"),
        (relay.dont_fragment && relay.send_indications, "DONT-FRAGMENT"),
        (relay.dont_fragment && !relay.send_indications, "DONT-FRAGMENT in the Allocate request"),
        (relay.abandon, "abandoned at the end"),
    ] {
        if is_asked {
            parts.push(name.to_owned());
        }
    }
    for (time, name) in [(relay.lifetime, "lifetime"), (relay.permission_lifetime, "permissions for")] {
        parts.extend(time.map(|time| format!("{name} {}", span(time))));
    }
    parts.join(", ")
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Embedded { bind: None } => "in this process".to_owned(),
        Peer::Embedded { bind: Some(bind) } => format!("in this process, at {bind}"),
        Peer::At(place) => place.to_string(),
        Peer::Pairs => "another allocation".to_owned(),
    }
}
