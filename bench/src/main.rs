//! bench: torc beside its peers, and beside a server that only answers.
//!
//! `bench compare` measures all of them in one run, in turns and in short slices, because the same server varies more from minute to minute than
//! most servers differ. `bench constant` is the server that only answers. Imports go down only: `compare` > {`slice`, `memory`, `system_calls`,
//! `report`, `record`} > `endpoint` > `server` > {`affinity`, `process`, `info`} > `case`, `statistics`, `table`, `clock`, `machine`.

mod affinity;
mod args;
mod case;
mod clock;
mod compare;
mod constant;
mod endpoint;
mod info;
mod machine;
mod memory;
mod process;
mod record;
mod report;
mod server;
mod slice;
mod statistics;
mod system_calls;
mod table;

use args::{Arguments, Task};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Compare(options) => compare::run(&options),
        Task::Constant(options) => constant::serve(options.port, options.reply_bytes as usize),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
