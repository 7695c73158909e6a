//! Data that a TURN server throws away: behind the end of the allocation, or for a peer that nothing was opened for.

use super::super::finding::{Finding, Severity};
use super::super::turn::{Allocation, Stray, StrayTarget};
use super::evidence::span;
use super::{Evidence, Rule};

/// Seconds behind the end of a lifetime in which the server's clock and the way to it may still have data accepted.
const GRACE_S: f64 = 5.0;
/// Messages below which nothing is said: a few may pass the request that opens the way on their own.
const ENOUGH: u64 = 3;

pub(super) static EXPIRED: Rule = Rule {
    code: "TURN_EXPIRED_IN_USE",
    severity: Severity::Error,
    title: "A TURN allocation ended while it was in use",
    explanation: "No Refresh in time kept the allocation alive. The server has given its port back and throws away what the \
        client goes on to send.",
    advice: "Refresh an allocation well before its lifetime is over (a minute before, RFC 8656, section 7); look at why the \
        client stopped, or why its last Refresh was not answered.",
    find: expired,
};

pub(super) static NO_CHANNEL: Rule = Rule {
    code: "TURN_DATA_WITHOUT_CHANNEL",
    severity: Severity::Warning,
    title: "Data was sent on a TURN channel that was never bound",
    explanation: "The allocation was seen from its beginning and no ChannelBind for this number succeeded. A server throws such \
        data away without a word.",
    advice: "Bind the channel first and wait for the success; bind it again within ten minutes.",
    find: no_channel,
};

pub(super) static NO_PERMISSION: Rule = Rule {
    code: "TURN_DATA_WITHOUT_PERMISSION",
    severity: Severity::Warning,
    title: "Data was sent to a TURN peer without permission",
    explanation: "The allocation was seen from its beginning and no CreatePermission for this peer's address succeeded. A server \
        throws such data away without a word, in both directions.",
    advice: "Create the permission first and wait for the success; renew it within five minutes.",
    find: no_permission,
};

fn expired(evidence: &Evidence<'_>) -> Vec<Finding> {
    let rows = evidence.snapshot.allocations.iter();
    rows.filter_map(|row| {
        let in_use = row.allocation.expired_in_use.as_ref()?;
        let behind = in_use.last_ts.millis_since(in_use.expired_ts) / 1000.0;
        let refresh = if in_use.missed_refresh.is_some() { "its last Refresh was not answered" } else { "no Refresh" };
        let summary = format!(
            "{} went on to use its allocation at {} for {} after the lifetime of {} s was over ({refresh})",
            row.client,
            row.server,
            span(behind),
            row.allocation.lifetime_s.unwrap_or(0)
        );
        let frames = in_use.missed_refresh.into_iter().chain([in_use.first_frame]);
        (behind > GRACE_S).then(|| EXPIRED.finding(summary).with_frames(frames).about(&row.id))
    })
    .collect()
}

fn no_channel(evidence: &Evidence<'_>) -> Vec<Finding> {
    strays(evidence, &NO_CHANNEL, |allocation, stray| match stray.target {
        // Where the server uses it, the capture has missed the binding.
        StrayTarget::Channel(number) => (allocation.channels.get(&number)?.packets_in == 0 || stray.expired)
            .then(|| format!("on channel {number:#x}, which was not bound")),
        StrayTarget::Peer(_) => None,
    })
}

fn no_permission(evidence: &Evidence<'_>) -> Vec<Finding> {
    strays(evidence, &NO_PERMISSION, |_, stray| match stray.target {
        StrayTarget::Peer(peer) => Some(format!("for {peer}, for which it has no permission")),
        StrayTarget::Channel(_) => None,
    })
}

fn strays(evidence: &Evidence<'_>, rule: &Rule, lacks: fn(&Allocation, &Stray) -> Option<String>) -> Vec<Finding> {
    let rows = evidence.snapshot.allocations.iter();
    rows.flat_map(|row| row.allocation.strays.iter().map(move |stray| (row, stray)))
        .filter(|(_, stray)| stray.packets >= ENOUGH)
        .filter_map(|(row, stray)| {
            let any_more = if stray.expired { " any more" } else { "" };
            let summary = format!(
                "{} sent {} messages to {} {}{any_more}",
                row.client,
                stray.packets,
                row.server,
                lacks(&row.allocation, stray)?
            );
            Some(rule.finding(summary).with_frames([stray.first_frame]).about(&row.id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, channel_data, stun};
    use super::super::tests::codes;
    use crate::proto::stun::{AttributeType, Class, Method, Value};

    const CLIENT: &str = "10.0.0.1:5000";
    const SERVER: &str = "10.0.0.2:3478";
    const PEER: &str = "10.0.0.9:9000";

    fn asks(stage: &mut Stage, at: i64, id: u8, method: Method, attributes: &[(AttributeType, Value<'_>)]) {
        stage.udp(at, CLIENT, SERVER, &stun(Class::Request, method, id, attributes));
        let lifetime = [(AttributeType::LIFETIME, Value::U32(60))];
        stage.udp(at + 1, SERVER, CLIENT, &stun(Class::SuccessResponse, method, id, &lifetime));
    }

    fn bound() -> Stage {
        let mut stage = Stage::new();
        asks(&mut stage, 0, 1, Method::ALLOCATE, &[]);
        let peer = (AttributeType::XOR_PEER_ADDRESS, Value::Address(PEER.parse().unwrap()));
        let number = (AttributeType::CHANNEL_NUMBER, Value::U16(0x4000));
        asks(&mut stage, 10, 2, Method::CHANNEL_BIND, &[number, peer]);
        stage
    }

    #[test]
    fn data_behind_the_end_of_the_lifetime_is_an_error_and_before_it_none() {
        let mut stage = bound();
        stage.udp(50_000, CLIENT, SERVER, &channel_data(0x4000, b"x"));
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(70_000, CLIENT, SERVER, &channel_data(0x4000, b"x"));
        let findings = stage.snapshot().findings;
        assert_eq!((findings[0].code, findings[0].frames[0].0), ("TURN_EXPIRED_IN_USE", 6));
        stage.udp(70_001, SERVER, CLIENT, &channel_data(0x4000, b"x"));
        assert_eq!(codes(&mut stage), [] as [&str; 0], "the server still relays");
    }

    #[test]
    fn data_on_a_channel_that_was_never_bound_is_told_once_there_is_enough_of_it() {
        let mut stage = bound();
        (0..2).for_each(|at| {
            stage.udp(100 + at, CLIENT, SERVER, &channel_data(0x4001, b"x"));
        });
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        stage.udp(200, CLIENT, SERVER, &channel_data(0x4001, b"x"));
        assert_eq!(codes(&mut stage), ["TURN_DATA_WITHOUT_CHANNEL"]);
    }

    #[test]
    fn indications_need_a_permission_for_their_peer() {
        let mut stage = bound();
        let send = |peer: &str| {
            let peer = (AttributeType::XOR_PEER_ADDRESS, Value::Address(peer.parse().unwrap()));
            stun(Class::Indication, Method::SEND, 9, &[peer, (AttributeType::DATA, Value::Bytes(b"hello"))])
        };
        (0..4).for_each(|at| {
            stage.udp(100 + at, CLIENT, SERVER, &send(PEER));
        });
        assert_eq!(codes(&mut stage), [] as [&str; 0]);
        (0..4).for_each(|at| {
            stage.udp(200 + at, CLIENT, SERVER, &send("10.0.0.8:1"));
        });
        assert_eq!(codes(&mut stage), ["TURN_DATA_WITHOUT_PERMISSION"]);
    }
}
