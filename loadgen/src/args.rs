//! What can be typed.
//!
//! In: nothing. Out: the clap types. Never: a value held against another one, which is [`super::config`]'s; a secret or
//! a URI as a type that clap would repeat in an error.
//!
//! The short letters are those of `turnutils_uclient`, so that its users need not learn new ones.

use crate::knee::Axis;
use crate::quantity::{Bitrate, Rate, duration};
use crate::secret::Secret;
use crate::stages::{MAX_TARGET, Stages};
use crate::threshold::Threshold;
use crate::uri::{Host, HostPort};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What stands below the list of arguments. Lines are short, as a narrow terminal breaks longer ones.
const AFTER_HELP: &str = "\
Examples:
  turnload demo
  turnload turn:127.0.0.1:3478 -u user -m 1000 --ramp 10s --duration 60s
  turnload turns:turn.example.org --secret-file s --stages 30s:2000,5m:2000 \\
    --threshold 'media.lost_pct<0.1' --threshold 'media.rtt_ms.p99<50'
  turnload turn:127.0.0.1 -u user --find-knee --threshold 'media.lost_pct<1'
  turnload check turn:turn.example.org turns:turn.example.org

TIME is 500ms, 30s, 5m, 2h; RATE is 200/s, 50pps; BITRATE is 64kbps, 2mbps.

Secrets are better not typed: TURN_USERNAME, TURN_PASSWORD and TURN_SECRET in
the environment, or files.

Exit codes: 0 done, 1 a threshold does not hold, 2 the command line is wrong,
3 nothing was carried, 4 turnload was the bottleneck, 5 incomplete.";

/// Drive TURN allocations and relayed streams at a server and say what the server can carry.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "turnload",
    version,
    about,
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// What to do; without a word, put a load on a server.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Of the load.
    #[command(flatten)]
    pub run: RunArguments,
}

/// The words.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say whether servers can be reached and relay, over every transport that the URIs name.
    Check(CheckArguments),
    /// Send back what relays deliver: the far end of the media, on a host of its own.
    Peer {
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:3480")]
        bind: SocketAddr,
    },
    /// Put a small load on a server inside the process, to see what it looks like.
    #[cfg(feature = "demo")]
    Demo(DemoArguments),
}

/// Arguments of the demonstration.
#[cfg(feature = "demo")]
#[derive(Clone, Debug, Args)]
pub struct DemoArguments {
    /// Allocations at once.
    #[arg(short = 'm', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub allocations: u32,
    /// How long the load lasts once it is there.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub duration: Duration,
    /// Kind of media.
    #[arg(long, value_enum, default_value_t = Profile::Audio)]
    pub profile: Profile,
    /// Number that everything random follows from, user and password of the server too.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Plain lines instead of the dashboard.
    #[arg(long)]
    pub no_tui: bool,
}

/// Who we are to the server.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Credentials")]
pub struct CredentialArguments {
    /// User name; with a shared secret, what stands behind the expiry. Or TURN_USERNAME.
    #[arg(short = 'u', long, value_name = "NAME")]
    pub user: Option<String>,
    /// Password of the long-term credential. Or TURN_PASSWORD.
    #[arg(short = 'w', long, value_name = "TEXT", value_parser = clap::value_parser!(Secret), allow_hyphen_values = true)]
    pub password: Option<Secret>,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Shared secret of REST credentials: user and password are made of it. Or TURN_SECRET.
    #[arg(short = 'W', long, value_name = "TEXT", value_parser = clap::value_parser!(Secret), allow_hyphen_values = true)]
    pub secret: Option<Secret>,
    /// File whose first line is the shared secret.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// How long REST credentials are valid.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    pub secret_expiry: Duration,
    /// What stands between expiry and user in REST user names.
    #[arg(long, value_name = "CHARACTER", default_value_t = ':')]
    pub secret_separator: char,
    /// The server asks for no credentials.
    #[arg(long)]
    pub no_auth: bool,
}

