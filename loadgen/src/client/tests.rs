//! A client against messages made by hand, and against a server that is a value like it.

use super::*;
use crate::secret::Secret;
use rtcscope::proto::channel_data::{self, ChannelNumber};
use rtcscope::proto::stun::{Builder, Key, PasswordAlgorithm, PasswordAlgorithms, TransactionId, Value};
use std::collections::BTreeMap;

const RELAYED: &str = "192.0.2.1:49152";
const MAPPED: &str = "198.51.100.7:40000";
const PEER: &str = "203.0.113.5:5004";
const REALM: &[u8] = b"example.org";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn millis(millis: u64) -> Moment {
    Moment::START.plus(Duration::from_millis(millis))
}

fn login(password: &str) -> Option<Arc<Login>> {
    Some(Arc::new(Login { user: "alice".to_owned(), password: Secret::from(password.to_owned()) }))
}

fn config() -> ClientConfig {
    ClientConfig {
        credentials: login("sesame"),
        family: None,
        even_port: EvenPort::No,
        reservation_token: None,
        dont_fragment: false,
        lifetime: None,
        permission_lifetime: PERMISSION_LIFETIME,
        reliable: false,
        path: DataPath::Channels,
        tcp_relay: false,
        seed: 7,
    }
}

fn sent(client: &mut Client) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    client.poll_transmit(&mut out).then_some(out)
}

fn the_request(client: &mut Client) -> Vec<u8> {
    let request = sent(client).expect("a request");
    assert_eq!(sent(client), None, "one request alone");
    request
}

fn events(client: &mut Client) -> Vec<Event> {
    std::iter::from_fn(|| client.poll_event()).collect()
}

/// How the server answers one request.
struct Reply<'k> {
    class: Class,
    key: Option<&'k Key>,
    sha256: bool,
    attributes: Vec<(AttributeType, Value<'k>)>,
}

impl Reply<'_> {
    fn to(&self, request: &[u8]) -> Vec<u8> {
        let request = Message::parse(request).expect("a request");
        let mut out = Vec::new();
        let mut builder = Builder::new(&mut out, self.class, request.method(), request.transaction_id());
        for (kind, value) in &self.attributes {
            builder = builder.attribute(*kind, value);
        }
        builder = match self.key {
            Some(key) if self.sha256 => builder.integrity_sha256(key),
            Some(key) => builder.integrity(key),
            None => builder,
        };
        builder.fingerprint().finish().expect("a response");
        out
    }
}

fn error<'k>(code: u16, reason: &'k str, attributes: &[(AttributeType, Value<'k>)]) -> Reply<'k> {
    let mut all = vec![(AttributeType::ERROR_CODE, Value::ErrorCode { code, reason: reason.as_bytes() })];
    all.extend_from_slice(attributes);
    Reply { class: Class::ErrorResponse, key: None, sha256: false, attributes: all }
}

fn challenge<'k>(code: u16, nonce: &'k [u8]) -> Reply<'k> {
    error(code, "", &[(AttributeType::REALM, Value::Text(REALM)), (AttributeType::NONCE, Value::Text(nonce))])
}

fn success<'k>(key: Option<&'k Key>, attributes: &[(AttributeType, Value<'k>)]) -> Reply<'k> {
    Reply { class: Class::SuccessResponse, key, sha256: false, attributes: attributes.to_vec() }
}

fn granted<'k>(key: Option<&'k Key>, lifetime: u32) -> Reply<'k> {
    let attributes = [
        (AttributeType::XOR_RELAYED_ADDRESS, Value::Address(address(RELAYED))),
        (AttributeType::XOR_MAPPED_ADDRESS, Value::Address(address(MAPPED))),
        (AttributeType::LIFETIME, Value::U32(lifetime)),
    ];
    success(key, &attributes)
}

fn md5_key() -> Key {
    Key::long_term_md5(b"alice", REALM, b"sesame")
}

/// A client whose allocation is there at once, without credentials.
fn up(config: ClientConfig) -> Client {
    let mut client = Client::new(ClientConfig { credentials: None, ..config });
    client.allocate(Moment::START);
    let request = the_request(&mut client);
    assert_eq!(client.handle_input(&granted(None, 600).to(&request), Moment::START), Input::Handled);
    assert!(matches!(events(&mut client)[..], [Event::Allocated { .. }]));
    client
}

fn with_ready_peer(config: ClientConfig) -> (Client, PeerId) {
    let mut client = up(config);
    let peer = client.open_peer(address(PEER), Moment::START);
    let request = the_request(&mut client);
    client.handle_input(&success(None, &[]).to(&request), Moment::START);
    assert_eq!(events(&mut client), [Event::PeerReady(peer)]);
    (client, peer)
}

/// The end of an allocation that was asked for without credentials and answered so.
fn end_after(reply: &Reply<'_>) -> (Client, Vec<Event>) {
    let mut client = Client::new(ClientConfig { credentials: None, ..config() });
    client.allocate(Moment::START);
    let request = the_request(&mut client);
    client.handle_input(&reply.to(&request), millis(5));
    let events = events(&mut client);
    (client, events)
}

mod allocating {
    use super::*;

    #[test]
    fn a_challenge_is_answered_with_credentials_and_the_allocation_is_there() {
        let key = md5_key();
        let mut client = Client::new(config());
        client.allocate(millis(1));
        let first = the_request(&mut client);
        let asked = Message::parse(&first).expect("a message");
        assert_eq!((asked.class(), asked.method(), asked.error()), (Class::Request, Method::ALLOCATE, None));
        assert_eq!(asked.value(AttributeType::REQUESTED_TRANSPORT), Some(Value::U8(17)));
        assert_eq!(asked.attribute_bytes(AttributeType::USERNAME), None);

        assert_eq!(client.handle_input(&challenge(401, b"n1").to(&first), millis(21)), Input::Handled);
        let second = the_request(&mut client);
        let signed = Message::parse(&second).expect("a message");
        assert_eq!(signed.integrity(&key), Check::Right);
        assert_eq!(signed.integrity_sha256(&key), Check::Absent);
        assert_eq!((signed.realm(), signed.nonce()), (Some(REALM), Some(&b"n1"[..])));
        assert_eq!(signed.attribute_bytes(AttributeType::USERNAME), Some(&b"alice"[..]));
        assert_ne!(signed.transaction_id(), asked.transaction_id());

        client.handle_input(&granted(Some(&key), 600).to(&second), millis(41));
        let (latency, lifetime) = (Duration::from_millis(40), Duration::from_secs(600));
        assert_eq!(events(&mut client), [Event::Allocated { latency, lifetime }]);
        assert_eq!((client.relayed(), client.mapped()), (Some(address(RELAYED)), Some(address(MAPPED))));
        assert_eq!(client.state(), State::Up);
        let counters = *client.counters();
        assert_eq!((counters.requests, counters.challenges, counters.retransmissions), (2, 1, 0));
    }

