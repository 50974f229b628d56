// SPDX-License-Identifier: Apache-2.0
//! One turn of an agent: seven parts, one after the other, and a checksum over the results of all.

use crate::corpus;
use crate::parts::compression::Compression;
use crate::parts::diff::Diff;
use crate::parts::hash::Hash;
use crate::parts::index::Index;
use crate::parts::json::Json;
use crate::parts::search::Search;
use crate::parts::vm::ByteCode;
use crate::sha256::{hex, sha256};
use crate::sys::now_ns;

pub const PARTS: [&str; 7] = ["search", "json", "index", "diff", "hash", "byte_code", "compression"];

/// How much each part has to do; bytes, where nothing else is said.
#[derive(Clone)]
pub struct Sizes {
    pub search: usize,
    /// Items of the JSON document.
    pub records: usize,
    pub index: usize,
    /// How often the index is asked.
    pub questions: usize,
    pub diff: usize,
    /// One of so many lines differs.
    pub diff_every: usize,
    pub hash: usize,
    /// The sieve finds the primes below this number.
    pub primes: u32,
    /// The longest Collatz chain is looked for among the numbers below this one.
    pub chains: u32,
    pub compression: usize,
    /// How far back a match may be, a power of two.
    pub window: usize,
}

/// The data and the buffers of an agent.
pub struct Turn {
    search: Search,
    json: Json,
    index: Index,
    diff: Diff,
    hash: Hash,
    byte_code: ByteCode,
    compression: Compression,
}

/// What a turn gave: a digest of each part, and how long each took in ns.
#[derive(Clone, Default)]
pub struct Done {
    pub digests: [u64; PARTS.len()],
    pub spent_ns: [u64; PARTS.len()],
}

impl Turn {
    pub fn new(sizes: &Sizes) -> Turn {
        let words = corpus::words();
        Turn {
            search: Search::new(&words, sizes.search),
            json: Json::new(&words, sizes.records),
            index: Index::new(&words, sizes.index, sizes.questions),
            diff: Diff::new(&words, sizes.diff, sizes.diff_every),
            hash: Hash::new(&words, sizes.hash),
            byte_code: ByteCode::new(sizes.primes, sizes.chains),
            compression: Compression::new(&words, sizes.compression, sizes.window),
        }
    }

    pub fn run(&mut self) -> Done {
        let mut done = Done::default();
        let mut before = now_ns();
        for part in 0..PARTS.len() {
            done.digests[part] = match part {
                0 => self.search.run(),
                1 => self.json.run(),
                2 => self.index.run(),
                3 => self.diff.run(),
                4 => self.hash.run(),
                5 => self.byte_code.run(),
                _ => self.compression.run(),
            };
            let after = now_ns();
            done.spent_ns[part] = after - before;
            before = after;
        }
        done
    }
}

impl Done {
    /// SHA-256, in hexadecimal, of the digests in the order of the parts, each of eight bytes, little end first.
    pub fn checksum(&self) -> String {
        let bytes: Vec<u8> = self.digests.iter().flat_map(|digest| digest.to_le_bytes()).collect();
        hex(&sha256(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Done, PARTS};

    #[test]
    fn each_part_counts_in_the_checksum() {
        let mut seen = vec![Done::default().checksum()];
        for part in 0..PARTS.len() {
            let mut done = Done::default();
            done.digests[part] = 1;
            seen.push(done.checksum());
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), PARTS.len() + 1);
    }
}
