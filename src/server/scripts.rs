//! Scripts and functions on this shard: what runs, what it may touch, and what becomes of its calls.
//!
//! A script runs on the shard that owns the keys it declares, or that its client is connected to. While it touches keys of this shard alone it simply runs, and nobody else
//! does meanwhile, so it needs no locks. It needs them as soon as it stops in between: because a call concerns another shard, or because it has run for a slice of time and others
//! are to be served. The decision worth knowing: declared keys that lie on several shards are claimed before the start. A script that touches others is begun again with
//! all shards locked if it has not written yet, and is remembered, so that it begins like that the next time; one that has written claims the key in the middle, without waiting
//! in a queue, because who waits there while he holds something could wait in a circle.

use super::commands::line_of_call;
use super::connection::{Hold, Socket};
use super::requests::Known;
use super::service::Service;
use super::transactions::{BUSY, Then, Transactions};
use crate::command::table::{self, Command, flags};
use crate::command::{self, Route, Run};
use crate::config::LogLevel;
use crate::engine::Client;
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::script::flags::ScriptFlags;
use crate::script::store::ScriptStore;
use crate::script::{Answer, Ask, RestorePolicy, RunId, STATE_MEMORY_BYTES_MAX, Scripts, What};
use crate::shard::locks::{Claims, Mode, Place};
use crate::shard::message::{Message, Origin, ReplyTo, RequestHeader};
use crate::shard::{KeysRead, slots};
use foldhash::{HashMap, HashSet};
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A script runs for so long at most before others are served.
const SLICE: Duration = Duration::from_micros(300);
/// A script that needs a key in the middle which others hold tries for so long.
const REACHING_MS_MAX: i64 = 2000;
/// Scripts of which it is remembered that they touch keys which they do not declare.
const REMEMBERED_MAX: usize = 4096;

const REACHED_IN_VAIN: &[u8] = b"-ERR the script needs a key that it has not declared and that another transaction holds; declare it\r\n";
const SCRIPT_KILLED: &[u8] = b"ERR Error running script: Script killed by user with SCRIPT KILL.";
const FUNCTION_KILLED: &[u8] =
    b"ERR Error running script: Script killed by user with FUNCTION KILL.";
const UNKNOWN: &[u8] = b"-ERR Unknown Redis command called from script\r\n";
const WRONG_ARGUMENTS: &[u8] = b"-ERR Wrong number of args calling Redis command from script\r\n";
const NOT_ALLOWED: &[u8] = b"-ERR This Redis command is not allowed from script\r\n";
const XREAD_BLOCKS: &[u8] = b"-ERR XREAD command is not allowed with BLOCK option from scripts\r\n";
const XREADGROUP_BLOCKS: &[u8] =
    b"-ERR XREADGROUP command is not allowed with BLOCK option from scripts\r\n";
const MISCONF: &[u8] = b"-MISCONF Errors writing to disk, see INFO persistence\r\n";
const READ_ONLY: &[u8] = b"-ERR Write commands are not allowed from read-only scripts.\r\n";

/// What a script may touch.
enum Reach {
    /// Keys of this shard that nobody holds: it has not stopped since it began.
    Here,
    /// These, which it holds.
    Held(HashSet<Place>),
    /// All keys, which it or the transaction it belongs to holds.
    All,
}

/// What is to be run.
#[derive(Clone)]
struct Invocation {
    is_function: bool,
    is_read_only: bool,
    /// The hash of the script in hexadecimal digits, or the name of the function.
    name: Vec<u8>,
    /// How many keys it declares, which are arguments 3 and those behind.
    keys: usize,
    from: usize,
    header: RequestHeader,
    /// The connection of this shard that waits for it.
    holder: Option<Token>,
}

impl Invocation {
    fn what(&self) -> What<'_> {
        if self.is_function {
            What::Function(&self.name)
        } else {
            What::Script(&self.name)
        }
    }

    /// What is remembered of it.
    fn kind(&self) -> (Vec<u8>, usize) {
        (self.name.clone(), self.keys)
    }

    fn mode(&self) -> Mode {
        if self.is_read_only {
            Mode::Read
        } else {
            Mode::Write
        }
    }

    fn declared<'a>(&self, args: &'a Args<'_>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        (3..3 + self.keys).map(|at| args.get(at))
    }
}