    #[test]
    fn what_was_configured_is_asked_for() {
        let asked = |config: ClientConfig| {
            let mut client = Client::new(config);
            client.allocate(Moment::START);
            the_request(&mut client)
        };
        let full = asked(ClientConfig {
            family: Some(Family::IPV6),
            even_port: EvenPort::Reserve,
            dont_fragment: true,
            lifetime: Some(Duration::from_secs(30)),
            tcp_relay: true,
            ..config()
        });
        let full = Message::parse(&full).expect("a message");
        assert_eq!(full.value(AttributeType::REQUESTED_ADDRESS_FAMILY), Some(Value::Family(Family::IPV6)));
        assert_eq!(full.value(AttributeType::EVEN_PORT), Some(Value::EvenPort(true)));
        assert_eq!(full.value(AttributeType::DONT_FRAGMENT), Some(Value::Flag));
        assert_eq!(full.value(AttributeType::LIFETIME), Some(Value::U32(30)));
        assert_eq!(full.value(AttributeType::REQUESTED_TRANSPORT), Some(Value::U8(6)));

        let reserved = asked(ClientConfig {
            reservation_token: Some(*b"reserved"),
            family: Some(Family::IPV6),
            even_port: EvenPort::Yes,
            ..config()
        });
        let reserved = Message::parse(&reserved).expect("a message");
        assert_eq!(reserved.attribute_bytes(AttributeType::RESERVATION_TOKEN), Some(&b"reserved"[..]));
        assert_eq!(reserved.find(AttributeType::EVEN_PORT), None);
        assert_eq!(reserved.find(AttributeType::REQUESTED_ADDRESS_FAMILY), None);
    }

    #[test]
    fn the_token_of_a_reserved_port_is_kept() {
        let mut reply = granted(None, 600);
        reply.attributes.push((AttributeType::RESERVATION_TOKEN, Value::Bytes(b"reserved")));
        let (client, _) = end_after(&reply);
        assert_eq!(client.reservation(), Some(*b"reserved"));
    }

    #[test]
    fn a_second_401_for_the_same_realm_is_a_wrong_password() {
        for nonce in [&b"n1"[..], b"n2"] {
            let mut client = Client::new(config());
            client.allocate(Moment::START);
            let first = the_request(&mut client);
            client.handle_input(&challenge(401, b"n1").to(&first), millis(1));
            let second = the_request(&mut client);
            client.handle_input(&challenge(401, nonce).to(&second), millis(2));
            assert_eq!(events(&mut client), [Event::Failed(Failure::WrongPassword)]);
            assert_eq!((client.state(), sent(&mut client), client.poll_timeout()), (State::Failed, None, None));
        }
        assert_eq!(Failure::WrongPassword.key(), "401");
    }

    #[test]
    fn a_401_without_end_is_not_followed_without_end() {
        let realms: [&[u8]; 6] = [b"a", b"b", b"c", b"d", b"e", b"f"];
        let mut client = Client::new(config());
        client.allocate(Moment::START);
        let mut rounds = 0;
        for realm in realms {
            let Some(request) = sent(&mut client) else { break };
            let attributes = [(AttributeType::REALM, Value::Text(realm)), (AttributeType::NONCE, Value::Text(b"n"))];
            client.handle_input(&error(401, "", &attributes).to(&request), millis(1));
            rounds += 1;
        }
        assert_eq!(rounds, 4);
        assert!(matches!(events(&mut client)[..], [Event::Failed(Failure::Protocol(_))]));
    }

    #[test]
    fn a_401_is_the_end_where_there_are_no_credentials() {
        let (client, events) = end_after(&challenge(401, b"n1"));
        assert!(matches!(&events[..], [Event::Failed(Failure::Code { code: 401, .. })]), "{events:?}");
        assert_eq!(client.counters().challenges, 0);
    }

    #[test]
    fn a_stale_nonce_is_replaced_but_not_for_ever() {
        let key = md5_key();
        let mut client = Client::new(config());
        client.allocate(Moment::START);
        let first = the_request(&mut client);
        client.handle_input(&challenge(401, b"n0").to(&first), millis(1));
        let nonces: [&[u8]; 3] = [b"n1", b"n2", b"n3"];
        for nonce in nonces {
            let request = the_request(&mut client);
            client.handle_input(&challenge(438, nonce).to(&request), millis(2));
        }
        let last = the_request(&mut client);
        let message = Message::parse(&last).expect("a message");
        assert_eq!((message.nonce(), message.integrity(&key)), (Some(&b"n3"[..]), Check::Right));
        client.handle_input(&challenge(438, b"n4").to(&last), millis(3));
        let events = events(&mut client);
        assert!(matches!(&events[..], [Event::Failed(Failure::Code { code: 438, .. })]), "{events:?}");
        assert_eq!(client.counters().stale_nonces, 4);
    }

    #[test]
    fn all_that_was_configured_is_asked_for_again_after_401_and_438() {
        let key = md5_key();
        let plain = ClientConfig { dont_fragment: true, lifetime: Some(Duration::from_secs(30)), ..config() };
        let first = ClientConfig { even_port: EvenPort::Reserve, ..plain.clone() };
        let second = ClientConfig { reservation_token: Some(*b"reserved"), ..plain };
        for config in [first, second] {
            let mut client = Client::new(config.clone());
            client.allocate(Moment::START);
            for (reply, at) in [(challenge(401, b"n0"), 1), (challenge(438, b"n1"), 2), (granted(Some(&key), 600), 3)] {
                let request = the_request(&mut client);
                let message = Message::parse(&request).expect("a message");
                assert_eq!(message.value(AttributeType::DONT_FRAGMENT), Some(Value::Flag));
                assert_eq!(message.value(AttributeType::LIFETIME), Some(Value::U32(30)));
                let reserves = message.value(AttributeType::EVEN_PORT) == Some(Value::EvenPort(true));
                assert_eq!(reserves, config.even_port == EvenPort::Reserve);
                let token = message.attribute_bytes(AttributeType::RESERVATION_TOKEN);
                assert_eq!(token, config.reservation_token.as_ref().map(|token| &token[..]));
                client.handle_input(&reply.to(&request), millis(at));
            }
            assert_eq!(client.state(), State::Up);
            assert_eq!((client.counters().challenges, client.counters().stale_nonces), (1, 1));
        }
    }

