//! `rtcscope live`: a capture that is analysed while it runs.
//!
//! In: [`LiveArguments`]. Out: an exit code; the dashboard where there is a terminal for it, else a line a second, findings as
//! they appear, and the report at the end.
//! Never: a signal that costs the report; a wait for a pipe whose writer says nothing.

mod args;
mod config;
mod dashboard;
mod engine;
mod exposition;
mod reader;
mod watch;

pub use args::{LiveArguments, LiveFormat};
pub(super) use dashboard::{Until, dashboard};
pub(super) use engine::Engine;

use super::args::Format;
use super::examine::{FAILED, INPUT, USAGE};
use super::output::{self, note};
use super::run::fail;
use super::{frames, save, tui};
use crate::model::snapshot::{FrameNo, Snapshot};
use crate::source::Input;
use crate::source::live::network_interfaces;
use crate::time::Timestamp;
use crate::view::live as view;
use crate::view::openmetrics::{CONTENT_TYPE, Metrics};
use crate::view::tui::Selection;
use config::{Origin, Request};
use engine::Ended;
use exposition::Exposition;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use watch::Watch;

/// Between two lines.
const SECOND: Duration = Duration::from_secs(1);
/// How soon a signal is noticed.
const ATTENTION: Duration = Duration::from_millis(50);

/// The word.
pub(super) fn live(arguments: LiveArguments) -> ExitCode {
    if arguments.list_interfaces {
        return list();
    }
    let request = match Request::of(&arguments) {
        Ok(request) => request,
        Err(message) => return fail(USAGE, &message),
    };
    let credentials = match request.turn.clone().with_environment() {
        Ok(credentials) => credentials,
        Err(message) => return fail(USAGE, &message),
    };
    if request.origin == Origin::Pipe && io::stdin().is_terminal() {
        return fail(USAGE, "standard input is a terminal; pipe a capture into it: tcpdump -U -w - | rtcscope live -");
    }
    if let Err(message) = room_for_report(&arguments) {
        return fail(INPUT, &message);
    }
    let mut out = match lines_out(&arguments) {
        Ok(out) => out,
        Err(error) => return fail(INPUT, &format!("the report could not be written: {error}")),
    };
    let for_person = !arguments.no_tui && arguments.format == LiveFormat::Text && tui::has_screen();
    let interrupt = match if for_person { Ok(Arc::default()) } else { interrupts() } {
        Ok(interrupt) => interrupt,
        Err(error) => return fail(INPUT, &format!("signals cannot be caught: {error}")),
    };
    let exposition = match request.prometheus.map(Exposition::listen).transpose() {
        Ok(exposition) => exposition,
        Err(error) => {
            let address = request.prometheus.map(|address| address.to_string()).unwrap_or_default();
            return fail(INPUT, &format!("metrics cannot be served at {address}: {error}"));
        }
    };
    let engine = match Engine::start(&request, credentials, wall_clock(), for_person) {
        Ok(engine) => engine,
        Err(message) => return fail(INPUT, &message),
    };
    if let Some(exposition) = exposition
        && let Err(error) = serve(exposition, &engine, arguments.quiet || for_person)
    {
        return fail(INPUT, &format!("metrics cannot be served: {error}"));
    }
    if for_person {
        return show(&engine, &request, &arguments);
    }
    if !arguments.quiet {
        if engine.filters_late(&request) {
            note("the kernel cannot run this filter here; packets are filtered behind it");
        }
        note(&format!("capturing from {}; Ctrl-C ends with the report", request.origin));
        down(&request).iter().for_each(|name| note(&format!("{name} is down: nothing comes from it until it is up")));
    }
    let (came, told) = watch(&engine, &request, &arguments, &interrupt, out.as_deref_mut());
    let (ended, code) = end(&engine, &request, &arguments, (came, told));
    if request.origin == Origin::Pipe && ended.snapshot.capture.packets == 0 && !ended.errors.is_empty() {
        // As where no file can be read: a report on nothing would be a clean bill of health.
        return code;
    }
    if let Err(error) = report(&ended.snapshot, &arguments, out.as_deref_mut()) {
        return fail(INPUT, &format!("the report could not be written: {error}"));
    }
    // The process ends: to give all of it back piece by piece first would be work for nobody.
    std::mem::forget(ended);
    code
}

