//! BGREWRITEAOF and WAITAOF.

use super::super::durability::misconf;
use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::{Answered, Outcome};
use crate::command::connection::waits_for_log;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::journal::Commit;
use crate::shard::operation::Envelope;

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

    /// WAITAOF: the reply waits until everything that all shards have written down is durable, as if this were a transaction of all of them.
    pub(super) fn wait_for_log(
        &mut self,
        index: u32,
        args: &Args<'_>,
        reply: &mut Reply,
    ) -> Outcome {
        let is_local = waits_for_log(args)
            .map_err(|error| String::from_utf8_lossy(error.text()).into_owned())?;
        if is_local && !self.shard.journal.is_on() {
            return Err(
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
                    .into(),
            );
        }
        reply.array(2);
        reply.integer(i64::from(is_local));
        reply.integer(0);
        let Some(connection) = self.connection_at(index).filter(|_| is_local) else {
            return Ok(Answered::Now);
        };
        let (token, client) = (connection.token, connection.session.origin.client);
        let shards = self.shards();
        let commit = Commit {
            client,
            number: self.shared.next_transaction(shards as u32),
            participants: u128::MAX >> (128 - shards),
            is_awaited: true,
        };
        let wait = self.begin_settling(&commit);
        for shard in 0..shards {
            if shard == self.shard.id {
                self.take_commit(shard, commit);
            } else {
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Commit(commit));
            }
        }
        self.wait_for(token, wait);
        Ok(Answered::Now)
    }
}
