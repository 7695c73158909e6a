//! The status that the program ends with, and what it stands for.
//!
//! In: a result. Out: a number, and how nothing was carried where nothing was. Never: a word for a person.

use super::{Interval, RunResult};

/// All as meant, and all thresholds hold.
pub const EXIT_DONE: u8 = 0;
/// A threshold does not hold.
pub const EXIT_THRESHOLD: u8 = 1;
/// The request cannot be fulfilled.
pub const EXIT_USAGE: u8 = 2;
/// Nothing was carried, or nothing any longer: see [`Downfall`].
pub const EXIT_REFUSED: u8 = 3;
/// The generator was the bottleneck.
pub const EXIT_INVALID: u8 = 4;
/// Interrupted, or a worker was lost.
pub const EXIT_INCOMPLETE: u8 = 5;

/// How it came that nothing was carried, or nothing any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Downfall {
    /// No allocation was granted: the server was unreachable, or refused each.
    NoneGranted,
    /// None of those that were granted was usable at the end, because the server was gone.
    AllLost,
    /// No allocation was given a way to its peer.
    AllPeersRefused,
    /// Of all packets that were sent not one came back.
    NothingBack,
}

impl RunResult {
    /// How nothing was carried; none where something was, or nothing was asked for.
    pub fn downfall(&self) -> Option<Downfall> {
        let Self { allocations, media, .. } = self;
        if allocations.succeeded == 0 {
            return (allocations.failed > 0).then_some(Downfall::NoneGranted);
        }
        // A server that is gone is not always heard of before the allocations are to be deleted.
        if allocations.lost + allocations.undeleted >= allocations.succeeded || self.ends_without_server() {
            return Some(Downfall::AllLost);
        }
        if media.streams == 0 && allocations.peers_refused > 0 {
            return Some(Downfall::AllPeersRefused);
        }
        (media.sent_packets > 0 && media.delivered_packets == 0).then_some(Downfall::NothingBack)
    }

    /// Of calls that come and go most have ended as meant before the server went away; those after it tell.
    fn ends_without_server(&self) -> bool {
        let is_dead = |row: &&Interval| row.up == 0 && row.allocations.succeeded == 0;
        let loaded = self.intervals.iter().rev().filter(|row| row.wanted > 0);
        self.allocations.lost > 0 && loaded.take_while(is_dead).any(|row| row.allocations.failed > 0)
    }

    /// The status that the program ends with: what makes the figures worthless goes before what they say.
    ///
    /// 5 before all: of a run that ended early nobody knows what the rest would have shown. Then 4: a generator that
    /// could not keep up sends too little, waits too briefly, and makes timeouts and loss of its own. Then 3: where
    /// nothing was carried there are no figures that a threshold was meant for. Then 1.
    pub fn exit_code(&self) -> u8 {
        if self.incomplete.is_some() {
            EXIT_INCOMPLETE
        } else if !self.is_valid() {
            EXIT_INVALID
        } else if self.downfall().is_some() {
            EXIT_REFUSED
        } else if self.thresholds.iter().any(|outcome| !outcome.ok) {
            EXIT_THRESHOLD
        } else {
            EXIT_DONE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Allocations, Media};
    use super::*;

    /// Ten allocations that carried their media.
    fn result() -> RunResult {
        let media = Media { streams: 10, sent_packets: 500, delivered_packets: 490, ..Media::default() };
        RunResult { allocations: allocations(10, 0, 0), media, ..RunResult::default() }
    }

    fn allocations(succeeded: u64, failed: u64, lost: u64) -> Allocations {
        Allocations { requested: succeeded + failed, succeeded, failed, lost, ..Allocations::default() }
    }

    fn row(up: u64, succeeded: u64, failed: u64, lost: u64) -> Interval {
        Interval { wanted: 10, up, allocations: allocations(succeeded, failed, lost), ..Interval::default() }
    }

    #[test]
    fn what_makes_the_figures_worthless_goes_before_what_they_say() {
        let mut result = result();
        assert_eq!(result.exit_code(), EXIT_DONE);
        result.judge(&["media.delivered_packets>490".parse().expect("a threshold")]);
        assert_eq!(result.exit_code(), EXIT_THRESHOLD);
        result.allocations = allocations(0, 10, 0);
        assert_eq!(result.exit_code(), EXIT_REFUSED);
        result.invalid_because = vec!["packets left late".into()];
        assert_eq!(result.exit_code(), EXIT_INVALID);
        result.incomplete = Some("interrupted".into());
        assert_eq!(result.exit_code(), EXIT_INCOMPLETE);
    }

    #[test]
    fn some_refusals_some_losses_and_some_refused_peers_are_a_result_and_no_failure() {
        let mut result = result();
        result.allocations = Allocations { peers_refused: 3, undeleted: 2, ..allocations(10, 5, 4) };
        assert_eq!((result.downfall(), result.exit_code()), (None, EXIT_DONE));
    }

    #[test]
    fn nothing_asked_for_is_nothing_refused() {
        assert_eq!(RunResult::default().downfall(), None);
    }

    #[test]
    fn a_server_that_is_gone_at_the_end_carried_nothing_any_longer() {
        let mut result = result();
        result.allocations.lost = 10;
        assert_eq!((result.downfall(), result.exit_code()), (Some(Downfall::AllLost), EXIT_REFUSED));
        result.allocations.lost = 4;
        result.allocations.undeleted = 6;
        assert_eq!(result.downfall(), Some(Downfall::AllLost));
    }

    #[test]
    fn calls_that_come_and_go_tell_a_server_that_is_gone_by_those_after_it() {
        let mut result = result();
        result.allocations = allocations(30, 10, 10);
        result.intervals = vec![row(10, 10, 0, 0), row(10, 20, 0, 0), row(0, 0, 4, 10), row(0, 0, 6, 0)];
        // The drain, in which nothing is wanted.
        result.intervals.push(Interval::default());
        assert_eq!(result.downfall(), Some(Downfall::AllLost));
        // Back again: it has lost ten, and that is a figure.
        result.intervals.push(row(1, 1, 0, 0));
        assert_eq!(result.downfall(), None);
        // Nothing was lost: those after the last call of all had none to lose.
        result.intervals.pop();
        result.allocations.lost = 0;
        assert_eq!(result.downfall(), None);
    }

    #[test]
    fn peers_that_are_all_refused_let_nothing_be_sent() {
        let mut result = result();
        result.media = Media::default();
        assert_eq!(result.downfall(), None);
        result.allocations.peers_refused = 10;
        assert_eq!((result.downfall(), result.exit_code()), (Some(Downfall::AllPeersRefused), EXIT_REFUSED));
    }

    #[test]
    fn the_loss_of_all_packets_is_no_success() {
        let mut result = result();
        result.media.delivered_packets = 0;
        assert_eq!((result.downfall(), result.exit_code()), (Some(Downfall::NothingBack), EXIT_REFUSED));
        result.media.delivered_packets = 1;
        assert_eq!(result.downfall(), None);
    }
}
