// SPDX-License-Identifier: Apache-2.0
//! Compression with verify: LZ77 (J. Ziv and A. Lempel, "A universal algorithm for sequential data compression", IEEE
//! Transactions on Information Theory 23, 1977) with chains of hashed positions; then what was packed is unpacked and
//! compared.
//!
//! The format is our own. A token is a number of variable length: its lowest bit says whether it is a match, the others how
//! many bytes it stands for. Those bytes follow, or for a match the distance to where they were before.

use crate::corpus;
use crate::digest::Digest;

const HASH_BITS: u32 = 13;
const SHORTEST: usize = 4;
/// How many earlier places are looked at for a longer match.
const CHAIN: usize = 16;
const NONE: u32 = u32::MAX;

pub struct Compression {
    data: Vec<u8>,
    packer: Packer,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
}

impl Compression {
    /// Data of so many bytes; a match goes back by at most `window`, a power of two.
    pub fn new(words: &[String], size: usize, window: usize) -> Compression {
        let data = corpus::mixed(words, 61, size);
        let (packed, unpacked) = (Vec::with_capacity(size), Vec::with_capacity(size));
        Compression { data, packer: Packer::new(window), packed, unpacked }
    }

    pub fn run(&mut self) -> u64 {
        let mut digest = Digest::new();
        self.packer.pack(&self.data, &mut self.packed);
        let is_whole = unpack(&self.packed, &mut self.unpacked).is_ok() && self.unpacked == self.data;
        digest.number(is_whole.into());
        digest.number(self.packed.len() as u64);
        digest.bytes(&self.packed);
        digest.value()
    }
}

struct Packer {
    /// The last position of each hash.
    heads: Vec<u32>,
    /// For each position, by its place in the window, the one before with the same hash.
    chain: Vec<u32>,
}

impl Packer {
    fn new(window: usize) -> Packer {
        Packer { heads: vec![NONE; 1 << HASH_BITS], chain: vec![NONE; window] }
    }

    fn pack(&mut self, data: &[u8], packed: &mut Vec<u8>) {
        packed.clear();
        self.heads.fill(NONE);
        let mut at = 0;
        let mut plain = 0;
        while at + SHORTEST <= data.len() {
            let (length, distance) = self.longest(data, at);
            if length < SHORTEST {
                self.remember(data, at);
                at += 1;
                continue;
            }
            literal(&data[plain..at], packed);
            number(length << 1 | 1, packed);
            number(distance, packed);
            let end = at + length;
            while at < end && at + SHORTEST <= data.len() {
                self.remember(data, at);
                at += 1;
            }
            at = end;
            plain = end;
        }
        literal(&data[plain..], packed);
    }

    fn remember(&mut self, data: &[u8], at: usize) {
        let place = at & (self.chain.len() - 1);
        let hash = hash(data, at);
        self.chain[place] = self.heads[hash];
        self.heads[hash] = at as u32;
    }

    /// Length of and distance to the longest match in the window; length 0 for none.
    fn longest(&self, data: &[u8], at: usize) -> (usize, usize) {
        let mut best = (0, 0);
        let mut candidate = self.heads[hash(data, at)];
        for _ in 0..CHAIN {
            let from = candidate as usize;
            if candidate == NONE || from + self.chain.len() <= at {
                break;
            }
            let length = data[from..].iter().zip(&data[at..]).take_while(|(left, right)| left == right).count();
            if length > best.0 {
                best = (length, at - from);
            }
            candidate = self.chain[from & (self.chain.len() - 1)];
        }
        best
    }
}

/// Of the four bytes at a position: multiplicative hashing (D. Knuth, The Art of Computer Programming 3, section 6.4).
fn hash(data: &[u8], at: usize) -> usize {
    let bytes = u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    (bytes.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

fn literal(bytes: &[u8], packed: &mut Vec<u8>) {
    if !bytes.is_empty() {
        number(bytes.len() << 1, packed);
        packed.extend_from_slice(bytes);
    }
}

fn number(mut value: usize, packed: &mut Vec<u8>) {
    while value >= 0x80 {
        packed.push(value as u8 | 0x80);
        value >>= 7;
    }
    packed.push(value as u8);
}

#[derive(Debug, PartialEq)]
struct Damaged;

fn unpack(packed: &[u8], data: &mut Vec<u8>) -> Result<(), Damaged> {
    data.clear();
    let mut rest = packed;
    while !rest.is_empty() {
        let token = take_number(&mut rest)?;
        let length = token >> 1;
        if token & 1 == 0 {
            let bytes = rest.get(..length).ok_or(Damaged)?;
            data.extend_from_slice(bytes);
            rest = &rest[length..];
            continue;
        }
        let distance = take_number(&mut rest)?;
        let from = data.len().checked_sub(distance).filter(|_| distance > 0).ok_or(Damaged)?;
        if distance >= length {
            data.extend_from_within(from..from + length);
        } else {
            // It reaches into the bytes that it makes.
            (from..from + length).for_each(|at| data.push(data[at]));
        }
    }
    Ok(())
}

fn take_number(rest: &mut &[u8]) -> Result<usize, Damaged> {
    let mut value = 0;
    for bits in (0..35).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Damaged)?;
        *rest = after;
        value |= usize::from(byte & 0x7f) << bits;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::{unpack, Compression, Damaged, Packer};
    use crate::corpus;
    use crate::prng::Random;

    fn packed(data: &[u8], window: usize) -> Vec<u8> {
        let mut packed = Vec::new();
        Packer::new(window).pack(data, &mut packed);
        packed
    }

    fn check(data: &[u8], window: usize) {
        let mut unpacked = Vec::new();
        assert_eq!(unpack(&packed(data, window), &mut unpacked), Ok(()));
        assert!(unpacked == data, "{} bytes", data.len());
    }

    #[test]
    fn random_data_of_few_and_many_different_bytes_comes_back() {
        let mut random = Random::new(9);
        for _ in 0..400 {
            let most = if random.below(2) == 0 { 3 } else { 256 };
            let letters = 1 + random.below(most);
            let data: Vec<u8> = (0..random.below(3000)).map(|_| random.below(letters) as u8).collect();
            check(&data, 256);
            check(&data, 32_768);
        }
    }

    #[test]
    fn short_and_uniform_data_comes_back() {
        (0..40).for_each(|length| check(&vec![7; length], 256));
        check(&vec![7; 100_000], 256);
        assert!(packed(&vec![7; 100_000], 256).len() < 10);
    }

    #[test]
    fn the_data_of_the_benchmark_gets_smaller_and_comes_back() {
        let mut compression = Compression::new(&corpus::words(), 60_000, 32_768);
        let first = compression.run();
        assert!(compression.packed.len() < compression.data.len() * 3 / 4);
        assert!(compression.unpacked == compression.data);
        // Nothing of the turn before is left in the tables.
        assert_eq!(compression.run(), first);
    }

    #[test]
    fn damaged_data_is_refused() {
        for damaged in [&[0x80][..], &[2], &[3], &[3, 1], &[2, b'a', 3, 2], &[2, b'a', 3, 0], &[0xff; 6]] {
            assert_eq!(unpack(damaged, &mut Vec::new()), Err(Damaged), "{:?}", damaged);
        }
        let whole = packed(&corpus::mixed(&corpus::words(), 1, 5000), 256);
        for length in 0..whole.len() {
            // A cut text is either refused or shorter; it never leads outside of the data.
            let mut data = Vec::new();
            assert!(unpack(&whole[..length], &mut data).is_err() || data.len() < 5000);
        }
    }
}
