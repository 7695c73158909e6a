//! What can be typed.
//!
//! In: nothing. Out: the clap types. Never: a value checked beyond its own text; that is `config`'s.

use super::credentials::TurnArguments;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Version and commit, for `--version`.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("RTCSCOPE_COMMIT"), ")");

/// Read captures of RTC traffic and explain them.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "rtcscope",
    version = VERSION,
    about,
    long_about = "Reads captures of RTC traffic (STUN, TURN, ICE, DTLS, RTP, RTCP, SDP in SIP) and explains them.\n\n\
        Files are pcap or pcapng, also inside gzip or zstd; `-` is standard input; folders and globs are all captures \
        in them. Several inputs are merged by time. A file that ends in .sdp describes media to expect.",
    after_help = "Examples:\n  rtcscope call.pcapng\n  rtcscope analyze *.pcap.gz --format json | jq '.rtp_streams[] | .lost_pct'\n  \
        ssh host tcpdump -U -w - | rtcscope -\n  rtcscope call.pcap -f 'host 10.0.0.1 and udp' --ssrc 0x1a2b3c4d\n\n\
        Exit codes: 0 done, 1 an assertion of check does not hold (diff --fail-on-worse: B is worse), 2 usage, 3 no input can be read (with --strict: or one is damaged).",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// What to do; without a word, analyze.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// As for analyze.
    #[command(flatten)]
    pub analyze: AnalyzeArguments,
}

/// The words.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Analyze captures and print a report.
    Analyze(Box<AnalyzeArguments>),
    /// Capture from network interfaces, or read a capture from a pipe as it comes, and analyze it meanwhile.
    #[cfg(target_os = "linux")]
    Live(Box<super::live::LiveArguments>),
    /// Hold captures against a file of expectations: for tests that run on their own.
    Check(Box<CheckArguments>),
    /// Draw what happened as a ladder: hosts as columns, signalling, STUN, TURN, DTLS and media as arrows.
    Ladder(Box<LadderArguments>),
    /// Look around in captures: a dashboard on the terminal, with all that the report has.
    Tui(Box<TuiArguments>),
    /// Hold two captures against each other: two points of one path, or two runs of one scenario.
    Diff(Box<DiffArguments>),
    /// Say what a finding means and what to do; without a code, list all findings that there are.
    Explain {
        /// The code of a finding, as a report prints it.
        code: Option<String>,
    },
    /// Print a shell's completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, in roff.
    Man,
}

/// How the report is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Tables for a person, as wide as the terminal; elsewhere as COLUMNS says, or 120 columns.
    Text,
    /// One JSON object, schema rtcscope-report/1.
    Json,
    /// One JSON object per line and row.
    Ndjson,
    /// The RTP streams as a table.
    Csv,
}

/// When to colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is read, and how.
#[derive(Clone, Debug, Args)]
pub struct InputArguments {
    /// Capture files, folders, globs, `-` for standard input, or .sdp files.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Another way to name a capture, as tcpdump and tshark have it.
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    pub read: Vec<PathBuf>,
    /// Which part.
    #[command(flatten)]
    pub selection: SelectionArguments,
}

