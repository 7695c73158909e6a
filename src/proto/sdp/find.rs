//! Descriptions and candidates inside other messages: JSON of home-made signalling, HTTP bodies, WebSocket text.
//!
//! In: any bytes. Out: the first description in them, taken out of its JSON string where it is in one, and trickled
//! candidates. Recognised by what they look like, because no two applications agree on the keys around them.
//! Never: a JSON parser; a message cut in the middle gives what is there.

use super::candidate::Candidate;
use std::borrow::Cow;

/// How deep a JSON string may sit inside JSON strings.
const MAX_ESCAPE_LEVELS: u32 = 4;
/// Bytes in which the first two lines of a description must stand, with all their escapes.
const MAX_BEGINNING: usize = 128;
/// The longest candidate that is read.
const MAX_CANDIDATE: usize = 512;
/// How far around a candidate its `sdpMid` and the like are looked for.
const MEMBER_RANGE: usize = 512;

/// A description found inside a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSdp<'a> {
    /// Offset of its `v=` in the message.
    pub offset: usize,
    /// Offset just behind it in the message, where a search for the next one may go on.
    pub end: usize,
    /// The description with JSON escapes resolved.
    pub text: Cow<'a, [u8]>,
    /// JSON strings around it: 0 for plain text, 1 for a JSON string, 2 for a JSON string in a JSON string.
    pub escape_levels: u32,
}

/// A candidate that came by itself (RFC 8838), as browsers write it in JSON (RTCIceCandidateInit).
#[derive(Clone, Debug, PartialEq)]
pub struct TrickledCandidate {
    /// Offset of `candidate:` in the message.
    pub offset: usize,
    /// The candidate.
    pub candidate: Candidate,
    /// `sdpMid`: the section it belongs to.
    pub mid: Option<String>,
    /// `sdpMLineIndex`: the same by number from 0.
    pub m_line_index: Option<u32>,
    /// `usernameFragment`, else the candidate's own `ufrag`.
    pub ufrag: Option<String>,
}

/// How far around a description the words are that say what it is.
const WORD_RANGE: usize = 256;

/// Whether the words beside a description, `"type":"offer"` or any other use of the words offer, answer and pranswer in
/// quotes, say that it is an offer (RTCSessionDescriptionInit): the nearest before it, else the nearest behind.
pub fn said_to_be_offer(bytes: &[u8], found: &FoundSdp<'_>) -> Option<bool> {
    let before = bytes.get(found.offset.saturating_sub(WORD_RANGE)..found.offset).unwrap_or_default();
    let after = bytes.get(found.end..).unwrap_or_default();
    let after = after.get(..WORD_RANGE).unwrap_or(after);
    let words = |text: &'_ [u8]| -> Vec<bool> {
        let quoted = text.split(|byte| matches!(byte, b'"' | b'\'' | b'\\'));
        let kind = |word: &[u8]| match word {
            _ if word.eq_ignore_ascii_case(b"offer") => Some(true),
            _ if word.eq_ignore_ascii_case(b"answer") || word.eq_ignore_ascii_case(b"pranswer") => Some(false),
            _ => None,
        };
        quoted.filter_map(kind).collect()
    };
    words(before).last().or(words(after).first()).copied()
}

/// True where the bytes begin with a description: after blanks, `v=`, a number, a line end, and another `x=` line.
pub fn looks_like_sdp(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let Some(version) = text.strip_prefix(b"v=").or(text.strip_prefix(b"V=")) else { return false };
    let digits = version.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = version.get(digits..).unwrap_or_default();
    let rest = rest.get(rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..).unwrap_or_default();
    (1..=3).contains(&digits)
        && matches!(rest.first(), Some(b'\r' | b'\n'))
        && matches!(rest.trim_ascii_start(), [letter, b'=', ..] if letter.is_ascii_alphabetic() && !matches!(letter, b'v' | b'V'))
}

/// The first description anywhere in a message, plain or inside JSON strings.
pub fn find_sdp(bytes: &[u8]) -> Option<FoundSdp<'_>> {
    let mut from = 0;
    loop {
        let tail = bytes.get(from..)?;
        let offset = from + tail.iter().position(|byte| matches!(byte, b'v' | b'V'))?;
        if let Some(found) = sdp_at(bytes, offset) {
            return Some(found);
        }
        from = offset + 1;
    }
}

