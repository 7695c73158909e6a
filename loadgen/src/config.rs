//! What is meant by what was typed.
//!
//! In: [`Arguments`] and a look into the environment. Out: [`Request`], or [`Refusal`] that names the argument.
//! Never: a file opened, a name resolved, a socket, a secret in an error.

use crate::args::{
    Arguments, CheckArguments, Command, Format, LoadArguments, MediaArguments, OutputArguments, PeerArgument, Profile,
    RelayArguments, RunArguments, TransportArguments,
};
#[cfg(feature = "demo")]
use crate::args::{CredentialArguments, DemoArguments};
use crate::credentials::{self, Credentials};
use crate::knee::Axis;
use crate::quantity::{Bitrate, Rate};
use crate::secret::Secret;
use crate::stages::Stages;
use crate::threshold::{Figure, Threshold};
use crate::uri::{Host, HostPort, ServerUri, UriTransport, Wire};
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Looks up an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// Why a request is none; one line that names the argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(why.into()))
}

/// A valid request.
#[derive(Clone, Debug)]
pub enum Request {
    /// A load on a server.
    Run(Box<RunConfig>),
    /// A look at servers.
    Check(CheckConfig),
    /// A peer for others.
    Peer {
        /// Where it listens.
        bind: SocketAddr,
    },
    /// A load on a server of our own.
    #[cfg(feature = "demo")]
    Demo(DemoArguments),
}

impl Request {
    /// Validates.
    ///
    /// # Errors
    /// What contradicts itself or is missing.
    pub fn of(arguments: Arguments, environment: Environment<'_>) -> Result<Self, Refusal> {
        Ok(match arguments.command {
            None => Request::Run(Box::new(RunConfig::of(arguments.run, environment)?)),
            Some(Command::Check(check)) => Request::Check(CheckConfig::of(check, environment)?),
            Some(Command::Peer { bind }) => Request::Peer { bind },
            #[cfg(feature = "demo")]
            Some(Command::Demo(demo)) => Request::Demo(demo),
        })
    }

    /// What is asked for, in a few words.
    pub const fn deed(&self) -> &'static str {
        match self {
            Request::Run(_) => "running a load",
            Request::Check(_) => "checking a server",
            Request::Peer { .. } => "running a peer",
            #[cfg(feature = "demo")]
            Request::Demo(_) => "running the demonstration",
        }
    }
}

/// A load on a server.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The server.
    pub server: ServerUri,
    /// Those whose owners agree to be loaded, also where the address is public.
    pub allowed: Vec<Host>,
    /// What carries the messages to it.
    pub wire: Wire,
    /// Who we are to it.
    pub credentials: Credentials,
    /// Whether its certificate is believed; none without TLS and DTLS.
    pub trust: Option<Trust>,
    /// The same of the endpoints of its metrics.
    pub metrics_trust: Trust,
    /// Addresses to send from in turn; the system's choice where empty.
    pub source_ips: Vec<IpAddr>,
    /// What relays are asked for.
    pub relay: RelayArguments,
    /// How many, and when.
    pub load: Load,
    /// When it ends.
    pub end: End,
    /// Search the load at which a threshold fails, up to `load` and `traffic`.
    pub find_knee: Option<FindKnee>,
    /// What the result is held against.
    pub thresholds: Vec<Threshold>,
    /// What everything random follows from; drawn, and told, where none is given.
    pub seed: Option<u64>,
    /// What each allocation sends.
    pub traffic: Traffic,
    /// Who answers.
    pub peer: Peer,
    /// What is seen of it.
    pub output: OutputArguments,
}

/// A search; its steps last as long as the load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FindKnee {
    /// What grows.
    pub axis: Axis,
    /// The most that is tried.
    pub limit: u64,
    /// Time of each step that is not measured.
    pub settle: Duration,
}

