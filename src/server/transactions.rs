//! Transactions: what must be seen as one, on one shard or several. Locks are claimed at their owners, the work is done while all are held, then they are released; and requests
//! of others that meet a lock wait at its owner in the order in which they came.
//!
//! The common case costs nothing: what concerns this shard alone runs at once, without a lock, unless somebody holds one here. The decision worth knowing: a transaction claims
//! at one shard after the other, in ascending order, all keys of a shard together; why nobody waits for ever then is said in [`crate::shard::locks`].

use super::durability::Wait;
use super::reload::Wanted;
use super::service::Service;
use crate::command::table::{Command, flags};
use crate::command::{self, Route};
use crate::engine::{Client, Touch};
use crate::net::Token;
use crate::persist::entry::Participants;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::journal::Commit;
use crate::shard::locks::{Claims, Locks, Mode, Outcome, Place, Ticket};
use crate::shard::message::{Message, ReplyTo, RequestHeader};
use crate::shard::operation::{ClaimReply, Envelope, OwnedKey, Step, WatchedKey};
use crate::shard::slots;
use foldhash::{HashMap, HashSet};
use std::collections::{BTreeMap, VecDeque};
use std::mem;

/// What a transaction does once it holds its locks.
pub(super) enum Then {
    /// These steps of an operation; `true`: they are all there is to do, so that the locks go as soon as the steps have been sent.
    Steps(u32, Vec<Step>, bool),
    /// An attempt of a command that takes elements from keys.
    Attempt(u64),
    /// EXEC, of this connection.
    Exec(Token),
    /// A script of this shard.
    Script(u32),
    /// SAVE, as this operation.
    Save(u32),
    /// BGSAVE, as this operation, or a snapshot that a rule has asked for.
    BackgroundSave(Option<u32>),
    /// CONFIG SET appendonly yes.
    BeginLogs,
    /// DEBUG RELOAD, as this operation.
    Reload(u32, Wanted),
    /// DEBUG LOADAOF: the operation goes on.
    LoadLog(u32),
}

/// What is answered to who needs a key that a script holds for long.
pub(super) const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// A transaction that this shard coordinates.
struct Transaction {
    /// What it claims at each shard, ascending.
    claims: Vec<(usize, Claims)>,
    watched: Vec<WatchedKey>,
    /// At so many of these shards it has what it claims.
    held: usize,
    /// From when on a key that it watches is not as it was, as far as is known; the time at which it is carried out must be before.
    changes_at_ms: i64,
    then: Option<Then>,
    /// It waits in no queue: what others hold is refused.
    only_now: bool,
    /// It has given back what it had, and begins again once it is given what it waits for at this one of the shards.
    begins_again_at: Option<usize>,
    /// Whose it is.
    client: Client,
}

/// Who waits for locks of this shard.
enum Waiter {
    /// A transaction, which a shard coordinates.
    Transaction {
        shard: usize,
        id: u32,
        watched: Vec<WatchedKey>,
    },
    /// One request, which runs when nothing excludes it any more.
    Request(Box<Message>),
    /// A walk over all keys, which never waits.
    Walk,
}

/// Who waits for what a walk over all keys holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WalkIsAwaitedBy {
    Nobody,
    /// Those who would write the same key.
    Writers,
    /// Somebody for the whole shard, and everybody behind him; or a script that must not wait.
    Everybody,
}

/// Something that may go on now.
enum Granted {
    /// A transaction of this shard that was waiting here, and what it is answered.
    Transaction(u32, ClaimReply),
    Request(Ticket, Box<Message>),
}

/// What [`Service::enter_locked`] has changed.
pub(super) struct BeforeLocked {
    is_locked: bool,
    time_ms: i64,
    may_block: bool,
    gathers_for: Option<Client>,
}

/// The transactions that this shard coordinates, and the locks of its keys.
#[derive(Default)]
pub(super) struct Transactions {
    locks: Locks<Waiter>,
    /// The claims of transactions at this shard, by their coordinators and numbers.
    tickets: HashMap<(usize, u32), Ticket>,
    transactions: HashMap<u32, Transaction>,
    last: u32,
    granted: VecDeque<Granted>,
    /// Transactions that hold locks here and last long: nobody waits for anything meanwhile.
    busy: HashSet<(usize, u32)>,
    /// Keys held by walks over all keys, which write large values in pieces.
    walks: Vec<Ticket>,
    /// One of these is in the way of a script that must not wait.
    walks_are_in_the_way: bool,
    /// What is being sent or run belongs to a transaction that has all it needs.
    pub(super) is_locked: bool,
    /// And this is its time.
    pub(super) time_ms: i64,
}

