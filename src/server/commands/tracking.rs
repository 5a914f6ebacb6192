//! CLIENT TRACKING and its like: who wants to be told when keys change, and how he has asked for it.
//!
//! Never: tells anybody that a key has changed; that is [`super::invalidations`]. Which keys were read is in the engines of the keys' owners (`engine/tracked.rs`), which learn it from the
//! origin in a request's header. The decision worth knowing: beginnings of names (BCAST) are known to all shards before the client has its OK, so that no change after that is missed.

use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::{Answered, Outcome, integer, lower};
use crate::command::table::{Command, flags};
use crate::command::{Run, ServerCommand};
use crate::engine::Client;
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::operation::Envelope;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

const SYNTAX: &str = "ERR syntax error";
const NO_SUCH_CLIENT: &str = "ERR The client ID you want redirect to does not exist";

/// Which of the keys that a client reads it is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// All.
    #[default]
    All,
    /// Those read by commands behind CLIENT CACHING YES.
    OptIn,
    /// All but those read by commands behind CLIENT CACHING NO.
    OptOut,
}

/// How a client tracks.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    /// The client that is told in its place: its number and its name between shards.
    pub redirect: Option<(u64, Client)>,
    /// That client was gone when it was to be told.
    pub is_broken: bool,
    /// It is told of keys by the beginnings of their names, and not of those that it has read.
    pub is_broadcast: bool,
    /// See [`Choice`].
    pub choice: Choice,
    /// It is not told of what it has changed itself.
    pub no_loop: bool,
    /// CLIENT CACHING came right before.
    pub caching_said: bool,
    /// The beginnings of names.
    pub prefixes: BTreeSet<Box<[u8]>>,
    /// What these take in memory, about, on all shards.
    pub bytes: usize,
}

/// What CLIENT TRACKING ON asks for.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    redirect: Option<i64>,
    is_broadcast: bool,
    opts_in: bool,
    opts_out: bool,
    no_loop: bool,
    prefixes: Vec<Box<[u8]>>,
}

/// A client wants to be told of names that begin so no longer.
pub(in crate::server) struct PrefixesEnded {
    client: Client,
    prefixes: Vec<Box<[u8]>>,
}

impl Tracker {
    /// Whether it is to be told of the keys that a command reads.
    pub fn wants(&self, row: &Command) -> bool {
        let is_chosen = match self.choice {
            Choice::All => true,
            Choice::OptIn => self.caching_said,
            Choice::OptOut => !self.caching_said,
        };
        // A script tells of what its calls read.
        let reads =
            row.flags & flags::READONLY != 0 || matches!(row.run, Run::Server(ServerCommand::Eval));
        !self.is_broadcast && is_chosen && reads
    }
}

/// What the beginning of a name is taken to cost on each shard: itself, and its places in two tables.
fn bytes_of(prefix: &[u8]) -> usize {
    prefix.len() + 128
}

