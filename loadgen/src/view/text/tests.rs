use super::*;
use crate::knee::{Axis, Capacity};
use crate::view::samples;

fn summary(result: &RunResult) -> String {
    let mut text = Vec::new();
    write(result, &mut text).expect("a vector takes it");
    String::from_utf8(text).expect("text")
}

#[test]
fn a_summary_tells_a_ticket_all_it_needs() {
    let mut result = samples::result();
    result.config = meant(&samples::config(
        "turnload turn:127.0.0.1 -u user -w opensesame --allocations 1000 --ramp 10s --duration 60s",
    ));
    insta::assert_snapshot!("summary", summary(&result));
}

#[test]
fn a_summary_of_a_search_has_the_knee_and_the_curve() {
    let mut result = samples::result();
    result.config = meant(&samples::config(
        "turnload turn:127.0.0.1 --no-auth --find-knee -m 1000 --duration 2s --threshold media.lost_pct<0.1",
    ));
    result.knee = Some(samples::capacity());
    insta::assert_snapshot!("knee", summary(&result));
}

#[test]
fn a_search_that_was_cut_short_says_so_and_of_which_step_the_figures_are() {
    let mut result = samples::result();
    result.knee = Some(Capacity { knee: None, ..samples::capacity() });
    let text = summary(&result);
    assert!(text.contains("Knee           the search for the knee was cut short"), "{text}");
    assert!(text.contains("figures      of the last step, 100 allocations"), "{text}");
}

