//! BGREWRITEAOF and WAITAOF.

use super::super::durability::misconf;
use super::super::log_waits::{NO_LOG, write_counts};
use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::{Answered, Outcome};
use crate::command::connection::log_wish;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

impl Service {
    /// BGREWRITEAOF.
    pub(super) fn rewrite_log(&mut self, reply: &mut Reply) -> Outcome {
        if !self.shard.journal.is_on() {
            return Err("ERR there is no log to rewrite: appendonly is no".into());
        }
        if self.rewriting.is_under_way() || self.rewriting.is_asked {
            return Err("ERR Background append only file rewriting already in progress".into());
        }
        if self.shared.log_failures.any() {
            return Err(misconf(&self.shared.log_failures.text()));
        }
        reply.simple("Background append only file rewriting started");
        Ok(Answered::AskAll(
            Call::RewriteLog,
            Finish::Said(reply.bytes.clone()),
        ))
    }

    /// WAITAOF: the reply waits until everything that all shards have written down is durable, as if this were a transaction of all of them, and for replicas that
    /// never come. In a transaction or a script nobody waits: it says what is durable already.
    pub(super) fn wait_for_log(
        &mut self,
        index: u32,
        args: &Args<'_>,
        muted: bool,
        reply: &mut Reply,
    ) -> Outcome {
        let wish = log_wish(args).map_err(|error| error.to_string())?;
        let has_log = self.shard.journal.is_on();
        if wish.needs_log && !has_log {
            return Err(NO_LOG.into());
        }
        let connection = self.connection_at(index);
        let is_inner = connection.is_some_and(|connection| connection.is_inner());
        let may_wait = !self.transactions.is_locked && !is_inner;
        if may_wait && (wish.needs_log || wish.needs_replicas) {
            self.begin_log_wait(index, wish, muted);
            return Ok(Answered::Later);
        }
        if has_log {
            return Ok(Answered::AskAll(Call::IsLogDurable, Finish::LogDurable));
        }
        write_counts(reply, false);
        Ok(Answered::Now)
    }
}