fn sdp_at(bytes: &[u8], offset: usize) -> Option<FoundSdp<'_>> {
    let text = bytes.get(offset..)?;
    let after_version = skip_equals(text.get(1..)?)?.strip_prefix(b"0")?;
    let backslashes = after_version.iter().take_while(|byte| **byte == b'\\').count();
    if backslashes == 0 {
        if !looks_like_sdp(text) {
            return None;
        }
        let length = plain_length(text);
        let text = text.get(..length)?;
        return Some(FoundSdp { offset, end: offset + length, text: Cow::Borrowed(text), escape_levels: 0 });
    }
    // Each string around another doubles the backslashes of its escapes.
    let levels = backslashes.trailing_zeros() + 1;
    if !backslashes.is_power_of_two() || levels > MAX_ESCAPE_LEVELS {
        return None;
    }
    // The beginning is tested first, so that a message of nothing but false beginnings is not copied for each of them.
    let beginning = text.get(..MAX_BEGINNING).unwrap_or(text);
    if !looks_like_sdp(&resolve(beginning.get(..string_length(beginning, backslashes))?, levels)) {
        return None;
    }
    let length = string_length(text, backslashes);
    let unescaped = resolve(text.get(..length)?, levels);
    Some(FoundSdp { offset, end: offset + length, text: Cow::Owned(unescaped), escape_levels: levels })
}

/// `=`, or `\u003d` as some JSON writers put it.
fn skip_equals(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"=") {
        return Some(rest);
    }
    let digits = text.get(text.iter().take_while(|byte| **byte == b'\\').count().max(1)..)?;
    let (escape, rest) = digits.split_at_checked(5)?;
    escape.eq_ignore_ascii_case(b"u003d").then_some(rest)
}

/// Length up to the quote that closes the outermost string: one with fewer backslashes before it than the line ends
/// have, for a quote of the description itself has more.
fn string_length(text: &[u8], backslashes: usize) -> usize {
    let mut run = 0;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'\\' => run += 1,
            b'"' if run < backslashes => return index - run,
            byte if *byte < b' ' => return index,
            _ => run = 0,
        }
    }
    text.len()
}

/// Length up to the end of the last line that has the form `x=`, empty lines between them included.
fn plain_length(text: &[u8]) -> usize {
    let mut position = 0;
    let mut end = 0;
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        let control = |byte: &u8| *byte < b' ' && *byte != b'\t';
        let length = rest.iter().position(control).unwrap_or(rest.len());
        match rest.get(..length).unwrap_or_default().trim_ascii() {
            [] => {}
            [b'v' | b'V', b'=', ..] if position > 0 => break,
            [letter, b'=', ..] if letter.is_ascii_alphabetic() => end = position + length,
            _ => break,
        }
        position += length;
        match text.get(position) {
            Some(b'\r' | b'\n') => position += 1,
            _ => break,
        }
    }
    let line_end = text.get(end..).unwrap_or_default();
    end + if line_end.starts_with(b"\r\n") {
        2
    } else {
        line_end.len().min(1) * usize::from(line_end.starts_with(b"\n"))
    }
}

/// Takes a text out of that many JSON strings.
fn resolve(text: &[u8], levels: u32) -> Vec<u8> {
    (1..levels).fold(unescape(text), |text, _| unescape(&text))
}

/// Resolves the escapes of a JSON string (RFC 8259, section 7); what is no escape stays as it is.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let [escape, tail @ ..] = rest else {
            out.push(b'\\');
            break;
        };
        rest = tail;
        match escape {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'"' | b'\\' | b'/' => out.push(*escape),
            b'u' => match unicode(rest) {
                Some((character, length)) => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = rest.get(length..).unwrap_or_default();
                }
                None => out.extend_from_slice(b"\\u"),
            },
            _ => out.extend_from_slice(&[b'\\', *escape]),
        }
    }
    out
}

/// The character of `XXXX`, or of `XXXX\uYYYY` for a surrogate pair, and how many bytes it took.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = hex4(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    let second = hex4(text.get(4..)?.strip_prefix(b"\\u")?)?;
    char::decode_utf16([first as u16, second as u16]).next()?.ok().map(|character| (character, 10))
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.first_chunk::<4>()?;
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

/// Candidates in a message that do not stand in a description's `a=` line, in order.
pub fn find_candidates(bytes: &[u8]) -> impl Iterator<Item = TrickledCandidate> + '_ {
    const WORD: &[u8] = b"candidate:";
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let tail = bytes.get(from..)?;
            let offset = from + tail.windows(WORD.len()).position(|window| window == WORD)?;
            from = offset + WORD.len();
            let before = bytes.get(..offset).unwrap_or_default();
            if before.ends_with(b"a=") || before.ends_with(b"a\\u003d") || before.ends_with(b"a\\u003D") {
                continue;
            }
            if let Some(found) = candidate_at(bytes, offset) {
                return Some(found);
            }
        }
    })
}

