use super::*;
use crate::model::analyzer::{Analyzer, Options};
use crate::model::capture::CaptureFacts;
use crate::packet::{FrameNo, LinkType, RawPacket};

/// RTP between as many pairs of ports, every second for so long.
fn snapshot(streams: u16, seconds: u32) -> Snapshot {
    let mut analyzer = Analyzer::new(Options::default());
    let mut frame = 0;
    for second in 0..seconds {
        for port in 0..streams {
            frame += 1;
            let mut data = vec![2; 12];
            data.extend([8, 0, 0x45, 0, 0, 60, 0, frame as u8, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            data.extend((5000 + port).to_be_bytes());
            data.extend([0x1f, 0x40, 0, 40, 0, 0, 0x80, 0]);
            data.extend((second as u16).to_be_bytes());
            data.extend((second * 8000).to_be_bytes());
            data.extend(u32::from(port).to_be_bytes());
            data.extend([7; 20]);
            analyzer.packet(&RawPacket {
                ts: Timestamp::from_nanos(i64::from(second) * NANOS_PER_SEC),
                frame: FrameNo(frame),
                interface: 0,
                link: LinkType::ETHERNET,
                wire_len: data.len() as u32,
                data: &data,
            });
        }
    }
    analyzer.snapshot(CaptureFacts::default())
}

fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
}

/// What OpenMetrics 1.0 wants of a text, as far as it is used here; gives the names of all samples.
fn check(text: &str) -> BTreeSet<String> {
    let (mut families, mut samples, mut family, mut kind) =
        (BTreeSet::new(), BTreeSet::new(), String::new(), String::new());
    let body = text.strip_suffix("# EOF\n").unwrap();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()), "{name} twice");
            assert!(["counter", "gauge", "summary", "info"].contains(&of), "{line}");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{line}");
            (family, kind) = (name.to_owned(), of.to_owned());
            assert!(body.contains(&format!("# HELP {family} ")), "{family} has no help");
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(rest.split_once(' ').unwrap().0 == family, "{line}");
        } else {
            let (sample, number) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let suffix = match kind.as_str() {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            assert_eq!(name, format!("{family}{suffix}"), "{line}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            assert!(number.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            assert!(samples.insert(sample.to_owned()), "{sample} twice");
        }
    }
    samples.iter().map(|sample| sample.split('{').next().unwrap().to_owned()).collect()
}

#[test]
fn the_text_is_openmetrics_and_has_units_and_labels() {
    let text = Metrics::default().exposition(&snapshot(3, 30));
    let names = check(&text);
    assert!(names.len() > 20, "{names:?}");
    assert!(value(&text, "rtcscope_packets_total{class=\"rtp\"}") == 90.0);
    assert!(value(&text, "rtcscope_running_streams") == 3.0);
    let stream = "{src=\"10.0.0.1:5001\",dst=\"10.0.0.2:8000\",peer=\"\",path=\"udp\",ssrc=\"0x00000001\",codec=\"PCMU\",\
                  kind=\"audio\"}";
    assert!(value(&text, &format!("rtcscope_stream_received_packets_total{stream}")) == 30.0);
    assert!(value(&text, &format!("rtcscope_stream_jitter_seconds{stream}")) < 0.001);
    check(&Metrics::default().exposition(&snapshot(0, 0)));
}

#[test]
fn streams_beyond_the_bound_are_summed() {
    let text = Metrics::default().exposition(&snapshot(1100, 3));
    check(&text);
    let listed = text.lines().filter(|line| line.starts_with("rtcscope_stream_received_packets_total")).count();
    assert_eq!(listed, MAX_STREAMS);
    assert!(value(&text, "rtcscope_unlisted_streams") == 100.0);
    assert!(value(&text, "rtcscope_unlisted_streams_received_packets") == 300.0);
}

#[test]
fn a_counter_stands_where_a_snapshot_knows_less() {
    let mut metrics = Metrics::default();
    let before = metrics.exposition(&snapshot(3, 30));
    let after = metrics.exposition(&snapshot(1, 2));
    for counter in [
        "rtcscope_captured_packets_total",
        "rtcscope_packets_total{class=\"rtp\"}",
        "rtcscope_seen_total{table=\"flows\"}",
    ] {
        assert!(value(&after, counter) == value(&before, counter), "{counter}");
    }
    assert!(value(&after, "rtcscope_running_streams") == 1.0);
}

#[test]
fn a_label_cannot_end_itself() {
    let mut snapshot = snapshot(1, 3);
    snapshot.streams[0].codec = Some("a\"b\\c\n# EOF\r".to_owned());
    let text = Metrics::default().exposition(&snapshot);
    assert!(text.contains(r#"codec="a\"b\\c\n# EOF ""#), "{text}");
    check(&text);
}

#[test]
fn the_dashboard_asks_for_what_there_is_and_for_all_of_it() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana-rtcscope.json");
    let dashboard: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    let all = expressions.join(" ");
    let words = all.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let asked: BTreeSet<String> = words.filter(|word| word.starts_with("rtcscope_")).map(str::to_owned).collect();
    let text = Metrics::default().exposition(&snapshot(3, 30));
    check(&text);
    let suffix = |kind: &str| {
        if kind == "counter" {
            "_total"
        } else if kind == "info" {
            "_info"
        } else {
            ""
        }
    };
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let there: BTreeSet<String> = families.map(|(name, kind)| format!("{name}{}", suffix(kind))).collect();
    assert_eq!(asked, there);
}
