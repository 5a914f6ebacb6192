//! SCRIPT and FUNCTION: what is known of scripts and functions, which all shards share. Running them is the business of `server/scripts.rs`.

use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::{Answered, Outcome, lower};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::script::RestorePolicy;
use crate::shard::operation::Envelope;

const SCRIPT_HELP: &[&str] = &[
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DEBUG (YES|SYNC|NO)",
    "    Set the debug mode for subsequent scripts executed.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
    "HELP",
    "    Print this help.",
];

const FUNCTION_HELP: &[&str] = &[
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries.",
    "STATS",
    "    Return information about the current function running.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload.",
    "HELP",
    "    Print this help.",
];

/// An error reply's text from bytes.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn write_help(reply: &mut Reply, lines: &[&str]) {
    reply.array(lines.len());
    for line in lines {
        reply.simple(line);
    }
}

/// ASYNC or SYNC, or nothing: all are the same here.
fn check_flush(args: &Args<'_>, error: &str) -> Result<(), String> {
    let is_word =
        |word: &[u8]| word.eq_ignore_ascii_case(b"async") || word.eq_ignore_ascii_case(b"sync");
    match args.len() {
        2 => Ok(()),
        3 if is_word(args.get(2)) => Ok(()),
        _ => Err(error.into()),
    }
}

/// What FUNCTION says of a subcommand with more arguments than it has options.
fn misused(args: &Args<'_>) -> String {
    let name = String::from_utf8_lossy(args.get(1));
    format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try FUNCTION HELP.")
}

impl Service {
    /// SCRIPT.
    pub(super) fn script(&mut self, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let scripts = &mut self.script_runs.scripts;
        match &lower(args.get(1))[..] {
            "load" => {
                let hash = scripts.load(args.get(2), true).map_err(text)?;
                reply.bulk(&hash);
            }
            "exists" => {
                reply.array(args.len() - 2);
                for at in 2..args.len() {
                    reply.integer(i64::from(scripts.exists(args.get(at))));
                }
            }
            "flush" => {
                check_flush(args, "ERR SCRIPT FLUSH only support SYNC|ASYNC option")?;
                self.shared.scripts.flush_scripts();
                reply.ok();
            }
            "kill" => {
                return Ok(Answered::AskAll(
                    Call::KillScripts(false),
                    Finish::KilledScripts,
                ));
            }
            "debug" => return Err("ERR debugging scripts is not offered".into()),
            _ => write_help(reply, SCRIPT_HELP),
        }
        Ok(Answered::Now)
    }

    /// Has the libraries written down, which the first shard does for all.
    fn keep_libraries(&mut self) {
        if !self.shard.journal.is_on() {
            return;
        }
        match self.shard.id {
            0 => self.journal_libraries(),
            _ => self.message_to(0).envelopes.push(Envelope::Libraries),
        }
    }

    /// FUNCTION.
    pub(super) fn function(&mut self, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let scripts = &mut self.script_runs.scripts;
        match &lower(args.get(1))[..] {
            "load" => {
                let code = args.get(args.len() - 1);
                let mut options = (2..args.len() - 1).map(|at| args.get(at));
                if let Some(option) =
                    options.find(|option| !option.eq_ignore_ascii_case(b"replace"))
                {
                    let option = String::from_utf8_lossy(option);
                    return Err(format!("ERR Unknown option given: {option}"));
                }
                let replace = args.len() > 3;
                let name = scripts.load_library(code, replace).map_err(text)?;
                reply.bulk(&name);
                self.write_script_log();
                self.keep_libraries();
            }
            "delete" => {
                scripts.delete_library(args.get(2)).map_err(text)?;
                reply.ok();
                self.keep_libraries();
            }
            "flush" => {
                if args.len() > 3 {
                    return Err(misused(args));
                }
                check_flush(args, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option")?;
                scripts.flush_libraries();
                reply.ok();
                self.keep_libraries();
            }
            "list" => {
                let (mut pattern, mut with_code) = (None, false);
                let mut at = 2;
                while at < args.len() {
                    let word = args.get(at);
                    if !with_code && word.eq_ignore_ascii_case(b"withcode") {
                        with_code = true;
                    } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
                        at += 1;
                        if at == args.len() {
                            return Err("ERR library name argument was not given".into());
                        }
                        pattern = Some(args.get(at));
                    } else {
                        let word = String::from_utf8_lossy(word);
                        return Err(format!("ERR Unknown argument {word}"));
                    }
                    at += 1;
                }
                scripts.libraries().list(reply, pattern, with_code);
            }
            "stats" => {
                return Ok(Answered::AskAll(
                    Call::RunningFunction,
                    Finish::FunctionStats,
                ));
            }
            "dump" => {
                let payload = scripts.dump_libraries();
                reply.bulk(&payload);
            }
            "restore" => {
                let policy = match args.len() {
                    3 => RestorePolicy::Append,
                    4 => match &lower(args.get(3))[..] {
                        "append" => RestorePolicy::Append,
                        "replace" => RestorePolicy::Replace,
                        "flush" => RestorePolicy::Flush,
                        _ => {
                            return Err(
                                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.".into(),
                            );
                        }
                    },
                    _ => return Err(misused(args)),
                };
                scripts
                    .restore_libraries(args.get(2), policy)
                    .map_err(text)?;
                reply.ok();
                self.keep_libraries();
            }
            "kill" => {
                return Ok(Answered::AskAll(
                    Call::KillScripts(true),
                    Finish::KilledScripts,
                ));
            }
            _ => write_help(reply, FUNCTION_HELP),
        }
        Ok(Answered::Now)
    }
}