impl Transactions {
    /// Whether nobody holds a lock of this shard.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.locks.is_empty()
    }

    /// Whether a walk over all keys holds one.
    pub(super) fn has_walks(&self) -> bool {
        !self.walks.is_empty()
    }

    /// Whether nobody holds a lock of this shard, or waits for one, but walks over all keys.
    pub(super) fn is_quiet_but_for_walks(&self) -> bool {
        self.locks.len() == self.walks.len()
    }

    /// Whether somebody waits for what a walk holds.
    pub(super) fn waits_for_walk(&self, ticket: Ticket) -> WalkIsAwaitedBy {
        match self.locks.awaited(ticket) {
            _ if self.walks_are_in_the_way => WalkIsAwaitedBy::Everybody,
            (true, _) => WalkIsAwaitedBy::Everybody,
            (false, true) => WalkIsAwaitedBy::Writers,
            (false, false) => WalkIsAwaitedBy::Nobody,
        }
    }

    /// Whether some of those who waited may go on at once.
    pub(super) fn has_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    /// Whether this shard coordinates any.
    pub(super) fn has_transactions(&self) -> bool {
        !self.transactions.is_empty()
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.is_quiet_but_for_walks() && self.transactions.is_empty() && self.granted.is_empty()
    }

    /// The time of the transaction that is being sent or run, if it is one.
    pub(super) fn locked_at_ms(&self) -> Option<i64> {
        self.is_locked.then_some(self.time_ms)
    }

    /// How a command uses what it touches.
    pub(super) fn mode(row: &Command) -> Mode {
        if row.flags & flags::WRITE != 0 {
            Mode::Write
        } else {
            Mode::Read
        }
    }

    /// Whether a request is about whole shards, or about keys that are only known when it runs.
    pub(super) fn takes_shard(row: &Command, args: &Args<'_>) -> bool {
        let is_about_shards = match row.route {
            Route::Anywhere | Route::Keys(_) => false,
            Route::AllShards(_) | Route::Cursor | Route::RandomShard => true,
        };
        is_about_shards || row.asks_further_keys(args)
    }

    /// Whether somebody holds, or waits for, what excludes these claims.
    pub(super) fn exclude(&self, claims: &Claims) -> bool {
        !self.locks.is_empty() && self.locks.exclude(claims)
    }
}

impl Service {
    /// What a request claims at each shard.
    pub(super) fn add_claims(
        &self,
        row: &'static Command,
        args: &Args<'_>,
        claims: &mut BTreeMap<usize, Claims>,
    ) {
        let mode = Transactions::mode(row);
        if Transactions::takes_shard(row, args) {
            for shard in 0..self.shards() {
                claims.entry(shard).or_default().add_whole(mode);
            }
        }
        for position in command::key_positions(row, args) {
            let key = args.get(position);
            let owner = slots::owner(key, self.shards());
            claims.entry(owner).or_default().add(Place::key(key), mode);
        }
    }

    /// What a request that runs on this shard needs of it.
    fn claims_here(&self, row: &'static Command, args: &Args<'_>) -> Claims {
        let mode = Transactions::mode(row);
        let mut claims = Claims::default();
        if row.route == Route::Anywhere {
            // Scripts see to their keys themselves.
            return claims;
        }
        if Transactions::takes_shard(row, args) {
            claims.add_whole(mode);
        }
        for position in command::key_positions(row, args) {
            claims.add(Place::key(args.get(position)), mode);
        }
        claims
    }

    /// Whether a request has to wait for a lock of this shard.
    pub(super) fn meets_lock(&self, row: &'static Command, args: &Args<'_>) -> bool {
        !self.transactions.is_quiet()
            && !self.transactions.is_locked
            && self.transactions.exclude(&self.claims_here(row, args))
    }

