//! The capture as a whole.
//!
//! In: the capture's summary and the class counts. Out: a few lines, each with a name before it. Never: a class with
//! count 0.

use super::figures::{UNKNOWN, bytes, count, duration, kbps, plural, utc};
use super::page::{Cell, Ink, Page, words};
use crate::model::snapshot::{CaptureSummary, Class, ClassCounts, FileFacts, Snapshot, Ssrc};
use crate::time::NANOS_PER_SEC;
use std::io;

/// Where the words of a line begin.
const INDENT: usize = 11;

pub(in crate::view) fn write(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let capture = &snapshot.capture;
    let files = &capture.facts.files;
    let shown = page.shown(files.len());
    for file in files.iter().take(shown) {
        page.wrapped(name("File"), INDENT, " ", &file_words(file, files.len() > 1))?;
    }
    page.more(files.len(), shown)?;
    entry(page, "Packets", &totals(capture))?;
    if let (Some(first), Some(last)) = (capture.first_ts, capture.last_ts) {
        let (from, to) = (utc(first), utc(last));
        let same_day = from.get(..10).filter(|day| to.starts_with(day)).is_some();
        let to = if same_day { to.get(11..).unwrap_or_default() } else { &to };
        entry(page, "Time", &format!("{from} to {to} UTC"))?;
    }
    let classes = classes(&snapshot.packets);
    if !classes.is_empty() {
        page.wrapped(name("Classes"), INDENT, " · ", &classes)?;
    }
    others(snapshot, page)?;
    losses(capture, page)
}

fn name(word: &str) -> Cell {
    Cell::new(word, Ink::Faint)
}

fn entry(page: &mut Page<'_>, word: &str, text: &str) -> io::Result<()> {
    page.wrapped(name(word), INDENT, " ", &words(text, Ink::Plain))
}

fn file_words(file: &FileFacts, with_packets: bool) -> Vec<Cell> {
    // A name with blanks in it stays one word.
    let mut all = vec![Cell::new(&file.name, Ink::Strong)];
    let links = if file.link_types.is_empty() { UNKNOWN.to_owned() } else { file.link_types.join(", ") };
    let packets = if with_packets { format!(", {}", plural(file.packets, "packet", "packets")) } else { String::new() };
    all.extend(words(&format!("({}, {links}{packets})", file.format), Ink::Plain));
    all.extend(words(&damage(file), Ink::Doubtful));
    all
}

/// How many places; where they are is said among the findings.
fn damage(file: &FileFacts) -> String {
    let places = file.damaged_places.saturating_sub(u64::from(file.truncated));
    let damaged = (places > 0).then(|| format!("damaged in {}", plural(places, "place", "places")));
    let cut = file.truncated.then(|| "cut short at its end".to_owned());
    damaged.into_iter().chain(cut).collect::<Vec<_>>().join(", ")
}

fn totals(capture: &CaptureSummary) -> String {
    let mut text = format!("{}, {}", count(capture.packets), bytes(capture.bytes));
    if let (Some(first), Some(last)) = (capture.first_ts, capture.last_ts) {
        let nanos = last.nanos_since(first);
        if nanos != 0 {
            text += &format!(" in {}", duration(nanos));
        }
        // Some packets within milliseconds have a rate that no second ever had.
        if nanos >= NANOS_PER_SEC {
            text += &format!(", {} kbit/s", kbps(Some(capture.bytes as f64 * 8e9 / nanos as f64)));
        }
    }
    if capture.inner_datagrams > 0 {
        text += &format!("; {} inside others", plural(capture.inner_datagrams, "datagram", "datagrams"));
    }
    text
}

fn classes(counts: &ClassCounts) -> Vec<Cell> {
    let present = counts.iter().filter(|(_, number)| *number > 0);
    present
        .map(|(class, number)| Cell::new(format!("{} {}", class_name(class), count(number)), class_ink(class)))
        .collect()
}

/// As people write it.
pub(in crate::view) const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Stun => "STUN",
        Class::TurnChannel => "TURN ChannelData",
        Class::TurnIndication => "TURN indications",
        Class::Dtls => "DTLS",
        Class::Rtp => "RTP",
        Class::Rtcp => "RTCP",
        Class::Srtp => "SRTP",
        Class::Srtcp => "SRTCP",
        Class::Zrtp => "ZRTP",
        Class::Quic => "QUIC",
        Class::Sip => "SIP",
        Class::Rtsp => "RTSP",
        Class::Http => "HTTP",
        Class::Websocket => "WebSocket",
        Class::Tls => "TLS",
        Class::Other => "other",
        Class::Malformed => "malformed",
    }
}

