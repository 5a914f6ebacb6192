//! What /proc says of a process, signals to one process by its id, and temporary directories.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Resident memory, in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most resident memory the process ever had, in bytes, as the kernel keeps it: no peak is missed between samples.
pub fn resident_bytes_max(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

/// Raises this process' limit of open files, which servers started later inherit, and returns it.
pub fn raise_open_files_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes one rlimit, to a place that lives.
    let outcome = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert_eq!(outcome, 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the call reads one rlimit, from a place that lives.
    let outcome = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(outcome, 0, "setrlimit");
    limit.rlim_cur
}

fn status_bytes(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the figure is in status");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("the figure is a number");
    kib * 1024
}

/// User and system CPU time used so far, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    // The program's name may hold blanks; the fields after it are counted from its closing parenthesis.
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..]
        .split(' ')
        .collect();
    let ticks =
        fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
    ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// Sends a signal to one process that this test started.
pub fn signal(pid: u32, signal: i32) {
    // SAFETY: kill takes plain numbers; the pid is a child of ours that has not been waited for, so it is not reused.
    let outcome = unsafe { libc::kill(pid as i32, signal) };
    assert_eq!(outcome, 0, "kill({pid}, {signal})");
}

/// A directory that is removed when it is dropped.
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Makes a new one.
    pub fn new() -> TemporaryDirectory {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("torc-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        TemporaryDirectory(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // Nothing is lost when a directory stays behind in /tmp.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
