//! AUTH, HELLO, SELECT, QUIT, RESET, SHUTDOWN.

use super::super::connection::{ReplyMode, State};
use super::super::server_operation::Finish;
use super::super::service::Service;
use super::{Answered, Outcome};
use crate::command::databases::database_index;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};

/// The version of Redis whose commands and replies are offered; clients choose their features by it.
pub const REDIS_VERSION: &str = "7.2.4";

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Compares in a time that depends on the lengths only.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

/// CLIENT SETNAME's rule.
pub fn name_is_valid(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

pub const INVALID_NAME: &str =
    "ERR Client names cannot contain spaces, newlines or special characters.";

impl Service {
    pub(super) fn password_fits(&self, user: &[u8], password: &[u8]) -> bool {
        let expected = self.config.requirepass.as_bytes();
        user == b"default" && (expected.is_empty() || same_secret(password, expected))
    }

    pub(super) fn let_in(&mut self, index: u32) {
        let limits = self.limits(true);
        if let Some(connection) = self.connection_at(index) {
            connection.session.authenticated = true;
            connection.parser.set_limits(limits);
        }
    }

    pub(super) fn auth(&mut self, index: u32, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        if args.len() > 3 {
            return Err("ERR syntax error".into());
        }
        let (user, password) = if args.len() == 2 {
            (&b"default"[..], args.get(1))
        } else {
            (args.get(1), args.get(2))
        };
        if args.len() == 2 && self.config.requirepass.is_empty() {
            return Err("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".into());
        }
        if !self.password_fits(user, password) {
            return Err(WRONG_PASSWORD.into());
        }
        self.let_in(index);
        reply.ok();
        Ok(Answered::Now)
    }

    pub(super) fn hello(&mut self, index: u32, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let mut version = None;
        let mut login = None;
        let mut name = None;
        if args.len() > 1 {
            version = match super::integer(args.get(1)) {
                None => return Err("ERR Protocol version is not an integer or out of range".into()),
                Some(2) => Some(Protocol::Resp2),
                Some(3) => Some(Protocol::Resp3),
                Some(_) => return Err("NOPROTO unsupported protocol version".into()),
            };
        }
        let mut at = 2;
        while at < args.len() {
            let word = args.get(at);
            let left = args.len() - at - 1;
            if word.eq_ignore_ascii_case(b"AUTH") && left >= 2 {
                login = Some((args.get(at + 1), args.get(at + 2)));
                at += 3;
            } else if word.eq_ignore_ascii_case(b"SETNAME") && left >= 1 {
                if !name_is_valid(args.get(at + 1)) {
                    return Err(INVALID_NAME.into());
                }
                name = Some(args.get(at + 1));
                at += 2;
            } else {
                return Err(format!(
                    "ERR Syntax error in HELLO option '{}'",
                    String::from_utf8_lossy(word)
                ));
            }
        }
        if let Some((user, password)) = login {
            if !self.password_fits(user, password) {
                return Err(WRONG_PASSWORD.into());
            }
            self.let_in(index);
        }
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Now);
        };
        if !connection.session.authenticated {
            return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".into());
        }
        if let Some(name) = name {
            connection.session.name = name.to_vec();
        }
        if let Some(version) = version {
            connection.replies.set_protocol(version);
            reply.protocol = version;
        }
        let id = connection.session.id;
        reply.map(7);
        reply.bulk(b"server");
        reply.bulk(b"redis");
        reply.bulk(b"version");
        reply.bulk(REDIS_VERSION.as_bytes());
        reply.bulk(b"proto");
        reply.integer(if reply.protocol == Protocol::Resp3 {
            3
        } else {
            2
        });
        reply.bulk(b"id");
        reply.integer(id as i64);
        reply.bulk(b"mode");
        reply.bulk(b"standalone");
        reply.bulk(b"role");
        reply.bulk(b"master");
        reply.bulk(b"modules");
        reply.array(0);
        Ok(Answered::Now)
    }

    pub(super) fn select(&mut self, index: u32, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let db = database_index(args.get(1), self.shard.engine.databases())
            .map_err(|error| error.to_string())?;
        if let Some(connection) = self.connection_at(index) {
            connection.session.db = db;
        }
        reply.ok();
        Ok(Answered::Now)
    }

    pub(super) fn quit(&mut self, index: u32, reply: &mut Reply) -> Outcome {
        if let Some(connection) = self.connection_at(index) {
            connection.state = State::Finishing;
        }
        reply.ok();
        Ok(Answered::Now)
    }

    pub(super) fn reset(&mut self, index: u32, reply: &mut Reply) -> Outcome {
        let open = self.config.requirepass.is_empty();
        let limits = self.limits(open);
        if let Some(token) = self.connection_at(index).map(|connection| connection.token) {
            self.unsubscribe_all(token);
            self.end_tracking(token);
            self.end_monitoring(token);
        }
        self.unwatch_all(index);
        if let Some(connection) = self.connection_at(index) {
            connection.parser.set_limits(limits);
            let session = &mut connection.session;
            session.authenticated = open;
            session.db = 0;
            session.name.clear();
            session.reply_mode = ReplyMode::On;
            session.no_touch = false;
            session.no_evict = false;
            session.multi = None;
            connection.replies.set_protocol(Protocol::Resp2);
            reply.protocol = Protocol::Resp2;
        }
        reply.simple("RESET");
        Ok(Answered::Now)
    }

    /// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]: saves before it stops if asked to, or if there are rules of `save`; stays if that fails, unless FORCE is said.
    /// NOSAVE leaves no memory for a warm restart either.
    pub(super) fn shutdown(&mut self, index: u32, args: &Args<'_>, muted: bool) -> Outcome {
        let (mut saves, mut force) = (None, false);
        for position in 1..args.len() {
            match &super::lower(args.get(position))[..] {
                "nosave" if saves != Some(true) => saves = Some(false),
                "save" if saves != Some(false) => saves = Some(true),
                "now" => {}
                "force" => force = true,
                "abort" if args.len() == 2 => return Err("ERR No shutdown in progress.".into()),
                _ => return Err("ERR syntax error".into()),
            }
        }
        if saves == Some(false) {
            self.shared.warm.refuse();
        }
        if !saves.unwrap_or(!self.config.save.is_empty()) {
            self.stop_unsaved();
            return Ok(Answered::Now);
        }
        let finish = match force {
            true => Finish::SavedOrNotAtStop,
            false => Finish::SavedAtStop,
        };
        self.save(index, finish, muted)
    }
}
