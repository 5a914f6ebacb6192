//! From a request's first words to the row it is for, and the errors when there is none or the number of arguments is wrong.
//!
//! Look-up folds the name into one number, which an index made at compile time leads from to the row: no loop over bytes.

use super::CommandError;
use super::memcache;
use super::rows::COMMANDS;
use super::table::Command;
use crate::protocol::args::Args;

/// Places of the index: a power of two several times the number of rows, so that most names are found at once.
const INDEX_SIZE: usize = 1024;
/// The row number of a free place.
const FREE: u8 = u8::MAX;

/// A place of the index.
#[derive(Clone, Copy)]
struct Place {
    /// The name, or its first bytes; see [`fold`].
    folded: u64,
    /// The name's length.
    len: usize,
    /// The row's number.
    row: u8,
    /// The number does not tell all: the name is long, or has more than letters.
    compares: bool,
}

/// The rows by hash; the next place is tried when one is taken.
static INDEX: [Place; INDEX_SIZE] = build_index();

/// The bit that tells lower case from upper case, in each byte.
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;

/// A name of at most 8 bytes as a whole, or the first 8 of a longer one, as a number that is the same for upper and lower case. Two names of one length
/// up to 8, one of them a row's and therefore nothing but letters, have the same number only if they are the same in some case.
#[inline]
const fn fold(name: &[u8]) -> u64 {
    let number = if let Some(first) = name.first_chunk::<8>() {
        u64::from_le_bytes(*first)
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        // The two may overlap: no byte is left out, and no loop is needed.
        u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32
    } else if let (Some(first), Some(last)) = (name.first(), name.last()) {
        *first as u64 | (name[name.len() / 2] as u64) << 8 | (*last as u64) << 16
    } else {
        0
    };
    number | LOWER_CASE
}

/// Where to begin to look for a name.
#[inline]
const fn place_of(folded: u64, len: usize) -> usize {
    (folded
        .wrapping_add(len as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> (64 - INDEX_SIZE.trailing_zeros())) as usize
}

const fn build_index() -> [Place; INDEX_SIZE] {
    assert!(COMMANDS.len() < FREE as usize && COMMANDS.len() * 3 < INDEX_SIZE);
    let mut index = [Place {
        folded: 0,
        len: 0,
        row: FREE,
        compares: false,
    }; INDEX_SIZE];
    let mut row = 0;
    while row < COMMANDS.len() {
        let name = COMMANDS[row].name.as_bytes();
        let mut compares = name.len() > 8;
        let mut letter = 0;
        while letter < name.len() {
            compares |= !name[letter].is_ascii_lowercase();
            letter += 1;
        }
        let folded = fold(name);
        let mut place = place_of(folded, name.len());
        while index[place].row != FREE {
            assert!(
                index[place].folded != folded || index[place].len != name.len(),
                "two names look the same"
            );
            place = (place + 1) % INDEX_SIZE;
        }
        index[place] = Place {
            folded,
            len: name.len(),
            row: row as u8,
            compares,
        };
        row += 1;
    }
    index
}

/// Finds a row by name, in any case.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let folded = fold(name);
    let mut number = place_of(folded, name.len());
    loop {
        let place = &INDEX[number];
        if place.row == FREE {
            return None;
        }
        if place.folded == folded && place.len == name.len() {
            let command = &COMMANDS[place.row as usize];
            let same = !place.compares || command.name.as_bytes().eq_ignore_ascii_case(name);
            return same.then_some(command);
        }
        number = (number + 1) % INDEX_SIZE;
    }
}

/// The tables of all protocols, one behind the other: messages name a row by its number in them. No static of its own, because a static that copies
/// others' references may refer to copies of their rows.
#[inline]
fn tables() -> [&'static [Command]; 3] {
    [
        COMMANDS,
        memcache::MEMCACHE_COMMANDS,
        memcache::BINARY_COMMANDS,
    ]
}

