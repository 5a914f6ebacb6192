//! The command line to a configuration, start, wait, stop. Exit codes: 0 after a stop that was asked for, 1 when it could not start or serve.

use std::process::ExitCode;
use std::thread;
use std::time::Instant;
use torc::config::{CommandLine, Config};
use torc::server::start::{self, Server};

fn main() -> ExitCode {
    let started = Instant::now();
    let config = match Config::from_command_line(std::env::args_os().skip(1)) {
        Ok(CommandLine::Serve(config)) => config,
        Ok(CommandLine::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(&error),
    };
    for warning in &config.warnings {
        eprintln!("torc: {warning}");
    }
    start::block_stop_signals();
    let server = match Server::start(*config) {
        Ok(server) => server,
        Err(error) => return fail(&error),
    };
    println!("{}", start::ready_line(&server, started));
    let shared = server.shared();
    thread::spawn(move || {
        start::wait_for_stop_signal();
        shared.stop();
        start::wait_for_stop_signal();
        // Asked twice: at once.
        std::process::exit(1);
    });
    match server.join() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("torc: {error}");
    ExitCode::FAILURE
}
