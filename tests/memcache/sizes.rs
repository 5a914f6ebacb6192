//! Large values in every protocol and over every number of shards, the limit of an item's size, fetches of very many keys, and readers slower than the server.

use crate::binary::{HEADER_LENGTH, Packet, packet_length};
use crate::support::memcache::{
    Connection, Settings, Subject, numbers_of_shards, skip_unless_subject_is_torc, subject_is_torc,
};
use crate::support::process::resident_bytes;
use crate::support::random::Random;

const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
/// Status of a binary reply.
const TOO_LARGE_STATUS: u16 = 3;
const NOT_FOUND_STATUS: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Text,
    Meta,
    Binary,
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Text, Protocol::Meta, Protocol::Binary];

/// A connection that speaks one of them.
struct Speaker(Protocol, Connection);

impl Speaker {
    fn all(subject: &Subject) -> [Speaker; 3] {
        PROTOCOLS.map(|protocol| Speaker(protocol, subject.connect()))
    }

    fn packet(&mut self, packet: &Packet) -> (u16, Vec<u8>) {
        self.1.send(&packet.bytes()).expect("the server receives");
        loop {
            if let Some(length) = packet_length(self.1.pending()) {
                let packet = self.1.take(length);
                let status = u16::from_be_bytes([packet[6], packet[7]]);
                let extras = usize::from(packet[4]);
                return (status, packet[HEADER_LENGTH + extras..].to_vec());
            }
            assert!(self.1.receive().expect("the server answers"), "closed");
        }
    }

    /// Stores; true when it is stored, false when it is too large.
    fn set(&mut self, key: &str, value: &[u8]) -> bool {
        let head = match self.0 {
            Protocol::Text => format!("set {key} 0 0 {}\r\n", value.len()),
            Protocol::Meta => format!("ms {key} {}\r\n", value.len()),
            Protocol::Binary => {
                let packet = Packet {
                    extras: vec![0; 8],
                    value: value.to_vec(),
                    ..Packet::new(0x01, key.as_bytes())
                };
                let (status, said) = self.packet(&packet);
                assert!([0, TOO_LARGE_STATUS].contains(&status), "{status}");
                assert_eq!(said.is_empty(), status == 0);
                return status == 0;
            }
        };
        let bytes = [head.as_bytes(), value, b"\r\n"].concat();
        self.1.send(&bytes).expect("the server receives");
        let line = self.1.read_line().expect("the server answers");
        let line = String::from_utf8_lossy(&line).trim_end().to_string();
        assert!(["STORED", "HD", TOO_LARGE].contains(&&line[..]), "{line}");
        line != TOO_LARGE
    }

    fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let (request, at) = match self.0 {
            Protocol::Text => (format!("get {key}\r\n"), 3),
            Protocol::Meta => (format!("mg {key} v\r\n"), 1),
            Protocol::Binary => {
                let (status, value) = self.packet(&Packet::new(0x00, key.as_bytes()));
                assert!([0, NOT_FOUND_STATUS].contains(&status), "{status}");
                return (status == 0).then_some(value);
            }
        };
        self.1.send(request.as_bytes()).expect("sent");
        let line = self.1.read_line().expect("the server answers");
        let line = String::from_utf8_lossy(&line).trim_end().to_string();
        if line == "END" || line == "EN" {
            return None;
        }
        let length = line.split(' ').nth(at).and_then(|word| word.parse().ok());
        let length: usize = length.unwrap_or_else(|| panic!("a length in {line}"));
        let value = self.1.read_exactly(length).expect("the value");
        let end: &[u8] = match self.0 {
            Protocol::Text => b"\r\nEND\r\n",
            _ => b"\r\n",
        };
        assert_eq!(self.1.read_exactly(end.len()).expect("an end"), end);
        Some(value)
    }
}

/// Equality that does not print a megabyte when it does not hold.
fn assert_same(actual: Option<Vec<u8>>, expected: &[u8], what: &str) {
    assert!(actual.as_deref() == Some(expected), "{what} is another");
}

#[test]
fn large_values_in_every_protocol() {
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let mut speakers = Speaker::all(&subject);
        let mut random = Random::new(shards as u64);
        for length in [65_535, 65_536, 65_537, 100_000, 500_000, 1_048_000] {
            for writer in 0..speakers.len() {
                // Keys of several shards, the client's own and others.
                for number in 0..4 {
                    let key = format!("k{number}");
                    let value = random.bytes(length);
                    assert!(speakers[writer].set(&key, &value));
                    for speaker in &mut speakers {
                        let what = format!("{length} bytes by {writer} over {:?}", speaker.0);
                        assert_same(speaker.get(&key), &value, &what);
                    }
                }
            }
        }
        subject.stop();
    }
}

