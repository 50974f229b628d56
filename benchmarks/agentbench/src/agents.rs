// SPDX-License-Identifier: Apache-2.0
//! Agents as processes, each pinned to its CPUs: started together, and measured over the time in which all of them work.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use crate::profile::Profile;
use crate::record::{Record, Stretch, Why};
use crate::sys::{self, Child, End};
use crate::turn::{Done, Turn, PARTS};

const MS: u64 = 1_000_000;
/// How often this process looks after its agents; it takes a CPU from one of them to do so.
const LOOK: Duration = Duration::from_millis(50);

pub struct Plan<'a> {
    pub profile: &'a Profile,
    /// The CPUs of each agent.
    pub groups: &'a [Vec<usize>],
    /// Nothing is measured behind this time of the monotonic clock, in ns.
    pub deadline_ns: u64,
}

impl Plan<'_> {
    /// With more than one agent, the first of them is also measured alone.
    pub fn has_alone(&self) -> bool {
        self.groups.len() > 1
    }

    /// How often `measure` says that something is done.
    pub fn items(&self) -> u64 {
        1 + u64::from(self.has_alone()) + self.profile.intervals
    }
}

/// Why the measuring ended before its time.
#[derive(Debug, PartialEq)]
pub enum Trouble {
    Terminated,
    TimeLimit,
    Ended { agent: usize, end: End },
    NotPinned { agent: usize, error: i32 },
    Moved { agent: usize, cpu: usize },
    WrongChecksum { agent: usize, found: String },
}

/// What the agents recorded; all times in ns of the monotonic clock.
pub struct Measured {
    /// When the first interval began; None when it did not come to that.
    pub from: Option<u64>,
    /// Of each agent: when it began, and when each of its turns ended.
    pub stamps: Vec<Vec<u64>>,
    /// The same of the first agent alone.
    pub alone: Vec<u64>,
    pub spent_ns: [u64; PARTS.len()],
    /// Of each agent that has ended a turn.
    pub shares_on_cpu: Vec<f64>,
    pub trouble: Option<Trouble>,
}

/// Measures, and says each time when something is done. This process must have no threads. Fails when the agents
/// cannot be started.
pub fn measure(plan: &Plan, mut done: impl FnMut(&str)) -> io::Result<Measured> {
    let records = Record::share(plan.groups.len())?;
    let mut from = None;
    let trouble = {
        let mut team = Team::start(plan, records)?;
        team.work(plan, &mut from, &mut done).err()
        // The team ends here, so that its records do not change any more.
    };
    let mut spent_ns = [0; PARTS.len()];
    for record in records {
        spent_ns.iter_mut().zip(record.together.spent_ns()).for_each(|(sum, spent)| *sum += spent);
    }
    Ok(Measured {
        from,
        stamps: records.iter().map(|record| record.together.stamps()).collect(),
        alone: records[0].alone.stamps(),
        spent_ns,
        shares_on_cpu: records.iter().filter_map(|record| record.together.share_on_cpu()).collect(),
        trouble,
    })
}

/// The agents, from the side of the process that started them. They end with it.
struct Team {
    children: Vec<Child>,
    orders: Vec<UnixStream>,
    records: &'static [Record],
    deadline_ns: u64,
}

impl Team {
    fn start(plan: &Plan, records: &'static [Record]) -> io::Result<Team> {
        let mut team = Team { children: Vec::new(), orders: Vec::new(), records, deadline_ns: plan.deadline_ns };
        for (agent, (cpus, record)) in plan.groups.iter().zip(records).enumerate() {
            let (order, orders) = UnixStream::pair()?;
            team.orders.push(order);
            // An agent must not hold the ends of this process: it would never hear that this one is gone.
            let own = &mut team.orders;
            let work = move || {
                own.clear();
                work(plan.profile, cpus, record, orders)
            };
            // SAFETY: this program has no threads.
            team.children.push(unsafe { Child::start(&format!("agent-{}", agent), work) }?);
        }
        Ok(team)
    }