#[test]
fn a_search_of_the_packet_rate_is_said_in_packets() {
    let mut result = samples::result();
    result.config = meant(&samples::config(
        "turnload turn:127.0.0.1 --no-auth --find-knee=pps -m 10 --size 200 --threshold media.lost_pct<0.1",
    ));
    result.knee = Some(Capacity { axis: Axis::PacketRate, ..samples::capacity() });
    let text = summary(&result);
    for said in [
        "load         search of the packet rate up to 100 kpps, 10 allocations, steps of 10s after 2s",
        "traffic      packets of 200 bytes",
        "figures      of the highest step that was carried, 100 packets a second and stream",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
}

#[test]
fn the_verdict_says_who_gave_up() {
    let mut result = samples::result();
    assert_eq!(
        verdict(&result),
        "the generator kept up; the server, or the way to it, did not carry all of it: 4 of 1,000 allocations failed, \
         0.012 % of the packets were lost; both thresholds hold."
    );
    result.judge(&["media.lost_pct<0.01".parse().expect("a threshold")]);
    assert_eq!(
        verdict(&result),
        "the server, or the way to it, gave up, and not the generator: 1 of 1 thresholds failed (media.lost_pct is 0.012)."
    );
    result.invalid_because.push("sends were up to 312 ms late".to_owned());
    assert!(verdict(&result).starts_with("the generator gave up, and not the server (sends were up to 312 ms late)"));
    result.incomplete = Some("interrupted".to_owned());
    assert_eq!(verdict(&result), "incomplete (interrupted); the figures are those until then.");
}

#[test]
fn a_server_that_refuses_everybody_is_quoted() {
    let mut result = samples::result();
    (result.allocations.succeeded, result.allocations.failed) = (0, 1_000);
    assert_eq!(
        verdict(&result),
        "the server granted none of 1,000 allocations (mostly 486: Allocation Quota Reached)."
    );
}

#[test]
fn a_server_that_carried_nothing_is_told_with_the_cause() {
    let carried = |change: fn(&mut RunResult)| {
        let mut result = samples::result();
        result.thresholds.clear();
        change(&mut result);
        verdict(&result)
    };
    assert_eq!(
        carried(|result| {
            result.allocations.lost = 996;
            (0..996).for_each(|_| result.allocations.later_errors.add("unreachable", "Connection refused"));
        }),
        "the server went away and was not there at the end: 996 of 996 allocations were lost (mostly unreachable: \
         Connection refused)."
    );
    assert_eq!(
        carried(|result| result.allocations.undeleted = 996),
        "the server went away and was not there at the end: nobody answered to the deletion of 996 allocations."
    );
    assert_eq!(
        carried(|result| {
            (result.media, result.allocations.peers_refused) = (Media::default(), 996);
            result.allocations.later_errors.add("403", "ChannelBind: 403 Forbidden IP");
        }),
        "nothing could be sent: the server granted 996 allocations and refused the peer of each (mostly 403: \
         ChannelBind: 403 Forbidden IP)."
    );
    assert_eq!(
        carried(|result| result.media.delivered_packets = 0),
        "the server carried nothing: of 3,000,000 packets not one came back. Does the server reach the peer, and is a \
         peer there?"
    );
    assert_eq!(
        carried(|result| {
            (result.media.delivered_packets, result.media.corrupted, result.media.misdelivered) = (0, 40, 2);
        }),
        "the server carried nothing as it was: of 3,000,000 packets 40 came back changed and 2 at another allocation."
    );
}

#[test]
fn a_threshold_on_what_was_not_measured_is_no_failure_of_the_server() {
    let mut result = samples::result();
    result.media = Media { offered_packets: 9, ..Media::default() };
    result.judge(&["media.rtt_ms.p99<50".parse().expect("a threshold")]);
    assert_eq!(
        verdict(&result),
        "nobody is known to have given up, but what a threshold is for was not measured: media.rtt_ms.p99."
    );
    result.judge(&["media.rtt_ms.p99<50", "media.streams>0"].map(|text| text.parse().expect("a threshold")));
    assert!(verdict(&result).starts_with("the server, or the way to it, gave up"));
}

#[test]
fn upkeep_is_shown_where_there_was_some() {
    let mut result = RunResult::default();
    assert!(!summary(&result).contains("upkeep"));
    (result.allocations.refreshes, result.allocations.stale_nonces) = (12, 1_000);
    assert!(summary(&result).contains("\n  upkeep       12 refreshes, 1,000 stale nonces (438)\n"));
    result.allocations = samples::allocations();
    let all =
        "2,100 requests, 7 sent again, 12 refreshes, 24 renewals of permissions and channels, 36 stale nonces (438)";
    assert!(summary(&result).contains(&format!("\n  upkeep       {all}\n")), "{}", summary(&result));
}

#[test]
fn what_a_full_stream_kept_from_being_sent_is_told() {
    let mut result = samples::result();
    assert!(!summary(&result).contains("blocked"));
    result.media.blocked_packets = 1_200;
    let told = "\n  blocked      1,200 of them never sent, because the server did not read its streams\n";
    assert!(summary(&result).contains(told), "{}", summary(&result));
}

#[test]
fn a_name_as_long_as_its_column_is_parted_from_what_follows() {
    let mut result = samples::result();
    for key in ["unreachable", "a-longer-word"] {
        result.allocations.errors.add(key, "gone");
    }
    result.config = vec![("credentials".to_owned(), "long-term".to_owned())];
    let text = summary(&result);
    assert!(text.contains("  credentials  long-term") && text.contains("  a-longer-word 1  gone"), "{text}");
}

#[test]
fn a_run_without_a_fault_says_that_neither_gave_up() {
    let mut result = RunResult::default();
    assert_eq!(verdict(&result), "nothing was asked of the server.");
    (result.allocations.requested, result.allocations.succeeded) = (1, 1);
    assert!(verdict(&result).contains("no packet was due"), "what was not tried was not carried");
    (result.media.offered_packets, result.media.sent_packets, result.media.delivered_packets) = (9, 9, 9);
    assert_eq!(
        verdict(&result),
        "neither gave up: the server carried all that was offered, and the generator kept up."
    );
}

#[test]
fn a_run_without_media_and_answers_has_a_summary_too() {
    let text = summary(&RunResult::default());
    assert!(text.contains("Media          nothing was sent") && !text.contains("NaN"), "{text}");
}

#[test]
fn no_secret_is_in_what_was_meant_and_nothing_else_is_missing() {
    let meant = |line: &str| {
        let meant = meant(&samples::config(line));
        meant.into_iter().map(|(name, text)| format!("{name}: {text}")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        meant("turnload turns:127.0.0.1 -u a -W opensesame --insecure -y -x -s --stages 1s:2,30s:2 --pps 50"),
        "transport: tls, certificates not verified; credentials: of a shared secret, user a; \
         load: allocations by stages 1s:2,30s:2; traffic: 50 pps of 172 bytes; relay: Send indications, IPv6; \
         peer: another allocation"
    );
}

#[test]
fn a_line_a_second_shows_the_last_interval_and_its_errors() {
    assert_eq!(
        line(&samples::progress(42)),
        "00:42  hold   up 996/1,000  offered 49.8 kpps  delivered 49.8 kpps  lost 0.024 %  \
         RTT p50 0.240 ms p99 1.08 ms  lag 0.310 ms"
    );
    let mut progress = samples::progress(42);
    progress.allocating = 4;
    progress.last.allocations.errors.add("486", "Quota");
    progress.last.allocations.later_errors.add("timeout", "");
    assert!(line(&progress).ends_with("  allocating 4  486 x1  timeout x1"));
}

#[test]
fn a_reason_cannot_break_a_line() {
    let mut result = samples::result();
    result.target = "turn:\u{1b}[31m\nevil".to_owned();
    result.invalid_because.push("two\nlines".to_owned());
    let text = summary(&result);
    assert!(!text.contains('\u{1b}') && text.contains("two lines"), "{text}");
}
