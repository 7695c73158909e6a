use super::super::stage::{Stage, check, stun};
use super::*;
use crate::proto::stun::{AttributeType, Class, Method, Value};

const A: &str = "10.0.0.1:5000";
const B: &str = "10.0.0.2:6000";

fn answer(id: u8) -> Vec<u8> {
    stun(Class::SuccessResponse, Method::BINDING, id, &[])
}

fn pair(stage: &mut Stage) -> PairSummary {
    let pairs = stage.snapshot().pairs;
    assert_eq!(pairs.len(), 1);
    pairs[0].pair.clone()
}

#[test]
fn an_answered_check_makes_a_pair_valid_and_an_answered_nomination_nominated() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, false)).udp(4, B, A, &answer(1));
    let valid = pair(&mut stage);
    assert_eq!((valid.status, valid.ufrag.as_deref()), (PairStatus::Valid, Some("there:here")));
    assert_eq!(valid.rtt.mean(), Some(4.0));
    stage.udp(10, A, B, &check(2, true)).udp(12, B, A, &answer(2));
    let nominated = pair(&mut stage);
    assert_eq!((nominated.status, nominated.nominated_frame), (PairStatus::Nominated, Some(FrameNo(3))));
}

#[test]
fn a_pair_that_nobody_answers_is_checking_and_after_the_timeout_failed() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(500, A, B, &check(1, true));
    let checking = pair(&mut stage);
    assert_eq!((checking.status, checking.checks), (PairStatus::Checking, 2));
    stage.udp(39_500, A, "10.0.0.9:9", b"later");
    assert_eq!(pair(&mut stage).status, PairStatus::Failed);
}

#[test]
fn consent_is_what_is_checked_after_nomination() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
    stage.udp(5000, A, B, &check(2, false)).udp(5001, B, A, &answer(2));
    stage.udp(10_000, A, B, &check(3, false));
    stage.udp(15_000, A, B, &check(4, false)).udp(15_002, B, A, &answer(4));
    let pair = pair(&mut stage);
    assert_eq!((pair.consent_checks, pair.consent_missed), (3, 1));
    assert_eq!(pair.consent_longest_gap_ms, Some(10_001.0));
}

#[test]
fn an_answer_to_a_check_from_before_the_nomination_is_no_consent() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, false)).udp(1, A, B, &check(2, true)).udp(2, B, A, &answer(2));
    stage.udp(3, B, A, &answer(1)).udp(10, A, B, &check(3, false));
    stage.udp(39_510, A, "10.0.0.9:9", b"later");
    let pair = pair(&mut stage);
    assert_eq!((pair.consent_checks, pair.consent_missed), (1, 1));
}

#[test]
fn a_request_without_ice_attributes_is_no_check() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &stun(Class::Request, Method::BINDING, 1, &[])).udp(1, B, A, &answer(1));
    assert!(stage.snapshot().pairs.is_empty());
}

#[test]
fn a_consent_check_in_flight_at_the_end_is_not_missed() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1)).udp(5001, A, B, &check(2, false));
    let waits = pair(&mut stage);
    assert_eq!((waits.consent_checks, waits.consent_missed), (1, 0));
    assert_eq!(waits.consent_longest_gap_ms, Some(5000.0));
    stage.udp(44_501, A, "10.0.0.9:9", b"later");
    let missed = pair(&mut stage);
    assert_eq!((missed.consent_missed, missed.consent_longest_gap_ms), (1, Some(44_500.0)));
}

#[test]
fn a_consent_check_sent_three_times_is_one_check() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
    stage.udp(5000, A, B, &check(2, false)).udp(5500, A, B, &check(2, false)).udp(5501, B, A, &answer(2));
    stage.udp(5502, A, B, &check(2, false));
    let pair = pair(&mut stage);
    assert_eq!((pair.checks, pair.consent_checks, pair.consent_missed), (4, 1, 0));
    assert_eq!(pair.consent_longest_gap_ms, Some(5500.0));
}

#[test]
fn a_check_in_the_same_instant_as_the_nomination_and_after_it_is_consent() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
    stage.udp(1, A, B, &check(2, false)).udp(1, B, A, &answer(2));
    let pair = pair(&mut stage);
    assert_eq!((pair.consent_checks, pair.consent_missed), (1, 0));
}

fn named(id: u8, username: &'static [u8]) -> Vec<u8> {
    stun(Class::Request, Method::BINDING, id, &[(AttributeType::USERNAME, Value::Text(username))])
}

