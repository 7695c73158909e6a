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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel knows of a packet, for the few instructions that programs have here.
    struct Known {
        kind: u32,
        index: u32,
        hardware: u32,
        has_tag: u32,
        /// What the filter of the test loads.
        byte: u32,
    }

    const BYTE: Instruction = Instruction { code: 0x30, jt: 0, jf: 0, k: 23 };

    fn run(program: &[Instruction], known: &Known) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let one = program[at];
            at += 1;
            match one.code {
                RET_K => return one.k,
                JMP_JEQ_K => at += usize::from(if value == one.k { one.jt } else { one.jf }),
                _ if one == BYTE => value = known.byte,
                _ => {
                    value = match one.k.wrapping_sub(libc::SKF_AD_OFF as u32) as i32 {
                        libc::SKF_AD_PKTTYPE => known.kind,
                        libc::SKF_AD_IFINDEX => known.index,
                        libc::SKF_AD_HATYPE => known.hardware,
                        libc::SKF_AD_VLAN_TAG_PRESENT => known.has_tag,
                        other => panic!("a load of {other}"),
                    }
                }
            }
        }
    }

    const HERE: Known = Known { kind: 0, index: 3, hardware: 1, has_tag: 0, byte: 17 };

    fn of_udp(interfaces: &[u32], loopback: Option<u32>) -> Vec<Instruction> {
        let filter = [BYTE, jump(17, 0, 1), give(262_144), give(0)];
        program(&Wanted { interfaces, loopback, filter: Some((&filter, &[1, 772])), snap_length: 96 })
    }

    #[test]
    fn packets_of_other_interfaces_do_not_pass_and_those_that_do_are_cut() {
        let program = of_udp(&[3, 5, 9], None);
        for (index, length) in [(3, 96), (5, 96), (9, 96), (4, 0), (1, 0)] {
            assert_eq!(run(&program, &Known { index, ..HERE }), length, "{index}");
        }
        assert_eq!(run(&program, &Known { byte: 6, ..HERE }), 0);
    }

    #[test]
    fn what_the_filter_cannot_judge_here_passes() {
        let program = of_udp(&[], None);
        let other = Known { byte: 6, ..HERE };
        assert_eq!(run(&program, &other), 0);
        assert_eq!(run(&program, &Known { has_tag: 1, ..other }), 96);
        assert_eq!(run(&program, &Known { hardware: 512, byte: 6, ..HERE }), 96);
        assert_eq!(run(&program, &Known { hardware: 772, byte: 17, ..HERE }), 96);
    }

    #[test]
    fn on_loopback_what_leaves_is_not_seen_and_elsewhere_it_is() {
        let program = of_udp(&[], Some(1));
        let leaving = u32::from(libc::PACKET_OUTGOING);
        assert_eq!(run(&program, &Known { kind: leaving, index: 1, ..HERE }), 0);
        assert_eq!(run(&program, &Known { kind: 0, index: 1, ..HERE }), 96);
        assert_eq!(run(&program, &Known { kind: leaving, index: 2, ..HERE }), 96);
    }
}
