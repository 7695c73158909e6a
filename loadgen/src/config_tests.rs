//! Tests of [`super`].

use super::*;
use crate::credentials::SecretSource;
use clap::Parser;

fn request_with(line: &str, environment: &[(&str, &str)]) -> Result<Request, Refusal> {
    let arguments = Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
    let find = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
    Request::of(arguments, &find)
}

fn run(line: &str) -> RunConfig {
    match request_with(line, &[]) {
        Ok(Request::Run(config)) => *config,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    request_with(line, &[]).expect_err(line).to_string()
}

fn credentials_with(line: &str, environment: &[(&str, &str)]) -> Result<Credentials, Refusal> {
    match request_with(line, environment)? {
        Request::Run(config) => Ok(config.credentials),
        other => panic!("{line}: {other:?}"),
    }
}

fn text(secret: &str) -> SecretSource {
    SecretSource::Text(Secret::from(secret.to_owned()))
}

#[test]
fn a_ramp_of_a_thousand_allocations_is_understood() {
    let config =
        run("turnload turn:127.0.0.1:3478 -u user -w p --allocations 1000 --ramp 10s --duration 60s --profile audio");
    assert_eq!(config.load, Load::Allocations { count: 1000, ramp: Duration::from_secs(10) });
    assert_eq!(config.end, End::After(Duration::from_secs(60)));
    assert_eq!(config.traffic, Traffic::Profile(Profile::Audio, None));
    assert_eq!(config.peer, Peer::Embedded { bind: None });
    assert_eq!((config.wire, config.trust), (Wire::Udp, None));
}

#[test]
fn stages_over_tls_with_thresholds_are_understood() {
    let config =
        run("turnload turns:turn.example.org:5349?transport=tcp --secret-file s --stages 0:0,30s:2000,5m:2000,30s:0 \
         --threshold media.lost_pct<0.1 --threshold media.rtt_ms.p99<50"
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .as_str());
    assert_eq!((config.wire, config.trust), (Wire::Tls, Some(Trust::System)));
    assert_eq!(config.end, End::WithStages);
    assert_eq!(config.thresholds.len(), 2);
    assert!(matches!(config.credentials, Credentials::Rest { user: None, secret: SecretSource::File(_), .. }));
}

#[test]
fn calls_that_arrive_are_an_open_model() {
    let config = run("turnload turn:[::1] --no-auth --arrival 200/s --hold 30s");
    assert_eq!(config.load, Load::Arrivals { rate: "200/s".parse().expect("a rate"), hold: Duration::from_secs(30) });
}

#[test]
fn letters_and_uri_say_together_what_the_wire_is() {
    let wire = |rest: &str| run(&format!("turnload --no-auth {rest}")).wire;
    assert_eq!(wire("turn:10.0.0.1"), Wire::Udp);
    assert_eq!(wire("turn:10.0.0.1 -t"), Wire::Tcp);
    assert_eq!(wire("turn:10.0.0.1 -S"), Wire::Dtls);
    assert_eq!(wire("turn:10.0.0.1 -t -S"), Wire::Tls);
    assert_eq!(wire("turn:10.0.0.1?transport=tcp -S"), Wire::Tls);
    assert_eq!(wire("turns:10.0.0.1"), Wire::Tls);
    assert_eq!(wire("turns:10.0.0.1 -S"), Wire::Tls);
    assert_eq!(wire("turns:10.0.0.1?transport=udp"), Wire::Dtls);
    assert!(refusal("turnload --no-auth turn:10.0.0.1?transport=udp -t").contains("contradicts"));
}

#[test]
fn a_public_address_is_loaded_only_with_its_name_said_twice() {
    assert!(refusal("turnload --no-auth turn:192.0.2.1").contains("--i-am-allowed-to-load"));
    assert!(refusal("turnload --no-auth turn:[2001:db8::1]").contains("public"));
    assert!(refusal("turnload --no-auth turn:[::ffff:192.0.2.1]").contains("public"));
    assert!(refusal("turnload --no-auth turn:192.0.2.1 --i-am-allowed-to-load 192.0.2.2").contains("names 192.0.2.2"));
    run("turnload --no-auth turn:192.0.2.1 --i-am-allowed-to-load 192.0.2.1");
    assert!(refusal("turnload --no-auth turn:10.0.0.1 --peer 192.0.2.7:9").contains("192.0.2.7 is a public address"));
    assert!(refusal("turnload --no-auth turn:10.0.0.1 -e 192.0.2.7").contains("192.0.2.7 is a public address"));
    let both = "turnload --no-auth turn:192.0.2.1 --i-am-allowed-to-load 192.0.2.1 --peer 192.0.2.7:9";
    assert!(refusal(both).contains("192.0.2.7 is a public address"));
    run(&format!("{both} --i-am-allowed-to-load 192.0.2.7"));
    assert!(refusal(&format!("{both} --i-am-allowed-to-load 192.0.2.8")).contains("names 192.0.2.8"));
    for near in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.0.1", "[::1]", "[fd00::1]", "[fe80::1]"]
    {
        run(&format!("turnload --no-auth turn:{near}"));
    }
}

#[test]
fn credentials_come_from_the_environment_where_none_are_typed() {
    let long_term = credentials_with("turnload turn:h", &[("TURN_USERNAME", "u"), ("TURN_PASSWORD", "p")]);
    assert_eq!(long_term, Ok(Credentials::LongTerm { user: "u".into(), password: text("p") }));
    let rest = credentials_with("turnload turn:h", &[("TURN_SECRET", "s")]);
    assert!(matches!(rest, Ok(Credentials::Rest { user: None, separator: ':', .. })));
}

#[test]
fn what_is_typed_goes_before_the_environment() {
    let environment = [("TURN_USERNAME", "other"), ("TURN_PASSWORD", "other"), ("TURN_SECRET", "other")];
    let typed = credentials_with("turnload turn:h -u u -w p", &environment);
    assert_eq!(typed, Ok(Credentials::LongTerm { user: "u".into(), password: text("p") }));
    assert_eq!(credentials_with("turnload turn:h --no-auth", &environment), Ok(Credentials::None));
    let both = credentials_with("turnload turn:h", &environment).expect_err("two kinds");
    assert!(both.to_string().contains("which one"));
}

#[test]
fn an_empty_variable_is_none() {
    let environment = [("TURN_USERNAME", "u"), ("TURN_PASSWORD", "p"), ("TURN_SECRET", "")];
    assert!(credentials_with("turnload turn:h", &environment).is_ok());
}

#[test]
fn missing_halves_of_credentials_are_named() {
    assert!(refusal("turnload turn:h").contains("no credentials"));
    assert!(refusal("turnload turn:h -u user").contains("TURN_PASSWORD"));
    assert!(refusal("turnload turn:h -w p").contains("TURN_USERNAME"));
    assert!(refusal("turnload turn:h -u u -w p --password-file f").contains("both"));
    assert!(refusal("turnload turn:h -u u --no-auth").contains("contradicts"));
}

#[test]
fn no_refusal_and_no_debug_shows_a_secret() {
    for line in [
        "turnload turn:h -w opensesame",
        "turnload turn:h -u u -w opensesame -W opensesame",
        "turnload turn:h -u u -w opensesame --password-file f",
        "turnload turn:alice:opensesame@h",
        "turnload turn:h -u u -w pass opensesame",
        "turnload opensesame",
        "turnload check --credentials-url opensesame",
        "turnload turn:h --no-auth --server-metrics ftp://opensesame",
    ] {
        assert!(!refusal(line).contains("opensesame"), "{line}");
    }
    let environment = [("TURN_USERNAME", "u"), ("TURN_PASSWORD", "opensesame")];
    let request = request_with("turnload turn:h", &environment).expect("a request");
    assert!(!format!("{request:#?}").contains("opensesame"));
}

#[test]
fn two_of_rate_bitrate_and_size_give_the_third() {
    let traffic = |rest: &str| run(&format!("turnload --no-auth turn:h {rest}")).traffic;
    let rate: Rate = "50/s".parse().expect("a rate");
    let bitrate: Bitrate = "2mbps".parse().expect("a bitrate");
    assert_eq!(traffic("-z 20 -l 100"), Traffic::Steady { rate, size: 100 });
    assert_eq!(traffic("--pps 50"), Traffic::Steady { rate, size: 172 });
    assert_eq!(traffic("-l 100"), Traffic::Steady { rate, size: 100 });
    assert_eq!(traffic("--bitrate 2mbps"), Traffic::Filled { bitrate, size: 1200 });
    assert_eq!(traffic("--bitrate 2mbps --pps 50"), Traffic::Sized { rate, bitrate });
    assert_eq!(traffic("--bitrate 2mbps --profile video"), Traffic::Profile(Profile::Video, Some(bitrate)));
    assert!(refusal("turnload --no-auth turn:h --pps 50 -l 100 --bitrate 2mbps").contains("give the third"));
    assert!(refusal("turnload --no-auth turn:h --pps 1 --bitrate 2mbps").contains("250000 bytes"));
    assert!(refusal("turnload --no-auth turn:h --profile audio --bitrate 2mbps").contains("--profile video"));
}

#[test]
fn a_peer_is_embedded_elsewhere_or_another_allocation() {
    let peer = |rest: &str| run(&format!("turnload --no-auth turn:h {rest}")).peer;
    assert_eq!(peer("-e 10.0.0.9"), Peer::At("10.0.0.9:3480".parse().expect("a peer")));
    assert_eq!(peer("-e 10.0.0.9 -r 9"), Peer::At("10.0.0.9:9".parse().expect("a peer")));
    assert_eq!(peer("--peer embedded --peer-bind 10.0.0.9"), Peer::Embedded { bind: "10.0.0.9".parse().ok() });
    assert_eq!(peer("-y -m 2"), Peer::Pairs);
    assert!(refusal("turnload --no-auth turn:h -y -m 3").contains("even"));
    assert!(refusal("turnload --no-auth turn:h --peer h:1 --peer-bind 10.0.0.9").contains("--peer-bind"));
}

#[test]
fn options_that_need_another_one_say_so() {
    assert!(refusal("turnload --no-auth turn:h -T").contains("-t"));
    assert!(refusal("turnload --no-auth turn:h -m 3 --even-port").contains("even number"));
    assert!(refusal("turnload --no-auth turn:h --insecure").contains("turns:"));
    assert!(refusal("turnload --no-auth stun:h").contains("relays nothing"));
    assert!(refusal("turnload --no-auth").contains("no server named"));
    assert!(refusal("turnload --no-auth turn:h --duration 0").contains("no time"));
    assert!(refusal("turnload --no-auth turn:h --duration 1s -n 5").contains("contradicts"));
    let endless = refusal("turnload --no-auth turn:h --arrival 5/s --hold 1s -n 5");
    assert!(endless.contains("--messages") && endless.contains("--duration"), "{endless}");
    assert!(refusal("turnload --no-auth turn:h -t -T -n 5").contains("--duration"));
    assert!(refusal("turnload --no-auth turn:h --lifetime 0").contains("--lifetime"));
    assert!(refusal("turnload --no-auth turn:h --permission-lifetime 900ms").contains("--permission-lifetime"));
}

#[test]
fn a_check_takes_several_servers_and_needs_credentials_for_turn_only() {
    let check = |line: &str| request_with(line, &[]);
    assert!(matches!(check("turnload check stun:h stuns:h"), Ok(Request::Check(config)) if config.servers.len() == 2));
    assert!(check("turnload check stun:h turn:h").expect_err("none").to_string().contains("no credentials"));
    assert!(check("turnload check stun:h turn:192.0.2.1 --no-auth").is_ok());
    assert!(check("turnload check --credentials-url https://example.org/turn").is_ok());
    assert!(check("turnload check").expect_err("none").to_string().contains("no server"));
    assert!(check("turnload check stun:h --format csv").expect_err("csv").to_string().contains("csv"));
}

#[test]
fn half_a_credential_in_the_environment_is_no_matter_to_a_stun_server() {
    let environment = [("TURN_PASSWORD", "p")];
    assert!(request_with("turnload check stun:h", &environment).is_ok());
    assert!(request_with("turnload check turn:h", &environment).is_err());
}

#[test]
fn a_peer_and_a_demonstration_need_nothing() {
    assert!(matches!(request_with("turnload peer", &[]), Ok(Request::Peer { bind }) if bind.port() == 3480));
    #[cfg(feature = "demo")]
    assert!(matches!(request_with("turnload demo", &[]), Ok(Request::Demo(demo)) if demo.allocations == 50));
}

#[test]
fn a_packet_that_no_datagram_holds_is_refused_before_it_is_taken_for_the_end_of_the_server() {
    run("turnload --no-auth turn:10.0.0.1 -l 65503");
    assert!(refusal("turnload --no-auth turn:10.0.0.1 -l 65504").contains("65503 are the most"));
    assert!(refusal("turnload --no-auth turn:10.0.0.1 -s -l 65500").contains("datagram"));
    run("turnload --no-auth turn:10.0.0.1 -t -l 65507");
    run("turnload --no-auth turn:10.0.0.1 -S -l 16380");
    assert!(refusal("turnload --no-auth turn:10.0.0.1 -S -l 16381").contains("16380 are the most"));
    assert!(refusal("turnload --no-auth turn:10.0.0.1 --pps 1/s --bitrate 524048bps").contains("65506 bytes"));
}

#[test]
fn a_threshold_on_what_is_not_measured_is_refused_before_the_load() {
    let refused = |text: &str| refusal(&format!("turnload --no-auth turn:10.0.0.1 {text}"));
    assert!(refused("--threshold media.one_way_ms.p99<5").contains("--pairs only"));
    assert!(refused("-y -m 2 --threshold media.rtt_ms.p99<5").contains("media.one_way_ms"));
    run("turnload --no-auth turn:10.0.0.1 -y -m 2 --threshold media.one_way_ms.p99<5");
    run("turnload --no-auth turn:10.0.0.1 --threshold media.rtt_ms.p99<5");
}
