//! From tests to instructions.
//!
//! In: a [`Condition`]. Out: a program of forward jumps that ends in one of two returns.
//! Never: a jump further than its 8 bits reach.

use super::condition::{Comparison, Condition, Field, Test, Width};
use super::machine::{Instruction, MAX_INSTRUCTIONS, code};

/// The bytes of an accepted packet that are handed on: all.
const ACCEPT: u32 = 262_144;

/// A place in the program that is not known yet; an index into `Emitter::places`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Label(usize);

enum Step {
    Plain(Instruction),
    Jump { code: u16, k: u32, on_true: Label, on_false: Label },
}

/// What the registers hold: the field and mask of A, the IPv4 header whose length X holds.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Registers {
    a: Option<(Field, u32)>,
    x: Option<u32>,
}

impl Registers {
    /// What is certain where two ways meet.
    fn meet(self, other: Self) -> Self {
        Self { a: self.a.filter(|_| self.a == other.a), x: self.x.filter(|_| self.x == other.x) }
    }
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// Index of the step it stands before.
    step: usize,
    /// The registers of all jumps to it; `None` before the first.
    registers: Option<Registers>,
}

#[derive(Default)]
struct Emitter {
    steps: Vec<Step>,
    places: Vec<Place>,
    registers: Registers,
}

/// The program; `None` where it would be too long.
pub(super) fn instructions(condition: &Condition) -> Option<Vec<Instruction>> {
    let mut emitter = Emitter::default();
    let accept = emitter.label();
    let reject = emitter.label();
    match condition {
        Condition::Constant(true) => {}
        Condition::Constant(false) => return Some(vec![Instruction::new(code::RET_K, 0)]),
        condition => {
            emitter.condition(condition, accept, reject);
            emitter.put(accept);
        }
    }
    emitter.steps.push(Step::Plain(Instruction::new(code::RET_K, ACCEPT)));
    if *condition != Condition::Constant(true) {
        emitter.put(reject);
        emitter.steps.push(Step::Plain(Instruction::new(code::RET_K, 0)));
    }
    emitter.assemble()
}

impl Emitter {
    fn label(&mut self) -> Label {
        self.places.push(Place::default());
        Label(self.places.len() - 1)
    }

    /// The label is here: only jumps come in, for the step before was a jump too.
    fn put(&mut self, label: Label) {
        if let Some(place) = self.places.get_mut(label.0) {
            place.step = self.steps.len();
            self.registers = place.registers.unwrap_or_default();
        }
    }

    fn condition(&mut self, condition: &Condition, on_true: Label, on_false: Label) {
        if self.steps.len() > MAX_INSTRUCTIONS {
            return;
        }
        match condition {
            Condition::All(list) => self.list(list, |next| (next, on_false), (on_true, on_false)),
            Condition::Any(list) => self.list(list, |next| (on_true, next), (on_true, on_false)),
            Condition::Not(inner) => self.condition(inner, on_false, on_true),
            Condition::Test(test) => self.test(test, on_true, on_false),
            // Folded away by the builder everywhere but at the root.
            Condition::Constant(value) => {
                let target = if *value { on_true } else { on_false };
                self.jump(code::JMP_JEQ_K, 0, target, target);
            }
        }
    }

    /// All but the last go on to the `next` one on one side.
    fn list(&mut self, list: &[Condition], targets: impl Fn(Label) -> (Label, Label), last: (Label, Label)) {
        let Some((final_one, others)) = list.split_last() else { return };
        for condition in others {
            let next = self.label();
            let (on_true, on_false) = targets(next);
            self.condition(condition, on_true, on_false);
            self.put(next);
        }
        self.condition(final_one, last.0, last.1);
    }

    fn test(&mut self, test: &Test, on_true: Label, on_false: Label) {
        self.load(test.field, test.mask);
        let code = match test.comparison {
            Comparison::Equal => code::JMP_JEQ_K,
            Comparison::AtLeast => code::JMP_JGE_K,
            Comparison::Above => code::JMP_JGT_K,
            Comparison::AnyBit => code::JMP_JSET_K,
        };
        self.jump(code, test.value, on_true, on_false);
    }

