//! The program that the kernel runs on each packet before it costs anything.
//!
//! In: which interfaces are wanted, the user's filter as instructions for one link type, a snap length. Out: a program of
//! classic BPF that lets pass at least what the user wants. Never: a packet held back that the filter would have taken: a
//! VLAN tag that a card took off, and links of another kind, are for the filter in user space to judge.

/// An instruction of classic BPF, as `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to pass over where the condition holds.
    pub jt: u8,
    /// Instructions to pass over where it does not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

const LD_W_ABS: u16 = 0x20;
const JMP_JEQ_K: u16 = 0x15;
const RET_K: u16 = 0x06;

/// What the kernel knows beside the bytes (linux/filter.h).
const fn ancillary(offset: i32) -> u32 {
    (libc::SKF_AD_OFF + offset) as u32
}

/// What the program is to let pass.
pub(super) struct Wanted<'w> {
    /// These interfaces alone; all where there are none. Not needed for a socket that is bound to one.
    pub(super) interfaces: &'w [u32],
    /// The loopback interface, whose every packet leaves by it and comes in by it: the first of the two is not wanted.
    pub(super) loopback: Option<u32>,
    /// The user's filter, and the hardware types whose link headers it is for; none where it is for all.
    pub(super) filter: Option<(&'w [Instruction], &'w [u16])>,
    /// Bytes of a packet.
    pub(super) snap_length: u32,
}

/// The program.
pub(super) fn program(wanted: &Wanted<'_>) -> Vec<Instruction> {
    let mut program = Vec::new();
    if let Some(index) = wanted.loopback {
        program.extend([
            load(ancillary(libc::SKF_AD_PKTTYPE)),
            jump(u32::from(libc::PACKET_OUTGOING), 0, 3),
            load(ancillary(libc::SKF_AD_IFINDEX)),
            jump(index, 0, 1),
            give(0),
        ]);
    }
    one_of(&mut program, libc::SKF_AD_IFINDEX, wanted.interfaces, 0);
    if let Some((filter, hardware)) = wanted.filter {
        one_of(
            &mut program,
            libc::SKF_AD_HATYPE,
            &hardware.iter().map(|one| u32::from(*one)).collect::<Vec<_>>(),
            wanted.snap_length,
        );
        program.extend([load(ancillary(libc::SKF_AD_VLAN_TAG_PRESENT)), jump(0, 1, 0), give(wanted.snap_length)]);
        let cut = |one: &Instruction| match *one {
            Instruction { code: RET_K, k, .. } if k > 0 => give(wanted.snap_length),
            other => other,
        };
        program.extend(filter.iter().map(cut));
    } else {
        program.push(give(wanted.snap_length));
    }
    program
}

/// Lets nothing pass.
pub(super) const NOTHING: [Instruction; 1] = [give(0)];

/// Goes on where the value is one of these, of which there are few; else returns `otherwise`. Goes on where there are none.
fn one_of(program: &mut Vec<Instruction>, value: i32, these: &[u32], otherwise: u32) {
    if these.is_empty() {
        return;
    }
    program.push(load(ancillary(value)));
    for (left, one) in (1..=these.len()).rev().zip(these) {
        // Over the tests that are left but this, and the return; parsing bounds their number.
        program.push(jump(*one, u8::try_from(left).unwrap_or(u8::MAX), 0));
    }
    program.push(give(otherwise));
}

const fn load(k: u32) -> Instruction {
    Instruction { code: LD_W_ABS, jt: 0, jf: 0, k }
}

const fn jump(k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: JMP_JEQ_K, jt, jf, k }
}

const fn give(k: u32) -> Instruction {
    Instruction { code: RET_K, jt: 0, jf: 0, k }
}
