// SPDX-License-Identifier: Apache-2.0
//! Byte-code run: a small stack machine runs two programs, the sieve of Eratosthenes and the longest Collatz chain.

use std::collections::HashMap;

use crate::digest::Digest;

pub struct ByteCode {
    sieve: Vec<u8>,
    collatz: Vec<u8>,
    machine: Machine,
}

impl ByteCode {
    /// Primes below `primes`, and the chains of all numbers below `chains`.
    pub fn new(primes: u32, chains: u32) -> ByteCode {
        ByteCode { sieve: sieve(primes), collatz: collatz(chains), machine: Machine::new(primes as usize) }
    }

    pub fn run(&mut self) -> u64 {
        let mut digest = Digest::new();
        for code in [&self.sieve, &self.collatz] {
            match self.machine.run(code) {
                Ok(result) => digest.number(result),
                Err(fault) => panic!("the generated program: {:?}", fault),
            }
        }
        digest.number(self.machine.steps);
        digest.value()
    }
}

/// Operations. PUSH, GET, SET, JUMP and JUMP_IF_ZERO are followed by an operand of four bytes, little end first.
mod op {
    /// Puts the operand on the stack.
    pub const PUSH: u8 = 0;
    /// Puts a variable on the stack; the operand is its number.
    pub const GET: u8 = 1;
    /// Takes a variable's value from there.
    pub const SET: u8 = 2;
    /// Takes an address and puts what is there.
    pub const LOAD: u8 = 3;
    /// Takes a value, then an address, and stores it there.
    pub const STORE: u8 = 4;
    /// Each of these takes the right operand, then the left one, and puts the result.
    pub const ADD: u8 = 5;
    pub const MULTIPLY: u8 = 6;
    pub const AND: u8 = 7;
    pub const LESS: u8 = 8;
    /// Takes a value and puts half of it.
    pub const HALVE: u8 = 9;
    /// Goes on at the operand; the second one only if it takes a zero.
    pub const JUMP: u8 = 10;
    pub const JUMP_IF_ZERO: u8 = 11;
    /// Ends with what it takes.
    pub const HALT: u8 = 12;
}

#[derive(Debug, PartialEq)]
pub enum Fault {
    NoSuchOperation(u8),
    CodeEnds,
    StackEmpty,
    StackFull,
    NoSuchVariable(u32),
    NoSuchAddress(u64),
    TooManySteps,
}

const VARIABLES: usize = 8;
const STACK: usize = 64;
/// A program that takes longer than this is believed to go on for ever.
const MAX_STEPS: u64 = 1 << 32;

struct Machine {
    memory: Vec<u8>,
    stack: Vec<u64>,
    steps: u64,
}

impl Machine {
    fn new(memory: usize) -> Machine {
        Machine { memory: vec![0; memory], stack: Vec::with_capacity(STACK), steps: 0 }
    }

