use super::*;
use crate::proto::dtls::vectors::{AIORTC_1_2, CHROMIUM_1_3, CHROMIUM_BAD_FINGERPRINT, COTURN_ALERT, garbage, hex};
use crate::proto::dtls::{CipherSuite, HandshakeType, NamedGroup, SrtpProfile, Version};

use Direction::{AToB, BToA};

/// Feeds datagrams a millisecond apart, frames counted from 1.
fn feed(datagrams: &[(Direction, Vec<u8>)]) -> Association {
    let mut association = Association::new();
    for (index, (from, payload)) in datagrams.iter().enumerate() {
        let ts = Timestamp::from_nanos(index as i64 * 1_000_000);
        association.datagram(*from, ts, FrameNo(index as u64 + 1), payload);
    }
    association
}

fn only(association: &Association) -> &HandshakeSummary {
    let all: Vec<&HandshakeSummary> = association.handshakes().collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0]
}

/// Client and server in turn, the client being A.
fn in_turn(datagrams: &[&str]) -> Vec<(Direction, Vec<u8>)> {
    datagrams.iter().enumerate().map(|(index, hexes)| ([AToB, BToA][index % 2], hex(hexes))).collect()
}

fn chromium() -> Vec<(Direction, Vec<u8>)> {
    [AToB, AToB, BToA, BToA, AToB, BToA].into_iter().zip(CHROMIUM_1_3.iter().map(|text| hex(text))).collect()
}

/// A classic record.
fn record(content_type: u8, epoch: u16, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content_type, 0xfe, 0xfd];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend(&sequence.to_be_bytes()[2..]);
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A record with a new sequence number for each record of a datagram, as a retransmission has it.
fn sent_again(datagram: &[u8], add: u64) -> Vec<u8> {
    let mut again = Vec::new();
    for record in Records::new(datagram, None).map(Result::unwrap) {
        let mut header = record.header_bytes.to_vec();
        header[10] += add as u8;
        again.extend(header);
        again.extend(record.payload);
    }
    again
}

fn kinds(flight: &Flight) -> Vec<String> {
    flight.messages.iter().map(|message| message.kind.to_string()).collect()
}

#[test]
fn a_handshake_of_dtls_1_2_is_complete_with_the_second_finished() {
    let association = feed(&in_turn(&AIORTC_1_2));
    let handshake = only(&association);
    assert_eq!((handshake.state, handshake.opening), (State::Complete, Opening::ClientHello));
    assert_eq!((handshake.client, handshake.server()), (Some(AToB), Some(BToA)));
    assert_eq!(handshake.version, Some(Version::DTLS_1_2));
    assert_eq!(handshake.cipher_suite, Some(CipherSuite(0xc02b)));
    assert_eq!(handshake.srtp_profile, Some(SrtpProfile::AEAD_AES_256_GCM));
    assert_eq!(handshake.group, Some(NamedGroup::X25519));
    assert_eq!(handshake.handshake_ms(), Some(3.0));
    assert_eq!(handshake.completed.map(|point| point.frame), Some(FrameNo(4)));
    assert!(handshake.extended_master_secret);
    assert_eq!((handshake.resumed, handshake.certificate_requested), (Some(false), Some(true)));
    assert_eq!((handshake.retransmitted_flights, handshake.errors, handshake.alert), (0, 0, None));
    let certificates: Vec<_> = handshake.certificates.iter().map(|c| (c.from, c.at.frame.0)).collect();
    assert_eq!(certificates, [(BToA, 2), (AToB, 3)]);
    let expected = "C6:05:D9:6D:2A:4A:0A:A0:6F:A8:AB:EC:D3:A9:92:37:27:8E:CF:9F:36:47:A3:A1:00:86:F9:EF:F7:1B:BB:C7";
    assert_eq!(handshake.certificates[0].info.fingerprint_sha256.to_string(), expected);
    assert_eq!(handshake.flights.len(), 4);
    assert!(handshake.flights.iter().all(Flight::is_complete));
    assert_eq!(kinds(&handshake.flights[3]), ["ChangeCipherSpec", "Finished"]);
}