/// A look at servers.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// Which; may be empty where an endpoint names them.
    pub servers: Vec<ServerUri>,
    /// Who we are to them.
    pub credentials: Option<Credentials>,
    /// Endpoint that gives both.
    pub credentials_url: Option<Secret>,
    /// Whether their certificates are believed.
    pub trust: Trust,
    /// How to write the result.
    pub format: Format,
}

/// Which certificates are believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Those of the system's authorities.
    System,
    /// Those of the authorities in a file.
    Authorities(PathBuf),
    /// Any.
    Anybody,
}

/// How many allocations, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Load {
    /// So many at once.
    Allocations {
        /// How many.
        count: u32,
        /// Time over which they are made.
        ramp: Duration,
    },
    /// Calls that come and go.
    Arrivals {
        /// How many begin.
        rate: Rate,
        /// How long each lasts.
        hold: Duration,
    },
    /// As the stages say.
    Stages(Stages),
}

/// When the load ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// After this time at full load.
    After(Duration),
    /// When each stream has sent so many packets.
    Messages(u64),
    /// When each allocation has sent its part of the capture.
    OnceThrough,
    /// With the last stage.
    WithStages,
}

/// What an allocation sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Traffic {
    /// Media of a kind, with a target bitrate where it has one.
    Profile(Profile, Option<Bitrate>),
    /// Packets of one size at one rate.
    Steady {
        /// How often.
        rate: Rate,
        /// Bytes, RTP header included.
        size: u32,
    },
    /// Packets of one size, as many as give a bitrate.
    Filled {
        /// The bitrate.
        bitrate: Bitrate,
        /// Bytes, RTP header included.
        size: u32,
    },
    /// Packets at one rate, as large as gives a bitrate.
    Sized {
        /// How often.
        rate: Rate,
        /// The bitrate.
        bitrate: Bitrate,
    },
    /// As the streams of a capture.
    Replay(PathBuf),
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peer {
    /// We do, in this process, at the address.
    Embedded {
        /// Where; the way to the server decides where none is given.
        bind: Option<IpAddr>,
    },
    /// `turnload peer` or an echo, elsewhere.
    At(HostPort),
    /// Another allocation.
    Pairs,
}

/// Without `--duration`.
const DEFAULT_DURATION: Duration = Duration::from_secs(60);
/// The same of each step of a search, and the time before it.
const DEFAULT_STEP: Duration = Duration::from_secs(10);
const DEFAULT_SETTLE: Duration = Duration::from_secs(2);
/// A search goes no further where nobody says how far: beyond what one machine offers.
const MAX_ALLOCATIONS: u32 = 100_000;
const MAX_PACKET_RATE: u64 = 100_000;
/// Port of `turnutils_peer`.
const DEFAULT_PEER_PORT: u16 = 3480;
/// A steady stream where only its size is given: a packet every 20 ms, as voice.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(20);
/// Where only its rate is given: 20 ms of G.711 and its RTP header.
const DEFAULT_SIZE: u32 = 172;
/// Where only its bitrate is given: a full packet below the usual path MTU.
const FULL_SIZE: u32 = 1_200;
/// The largest payload of UDP over IPv4.
const MAX_DATAGRAM: u32 = 65_507;
const MAX_PACKET_BITS: f64 = MAX_DATAGRAM as f64 * 8.0;
/// The longest record of DTLS (RFC 5246, section 6.2.1), which holds a message and its header.
const MAX_RECORD: u32 = 16_384;
/// The header of ChannelData (RFC 8656, section 12.4).
const CHANNEL_HEADER: u32 = 4;
/// The header of a Send indication and its attributes but the data, with IPv6 addresses.
const INDICATION_HEADER: u32 = 64;