/// Ends the capture and tells what there is to tell of it.
fn end(
    engine: &Engine,
    request: &Request,
    arguments: &LiveArguments,
    (came, told): (bool, usize),
) -> (Ended, ExitCode) {
    let ended = engine.finish();
    ended.errors.iter().skip(told).for_each(|error| note(error));
    if !arguments.quiet {
        ended.notes.iter().for_each(|text| note(text));
    }
    let code = match (ended.errors.is_empty(), came || has(&ended.snapshot, request)) {
        (false, _) => INPUT,
        (true, true) => 0,
        (true, false) => FAILED,
    };
    (ended, ExitCode::from(code))
}

/// The dashboard. Behind it there is a report only where a file was named for it.
fn show(engine: &Engine, request: &Request, arguments: &LiveArguments) -> ExitCode {
    let until = Until { duration: request.duration, finding: request.until_finding, end: request.count.is_some() };
    let title = match &request.filter {
        Some(filter) => format!("{}, {}", request.origin, filter.text()),
        None => request.origin.to_string(),
    };
    let mut save = |selection: &Selection| {
        let files = engine.written();
        if files.is_empty() && request.write.is_some() {
            return Err("the file of -w could not be written: its packets are not kept".to_owned());
        }
        if files.is_empty() {
            return Err("the packets are kept only where -w FILE says so".to_owned());
        }
        if !selection.packets.frames.is_empty() && engine.has_lost_files() {
            // They would be other frames, of somebody else's call perhaps.
            return Err("its frames cannot be told any more: the ring has taken files away".to_owned());
        }
        let inputs: Vec<Input> = files.into_iter().map(Input::Path).collect();
        save::packets_of(&inputs, None, (None, None), selection)
    };
    let mut read = |frame: FrameNo| match engine.written().as_slice() {
        [] => Err("the bytes are kept only where -w FILE says so".to_owned()),
        [file] => frames::of_growing(&[Input::Path(file.clone())], frame),
        _ => Err("the files of a ring number their frames anew".to_owned()),
    };
    let at_hangup = |snapshot: &Snapshot| {
        if arguments.output.is_some()
            && let Err(error) = report(snapshot, arguments, None)
        {
            note(&format!("the report could not be written: {error}"));
        }
    };
    let shown = dashboard(engine, &title, &until, (&mut save, &mut read), &at_hangup);
    let came = *shown.as_ref().unwrap_or(&false);
    let (ended, code) = end(engine, request, arguments, (came, 0));
    if let Err(error) = shown {
        return fail(INPUT, &format!("the terminal: {error}"));
    }
    if !arguments.quiet {
        let dropped = ended.snapshot.capture.facts.dropped_by_capture;
        let dropped = dropped.map_or_else(String::new, |dropped| format!(", {dropped} dropped by the kernel"));
        note(&format!("{} packets captured{dropped}", ended.snapshot.capture.packets));
    }
    if arguments.output.is_some()
        && let Err(error) = report(&ended.snapshot, arguments, None)
    {
        return fail(INPUT, &format!("the report could not be written: {error}"));
    }
    std::mem::forget(ended);
    code
}

/// Metrics from now on, of snapshots that are made when somebody asks.
fn serve(exposition: Exposition, engine: &Engine, is_quiet: bool) -> io::Result<()> {
    if !is_quiet {
        note(&format!("metrics at http://{}/metrics", exposition.address()?));
    }
    let onlooker = engine.onlooker();
    let mut metrics = Metrics::default();
    exposition.serve(CONTENT_TYPE, move || metrics.exposition(&onlooker.snapshot()))
}

/// Interfaces that were asked for by name and are down.
fn down(request: &Request) -> Vec<String> {
    let Origin::Interfaces(names) = &request.origin else { return Vec::new() };
    let there = network_interfaces().unwrap_or_default().into_iter();
    there.filter(|one| !one.is_up && names.contains(&one.name)).map(|one| one.name).collect()
}

/// Better told now than when the report is to be written. What is neither a file nor to become one, a FIFO or a device, is left alone.
fn room_for_report(arguments: &LiveArguments) -> Result<(), String> {
    let Some(path) = &arguments.output else { return Ok(()) };
    let told = |error: io::Error| format!("the report could not be written: {}: {error}", path.display());
    match std::fs::metadata(path) {
        Ok(file) if !file.is_file() && !file.is_dir() => Ok(()),
        _ => File::options().append(true).create(true).open(path).map(drop).map_err(told),
    }
}

