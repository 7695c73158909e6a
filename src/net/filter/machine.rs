//! The machine of classic BPF (McCanne and Jacobson, "The BSD Packet Filter", 1993), as Linux and the BSDs run it.
//!
//! In: a program and a packet. Out: whether the packet is accepted.
//! Never: a step back, so that every program ends; a read outside the packet: that rejects it.

/// The longest program that Linux takes (BPF_MAXINSNS).
pub(super) const MAX_INSTRUCTIONS: usize = 4096;

/// Words of scratch memory (BPF_MEMWORDS).
const MEMORY_WORDS: usize = 16;

/// Instruction codes: class, size and mode, or operation and source.
pub(super) mod code {
    pub(in super::super) const LD_W_ABS: u16 = 0x20;
    pub(in super::super) const LD_H_ABS: u16 = 0x28;
    pub(in super::super) const LD_B_ABS: u16 = 0x30;
    pub(in super::super) const LD_H_IND: u16 = 0x48;
    pub(in super::super) const LD_W_LEN: u16 = 0x80;
    pub(in super::super) const LDX_B_MSH: u16 = 0xb1;
    pub(in super::super) const ALU_AND_K: u16 = 0x54;
    pub(in super::super) const JMP_JA: u16 = 0x05;
    pub(in super::super) const JMP_JEQ_K: u16 = 0x15;
    pub(in super::super) const JMP_JGT_K: u16 = 0x25;
    pub(in super::super) const JMP_JGE_K: u16 = 0x35;
    pub(in super::super) const JMP_JSET_K: u16 = 0x45;
    pub(in super::super) const RET_K: u16 = 0x06;
}

/// The three low bits of a code.
const CLASS_LD: u16 = 0;
const CLASS_LDX: u16 = 1;
const CLASS_ST: u16 = 2;
const CLASS_STX: u16 = 3;
const CLASS_ALU: u16 = 4;
const CLASS_JMP: u16 = 5;
const CLASS_RET: u16 = 6;

/// Loads: size in bits 3 and 4, mode in bits 5 to 7.
const SIZE_WORD: u16 = 0x00;
const SIZE_HALF: u16 = 0x08;
const SIZE_BYTE: u16 = 0x10;
const MODE_IMMEDIATE: u16 = 0x00;
const MODE_ABSOLUTE: u16 = 0x20;
const MODE_INDIRECT: u16 = 0x40;
const MODE_MEMORY: u16 = 0x60;
const MODE_LENGTH: u16 = 0x80;
const MODE_HEADER_LENGTH: u16 = 0xa0;

/// The second operand is X, not the constant.
const SOURCE_X: u16 = 0x08;
/// A return gives A, not the constant.
const RETURN_A: u16 = 0x10;
/// Miscellaneous: X to A, not A to X.
const MISC_TXA: u16 = 0x80;

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
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

impl Instruction {
    /// One that is no conditional jump.
    pub(super) const fn new(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }
}

/// A program for packets of one link type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
}

struct Machine<'p> {
    packet: &'p [u8],
    wire_len: u32,
    a: u32,
    x: u32,
    memory: [u32; MEMORY_WORDS],
}

impl Program {
    /// Any instructions; [`matches`](Self::matches) copes with all.
    pub const fn from_instructions(instructions: Vec<Instruction>) -> Self {
        Self { instructions }
    }

    /// What to attach to a socket.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Whether the packet is accepted. `packet` is what was captured, from the link header on; `wire_len` its length on
    /// the wire. A program that runs past its end, divides by zero or has an unknown instruction rejects.
    pub fn matches(&self, packet: &[u8], wire_len: u32) -> bool {
        let machine = Machine { packet, wire_len, a: 0, x: 0, memory: [0; MEMORY_WORDS] };
        machine.run(&self.instructions).is_some_and(|returned| returned != 0)
    }
}

