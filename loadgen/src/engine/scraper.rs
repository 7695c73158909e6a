//! Reads a Prometheus endpoint while the load runs.
//!
//! In: its URL, and when to look. Out: the latest that is known of the server, and once why it is not. Never: a wait of
//! the load for an answer; the URL in a text, as it may hold a key.

use super::clock::RunClock;
use super::http::Document;
use crate::clock::Moment;
use crate::config::Trust;
use crate::result::ServerSample;
use crate::scrape::{Meter, Reading};
use crate::secret::Secret;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For one look; those that are due meanwhile are left out.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is older is no figure of this second any more.
const FRESH: Duration = Duration::from_millis(3_500);
/// Endpoints with a series for each user grow large.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// Endpoints that are read together: what several know is added up.
pub(crate) struct Scraper {
    endpoints: Vec<Endpoint>,
    clock: RunClock,
}

struct Endpoint {
    /// The thread reads once for each word, and ends with the sender.
    ask: SyncSender<()>,
    latest: Arc<Mutex<Latest>>,
}

#[derive(Default)]
struct Latest {
    sample: Option<(Moment, ServerSample)>,
    /// What has not been said yet.
    note: Option<String>,
}

impl Scraper {
    /// None where there are no URLs.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn start(urls: &[Secret], trust: &Trust) -> io::Result<Option<Self>> {
        let clock = RunClock::start();
        let start = |(at, url): (usize, &Secret)| {
            let (ask, asked) = sync_channel(1);
            let latest = Arc::new(Mutex::new(Latest::default()));
            let (url, trust, theirs) = (url.clone(), trust.clone(), Arc::clone(&latest));
            let name = if urls.len() == 1 { String::new() } else { format!(" {}", at + 1) };
            // Nobody waits for its end: an answer may never come.
            std::thread::Builder::new()
                .name(format!("scraper-{at}"))
                .spawn(move || read(&url, &trust, &name, clock, &asked, &theirs))?;
            Ok(Endpoint { ask, latest })
        };
        let endpoints: io::Result<Vec<Endpoint>> = urls.iter().enumerate().map(start).collect();
        Ok(Some(Self { endpoints: endpoints?, clock }).filter(|scraper| !scraper.endpoints.is_empty()))
    }

    /// Looks, without a wait.
    pub(crate) fn ask(&self) {
        // A thread that still reads has a word waiting, and needs no second one.
        for endpoint in &self.endpoints {
            let _ = endpoint.ask.try_send(());
        }
    }

    /// What is known now.
    pub(crate) fn sample(&self) -> Option<ServerSample> {
        let now = self.clock.now();
        let known: Vec<(ServerSample, bool)> = self
            .endpoints
            .iter()
            .filter_map(|endpoint| endpoint.lock().sample)
            .map(|(at, sample)| (sample, now.since(at) <= FRESH))
            .collect();
        let sample = sum(&known);
        (sample != ServerSample::default()).then_some(sample)
    }

    /// What the user should know, once.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.endpoints.iter().filter_map(|endpoint| endpoint.lock().note.take()).collect()
    }
}

impl Endpoint {
    fn lock(&self) -> std::sync::MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until nobody asks any more.
fn read(url: &Secret, trust: &Trust, name: &str, clock: RunClock, asked: &Receiver<()>, latest: &Mutex<Latest>) {
    let document = Document::new(url.reveal(), trust, PATIENCE, MAX_BODY);
    let mut meter = Meter::default();
    let mut has_complained = false;
    while asked.recv().is_ok() {
        let text = document.as_ref().map_err(Clone::clone).and_then(Document::get);
        let at = clock.now();
        let reading = text.and_then(|text| {
            let nothing = "none of the known figures of coturn, node_exporter or a process is there";
            Reading::of(&text).ok_or_else(|| nothing.to_owned())
        });
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        match reading {
            Ok(reading) => latest.sample = Some((at, meter.take(reading, at))),
            Err(error) if !has_complained => {
                has_complained = true;
                latest.note = Some(format!("--server-metrics{name}: {error}"));
            }
            Err(_) => {}
        }
    }
}

/// Each figure of all that know it; unknown where one that knew it is silent, as a part is no sum.
fn sum(known: &[(ServerSample, bool)]) -> ServerSample {
    fn figure<F>(known: &[(ServerSample, bool)], of: fn(&ServerSample) -> Option<F>, add: fn(F, F) -> F) -> Option<F> {
        let parts = known.iter().filter_map(|(sample, is_fresh)| Some((of(sample)?, *is_fresh)));
        parts.map(|(value, is_fresh)| is_fresh.then_some(value)).reduce(|sum, value| Some(add(sum?, value?)))?
    }
    ServerSample {
        cpu_cores: figure(known, |sample| sample.cpu_cores, |a, b| a + b),
        memory_bytes: figure(known, |sample| sample.memory_bytes, u64::saturating_add),
        allocations: figure(known, |sample| sample.allocations, u64::saturating_add),
        machine_cpu_cores: figure(known, |sample| sample.machine_cpu_cores, |a, b| a + b),
        machine_memory_bytes: figure(known, |sample| sample.machine_memory_bytes, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    /// Answers each request with the next text, the last one again and again.
    fn endpoint(texts: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { return };
                drop(stream.read(&mut [0; 4_096]));
                let text = texts[at.min(texts.len() - 1)];
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
                drop(stream.write_all((head + text).as_bytes()));
            }
        });
        address
    }

