//! Snapshots in Redis' format: SAVE, BGSAVE, the rules of `save`, and the one at the stop. They are written to `dbfilename` in `dir`.
//!
//! Never: forks, or keeps a copy of the data. The decisions worth knowing. A snapshot is of one moment, on all shards: every writer is held back (a claim of every shard, for reading) until all
//! have begun their pictures (`shard::picture`), which is about as long as two messages take, and for SAVE until the end, as at the stop, where there are no writers any more. Each shard walks its
//! keys in slices of its turns ([`walk`]) and hands them to one thread that writes the file ([`write`]). A large value is handed over in pieces over many turns,
//! during which its key is held for reading; one shard at a time does that, because pieces of two values cannot take turns in the file. Who empties or exchanges databases meanwhile takes the
//! moment away: the snapshot begins again, and is of a later one. The version is 10, which Redis 7.0 reads, unless a hash has fields
//! that expire: then it is 12, of Redis 7.4.

mod channel;
pub mod walk;
mod write;

use super::commands::{Answered, Outcome};
use super::operations::Work;
use super::progress::Progress;
use super::reload::Wanted;
use super::server_operation::{Answer, Finish, ServerOperation};
use super::service::Service;
use super::shared::Shared;
use super::transactions::WalkIsAwaitedBy;
use super::worker::unix_ms;
use crate::command;
use crate::command::table::Command;
use crate::config::{Config, LogLevel};
use crate::engine::Client;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::locks::{Claims, Mode, Ticket};
use crate::shard::operation::Envelope;
use crate::shard::picture::Picture;
use crate::shard::slots;
use channel::Sender;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;
use walk::{Step, Walk};
use write::Chunk;

/// Chunks of keys that may wait for the writing thread.
const CHUNKS_MAX: usize = 32;
/// So often one begins again because a database was emptied meanwhile.
const AGAIN_MAX: u32 = 10;
/// After a failure the rules wait so long, as in Redis.
const RETRY_MS: i64 = 5000;
/// What Redis says to who wants two at a time.
const UNDER_WAY: &str = "ERR Background save already in progress";

/// One snapshot in the making.
pub struct Save {
    /// Where the shards hand over what they find; taken once by each.
    senders: Mutex<Vec<Option<Sender<Chunk>>>>,
    /// What has become of it: an error says why there is no new file.
    outcome: OnceLock<Result<(), String>>,
    /// Nobody waits for it, so that a failure is to be told otherwise.
    is_background: bool,
    /// A shard hands over a large value.
    is_large_open: AtomicBool,
    /// What it was to be of is gone: another one follows.
    is_void: AtomicBool,
    /// Whether each shard has so much ready that it would soon have to wait for the writing thread.
    behind: Vec<AtomicBool>,
    /// Bytes that each shard's picture takes, and the most that all have taken.
    picture_bytes: Vec<AtomicU64>,
    picture_bytes_max: AtomicU64,
    began: Instant,
}

impl Save {
    /// What has become of it, if it has ended.
    pub fn outcome(&self) -> Option<&Result<(), String>> {
        self.outcome.get()
    }

    fn sender(&self, shard: usize) -> Option<Sender<Chunk>> {
        let senders = self.senders.lock();
        senders.expect("nobody panics with it")[shard].take()
    }

    fn note_picture(&self, shard: usize, bytes: usize, is_behind: bool) {
        self.picture_bytes[shard].store(bytes as u64, Ordering::Relaxed);
        self.behind[shard].store(is_behind, Ordering::Relaxed);
        let all = self.bytes();
        self.picture_bytes_max.fetch_max(all, Ordering::Relaxed);
    }

    /// Whether the writing thread has time to compress.
    fn may_compress(&self) -> bool {
        let mut behind = self.behind.iter();
        !behind.any(|is_behind| is_behind.load(Ordering::Relaxed))
    }

    /// Bytes that it takes because keys change meanwhile.
    fn bytes(&self) -> u64 {
        let bytes = self.picture_bytes.iter();
        bytes.map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }
}

