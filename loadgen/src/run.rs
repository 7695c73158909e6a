//! From a request to an exit code: the wiring.
//!
//! In: a valid [`Request`]. Out: the result on standard output, notes on standard error, and the code. Never: a figure
//! computed here.

#![forbid(unsafe_code)]

#[cfg(feature = "demo")]
use crate::args::DemoArguments;
use crate::args::Format;
use crate::check::rest;
use crate::client::{DataPath, EvenPort, Family, PERMISSION_LIFETIME};
use crate::config::{CheckConfig, Peer, Request, RunConfig, is_allowed, is_near};
use crate::credentials::Credentials;
use crate::engine;
use crate::engine::check::Visitor;
use crate::engine::clock::RunClock;
#[cfg(feature = "demo")]
use crate::engine::demo::DemoServer;
use crate::engine::drive::{Outcome, Watch, drive};
use crate::engine::interrupt::Interrupt;
use crate::engine::peer::Reflector;
use crate::engine::plan::{FarEnd, Plan, Signal};
use crate::engine::server::ServerProbe;
use crate::engine::wire::{Belief, Transport};
use crate::engine::{http, limits, socket};
use crate::find_knee;
use crate::media::{Parts, StreamPlan};
use crate::random::Random;
use crate::replay;
use crate::result::{
    Allocations, EXIT_DONE, EXIT_INCOMPLETE, EXIT_REFUSED, EXIT_USAGE, Media, Replayed, RunResult, stalled,
};
use crate::scenario::Scenario;
use crate::uri::{Host, Wire};
use crate::view::{self, csv, json, plan, text};
use crate::watch::Watcher;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Does what is asked; the exit code.
pub fn run(request: Request) -> u8 {
    let outcome = match request {
        Request::Run(config) => load(&config, None),
        Request::Peer { bind } => peer(bind),
        Request::Check(config) => look(&config),
        #[cfg(feature = "demo")]
        Request::Demo(typed) => demo(typed),
    };
    outcome.unwrap_or_else(|message| {
        note(&message);
        EXIT_USAGE
    })
}

/// Standard error may be closed; nobody is left to be told then.
pub(crate) fn note(message: &str) {
    drop(writeln!(io::stderr(), "turnload: {message}"));
}

/// A load on a server that lives as long as it does.
#[cfg(feature = "demo")]
fn demo(mut typed: DemoArguments) -> Result<u8, String> {
    let seed = *typed.seed.get_or_insert_with(draw_seed);
    let server = DemoServer::start(seed).map_err(|error| format!("the server of the demonstration: {error}"))?;
    let config = RunConfig::of_demo(&typed, server.address(), server.user(), server.password());
    let config = config.map_err(|error| error.to_string())?;
    note(&format!(
        "a small TURN server runs in this process, at {}; its figures are no other server's",
        server.address()
    ));
    load(&config, Some(server.probe()))
}

/// `probe` where there is another server to look at than arguments name.
fn load(config: &RunConfig, probe: Option<ServerProbe>) -> Result<u8, String> {
    let seed = config.seed.unwrap_or_else(draw_seed);
    if config.output.dry_run {
        return dry_run(config, seed);
    }
    is_there(config)?;
    // Before a file or a port is opened.
    let media = replay::media(config)?;
    media.1.iter().flat_map(Replayed::remarks).for_each(|remark| note(&remark));
    let began = time_of_day();
    let interrupt = Interrupt::catch().map_err(|error| format!("signals: {error}"))?;
    let mut watcher = Watcher::open(config, seed, began)?;
    let result = match config.find_knee {
        Some(search) => find_knee::find(config, &media, search, seed, &interrupt, &mut watcher)?,
        None => {
            let mut probe = match probe {
                Some(probe) => probe,
                None => ServerProbe::of(config).map_err(|error| format!("threads: {error}"))?,
            };
            let (plan, reflector) = prepare(config, media.0, seed, 0, None)?;
            for warning in limits::prepare(plan.scenario.peak().into(), config.source_ips.len() as u64) {
                watcher.note(&warning);
            }
            let outcome = drive(&plan, reflector.as_ref(), &interrupt, &mut probe, &mut watcher);
            result(config, media.1, seed, outcome.map_err(|error| format!("threads: {error}"))?)
        }
    };
    drop(watcher);
    Ok(match print(&result, config) {
        Ok(()) => result.exit_code(),
        Err(message) => {
            note(&message);
            EXIT_INCOMPLETE
        }
    })
}