fn overlap(a: &[u8], b: &[u8]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

fn overlap_error(prefix: &[u8], which: &str, other: &[u8]) -> String {
    format!(
        "ERR Prefix '{}' overlaps with {which} prefix '{}'. Prefixes for a single client must not overlap.",
        String::from_utf8_lossy(prefix),
        String::from_utf8_lossy(other)
    )
}

impl Wish {
    fn parse(args: &Args<'_>) -> Result<Wish, String> {
        let mut wish = Wish::default();
        let mut at = 3;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            match &lower(args.get(at))[..] {
                "redirect" if has_value => {
                    at += 1;
                    if wish.redirect.is_some() {
                        return Err(
                            "ERR A client can only redirect to a single other client".into()
                        );
                    }
                    let id = integer(args.get(at));
                    wish.redirect = Some(id.ok_or("ERR value is not an integer or out of range")?);
                }
                "prefix" if has_value => {
                    at += 1;
                    wish.prefixes.push(args.get(at).into());
                }
                "bcast" => wish.is_broadcast = true,
                "optin" => wish.opts_in = true,
                "optout" => wish.opts_out = true,
                "noloop" => wish.no_loop = true,
                _ => return Err(SYNTAX.into()),
            }
            at += 1;
        }
        Ok(wish)
    }

    /// Whether it agrees with itself and with what the client has asked for before.
    fn check(&self, before: Option<&Tracker>) -> Result<(), String> {
        let refuse = |text: &str| Err(format!("ERR {text}"));
        if !self.is_broadcast && !self.prefixes.is_empty() {
            return refuse("PREFIX option requires BCAST mode to be enabled");
        }
        if before.is_some_and(|before| before.is_broadcast != self.is_broadcast) {
            return refuse(
                "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
            );
        }
        if self.is_broadcast && (self.opts_in || self.opts_out) {
            return refuse("OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.opts_in && self.opts_out {
            return refuse("You can't specify both OPTIN mode and OPTOUT mode");
        }
        let choice = before.map_or(Choice::All, |before| before.choice);
        if self.opts_in && choice == Choice::OptOut || self.opts_out && choice == Choice::OptIn {
            return refuse(
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
            );
        }
        for (at, prefix) in self.prefixes.iter().enumerate() {
            let mut existing = before.into_iter().flat_map(|before| &before.prefixes);
            if let Some(other) = existing.find(|other| overlap(prefix, other)) {
                return Err(overlap_error(prefix, "an existing", other));
            }
            let mut others = self.prefixes[at + 1..].iter();
            if let Some(other) = others.find(|other| overlap(prefix, other)) {
                return Err(overlap_error(prefix, "another provided", other));
            }
        }
        Ok(())
    }

    /// Beginnings of names that it is about; none given means all names.
    fn all_prefixes(&self) -> Vec<Box<[u8]>> {
        match self.is_broadcast && self.prefixes.is_empty() {
            true => vec![Box::default()],
            false => self.prefixes.clone(),
        }
    }
}

impl Service {
    /// CLIENT TRACKING.
    pub(super) fn client_tracking(
        &mut self,
        index: u32,
        args: &Args<'_>,
        reply: &mut Reply,
    ) -> Outcome {
        let wish = Wish::parse(args)?;
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Later);
        };
        let (token, client) = (connection.token, connection.session.origin.client);
        match &lower(args.get(2))[..] {
            "on" => wish.check(connection.session.tracking.as_deref())?,
            "off" if wish.redirect.is_none() => {
                self.end_tracking(token);
                reply.ok();
                return Ok(Answered::Now);
            }
            "off" => {}
            _ => return Err(SYNTAX.into()),
        }
        if lower(args.get(2)) == "on" && wish.redirect.is_none() && !wish.is_broadcast {
            self.begin_tracking(token, wish, None);
            reply.ok();
            return Ok(Answered::Now);
        }
        if lower(args.get(2)) == "off" {
            // As odd as it is, the client that is named must be there.
            let call = Call::Track(client, Vec::new(), wish.redirect);
            return Ok(Answered::AskAll(call, Finish::Untrack));
        }
        let call = Call::Track(client, wish.all_prefixes(), wish.redirect);
        Ok(Answered::AskAll(call, Finish::Track(wish)))
    }

    /// What each shard does for CLIENT TRACKING: notes the beginnings of names, and looks for the client that is to be told.
    pub(in crate::server) fn note_tracking(
        &mut self,
        client: Client,
        prefixes: &[Box<[u8]>],
        redirect: Option<i64>,
    ) -> Option<Client> {
        for prefix in prefixes {
            self.shard.engine.track_prefix(prefix, client);
        }
        let id = u64::try_from(redirect?).ok()?;
        let mut connections = self.connections();
        let found = connections.find(|connection| connection.session.id == id);
        found.map(|connection| connection.session.origin.client)
    }

    /// All shards have answered CLIENT TRACKING: it begins, unless there is no such client to redirect to.
    pub(in crate::server) fn finish_tracking(
        &mut self,
        token: Token,
        wish: Wish,
        found: Option<Client>,
        reply: &mut Reply,
    ) {
        let client = Client {
            shard: self.shard.id as u32,
            token: token.to_bits(),
        };
        let mut prefixes = wish.all_prefixes();
        let is_missing = wish.redirect.is_some() && found.is_none();
        let connection = self.connection(token);
        if let Some(tracker) = connection.and_then(|there| there.session.tracking.as_ref()) {
            prefixes.retain(|prefix| !tracker.prefixes.contains(prefix));
        }
        if is_missing {
            reply.error(NO_SUCH_CLIENT);
            self.end_prefixes(client, prefixes);
        } else if self.connection(token).is_some() {
            self.begin_tracking(token, wish, found);
            reply.ok();
        } else {
            self.end_prefixes(client, prefixes);
        }
    }

    /// The same for CLIENT TRACKING OFF with a client to redirect to.
    pub(in crate::server) fn finish_untracking(
        &mut self,
        token: Token,
        found: Option<Client>,
        reply: &mut Reply,
    ) {
        if found.is_none() {
            return reply.error(NO_SUCH_CLIENT);
        }
        self.end_tracking(token);
        reply.ok();
    }

    fn begin_tracking(&mut self, token: Token, wish: Wish, found: Option<Client>) {
        let shards = self.shards();
        let Some(connection) = self.connection(token) else {
            return;
        };
        let session = &mut connection.session;
        let is_new = session.tracking.is_none();
        let mut prefixes = session
            .tracking
            .take()
            .map_or_else(BTreeSet::new, |before| before.prefixes);
        prefixes.extend(wish.all_prefixes());
        let id = wish.redirect.and_then(|id| u64::try_from(id).ok());
        session.tracking = Some(Box::new(Tracker {
            redirect: id.zip(found),
            is_broken: false,
            is_broadcast: wish.is_broadcast,
            choice: match (wish.opts_in, wish.opts_out) {
                (true, _) => Choice::OptIn,
                (_, true) => Choice::OptOut,
                _ => Choice::All,
            },
            no_loop: wish.no_loop,
            caching_said: false,
            bytes: prefixes
                .iter()
                .map(|prefix| bytes_of(prefix) * shards)
                .sum(),
            prefixes,
        }));
        if is_new {
            self.shared.tracking_clients.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A connection tracks no longer, or ends.
    pub(in crate::server) fn end_tracking(&mut self, token: Token) {
        let Some(connection) = self.connection(token) else {
            return;
        };
        let session = &mut connection.session;
        session.origin.is_tracked = false;
        let client = session.origin.client;
        if let Some(tracker) = session.tracking.take() {
            self.shared.tracking_clients.fetch_sub(1, Ordering::SeqCst);
            self.end_prefixes(client, tracker.prefixes.into_iter().collect());
        }
    }

    fn end_prefixes(&mut self, client: Client, prefixes: Vec<Box<[u8]>>) {
        if prefixes.is_empty() {
            return;
        }
        let own = self.shard.id;
        for shard in (0..self.shards()).filter(|shard| *shard != own) {
            let ended = Box::new(PrefixesEnded {
                client,
                prefixes: prefixes.clone(),
            });
            let envelopes = &mut self.message_to(shard).envelopes;
            envelopes.push(Envelope::Server(ended));
        }
        self.take_prefixes_ended(PrefixesEnded { client, prefixes });
    }

    /// A client of any shard wants to be told of names that begin so no longer.
    pub(in crate::server) fn take_prefixes_ended(&mut self, ended: PrefixesEnded) {
        for prefix in &ended.prefixes {
            self.shard.engine.untrack_prefix(prefix, ended.client);
        }
    }

    /// CLIENT CACHING.
    pub(super) fn client_caching(
        &mut self,
        index: u32,
        args: &Args<'_>,
        reply: &mut Reply,
    ) -> Outcome {
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Later);
        };
        let Some(tracker) = &mut connection.session.tracking else {
            return Err("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled".into());
        };
        match (&lower(args.get(2))[..], tracker.choice) {
            ("yes", Choice::OptIn) | ("no", Choice::OptOut) => tracker.caching_said = true,
            ("yes", _) => {
                return Err(
                    "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
                        .into(),
                );
            }
            ("no", _) => {
                return Err(
                    "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
                        .into(),
                );
            }
            _ => return Err(SYNTAX.into()),
        }
        reply.ok();
        Ok(Answered::Now)
    }

    /// Notes whether the keys are to be remembered that the next command of a connection reads.
    pub(in crate::server) fn note_reads(&mut self, index: u32, row: &'static Command) {
        if let Some(connection) = self.connection_at(index)
            && let Some(tracker) = &connection.session.tracking
        {
            connection.session.origin.is_tracked = tracker.wants(row);
        }
    }

    /// A command of a client that tracks is over: CLIENT CACHING is about one command, or one transaction.
    pub(in crate::server) fn end_caching(&mut self, index: u32, row: &'static Command) {
        if let Some(connection) = self.connection_at(index)
            && !matches!(row.run, Run::Server(ServerCommand::Client))
            && connection.session.multi.is_none()
            && connection.session.exec.is_none()
            && let Some(tracker) = &mut connection.session.tracking
        {
            tracker.caching_said = false;
        }
    }
}