pub(super) const fn class_ink(class: Class) -> Ink {
    match class {
        Class::Malformed => Ink::Doubtful,
        Class::Other => Ink::Faint,
        _ => Ink::Plain,
    }
}

/// Why packets are nothing that is known here, the most frequent reasons first.
fn others(snapshot: &Snapshot, page: &mut Page<'_>) -> io::Result<()> {
    let mut reasons: Vec<(&String, &u64)> = snapshot.other.iter().filter(|(_, number)| **number > 0).collect();
    if reasons.is_empty() {
        return Ok(());
    }
    reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let shown = page.shown_of(reasons.len(), 6);
    let mut items: Vec<Cell> = reasons
        .iter()
        .take(shown)
        .map(|(reason, number)| Cell::new(format!("{reason} {}", count(**number)), Ink::Faint))
        .collect();
    if shown < reasons.len() {
        items.push(Cell::new(plural((reasons.len() - shown) as u64, "more reason", "more reasons"), Ink::Faint));
    }
    page.wrapped(name("Other"), INDENT, " · ", &items)
}

/// What is not in the figures, and what that is worth to know.
fn losses(capture: &CaptureSummary, page: &mut Page<'_>) -> io::Result<()> {
    if let Some(dropped) = capture.facts.dropped_by_capture {
        let ink = if dropped > 0 { Ink::Bad } else { Ink::Plain };
        let text = format!("{} by the capturing machine", plural(dropped, "packet", "packets"));
        page.wrapped(name("Dropped"), INDENT, " ", &words(&text, ink))?;
    }
    let fragments = &capture.fragments;
    if fragments.fragments > 0 {
        let incomplete = fragments.expired + fragments.evicted + fragments.held;
        let text = format!(
            "{} of IP, {} put together, {} left incomplete",
            count(fragments.fragments),
            plural(fragments.reassembled, "datagram", "datagrams"),
            count(incomplete)
        );
        entry(page, "Fragments", &text)?;
    }
    if capture.duplicates_removed > 0 {
        let copies = plural(capture.duplicates_removed, "packet", "packets");
        entry(page, "Copies", &format!("{copies} that the capture made, each counted once"))?;
    }
    limits_of_the_user(capture, page)?;
    forgotten(capture, page)?;
    for (table, number) in capture.limits.iter().filter(|(_, number)| **number > 0) {
        let text = format!("{} {}, for the bound of a table", count(*number), table.replace('_', " "));
        page.wrapped(name("Left out"), INDENT, " ", &words(&text, Ink::Doubtful))?;
    }
    Ok(())
}

/// What a live capture let go: the counts have it, the tables have it not.
fn forgotten(capture: &CaptureSummary, page: &mut Page<'_>) -> io::Result<()> {
    let left = &capture.forgotten;
    if left.is_nothing() {
        return Ok(());
    }
    let text = format!(
        "{}, {}, {} that had been quiet: counted, no longer listed",
        plural(left.flows, "flow", "flows"),
        plural(left.streams, "stream", "streams"),
        plural(left.sessions, "session", "sessions")
    );
    entry(page, "Forgotten", &text)
}

/// What the user left out, so that nobody takes the rest for the whole.
fn limits_of_the_user(capture: &CaptureSummary, page: &mut Page<'_>) -> io::Result<()> {
    let facts = &capture.facts;
    let by_filter = facts.filtered_out.saturating_sub(facts.outside_window);
    if let Some(filter) = &facts.asked.filter {
        let tagged = match facts.filtered_vlan {
            0 => String::new(),
            number => format!(", {} of them with a VLAN tag", count(number)),
        };
        let text = if facts.filtered_uncounted {
            format!("'{filter}' in the kernel, which does not count what it leaves out")
        } else {
            format!("{} left out by '{filter}'{tagged}", plural(by_filter, "packet", "packets"))
        };
        entry(page, "Filter", &text)?;
    }
    if facts.asked.from.is_some() || facts.asked.to.is_some() {
        let from = facts.asked.from.map(|from| format!(" from {}", utc(from))).unwrap_or_default();
        let to = facts.asked.to.map(|to| format!(" until before {}", utc(to))).unwrap_or_default();
        let text = format!("{} left out; only{from}{to} UTC", plural(facts.outside_window, "packet", "packets"));
        entry(page, "Window", &text)?;
    }
    if let Some(only) = &capture.only_ssrcs {
        let wanted: Vec<String> = only.wanted.iter().map(|ssrc| Ssrc(*ssrc).to_string()).collect();
        let text = format!("streams and RTCP only of SSRC {}; all else is of the whole capture", wanted.join(", "));
        entry(page, "Limited", &text)?;
    }
    Ok(())
}
