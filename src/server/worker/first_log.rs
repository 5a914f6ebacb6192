//! A log that begins with data: what an import has put into the shard is written down before anybody is served.
//!
//! Never: gathers more than the log's buffers hold; it waits for the disk instead.

use super::{SLEEP_ACTIVE, Worker};
use crate::net::Event;
use crate::persist::log::State as LogState;

/// Keys looked for at a time.
const KEYS_AT_A_TIME: usize = 64;

impl Worker {
    /// Writes an image of every key into the log, and waits until all are durable. An error says what the disk refused.
    pub fn write_all(&mut self) -> Result<(), String> {
        let databases = self.service.shard.engine.databases();
        for db in 0..databases {
            let mut cursor = 0;
            loop {
                let mut keys: Vec<Box<[u8]>> = Vec::new();
                let shard = &mut self.service.shard;
                let scanned = &mut shard.engine;
                cursor = scanned.scan(db, cursor, KEYS_AT_A_TIME, &mut |engine, item| {
                    keys.push(engine.key_bytes(item).into());
                });
                for key in keys {
                    let shard = &mut self.service.shard;
                    shard.journal.image(&mut shard.engine, db, &key);
                    self.wait_while(|worker| worker.log().is_full())?;
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        let log = self.service.shard.journal.log.as_mut();
        log.expect("it is open").require_durable();
        let last = self.log().sequence();
        self.wait_while(|worker| worker.log().durable_sequence() < last)
    }

    fn log(&self) -> &crate::persist::log::Log {
        let log = self.service.shard.journal.log.as_ref();
        log.expect("it is open")
    }

    fn wait_while(&mut self, is_so: impl Fn(&Worker) -> bool) -> Result<(), String> {
        while is_so(self) {
            self.commit_log();
            if let LogState::Failed(failure) | LogState::Unusable(failure) = self.log().state() {
                return Err(format!(
                    "the log of shard {} cannot be written ({failure}); give it room and permission, or say --appendonly no",
                    self.service.shard.id
                ));
            }
            self.ring.enter(Some(SLEEP_ACTIVE));
            while let Some(event) = self.ring.next_event() {
                if let Event::File { id, result, memory } = event {
                    self.file_done(id, result, memory);
                }
            }
        }
        Ok(())
    }
}