/// A script from its request to its end.
struct Running {
    invocation: Invocation,
    run: Option<RunId>,
    /// The request, kept from the first stop on.
    request: Option<Box<Message>>,
    is_holding: bool,
    reach: Reach,
    /// What it has touched on this shard without declaring it, while it reached no further.
    touched: HashSet<Place>,
    /// It has looked at the whole shard, which is the only one.
    touches_all: bool,
    transactions: Vec<u32>,
    has_written: bool,
    db: usize,
    began_ms: i64,
    /// The time that it and its calls see, all along; Unix milliseconds.
    time_ms: i64,
    /// It has used up a slice.
    is_long: bool,
    /// It has touched keys that it has not declared, on another shard or as one of several.
    goes_far: bool,
    /// Others are answered that it is busy.
    is_busy: bool,
    /// The connection through which it calls what is not simply here.
    inner: Option<Token>,
    /// A call that needs more than it holds, and until when it is tried.
    reaching: Option<(Box<Message>, i64)>,
    kill: Option<&'static [u8]>,
    reply: Reply,
}

/// A function that runs, for FUNCTION STATS.
#[derive(Debug, Clone)]
pub struct RunningFunction {
    /// The request that it is run for; the second word is its name.
    pub words: Vec<Vec<u8>>,
    /// For how long it has run, in milliseconds.
    pub duration_ms: u64,
}

impl Running {
    /// The keys that the request declares, once it is kept.
    fn declared(&self) -> impl Iterator<Item = &[u8]> {
        let request = self.request.as_ref().expect("it was kept");
        let view = request.request(0, 0).expect("one request");
        let words = 3..3 + self.invocation.keys;
        words.map(move |at| request.argument(&view, at).expect("words are not large"))
    }

    /// Whose it is.
    fn client(&self) -> Client {
        self.invocation.header.origin.client
    }

    /// Who is behind a call.
    fn origin_of(&self, row: &Command) -> Origin {
        let origin = self.invocation.header.origin;
        Origin {
            is_tracked: origin.is_tracked && row.flags & flags::READONLY != 0,
            ..origin
        }
    }
}

/// The scripts of one shard.
pub(super) struct ScriptRuns {
    pub(super) scripts: Scripts,
    runs: Vec<Option<Box<Running>>>,
    free: Vec<u32>,
    /// Those that go on in the next turn.
    paused: VecDeque<u32>,
    /// Of those that have run before, by their names and how many keys they declared: whether they touch keys which they do not declare.
    far: HashMap<(Vec<u8>, usize), bool>,
}

impl ScriptRuns {
    /// None yet.
    pub(super) fn new(store: Arc<ScriptStore>) -> ScriptRuns {
        ScriptRuns {
            scripts: Scripts::new(store, STATE_MEMORY_BYTES_MAX),
            runs: Vec::new(),
            free: Vec::new(),
            paused: VecDeque::new(),
            far: HashMap::default(),
        }
    }

    /// Whether some of them go on in the next turn.
    pub(super) fn has_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    /// Whether none has stopped in between.
    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.runs.len()
    }

    fn keep(&mut self, running: Box<Running>) -> u32 {
        match self.free.pop() {
            Some(key) => {
                self.runs[key as usize] = Some(running);
                key
            }
            None => {
                self.runs.push(Some(running));
                self.runs.len() as u32 - 1
            }
        }
    }

    /// Takes one out in order to go on with it. None: it has ended.
    fn take(&mut self, key: u32) -> Option<Box<Running>> {
        let running = self.runs[key as usize].take()?;
        self.free.push(key);
        Some(running)
    }
}

