//! What was meant, as part of the result: enough to run it again but for the secrets.
//!
//! In: a configuration. Out: an object. Never: a password, a shared secret, a URL that may carry a key.

use crate::args::{Profile, RelayArguments};
use crate::config::{End, Load, Peer, RunConfig, Traffic, Trust};
use crate::credentials::Credentials;
use crate::uri::Wire;
use clap::ValueEnum;
use serde::Serialize;

/// Stands where a secret was given.
const REDACTED: &str = "redacted";

#[derive(Serialize)]
pub(super) struct Config {
    uri: String,
    transport: &'static str,
    credentials: Who,
    trust: Option<String>,
    source_ips: Vec<String>,
    relay: Relay,
    load: Amount,
    end: Limit,
    traffic: Sent,
    peer: Far,
    find_knee: Option<Search>,
    seed: u64,
}

#[derive(Serialize)]
struct Search {
    what: &'static str,
    limit: u64,
    settle_s: f64,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Who {
    None,
    LongTerm { user: String, password: &'static str },
    Rest { user: Option<String>, secret: &'static str, expiry_s: f64, separator: char },
}

#[derive(Serialize)]
struct Relay {
    family: &'static str,
    transport: &'static str,
    data: &'static str,
    dont_fragment: bool,
    even_port: bool,
    lifetime_s: Option<f64>,
    permission_lifetime_s: Option<f64>,
    abandon: bool,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Amount {
    Allocations { count: u32, ramp_s: f64 },
    Arrivals { per_second: f64, hold_s: f64 },
    Stages { stages: Vec<Step> },
}

#[derive(Serialize)]
struct Step {
    over_s: f64,
    target: u32,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Limit {
    Duration { duration_s: f64 },
    Messages { messages: u64 },
    OnceThrough,
    Stages,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Sent {
    Profile { profile: String, bitrate_bps: Option<u64> },
    Steady { per_second: f64, bytes: u32 },
    Filled { bitrate_bps: u64, bytes: u32 },
    Sized { per_second: f64, bitrate_bps: u64 },
    Replay { file: String },
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Far {
    Embedded { bind: Option<String> },
    At { address: String },
    Pairs,
}

impl Config {
    /// `seed` is the one that was used, also where none was given.
    pub(super) fn of(config: &RunConfig, seed: u64) -> Self {
        Self {
            uri: config.server.to_string(),
            transport: wire(config.wire),
            credentials: Who::of(&config.credentials),
            trust: config.trust.as_ref().map(|trust| match trust {
                Trust::System => "system".to_owned(),
                Trust::Authorities(file) => file.display().to_string(),
                Trust::Anybody => "any".to_owned(),
            }),
            source_ips: config.source_ips.iter().map(ToString::to_string).collect(),
            relay: Relay::of(&config.relay),
            load: Amount::of(&config.load),
            end: match config.end {
                End::After(time) => Limit::Duration { duration_s: time.as_secs_f64() },
                End::Messages(messages) => Limit::Messages { messages },
                End::OnceThrough => Limit::OnceThrough,
                End::WithStages => Limit::Stages,
            },
            traffic: Sent::of(&config.traffic),
            peer: match &config.peer {
                Peer::Embedded { bind } => Far::Embedded { bind: bind.map(|bind| bind.to_string()) },
                Peer::At(place) => Far::At { address: place.to_string() },
                Peer::Pairs => Far::Pairs,
            },
            find_knee: config.find_knee.map(|search| Search {
                what: super::axis(search.axis),
                limit: search.limit,
                settle_s: search.settle.as_secs_f64(),
            }),
            seed,
        }
    }
}

impl Who {
    fn of(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::None => Who::None,
            Credentials::LongTerm { user, password: _ } => Who::LongTerm { user: user.clone(), password: REDACTED },
            Credentials::Rest { user, secret: _, expiry, separator } => Who::Rest {
                user: user.clone(),
                secret: REDACTED,
                expiry_s: expiry.as_secs_f64(),
                separator: *separator,
            },
        }
    }
}

impl Relay {
    fn of(relay: &RelayArguments) -> Self {
        Self {
            family: if relay.ipv6_relay { "ipv6" } else { "ipv4" },
            transport: if relay.tcp_relay { "tcp" } else { "udp" },
            data: if relay.send_indications { "indications" } else { "channels" },
            dont_fragment: relay.dont_fragment,
            even_port: relay.even_port,
            lifetime_s: relay.lifetime.map(|time| time.as_secs_f64()),
            permission_lifetime_s: relay.permission_lifetime.map(|time| time.as_secs_f64()),
            abandon: relay.abandon,
        }
    }
}

impl Amount {
    fn of(load: &Load) -> Self {
        match load {
            Load::Allocations { count, ramp } => Amount::Allocations { count: *count, ramp_s: ramp.as_secs_f64() },
            Load::Arrivals { rate, hold } => {
                Amount::Arrivals { per_second: rate.per_second(), hold_s: hold.as_secs_f64() }
            }
            Load::Stages(stages) => Amount::Stages {
                stages: stages
                    .list()
                    .iter()
                    .map(|stage| Step { over_s: stage.over.as_secs_f64(), target: stage.target })
                    .collect(),
            },
        }
    }
}

impl Sent {
    fn of(traffic: &Traffic) -> Self {
        match traffic {
            Traffic::Profile(profile, bitrate) => Sent::Profile {
                profile: profile_name(*profile),
                bitrate_bps: bitrate.map(|bitrate| bitrate.bits_per_second()),
            },
            Traffic::Steady { rate, size } => Sent::Steady { per_second: rate.per_second(), bytes: *size },
            Traffic::Filled { bitrate, size } => Sent::Filled { bitrate_bps: bitrate.bits_per_second(), bytes: *size },
            Traffic::Sized { rate, bitrate } => {
                Sent::Sized { per_second: rate.per_second(), bitrate_bps: bitrate.bits_per_second() }
            }
            Traffic::Replay(file) => Sent::Replay { file: file.display().to_string() },
        }
    }
}

/// As it is typed.
fn profile_name(profile: Profile) -> String {
    profile.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The names that URIs and people use.
pub(crate) const fn wire(wire: Wire) -> &'static str {
    match wire {
        Wire::Udp => "udp",
        Wire::Tcp => "tcp",
        Wire::Tls => "tls",
        Wire::Dtls => "dtls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use crate::config::Request;
    use clap::Parser;

    fn json(line: &str) -> String {
        let arguments = Arguments::try_parse_from(line.split(' ')).expect("arguments");
        let Ok(Request::Run(config)) = Request::of(arguments, &|_| None) else { panic!("a run") };
        serde_json::to_string(&Config::of(&config, 7)).expect("an object")
    }

    #[test]
    fn a_configuration_is_written_with_all_that_makes_the_load() {
        assert_eq!(
            json("turnload turn:127.0.0.1 --no-auth -m 10 --ramp 5s --duration 30s"),
            "{\"uri\":\"turn:127.0.0.1:3478\",\"transport\":\"udp\",\"credentials\":{\"kind\":\"none\"},\"trust\":null,\
             \"source_ips\":[],\"relay\":{\"family\":\"ipv4\",\"transport\":\"udp\",\"data\":\"channels\",\
             \"dont_fragment\":false,\"even_port\":false,\"lifetime_s\":null,\"permission_lifetime_s\":null,\
             \"abandon\":false},\
             \"load\":{\"kind\":\"allocations\",\"count\":10,\"ramp_s\":5.0},\
             \"end\":{\"kind\":\"duration\",\"duration_s\":30.0},\
             \"traffic\":{\"kind\":\"profile\",\"profile\":\"audio\",\"bitrate_bps\":null},\
             \"peer\":{\"kind\":\"embedded\",\"bind\":null},\"find_knee\":null,\"seed\":7}"
        );
    }

    #[test]
    fn no_secret_is_in_it() {
        let keyed = "--server-metrics http://127.0.0.1/?key=opensesame";
        for credentials in ["-u user -w opensesame", "-u user -W opensesame"] {
            let json = json(&format!("turnload turn:127.0.0.1 {credentials} {keyed}"));
            assert!(!json.contains("opensesame") && json.contains("\"redacted\""), "{json}");
            assert!(json.contains("\"user\":\"user\""), "{json}");
        }
    }
}
