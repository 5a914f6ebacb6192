//! memcached's commands on the connection and the whole server: statistics, flush_all, authentication and the like, in the text and the binary protocol.

use super::super::connection::{Peer, Socket, State};
use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::Answered;
use super::memcached_stats::{Form, Group};
use crate::command::memcache::{self, store::expiry_at};
use crate::command::table::Command;
use crate::protocol::Dialect;
use crate::protocol::args::Args;
use crate::protocol::memcache::binary::{HEADER_BYTES, MAGIC_REQUEST, opcode};
use crate::protocol::memcache::binary_reply::{error_text, status, write_reply};
use crate::protocol::memcache::{number, sasl};

/// The version of memcached whose protocols are spoken; clients read three numbers and choose by them.
pub const MEMCACHED_VERSION: &str = "1.6.39";

const OK: &[u8] = b"OK\r\n";
const ERROR: &[u8] = b"ERROR\r\n";
const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";
/// Bounds of `cache_memlimit`, in MB.
const LIMIT_MB: std::ops::RangeInclusive<u64> = 8..=1_000_000_000;

/// The header of a request in the binary protocol.
fn binary_header(args: &Args<'_>) -> Option<[u8; HEADER_BYTES]> {
    let header: &[u8; HEADER_BYTES] = args.get(0).try_into().ok()?;
    (header[0] == MAGIC_REQUEST).then_some(*header)
}

/// A reply in the binary protocol without extras, key and token.
fn binary_reply(header: &[u8; HEADER_BYTES], status: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_reply(&mut bytes, header, status, b"", b"", value, 0);
    bytes
}

impl Service {
    /// Whether memcached's clients have to authenticate.
    pub(in super::super) fn memcached_users_needed(&self) -> bool {
        self.shared.memcached_users.is_some() || !self.config.requirepass.is_empty()
    }

    fn memcached_password_fits(&self, user: &[u8], password: &[u8]) -> bool {
        let in_file = self.shared.memcached_users.as_ref();
        let by_file = in_file.is_some_and(|users| users.check(user, password));
        by_file || (!self.config.requirepass.is_empty() && self.password_fits(user, password))
    }

    /// Refuses a request of a client that has not authenticated.
    pub(in super::super) fn refuse_memcached(&mut self, index: u32, args: &Args<'_>) {
        self.metrics.count_error("NOAUTH");
        match binary_header(args) {
            Some(header) => {
                let text = error_text(status::AUTH_FAILURE).as_bytes();
                let bytes = binary_reply(&header, status::AUTH_FAILURE, text);
                self.answer_memcached(index, &bytes);
                self.finish_memcached(index);
            }
            None => self.answer_memcached(index, b"CLIENT_ERROR unauthenticated\r\n"),
        }
    }

    /// Refuses a write because of the server's own troubles.
    pub(in super::super) fn refuse_memcached_write(
        &mut self,
        index: u32,
        args: &Args<'_>,
        text: &str,
    ) {
        match binary_header(args) {
            Some(header) => {
                let bytes = binary_reply(&header, status::OUT_OF_MEMORY, text.as_bytes());
                self.answer_memcached(index, &bytes);
            }
            None => self.answer_memcached(index, format!("SERVER_ERROR {text}\r\n").as_bytes()),
        }
    }

    fn answer_memcached(&mut self, index: u32, bytes: &[u8]) {
        if let Some(connection) = self.connection_at(index) {
            connection.replies.writer().bytes.extend_from_slice(bytes);
        }
        self.list(index);
    }

    /// Closes a connection once it has what it is owed.
    fn finish_memcached(&mut self, index: u32) {
        if let Some(connection) = self.connection_at(index) {
            connection.state = State::Finishing;
        }
        self.list(index);
    }

    /// Carries out a command of memcached's protocols that is not one shard's.
    pub(in super::super) fn memcached_command(
        &mut self,
        index: u32,
        row: &'static Command,
        args: Args<'_>,
    ) {
        let mut reply = Vec::new();
        let mut quiet = false;
        let answered = match binary_header(&args) {
            Some(header) => match memcache::binary::refusal(row) {
                Some(status) => {
                    self.finish_memcached(index);
                    reply = binary_reply(&header, status, error_text(status).as_bytes());
                    Answered::Now
                }
                None => self.memcached_binary(index, &header, &args, &mut reply, &mut quiet),
            },
            None => self.memcached_text(index, row, &args, &mut reply, &mut quiet),
        };
        match answered {
            Answered::Now if quiet => {}
            Answered::Now => self.answer_memcached(index, &reply),
            Answered::Later => {}
            Answered::AskAll(call, finish) => self.ask_all(index, call, finish, quiet),
            Answered::Ask(shard, call, finish) => self.ask(index, shard, call, finish, quiet),
        }
    }

