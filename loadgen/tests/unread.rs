//! Whole runs of the built program against a server that grants all and then reads no more of its streams.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a panic is the verdict of a test")]
#![allow(clippy::disallowed_methods, reason = "a test that starts other programs is an edge")]

mod support;

use rtcscope::proto::stun::{AttributeType, Builder, Class, HEADER_LEN, Message, Method, Value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use support::{measuring, run};

/// One STUN message; none where the stream ends.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![0; HEADER_LEN];
    stream.read_exact(&mut message).ok()?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    message.resize(HEADER_LEN + length, 0);
    stream.read_exact(&mut message[HEADER_LEN..]).ok()?;
    Some(message)
}

/// Grants an allocation and a channel, and holds the stream without a look at it.
fn grant(mut stream: TcpStream) -> Option<TcpStream> {
    loop {
        let request = message(&mut stream)?;
        let request = Message::parse(&request).ok()?;
        let mut answer = Vec::new();
        let mut builder = Builder::new(&mut answer, Class::SuccessResponse, request.method(), request.transaction_id());
        if request.method() == Method::ALLOCATE {
            let relayed = SocketAddr::from(([127, 0, 0, 1], 9));
            builder = builder
                .attribute(AttributeType::XOR_RELAYED_ADDRESS, &Value::Address(relayed))
                .attribute(AttributeType::XOR_MAPPED_ADDRESS, &Value::Address(relayed))
                .attribute(AttributeType::LIFETIME, &Value::U32(600));
        }
        builder.finish().ok()?;
        stream.write_all(&answer).ok()?;
        if request.method() == Method::CHANNEL_BIND {
            return Some(stream);
        }
    }
}

#[test]
fn a_server_that_does_not_read_is_not_taken_for_a_generator_that_cannot_send() {
    let _turn = measuring();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4_096).expect("a small buffer");
    let uri = format!("turn:{}?transport=tcp", listener.local_addr().expect("its address"));
    std::thread::spawn(move || {
        // Held, so that they stay open.
        let mut streams = Vec::new();
        listener.incoming().flatten().for_each(|stream| streams.extend(grant(stream)));
    });
    for traffic in ["--bitrate 20mbps -l 1000", "--profile flood"] {
        let (code, value) = run(&uri, &format!("-m 1 --duration 2s {traffic}"));
        let (media, generator) = (&value["media"], &value["generator"]);
        let figure = |name: &str| media[name].as_u64().expect("a figure");
        assert_eq!((code, &value["valid"], &generator["send_errors"]), (Some(3), &true.into(), &0.into()), "{value:#}");
        assert!(figure("sent_packets") > 0, "{value:#}");
        assert_eq!(figure("offered_packets"), figure("sent_packets") + figure("blocked_packets"), "{value:#}");
        assert_eq!(
            (figure("lost_packets"), &media["lost_pct"]),
            (figure("offered_packets"), &100.0.into()),
            "{value:#}"
        );
        // What goes as fast as it can goes no faster than it is read.
        assert_eq!(figure("blocked_packets") > 0, !traffic.contains("flood"), "{value:#}");
    }
}
