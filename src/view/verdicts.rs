//! What became of assertions, for a person or for a CI server.
//!
//! In: verdicts, and the name of the file that they stand in. Out: text, or JUnit XML. Never: a control character that comes
//! from the capture, or a time: the same input gives the same bytes.

use super::text::{Cell, Ink, Page, Style};
use crate::check::{Failure, Outcome, Verdict};
use std::io;

/// Failures of an assertion that are listed; the others are counted.
const SHOWN: usize = 10;

/// Writes a line for each assertion, and below it what made it fail.
///
/// # Errors
/// Those of the writer.
pub fn text(verdicts: &[Verdict], file: &str, style: &Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    let (mut held, mut failed, mut skipped) = (0_usize, 0_usize, 0_usize);
    for verdict in verdicts {
        let name = Cell::plain(&verdict.name);
        match &verdict.outcome {
            Outcome::Held(_) => {
                held += 1;
                page.wrapped(Cell::new("ok", Ink::Good), 6, " ", &[name])?;
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                page.wrapped(Cell::new("skip", Ink::Doubtful), 6, " ", &[name])?;
                page.wrapped(Cell::plain(""), 8, " ", &[Cell::new(why, Ink::Faint)])?;
            }
            Outcome::Failed(failures) => {
                failed += 1;
                let place = Cell::new(format!(" {file}:{}", verdict.line), Ink::Faint);
                page.wrapped(Cell::new("FAIL", Ink::Bad), 6, "", &[name, place])?;
                for failure in failures.iter().take(SHOWN) {
                    let names_itself = failure.expression == verdict.name;
                    page.wrapped(Cell::plain(""), 8, " ", &words(failure, !names_itself))?;
                }
                if failures.len() > SHOWN {
                    let more = format!("        and {} more", failures.len() - SHOWN);
                    page.line(&[Cell::new(more, Ink::Faint)])?;
                }
            }
        }
    }
    let ink = if failed > 0 { Ink::Bad } else { Ink::Good };
    let skips = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    page.line(&[Cell::new(format!("{held} of {} hold, {failed} failed{skips}", verdicts.len()), ink)])
}

fn words(failure: &Failure, with_expression: bool) -> Vec<Cell> {
    let mut words = Vec::new();
    if !failure.place.is_empty() {
        words.push(Cell::plain(&failure.place));
    }
    words.push(Cell::new(&failure.found, Ink::Strong));
    if with_expression {
        words.push(Cell::new(format!("— {}", failure.expression), Ink::Faint));
    }
    words
}

/// Writes JUnit XML: one suite, a case for each assertion.
///
/// # Errors
/// Those of the writer.
pub fn junit(verdicts: &[Verdict], file: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let failed = verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Failed(_))).count();
    let skipped = verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Skipped(_))).count();
    let counts = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\"", verdicts.len());
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"rtcscope check\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"{}\" {counts}>", escaped(file))?;
    for verdict in verdicts {
        let (name, line) = (escaped(&verdict.name), verdict.line);
        write!(
            out,
            "    <testcase classname=\"rtcscope.check\" name=\"{name}\" file=\"{}\" line=\"{line}\"",
            escaped(file)
        )?;
        match &verdict.outcome {
            Outcome::Held(_) => writeln!(out, "/>")?,
            Outcome::Skipped(why) => {
                writeln!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(why))?;
            }
            Outcome::Failed(failures) => {
                let first = failures.first().map(line_of).unwrap_or_default();
                writeln!(out, ">\n      <failure type=\"assertion\" message=\"{}\">", escaped(&first))?;
                for failure in failures {
                    writeln!(out, "{}", escaped(&format!("{} -- {}", line_of(failure), failure.expression)))?;
                }
                writeln!(out, "      </failure>\n    </testcase>")?;
            }
        }
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

fn line_of(failure: &Failure) -> String {
    format!("{} {}", failure.place, failure.found).trim().to_owned()
}

/// XML 1.0 has no place for most control characters, not even escaped (section 2.2).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            '\t' => safe.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &str, outcome: Outcome) -> Verdict {
        Verdict { name: name.to_owned(), expressions: vec![name.to_owned()], line: 3, outcome }
    }

    fn some() -> Vec<Verdict> {
        let failure = Failure {
            place: "rtp_streams[2].lost_pct (r3 \u{1b}[2J)".to_owned(),
            found: "is 4.2".to_owned(),
            expression: "lost_pct < 1".to_owned(),
        };
        vec![
            verdict("findings.error == 0", Outcome::Held(1)),
            verdict("loss <of> \"video\" & audio", Outcome::Failed(vec![failure; 12])),
            verdict("later", Outcome::Skipped("not when packets > 100".to_owned())),
        ]
    }

    #[test]
    fn the_text_says_which_failed_and_for_what_value() {
        let mut out = Vec::new();
        text(&some(), "call.toml", &Style { width: Some(60), color: false, full: true }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ok    findings.error == 0");
        assert_eq!(lines[1], "FAIL  loss <of> \"video\" & audio call.toml:3");
        assert!(lines[2].starts_with("        rtp_streams[2].lost_pct (r3 \\u{1b}[2J) is 4.2"), "{text}");
        assert!(text.contains("and 2 more\nskip  later\n        not when packets > 100\n"), "{text}");
        assert_eq!(lines.last(), Some(&"1 of 3 hold, 1 failed, 1 skipped"));
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn junit_is_xml_whatever_the_names_hold() {
        let mut out = Vec::new();
        junit(&some(), "a&b.toml", &mut out).unwrap();
        let xml = String::from_utf8(out).unwrap();
        assert!(
            xml.contains("<testsuite name=\"a&amp;b.toml\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\">")
        );
        assert!(xml.contains("name=\"loss &lt;of&gt; &quot;video&quot; &amp; audio\""), "{xml}");
        assert!(xml.contains("(r3 \u{fffd}[2J) is 4.2 -- lost_pct &lt; 1"), "{xml}");
        assert!(!xml.chars().any(|c| c.is_control() && c != '\n'));
        assert_eq!(xml.matches("<testcase").count(), 3);
        assert_eq!(xml.matches("</testcase>").count(), 2);
    }
}
