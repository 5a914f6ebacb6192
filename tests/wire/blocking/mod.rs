//! Commands that wait, with real connections: who is served, in which order, and what ends a wait. A test goes on when the server says how many clients wait
//! (INFO clients), never after a while. The keys of a test have names whose slots are spread over all shards, or a common hash tag.

mod crowd;
mod ends;
mod moving;
mod order;
mod streams;
mod waking;

use crate::support::client::{Client, request};
use crate::support::reply::{Reply, printable};
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use std::time::Duration;

/// How long nothing has to come where nothing may come.
const SILENCE: Duration = Duration::from_millis(60);

/// How many clients wait.
fn blocked(admin: &mut Client) -> usize {
    let info = admin.words("INFO clients").text();
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("blocked_clients:"));
    count
        .expect("a field of INFO")
        .trim()
        .parse()
        .expect("a number")
}

/// Goes on when so many clients wait.
fn until_blocked(admin: &mut Client, count: usize) {
    eventually(&format!("{count} clients wait"), WAIT_LIMIT, || {
        blocked(admin) == count
    });
}

/// Sends a request of words separated by blanks, and does not read its reply.
fn send(client: &mut Client, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    client.send(&request(&words)).expect("the server receives");
}

/// A new client whose request waits, behind those who wait already.
fn waiting(server: &Server, admin: &mut Client, line: &str) -> Client {
    let before = blocked(admin);
    let mut client = server.client();
    send(&mut client, line);
    until_blocked(admin, before + 1);
    client
}

/// The next reply as it came, on one line.
fn raw(client: &mut Client) -> String {
    printable(&client.read_raw().expect("answered"))
}

/// The strings of a reply of nested arrays, with blanks between them.
fn flat(reply: &Reply) -> String {
    match reply {
        Reply::Null => "null".into(),
        Reply::Integer(number) => number.to_string(),
        Reply::Array(elements) | Reply::Map(elements) => {
            elements.iter().map(flat).collect::<Vec<_>>().join(" ")
        }
        text => text.text(),
    }
}

/// What the client is answered, as [`flat`] shows it.
fn answer(client: &mut Client) -> String {
    flat(&client.read().expect("answered"))
}

/// The client is not answered.
fn silent(client: &mut Client) {
    client.set_limit(SILENCE);
    let came = client.read();
    assert!(came.is_err(), "answered while it should wait: {came:?}");
    client.set_limit(WAIT_LIMIT);
}

/// Both ways of naming keys: all on one shard, and each where it may be.
const NAMES: [fn(&str) -> String; 2] = [|name| format!("{{t}}{name}"), |name| name.to_string()];
