//! Whatever the bytes, the program ends: in time, in bounded memory, with exit code 0 and a report or with 3 and a reason,
//! and with the same report for one thread and for four.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test without the standard harness; a panic is its verdict")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{
    Case, Program, Record, Value, captures_under, cases, conclude, shared_or_skip, skipped, trial, write_pcap,
};

#[path = "hostile/floods.rs"]
mod floods;

/// The largest file takes a fraction of this, also in an unoptimised build on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);
/// 3 GiB of address space: what a file claims must never become an allocation.
const ADDRESS_SPACE_KIB: u64 = 3 << 20;
/// Mutations of each of our captures.
const FLIPPED: u64 = 12;
const CUT: u64 = 6;
/// Bytes of a capture that are mutated; what lies behind them is left out, so that a run is short.
const HEAD: usize = 60_000;

fn main() {
    let program = Program::new(env!("CARGO_BIN_EXE_rtcscope")).confined(LIMIT, ADDRESS_SPACE_KIB);
    let mut trials: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            let program = program.clone();
            trial(format!("mutations of {}", case.name), move || mutations(&program, &case))
        })
        .collect();
    trials.extend(floods::FLOODS.iter().map(|(name, packets)| {
        let program = program.clone();
        trial(format!("flood: {name}"), move || flood(&program, name, &packets()))
    }));
    match shared_or_skip("hostile files of the corpus") {
        None => trials.push(skipped("the corpus is not there")),
        Some(shared) => {
            for (folder, files) in by_folder(&shared) {
                let program = program.clone();
                trials.push(trial(folder, move || {
                    files.iter().filter_map(|file| survives(&program, file).err()).collect()
                }));
            }
        }
    }
    conclude(trials)
}

fn by_folder(shared: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut folders: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in captures_under(&shared.join("corpus")) {
        let folder = file.parent().and_then(|folder| folder.strip_prefix(shared).ok()).unwrap_or(Path::new("corpus"));
        folders.entry(folder.to_string_lossy().into_owned()).or_default().push(file);
    }
    folders
}

fn survives(program: &Program, file: &Path) -> Result<(), String> {
    let one = outcome(program, file, "1")?;
    let four = outcome(program, file, "4")?;
    if one == four { Ok(()) } else { Err(format!("{}: one thread and four do not say the same", file.display())) }
}

/// Exit code and stdout of a run that behaved.
fn outcome(program: &Program, file: &Path, threads: &str) -> Result<(Option<i32>, Vec<u8>), String> {
    let arguments: [OsString; 6] =
        ["analyze".into(), file.into(), "--format".into(), "json".into(), "--threads".into(), threads.into()];
    let run = program.run(&arguments);
    let bad = |what: &str| Err(format!("{} with {threads} threads: {what}: {}", file.display(), run.stderr.trim()));
    if run.timed_out {
        return bad("not done in time");
    }
    if run.stderr.contains("panicked at") || run.stderr.contains("memory allocation of") {
        return bad("panicked");
    }
    match run.code {
        Some(0) if !is_report(&run.stdout) => bad("printed no report"),
        Some(0) => Ok((run.code, run.stdout)),
        Some(3) if run.stderr.trim().is_empty() => bad("gave no reason"),
        Some(3) => Ok((run.code, run.stdout)),
        code => bad(&format!("ended with {code:?}")),
    }
}

fn is_report(stdout: &[u8]) -> bool {
    serde_json::from_slice::<Value>(stdout).is_ok_and(|report| report["schema"] == "rtcscope-report/1")
}

fn mutations(program: &Program, case: &Case) -> Vec<String> {
    let mut bytes = std::fs::read(&case.input).expect("the input can be read");
    bytes.truncate(HEAD);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    std::fs::create_dir_all(&folder).expect("a folder for mutations can be made");
    let file = folder.join(format!("{}-{}", case.name, case.input.file_name().expect("a name").to_string_lossy()));
    let mut random =
        SplitMix(case.name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))));
    let mut complaints = Vec::new();
    for round in 0..FLIPPED + CUT {
        let mutant = if round < FLIPPED { flipped(&bytes, &mut random) } else { cut(&bytes, &mut random) };
        std::fs::write(&file, mutant).expect("a mutation can be written");
        if let Err(complaint) = survives(program, &file) {
            let kept = folder.join(format!("failed-{}-{round}", case.name));
            std::fs::copy(&file, &kept).expect("a mutation can be kept");
            complaints.push(format!("round {round}, kept as {}: {complaint}", kept.display()));
        }
    }
    std::fs::remove_file(&file).expect("the last mutation can be removed");
    complaints
}

fn flood(program: &Program, name: &str, packets: &[Record]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floods");
    std::fs::create_dir_all(&folder).expect("a folder for floods can be made");
    let file = folder.join(format!("{}.pcap", name.replace([' ', ','], "-")));
    std::fs::write(&file, write_pcap(packets)).expect("a flood can be written");
    let complaints: Vec<String> = survives(program, &file).err().into_iter().collect();
    if complaints.is_empty() {
        std::fs::remove_file(&file).expect("a flood can be removed");
    }
    complaints
}

/// Between 1 and 512 flipped bits.
fn flipped(bytes: &[u8], random: &mut SplitMix) -> Vec<u8> {
    let mut mutant = bytes.to_vec();
    for _ in 0..1 << random.below(10) {
        mutant[random.below(bytes.len() as u64) as usize] ^= 1 << random.below(8);
    }
    mutant
}

/// A piece out of the middle is gone, and the end.
fn cut(bytes: &[u8], random: &mut SplitMix) -> Vec<u8> {
    let length = bytes.len() as u64;
    let (start, gone, end) = (random.below(length), random.below(300), random.below(length));
    let mut mutant = bytes[..start as usize].to_vec();
    mutant.extend(bytes.iter().skip((start + gone) as usize).take(end as usize));
    mutant
}

/// SplitMix64: small, and the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