    #[test]
    fn refusals_end_it_with_their_code_and_reason() {
        for (code, reason) in [
            (400, "Bad Request"),
            (403, "Forbidden IP"),
            (440, "Unsupported address family"),
            (441, "Wrong Credentials"),
            (442, "Unsupported Transport Protocol"),
            (486, "Allocation Quota Reached"),
            (500, ""),
            (508, "Cannot create socket"),
        ] {
            let (client, events) = end_after(&error(code, reason, &[]));
            let failure = Failure::Code { code, reason: reason.to_owned(), method: Method::ALLOCATE };
            assert_eq!(failure.key(), code.to_string());
            assert_eq!(events, [Event::Failed(failure)]);
            assert_eq!((client.state(), client.poll_timeout()), (State::Failed, None));
        }
    }

    #[test]
    fn a_reason_is_cut_and_cleaned() {
        let long = format!("\u{1b}[31m{}", "x".repeat(300));
        let (_, events) = end_after(&error(500, &long, &[]));
        let [Event::Failed(Failure::Code { reason, .. })] = &events[..] else { panic!("{events:?}") };
        assert!(reason.starts_with("[31mxxx") && reason.chars().count() == 127);
    }

    #[test]
    fn padding_that_a_server_counts_to_its_reason_is_left_out() {
        for (sent, read) in [
            ("Unsupported address family\0\0", "Unsupported address family"),
            (" Quota \r\n reached\u{fffd}\0", "Quota reached"),
            ("\0\0\0\0", ""),
        ] {
            let (_, events) = end_after(&error(440, sent, &[]));
            let [Event::Failed(Failure::Code { reason, .. })] = &events[..] else { panic!("{events:?}") };
            assert_eq!(reason, read);
        }
    }

    #[test]
    fn an_alternate_server_is_told_and_a_300_without_one_is_a_code() {
        let server = address("192.0.2.99:3479");
        let alternate = (AttributeType::ALTERNATE_SERVER, Value::Address(server));
        let (client, events) = end_after(&error(300, "Try Alternate", &[alternate]));
        assert_eq!(
            (client.state(), events),
            (State::Failed, vec![Event::Redirected(Alternate { server, domain: None })])
        );
        let domain = (AttributeType::ALTERNATE_DOMAIN, Value::Text(b"relay.example.org\0"));
        let (_, events) = end_after(&error(300, "Try Alternate", &[alternate, domain]));
        let domain = Some("relay.example.org".to_owned());
        assert_eq!(events, [Event::Redirected(Alternate { server, domain })]);
        let (_, events) = end_after(&error(300, "Try Alternate", &[]));
        assert!(matches!(&events[..], [Event::Failed(Failure::Code { code: 300, .. })]));
    }

    #[test]
    fn answers_that_the_protocol_does_not_allow_are_failures_of_it() {
        let lifetime = (AttributeType::LIFETIME, Value::U32(600));
        let relayed = (AttributeType::XOR_RELAYED_ADDRESS, Value::Address(address(RELAYED)));
        let bare_error = Reply { class: Class::ErrorResponse, ..success(None, &[]) };
        for reply in [success(None, &[lifetime]), success(None, &[relayed]), granted(None, 0), bare_error] {
            let (_, events) = end_after(&reply);
            assert!(matches!(&events[..], [Event::Failed(Failure::Protocol(_))]), "{events:?}");
        }
        let nonce = [(AttributeType::NONCE, Value::Text(b"n"))];
        let realm = [(AttributeType::REALM, Value::Text(REALM))];
        for attributes in [&nonce[..], &realm] {
            let mut client = Client::new(config());
            client.allocate(Moment::START);
            let request = the_request(&mut client);
            client.handle_input(&error(401, "", attributes).to(&request), millis(1));
            assert!(matches!(events(&mut client)[..], [Event::Failed(Failure::Protocol(_))]));
        }
    }

    #[test]
    fn a_success_without_the_right_integrity_does_not_count() {
        let wrong = Key::long_term_md5(b"alice", REALM, b"mallory");
        for key in [None, Some(&wrong)] {
            for reliable in [false, true] {
                let mut client = Client::new(ClientConfig { reliable, ..config() });
                client.allocate(Moment::START);
                let first = the_request(&mut client);
                client.handle_input(&challenge(401, b"n1").to(&first), millis(1));
                let second = the_request(&mut client);
                let input = granted(key, 600).to(&second);
                let taken = client.handle_input(&input, millis(2));
                assert_eq!(client.counters().forged, 1);
                if reliable {
                    assert!(matches!(events(&mut client)[..], [Event::Failed(Failure::Protocol(_))]));
                    continue;
                }
                assert_eq!((taken, client.state()), (Input::Ignored, State::Allocating));
                client.handle_input(&granted(Some(&md5_key()), 600).to(&second), millis(3));
                assert_eq!(client.state(), State::Up);
            }
        }
    }

    #[test]
    fn an_answer_with_another_id_or_method_or_a_wrong_fingerprint_is_ignored() {
        let mut client = Client::new(ClientConfig { credentials: None, ..config() });
        client.allocate(Moment::START);
        let request = the_request(&mut client);
        let right = granted(None, 600).to(&request);
        for position in [1, 12, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[position] ^= 0x02;
            assert_eq!(client.handle_input(&wrong, millis(1)), Input::Ignored, "byte {position}");
        }
        assert_eq!(client.handle_input(&right, millis(1)), Input::Handled);
        assert_eq!(client.handle_input(&right, millis(1)), Input::Ignored);
    }

    #[test]
    fn seeds_repeat_and_tell_clients_apart() {
        let first = |seed| {
            let mut client = Client::new(ClientConfig { seed, ..config() });
            client.allocate(Moment::START);
            the_request(&mut client)
        };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}

mod sha256 {
    use super::*;

    fn offered<'k>(code: u16, nonce: &'k [u8], list: Option<&'static [u8]>) -> Reply<'k> {
        let mut reply = challenge(code, nonce);
        if let Some(list) = list {
            let list = Value::PasswordAlgorithms(PasswordAlgorithms::new(list));
            reply.attributes.push((AttributeType::PASSWORD_ALGORITHMS, list));
        }
        reply
    }