#[test]
fn other_fragments_are_a_restart_and_the_pair_begins_anew() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
    stage.udp(2, B, A, &named(2, b"here:there")).udp(3, A, B, &answer(2));
    assert_eq!((pair(&mut stage).restarts, pair(&mut stage).status), (0, PairStatus::Nominated));
    stage.udp(10, A, B, &named(3, b"east:west")).udp(11, B, A, &named(4, b"here:there"));
    stage.udp(12, B, A, &named(5, b"west:east"));
    let pairs = stage.snapshot().pairs;
    assert_eq!(pairs.len(), 2);
    let (before, anew) = (&pairs[0].pair, &pairs[1].pair);
    assert_eq!((before.restarts, before.status, before.checks), (0, PairStatus::Nominated, 3));
    assert_eq!((anew.restarts, anew.ufrag.as_deref(), anew.status), (1, Some("east:west"), PairStatus::Checking));
    assert_eq!((anew.checks, anew.first_frame), (2, FrameNo(5)));
}

#[test]
fn each_side_has_the_fragment_that_its_own_checks_name_last() {
    let carrier = Carrier {
        ts: Timestamp::default(),
        frame: FrameNo(1),
        ip_len: 100,
        ip_id: None,
        ttl: 64,
        traffic_class: 0,
        link_tag: 0,
    };
    let mut state = PairState::default();
    assert_eq!(state.fragment(Direction::Forward), None);
    for (id, username) in [(1, &b"there:here"[..]), (2, b"east:west")] {
        let bytes = named(id, username);
        state.request(Direction::Backward, &carrier, &Message::parse(&bytes).unwrap());
        let (receivers, senders) = std::str::from_utf8(username).unwrap().split_once(':').unwrap();
        assert_eq!(state.fragment(Direction::Backward), Some(senders));
        assert_eq!(state.fragment(Direction::Forward), Some(receivers));
    }
}

#[test]
fn consent_is_answered_also_where_no_more_transactions_are_kept() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
    for number in 0..20_000_u32 {
        let mut request = check(9, false);
        request[8..12].copy_from_slice(&number.to_be_bytes());
        let mut response = answer(9);
        response[8..12].copy_from_slice(&number.to_be_bytes());
        stage.udp(2, A, B, &request).udp(2, B, A, &response);
    }
    let pair = pair(&mut stage);
    assert_eq!((pair.consent_checks, pair.consent_missed), (20_000, 0));
}

#[test]
fn a_gap_of_consent_has_its_missed_checks_and_beyond_thirty_seconds_consent_expires() {
    let mut stage = Stage::new();
    stage.udp(0, A, B, &check(1, true)).udp(1, B, A, &answer(1));
    stage.udp(5000, A, B, &check(2, false)).udp(10_000, A, B, &check(3, false)).udp(10_001, B, A, &answer(3));
    // Two in flight at once miss nothing.
    stage.udp(11_000, A, B, &check(4, false)).udp(11_001, A, B, &check(5, false));
    stage.udp(11_010, B, A, &answer(4)).udp(11_011, B, A, &answer(5));
    let once = pair(&mut stage);
    let gaps: Vec<_> = once.consent_gaps.iter().map(|gap| (gap.millis, gap.missed, gap.ended)).collect();
    assert_eq!((gaps, once.consent_expired()), (vec![(10_000.0, 1, Some(FrameNo(5)))], false));
    stage.udp(15_000, A, B, &check(6, false)).udp(41_011, A, "10.0.0.9:9", b"later");
    let expired = pair(&mut stage);
    let open = expired.consent_gaps.last().copied();
    assert_eq!(open.map(|gap| (gap.millis, gap.missed, gap.ended)), Some((30_000.0, 1, None)));
    assert!(expired.consent_expired());
}

#[test]
fn roles_are_those_of_the_last_checks_and_a_conflict_is_counted() {
    let with_role = |id: u8, role: AttributeType| stun(Class::Request, Method::BINDING, id, &[(role, Value::U64(7))]);
    let code = Value::ErrorCode { code: 487, reason: b"Role Conflict" };
    let refusal = stun(Class::ErrorResponse, Method::BINDING, 1, &[(AttributeType::ERROR_CODE, code)]);
    let mut stage = Stage::new();
    stage.udp(0, A, B, &with_role(1, AttributeType::ICE_CONTROLLING)).udp(1, B, A, &refusal);
    stage.udp(2, B, A, &with_role(2, AttributeType::ICE_CONTROLLING));
    stage.udp(3, A, B, &with_role(3, AttributeType::ICE_CONTROLLED));
    let pair = pair(&mut stage);
    assert_eq!(pair.roles, [Some(IceRole::Controlled), Some(IceRole::Controlling)]);
    assert_eq!((pair.role_conflicts, pair.first_role_conflict), (1, Some(FrameNo(2))));
}