/// Which part of it counts.
#[derive(Clone, Debug, Args)]
pub struct SelectionArguments {
    /// Only packets that match: host, net, port, portrange, udp, tcp, ip, ip6, vlan with and, or, not.
    #[arg(short = 'f', long = "filter", value_name = "FILTER")]
    pub filter: Option<String>,
    /// List only the RTP and RTCP of this SSRC, hexadecimal with 0x or decimal; may be given several times. Class counts
    /// and flows stay those of the whole capture.
    #[arg(long, value_name = "SSRC")]
    pub ssrc: Vec<String>,
    /// Only packets from this time on: 30s, 1m30s or 1500ms after the first packet, seconds since the epoch as @N, or a
    /// date and time as 2026-11-21T08:00:00.5+01:00, in UTC where it names no offset.
    #[arg(long, value_name = "TIME")]
    pub time_from: Option<String>,
    /// Only packets before this time, said in the same ways.
    #[arg(long, value_name = "TIME")]
    pub time_to: Option<String>,
    /// Count the copies that a mirror port makes like any other packet.
    #[arg(long)]
    pub keep_duplicates: bool,
    /// Credentials of a TURN server.
    #[command(flatten)]
    pub turn: TurnArguments,
    /// Threads to work with, from 1 to 32; the report is the same with any number. Without this, one for each processor
    /// and at most 4.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Exit with 3 where a capture is truncated or damaged.
    #[arg(long)]
    pub strict: bool,
    /// No progress bar and no notes on standard error; errors are still told.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of analyze.
#[derive(Clone, Debug, Args)]
pub struct AnalyzeArguments {
    /// What is read.
    #[command(flatten)]
    pub input: InputArguments,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Every row of every table, without a limit.
    #[arg(long)]
    pub full: bool,
    /// When to colour the text.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Write the report to this file instead of standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How the verdicts are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum VerdictFormat {
    /// A line for each assertion, and the values that made it fail.
    Text,
    /// JUnit XML, as CI servers read it.
    Junit,
}

/// Arguments of check.
#[derive(Clone, Debug, Args)]
#[command(after_help = "A file of expectations:\n  \
    expect = [\n    \"findings.error == 0\",\n    \"rtp_streams[kind=audio].lost_pct < 1\",\n    \
    \"turn.allocations.count == 2\",\n  ]\n\n  \
    [[assert]]\n  name = \"video flows\"\n  for_each = \"rtp_streams[kind=video]\"\n  when = \"packets > 100\"\n  \
    expr = [\"bitrate_bps.mean in 300000..2000000\", \"codec ~ ^(VP8|H264)$\"]\n\n\
    Exit codes: 0 all assertions hold, 1 one does not, 2 usage or a wrong file of expectations, 3 no input can be read.")]
pub struct CheckArguments {
    /// What is read.
    #[command(flatten)]
    pub input: InputArguments,
    /// The file of expectations, TOML.
    #[arg(short, long, value_name = "FILE", required_unless_present = "write")]
    pub expect: Option<PathBuf>,
    /// Write a first file of expectations from what the capture shows: to the file that --expect names, which must not be
    /// there yet, else to standard output.
    #[arg(long, conflicts_with_all = ["format", "output"])]
    pub write: bool,
    /// How to write the verdicts.
    #[arg(long, value_enum, default_value_t = VerdictFormat::Text)]
    pub format: VerdictFormat,
    /// When to colour the text.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Write the verdicts to this file instead of standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of ladder.
#[derive(Clone, Debug, Args)]
pub struct LadderArguments {
    /// What is read.
    #[command(flatten)]
    pub input: InputArguments,
    /// Only this session, by its id in the report (s1, s2, ...), with the flows that belong to it.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Columns to draw on; without this, those of the terminal, elsewhere what COLUMNS says, or 100.
    #[arg(long, value_name = "COLUMNS")]
    pub width: Option<usize>,
    /// Draw with ASCII characters only.
    #[arg(long)]
    pub ascii: bool,
    /// Every event, without a limit.
    #[arg(long)]
    pub full: bool,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Write the ladder to this file instead of standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Arguments of tui.
#[derive(Clone, Debug, Args)]
pub struct TuiArguments {
    /// What is read.
    #[command(flatten)]
    pub input: InputArguments,
    /// Not at once but as the packets came, N times as fast: 1 is their own pace.
    #[arg(long, value_name = "N", value_parser = speed)]
    pub speed: Option<f64>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed >= 0.001 && *speed <= 1e6);
    speed.ok_or_else(|| "a number from 0.001 to 1000000".to_owned())
}

/// What two captures are to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DiffMode {
    /// Two points of one path: the same packets seen twice.
    Path,
    /// Two runs of one scenario.
    Runs,
}

/// How a comparison is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum DiffFormat {
    /// Tables for a person.
    Text,
    /// One JSON object, schema rtcscope-diff/1.
    Json,
}

/// Arguments of diff.
#[derive(Clone, Debug, Args)]
pub struct DiffArguments {
    /// The first capture: a file, a folder or a glob.
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The second one.
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Which part.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// What the two are to each other; without this, the packets tell.
    #[arg(long, value_enum)]
    pub mode: Option<DiffMode>,
    /// Exit with 1 where B is worse; of one path, where packets got lost or came out of order between the points.
    #[arg(long)]
    pub fail_on_worse: bool,
    /// How to write the comparison.
    #[arg(long, value_enum, default_value_t = DiffFormat::Text)]
    pub format: DiffFormat,
    /// Every row of every table, without a limit.
    #[arg(long)]
    pub full: bool,
    /// When to colour the text.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Write the comparison to this file instead of standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
