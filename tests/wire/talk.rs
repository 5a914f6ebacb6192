//! Talking to a server a request and a reply at a time, where a test must not wait for the reply or wants it on one line.

use crate::support::WAIT_LIMIT;
use crate::support::client::{Client, request};
use crate::support::reply::{Reply, printable};
use std::time::Duration;

/// How long nothing has to come where nothing may come.
pub const SILENCE: Duration = Duration::from_millis(60);

/// Sends a request of words separated by blanks, and does not read its reply.
pub fn send(client: &mut Client, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    client.send(&request(&words)).expect("the server receives");
}

/// The next reply as it came, on one line.
pub fn raw(client: &mut Client) -> String {
    printable(&client.read_raw().expect("answered"))
}

/// The strings of a reply or a message of nested arrays, with blanks between them.
pub fn flat(reply: &Reply) -> String {
    match reply {
        Reply::Null => "null".into(),
        Reply::Integer(number) => number.to_string(),
        Reply::Array(elements)
        | Reply::Map(elements)
        | Reply::Set(elements)
        | Reply::Push(elements) => elements.iter().map(flat).collect::<Vec<_>>().join(" "),
        text => text.text(),
    }
}

/// The next reply or message, as [`flat`] shows it.
pub fn next(client: &mut Client) -> String {
    flat(&client.read().expect("something comes"))
}

/// Nothing comes.
pub fn silent(client: &mut Client) {
    client.set_limit(SILENCE);
    let came = client.read();
    assert!(came.is_err(), "nothing was to come: {came:?}");
    client.set_limit(WAIT_LIMIT);
}
