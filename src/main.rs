//! The command line to a configuration, start, wait, stop. Exit codes: 0 after a stop that was asked for, 1 when it could not start or serve;
//! programs beside the server (`torc check-log`) have their own, see [`torc::server::tools`].

use std::process::ExitCode;
use std::thread;
use std::time::Instant;
use tikv_jemallocator::Jemalloc;
use torc::config::{CommandLine, Config, LogLevel};
use torc::server::log::Log;
use torc::server::start::{self, Server};
use torc::server::tools::Tool;

/// Large collections are of the heap, and releasing one of ten million elements must not make a turn long: the C library's allocator then joins and
/// sorts free blocks for up to 100 ms at a time, this one does what it does a little at a time.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Read by the allocator at the start: a thread of its own gives memory back to the kernel, and no huge page is cleared in a turn.
// SAFETY: the allocator declares this name as a pointer to a string that ends with a zero byte, and nothing else has it.
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_SETTINGS: &[u8; 33] = b"background_thread:true,thp:never\0";

fn main() -> ExitCode {
    let started = Instant::now();
    let mut args = std::env::args_os().skip(1).peekable();
    if let Some(tool) = args.peek().and_then(|word| Tool::named(word)) {
        return ExitCode::from(tool.run(args.skip(1)));
    }
    let config = match Config::from_command_line(args) {
        Ok(CommandLine::Serve(config)) => config,
        Ok(CommandLine::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error),
    };
    let log = match Log::open(&config) {
        Ok(log) => log,
        Err(error) => return fail(&error),
    };
    for warning in &config.warnings {
        log.line(&config, LogLevel::Warning, warning);
    }
    start::block_stop_signals();
    let server = match Server::start(*config, &log) {
        Ok(server) => server,
        Err(error) => return fail(&error),
    };
    let ready = start::ready_line(&server, started);
    println!("{ready}");
    let shared = server.shared();
    let state = server.shared();
    log.line(&state.config(), LogLevel::Notice, &ready);
    thread::spawn(move || {
        start::wait_for_stop_signal();
        shared.stop();
        start::wait_for_stop_signal();
        // Asked twice: at once.
        std::process::exit(1);
    });
    match server.join(&log) {
        Ok(()) => {
            if let Some(Err(error)) = state.saves.at_stop() {
                return fail(&error);
            }
            log.line(&state.config(), LogLevel::Notice, "stopped as asked");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("torc: {error}");
    ExitCode::FAILURE
}