    /// Lets a request wait if it meets a lock, or an earlier request of its client does; it is copied then. `false`: it may run. A part of an operation, whose client is
    /// `u64::MAX`, comes after earlier writes of others only.
    #[cold]
    pub(super) fn park(
        &mut self,
        from: usize,
        header: impl FnOnce(&mut Service) -> Option<RequestHeader>,
        client: u64,
        row: &'static Command,
        args: &mut Args<'_>,
    ) -> bool {
        let mut claims = self.claims_here(row, args);
        if claims.is_empty() {
            return false;
        }
        if row.flags & flags::WRITE != 0 || client != u64::MAX {
            claims.add(Place::client(from, client), Mode::Write);
        }
        if !self.transactions.locks.exclude(&claims) {
            return false;
        }
        let Some(header) = header(self) else {
            return true;
        };
        if !self.transactions.busy.is_empty() {
            self.refuse_busy(from, &header);
            return true;
        }
        let mut message = Message::new(from);
        let bytes = args.buffer.len();
        let args = Args {
            buffer: args.buffer,
            ranges: args.ranges,
            large: &mut *args.large,
        };
        message.push_request(&header, args, bytes);
        let waiter = Waiter::Request(Box::new(message));
        let outcome = self.transactions.locks.claim(&claims, waiter);
        assert!(matches!(outcome, Outcome::Waits(_)), "it is excluded");
        true
    }

    fn refuse_busy(&mut self, from: usize, header: &RequestHeader) {
        let mut reply = Reply::new(header.protocol);
        reply.error(BUSY);
        self.respond(from, header.reply_to, &reply);
    }

    /// A transaction of this shard lasts long: the owners of what it holds answer so.
    pub(super) fn declare_busy(&mut self, id: u32) {
        let Some(transaction) = self.transactions.transactions.get(&id) else {
            return;
        };
        let shards: Vec<usize> = transaction.claims.iter().map(|(shard, _)| *shard).collect();
        for shard in shards {
            if shard == self.shard.id {
                self.take_busy(shard, id);
            } else {
                let envelope = Envelope::Busy { transaction: id };
                self.message_to(shard).envelopes.push(envelope);
            }
        }
    }

    /// A transaction that holds locks here lasts long: those who wait are told so, and nobody waits from now on.
    pub(super) fn take_busy(&mut self, from: usize, id: u32) {
        if !self.transactions.tickets.contains_key(&(from, id)) {
            return;
        }
        self.transactions.busy.insert((from, id));
        for (ticket, waiter) in self.transactions.locks.take_waiters() {
            match waiter {
                Waiter::Request(message) => {
                    let view = message.request(0, 0).expect("one request was parked");
                    self.refuse_busy(message.from, &view.header);
                }
                Waiter::Walk => unreachable!("a walk never waits"),
                Waiter::Transaction { shard, id, .. } => {
                    self.transactions.tickets.remove(&(shard, id));
                    if shard == self.shard.id {
                        let granted = Granted::Transaction(id, ClaimReply::Refused);
                        self.transactions.granted.push_back(granted);
                    } else {
                        self.tell_claimed(shard, id, ClaimReply::Refused);
                    }
                }
            }
            self.release_ticket(ticket);
        }
    }

    /// Begins a transaction: claims, and goes on when all is held, which may be at once.
    pub(super) fn acquire(
        &mut self,
        claims: BTreeMap<usize, Claims>,
        watched: Vec<WatchedKey>,
        then: Then,
        client: Client,
    ) -> u32 {
        let transactions = &mut self.transactions;
        transactions.last = transactions.last.wrapping_add(1);
        let id = transactions.last;
        let transaction = Transaction {
            claims: claims.into_iter().collect(),
            watched,
            held: 0,
            changes_at_ms: i64::MAX,
            then: Some(then),
            client,
            only_now: false,
            begins_again_at: None,
        };
        transactions.transactions.insert(id, transaction);
        id
    }

    /// The same for one that has locks already, and therefore waits in no queue.
    pub(super) fn acquire_now(
        &mut self,
        claims: BTreeMap<usize, Claims>,
        then: Then,
        client: Client,
    ) -> u32 {
        let id = self.acquire(claims, Vec::new(), then, client);
        let transaction = self.transactions.transactions.get_mut(&id);
        transaction.expect("it was just made").only_now = true;
        id
    }

    /// Holds what nobody else holds here, for a script that has touched it.
    pub(super) fn hold_here(&mut self, claims: Claims, client: Client) -> u32 {
        let own = self.shard.id;
        let here = [(own, claims.clone())].into();
        let id = self.acquire(here, Vec::new(), Then::Script(0), client);
        let is_held = self.claim_here(own, id, &claims, Vec::new(), true);
        assert!(
            matches!(is_held, Some(ClaimReply::Held { .. })),
            "nobody came between"
        );
        self.note_claimed(id, i64::MAX);
        id
    }

