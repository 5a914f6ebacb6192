//! The request parser of one connection, whichever protocol it speaks: one set of calls over all of them.
//!
//! It adds nothing to the parsers but the choice between memcached's protocols, which falls with the first byte of a connection as in memcached.
//! See [`super::resp::Parser`] for how a parser is used.

use super::args::Args;
use super::memcache::{Verb, binary, text};
use super::resp::{self, ParseError, Step};

/// A family of protocols: what a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RESP2, RESP3 and inline requests.
    Redis,
    /// memcached's text, meta and binary protocols.
    Memcached,
}

/// What a request is called, as its command is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// By its first argument.
    Word,
    /// A command of memcached's text or meta protocol.
    Verb(Verb),
    /// An operation of memcached's binary protocol.
    Opcode(u8),
}

/// What a client may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `proto-max-bulk-len`.
    pub bulk_bytes_max: usize,
    /// `item-size-max`.
    pub item_bytes_max: usize,
    /// Before authentication the limits are narrow.
    pub authenticated: bool,
}

impl Limits {
    /// For requests that were parsed before.
    pub const NONE: Limits = Limits {
        bulk_bytes_max: usize::MAX,
        item_bytes_max: usize::MAX,
        authenticated: true,
    };
}

/// The parser of one connection.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // It lives in a connection, which is boxed, and is nearly always one of the large ones.
pub enum RequestParser {
    /// Redis' protocol.
    Resp(resp::Parser),
    /// One of memcached's, before the first byte has come.
    Undecided(Limits),
    /// memcached's text and meta protocol.
    Text(text::Parser),
    /// memcached's binary protocol.
    Binary(binary::Parser),
}

impl Default for RequestParser {
    fn default() -> RequestParser {
        RequestParser::Undecided(Limits::NONE)
    }
}

impl RequestParser {
    /// For a new connection.
    pub fn new(dialect: Dialect, limits: Limits) -> RequestParser {
        let mut parser = match dialect {
            Dialect::Redis => RequestParser::Resp(resp::Parser::new()),
            Dialect::Memcached => RequestParser::Undecided(limits),
        };
        parser.set_limits(limits);
        parser
    }

    /// One of the same protocol, at the beginning of a request, without limits.
    pub fn fresh(&self) -> RequestParser {
        let mut parser = match self {
            RequestParser::Resp(_) => RequestParser::Resp(resp::Parser::new()),
            RequestParser::Undecided(_) => RequestParser::Undecided(Limits::NONE),
            RequestParser::Text(_) => RequestParser::Text(text::Parser::new()),
            RequestParser::Binary(_) => RequestParser::Binary(binary::Parser::new()),
        };
        parser.set_limits(Limits::NONE);
        parser
    }

    /// Limits that can change.
    pub fn set_limits(&mut self, limits: Limits) {
        match self {
            RequestParser::Resp(parser) => {
                parser.set_limits(limits.bulk_bytes_max, limits.authenticated)
            }
            RequestParser::Undecided(held) => *held = limits,
            RequestParser::Text(parser) => {
                parser.set_limits(limits.item_bytes_max, limits.authenticated)
            }
            RequestParser::Binary(parser) => {
                parser.set_limits(limits.item_bytes_max, limits.authenticated)
            }
        }
    }

    /// Goes on with the current request.
    #[inline]
    pub fn parse(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        match self {
            RequestParser::Resp(parser) => parser.parse(input),
            RequestParser::Text(parser) => parser.parse(input),
            RequestParser::Binary(parser) => parser.parse(input),
            RequestParser::Undecided(_) => self.decide(input),
        }
    }

    #[cold]
    fn decide(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        let RequestParser::Undecided(limits) = *self else {
            unreachable!("it was undecided a moment ago")
        };
        *self = match input.first() {
            None => return Ok(Step::Incomplete),
            Some(&binary::MAGIC_REQUEST) => RequestParser::Binary(binary::Parser::new()),
            Some(_) => RequestParser::Text(text::Parser::new()),
        };
        self.set_limits(limits);
        self.parse(input)
    }

    /// What the request is called that `parse` came to the end of.
    #[inline]
    pub fn name(&self) -> Name {
        match self {
            RequestParser::Resp(_) | RequestParser::Undecided(_) => Name::Word,
            RequestParser::Text(parser) => Name::Verb(parser.verb()),
            RequestParser::Binary(parser) => Name::Opcode(parser.opcode()),
        }
    }

    /// Whether requests come in memcached's binary protocol, in which an error is no text.
    pub fn is_binary(&self) -> bool {
        matches!(self, RequestParser::Binary(_))
    }

    /// Whether a fresh parser without limits would read the same request from the same bytes.
    #[inline]
    pub fn is_self_contained(&self) -> bool {
        match self {
            RequestParser::Resp(_) | RequestParser::Undecided(_) => true,
            // What depends on limits or leaves bytes behind comes in pieces, or before authentication, and is never read twice.
            RequestParser::Text(_) => true,
            RequestParser::Binary(parser) => {
                parser.opcode() < binary::opcode::UNKNOWN && !parser.skips()
            }
        }
    }

    /// The arguments of that request.
    #[inline]
    pub fn args<'a>(&'a mut self, input: &'a [u8]) -> Args<'a> {
        match self {
            RequestParser::Resp(parser) => parser.args(input),
            RequestParser::Text(parser) => parser.args(input),
            RequestParser::Binary(parser) => parser.args(input),
            RequestParser::Undecided(_) => unreachable!("there was no request yet"),
        }
    }

    /// Turns to the next request.
    #[inline]
    pub fn next_request(&mut self) {
        match self {
            RequestParser::Resp(parser) => parser.next_request(),
            RequestParser::Text(parser) => parser.next_request(),
            RequestParser::Binary(parser) => parser.next_request(),
            RequestParser::Undecided(_) => {}
        }
    }

    /// Whether a large argument is being received.
    #[inline]
    pub fn wants_large(&self) -> bool {
        match self {
            RequestParser::Resp(parser) => parser.wants_large(),
            RequestParser::Text(parser) => parser.wants_large(),
            RequestParser::Binary(parser) => parser.wants_large(),
            RequestParser::Undecided(_) => false,
        }
    }

    /// Takes bytes of the large argument; returns how many.
    pub fn fill_large(&mut self, data: &[u8]) -> usize {
        match self {
            RequestParser::Resp(parser) => parser.fill_large(data),
            RequestParser::Text(parser) => parser.fill_large(data),
            RequestParser::Binary(parser) => parser.fill_large(data),
            RequestParser::Undecided(_) => 0,
        }
    }

    /// Bytes of memory held for an unfinished request.
    pub fn bytes_held(&self) -> usize {
        match self {
            RequestParser::Resp(parser) => parser.bytes_held(),
            RequestParser::Text(parser) => parser.bytes_held(),
            RequestParser::Binary(parser) => parser.bytes_held(),
            RequestParser::Undecided(_) => 0,
        }
    }
}
