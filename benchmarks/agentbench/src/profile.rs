// SPDX-License-Identifier: Apache-2.0
//! The workloads by name. What a profile does is never changed: another workload gets another name.

use crate::turn::Sizes;

pub struct Profile {
    pub name: &'static str,
    pub sizes: Sizes,
    /// Each agent works for this long before anything is measured.
    pub warm_up_ms: u64,
    /// One agent works alone for this long before all do.
    pub alone_ms: u64,
    pub interval_ms: u64,
    pub intervals: u64,
    /// The checksum of each turn, in hexadecimal.
    pub golden: &'static str,
}

pub static PROFILES: [Profile; 3] = [
    Profile {
        name: "v1-core",
        sizes: Sizes {
            search: 72 << 10,
            records: 400,
            index: 96 << 10,
            questions: 600,
            diff: 112 << 10,
            diff_every: 6,
            hash: 224 << 10,
            primes: 9000,
            chains: 300,
            compression: 56 << 10,
            window: 16 << 10,
        },
        warm_up_ms: 2000,
        alone_ms: 4000,
        interval_ms: 1000,
        intervals: 10,
        golden: "74aa289acfd04194e6c3f68e601d95946ff040873b979ebb776b444a8e88f057",
    },
    Profile {
        name: "v1-smoke",
        sizes: Sizes {
            search: 8 << 10,
            records: 32,
            index: 10 << 10,
            questions: 60,
            diff: 20 << 10,
            diff_every: 8,
            hash: 24 << 10,
            primes: 1000,
            chains: 30,
            compression: 6 << 10,
            window: 4 << 10,
        },
        warm_up_ms: 100,
        alone_ms: 400,
        interval_ms: 200,
        intervals: 5,
        golden: "0432969d7c91646e55cb3b96dac1f51412be8c05027f4bb1c97fe72074b96cf4",
    },
    Profile {
        name: "v1-supplemental-compression",
        sizes: Sizes {
            search: 8 << 10,
            records: 32,
            index: 10 << 10,
            questions: 60,
            diff: 20 << 10,
            diff_every: 8,
            hash: 24 << 10,
            primes: 1000,
            chains: 30,
            compression: 2 << 20,
            window: 1 << 20,
        },
        warm_up_ms: 2000,
        alone_ms: 4000,
        interval_ms: 2000,
        intervals: 10,
        golden: "b56100b4e6f8eafea47134dca8280efa9797ff7934165584ef32ae6b1caf8e36",
    },
];

pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

pub fn names() -> String {
    PROFILES.iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::PROFILES;
    use crate::turn::Turn;

    #[test]
    fn each_profile_gives_its_golden_checksum_in_every_turn() {
        for profile in &PROFILES {
            let mut turn = Turn::new(&profile.sizes);
            for _ in 0..2 {
                assert_eq!(turn.run().checksum(), profile.golden, "{}", profile.name);
            }
        }
    }
}
