// SPDX-License-Identifier: Apache-2.0
//! From what the agents recorded to result.json, whose fields docs/reference/result.md describes.

use crate::agents::{Measured, Plan, Trouble};
use crate::job::Job;
use crate::json::Value;
use crate::sys::End;
use crate::turn::PARTS;

const NS_PER_S: f64 = 1e9;
const NS_PER_MS: f64 = 1e6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    Passed,
    Partial,
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Passed => "passed",
            Status::Partial => "partial",
            Status::Failed => "failed",
        }
    }
}

pub struct Report {
    pub status: Status,
    pub document: Value,
}

/// Times are UTC and seconds.
pub fn report(job: &Job, plan: &Plan, measured: &Measured, started_at: &str, duration_s: f64) -> Report {
    let window = Window::of(plan, measured);
    let trouble = measured.trouble.as_ref().map(|trouble| why(trouble, job, plan));
    let missing = plan.profile.intervals as usize - window.intervals.len();
    let status = match measured.trouble {
        Some(Trouble::WrongChecksum { .. }) => Status::Failed,
        Some(Trouble::Terminated | Trouble::TimeLimit) => Status::Partial,
        _ if missing == 0 => Status::Passed,
        _ if window.intervals.is_empty() => Status::Failed,
        _ => Status::Partial,
    };
    let skipped = match missing {
        0 => vec![],
        _ => {
            let reason = trouble.clone().unwrap_or_else(|| "not all agents worked in all of it".to_string());
            vec![object(vec![
                ("name", format!("{} of {} intervals", missing, plan.profile.intervals).into()),
                ("reason", reason.into()),
            ])]
        }
    };
    let document = object(vec![
        ("schema", "rackbench.result/1.0".into()),
        ("benchmark", object(vec![("name", "agentbench".into()), ("version", env!("CARGO_PKG_VERSION").into())])),
        ("status", status.name().into()),
        ("started_at", started_at.into()),
        ("duration_s", number(duration_s)),
        ("metrics", Value::List(metrics(job, plan, &window))),
        ("checks", Value::List(checks(plan, measured, missing, trouble))),
        ("skipped", Value::List(skipped)),
        ("facts", facts(job, plan, measured, &window)),
    ]);
    Report { status, document }
}

/// Says in words why the measuring ended early.
pub fn why(trouble: &Trouble, job: &Job, plan: &Plan) -> String {
    match trouble {
        Trouble::Terminated => "stopped by SIGTERM".to_string(),
        Trouble::TimeLimit => format!("the time limit of {} s was reached", job.time_limit_s),
        Trouble::Ended { agent, end: End::Signal(signal) } => format!("agent {} was ended by signal {}", agent, signal),
        Trouble::Ended { agent, end: End::Exit(code) } => {
            format!("agent {} ended by itself, with exit code {}; standard error says why", agent, code)
        }
        Trouble::NotPinned { agent, error } => {
            let error = std::io::Error::from_raw_os_error(*error);
            format!("agent {} cannot be pinned to CPUs {:?}: {}", agent, plan.groups[*agent], error)
        }
        Trouble::Moved { agent, cpu } => format!(
            "agent {} was moved to CPU {}, which is not one of its own ({:?}): was one of them taken offline?",
            agent, cpu, plan.groups[*agent]
        ),
        Trouble::WrongChecksum { agent, found } => {
            format!("a turn of agent {} gave {} and not {}", agent, found, plan.profile.golden)
        }
    }
}

/// The time that was measured: whole intervals in which every agent worked from the first to the last moment.
struct Window {
    /// Turns of each agent in each interval.
    intervals: Vec<Vec<f64>>,
    interval_s: f64,
    /// Of each turn that lies in one of the intervals or across their borders, sorted, in ms.
    turns_ms: Vec<f64>,
}