/// How a call ends that was looked at.
enum Called {
    /// With this reply.
    Refused(&'static [u8]),
    /// It may be run on this shard.
    Here(&'static Command),
    /// It concerns more, or what others hold.
    Elsewhere(&'static Command),
}

impl Service {
    /// Takes the function libraries that a log has.
    pub fn restore_libraries(&mut self, bytes: &[u8]) -> Result<(), String> {
        let scripts = &mut self.script_runs.scripts;
        let restored = scripts.restore_libraries(bytes, RestorePolicy::Flush);
        restored.map_err(|text| String::from_utf8_lossy(&text).into_owned())
    }

    /// EVAL, EVALSHA, FCALL and those that only read.
    pub(super) fn script_command(
        &mut self,
        index: u32,
        row: &'static Command,
        known: Known,
        args: Args<'_>,
        muted: bool,
    ) {
        let is_elsewhere = known.owner != self.shard.id
            && !self.transactions.is_locked
            && self.one_owner(row, &args, known.owner);
        if is_elsewhere {
            return self.hop(index, row, known.owner, args, known.len, muted);
        }
        let own = self.shard.id;
        let Some(header) = self.hop_header(index, row, own, muted) else {
            return;
        };
        let token = self.connection_at(index).map(|connection| connection.token);
        self.run_script(own, &header, row, &args, token);
    }

    /// Runs a script for who has sent its request; the reply goes there, now or later.
    pub(super) fn run_script(
        &mut self,
        from: usize,
        header: &RequestHeader,
        row: &'static Command,
        args: &Args<'_>,
        holder: Option<Token>,
    ) {
        let invocation = match self.invocation(from, header, row, args, holder) {
            Ok(invocation) => invocation,
            Err(text) => {
                let mut reply = Reply::new(header.protocol);
                reply.error(text);
                return self.respond(from, header.reply_to, &reply);
            }
        };
        let reach = if header.locked {
            Reach::All
        } else {
            self.reach_at_first(&invocation, args)
        };
        let is_locked = header.locked || matches!(reach, Reach::Here);
        let mut running = Box::new(Running {
            invocation,
            run: None,
            request: None,
            is_holding: false,
            reach,
            touched: HashSet::default(),
            touches_all: false,
            transactions: Vec::new(),
            has_written: false,
            db: header.db as usize,
            began_ms: self.now_ms,
            time_ms: self.now_ms,
            is_long: false,
            goes_far: false,
            is_busy: false,
            inner: None,
            reaching: None,
            kill: None,
            reply: Reply::default(),
        });
        if is_locked {
            self.start_script(running, args);
        } else {
            self.keep_request(&mut running, args);
            self.lock_script(running);
        }
    }

    fn invocation(
        &mut self,
        from: usize,
        header: &RequestHeader,
        row: &'static Command,
        args: &Args<'_>,
        holder: Option<Token>,
    ) -> Result<Invocation, Vec<u8>> {
        let is_function = row.name.starts_with("fcall");
        let no_number = if is_function {
            &b"ERR Bad number of keys provided"[..]
        } else {
            b"ERR value is not an integer or out of range"
        };
        let count = command::number::parse_i64(args.get(2)).ok_or(no_number)?;
        if count < 0 {
            return Err(b"ERR Number of keys can't be negative".into());
        }
        let keys = usize::try_from(count).ok();
        let Some(keys) = keys.filter(|&keys| keys <= args.len() - 3) else {
            return Err(b"ERR Number of keys can't be greater than number of args".into());
        };
        let name = if is_function {
            args.get(1).to_vec()
        } else if row.name.starts_with("evalsha") {
            args.get(1).to_ascii_lowercase()
        } else {
            let hash = self.script_runs.scripts.load(args.get(1), false)?;
            hash.to_vec()
        };
        let what = if is_function {
            What::Function(&name)
        } else {
            What::Script(&name)
        };
        let flags = self.script_runs.scripts.flags(what);
        let promises = flags.is_some_and(|flags| flags.has(ScriptFlags::NO_WRITES));
        let only_reads = row.flags & flags::READONLY != 0;
        let may_write = flags.is_some_and(|flags| !flags.has(ScriptFlags::UNDECLARED) && !promises);
        if only_reads && may_write {
            return Err(b"ERR Can not execute a script with write flag using *_ro command.".into());
        }
        Ok(Invocation {
            is_function,
            is_read_only: only_reads || promises,
            name,
            keys,
            from,
            header: *header,
            holder,
        })
    }

    /// Whether a script touches keys that it does not declare, as far as is known: one that has not run yet may.
    fn goes_far(&self, invocation: &Invocation) -> bool {
        let known = self.script_runs.far.get(&invocation.kind());
        *known.unwrap_or(&true)
    }

    /// What a script is to reach when it begins.
    fn reach_at_first(&self, invocation: &Invocation, args: &Args<'_>) -> Reach {
        if self.shards() == 1 {
            if self.transactions.is_quiet() {
                return Reach::Here;
            }
            let mut claims = Claims::default();
            for key in invocation.declared(args) {
                claims.add(Place::key(key), invocation.mode());
            }
            // Who does not touch the key that a walk over all keys holds need not wait for its end.
            let is_free =
                self.transactions.is_quiet_but_for_walks() && !self.transactions.exclude(&claims);
            return if is_free { Reach::Here } else { Reach::All };
        }
        if self.goes_far(invocation) {
            return Reach::All;
        }
        let (own, shards) = (self.shard.id, self.shards());
        let is_here = invocation
            .declared(args)
            .all(|key| slots::owner(key, shards) == own);
        let is_free = || {
            let mut claims = Claims::default();
            for key in invocation.declared(args) {
                claims.add(Place::key(key), invocation.mode());
            }
            !self.transactions.exclude(&claims)
        };
        if is_here && (self.transactions.is_quiet() || is_free()) {
            return Reach::Here;
        }
        Reach::Held(invocation.declared(args).map(Place::key).collect())
    }

    /// Keeps the request of a script that does not run through, and lets its connection wait.
    fn keep_request(&mut self, running: &mut Running, args: &Args<'_>) {
        if running.request.is_none() {
            let mut message = Message::new(running.invocation.from);
            let words = (0..args.len()).map(|at| args.get(at));
            message.push_words(&running.invocation.header, words);
            running.request = Some(Box::new(message));
        }
        let holder = running.invocation.holder;
        if !running.is_holding
            && let Some(connection) = holder.and_then(|token| self.connection(token))
        {
            running.is_holding = true;
            connection.hold_for(Hold::Operation);
        }
    }

    /// Claims what a script is to reach, and starts it then.
    fn lock_script(&mut self, running: Box<Running>) {
        let mode = running.invocation.mode();
        let mut claims: BTreeMap<usize, Claims> = BTreeMap::new();
        if let Reach::All = running.reach {
            for shard in 0..self.shards() {
                claims.entry(shard).or_default().add_whole(mode);
            }
        } else {
            for key in running.declared() {
                let owner = slots::owner(key, self.shards());
                claims.entry(owner).or_default().add(Place::key(key), mode);
            }
        }
        if let ReplyTo::Connection { token, .. } = running.invocation.header.reply_to {
            // Later writes of the same client come after it.
            let place = Place::client(running.invocation.from, token);
            if let Some(claims) = claims.get_mut(&self.shard.id) {
                claims.add(place, Mode::Write);
            }
        }
        let client = running.client();
        let key = self.script_runs.keep(running);
        let transaction = self.acquire(claims, Vec::new(), Then::Script(key), client);
        self.claim_next(transaction);
    }

    /// What a script has claimed is held: it starts, or goes on with the call that needed it.
    pub(super) fn script_locked(&mut self, key: u32, transaction: u32) {
        let mut running = self.script_runs.take(key).expect("it waits");
        running.transactions.push(transaction);
        match running.reaching.take() {
            None => {
                let mut request = running.request.take().expect("it was kept");
                let view = request.request(0, 0).expect("one request");
                let mut ranges = Vec::new();
                let args = request.args(&view, &mut ranges);
                // It is put back when the script stops again.
                self.start_script(running, &args);
            }
            Some((call, _)) => self.call_locked(running, *call),
        }
    }

    /// What a script has claimed is not to be had now.
    pub(super) fn script_refused(&mut self, key: u32) {
        let Some(mut running) = self.script_runs.take(key) else {
            return;
        };
        match &running.reaching {
            None => {
                running.reply = Reply::new(running.invocation.header.protocol);
                running.reply.error(BUSY);
                self.end_script(running);
            }
            Some((_, until_ms)) if *until_ms > self.now_ms => {
                let key = self.script_runs.keep(running);
                self.script_runs.paused.push_back(key);
            }
            Some(_) => {
                running.reaching = None;
                self.go_on_with(running, REACHED_IN_VAIN);
            }
        }
    }

    fn start_script(&mut self, mut running: Box<Running>, args: &Args<'_>) {
        let outer_ms = self.transactions.locked_at_ms();
        running.time_ms = outer_ms.unwrap_or(self.now_ms);
        let invocation = &running.invocation;
        let arguments = (3..args.len()).map(|at| args.get(at));
        let started = self.script_runs.scripts.start(
            invocation.what(),
            arguments,
            invocation.keys,
            invocation.header.protocol,
        );
        match started {
            Ok(run) => {
                running.run = Some(run);
                self.drive(running, Some(args), Answer::Begin);
            }
            Err(text) => {
                running.reply = Reply::new(invocation.header.protocol);
                running.reply.error(text);
                self.end_script(running);
            }
        }
    }

    /// Lets a script run until it ends or stops.
    fn drive(&mut self, mut running: Box<Running>, request: Option<&Args<'_>>, answer: Answer<'_>) {
        let shards = self.shards();
        self.script_runs
            .scripts
            .set_slice(Some(Instant::now() + SLICE));
        let run = running.run.expect("it has been started");
        let mut reply = mem::take(&mut running.reply);
        let mut answer = Some(answer);
        // What monitors are shown of its calls.
        let mut shown = Vec::new();
        let before = self.enter_locked(running.time_ms, running.client());
        let call = loop {
            let answer = match (answer.take(), running.kill) {
                (_, Some(text)) => Answer::Kill(text),
                (Some(answer), None) => answer,
                (None, None) => Answer::Reply(&reply),
            };
            match self.script_runs.scripts.resume(run, answer) {
                Ask::Done { reply: last, .. } => {
                    mem::swap(&mut reply, last);
                    running.run = None;
                    running.goes_far |= !running.touched.is_empty();
                    break None;
                }
                Ask::Pause => break None,
                Ask::AclCheck { words, ranges } => {
                    let args = Args {
                        buffer: words,
                        ranges,
                        large: &mut [],
                    };
                    reply.clear();
                    match table::resolve(&args) {
                        Ok(_) => reply.integer(1),
                        Err(_) => {
                            reply.error("ERR Invalid command passed to redis.acl_check_cmd()")
                        }
                    }
                }
                Ask::Call {
                    words,
                    ranges,
                    protocol,
                } => {
                    let args = Args {
                        buffer: words,
                        ranges,
                        large: &mut [],
                    };
                    reply.clear();
                    reply.protocol = protocol;
                    let (transactions, own) = (&self.transactions, self.shard.id);
                    let refuses = self.refuses_writes;
                    match look_at(
                        &mut running,
                        transactions,
                        own,
                        shards,
                        request,
                        &args,
                        refuses,
                    ) {
                        Called::Refused(text) => reply.bytes.extend_from_slice(text),
                        Called::Here(row) => {
                            if self.shared.monitors.any() {
                                shown.extend(line_of_call(row, &args, running.db));
                            }
                            running.has_written |= row.flags & flags::WRITE != 0;
                            self.metrics
                                .count_call(usize::from(table::command_index(row)));
                            let touch = Service::touch_of(&running.invocation.header);
                            let keys_read =
                                KeysRead::of(&self.shard, row, &args, running.origin_of(row));
                            self.shard
                                .execute(row, args, running.db, touch, None, &mut reply);
                            keys_read.remember(&mut self.shard);
                        }
                        Called::Elsewhere(row) => {
                            let mut call = Message::new(self.shard.id);
                            let header = RequestHeader {
                                command: table::command_index(row),
                                protocol,
                                ..running.invocation.header
                            };
                            call.push_words(&header, (0..args.len()).map(|at| args.get(at)));
                            break Some(call);
                        }
                    }
                }
            }
        };
        self.leave_locked(before);
        self.write_script_log();
        running.reply = reply;
        let client = running.invocation.header.origin.client;
        if !shown.is_empty() {
            self.show_monitors(&shown);
        }
        if running.run.is_none() {
            self.remember_reach(&running);
            return self.end_script(running);
        }
        self.tell_changes_by(client);
        if let Some(request) = request {
            self.keep_request(&mut running, request);
        }
        match call {
            Some(call) => self.call_elsewhere(running, call),
            None => {
                running.is_long = true;
                self.hold_what_is_here(&mut running);
                let key = self.script_runs.keep(running);
                self.script_runs.paused.push_back(key);
            }
        }
    }

    /// Claims what a script has touched that has not stopped so far: nobody else can hold any of it.
    fn hold_what_is_here(&mut self, running: &mut Running) {
        if !matches!(running.reach, Reach::Here) {
            return;
        }
        let mode = running.invocation.mode();
        let mut claims = Claims::default();
        let mut held = mem::take(&mut running.touched);
        held.extend(running.declared().map(Place::key));
        held.iter().for_each(|place| claims.add(*place, mode));
        running.reach = Reach::Held(held);
        // Where there is no other shard it began while nobody held anything, and nobody is to take what it may need next: two that have
        // written could wait for each other. A walk over all keys may hold one; then others wait for the whole shard before they begin.
        if running.touches_all || self.shards() == 1 && self.transactions.is_quiet() {
            claims.add_whole(mode);
            running.reach = Reach::All;
        }
        let client = running.client();
        running.transactions.push(self.hold_here(claims, client));
    }

    /// A call that concerns other shards, or keys that others hold.
    fn call_elsewhere(&mut self, mut running: Box<Running>, mut call: Message) {
        let view = call.request(0, 0).expect("one call");
        let mut ranges = Vec::new();
        let args = call.args(&view, &mut ranges);
        let row = table::resolved_row(view.header.command, &args);
        let mut claims = BTreeMap::new();
        if let Run::Data(_) = row.run {
            self.add_claims(row, &args, &mut claims);
        }
        let is_covered = match &running.reach {
            Reach::All => true,
            Reach::Here => claims.is_empty(),
            Reach::Held(held) => claims
                .values()
                .all(|claims: &Claims| claims.are_all_in(held)),
        };
        if is_covered {
            self.hold_what_is_here(&mut running);
            return self.call_locked(running, call);
        }
        running.goes_far = true;
        if !running.has_written {
            return self.begin_again(running);
        }
        self.hold_what_is_here(&mut running);
        let until_ms = self.now_ms + REACHING_MS_MAX;
        running.reaching = Some((Box::new(call), until_ms));
        self.reach_further(running);
    }

    /// Ends a script that has not written, and starts it with all shards locked.
    fn begin_again(&mut self, mut running: Box<Running>) {
        let run = running.run.take().expect("it has been started");
        let ask = self
            .script_runs
            .scripts
            .resume(run, Answer::Kill(b"ERR begun again"));
        assert!(matches!(ask, Ask::Done { .. }), "nothing survives its end");
        let transactions = mem::take(&mut running.transactions);
        if !transactions.is_empty() {
            self.release_all(&transactions);
        }
        running.reach = Reach::All;
        running.touched.clear();
        running.db = running.invocation.header.db as usize;
        self.lock_script(running);
    }

    /// Claims, without waiting in a queue, what the call needs for which a script has stopped.
    fn reach_further(&mut self, mut running: Box<Running>) {
        let (call, _) = running.reaching.as_mut().expect("it reaches for something");
        let view = call.request(0, 0).expect("one call");
        let mut ranges = Vec::new();
        let args = call.args(&view, &mut ranges);
        let row = table::resolved_row(view.header.command, &args);
        let mut claims: BTreeMap<usize, Claims> = BTreeMap::new();
        self.add_claims(row, &args, &mut claims);
        if let Reach::Held(held) = &mut running.reach {
            for claims in claims.values_mut() {
                claims.places.retain(|(place, _)| !held.contains(place));
            }
        }
        claims.retain(|_, claims| !claims.is_empty());
        let client = running.client();
        let key = self.script_runs.keep(running);
        let transaction = self.acquire_now(claims, Then::Script(key), client);
        self.claim_next(transaction);
    }

    /// Carries a call out whose keys are held.
    fn call_locked(&mut self, mut running: Box<Running>, mut call: Message) {
        let view = call.request(0, 0).expect("one call");
        let protocol = view.header.protocol;
        let mut ranges = Vec::new();
        let args = call.args(&view, &mut ranges);
        let row = table::resolved_row(view.header.command, &args);
        running.has_written |= row.flags & flags::WRITE != 0;
        if let Reach::Held(held) = &mut running.reach {
            let keys = command::key_positions(row, &args);
            held.extend(keys.map(|at| Place::key(args.get(at))));
        }
        let (db, no_touch) = (running.db, running.invocation.header.no_touch);
        let time_ms = running.time_ms;
        let origin = running.origin_of(row);
        if self.shared.monitors.any() {
            self.show_monitors(&line_of_call(row, &args, db));
        }
        let inner = running.inner;
        let key = self.script_runs.keep(running);
        let token = match inner {
            Some(token) => token,
            None => self.add_inner_connection(key),
        };
        let Some(connection) = self.connection(token) else {
            unreachable!("it lasts as long as the script");
        };
        connection.socket = Socket::Script(key);
        connection.session.db = db;
        connection.session.no_touch = no_touch;
        connection.session.origin = origin;
        connection.replies.set_protocol(protocol);
        if let Some(running) = &mut self.script_runs.runs[key as usize] {
            running.inner = Some(token);
        }
        let known = self.know_again(row, &args);
        let before = self.enter_locked(time_ms, origin.client);
        self.dispatch(token.index, row, known, args, false);
        self.leave_locked(before);
        // It goes on when the connection is settled, even if the answer is there: a script may call a million times, and the stack is not that deep.
        self.list(token.index);
    }

    /// Goes on with a script if the call that it has stopped for is answered.
    pub(super) fn script_answered(&mut self, key: u32) {
        let Some(running) = self
            .script_runs
            .runs
            .get(key as usize)
            .and_then(Option::as_ref)
        else {
            return;
        };
        let Some(connection) = running.inner.and_then(|token| self.connection(token)) else {
            return;
        };
        if connection.replies.waiting() > 0
            || connection.hold.is_some()
            || !connection.replies.is_ready()
        {
            return;
        }
        let db = connection.session.db;
        let (bytes, large) = connection.replies.take_ready();
        let mut running = self.script_runs.take(key).expect("it was just there");
        running.db = db;
        let answer = Reply {
            bytes,
            large,
            ..Reply::default()
        };
        self.drive(running, None, Answer::Reply(&answer));
        self.keep_buffer(answer.bytes);
    }

    fn go_on_with(&mut self, running: Box<Running>, text: &[u8]) {
        let answer = Reply {
            bytes: text.to_vec(),
            ..Reply::default()
        };
        self.drive(running, None, Answer::Reply(&answer));
    }

    /// A script has ended: its reply, its locks, its connection.
    fn end_script(&mut self, mut running: Box<Running>) {
        let transactions = mem::take(&mut running.transactions);
        let mut wait = None;
        if !transactions.is_empty() {
            wait = self.release_all(&transactions);
        } else if !running.invocation.header.locked {
            let before = self.shard.journal.sequence();
            self.commit_here(running.client());
            wait = self.wait_after(running.invocation.header.awaits, before);
        }
        if let Some(token) = running.inner.take() {
            self.remove_connection(token.index);
        }
        let Invocation {
            from,
            header,
            holder,
            ..
        } = running.invocation;
        self.respond_when(wait, from, header.reply_to, &running.reply);
        self.tell_changes_by(header.origin.client);
        if running.is_holding
            && let Some(token) = holder
            && self.connection(token).is_some()
        {
            self.go_on(token.index);
        }
        self.serve_awaited();
    }

    /// Remembers whether a script touches keys that it does not declare, so that the next run of it claims what it needs at the start.
    fn remember_reach(&mut self, running: &Running) {
        let far = &mut self.script_runs.far;
        let kind = running.invocation.kind();
        if self.shared.shards() == 1 || far.get(&kind) == Some(&running.goes_far) {
            return;
        }
        if far.len() >= REMEMBERED_MAX {
            far.clear();
        }
        // Once far, always far: what it touches may depend on its arguments.
        *far.entry(kind).or_default() |= running.goes_far;
    }

    /// Goes on with scripts that have been stopped so that others could be served.
    pub fn resume_scripts(&mut self) {
        for _ in 0..self.script_runs.paused.len() {
            if self.turn.takes_no_more() {
                return;
            }
            let Some(key) = self.script_runs.paused.pop_front() else {
                return;
            };
            let Some(mut running) = self.script_runs.take(key) else {
                continue;
            };
            if running.reaching.is_some() {
                self.reach_further(running);
                continue;
            }
            let ran_ms = self.now_ms - running.began_ms;
            if !running.is_busy && ran_ms > self.config.busy_reply_threshold as i64 {
                running.is_busy = true;
                for transaction in running.transactions.clone() {
                    self.declare_busy(transaction);
                }
            }
            self.drive(running, None, Answer::GoOn);
        }
    }

    /// Hands what scripts say with `redis.log` to who writes the log; when that is behind it is dropped.
    pub(super) fn write_script_log(&mut self) {
        for (level, text) in self.script_runs.scripts.take_log() {
            let level = match level {
                0 => LogLevel::Debug,
                1 => LogLevel::Verbose,
                2 => LogLevel::Notice,
                _ => LogLevel::Warning,
            };
            if level as u8 >= self.config.loglevel as u8 {
                // A line of the log is one line, whatever is in it.
                let text = String::from_utf8_lossy(&text).replace(char::is_control, " ");
                self.shared.say(level, text);
            }
        }
    }

    /// The function that runs here for longest, of those that have used up a slice: its name, its request, and for how many milliseconds it has run.
    pub(super) fn running_function(&self) -> Option<RunningFunction> {
        let runs = self.script_runs.runs.iter().flatten();
        let long = runs.filter(|running| running.is_long && running.invocation.is_function);
        let running = long.min_by_key(|running| running.began_ms)?;
        let request = running.request.as_ref()?;
        let view = request.request(0, 0)?;
        let words = (0..).map_while(|at| request.argument(&view, at));
        Some(RunningFunction {
            words: words.map(<[u8]>::to_vec).collect(),
            duration_ms: u64::try_from(self.now_ms - running.began_ms).unwrap_or(0),
        })
    }

    /// SCRIPT KILL and FUNCTION KILL: ends those that have used up a slice and have not written. How many were ended, and how many could not be.
    pub(super) fn kill_scripts(&mut self, functions: bool) -> (usize, usize) {
        let text = if functions {
            FUNCTION_KILLED
        } else {
            SCRIPT_KILLED
        };
        let (mut killed, mut kept) = (0, 0);
        for running in self.script_runs.runs.iter_mut().flatten() {
            if !running.is_long || running.invocation.is_function != functions {
                continue;
            }
            if running.has_written {
                kept += 1;
            } else {
                killed += 1;
                running.kill = Some(text);
            }
        }
        (killed, kept)
    }
}

/// Whether a command that reads streams asks to wait: from a script that is an error even where nothing would be waited for.
fn asks_to_block(row: &Command, args: &Args<'_>) -> bool {
    if !matches!(row.name, "xread" | "xreadgroup") {
        return false;
    }
    let mut at = 1;
    while at < args.len() {
        let word = args.get(at);
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        at += match word {
            _ if is(b"streams") => return false,
            _ if is(b"block") => return at + 1 < args.len(),
            _ if is(b"count") => 2,
            _ if is(b"group") => 3,
            _ => 1,
        };
    }
    false
}

impl Running {
    /// Notes, for the next run, whether a call of one that may touch everything touches what it has not declared.
    fn note_reach(
        &mut self,
        row: &'static Command,
        request: Option<&Args<'_>>,
        args: &Args<'_>,
        takes_shard: bool,
    ) {
        if self.goes_far {
            return;
        }
        let mut is_declared = |key: &[u8]| match request {
            Some(request) => self.invocation.declared(request).any(|other| other == key),
            None => self.declared().any(|other| other == key),
        };
        let mut called = command::key_positions(row, args).map(|at| args.get(at));
        self.goes_far = takes_shard || !called.all(&mut is_declared);
    }
}

/// Whether a call is allowed, and whether it may run here and now.
fn look_at(
    running: &mut Running,
    transactions: &Transactions,
    own: usize,
    shards: usize,
    request: Option<&Args<'_>>,
    args: &Args<'_>,
    refuses_writes: bool,
) -> Called {
    let row = match table::resolve(args) {
        Ok(row) => row,
        Err(_) => {
            let is_known = table::lookup(args.get(0)).is_some_and(|container| {
                let has_words = !container.subcommands.is_empty() && args.len() > 1;
                !has_words || container.subcommand(args.get(1)).is_some()
            });
            return Called::Refused(if is_known { WRONG_ARGUMENTS } else { UNKNOWN });
        }
    };
    if row.flags & flags::NOSCRIPT != 0 {
        return Called::Refused(NOT_ALLOWED);
    }
    if refuses_writes && row.flags & flags::WRITE != 0 {
        return Called::Refused(MISCONF);
    }
    // What others would be told of counts as a write.
    if row.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0 && running.invocation.is_read_only {
        return Called::Refused(READ_ONLY);
    }
    if asks_to_block(row, args) {
        let is_group = row.name == "xreadgroup";
        return Called::Refused(if is_group {
            XREADGROUP_BLOCKS
        } else {
            XREAD_BLOCKS
        });
    }
    if !matches!(row.run, Run::Data(_)) {
        return Called::Elsewhere(row);
    }
    if row.route == Route::Anywhere {
        return Called::Here(row);
    }
    let takes_shard = Transactions::takes_shard(row, args);
    if shards > 1 && matches!(running.reach, Reach::All) {
        running.note_reach(row, request, args, takes_shard);
    }
    let is_owned = shards == 1
        || !takes_shard
            && command::key_positions(row, args)
                .all(|at| slots::owner(args.get(at), shards) == own);
    if !is_owned {
        return Called::Elsewhere(row);
    }
    let may = match &running.reach {
        Reach::All => true,
        Reach::Held(held) => {
            let mut keys = command::key_positions(row, args);
            !takes_shard && keys.all(|at| held.contains(&Place::key(args.get(at))))
        }
        Reach::Here if takes_shard => {
            running.touches_all |= transactions.is_quiet();
            transactions.is_quiet()
        }
        Reach::Here => {
            let is_declared = |key: &[u8]| {
                let request = request.expect("it has not stopped since it began");
                let mut declared = running.invocation.declared(request);
                declared.any(|declared| declared == key)
            };
            let mut claims = Claims::default();
            for key in command::key_positions(row, args).map(|at| args.get(at)) {
                if !is_declared(key) {
                    claims.add(Place::key(key), running.invocation.mode());
                }
            }
            let is_free = transactions.is_quiet() || !transactions.exclude(&claims);
            if is_free && !claims.is_empty() {
                running
                    .touched
                    .extend(claims.places.iter().map(|(place, _)| *place));
            }
            is_free
        }
    };
    if may {
        Called::Here(row)
    } else {
        Called::Elsewhere(row)
    }
}
