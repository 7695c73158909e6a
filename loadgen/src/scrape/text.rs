//! The text format of Prometheus endpoints, and OpenMetrics as far as it is the same.
//!
//! In: text from anybody. Out: names of families and samples, line by line. Never: a line that is not understood taken
//! for an error of the rest; memory for what is read.

/// What a line says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Line<'t> {
    /// A family is declared; it may have no samples.
    Family(&'t str),
    /// A value.
    Sample(Sample<'t>),
}

/// A series and its value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sample<'t> {
    pub(super) name: &'t str,
    /// What stands between the braces.
    labels: &'t str,
    /// Finite.
    pub(super) value: f64,
}

/// Lines that are understood; the others are left out.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter_map(line)
}

fn line(line: &str) -> Option<Line<'_>> {
    let line = line.trim_start();
    if let Some(comment) = line.strip_prefix('#') {
        let rest = comment.trim_start().strip_prefix("TYPE")?.strip_prefix([' ', '\t'])?;
        return rest.split_whitespace().next().map(Line::Family);
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (name, rest) = line.split_at(line.find(|c| !is_of_name(c)).unwrap_or(line.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            let end = closing_brace(rest)?;
            (rest.get(..end)?, rest.get(end + 1..)?)
        }
        None => ("", rest),
    };
    // A time, and an exemplar in OpenMetrics, may follow.
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some(Line::Sample(Sample { name, labels, value }))
}

/// The brace that is not inside of a label's value.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.bytes().position(|byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            _ if was_escaped => {}
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'}' => return !is_quoted,
            _ => {}
        }
        false
    })
}

impl<'t> Sample<'t> {
    /// The value of a label as it is written, escapes and all; the words that are asked for have none.
    pub(super) fn label(&self, name: &str) -> Option<&'t str> {
        let mut rest = self.labels;
        loop {
            let (known, value) = rest.split_once('=')?;
            let value = value.trim_start().strip_prefix('"')?;
            let mut is_escaped = false;
            let end = value.bytes().position(|byte| {
                let was_escaped = is_escaped;
                is_escaped = byte == b'\\' && !was_escaped;
                byte == b'"' && !was_escaped
            })?;
            if known.trim_matches([' ', '\t', ',']) == name {
                return value.get(..end);
            }
            rest = value.get(end + 1..)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn samples(text: &str) -> Vec<(&str, f64)> {
        lines(text)
            .filter_map(|line| match line {
                Line::Sample(sample) => Some((sample.name, sample.value)),
                Line::Family(_) => None,
            })
            .collect()
    }

    fn label<'t>(text: &'t str, name: &str) -> Option<&'t str> {
        match lines(text).next() {
            Some(Line::Sample(sample)) => sample.label(name),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_labels_a_value_and_a_time_are_told_apart() {
        let text = "# HELP a b\n# TYPE a counter\na 1\nb{c=\"d\"} 2.5e3 1395066363000\r\n  e:f { } -7\t\ng_total 3 # {id=\"x\"} 9\n";
        assert_eq!(samples(text), [("a", 1.0), ("b", 2_500.0), ("e:f", -7.0), ("g_total", 3.0)]);
        assert_eq!(lines(text).next(), Some(Line::Family("a")));
    }

    #[test]
    fn a_label_may_hold_braces_quotes_commas_and_equal_signs() {
        let text = r#"a{x="}{,=\"\\",mode="idle", cpu = "0"} 4"#;
        assert_eq!(samples(text), [("a", 4.0)]);
        assert_eq!(label(text, "mode"), Some("idle"));
        assert_eq!(label(text, "cpu"), Some("0"));
        assert_eq!(label(text, "x"), Some(r#"}{,=\"\\"#));
        assert_eq!(label(text, "idle"), None);
    }

    #[test]
    fn lines_that_are_none_are_left_out_and_the_others_are_read() {
        let text =
            "1a 1\n{\"quoted.name\"} 1\na\na{ 1\na{x=\"} 1\na NaN\na +Inf\na 1_0\n<html>\n# TYPE\n# TYPES a b\nb 2\n";
        assert_eq!(samples(text), [("b", 2.0)]);
        assert!(!lines(text).any(|line| matches!(line, Line::Family(_))));
    }

    #[test]
    fn every_cut_of_a_text_is_read_to_its_end() {
        let text = "# TYPE a gauge\na{mode=\"id\\\"le\",x=\"ü\"} 12 5\nb 1\n";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            for line in lines(&text[..end]) {
                if let Line::Sample(sample) = line {
                    sample.label("x");
                }
            }
        }
        assert_eq!(samples(text).len(), 2);
    }

    #[test]
    fn garbage_gives_no_panic() {
        let mut random = Random::new(11);
        let letters: Vec<char> = "{}\"\\=,#TYPE \tabmode09.-+eé\r\n".chars().collect();
        for _ in 0..3_000 {
            let text: String = (0..60).map(|_| letters[random.below(letters.len() as u64) as usize]).collect();
            for line in lines(&text) {
                if let Line::Sample(sample) = line {
                    assert!(sample.value.is_finite() && !sample.name.is_empty(), "{text}");
                    sample.label("mode");
                }
            }
        }
    }
}