impl Window {
    fn of(plan: &Plan, measured: &Measured) -> Window {
        let interval_ns = plan.profile.interval_ms * 1_000_000;
        let mut window = Window { intervals: vec![], interval_s: interval_ns as f64 / NS_PER_S, turns_ms: vec![] };
        let worked = |begin: u64, end: u64| {
            measured.stamps.iter().all(|stamps| match (stamps.first(), stamps.last()) {
                (Some(first), Some(last)) => *first <= begin && end <= *last,
                _ => false,
            })
        };
        let begins = (0..plan.profile.intervals).filter_map(|at| measured.from.map(|from| from + at * interval_ns));
        let whole: Vec<u64> = begins.filter(|begin| worked(*begin, begin + interval_ns)).collect();
        for begin in &whole {
            window
                .intervals
                .push(measured.stamps.iter().map(|stamps| turns(stamps, *begin, begin + interval_ns)).collect());
        }
        if let (Some(begin), Some(last)) = (whole.first(), whole.last()) {
            let is_in = |pair: &&[u64]| pair[0] >= *begin && pair[1] <= last + interval_ns;
            let pairs = measured.stamps.iter().flat_map(|stamps| stamps.windows(2)).filter(is_in);
            window.turns_ms = pairs.map(|pair| (pair[1] - pair[0]) as f64 / NS_PER_MS).collect();
            window.turns_ms.sort_by(f64::total_cmp);
        }
        window
    }

    /// Turns per second of all agents together, of each interval.
    fn totals(&self) -> Vec<f64> {
        self.intervals.iter().map(|agents| agents.iter().sum::<f64>() / self.interval_s).collect()
    }
}

/// How many turns there were from `begin` to `end`: one that reaches over a border counts for the part of it inside.
fn turns(stamps: &[u64], begin: u64, end: u64) -> f64 {
    let part = |pair: &[u64]| {
        let inside = pair[1].min(end).saturating_sub(pair[0].max(begin));
        inside as f64 / (pair[1] - pair[0]).max(1) as f64
    };
    stamps.windows(2).map(part).sum()
}

/// The smallest value that so many percent do not exceed; of values that are sorted, at least one.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[((sorted.len() * percent + 99) / 100).max(1) - 1]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn metrics(job: &Job, plan: &Plan, window: &Window) -> Vec<Value> {
    let labels = || object(vec![("mode", job.mode.name().into()), ("agents", whole(plan.groups.len()))]);
    let mut metrics = Vec::new();
    if window.intervals.is_empty() {
        return metrics;
    }
    metrics.push(metric("turns_per_s", "turns/s", "higher", window.totals(), labels()));
    for (agent, cpus) in plan.groups.iter().enumerate() {
        let samples = window.intervals.iter().map(|agents| agents[agent] / window.interval_s).collect();
        let labels = object(vec![("agent", whole(agent)), ("cpu", whole(cpus[0]))]);
        metrics.push(metric("agent_turns_per_s", "turns/s", "higher", samples, labels));
    }
    // Turns that are longer than all intervals together are in none of them.
    if !window.turns_ms.is_empty() {
        for percent in [50, 95, 99] {
            let samples = vec![percentile(&window.turns_ms, percent)];
            metrics.push(metric(&format!("turn_ms_p{}", percent), "ms", "lower", samples, labels()));
        }
    }
    metrics
}

fn metric(name: &str, unit: &str, direction: &str, samples: Vec<f64>, labels: Value) -> Value {
    object(vec![
        ("name", name.into()),
        ("unit", unit.into()),
        ("direction", direction.into()),
        ("samples", Value::List(samples.into_iter().map(number).collect())),
        ("labels", labels),
    ])
}

fn checks(plan: &Plan, measured: &Measured, missing: usize, trouble: Option<String>) -> Vec<Value> {
    let check = |name: &str, is_ok: bool, detail: String| {
        object(vec![("name", name.into()), ("ok", Value::Bool(is_ok)), ("detail", detail.into())])
    };
    let counted: usize = measured.stamps.iter().map(|stamps| stamps.len().saturating_sub(1)).sum();
    let is_right = !matches!(measured.trouble, Some(Trouble::WrongChecksum { .. }));
    let all = format!("{} turns, and those of the warm-up, gave {}", counted, plan.profile.golden);
    let intervals = plan.profile.intervals as usize;
    let complete =
        format!("{} of {} intervals, each with all {} agents", intervals - missing, intervals, plan.groups.len());
    vec![
        check("checksum", is_right, trouble.filter(|_| !is_right).unwrap_or(all)),
        check("common_window", missing == 0, complete),
    ]
}

