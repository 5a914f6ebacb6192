//! Bad input in the three protocols: the server neither ends nor grows, and a client that behaves is served all the while.

use crate::binary::{Packet, marker};
use crate::support::memcache::{Connection, Subject, skip_unless_subject_is_torc};
use crate::support::process::resident_bytes;
use crate::support::random::{Random, seed};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a server may grow by under abuse that stores next to nothing, in bytes.
const GROWTH_MAX: u64 = 8 << 20;

/// How often somebody has emptied the cache.
fn flushes(connection: &mut Connection) -> u64 {
    let text = connection.lines_until("stats", "END");
    let count = text
        .lines()
        .find_map(|line| line.strip_prefix("STAT cmd_flush "));
    let count = count.expect("it is one of the statistics").trim();
    count.parse().expect("a number")
}

/// Serves itself until told to stop; returns the number of requests.
fn behave(subject: &Subject, stop: &AtomicBool) -> u64 {
    let mut connection = subject.connect();
    let mut flushes_seen = flushes(&mut connection);
    let mut requests = 0;
    while !stop.load(Ordering::Relaxed) {
        let value = format!("value {requests}");
        let line = connection.line(&format!(
            "set the-good-client's-key 0 0 {}\r\n{value}",
            value.len()
        ));
        assert_eq!(line, "STORED");
        let line = connection.line("mg the-good-client's-key v");
        if line == "EN" {
            // One changed byte makes a request that empties the cache of another one.
            let flushes = flushes(&mut connection);
            assert!(flushes > flushes_seen, "nobody took the item away");
            flushes_seen = flushes;
            continue;
        }
        assert_eq!(line, format!("VA {}", value.len()));
        assert_eq!(
            connection.read_line().expect("the value"),
            format!("{value}\r\n").as_bytes()
        );
        requests += 2;
    }
    requests
}

/// Runs `abuse` on a server beside a client that behaves; once to warm up, and once to see that memory no longer grows.
fn beside_a_good_client(name: &str, abuse: impl Fn(&Subject)) {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed has nothing that the next one would need.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut subject) = Subject::start(2) else {
        return;
    };
    let stop = AtomicBool::new(false);
    let (requests, before, after) = std::thread::scope(|scope| {
        let good = scope.spawn(|| behave(&subject, &stop));
        // The other thread is told to stop even when the abuse finds something.
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            abuse(&subject);
            let before = resident_bytes(subject.pid());
            abuse(&subject);
            (before, resident_bytes(subject.pid()))
        }));
        stop.store(true, Ordering::Relaxed);
        let requests = good.join().expect("the good client is served");
        match found {
            Ok((before, after)) => (requests, before, after),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    println!(
        "{name}: the good client had {requests} replies; resident memory {before} bytes, then {after}"
    );
    assert!(requests > 0);
    assert!(
        !subject.has_ended(),
        "the subject said:\n{}",
        subject.said()
    );
    if !skip_unless_subject_is_torc("the bound of memory is torc's") {
        assert!(
            after.saturating_sub(before) <= GROWTH_MAX,
            "grown from {before} to {after} bytes"
        );
    }
    subject.stop();
}

/// Sends what can be sent, then either hears the server out or hangs up at once.
fn send_and_leave(subject: &Subject, bytes: &[u8], hear_out: bool) {
    let mut connection = subject.connect();
    // It may be cut off at any byte.
    if connection.send(bytes).is_ok() && hear_out {
        connection.finish_sending();
        connection.set_limit(Duration::from_secs(20));
        // Whatever is said, the connection has to end.
        connection.read_to_end().expect("the server hangs up too");
    }
}

fn text_pipeline() -> Vec<u8> {
    b"set key 5 0 5\r\nvalue\r\nget key\r\ngets key other\r\nincr n 5\r\nset n 0 0 2 noreply\r\n10\r\nincr n 5\r\ndecr n 7\r\nappend key 0 0 2\r\nab\r\n\
      cas key 0 0 1 17\r\nx\r\ntouch key 100\r\ngat 0 key n\r\ndelete other\r\nstats\r\nversion\r\nverbosity 1\r\nget a b c d e f g h\r\n"
        .to_vec()
}

