//! A server with a client and a subscriber of all that happens to keys: which notifications belong to one request.
//!
//! Never: waits for a while. After a request every shard is made to publish a marker; shards publish in their order, so that when all markers have come all
//! notifications of the request have.

use crate::support::client::{Client, request};
use crate::support::reply::Reply;
use crate::support::server::Server;
use std::collections::BTreeMap;
use torc::shard::slots;

/// The most shards that the markers reach.
const SHARDS_MAX: usize = 5;
const MARKER: &[u8] = b"marker:";

/// What is told of each key: its database and bytes, and the events in their order, behind the letter of the channel's kind.
pub type Told = BTreeMap<(String, Vec<u8>), Vec<String>>;

/// See the module.
pub struct Listener {
    pub client: Client,
    marker: Client,
    subscriber: Client,
    markers: Vec<Vec<u8>>,
}

/// A key on each shard, however many there are up to the most.
fn markers() -> Vec<Vec<u8>> {
    let name = |number: usize| [MARKER, number.to_string().as_bytes()].concat();
    let mut names = Vec::new();
    for shards in 1..=SHARDS_MAX {
        for shard in 0..shards {
            let is_there = |name: &Vec<u8>| slots::owner(name, shards) == shard;
            if !names.iter().any(is_there) {
                names.push((0..).map(name).find(is_there).expect("a key of each shard"));
            }
        }
    }
    names
}

/// The parts of a notification: the letter of its channel, the database, the key and the event.
fn parts(message: &Reply) -> (char, String, Vec<u8>, String) {
    let elements = message.elements();
    assert_eq!(elements[0].text(), "pmessage");
    let (channel, text) = (elements[2].bytes(), elements[3].bytes());
    let letter = match channel.starts_with(b"__keyspace@") {
        true => 'K',
        false => 'E',
    };
    let rest = &channel["__keyspace@".len()..];
    let end = rest
        .windows(3)
        .position(|part| part == b"__:")
        .expect("a database");
    let db = String::from_utf8_lossy(&rest[..end]).into_owned();
    let name = &rest[end + 3..];
    let (key, event) = match letter {
        'K' => (name, text),
        _ => (text, name),
    };
    let event = String::from_utf8_lossy(event).into_owned();
    (letter, db, key.to_vec(), event)
}

impl Listener {
    /// Has these classes of events published, which include strings and both kinds of channel.
    pub fn new(server: &Server, classes: &str) -> Listener {
        let mut client = server.client();
        let set = client.call(&["CONFIG", "SET", "notify-keyspace-events", classes]);
        assert_eq!(set.text(), "OK");
        let mut subscriber = server.client();
        subscriber.words("PSUBSCRIBE __key*__:*");
        Listener {
            client,
            marker: server.client(),
            subscriber,
            markers: markers(),
        }
    }

    /// Sends a request, and says what was told until now of keys other than the markers.
    pub fn told<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> (Reply, Told) {
        let reply = self.client.call(arguments);
        // A key that has expired goes now and not some time, and what is told of that belongs to this request.
        let mut look_up: Vec<&[u8]> = vec![b"EXISTS"];
        look_up.extend(arguments[1..].iter().map(AsRef::as_ref));
        if look_up.len() > 1 {
            self.client.call(&look_up);
        }
        (reply, self.until_now())
    }

    /// What was told until now of keys other than the markers.
    pub fn until_now(&mut self) -> Told {
        let sets = self
            .markers
            .iter()
            .map(|key| request(&[b"SET", &key[..], b"x"]));
        let bytes: Vec<u8> = sets.flatten().collect();
        self.marker.send(&bytes).expect("the server receives");
        for _ in &self.markers {
            assert_eq!(self.marker.read().expect("answered").text(), "OK");
        }
        let mut told = Told::new();
        let mut left = self.markers.len();
        while left > 0 {
            let message = self.subscriber.read().expect("the markers come");
            let (letter, db, key, event) = parts(&message);
            if key.starts_with(MARKER) {
                left -= usize::from(letter == 'E' && event == "set");
            } else {
                let events = told.entry((db, key)).or_default();
                events.push(format!("{letter} {event}"));
            }
        }
        told
    }
}

/// What was told, for people.
pub fn shown(told: &Told) -> String {
    let lines = told.iter().map(|((db, key), events)| {
        let events = events.join(", ");
        format!("  {db} \"{}\": {events}\n", key.escape_ascii())
    });
    lines.collect()
}
