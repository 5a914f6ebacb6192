//! Shards whose logs are still empty: what they coordinate for others is acknowledged all the same.
//!
//! Never writes to more than one shard, so that the logs of the others stay empty. The decision worth knowing: so many connections that every shard has some.

use crate::is_skipped;
use crate::running::Place;

#[test]
fn a_shard_with_an_empty_log_acknowledges_what_it_coordinates() {
    if is_skipped() {
        return;
    }
    for rule in ["always", "everysec"] {
        let place = Place::new(3, &[("appendfsync", rule)]);
        let running = place.start();
        for number in 0..24 {
            let mut client = running.server.client();
            assert_eq!(client.words("CLIENT DURABILITY always").text(), "OK");
            // The last one writes to all logs.
            let what = if number == 23 { 3 } else { number % 3 };
            let reply = match what {
                0 => {
                    client.words("MULTI");
                    client.words("GET another");
                    client.words("INCR key");
                    client.words("EXEC").elements()[1].integer()
                }
                1 => client
                    .words("EVAL redis.call('get',KEYS[2])return(redis.call('incr',KEYS[1])) 2 key another")
                    .integer(),
                2 => client.words("INCR key").integer(),
                _ => {
                    client.words("INCR key");
                    client.words("WAITAOF 1 0 0").elements()[0].integer() * (number + 1)
                }
            };
            assert_eq!(reply, number + 1, "{rule}, {what}");
        }
        running.kill();
        let running = place.start();
        assert_eq!(running.server.client().words("GET key").text(), "24");
        running.server.stop();
    }
}