    /// Goes on with a transaction that has just been made, or has been given what it claimed at a shard.
    pub(super) fn claim_next(&mut self, id: u32) {
        let transaction = self.transactions.transactions.get(&id);
        let transaction = transaction.expect("it is there");
        // One that waits in no queue has locks of other shards already.
        let is_of_several = transaction.claims.len() > 1 || transaction.only_now;
        if is_of_several && transaction.held == 0 && !self.may_claim(id) {
            return;
        }
        loop {
            let own = self.shard.id;
            let transactions = &mut self.transactions;
            let transaction = transactions.transactions.get_mut(&id).expect("it is there");
            let Some((shard, claims)) = transaction.claims.get(transaction.held) else {
                return self.all_held(id);
            };
            let (shard, claims) = (*shard, claims.clone());
            let only_now = transaction.only_now;
            let watched = transaction.watched.iter();
            let watched: Vec<WatchedKey> =
                watched.filter(|key| key.shard == shard).cloned().collect();
            if shard != own {
                let envelope = Envelope::Claim {
                    transaction: id,
                    claims,
                    watched,
                    only_now,
                };
                return self.message_to(shard).envelopes.push(envelope);
            }
            match self.claim_here(own, id, &claims, watched, only_now) {
                None => return,
                Some(ClaimReply::Refused) => return self.refused(id),
                Some(ClaimReply::Held { changes_at_ms }) => self.note_claimed(id, changes_at_ms),
            }
        }
    }

    fn note_claimed(&mut self, id: u32, changes_at_ms: i64) {
        let transaction = self.transactions.transactions.get_mut(&id);
        let transaction = transaction.expect("it is there");
        transaction.held += 1;
        transaction.changes_at_ms = transaction.changes_at_ms.min(changes_at_ms);
    }

    /// A shard, which may be this one, gives a transaction what it has claimed there.
    pub(super) fn claimed(&mut self, id: u32, reply: ClaimReply) {
        match reply {
            ClaimReply::Refused => self.refused(id),
            ClaimReply::Held { changes_at_ms } => {
                if !self.gives_back(id) {
                    self.note_claimed(id, changes_at_ms);
                }
                self.claim_next(id);
            }
        }
    }

    /// Asks those who hold locks here but not yet all that they need to give them back, for a script that cannot wait behind them.
    fn ask_to_yield(&mut self, claims: &Claims) {
        let excluders = self.transactions.locks.excluders(claims);
        let tickets = self.transactions.tickets.iter();
        let holders: Vec<(usize, u32)> = tickets
            .filter(|(_, ticket)| excluders.contains(ticket))
            .map(|(holder, _)| *holder)
            .collect();
        for (shard, transaction) in holders {
            if shard == self.shard.id {
                self.yield_locks(transaction);
            } else {
                let envelope = Envelope::Yield { transaction };
                self.message_to(shard).envelopes.push(envelope);
            }
        }
    }

    /// A transaction that still waits for a lock gives back those it has, and claims them again later: nothing of it has been done.
    pub(super) fn yield_locks(&mut self, id: u32) {
        let Some(transaction) = self.transactions.transactions.get_mut(&id) else {
            return;
        };
        let waits = transaction.then.is_some() && transaction.held < transaction.claims.len();
        if !waits || transaction.only_now || transaction.begins_again_at.is_some() {
            return;
        }
        let held = mem::take(&mut transaction.held);
        transaction.begins_again_at = Some(held);
        let shards = transaction.claims[..held].iter();
        let shards: Vec<usize> = shards.map(|(shard, _)| *shard).collect();
        for shard in shards {
            self.release_at(shard, id, None);
        }
    }

    /// What a transaction has waited for is given back if it begins again. Whether it does.
    fn gives_back(&mut self, id: u32) -> bool {
        let transaction = self.transactions.transactions.get_mut(&id);
        let transaction = transaction.expect("it is there");
        let Some(at) = transaction.begins_again_at.take() else {
            return false;
        };
        let shard = transaction.claims[at].0;
        self.release_at(shard, id, None);
        true
    }

