//! Publishing and subscribing with real connections: what is answered, who receives what in which order, and what ends a subscription. A test goes on when a
//! confirmation or a message has come, or when the server says how many have subscribed, never after a while.

mod delivery;
mod limits;
mod replies;

use crate::support::client::{Client, request};
use crate::support::reply::{Reply, printable};
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use std::time::Duration;

/// How long nothing has to come where nothing may come.
const SILENCE: Duration = Duration::from_millis(60);

/// Sends a request of words separated by blanks, and does not read its reply.
fn send(client: &mut Client, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    client.send(&request(&words)).expect("the server receives");
}

/// The next reply as it came, on one line.
fn raw(client: &mut Client) -> String {
    printable(&client.read_raw().expect("answered"))
}

/// The parts of a reply or a message with blanks between them.
fn flat(reply: &Reply) -> String {
    match reply {
        Reply::Null => "null".into(),
        Reply::Integer(number) => number.to_string(),
        Reply::Array(elements) | Reply::Push(elements) => {
            elements.iter().map(flat).collect::<Vec<_>>().join(" ")
        }
        text => text.text(),
    }
}

/// The next reply or message, as [`flat`] shows it.
fn next(client: &mut Client) -> String {
    flat(&client.read().expect("something comes"))
}

/// Sends a request and reads so many replies.
fn ask(client: &mut Client, line: &str, replies: usize) -> Vec<String> {
    send(client, line);
    (0..replies).map(|_| next(client)).collect()
}

/// Nothing comes.
fn silent(client: &mut Client) {
    client.set_limit(SILENCE);
    let came = client.read();
    assert!(came.is_err(), "nothing was to come: {came:?}");
    client.set_limit(WAIT_LIMIT);
}

/// A new client that has subscribed to one name; version 2 or 3 of the protocol.
fn subscriber(server: &Server, version: u8, line: &str) -> Client {
    let mut client = server.client();
    if version == 3 {
        client.words("HELLO 3");
    }
    let confirmed = ask(&mut client, line, 1);
    assert!(confirmed[0].ends_with(" 1"), "{confirmed:?}");
    client
}

/// Goes on when a channel has so many subscribers.
fn until_subscribed(admin: &mut Client, channel: &str, count: usize) {
    let expected = format!("{channel} {count}");
    eventually(&expected, WAIT_LIMIT, || {
        flat(&admin.words(&format!("PUBSUB NUMSUB {channel}"))) == expected
    });
}