#[test]
fn a_handshake_of_dtls_1_3_is_complete_when_the_server_goes_on_in_epoch_3() {
    let datagrams = chromium();
    let before = feed(&datagrams[..5]);
    assert_eq!(only(&before).state, State::Incomplete);
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!((handshake.state, handshake.version), (State::Complete, Some(Version::DTLS_1_3)));
    assert_eq!(handshake.group, Some(NamedGroup::X25519_MLKEM768));
    assert_eq!((handshake.srtp_profile, handshake.offer.srtp_profiles.len()), (None, 3));
    // From the first fragment of the ClientHello (frame 1) to the client's encrypted flight (frame 5).
    assert_eq!(handshake.handshake_ms(), Some(4.0));
    let flights: Vec<_> = handshake.flights.iter().map(kinds).collect();
    assert_eq!(flights, [vec!["ClientHello"], vec!["ServerHello", "encrypted"], vec!["encrypted"]]);
    let hello = &handshake.flights[0].messages[0];
    assert_eq!((hello.first.frame.0, hello.complete.map(|at| at.frame.0)), (1, Some(2)));
    assert_eq!(handshake.records.application_data, 1);
}

#[test]
fn the_fragments_of_a_client_hello_may_come_in_any_order() {
    let mut datagrams = chromium();
    datagrams.swap(0, 1);
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!((handshake.state, handshake.errors), (State::Complete, 0));
    assert_eq!(handshake.offer.groups.first(), Some(&NamedGroup::X25519_MLKEM768));
}

#[test]
fn a_lost_fragment_shows_as_a_message_that_never_became_whole() {
    let association = feed(&chromium()[..1]);
    let handshake = only(&association);
    assert_eq!(handshake.state, State::Incomplete);
    assert_eq!(handshake.flights[0].messages[0].complete, None);
    assert!(!handshake.flights[0].is_complete());
}

#[test]
fn an_encrypted_record_as_small_as_an_alert_where_a_flight_is_due_is_an_alert() {
    let mut datagrams = chromium()[..3].to_vec();
    datagrams.push((BToA, hex(CHROMIUM_BAD_FINGERPRINT[0])));
    assert_eq!(only(&feed(&datagrams)).state, State::Incomplete);
    datagrams.push((AToB, hex(CHROMIUM_BAD_FINGERPRINT[1])));
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!(handshake.state, State::Alert);
    let alert = handshake.alert.unwrap();
    assert_eq!((alert.from, alert.at.frame, alert.alert, alert.inferred), (AToB, FrameNo(5), None, true));
}

#[test]
fn a_suspected_alert_is_forgotten_when_the_flight_comes_after_all() {
    let mut datagrams = chromium();
    let empty_ack = hex(CHROMIUM_BAD_FINGERPRINT[1]);
    datagrams.insert(4, (AToB, empty_ack));
    let association = feed(&datagrams);
    assert_eq!((only(&association).state, only(&association).alert), (State::Complete, None));
}

#[test]
fn a_plaintext_alert_ends_the_handshake_with_its_name() {
    let association = feed(&in_turn(&COTURN_ALERT));
    let handshake = only(&association);
    assert_eq!(handshake.state, State::Alert);
    let alert = handshake.alert.unwrap();
    assert_eq!(alert.alert.map(|alert| alert.to_string()).as_deref(), Some("fatal internal_error"));
    assert_eq!((alert.from, alert.at.frame, alert.after_completion), (BToA, FrameNo(4), false));
    let flights: Vec<_> = handshake.flights.iter().map(kinds).collect();
    assert_eq!(flights, [["ClientHello"], ["HelloVerifyRequest"], ["ClientHello"]]);
}