/// What is known of snapshots.
#[derive(Debug, Clone, Copy)]
pub struct SaveFigures {
    /// When the last good one was made; the start before there is any. Unix seconds.
    pub last_s: u64,
    /// The last one in the background went well, or any since.
    pub is_good: bool,
    /// How long the last one took, in seconds; none before there is any.
    pub last_took_s: Option<u64>,
    /// How long the one under way has taken so far.
    pub takes_s: Option<u64>,
    /// Good ones since the start.
    pub count: u64,
    /// Bytes that the one under way takes because keys change meanwhile, and the most it has taken.
    pub bytes: (u64, u64),
    /// The most that the last one has taken.
    pub last_bytes_max: u64,
}

struct State {
    under_way: Option<Arc<Save>>,
    figures: SaveFigures,
    tried_ms: i64,
    /// One is to begin as soon as it can.
    is_wanted: bool,
    /// How often one has begun again.
    again: u32,
}

/// What all shards share of snapshots.
pub struct Saves {
    state: Mutex<State>,
    /// Changes of each shard that no snapshot has, as of its last housekeeping.
    unsaved: Vec<AtomicU64>,
    /// The stop makes none, whatever the rules say.
    not_at_stop: AtomicBool,
    /// The stop makes one, whatever the rules say.
    asked_at_stop: AtomicBool,
    at_stop: OnceLock<Option<Arc<Save>>>,
    /// The last one in the background failed, and none has been made since.
    has_failed: AtomicBool,
    /// How far the one under way is.
    pub progress: Progress,
}

