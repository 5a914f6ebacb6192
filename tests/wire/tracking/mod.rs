//! CLIENT TRACKING with several clients, wherever they and the keys are: who is told of which changes, and that no copy of a value stays behind that is old. What a client
//! alone sees is in the table `tracking`.

mod broadcast;
mod copies;
mod reads;
mod redirect;

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use crate::talk::{flat, next, send, silent};

/// A client that speaks RESP3 and has sent this.
fn tracker(server: &Server, line: &str) -> Client {
    let mut client = server.client();
    client.words("HELLO 3");
    assert_eq!(flat(&client.words(line)), "OK");
    client
}

/// Some clients, so that there are some on every shard.
fn trackers(server: &Server, line: &str) -> Vec<Client> {
    (0..6).map(|_| tracker(server, line)).collect()
}

/// The number of a client.
fn id(client: &mut Client) -> i64 {
    client.words("CLIENT ID").integer()
}

/// A figure of INFO.
fn figure(client: &mut Client, name: &str) -> usize {
    let text = flat(&client.words("INFO everything"));
    let field = format!("{name}:");
    let line = text.lines().find_map(|line| line.strip_prefix(&field));
    line.expect("a field of INFO")
        .trim()
        .parse()
        .expect("a number")
}

/// Goes on when a figure of INFO has a value.
fn until_figure(client: &mut Client, name: &str, value: usize) {
    eventually(&format!("{name} is {value}"), WAIT_LIMIT, || {
        figure(client, name) == value
    });
}

/// Names whose slots are spread over all shards.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key:{number}")).collect()
}