fn candidate_at(bytes: &[u8], offset: usize) -> Option<TrickledCandidate> {
    let text = bytes.get(offset..)?;
    let text = text.get(..MAX_CANDIDATE).unwrap_or(text);
    let stops = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\'' | b'\\' | b'}' | b'<');
    let length = text.iter().position(stops).unwrap_or(text.len());
    let candidate = Candidate::parse(std::str::from_utf8(text.get(..length)?).ok()?)?;
    let object = object_around(bytes, offset);
    let ufrag = member(object, b"usernameFragment").or_else(|| candidate.ufrag.clone());
    Some(TrickledCandidate {
        offset,
        mid: member(object, b"sdpMid"),
        m_line_index: member(object, b"sdpMLineIndex").and_then(|index| index.parse().ok()),
        ufrag,
        candidate,
    })
}

/// From the brace that opens before the candidate to the one that closes behind it.
fn object_around(bytes: &[u8], offset: usize) -> &[u8] {
    let start = offset.saturating_sub(MEMBER_RANGE);
    let before = bytes.get(start..offset).unwrap_or_default();
    let open = before.iter().rposition(|byte| *byte == b'{').unwrap_or(before.len());
    let after = bytes.get(offset..).unwrap_or_default();
    let after = after.get(..MEMBER_RANGE).unwrap_or(after);
    let close = after.iter().position(|byte| *byte == b'}').unwrap_or(after.len());
    bytes.get(start + open..offset + close).unwrap_or_default()
}

