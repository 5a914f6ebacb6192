//! WATCH: a transaction fails exactly when a key that its client watches has changed.

use super::{names, pipeline, transaction};
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};

#[test]
fn many_clients_count_without_losing_any() {
    with_each_number_of_shards(&[], |server| {
        let keys = names(3);
        const CLIENTS: usize = 5;
        const COUNTS: i64 = 40;
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let keys = &keys;
                scope.spawn(move || {
                    let mut client = server.client();
                    let key = &keys[number % keys.len()];
                    let mut done = 0;
                    while done < COUNTS {
                        client.words(&format!("WATCH {key} total"));
                        let read = |reply: Reply| match reply {
                            Reply::Null => 0,
                            number => number.text().parse().expect("a number"),
                        };
                        let own: i64 = read(client.words(&format!("GET {key}")));
                        let total: i64 = read(client.words("GET total"));
                        let commands = [
                            format!("SET {key} {}", own + 1),
                            format!("SET total {}", total + 1),
                        ];
                        let reply = transaction(&mut client, &commands);
                        done += i64::from(reply != Reply::Null);
                    }
                });
            }
        });
        let mut client = server.client();
        let total = client.words("GET total").text();
        assert_eq!(total, (CLIENTS as i64 * COUNTS).to_string());
        let sum: i64 = keys
            .iter()
            .map(|key| client.words(&format!("GET {key}")).text().parse::<i64>())
            .map(|count| count.expect("a number"))
            .sum();
        assert_eq!(sum, CLIENTS as i64 * COUNTS);
    });
}

#[test]
fn a_key_that_expires_has_changed() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        let mut other = server.client();
        for key in names(4) {
            client.words(&format!("SET {key} 1 PX 300"));
            client.words(&format!("WATCH {key}"));
            eventually("the key expires", WAIT_LIMIT, || {
                other.words(&format!("EXISTS {key}")).integer() == 0
            });
            assert_eq!(transaction(&mut client, &["PING".into()]), Reply::Null);
            // It has gone before anybody watches it.
            client.words(&format!("WATCH {key}"));
            let reply = transaction(&mut client, &["PING".into()]);
            assert_eq!(reply.elements().len(), 1);
        }
    });
}

#[test]
fn a_thousand_clients_watch_one_key() {
    with_each_number_of_shards(&[], |server| {
        let mut clients: Vec<_> = (0..1000).map(|_| server.client()).collect();
        for client in &mut clients {
            pipeline(
                client,
                &[
                    "WATCH key:1 key:2".into(),
                    "MULTI".into(),
                    "GET key:1".into(),
                ],
            );
        }
        let mut writer = server.client();
        writer.words("SET key:1 x");
        let mut others = clients.split_off(500);
        clients.clear();
        for client in &mut others {
            assert_eq!(client.words("EXEC"), Reply::Null);
            let reply = transaction(client, &["GET key:1".into()]);
            assert_eq!(reply.elements()[0].text(), "x");
        }
    });
}