    fn release_at(&mut self, shard: usize, id: u32, commit: Option<Commit>) {
        if shard == self.shard.id {
            self.release_here(shard, id, commit);
        } else {
            let envelope = Envelope::Release {
                transaction: id,
                commit,
            };
            self.message_to(shard).envelopes.push(envelope);
        }
    }

    /// A transaction does not get what it has claimed: it gives back what it has, and nothing of it is done.
    fn refused(&mut self, id: u32) {
        let transaction = self.transactions.transactions.get_mut(&id);
        let transaction = transaction.expect("it is there");
        transaction.claims.truncate(transaction.held);
        let then = transaction.then.take().expect("it goes on once");
        self.release(id);
        match then {
            Then::Steps(operation, _, _)
            | Then::Save(operation)
            | Then::Reload(operation, _)
            | Then::LoadLog(operation) => {
                self.fail_operation(operation, BUSY);
            }
            Then::BackgroundSave(operation) => {
                self.background_save_refused(operation, BUSY.into());
            }
            Then::BeginLogs => self.logs_may_not_begin(),
            Then::Attempt(waiting) => self.fail_wait(waiting, BUSY),
            Then::Exec(token) => self.fail_exec(token, BUSY),
            Then::Script(key) => self.script_refused(key),
        }
    }

    /// Claims at this shard. None: it waits, and will be told.
    fn claim_here(
        &mut self,
        shard: usize,
        id: u32,
        claims: &Claims,
        watched: Vec<WatchedKey>,
        only_now: bool,
    ) -> Option<ClaimReply> {
        if only_now {
            let Some(ticket) = self.transactions.locks.claim_ahead(claims) else {
                let excluders = self.transactions.locks.excluders(claims);
                let mut walks = self.transactions.walks.iter();
                self.transactions.walks_are_in_the_way |= walks.any(|of| excluders.contains(of));
                self.ask_to_yield(claims);
                return Some(ClaimReply::Refused);
            };
            self.transactions.tickets.insert((shard, id), ticket);
            return Some(ClaimReply::Held {
                changes_at_ms: i64::MAX,
            });
        }
        if !self.transactions.busy.is_empty() && self.transactions.exclude(claims) {
            return Some(ClaimReply::Refused);
        }
        let kept = watched.clone();
        let waiter = Waiter::Transaction { shard, id, watched };
        let outcome = self.transactions.locks.claim(claims, waiter);
        let (Outcome::Held(ticket) | Outcome::Waits(ticket)) = outcome;
        self.transactions.tickets.insert((shard, id), ticket);
        matches!(outcome, Outcome::Held(_)).then(|| ClaimReply::Held {
            changes_at_ms: self.changes_at_ms(&kept),
        })
    }

