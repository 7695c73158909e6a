//! The endpoint that Prometheus reads.
//!
//! In: the latest text. Out: it, to whoever asks. Never: a wait of the load for a reader; a request understood beyond
//! its first line.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A reader that is slower is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first line, and the headers of any reader.
const MAX_REQUEST: usize = 8 * 1024;

/// Serves until the process ends.
pub(crate) struct Exposition {
    text: Arc<Mutex<String>>,
    address: SocketAddr,
}

impl Exposition {
    /// Serves `first` until there is more.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub(crate) fn serve(at: SocketAddr, content_type: &'static str, first: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(at)?;
        let address = listener.local_addr()?;
        let text = Arc::new(Mutex::new(first.to_owned()));
        let theirs = Arc::clone(&text);
        std::thread::Builder::new().name("exposition".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who goes away before the end has what they wanted.
                drop(answer(stream, &theirs, content_type));
            }
        })?;
        Ok(Self { text, address })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is served from now on.
    pub(crate) fn set(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

fn answer(mut stream: TcpStream, text: &Mutex<String>, content_type: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut part = [0; 1_024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        match stream.read(&mut part)? {
            0 => break,
            length => request.extend_from_slice(&part[..length]),
        }
    }
    let is_known = request.starts_with(b"GET /metrics ") || request.starts_with(b"GET / ");
    let (status, body) = if is_known {
        ("200 OK", text.lock().unwrap_or_else(PoisonError::into_inner).clone())
    } else {
        ("404 Not Found", String::new())
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("connected");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    #[test]
    fn whoever_asks_gets_the_latest_text() {
        let exposition =
            Exposition::serve(SocketAddr::from(([127, 0, 0, 1], 0)), "text/plain", "up 1\n").expect("a listener");
        let answer = ask(exposition.address(), "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nup 1\n"), "{answer}");
        exposition.set("up 2\n".to_owned());
        assert!(ask(exposition.address(), "/metrics").ends_with("up 2\n"));
        assert!(ask(exposition.address(), "/secret").starts_with("HTTP/1.1 404"));
    }
}
