//! A capture to be played again: its RTP streams, dealt out to parts.
//!
//! In: what is meant; where that is a capture, its file. Out: [`Parts`], and what was found in words and figures. Never: a
//! payload kept; more packets in memory than the bound, whatever the file holds.

#![forbid(unsafe_code)]

use crate::config::{RunConfig, Traffic};
use crate::media::Parts;
use crate::result::Replayed;

#[cfg(feature = "replay")]
mod capture;
#[cfg(feature = "replay")]
mod deal;

/// What allocations send, and what is known of the capture that it is from.
pub(crate) type Media = (Parts, Option<Replayed>);

/// What is sent.
///
/// # Errors
/// One sentence: sizes that no packet has; a file that cannot be read, or has no RTP in it.
pub(crate) fn media(config: &RunConfig) -> Result<Media, String> {
    match &config.traffic {
        Traffic::Replay(file) => replayed(file, config),
        traffic => Ok((Parts::of(traffic).map_err(|error| format!("--size, --bitrate, --pps or -z: {error}"))?, None)),
    }
}

#[cfg(feature = "replay")]
fn replayed(file: &std::path::Path, config: &RunConfig) -> Result<Media, String> {
    use crate::config::End;
    use crate::media::Course;
    use std::time::Duration;
    let course = match config.end {
        End::OnceThrough => Course::Once,
        End::Messages(_) => Course::Again,
        End::After(_) | End::WithStages => Course::Spread,
    };
    let said = |error: String| format!("--replay {}: {error}", file.display());
    let (parts, mut facts) = capture::read(file, capture::MAX_PACKETS).map_err(said)?;
    let parts = Parts::replayed(parts, course).ok_or_else(|| said("no RTP stream in it".to_owned()))?;
    facts.length = Duration::from_secs_f64(parts.longest().unwrap_or(0.0));
    Ok((parts, Some(facts)))
}

#[cfg(not(feature = "replay"))]
fn replayed(_: &std::path::Path, _: &RunConfig) -> Result<Media, String> {
    Err("--replay: this turnload was built without the feature `replay`".to_owned())
}
