//! The numbers of STUN attributes, their names, and the shape of the value of each.
//!
//! In: a number. Out: name and shape. Never: an attribute lost because its number is not listed here.

use std::fmt;

/// The type of an attribute, 16 bits (RFC 8489, section 14).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u16);

/// How the value of an attribute is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// RFC 8489, section 14.1.
    Address,
    /// RFC 8489, section 14.2.
    XorAddress,
    /// UTF-8.
    Text,
    /// Opaque.
    Bytes,
    /// No value: it is there or not.
    Flag,
    /// 8 bits, and 24 that are reserved.
    U8,
    /// 16 bits, and 16 that are reserved.
    U16,
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
    /// RFC 8656, section 18.7: the R bit of one byte.
    EvenPort,
    /// RFC 8656, sections 18.6 and 18.11: an address family, and 24 reserved bits.
    Family,
    /// RFC 8489, section 14.8.
    ErrorCode,
    /// RFC 8656, section 18.12.
    AddressErrorCode,
    /// RFC 8489, section 14.13.
    AttributeTypes,
    /// RFC 8489, section 14.12.
    PasswordAlgorithm,
    /// RFC 8489, section 14.11.
    PasswordAlgorithms,
    /// RFC 8656, section 18.13.
    Icmp,
    /// RFC 6679, section 7.2.2.
    EcnEcho,
    /// RFC 7982, section 3.
    TransmitCounter,
    /// libwebrtc: network identifier and cost, 16 bits each.
    NetworkInfo,
}

macro_rules! attribute_types {
    ($($(#[$doc:meta])+ $constant:ident = $number:literal $name:literal $shape:ident;)+) => {
        impl AttributeType {
            $($(#[$doc])+ pub const $constant: Self = Self($number);)+

            /// The name, `None` for a number that is not known.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)+
                    _ => None,
                }
            }

            /// How the value is laid out; opaque where the number is not known.
            pub(super) const fn shape(self) -> Shape {
                match self.0 {
                    $($number => Shape::$shape,)+
                    _ => Shape::Bytes,
                }
            }

            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self($number)),+];
        }
    };
}