impl Machine<'_> {
    /// The returned value; every step goes forward.
    fn run(mut self, instructions: &[Instruction]) -> Option<u32> {
        let mut counter = 0_usize;
        loop {
            let instruction = instructions.get(counter)?;
            counter += 1;
            match instruction.code {
                // The instructions that filters are mostly made of, decoded in one step.
                code::LD_H_ABS => self.a = self.half(instruction.k)?,
                code::LD_B_ABS => self.a = self.packet.get(instruction.k as usize).copied()?.into(),
                code::JMP_JEQ_K => {
                    counter += usize::from(if self.a == instruction.k { instruction.jt } else { instruction.jf });
                }
                _ => {
                    if let Some(returned) = self.step(instruction, &mut counter)? {
                        return Some(returned);
                    }
                }
            }
        }
    }

    /// Any instruction. Gives the value where it is a return.
    fn step(&mut self, instruction: &Instruction, counter: &mut usize) -> Option<Option<u32>> {
        match instruction.code & 0x07 {
            CLASS_LD => self.a = self.load(instruction)?,
            CLASS_LDX => self.x = self.load_index(instruction)?,
            CLASS_ST => *self.memory.get_mut(instruction.k as usize)? = self.a,
            CLASS_STX => *self.memory.get_mut(instruction.k as usize)? = self.x,
            CLASS_ALU => self.a = self.compute(instruction)?,
            CLASS_JMP => *counter = counter.checked_add(self.jump(instruction)?)?,
            CLASS_RET => {
                return Some(Some(if instruction.code & RETURN_A != 0 { self.a } else { instruction.k }));
            }
            _ if instruction.code & MISC_TXA != 0 => self.a = self.x,
            _ => self.x = self.a,
        }
        Some(None)
    }

    fn half(&self, offset: u32) -> Option<u32> {
        let rest = self.packet.get(offset as usize..)?;
        rest.first_chunk().map(|bytes| u16::from_be_bytes(*bytes).into())
    }

    fn load(&self, instruction: &Instruction) -> Option<u32> {
        let offset = match instruction.code & 0xe0 {
            MODE_ABSOLUTE => instruction.k,
            MODE_INDIRECT => instruction.k.checked_add(self.x)?,
            MODE_IMMEDIATE => return Some(instruction.k),
            MODE_MEMORY => return self.memory.get(instruction.k as usize).copied(),
            MODE_LENGTH => return Some(self.wire_len),
            _ => return None,
        };
        let rest = self.packet.get(offset as usize..)?;
        match instruction.code & 0x18 {
            SIZE_WORD => rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
            SIZE_HALF => rest.first_chunk().map(|bytes| u16::from_be_bytes(*bytes).into()),
            SIZE_BYTE => rest.first().map(|byte| (*byte).into()),
            _ => None,
        }
    }

    fn load_index(&self, instruction: &Instruction) -> Option<u32> {
        match instruction.code & 0xe0 {
            MODE_IMMEDIATE => Some(instruction.k),
            MODE_MEMORY => self.memory.get(instruction.k as usize).copied(),
            MODE_LENGTH => Some(self.wire_len),
            // Made for the length of an IPv4 header, which counts 32-bit words in its low four bits.
            MODE_HEADER_LENGTH => self.packet.get(instruction.k as usize).map(|byte| u32::from(byte & 0x0f) * 4),
            _ => None,
        }
    }

    fn operand(&self, instruction: &Instruction) -> u32 {
        if instruction.code & SOURCE_X != 0 { self.x } else { instruction.k }
    }

    fn compute(&self, instruction: &Instruction) -> Option<u32> {
        let (a, operand) = (self.a, self.operand(instruction));
        Some(match instruction.code & 0xf0 {
            0x00 => a.wrapping_add(operand),
            0x10 => a.wrapping_sub(operand),
            0x20 => a.wrapping_mul(operand),
            0x30 => a.checked_div(operand)?,
            0x40 => a | operand,
            0x50 => a & operand,
            0x60 => a.checked_shl(operand).unwrap_or(0),
            0x70 => a.checked_shr(operand).unwrap_or(0),
            0x80 => a.wrapping_neg(),
            0x90 => a.checked_rem(operand)?,
            0xa0 => a ^ operand,
            _ => return None,
        })
    }

    /// Instructions to pass over.
    fn jump(&self, instruction: &Instruction) -> Option<usize> {
        let (a, operand) = (self.a, self.operand(instruction));
        let holds = match instruction.code & 0xf0 {
            0x00 => return usize::try_from(instruction.k).ok(),
            0x10 => a == operand,
            0x20 => a > operand,
            0x30 => a >= operand,
            0x40 => a & operand != 0,
            _ => return None,
        };
        Some(usize::from(if holds { instruction.jt } else { instruction.jf }))
    }
}