/// The value of a string or number member, whatever escapes are around its quotes.
fn member(object: &[u8], name: &[u8]) -> Option<String> {
    let at = object.windows(name.len()).position(|window| window == name)?;
    let rest = object.get(at + name.len()..)?;
    let ornament = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\') || byte.is_ascii_whitespace();
    let colon = rest.iter().position(|byte| !ornament(byte)).filter(|at| rest.get(*at) == Some(&b':'))?;
    let rest = rest.get(colon + 1..)?.trim_ascii_start();
    let quotes = rest.iter().take_while(|byte| matches!(byte, b'"' | b'\'' | b'\\')).count();
    let value = rest.get(quotes..)?;
    let stops = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b',' | b'}') || *byte < b' ';
    let text = std::str::from_utf8(value.get(..value.iter().position(stops).unwrap_or(value.len()))?).ok()?;
    let is_null = quotes == 0 && text.trim_ascii() == "null";
    (!is_null && !text.is_empty()).then(|| text.trim_ascii().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sdp::SessionDescription;

    const PLAIN: &str = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=\"x\" \u{e9}\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

    fn json(text: &str) -> String {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r").replace('\n', "\\n");
        format!("{{\"type\":\"offer\",\"sdp\":\"{escaped}\",\"id\":7}}")
    }

    #[test]
    fn a_description_is_recognised_by_its_first_two_lines() {
        for yes in ["v=0\r\no=", " \r\nv=0\no=- 1", "V=0 \r\n\r\nS=-", "\u{feff}v=0\r\ns=x"] {
            assert!(looks_like_sdp(yes.as_bytes()), "{yes:?}");
        }
        for no in ["", "v=0", "v=0\r\n", "v=0 o=x", "v=\r\no=x", "x=0\r\no=-", "v=0\r\nhello", "v=12345\r\no=-"] {
            assert!(!looks_like_sdp(no.as_bytes()), "{no:?}");
        }
    }

    #[test]
    fn a_plain_description_ends_where_its_lines_end() {
        let body = format!("--b\r\nContent-Type: application/sdp\r\n\r\n{PLAIN}\r\n--b--\r\n");
        let found = find_sdp(body.as_bytes()).unwrap();
        assert_eq!(found.text.as_ref(), PLAIN.as_bytes());
        assert_eq!(&body.as_bytes()[found.end..], b"\r\n--b--\r\n");
        assert_eq!(found.escape_levels, 0);
    }

    #[test]
    fn two_descriptions_in_one_text_are_found_one_after_the_other() {
        let body = format!("{PLAIN}{PLAIN}");
        let first = find_sdp(body.as_bytes()).unwrap();
        assert_eq!(first.text.as_ref(), PLAIN.as_bytes());
        let second = find_sdp(&body.as_bytes()[first.end..]).unwrap();
        assert_eq!(second.text, first.text);
    }

    #[test]
    fn a_description_is_taken_out_of_nested_json_strings() {
        let mut message = PLAIN.to_owned();
        for level in 1..=4 {
            message = json(&message);
            let found = find_sdp(message.as_bytes()).unwrap();
            assert_eq!(found.escape_levels, level);
            assert_eq!(std::str::from_utf8(&found.text).unwrap(), PLAIN, "{level}");
            assert!(message[found.end..].trim_start_matches('\\').starts_with("\","));
        }
        assert_eq!(find_sdp(json(&message).as_bytes()), None);
    }

    #[test]
    fn unicode_escapes_are_resolved() {
        let message = br#"{"sdp":"v\u003d0\r\no\u003D- 1 2 IN IP4 10.0.0.1\u000d\u000as=\ud83d\ude00\u00e9\uZZ\r\n"}"#;
        let found = find_sdp(message).unwrap();
        let text = std::str::from_utf8(&found.text).unwrap();
        assert_eq!(text, "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=\u{1f600}\u{e9}\\uZZ\r\n");
    }

    #[test]
    fn a_message_cut_in_the_middle_gives_what_is_there() {
        let message = json(PLAIN);
        let start = message.find("v=0").unwrap();
        for length in 0..message.len() {
            let found = find_sdp(&message.as_bytes()[..length]);
            assert_eq!(found.is_some(), length >= start + "v=0\\r\\no=".len(), "{length}");
        }
        let cut = &message.as_bytes()[..message.len() / 2];
        assert!(SessionDescription::parse(&find_sdp(cut).unwrap().text).origin.is_some());
    }

    #[test]
    fn words_that_are_no_description_are_passed_over() {
        assert_eq!(find_sdp(b"av=0\\nv=0\\\\\\no=x v=0 v v="), None);
        assert_eq!(find_sdp(&b"v=0\\".repeat(1000)), None);
        assert_eq!(find_sdp(&b"v=0\\r\\\\\\\\no=".repeat(1000)), None);
    }

    #[test]
    fn the_nearest_word_says_whether_a_description_is_an_offer() {
        let said = |before: &str, after: &str| {
            let message = format!("{{{before}\"x\":\"v=0\\r\\no=- 1 2 IN IP4 10.0.0.1\\r\\n\"{after}}}");
            said_to_be_offer(message.as_bytes(), &find_sdp(message.as_bytes()).unwrap())
        };
        assert_eq!(said(r#""type":"offer","#, ""), Some(true));
        assert_eq!(said("", r#","type":"answer""#), Some(false));
        assert_eq!(said(r#""type":"message","jsep":{"type":"pranswer","#, "}"), Some(false));
        assert_eq!(said(r#""answer":null,"Offer":{"#, "}"), Some(true));
        assert_eq!(said(r#""to":"answerer","#, ""), None);
        assert_eq!(said(r#"\"type\":\"answer\","#, ""), Some(false));
    }

    #[test]
    fn trickled_candidates_come_with_their_section() {
        let message =
            br#"[{"candidate":{"candidate":"candidate:1 1 udp 5 10.0.0.1 5000 typ host ufrag Ab","sdpMid":"0",
            "sdpMLineIndex":0}},{"sdpMLineIndex": 1,"sdpMid":null,"usernameFragment":"Zz",
            "candidate":"candidate:2 1 udp 4 x.local 5001 typ host"},{"candidate":""}]"#;
        let found: Vec<_> = find_candidates(message).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].mid.as_deref(), found[0].m_line_index), (Some("0"), Some(0)));
        assert_eq!(found[0].ufrag.as_deref(), Some("Ab"));
        assert_eq!((found[1].mid.as_deref(), found[1].m_line_index), (None, Some(1)));
        assert_eq!(found[1].ufrag.as_deref(), Some("Zz"));
        assert!(found[1].candidate.address.is_mdns());
    }

    #[test]
    fn candidates_in_escaped_json_are_found_and_those_of_a_description_are_not() {
        let message = br#"42["m","{\"candidate\":\"candidate:1 1 udp 5 ::1 5000 typ host\",\"sdpMid\":\"audio\"}"]
            a=candidate:9 1 udp 5 10.0.0.9 9 typ host a\u003dcandidate:9 1 udp 5 10.0.0.9 9 typ host"#;
        let found: Vec<_> = find_candidates(message).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].mid.as_deref(), Some("audio"));
        assert_eq!(found[0].candidate.address.ip(), Some("::1".parse().unwrap()));
    }
}
