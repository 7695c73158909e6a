//! The verdict of a strict reader: what a browser would say of a description.
//!
//! In: the text of a description. Out: the parts that a browser would pass over, or why it would refuse the whole.
//! Never: a source of facts. A description that is refused here has been read by [`super::SessionDescription`] all
//! the same, and what a browser passes over is still in it.

use std::panic::catch_unwind;

/// Limits on what is judged, because the strict reader takes time that grows with the square of the number of lines
/// and, in a few attributes, with the square of the length of a line.
const MAX_BYTES: usize = 256 * 1024;
const MAX_LINES: usize = 4096;
const MAX_LINE_BYTES: usize = 8192;

/// `Ok` with one sentence for each line that would be ignored, or `Err` with the sentence that refuses the
/// description. Browsers differ; this one is the reader of Firefox.
pub fn strict(text: &str) -> Result<Vec<String>, String> {
    let too_large = text.len() > MAX_BYTES
        || text.lines().count() > MAX_LINES
        || text.lines().any(|line| line.len() > MAX_LINE_BYTES);
    if too_large {
        return Err("larger than what is judged".to_owned());
    }
    // No input is known that makes it panic, but it indexes what it has split, and it is not our code: a fault there
    // must not end the analysis.
    let judged = catch_unwind(|| match webrtc_sdp::parse_sdp(text, false) {
        Ok(session) => Ok(session.warnings.iter().map(ToString::to_string).collect()),
        Err(error) => Err(error.to_string()),
    });
    judged.unwrap_or_else(|_| Err("the strict reader failed on it".to_owned()))
}