    fn load(&mut self, field: Field, mask: u32) {
        if self.registers.a == Some((field, mask)) {
            return;
        }
        if self.registers.a != Some((field, u32::MAX)) {
            let instruction = match field {
                Field::Absolute { width: Width::Byte, offset } => Instruction::new(code::LD_B_ABS, offset),
                Field::Absolute { width: Width::Half, offset } => Instruction::new(code::LD_H_ABS, offset),
                Field::Absolute { width: Width::Word, offset } => Instruction::new(code::LD_W_ABS, offset),
                Field::WireLength => Instruction::new(code::LD_W_LEN, 0),
                Field::BehindIpv4 { ip, offset } => {
                    if self.registers.x != Some(ip) {
                        self.steps.push(Step::Plain(Instruction::new(code::LDX_B_MSH, ip)));
                        self.registers.x = Some(ip);
                    }
                    Instruction::new(code::LD_H_IND, ip + offset)
                }
            };
            self.steps.push(Step::Plain(instruction));
        }
        if mask != u32::MAX {
            self.steps.push(Step::Plain(Instruction::new(code::ALU_AND_K, mask)));
        }
        self.registers.a = Some((field, mask));
    }

    fn jump(&mut self, code: u16, k: u32, on_true: Label, on_false: Label) {
        for label in [on_true, on_false] {
            if let Some(place) = self.places.get_mut(label.0) {
                let met = place.registers.map_or(self.registers, |registers| registers.meet(self.registers));
                place.registers = Some(met);
            }
        }
        self.steps.push(Step::Jump { code, k, on_true, on_false });
    }

    /// Where a conditional jump cannot reach its target with 8 bits, it goes to a long jump right behind it. That
    /// makes the program longer, so others may have to follow, until none is left.
    fn assemble(&self) -> Option<Vec<Instruction>> {
        let mut far = vec![[false; 2]; self.steps.len()];
        loop {
            let addresses = self.addresses(&far);
            let length = *addresses.last()?;
            if length > MAX_INSTRUCTIONS {
                return None;
            }
            let target = |label: Label| self.places.get(label.0).and_then(|place| addresses.get(place.step)).copied();
            let mut program = Vec::with_capacity(length);
            let mut all_reach = true;
            for ((step, far), address) in self.steps.iter().zip(&mut far).zip(&addresses) {
                match step {
                    Step::Plain(instruction) => program.push(*instruction),
                    Step::Jump { code, k, on_true, on_false } => {
                        let targets = [target(*on_true)?, target(*on_false)?];
                        all_reach &= push_jump(&mut program, *address, (*code, *k), targets, far)?;
                    }
                }
            }
            if all_reach {
                return Some(program);
            }
        }
    }

    /// The address of every step, and of the end.
    fn addresses(&self, far: &[[bool; 2]]) -> Vec<usize> {
        let mut address = 0;
        let mut addresses = Vec::with_capacity(self.steps.len() + 1);
        for far in far {
            addresses.push(address);
            address += 1 + far.iter().filter(|far| **far).count();
        }
        addresses.push(address);
        addresses
    }
}

/// Pushes a conditional jump and the long jumps that `far` asks for. False where an end did not reach; it is then
/// marked in `far`.
fn push_jump(
    program: &mut Vec<Instruction>,
    address: usize,
    (code, k): (u16, u32),
    targets: [usize; 2],
    far: &mut [bool; 2],
) -> Option<bool> {
    let mut reaches = true;
    let mut offsets = [0_u8; 2];
    let mut long_jumps = Vec::new();
    let was_far = *far;
    for side in 0..2 {
        if was_far[side] {
            offsets[side] = long_jumps.len() as u8;
            let from = address + 2 + long_jumps.len();
            let k = u32::try_from(targets[side].checked_sub(from)?).ok()?;
            long_jumps.push(Instruction::new(code::JMP_JA, k));
        } else if let Ok(offset) = u8::try_from(targets[side].checked_sub(address + 1)?) {
            offsets[side] = offset;
        } else {
            far[side] = true;
            reaches = false;
        }
    }
    program.push(Instruction { code, jt: offsets[0], jf: offsets[1], k });
    program.extend(long_jumps);
    Some(reaches)
}
