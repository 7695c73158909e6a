//! The endpoint that Prometheus reads.
//!
//! In: connections, and whoever makes the text. Out: the text, made once a second at most. Never: more than a few readers at
//! a time, a reader that takes its time, a request understood beyond its first line.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// All that a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first line, and the headers of any reader.
const MAX_REQUEST: usize = 8 * 1024;
/// Readers at a time; others are turned away.
const MAX_READERS: usize = 8;
/// How long a text is served: to make one is to hold packets up for as long as a snapshot takes.
const FRESH: Duration = Duration::from_secs(1);
/// After a failure to accept, which no more of them would mend.
const PAUSE: Duration = Duration::from_millis(100);

/// The address is listened at; nobody is answered yet.
pub(super) struct Exposition {
    listener: TcpListener,
}

/// Who makes the text, and the last one with its time.
struct Made<F> {
    make: F,
    last: Option<(Instant, Arc<str>)>,
}

struct Source<F> {
    made: Mutex<Made<F>>,
    content_type: &'static str,
    readers: AtomicUsize,
}

impl Exposition {
    /// # Errors
    /// The address cannot be listened at.
    pub(super) fn listen(at: SocketAddr) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(at)? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// That of the system.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the process ends, on threads of its own.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn serve(
        self,
        content_type: &'static str,
        make: impl FnMut() -> String + Send + 'static,
    ) -> io::Result<()> {
        let source = Arc::new(Source {
            made: Mutex::new(Made { make, last: None }),
            content_type,
            readers: AtomicUsize::new(0),
        });
        let accept = move || {
            for stream in self.listener.incoming() {
                match stream {
                    Ok(stream) => answer_aside(stream, &source),
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        };
        std::thread::Builder::new().name("exposition".to_owned()).spawn(accept)?;
        Ok(())
    }
}

fn answer_aside<F: FnMut() -> String + Send + 'static>(stream: TcpStream, source: &Arc<Source<F>>) {
    if source.readers.fetch_add(1, Relaxed) >= MAX_READERS {
        source.readers.fetch_sub(1, Relaxed);
        return;
    }
    let theirs = Arc::clone(source);
    let body = move || {
        // Who goes away before the end has what they wanted.
        let _ = answer(stream, &theirs);
        theirs.readers.fetch_sub(1, Relaxed);
    };
    if std::thread::Builder::new().name("scrape".to_owned()).spawn(body).is_err() {
        source.readers.fetch_sub(1, Relaxed);
    }
}

impl<F: FnMut() -> String> Source<F> {
    fn text(&self) -> Arc<str> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let Made { make, last } = &mut *made;
        match last {
            Some((made, text)) if made.elapsed() < FRESH => Arc::clone(text),
            _ => {
                let text: Arc<str> = make().into();
                *last = Some((instant(), Arc::clone(&text)));
                text
            }
        }
    }
}

fn answer<F: FnMut() -> String>(mut stream: TcpStream, source: &Source<F>) -> io::Result<()> {
    let until = instant() + PATIENCE;
    let left = || Some(until.saturating_duration_since(instant())).filter(|left| !left.is_zero());
    let left = || left().ok_or(io::ErrorKind::TimedOut);
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part)? {
            0 => break,
            length => request.extend(part.iter().take(length)),
        }
    }
    let is_for = |path: &[u8]| request.strip_prefix(b"GET ").is_some_and(|rest| rest.starts_with(path));
    let (status, kind, body) = if is_for(b"/metrics ") || is_for(b"/metrics?") || is_for(b"/ ") {
        ("200 OK", source.content_type, source.text())
    } else if request.starts_with(b"GET ") {
        ("404 Not Found", "text/plain", "The metrics are at /metrics.\n".into())
    } else {
        ("405 Method Not Allowed", "text/plain", "GET /metrics\n".into())
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    for bytes in [head.as_bytes(), body.as_bytes()] {
        let mut rest = bytes;
        while !rest.is_empty() {
            stream.set_write_timeout(Some(left()?))?;
            let written = stream.write(rest)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
    }
    stream.flush()
}

#[expect(clippy::disallowed_methods, reason = "how long a reader takes is no matter of the capture's clock")]
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve() -> SocketAddr {
        let exposition = Exposition::listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = exposition.address().unwrap();
        let mut number = 0;
        let make = move || {
            number += 1;
            format!("number {number}\n")
        };
        exposition.serve("text/plain", make).unwrap();
        address
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn whoever_asks_within_a_second_gets_the_same_text() {
        let address = serve();
        for _ in 0..3 {
            let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), "{answer}");
            assert!(answer.ends_with("\r\n\r\nnumber 1\n"), "{answer}");
        }
        std::thread::sleep(FRESH);
        assert!(ask(address, "GET / HTTP/1.0\r\n\r\n").ends_with("number 2\n"));
        assert!(ask(address, "GET /secret HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert!(ask(address, "\0\0\0\0\r\n\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn those_who_say_nothing_keep_nobody_waiting_for_long_and_those_beyond_a_bound_are_turned_away() {
        let address = serve();
        let mut silent: Vec<TcpStream> = (0..MAX_READERS - 1).map(|_| TcpStream::connect(address).unwrap()).collect();
        silent.iter_mut().for_each(|stream| stream.write_all(b"GET /met").unwrap());
        std::thread::sleep(Duration::from_millis(200));
        assert!(ask(address, "GET /metrics HTTP/1.1\r\n\r\n").ends_with("number 1\n"));
        silent.push(TcpStream::connect(address).unwrap());
        std::thread::sleep(Duration::from_millis(200));
        let mut beyond = TcpStream::connect(address).unwrap();
        assert!(!matches!(beyond.read(&mut [0]), Ok(1..)));
        let began = instant();
        for stream in &mut silent {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            assert_eq!(rest, b"");
        }
        assert!(began.elapsed() < PATIENCE + Duration::from_secs(3));
        assert!(ask(address, "GET /metrics HTTP/1.1\r\n\r\n").contains("number"));
    }
}
