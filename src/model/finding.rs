//! Findings: something worth a person's attention, with the frames that prove it.
//!
//! In: nothing. Out: the types. Never: a finding without evidence where frames are what it is about.

use crate::packet::FrameNo;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something is wrong and may be why.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable name.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// One sentence about this case.
    pub summary: String,
    /// What it means in general.
    pub explanation: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// The frames that show it, the first few.
    pub frames: Vec<FrameNo>,
    /// The id of what it is about: a stream, an allocation, a flow.
    pub subject: Option<String>,
    /// How many cases it stands for: more than one where it counts those that are not listed.
    pub cases: u64,
}

impl Finding {
    /// A Wireshark display filter that shows the frames; none without frames.
    pub fn display_filter(&self) -> Option<String> {
        let numbers: Vec<String> = self.frames.iter().map(FrameNo::to_string).collect();
        (!numbers.is_empty()).then(|| format!("frame.number in {{{}}}", numbers.join(",")))
    }
}
