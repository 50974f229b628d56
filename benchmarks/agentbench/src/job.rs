// SPDX-License-Identifier: Apache-2.0
//! job.json: what was asked for.

use std::fs::File;
use std::io::Read;

use crate::json::{parse, Value};
use crate::profile::{names, profile, Profile};
use crate::sys::MAX_CPUS;

const SCHEMA: &str = "rackbench.job/1.";
const MAX_BYTES: u64 = 1 << 20;
const MAX_TIME_LIMIT_S: f64 = 1e8;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Single,
    Multi,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Single => "single",
            Mode::Multi => "multi",
        }
    }
}

pub struct Job {
    pub profile: &'static Profile,
    pub label: String,
    pub mode: Mode,
    /// The CPUs of each agent, ascending. None: the job left it to the program.
    pub groups: Option<Vec<Vec<usize>>>,
    /// The CPUs to use, ascending. None: all that are allowed.
    pub cpus: Option<Vec<usize>>,
    pub time_limit_s: f64,
}

/// Reads and checks the job; else says what is wrong with it.
pub fn read(path: &str) -> Result<Job, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    file.map_err(|error| format!("cannot be read: {}", error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("not a usable JSON document: longer than 1 MiB".to_string());
    }
    let document = parse(&bytes)
        .map_err(|problem| format!("not a usable JSON document: byte {}: {}", problem.at, problem.what))?;
    check(&document)
}

fn check(document: &Value) -> Result<Job, String> {
    if !matches!(document, Value::Object(_)) {
        return Err("the document must be an object".to_string());
    }
    let schema = text(document, "schema")?;
    if !schema.starts_with(SCHEMA) {
        return Err(format!("the field schema must be \"{}0\" or a later minor version", SCHEMA));
    }
    for name in ["run_id", "execution_id", "adapter", "family"] {
        text(document, name)?;
    }
    if !matches!(needed(document, "repeat")?, Value::Integer(1..)) {
        return Err("the field repeat must be a whole number from 1".to_string());
    }
    let time_limit_s = match needed(document, "time_limit_s")? {
        Value::Integer(seconds) => *seconds as f64,
        Value::Number(seconds) => *seconds,
        _ => 0.0,
    };
    if time_limit_s <= 0.0 || time_limit_s > MAX_TIME_LIMIT_S {
        return Err(format!("the field time_limit_s must be a number above 0, up to {}", MAX_TIME_LIMIT_S));
    }
    let parameters = needed(document, "parameters")?;
    if !matches!(parameters, Value::Object(_)) {
        return Err("the field parameters must be an object".to_string());
    }
    let (profile, label, mode) = workload(parameters)?;
    let cpus = cpus(document)?;
    let groups = groups(document, cpus.as_deref())?;
    if let (Mode::Single, Some(2..)) = (mode, groups.as_ref().map(Vec::len)) {
        return Err("the field groups must be one group when parameters.mode is \"single\"".to_string());
    }
    Ok(Job { profile, label, mode, groups, cpus, time_limit_s })
}

fn needed<'a>(object: &'a Value, name: &str) -> Result<&'a Value, String> {
    object.member(name).ok_or_else(|| format!("the field {} is missing", name))
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, String> {
    match needed(object, name)? {
        Value::Text(text) => Ok(text),
        _ => Err(format!("the field {} must be a string", name)),
    }
}

fn workload(parameters: &Value) -> Result<(&'static Profile, String, Mode), String> {
    let name = text(parameters, "profile").map_err(|_| format!("parameters.profile must be one of {}", names()))?;
    let profile = profile(name).ok_or_else(|| format!("there is no profile {:?}; known are {}", name, names()))?;
    let label = text(parameters, "label").map_err(|_| "parameters.label must be a string".to_string())?;
    let mode = match text(parameters, "mode") {
        Ok("single") => Mode::Single,
        Ok("multi") => Mode::Multi,
        _ => return Err("parameters.mode must be \"single\" or \"multi\"".to_string()),
    };
    Ok((profile, label.to_string(), mode))
}

fn cpus(document: &Value) -> Result<Option<Vec<usize>>, String> {
    match document.member("cpus") {
        Some(Value::Null) => Ok(None),
        Some(Value::List(list)) => numbers(list, "the field cpus").map(Some),
        _ => Err("the field cpus must be a list of CPU numbers or null".to_string()),
    }
}

fn groups(document: &Value, cpus: Option<&[usize]>) -> Result<Option<Vec<Vec<usize>>>, String> {
    let list = match document.member("groups") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::List(list)) if list.is_empty() => return Err("the field groups is an empty list".to_string()),
        Some(Value::List(list)) => list,
        Some(_) => return Err("the field groups must be a list of lists of CPU numbers".to_string()),
    };
    let mut groups = Vec::with_capacity(list.len());
    let mut owners = vec![None; MAX_CPUS];
    for (agent, group) in list.iter().enumerate() {
        let place = format!("group {} of the field groups", agent);
        let group = match group {
            Value::List(group) => numbers(group, &place)?,
            _ => return Err(format!("{} must be a list of CPU numbers", place)),
        };
        for &cpu in &group {
            if cpus.map_or(false, |cpus| !cpus.contains(&cpu)) {
                return Err(format!("{} has CPU {}, which the field cpus has not", place, cpu));
            }
            if let Some(owner) = owners[cpu].replace(agent) {
                return Err(format!("the groups {} and {} of the field groups both have CPU {}", owner, agent, cpu));
            }
        }
        groups.push(group);
    }
    Ok(Some(groups))
}

