//! Leases that somebody had when the server went: after the start nobody has them, and the first reader wins.
//!
//! Never waits for a lease to end; they are all longer than the test. The decision worth knowing: what is done to such a key after one start must be there after the next as well.

use crate::is_skipped;
use crate::running::{Place, Running};
use crate::support::memcache::Connection;

/// The state that CACHE.GET tells to who asks for a lease, and the value.
fn state(running: &Running, key: &str) -> (String, Option<String>) {
    let reply = running
        .server
        .client()
        .words(&format!("CACHE.GET {key} LEASE 1000"));
    let elements = reply.elements();
    let value = match &elements[0] {
        crate::support::reply::Reply::Null => None,
        value => Some(value.text()),
    };
    (elements[1].text(), value)
}

fn memcached(running: &Running, line: &str) -> String {
    let mut connection = Connection::open(running.memcached).expect("it accepts");
    let mut all = connection.line(line);
    if all.starts_with("VA ") {
        let value = connection.read_line().expect("a value");
        all.push_str(&String::from_utf8_lossy(&value));
    }
    all.trim_end().to_string()
}

fn won(value: Option<&str>) -> (String, Option<String>) {
    ("won".into(), value.map(str::to_string))
}

#[test]
fn the_first_reader_after_a_start_wins() {
    if is_skipped() {
        return;
    }
    for (before, after) in [(1, 1), (2, 2), (2, 3)] {
        let mut place = Place::new(before, &[]);
        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("SET old value").text(), "OK");
        assert_eq!(client.words("SET kept value").text(), "OK");
        assert_eq!(client.words("CACHE.STALE old").integer(), 1);
        assert_eq!(client.words("SET bytes value").text(), "OK");
        for _ in 0..2 {
            // Only the first of two.
            state(&running, "missing");
            state(&running, "other");
        }
        assert_eq!(state(&running, "missing"), ("wait".into(), None));
        assert_eq!(state(&running, "old"), won(Some("value")));
        assert_eq!(
            state(&running, "old"),
            ("stale".into(), Some("value".into()))
        );
        assert_eq!(memcached(&running, "mg made N1000 v"), "VA 0 W");
        assert_eq!(memcached(&running, "mg made N1000 v"), "VA 0 Z");
        assert_eq!(memcached(&running, "md bytes I T1000"), "HD");
        let bytes = memcached(&running, "mg bytes v");
        assert!(bytes.contains(" W") && bytes.contains(" X"), "{bytes}");
        running.kill();

        place.shards = after;
        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("APPEND other x").integer(), 1);
        assert_eq!(client.words("TTL other").integer(), -1);
        assert_eq!(state(&running, "missing"), won(None));
        assert_eq!(state(&running, "missing"), ("wait".into(), None));
        assert_eq!(state(&running, "old"), won(Some("value")));
        assert_eq!(
            state(&running, "kept"),
            ("hit".into(), Some("value".into()))
        );
        assert!(memcached(&running, "mg made N1000 v").contains(" W"));
        let bytes = memcached(&running, "mg bytes v");
        assert!(bytes.contains(" W") && bytes.contains(" X"), "{bytes}");
        running.kill();

        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("GET other").text(), "x");
        assert_eq!(client.words("TTL other").integer(), -1);
        assert_eq!(state(&running, "missing"), won(None));
        running.server.stop();
    }
}