/// What arguments name of this machine: better known before a load of hours than after it.
fn is_there(config: &RunConfig) -> Result<(), String> {
    if let Some(pid) = config.output.server_pid
        && !engine::process::exists(pid)
    {
        return Err(format!("--server-pid {pid}: there is no such process"));
    }
    let taken =
        |address: &IpAddr| UdpSocket::bind((*address, 0)).map_err(|error| format!("--source-ip {address}: {error}"));
    config.source_ips.iter().try_for_each(|address| taken(address).map(drop))
}

/// A load ready to be driven, and the embedded peer where there is one. Media counts from so long after the load is
/// there. Of several loads of one seed each has a `number` of its own: packets that come late from one are not those of
/// the next.
pub(crate) fn prepare(
    config: &RunConfig,
    parts: Parts,
    seed: u64,
    number: u16,
    settle: Option<Duration>,
) -> Result<(Arc<Plan>, Option<Reflector>), String> {
    let server = resolve(config)?;
    let transport = transport(config)?;
    let identity =
        config.credentials.identity(&|path| std::fs::read_to_string(path)).map_err(|error| error.to_string())?;
    let scenario = Scenario::new(&config.load, config.end, seed);
    let (reflector, far_end) = far_end(config, server)?;
    let plan = Arc::new(Plan {
        clock: RunClock::start(),
        unix_start: since_1970(time_of_day()),
        server,
        transport,
        source_ips: config.source_ips.clone(),
        may_leave: !is_near(server.ip()),
        identity,
        family: config.relay.ipv6_relay.then_some(Family::IPV6),
        even_port: if config.relay.even_port { EvenPort::Reserve } else { EvenPort::No },
        dont_fragment: config.relay.dont_fragment,
        path: if config.relay.send_indications { DataPath::Indications } else { DataPath::Channels },
        lifetime: config.relay.lifetime,
        permission_lifetime: config.relay.permission_lifetime.unwrap_or(PERMISSION_LIFETIME),
        tcp_relay: config.relay.tcp_relay,
        abandon: config.relay.abandon,
        far_end,
        shards: shards(scenario.peak(), &parts, config.trust.is_some()),
        parts,
        messages: scenario.packets(),
        measured_from: settle.map(|settle| scenario.full_at().plus(settle)),
        scenario,
        seed,
        run: Random::of(seed, u64::from(u32::MAX - u32::from(number))).bits() as u32,
        signal: Signal::default(),
    });
    Ok((plan, reflector))
}

/// The plan only; nothing is sent, and no name resolved.
fn dry_run(config: &RunConfig, seed: u64) -> Result<u8, String> {
    let search = config.find_knee.map(|search| find_knee::plan(config, search));
    let largest = search.as_ref().map_or(config, |(_, largest, _)| largest);
    let (parts, replayed) = replay::media(largest)?;
    let plan = plan::Plan::of(largest, &parts, seed);
    let peak = Scenario::new(&largest.load, largest.end, seed).peak();
    let mut notes = limits::prepare(peak.into(), config.source_ips.len() as u64);
    notes.extend(replayed.iter().flat_map(Replayed::remarks));
    let plan = match search {
        Some((search, _, warning)) => {
            notes.extend(warning);
            plan.as_limit_of(search)
        }
        None => plan,
    };
    written_to(plan.write(&notes, &mut io::stdout().lock()))?;
    Ok(EXIT_DONE)
}