fn facts(job: &Job, plan: &Plan, measured: &Measured, window: &Window) -> Value {
    let groups = plan.groups.iter().map(|cpus| Value::List(cpus.iter().map(|cpu| whole(*cpu)).collect())).collect();
    let mut facts = vec![
        ("profile", plan.profile.name.into()),
        ("label", job.label.as_str().into()),
        ("mode", job.mode.name().into()),
        ("checksum", plan.profile.golden.into()),
        ("agents", whole(plan.groups.len())),
        ("groups", Value::List(groups)),
        ("scaling", scaling(plan, measured, window)),
        ("turns", whole(window.turns_ms.len())),
        ("interval_s", number(window.interval_s)),
        ("warm_up_s", number(plan.profile.warm_up_ms as f64 / 1000.0)),
        ("parts", parts(measured)),
        ("compiler", option_env!("AGENTBENCH_COMPILER").unwrap_or("not said").into()),
    ];
    if !measured.shares_on_cpu.is_empty() {
        let least = measured.shares_on_cpu.iter().copied().fold(1.0, f64::min);
        let shares = vec![("least", number(least)), ("mean", number(mean(&measured.shares_on_cpu)))];
        facts.push(("share_on_cpu", object(shares)));
    }
    object(facts)
}

/// All agents against the first of them alone, on the same CPUs a moment before; null where one of both is missing.
fn scaling(plan: &Plan, measured: &Measured, window: &Window) -> Value {
    let (first, last) = match (measured.alone.first(), measured.alone.last()) {
        (Some(first), Some(last)) if first < last && !window.intervals.is_empty() => (first, last),
        _ => return Value::Null,
    };
    let alone = (measured.alone.len() - 1) as f64 / ((last - first) as f64 / NS_PER_S);
    let together = mean(&window.totals());
    object(vec![
        ("alone_turns_per_s", number(alone)),
        ("turns_per_s", number(together)),
        ("ratio", number(together / alone)),
        ("ratio_per_agent", number(together / alone / plan.groups.len() as f64)),
    ])
}

/// The share of each part in the time of all turns.
fn parts(measured: &Measured) -> Value {
    let all: u64 = measured.spent_ns.iter().sum();
    let shares = PARTS.iter().zip(measured.spent_ns);
    object(shares.map(|(name, spent)| (*name, number(spent as f64 / all.max(1) as f64))).collect())
}

