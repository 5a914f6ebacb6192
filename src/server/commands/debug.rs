//! DEBUG: what the test suites of clients need. Off unless `enable-debug-command` says otherwise, as in Redis.

use super::super::connection::{Hold, Peer};
use super::super::server_operation::{Call, Finish, KeyQuestion};
use super::super::service::Service;
use super::{Answered, Outcome, integer, lower};
use crate::config::DebugCommand;
use crate::engine::Item;
use crate::glob;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::slots;

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";

/// The longest string that DEBUG STRINGMATCH-LEN makes, in bytes; nothing else is done meanwhile.
const MATCHED_BYTES_MAX: usize = 1 << 20;

impl Service {
    pub(super) fn debug(&mut self, index: u32, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let now_ms = self.now_ms;
        let shards = self.shards();
        let allowed = self.config.enable_debug_command;
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Now);
        };
        let local = match &connection.session.peer {
            Peer::Tcp { remote, .. } | Peer::Udp { remote, .. } => remote.ip().is_loopback(),
            Peer::Unix(_) => true,
        };
        if allowed == DebugCommand::No || (allowed == DebugCommand::Local && !local) {
            return Err(NOT_ALLOWED.into());
        }
        let db = connection.session.db;
        match (&lower(args.get(1))[..], args.len()) {
            ("sleep", 3) => {
                let text = String::from_utf8_lossy(args.get(2)).into_owned();
                let seconds: f64 = text.parse().map_err(|_| "ERR value is not a valid float")?;
                // Only this connection sleeps: a shard never does.
                let until_ms = now_ms.saturating_add((seconds.max(0.0) * 1000.0) as i64);
                let place = connection.replies.reserve(false);
                connection.hold = Some(Hold::Sleep { until_ms, place });
                return Ok(Answered::Later);
            }
            ("object", 3 | 4) => {
                let key = args.get(2).to_vec();
                let owner = slots::owner(&key, shards);
                let call = Call::Key {
                    db,
                    key,
                    question: KeyQuestion::Object,
                };
                return Ok(Answered::Ask(owner, call, Finish::DebugObject));
            }
            ("set-active-expire", 3) => {
                let on = args.get(2) != b"0";
                return Ok(Answered::AskAll(Call::ActiveExpiry(on), Finish::Ok));
            }
            ("reload", _) => return self.debug_reload(index, args),
            ("loadaof", 2) => return self.debug_load_log(index),
            ("digest", 2) => return Ok(Answered::AskAll(Call::Digest, Finish::Digest)),
            ("digest-value", 3) => {
                let key = args.get(2).to_vec();
                let owner = slots::owner(&key, shards);
                let call = Call::Key {
                    db,
                    key,
                    question: KeyQuestion::Digest,
                };
                return Ok(Answered::Ask(owner, call, Finish::DigestValue));
            }
            // What these are about there is not here: nothing is to be done.
            ("change-repl-id", 2) | ("quicklist-packed-threshold", 3) => reply.ok(),
            ("stringmatch-len", 4) => {
                let length = integer(args.get(2)).and_then(|length| usize::try_from(length).ok());
                let length = length.filter(|length| *length <= MATCHED_BYTES_MAX);
                let length = length.ok_or("ERR value is not an integer or out of range")?;
                glob::matches(args.get(3), &vec![b'x'; length]);
                reply.ok();
            }
            ("protocol", 3) => protocol(&lower(args.get(2)), reply)?,
            ("jmap", _) => {
                return Err(
                    "ERR JMAP is a command of a Java server; this one has no heap to dump".into(),
                );
            }
            ("help", 2) => {
                reply.array(HELP.len());
                HELP.iter().for_each(|line| reply.simple(line));
            }
            (other, _) => {
                return Err(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{other}'. Try DEBUG HELP."
                ));
            }
        }
        Ok(Answered::Now)
    }

    /// What DEBUG OBJECT says of an item.
    pub(in crate::server) fn object_text(&self, item: Item) -> String {
        let engine = &self.shard.engine;
        let encoding = engine.encoding_name(item);
        let idle_seconds = engine.idle_ms(item) / 1000;
        format!(
            "Value at:0x{:012x} refcount:1 encoding:{encoding} serializedlength:{} lru:0 lru_seconds_idle:{idle_seconds}",
            item.0,
            engine.bytes(item)
        )
    }
}

/// Redis' example of a floating-point number.
#[allow(clippy::approx_constant)]
const DOUBLE: f64 = 3.141;

/// DEBUG PROTOCOL: a reply of each type, with the values that Redis has for them.
fn protocol(name: &str, reply: &mut Reply) -> Result<(), String> {
    match name {
        "string" => reply.bulk(b"Hello World"),
        "integer" => reply.integer(12345),
        "double" => reply.double(DOUBLE),
        "null" => reply.null(),
        "array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        "set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        "map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        "true" => reply.boolean(true),
        "false" => reply.boolean(false),
        "verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        _ => {
            return Err("ERR Wrong protocol type name. Please use one of the following: string|integer|double|null|array|set|map|verbatim|true|false".into());
        }
    }
    Ok(())
}

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANGE-REPL-ID",
    "    Accepted: there are no replicas.",
    "DIGEST",
    "    Output a hex signature representing all keys and values.",
    "DIGEST-VALUE <key>",
    "    Output a hex signature of the value of the key.",
    "LOADAOF",
    "    Throw all data away and load it again from the log.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted: large elements of lists need no nodes of their own.",
    "RELOAD [option ...]",
    "    Save all data, throw it away and load it again. Options: NOSAVE loads what is",
    "    there, NOFLUSH keeps the data that is there, MERGE replaces libraries of functions.",
    "STRINGMATCH-LEN <length> <pattern>",
    "    Match a string of that length against the pattern.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not accessed.",
    "SLEEP <seconds>",
    "    Keep this connection waiting for <seconds>. Decimals allowed.",
    "HELP",
    "    Print this help.",
];