fn meta_pipeline() -> Vec<u8> {
    b"ms key 5 T0 F5 c k Oabc\r\nvalue\r\nmg key s v k t f c l h Oabc q\r\nms key 2 MA C5 I\r\nhi\r\nmd key I T30 q\r\nmg key v\r\nma n N0 J5 v t c\r\n\
      ma n D7 MD v\r\nmg new N30 v\r\nmg key R30 T100 t\r\nms Zm9v 2 b k\r\nhi\r\nmg Zm9v b k v\r\nme key\r\nmd Zm9v b\r\nmn\r\n"
        .to_vec()
}

fn binary_pipeline() -> Vec<u8> {
    let packet = |opcode: u8, extras: &[u8], value: &[u8]| {
        let packet = Packet {
            extras: extras.to_vec(),
            value: value.to_vec(),
            ..Packet::new(opcode, b"key")
        };
        packet.bytes()
    };
    let mut counter = [0; 20];
    counter[7] = 1;
    [
        packet(0x01, &[0; 8], b"value"),
        packet(0x00, b"", b""),
        packet(0x0d, b"", b""),
        packet(0x0e, b"", b"more"),
        packet(0x05, &counter, b""),
        packet(0x1d, &[0; 4], b""),
        packet(0x11, &[0; 8], b"5"),
        packet(0x15, &counter, b""),
        packet(0x04, b"", b""),
        marker(),
    ]
    .concat()
}