    fn memcached_text(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
        reply: &mut Vec<u8>,
        quiet: &mut bool,
    ) -> Answered {
        let mut words: Vec<&[u8]> = (1..args.len()).map(|at| args.get(at)).collect();
        let name = row.name.rsplit('|').next().unwrap_or_default();
        let can_be_silent = matches!(name, "flush_all" | "verbosity" | "cache_memlimit");
        if can_be_silent && words.last() == Some(&&b"noreply"[..]) {
            words.pop();
            *quiet = true;
        }
        let line: &[u8] = match (name, &words[..]) {
            ("version", _) => {
                reply.extend_from_slice(format!("VERSION {MEMCACHED_VERSION}\r\n").as_bytes());
                return Answered::Now;
            }
            // There is nothing to say more of: the log has its own option.
            ("verbosity", [level] | [level, _]) => match number::unsigned32(level) {
                Some(_) => OK,
                None => BAD_FORMAT,
            },
            ("flush_all", []) => return self.flush_all(0, Vec::from(OK)),
            ("flush_all", [delay] | [delay, _]) => match number::signed32(delay) {
                Some(delay) => return self.flush_all(i64::from(delay), Vec::from(OK)),
                None => BAD_EXPTIME,
            },
            ("cache_memlimit", [limit]) => match number::unsigned64(limit) {
                Some(limit) => return self.cache_memlimit(limit, reply),
                None => ERROR,
            },
            ("stats", [b"reset", ..]) => {
                let finish = Finish::Bytes(b"RESET\r\n".to_vec());
                return Answered::AskAll(Call::ResetStats, finish);
            }
            ("stats", group) => match Group::parse(group) {
                Ok(group) => return group.ask(Form::Text),
                Err(line) => line,
            },
            ("shutdown", _) if !self.config.memcached_allow_shutdown => {
                b"ERROR: shutdown not enabled\r\n"
            }
            ("shutdown", [] | [b"graceful"]) => {
                self.shared.stop();
                return Answered::Now;
            }
            ("shutdown", _) => b"CLIENT_ERROR invalid shutdown mode\r\n",
            ("quit", _) => {
                *quiet = true;
                self.finish_memcached(index);
                return Answered::Now;
            }
            ("authenticate", _) => self.authenticate_text(index, args.get(args.len() - 1)),
            ("watch", _) => {
                b"CLIENT_ERROR watchers are not available on this server; INFO, stats and CLIENT LIST show what it does\r\n"
            }
            (
                "lru_crawler",
                [b"enable" | b"disable"] | [b"sleep" | b"tocrawl" | b"crawl" | b"metadump", _, ..],
            ) => b"CLIENT_ERROR lru crawler disabled\r\n",
            ("slabs", [b"automove", mode]) if number::unsigned32(mode).is_none() => BAD_FORMAT,
            ("slabs", [b"automove", _] | [b"reassign", _, _]) => {
                b"CLIENT_ERROR slab reassignment disabled\r\n"
            }
            ("refresh_certs", _) => b"Error TLS not enabled\r\n",
            _ => ERROR,
        };
        reply.extend_from_slice(line);
        Answered::Now
    }

    fn flush_all(&mut self, delay_seconds: i64, reply: Vec<u8>) -> Answered {
        self.shard.stats.memcache.cmd_flush += 1;
        let at_ms = expiry_at(delay_seconds, self.now_ms);
        Answered::AskAll(Call::Flush { at_ms }, Finish::Bytes(reply))
    }

    fn cache_memlimit(&mut self, megabytes: u64, reply: &mut Vec<u8>) -> Answered {
        if megabytes < *LIMIT_MB.start() {
            reply.extend_from_slice(b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n");
            return Answered::Now;
        }
        if megabytes > *LIMIT_MB.end() {
            reply.extend_from_slice(
                b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n",
            );
            return Answered::Now;
        }
        let value = format!("{megabytes}mb");
        let pair: (&[u8], &[u8]) = (b"maxmemory", value.as_bytes());
        let changed = self.shared.change_config(|config| {
            let changed = config.with(&[pair])?;
            super::super::start::check_memory(&changed).map_err(|error| error.to_string())?;
            Ok::<_, String>(changed)
        });
        match changed {
            Ok(changed) => Answered::AskAll(Call::Configure(changed), Finish::Bytes(Vec::from(OK))),
            Err(error) => {
                let line = format!("MEMLIMIT_ADJUST_FAILED {error}\r\n");
                reply.extend_from_slice(line.as_bytes());
                Answered::Now
            }
        }
    }

    /// memcached's own way to authenticate in text: `user password` as the data of a `set`.
    fn authenticate_text(&mut self, index: u32, token: &[u8]) -> &'static [u8] {
        self.shard.stats.memcache.auth_cmds += 1;
        let Some(space) = token.iter().position(|&byte| byte == b' ') else {
            return b"CLIENT_ERROR bad authentication token format\r\n";
        };
        if self.memcached_password_fits(&token[..space], &token[space + 1..]) {
            self.let_in(index);
            b"STORED\r\n"
        } else {
            self.shard.stats.memcache.auth_errors += 1;
            b"CLIENT_ERROR authentication failure\r\n"
        }
    }

