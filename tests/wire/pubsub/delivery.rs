//! Who receives what, and in which order: many subscribers over all shards, changes during traffic, messages of every size.

use super::{ask, flat, next, send, silent, subscriber, until_subscribed};
use crate::support::client::{Client, request};
use crate::support::with_each_number_of_shards;
use std::sync::atomic::{AtomicBool, Ordering};

/// Subscribers of the tests with many.
const SUBSCRIBERS: usize = 100;

/// One request of a pipeline.
fn publish(channel: &str, message: &str) -> Vec<u8> {
    request(&["PUBLISH", channel, message])
}

#[test]
fn a_hundred_subscribers_receive_each_publishers_messages_in_order() {
    with_each_number_of_shards(&[], |server| {
        let mut subscribers: Vec<Client> = (0..SUBSCRIBERS)
            .map(|number| subscriber(server, 2 + (number % 2) as u8, "SUBSCRIBE news"))
            .collect();
        let (publishers, messages) = (4, 150);
        std::thread::scope(|scope| {
            for publisher in 0..publishers {
                let mut client = server.client();
                scope.spawn(move || {
                    let pipeline: Vec<u8> = (0..messages)
                        .flat_map(|number| publish("news", &format!("{publisher}:{number}")))
                        .collect();
                    client.send(&pipeline).expect("received");
                    for _ in 0..messages {
                        assert_eq!(next(&mut client), SUBSCRIBERS.to_string());
                    }
                });
            }
            for client in &mut subscribers {
                let mut expected = vec![0; publishers];
                for _ in 0..publishers * messages {
                    let message = next(client);
                    let (publisher, number) = message
                        .strip_prefix("message news ")
                        .and_then(|text| text.split_once(':'))
                        .expect("a message");
                    let expected = &mut expected[publisher.parse::<usize>().unwrap()];
                    assert_eq!(number.parse::<usize>().unwrap(), *expected);
                    *expected += 1;
                }
            }
        });
        for client in &mut subscribers[..4] {
            silent(client);
        }
    });
}

#[test]
fn a_confirmed_subscription_receives_what_anybody_publishes_from_then_on() {
    with_each_number_of_shards(&[], |server| {
        let mut publishers: Vec<Client> = (0..5).map(|_| server.client()).collect();
        let mut subscribers: Vec<Client> = (0..5)
            .map(|_| subscriber(server, 2, "SUBSCRIBE x"))
            .collect();
        for round in 0..40 {
            for (number, client) in subscribers.iter_mut().enumerate() {
                let channel = format!("c:{round}:{number}");
                ask(client, &format!("SUBSCRIBE {channel}"), 1);
                let publisher = &mut publishers[(round + number) % 5];
                let reached = publisher.words(&format!("PUBLISH {channel} m"));
                assert_eq!(reached.integer(), 1, "{channel}");
                assert_eq!(next(client), format!("message {channel} m"));
                ask(client, &format!("UNSUBSCRIBE {channel}"), 1);
                let reached = publisher.words(&format!("PUBLISH {channel} m"));
                assert_eq!(reached.integer(), 0, "{channel}");
            }
        }
    });
}

#[test]
fn what_was_replied_to_is_in_the_buffers_of_all() {
    with_each_number_of_shards(&[], |server| {
        let mut publisher = server.client();
        let mut subscribers: Vec<Client> = (0..10)
            .map(|_| subscriber(server, 2, "SUBSCRIBE a"))
            .collect();
        for round in 0..50 {
            assert_eq!(publisher.words(&format!("PUBLISH a {round}")).integer(), 10);
            for client in &mut subscribers {
                // The message is before the answer to whatever is asked after the publisher's reply.
                let answers = ask(client, "PING now", 2);
                assert_eq!(answers, [format!("message a {round}"), "pong now".into()]);
            }
        }
    });
}

