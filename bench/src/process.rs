//! What a process has used so far: processor time and resident memory, as the kernel counts them.

use std::fs;
use std::io;

/// Processor time of all threads of a process, also those that have ended, in nanoseconds.
pub fn cpu_ns(pid: u32) -> io::Result<u64> {
    // SAFETY: both calls write into live variables and touch nothing else.
    unsafe {
        let mut clock: libc::clockid_t = 0;
        let error = libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock);
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let mut time: libc::timespec = std::mem::zeroed();
        if libc::clock_gettime(clock, &raw mut time) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

/// Ticks in user mode and in the kernel. Coarse (a tick is 10 ms): good for their proportion.
pub fn ticks(pid: u32) -> io::Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| unreadable("stat"))
}

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    // SAFETY: a plain question.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    parse_statm(&text)
        .map(|pages| pages * page_bytes)
        .ok_or_else(|| unreadable("statm"))
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the process's {what} is not as expected"),
    )
}

/// User and kernel ticks of a /proc/PID/stat. The name in it may hold blanks and parentheses.
fn parse_stat(text: &str) -> Option<(u64, u64)> {
    let (_, fields) = text.rsplit_once(')')?;
    // The first field behind the name is the third of proc(5); utime is the 14th, stime the 15th.
    let mut fields = fields.split_ascii_whitespace().skip(14 - 3);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Resident pages of a /proc/PID/statm.
fn parse_statm(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_of_a_name_with_parentheses() {
        let text =
            "4711 (a ) b (c) S 1 4711 4711 0 -1 4194560 1234 0 5 0 321 654 7 8 20 0 4 0 100 2 3";
        assert_eq!(parse_stat(text), Some((321, 654)));
        assert_eq!(parse_stat("4711 (torc) S 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn statm_gives_the_second_field() {
        assert_eq!(parse_statm("12345 678 90 1 0 23 0\n"), Some(678));
        assert_eq!(parse_statm("12345"), None);
        assert_eq!(parse_statm("1 x 2"), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let pid = std::process::id();
        let before = cpu_ns(pid).unwrap();
        let work: u64 = (0..2_000_000u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(work);
        assert!(cpu_ns(pid).unwrap() > before);
        assert!(resident_bytes(pid).unwrap() > 100_000);
        assert!(ticks(pid).is_ok());
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        // The kernel's numbers stay below this.
        const PID_MAX: u32 = 1 << 22;
        assert!(cpu_ns(PID_MAX).is_err());
        assert!(resident_bytes(PID_MAX).is_err());
        assert!(ticks(PID_MAX).is_err());
    }
}