#[test]
fn an_encrypted_alert_behind_the_handshake_does_not_undo_it() {
    let mut datagrams = in_turn(&AIORTC_1_2);
    datagrams.push((BToA, record(21, 1, 9, &[7; 26])));
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!(handshake.state, State::Complete);
    let alert = handshake.alert.unwrap();
    assert_eq!((alert.alert, alert.after_completion, alert.inferred), (None, true, false));
}

#[test]
fn a_flight_sent_again_is_a_retransmission_and_the_same_record_is_a_captured_duplicate() {
    let mut datagrams = in_turn(&AIORTC_1_2);
    let server_flight = datagrams[1].clone();
    datagrams.insert(1, datagrams[0].clone());
    datagrams.insert(3, (BToA, sent_again(&server_flight.1, 10)));
    datagrams.insert(4, (BToA, sent_again(&server_flight.1, 20)));
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!(handshake.state, State::Complete);
    assert_eq!((handshake.captured_duplicates, handshake.retransmitted_flights), (1, 2));
    let retransmissions: Vec<u32> = handshake.flights.iter().map(|flight| flight.retransmissions).collect();
    assert_eq!(retransmissions, [0, 2, 0, 0]);
    assert_eq!(handshake.flights[1].retransmission_frames, [FrameNo(4), FrameNo(5)]);
    assert_eq!(handshake.certificates.len(), 2);
}

#[test]
fn a_finished_flight_sent_again_is_no_renegotiation() {
    let mut datagrams = in_turn(&AIORTC_1_2);
    let client_flight = sent_again(&datagrams[2].1, 10);
    datagrams.push((AToB, client_flight));
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!((handshake.retransmitted_flights, handshake.post_handshake_messages), (1, 0));
    assert_eq!(handshake.handshake_ms(), Some(3.0));
}

#[test]
fn another_client_hello_behind_a_finished_handshake_opens_the_next_one() {
    let mut datagrams = in_turn(&AIORTC_1_2);
    datagrams.extend(chromium());
    let association = feed(&datagrams);
    let states: Vec<_> = association.handshakes().map(|handshake| (handshake.state, handshake.version)).collect();
    let complete = |version| (State::Complete, Some(version));
    assert_eq!(states, [complete(Version::DTLS_1_2), complete(Version::DTLS_1_3)]);
    let firsts: Vec<u64> = association.handshakes().map(|handshake| handshake.first.frame.0).collect();
    assert_eq!(firsts, [1, 5]);
}

#[test]
fn a_client_hello_with_another_random_opens_the_next_one_even_before_the_end() {
    let mut other = hex(AIORTC_1_2[0]);
    other[30] ^= 0xff;
    let datagrams = [(AToB, hex(AIORTC_1_2[0])), (AToB, other)];
    let association = feed(&datagrams);
    assert_eq!(association.handshakes().count(), 2);
}

#[test]
fn two_clients_are_one_handshake_that_cannot_succeed() {
    let mut other = hex(AIORTC_1_2[0]);
    other[30] ^= 0xff;
    let association = feed(&[(AToB, hex(AIORTC_1_2[0])), (BToA, other)]);
    let handshake = only(&association);
    assert_eq!((handshake.client, handshake.state), (Some(AToB), State::Incomplete));
    assert_eq!(handshake.both_clients.map(|at| at.frame), Some(FrameNo(2)));
}

#[test]
fn a_renegotiation_opens_a_handshake_of_its_own() {
    let mut datagrams = in_turn(&AIORTC_1_2);
    datagrams.push((AToB, record(22, 1, 40, &[1; 100])));
    datagrams.push((AToB, record(20, 1, 41, &[2; 20])));
    datagrams.push((AToB, record(22, 2, 0, &[3; 48])));
    datagrams.push((BToA, record(20, 1, 50, &[4; 20])));
    datagrams.push((BToA, record(22, 2, 0, &[5; 48])));
    let association = feed(&datagrams);
    let all: Vec<_> = association.handshakes().collect();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].post_handshake_messages, 1);
    assert_eq!((all[1].opening, all[1].state, all[1].client), (Opening::Renegotiation, State::Complete, Some(AToB)));
    assert_eq!(all[1].handshake_ms(), None);
}

