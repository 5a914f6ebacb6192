//! System calls a request, counted from outside by perf or else by strace, so that all servers are counted in the same way.
//!
//! Where neither is to be had, torc's own counter of io_uring_enter tells of torc alone.
//!
//! strace stops the server at every call, which makes it slow but hardly changes how many calls it makes while it is saturated.

use crate::case::Protocol;
use crate::info;
use crate::server::Server;
use crate::slice::{self, Request, Until};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How long the counting program gets to attach itself, while the server is idle.
const ATTACH: Duration = Duration::from_millis(500);

/// A program that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
    Perf,
    Strace,
}

/// System calls for each request, and how they were counted; None where they cannot be.
pub fn count(
    server: &Server,
    request: &Request,
    seconds: f64,
) -> Result<Option<(f64, &'static str)>, String> {
    for (counter, name) in [(Counter::Perf, "perf"), (Counter::Strace, "strace")] {
        let Ok(child) = counter.attach(server.pid()) else {
            continue;
        };
        thread::sleep(ATTACH);
        let load = slice::load(server, request, Until::Seconds(seconds));
        let text = detach(child);
        let replies = load?.stats.replies();
        if let Some(calls) = counter
            .parse(&text)
            .filter(|calls| *calls > 0 && replies > 0)
        {
            return Ok(Some((calls as f64 / replies as f64, name)));
        }
    }
    let Some(before) = enters(server) else {
        return Ok(None);
    };
    let replies = slice::load(server, request, Until::Seconds(seconds))?
        .stats
        .replies();
    let calls = enters(server).map(|after| (after - before) as f64);
    Ok(calls
        .filter(|_| replies > 0)
        .map(|calls| (calls / replies as f64, "the server itself")))
}

fn enters(server: &Server) -> Option<u64> {
    let answer = info::fetch(server.port(Protocol::Resp)?).ok()?;
    info::field(&answer, "io_uring_enters")?.parse().ok()
}

impl Counter {
    fn attach(self, pid: u32) -> std::io::Result<Child> {
        let pid = pid.to_string();
        let mut command = match self {
            Counter::Perf => {
                let mut command = Command::new("perf");
                command.args([
                    "stat",
                    "-x",
                    ",",
                    "-e",
                    "raw_syscalls:sys_enter",
                    "-p",
                    &pid,
                ]);
                command
            }
            Counter::Strace => {
                let mut command = Command::new("strace");
                command.args(["-c", "-f", "-q", "-p", &pid]);
                command
            }
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }

    fn parse(self, text: &str) -> Option<u64> {
        match self {
            // count,unit,event,...
            Counter::Perf => text
                .lines()
                .find(|line| line.contains("raw_syscalls"))?
                .split(',')
                .next()?
                .parse()
                .ok(),
            // % time, seconds, usecs/call, calls, [errors,] "total"
            Counter::Strace => {
                let line = text
                    .lines()
                    .rev()
                    .find(|line| line.trim_end().ends_with(" total"))?;
                line.split_ascii_whitespace().nth(3)?.parse().ok()
            }
        }
    }
}

/// Ends the counting program, which then says what it counted.
fn detach(mut child: Child) -> String {
    // SAFETY: a signal to a child that has not been waited for, so its number is still its own.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) };
    let mut text = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        // What cannot be read does not parse.
        let _ = stderr.read_to_end(&mut text);
    }
    let _ = child.wait();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_says() {
        assert_eq!(
            Counter::Perf.parse("123456,,raw_syscalls:sys_enter,2004512345,100.00,,\n"),
            Some(123_456)
        );
        assert_eq!(
            Counter::Perf.parse("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n"),
            None
        );
        assert_eq!(Counter::Perf.parse("event syntax error"), None);
    }

    #[test]
    fn what_strace_says() {
        let text = "\
strace: Process 4711 attached with 5 threads
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.600000          10     60000           read
 40.00    0.400000          10     40000        12 write
------ ----------- ----------- --------- --------- ----------------
100.00    1.000000          10    100000        12 total
";
        assert_eq!(Counter::Strace.parse(text), Some(100_000));
        assert_eq!(
            Counter::Strace.parse("strace: attach: Operation not permitted"),
            None
        );
    }
}