    /// Holds keys for a walk over all keys, if nobody has claimed what excludes that: a walk waits for nobody while it holds something, and nobody else waits in a circle through it.
    pub(super) fn hold_for_walk<'a>(
        &mut self,
        keys: impl Iterator<Item = &'a [u8]>,
        mode: Mode,
    ) -> Option<Ticket> {
        let mut claims = Claims::default();
        keys.for_each(|key| claims.add(Place::key(key), mode));
        if self.transactions.exclude(&claims) {
            return None;
        }
        let nobody = Waiter::Walk;
        let outcome = self.transactions.locks.claim(&claims, nobody);
        let Outcome::Held(ticket) = outcome else {
            unreachable!("nothing excludes it");
        };
        self.transactions.walks.push(ticket);
        Some(ticket)
    }

    /// The same for one key, ahead of those who wait for it: they may wait for the end of the walk.
    pub(super) fn hold_ahead_for_walk(&mut self, key: &[u8]) -> Option<Ticket> {
        let mut claims = Claims::default();
        claims.add(Place::key(key), Mode::Read);
        let ticket = self.transactions.locks.claim_ahead(&claims)?;
        self.transactions.walks.push(ticket);
        Some(ticket)
    }

    /// A walk lets go of what it holds.
    pub(super) fn end_walk_hold(&mut self, ticket: Ticket) {
        self.transactions.walks.retain(|other| *other != ticket);
        self.transactions.walks_are_in_the_way = false;
        self.release_ticket(ticket);
    }

    /// From when on one of these watched keys of this shard is not as it was.
    pub(super) fn changes_at_ms(&mut self, watched: &[WatchedKey]) -> i64 {
        let engine = &mut self.shard.engine;
        let times = watched.iter().map(|watched| {
            let key = engine.key(watched.key.db, &watched.key.bytes);
            engine.changes_at(&key, watched.version)
        });
        times.min().unwrap_or(i64::MAX)
    }

    /// Another shard's transaction claims.
    pub(super) fn take_claim(
        &mut self,
        from: usize,
        id: u32,
        claims: &Claims,
        watched: Vec<WatchedKey>,
        only_now: bool,
    ) {
        if let Some(reply) = self.claim_here(from, id, claims, watched, only_now) {
            self.tell_claimed(from, id, reply);
        }
    }

    fn tell_claimed(&mut self, shard: usize, transaction: u32, reply: ClaimReply) {
        let envelope = Envelope::Claimed { transaction, reply };
        self.message_to(shard).envelopes.push(envelope);
    }

    /// A transaction holds all that it has claimed.
    fn all_held(&mut self, id: u32) {
        let transaction = self.transactions.transactions.get_mut(&id);
        let transaction = transaction.expect("it is there");
        let changes_at_ms = transaction.changes_at_ms;
        match transaction.then.take().expect("it goes on once") {
            Then::Steps(operation, steps, is_all) => {
                if is_all {
                    let token = self.operations.get(operation).token;
                    self.send_steps(operation, steps);
                    let wait = self.release(id);
                    self.wait_for(token, wait);
                } else {
                    self.operations.get(operation).transaction = Some(id);
                    self.send_steps(operation, steps);
                }
            }
            Then::Attempt(waiting) => self.attempt_locked(waiting, id),
            Then::Exec(token) => self.exec_locked(token, id, changes_at_ms),
            Then::Script(key) => self.script_locked(key, id),
            Then::Save(operation) => self.save_locked(operation, id),
            Then::BackgroundSave(operation) => self.begin_background_save(operation, id),
            Then::BeginLogs => self.logs_may_begin(id),
            Then::Reload(operation, wanted) => self.reload_locked(operation, wanted, id),
            Then::LoadLog(operation) => self.load_log_locked(operation, id),
        }
    }

    /// Ends a transaction. What its reply waits for, if it does.
    pub(super) fn release(&mut self, id: u32) -> Option<Wait> {
        self.release_all(&[id])
    }

    /// Ends what has claimed locks in several steps as one transaction: what it has changed is one record of each shard's log.
    pub(super) fn release_all(&mut self, ids: &[u32]) -> Option<Wait> {
        let mut ended = Vec::with_capacity(ids.len());
        for id in ids {
            let transaction = self.transactions.transactions.remove(id);
            let transaction = transaction.expect("it ends once");
            assert!(
                transaction.held == transaction.claims.len(),
                "it has all its locks"
            );
            ended.push((*id, transaction));
        }
        let commit = self.commit_of(&ended);
        let wait = commit
            .as_ref()
            .and_then(|commit| self.begin_settling(commit));
        let mut told: Participants = 0;
        for (id, transaction) in ended {
            for (shard, _) in transaction.claims {
                let is_first = told & 1 << shard == 0;
                told |= 1 << shard;
                self.release_at(shard, id, commit.filter(|_| is_first));
            }
        }
        wait
    }

    /// What the shards write down at the end of a transaction; None when it has only read, or nothing is kept.
    fn commit_of(&self, ended: &[(u32, Transaction)]) -> Option<Commit> {
        if !self.shard.journal.is_on() {
            return None;
        }
        let claims = ended
            .iter()
            .flat_map(|(_, transaction)| &transaction.claims);
        let written = claims.filter(|(_, claims)| claims.write());
        let participants: Participants = written.fold(0, |bits, (shard, _)| bits | 1 << shard);
        if participants == 0 {
            return None;
        }
        let client = ended[0].1.client;
        let is_awaited = self.awaits_durability(client);
        let needs_number = participants.count_ones() > 1 || is_awaited;
        let awaited_by = is_awaited.then_some(self.shard.id);
        Some(Commit {
            client,
            number: match needs_number {
                true => self.shared.next_transaction(participants, awaited_by),
                false => 0,
            },
            participants,
            is_awaited,
        })
    }

    /// What a client's transaction has changed that needed no locks, because it has not stopped, is written down.
    pub(super) fn commit_here(&mut self, client: Client) {
        let participants = 1 << self.shard.id;
        self.shard.commit(Commit {
            client,
            number: 0,
            participants,
            is_awaited: false,
        });
    }

    /// A client's transaction is written down here.
    pub(super) fn take_commit(&mut self, commit: Commit) {
        self.shard.commit(commit);
        self.committed(&commit);
    }

    /// A transaction has ended that held locks of this shard.
    pub(super) fn release_here(&mut self, from: usize, id: u32, commit: Option<Commit>) {
        if let Some(commit) = commit
            && commit.participants & 1 << self.shard.id != 0
        {
            self.take_commit(commit);
        }
        self.transactions.busy.remove(&(from, id));
        let ticket = self.transactions.tickets.remove(&(from, id));
        self.release_ticket(ticket.expect("it has claimed here"));
    }

    fn release_ticket(&mut self, ticket: Ticket) {
        for (ticket, waiter) in self.transactions.locks.release(ticket) {
            let granted = match waiter {
                Waiter::Request(message) => Granted::Request(ticket, message),
                Waiter::Walk => unreachable!("a walk never waits"),
                Waiter::Transaction { shard, id, watched } => {
                    let changes_at_ms = self.changes_at_ms(&watched);
                    let reply = ClaimReply::Held { changes_at_ms };
                    if shard != self.shard.id {
                        self.tell_claimed(shard, id, reply);
                        continue;
                    }
                    Granted::Transaction(id, reply)
                }
            };
            self.transactions.granted.push_back(granted);
        }
    }

    /// Goes on with what has waited for locks, as far as the turn has time.
    pub fn run_granted(&mut self) {
        while !self.turn.takes_no_more()
            && let Some(granted) = self.transactions.granted.pop_front()
        {
            match granted {
                Granted::Transaction(id, reply) => self.claimed(id, reply),
                Granted::Request(ticket, message) => self.run_parked(ticket, *message),
            }
        }
    }

    fn run_parked(&mut self, ticket: Ticket, mut message: Message) {
        let from = message.from;
        let view = message.request(0, 0).expect("one request was parked");
        let mut ranges = Vec::new();
        let mut reply = self.take_scratch_reply();
        let header = view.header;
        let args = message.args(&view, &mut ranges);
        let before = self.shard.journal.sequence();
        self.run_request(&header, args, None, &mut reply);
        let wait = self.wait_after(header.awaits, before);
        self.respond_when(wait, from, header.reply_to, &reply);
        self.keep_scratch_reply(reply);
        self.release_ticket(ticket);
    }

    /// Gives the reply of a request to who waits for it.
    pub(super) fn respond(&mut self, from: usize, reply_to: ReplyTo, reply: &Reply) {
        if from == self.shard.id {
            self.take_response(reply_to, &reply.bytes, &reply.large);
        } else {
            self.message_to(from).push_response(reply_to, reply);
        }
    }

    /// Keys of this shard are watched no longer.
    pub(super) fn unwatch_here(&mut self, keys: &[OwnedKey]) {
        for owned in keys {
            let key = self.shard.engine.key(owned.db, &owned.bytes);
            self.shard.engine.unwatch(&key);
        }
    }

    /// Begins to send or run what belongs to a client's transaction of this time that has all it needs; gives back what was before.
    pub(super) fn enter_locked(&mut self, time_ms: i64, client: Client) -> BeforeLocked {
        self.shard.engine.set_now(time_ms);
        BeforeLocked {
            is_locked: mem::replace(&mut self.transactions.is_locked, true),
            time_ms: mem::replace(&mut self.transactions.time_ms, time_ms),
            may_block: mem::replace(&mut self.shard.may_block, false),
            gathers_for: self.shard.journal.gather_for(Some(client)),
        }
    }

    /// Ends it.
    pub(super) fn leave_locked(&mut self, before: BeforeLocked) {
        self.transactions.is_locked = before.is_locked;
        self.transactions.time_ms = before.time_ms;
        self.shard.may_block = before.may_block;
        self.shard.journal.gather_for(before.gathers_for);
        let now_ms = if before.is_locked {
            before.time_ms
        } else {
            self.now_ms
        };
        self.shard.engine.set_now(now_ms);
    }

    /// Touch of a request with this header.
    pub(super) fn touch_of(header: &RequestHeader) -> Touch {
        if header.no_touch {
            Touch::No
        } else {
            Touch::Yes
        }
    }
}
