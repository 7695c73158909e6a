//! Whole runs of the built program against a server that stands still, and reads later what it was sent meanwhile.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use rtcscope::proto::stun::{AttributeType, Message, Method, Value};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use support::{judged, measuring, program};

#[test]
fn what_a_server_that_stood_still_grants_later_is_deleted_by_what_it_reads_next() {
    let _turn = measuring();
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let uri = format!("turn:{}", server.local_addr().expect("its address"));
    let output = program(&[&uri, "--no-auth", "--format", "json", "-m", "5", "--duration", "1s"])
        .output()
        .expect("turnload runs");
    let (code, value) = judged(&output);
    assert_eq!((code, &value["allocations"]["errors"]["timeout"]), (Some(3), &5.into()), "{value:#}");

    server.set_nonblocking(true).expect("no wait");
    let mut asked: BTreeMap<SocketAddr, Vec<(Method, bool)>> = BTreeMap::new();
    let mut buffer = [0; 2_000];
    while let Ok((length, from)) = server.recv_from(&mut buffer) {
        let message = Message::parse(&buffer[..length]).expect("a message");
        let is_deletion = message.value(AttributeType::LIFETIME) == Some(Value::U32(0));
        asked.entry(from).or_default().push((message.method(), is_deletion));
    }
    assert_eq!(asked.len(), 5);
    for requests in asked.values() {
        assert_eq!(
            (requests.first(), requests.last()),
            (Some(&(Method::ALLOCATE, false)), Some(&(Method::REFRESH, true)))
        );
    }
}