/// Looks at servers and says what was found.
fn look(config: &CheckConfig) -> Result<u8, String> {
    let now = since_1970(time_of_day());
    let of_secret = matches!(config.credentials, Some(Credentials::Rest { .. }));
    let mut visitor = Visitor { login: None, of_secret, trust: config.trust.clone(), unix: now, seed: draw_seed() };
    let mut uris = config.servers.clone();
    if let Some(url) = &config.credentials_url {
        let found = http::get(url.reveal(), &config.trust).and_then(|text| rest::read(&text));
        let answer = match found {
            Ok(answer) => answer,
            Err(error) => {
                note(&format!("--credentials-url: {error}"));
                return Ok(EXIT_REFUSED);
            }
        };
        if let Some(ttl) = answer.ttl {
            note(&format!("the endpoint's credentials are valid for {} s", ttl.as_secs()));
        }
        uris.extend(answer.uris.into_iter().filter(|uri| !config.servers.contains(uri)));
        visitor.login = Some(Arc::new(answer.login));
        visitor.of_secret = false;
    } else if let Some(credentials) = &config.credentials {
        let identity =
            credentials.identity(&|path| std::fs::read_to_string(path)).map_err(|error| error.to_string())?;
        visitor.login = identity.login(now);
    }
    if uris.is_empty() {
        return Err("--credentials-url: the endpoint names no server, and none was typed".to_owned());
    }
    let report = engine::check::check(&uris, &visitor);
    let mut out = io::stdout().lock();
    written_to(match config.format {
        Format::Json => view::check::json(&report, &mut out),
        Format::Text | Format::Csv => view::check::text(&report, &mut out),
    })?;
    Ok(report.exit_code())
}

/// Reflects until a signal comes.
fn peer(bind: SocketAddr) -> Result<u8, String> {
    let interrupt = Interrupt::catch().map_err(|error| format!("signals: {error}"))?;
    let reflector = Reflector::start(bind).map_err(|error| format!("--bind {bind}: {error}"))?;
    note(&format!("sends back what arrives at {}", reflector.address()));
    while !interrupt.came() {
        std::thread::sleep(Duration::from_millis(100));
    }
    let counts = reflector.counts();
    note(&format!("sent back {} packets, dropped {}", counts.reflected, counts.dropped));
    Ok(EXIT_DONE)
}

/// The server's address; a name may stand for a public one.
fn resolve(config: &RunConfig) -> Result<SocketAddr, String> {
    let address = addresses(&config.server.host, config.server.port)?
        .into_iter()
        .find(|address| config.source_ips.first().is_none_or(|source| source.is_ipv4() == address.is_ipv4()))
        .ok_or_else(|| format!("{} has no address of the family of --source-ip", config.server.host))?;
    is_allowed(&config.server.host, address.ip(), &config.allowed)?;
    Ok(address)
}

fn addresses(host: &Host, port: u16) -> Result<Vec<SocketAddr>, String> {
    match host {
        Host::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => {
            Ok((name.as_str(), port).to_socket_addrs().map_err(|error| format!("{name}: {error}"))?.collect())
        }
    }
}

fn transport(config: &RunConfig) -> Result<Transport, String> {
    let belief = match &config.trust {
        Some(trust) => Some(Arc::new(Belief::new(trust, &config.server.host)?)),
        None => None,
    };
    Ok(match (config.wire, belief) {
        (Wire::Tls, Some(belief)) => Transport::Tls(belief),
        (Wire::Dtls, Some(belief)) => Transport::Dtls(belief),
        (Wire::Tcp, _) => Transport::Tcp,
        _ => Transport::Udp,
    })
}

/// Starts the embedded peer where it is wanted.
fn far_end(config: &RunConfig, server: SocketAddr) -> Result<(Option<Reflector>, FarEnd), String> {
    let is_v6 = config.relay.ipv6_relay;
    match &config.peer {
        Peer::Pairs => Ok((None, FarEnd::Pairs)),
        Peer::At(place) => {
            let address = addresses(&place.host, place.port)?.into_iter().find(|address| address.is_ipv6() == is_v6);
            let address = address.ok_or_else(|| format!("{place} has no address of the family of the relays"))?;
            is_allowed(&place.host, address.ip(), &config.allowed)?;
            Ok((None, FarEnd::Peer(address)))
        }
        Peer::Embedded { bind } => {
            let bind = match bind {
                Some(bind) => *bind,
                None if server.ip().is_loopback() && is_v6 => Ipv6Addr::LOCALHOST.into(),
                None if server.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
                None => way_to(server, is_v6)?,
            };
            let reflector =
                Reflector::start(SocketAddr::new(bind, 0)).map_err(|error| format!("--peer-bind {bind}: {error}"))?;
            let address = reflector.address();
            Ok((Some(reflector), FarEnd::Peer(address)))
        }
    }
}