fn object(members: Vec<(&str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn whole(number: usize) -> Value {
    Value::Integer(number as i64)
}

/// Six digits behind the point: more are never known.
fn number(value: f64) -> Value {
    Value::Number((value * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::{percentile, report, turns, Report, Status};
    use crate::agents::{Measured, Plan, Trouble};
    use crate::job::{Job, Mode};
    use crate::json::Value;
    use crate::profile::{profile, Profile};
    use crate::sys::End;

    const MS: u64 = 1_000_000;

    fn smoke() -> &'static Profile {
        profile("v1-smoke").unwrap()
    }

    fn made(stamps: Vec<Vec<u64>>, trouble: Option<Trouble>) -> Report {
        let groups: Vec<Vec<usize>> = (0..stamps.len()).map(|agent| vec![2 * agent, 2 * agent + 1]).collect();
        let plan = Plan { profile: smoke(), groups: &groups, deadline_ns: 0 };
        let job = Job {
            profile: smoke(),
            label: "p-core".into(),
            mode: Mode::Multi,
            groups: None,
            cpus: None,
            time_limit_s: 9.0,
        };
        let measured = Measured {
            from: Some(100 * MS),
            stamps,
            alone: (0..=40).map(|turn| turn * 10 * MS).collect(),
            spent_ns: [1, 2, 3, 4, 5, 6, 4],
            shares_on_cpu: vec![1.0, 0.5],
            trouble,
        };
        report(&job, &plan, &measured, "now", 3.0)
    }

    /// An agent with turns of so many ms from 95 ms on, until `end` ms are over.
    fn agent(turn: u64, end: u64) -> Vec<u64> {
        (0..).map(|count| (95 + turn * count) * MS).take_while(|stamp| *stamp < (end + turn) * MS).collect()
    }

    fn list(value: &Value) -> &[Value] {
        match value {
            Value::List(values) => values,
            _ => panic!("not a list: {:?}", value),
        }
    }

    fn samples<'a>(report: &'a Report, name: &str) -> Vec<&'a Value> {
        let metrics = list(report.document.member("metrics").unwrap());
        metrics
            .iter()
            .filter(|each| each.member("name") == Some(&name.into()))
            .flat_map(|each| each.member("samples"))
            .collect()
    }

    #[test]
    fn a_turn_counts_for_the_part_of_it_that_is_inside() {
        let stamps = [0, 10, 20, 30];
        assert_eq!(turns(&stamps, 0, 30), 3.0);
        assert_eq!(turns(&stamps, 5, 25), 2.0);
        assert_eq!(turns(&stamps, 12, 14), 0.2);
        assert_eq!(turns(&stamps, 30, 90), 0.0);
        assert_eq!(turns(&[7], 0, 30), 0.0);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile(&hundred, percent)), [50.0, 95.0, 99.0]);
        assert_eq!([50, 95, 99].map(|percent| percentile(&[3.0], percent)), [3.0; 3]);
        assert_eq!(percentile(&[1.0, 2.0], 95), 2.0);
    }

    #[test]
    fn agents_that_worked_all_the_time_pass() {
        let report = made(vec![agent(10, 1100), agent(20, 1100)], None);
        assert_eq!(report.status, Status::Passed);
        let all = Value::List(vec![Value::Number(150.0); 5]);
        assert_eq!(samples(&report, "turns_per_s"), [&all]);
        let each = [100.0, 50.0].map(|rate| Value::List(vec![Value::Number(rate); 5]));
        assert_eq!(samples(&report, "agent_turns_per_s"), [&each[0], &each[1]]);
        assert_eq!(samples(&report, "turn_ms_p99"), [&Value::List(vec![Value::Number(20.0)])]);
        let facts = report.document.member("facts").unwrap();
        assert_eq!(facts.member("scaling").unwrap().member("ratio"), Some(&Value::Number(1.5)));
        assert_eq!(facts.member("scaling").unwrap().member("ratio_per_agent"), Some(&Value::Number(0.75)));
        assert_eq!(facts.member("parts").unwrap().member("search"), Some(&Value::Number(0.04)));
        assert_eq!(facts.member("share_on_cpu").unwrap().member("least"), Some(&Value::Number(0.5)));
    }

    #[test]
    fn intervals_before_an_agent_was_killed_are_kept() {
        let killed = Trouble::Ended { agent: 1, end: End::Signal(9) };
        let report = made(vec![agent(10, 1100), agent(20, 650)], Some(killed));
        assert_eq!(report.status, Status::Partial);
        assert_eq!(samples(&report, "turns_per_s"), [&Value::List(vec![Value::Number(150.0); 2])]);
        let skipped = list(report.document.member("skipped").unwrap());
        assert_eq!(skipped[0].member("name"), Some(&"3 of 5 intervals".into()));
        assert_eq!(skipped[0].member("reason"), Some(&"agent 1 was ended by signal 9".into()));
    }

    #[test]
    fn an_interval_that_an_agent_came_late_to_does_not_count() {
        let mut late = agent(20, 1100);
        late.drain(..5);
        let report = made(vec![agent(10, 1100), late], None);
        assert_eq!(report.status, Status::Partial);
        assert_eq!(samples(&report, "turns_per_s"), [&Value::List(vec![Value::Number(150.0); 4])]);
    }

    #[test]
    fn without_an_interval_there_is_no_metric() {
        for (trouble, status) in [
            (Trouble::Terminated, Status::Partial),
            (Trouble::TimeLimit, Status::Partial),
            (Trouble::Moved { agent: 0, cpu: 7 }, Status::Failed),
            (Trouble::Ended { agent: 0, end: End::Exit(101) }, Status::Failed),
        ] {
            let report = made(vec![agent(10, 1100), vec![]], Some(trouble));
            assert_eq!(report.status, status);
            assert_eq!(report.document.member("metrics"), Some(&Value::List(vec![])));
            assert_eq!(report.document.member("facts").unwrap().member("scaling"), Some(&Value::Null));
        }
    }

    #[test]
    fn a_wrong_checksum_fails_although_all_was_measured() {
        let wrong = Trouble::WrongChecksum { agent: 0, found: "beef".into() };
        let report = made(vec![agent(10, 1100), agent(10, 1100)], Some(wrong));
        assert_eq!(report.status, Status::Failed);
        let checks = list(report.document.member("checks").unwrap());
        assert_eq!(checks[0].member("ok"), Some(&Value::Bool(false)));
    }
}