    fn after(reply: &Reply<'_>) -> (Client, Option<Vec<u8>>) {
        let mut client = Client::new(config());
        client.allocate(Moment::START);
        let first = the_request(&mut client);
        client.handle_input(&reply.to(&first), millis(1));
        let next = sent(&mut client);
        (client, next)
    }

    const BOTH: &[u8] = &[0, 2, 0, 0, 0, 1, 0, 0];
    const MD5_FIRST: &[u8] = &[0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0];

    #[test]
    fn the_first_known_algorithm_is_taken_and_the_offer_repeated() {
        let sha = Key::long_term_sha256(b"alice", REALM, b"sesame");
        for (list, algorithm, key) in
            [(BOTH, PasswordAlgorithm::SHA256, sha), (MD5_FIRST, PasswordAlgorithm::MD5, md5_key())]
        {
            let (mut client, request) = after(&offered(401, b"obMatJos2gAAAxyz", Some(list)));
            let request = request.expect("a request");
            let message = Message::parse(&request).expect("a message");
            assert_eq!(message.attribute_bytes(AttributeType::PASSWORD_ALGORITHMS), Some(list));
            assert_eq!(message.value(AttributeType::PASSWORD_ALGORITHM), Some(Value::PasswordAlgorithm(algorithm)));
            assert_eq!((message.integrity_sha256(&key), message.integrity(&key)), (Check::Right, Check::Absent));

            // An answer with the older integrity alone would be a bid-down.
            client.handle_input(&granted(Some(&key), 600).to(&request), millis(2));
            assert_eq!((client.state(), client.counters().forged), (State::Allocating, 1));
            client.handle_input(&Reply { sha256: true, ..granted(Some(&key), 600) }.to(&request), millis(3));
            assert_eq!(client.state(), State::Up);
        }
    }

    #[test]
    fn another_realm_begins_anew_without_the_algorithms_of_the_one_before() {
        let (mut client, request) = after(&offered(401, b"obMatJos2gAAAxyz", Some(BOTH)));
        let attributes =
            [(AttributeType::REALM, Value::Text(b"other.org")), (AttributeType::NONCE, Value::Text(b"plain"))];
        client.handle_input(&error(401, "", &attributes).to(&request.expect("a request")), millis(2));
        let next = the_request(&mut client);
        let message = Message::parse(&next).expect("a message");
        assert_eq!(message.find(AttributeType::PASSWORD_ALGORITHM), None);
        assert_eq!(message.integrity(&Key::long_term_md5(b"alice", b"other.org", b"sesame")), Check::Right);
    }

    #[test]
    fn a_nonce_that_promises_algorithms_is_not_answered_without_them() {
        let (mut client, request) = after(&offered(401, b"obMatJos2gAAAxyz", None));
        assert_eq!(request, None);
        assert!(matches!(events(&mut client)[..], [Event::Failed(Failure::Protocol(_))]));
    }

    #[test]
    fn unknown_algorithms_alone_are_not_answered() {
        let (mut client, request) = after(&offered(401, b"obMatJos2gAAAxyz", Some(&[0, 9, 0, 0])));
        assert_eq!(request, None);
        assert!(matches!(events(&mut client)[..], [Event::Failed(Failure::Protocol(_))]));
    }

    #[test]
    fn the_algorithm_stays_with_a_new_nonce() {
        let (mut client, request) = after(&offered(401, b"obMatJos2gAAAxyz", Some(BOTH)));
        let request = request.expect("a request");
        client.handle_input(&offered(438, b"obMatJos2gAAAabc", Some(BOTH)).to(&request), millis(2));
        let next = the_request(&mut client);
        let message = Message::parse(&next).expect("a message");
        assert_eq!(message.nonce(), Some(&b"obMatJos2gAAAabc"[..]));
        assert_eq!(message.integrity_sha256(&Key::long_term_sha256(b"alice", REALM, b"sesame")), Check::Right);
    }

    #[test]
    fn a_server_that_hides_user_names_gets_the_hash() {
        let (_, request) = after(&challenge(401, b"obMatJos2QAAAxyz"));
        let request = request.expect("a request");
        let message = Message::parse(&request).expect("a message");
        assert_eq!(message.find(AttributeType::USERNAME), None);
        assert_eq!(message.attribute_bytes(AttributeType::USERHASH), Some(&Key::userhash(b"alice", REALM)[..]));
    }
}

mod timing {
    use super::*;

    /// When the client sends, in milliseconds, until it ends.
    fn transmissions(config: ClientConfig) -> (Vec<u64>, u64, Vec<Event>) {
        let mut client = Client::new(config);
        client.allocate(millis(0));
        let (mut times, mut now) = (Vec::new(), millis(0));
        let mut bytes: Option<Vec<u8>> = None;
        loop {
            while let Some(request) = sent(&mut client) {
                times.push(now.as_nanos() / 1_000_000);
                assert_eq!(*bytes.get_or_insert_with(|| request.clone()), request, "the same bytes each time");
            }
            let Some(next) = client.poll_timeout() else { break };
            assert!(next > now);
            client.handle_timeout(Moment::from_nanos(next.as_nanos() - 1));
            assert_eq!((sent(&mut client), client.poll_event()), (None, None), "nothing a nanosecond early");
            now = next;
            client.handle_timeout(now);
        }
        (times, now.as_nanos() / 1_000_000, events(&mut client))
    }

    #[test]
    fn a_request_over_udp_is_sent_seven_times_and_given_up_after_39_500_ms() {
        let (times, end, events) = transmissions(config());
        assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
        assert_eq!(end, 39_500);
        let timeout = Failure::Timeout { method: Method::ALLOCATE };
        assert_eq!(timeout.key(), "timeout");
        assert_eq!(events, [Event::Failed(timeout)]);
    }

    #[test]
    fn a_request_over_a_stream_is_sent_once() {
        let (times, end, events) = transmissions(ClientConfig { reliable: true, ..config() });
        assert_eq!((times, end), (vec![0], 39_500));
        assert!(matches!(events[..], [Event::Failed(Failure::Timeout { .. })]));
    }