impl Saves {
    /// Nothing saved yet.
    pub fn new(shards: usize, started_ms: i64) -> Saves {
        Saves {
            state: Mutex::new(State {
                under_way: None,
                figures: SaveFigures {
                    last_s: (started_ms / 1000) as u64,
                    is_good: true,
                    last_took_s: None,
                    takes_s: None,
                    count: 0,
                    bytes: (0, 0),
                    last_bytes_max: 0,
                },
                tried_ms: 0,
                is_wanted: false,
                again: 0,
            }),
            unsaved: (0..shards).map(|_| AtomicU64::new(0)).collect(),
            not_at_stop: AtomicBool::new(false),
            asked_at_stop: AtomicBool::new(false),
            at_stop: OnceLock::new(),
            has_failed: AtomicBool::new(false),
            progress: Progress::new("saving", "saved"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// For INFO and LASTSAVE.
    pub fn figures(&self) -> SaveFigures {
        let state = self.state();
        let Some(save) = &state.under_way else {
            return SaveFigures {
                takes_s: state.is_wanted.then_some(0),
                ..state.figures
            };
        };
        let bytes_max = save.picture_bytes_max.load(Ordering::Relaxed);
        SaveFigures {
            takes_s: Some(save.began.elapsed().as_secs()),
            bytes: (save.bytes(), bytes_max),
            ..state.figures
        }
    }

    /// Whether writes are to be refused, because snapshots are to be made and the last one in the background failed.
    #[inline]
    pub fn refuse_writes(&self, config: &Config) -> bool {
        self.has_failed.load(Ordering::Relaxed)
            && config.stop_writes_on_bgsave_error
            && !config.save.is_empty()
    }

    /// Begins one unless one is under way: the thread that writes it; the shards are still to be told. An error is the reply's text.
    fn begin(self: &Saves, shared: &Arc<Shared>, is_background: bool) -> Result<Arc<Save>, String> {
        let mut state = self.state();
        if state.under_way.is_some() {
            return Err(UNDER_WAY.into());
        }
        let (sender, receiver) = channel::bounded(CHUNKS_MAX);
        let senders = (0..shared.shards()).map(|_| Some(sender.clone()));
        let save = Arc::new(Save {
            senders: Mutex::new(senders.collect()),
            outcome: OnceLock::new(),
            is_background,
            is_large_open: AtomicBool::new(false),
            is_void: AtomicBool::new(false),
            behind: (0..shared.shards())
                .map(|_| AtomicBool::new(false))
                .collect(),
            picture_bytes: (0..shared.shards()).map(|_| AtomicU64::new(0)).collect(),
            picture_bytes_max: AtomicU64::new(0),
            began: Instant::now(),
        });
        state.tried_ms = unix_ms();
        // Its end waits for the lock, and so comes behind what is noted here.
        write::begin(shared.clone(), save.clone(), receiver)
            .map_err(|error| format!("ERR no thread could be started: {error}"))?;
        state.under_way = Some(save.clone());
        state.is_wanted = false;
        if let Some(text) = self.progress.begin() {
            shared.say(LogLevel::Notice, text);
        }
        Ok(save)
    }

    /// Notes what has become of one, and wakes those who wait for it.
    fn end(&self, shared: &Shared, save: &Save, outcome: Result<(), String>) {
        let mut state = self.state();
        state.under_way = None;
        state.figures.last_bytes_max = save.picture_bytes_max.load(Ordering::Relaxed);
        if outcome.is_err()
            && save.is_background
            && save.is_void.load(Ordering::Relaxed)
            && state.again < AGAIN_MAX
        {
            state.again += 1;
            state.is_wanted = true;
            drop(state);
            self.progress.end(true);
            let text = "the snapshot begins again, because a database was emptied or exchanged";
            shared.say(LogLevel::Notice, text.into());
            return save.outcome.set(outcome).expect("it ends once");
        }
        state.again = 0;
        let figures = &mut state.figures;
        // Who waited for a SAVE that failed knows it, and Redis counts it for nothing.
        figures.is_good = outcome.is_ok() || figures.is_good && !save.is_background;
        self.has_failed.store(!figures.is_good, Ordering::Relaxed);
        figures.last_took_s = Some(save.began.elapsed().as_secs());
        if outcome.is_ok() {
            figures.last_s = (unix_ms() / 1000) as u64;
            figures.count += 1;
        }
        // Who sees these figures sees the outcome, too.
        save.outcome.set(outcome.clone()).expect("it ends once");
        drop(state);
        let line = match (self.progress.end(outcome.is_ok()), &outcome) {
            (_, Err(error)) => Some((LogLevel::Warning, error.clone())),
            (Some((true, text)), Ok(())) => Some((LogLevel::Notice, text)),
            _ => None,
        };
        if let Some((level, text)) = line {
            shared.say(level, text);
        }
        shared.inboxes.iter().for_each(|inbox| inbox.wake());
    }

    /// Whether the rules ask for one now.
    fn is_due(&self, config: &Config, now_ms: i64) -> bool {
        let is_wanted = self.state().is_wanted;
        if is_wanted || config.save.is_empty() {
            return is_wanted;
        }
        let unsaved = self.unsaved.iter();
        let unsaved: u64 = unsaved.map(|count| count.load(Ordering::Relaxed)).sum();
        let state = self.state();
        let passed_s = (now_ms / 1000).saturating_sub_unsigned(state.figures.last_s);
        let may_try = state.figures.is_good || now_ms - state.tried_ms > RETRY_MS;
        let is_met = |&(seconds, changes): &(u32, u32)| {
            unsaved >= u64::from(changes) && passed_s > i64::from(seconds)
        };
        state.under_way.is_none() && may_try && config.save.iter().any(is_met)
    }

    /// What became of the one at the stop, if there was one.
    pub fn at_stop(&self) -> Option<Result<(), String>> {
        let save = self.at_stop.get()?.as_ref()?;
        Some(save.outcome.wait().clone())
    }
}

/// A shard is to begin its part, and to say so to this one.
struct SaveBegins(Arc<Save>, usize);

/// It has.
struct SaveBegun;

/// A snapshot in the background whose shards have not all begun: writers are held back.
struct Beginning {
    /// How many are still to begin.
    left: usize,
    /// What holds the writers back.
    transaction: u32,
    /// BGSAVE, unless a rule has asked.
    operation: Option<u32>,
}

/// Who waits for a snapshot.
struct Awaiting {
    save: Arc<Save>,
    operation: u32,
    then: Then,
}

/// What comes after it.
enum Then {
    /// The locks of this transaction go.
    Release(u32),
    /// All is loaded again.
    Reload(Wanted),
}

/// A shard's side of snapshots.
#[derive(Default)]
pub struct Saving {
    walk: Option<Walk>,
    awaiting: Option<Awaiting>,
    /// A rule has asked for one, and writers are not held back yet.
    is_claiming: bool,
    beginning: Option<Beginning>,
    /// Changes that the shard had counted when the last good snapshot came by; wraps around with CONFIG RESETSTAT.
    saved: u64,
    /// The same for one whose outcome is not known yet.
    saved_if: Option<(Arc<Save>, u64)>,
}

impl Saving {
    /// Whether a slice of a walk could be done at once.
    pub fn has_work(&self) -> bool {
        self.walk.as_ref().is_some_and(|walk| !walk.is_blocked)
    }

    /// Whether it has to be looked at again soon though nothing happens.
    pub fn is_blocked(&self) -> bool {
        self.walk.is_some()
    }

    /// The count of changes begins anew.
    pub fn changes_reset(&mut self, changes: u64) {
        self.saved = self.saved.wrapping_sub(changes);
        if let Some((_, count)) = &mut self.saved_if {
            *count = count.wrapping_sub(changes);
        }
    }
}

impl Service {
    /// Changes of this shard that no snapshot has.
    pub fn changes_unsaved(&self) -> u64 {
        let saving = &self.saving;
        let saved = match &saving.saved_if {
            Some((save, count)) if save.outcome() == Some(&Ok(())) => *count,
            _ => saving.saved,
        };
        self.shard.stats.changes.wrapping_sub(saved)
    }

    /// SAVE.
    pub(super) fn save(&mut self, index: u32, finish: Finish, muted: bool) -> Outcome {
        if self.shared.saves.figures().takes_s.is_some() {
            if matches!(finish, Finish::Saved) {
                return Err(UNDER_WAY.into());
            }
            // The one under way is given up, and one is made when nobody does anything any more.
            self.shared
                .saves
                .asked_at_stop
                .store(true, Ordering::Release);
            self.shared.stop();
            return Ok(Answered::Now);
        }
        let Some(token) = self.connection_at(index).map(|connection| connection.token) else {
            return Ok(Answered::Later);
        };
        let operation = ServerOperation::of_one(finish);
        let Some(id) = self.begin(index, Work::Server(operation), true, muted) else {
            return Ok(Answered::Later);
        };
        let claims = self.claims_of_all();
        let client = Client {
            shard: self.shard.id as u32,
            token: token.to_bits(),
        };
        let transaction = self.acquire(
            claims,
            Vec::new(),
            super::transactions::Then::Save(id),
            client,
        );
        self.claim_next(transaction);
        Ok(Answered::Later)
    }

    /// SAVE has all writers stopped.
    pub(super) fn save_locked(&mut self, operation: u32, transaction: u32) {
        match self.begin_save(false) {
            Ok(save) => {
                self.saving.awaiting = Some(Awaiting {
                    save,
                    operation,
                    then: Then::Release(transaction),
                });
            }
            Err(error) => {
                self.release(transaction);
                self.take_answer(operation, Answer::Saved(Err(error)));
            }
        }
    }

    /// The same for DEBUG RELOAD.
    pub(super) fn begin_save_for_reload(
        &mut self,
        operation: u32,
        wanted: Wanted,
    ) -> Result<(), String> {
        let save = self.begin_save(false)?;
        self.saving.awaiting = Some(Awaiting {
            save,
            operation,
            then: Then::Reload(wanted),
        });
        Ok(())
    }

    /// `BGSAVE [SCHEDULE]`.
    pub(super) fn bgsave(
        &mut self,
        index: u32,
        args: &Args<'_>,
        muted: bool,
        reply: &mut Reply,
    ) -> Outcome {
        match args.len() {
            1 => {}
            2 if args.get(1).eq_ignore_ascii_case(b"schedule") => {}
            _ => return Err("ERR syntax error".into()),
        }
        let shared = self.shared.clone();
        let mut state = shared.saves.state();
        if state.under_way.is_some() || state.is_wanted {
            return Err(UNDER_WAY.into());
        }
        if self.transactions.is_locked {
            // A transaction cannot wait for its own end.
            state.is_wanted = true;
            reply.simple("Background saving scheduled");
            return Ok(Answered::Now);
        }
        drop(state);
        let operation = ServerOperation::of_one(Finish::SaveBegun);
        if let Some(id) = self.begin(index, Work::Server(operation), true, muted) {
            self.hold_writers_back(Some(id));
        }
        Ok(Answered::Later)
    }

    /// Goes on with [`Service::begin_background_save`] when nobody changes anything.
    fn hold_writers_back(&mut self, operation: Option<u32>) {
        let token = operation.map(|id| self.operations.get(id).token);
        let client = Client {
            shard: self.shard.id as u32,
            token: token.map_or(0, |token| token.to_bits()),
        };
        let claims = self.claims_of_all();
        let then = super::transactions::Then::BackgroundSave(operation);
        let transaction = self.acquire(claims, Vec::new(), then, client);
        self.claim_next(transaction);
    }

    /// Every shard, for reading.
    pub(in crate::server) fn claims_of_all(&self) -> BTreeMap<usize, Claims> {
        let mut claims: BTreeMap<usize, Claims> = BTreeMap::new();
        for shard in 0..self.shards() {
            claims.entry(shard).or_default().add_whole(Mode::Read);
        }
        claims
    }

    /// Writers are held back: this is the moment.
    pub(super) fn begin_background_save(&mut self, operation: Option<u32>, transaction: u32) {
        self.saving.is_claiming = false;
        if let Err(error) = self.begin_save(true) {
            self.release(transaction);
            return self.background_save_refused(operation, error);
        }
        self.saving.beginning = Some(Beginning {
            left: self.shards(),
            transaction,
            operation,
        });
        self.save_has_begun();
    }

    /// There is none, for this reason.
    pub(super) fn background_save_refused(&mut self, operation: Option<u32>, error: String) {
        self.saving.is_claiming = false;
        if let Some(operation) = operation {
            self.take_answer(operation, Answer::Saved(Err(error)));
        }
    }

    /// One more shard has begun; after the last one writers go on.
    fn save_has_begun(&mut self) {
        let Some(beginning) = &mut self.saving.beginning else {
            return;
        };
        beginning.left -= 1;
        if beginning.left == 0 {
            let (transaction, operation) = (beginning.transaction, beginning.operation);
            self.saving.beginning = None;
            self.release(transaction);
            if let Some(operation) = operation {
                self.take_answer(operation, Answer::Saved(Ok(())));
            }
        }
    }

    /// LASTSAVE.
    pub(super) fn lastsave(&mut self, reply: &mut Reply) -> Outcome {
        reply.integer(self.shared.saves.figures().last_s as i64);
        Ok(Answered::Now)
    }

    /// Begins a snapshot, and tells all shards.
    fn begin_save(&mut self, is_background: bool) -> Result<Arc<Save>, String> {
        let shared = self.shared.clone();
        let save = shared.saves.begin(&shared, is_background)?;
        let own = self.shard.id;
        for shard in (0..self.shards()).filter(|&shard| shard != own) {
            let begins = Box::new(SaveBegins(save.clone(), own));
            let envelopes = &mut self.message_to(shard).envelopes;
            envelopes.push(Envelope::Server(begins));
        }
        self.begin_walk(save.clone());
        Ok(save)
    }

    /// Takes a matter of snapshots that another shard sent, or gives back what is none.
    pub(super) fn take_save(
        &mut self,
        matter: Box<dyn std::any::Any + Send>,
    ) -> Result<(), Box<dyn std::any::Any + Send>> {
        let matter = match matter.downcast::<SaveBegins>() {
            Err(matter) => matter,
            Ok(begins) => {
                let SaveBegins(save, from) = *begins;
                self.begin_walk(save);
                let begun = Envelope::Server(Box::new(SaveBegun));
                self.message_to(from).envelopes.push(begun);
                return Ok(());
            }
        };
        matter.downcast::<SaveBegun>()?;
        self.save_has_begun();
        Ok(())
    }

    fn begin_walk(&mut self, save: Arc<Save>) {
        self.note_saved();
        self.saving.walk = self.walk_for(&save);
        self.saving.saved_if = Some((save, self.shard.stats.changes));
    }

    /// This shard's walk for a snapshot, which it begins once.
    fn walk_for(&mut self, save: &Arc<Save>) -> Option<Walk> {
        let sender = save.sender(self.shard.id)?;
        self.shared.saves.progress.expect(self.keys());
        let picture = Picture::begin(&self.shard.engine, self.config.maxmemory_policy);
        self.shard.picture = Some(Box::new(picture));
        let bytes = self.shard.engine.stats().bytes_used;
        Some(Walk::new(sender, save.clone(), bytes))
    }

    /// Keys of all databases of this shard.
    pub(super) fn keys(&self) -> u64 {
        let engine = &self.shard.engine;
        let keys = (0..engine.databases()).map(|db| engine.len(db) as u64);
        keys.sum()
    }

    /// Remembers what the last snapshot has, once it is known to be good.
    fn note_saved(&mut self) {
        let saving = &mut self.saving;
        if let Some((save, count)) = &saving.saved_if
            && let Some(outcome) = save.outcome()
        {
            if outcome.is_ok() {
                saving.saved = *count;
            }
            saving.saved_if = None;
        }
    }

    /// A slice of what is under way, in a turn.
    pub fn save_slice(&mut self) {
        if let Some(walk) = self.saving.walk.take() {
            self.saving.walk = self.walk_to_save(walk);
        }
        let awaiting = &mut self.saving.awaiting;
        if let Some(ended) = awaiting.take_if(|awaiting| awaiting.save.outcome().is_some()) {
            let outcome = ended.save.outcome().expect("just seen").clone();
            let outcome = outcome.map_err(|error| format!("ERR {error}"));
            match (ended.then, outcome) {
                (Then::Release(transaction), outcome) => {
                    self.release(transaction);
                    self.take_answer(ended.operation, Answer::Saved(outcome));
                }
                (Then::Reload(wanted), Ok(())) => self.reload_saved(ended.operation, wanted),
                (Then::Reload(_), Err(error)) => self.end_reload(ended.operation, error),
            }
        }
    }

    /// Goes on with a walk for a while. None: it has come to the end, or nobody wants it any more.
    fn walk_to_save(&mut self, mut walk: Walk) -> Option<Walk> {
        let began = Instant::now();
        let slice = match self.is_save_awaited(&walk) {
            true => walk::SLICE.max(self.turn.left_for_walks()),
            false => walk::SLICE,
        };
        if let Some(hold) = walk.hold
            && self.transactions.waits_for_walk(hold) == WalkIsAwaitedBy::Everybody
            && walk.lets_go(&mut self.shard)
        {
            self.end_walk_hold(hold);
        }
        let goes_on = loop {
            match walk.slice(&mut self.shard, began, slice) {
                Step::More => break true,
                Step::Wants(key) => {
                    let hold = self.hold_ahead_for_walk(&key);
                    walk.answer(&mut self.shard, hold);
                }
                Step::LetsGo(hold) => self.end_walk_hold(hold),
                Step::End => break false,
            }
        };
        if let Some(picture) = &self.shard.picture {
            walk.note_picture(self.shard.id, picture);
        }
        if !goes_on {
            self.shard.picture = None;
        }
        goes_on.then_some(walk)
    }

    /// Whether somebody waits for what a walk holds.
    fn is_save_awaited(&self, walk: &Walk) -> bool {
        let picture = self.shard.picture.as_ref();
        let later = picture.into_iter().flat_map(|picture| picture.holds());
        let mut holds = walk.hold.into_iter().chain(later);
        holds.any(|hold| self.transactions.waits_for_walk(hold) != WalkIsAwaitedBy::Nobody)
    }

    /// All data is about to be loaded again.
    pub(super) fn void_save(&mut self) {
        if let Some(walk) = &self.saving.walk {
            walk.void();
            self.give_up_save();
        }
    }

    /// The walk under way comes to nothing, and lets go of what it holds.
    pub(super) fn give_up_save(&mut self) {
        let walk = self.saving.walk.take();
        let picture = self.shard.picture.take();
        let later = picture.iter().flat_map(|picture| picture.holds());
        let holds: Vec<Ticket> = walk
            .and_then(|walk| walk.hold)
            .into_iter()
            .chain(later)
            .collect();
        holds.into_iter().for_each(|hold| self.end_walk_hold(hold));
    }

    /// A request that writes is about to be carried out. If it would take long to put down for the snapshot under way what there is, its key is held until that is
    /// done over several turns, and the request waits for it like any that meets a lock.
    #[cold]
    pub(super) fn before_change(&mut self, row: &Command, args: &Args<'_>, db: usize) {
        let shards = self.shards();
        for at in command::key_positions(row, args) {
            let key = args.get(at);
            let shard = &mut self.shard;
            if let Some(picture) = &mut shard.picture
                && slots::owner(key, shards) == shard.id
                && picture.is_slow(&mut shard.engine, db, key)
                && let Some(hold) = self.hold_for_walk([key].into_iter(), Mode::Read)
                && let Some(picture) = &mut self.shard.picture
            {
                picture.put_first(&self.shard.engine, db, key, hold);
            }
        }
    }

    /// Looks at the rules, and tells the shard that does so what there is to save.
    pub(super) fn save_housekeeping(&mut self) {
        self.note_saved();
        let shared = self.shared.clone();
        let unsaved = &shared.saves.unsaved[self.shard.id];
        unsaved.store(self.changes_unsaved(), Ordering::Relaxed);
        let is_serving = !shared.stopping.load(Ordering::Relaxed);
        let is_free = !self.saving.is_claiming && self.shard.id == 0 && is_serving;
        if is_free && shared.saves.is_due(&self.config, self.now_ms) {
            self.saving.is_claiming = true;
            self.hold_writers_back(None);
        }
    }

    /// The last thing before the end: no request is under way anywhere, and if there are rules all is saved once more.
    pub fn save_at_stop(&mut self) {
        let shared = self.shared.clone();
        let saves = &shared.saves;
        // One in the background comes to nothing.
        self.give_up_save();
        let save = saves.at_stop.get_or_init(|| {
            // What is under way ends as soon as all shards have let go of it.
            let under_way = saves.state().under_way.clone();
            if let Some(save) = under_way {
                let senders = save.senders.lock();
                senders.expect("nobody panics with it").fill(None);
                let _ = save.outcome.wait();
            }
            let is_asked = saves.asked_at_stop.load(Ordering::Acquire);
            let wanted = (is_asked || !self.config.save.is_empty())
                && !saves.not_at_stop.load(Ordering::Acquire);
            match wanted {
                true => saves.begin(&shared, false).ok(),
                false => None,
            }
        });
        if let Some(walk) = save.as_ref().and_then(|save| self.walk_for(save)) {
            walk.finish(&mut self.shard);
            self.shard.picture = None;
        }
    }

    /// Writes the reply of SAVE, or stops after it.
    pub(super) fn finish_save(
        &mut self,
        finish: &Finish,
        answer: Option<Answer>,
        reply: &mut Reply,
    ) {
        let outcome = match answer {
            Some(Answer::Saved(outcome)) => outcome,
            _ => Err(super::transactions::BUSY.to_string()),
        };
        match (outcome, finish) {
            (Ok(()), Finish::SavedAtStop) | (_, Finish::SavedOrNotAtStop) => self.stop_unsaved(),
            (Ok(()), Finish::SaveBegun) => reply.simple("Background saving started"),
            (Ok(()), _) => reply.ok(),
            (Err(_), Finish::SavedAtStop) => {
                reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
            }
            (Err(error), _) => reply.error(&error),
        }
    }

    /// Stops without a snapshot, or without another one.
    pub(super) fn stop_unsaved(&mut self) {
        let saves = &self.shared.saves;
        saves.not_at_stop.store(true, Ordering::Release);
        self.shared.stop();
    }
}
