//! MONITOR: clients that are shown every command that is carried out, whichever client sent it on whatever shard.
//!
//! Never: shows a password, or what administrators do. Nobody's line is kept: a monitor that does not read is closed by the `pubsub` class of `client-output-buffer-limit`.
//! The decision worth knowing: a line is written only while there is a monitor, which a command learns from one counter that all shards share; it is sent to those shards that have some.

use super::super::connection::Peer;
use super::super::service::Service;
use super::{Answered, Outcome};
use crate::command::table::{Command, flags};
use crate::command::{Run, ServerCommand};
use crate::net::Token;
use crate::protocol::Dialect;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::operation::Envelope;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many monitors there are on each shard, as all shards see it.
pub struct Monitors {
    total: AtomicUsize,
    by_shard: Vec<AtomicUsize>,
}

/// Lines for the monitors of another shard.
pub(in crate::server) struct MonitorLines(Vec<u8>);

/// The monitors of one shard, and lines on their way to others.
#[derive(Default)]
pub struct Monitoring {
    tokens: Vec<Token>,
    outgoing: Vec<u8>,
}

impl Monitors {
    /// None, in a server of so many shards.
    pub fn new(shards: usize) -> Monitors {
        Monitors {
            total: AtomicUsize::new(0),
            by_shard: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Whether there are any.
    #[inline]
    pub fn any(&self) -> bool {
        self.total.load(Ordering::Relaxed) > 0
    }
}

/// A word in double quotes, what cannot be printed as an escape.
fn quote(word: &[u8], line: &mut String) {
    line.push('"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            7 => line.push_str("\\a"),
            8 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => write!(line, "\\x{byte:02x}").expect("strings take all"),
        }
    }
    line.push('"');
}

/// Whether an argument is a secret.
fn is_secret(row: &Command, args: &Args<'_>, at: usize) -> bool {
    match row.run {
        Run::Server(ServerCommand::Auth) => at > 0,
        Run::Server(ServerCommand::Hello) => (2..at).any(|word| {
            // The two words behind AUTH.
            args.get(word).eq_ignore_ascii_case(b"auth") && at <= word + 2
        }),
        _ => false,
    }
}

/// The words of a command, each with a blank before it.
fn words(row: &Command, args: &Args<'_>) -> String {
    let mut words = String::new();
    for at in 0..args.len() {
        words.push(' ');
        if is_secret(row, args, at) {
            quote(b"(redacted)", &mut words);
        } else {
            quote(args.get(at), &mut words);
        }
    }
    words
}

/// A line: when, the database, who, and what.
fn line(db: usize, who: &str, words: &str) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let (seconds, us) = (now.as_secs(), now.subsec_micros());
    format!("+{seconds}.{us:06} [{db} {who}]{words}\r\n").into_bytes()
}

fn is_shown(row: &Command) -> bool {
    row.flags & (flags::ADMIN | flags::SKIP_MONITOR) == 0
}

/// What monitors are shown of a call of a script: a line, or nothing.
#[cold]
pub(in crate::server) fn line_of_call(row: &Command, args: &Args<'_>, db: usize) -> Vec<u8> {
    match is_shown(row) {
        true => line(db, "lua", &words(row, args)),
        false => Vec::new(),
    }
}