    #[test]
    fn a_stall_is_not_followed_by_a_burst() {
        let mut client = Client::new(config());
        client.allocate(millis(0));
        sent(&mut client);
        client.handle_timeout(millis(20_000));
        assert!(sent(&mut client).is_some());
        client.handle_timeout(millis(20_000));
        assert_eq!((sent(&mut client), client.poll_timeout()), (None, Some(millis(21_000))));
        assert_eq!(client.counters().retransmissions, 1);
    }

    #[test]
    fn a_refresh_leaves_a_minute_or_half_of_a_short_lifetime() {
        for (lifetime, due) in [(600, 540_000), (3600, 3_540_000), (120, 60_000), (30, 15_000), (5, 2_500), (1, 500)] {
            let mut client = Client::new(ClientConfig { credentials: None, ..config() });
            client.allocate(millis(0));
            let request = the_request(&mut client);
            client.handle_input(&granted(None, lifetime).to(&request), millis(80));
            assert_eq!(client.poll_timeout(), Some(millis(due)), "{lifetime} s, counted from the request");
        }
    }

    #[test]
    fn an_allocation_whose_refresh_is_not_answered_is_lost_when_it_expires_or_before() {
        for (lifetime, end) in [(5, 5_000), (30, 30_000), (600, 579_500)] {
            let mut client = Client::new(ClientConfig { credentials: None, ..config() });
            client.allocate(millis(0));
            let request = the_request(&mut client);
            client.handle_input(&granted(None, lifetime).to(&request), millis(0));
            assert_eq!(events(&mut client).len(), 1);
            let mut now = millis(0);
            while let Some(next) = client.poll_timeout() {
                now = next;
                client.handle_timeout(now);
                while sent(&mut client).is_some() {}
            }
            assert_eq!(now, millis(end));
            assert_eq!(events(&mut client), [Event::Lost(Failure::Timeout { method: Method::REFRESH })]);
        }
    }
}

/// A server that keeps the promises of RFC 8656 and no more, and panics where the client comes too late.
struct Server {
    lifetime: u32,
    nonce_lifetime: Duration,
    key: Key,
    nonce: (u32, Moment),
    allocation: Option<Moment>,
    permissions: BTreeMap<std::net::IpAddr, Moment>,
    channels: BTreeMap<u16, (SocketAddr, Moment)>,
    refreshes: u32,
    deleted: bool,
}

impl Server {
    fn new(lifetime: u32, nonce_lifetime: Duration) -> Self {
        Self {
            lifetime,
            nonce_lifetime,
            key: md5_key(),
            nonce: (0, Moment::START),
            allocation: None,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            refreshes: 0,
            deleted: false,
        }
    }

    fn answer(&mut self, request: &[u8], now: Moment) -> Vec<u8> {
        let message = Message::parse(request).expect("a request");
        assert_eq!((message.error(), message.class()), (None, Class::Request));
        if now.since(self.nonce.1) >= self.nonce_lifetime {
            self.nonce = (self.nonce.0 + 1, now);
        }
        let nonce = format!("nonce{}", self.nonce.0);
        match message.nonce() {
            None => return challenge(401, nonce.as_bytes()).to(request),
            Some(theirs) if theirs != nonce.as_bytes() => return challenge(438, nonce.as_bytes()).to(request),
            Some(_) => assert_eq!(message.integrity(&self.key), Check::Right),
        }
        let key = Some(&self.key);
        let peer = message.address(AttributeType::XOR_PEER_ADDRESS);
        let in_force = |until: Moment| assert!(now < until, "{} came too late: {now:?}", message.method());
        if message.method() != Method::ALLOCATE {
            in_force(self.allocation.expect("an allocation"));
        }
        match message.method() {
            Method::ALLOCATE => {
                self.allocation = Some(now.plus(Duration::from_secs(self.lifetime.into())));
                granted(key, self.lifetime).to(request)
            }
            Method::REFRESH => {
                let zero = message.value(AttributeType::LIFETIME) == Some(Value::U32(0));
                let lifetime = if zero { 0 } else { self.lifetime };
                self.deleted |= zero;
                self.refreshes += 1;
                self.allocation = Some(now.plus(Duration::from_secs(lifetime.into())));
                success(key, &[(AttributeType::LIFETIME, Value::U32(lifetime))]).to(request)
            }
            Method::CREATE_PERMISSION | Method::CHANNEL_BIND => {
                let peer = peer.expect("a peer");
                if let Some(until) = self.permissions.insert(peer.ip(), now.plus(Duration::from_secs(300))) {
                    in_force(until);
                }
                if let Some(Value::U16(number)) = message.value(AttributeType::CHANNEL_NUMBER) {
                    let until = now.plus(Duration::from_secs(600));
                    if let Some((bound, until)) = self.channels.insert(number, (peer, until)) {
                        assert_eq!(bound, peer);
                        in_force(until);
                    }
                }
                success(key, &[]).to(request)
            }
            method => panic!("{method}"),
        }
    }

    fn is_in_force(&self, now: Moment) -> bool {
        self.allocation.is_some_and(|until| now < until)
            && self.permissions.values().all(|until| now < *until)
            && self.channels.values().all(|(_, until)| now < *until)
    }
}

mod a_day {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const ONE_WAY: Duration = Duration::from_millis(20);

    /// Runs client and server over a wire that loses the datagrams for which `loses` says so, by their number.
    fn run(client: &mut Client, server: &mut Server, until: Moment, loses: impl Fn(u32) -> bool) -> Vec<Event> {
        let mut answers: Vec<(Moment, Vec<u8>)> = Vec::new();
        let (mut now, mut datagrams, mut happened) = (Moment::START, 0, Vec::new());
        client.allocate(now);
        loop {
            while let Some(request) = sent(client) {
                datagrams += 1;
                if !loses(datagrams) {
                    let answer = server.answer(&request, now.plus(ONE_WAY));
                    datagrams += 1;
                    if !loses(datagrams) {
                        answers.push((now.plus(ONE_WAY + ONE_WAY), answer));
                    }
                }
            }
            happened.extend(events(client));
            let arrival = answers.iter().map(|(at, _)| *at).min();
            let Some(next) = client.poll_timeout().into_iter().chain(arrival).min().filter(|next| *next <= until)
            else {
                return happened;
            };
            assert!(next >= now);
            now = next;
            if client.state() == State::Up {
                // Permissions and channels are in force to the last nanosecond before each thing that happens.
                assert!(server.is_in_force(Moment::from_nanos(now.as_nanos().saturating_sub(1))), "{now:?}");
            }
            if let Some(index) = answers.iter().position(|(at, _)| *at <= now) {
                client.handle_input(&answers.remove(index).1, now);
            } else {
                client.handle_timeout(now);
            }
        }
    }