impl RunConfig {
    /// The load of a demonstration, on the server that was started for it.
    ///
    /// # Errors
    /// As for a load that was typed.
    #[cfg(feature = "demo")]
    pub fn of_demo(typed: &DemoArguments, server: SocketAddr, user: &str, password: &Secret) -> Result<Self, Refusal> {
        const RAMP: Duration = Duration::from_secs(1);
        let arguments = RunArguments {
            uri: vec![format!("turn:{server}")],
            credentials: CredentialArguments {
                user: Some(user.to_owned()),
                password: Some(password.clone()),
                ..CredentialArguments::default()
            },
            load: LoadArguments {
                allocations: Some(typed.allocations),
                ramp: Some(RAMP),
                duration: Some(typed.duration),
                seed: typed.seed,
                ..LoadArguments::default()
            },
            media: MediaArguments { profile: Some(typed.profile), ..MediaArguments::default() },
            output: OutputArguments { format: typed.format, no_tui: typed.no_tui, ..OutputArguments::default() },
            ..RunArguments::default()
        };
        // What the environment says of other servers is no matter of this one.
        Self::of(arguments, &|_| None)
    }

    fn of(typed: RunArguments, environment: Environment<'_>) -> Result<Self, Refusal> {
        let server = match &typed.uri[..] {
            [one] => server(one)?,
            [] => return refuse("no server named; say turn:HOST, or `turnload demo` where there is none"),
            // Repeating the second one might show a password that was meant for -w.
            _ => return refuse("more than one server named; a load goes to one"),
        };
        if !server.scheme.is_turn() {
            return refuse(format!("{server} relays nothing; a load needs turn: or turns:"));
        }
        let wire = wire(&server, &typed.transport)?;
        // RFC 6062, section 4.1.
        if typed.relay.tcp_relay && !wire.is_stream() {
            return refuse("--tcp-relay needs TCP or TLS to the server: -t or ?transport=tcp");
        }
        if typed.relay.tcp_relay && typed.load.messages.is_some() {
            return refuse("--messages: nothing is sent through TCP relays, so that the load has no end: --duration");
        }
        for (name, time) in
            [("lifetime", typed.relay.lifetime), ("permission-lifetime", typed.relay.permission_lifetime)]
        {
            if time.is_some_and(|time| time < Duration::from_secs(1)) {
                return refuse(format!("--{name}: less than the second that it is counted in"));
            }
        }
        let is_secure = matches!(wire, Wire::Tls | Wire::Dtls);
        for url in &typed.output.server_metrics {
            is_url("--server-metrics", url)?;
        }
        let sees_certificates =
            is_secure || typed.output.server_metrics.iter().any(|url| url.reveal().starts_with("https://"));
        if !sees_certificates && (typed.transport.insecure || typed.transport.ca_file.is_some()) {
            return refuse("--ca-file and --insecure need certificates: turns:, -S, or --server-metrics https:");
        }
        let Some(credentials) = credentials::of(typed.credentials, environment)? else {
            return refuse(
                "no credentials: --user with --password or --password-file, --secret or --secret-file, the environment \
                 (TURN_USERNAME, TURN_PASSWORD, TURN_SECRET), or --no-auth",
            );
        };
        let trust = trust(typed.transport.insecure, typed.transport.ca_file);
        let traffic = traffic(&typed.media)?;
        fits(&traffic, wire, typed.relay.send_indications)?;
        let peer = peer(&typed.media)?;
        may_be_loaded(&server, &peer, &typed.i_am_allowed_to_load)?;
        let find_knee = find_knee(&typed.load, &typed.media, &traffic)?;
        let LoadArguments { threshold, seed, .. } = typed.load.clone();
        threshold.iter().try_for_each(|threshold| is_measured(threshold, &peer))?;
        let (load, end) = load(typed.load, &traffic)?;
        let is_odd = matches!(&load, Load::Allocations { count, .. } if count % 2 == 1);
        if is_odd && peer == Peer::Pairs {
            return refuse("--pairs needs an even number of --allocations");
        }
        if is_odd && typed.relay.even_port {
            return refuse(
                "--even-port needs an even number of --allocations: the second of two gets the port above the first",
            );
        }
        Ok(Self {
            server,
            allowed: typed.i_am_allowed_to_load,
            wire,
            credentials,
            metrics_trust: trust.clone(),
            trust: is_secure.then_some(trust),
            source_ips: typed.transport.source_ip,
            relay: typed.relay,
            load,
            end,
            find_knee,
            thresholds: threshold,
            seed,
            traffic,
            peer,
            output: typed.output,
        })
    }
}