attribute_types! {
    /// RFC 8489, section 14.1.
    MAPPED_ADDRESS = 0x0001 "MAPPED-ADDRESS" Address;
    /// RFC 3489, section 11.2.2.
    RESPONSE_ADDRESS = 0x0002 "RESPONSE-ADDRESS" Address;
    /// RFC 5780, section 7.2: bits [`Self::CHANGE_IP`] and [`Self::CHANGE_PORT`].
    CHANGE_REQUEST = 0x0003 "CHANGE-REQUEST" U32;
    /// RFC 3489, section 11.2.5.
    SOURCE_ADDRESS = 0x0004 "SOURCE-ADDRESS" Address;
    /// RFC 3489, section 11.2.3.
    CHANGED_ADDRESS = 0x0005 "CHANGED-ADDRESS" Address;
    /// RFC 8489, section 14.3.
    USERNAME = 0x0006 "USERNAME" Text;
    /// RFC 3489, section 11.2.7.
    PASSWORD = 0x0007 "PASSWORD" Text;
    /// RFC 8489, section 14.5: 20 bytes.
    MESSAGE_INTEGRITY = 0x0008 "MESSAGE-INTEGRITY" Bytes;
    /// RFC 8489, section 14.8.
    ERROR_CODE = 0x0009 "ERROR-CODE" ErrorCode;
    /// RFC 8489, section 14.13.
    UNKNOWN_ATTRIBUTES = 0x000a "UNKNOWN-ATTRIBUTES" AttributeTypes;
    /// RFC 3489, section 11.2.11.
    REFLECTED_FROM = 0x000b "REFLECTED-FROM" Address;
    /// RFC 8656, section 18.1.
    CHANNEL_NUMBER = 0x000c "CHANNEL-NUMBER" U16;
    /// RFC 8656, section 18.2: seconds.
    LIFETIME = 0x000d "LIFETIME" U32;
    /// A draft of TURN before RFC 5766, which MS-TURN kept.
    DRAFT_ALTERNATE_SERVER = 0x000e "ALTERNATE-SERVER (draft)" Address;
    /// A draft of TURN before RFC 5766, which MS-TURN kept: 0x72c64bc6.
    DRAFT_MAGIC_COOKIE = 0x000f "MAGIC-COOKIE (draft)" U32;
    /// RFC 5766, section 18: reserved; kilobits a second.
    BANDWIDTH = 0x0010 "BANDWIDTH" U32;
    /// A draft of TURN before RFC 5766, which MS-TURN kept.
    DESTINATION_ADDRESS = 0x0011 "DESTINATION-ADDRESS" Address;
    /// RFC 8656, section 18.3; REMOTE-ADDRESS, not XORed, in MS-TURN.
    XOR_PEER_ADDRESS = 0x0012 "XOR-PEER-ADDRESS" XorAddress;
    /// RFC 8656, section 18.4.
    DATA = 0x0013 "DATA" Bytes;
    /// RFC 8489, section 14.9; NONCE in MS-TURN.
    REALM = 0x0014 "REALM" Text;
    /// RFC 8489, section 14.10; REALM in MS-TURN.
    NONCE = 0x0015 "NONCE" Text;
    /// RFC 8656, section 18.5.
    XOR_RELAYED_ADDRESS = 0x0016 "XOR-RELAYED-ADDRESS" XorAddress;
    /// RFC 8656, section 18.6.
    REQUESTED_ADDRESS_FAMILY = 0x0017 "REQUESTED-ADDRESS-FAMILY" Family;
    /// RFC 8656, section 18.7.
    EVEN_PORT = 0x0018 "EVEN-PORT" EvenPort;
    /// RFC 8656, section 18.8: the protocol number of an IP header, 17 for UDP, 6 for TCP.
    REQUESTED_TRANSPORT = 0x0019 "REQUESTED-TRANSPORT" U8;
    /// RFC 8656, section 18.9.
    DONT_FRAGMENT = 0x001a "DONT-FRAGMENT" Flag;
    /// RFC 7635, section 6.2.
    ACCESS_TOKEN = 0x001b "ACCESS-TOKEN" Bytes;
    /// RFC 8489, section 14.6: 16 to 32 bytes.
    MESSAGE_INTEGRITY_SHA256 = 0x001c "MESSAGE-INTEGRITY-SHA256" Bytes;
    /// RFC 8489, section 14.12.
    PASSWORD_ALGORITHM = 0x001d "PASSWORD-ALGORITHM" PasswordAlgorithm;
    /// RFC 8489, section 14.4: SHA-256 of `username:realm`.
    USERHASH = 0x001e "USERHASH" Bytes;
    /// RFC 8489, section 14.2.
    XOR_MAPPED_ADDRESS = 0x0020 "XOR-MAPPED-ADDRESS" XorAddress;
    /// RFC 5766, section 18: TIMER-VAL, reserved.
    TIMER_VAL = 0x0021 "TIMER-VAL" U32;
    /// RFC 8656, section 18.10: 8 bytes.
    RESERVATION_TOKEN = 0x0022 "RESERVATION-TOKEN" Bytes;
    /// RFC 8445, section 16.1.
    PRIORITY = 0x0024 "PRIORITY" U32;
    /// RFC 8445, section 16.1.
    USE_CANDIDATE = 0x0025 "USE-CANDIDATE" Flag;
    /// RFC 5780, section 7.6.
    PADDING = 0x0026 "PADDING" Bytes;
    /// RFC 5780, section 7.5.
    RESPONSE_PORT = 0x0027 "RESPONSE-PORT" U16;
    /// RFC 6062, section 6.2.1.
    CONNECTION_ID = 0x002a "CONNECTION-ID" U32;
    /// RFC 8656, section 18.11.
    ADDITIONAL_ADDRESS_FAMILY = 0x8000 "ADDITIONAL-ADDRESS-FAMILY" Family;
    /// RFC 8656, section 18.12.
    ADDRESS_ERROR_CODE = 0x8001 "ADDRESS-ERROR-CODE" AddressErrorCode;
    /// RFC 8489, section 14.11.
    PASSWORD_ALGORITHMS = 0x8002 "PASSWORD-ALGORITHMS" PasswordAlgorithms;
    /// RFC 8489, section 14.16.
    ALTERNATE_DOMAIN = 0x8003 "ALTERNATE-DOMAIN" Text;
    /// RFC 8656, section 18.13.
    ICMP = 0x8004 "ICMP" Icmp;
    /// MS-TURN.
    MS_VERSION = 0x8008 "MS-VERSION" U32;
    /// MS-TURN: XORed with the first bytes of the transaction id.
    MS_XOR_MAPPED_ADDRESS = 0x8020 "MS-XOR-MAPPED-ADDRESS" XorAddress;
    /// RFC 8489, section 14.14; SERVER in drafts before.
    SOFTWARE = 0x8022 "SOFTWARE" Text;
    /// RFC 8489, section 14.15.
    ALTERNATE_SERVER = 0x8023 "ALTERNATE-SERVER" Address;
    /// RFC 7982, section 3.
    TRANSACTION_TRANSMIT_COUNTER = 0x8025 "TRANSACTION_TRANSMIT_COUNTER" TransmitCounter;
    /// draft-ietf-behave-nat-behavior-discovery-03, section 6.5: seconds.
    CACHE_TIMEOUT = 0x8027 "CACHE-TIMEOUT" U32;
    /// RFC 8489, section 14.7.
    FINGERPRINT = 0x8028 "FINGERPRINT" U32;
    /// RFC 8445, section 16.1: the tie-breaker.
    ICE_CONTROLLED = 0x8029 "ICE-CONTROLLED" U64;
    /// RFC 8445, section 16.1: the tie-breaker.
    ICE_CONTROLLING = 0x802a "ICE-CONTROLLING" U64;
    /// RFC 5780, section 7.3.
    RESPONSE_ORIGIN = 0x802b "RESPONSE-ORIGIN" Address;
    /// RFC 5780, section 7.4.
    OTHER_ADDRESS = 0x802c "OTHER-ADDRESS" Address;
    /// RFC 6679, section 7.2.2.
    ECN_CHECK_STUN = 0x802d "ECN-CHECK-STUN" EcnEcho;
    /// RFC 7635, section 6.1: the name of the TURN server.
    THIRD_PARTY_AUTHORIZATION = 0x802e "THIRD-PARTY-AUTHORIZATION" Text;
    /// RFC 8016, section 4.
    MOBILITY_TICKET = 0x8030 "MOBILITY-TICKET" Bytes;
    /// MS-TURN.
    MS_ALTERNATE_HOST_NAME = 0x8032 "MS-ALTERNATE-HOST-NAME" Text;
    /// Microsoft; not in its published specifications of TURN and ICE.
    MS_APP_ID = 0x8037 "MS-APP-ID" Bytes;
    /// Microsoft; not in its published specifications of TURN and ICE.
    MS_SECURE_TAG = 0x8039 "MS-SECURE-TAG" Bytes;
    /// MS-TURN: 20 bytes of connection id, 4 of sequence number.
    MS_SEQUENCE_NUMBER = 0x8050 "MS-SEQUENCE-NUMBER" Bytes;
    /// MS-ICE2.
    MS_CANDIDATE_IDENTIFIER = 0x8054 "MS-CANDIDATE-IDENTIFIER" Bytes;
    /// MS-TURN: stream type and service quality.
    MS_SERVICE_QUALITY = 0x8055 "MS-SERVICE-QUALITY" U32;
    /// MS-ICE2.
    MS_IMPLEMENTATION_VERSION = 0x8070 "MS-IMPLEMENTATION-VERSION" U32;
    /// MS-TURN.
    MS_ALTERNATE_MAPPED_ADDRESS = 0x8090 "MS-ALTERNATE-MAPPED-ADDRESS" XorAddress;
    /// MS-TURN.
    MS_MULTIPLEXED_TURN_SESSION_ID = 0x8095 "MS-MULTIPLEXED-TURN-SESSION-ID" Bytes;
    /// IANA registry: Cisco.
    CISCO_STUN_FLOWDATA = 0xc000 "CISCO-STUN-FLOWDATA" Bytes;
    /// libwebrtc, draft-thatcher-ice-renomination; the IANA registry has ENF-FLOW-DESCRIPTION here.
    NOMINATION = 0xc001 "NOMINATION" U32;
    /// IANA registry: Enfibrius.
    ENF_NETWORK_STATUS = 0xc002 "ENF-NETWORK-STATUS" Bytes;
    /// IANA registry: Cisco.
    CISCO_WEBEX_FLOW_INFO = 0xc003 "CISCO-WEBEX-FLOW-INFO" Bytes;
    /// libwebrtc.
    GOOG_NETWORK_INFO = 0xc057 "GOOG-NETWORK-INFO" NetworkInfo;
    /// libwebrtc: transaction id of the last check received.
    GOOG_LAST_ICE_CHECK_RECEIVED = 0xc058 "GOOG-LAST-ICE-CHECK-RECEIVED" Bytes;
    /// libwebrtc: a list of 16-bit numbers.
    GOOG_MISC_INFO = 0xc059 "GOOG-MISC-INFO" Bytes;
    /// libwebrtc.
    GOOG_OBSOLETE_1 = 0xc05a "GOOG-OBSOLETE-1" Bytes;
    /// libwebrtc.
    GOOG_CONNECTION_ID = 0xc05b "GOOG-CONNECTION-ID" Bytes;
    /// libwebrtc.
    GOOG_DELTA = 0xc05c "GOOG-DELTA" Bytes;
    /// libwebrtc.
    GOOG_DELTA_ACK = 0xc05d "GOOG-DELTA-ACK" Bytes;
    /// libwebrtc.
    GOOG_DELTA_SYNC_REQ = 0xc05e "GOOG-DELTA-SYNC-REQ" Bytes;
    /// libwebrtc: the first 4 bytes of a MESSAGE-INTEGRITY.
    GOOG_MESSAGE_INTEGRITY_32 = 0xc060 "GOOG-MESSAGE-INTEGRITY-32" Bytes;
    /// libwebrtc: a DTLS record inside a connectivity check.
    META_DTLS_IN_STUN = 0xc070 "META-DTLS-IN-STUN" Bytes;
    /// libwebrtc: which of them have arrived.
    META_DTLS_IN_STUN_ACK = 0xc071 "META-DTLS-IN-STUN-ACKNOWLEDGEMENT" Bytes;
}

impl AttributeType {
    /// In CHANGE-REQUEST: answer from the other address (RFC 5780, section 7.2).
    pub const CHANGE_IP: u32 = 0x4;
    /// In CHANGE-REQUEST: answer from the other port.
    pub const CHANGE_PORT: u32 = 0x2;

    /// True where an agent that does not know it has to refuse a request (RFC 8489, section 14).
    pub const fn comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

/// The name, or the number: `LIFETIME`, `0x8099`.
impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_without_a_name_shows_its_number_and_is_opaque() {
        assert_eq!(AttributeType(0x8099).to_string(), "0x8099");
        assert_eq!(AttributeType(0x8099).shape(), Shape::Bytes);
        assert_eq!(AttributeType::LIFETIME.to_string(), "LIFETIME");
    }

    #[test]
    fn the_upper_half_of_the_numbers_may_be_ignored() {
        assert!(AttributeType(0x7fff).comprehension_required());
        assert!(!AttributeType::SOFTWARE.comprehension_required());
    }
}