/// With a limit: a value within it is stored over each protocol and read over RESP; beyond it the error is clear, the connection goes on and the old value,
/// which would be stale, is gone.
fn check_limit(limit: &str, limit_bytes: usize, value_bytes: usize, shards: usize) {
    let settings = Settings {
        options: vec![("item-size-max", limit.to_string())],
        ..Settings::default()
    };
    let Some(subject) = Subject::start_with(shards, &settings) else {
        return;
    };
    let Subject::Torc { server, .. } = &subject else {
        panic!("the subject is torc");
    };
    let mut resp = server.client();
    let value = Random::new(limit_bytes as u64).bytes(value_bytes);
    let beyond = vec![b'x'; limit_bytes];
    for mut speaker in Speaker::all(&subject) {
        for key in ["one", "another"] {
            assert!(speaker.set(key, &value), "{:?}", speaker.0);
            let seen = resp.call(&["GET", key]);
            assert!(seen.bytes() == &value[..], "{:?} over RESP", speaker.0);
            assert_same(speaker.get(key), &value, "the value");
            assert!(!speaker.set(key, &beyond), "{:?}", speaker.0);
            assert_eq!(speaker.get(key), None, "{:?}", speaker.0);
            assert_eq!(resp.call(&["EXISTS", key]).integer(), 0);
            assert!(speaker.set(key, b"small"));
            assert_same(speaker.get(key), b"small", "a small value");
        }
    }
    subject.stop();
}

#[test]
fn the_limit_of_an_item() {
    if skip_unless_subject_is_torc("it is set with another option") {
        return;
    }
    for shards in [1, 3] {
        check_limit("1mb", 1 << 20, 1_000_000, shards);
        check_limit("8mb", 8 << 20, 3 << 20, shards);
    }
    check_limit("512mb", 512 << 20, 20 << 20, 2);
}

#[test]
fn two_thousand_keys_at_once() {
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let mut connection = subject.connect();
        let mut stores = String::new();
        let mut expected = String::new();
        let mut keys = String::new();
        for number in 0..2000 {
            let key = format!("key:{number}");
            if number % 3 != 0 {
                let value = "v".repeat(number % 50);
                let store = format!("set {key} 7 0 {} noreply\r\n{value}\r\n", value.len());
                stores.push_str(&store);
                expected.push_str(&format!("VALUE {key} 7 {}\r\n{value}\r\n", value.len()));
            }
            keys.push_str(&format!(" {key}"));
        }
        connection.send(stores.as_bytes()).expect("sent");
        assert_eq!(connection.line("mn"), "MN");
        expected.push_str("END\r\n");
        // memcached closes on a long line of any other command.
        let names: &[&str] = if subject_is_torc() {
            &["get", "gat 0"]
        } else {
            &["get"]
        };
        for name in names {
            // Twice in one go: nothing of the first is lost or mixed up.
            let request = format!("{name}{keys}\r\n{name}{keys}\r\n");
            connection.send(request.as_bytes()).expect("sent");
            for _ in 0..2 {
                let reply = connection.read_exactly(expected.len()).expect("a reply");
                assert!(reply == expected.as_bytes(), "{name}, {shards} shards");
            }
        }
        let reply = connection.lines_until(&format!("gets{keys}"), "END");
        assert_eq!(reply.matches("VALUE ").count(), 2000 - 667);
        assert_eq!(connection.line("mn"), "MN");
        subject.stop();
    }
}

/// Who asks for 200 MB and reads nothing costs the server no more than what the sockets hold; later it is served in full.
#[test]
fn a_reader_slower_than_the_server() {
    const VALUE_BYTES: usize = 1_000_000;
    const GROWTH_MAX: u64 = 32 << 20;
    if skip_unless_subject_is_torc("the bound of memory is torc's") {
        return;
    }
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let mut speaker = Speaker(Protocol::Text, subject.connect());
        let value = Random::new(7).bytes(VALUE_BYTES);
        for number in 0..4 {
            assert!(speaker.set(&format!("k{number}"), &value));
        }
        let mut slow = subject.connect();
        let before = resident_bytes(subject.pid());
        let request = format!("get{}\r\n", " k0 k1 k2 k3".repeat(50));
        slow.send(request.as_bytes()).expect("sent");
        // Others are served all the while.
        for number in 0..200 {
            let key = format!("k{}", number % 4);
            assert_same(speaker.get(&key), &value, &key);
        }
        let after = resident_bytes(subject.pid());
        println!("{shards} shards: {before} bytes resident, then {after}");
        assert!(after.saturating_sub(before) <= GROWTH_MAX);
        for number in 0..200 {
            let line = slow.read_line().expect("a value");
            let expected = format!("VALUE k{} 0 {VALUE_BYTES}\r\n", number % 4);
            assert_eq!(String::from_utf8_lossy(&line), expected);
            let bytes = slow.read_exactly(VALUE_BYTES + 2).expect("its bytes");
            assert!(bytes[..VALUE_BYTES] == value[..], "value {number}");
        }
        assert_eq!(slow.read_line().expect("an end"), b"END\r\n");
        assert_eq!(slow.line("mn"), "MN");
        subject.stop();
    }
}
