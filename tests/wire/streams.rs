//! Requests as a stream of bytes: long pipelines, requests in pieces, connections that break off anywhere, stopping in the
//! middle.

use crate::support::client::request;
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};
use std::collections::HashMap;

const PIPELINE_REQUESTS: usize = 10_000;

/// A pipeline of mixed requests over random keys, and the replies a single-threaded server gives.
fn mixed_pipeline(random: &mut Random) -> (Vec<u8>, Vec<Reply>) {
    let mut model: HashMap<String, Vec<u8>> = HashMap::new();
    let mut bytes = Vec::new();
    let mut replies = Vec::new();
    for number in 0..PIPELINE_REQUESTS {
        let key = format!("key:{}", random.below(500));
        let bulk =
            |value: Option<&Vec<u8>>| value.map_or(Reply::Null, |value| Reply::Bulk(value.clone()));
        match random.below(6) {
            0 | 1 => {
                let length = random.below(200) as usize;
                let value = random.bytes(length);
                bytes.extend(request(&[b"SET".as_slice(), key.as_bytes(), &value]));
                replies.push(Reply::Simple(b"OK".to_vec()));
                model.insert(key, value);
            }
            2 => {
                bytes.extend(request(&["GET", &key]));
                replies.push(bulk(model.get(&key)));
            }
            3 => {
                bytes.extend(request(&["ECHO", &number.to_string()]));
                replies.push(Reply::Bulk(number.to_string().into_bytes()));
            }
            4 => {
                let other = format!("key:{}", random.below(500));
                bytes.extend(request(&["MGET", &key, &other]));
                replies.push(Reply::Array(vec![
                    bulk(model.get(&key)),
                    bulk(model.get(&other)),
                ]));
            }
            _ => {
                let other = format!("key:{}", random.below(500));
                bytes.extend(request(&["DEL", &key, &other]));
                let removed =
                    model.remove(&key).is_some() as i64 + model.remove(&other).is_some() as i64;
                replies.push(Reply::Integer(removed));
            }
        }
    }
    (bytes, replies)
}

#[test]
fn a_long_pipeline_is_answered_in_order() {
    let seed = seed("pipeline");
    with_each_number_of_shards(&[], |server| {
        let (bytes, replies) = mixed_pipeline(&mut Random::new(seed));
        let mut writer = server.client();
        std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            let mut idle = server.client();
            // Another connection is served all the while.
            scope.spawn(move || {
                while receiver
                    .try_recv()
                    .is_err_and(|error| error == std::sync::mpsc::TryRecvError::Empty)
                {
                    assert_eq!(idle.call(&["PING"]).text(), "PONG");
                }
            });
            writer.send(&bytes).expect("the pipeline is received");
            for (number, expected) in replies.iter().enumerate() {
                let actual = writer.read().expect("answered");
                assert_eq!(actual, *expected, "reply {number}");
            }
            drop(sender);
        });
    });
}

#[test]
fn requests_may_come_in_pieces_of_any_size() {
    let seed = seed("pieces");
    with_each_number_of_shards(&[], |server| {
        let mut random = Random::new(seed);
        let (bytes, replies) = mixed_pipeline(&mut random);
        let mut client = server.client();
        let (mut sent, mut read) = (0, 0);
        while sent < bytes.len() {
            let end = (sent + 1 + random.below(3000) as usize).min(bytes.len());
            client.send(&bytes[sent..end]).expect("received");
            sent = end;
        }
        while read < replies.len() {
            assert_eq!(
                client.read().expect("answered"),
                replies[read],
                "reply {read}"
            );
            read += 1;
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        for byte in request(&["SET", "slow", "a value\r\nwith lines"]) {
            client.send(&[byte]).expect("received");
        }
        assert_eq!(client.read().expect("answered").text(), "OK");
        assert_eq!(
            client.call(&["GET", "slow"]).text(),
            "a value\r\nwith lines"
        );
    });
}

#[test]
fn a_connection_may_break_off_at_every_byte() {
    with_each_number_of_shards(&[], |server| {
        let bytes = [
            request(&["SET", "broken", "value"]),
            request(&["GET", "broken"]),
        ]
        .concat();
        for end in 0..=bytes.len() {
            let mut client = server.client();
            client.send(&bytes[..end]).expect("received");
        }
        for end in 0..=bytes.len() {
            let mut client = server.client();
            client.send(&bytes[..end]).expect("received");
            client.finish_sending();
            // Whole requests before the end are answered, half ones are not.
            let first = request(&["SET", "broken", "value"]).len();
            if end >= first {
                assert_eq!(client.read().expect("answered").text(), "OK");
            }
            if end == bytes.len() {
                assert_eq!(client.read().expect("answered").text(), "value");
            }
            assert!(client.is_closed(), "after {end} bytes");
        }
        let mut client = server.client();
        eventually("the broken connections are forgotten", WAIT_LIMIT, || {
            client.words("CLIENT LIST").text().lines().count() == 1
        });
    });
}

#[test]
fn stopping_in_the_middle_of_a_pipeline_cuts_no_reply_in_two() {
    let seed = seed("stop");
    let mut server = Server::start_with_shards(2, &[]);
    let (bytes, replies) = mixed_pipeline(&mut Random::new(seed));
    let mut client = server.client();
    client.send(&bytes[..bytes.len() / 4]).expect("received");
    assert_eq!(client.read().expect("answered"), replies[0]);
    server.signal_stop();
    // What is sent now may come too late; what is answered must be right and in order.
    let _ = client.send(&bytes[bytes.len() / 4..]);
    let mut answered = 1;
    while let Ok(reply) = client.read() {
        assert_eq!(reply, replies[answered], "reply {answered}");
        answered += 1;
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.said());
    println!("{answered} of {} answered", replies.len());
}

#[test]
fn a_second_signal_does_not_get_stuck() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    assert_eq!(client.call(&["PING"]).text(), "PONG");
    server.signal_stop();
    if !server.has_ended() {
        server.signal_stop();
    }
    server.wait();
}
