// SPDX-License-Identifier: Apache-2.0
//! The random numbers that all data is made of: SplitMix64 (G. Steele, D. Lea and C. Flood, "Fast splittable
//! pseudorandom number generators", OOPSLA 2014). The same seed gives the same numbers on every machine.

pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `end`, which is at least 1 and below 2^32.
    pub fn below(&mut self, end: usize) -> usize {
        (((self.number() >> 32) * end as u64) >> 32) as usize
    }

    /// A number below `end` as well, where small ones are much more frequent, as words in a text are.
    pub fn skewed(&mut self, end: usize) -> usize {
        let limit = self.below(end) + 1;
        self.below(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn seed_zero_gives_the_published_numbers() {
        let mut random = Random::new(0);
        let numbers = [random.number(), random.number(), random.number()];
        assert_eq!(numbers, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn numbers_stay_below_their_end() {
        let mut random = Random::new(7);
        for end in 1..500 {
            assert!(random.below(end) < end);
            assert!(random.skewed(end) < end);
        }
    }
}
