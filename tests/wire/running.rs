//! What others see of functions and scripts: FUNCTION STATS while one runs, and what they say to the log.

use crate::support::client::request;
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};

#[test]
fn a_function_that_runs_is_shown() {
    with_each_number_of_shards(&[("busy-reply-threshold", "20")], |server| {
        let code =
            "#!lua name=lib\nredis.register_function('endless', function() while true do end end)";
        let mut client = server.client();
        let mut other = server.client();
        assert_eq!(client.call(&["FUNCTION", "LOAD", code]).text(), "lib");
        let words = ["FCALL", "endless", "1", "key", "argument"];
        client.send(&request(&words)).expect("the server receives");
        let mut running = Reply::Null;
        eventually("it is shown", WAIT_LIMIT, || {
            let reply = other.words("FUNCTION STATS");
            match reply {
                Reply::Array(elements) => running = elements[1].clone(),
                // It has not begun, or it does not let others ask yet.
                _ => running = Reply::Null,
            }
            running != Reply::Null
        });
        let elements = running.elements();
        assert_eq!(
            (elements[0].text(), elements[1].text()),
            ("name".into(), "endless".into())
        );
        let shown = elements[3].elements().iter().map(Reply::text);
        assert_eq!(shown.collect::<Vec<_>>(), words);
        assert!(elements[5].integer() >= 0);
        eventually("it is killed", WAIT_LIMIT, || {
            other.words("FUNCTION KILL") == Reply::Simple(b"OK".to_vec())
        });
        let text = client.read().expect("an answer").text();
        assert!(text.contains("killed"), "{text}");
        let stats = other.words("FUNCTION STATS");
        assert_eq!(stats.elements()[1], Reply::Null);
    });
}

#[test]
fn scripts_write_to_the_log() {
    with_each_number_of_shards(&[("loglevel", "notice")], |server| {
        let mut client = server.client();
        let script = "redis.log(redis.LOG_DEBUG, 'too quiet') redis.log(redis.LOG_NOTICE, 'loud', 'enough') redis.log(redis.LOG_WARNING, 'the end')";
        assert_eq!(client.call(&["EVAL", script, "0"]), Reply::Null);
        eventually("the log has it", WAIT_LIMIT, || {
            server.said().contains("the end")
        });
        let said = server.said();
        assert!(
            said.contains("loud enough") && !said.contains("too quiet"),
            "{said}"
        );
    });
}
