//! The command line to a configuration, start, wait, stop. Exit codes: 0 after a stop that was asked for, 1 when it could not start or serve.

use std::process::ExitCode;
use std::thread;
use std::time::Instant;
use torc::config::{CommandLine, Config, LogLevel};
use torc::server::log::Log;
use torc::server::start::{self, Server};

fn main() -> ExitCode {
    let started = Instant::now();
    start::smooth_allocator();
    let config = match Config::from_command_line(std::env::args_os().skip(1)) {
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
    let server = match Server::start(*config) {
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
    match server.join() {
        Ok(()) => {
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