#[test]
fn a_capture_that_begins_behind_the_handshake_knows_no_more_than_that() {
    let association = feed(&[(AToB, record(23, 1, 100, &[9; 40])), (BToA, record(23, 1, 7, &[8; 40]))]);
    let handshake = only(&association);
    assert_eq!((handshake.opening, handshake.state), (Opening::Joined, State::Complete));
    assert_eq!((handshake.client, handshake.handshake_ms()), (None, None));
    assert_eq!((handshake.version, handshake.version_negotiated), (Some(Version::DTLS_1_2), false));
    assert_eq!(handshake.records.application_data, 2);
}

#[test]
fn a_capture_of_the_server_alone_tells_who_the_client_is() {
    let datagrams: Vec<_> = in_turn(&AIORTC_1_2).into_iter().filter(|(from, _)| *from == BToA).collect();
    let association = feed(&datagrams);
    let handshake = only(&association);
    assert_eq!((handshake.client, handshake.opening), (Some(AToB), Opening::Joined));
    assert_eq!((handshake.state, handshake.client_hello), (State::Incomplete, None));
    assert_eq!(handshake.srtp_profile, Some(SrtpProfile::AEAD_AES_256_GCM));
}

#[test]
fn a_session_id_that_comes_back_resumes_and_the_client_finishes_last() {
    let random = [5u8; 32];
    let hello = |message_type: u8, seq: u8, rest: &str| {
        let mut body = vec![0xfe, 0xfd];
        body.extend(random);
        body.extend(hex(rest));
        let mut message = vec![message_type, 0, 0, body.len() as u8, 0, seq, 0, 0, 0, 0, 0, body.len() as u8];
        message.extend(body);
        message
    };
    let client = record(22, 0, 0, &hello(1, 0, "04 01020304 00 0002 c02b 01 00"));
    let mut server = record(22, 0, 0, &hello(2, 0, "04 01020304 c02b 00"));
    server.extend(record(20, 0, 1, &[1]));
    server.extend(record(22, 1, 0, &[6; 40]));
    let mut last = record(20, 0, 1, &[1]);
    last.extend(record(22, 1, 0, &[7; 40]));
    let association = feed(&[(AToB, client), (BToA, server), (AToB, last)]);
    let handshake = only(&association);
    assert_eq!((handshake.state, handshake.resumed, handshake.errors), (State::Complete, Some(true), 0));
    assert!(handshake.offer.resumption);
    assert_eq!(handshake.handshake_ms(), Some(2.0));
}

