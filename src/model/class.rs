//! What a datagram is: the classes that the report counts.
//!
//! In: nothing. Out: [`Class`] and counts per class. Never: a decision how to tell them apart.

use std::ops::AddAssign;

macro_rules! classes {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// One class per captured packet or inner datagram.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Class {
            $(#[doc = $doc] $variant,)*
        }

        impl Class {
            /// All, in the report's order.
            pub const ALL: &'static [Class] = &[$(Class::$variant,)*];

            /// The report's key.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Class::$variant => $name,)*
                }
            }
        }
    };
}

classes! {
    Stun "stun" "STUN and TURN messages other than Send and Data indications.",
    TurnChannel "turn_channel" "TURN ChannelData (RFC 8656, section 12.4).",
    TurnIndication "turn_indication" "TURN Send and Data indications (RFC 8656, section 11).",
    Dtls "dtls" "DTLS records.",
    Rtp "rtp" "RTP in the clear.",
    Rtcp "rtcp" "RTCP in the clear.",
    Srtp "srtp" "SRTP.",
    Srtcp "srtcp" "SRTCP.",
    Zrtp "zrtp" "ZRTP (RFC 6189).",
    Quic "quic" "QUIC.",
    Sip "sip" "SIP.",
    Rtsp "rtsp" "RTSP.",
    Http "http" "HTTP.",
    Websocket "websocket" "WebSocket frames.",
    Tls "tls" "TLS over TCP.",
    Other "other" "Anything else, with a reason.",
    Malformed "malformed" "Headers below the payload that contradict themselves.",
}

impl Class {
    /// True for what RTC is made of; false for what every network carries, and for WebSocket, which may carry anything.
    pub const fn is_rtc(self) -> bool {
        !matches!(self, Class::Other | Class::Tls | Class::Http | Class::Websocket | Class::Quic | Class::Malformed)
    }
}

/// A count per class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts([u64; Class::ALL.len()]);

impl ClassCounts {
    /// Counts `n` more.
    #[inline]
    pub fn add(&mut self, class: Class, n: u64) {
        self.0[class as usize] += n;
    }

    /// The count of one class.
    pub fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    /// Over all classes.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Class and count, in the report's order.
    pub fn iter(&self) -> impl Iterator<Item = (Class, u64)> + '_ {
        Class::ALL.iter().map(|class| (*class, self.of(*class)))
    }
}

impl AddAssign<&ClassCounts> for ClassCounts {
    fn add_assign(&mut self, other: &ClassCounts) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}
