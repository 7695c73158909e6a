//! The 14 bits of a message type: class and method, and the numbers of error responses.
//!
//! In: the type field of a header. Out: class, method, names. Never: a method lost because it has no name.

use std::fmt;

/// The class of a message (RFC 8489, section 5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// 0b00.
    Request,
    /// 0b01.
    Indication,
    /// 0b10.
    SuccessResponse,
    /// 0b11.
    ErrorResponse,
}

/// The method of a message, 12 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(u16);

impl Method {
    /// RFC 8489, section 18.2.
    pub const BINDING: Self = Self(0x001);
    /// RFC 3489, section 11.1; reserved since RFC 5389.
    pub const SHARED_SECRET: Self = Self(0x002);
    /// RFC 8656, section 17.
    pub const ALLOCATE: Self = Self(0x003);
    /// RFC 8656, section 17.
    pub const REFRESH: Self = Self(0x004);
    /// RFC 8656, section 17; indication only.
    pub const SEND: Self = Self(0x006);
    /// RFC 8656, section 17; indication only.
    pub const DATA: Self = Self(0x007);
    /// RFC 8656, section 17.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// RFC 8656, section 17.
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// RFC 6062, section 6.1.
    pub const CONNECT: Self = Self(0x00a);
    /// RFC 6062, section 6.1.
    pub const CONNECTION_BIND: Self = Self(0x00b);
    /// RFC 6062, section 6.1; indication only.
    pub const CONNECTION_ATTEMPT: Self = Self(0x00c);
    /// Entered in the IANA registry by Google: a connectivity check cut down to header and a short integrity.
    pub const GOOG_PING: Self = Self(0x080);

    /// From its number; `None` above 12 bits.
    pub const fn new(number: u16) -> Option<Self> {
        if number < 0x1000 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The registered name, `None` for a number without one.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BINDING => "Binding",
            Self::SHARED_SECRET => "Shared Secret",
            Self::ALLOCATE => "Allocate",
            Self::REFRESH => "Refresh",
            Self::SEND => "Send",
            Self::DATA => "Data",
            Self::CREATE_PERMISSION => "CreatePermission",
            Self::CHANNEL_BIND => "ChannelBind",
            Self::CONNECT => "Connect",
            Self::CONNECTION_BIND => "ConnectionBind",
            Self::CONNECTION_ATTEMPT => "ConnectionAttempt",
            Self::GOOG_PING => "GOOG-PING",
            _ => return None,
        })
    }
}

/// The name, or the number: `Binding`, `0x123`.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#05x}", self.0),
        }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes a message type apart: the class bits C1 and C0 sit between those of the method (RFC 8489, section 5, figure 3).
/// The two uppermost bits are not looked at.
pub(super) const fn split(message_type: u16) -> (Class, Method) {
    let class = match message_type & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::SuccessResponse,
        _ => Class::ErrorResponse,
    };
    (class, Method((message_type & 0x000f) | (message_type & 0x00e0) >> 1 | (message_type & 0x3e00) >> 2))
}

/// Puts a message type together.
pub(super) const fn join(class: Class, method: Method) -> u16 {
    let bits = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::SuccessResponse => 0x0100,
        Class::ErrorResponse => 0x0110,
    };
    bits | (method.0 & 0x000f) | (method.0 & 0x0070) << 1 | (method.0 & 0x0f80) << 2
}

/// The phrase that the RFC which defines an error code gives it; `None` for a code without one.
pub const fn error_phrase(code: u16) -> Option<&'static str> {
    Some(match code {
        // RFC 8489, section 14.8.
        300 => "Try Alternate",
        400 => "Bad Request",
        401 => "Unauthenticated",
        420 => "Unknown Attribute",
        438 => "Stale Nonce",
        500 => "Server Error",
        // RFC 8656, section 19.
        403 => "Forbidden",
        437 => "Allocation Mismatch",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        486 => "Allocation Quota Reached",
        508 => "Insufficient Capacity",
        // RFC 8016, section 5.
        405 => "Mobility Forbidden",
        // RFC 6062, section 6.3.
        446 => "Connection Already Exists",
        447 => "Connection Timeout or Failure",
        // RFC 8445, section 16.2.
        487 => "Role Conflict",
        // RFC 3489, section 11.2.9.
        430 => "Stale Credentials",
        431 => "Integrity Check Failure",
        432 => "Missing Username",
        433 => "Use TLS",
        600 => "Global Failure",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_bits_are_spread_through_the_type() {
        assert_eq!(split(0x0001), (Class::Request, Method::BINDING));
        assert_eq!(split(0x0101), (Class::SuccessResponse, Method::BINDING));
        assert_eq!(split(0x0113), (Class::ErrorResponse, Method::ALLOCATE));
        assert_eq!(split(0x0016), (Class::Indication, Method::SEND));
        assert_eq!(split(0x0200), (Class::Request, Method::GOOG_PING));
        assert_eq!(split(0x3fff), (Class::ErrorResponse, Method(0xfff)));
    }

    #[test]
    fn every_type_comes_apart_and_together_again() {
        for message_type in 0..0x4000 {
            let (class, method) = split(message_type);
            assert_eq!(join(class, method), message_type);
            assert_eq!(Method::new(method.number()), Some(method));
        }
        assert_eq!(Method::new(0x1000), None);
    }

    #[test]
    fn a_method_without_a_name_shows_its_number() {
        assert_eq!(Method(0x123).to_string(), "0x123");
        assert_eq!(Method(0x005).to_string(), "0x005");
        assert_eq!(Method::CONNECTION_BIND.to_string(), "ConnectionBind");
    }
}