#[test]
fn subscribers_come_and_go_during_traffic() {
    with_each_number_of_shards(&[], |server| {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut publisher = server.client();
            let stop = &stop;
            scope.spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let pipeline: Vec<u8> = (number..number + 20)
                        .flat_map(|number| publish("t", &number.to_string()))
                        .collect();
                    number += 20;
                    publisher.send(&pipeline).expect("received");
                    for _ in 0..20 {
                        next(&mut publisher);
                    }
                }
            });
            let comers: Vec<_> = (0..6)
                .map(|number| {
                    let mut client = server.client();
                    scope.spawn(move || {
                        let pattern = number % 2 == 0;
                        let (begin, end, message) = if pattern {
                            ("PSUBSCRIBE t*", "PUNSUBSCRIBE t*", "pmessage t* t ")
                        } else {
                            ("SUBSCRIBE t", "UNSUBSCRIBE t", "message t ")
                        };
                        for _ in 0..30 {
                            ask(&mut client, begin, 1);
                            let mut last = None;
                            let mut take = |text: &str| {
                                let number: u64 = text
                                    .strip_prefix(message)
                                    .unwrap_or_else(|| panic!("a message, not {text}"))
                                    .parse()
                                    .unwrap();
                                assert!(
                                    last.is_none_or(|last| number == last + 1),
                                    "{number} after {last:?}"
                                );
                                last = Some(number);
                            };
                            for _ in 0..10 {
                                take(&next(&mut client));
                            }
                            send(&mut client, end);
                            loop {
                                let text = next(&mut client);
                                if text.contains("unsubscribe") {
                                    break;
                                }
                                take(&text);
                            }
                            // Nothing comes any more: neither before the answer nor in the form of a subscriber's.
                            assert_eq!(client.words("PING").text(), "PONG");
                        }
                        // It leaves without a word, in the middle of the traffic.
                        ask(&mut client, begin, 1);
                    })
                })
                .collect();
            let outcomes: Vec<_> = comers.into_iter().map(|comer| comer.join()).collect();
            stop.store(true, Ordering::Relaxed);
            assert!(outcomes.iter().all(|outcome| outcome.is_ok()));
        });
        let mut admin = server.client();
        until_subscribed(&mut admin, "t", 0);
        crate::support::eventually("no pattern is left", crate::support::WAIT_LIMIT, || {
            admin.words("PUBSUB NUMPAT").integer() == 0
        });
        assert_eq!(admin.words("PUBLISH t x").integer(), 0);
    });
}

#[test]
fn large_messages_arrive_whole() {
    with_each_number_of_shards(&[], |server| {
        let mut publisher = server.client();
        let mut subscribers: Vec<Client> = (0..6)
            .map(|number| {
                let line = ["SUBSCRIBE big", "PSUBSCRIBE b*"][number % 2];
                subscriber(server, 2 + (number / 2 % 2) as u8, line)
            })
            .collect();
        for len in [65_000, 65_535, 65_536, 65_537, 300_000, 2_000_000] {
            let message: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let reached = publisher.call(&[b"PUBLISH".as_slice(), b"big", &message]);
            assert_eq!(reached.integer(), 6);
            assert_eq!(publisher.words("PUBLISH big small").integer(), 6);
            for client in &mut subscribers {
                let received = client.read().expect("a message");
                let received = received.elements().last().unwrap().bytes();
                assert!(received == message, "{len} bytes");
                assert!(next(client).ends_with("big small"));
            }
        }
    });
}

#[test]
fn a_blocked_subscriber_receives_messages_meanwhile() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for number in 0..6 {
            let mut client = subscriber(server, 3, "SUBSCRIBE a");
            // Replies of other shards may be outstanding before the command that waits.
            let mut pipeline = Vec::new();
            for key in 0..20 {
                pipeline.extend(request(&["GET", &format!("none:{key}")]));
            }
            pipeline.extend(request(&["BLPOP", &format!("list:{number}"), "0"]));
            client.send(&pipeline).expect("received");
            for _ in 0..20 {
                assert_eq!(next(&mut client), "null");
            }
            for message in ["one", "two"] {
                assert_eq!(admin.words(&format!("PUBLISH a {message}")).integer(), 1);
                assert_eq!(next(&mut client), format!("message a {message}"));
            }
            admin.words(&format!("RPUSH list:{number} element"));
            assert_eq!(next(&mut client), format!("list:{number} element"));
            admin.words("PUBLISH a three");
            assert_eq!(next(&mut client), "message a three");
            drop(client);
            until_subscribed(&mut admin, "a", 0);
        }
    });
}

#[test]
fn patterns_of_every_kind_are_matched() {
    with_each_number_of_shards(&[], |server| {
        let mut publisher = server.client();
        let patterns = [
            "*",
            "news.*",
            "news.?",
            "n[e]ws.[ab]",
            "news.a",
            "news\\.a",
            "x*",
            "news.a?",
        ];
        let mut subscribers: Vec<Client> = patterns
            .iter()
            .map(|pattern| subscriber(server, 2, &format!("PSUBSCRIBE {pattern}")))
            .collect();
        for (channel, matching) in [
            ("news.a", vec![0, 1, 2, 3, 4, 5]),
            ("news.c", vec![0, 1, 2]),
            ("news.", vec![0, 1]),
            ("news.ab", vec![0, 1, 7]),
            ("x", vec![0, 6]),
        ] {
            let reached = publisher.words(&format!("PUBLISH {channel} m"));
            assert_eq!(reached.integer(), matching.len() as i64, "{channel}");
            for at in matching {
                let expected = format!("pmessage {} {channel} m", patterns[at]);
                assert_eq!(flat(&subscribers[at].read().expect("a message")), expected);
            }
        }
        for client in &mut subscribers {
            assert_eq!(ask(client, "PING", 1), ["pong "]);
        }
    });
}
