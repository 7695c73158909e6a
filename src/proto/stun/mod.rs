//! STUN and TURN messages: RFC 8489, 8656, 6062, 5780, 8445, 8016, 7635, 6679, and RFC 3489 before them.
//!
//! In: the bytes of one message, or values to build one from. Out: a borrowed [`Message`] with its [`Attributes`], or
//! the bytes of a message at the end of a `Vec`. Never: a copy of what is read, a panic, a message refused because one
//! of its attributes is broken.

#![forbid(unsafe_code)]

mod address;
mod attribute;
mod attribute_type;
mod build;
mod framing;
mod integrity;
mod message;
mod message_type;
mod rest_password;
mod value;

pub use attribute::{Attribute, Attributes};
pub use attribute_type::AttributeType;
pub use build::{Builder, TooLong};
pub use framing::{Frame, find_start, frame};
pub use integrity::{Check, Key};
pub use message::{HEADER_LEN, MAGIC_COOKIE, Message, TransactionId};
pub use message_type::{Class, Method, error_phrase};
pub use rest_password::rest_password;
pub use value::{AttributeTypes, EcnEcho, Family, PasswordAlgorithm, PasswordAlgorithms, Value};

#[cfg(test)]
mod tests;
