//! Commands that wait, with real connections: who is served, in which order, and what ends a wait. A test goes on when the server says how many clients wait
//! (INFO clients), never after a while. The keys of a test have names whose slots are spread over all shards, or a common hash tag.

mod crowd;
mod ends;
mod moving;
mod order;
mod streams;
mod waking;

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use crate::talk::{flat, next as answer, raw, send, silent};

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

/// A new client whose request waits, behind those who wait already.
fn waiting(server: &Server, admin: &mut Client, line: &str) -> Client {
    let before = blocked(admin);
    let mut client = server.client();
    send(&mut client, line);
    until_blocked(admin, before + 1);
    client
}

/// Both ways of naming keys: all on one shard, and each where it may be.
const NAMES: [fn(&str) -> String; 2] = [|name| format!("{{t}}{name}"), |name| name.to_string()];
