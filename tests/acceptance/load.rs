//! Pipelined requests over one connection, with every reply looked at. Never holds more than a batch.

use crate::support::client::{Client, request};
use crate::support::reply::Reply;

/// Bytes of requests sent before their replies are read.
const BATCH_BYTES: usize = 128 * 1024;
/// Requests sent before their replies are read.
const BATCH_REQUESTS: usize = 512;

/// Sends requests in batches and hands each reply to `look`, with the number of its request.
pub fn pipelined<A: AsRef<[u8]>>(
    client: &mut Client,
    requests: impl IntoIterator<Item = Vec<A>>,
    mut look: impl FnMut(usize, Reply),
) {
    let mut batch = Vec::with_capacity(2 * BATCH_BYTES);
    let (mut sent, mut answered) = (0, 0);
    let mut exchange = |batch: &mut Vec<u8>, sent: usize| {
        client.send(batch).expect("the server receives");
        batch.clear();
        while answered < sent {
            look(answered, client.read().expect("the server answers"));
            answered += 1;
        }
    };
    let mut in_batch = 0;
    for arguments in requests {
        batch.extend_from_slice(&request(&arguments));
        sent += 1;
        in_batch += 1;
        if batch.len() >= BATCH_BYTES || in_batch == BATCH_REQUESTS {
            exchange(&mut batch, sent);
            in_batch = 0;
        }
    }
    exchange(&mut batch, sent);
}

/// Sends requests of which each must be answered with OK.
pub fn all_ok<A: AsRef<[u8]>>(client: &mut Client, requests: impl IntoIterator<Item = Vec<A>>) {
    pipelined(client, requests, |number, reply| {
        assert_eq!(
            reply,
            Reply::Simple(b"OK".to_vec()),
            "the reply to request {number}"
        );
    });
}
