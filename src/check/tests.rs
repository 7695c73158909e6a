//! What expressions mean, by example.

use super::{Expectations, FileError, Outcome, first_file, judge};
use serde_json::{Value, json};

fn report() -> Value {
    json!({
        "capture": {"packets": 900, "dropped_by_capture": null, "limits": {}},
        "packets": {"stun": 4, "rtp": 800},
        "rtp_streams": [
            {"id": "r1", "ssrc": "0x1A2b3c4d", "kind": "audio", "codec": "opus", "encrypted": true, "packets": 400,
             "lost": 2, "lost_pct": 0.5, "jitter_ms": {"mean": 1.5, "max": 4.0}, "payload_types": [111], "mos": null,
             "loss_runs": {"1": 2}},
            {"id": "r2", "ssrc": "0x00000002", "kind": "audio", "codec": "PCMU", "encrypted": false, "packets": 300,
             "lost": 0, "lost_pct": 0.0, "jitter_ms": {"mean": 0.5, "max": 1.0}, "payload_types": [0, 13], "mos": 4.1,
             "loss_runs": {}},
            {"id": "r3", "ssrc": "0x00000003", "kind": "video", "codec": "VP8", "encrypted": true, "packets": 100,
             "lost": 9, "lost_pct": 8.3, "jitter_ms": {"mean": null, "max": null}, "payload_types": [96], "mos": null,
             "loss_runs": {"3": 3}},
        ],
        "turn": {"allocations": [
            {"id": "t1", "ended": "deleted", "setup_ms": 30.5, "error_code": null, "channels": [{"packets_in": 5}, {"packets_in": 7}]},
            {"id": "t2", "ended": "failed", "setup_ms": null, "error_code": 486, "channels": []},
        ]},
        "dtls": [{"flow": "f1", "version": "1.2", "state": "complete"}],
        "sessions": [{"id": "s1", "state": "ended", "setup_ms": {"total": 700.25}, "first_ts": "1795233672.123456789"}],
        "ice": [],
        "findings": [
            {"code": "TURN_ALLOCATE_QUOTA", "severity": "error", "subject": "t2"},
            {"code": "TURN_ALLOCATE_DENIED", "severity": "error", "subject": "t2"},
            {"code": "CAPTURE_DROPS", "severity": "info", "subject": null},
        ],
    })
}

fn outcome(expression: &str) -> Outcome {
    let file = format!("expect = ['''{expression}''']");
    let expectations = Expectations::parse(&file).unwrap_or_else(|errors| panic!("{expression}: {errors:?}"));
    judge(&expectations, &report()).remove(0).outcome
}