/// How the server is reached.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transport")]
pub struct TransportArguments {
    /// TCP to the server.
    #[arg(short = 't', long)]
    pub tcp: bool,
    /// TLS to the server with -t or ?transport=tcp, else DTLS.
    #[arg(short = 'S', long)]
    pub secure: bool,
    /// Certificates of authorities to trust, PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Take any certificate.
    #[arg(long, conflicts_with = "ca_file")]
    pub insecure: bool,
    /// Local address to send from; several take turns.
    #[arg(long, value_name = "ADDRESS")]
    pub source_ip: Vec<IpAddr>,
}

/// What relays are asked for.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Allocations")]
pub struct RelayArguments {
    /// IPv6 relays (REQUESTED-ADDRESS-FAMILY).
    #[arg(short = 'x', long)]
    pub ipv6_relay: bool,
    /// TCP relays (RFC 6062).
    #[arg(short = 'T', long, conflicts_with_all = ["send_indications", "dont_fragment", "even_port"])]
    pub tcp_relay: bool,
    /// Send and Data indications instead of channels.
    #[arg(short = 's', long)]
    pub send_indications: bool,
    /// DONT-FRAGMENT in the Allocate request, which a server that does not know it refuses, and in each Send indication;
    /// ChannelData has no place for it.
    #[arg(short = 'g', long)]
    pub dont_fragment: bool,
    /// Allocations in twos: the first on an even port (EVEN-PORT), which reserves the next one for the second
    /// (RESERVATION-TOKEN).
    #[arg(long)]
    pub even_port: bool,
    /// LIFETIME to ask for; the server's default where it is left out.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub lifetime: Option<Duration>,
    /// How long permissions and channels live on this server, where it is not as in RFC 8656 (5m): they are renewed in time.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub permission_lifetime: Option<Duration>,
    /// Leave allocations to expire instead of deleting them.
    #[arg(long)]
    pub abandon: bool,
}

/// How many, and when.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadArguments {
    /// Allocations at once (1).
    #[arg(short = 'm', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TARGET)))]
    pub allocations: Option<u32>,
    /// Time over which they are made (0s: all at once).
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub ramp: Option<Duration>,
    /// How long the load lasts once it is there (1m).
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Packets of each stream, instead of a duration.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// Calls that arrive, whatever became of those before: 200/s.
    #[arg(long, value_name = "RATE", requires = "hold", conflicts_with_all = ["allocations", "ramp", "stages"])]
    pub arrival: Option<Rate>,
    /// How long each of them lasts.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "arrival")]
    pub hold: Option<Duration>,
    /// Allocations over time: 0:0,30s:2000,5m:2000,30s:0.
    #[arg(long, value_name = "TIME:N,…", conflicts_with_all = ["allocations", "ramp", "duration", "messages"])]
    pub stages: Option<Stages>,
    /// Search the load at which a threshold fails: the number of allocations (up to -m), or their packet rate (up to
    /// --pps). --duration is of each step (10s).
    #[arg(
        long, value_enum, value_name = "WHAT", num_args = 0..=1, require_equals = true,
        default_missing_value = "allocations", requires = "threshold",
        conflicts_with_all = ["arrival", "stages", "messages"]
    )]
    pub find_knee: Option<Axis>,
    /// Time that each step of the search may take before it is measured (2s).
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "find_knee")]
    pub settle: Option<Duration>,
    /// Condition on the result, as media.lost_pct<0.1; may be given several times.
    #[arg(long, value_name = "CONDITION")]
    pub threshold: Vec<Threshold>,
    /// Number that everything random follows from.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Kinds of media.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Profile {
    /// Opus, a packet every 20 ms.
    Audio,
    /// The same with discontinuous transmission.
    AudioDtx,
    /// Frames in bursts, with key frames.
    Video,
    /// Both.
    Av,
    /// As fast as it goes.
    Flood,
}

