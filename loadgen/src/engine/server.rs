//! All that is known of the server besides what it sends us.
//!
//! In: its process, its endpoints, or a thread of ours. Out: a sample a second, and what the user should know. Never: a
//! wait of the load.

use super::process::ProcessProbe;
use super::scraper::Scraper;
use crate::clock::Moment;
use crate::config::RunConfig;
use crate::result::ServerSample;
use std::io;
use std::time::Duration;

/// Looks at the server from outside.
#[derive(Default)]
pub(crate) struct ServerProbe {
    process: Option<ProcessProbe>,
    scraper: Option<Scraper>,
    is_missed: bool,
}

impl ServerProbe {
    /// As it was asked for; looks at nothing where nothing was.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn of(config: &RunConfig) -> io::Result<Self> {
        let output = &config.output;
        let scraper = Scraper::start(&output.server_metrics, &config.metrics_trust)?;
        Ok(Self { process: output.server_pid.map(ProcessProbe::new), scraper, is_missed: false })
    }

    /// A thread of this process.
    #[cfg(feature = "demo")]
    pub(crate) fn of_thread(thread: u32) -> Self {
        Self { process: Some(ProcessProbe::of_thread(thread)), ..Self::default() }
    }

    /// Soon a sample is wanted: whoever has to be asked is asked now.
    pub(crate) fn prepare(&self) {
        self.scraper.iter().for_each(Scraper::ask);
    }

    /// What is known now. Rates are since the sample before.
    pub(crate) fn sample(&mut self, now: Moment) -> Option<ServerSample> {
        let seen = self.process.as_mut().and_then(|process| process.sample(now));
        let said = self.scraper.as_ref().and_then(Scraper::sample);
        match (seen, said) {
            (Some(seen), Some(said)) => Some(seen.or(said)),
            (seen, said) => seen.or(said),
        }
    }

    /// What the user should know, once.
    pub(crate) fn notes(&mut self) -> Vec<String> {
        let mut notes = self.scraper.as_ref().map(Scraper::notes).unwrap_or_default();
        if let Some(process) = &self.process
            && !self.is_missed
            && !process.is_there()
        {
            self.is_missed = true;
            notes.push("--server-pid: there is no such process, or no more".to_owned());
        }
        notes
    }

    /// CPU time that this process spent on being the server, up to the last sample.
    pub(super) fn our_cpu(&self) -> Duration {
        self.process.as_ref().map_or(Duration::ZERO, ProcessProbe::our_cpu)
    }
}
