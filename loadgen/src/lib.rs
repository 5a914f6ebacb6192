//! loadgen: a load generator for cache servers.
//!
//! The library behind the binary of the same name, so that tests and benchmark drivers can use its parts. Imports go
//! down only: `run` > `worker` > {`workload`, `transport`, `trace`, `verify`} > `protocol` > {`keys`, `values`, `stats`} >
//! `random`, `histogram`, `error`; `args` describes a run for all of them, and `report` only reads an outcome.

pub mod args;
pub mod connect;
pub mod epoll;
pub mod error;
pub mod histogram;
pub mod keys;
pub mod protocol;
pub mod random;
pub mod report;
pub mod ring;
pub mod run;
pub mod stats;
pub mod subscribers;
pub mod trace;
pub mod transport;
pub mod values;
pub mod verify;
pub mod worker;
pub mod workload;

use clap::Parser;
use std::process::ExitCode;

/// What the binary does: reads the command line, runs, reports.
pub fn command_line() -> ExitCode {
    let args = args::Args::parse();
    run::catch_interrupts();
    match execute(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadgen: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn execute(args: args::Args) -> error::Result<ExitCode> {
    let plan = args::Plan::new(args)?;
    let outcome = run::run(plan.clone())?;
    let text = if plan.args.quiet {
        if let Some(first) = &outcome.stats.first_error {
            let count = outcome.stats.error_count();
            eprintln!("loadgen: {count} errors, the first: {first}");
        }
        report::text::brief(&outcome)
    } else {
        report::text::summary(&plan, &outcome)
    };
    print!("{text}");
    let document = report::json::document(&plan, &outcome);
    if let Some(path) = &plan.args.json {
        report::save(path, &format!("{document:#}\n"))?;
    }
    if let Some(path) = &plan.args.html {
        report::save(path, &report::html::page(&plan, &outcome))?;
    }
    if let Some(failure) = &outcome.failure {
        return Err(failure.clone());
    }
    Ok(ExitCode::from(u8::from(outcome.stats.wrong > 0)))
}