impl Service {
    /// MONITOR. Who is a monitor already is not answered.
    pub(super) fn monitor(&mut self, index: u32, reply: &mut Reply) -> Outcome {
        let own = self.shard.id;
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Later);
        };
        if connection.session.exec.is_some() {
            return Err("ERR MONITOR isn't allowed for DENY BLOCKING client".into());
        }
        if connection.session.is_monitor {
            return Ok(Answered::Later);
        }
        connection.session.is_monitor = true;
        let token = connection.token;
        self.monitoring.tokens.push(token);
        let monitors = &self.shared.monitors;
        monitors.by_shard[own].fetch_add(1, Ordering::SeqCst);
        monitors.total.fetch_add(1, Ordering::SeqCst);
        reply.ok();
        Ok(Answered::Now)
    }

    /// A connection is a monitor no longer, or ends.
    pub(in crate::server) fn end_monitoring(&mut self, token: Token) {
        if let Some(connection) = self.connection(token)
            && connection.session.is_monitor
        {
            connection.session.is_monitor = false;
            self.monitoring.tokens.retain(|known| *known != token);
            let monitors = &self.shared.monitors;
            monitors.by_shard[self.shard.id].fetch_sub(1, Ordering::SeqCst);
            monitors.total.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Refuses what a monitor may not send: anything about keys. `false`: it may.
    #[cold]
    pub(in crate::server) fn refuse_monitor(
        &mut self,
        index: u32,
        row: &'static Command,
        muted: bool,
    ) -> bool {
        let about_keys = flags::READONLY | flags::WRITE | flags::MAY_REPLICATE;
        let Some(connection) = self.connection_at(index) else {
            return true;
        };
        let is_refused = row.flags & about_keys != 0
            || matches!(row.run, Run::Server(ServerCommand::Publish(_)));
        if !connection.session.is_monitor || !is_refused {
            return false;
        }
        if let Some(multi) = &mut connection.session.multi {
            multi.is_refused = true;
        }
        let command = crate::command::table::command_index(row);
        self.metrics.count_rejected(usize::from(command));
        self.refuse(index, muted, "ERR Replica can't interact with the keyspace");
        true
    }

    /// The words that monitors are to be shown of a command that a connection is about to carry out. Scripts are shown at once, before what they call; EXEC when all that was queued
    /// is done.
    #[cold]
    pub(in crate::server) fn words_to_show(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
    ) -> Option<String> {
        let connection = self.connection_at(index)?;
        let is_exec = matches!(row.run, Run::Server(ServerCommand::Exec));
        let is_script = matches!(row.run, Run::Server(ServerCommand::Eval));
        if connection.session.dialect != Dialect::Redis
            || !(is_shown(row) || is_script)
            || is_exec
            || connection.is_inner()
        {
            return None;
        }
        let words = words(row, args);
        if is_script {
            self.show_words(index, &words);
            // In a message of its own, since the shard that runs the script would come to the line after it otherwise.
            self.post_notifications();
            return None;
        }
        Some(words)
    }

    /// Shows monitors that a transaction has been carried out.
    pub(super) fn show_exec(&mut self, index: u32) {
        if self.shared.monitors.any() {
            self.show_words(index, " \"EXEC\"");
        }
    }

    /// Shows monitors what a connection has done: with the database that it has selected now.
    #[cold]
    pub(in crate::server) fn show_words(&mut self, index: u32, words: &str) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let session = &connection.session;
        let who = match &session.peer {
            Peer::Tcp { remote, .. } | Peer::Udp { remote, .. } => remote.to_string(),
            Peer::Unix(path) => format!("unix:{path}"),
        };
        let line = line(session.db, &who, words);
        self.show_monitors(&line);
    }

    /// Shows a line to all monitors.
    pub(in crate::server) fn show_monitors(&mut self, line: &[u8]) {
        self.show_monitors_here(line);
        let shared = &self.shared.monitors;
        let here = shared.by_shard[self.shard.id].load(Ordering::SeqCst);
        if shared.total.load(Ordering::SeqCst) > here {
            self.monitoring.outgoing.extend_from_slice(line);
        }
    }

    fn show_monitors_here(&mut self, lines: &[u8]) {
        self.publishing += self.monitoring.tokens.len();
        for at in 0..self.monitoring.tokens.len() {
            let token = self.monitoring.tokens[at];
            if let Some(reply) = self.pushed_to(token, true) {
                reply.bytes.extend_from_slice(lines);
            }
        }
    }

    /// Sends other shards what their monitors are to be shown.
    #[inline]
    pub(super) fn send_monitor_lines(&mut self) {
        if self.monitoring.outgoing.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.monitoring.outgoing);
        let own = self.shard.id;
        for shard in (0..self.shards()).filter(|shard| *shard != own) {
            if self.shared.monitors.by_shard[shard].load(Ordering::SeqCst) > 0 {
                let matter = Box::new(MonitorLines(lines.clone()));
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Server(matter));
                self.pubsub.notified = true;
            }
        }
    }

    /// Shows what commands of another shard's clients were.
    pub(in crate::server) fn take_monitor_lines(&mut self, lines: MonitorLines) {
        self.show_monitors_here(&lines.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        let mut line = String::new();
        quote(b"a\"\\\n\r\t\x07\x08\x00\xff~ ", &mut line);
        assert_eq!(line, "\"a\\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff~ \"");
    }
}