/// The number of rows of all tables, subcommands not counted.
pub fn rows_len() -> usize {
    tables().iter().map(|table| table.len()).sum()
}

/// The row of a number below [`rows_len`].
#[inline]
pub fn row_at(number: u16) -> &'static Command {
    let mut number = usize::from(number);
    for table in tables() {
        match table.get(number) {
            Some(row) => return row,
            None => number -= table.len(),
        }
    }
    unreachable!("a row's number is below the number of rows")
}

/// The number of a row; of its container's row for a subcommand.
#[inline]
pub fn command_index(command: &'static Command) -> u16 {
    let address = std::ptr::from_ref(command) as usize;
    let mut first = 0;
    for table in tables() {
        let offset = address.wrapping_sub(table.as_ptr() as usize);
        if offset < size_of_val(table) {
            return (first + offset / size_of::<Command>()) as u16;
        }
        first += table.len();
    }
    let container = command.name.split('|').next().unwrap_or_default();
    command_index(lookup(container.as_bytes()).expect("a subcommand has a container in the table"))
}

/// The row of a number, a subcommand's where there are some, for a request that was resolved before.
#[inline]
pub fn resolved_row(number: u16, args: &Args<'_>) -> &'static Command {
    let row = row_at(number);
    if row.subcommands.is_empty() {
        return row;
    }
    row.subcommand(args.get(1))
        .expect("the sender has resolved it")
}

/// Finds the row that a request is for, a subcommand's where there are some, and checks the number of arguments.
#[inline]
pub fn resolve(args: &Args<'_>) -> Result<&'static Command, CommandError> {
    let Some(command) = lookup(args.get(0)) else {
        return Err(unknown_command(args));
    };
    if !command.subcommands.is_empty() && args.len() > 1 {
        return resolve_subcommand(command, args);
    }
    if !command.accepts(args.len()) {
        return Err(CommandError::arity(command.name));
    }
    Ok(command)
}

fn resolve_subcommand(
    container: &'static Command,
    args: &Args<'_>,
) -> Result<&'static Command, CommandError> {
    match container.subcommand(args.get(1)) {
        None => Err(unknown_subcommand(container, args.get(1))),
        Some(row) if !row.accepts(args.len()) => Err(CommandError::arity(row.name)),
        Some(row) => Ok(row),
    }
}

/// Bytes of a client's words that an error repeats, as in Redis.
const ECHO_BYTES_MAX: usize = 128;

/// As much of a word as an error repeats: like redis-server, which prints a C string, up to the first NUL.
fn clipped(text: &[u8], bytes_max: usize) -> &[u8] {
    let clipped = &text[..text.len().min(bytes_max)];
    match clipped.iter().position(|&byte| byte == 0) {
        Some(end) => &clipped[..end],
        None => clipped,
    }
}

/// The error for a name without a row.
#[cold]
fn unknown_command(args: &Args<'_>) -> CommandError {
    let mut words = Vec::new();
    for index in 1..args.len() {
        if words.len() >= ECHO_BYTES_MAX {
            break;
        }
        let word = clipped(args.get(index), ECHO_BYTES_MAX - words.len());
        words.extend_from_slice(&[b"'", word, b"' "].concat());
    }
    let name = clipped(args.get(0), ECHO_BYTES_MAX);
    CommandError::repeating(
        [
            b"ERR unknown command '",
            name,
            b"', with args beginning with: ",
            &words,
        ]
        .concat(),
    )
}

/// The error for a subcommand without a row.
#[cold]
fn unknown_subcommand(container: &Command, name: &[u8]) -> CommandError {
    let help = format!("'. Try {} HELP.", container.name.to_ascii_uppercase());
    CommandError::repeating(
        [
            b"ERR unknown subcommand '",
            clipped(name, ECHO_BYTES_MAX),
            help.as_bytes(),
        ]
        .concat(),
    )
}
