//! The interval log of HdrHistogram, format 1.3: what HistogramLogAnalyzer, HistogramLogProcessor and their like read.
//!
//! In: one histogram of microseconds per interval and what it is of. Out: a header, then a line per histogram,
//! compressed (V2 with deflate). Never: a clock; when the run began is told.

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

/// Names the columns; readers skip it.
const LEGEND: &[u8] = b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// Where the histograms of a run go, line by line, so that a run that is cut short leaves a log that reads.
pub struct IntervalLog<W: Write> {
    out: W,
    serializer: V2DeflateSerializer,
}

impl<W: Write> IntervalLog<W> {
    /// Writes the header. `began` is when the run began; interval starts count from there. `about` says what ran where,
    /// on a line of its own.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn begin(mut out: W, began: SystemTime, about: &str) -> io::Result<Self> {
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .add_comment(&format!(
                "[Logged by turnload {}: {}]",
                env!("CARGO_PKG_VERSION"),
                super::number::plain(about)
            ))
            .add_comment("[Values and Interval_Max are microseconds]")
            .with_start_time(began)
            .with_base_time(began)
            .begin_log_with(&mut out, &mut serializer)?;
        out.write_all(LEGEND)?;
        Ok(Self { out, serializer })
    }

    /// Writes one histogram, from `start` after the beginning on. What the log is mainly of has no tag: readers that are
    /// told nothing show those alone. What else there is goes under one (`allocation`).
    ///
    /// # Errors
    /// Those of the writer, and a tag with a comma or a space.
    pub fn interval(
        &mut self,
        tag: Option<&'static str>,
        start: Duration,
        length: Duration,
        micros: &Histogram<u64>,
    ) -> io::Result<()> {
        let no_tag = || io::Error::other("a tag has neither comma nor space");
        let tag = tag.map(|tag| Tag::new(tag).ok_or_else(no_tag)).transpose()?;
        IntervalLogWriterBuilder::new()
            .begin_log_with(&mut self.out, &mut self.serializer)?
            .write_histogram(micros, start, length, tag)
            .map_err(|error| match error {
                IntervalLogWriterError::IoError(error) => error,
                IntervalLogWriterError::SerializeError(error) => io::Error::other(error.to_string()),
            })?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).expect("three digits");
        values.iter().for_each(|value| histogram.record(*value).expect("auto-resize"));
        histogram
    }

    fn log() -> String {
        let mut bytes = Vec::new();
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let mut log = IntervalLog::begin(&mut bytes, began, "turn:127.0.0.1\nseed 7").expect("a header");
        log.interval(None, Duration::ZERO, Duration::from_secs(1), &histogram(&[214, 980, 12_000])).expect("a line");
        log.interval(Some("allocation"), Duration::ZERO, Duration::from_secs(1), &histogram(&[])).expect("a line");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn the_log_begins_with_format_start_and_base_time() {
        let text = log();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "#[Histogram log format version 1.3]");
        assert!(lines[1].ends_with("turn:127.0.0.1 seed 7]"), "{}", lines[1]);
        assert!(text.contains("#[StartTime: 1700000000.250 (seconds since epoch)]"), "{text}");
        assert!(text.contains("#[BaseTime: 1700000000.250 (seconds since epoch)]"), "{text}");
        let first = lines.iter().find(|line| line.starts_with("0.")).expect("an interval");
        assert!(first.starts_with("0.000,1.000,12"), "{first}");
    }

    #[test]
    fn a_reader_gets_back_what_was_recorded() {
        let text = log();
        let intervals: Vec<_> = IntervalLogIterator::new(text.as_bytes())
            .filter_map(|entry| match entry.expect("a line that reads") {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        assert_eq!(intervals.len(), 2);
        assert_eq!(intervals[0].tag(), None);
        assert_eq!(intervals[1].tag().map(|tag| tag.as_str().to_owned()).as_deref(), Some("allocation"));
        assert_eq!(intervals[1].duration(), Duration::from_secs(1));
        let decode = |at: usize| -> Histogram<u64> {
            use base64::Engine;
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(intervals[at].encoded_histogram()).expect("base64");
            Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram")
        };
        assert_eq!(decode(0), histogram(&[214, 980, 12_000]));
        assert!(decode(1).is_empty());
    }
}
