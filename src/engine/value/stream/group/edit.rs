//! What commands do to a group: reading, acknowledging, claiming.
//! Never: outlives the command; it holds the log and the group together, and settles the stream's account of memory when it is dropped.

use super::super::super::allocated_bytes;
use super::super::id::StreamId;
use super::super::log::Log;
use super::super::node::Entry;
use super::{Group, Pending};

/// How many pending entries XAUTOCLAIM looks at for each that it may claim.
const ATTEMPTS_PER_CLAIM: usize = 10;

/// How XCLAIM claims.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClaimOptions {
    /// Only entries last delivered at least so long ago; 0 claims all.
    pub idle_ms_min: i64,
    /// IDLE or TIME: the delivery time to note, rather than now.
    pub delivery_time_ms: Option<i64>,
    /// RETRYCOUNT: the delivery count to note, rather than one more.
    pub delivery_count: Option<u64>,
    /// FORCE: also entries that are not pending.
    pub force: bool,
    /// JUSTID: does not count as a delivery.
    pub just_id: bool,
}

/// What became of one id of XCLAIM.
#[derive(Debug, Clone, Copy)]
pub enum Claim<'a> {
    /// It is the consumer's now.
    Claimed(Entry<'a>),
    /// It is not pending, or was delivered too short ago.
    Skipped,
    /// The entry is deleted; it is not pending any more.
    Deleted,
}

/// How XAUTOCLAIM claims.
#[derive(Debug, Clone, Copy)]
pub struct AutoClaimOptions {
    /// Only entries last delivered at least so long ago; 0 claims all.
    pub idle_ms_min: i64,
    /// From this id on.
    pub start: StreamId,
    /// COUNT: at most so many, together with deleted entries that are found.
    pub count: usize,
    /// JUSTID: does not count as a delivery.
    pub just_id: bool,
}

/// What XAUTOCLAIM did besides claiming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoClaim {
    /// Where the next call goes on, `0-0` at the end.
    pub next: StreamId,
    /// Entries that were pending and are deleted; they are not pending any more.
    pub deleted: Vec<StreamId>,
}

/// A group to be edited; keeps the stream's account of memory.
pub struct GroupEdit<'a> {
    log: &'a Log,
    group: &'a mut Group,
    account: &'a mut usize,
    bytes_before: usize,
}

impl Drop for GroupEdit<'_> {
    fn drop(&mut self) {
        *self.account = *self.account - self.bytes_before + self.group.heap_bytes();
    }
}

