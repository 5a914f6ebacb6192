//! Logs that begin while the server serves (`CONFIG SET appendonly yes`): all shards begin theirs at one moment.
//!
//! Never: writes a log. The decision worth knowing: a claim of every shard holds writers back, for about two messages, until all have begun. A transaction over several shards that only some of
//! them wrote down would be cut by the next start, and everything behind it.

use super::service::Service;
use super::transactions::Then;
use crate::engine::Client;
use crate::shard::operation::Envelope;
use std::any::Any;
use std::collections::HashMap;

/// A shard is to begin its log for a transaction of the sender.
struct LogBegins {
    from: usize,
    transaction: u32,
}

/// It has.
struct LogBegun {
    transaction: u32,
}

/// Logs that are to begin.
#[derive(Default)]
pub(super) struct LogBeginnings {
    /// Who waits until this shard's has begun: shards and their transactions.
    awaited_by: Vec<(usize, u32)>,
    /// Transactions of this shard that hold writers back, and of how many shards the log has not begun.
    left: HashMap<u32, usize>,
    /// Somebody was in the way; it is tried again.
    again: bool,
}

impl LogBeginnings {
    /// Whether this shard's log is to begin.
    pub(super) fn is_wanted(&self) -> bool {
        !self.awaited_by.is_empty()
    }
}

impl Service {
    /// Has the logs of all shards begin, once the new configuration is on its way to them.
    pub(super) fn begin_logs(&mut self) {
        let client = Client {
            shard: self.shard.id as u32,
            token: 0,
        };
        let claims = self.claims_of_all();
        let transaction = self.acquire(claims, Vec::new(), Then::BeginLogs, client);
        self.claim_next(transaction);
    }

    /// Writers are held back.
    pub(super) fn logs_may_begin(&mut self, transaction: u32) {
        let (own, shards) = (self.shard.id, self.shards());
        self.log_beginnings.left.insert(transaction, shards);
        for shard in (0..shards).filter(|&shard| shard != own) {
            let from = own;
            let begins = Box::new(LogBegins { from, transaction });
            let envelopes = &mut self.message_to(shard).envelopes;
            envelopes.push(Envelope::Server(begins));
        }
        self.log_beginnings.awaited_by.push((own, transaction));
    }

    /// A script is in the way that has run for long.
    pub(super) fn logs_may_not_begin(&mut self) {
        self.log_beginnings.again = true;
    }

    /// Tries again what was in vain.
    pub(super) fn begin_logs_again(&mut self) {
        if std::mem::take(&mut self.log_beginnings.again) {
            self.begin_logs();
        }
    }

    /// This shard's log has begun, or will not.
    pub(super) fn log_has_begun(&mut self) {
        for (shard, transaction) in std::mem::take(&mut self.log_beginnings.awaited_by) {
            if shard == self.shard.id {
                self.one_log_has_begun(transaction);
            } else {
                let begun = Box::new(LogBegun { transaction });
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Server(begun));
            }
        }
    }

    /// One more has; after the last one writers go on.
    fn one_log_has_begun(&mut self, transaction: u32) {
        let left = self.log_beginnings.left.get_mut(&transaction);
        let left = left.expect("it waits for all shards");
        *left -= 1;
        if *left == 0 {
            self.log_beginnings.left.remove(&transaction);
            self.release(transaction);
        }
    }

    /// Takes a matter of beginnings that another shard sent, or gives back what is none.
    pub(super) fn take_log_beginning(
        &mut self,
        matter: Box<dyn Any + Send>,
    ) -> Result<(), Box<dyn Any + Send>> {
        let matter = match matter.downcast::<LogBegins>() {
            Err(matter) => matter,
            Ok(begins) => {
                let LogBegins { from, transaction } = *begins;
                self.log_beginnings.awaited_by.push((from, transaction));
                return Ok(());
            }
        };
        let begun = matter.downcast::<LogBegun>()?;
        self.one_log_has_begun(begun.transaction);
        Ok(())
    }
}