    fn holds(lifetime: u32, path: DataPath, loses: impl Fn(u32) -> bool) -> (Client, Server) {
        let mut client = Client::new(ClientConfig { path, seed: 3, ..config() });
        let mut server = Server::new(lifetime, Duration::from_mins(10));
        let peers =
            [client.open_peer(address(PEER), Moment::START), client.open_peer(address("203.0.113.6:9"), Moment::START)];
        let happened = run(&mut client, &mut server, Moment::START.plus(DAY), loses);
        assert_eq!(client.state(), State::Up);
        for peer in peers {
            assert!(happened.contains(&Event::PeerReady(peer)));
        }
        let bad = |event: &&Event| !matches!(event, Event::Allocated { .. } | Event::PeerReady(_) | Event::Refreshed);
        assert_eq!(happened.iter().find(bad), None);
        (client, server)
    }

    #[test]
    fn an_allocation_of_600_s_holds_with_no_more_requests_than_it_needs() {
        let (client, server) = holds(600, DataPath::Channels, |_| false);
        assert_eq!(client.counters().refreshes, 159, "every 540 s and a round trip");
        assert_eq!(client.counters().refreshes, server.refreshes);
        assert_eq!(client.counters().renewals, 2 * 359, "every 240 s");
        assert_eq!(client.counters().retransmissions, 0);
        let Counters { requests, refreshes, renewals, stale_nonces, .. } = *client.counters();
        assert_eq!(requests, 2 + 2 + refreshes + renewals + stale_nonces);
        assert!((100..300).contains(&stale_nonces), "144 nonces, and two peers that ask at the same time");
    }

    #[test]
    fn allocations_of_30_s_and_5_s_hold_as_well() {
        for (lifetime, refreshes) in [(30, 5_700..5_761), (5, 34_000..34_561)] {
            let (client, _) = holds(lifetime, DataPath::Indications, |_| false);
            assert!(refreshes.contains(&client.counters().refreshes), "{:?}", client.counters());
        }
    }

    #[test]
    fn every_third_datagram_lost_does_not_end_it() {
        for path in [DataPath::Channels, DataPath::Indications] {
            // A pseudo-random third, so that no retransmission falls into step with it.
            let (client, _) = holds(600, path, |number| number.wrapping_mul(0x9e37_79b1) >> 16 & 0xff < 85);
            assert!(client.counters().retransmissions > 100, "{:?}", client.counters());
        }
    }

    #[test]
    fn it_is_deleted_in_the_end() {
        let (mut client, mut server) = holds(600, DataPath::Channels, |_| false);
        let end = Moment::START.plus(DAY);
        client.close(end);
        assert_eq!(client.state(), State::Closing);
        while let Some(request) = sent(&mut client) {
            let answer = server.answer(&request, end);
            client.handle_input(&answer, end);
        }
        assert_eq!((events(&mut client), client.state()), (vec![Event::Closed], State::Closed));
        assert!(server.deleted);
        assert_eq!((client.poll_timeout(), sent(&mut client)), (None, None));
    }
}

mod ending {
    use super::*;

    #[test]
    fn a_refused_refresh_is_the_loss_of_the_allocation() {
        for code in [437, 441, 508] {
            let (mut client, peer) = with_ready_peer(config());
            client.handle_timeout(millis(540_000));
            let mut handled = 0;
            while let Some(request) = sent(&mut client) {
                if Message::parse(&request).expect("a message").method() == Method::REFRESH {
                    client.handle_input(&error(code, "no", &[]).to(&request), millis(540_001));
                    handled += 1;
                }
            }
            assert_eq!(handled, 1);
            let failure = Failure::Code { code, reason: "no".to_owned(), method: Method::REFRESH };
            assert_eq!(events(&mut client), [Event::Lost(failure)]);
            assert_eq!(client.wrap(peer, 1, &mut Vec::new()), None);
            assert_eq!(client.poll_timeout(), None);
        }
    }

    #[test]
    fn a_mismatch_at_the_first_request_is_told_at_once() {
        let mut client = Client::new(ClientConfig { credentials: None, ..config() });
        client.allocate(Moment::START);
        let first = the_request(&mut client);
        client.handle_input(&error(437, "Mismatched allocation", &[]).to(&first), millis(10));
        let events = events(&mut client);
        assert!(matches!(&events[..], [Event::Failed(Failure::Code { code: 437, .. })]), "{events:?}");
        assert_eq!((sent(&mut client), client.poll_timeout()), (None, None));
    }

    #[test]
    fn a_mismatch_at_a_renewal_is_the_loss_of_the_allocation() {
        let (mut client, _) = with_ready_peer(config());
        client.handle_timeout(millis(240_000));
        let renewal = the_request(&mut client);
        client.handle_input(&error(437, "", &[]).to(&renewal), millis(240_001));
        let events = events(&mut client);
        assert!(matches!(&events[..], [Event::Lost(Failure::Code { code: 437, .. })]), "{events:?}");
    }

    #[test]
    fn a_refused_peer_leaves_the_allocation_alone() {
        let mut client = up(config());
        let peer = client.open_peer(address(PEER), Moment::START);
        let request = the_request(&mut client);
        client.handle_input(&error(403, "Forbidden IP", &[]).to(&request), millis(1));
        let method = Method::CHANNEL_BIND;
        let failure = Failure::Code { code: 403, reason: "Forbidden IP".to_owned(), method };
        assert_eq!(failure.to_string(), "ChannelBind: 403 Forbidden IP");
        assert_eq!(events(&mut client), [Event::PeerRefused(peer, failure)]);
        assert_eq!((client.state(), client.wrap(peer, 1, &mut Vec::new())), (State::Up, None));
    }

    #[test]
    fn an_allocation_that_is_not_wanted_any_more_is_deleted_when_it_comes() {
        let mut client = Client::new(ClientConfig { credentials: None, ..config() });
        client.allocate(Moment::START);
        let request = the_request(&mut client);
        client.close(millis(1));
        assert_eq!(client.state(), State::Allocating);
        client.handle_input(&granted(None, 600).to(&request), millis(2));
        let delete = the_request(&mut client);
        assert_eq!(Message::parse(&delete).expect("a message").value(AttributeType::LIFETIME), Some(Value::U32(0)));
        client.handle_input(&success(None, &[]).to(&delete), millis(3));
        let events = events(&mut client);
        assert!(matches!(events[..], [Event::Allocated { .. }, Event::Closed]), "{events:?}");
    }

