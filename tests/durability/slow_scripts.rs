//! Scripts that take many turns, while the log is rewritten.
//!
//! Never waits for a script to end that does not. The decision worth knowing: what a script has done is in the log when it ends, so until then a kill must find everything as it was.

use crate::is_skipped;
use crate::running::Place;
use crate::support::client::{Client, request};
use crate::support::{WAIT_LIMIT, eventually};

fn is_rewriting(client: &mut Client) -> bool {
    let info = client.words("INFO persistence").text();
    info.contains("aof_rewrite_in_progress:1") || info.contains("aof_rewrite_scheduled:1")
}

#[test]
fn what_an_unfinished_script_deletes_is_not_rewritten_away() {
    if is_skipped() {
        return;
    }
    for shards in [1, 2] {
        let place = Place::new(shards, &[]);
        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("SET key value").text(), "OK");
        assert_eq!(client.words("SADD other member").integer(), 1);
        let script = "redis.call('DEL', KEYS[1], KEYS[2]) while true do end";
        let mut endless = running.server.client();
        let sent = request(&["EVAL", script, "2", "key", "other"]);
        endless.send(&sent).expect("the server receives");
        eventually("the script runs", WAIT_LIMIT, || {
            // Its keys are held, and nobody else's answer is kept back by that.
            let info = client.words("INFO commandstats").text();
            info.contains("cmdstat_del")
        });
        client.words("BGREWRITEAOF");
        // Time enough for the walk over two keys; the rewriting itself cannot end.
        for _ in 0..100 {
            is_rewriting(&mut client);
        }
        running.kill();
        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("GET key").text(), "value", "{shards} shards");
        assert_eq!(client.words("SCARD other").integer(), 1, "{shards} shards");
        running.server.stop();
    }
}

#[test]
fn a_slow_script_begins_while_a_large_value_is_written() {
    if is_skipped() {
        return;
    }
    for shards in [1, 2] {
        let place = Place::new(shards, &[("appendfsync", "everysec")]);
        let running = place.start();
        let mut client = running.server.client();
        let fill = "for i = 1, 200000 do redis.call('SADD', KEYS[1], 'member:' .. i) end";
        client.call(&["EVAL", fill, "1", "large"]);
        let slow = "for i = 1, 200000 do end return redis.call('INCR', KEYS[1])";
        let mut count = 0;
        for _ in 0..3 {
            client.words("BGREWRITEAOF");
            for _ in 0..40 {
                count += 1;
                let reply = client.call(&["EVAL", slow, "1", "count"]);
                assert_eq!(reply.integer(), count, "{shards} shards");
            }
            eventually("the log is rewritten", WAIT_LIMIT, || {
                !is_rewriting(&mut client)
            });
        }
        running.kill();
        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("SCARD large").integer(), 200_000);
        running.server.stop();
    }
}
