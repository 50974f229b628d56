// SPDX-License-Identifier: Apache-2.0
//! Started as: run --config job.json --out DIR. The contract is docs/reference/bundle.md.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::exit;

use agentbench::agents::{measure, Plan, Trouble};
use agentbench::job::{self, Job, Mode};
use agentbench::json::{self, Value};
use agentbench::report::{report, why, Status};
use agentbench::{cpus, sys, time};

const PASSED: i32 = 0;
const NOT_PASSED: i32 = 1;
const UNUSABLE: i32 = 2;
const MACHINE: i32 = 3;
/// So much of the time limit is kept for writing the result: a share of it, but not more than some seconds.
const RESERVE: f64 = 0.05;
const MOST_RESERVE_S: f64 = 2.0;

/// Why there is no result: an exit code, and what to say.
struct Stop(i32, String);

fn main() {
    let began_ns = sys::now_ns();
    sys::remember_sigterm();
    exit(match run(began_ns) {
        Ok(Status::Passed) => PASSED,
        Ok(Status::Partial | Status::Failed) => NOT_PASSED,
        Err(Stop(code, message)) => {
            eprintln!("agentbench: {}", message);
            code
        }
    })
}

fn run(began_ns: u64) -> Result<Status, Stop> {
    let (config, out) = options(env::args().skip(1).collect())?;
    let job = job::read(&config).map_err(|problem| Stop(UNUSABLE, format!("{}: {}", config, problem)))?;
    let groups = groups(&job)?;
    let reserve_s = (job.time_limit_s * RESERVE).min(MOST_RESERVE_S);
    let deadline_ns = began_ns + ((job.time_limit_s - reserve_s) * 1e9) as u64;
    let plan = Plan { profile: job.profile, groups: &groups, deadline_ns };
    let started_at = time::utc_now();
    let out = Path::new(&out);
    let mut progress = Progress::open(out, plan.items())
        .map_err(|error| Stop(MACHINE, format!("{} cannot be written to: {}", out.display(), error)))?;
    let measured = measure(&plan, |label| progress.say(label))
        .map_err(|error| Stop(MACHINE, format!("the agents cannot be started: {}", error)))?;
    if let Some(trouble @ Trouble::NotPinned { .. }) = &measured.trouble {
        return Err(Stop(MACHINE, why(trouble, &job, &plan)));
    }
    let made = report(&job, &plan, &measured, &started_at, (sys::now_ns() - began_ns) as f64 / 1e9);
    publish(&made.document, out)
        .map_err(|error| Stop(MACHINE, format!("{}/result.json cannot be written: {}", out.display(), error)))?;
    Ok(made.status)
}

fn options(arguments: Vec<String>) -> Result<(String, String), Stop> {
    let (config, out) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--config", config, "--out", out] | ["--out", out, "--config", config] => {
            (config.to_string(), out.to_string())
        }
        _ => return Err(Stop(UNUSABLE, "usage: run --config job.json --out DIR".to_string())),
    };
    if !Path::new(&out).is_dir() {
        return Err(Stop(UNUSABLE, format!("--out {} is not a directory", out)));
    }
    Ok((config, out))
}

/// The CPUs of each agent: the job's groups, or one agent on the first CPU, or one on each.
fn groups(job: &Job) -> Result<Vec<Vec<usize>>, Stop> {
    let allowed = sys::allowed_cpus()
        .map_err(|error| Stop(MACHINE, format!("the CPUs that may be used cannot be read: {}", error)))?;
    let usable = job.cpus.as_ref().unwrap_or(&allowed);
    let groups = match (&job.groups, job.mode) {
        (Some(groups), _) => groups.clone(),
        (None, Mode::Single) => vec![vec![usable[0]]],
        (None, Mode::Multi) => usable.iter().map(|cpu| vec![*cpu]).collect(),
    };
    match cpus::problem(&groups.concat(), &allowed) {
        Some(problem) => Err(Stop(MACHINE, problem)),
        None => Ok(groups),
    }
}

/// progress.ndjson: one line for each item, each one write.
struct Progress {
    file: File,
    done: u64,
    total: u64,
}

impl Progress {
    fn open(out: &Path, total: u64) -> io::Result<Progress> {
        let file = OpenOptions::new().create(true).append(true).open(out.join("progress.ndjson"))?;
        Ok(Progress { file, done: 0, total })
    }

    fn say(&mut self, label: &str) {
        self.done += 1;
        let fields = [
            ("at", time::utc_now().into()),
            ("done", Value::Integer(self.done as i64)),
            ("total", Value::Integer(self.total as i64)),
            ("unit", "steps".into()),
            ("label", label.into()),
        ];
        let mut line = String::new();
        json::write(&Value::Object(fields.map(|(name, value)| (name.to_string(), value)).into()), &mut line);
        line.push('\n');
        // What was measured is worth more than how far it had come.
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            eprintln!("agentbench: progress.ndjson could not be written in full: {}", error);
        }
    }
}

/// Writes result.json. The name is there only when the whole document is on the disk.
fn publish(document: &Value, out: &Path) -> io::Result<()> {
    let temporary = out.join("result.json.tmp");
    let mut text = String::new();
    json::write(document, &mut text);
    text.push('\n');
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, out.join("result.json"))?;
    File::open(out)?.sync_all()
}
