//! Data that a TURN server throws away: behind the end of the allocation, or for a peer that nothing was opened for.

use super::super::finding::{Finding, Severity};
use super::super::flow::{Peer, Via};
use super::super::snapshot::AllocationRow;
use super::super::turn::AllocationEnd;
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
    let rows = evidence.snapshot.allocations.iter().filter(|row| row.end == AllocationEnd::Expired);
    rows.filter_map(|row| {
        let expires = row.allocation.expires()?;
        let (frame, last_out) = row.allocation.last_out?;
        let behind = last_out.millis_since(expires) / 1000.0;
        // Where the server still relays, the capture has missed a Refresh.
        let relays = row.allocation.last_in.is_some_and(|(_, ts)| ts.millis_since(expires) > GRACE_S * 1000.0);
        let summary = format!(
            "{} sent data to {} for {} after its allocation of {} s was over",
            row.client,
            row.server,
            span(behind),
            row.allocation.lifetime_s.unwrap_or(0)
        );
        (behind > GRACE_S && !relays).then(|| EXPIRED.finding(summary).with_frames([frame]).about(&row.id))
    })
    .collect()
}

/// Seen from the Allocate on, with room for all that was asked for.
fn is_whole(row: &AllocationRow) -> bool {
    row.allocation.created_ts.is_some() && row.allocation.not_kept == 0
}

fn no_channel(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in evidence.snapshot.allocations.iter().filter(|row| is_whole(row)) {
        for (number, channel) in &row.allocation.channels {
            if channel.binds == 0 && channel.packets_out >= ENOUGH && channel.packets_in == 0 {
                let summary = format!(
                    "{} sent {} messages to {} on channel {number:#x}, which was never bound",
                    row.client, channel.packets_out, row.server
                );
                let frames = row.allocation.last_out.map(|(frame, _)| frame);
                findings.push(NO_CHANNEL.finding(summary).with_frames(frames).about(&row.id));
            }
        }
    }
    findings
}

fn no_permission(evidence: &Evidence<'_>) -> Vec<Finding> {
    let inner = evidence.snapshot.flows.iter().filter(|flow| flow.vias.as_slice() == [Via::TurnIndication]);
    inner
        .filter_map(|flow| {
            let Some(Peer::Address(peer)) = flow.peer else { return None };
            let parent = flow.parent.as_deref()?;
            // Of several allocations on one five-tuple nobody can tell whose permission is missing.
            let mut of_parent = evidence.snapshot.allocations.iter().filter(|row| row.flow == parent);
            let row = of_parent.next().filter(|row| is_whole(row) && of_parent.next().is_none())?;
            let client_sent_only = flow.a == row.client && flow.first_backward.is_none();
            let number: u64 = flow.classes.iter().map(|(_, number)| number).sum();
            let summary = format!(
                "{} sent {number} indications for {peer} to {}, which has no permission for it",
                row.client, row.server
            );
            let is_missing = !row.allocation.permissions.contains(&peer.addr);
            (client_sent_only && is_missing && number >= ENOUGH)
                .then(|| NO_PERMISSION.finding(summary).with_frames([flow.first_frame]).about(&row.id))
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
