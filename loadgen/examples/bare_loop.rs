//! What a datagram there and back costs at least: `bare_loop [SOCKETS] [ROUNDS] [BYTES] [PACKETS A SECOND]`.
//!
//! As many connected UDP sockets as asked for send one datagram each to a reflector on loopback, then each receives its
//! echo; no epoll, no look into the packet. With a rate, as many as are due in half a millisecond send, it is slept, and
//! they receive: a core that sleeps between packets has more work with each than one that never does. Prints the CPU microseconds of a round trip, of the thread that
//! has the sockets and of the reflector's, as JSON. `benches/turn-side-by-side` holds turnload against it.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement that cannot be made ends")]
#![allow(clippy::disallowed_methods, reason = "this is no part of the programs")]

use rustix::time::{ClockId, clock_gettime};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_micros(500);
/// In a second.
const TICKS: usize = 2_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<usize>().expect("a number"));
    let mut next = |default| arguments.next().unwrap_or(default);
    let (sockets, rounds, bytes, rate) = (next(1_000), next(300), next(172), next(0));
    let batch = if rate == 0 { sockets } else { (rate / TICKS).max(1) };

    let reflector = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&reflector, 8 << 20).expect("a large buffer: run as root");
    let address = reflector.local_addr().expect("an address");
    let packets = sockets * rounds;
    let reflecting = std::thread::spawn(move || {
        let mut buffer = vec![0; 2_048];
        let before = thread_cpu();
        for _ in 0..packets {
            let (length, from) = reflector.recv_from(&mut buffer).expect("a datagram");
            reflector.send_to(&buffer[..length], from).expect("sent back");
        }
        thread_cpu() - before
    });

    let clients: Vec<UdpSocket> = (0..sockets)
        .map(|_| {
            let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            client.connect(address).expect("connected");
            client
        })
        .collect();
    let (payload, mut buffer) = (vec![7; bytes], vec![0; 2_048]);
    let before = thread_cpu();
    let began = Instant::now();
    let mut ticks = 0;
    for _ in 0..rounds {
        for clients in clients.chunks(batch) {
            for client in clients {
                client.send(&payload).expect("sent");
            }
            if rate > 0 {
                ticks += 1;
                std::thread::sleep((TICK * ticks).saturating_sub(began.elapsed()));
            }
            for client in clients {
                assert_eq!(client.recv(&mut buffer).expect("an echo"), bytes);
            }
        }
    }
    let client = thread_cpu() - before;
    let reflector = reflecting.join().expect("the reflector ends");
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / packets as f64;
    println!("{{\"client_us\":{:.3},\"reflector_us\":{:.3},\"round_trips\":{packets}}}", each(client), each(reflector));
}

/// Of the calling thread, of user and kernel.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
