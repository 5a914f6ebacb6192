//! DEBUG: what the test suites of clients need. Off unless `enable-debug-command` says otherwise, as in Redis.

use super::super::connection::{Hold, Peer};
use super::super::server_operation::{Call, Finish, KeyQuestion};
use super::super::service::Service;
use super::{Answered, Outcome, lower};
use crate::config::DebugCommand;
use crate::engine::Item;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::slots;

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";

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

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not accessed.",
    "SLEEP <seconds>",
    "    Keep this connection waiting for <seconds>. Decimals allowed.",
    "HELP",
    "    Print this help.",
];
