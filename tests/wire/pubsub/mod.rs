//! Publishing and subscribing with real connections: what is answered, who receives what in which order, and what ends a subscription. A test goes on when a
//! confirmation or a message has come, or when the server says how many have subscribed, never after a while.

mod delivery;
mod limits;
mod replies;

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use crate::talk::{flat, next, raw, send, silent};

/// Sends a request and reads so many replies.
fn ask(client: &mut Client, line: &str, replies: usize) -> Vec<String> {
    send(client, line);
    (0..replies).map(|_| next(client)).collect()
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