fn failures(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Failed(failures) => {
            failures.iter().map(|failure| format!("{} {}", failure.place, failure.found).trim().to_owned()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_holds_holds() {
    let held = [
        "capture.packets == 900",
        "rtp_streams[kind=audio].lost_pct < 1",
        "rtp_streams[kind=audio].count == 2",
        "count(rtp_streams[kind=audio]) == 2",
        "rtp_streams.count == 3",
        "rtp_streams[0].codec == opus",
        "rtp_streams[-1].codec == VP8",
        "rtp_streams[kind=audio][1].codec == PCMU",
        "rtp_streams[*].packets >= 100",
        "rtp_streams[encrypted].count == 2",
        "rtp_streams[!encrypted].codec == PCMU",
        "rtp_streams[encrypted=true, kind=video].lost == 9",
        "rtp_streams[jitter_ms.max > 2].id == r1",
        "rtp_streams[payload_types=13].id == r2",
        "rtp_streams[ssrc=0x1a2B3C4D].id == r1",
        "rtp_streams[codec~'(?i)^pcm'].id == 'r2'",
        "rtp_streams[kind in [audio, event]].count == 2",
        "rtp_streams.packets.sum == 800",
        "max(rtp_streams.lost_pct) == 8.3",
        "rtp_streams.lost_pct.min == 0",
        "mean(rtp_streams[kind=audio].packets) == 350",
        "rtp_streams[kind=audio].jitter_ms.mean < 2",
        "rtp_streams[kind=audio].jitter_ms.mean.max in 1..1.5",
        "rtp_streams[0].loss_runs.1 == 2",
        "rtp_streams[0].loss_runs.'1' == 2",
        "any rtp_streams.lost_pct > 5",
        "none rtp_streams.lost_pct > 10",
        "optional rtp_streams[kind=text].lost_pct < 1",
        "rtp_streams[kind=text].count == 0",
        "turn.allocations.count == 2",
        "turn.allocations.channels.count == 2",
        "turn.allocations.channels.packets_in.sum == 12",
        "turn.allocations[error_code!=null].error_code == 486",
        "turn.allocations[0].error_code == null",
        "dtls[0].version == 1.2",
        "dtls.state in [complete, alert]",
        "sessions[0].setup_ms.total < 800",
        "sessions[0].first_ts > 1795233672",
        "findings.error == 2",
        "findings.warning == 0",
        "findings.info == 1",
        "findings.code[TURN_ALLOCATE_QUOTA] == 1",
        "findings.code[TURN_*] == 2",
        "findings.code[TURN_ALLOCATE_QUOTA]",
        "not findings.code[ICE_FAILED]",
        "findings.code ~ ^[A-Z_]+$",
        "findings[severity=error].subject == t2",
        "capture.dropped_by_capture == null",
        "not capture.dropped_by_capture",
        "not capture.limits.flows",
        "rtp_streams[kind=audio]",
        "packets.rtp == $.rtp_streams.packets.sum",
        "ice.count == 0",
    ];
    for expression in held {
        assert!(matches!(outcome(expression), Outcome::Held(_)), "{expression}: {:?}", outcome(expression));
    }
}

#[test]
fn what_fails_says_the_value_and_where_it_stands() {
    let failed = [
        ("rtp_streams.lost_pct < 1", "rtp_streams[2].lost_pct (r3 0x00000003 video VP8) is 8.3"),
        ("rtp_streams[codec=opus].packets > 500", "rtp_streams[0].packets (r1 0x1A2b3c4d audio opus) is 400"),
        ("rtp_streams[kind=text].lost_pct < 1", "nothing in the report matches"),
        ("rtp_streams[7].lost_pct < 1", "nothing in the report matches"),
        ("any rtp_streams[kind=text].lost_pct < 1", "nothing in the report matches"),
        ("capture.dropped_by_capture < 1", "capture.dropped_by_capture is unknown (null)"),
        ("capture.dropped_by_capture != 1", "capture.dropped_by_capture is unknown (null)"),
        ("capture.dropped_by_capture != null", "capture.dropped_by_capture is unknown (null)"),
        ("capture.dropped_by_capture", "capture.dropped_by_capture is unknown (null)"),
        ("none capture.dropped_by_capture > 5", "capture.dropped_by_capture is unknown (null)"),
        ("capture.dropped_by_capture !~ x", "capture.dropped_by_capture is unknown (null)"),
        ("rtp_streams[0].codec < 5", "rtp_streams[0].codec (r1 0x1A2b3c4d audio opus) is \"opus\""),
        ("rtp_streams[0].codec !~ pus", "rtp_streams[0].codec (r1 0x1A2b3c4d audio opus) is \"opus\""),
        ("dtls[0].version == 1.3", "dtls[0].version (f1) is \"1.2\""),
        (
            "max(rtp_streams.jitter_ms.mean) < 9",
            "max of rtp_streams.jitter_ms.mean is unknown: 1 of 3 values are unknown",
        ),
        (
            "rtp_streams[kind=text].lost_pct.max < 1",
            "max of rtp_streams[kind=text].lost_pct is unknown: there is no value",
        ),
        ("findings.error == 0", "count of findings[severity=error] is 2"),
        ("not findings.code[TURN_ALLOCATE_QUOTA]", "count of findings[code=TURN_ALLOCATE_QUOTA] is 1"),
        ("none rtp_streams.lost_pct > 8", "rtp_streams[2].lost_pct (r3 0x00000003 video VP8) is 8.3"),
        ("ice[0]", "nothing in the report matches"),
    ];
    for (expression, expected) in failed {
        assert_eq!(failures(outcome(expression)), [expected], "{expression}");
    }
    assert_eq!(failures(outcome("any rtp_streams.lost_pct > 10")).len(), 3);
}

#[test]
fn a_key_that_the_report_does_not_have_never_passes() {
    for expression in [
        "rtp_streams.lost_pc < 1",
        "rtp_streams.lost_pc == null",
        "none rtp_streams.lost_pc > 1",
        "optional rtp_streams.lost_pc > 1",
        "rtp_streams[knid=audio].count == 0",
        "rtp_streams[knid=audio].lost_pct < 100",
        "rtp_stream.count == 0",
        "capture.packet != 5",
        "max(rtp_streams.lost_pc) < 5",
    ] {
        let found = failures(outcome(expression));
        assert!(found.iter().all(|found| found.contains("has no `")), "{expression}: {found:?}");
    }
    let found = failures(outcome("rtp_streams[0].lost_pc < 1"));
    assert!(
        found[0].contains("has no `lost_pc`: there are lost_pct, loss_runs") || found[0].contains("lost_pct, lost")
    );
}

#[test]
fn what_is_no_expression_is_told_with_its_line_and_column() {
    // The expression, what of it is left where the fault shows, and what is said of it.
    let wrong = [
        ("rtp_streams[kind=audio.lost_pct < 1", "< 1", "`]` is missing"),
        ("findings.error == ", "", "a value is missing"),
        ("findings.error == 0 and capture.packets > 1", "and capture.packets > 1", "no `and`"),
        ("a < b", "b", "only numbers"),
        ("a ~ [", "[", "regular expression"),
        ("a in 5", "5", "behind `in`"),
        ("a in 5..1", "5..1", "not larger"),
        ("not a == 1", "== 1", "`not` stands before"),
        ("a[b=$.c]", "$.c]", "not with a path"),
        ("a == 'b", "'b", "no end"),
        ("count(max.x", "", "`)` is missing"),
        ("a..b", ".b", "a name of the report"),
        ("a ? b", "? b", "nothing is expected"),
    ];
    for (expression, rest, message) in wrong {
        let errors = Expectations::parse(&format!("\nexpect = [\"{expression}\"]")).expect_err(expression);
        assert_eq!((errors.len(), errors[0].line), (1, 2), "{expression}");
        assert!(errors[0].message.contains(message), "{expression}: {}", errors[0]);
        assert_eq!(errors[0].column, 12 + expression.len() - rest.len(), "{expression}: {}", errors[0]);
    }
    let errors = Expectations::parse("expect = ['']").unwrap_err();
    assert_eq!((errors[0].line, errors[0].column), (1, 11));
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let file = "expect = [\n  \"a <\",\n  5,\n]\nexpected = 1\n\n[[assert]]\nname = \"x\"\nexp = \"a\"\n\n[[assert]]\nexpr = \"a\"\noptional = 1\n";
    let errors = Expectations::parse(file).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [2, 3, 5, 7, 9, 13], "{errors:?}");
    let errors = Expectations::parse("expect = [\n'a'\n").unwrap_err();
    assert!(errors[0].message.starts_with("not TOML: "), "{errors:?}");
    assert_eq!(Expectations::parse("").unwrap_err().len(), 1);
}

#[test]
fn an_assertion_is_asked_of_each_element_that_it_is_for() {
    let file = "
        [[assert]]
        name = \"little is lost\"
        for_each = \"rtp_streams[encrypted]\"
        when = \"packets > 50\"
        expr = [\"lost_pct < 1\", \"packets < $.capture.packets\", \"packets > @.lost\"]

        [[assert]]
        name = \"no text\"
        for_each = \"rtp_streams[kind=text]\"
        expr = \"lost == 0\"

        [[assert]]
        name = \"text where there is some\"
        for_each = \"rtp_streams[kind=text]\"
        expr = \"lost == 0\"
        optional = true

        [[assert]]
        name = \"only with a relay\"
        when = \"turn.allocations.count == 0\"
        expr = \"findings.error == 0\"
    ";
    let expectations = Expectations::parse(file).unwrap();
    let verdicts = judge(&expectations, &report());
    let Outcome::Failed(found) = &verdicts[0].outcome else { panic!("{:?}", verdicts[0]) };
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].place.as_str(), found[0].found.as_str()),
        ("rtp_streams[2].lost_pct (r3 0x00000003 video VP8)", "is 8.3")
    );
    assert_eq!(failures(verdicts[1].outcome.clone()), ["nothing matches rtp_streams[kind=text]"]);
    assert_eq!(verdicts[2].outcome, Outcome::Skipped("nothing matches rtp_streams[kind=text]".to_owned()));
    assert_eq!(verdicts[3].outcome, Outcome::Skipped("not when turn.allocations.count == 0".to_owned()));
    assert_eq!(verdicts.iter().map(|verdict| verdict.line).collect::<Vec<_>>(), [2, 8, 13, 19]);
}

