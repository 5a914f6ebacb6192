//! Starts that fail say in one sentence on standard error what is wrong and what helps, and exit with 1.

use crate::support::server::{Server, free_port, skip_unless_torc, tested_command, tested_program};
use crate::support::{WAIT_LIMIT, eventually};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// Runs a start that must fail, in bounded time.
fn failing_start(mut command: Command) -> (Output, String) {
    let mut child = command.spawn().expect("the program starts");
    let mut ended = false;
    // The pipes hold far more than one sentence, so nobody needs to read meanwhile.
    let deadline = std::time::Instant::now() + WAIT_LIMIT;
    while !ended && std::time::Instant::now() < deadline {
        ended = child.try_wait().expect("our own child").is_some();
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    if !ended {
        // Otherwise it would outlive the test.
        child.kill().expect("our own child");
    }
    let output = child.wait_with_output().expect("our own child");
    assert!(ended, "it did not end but served: {output:?}");
    let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
    (output, said)
}

/// Fails with exit code 1, says one line, and says each of these words, in any case.
fn expect_failure(command: Command, words: &[&str]) {
    let (output, said) = failing_start(command);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    for word in words {
        assert!(
            said.to_lowercase().contains(&word.to_lowercase()),
            "{word:?} in {said:?}"
        );
    }
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("ready"),
        "{output:?}"
    );
}

#[test]
fn a_taken_port_is_named() {
    if skip_unless_torc("what redis-server says at its start is its own") {
        return;
    }
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = holder.local_addr().expect("bound").port().to_string();
    expect_failure(tested_command(&[("port", &port)]), &[&port, "in use"]);
}

#[test]
fn unknown_options_and_nonsense_values_are_named() {
    if skip_unless_torc("what redis-server says at its start is its own") {
        return;
    }
    let port = free_port().to_string();
    for (name, value) in [
        ("nosuchoption", "1"),
        ("maxmemory", "plenty"),
        ("maxclients", "-1"),
        ("shards", "-1"),
        ("shards", "100000"),
        ("databases", "x"),
        ("bind", "not-an-address!"),
    ] {
        println!("--{name} {value}");
        expect_failure(tested_command(&[("port", &port), (name, value)]), &[name]);
    }
    expect_failure(tested_command(&[("port", "70000")]), &["port"]);
}

#[test]
fn a_directory_or_log_that_cannot_be_used_is_named() {
    if skip_unless_torc("what redis-server says at its start is its own") {
        return;
    }
    let port = free_port().to_string();
    expect_failure(
        tested_command(&[("port", &port), ("dir", "/nonexistent/directory")]),
        &["dir", "/nonexistent/directory"],
    );
    expect_failure(
        tested_command(&[("port", &port), ("logfile", "/nonexistent/torc.log")]),
        &["logfile", "/nonexistent/torc.log"],
    );
}

#[test]
fn the_log_tells_of_start_and_stop() {
    if skip_unless_torc("redis-server's log is its own") {
        return;
    }
    let server = Server::start(&[("logfile", "torc.log")]);
    let log = server.directory().join("torc.log");
    let written = || std::fs::read_to_string(&log).unwrap_or_default();
    // `ready` is printed before it is logged.
    eventually("the start is logged", WAIT_LIMIT, || {
        written().contains("ready on")
    });
    server.signal_stop();
    let mut server = server;
    assert_eq!(server.wait().code(), Some(0));
    assert!(written().contains("stopped as asked"), "{}", written());
}

#[test]
fn more_memory_than_there_is_is_refused() {
    if skip_unless_torc("redis-server promises memory it does not have") {
        return;
    }
    let port = free_port().to_string();
    expect_failure(
        tested_command(&[("port", &port), ("maxmemory", "100000gb")]),
        &["maxmemory"],
    );
}

#[test]
fn without_a_ring_the_remedy_is_said() {
    if skip_unless_torc("redis-server needs no io_uring") {
        return;
    }
    for errno in [libc::EPERM, libc::ENOSYS] {
        let port = free_port().to_string();
        let mut command = tested_command(&[("port", &port)]);
        // SAFETY: the hook runs between fork and exec and only makes two system calls with data of its own stack.
        unsafe { command.pre_exec(move || forbid_io_uring(errno)) };
        expect_failure(command, &["io_uring"]);
    }
}

#[test]
fn too_little_lockable_memory_is_named() {
    if skip_unless_torc("redis-server needs no io_uring") {
        return;
    }
    for bytes in [0, 64 * 1024] {
        let port = free_port().to_string();
        let mut command = tested_command(&[("port", &port), ("shards", "2")]);
        // SAFETY: the hook runs between fork and exec and only makes two system calls with data of its own stack.
        unsafe { command.pre_exec(move || limit_locked_memory(bytes)) };
        expect_failure(command, &["ulimit -l"]);
    }
}

/// Limits locked memory for this process and what it executes, also for root, whom the limit binds only without CAP_IPC_LOCK.
fn limit_locked_memory(bytes: u64) -> std::io::Result<()> {
    const CAP_IPC_LOCK: libc::c_ulong = 14;
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: the limit lives until the call returns; prctl takes no pointer here, and who may not drop the capability does not have it.
    let outcome = unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit)
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[test]
fn forbidding_io_uring_works() {
    // The test of the test: a process under the filter is refused a ring with the error asked for.
    for errno in [libc::EPERM, libc::ENOSYS] {
        let refused = std::thread::spawn(move || {
            forbid_io_uring(errno).expect("a filter is allowed");
            // SAFETY: a null pointer is refused by the kernel, and the filter comes before it.
            let outcome =
                unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null_mut::<u8>()) };
            (outcome, std::io::Error::last_os_error().raw_os_error())
        })
        .join()
        .expect("no panic");
        assert_eq!(refused, (-1, Some(errno)));
    }
}

/// Makes io_uring_setup fail for this thread and what it executes from now on, as a container's seccomp profile does.
fn forbid_io_uring(errno: i32) -> std::io::Result<()> {
    const fn instruction(
        code: u32,
        jump_true: u8,
        jump_false: u8,
        operand: u32,
    ) -> libc::sock_filter {
        libc::sock_filter {
            code: code as u16,
            jt: jump_true,
            jf: jump_false,
            k: operand,
        }
    }
    let mut filter = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_io_uring_setup as u32,
        ),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno as u32,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: prctl reads the program, which lives until the call returns; no other memory is touched.
    let outcome = unsafe {
        match libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) {
            0 => libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program),
            failed => failed,
        }
    };
    if outcome == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[test]
fn help_names_the_options_and_exits_well() {
    if skip_unless_torc("redis-server's help is its own") {
        return;
    }
    // It is understood as the first argument.
    let mut command = Command::new(tested_program());
    let output = command.arg("--help").output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for option in ["port", "bind", "shards", "maxmemory", "requirepass"] {
        assert!(text.contains(option), "{option} in {text}");
    }
}
