// SPDX-License-Identifier: Apache-2.0
//! What an agent tells of its work: in memory that it shares with the process that started it, so that it need not stop
//! to tell, and that all is still there when it is killed. Each agent has pages of its own.

use std::io;
use std::mem::size_of;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sys;
use crate::turn::{Done, PARTS};

/// More turns in one stretch end the agent. At 20 s, those would be turns of 0.3 ms.
const MOST_STAMPS: usize = 1 << 16;

#[repr(C, align(4096))]
pub struct Record {
    /// It has all its data, is warm, and waits.
    pub is_ready: AtomicBool,
    pub alone: Stretch,
    pub together: Stretch,
    /// The agent works until this time, in ns of the monotonic clock. The only thing that it is told here.
    until: AtomicU64,
    why: AtomicU64,
    detail: AtomicU64,
    digests: [AtomicU64; PARTS.len()],
}

/// Why an agent ended by itself.
#[derive(Debug, PartialEq)]
pub enum Why {
    /// With the number of the error.
    NotPinned(i32),
    /// It found itself on this CPU, which is not its own.
    Moved(usize),
    /// A turn gave these digests.
    WrongChecksum([u64; PARTS.len()]),
}

impl Record {
    /// Zeroed records that this process shares with those that it forks.
    pub fn share(count: usize) -> io::Result<&'static [Record]> {
        let memory = sys::shared_memory(count * size_of::<Record>())?;
        // SAFETY: it is as long, begins with a page, is never given back, and zeros are good for atomics.
        Ok(unsafe { std::slice::from_raw_parts(memory.cast::<Record>(), count) })
    }

    pub fn set_until(&self, until: u64) {
        self.until.store(until, Ordering::Release);
    }

    pub fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    pub fn set_why(&self, why: &Why) {
        let (number, detail) = match why {
            Why::NotPinned(error) => (1, *error as u64),
            Why::Moved(cpu) => (2, *cpu as u64),
            Why::WrongChecksum(digests) => {
                self.digests.iter().zip(digests).for_each(|(place, digest)| place.store(*digest, Ordering::Relaxed));
                (3, 0)
            }
        };
        self.detail.store(detail, Ordering::Relaxed);
        self.why.store(number, Ordering::Release);
    }

    pub fn why(&self) -> Option<Why> {
        let number = self.why.load(Ordering::Acquire);
        let detail = self.detail.load(Ordering::Relaxed);
        match number {
            1 => Some(Why::NotPinned(detail as i32)),
            2 => Some(Why::Moved(detail as usize)),
            3 => Some(Why::WrongChecksum(load(&self.digests))),
            _ => None,
        }
    }
}

/// Turns one after the other without a pause. All times are in ns.
#[repr(C)]
pub struct Stretch {
    pub is_over: AtomicBool,
    count: AtomicU64,
    spent_ns: [AtomicU64; PARTS.len()],
    /// Of the CPU, when it began and at its last stamp.
    began_cpu_ns: AtomicU64,
    cpu_ns: AtomicU64,
    /// When it began, and when each turn ended.
    stamps: [AtomicU64; MOST_STAMPS],
}

impl Stretch {
    pub fn begin(&self) {
        self.began_cpu_ns.store(sys::cpu_ns(), Ordering::Relaxed);
        self.stamp(sys::now_ns());
    }

    pub fn add(&self, done: &Done, now: u64) {
        for (place, spent) in self.spent_ns.iter().zip(done.spent_ns) {
            place.store(place.load(Ordering::Relaxed) + spent, Ordering::Relaxed);
        }
        self.stamp(now);
    }

    fn stamp(&self, now: u64) {
        self.cpu_ns.store(sys::cpu_ns(), Ordering::Relaxed);
        let count = self.count.load(Ordering::Relaxed);
        self.stamps[count as usize].store(now, Ordering::Relaxed);
        self.count.store(count + 1, Ordering::Release);
    }

    pub fn has_begun(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    pub fn stamps(&self) -> Vec<u64> {
        let count = self.count.load(Ordering::Acquire) as usize;
        self.stamps[..count].iter().map(|stamp| stamp.load(Ordering::Relaxed)).collect()
    }

    pub fn spent_ns(&self) -> [u64; PARTS.len()] {
        load(&self.spent_ns)
    }

    /// How much of the time it was on a CPU, from 0 to 1; None before the first turn has ended.
    pub fn share_on_cpu(&self) -> Option<f64> {
        let stamps = self.stamps();
        let wall = stamps.last()? - stamps.first()?;
        let cpu = self.cpu_ns.load(Ordering::Relaxed) - self.began_cpu_ns.load(Ordering::Relaxed);
        (wall > 0).then(|| (cpu as f64 / wall as f64).min(1.0))
    }
}

fn load(places: &[AtomicU64; PARTS.len()]) -> [u64; PARTS.len()] {
    let mut values = [0; PARTS.len()];
    values.iter_mut().zip(places).for_each(|(value, place)| *value = place.load(Ordering::Relaxed));
    values
}

#[cfg(test)]
mod tests {
    use super::{Record, Why};
    use crate::turn::Done;

    #[test]
    fn what_is_recorded_can_be_read() {
        let records = Record::share(2).unwrap();
        let stretch = &records[1].together;
        assert_eq!((stretch.stamps().len(), stretch.share_on_cpu()), (0, None));
        stretch.begin();
        let done = Done { spent_ns: [1, 2, 3, 4, 5, 6, 7], ..Done::default() };
        let end = stretch.stamps()[0] + 10;
        stretch.add(&done, end);
        stretch.add(&done, end + 10);
        assert_eq!(stretch.stamps()[1..], [end, end + 10]);
        assert_eq!(stretch.spent_ns(), [2, 4, 6, 8, 10, 12, 14]);
        assert!(stretch.share_on_cpu().unwrap() <= 1.0);
        assert!(records[0].together.stamps().is_empty() && records[1].alone.stamps().is_empty());
    }

    #[test]
    fn each_reason_comes_back() {
        let record = &Record::share(1).unwrap()[0];
        assert_eq!(record.why(), None);
        for why in [Why::NotPinned(22), Why::Moved(300), Why::WrongChecksum([1, 2, 3, 4, 5, 6, u64::MAX])] {
            record.set_why(&why);
            assert_eq!(record.why(), Some(why));
        }
    }
}
