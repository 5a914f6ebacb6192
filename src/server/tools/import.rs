//! `torc import`: Redis' files become a log of torc's, without a server.
//!
//! Never: touches a log with keys in it unless told to. The decision worth knowing: it is the start of a server that imports, listens on nothing and stops, so
//! that there is one way to import.

use super::exit;
use crate::config::{CommandLine, Config, LogLevel};
use crate::server::import::Source;
use crate::server::load::Found;
use crate::server::log::Log;
use crate::server::start::{self, Server};
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::Ordering;

const USAGE: &str = "\
Usage: torc import FILE [--replace] [CONFIG_FILE] [--directive value ...]

Reads FILE, an RDB file, an append-only file, or a directory with a manifest of Redis in it, and writes what is in it into the log
(appenddirname in --dir) of a server with --shards shards. A server started with --appendonly yes there then has it.

  --replace  also where there is a log with something in it, which is lost

Exit codes: 0 done; 1 it could not be done, and nothing was changed unless it says otherwise; 2 unusable arguments.
";

fn fail(code: u8, text: &dyn std::fmt::Display) -> u8 {
    eprintln!("torc import: {text}");
    code
}

/// Runs it with the words behind its name.
pub fn run(args: Vec<OsString>) -> u8 {
    let mut args: Vec<OsString> = args;
    if args.iter().any(|arg| arg == "-h" || arg == "--help") {
        print!("{USAGE}");
        return exit::GOOD;
    }
    let words = args.len();
    args.retain(|arg| arg != "--replace");
    let replace = args.len() < words;
    if args.is_empty() || args[0].as_encoded_bytes().starts_with(b"-") {
        return fail(exit::UNUSABLE, &format!("which file?\n\n{USAGE}"));
    }
    let file = args.remove(0);
    let source = match Source::of_path(Path::new(&file)) {
        Ok(source) => source,
        Err(error) => return fail(exit::UNUSABLE, &error),
    };
    let mut config = match Config::from_command_line(args.into_iter()) {
        Ok(CommandLine::Serve(config)) => config,
        Ok(CommandLine::Print(text)) => {
            print!("{text}");
            return exit::GOOD;
        }
        Err(error) => return fail(exit::UNUSABLE, &error),
    };
    config.appendonly = true;
    listen_to_nobody(&mut config);
    let log = match Log::open(&config) {
        Ok(log) => log,
        Err(error) => return fail(exit::UNUSABLE, &error),
    };
    for warning in &config.warnings {
        log.line(&config, LogLevel::Warning, warning);
    }
    if !replace && let Err(error) = check_empty(&config) {
        return fail(exit::BAD, &error);
    }
    let server = match Server::start_with(*config, &log, Some(source)) {
        Ok(server) => server,
        Err(error) => return fail(exit::BAD, &error),
    };
    let summary = server.imported.clone().unwrap_or_default();
    server.shared().stop();
    match server.join(&log) {
        Ok(()) => {
            println!("{summary}");
            exit::GOOD
        }
        Err(error) => fail(exit::BAD, &error),
    }
}

fn listen_to_nobody(config: &mut Config) {
    (
        config.port,
        config.memcached_port,
        config.memcached_udp_port,
    ) = (0, 0, 0);
    (config.unixsocket, config.memcached_unixsocket) = (None, None);
}

/// An error unless there is no log, or one in which nothing was ever written.
fn check_empty(config: &Config) -> Result<(), String> {
    let shards = start::shard_count(config);
    let advice = "say --replace to lose what is there, or give another --dir";
    let found =
        Found::open(config, shards, [0; 16]).map_err(|error| format!("{error}; {advice}"))?;
    let records = found.replay.progress.records_all.load(Ordering::Relaxed);
    let directory = found.directory.display().to_string();
    // The lock is let go of; the start takes it again.
    drop(found.done());
    match records {
        0 => Ok(()),
        _ => Err(format!(
            "{directory}: there is a log of {records} records; {advice}"
        )),
    }
}
