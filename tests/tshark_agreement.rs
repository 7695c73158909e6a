//! The `tshark` object of each RTP stream is what `tshark -q -z rtp,streams` prints, to the last printed digit.
//!
//! Two ways of asking: by itself tshark shows the streams that some signalling announced, and each of these has to be
//! in our report with the same figures. With its heuristic it also guesses, differently from us: there the streams that
//! both see are compared.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test without the standard harness; a panic is its verdict")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Program, Value, announce_skip, captures_under, conclude, root, shared_or_skip, skipped, tool_or_skip, trial,
};

/// The version whose figures our definitions describe.
const TSHARK: &str = "4.0.17";

/// Files in which we differ from tshark and mean to: path below the corpus or the repository, mode, and why.
/// An entry that is not needed any more fails.
const EXCEPTIONS: &[(&str, Mode, &str)] = &[
    ("captures/damaged-corrupted/input.pcapng", Mode::Default, STOPS_AT_DAMAGE),
    ("captures/damaged-corrupted/input.pcapng", Mode::Heuristic, STOPS_AT_DAMAGE),
    ("calls/x01-formats/snap96.pcapng", Mode::Heuristic, CUT_PADDING),
    ("captures/tunnels/input.pcapng", Mode::Heuristic, ADDS_TUNNELS_UP),
];
const STOPS_AT_DAMAGE: &str = "tshark stops at the first damaged block, we read on behind it";
const CUT_PADDING: &str = "a snap length cuts packets with the padding bit; tshark takes the last byte that is there for the padding count and drops them as malformed";
const ADDS_TUNNELS_UP: &str =
    "the same five-tuple runs bare and in several tunnels; tshark adds them up, for us a tunnel is a path of its own";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Default,
    Heuristic,
}

/// What is compared, and how many digits tshark prints.
const FIELDS: [(&str, i32); 9] = [
    ("packets", 0),
    ("lost", 0),
    ("lost_pct", 1),
    ("min_delta_ms", 3),
    ("mean_delta_ms", 3),
    ("max_delta_ms", 3),
    ("min_jitter_ms", 3),
    ("mean_jitter_ms", 3),
    ("max_jitter_ms", 3),
];

fn main() {
    conclude(trials())
}

fn trials() -> Vec<libtest_mimic::Trial> {
    if !tool_or_skip("tshark", "the comparison with tshark") {
        return vec![skipped("tshark is not installed")];
    }
    let version = Command::new("tshark").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    if !String::from_utf8_lossy(&version).contains(TSHARK) {
        let why = format!("It is described for version {TSHARK} and another one is installed.");
        announce_skip("the comparison with tshark", &why);
        return vec![skipped("tshark is of another version")];
    }
    let mut folders: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
    for (name, file) in files() {
        let folder = name.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned());
        folders.entry(folder).or_default().push((name, file));
    }
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope"));
    let mut trials: Vec<_> = folders
        .into_iter()
        .map(|(folder, files)| {
            let program = program.clone();
            trial(folder, move || files.iter().flat_map(|(name, file)| check(&program, name, file)).collect())
        })
        .collect();
    if shared_or_skip("the comparison with tshark over the corpus").is_none() {
        trials.push(skipped("the corpus is not there"));
    }
    trials
}

/// Name and path of every capture in which tshark sees RTP. The corpus' catalogue says in which it does.
fn files() -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    let named = |files: &mut Vec<(String, PathBuf)>, base: &Path, folder: &str| {
        for file in captures_under(&base.join(folder)) {
            let name = file.strip_prefix(base).expect("it was found below the base").to_string_lossy().into_owned();
            files.push((name, file));
        }
    };
    named(&mut files, &root(), "captures");
    files.retain(|(name, _)| name.contains("/input.pcap"));
    if let Some(shared) = support::shared() {
        named(&mut files, &shared, "calls");
        let mut corpus = Vec::new();
        named(&mut corpus, &shared, "corpus");
        let with_rtp = catalogued_with_rtp(&shared);
        corpus.retain(|(name, _)| name.strip_prefix("corpus/").is_some_and(|name| with_rtp.contains(name)));
        files.append(&mut corpus);
    }
    files
}

fn catalogued_with_rtp(shared: &Path) -> BTreeSet<String> {
    let catalogue = std::fs::read_to_string(shared.join("corpus/catalogue.tsv")).expect("the corpus has a catalogue");
    let mut lines = catalogue.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().expect("the catalogue has a header");
    let column = |name: &str| header.iter().position(|title| *title == name).expect("the catalogue has this column");
    let (file, by_itself, guessed) = (column("file"), column("rtp_streams_default"), column("rtp_streams_heur"));
    let sees = |row: &[&str], column: usize| row.get(column).is_some_and(|count| !matches!(*count, "" | "0"));
    lines.filter(|row| sees(row, by_itself) || sees(row, guessed)).map(|row| row[file].to_owned()).collect()
}

fn check(program: &Program, name: &str, file: &Path) -> Vec<String> {
    let streams = match program.report(file, &[]) {
        Ok(report) => report["rtp_streams"].as_array().cloned().unwrap_or_default(),
        Err(error) => return vec![error],
    };
    let mut complaints = Vec::new();
    for mode in [Mode::Default, Mode::Heuristic] {
        let found = compare(file, &table(file, mode), &streams, mode);
        let exception = EXCEPTIONS.iter().find(|(file, excepted, _)| *file == name && *excepted == mode);
        match exception {
            None => complaints.extend(found.into_iter().map(|complaint| format!("{name} ({mode:?}): {complaint}"))),
            Some((_, _, why)) if found.is_empty() => {
                complaints.push(format!("{name} ({mode:?}): the exception is not needed any more: {why}"));
            }
            Some(_) => {}
        }
    }
    complaints
}