    fn scraper(urls: &[String]) -> Scraper {
        let urls: Vec<Secret> = urls.iter().cloned().map(Secret::from).collect();
        Scraper::start(&urls, &Trust::System).expect("threads").expect("endpoints")
    }

    /// Asks until something is there; a second is far more than it takes.
    fn until<T>(scraper: &Scraper, of: impl Fn(&Scraper) -> Option<T>) -> T {
        for _ in 0..100 {
            scraper.ask();
            std::thread::sleep(Duration::from_millis(10));
            if let Some(found) = of(scraper) {
                return found;
            }
        }
        panic!("nothing came");
    }

    #[test]
    fn figures_of_several_endpoints_are_added_up() {
        let both = [
            endpoint(&["turn_total_allocations{type=\"UDP\"} 3\nprocess_resident_memory_bytes 1000\n"]),
            endpoint(&["turn_total_allocations{type=\"UDP\"} 4\n"]),
        ];
        let scraper = scraper(&both.map(|at| format!("http://{at}/metrics")));
        let sample = until(&scraper, |scraper| scraper.sample().filter(|sample| sample.allocations == Some(7)));
        assert_eq!(sample.memory_bytes, Some(1_000));
        assert_eq!(scraper.notes(), Vec::<String>::new());
    }

    #[test]
    fn cpu_is_known_from_the_second_look_on() {
        let at = endpoint(&["process_cpu_seconds_total 5\n", "process_cpu_seconds_total 5.5\n"]);
        let scraper = scraper(&[format!("http://{at}/")]);
        let cores = until(&scraper, |scraper| scraper.sample()?.cpu_cores);
        assert!(cores > 0.0 && cores.is_finite(), "{cores}");
    }

    #[test]
    fn an_endpoint_that_is_not_there_is_told_once_and_without_its_url() {
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr()).expect("an address");
        let scraper = scraper(&[format!("http://{nobody}/?key=opensesame")]);
        let notes = until(&scraper, |scraper| Some(scraper.notes()).filter(|notes| !notes.is_empty()));
        assert!(notes[0].starts_with("--server-metrics: ") && !notes[0].contains("opensesame"), "{notes:?}");
        for _ in 0..5 {
            scraper.ask();
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!((scraper.notes(), scraper.sample()), (Vec::new(), None));
    }

    #[test]
    fn an_endpoint_without_known_figures_is_told_by_its_place() {
        let both = [endpoint(&["turn_total_allocations 1\n"]), endpoint(&["<html>it works</html>"])];
        let scraper = scraper(&both.map(|at| format!("http://{at}/")));
        let notes = until(&scraper, |scraper| Some(scraper.notes()).filter(|notes| !notes.is_empty()));
        assert_eq!(
            notes,
            ["--server-metrics 2: none of the known figures of coturn, node_exporter or a process is there"]
        );
    }

    #[test]
    fn an_endpoint_that_never_answers_holds_nobody_up() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let scraper = scraper(&[format!("http://{}/", silent.local_addr().expect("an address"))]);
        let clock = RunClock::start();
        for _ in 0..100 {
            scraper.ask();
            assert_eq!((scraper.sample(), scraper.notes()), (None, Vec::new()));
        }
        drop(scraper);
        assert!(clock.now().since(Moment::START) < Duration::from_secs(1));
    }

    #[test]
    fn a_part_is_no_sum() {
        let of = |allocations| ServerSample { allocations: Some(allocations), ..ServerSample::default() };
        assert_eq!(sum(&[(of(3), true), (of(4), true)]).allocations, Some(7));
        assert_eq!(sum(&[(of(3), true), (of(4), false)]).allocations, None);
        assert_eq!(sum(&[(of(3), true), (ServerSample::default(), false)]).allocations, Some(3));
        assert_eq!(sum(&[]), ServerSample::default());
    }
}