/// Our address on the way to the server, which the relays can reach if they are of its family.
fn way_to(server: SocketAddr, is_v6: bool) -> Result<IpAddr, String> {
    socket::way_to(server)
        .filter(|address| address.is_ipv6() == is_v6)
        .ok_or_else(|| "say with --peer-bind at which address the relays reach the embedded peer".to_owned())
}

/// As many as the packets need, one for each core at most: packets that share a thread share its wake-ups.
fn shards(allocations: u32, parts: &Parts, is_secure: bool) -> u32 {
    const PACKETS_PER_THREAD: f64 = 40_000.0;
    /// Handshakes are work.
    const HANDSHAKES_PER_THREAD: u32 = 64;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let for_packets = match parts.mean(StreamPlan::packets_per_second) {
        Some(rate) => (rate * f64::from(allocations) / PACKETS_PER_THREAD).ceil() as u32,
        None => allocations,
    };
    let for_handshakes = if is_secure { allocations.div_ceil(HANDSHAKES_PER_THREAD) } else { 1 };
    for_packets.max(for_handshakes).clamp(1, cores)
}

#[allow(clippy::disallowed_methods, reason = "REST credentials and logs speak of the time of day")]
fn time_of_day() -> SystemTime {
    SystemTime::now()
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Told to the user, so that the run can be repeated; short enough to be typed.
fn draw_seed() -> u64 {
    Random::new(since_1970(time_of_day()).as_nanos() as u64 ^ u64::from(std::process::id()) << 32).bits()
        % 1_000_000_000
}

pub(crate) fn result(config: &RunConfig, replayed: Option<Replayed>, seed: u64, outcome: Outcome) -> RunResult {
    let mut result = RunResult {
        target: config.server.to_string(),
        config: text::meant(config),
        seed,
        duration: outcome.duration,
        invalid_because: outcome.invalid_because,
        stalled: stalled(&outcome.stats),
        incomplete: outcome.incomplete,
        replayed,
        allocations: Allocations::of(&outcome.stats),
        media: Media::of(&outcome.stats),
        generator: outcome.generator,
        intervals: outcome.intervals,
        thresholds: Vec::new(),
        knee: None,
    };
    result.judge(&config.thresholds);
    result
}

/// To standard output; a pipe that is closed is the reader's decision and no error.
fn print(result: &RunResult, config: &RunConfig) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let written = match config.output.format {
        Format::Text => text::write(result, &mut out),
        Format::Json => json::write(result, config, &mut out),
        Format::Csv => csv::write(result, &mut out),
    };
    written_to(written)
}

fn written_to(outcome: io::Result<()>) -> Result<(), String> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::Parser;
    use std::collections::BTreeSet;

    #[test]
    fn the_steps_of_a_search_have_packets_and_requests_of_their_own_and_a_seed_repeats_them() {
        let arguments = Arguments::try_parse_from(["turnload", "turn:127.0.0.1:9", "--no-auth"]).expect("arguments");
        let Ok(Request::Run(config)) = Request::of(arguments, &|_| None) else { panic!("no run") };
        let ids = |seed, number| {
            let (parts, _) = replay::media(&config).expect("media");
            let (plan, _) = prepare(&config, parts, seed, number, None).expect("a plan");
            (plan.run, plan.client(3, 0, Duration::ZERO, None).seed)
        };
        let steps: Vec<(u32, u64)> = (0..20).map(|number| ids(7, number)).collect();
        assert_eq!(steps, (0..20).map(|number| ids(7, number)).collect::<Vec<_>>());
        assert_eq!(steps.iter().map(|(run, _)| run).collect::<BTreeSet<_>>().len(), 20);
        assert_eq!(steps.iter().map(|(_, seed)| seed).collect::<BTreeSet<_>>().len(), 20);
        assert_ne!(ids(8, 0), steps[0]);
    }
}
