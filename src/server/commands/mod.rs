//! Commands on the connection and on the whole server. What they do to one shard is in [`super::server_operation`].

mod client;
mod config;
mod debug;
mod invalidations;
mod memcached;
mod memcached_stats;
mod memory;
mod monitor;
mod multi;
mod notify;
mod persistence;
mod pubsub;
mod script;
mod session;
mod tracking;

use super::server_operation::{Call, Finish};
use super::service::Service;
use crate::command::ServerCommand;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
pub(super) use invalidations::{Invalidations, Untold};
pub(super) use memcached_stats::{Form, Group};
pub(super) use monitor::{MonitorLines, Monitoring, Monitors, line_of_call};
pub(super) use notify::Notifications;
pub(super) use pubsub::Pubsub;
pub(super) use session::REDIS_VERSION;
pub(super) use tracking::{PrefixesEnded, Tracker, Wish};

/// How a command was answered.
pub(super) enum Answered {
    /// The reply is written.
    Now,
    /// The reply's place is reserved.
    Later,
    /// Every shard is asked; the reply comes later.
    AskAll(Call, Finish),
    /// One shard is asked.
    Ask(usize, Call, Finish),
}

/// An error reply's text, or how the command was answered.
pub(super) type Outcome = Result<Answered, String>;

/// A subcommand's name in lower case.
pub(super) fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

/// A number argument as Redis reads it.
pub(super) fn integer(word: &[u8]) -> Option<i64> {
    crate::command::number::parse_i64(word)
}

impl Service {
    /// Carries out a command of the server layer for a connection.
    pub(super) fn server_command(
        &mut self,
        index: u32,
        which: ServerCommand,
        args: Args<'_>,
        muted: bool,
    ) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let mut reply = Reply::new(connection.replies.protocol());
        let outcome = match which {
            ServerCommand::Auth => self.auth(index, &args, &mut reply),
            ServerCommand::Hello => self.hello(index, &args, &mut reply),
            ServerCommand::Select => self.select(index, &args, &mut reply),
            ServerCommand::Quit => self.quit(index, &mut reply),
            ServerCommand::Reset => self.reset(index, &mut reply),
            ServerCommand::Client => self.client(index, &args, &mut reply),
            ServerCommand::Config => self.config_command(&args, &mut reply),
            ServerCommand::Discard => self.discard(index, &mut reply),
            ServerCommand::Exec => self.exec(index, muted),
            ServerCommand::Eval => unreachable!("carried out apart"),
            ServerCommand::Function => self.function(&args, &mut reply),
            ServerCommand::Script => self.script(&args, &mut reply),
            ServerCommand::Monitor => self.monitor(index, &mut reply),
            ServerCommand::RewriteLog => self.rewrite_log(&mut reply),
            ServerCommand::WaitForLog => self.wait_for_log(index, &args, muted, &mut reply),
            ServerCommand::Multi => self.multi(index, &mut reply),
            ServerCommand::Unwatch => self.unwatch(index, &mut reply),
            ServerCommand::Watch => self.watch(index, &args, &mut reply),
            ServerCommand::Debug => self.debug(index, &args, &mut reply),
            ServerCommand::Info => self.info(&args),
            ServerCommand::Memory => self.memory(&args, &mut reply),
            ServerCommand::Publish(kind) => self.publish(index, kind, args, muted, &mut reply),
            ServerCommand::Pubsub => self.pubsub_command(&args, &mut reply),
            ServerCommand::Subscribe(kind) => self.subscribe(index, kind, &args),
            ServerCommand::Unsubscribe(kind) => self.unsubscribe(index, kind, &args),
            ServerCommand::BgSave => self.bgsave(index, &args, muted, &mut reply),
            ServerCommand::LastSave => self.lastsave(&mut reply),
            ServerCommand::Save => self.save(index, Finish::Saved, muted),
            ServerCommand::Shutdown => self.shutdown(index, &args, muted),
            ServerCommand::Memcache => unreachable!("carried out apart"),
        };
        match outcome {
            Err(text) => self.refuse(index, muted, &text),
            Ok(Answered::Later) => {}
            Ok(Answered::Now) => {
                // CLIENT REPLY ON is answered although the connection was mute a moment ago, and OFF is not.
                let Some(connection) = self.connection_at(index) else {
                    return;
                };
                let mode = connection.session.reply_mode;
                let quiet = match which {
                    ServerCommand::Client | ServerCommand::Reset => {
                        mode != super::connection::ReplyMode::On
                    }
                    _ => muted,
                };
                if !quiet {
                    connection
                        .replies
                        .writer()
                        .bytes
                        .extend_from_slice(&reply.bytes);
                }
                self.list(index);
            }
            Ok(Answered::AskAll(call, finish)) => self.ask_all(index, call, finish, muted),
            Ok(Answered::Ask(shard, call, finish)) => self.ask(index, shard, call, finish, muted),
        }
    }
}
