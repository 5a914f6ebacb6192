//! The rows of memcached's binary commands, and which operation has which. They are no part of the table of Redis' commands.
//!
//! A row that needs no authentication says so with [`flags::NO_AUTH`]; all others are answered with status 0x20 before it, and the connection is closed.

use super::super::table::{Command, flags};
use super::super::{Handler, Route, ServerCommand, Split};
use super::binary::{self, KEY};
use crate::protocol::memcache::binary::opcode;

const fn keyed(name: &'static str, flags: u32, handler: Handler) -> Command {
    Command::data(name, 4, Route::Keys(Split::Never), handler)
        .flags(flags | flags::FAST, 0)
        .keys(KEY as i8, KEY as i8, 1, &[])
}

const fn server(name: &'static str, flags: u32) -> Command {
    Command::server(name, 4, ServerCommand::Memcache).flags(flags, 0)
}

/// The rows; [`row`] finds them.
pub static ROWS: &[Command] = &[
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
    server(
        "memcache|binary-refused-lengths",
        flags::NO_AUTH | flags::FAST,
    ),
    server("memcache|binary-refused-invalid", flags::FAST),
    server(
        "memcache|binary-refused-unauthenticated",
        flags::NO_AUTH | flags::FAST,
    ),
];

/// The row of an operation as the parser gives it.
#[inline]
pub fn row(code: u8) -> &'static Command {
    &ROWS[usize::from(PLACES[usize::from(code)])]
}

/// The place of each operation's row among [`ROWS`].
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
