//! Whom a timer or a socket is of, and why it is heard, in the 64 bits that wheel and epoll keep.
//!
//! In: a place and its generation. Out: a token, and back. Never: a session of today taken for one of yesterday.

/// Why a timer is in the wheel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// A packet of the stream with this number.
    Media(u8),
    /// Client or transport.
    Timeout,
    /// The call ends.
    Ends,
    /// The last echoes may be here.
    Linger,
    /// The number of allocations.
    Look,
    /// The media counts from now on.
    Measure,
    /// Statistics.
    Report,
}

impl Why {
    const fn number(self) -> u8 {
        match self {
            Why::Media(stream) => stream,
            Why::Timeout => u8::MAX,
            Why::Ends => u8::MAX - 1,
            Why::Linger => u8::MAX - 2,
            Why::Look => u8::MAX - 3,
            Why::Measure => u8::MAX - 4,
            Why::Report => u8::MAX - 5,
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            u8::MAX => Why::Timeout,
            254 => Why::Ends,
            253 => Why::Linger,
            252 => Why::Look,
            251 => Why::Measure,
            250 => Why::Report,
            stream => Why::Media(stream),
        }
    }
}

/// A place in the slab, and which of those that have been there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Key {
    pub(super) const NOBODY: Self = Self { slot: u32::MAX, generation: 0 };
    /// Generations that fit into a token.
    pub(super) const GENERATIONS: u32 = 1 << 24;

    pub(super) const fn token(self, why: Why) -> u64 {
        self.slot as u64 | (why.number() as u64) << 32 | (self.generation as u64) << 40
    }

    pub(super) const fn of(token: u64) -> (Self, Why) {
        let key = Self { slot: token as u32, generation: (token >> 40) as u32 };
        (key, Why::of((token >> 32) as u8))
    }
}
