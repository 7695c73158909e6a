//! Offer and answer side by side, and below them what was agreed and what came.
//!
//! In: a session. Out: two columns, section beside section. Never: keys or passwords.

use super::sentence;
use crate::model::snapshot::{Described, Media, MediaRow, SessionDescription, SessionSummary};
use crate::view::text::figures::{count, plural};
use crate::view::text::sessions::{agreed_section, words_of};
use crate::view::text::{Cell, Cut, Ink, Page};
use std::io;

/// Characters of a fingerprint that tell it from others.
const FINGERPRINT: usize = 23;
/// Codecs that are named of a section that was agreed on.
const CODECS: usize = 16;

pub(super) fn write(session: &SessionSummary, width: usize, page: &mut Page<'_>) -> io::Result<()> {
    let (offer, answer) = (session.offer(), session.answer());
    let names = if session.signal.is_declared() { ["Description", "-"] } else { ["Offer", "Answer"] };
    let room = width.saturating_sub(3) / 2;
    let heads = [(names[0], offer), (names[1], answer)].map(|(name, described)| head(name, described));
    beside(&heads[0], &heads[1], room, page)?;
    let parts = |described: Option<&Described>| described.map(|described| sections(&described.sdp)).unwrap_or_default();
    let (ours, theirs) = (parts(offer), parts(answer));
    for at in 0..ours.len().max(theirs.len()) {
        page.line(&[])?;
        let part = |parts: &[Vec<Cell>]| parts.get(at).cloned().unwrap_or_default();
        beside(&part(&ours), &part(&theirs), room, page)?;
    }
    if !session.call.media.is_empty() {
        page.section("Agreed and seen", "")?;
    }
    for row in &session.call.media {
        agreed(row, session.signal.is_declared(), page)?;
    }
    for round in session.call.rounds.iter().filter(|round| !round.changes.is_empty()) {
        let frame = round.offer.map(|frame| format!(" in frame {frame}")).unwrap_or_default();
        sentence("changed", &format!("{}{frame}", round.changes.join("; ")), Ink::Plain, page)?;
    }
    if !session.call.unexpected.is_empty() {
        sentence("unexpected", &session.call.unexpected.join(" "), Ink::Doubtful, page)?;
    }
    Ok(())
}

fn head(name: &str, described: Option<&Described>) -> Vec<Cell> {
    let Some(described) = described else { return vec![Cell::new(format!("{name}: none"), Ink::Faint)] };
    let frame = described.frame.map(|frame| format!(", frame {frame}")).unwrap_or_default();
    let mut lines = vec![Cell::new(format!("{name}{frame}"), Ink::Strong)];
    lines.extend(described.ends.map(|(from, to)| Cell::plain(format!("{from} → {to}"))));
    let complaint = described.strict_error.as_ref();
    lines.extend(complaint.map(|error| Cell::new(format!("a strict reader refuses it: {error}"), Ink::Doubtful)));
    lines
}

/// Lines of one column beside those of the other.
pub(super) fn beside(left: &[Cell], right: &[Cell], room: usize, page: &mut Page<'_>) -> io::Result<()> {
    let empty = Cell::plain("");
    for at in 0..left.len().max(right.len()) {
        let own = left.get(at).unwrap_or(&empty).cut(room, Cut::End);
        let blanks = Cell::plain(" ".repeat(room.saturating_sub(own.width())));
        let other = right.get(at).unwrap_or(&empty).cut(room, Cut::End);
        page.line(&[own, blanks, Cell::new(" │ ", Ink::Faint), other])?;
    }
    Ok(())
}

fn sections(sdp: &SessionDescription) -> Vec<Vec<Cell>> {
    sdp.media.iter().map(|media| section(sdp, media)).collect()
}