    fn authenticate_sasl(
        &mut self,
        index: u32,
        is_step: bool,
        mechanism: &[u8],
        message: &[u8],
    ) -> sasl::Answer {
        self.shard.stats.memcache.auth_cmds += 1;
        let Some(connection) = self.connection_at(index) else {
            return sasl::Answer::Failure;
        };
        let mut exchange = connection.session.sasl;
        let answer = exchange.answer(is_step, mechanism, message, |credentials| {
            self.memcached_password_fits(credentials.user, credentials.password)
        });
        match answer {
            sasl::Answer::Authenticated => self.let_in(index),
            sasl::Answer::Failure => self.shard.stats.memcache.auth_errors += 1,
            sasl::Answer::Continue | sasl::Answer::Invalid => {}
        }
        if let Some(connection) = self.connection_at(index) {
            connection.session.sasl = exchange;
        }
        answer
    }

    fn memcached_binary(
        &mut self,
        index: u32,
        header: &[u8; HEADER_BYTES],
        args: &Args<'_>,
        reply: &mut Vec<u8>,
        quiet: &mut bool,
    ) -> Answered {
        let (extras, key, value) = (args.get(1), args.get(2), args.get(3));
        let operation = header[1];
        *quiet = matches!(operation, opcode::QUITQ | opcode::FLUSHQ);
        let answer = |status, value: &[u8]| binary_reply(header, status, value);
        let error = |status| binary_reply(header, status, error_text(status).as_bytes());
        *reply = match operation {
            opcode::VERSION => answer(status::OK, MEMCACHED_VERSION.as_bytes()),
            opcode::QUIT | opcode::QUITQ => {
                self.finish_memcached(index);
                answer(status::OK, b"")
            }
            opcode::FLUSH | opcode::FLUSHQ => {
                let delay = extras
                    .first_chunk()
                    .map_or(0, |&delay| u32::from_be_bytes(delay));
                return self.flush_all(i64::from(delay), answer(status::OK, b""));
            }
            opcode::STAT if key == b"reset" => {
                let finish = Finish::Bytes(answer(status::OK, b""));
                return Answered::AskAll(Call::ResetStats, finish);
            }
            opcode::STAT => {
                let words: Vec<&[u8]> = key
                    .split(|&byte| byte == b' ')
                    .filter(|word| !word.is_empty())
                    .collect();
                match Group::parse(&words) {
                    Ok(group) => return group.ask(Form::Binary(*header)),
                    Err(_) => error(status::NOT_FOUND),
                }
            }
            opcode::SASL_LIST | opcode::SASL_AUTH | opcode::SASL_STEP
                if !self.memcached_users_needed() =>
            {
                error(status::UNKNOWN_COMMAND)
            }
            opcode::SASL_LIST => answer(status::OK, sasl::MECHANISMS),
            opcode::SASL_AUTH | opcode::SASL_STEP => {
                let is_step = operation == opcode::SASL_STEP;
                let (status, text) = self.authenticate_sasl(index, is_step, key, value).reply();
                answer(status, text.as_bytes())
            }
            _ => error(status::UNKNOWN_COMMAND),
        };
        Answered::Now
    }

    /// One connection as `stats conns` shows it: its number, and names with values.
    pub(in super::super) fn memcached_connections(
        &self,
    ) -> Vec<(u64, [(&'static str, String); 4])> {
        let address =
            |transport: &str, address: &dyn std::fmt::Display| format!("{transport}:{address}");
        self.connections()
            .filter(|connection| {
                connection.session.dialect == Dialect::Memcached
                    && !matches!(connection.socket, Socket::Datagram { .. })
            })
            .map(|connection| {
                let session = &connection.session;
                let (remote, local) = match &session.peer {
                    Peer::Tcp { remote, local } => (address("tcp", remote), address("tcp", local)),
                    Peer::Udp { remote, local } => (address("udp", remote), address("udp", local)),
                    Peer::Unix(path) => (address("unix", path), address("unix", path)),
                };
                let state = match connection.state {
                    State::Open if connection.sending_bytes > 0 => "conn_mwrite",
                    State::Open => "conn_read",
                    State::Finishing | State::Closed => "conn_closing",
                };
                let idle_ms = self.now_ms - session.last_command_ms;
                let row = [
                    ("addr", remote),
                    ("listen_addr", local),
                    ("state", state.to_string()),
                    ("secs_since_last_cmd", (idle_ms / 1000).to_string()),
                ];
                (session.id, row)
            })
            .collect()
    }
}