#[test]
fn records_with_a_connection_id_are_split_by_the_lengths_that_the_hellos_agreed_on() {
    let hello = |message_type: u8, before: &str, id: &str| {
        let mut body = vec![0xfe, 0xfd];
        body.extend([5u8; 32]);
        body.extend(hex(before));
        let id = hex(id);
        body.extend([0, id.len() as u8 + 5, 0, 54, 0, id.len() as u8 + 1, id.len() as u8]);
        body.extend(&id);
        let mut message = vec![message_type, 0, 0, body.len() as u8, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
        message.extend(body);
        message
    };
    let with_id = |sequence: u8, id: &str| {
        let mut bytes = hex("19 fefd 0001 0000000000");
        bytes.push(sequence);
        bytes.extend(hex(id));
        bytes.extend(hex("0003 010203"));
        bytes
    };
    let client = record(22, 0, 0, &hello(1, "00 00 0002 c02b 01 00", "c1c2"));
    let server = record(22, 0, 0, &hello(2, "00 c02b 00", "d1d2d3"));
    let mut from_client = record(20, 0, 1, &[1]);
    from_client.extend(with_id(0, "d1d2d3"));
    from_client.extend(with_id(1, "d1d2d3"));
    let mut from_server = record(20, 0, 1, &[1]);
    from_server.extend(with_id(0, "c1c2"));
    let association = feed(&[(AToB, client), (BToA, server), (AToB, from_client), (BToA, from_server)]);
    let handshake = only(&association);
    assert_eq!(handshake.client_connection_id.as_deref(), Some(&[0xc1, 0xc2][..]));
    assert_eq!(handshake.server_connection_id.as_deref(), Some(&[0xd1, 0xd2, 0xd3][..]));
    assert_eq!((handshake.records.connection_id, handshake.errors), (3, 0));
    assert_eq!(handshake.state, State::Complete);
}

#[test]
fn records_that_tell_of_no_handshake_make_none() {
    let unknown_message = [vec![254, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4], vec![1, 2, 3, 4]].concat();
    let mut association = feed(&[(AToB, record(22, 0, 0, &unknown_message))]);
    assert_eq!(association.handshakes().count(), 0);
    let seen = association.datagram(AToB, Timestamp::from_nanos(5), FrameNo(2), &hex(AIORTC_1_2[0]));
    assert_eq!((seen.records, seen.error), (1, None));
    assert_eq!(only(&association).opening, Opening::ClientHello);
}

#[test]
fn every_truncation_of_every_datagram_is_taken() {
    for datagrams in [in_turn(&AIORTC_1_2), chromium()] {
        for index in 0..datagrams.len() {
            for len in (0..datagrams[index].1.len()).step_by(7) {
                let mut cut = datagrams.clone();
                cut[index].1.truncate(len);
                let association = feed(&cut);
                assert!(association.handshakes().count() <= 1);
            }
        }
    }
}

#[test]
fn damaged_datagrams_and_garbage_are_taken_and_memory_stays_bounded() {
    let valid: Vec<(Direction, Vec<u8>)> = in_turn(&AIORTC_1_2).into_iter().chain(chromium()).collect();
    let mut association = Association::new();
    for seed in 0..3000u64 {
        let noise = garbage(seed, 40);
        let (from, mut payload) = valid[seed as usize % valid.len()].clone();
        for (index, byte) in noise.iter().enumerate() {
            let position = (index * 131 + usize::from(*byte) * 7 + seed as usize) % payload.len();
            payload[position] ^= byte;
        }
        association.datagram(from, Timestamp::from_nanos(seed as i64), FrameNo(seed), &payload);
        association.datagram(from, Timestamp::from_nanos(seed as i64), FrameNo(seed), &noise);
    }
    assert!(association.handshakes().count() <= MAX_HANDSHAKES);
    for handshake in association.handshakes() {
        assert!(handshake.flights.iter().map(|flight| flight.messages.len()).sum::<usize>() <= 64);
        assert!(handshake.certificates.len() <= 8 && handshake.alerts.len() <= 8);
    }
}

#[test]
fn of_too_many_handshakes_the_oldest_are_forgotten_and_counted() {
    let mut association = Association::new();
    for number in 0..200u8 {
        let mut hello = hex(AIORTC_1_2[0]);
        hello[30] = number;
        association.datagram(AToB, Timestamp::from_nanos(0), FrameNo(u64::from(number)), &hello);
    }
    assert_eq!(association.handshakes().count(), MAX_HANDSHAKES);
    assert_eq!(association.forgotten(), 200 - MAX_HANDSHAKES as u64);
    assert_eq!(association.handshakes().last().map(|handshake| handshake.first.frame), Some(FrameNo(199)));
}

#[test]
fn messages_are_named_as_the_rfcs_do() {
    let association = feed(&in_turn(&AIORTC_1_2));
    let server_flight = &only(&association).flights[1];
    let expected = ["ServerHello", "Certificate", "ServerKeyExchange", "CertificateRequest", "ServerHelloDone"];
    assert_eq!(kinds(server_flight), expected);
    assert_eq!(server_flight.messages[0].kind, MessageKind::Handshake(HandshakeType::SERVER_HELLO));
}