#[test]
fn a_first_file_holds_for_its_own_report_and_for_no_worse_one() {
    let file = first_file(&report(), "call.pcapng\n[evil]");
    let expectations = Expectations::parse(&file).unwrap_or_else(|errors| panic!("{errors:?}\n{file}"));
    for verdict in judge(&expectations, &report()) {
        assert!(matches!(verdict.outcome, Outcome::Held(_)), "{verdict:?}\n{file}");
    }
    let mut worse = report();
    worse["rtp_streams"][0]["lost_pct"] = json!(9);
    worse["findings"][2]["severity"] = json!("warning");
    let failed =
        judge(&expectations, &worse).into_iter().filter(|verdict| matches!(verdict.outcome, Outcome::Failed(_)));
    assert_eq!(failed.map(|verdict| verdict.name).collect::<Vec<_>>(), ["what deserves attention", "audio opus: each"]);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let pieces = [
        "rtp_streams",
        "[",
        "]",
        ".",
        "==",
        "'",
        "\"",
        " ",
        "~",
        "(",
        "é",
        "$.",
        "in",
        "-1",
        "max(",
        ",",
        "!",
        "*",
        "[0]",
    ];
    let mut seed = 7_u64;
    for _ in 0..4000 {
        let mut text = String::new();
        for _ in 0..seed % 12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
        if let Ok(expression) = super::parser::expression(&text) {
            assert_eq!(expression.text, text.trim());
        } else {
            let _: Vec<FileError> = Expectations::parse(&format!("expect = ['''{text}''']")).err().unwrap_or_default();
        }
    }
    let deep = "a[b=".repeat(900);
    assert!(super::parser::expression(&deep).is_err());
    assert!(super::parser::expression(&"a.".repeat(3000)).is_err());
}
