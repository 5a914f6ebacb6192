//! Why no ring can be had, and the remedy: asked once before the shards start, so that the user reads one clear sentence.

use super::ring::{Ring, RingOptions};
use std::fs;
use std::io;

/// Tries to make a small ring with all that the server needs.
///
/// # Errors
/// One sentence that names the cause and the remedy.
pub fn check() -> Result<(), String> {
    let options = RingOptions {
        entries: 8,
        completions: 16,
        buffers: 2,
        buffer_bytes: 4096,
    };
    match Ring::new(options) {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(
            &error,
            setting("/proc/sys/kernel/io_uring_disabled"),
            &release(),
        )),
    }
}

fn setting(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

fn explain(error: &io::Error, disabled: Option<u32>, release: &str) -> String {
    match (error.raw_os_error(), disabled) {
        (Some(libc::ENOSYS), _) => format!(
            "io_uring is not available: this kernel ({release}) was built without it or a seccomp filter hides it; \
             torc needs Linux 6.1 or newer with io_uring, and in a container a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register"
        ),
        (Some(libc::EPERM | libc::EACCES), Some(disabled)) if disabled > 0 => format!(
            "io_uring is forbidden by the sysctl kernel.io_uring_disabled={disabled}; allow it with: sysctl kernel.io_uring_disabled=0"
        ),
        (Some(libc::EPERM | libc::EACCES), _) => "io_uring is forbidden, most likely by a container's seccomp profile; \
             allow the system calls io_uring_setup, io_uring_enter and io_uring_register (for a try: --security-opt seccomp=unconfined)"
            .to_string(),
        (Some(libc::ENOMEM), _) => {
            "io_uring could not lock the memory it needs; raise the limit with: ulimit -l unlimited (or LimitMEMLOCK=infinity in the service file)".to_string()
        }
        (Some(libc::EINVAL), _) => format!(
            "this kernel ({release}) has an io_uring that is too old; torc needs Linux 6.1 or newer (DEFER_TASKRUN, multishot receive, provided buffer rings)"
        ),
        (Some(libc::EMFILE | libc::ENFILE), _) => {
            "no file descriptor was left for io_uring; raise the limit with: ulimit -n 65536".to_string()
        }
        _ => format!("io_uring could not be set up: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_remedy() {
        let text = |code, disabled| explain(&io::Error::from_raw_os_error(code), disabled, "6.8.0");
        assert!(text(libc::ENOSYS, None).contains("Linux 6.1"));
        assert!(text(libc::EPERM, Some(2)).contains("sysctl kernel.io_uring_disabled=0"));
        assert!(text(libc::EPERM, Some(0)).contains("seccomp"));
        assert!(text(libc::ENOMEM, None).contains("ulimit -l"));
        assert!(text(libc::EINVAL, None).contains("too old"));
        assert!(text(libc::EMFILE, None).contains("ulimit -n"));
    }
}