/// A row of tshark's table.
#[derive(Debug, PartialEq)]
struct Row {
    src: String,
    dst: String,
    ssrc: String,
    figures: [f64; 9],
    problem: bool,
}

fn table(file: &Path, mode: Mode) -> Vec<Row> {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-q").arg("-z").arg("rtp,streams").arg("-r").arg(file);
    if mode == Mode::Heuristic {
        command.args(["--enable-heuristic", "rtp_udp"]);
    }
    // A damaged file makes tshark complain and exit with 2, after it has printed what it read.
    let output = command.output().expect("tshark runs");
    String::from_utf8_lossy(&output.stdout).lines().filter_map(row).collect()
}

/// `start end src port dst port ssrc payload… packets lost (pct%) min mean max min mean max [X]`; the payload column may
/// hold blanks, so that the columns are taken from both ends.
fn row(line: &str) -> Option<Row> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let problem = words.last() == Some(&"X");
    if problem {
        words.pop();
    }
    let ssrc = words.iter().position(|word| word.starts_with("0x")).filter(|at| *at == 6)?;
    let figures = words.get(words.len().checked_sub(9).filter(|at| *at > ssrc)?..)?;
    let mut parsed = [0.0; 9];
    for (figure, text) in parsed.iter_mut().zip(figures) {
        *figure = text.trim_matches(['(', ')', '%']).parse().ok()?;
    }
    Some(Row {
        src: endpoint(words[2], words[3]),
        dst: endpoint(words[4], words[5]),
        ssrc: words[ssrc].to_lowercase(),
        figures: parsed,
        problem,
    })
}

fn endpoint(address: &str, port: &str) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

fn compare(file: &Path, rows: &[Row], streams: &[Value], mode: Mode) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in rows {
        let key =
            |stream: &&Value| stream["src"] == *row.src && stream["dst"] == *row.dst && stream["ssrc"] == *row.ssrc;
        // One row may be several streams of ours, which keep what came through a tunnel or TURN apart.
        let differing: Vec<Vec<String>> = streams.iter().filter(key).map(|stream| differing(row, stream)).collect();
        let title = format!("{} -> {} {}", row.src, row.dst, row.ssrc);
        match differing.iter().min_by_key(|fields| fields.len()) {
            None if mode == Mode::Default => {
                complaints.push(format!("{title}: tshark shows {} packets, we nothing", row.figures[0]))
            }
            None => {}
            Some(fields) if fields.is_empty() => {}
            Some(_) if mode == Mode::Heuristic && left_to_others(file, row, streams.iter().filter(key)) => {}
            Some(fields) => complaints.push(format!("{title}: {}", fields.join(", "))),
        }
    }
    complaints
}

/// True where tshark's heuristic did not get to see all packets of the stream: STUN or another dissector had taken the
/// five-tuple or the packet (`RX`, `AFS`) before it, and exactly the packets that it lacks are shown as something else.
/// Its figures are then those of another set of packets.
fn left_to_others<'v>(file: &Path, row: &Row, mut streams: impl Iterator<Item = &'v Value>) -> bool {
    let digits: Vec<String> = (2..10).step_by(2).filter_map(|at| row.ssrc.get(at..at + 2)).map(str::to_owned).collect();
    let (src, src_port) = row.src.rsplit_once(':').expect("an endpoint has a port");
    let (dst, dst_port) = row.dst.rsplit_once(':').expect("an endpoint has a port");
    let address = |side: &str, text: &str| {
        let version = if text.starts_with('[') { "ipv6" } else { "ip" };
        format!("{version}.{side} == {}", text.trim_matches(['[', ']']))
    };
    let filter = format!(
        "!rtp && !icmp && !icmpv6 && {} && {} && udp.srcport == {src_port} && udp.dstport == {dst_port} && udp.payload[8:4] == {}",
        address("src", src),
        address("dst", dst),
        digits.join(":"),
    );
    let mut command = Command::new("tshark");
    command.args(["-n", "--enable-heuristic", "rtp_udp", "-Y", &filter, "-T", "fields", "-e", "frame.number"]);
    let output = command.arg("-r").arg(file).output().expect("tshark runs");
    let taken = String::from_utf8_lossy(&output.stdout).lines().count() as u64;
    let theirs = row.figures[0] as u64;
    taken > 0 && streams.any(|stream| stream["tshark"]["packets"].as_u64() == Some(theirs + taken))
}

fn differing(row: &Row, stream: &Value) -> Vec<String> {
    let ours = &stream["tshark"];
    let mut fields: Vec<String> = FIELDS
        .iter()
        .zip(row.figures)
        .filter(|((name, digits), theirs)| !prints_as(&ours[*name], *theirs, *digits))
        .map(|((name, _), theirs)| format!("{name} is {theirs} in tshark and {} here", ours[*name]))
        .collect();
    if ours["problem"] != row.problem {
        fields.push(format!("problem is {} in tshark and {} here", row.problem, ours["problem"]));
    }
    fields
}

/// True where `ours`, printed with `digits` decimals, is what tshark printed. What does not exist prints as -1.000.
fn prints_as(ours: &Value, theirs: f64, digits: i32) -> bool {
    const ROUNDING: f64 = 1e-6;
    let ours = if ours.is_null() { Some(-1.0) } else { ours.as_f64() };
    ours.is_some_and(|ours| (ours - theirs).abs() <= 0.5 * 10_f64.powi(-digits) + ROUNDING)
}