/// Tells each second what it brought, until something ends the capture. True where the finding came that was waited for, and how many
/// errors were told.
fn watch(
    engine: &Engine,
    request: &Request,
    arguments: &LiveArguments,
    interrupt: &AtomicBool,
    mut out: Option<&mut (dyn Write + 'static)>,
) -> (bool, usize) {
    let mut watch = Watch::default();
    let mut told = 0;
    let began = instant();
    let mut last = began;
    let tells =
        out.is_some() || request.until_finding.is_some() || !arguments.quiet && arguments.format == LiveFormat::Text;
    loop {
        let left = request.duration.map_or(SECOND, |duration| duration.saturating_sub(began.elapsed()));
        let until_line = SECOND.saturating_sub(last.elapsed());
        if engine.wait(left.min(until_line).min(ATTENTION)) || interrupt.load(Relaxed) || left.is_zero() {
            return (false, told);
        }
        if last.elapsed() < SECOND {
            continue;
        }
        let seconds = last.elapsed().as_secs_f64();
        last = instant();
        engine.flush();
        for error in engine.errors().iter().skip(told) {
            note(error);
            told += 1;
        }
        if !tells {
            continue;
        }
        let snapshot = engine.snapshot();
        let second = watch.second(&snapshot, seconds);
        if let Some(out) = out.as_deref_mut() {
            // Who read the lines has gone: there is nobody to tell the rest to.
            if view::ndjson(&second, out).is_err() {
                return (false, told);
            }
        } else if !arguments.quiet && arguments.format == LiveFormat::Text {
            view::lines(&second).iter().for_each(|line| output::progress(line));
        }
        if request.until_finding.is_some_and(|code| second.findings.iter().any(|finding| finding.code == code)) {
            return (true, told);
        }
    }
}

/// Whether the finding that was waited for is there; nothing was waited for: true.
fn has(snapshot: &Snapshot, request: &Request) -> bool {
    request.until_finding.is_none_or(|code| snapshot.findings.iter().any(|finding| finding.code == code))
}

/// Where JSON lines go.
fn lines_out(arguments: &LiveArguments) -> io::Result<Option<Box<dyn Write>>> {
    if arguments.format != LiveFormat::Ndjson {
        return Ok(None);
    }
    Ok(Some(match &arguments.output {
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
        None => Box::new(BufWriter::new(io::stdout())),
    }))
}

fn report(snapshot: &Snapshot, arguments: &LiveArguments, lines: Option<&mut (dyn Write + 'static)>) -> io::Result<()> {
    if let Some(lines) = lines {
        return match view::report(snapshot, lines) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        };
    }
    let format = if arguments.format == LiveFormat::Json { Format::Json } else { Format::Text };
    output::to(arguments.output.as_deref(), &mut |out, terminal| {
        let style = output::style(terminal, arguments.color, arguments.full);
        output::report(snapshot, format, &style, terminal, out)
    })
}

/// `1.eth0 [up, running] 10.0.0.1`
fn list() -> ExitCode {
    let interfaces = match network_interfaces() {
        Ok(interfaces) => interfaces,
        Err(error) => return fail(INPUT, &format!("the interfaces of this machine cannot be listed: {error}")),
    };
    let written = output::to(None, &mut |out, _| {
        for interface in &interfaces {
            let flags =
                [(interface.is_up, "up"), (interface.is_running, "running"), (interface.is_loopback, "loopback")];
            let flags: Vec<&str> = flags.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
            let line = format!("{}.{} [{}] {}", interface.index, interface.name, flags.join(", "), addresses.join(" "));
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out, "any [all of them]")
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(INPUT, &error.to_string()),
    }
}

/// Whoever started this with nohup has SIGHUP ignored.
fn outlives_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal_hook::consts::SIGHUP - 1) & 1 == 1
}

/// SIGINT, SIGTERM and SIGHUP end the capture, and are seen here; a second one ends the program.
fn interrupts() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let hangup = (!outlives_terminal()).then_some(signal_hook::consts::SIGHUP);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM].into_iter().chain(hangup) {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&flag))?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    Ok(flag)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how often a line is printed or a screen drawn is no matter of the capture's clock"
)]
pub(super) fn instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the name of the first file has the time at which it is opened")]
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_parts(i64::try_from(since.as_secs()).unwrap_or(0), since.subsec_nanos().into())
}
