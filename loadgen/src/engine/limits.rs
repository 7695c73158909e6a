//! What the machine gives, and raising what may be raised.
//!
//! In: how many allocations are planned. Out: descriptors raised as far as allowed, and sentences for what is short.
//! Never: a limit of the system changed that is not this process's own.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no allocation's: standard streams, epoll, the peer, logs, metrics.
const DESCRIPTORS_BESIDE: u64 = 64;

/// What a socket is asked to hold while its thread is away: some tens of milliseconds of video.
pub(super) const CLIENT_BUFFER: usize = 256 * 1024;
/// The peer's single socket holds the packets of all.
pub(super) const PEER_BUFFER: usize = 8 * 1024 * 1024;

/// Raises the limit of descriptors so that `allocations` fit; the sentences say what does not.
pub(crate) fn prepare(allocations: u64, source_addresses: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let wanted = allocations.saturating_add(DESCRIPTORS_BESIDE);
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if wanted > soft {
        // A process with the right to may go beyond the hard limit; the system says whether this is one.
        let beyond = Rlimit { current: Some(wanted), maximum: Some(wanted.max(hard)) };
        let as_far = Rlimit { current: Some(wanted.min(hard)), maximum: limit.maximum };
        let is_raised = setrlimit(Resource::Nofile, beyond).or_else(|_| setrlimit(Resource::Nofile, as_far));
        let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if is_raised.is_err() || now < wanted {
            notes.push(format!(
                "{allocations} allocations need {wanted} file descriptors, the limit is {now}: ulimit -n {wanted}"
            ));
        }
    }
    if let Some(ports) = ephemeral_ports() {
        let available = ports.saturating_mul(source_addresses.max(1));
        if allocations > available {
            let addresses = match source_addresses {
                0 | 1 => "one source address has".to_owned(),
                several => format!("{several} source addresses have"),
            };
            notes.push(format!(
                "{allocations} allocations need as many local ports, {addresses} {available}: more --source-ip, or \
                 sysctl net.ipv4.ip_local_port_range"
            ));
        }
    }
    if let Some(most) = number("/proc/sys/net/core/rmem_max")
        && most < CLIENT_BUFFER as u64
    {
        notes.push(format!(
            "socket buffers are limited to {most} bytes, {CLIENT_BUFFER} are wanted: sysctl -w net.core.rmem_max={PEER_BUFFER}"
        ));
    }
    notes
}

fn ephemeral_ports() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut bounds = text.split_whitespace().map(|bound| bound.parse::<u64>().ok());
    let (first, last) = (bounds.next()??, bounds.next()??);
    Some(last.saturating_sub(first) + 1)
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_allocations_need_nothing() {
        assert!(prepare(10, 1).iter().all(|note| note.contains("socket buffers")));
    }

    #[test]
    fn more_allocations_than_ports_are_told() {
        let notes = prepare(1_000_000_000, 1);
        assert!(notes.iter().any(|note| note.contains("local ports, one source address has")), "{notes:?}");
    }
}