fn pipelines() -> [(&'static str, Vec<u8>); 3] {
    [
        ("text", text_pipeline()),
        ("meta", meta_pipeline()),
        ("binary", binary_pipeline()),
    ]
}

#[test]
fn random_bytes() {
    let seed = seed("random bytes");
    beside_a_good_client("random bytes", |subject| {
        let mut random = Random::new(seed);
        for round in 0..300 {
            let length = 1 + random.below(20_000) as usize;
            let mut bytes = random.bytes(length);
            match random.below(3) {
                0 => bytes[0] = 0x80,
                1 => bytes
                    .splice(
                        ..0,
                        random.pick(&["set key ", "mg ", "get ", "ms k 3 "]).bytes(),
                    )
                    .for_each(drop),
                _ => {}
            }
            send_and_leave(subject, &bytes, round % 2 == 0);
        }
    });
}

#[test]
fn mutated_requests() {
    let seed = seed("mutated requests");
    beside_a_good_client("mutated requests", |subject| {
        let mut random = Random::new(seed);
        for (_, valid) in pipelines() {
            for round in 0..200 {
                let mut bytes = valid.clone();
                for _ in 0..1 + random.below(6) {
                    let at = random.below(bytes.len() as u64) as usize;
                    match random.below(5) {
                        0 => bytes[at] = random.next() as u8,
                        1 => bytes[at] ^= 1 << random.below(8),
                        2 => drop(bytes.remove(at)),
                        3 => bytes.insert(at, *random.pick(b"0123456789-\r\n \0\xff\x80")),
                        _ => {
                            let length = random.below(40).min((bytes.len() - at) as u64) as usize;
                            let piece = bytes[at..at + length].to_vec();
                            let to = random.below(bytes.len() as u64) as usize;
                            bytes.splice(to..to, piece);
                        }
                    }
                }
                send_and_leave(subject, &bytes, round % 2 == 0);
            }
        }
    });
}

#[test]
fn pipelines_cut_at_every_byte() {
    beside_a_good_client("pipelines cut at every byte", |subject| {
        for (_, valid) in pipelines() {
            for length in 0..=valid.len() {
                send_and_leave(subject, &valid[..length], length % 2 == 0);
            }
        }
    });
}

/// The same requests one byte at a time and in two parts are answered like all at once.
#[test]
fn requests_in_pieces_are_answered_like_whole_ones() {
    let Some(subject) = Subject::start(2) else {
        return;
    };
    for (name, valid) in pipelines() {
        // What differs between two runs by nature: tokens, statistics.
        let valid = match name {
            "text" => b"set key 5 0 5\r\nvalue\r\nget key\r\nset n 0 0 2 noreply\r\n10\r\nincr n 5\r\nappend key 0 0 2\r\nab\r\nget key n\r\ndelete key\r\n".to_vec(),
            "meta" => b"ms key 5 T0 F5 k Oabc\r\nvalue\r\nmg key s v k t f Oabc\r\nma n v\r\nms n 2 q\r\n10\r\nma n v D5\r\nmd key k\r\nmn\r\n".to_vec(),
            _ => valid,
        };
        let ask = |pieces: &[&[u8]]| {
            let mut connection: Connection = subject.connect();
            connection.line("flush_all");
            let mut connection = subject.connect();
            for piece in pieces {
                connection.send(piece).expect("the server receives");
            }
            connection.finish_sending();
            let (mut reply, _) = connection.read_to_end().expect("the server answers");
            if name == "binary" {
                // Tokens are zeroed.
                let mut at = 0;
                while let Some(length) = crate::binary::packet_length(&reply[at..]) {
                    reply[at + 16..at + 24].fill(0);
                    at += length;
                }
            }
            reply
        };
        let whole = ask(&[&valid]);
        assert!(whole.len() > 50, "{name}: {whole:?}");
        let bytes: Vec<&[u8]> = valid.chunks(1).collect();
        assert_eq!(
            ask(&bytes).escape_ascii().to_string(),
            whole.escape_ascii().to_string(),
            "{name}, byte by byte"
        );
        for at in 1..valid.len() {
            let (first, second) = valid.split_at(at);
            assert_eq!(
                ask(&[first, second]).escape_ascii().to_string(),
                whole.escape_ascii().to_string(),
                "{name}, in two parts, at {at}"
            );
        }
    }
    subject.stop();
}

#[test]
fn lengths_that_promise_much_and_lines_without_end() {
    const CONNECTIONS: usize = 100;
    let packet = Packet {
        extras: vec![0; 8],
        value: vec![b'v'; 1_000_000],
        ..Packet::new(0x01, b"key")
    };
    let openings: [(&str, Vec<u8>); 7] = [
        ("set", b"set key 0 0 1000000\r\n".to_vec()),
        ("set and a little", b"set key 0 0 1000000\r\nabc".to_vec()),
        ("set too much", b"set key 0 0 2000000000\r\nabc".to_vec()),
        ("ms", b"ms key 1000000\r\n".to_vec()),
        ("binary", packet.bytes()[..40].to_vec()),
        ("get without end", vec![b'g'; 2000]),
        (
            "meta without end",
            [b"mg key ".to_vec(), b" ".repeat(1900)].concat(),
        ),
    ];
    beside_a_good_client("lengths that promise much", |subject| {
        for (name, opening) in &openings {
            let before = resident_bytes(subject.pid());
            let mut connections: Vec<Connection> =
                (0..CONNECTIONS).map(|_| subject.connect()).collect();
            for connection in &mut connections {
                connection.send(opening).expect("received");
            }
            // Whoever connects later is answered later by the same shards: what was sent above has been looked at by then.
            for _ in 0..20 {
                assert_eq!(subject.connect().line("mn"), "MN");
            }
            let grown = resident_bytes(subject.pid()).saturating_sub(before);
            println!("{CONNECTIONS} times {name}: resident memory grew by {grown} bytes");
            if !skip_unless_subject_is_torc("the bound of memory is torc's") {
                assert!(grown <= 2 * GROWTH_MAX, "{name}: grown by {grown} bytes");
            }
        }
        // A line that does not end is given up.
        let mut connection = subject.connect();
        // The server may hang up before all is sent.
        let _ = connection.send(&[b'x'; 100_000]);
        connection.read_to_end().expect("the server hangs up");
    });
}

/// memcached hangs up without a word; with one it is clear why.
#[test]
fn a_line_that_is_too_long_is_refused_with_a_word() {
    const REFUSAL: &[u8] = b"CLIENT_ERROR line too long\r\n";
    if skip_unless_subject_is_torc("the word is torc's") {
        return;
    }
    let Some(subject) = Subject::start(2) else {
        return;
    };
    let long = |start: &str, length: usize| {
        let mut line = start.as_bytes().to_vec();
        line.resize(length, b'x');
        line
    };
    let lines = [
        long("", 2049),
        long("set ", 2049),
        [long("delete ", 3000), b"\r\n".to_vec()].concat(),
        long("get ", (1 << 20) + 1),
        [b"get".to_vec(), b" k".repeat(600_000)].concat(),
    ];
    for line in lines {
        let mut connection = subject.connect();
        // It may hang up before it has all.
        let _ = connection.send(&line);
        let (said, reset) = connection.read_to_end().expect("an end");
        assert!(said == REFUSAL || reset, "{}", said.escape_ascii());
    }
    // Those that fetch may be longer.
    let mut connection = subject.connect();
    let fetch = format!("get{}", " k".repeat(500_000));
    assert_eq!(connection.line(&fetch), "END");
    let touch = format!("gat 0{}", " k".repeat(1200));
    assert_eq!(connection.line(&touch), "END");
    assert_eq!(connection.line("mn"), "MN");
    subject.stop();
}