/// What is sent, and where to.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Media")]
pub struct MediaArguments {
    /// Kind of media (audio, where nothing else says what to send).
    #[arg(long, value_enum, conflicts_with_all = ["pps", "interval", "size", "replay"])]
    pub profile: Option<Profile>,
    /// Packets a second, by hand.
    #[arg(long, value_name = "RATE", value_parser = packet_rate)]
    pub pps: Option<Rate>,
    /// Milliseconds between packets, by hand.
    #[arg(short = 'z', long, value_name = "MS", conflicts_with = "pps", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    pub interval: Option<u32>,
    /// Bits a second of a stream: 2mbps. By hand, or the target of --profile video and av.
    #[arg(long, value_name = "BITRATE")]
    pub bitrate: Option<Bitrate>,
    /// Bytes of a packet, RTP header included, by hand.
    #[arg(short = 'l', long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(12..=65_507))]
    pub size: Option<u32>,
    /// Sizes and timing of the RTP streams of this capture: each allocation plays what one five-tuple carries in one
    /// direction. Once through without --duration and -n, else round and round.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pps", "interval", "bitrate", "size"])]
    pub replay: Option<PathBuf>,
    /// Who answers: `embedded`, or HOST:PORT where `turnload peer` runs.
    #[arg(long, value_name = "PEER", conflicts_with_all = ["peer_address", "pairs"])]
    pub peer: Option<PeerArgument>,
    /// Host of the peer.
    #[arg(short = 'e', long, value_name = "HOST", conflicts_with = "pairs")]
    pub peer_address: Option<Host>,
    /// Port of the peer (3480).
    #[arg(short = 'r', long, value_name = "PORT", requires = "peer_address", value_parser = clap::value_parser!(u16).range(1..))]
    pub peer_port: Option<u16>,
    /// Where the embedded peer listens; the server has to reach it.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["peer_address", "pairs"])]
    pub peer_bind: Option<IpAddr>,
    /// Client to client, relay to relay.
    #[arg(short = 'y', long)]
    pub pairs: bool,
}

/// How the result is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Format {
    /// A summary for a person.
    #[default]
    Text,
    /// One JSON object, schema turnload-result/1.
    Json,
    /// The intervals as a table.
    Csv,
}

/// What is seen of the run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArguments {
    /// How to write the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Plain lines instead of the dashboard.
    #[arg(long)]
    pub no_tui: bool,
    /// HdrHistogram interval log of the round trips (with -y of one way), in microseconds.
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<PathBuf>,
    /// Serve metrics for Prometheus there.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub prometheus: Option<SocketAddr>,
    /// Process of the server on this machine, to show its CPU and memory.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub server_pid: Option<u32>,
    /// Prometheus endpoint of the server (coturn) or of its machine (node_exporter), to show CPU, memory and
    /// allocations; what several know is added up.
    #[arg(long, value_name = "URL", value_parser = clap::value_parser!(Secret))]
    pub server_metrics: Vec<Secret>,
    /// Print the plan only.
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of a load.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArguments {
    /// The server: turn:HOST:PORT?transport=udp, turns:HOST.
    #[arg(value_name = "URI")]
    pub uri: Vec<String>,
    /// This public server, or public --peer, may be loaded: its host once more.
    #[arg(long, value_name = "HOST")]
    pub i_am_allowed_to_load: Vec<Host>,
    /// Who we are.
    #[command(flatten)]
    pub credentials: CredentialArguments,
    /// How the server is reached.
    #[command(flatten)]
    pub transport: TransportArguments,
    /// What relays are asked for.
    #[command(flatten)]
    pub relay: RelayArguments,
    /// How many, and when.
    #[command(flatten)]
    pub load: LoadArguments,
    /// What is sent, and where to.
    #[command(flatten)]
    pub media: MediaArguments,
    /// What is seen of it.
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Arguments of a check.
#[derive(Clone, Debug, Args)]
pub struct CheckArguments {
    /// The servers: turn:, turns:, stun:, stuns:.
    #[arg(value_name = "URI")]
    pub uris: Vec<String>,
    /// Who we are.
    #[command(flatten)]
    pub credentials: CredentialArguments,
    /// Endpoint that gives URIs and credentials (username, password, ttl, uris).
    #[arg(long, value_name = "URL", value_parser = clap::value_parser!(Secret))]
    pub credentials_url: Option<Secret>,
    /// Certificates of authorities to trust, PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Take any certificate.
    #[arg(long, conflicts_with = "ca_file")]
    pub insecure: bool,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `embedded` or an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerArgument {
    /// In this process.
    Embedded,
    /// Elsewhere.
    At(HostPort),
}

impl FromStr for PeerArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "embedded" {
            return Ok(PeerArgument::Embedded);
        }
        text.parse().map(PeerArgument::At).map_err(|error| format!("{error}, or embedded"))
    }
}

