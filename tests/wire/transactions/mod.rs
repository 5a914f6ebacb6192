//! Transactions and commands over several keys, seen from outside: nobody sees a part of them, and nothing is lost when clients go. What each command replies is in
//! the table `transactions`.

mod isolation;
mod watching;

use crate::support::client::{Client, request};
use crate::support::reply::Reply;

/// Names whose slots are spread over all shards.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key:{number}")).collect()
}

/// Sends requests in one piece and reads their replies.
fn pipeline(client: &mut Client, lines: &[String]) -> Vec<Reply> {
    let words = |line: &String| request(&line.split(' ').collect::<Vec<_>>());
    let bytes: Vec<u8> = lines.iter().flat_map(words).collect();
    client.send(&bytes).expect("the server receives");
    let replies = lines.iter().map(|_| client.read().expect("answered"));
    replies.collect()
}

/// A transaction of these commands, and what EXEC replies.
fn transaction(client: &mut Client, commands: &[String]) -> Reply {
    let mut lines = vec!["MULTI".to_string()];
    lines.extend_from_slice(commands);
    lines.push("EXEC".into());
    pipeline(client, &lines).pop().expect("EXEC is the last")
}