/// CPU numbers, ascending.
fn numbers(list: &[Value], place: &str) -> Result<Vec<usize>, String> {
    if list.is_empty() {
        return Err(format!("{} is an empty list", place));
    }
    let mut cpus = Vec::with_capacity(list.len());
    for value in list {
        match value {
            Value::Integer(cpu) if (0..MAX_CPUS as i64).contains(cpu) => cpus.push(*cpu as usize),
            _ => return Err(format!("{} must hold whole numbers from 0 to {}", place, MAX_CPUS - 1)),
        }
    }
    cpus.sort_unstable();
    match cpus.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{} names CPU {} twice", place, pair[0])),
        None => Ok(cpus),
    }
}

#[cfg(test)]
mod tests {
    use super::{check, Mode};
    use crate::json::parse;

    const GOOD: &str = r#"{"schema": "rackbench.job/1.0", "run_id": "r", "execution_id": "e", "adapter": "agentsth",
        "family": "f", "repeat": 1, "time_limit_s": 60, "cpus": [3, 1, 2], "groups": [[3, 1], [2]],
        "parameters": {"profile": "v1-smoke", "label": "official", "mode": "multi", "other": null}}"#;

    fn error(old: &str, new: &str) -> String {
        assert_eq!(GOOD.matches(old).count(), 1, "{}", old);
        check(&parse(GOOD.replace(old, new).as_bytes()).unwrap()).err().unwrap_or_default()
    }

    #[test]
    fn a_good_job_is_read() {
        let job = check(&parse(GOOD.as_bytes()).unwrap()).unwrap();
        assert_eq!((job.profile.name, job.label.as_str(), job.mode), ("v1-smoke", "official", Mode::Multi));
        assert_eq!((job.groups, job.cpus), (Some(vec![vec![1, 3], vec![2]]), Some(vec![1, 2, 3])));
        assert_eq!(job.time_limit_s, 60.0);
        assert_eq!(error("job/1.0", "job/1.7"), "");
        assert_eq!(error("[[3, 1], [2]]", "null"), "");
        assert_eq!(error("[3, 1, 2]", "null"), "");
    }

    #[test]
    fn a_job_that_is_not_usable_is_refused_in_words() {
        for (old, new, words) in [
            ("job/1.0", "job/2.0", "the field schema must be \"rackbench.job/1.0\" or a later minor version"),
            ("\"run_id\": \"r\", ", "", "the field run_id is missing"),
            ("\"family\": \"f\"", "\"family\": 1", "the field family must be a string"),
            ("\"repeat\": 1", "\"repeat\": 0", "the field repeat must be a whole number from 1"),
            ("60", "0", "the field time_limit_s must be a number above 0, up to 100000000"),
            ("60", "\"60\"", "the field time_limit_s must be a number above 0, up to 100000000"),
            ("v1-smoke", "v2", "there is no profile \"v2\"; known are v1-core, v1-smoke, v1-supplemental-compression"),
            ("\"v1-smoke\"", "1", "parameters.profile must be one of v1-core, v1-smoke, v1-supplemental-compression"),
            ("\"official\"", "null", "parameters.label must be a string"),
            ("multi", "many", "parameters.mode must be \"single\" or \"multi\""),
            ("multi", "single", "the field groups must be one group when parameters.mode is \"single\""),
            ("[3, 1, 2]", "3", "the field cpus must be a list of CPU numbers or null"),
            ("[3, 1, 2]", "[]", "the field cpus is an empty list"),
            ("[3, 1, 2]", "[-1]", "the field cpus must hold whole numbers from 0 to 8191"),
            ("[3, 1, 2]", "[1.5]", "the field cpus must hold whole numbers from 0 to 8191"),
            ("[3, 1, 2]", "[8192]", "the field cpus must hold whole numbers from 0 to 8191"),
            ("[3, 1, 2]", "[1, 2, 1]", "the field cpus names CPU 1 twice"),
            ("[[3, 1], [2]]", "[]", "the field groups is an empty list"),
            ("[[3, 1], [2]]", "[[1], []]", "group 1 of the field groups is an empty list"),
            ("[[3, 1], [2]]", "[1]", "group 0 of the field groups must be a list of CPU numbers"),
            ("[[3, 1], [2]]", "{}", "the field groups must be a list of lists of CPU numbers"),
            ("[[3, 1], [2]]", "[[1, 2], [3, 2]]", "the groups 0 and 1 of the field groups both have CPU 2"),
            ("[[3, 1], [2]]", "[[1], [4]]", "group 1 of the field groups has CPU 4, which the field cpus has not"),
        ] {
            assert_eq!(error(old, new), words);
        }
        assert_eq!(check(&parse(b"[]").unwrap()).err().unwrap(), "the document must be an object");
    }
}