/// `--pps` is a rate by its name, so that the unit may be left out.
fn packet_rate(text: &str) -> Result<Rate, String> {
    let is_bare = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_bare { format!("{text}pps").parse::<Rate>() } else { text.parse() }.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn run(line: &str) -> RunArguments {
        Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}")).run
    }

    fn refusal(line: &[&str]) -> String {
        Arguments::try_parse_from(line).expect_err("a refusal").to_string()
    }

    #[test]
    fn the_definition_of_the_arguments_has_no_conflict_in_itself() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_letters_of_uclient_mean_what_they_mean_there() {
        let typed = run("turnload -y -m 10 -n 100 -l 170 -z 15 -u user -w pass -t -S -x -s -g turn:127.0.0.1");
        assert_eq!((typed.load.allocations, typed.load.messages), (Some(10), Some(100)));
        assert_eq!((typed.media.size, typed.media.interval, typed.media.pairs), (Some(170), Some(15), true));
        assert_eq!(typed.credentials.user.as_deref(), Some("user"));
        assert_eq!(typed.credentials.password.as_ref().map(Secret::reveal), Some("pass"));
        assert!(typed.transport.tcp && typed.transport.secure);
        assert!(typed.relay.ipv6_relay && typed.relay.send_indications && typed.relay.dont_fragment);
        let elsewhere = run("turnload -e 10.0.0.9 -r 3481 -W secret -T -t turn:127.0.0.1");
        assert_eq!(elsewhere.media.peer_address, "10.0.0.9".parse().ok());
        assert_eq!(elsewhere.media.peer_port, Some(3481));
        assert!(elsewhere.relay.tcp_relay && elsewhere.credentials.secret.is_some());
    }

    #[test]
    fn a_secret_that_begins_with_a_hyphen_is_a_secret() {
        assert_eq!(
            run("turnload turn:h -w -secret").credentials.password.map(|p| p.reveal().to_owned()).as_deref(),
            Some("-secret")
        );
    }

    #[test]
    fn a_password_is_shown_neither_by_debug_nor_in_an_error_about_something_else() {
        let typed = run("turnload turn:h -u user -w opensesame -W opensesame");
        assert!(!format!("{typed:?}").contains("opensesame"));
        assert!(!refusal(&["turnload", "turn:h", "-w", "opensesame", "--ramp", "x"]).contains("opensesame"));
    }

    #[test]
    fn a_unit_may_be_left_out_of_packets_per_second() {
        assert_eq!(run("turnload turn:h --pps 50").media.pps, "50/s".parse().ok());
        assert_eq!(run("turnload turn:h --pps 50/s").media.pps, "50/s".parse().ok());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(refusal(&["turnload", "turn:h", "--arrival", "200/s"]).contains("--hold"));
        assert!(refusal(&["turnload", "turn:h", "--stages", "10s:1", "-m", "5"]).contains("cannot be used with"));
        assert!(refusal(&["turnload", "turn:h", "--find-knee"]).contains("--threshold"));
        assert!(refusal(&["turnload", "turn:h", "-y", "--peer", "embedded"]).contains("cannot be used with"));
        assert!(refusal(&["turnload", "turn:h", "--profile", "audio", "-l", "100"]).contains("cannot be used with"));
    }

    #[test]
    fn a_wrong_value_is_answered_with_a_right_one() {
        assert!(refusal(&["turnload", "turn:h", "--ramp", "10"]).contains("say 500ms, 30s"));
        assert!(refusal(&["turnload", "turn:h", "--threshold", "media.loss<1"]).contains("media.lost_pct"));
        assert!(refusal(&["turnload", "turn:h", "--peer", "10.0.0.9"]).contains("HOST:PORT, or embedded"));
    }
}
