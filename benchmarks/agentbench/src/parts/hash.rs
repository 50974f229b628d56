// SPDX-License-Identifier: Apache-2.0
//! Hash: SHA-256 of pieces of a text, and of their digests, as content-addressed stores do it.

use crate::corpus;
use crate::digest::Digest;
use crate::sha256::sha256;

const PIECE: usize = 4096;

pub struct Hash {
    text: Vec<u8>,
    digests: Vec<u8>,
}

impl Hash {
    pub fn new(words: &[String], size: usize) -> Hash {
        Hash { text: corpus::text(words, 51, size), digests: Vec::new() }
    }

    pub fn run(&mut self) -> u64 {
        self.digests.clear();
        for piece in self.text.chunks(PIECE) {
            self.digests.extend_from_slice(&sha256(piece));
        }
        let mut digest = Digest::new();
        digest.bytes(&sha256(&self.digests));
        digest.value()
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;
    use crate::corpus;

    #[test]
    fn one_changed_byte_changes_the_digest() {
        let mut hash = Hash::new(&corpus::words(), 10_000);
        let before = hash.run();
        assert_eq!(hash.run(), before);
        hash.text[9_999] ^= 1;
        assert_ne!(hash.run(), before);
    }
}
