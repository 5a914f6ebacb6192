//! The rows of memcached's binary commands, and which operation has which. They are no part of the table of Redis' commands.
//!
//! A row that needs no authentication says so with [`flags::NO_AUTH`]; all others are answered with status 0x20 before it, and the connection is closed.

use super::super::table::{Command, flags};
use super::super::{Handler, Route, ServerCommand, Split};
use super::binary::{self, KEY};
use crate::protocol::memcache::binary::opcode;
use crate::protocol::memcache::binary_reply::status;

const REFUSED_LENGTHS: &str = "memcache|binary-refused-lengths";
const REFUSED_INVALID: &str = "memcache|binary-refused-invalid";
const REFUSED_UNAUTHENTICATED: &str = "memcache|binary-refused-unauthenticated";

const fn keyed(name: &'static str, flags: u32, handler: Handler) -> Command {
    Command::data(name, 4, Route::Keys(Split::Never), handler)
        .flags(flags | flags::FAST, 0)
        .keys(KEY as i8, KEY as i8, 1, &[])
}

const fn server(name: &'static str, flags: u32) -> Command {
    Command::server(name, 4, ServerCommand::Memcache).flags(flags, 0)
}

/// The rows; [`row`] finds them. They have one address, unlike those of a constant, so that a row can be told by its own.
pub const ROWS: &[Command] = &TABLE;

static TABLE: [Command; 24] = [
    keyed("memcache|binary-get", flags::READONLY, binary::get),
    keyed("memcache|binary-set", flags::WRITE, binary::set),
    keyed("memcache|binary-add", flags::WRITE, binary::add),
    keyed("memcache|binary-replace", flags::WRITE, binary::replace),
    keyed("memcache|binary-append", flags::WRITE, binary::append),
    keyed("memcache|binary-prepend", flags::WRITE, binary::prepend),
    keyed("memcache|binary-delete", flags::WRITE, binary::delete),
    keyed("memcache|binary-increment", flags::WRITE, binary::count),
    keyed("memcache|binary-decrement", flags::WRITE, binary::count),
    keyed("memcache|binary-touch", flags::WRITE, binary::touch),
    keyed("memcache|binary-gat", flags::WRITE, binary::touch),
    keyed("memcache|binary-too-large", flags::WRITE, binary::too_large),
    Command::data("memcache|binary-noop", 4, Route::Anywhere, binary::noop).flags(flags::FAST, 0),
    Command::data(
        "memcache|binary-unknown",
        4,
        Route::Anywhere,
        binary::unknown,
    )
    .flags(flags::FAST, 0),
    server("memcache|binary-flush", flags::WRITE),
    server("memcache|binary-stat", 0),
    server("memcache|binary-version", flags::NO_AUTH | flags::FAST),
    server("memcache|binary-quit", flags::FAST),
    server("memcache|binary-sasl-list", flags::NO_AUTH | flags::FAST),
    server("memcache|binary-sasl-auth", flags::NO_AUTH | flags::FAST),
    server("memcache|binary-sasl-step", flags::NO_AUTH | flags::FAST),
    server(REFUSED_LENGTHS, flags::NO_AUTH | flags::FAST),
    server(REFUSED_INVALID, flags::FAST),
    server(REFUSED_UNAUTHENTICATED, flags::NO_AUTH | flags::FAST),
];

/// The status of the reply to a request that the parser refused, after which the connection is closed; None for all other rows. The header of such a
/// request names the operation that the client meant.
pub fn refusal(row: &Command) -> Option<u16> {
    match row.name {
        REFUSED_LENGTHS => Some(status::UNKNOWN_COMMAND),
        REFUSED_INVALID => Some(status::INVALID),
        REFUSED_UNAUTHENTICATED => Some(status::AUTH_FAILURE),
        _ => None,
    }
}

/// The row of an operation as the parser gives it.
#[inline]
pub fn row(code: u8) -> &'static Command {
    &TABLE[usize::from(PLACES[usize::from(code)])]
}

/// The place of each operation's row.
static PLACES: [u8; 256] = {
    let mut places = [0; 256];
    let mut code = 0;
    while code < places.len() {
        places[code] = place(code as u8);
        code += 1;
    }
    places
};

const fn place(code: u8) -> u8 {
    use opcode::*;
    match code {
        GET | GETQ | GETK | GETKQ => 0,
        SET | SETQ => 1,
        ADD | ADDQ => 2,
        REPLACE | REPLACEQ => 3,
        APPEND | APPENDQ => 4,
        PREPEND | PREPENDQ => 5,
        DELETE | DELETEQ => 6,
        INCREMENT | INCREMENTQ => 7,
        DECREMENT | DECREMENTQ => 8,
        TOUCH => 9,
        GAT | GATQ | GATK | GATKQ => 10,
        TOO_LARGE => 11,
        NOOP => 12,
        FLUSH | FLUSHQ => 14,
        STAT => 15,
        VERSION => 16,
        QUIT | QUITQ => 17,
        SASL_LIST => 18,
        SASL_AUTH => 19,
        SASL_STEP => 20,
        REFUSED_LENGTHS => 21,
        REFUSED_INVALID => 22,
        REFUSED_UNAUTHENTICATED => 23,
        _ => 13,
    }
}