    fn run(&mut self, code: &[u8]) -> Result<u64, Fault> {
        self.memory.fill(0);
        self.stack.clear();
        self.steps = 0;
        let mut variables = [0u64; VARIABLES];
        let mut at = 0;
        loop {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Err(Fault::TooManySteps);
            }
            let operation = *code.get(at).ok_or(Fault::CodeEnds)?;
            at += 1;
            match operation {
                op::PUSH => {
                    let value = operand(code, &mut at)?;
                    self.push(value.into())?;
                }
                op::GET => {
                    let number = operand(code, &mut at)?;
                    let value = *variables.get(number as usize).ok_or(Fault::NoSuchVariable(number))?;
                    self.push(value)?;
                }
                op::SET => {
                    let number = operand(code, &mut at)?;
                    *variables.get_mut(number as usize).ok_or(Fault::NoSuchVariable(number))? = self.pop()?;
                }
                op::LOAD => {
                    let address = self.pop()?;
                    let value = *self.memory.get(address as usize).ok_or(Fault::NoSuchAddress(address))?;
                    self.push(value.into())?;
                }
                op::STORE => {
                    let value = self.pop()?;
                    let address = self.pop()?;
                    *self.memory.get_mut(address as usize).ok_or(Fault::NoSuchAddress(address))? = value as u8;
                }
                op::ADD => self.combine(u64::wrapping_add)?,
                op::MULTIPLY => self.combine(u64::wrapping_mul)?,
                op::AND => self.combine(|left, right| left & right)?,
                op::LESS => self.combine(|left, right| (left < right).into())?,
                op::HALVE => {
                    let value = self.pop()?;
                    self.push(value / 2)?;
                }
                op::JUMP => at = operand(code, &mut at)? as usize,
                op::JUMP_IF_ZERO => {
                    let target = operand(code, &mut at)? as usize;
                    if self.pop()? == 0 {
                        at = target;
                    }
                }
                op::HALT => return self.pop(),
                other => return Err(Fault::NoSuchOperation(other)),
            }
        }
    }

    fn push(&mut self, value: u64) -> Result<(), Fault> {
        if self.stack.len() == STACK {
            return Err(Fault::StackFull);
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<u64, Fault> {
        self.stack.pop().ok_or(Fault::StackEmpty)
    }

    fn combine(&mut self, operation: impl Fn(u64, u64) -> u64) -> Result<(), Fault> {
        let right = self.pop()?;
        let left = self.pop()?;
        self.push(operation(left, right))
    }
}

fn operand(code: &[u8], at: &mut usize) -> Result<u32, Fault> {
    let bytes = code.get(*at..*at + 4).ok_or(Fault::CodeEnds)?;
    *at += 4;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Writes byte code. A jump may name a label that comes later.
#[derive(Default)]
struct Assembler {
    code: Vec<u8>,
    labels: HashMap<&'static str, u32>,
    jumps: Vec<(usize, &'static str)>,
}

impl Assembler {
    fn plain(&mut self, operations: &[u8]) -> &mut Self {
        self.code.extend_from_slice(operations);
        self
    }

    fn with(&mut self, operation: u8, operand: u32) -> &mut Self {
        self.code.push(operation);
        self.code.extend_from_slice(&operand.to_le_bytes());
        self
    }

    fn jump(&mut self, operation: u8, label: &'static str) -> &mut Self {
        self.with(operation, 0);
        self.jumps.push((self.code.len() - 4, label));
        self
    }

    fn label(&mut self, label: &'static str) -> &mut Self {
        self.labels.insert(label, self.code.len() as u32);
        self
    }

    fn finish(&mut self) -> Vec<u8> {
        for (at, label) in &self.jumps {
            self.code[*at..at + 4].copy_from_slice(&self.labels[label].to_le_bytes());
        }
        std::mem::take(&mut self.code)
    }
}

/// The sum of all primes below `end`: crosses out the multiples of each number that is not crossed out itself.
fn sieve(end: u32) -> Vec<u8> {
    const NUMBER: u32 = 0;
    const MULTIPLE: u32 = 1;
    const SUM: u32 = 2;
    let mut code = Assembler::default();
    code.with(op::PUSH, 2).with(op::SET, NUMBER);
    code.label("number").with(op::GET, NUMBER).with(op::PUSH, end).plain(&[op::LESS]).jump(op::JUMP_IF_ZERO, "end");
    code.with(op::GET, NUMBER).plain(&[op::LOAD]).with(op::PUSH, 1).plain(&[op::LESS]).jump(op::JUMP_IF_ZERO, "next");
    code.with(op::GET, SUM).with(op::GET, NUMBER).plain(&[op::ADD]).with(op::SET, SUM);
    code.with(op::GET, NUMBER).with(op::GET, NUMBER).plain(&[op::MULTIPLY]).with(op::SET, MULTIPLE);
    code.label("multiple")
        .with(op::GET, MULTIPLE)
        .with(op::PUSH, end)
        .plain(&[op::LESS])
        .jump(op::JUMP_IF_ZERO, "next");
    code.with(op::GET, MULTIPLE).with(op::PUSH, 1).plain(&[op::STORE]);
    code.with(op::GET, MULTIPLE).with(op::GET, NUMBER).plain(&[op::ADD]).with(op::SET, MULTIPLE);
    code.jump(op::JUMP, "multiple");
    code.label("next").with(op::GET, NUMBER).with(op::PUSH, 1).plain(&[op::ADD]).with(op::SET, NUMBER);
    code.jump(op::JUMP, "number");
    code.label("end").with(op::GET, SUM).plain(&[op::HALT]);
    code.finish()
}

/// The number below `end` whose chain is the longest, times 1,000, plus the steps of that chain.
fn collatz(end: u32) -> Vec<u8> {
    const NUMBER: u32 = 0;
    const VALUE: u32 = 1;
    const STEPS: u32 = 2;
    const MOST: u32 = 3;
    const BEST: u32 = 4;
    let mut code = Assembler::default();
    code.with(op::PUSH, 1).with(op::SET, NUMBER);
    code.label("number").with(op::GET, NUMBER).with(op::PUSH, end).plain(&[op::LESS]).jump(op::JUMP_IF_ZERO, "end");
    code.with(op::GET, NUMBER).with(op::SET, VALUE).with(op::PUSH, 0).with(op::SET, STEPS);
    code.label("step").with(op::PUSH, 1).with(op::GET, VALUE).plain(&[op::LESS]).jump(op::JUMP_IF_ZERO, "one");
    code.with(op::GET, STEPS).with(op::PUSH, 1).plain(&[op::ADD]).with(op::SET, STEPS);
    code.with(op::GET, VALUE).with(op::PUSH, 1).plain(&[op::AND]).jump(op::JUMP_IF_ZERO, "even");
    code.with(op::GET, VALUE).with(op::PUSH, 3).plain(&[op::MULTIPLY]).with(op::PUSH, 1).plain(&[op::ADD]);
    code.with(op::SET, VALUE).jump(op::JUMP, "step");
    code.label("even").with(op::GET, VALUE).plain(&[op::HALVE]).with(op::SET, VALUE).jump(op::JUMP, "step");
    code.label("one").with(op::GET, MOST).with(op::GET, STEPS).plain(&[op::LESS]).jump(op::JUMP_IF_ZERO, "next");
    code.with(op::GET, STEPS).with(op::SET, MOST).with(op::GET, NUMBER).with(op::SET, BEST);
    code.label("next").with(op::GET, NUMBER).with(op::PUSH, 1).plain(&[op::ADD]).with(op::SET, NUMBER);
    code.jump(op::JUMP, "number");
    code.label("end").with(op::GET, BEST).with(op::PUSH, 1000).plain(&[op::MULTIPLY]);
    code.with(op::GET, MOST).plain(&[op::ADD, op::HALT]);
    code.finish()
}

#[cfg(test)]
mod tests {
    use super::{collatz, op, sieve, Assembler, Fault, Machine};

    fn run(code: &[u8]) -> Result<u64, Fault> {
        Machine::new(100).run(code)
    }

    #[test]
    fn the_programs_give_known_results() {
        // The 25 primes below 100 add up to 1060; below 1000, 871 has the longest chain, of 178 steps.
        assert_eq!(run(&sieve(100)), Ok(1060));
        assert_eq!(run(&collatz(1000)), Ok(871_178));
    }

    #[test]
    fn operations_do_what_they_say() {
        for (left, right, operation, result) in [
            (7, 5, op::ADD, 12),
            (7, 5, op::MULTIPLY, 35),
            (7, 5, op::AND, 5),
            (7, 5, op::LESS, 0),
            (5, 7, op::LESS, 1),
        ] {
            let code =
                Assembler::default().with(op::PUSH, left).with(op::PUSH, right).plain(&[operation, op::HALT]).finish();
            assert_eq!(run(&code), Ok(result));
        }
    }

    #[test]
    fn faulty_programs_are_ended() {
        let code = |operation, operand| Assembler::default().with(operation, operand).plain(&[op::LOAD]).finish();
        assert_eq!(run(&[]), Err(Fault::CodeEnds));
        assert_eq!(run(&[op::PUSH, 1, 2]), Err(Fault::CodeEnds));
        assert_eq!(run(&[99]), Err(Fault::NoSuchOperation(99)));
        assert_eq!(run(&[op::ADD]), Err(Fault::StackEmpty));
        assert_eq!(run(&code(op::PUSH, 100)), Err(Fault::NoSuchAddress(100)));
        assert_eq!(run(&code(op::GET, 8)), Err(Fault::NoSuchVariable(8)));
        assert_eq!(run(&code(op::JUMP, 1000)), Err(Fault::CodeEnds));
        let mut growing = Assembler::default();
        growing.label("again").with(op::PUSH, 1).jump(op::JUMP, "again");
        assert_eq!(run(&growing.finish()), Err(Fault::StackFull));
    }
}
