//! Binding requests and their answers (RFC 8489, section 3; RFC 5780, section 7).
//!
//! In: a transaction id, messages. Out: a request, and what an answer says. Never: an answer to somebody else's request.

use super::Cause;
use crate::client::server_text;
use rtcscope::proto::stun::{AttributeType, Builder, Class, Message, Method, TransactionId, Value};
use std::net::SocketAddr;

/// What an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// Our address as the server sees it.
    pub mapped: SocketAddr,
    /// OTHER-ADDRESS: the server supports RFC 5780 and is also there.
    pub other: Option<SocketAddr>,
    /// SOFTWARE.
    pub software: Option<String>,
}

/// A request; `change` are the bits of CHANGE-REQUEST, zero for none.
pub fn request(id: TransactionId, change: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::new(&mut out, Class::Request, Method::BINDING, id);
    if change != 0 {
        builder = builder.attribute(AttributeType::CHANGE_REQUEST, &Value::U32(change));
    }
    let built = builder.fingerprint().finish();
    debug_assert!(built.is_ok(), "{built:?}");
    out
}

/// Reads an answer; `None` for what is no answer to `id`.
pub fn answer(bytes: &[u8], id: TransactionId) -> Option<Result<Bound, Cause>> {
    let message = Message::parse(bytes).ok()?;
    if message.transaction_id() != id || message.method() != Method::BINDING {
        return None;
    }
    match message.class() {
        Class::Request | Class::Indication => None,
        Class::ErrorResponse => Some(Err(match message.error_code() {
            Some((code, reason)) => {
                let reason = server_text(reason);
                Cause::Code { code, text: format!("Binding: {code} {reason}").trim_end().to_owned() }
            }
            None => Cause::Protocol("an error response without ERROR-CODE".to_owned()),
        })),
        Class::SuccessResponse => {
            let mapped = message
                .address(AttributeType::XOR_MAPPED_ADDRESS)
                .or_else(|| message.address(AttributeType::MAPPED_ADDRESS));
            let bound = mapped.map(|mapped| Bound {
                mapped,
                other: message.address(AttributeType::OTHER_ADDRESS),
                software: software(&message),
            });
            Some(bound.ok_or_else(|| Cause::Protocol("a Binding response without XOR-MAPPED-ADDRESS".to_owned())))
        }
    }
}

/// SOFTWARE of a message.
pub fn software(message: &Message<'_>) -> Option<String> {
    message.attribute_bytes(AttributeType::SOFTWARE).map(server_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = TransactionId::new([7; 12]);

    fn reply(class: Class, fill: impl for<'v> FnOnce(Builder<'v>) -> Builder<'v>) -> Vec<u8> {
        let mut out = Vec::new();
        fill(Builder::new(&mut out, class, Method::BINDING, ID)).finish().expect("short");
        out
    }

    #[test]
    fn an_answer_gives_the_mapped_address_and_where_else_the_server_is() {
        let (mapped, other) = (SocketAddr::from(([192, 0, 2, 1], 4_711)), SocketAddr::from(([192, 0, 2, 9], 3_479)));
        let bytes = reply(Class::SuccessResponse, |reply| {
            reply
                .attribute(AttributeType::XOR_MAPPED_ADDRESS, &Value::Address(mapped))
                .attribute(AttributeType::OTHER_ADDRESS, &Value::Address(other))
                .raw(AttributeType::SOFTWARE, b"serv\x1b[31mer")
        });
        let bound = answer(&bytes, ID).expect("an answer").expect("a success");
        assert_eq!((bound.mapped, bound.other), (mapped, Some(other)));
        assert_eq!(bound.software.as_deref(), Some("serv [31mer"));
        assert_eq!(answer(&bytes, TransactionId::new([8; 12])), None);
        for cut in 0..bytes.len() {
            assert!(!matches!(answer(&bytes[..cut], ID), Some(Ok(bound)) if bound.mapped != mapped), "{cut}");
        }
    }

    #[test]
    fn errors_and_empty_answers_are_failures() {
        let refused = reply(Class::ErrorResponse, |reply| {
            reply.attribute(AttributeType::ERROR_CODE, &Value::ErrorCode { code: 420, reason: b"Unknown" })
        });
        let cause = answer(&refused, ID).expect("an answer").expect_err("an error");
        assert_eq!(cause.to_string(), "Binding: 420 Unknown");
        let empty = reply(Class::SuccessResponse, |reply| reply);
        assert_eq!(answer(&empty, ID).expect("an answer").map_err(|cause| cause.key()), Err("protocol"));
    }

    #[test]
    fn a_request_is_no_answer_to_itself() {
        assert_eq!(answer(&request(ID, AttributeType::CHANGE_IP), ID), None);
    }
}
