//! The formats that torc shares with redis-server, against a real one: HyperLogLog strings, geohash scores and searches, DUMP payloads, the nodes
//! of streams. No torc server runs here; the library's own functions are compared.

#[path = "../support/mod.rs"]
mod support;

mod dump;
mod geo;
mod hyperloglog;
mod streams;

use support::client::Client;
use support::reply::Reply;

/// One request; every argument as bytes.
macro_rules! call {
    ($client:expr, $($argument:expr),+ $(,)?) => {
        $client.call(&[$(AsRef::<[u8]>::as_ref(&$argument)),+])
    };
}
use call;

/// The strings of an array.
fn strings(reply: &Reply) -> Vec<Vec<u8>> {
    reply
        .elements()
        .iter()
        .map(|element| element.bytes().to_vec())
        .collect()
}

/// A request of a command, a key and any number of arguments, which must succeed.
fn send(client: &mut Client, words: &[&str], arguments: &[Vec<u8>]) -> Reply {
    let mut request: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    request.extend(arguments.iter().map(Vec::as_slice));
    let reply = client.call(&request);
    assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
    reply
}