impl CheckConfig {
    fn of(typed: CheckArguments, environment: Environment<'_>) -> Result<Self, Refusal> {
        let servers: Vec<ServerUri> = typed.uris.iter().map(|text| server(text)).collect::<Result<_, _>>()?;
        if servers.is_empty() && typed.credentials_url.is_none() {
            return refuse("no server named; say turn:HOST, or --credentials-url");
        }
        if let Some(url) = &typed.credentials_url {
            is_url("--credentials-url", url)?;
        }
        if typed.format == Format::Csv {
            return refuse("--format: a check has no intervals for csv; say text or json");
        }
        // STUN servers ask nobody who they are; half a credential in the environment is no matter to them.
        let relays = servers.iter().any(|uri| uri.scheme.is_turn());
        let credentials = if relays { credentials::of(typed.credentials, environment)? } else { None };
        if relays && credentials.is_none() && typed.credentials_url.is_none() {
            return refuse("no credentials for turn: and turns:; --no-auth where the server asks for none");
        }
        let trust = trust(typed.insecure, typed.ca_file);
        Ok(Self { servers, credentials, credentials_url: typed.credentials_url, trust, format: typed.format })
    }
}

fn server(text: &str) -> Result<ServerUri, Refusal> {
    text.parse().map_err(|error| Refusal(format!("URI: {error}")))
}

fn is_url(name: &str, url: &Secret) -> Result<(), Refusal> {
    let host = ["http://", "https://"].iter().find_map(|start| url.reveal().strip_prefix(start));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(()),
        // It may carry a key, so it is not repeated.
        _ => refuse(format!("{name}: no URL that begins with http:// or https:// and a host")),
    }
}

fn trust(insecure: bool, ca_file: Option<PathBuf>) -> Trust {
    match ca_file {
        _ if insecure => Trust::Anybody,
        Some(file) => Trust::Authorities(file),
        None => Trust::System,
    }
}

/// What the URI says and what the letters say may complete, but not contradict each other.
fn wire(server: &ServerUri, typed: &TransportArguments) -> Result<Wire, Refusal> {
    if typed.tcp && server.transport == Some(UriTransport::Udp) {
        return refuse("--tcp contradicts ?transport=udp of the URI");
    }
    if typed.tcp || typed.secure {
        let transport = if typed.tcp { UriTransport::Tcp } else { server.transport.unwrap_or(UriTransport::Udp) };
        // turns: without a transport is TLS, also where -S says it again.
        let transport =
            if server.scheme.is_secure() && server.transport.is_none() { UriTransport::Tcp } else { transport };
        return Ok(Wire::of(transport, typed.secure || server.scheme.is_secure()));
    }
    Ok(server.wire())
}

/// A load on somebody else's server is an attack. Addresses are judged here; what a name stands for has to be judged
/// once it is resolved.
/// What the load arrives at are the server and, through its relays, a peer elsewhere.
fn may_be_loaded(server: &ServerUri, peer: &Peer, allowed: &[Host]) -> Result<(), Refusal> {
    let peer = match peer {
        Peer::At(place) => Some(&place.host),
        Peer::Embedded { .. } | Peer::Pairs => None,
    };
    if let Some(other) = allowed.iter().find(|host| **host != server.host && Some(*host) != peer) {
        let and_peer = peer.map_or_else(String::new, |host| format!(" and --peer {host}"));
        return refuse(format!("--i-am-allowed-to-load names {other}, the URI names {}{and_peer}", server.host));
    }
    for host in std::iter::once(&server.host).chain(peer) {
        if let Host::Address(address) = host {
            is_allowed(host, *address, allowed).map_err(Refusal)?;
        }
    }
    Ok(())
}