    #[test]
    fn an_allocation_that_is_not_waited_for_is_deleted_behind_its_request() {
        let key = md5_key();
        let mut client = Client::new(config());
        client.allocate(Moment::START);
        let first = the_request(&mut client);
        client.handle_input(&challenge(401, b"n1").to(&first), millis(1));
        the_request(&mut client);
        client.withdraw(millis(500));
        let delete = the_request(&mut client);
        let message = Message::parse(&delete).expect("a message");
        assert_eq!((message.method(), message.value(AttributeType::LIFETIME)), (Method::REFRESH, Some(Value::U32(0))));
        assert_eq!((message.integrity(&key), message.nonce()), (Check::Right, Some(&b"n1"[..])));
        // Granted and deleted, or never granted.
        client.handle_input(&error(437, "Allocation Mismatch", &[]).to(&delete), millis(501));
        assert_eq!((events(&mut client), client.state()), (vec![Event::Closed], State::Closed));
    }

    #[test]
    fn what_no_server_can_have_granted_is_not_deleted() {
        let mut unknown = Client::new(config());
        unknown.allocate(Moment::START);
        the_request(&mut unknown);
        let mut idle = Client::new(config());
        for client in [&mut unknown, &mut idle, &mut up(config())] {
            let before = client.state();
            client.withdraw(millis(500));
            assert_eq!((sent(client), client.state()), (None, before));
        }
    }

    #[test]
    fn a_deletion_without_an_answer_ends_too() {
        let mut client = up(config());
        client.close(millis(0));
        while let Some(next) = client.poll_timeout() {
            client.handle_timeout(next);
        }
        assert_eq!((events(&mut client), client.state()), (vec![Event::Undeleted], State::Closed));
        let mut idle = Client::new(config());
        idle.close(Moment::START);
        assert_eq!((events(&mut idle), sent(&mut idle)), (vec![Event::Closed], None));
    }

    #[test]
    fn a_user_name_that_no_message_can_carry_is_refused_at_once() {
        let login = Login { user: "x".repeat(70_000), password: Secret::from("p".to_owned()) };
        let mut client = Client::new(ClientConfig { credentials: Some(Arc::new(login)), ..config() });
        client.allocate(Moment::START);
        assert!(matches!(events(&mut client)[..], [Event::Failed(Failure::Protocol(_))]));
        assert_eq!(sent(&mut client), None);
    }
}

mod data {
    use super::*;

    fn wrapped(client: &mut Client, peer: PeerId, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0xee; 3];
        client.wrap(peer, payload.len(), &mut out).expect("a peer that is ready");
        out.extend_from_slice(payload);
        client.finish_wrap(&mut out, 3);
        out.split_off(3)
    }

    #[test]
    fn channel_data_is_padded_on_a_stream_only() {
        for reliable in [false, true] {
            let (mut client, peer) = with_ready_peer(ClientConfig { reliable, ..config() });
            for len in 0..9 {
                let payload = &b"12345678"[..len];
                let bytes = wrapped(&mut client, peer, payload);
                let message = ChannelData::parse(&bytes).expect("channel data");
                assert_eq!((message.data, message.error(), message.channel), (payload, None, ChannelNumber::MIN));
                assert_eq!(bytes.len(), 4 + if reliable { len.next_multiple_of(4) } else { len });
            }
        }
    }

    #[test]
    fn a_send_indication_holds_peer_and_data() {
        for (dont_fragment, peer_text) in [(false, PEER), (true, "[2001:db8::5]:5004")] {
            let mut client = up(ClientConfig { path: DataPath::Indications, dont_fragment, ..config() });
            let peer = client.open_peer(address(peer_text), Moment::START);
            let request = the_request(&mut client);
            assert_eq!(Message::parse(&request).expect("a message").method(), Method::CREATE_PERMISSION);
            client.handle_input(&success(None, &[]).to(&request), Moment::START);
            for len in 0..9 {
                let payload = &b"12345678"[..len];
                let bytes = wrapped(&mut client, peer, payload);
                let message = Message::parse(&bytes).expect("an indication");
                assert_eq!((message.class(), message.method()), (Class::Indication, Method::SEND));
                assert_eq!((message.error(), message.declared_len()), (None, bytes.len()));
                assert_eq!(message.address(AttributeType::XOR_PEER_ADDRESS), Some(address(peer_text)));
                assert_eq!(message.attribute_bytes(AttributeType::DATA), Some(payload));
                assert_eq!(message.find(AttributeType::DONT_FRAGMENT).is_some(), dont_fragment);
            }
        }
    }

    #[test]
    fn what_a_length_cannot_tell_is_not_wrapped_and_leaves_nothing_behind() {
        for path in [DataPath::Channels, DataPath::Indications] {
            let (mut client, peer) = with_ready_peer(ClientConfig { path, ..config() });
            for len in [0x1_0000, usize::MAX] {
                let mut out = vec![1];
                assert_eq!((client.wrap(peer, len, &mut out), out), (None, vec![1]));
            }
        }
        let (mut client, peer) = with_ready_peer(ClientConfig { path: DataPath::Indications, ..config() });
        let mut out = vec![1];
        assert_eq!((client.wrap(peer, 0xffff, &mut out), out), (None, vec![1]));
    }

    #[test]
    fn nothing_is_wrapped_before_the_peer_is_ready() {
        let mut client = up(config());
        let peer = client.open_peer(address(PEER), Moment::START);
        assert_eq!(client.wrap(peer, 1, &mut Vec::new()), None);
        assert_eq!(client.wrap(PeerId(9), 1, &mut Vec::new()), None);
    }

