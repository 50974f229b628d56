// SPDX-License-Identifier: Apache-2.0
//! Which CPUs there are, and why one of them cannot be used.

use std::fs;

use crate::sys;

/// Where the kernel lists CPUs.
const DIRECTORY: &str = "/sys/devices/system/cpu";

/// Says in words why this process cannot run on one of the CPUs; None when it can on all.
pub fn problem(wanted: &[usize], allowed: &[usize]) -> Option<String> {
    let listed = |name: &str| fs::read_to_string(format!("{}/{}", DIRECTORY, name)).ok().and_then(|text| parse(&text));
    wanted.iter().find(|cpu| !allowed.contains(cpu)).map(|cpu| match (listed("present"), listed("online")) {
        (Some(present), _) if !present.contains(cpu) => {
            format!("CPU {} of the job is not there: this machine has the CPUs {}", cpu, text(&present))
        }
        (_, Some(online)) if !online.contains(cpu) => {
            format!("CPU {} of the job is offline: online are the CPUs {}", cpu, text(&online))
        }
        _ => format!("CPU {} of the job may not be used by this process: allowed are the CPUs {}", cpu, text(allowed)),
    })
}

/// Reads a list as the kernel writes it, such as 0-3,8.
fn parse(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last >= sys::MAX_CPUS {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

/// Writes ascending numbers as the kernel does.
pub fn text(cpus: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let part = |(first, last): (usize, usize)| match last - first {
        0 => first.to_string(),
        _ => format!("{}-{}", first, last),
    };
    ranges.into_iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{parse, problem, text};

    #[test]
    fn lists_come_back_as_they_were() {
        for list in ["", "0", "0-3", "0,2", "1-2,4,6-127"] {
            assert_eq!(text(&parse(list).unwrap()), list);
        }
        assert_eq!(parse(" 0-1\n"), Some(vec![0, 1]));
        for broken in ["a", "1-", "-1", "1-99999999999", "0-8192"] {
            assert_eq!(parse(broken), None);
        }
    }

    #[test]
    fn what_is_allowed_is_no_problem_and_what_is_not_is_named() {
        assert_eq!(problem(&[0], &[0, 1]), None);
        assert!(problem(&[0, 8191], &[0]).unwrap().starts_with("CPU 8191 of the job is not there"));
        // CPU 0 is always there and online.
        assert!(problem(&[0], &[1]).unwrap().starts_with("CPU 0 of the job may not be used"));
    }
}