/// CLIENT GETREDIR: 0 is for nobody else, -1 for who does not track.
pub(super) fn redirection(tracker: Option<&Tracker>) -> i64 {
    let redirect = |tracker: &Tracker| tracker.redirect.map_or(0, |(id, _)| id as i64);
    tracker.map_or(-1, redirect)
}

/// CLIENT TRACKINGINFO.
pub(super) fn write_tracking(tracker: Option<&Tracker>, reply: &mut Reply) {
    let marks: Vec<&str> = match tracker {
        None => vec!["off"],
        Some(tracker) => {
            let said = tracker.caching_said;
            let marks = [
                ("on", true),
                ("bcast", tracker.is_broadcast),
                ("optin", tracker.choice == Choice::OptIn),
                ("caching-yes", tracker.choice == Choice::OptIn && said),
                ("optout", tracker.choice == Choice::OptOut),
                ("caching-no", tracker.choice == Choice::OptOut && said),
                ("noloop", tracker.no_loop),
                ("broken_redirect", tracker.is_broken),
            ];
            let set = marks.into_iter().filter(|(_, is_set)| *is_set);
            set.map(|(mark, _)| mark).collect()
        }
    };
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(marks.len());
    marks.iter().for_each(|mark| reply.bulk(mark.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirection(tracker));
    reply.bulk(b"prefixes");
    let prefixes = tracker.map(|tracker| &tracker.prefixes);
    reply.array(prefixes.map_or(0, BTreeSet::len));
    let prefixes = prefixes.into_iter().flatten();
    prefixes.for_each(|prefix| reply.bulk(prefix));
}
