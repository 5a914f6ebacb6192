//! Commands on streams, a file for each part: `entries` (adding, reading and deleting entries), `trim` (the options of trimming), `read` (XREAD and
//! XREADGROUP), `groups` (XGROUP), `pending` (what was delivered and not acknowledged), `info` (XINFO), `delete` (deletion with regard to groups).
//! Never: nodes or maps, which are [`crate::engine::value::stream`]'s; waiting, which is the server's.
//! The decision worth knowing: entries are written into a reply of their own before their number is known, and copied behind the number.

pub mod delete;
mod docs;
pub mod entries;
pub mod groups;
mod id;
pub mod info;
pub mod pending;
pub mod read;
pub mod rows;
#[cfg(test)]
mod tests;
mod trim;

use super::CommandError;
use crate::engine::value::stream::listpack::{Element, INTEGER_BYTES_MAX};
use crate::engine::value::stream::{Entry, StreamId};
use crate::protocol::resp::Reply;

/// The event of a consumer that a command has made.
const NEW_CONSUMER: &str = "xgroup-createconsumer";

/// An id as replies show it.
fn write_id(reply: &mut Reply, id: StreamId) {
    let mut text = [0; 41];
    let mut at = text.len();
    for (number, before) in [(id.seq, b'-'), (id.ms, 0)] {
        let mut rest = number;
        loop {
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if before != 0 {
            at -= 1;
            text[at] = before;
        }
    }
    reply.bulk(&text[at..]);
}

fn write_element(reply: &mut Reply, element: Element<'_>) {
    reply.bulk(element.text(&mut [0; INTEGER_BYTES_MAX]));
}

/// An entry: its id, and its fields and values in turn.
fn write_entry(reply: &mut Reply, entry: Entry<'_>) {
    reply.array(2);
    write_id(reply, entry.id);
    let fields = entry.fields();
    reply.array(2 * fields.len());
    for (field, value) in fields {
        write_element(reply, field);
        write_element(reply, value);
    }
}

/// An entry that may not be there: null then.
fn write_entry_or_null(reply: &mut Reply, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => write_entry(reply, entry),
        None => reply.null(),
    }
}

/// An array whose length is only known when `write`, which returns it, has written the elements.
fn write_counted(reply: &mut Reply, write: impl FnOnce(&mut Reply) -> usize) {
    let mut elements = Reply::new(reply.protocol);
    let count = write(&mut elements);
    reply.array(count);
    append(reply, &elements);
}

/// Appends elements; what lies in streams is always copied, never referred to.
fn append(reply: &mut Reply, elements: &Reply) {
    assert!(elements.large.is_empty(), "elements of streams are copied");
    reply.bytes.extend_from_slice(&elements.bytes);
}

/// Entries as an array.
fn write_entries<'a>(reply: &mut Reply, entries: impl Iterator<Item = Entry<'a>>) {
    write_counted(reply, |reply| {
        entries.map(|entry| write_entry(reply, entry)).count()
    });
}

/// A number or null.
fn write_known(reply: &mut Reply, number: Option<i64>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

/// What a client sent, as redis-server repeats it in errors: as a C string, up to the first NUL.
fn c_text(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The group is not there, or the key; the commands on pending entries do not say which.
fn no_key_or_group(key: &[u8], group: &[u8], suffix: &str) -> CommandError {
    let text: [&[u8]; 6] = [
        b"NOGROUP No such key '",
        c_text(key),
        b"' or consumer group '",
        c_text(group),
        b"'",
        suffix.as_bytes(),
    ];
    CommandError::repeating(text.concat())
}

/// The group of a stream is not there.
fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let text: [&[u8]; 5] = [
        b"NOGROUP No such consumer group '",
        c_text(group),
        b"' for key name '",
        c_text(key),
        b"'",
    ];
    CommandError::repeating(text.concat())
}

/// A subcommand with arguments it does not know; `container` in upper case.
fn subcommand_syntax(container: &str, subcommand: &[u8]) -> CommandError {
    let word = c_text(subcommand);
    let text: [&[u8]; 5] = [
        b"ERR unknown subcommand or wrong number of arguments for '",
        &word[..word.len().min(128)],
        b"'. Try ",
        container.as_bytes(),
        b" HELP.",
    ];
    CommandError::repeating(text.concat())
}

/// An argument that must be an integer, with the command's own words for one that is not.
fn integer_or(text: &[u8], error: &'static str) -> Result<i64, CommandError> {
    super::number::parse_i64(text).ok_or(CommandError::fixed(error))
}

/// An option's word, in any case.
fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}
