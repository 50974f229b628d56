// SPDX-License-Identifier: Apache-2.0
//! What the standard library has no words for: clocks, CPUs, processes and shared memory of Linux.

use std::io;
use std::os::raw::{c_char, c_int, c_long, c_ulong, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    fn sched_getaffinity(pid: c_int, size: usize, mask: *mut c_ulong) -> c_int;
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const c_ulong) -> c_int;
    fn sched_getcpu() -> c_int;
    fn fork() -> c_int;
    fn getpid() -> c_int;
    fn getppid() -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn prctl(option: c_int, argument: c_ulong, ...) -> c_int;
    fn signal(number: c_int, handler: usize) -> usize;
    fn mmap(at: *mut c_void, length: usize, access: c_int, flags: c_int, file: c_int, offset: c_long) -> *mut c_void;
}

const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;
const SIGKILL: c_int = 9;
const SIGTERM: c_int = 15;
const SIG_IGN: usize = 1;
const SIG_ERR: usize = usize::MAX;
const WNOHANG: c_int = 1;
const PR_SET_PDEATHSIG: c_int = 1;
const PR_SET_NAME: c_int = 15;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;
const MAP_ANONYMOUS: c_int = 0x20;

/// The exit code that Rust programs have after a panic.
const PANICKED: i32 = 101;

/// The kernel's own limit; a mask of that size always fits.
pub const MAX_CPUS: usize = 8192;
const WORD_BITS: usize = c_ulong::BITS as usize;
type Mask = [c_ulong; MAX_CPUS / WORD_BITS];

static TERMINATED: AtomicBool = AtomicBool::new(false);

fn clock(which: c_int) -> u64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the pointer is that of a timespec of our own. It cannot fail for clocks that every Linux has.
    unsafe { clock_gettime(which, &mut time) };
    time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64
}

/// Nanoseconds of a clock that never goes back, and is the same in all processes of a machine.
pub fn now_ns() -> u64 {
    clock(CLOCK_MONOTONIC)
}

/// Nanoseconds that this process spent on a CPU.
pub fn cpu_ns() -> u64 {
    clock(CLOCK_PROCESS_CPUTIME_ID)
}

/// The CPUs that this process may use, ascending.
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut mask: Mask = [0; MAX_CPUS / WORD_BITS];
    // SAFETY: the pointer and the size are those of the mask.
    if unsafe { sched_getaffinity(0, MAX_CPUS / 8, mask.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((0..MAX_CPUS).filter(|cpu| mask[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1 == 1).collect())
}

/// Lets this process run on these CPUs only; each is below `MAX_CPUS`.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut mask: Mask = [0; MAX_CPUS / WORD_BITS];
    cpus.iter().for_each(|cpu| mask[cpu / WORD_BITS] |= 1 << (cpu % WORD_BITS));
    // SAFETY: the pointer and the size are those of the mask.
    match unsafe { sched_setaffinity(0, MAX_CPUS / 8, mask.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The CPU on which this process runs at this moment.
pub fn this_cpu() -> usize {
    // SAFETY: it takes nothing and touches nothing.
    unsafe { sched_getcpu() as usize }
}

/// From now on a SIGTERM is only remembered.
pub fn remember_sigterm() {
    extern "C" fn on_sigterm(_number: c_int) {
        TERMINATED.store(true, Ordering::Relaxed);
    }
    // SAFETY: storing to an atomic is allowed in a handler.
    let before = unsafe { signal(SIGTERM, on_sigterm as extern "C" fn(c_int) as usize) };
    assert_ne!(before, SIG_ERR);
}

pub fn is_terminated() -> bool {
    TERMINATED.load(Ordering::Relaxed)
}

/// Zeroed memory that this process and those that it forks share. It is never given back.
pub fn shared_memory(length: usize) -> io::Result<*mut u8> {
    // SAFETY: new memory at a place of the kernel's choice takes nobody else's.
    let memory = unsafe { mmap(std::ptr::null_mut(), length, PROT_READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) };
    match memory as isize {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(memory.cast()),
    }
}

/// A process that this one forked.
pub struct Child {
    pid: c_int,
    is_reaped: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Exit(i32),
    Signal(i32),
}

impl Child {
    /// Forks a process that calls `work` and exits with what it returns. It dies with this process, and ignores SIGTERM:
    /// this process ends it.
    ///
    /// # Safety
    /// This process must have no threads.
    pub unsafe fn start(name: &str, work: impl FnOnce() -> i32) -> io::Result<Child> {
        let parent = getpid();
        let pid = fork();
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        if pid > 0 {
            return Ok(Child { pid, is_reaped: false });
        }
        signal(SIGTERM, SIG_IGN);
        prctl(PR_SET_PDEATHSIG, SIGKILL as c_ulong);
        let title: Vec<u8> = name.bytes().take(15).chain([0]).collect();
        prctl(PR_SET_NAME, title.as_ptr().cast::<c_char>() as c_ulong);
        // It may have died before it could be noticed.
        let is_parent_there = getppid() == parent;
        // What a panic would unwind to is a copy of this process.
        let code = catch_unwind(AssertUnwindSafe(|| if is_parent_there { work() } else { 1 }));
        std::process::exit(code.unwrap_or(PANICKED))
    }

    /// How it ended, if it did since it was asked last.
    pub fn ended(&mut self) -> Option<End> {
        self.wait(WNOHANG)
    }

    fn wait(&mut self, options: c_int) -> Option<End> {
        let mut status = 0;
        // SAFETY: the pointer is that of a number of our own.
        if self.is_reaped || unsafe { waitpid(self.pid, &mut status, options) } != self.pid {
            return None;
        }
        self.is_reaped = true;
        let signal = status & 0x7f;
        Some(if signal == 0 { End::Exit(status >> 8 & 0xff) } else { End::Signal(signal) })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_reaped {
            // SAFETY: it was not waited for, so that the number is still that of our own process.
            unsafe { kill(self.pid, SIGKILL) };
            self.wait(0);
        }
    }
}