impl<'a> GroupEdit<'a> {
    pub(in super::super) fn new(
        log: &'a Log,
        group: &'a mut Group,
        account: &'a mut usize,
    ) -> GroupEdit<'a> {
        let bytes_before = group.heap_bytes();
        GroupEdit {
            log,
            group,
            account,
            bytes_before,
        }
    }

    /// To be read.
    pub fn view(&self) -> &Group {
        self.group
    }

    /// XGROUP SETID.
    pub fn set_id(&mut self, last_id: StreamId, entries_read: Option<i64>) {
        self.group.last_id = last_id;
        self.group.entries_read = entries_read;
    }

    /// LASTID of XCLAIM: raises the last id, never lowers it.
    pub fn raise_last_id(&mut self, last_id: StreamId) {
        self.group.last_id = self.group.last_id.max(last_id);
    }

    /// XGROUP CREATECONSUMER; false when there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        let new = !self.group.numbers.contains_key(name);
        if new {
            self.group.add_consumer(name, now_ms, None);
        }
        new
    }

    /// XGROUP DELCONSUMER: the number of entries that were pending with it and are no more, None when there is none of this name.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.group.numbers.remove(name)?;
        let consumer = self.group.consumers[number as usize]
            .take()
            .expect("a number in use");
        for id in &consumer.pending {
            self.group.pending.remove(id);
        }
        self.group.free.push(number);
        self.group.name_bytes -= 2 * allocated_bytes(name.len());
        Some(consumer.pending.len())
    }

    /// Notes that a consumer asked for something, and makes it when there is none of this name, which is what true says.
    pub fn see_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        let new = self.create_consumer(name, now_ms);
        self.seen(name, now_ms);
        new
    }

    fn seen(&mut self, name: &[u8], now_ms: i64) -> u32 {
        let number = match self.group.numbers.get(name) {
            Some(number) => *number,
            None => self.group.add_consumer(name, now_ms, None),
        };
        self.group.consumer_mut(number).seen_time_ms = now_ms;
        number
    }

    /// XREADGROUP with `>`: entries never delivered to the group, at most `count`, each given to `visit` when it is the consumer's. Their
    /// number. With `no_ack` they do not become pending.
    pub fn read_new(
        &mut self,
        consumer: &[u8],
        count: Option<usize>,
        no_ack: bool,
        now_ms: i64,
        mut visit: impl FnMut(Entry<'a>),
    ) -> usize {
        let number = self.seen(consumer, now_ms);
        let log = self.log;
        let Some(from) = self.group.last_id.next() else {
            return 0;
        };
        let mut read = 0;
        for entry in log
            .range(from, StreamId::MAX)
            .take(count.unwrap_or(usize::MAX))
        {
            self.advance(entry.id);
            if !no_ack {
                self.group.assign(
                    entry.id,
                    Pending {
                        consumer: number,
                        delivery_time_ms: now_ms,
                        delivery_count: 1,
                    },
                );
                self.group.consumer_mut(number).active_time_ms = Some(now_ms);
            }
            visit(entry);
            read += 1;
        }
        read
    }

    /// The group has read up to an entry: keeps its count where that is possible.
    fn advance(&mut self, id: StreamId) {
        let last_id = self.group.last_id;
        let counted = last_id >= self.log.first_id() && !self.log.has_deleted_from(last_id);
        self.group.entries_read = match self.group.entries_read {
            Some(read) if counted => Some(read.saturating_add(1)),
            _ => self.log.entries_added_up_to(id),
        };
        self.group.last_id = id;
    }

    /// XREADGROUP with an id: the consumer's pending entries after it, at most `count`, None for those deleted. Their number.
    pub fn read_history(
        &mut self,
        consumer: &[u8],
        after: StreamId,
        count: Option<usize>,
        now_ms: i64,
        mut visit: impl FnMut(StreamId, Option<Entry<'a>>),
    ) -> usize {
        let number = self.seen(consumer, now_ms) as usize;
        let group = &mut *self.group;
        let (Some(from), Some(consumer)) = (after.next(), &group.consumers[number]) else {
            return 0;
        };
        let mut read = 0;
        for id in consumer
            .pending_from(from)
            .take(count.unwrap_or(usize::MAX))
        {
            let entry = self.log.get(id);
            if entry.is_some() {
                let pending = group.pending.get_mut(&id).expect("both orders agree");
                pending.delivery_time_ms = now_ms;
                pending.delivery_count = pending.delivery_count.saturating_add(1);
            }
            visit(id, entry);
            read += 1;
        }
        read
    }

    /// XACK of one id; false when it is not pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        self.group.remove_pending(id)
    }

    /// XCLAIM of one id for a consumer, which is made when there is none of this name.
    pub fn claim(
        &mut self,
        consumer: &[u8],
        id: StreamId,
        options: &ClaimOptions,
        now_ms: i64,
    ) -> Claim<'a> {
        let number = self.seen(consumer, now_ms);
        let Some(entry) = self.log.get(id) else {
            return if self.group.remove_pending(id) {
                Claim::Deleted
            } else {
                Claim::Skipped
            };
        };
        let delivery_count = match self.group.pending.get(&id) {
            Some(before) => {
                if options.idle_ms_min > 0
                    && now_ms.saturating_sub(before.delivery_time_ms) < options.idle_ms_min
                {
                    return Claim::Skipped;
                }
                before.delivery_count
            }
            // A forced one counts from where Redis begins: as delivered once.
            None if options.force => 1,
            None => return Claim::Skipped,
        };
        let delivery_time_ms = options
            .delivery_time_ms
            .filter(|time| (0..=now_ms).contains(time))
            .unwrap_or(now_ms);
        self.group.assign(
            id,
            Pending {
                consumer: number,
                delivery_time_ms,
                delivery_count: match options.delivery_count {
                    Some(count) => count,
                    None => delivery_count.saturating_add(u64::from(!options.just_id)),
                },
            },
        );
        self.group.consumer_mut(number).active_time_ms = Some(now_ms);
        Claim::Claimed(entry)
    }

    /// XAUTOCLAIM: claims pending entries in the order of their ids; looks at ten times as many as it may claim at most.
    pub fn auto_claim(
        &mut self,
        consumer: &[u8],
        how: &AutoClaimOptions,
        now_ms: i64,
        mut visit: impl FnMut(Entry<'a>),
    ) -> AutoClaim {
        self.seen(consumer, now_ms);
        let mut result = AutoClaim {
            next: StreamId::MIN,
            deleted: Vec::new(),
        };
        let (mut at, mut left) = (Some(how.start), how.count);
        let mut attempts = how.count.saturating_mul(ATTEMPTS_PER_CLAIM);
        let options = ClaimOptions {
            idle_ms_min: how.idle_ms_min,
            just_id: how.just_id,
            ..ClaimOptions::default()
        };
        while let Some(from) = at {
            let Some((id, _)) = self.group.pending.range(from..).next() else {
                break;
            };
            let id = *id;
            if attempts == 0 || left == 0 {
                result.next = id;
                break;
            }
            attempts -= 1;
            match self.claim(consumer, id, &options, now_ms) {
                Claim::Claimed(entry) => {
                    visit(entry);
                    left -= 1;
                }
                Claim::Deleted => {
                    result.deleted.push(id);
                    left -= 1;
                }
                Claim::Skipped => {}
            }
            at = id.next();
        }
        result
    }
}
