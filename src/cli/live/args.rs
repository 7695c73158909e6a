//! What can be typed behind `live`.
//!
//! In: nothing. Out: the clap types. Never: a value checked beyond its own text; that is `config`'s.

use super::super::args::Color;
use super::super::credentials::TurnArguments;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How a live capture is written where there is no dashboard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LiveFormat {
    /// A line a second on standard error, and the report at the end.
    Text,
    /// The report at the end, as one JSON object, schema rtcscope-report/1.
    Json,
    /// A JSON object for each second and each new finding, and the report as the last one.
    Ndjson,
}

/// Arguments of live.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtcscope live -i eth0 -f 'udp or tcp port 5060'\n  \
    rtcscope live -i eth0 --no-tui\n  \
    rtcscope live -i any --duration 30s --format json > report.json\n  \
    rtcscope live -i eth0 -w ring.pcapng -b filesize:10MB -b files:5\n  \
    ssh HOST tcpdump -U -w - udp | rtcscope live -\n\n\
    Capturing needs CAP_NET_RAW: root, or once `sudo setcap cap_net_raw=ep $(command -v rtcscope)`.\n\n\
    Exit codes: 0 done (--until-finding: it came), 1 --until-finding: it did not come, 2 usage, \
    3 nothing can be captured, the capture broke off, or a file cannot be written.")]
pub struct LiveArguments {
    /// `-` to read a capture from standard input as it comes.
    #[arg(value_name = "-", conflicts_with = "interface")]
    pub input: Option<PathBuf>,
    /// Interface to capture from; may be given several times. `any` is all of them.
    #[arg(short, long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// List the interfaces.
    #[arg(short = 'D', long)]
    pub list_interfaces: bool,
    /// Only packets that match: host, net, port, portrange, udp, tcp, ip, ip6, vlan with and, or, not. The kernel holds back
    /// the others where it can.
    #[arg(short = 'f', long = "filter", value_name = "FILTER")]
    pub filter: Option<String>,
    /// All that the interface brings. Without this and without -f the kernel holds back TCP of protocols that carry no call:
    /// shells (port 22), mail, file shares, databases.
    #[arg(long, conflicts_with = "filter")]
    pub everything: bool,
    /// Also what is addressed to others, where the network brings it here.
    #[arg(short, long)]
    pub promisc: bool,
    /// Bytes of each packet that are kept.
    #[arg(short, long, value_name = "BYTES", default_value_t = 262_144)]
    pub snap_length: u32,
    /// Room for packets that wait for the analysis.
    #[arg(short = 'B', long, value_name = "SIZE", default_value = "64MiB")]
    pub buffer_size: String,
    /// Write what is analyzed to this file as well, as pcapng.
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Go on in another file, as dumpcap does: filesize:10MB, duration:60s, packets:1000; files:5 keeps the latest five.
    #[arg(short = 'b', long = "ring-buffer", value_name = "WHEN:VALUE", requires = "write")]
    pub ring: Vec<String>,
    /// End after this time, the dashboard too.
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// End after this many packets.
    #[arg(short, long, value_name = "N")]
    pub count: Option<u64>,
    /// End as soon as there is a finding with this code, and exit with 1 where it does not come.
    #[arg(long, value_name = "CODE")]
    pub until_finding: Option<String>,
    /// Forget flows, with all that belongs to them, that have been quiet for this long; what they came to stays in the
    /// counts. 0 forgets nothing.
    #[arg(long, value_name = "TIME", default_value = "300s")]
    pub forget_after: String,
    /// Serve metrics as OpenMetrics text at this address, for Prometheus: 9464, or 10.0.0.1:9464. Without a host only this
    /// machine can ask.
    #[arg(long, value_name = "ADDR")]
    pub prometheus: Option<String>,
    /// List only the RTP and RTCP of this SSRC, as with analyze.
    #[arg(long, value_name = "SSRC")]
    pub ssrc: Vec<String>,
    /// Count the copies that a mirror port makes like any other packet.
    #[arg(long)]
    pub keep_duplicates: bool,
    /// Credentials of a TURN server.
    #[command(flatten)]
    pub turn: TurnArguments,
    /// No dashboard: a line a second, findings as they appear, and the report at the end.
    #[arg(long)]
    pub no_tui: bool,
    /// How to write what there is to say.
    #[arg(long, value_enum, default_value_t = LiveFormat::Text)]
    pub format: LiveFormat,
    /// Every row of every table of the report, without a limit.
    #[arg(long)]
    pub full: bool,
    /// When to colour the text.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Write the report (with ndjson: all lines) to this file instead of standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// No lines a second and no notes on standard error; errors are still told.
    #[arg(short, long)]
    pub quiet: bool,
}