/// Whether the owner of a public address agrees to be loaded; a name is asked about once it is resolved.
pub(crate) fn is_allowed(host: &Host, address: IpAddr, allowed: &[Host]) -> Result<(), String> {
    if is_near(address) || allowed.contains(host) {
        return Ok(());
    }
    let is = if *host == Host::Address(address) { "is".to_owned() } else { format!("is {address},") };
    Err(format!("{host} {is} a public address; --i-am-allowed-to-load {host} says that its owner agrees"))
}

/// Loopback, private or link-local.
pub(crate) fn is_near(address: IpAddr) -> bool {
    let v4 = |address: Ipv4Addr| address.is_loopback() || address.is_private() || address.is_link_local();
    let v6 = |address: Ipv6Addr| address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local();
    match address.to_canonical() {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn load(typed: LoadArguments, traffic: &Traffic) -> Result<(Load, End), Refusal> {
    let positive = |name: &str, time: Duration| {
        if time.is_zero() { refuse(format!("--{name}: no time at all")) } else { Ok(time) }
    };
    if typed.arrival.is_some() && typed.messages.is_some() {
        return refuse(
            "--messages ends a load once its streams have sent so many; calls that arrive have no end: --duration",
        );
    }
    let end = match (typed.duration, typed.messages) {
        (Some(_), Some(_)) => return refuse("--duration contradicts --messages"),
        (Some(time), None) => End::After(positive("duration", time)?),
        (None, Some(messages)) => End::Messages(messages),
        (None, None) if typed.find_knee.is_some() => End::After(DEFAULT_STEP),
        // Whoever sends a capture has one length in mind.
        (None, None) if matches!(traffic, Traffic::Replay(_)) && typed.arrival.is_none() => End::OnceThrough,
        (None, None) => End::After(DEFAULT_DURATION),
    };
    Ok(match (typed.stages, typed.arrival, typed.hold) {
        (Some(stages), _, _) => (Load::Stages(stages), End::WithStages),
        (None, Some(rate), Some(hold)) => (Load::Arrivals { rate, hold: positive("hold", hold)? }, end),
        _ => {
            let most = if typed.find_knee == Some(Axis::Allocations) { MAX_ALLOCATIONS } else { 1 };
            let count = typed.allocations.unwrap_or(most);
            (Load::Allocations { count, ramp: typed.ramp.unwrap_or_default() }, end)
        }
    })
}

fn find_knee(load: &LoadArguments, media: &MediaArguments, traffic: &Traffic) -> Result<Option<FindKnee>, Refusal> {
    let Some(axis) = load.find_knee else { return Ok(None) };
    if matches!(traffic, Traffic::Profile(Profile::Flood, _)) {
        return refuse("--find-knee: a flood offers all that goes; say what to offer with --profile or --pps");
    }
    let limit = match (axis, traffic) {
        (Axis::Allocations, _) => load.allocations.unwrap_or(MAX_ALLOCATIONS).into(),
        (Axis::PacketRate, Traffic::Steady { rate, .. }) if media.pps.is_some() || media.interval.is_some() => {
            (rate.per_second() as u64).max(1)
        }
        (Axis::PacketRate, _) if media.profile.is_some() || media.bitrate.is_some() || media.replay.is_some() => {
            return refuse(
                "--find-knee=pps searches the packet rate itself; only --size and --pps, its limit, go with it",
            );
        }
        (Axis::PacketRate, _) => MAX_PACKET_RATE,
    };
    Ok(Some(FindKnee { axis, limit, settle: load.settle.unwrap_or(DEFAULT_SETTLE) }))
}

fn traffic(typed: &MediaArguments) -> Result<Traffic, Refusal> {
    if let Some(file) = &typed.replay {
        return Ok(Traffic::Replay(file.clone()));
    }
    if let Some(profile) = typed.profile {
        if typed.bitrate.is_some() && !matches!(profile, Profile::Video | Profile::Av) {
            return refuse("--bitrate is the target of --profile video and av; other profiles have none");
        }
        return Ok(Traffic::Profile(profile, typed.bitrate));
    }
    let interval = typed.interval.map(|millis| Duration::from_millis(millis.into()));
    let rate = typed.pps.or_else(|| interval.and_then(Rate::every));
    Ok(match (rate, typed.bitrate, typed.size) {
        (None, None, None) => Traffic::Profile(Profile::Audio, None),
        (Some(_), Some(_), Some(_)) => {
            return refuse("two of rate (--pps, -z), --bitrate and --size give the third; all three contradict");
        }
        (Some(rate), Some(bitrate), None) => {
            let bits = bitrate.bits_per_second() as f64 / rate.per_second();
            if !(96.0..=MAX_PACKET_BITS).contains(&bits) {
                return refuse(format!("--bitrate and the packet rate give packets of {:.0} bytes", bits / 8.0));
            }
            Traffic::Sized { rate, bitrate }
        }
        (None, Some(bitrate), size) => Traffic::Filled { bitrate, size: size.unwrap_or(FULL_SIZE) },
        (rate, None, size) => {
            let Some(rate) = rate.or_else(|| Rate::every(DEFAULT_INTERVAL)) else {
                return refuse("-z: no interval");
            };
            Traffic::Steady { rate, size: size.unwrap_or(DEFAULT_SIZE) }
        }
    })
}

/// A packet goes in one datagram to the server, with a header in front, and in one to the peer.
fn fits(traffic: &Traffic, wire: Wire, in_indications: bool) -> Result<(), Refusal> {
    let header = match (in_indications, wire.is_stream()) {
        (true, _) => INDICATION_HEADER,
        (false, true) => 0,
        (false, false) => CHANNEL_HEADER,
    };
    let size = match traffic {
        Traffic::Steady { size, .. } | Traffic::Filled { size, .. } => f64::from(*size),
        Traffic::Sized { rate, bitrate } => bitrate.bits_per_second() as f64 / rate.per_second() / 8.0,
        Traffic::Profile(..) | Traffic::Replay(_) => return Ok(()),
    };
    let most = if wire == Wire::Dtls { MAX_RECORD } else { MAX_DATAGRAM } - header;
    if size > f64::from(most) {
        return refuse(format!(
            "packets of {size:.0} bytes: {most} are the most that a datagram holds beside its header"
        ));
    }
    Ok(())
}

/// The way there is timed where both ends share a clock and nothing is sent back, the way there and back elsewhere.
fn is_measured(threshold: &Threshold, peer: &Peer) -> Result<(), Refusal> {
    match (&threshold.figure, peer) {
        (Figure::Quantile("media.one_way_ms", _), Peer::Embedded { .. } | Peer::At(_)) => {
            refuse(format!("--threshold {threshold}: it is measured with --pairs only; say media.rtt_ms"))
        }
        (Figure::Quantile("media.rtt_ms", _), Peer::Pairs) => refuse(format!(
            "--threshold {threshold}: with --pairs nothing is sent back and only one way is measured; say media.one_way_ms"
        )),
        _ => Ok(()),
    }
}

fn peer(typed: &MediaArguments) -> Result<Peer, Refusal> {
    if typed.pairs {
        return Ok(Peer::Pairs);
    }
    if let Some(host) = &typed.peer_address {
        return Ok(Peer::At(HostPort { host: host.clone(), port: typed.peer_port.unwrap_or(DEFAULT_PEER_PORT) }));
    }
    match &typed.peer {
        Some(PeerArgument::At(_)) if typed.peer_bind.is_some() => {
            refuse("--peer-bind is where the embedded peer listens; --peer names another one")
        }
        Some(PeerArgument::At(place)) => Ok(Peer::At(place.clone())),
        Some(PeerArgument::Embedded) | None => Ok(Peer::Embedded { bind: typed.peer_bind }),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