    fn work(&mut self, plan: &Plan, from: &mut Option<u64>, done: &mut impl FnMut(&str)) -> Result<(), Trouble> {
        self.wait(|records| records.iter().all(|record| record.is_ready.load(Ordering::Acquire)))?;
        done("warm-up");
        if plan.has_alone() {
            self.records[0].set_until(sys::now_ns() + plan.profile.alone_ms * MS);
            self.order(0, Order::Alone);
            self.wait(|records| records[0].alone.is_over.load(Ordering::Acquire))?;
            done("one agent alone");
        }
        // The time that is measured begins when the last of them is at work, and they go on until they hear of its end.
        for (agent, record) in self.records.iter().enumerate() {
            record.set_until(u64::MAX);
            self.order(agent, Order::Together);
        }
        self.wait(|records| records.iter().all(|record| record.together.has_begun()))?;
        let begin = sys::now_ns();
        let end_of = |interval| begin + interval * plan.profile.interval_ms * MS;
        *from = Some(begin);
        self.records.iter().for_each(|record| record.set_until(end_of(plan.profile.intervals)));
        for interval in 1..=plan.profile.intervals {
            self.wait(|_| sys::now_ns() >= end_of(interval))?;
            done(&format!("interval {} of {}", interval, plan.profile.intervals));
        }
        self.wait(|records| records.iter().all(|record| record.together.is_over.load(Ordering::Acquire)))
    }

    /// An agent that is gone cannot be told anything, which `wait` finds.
    fn order(&mut self, agent: usize, order: Order) {
        let _ = self.orders[agent].write_all(&[order as u8]);
    }

    /// Waits for what the records or the clock will say, unless something comes in between.
    fn wait(&mut self, is_there: impl Fn(&[Record]) -> bool) -> Result<(), Trouble> {
        while !is_there(self.records) {
            if sys::is_terminated() {
                return Err(Trouble::Terminated);
            }
            if sys::now_ns() >= self.deadline_ns {
                return Err(Trouble::TimeLimit);
            }
            for (agent, (child, record)) in self.children.iter_mut().zip(self.records).enumerate() {
                if let Some(end) = child.ended() {
                    return Err(match record.why() {
                        Some(Why::NotPinned(error)) => Trouble::NotPinned { agent, error },
                        Some(Why::Moved(cpu)) => Trouble::Moved { agent, cpu },
                        Some(Why::WrongChecksum(digests)) => {
                            Trouble::WrongChecksum { agent, found: Done { digests, ..Done::default() }.checksum() }
                        }
                        None => Trouble::Ended { agent, end },
                    });
                }
            }
            sleep(LOOK);
        }
        Ok(())
    }
}

/// What an agent is told: to work until the time in its record.
#[derive(Clone, Copy)]
enum Order {
    Alone,
    Together,
}

impl Order {
    /// None when the process that gives the orders is gone.
    fn read(orders: &mut UnixStream) -> Option<Order> {
        let mut byte = [0];
        orders.read_exact(&mut byte).ok()?;
        Some(if byte[0] == Order::Alone as u8 { Order::Alone } else { Order::Together })
    }
}

/// The life of an agent. Returns the exit code of its process.
fn work(profile: &Profile, cpus: &[usize], record: &Record, mut orders: UnixStream) -> i32 {
    match live(profile, cpus, record, &mut orders) {
        Ok(()) => 0,
        Err(why) => {
            record.set_why(&why);
            1
        }
    }
}

fn live(profile: &Profile, cpus: &[usize], record: &Record, orders: &mut UnixStream) -> Result<(), Why> {
    sys::pin(cpus).map_err(|error| Why::NotPinned(error.raw_os_error().unwrap_or_default()))?;
    let mut agent = Agent { turn: Turn::new(&profile.sizes), golden: profile.golden, cpus };
    let warm = sys::now_ns() + profile.warm_up_ms * MS;
    while sys::now_ns() < warm {
        agent.turn()?;
    }
    record.is_ready.store(true, Ordering::Release);
    while let Some(order) = Order::read(orders) {
        let stretch = match order {
            Order::Alone => &record.alone,
            Order::Together => &record.together,
        };
        agent.work(stretch, record)?;
    }
    Ok(())
}

struct Agent<'a> {
    turn: Turn,
    golden: &'a str,
    cpus: &'a [usize],
}

impl Agent<'_> {
    /// The turn that is at work at the end is ended, so that its share before the end can be counted.
    fn work(&mut self, stretch: &Stretch, record: &Record) -> Result<(), Why> {
        stretch.begin();
        loop {
            let done = self.turn()?;
            let now = sys::now_ns();
            stretch.add(&done, now);
            if now >= record.until() {
                stretch.is_over.store(true, Ordering::Release);
                return Ok(());
            }
        }
    }

    fn turn(&mut self) -> Result<Done, Why> {
        let done = self.turn.run();
        if done.checksum() != self.golden {
            return Err(Why::WrongChecksum(done.digests));
        }
        // The kernel takes a CPU that goes offline away without a word.
        let cpu = sys::this_cpu();
        if !self.cpus.contains(&cpu) {
            return Err(Why::Moved(cpu));
        }
        Ok(done)
    }
}