fn section(sdp: &SessionDescription, media: &Media) -> Vec<Cell> {
    let attributes = &media.attributes;
    let mid = attributes.mid.as_ref().map(|mid| format!(" mid {mid}")).unwrap_or_default();
    let title = format!("{}{mid} {} {}", media.kind.as_str(), media.protocol.as_str(), sdp.direction(media).as_str());
    let mut lines = vec![Cell::new(title, if media.is_rejected() { Ink::Faint } else { Ink::Strong })];
    let address = sdp.connection(media).map(|connection| connection.address.to_string()).unwrap_or_default();
    let port = media.port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    lines.push(Cell::plain(if media.is_rejected() {
        "  refused".to_owned()
    } else {
        format!("  {address} port {port}")
    }));
    for payload_type in media.payload_types() {
        let codec = media.rtpmap(payload_type).map(|map| {
            let channels = map.channels.map(|channels| format!("/{channels}")).unwrap_or_default();
            format!(" {}/{}{channels}", map.encoding, map.clock_rate)
        });
        let parameters = media.fmtp(payload_type).map(|fmtp| format!(" {}", fmtp.parameters)).unwrap_or_default();
        lines.push(Cell::plain(format!("  {payload_type}{}{parameters}", codec.unwrap_or_default())));
    }
    let ufrag = attributes.ice_ufrag.as_ref().or(sdp.attributes.ice_ufrag.as_ref());
    lines.extend(ufrag.map(|ufrag| Cell::plain(format!("  ice-ufrag {ufrag}"))));
    if !attributes.candidates.is_empty() {
        let number = attributes.candidates.len() as u64;
        lines.push(Cell::plain(format!("  {}", plural(number, "candidate", "candidates"))));
    }
    for fingerprint in sdp.fingerprints(media) {
        let text = fingerprint.to_string();
        let room = fingerprint.hash.len() + 1 + FINGERPRINT;
        lines.push(Cell::plain(format!("  fingerprint {}…", text.get(..room).unwrap_or(&text))));
    }
    let setup = attributes.setup.or(sdp.attributes.setup);
    lines.extend(setup.map(|setup| Cell::plain(format!("  setup {}", setup.as_str()))));
    lines.extend(
        attributes.cryptos.iter().map(|crypto| Cell::plain(format!("  crypto {} {}", crypto.tag, crypto.suite))),
    );
    let flags = [
        (attributes.rtcp_mux, "rtcp-mux"),
        (attributes.rtcp_rsize, "rtcp-rsize"),
        (attributes.bundle_only, "bundle-only"),
    ];
    let flags: Vec<&str> = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    if !flags.is_empty() {
        lines.push(Cell::plain(format!("  {}", flags.join(" "))));
    }
    lines.extend(attributes.sources.iter().map(|source| {
        let cname = source.cname.as_ref().map(|cname| format!(" cname {cname}")).unwrap_or_default();
        Cell::plain(format!("  ssrc 0x{:08x}{cname}", source.ssrc))
    }));
    lines
}

fn agreed(row: &MediaRow, is_declared: bool, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[Cell::new(agreed_section(row, is_declared, CODECS), Ink::Strong)])?;
    if row.agreed.accepted && !row.agreed.is_rtp() {
        let inside = row.agreed.is_dtls();
        let text = if inside { "carried inside DTLS: not seen from outside" } else { "not RTP: not looked for" };
        return sentence("  seen", text, Ink::Faint, page);
    }
    let sides = if is_declared { ["sender", "receiver"] } else { ["offerer", "answerer"] };
    for (at, (who, seen)) in sides.into_iter().zip(&row.seen).enumerate() {
        let was_to = row.agreed.sends.get(at).copied().unwrap_or(false);
        let came = match seen.streams.as_slice() {
            [] if was_to => "was to send, nothing came".to_owned(),
            [] => "was not to send, nothing came".to_owned(),
            streams => format!("{} in {}", count(seen.packets), streams.join(" ")),
        };
        let ink = if seen.differences.is_empty() { Ink::Plain } else { Ink::Doubtful };
        sentence(&format!("  {who}"), &came, ink, page)?;
        for difference in &seen.differences {
            sentence("", &words_of(&difference.kind, who), Ink::Doubtful, page)?;
        }
    }
    Ok(())
}
