// SPDX-License-Identifier: Apache-2.0
//! Agents as real processes, with profiles that no job can name. It has a main of its own, since it forks and a program
//! with threads must not.

use agentbench::agents::{measure, Measured, Plan, Trouble};
use agentbench::profile::{profile, Profile};
use agentbench::sys::{allowed_cpus, now_ns, MAX_CPUS};

const FAR_NS: u64 = 300_000_000_000;

fn quick(golden: &'static str) -> Profile {
    let smoke = profile("v1-smoke").unwrap();
    Profile {
        name: "quick",
        sizes: smoke.sizes.clone(),
        warm_up_ms: 1,
        alone_ms: 10,
        interval_ms: 10,
        intervals: 3,
        golden,
    }
}

fn run(profile: &Profile, groups: &[Vec<usize>], limit_ns: u64) -> (Measured, Vec<String>) {
    let mut said = Vec::new();
    let plan = Plan { profile, groups, deadline_ns: now_ns() + limit_ns };
    let measured = measure(&plan, |label| said.push(label.to_string())).unwrap();
    (measured, said)
}

fn main() {
    let golden = profile("v1-smoke").unwrap().golden;
    let cpu = allowed_cpus().unwrap()[0];

    // Two agents on one CPU: slow, but sound. Each works through all the intervals.
    let (good, said) = run(&quick(golden), &[vec![cpu], vec![cpu]], FAR_NS);
    assert_eq!(good.trouble, None);
    assert_eq!(said, ["warm-up", "one agent alone", "interval 1 of 3", "interval 2 of 3", "interval 3 of 3"]);
    let from = good.from.unwrap();
    for stamps in &good.stamps {
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(*stamps.last().unwrap() >= from + 30_000_000);
    }
    assert!(good.alone.last() < Some(&from) && good.spent_ns.iter().all(|spent| *spent > 0));
    assert_eq!(good.shares_on_cpu.len(), 2);
    println!("ok: two agents work to the end");

    let wrong = "00";
    let (bad, said) = run(&quick(wrong), &[vec![cpu]], FAR_NS);
    assert_eq!(bad.trouble, Some(Trouble::WrongChecksum { agent: 0, found: golden.to_string() }));
    assert_eq!((said.len(), bad.from), (0, None));
    println!("ok: a checksum that differs from the profile's ends the measuring");

    let (bad, _) = run(&quick(golden), &[vec![cpu], vec![MAX_CPUS - 1]], FAR_NS);
    assert!(matches!(bad.trouble, Some(Trouble::NotPinned { agent: 1, .. })), "{:?}", bad.trouble);
    println!("ok: an agent that cannot be pinned is told");

    let endless = Profile { intervals: 1_000_000, ..quick(golden) };
    let (cut, said) = run(&endless, &[vec![cpu]], 1_000_000_000);
    assert_eq!(cut.trouble, Some(Trouble::TimeLimit));
    assert!(said.len() < 1000);
    println!("ok: nothing is measured behind the deadline");
}