    #[test]
    fn data_is_handed_on_with_its_peer() {
        let mut client = up(config());
        let first = client.open_peer(address(PEER), Moment::START);
        let second = client.open_peer(address("203.0.113.6:1"), Moment::START);
        assert_eq!(client.open_peer(address(PEER), Moment::START), first);
        for (number, peer) in [(0x4000, Some(first)), (0x4001, Some(second)), (0x4002, None), (0x7fff, None)] {
            let mut bytes = Vec::new();
            let channel = ChannelNumber::new(number).expect("a channel");
            channel_data::write_padded(channel, b"hello", &mut bytes).expect("short");
            assert_eq!(client.handle_input(&bytes, millis(1)), Input::Data { peer, payload: b"hello" });
        }
        for (from, peer) in [(PEER, Some(first)), ("203.0.113.6:1", Some(second)), ("203.0.113.6:2", None)] {
            let mut bytes = Vec::new();
            Builder::new(&mut bytes, Class::Indication, Method::DATA, TransactionId::new([1; 12]))
                .attribute(AttributeType::XOR_PEER_ADDRESS, &Value::Address(address(from)))
                .attribute(AttributeType::DATA, &Value::Bytes(b"hello"))
                .finish()
                .expect("short");
            assert_eq!(client.handle_input(&bytes, millis(1)), Input::Data { peer, payload: b"hello" });
            for cut in 0..bytes.len() {
                assert_eq!(client.handle_input(&bytes[..cut], millis(1)), Input::Ignored);
            }
        }
    }

    #[test]
    fn cut_channel_data_is_not_data() {
        let (mut client, _) = with_ready_peer(config());
        let bytes = [0x40, 0x00, 0x00, 0x05, 1, 2, 3, 4, 5];
        for cut in 0..bytes.len() {
            assert_eq!(client.handle_input(&bytes[..cut], millis(1)), Input::Ignored);
        }
    }

    #[test]
    fn there_are_as_many_peers_as_channel_numbers() {
        let mut client = up(config());
        for port in 0..4096 {
            let id = client.open_peer(SocketAddr::new([10, 0, 0, 1].into(), port), Moment::START);
            assert_eq!(id.index(), usize::from(port));
        }
        let refused = client.open_peer(address("10.0.0.2:1"), Moment::START);
        assert!(matches!(&events(&mut client)[..], [Event::PeerRefused(id, _)] if *id == refused));
        let mut highest = 0;
        while let Some(request) = sent(&mut client) {
            let message = Message::parse(&request).expect("a message");
            let Some(Value::U16(number)) = message.value(AttributeType::CHANNEL_NUMBER) else { panic!("{message:?}") };
            highest = highest.max(number);
        }
        assert_eq!(highest, 0x4fff);
    }
}

mod hostile {
    use super::*;

    /// A client in each state, with the request it waits on, if any.
    fn clients() -> Vec<(Client, Option<Vec<u8>>)> {
        let mut challenged = Client::new(config());
        challenged.allocate(Moment::START);
        let first = the_request(&mut challenged);
        challenged.handle_input(&challenge(401, b"obMatJos2AAAAn").to(&first), Moment::START);
        let second = the_request(&mut challenged);
        let mut asking = Client::new(config());
        asking.allocate(Moment::START);
        let asked = the_request(&mut asking);
        let (mut closing, _) = with_ready_peer(config());
        closing.close(Moment::START);
        let closed = the_request(&mut closing);
        let mut opening = up(ClientConfig { path: DataPath::Indications, ..config() });
        opening.open_peer(address(PEER), Moment::START);
        let opened = the_request(&mut opening);
        let (ready, _) = with_ready_peer(config());
        let idle = Client::new(config());
        vec![
            (idle, None),
            (asking, Some(asked)),
            (challenged, Some(second)),
            (opening, Some(opened)),
            (closing, Some(closed)),
            (ready, None),
        ]
    }

    fn drained(client: &mut Client) {
        let mut out = Vec::new();
        while client.poll_transmit(&mut out) {}
        while client.poll_event().is_some() {}
    }

    #[test]
    fn no_garbage_makes_a_client_panic_or_moves_it() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for (mut client, _) in clients() {
            let state = client.state();
            for _ in 0..5_000 {
                let mut bytes = [0; 96];
                for byte in &mut bytes {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    *byte = random as u8;
                }
                bytes[0] &= 0x7f;
                if random & 0x100 != 0 {
                    bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
                }
                let len = (random >> 32) as usize % bytes.len();
                client.handle_input(&bytes[..len], millis(1));
                drained(&mut client);
            }
            assert_eq!(client.state(), state);
        }
    }

    #[test]
    fn answers_cut_anywhere_are_ignored() {
        let mut cuts = 0;
        for reply in [granted(None, 600), challenge(401, b"n"), challenge(438, b"n"), error(486, "full", &[])] {
            for (mut client, request) in clients() {
                let Some(request) = request else { continue };
                let bytes = reply.to(&request);
                let state = client.state();
                for cut in 0..bytes.len() {
                    assert_eq!(client.handle_input(&bytes[..cut], millis(1)), Input::Ignored);
                    cuts += 1;
                }
                assert_eq!((client.state(), client.poll_event()), (state, None));
            }
        }
        assert!(cuts > 500);
    }

    #[test]
    fn answers_with_a_wrong_byte_anywhere_do_not_make_a_client_panic() {
        for reply in [granted(None, 600), challenge(401, b"obMatJos2gAAA"), challenge(438, b"n"), error(437, "", &[])] {
            for index in 0..clients().len() {
                let Some(request) = clients().swap_remove(index).1 else { continue };
                // Without the fingerprint, which would catch all of it.
                let mut bytes = reply.to(&request);
                bytes.truncate(bytes.len() - 8);
                bytes[3] -= 8;
                for position in 0..bytes.len() {
                    for value in [0x00, 0xff, bytes[position] ^ 0x04] {
                        let (mut client, _) = clients().swap_remove(index);
                        let mut wrong = bytes.clone();
                        wrong[position] = value;
                        client.handle_input(&wrong, millis(1));
                        drained(&mut client);
                        for _ in 0..4 {
                            if let Some(next) = client.poll_timeout() {
                                client.handle_timeout(next);
                            }
                            drained(&mut client);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_peer_of_a_tcp_relay_gets_a_permission_and_no_channel_and_nothing_is_wrapped_for_it() {
    let mut client = up(ClientConfig { tcp_relay: true, reliable: true, ..config() });
    let peer = client.open_peer(address(PEER), Moment::START);
    let request = the_request(&mut client);
    assert_eq!(Message::parse(&request).expect("a message").method(), Method::CREATE_PERMISSION);
    client.handle_input(&success(None, &[]).to(&request), Moment::START);
    assert_eq!(events(&mut client), [Event::PeerReady(peer)]);
    let mut out = Vec::new();
    assert_eq!((client.wrap(peer, 100, &mut out), out.len()), (None, 0));
}

#[test]
fn an_allocation_at_rest_takes_little_memory() {
    let size = size_of::<Client>();
    assert!(size <= 512, "{size} bytes");
}
