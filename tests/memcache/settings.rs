//! What the options of memcached's protocols do: the Unix socket, passwords in text and binary, `shutdown`, limits of clients and of memory; and the commands
//! that act on the whole server later than they are given.

use crate::binary::{HEADER_LENGTH, Packet, packet_length};
use crate::support::memcache::{
    Connection, Settings, Subject, numbers_of_shards, skip_unless_subject_is_torc, subject_is_torc,
};
use crate::support::process::TemporaryDirectory;
use crate::support::server::{free_port, tested_command};
use crate::support::{WAIT_LIMIT, eventually};
use std::time::{Duration, Instant};

/// Status of a reply that a password was wrong or is missing.
const AUTHENTICATION_FAILED: u16 = 0x20;

fn status(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[6], packet[7]])
}

/// Sends a binary request and reads its reply.
fn ask(connection: &mut Connection, packet: &Packet) -> Vec<u8> {
    connection
        .send(&packet.bytes())
        .expect("the server receives");
    loop {
        if let Some(length) = packet_length(connection.pending()) {
            return connection.take(length);
        }
        assert!(connection.receive().expect("the server answers"), "closed");
    }
}

fn sasl(user: &str, password: &str) -> Packet {
    Packet {
        value: format!("\0{user}\0{password}").into_bytes(),
        ..Packet::new(0x21, b"PLAIN")
    }
}

/// A get without a password is refused in text and binary, and so is a wrong password; with the right one both work.
fn check_passwords(subject: &Subject, user: &str, password: &str) {
    let token = |user: &str, password: &str| {
        let token = format!("{user} {password}");
        format!("set auth 0 0 {}\r\n{token}", token.len())
    };
    let mut text = subject.connect();
    assert_eq!(text.line("get a"), "CLIENT_ERROR unauthenticated");
    assert_eq!(text.line("stats"), "CLIENT_ERROR unauthenticated");
    assert_eq!(
        text.line(&token(user, "wrong")),
        "CLIENT_ERROR authentication failure"
    );
    assert_eq!(
        text.line(&token("nobody", password)),
        "CLIENT_ERROR authentication failure"
    );
    assert_eq!(text.line(&token(user, password)), "STORED");
    assert_eq!(text.line("set a 0 0 1\r\nx"), "STORED");

    let mut binary = subject.connect();
    let mechanisms = ask(&mut binary, &Packet::new(0x20, b""));
    assert_eq!(status(&mechanisms), 0);
    assert!(mechanisms[HEADER_LENGTH..].starts_with(b"PLAIN"));
    let refused = ask(&mut binary, &sasl(user, "wrong"));
    assert_eq!(status(&refused), AUTHENTICATION_FAILED);
    let accepted = ask(&mut binary, &sasl(user, password));
    assert_eq!(status(&accepted), 0);
    assert_eq!(&accepted[HEADER_LENGTH..], b"Authenticated");
    let value = ask(&mut binary, &Packet::new(0x00, b"a"));
    assert_eq!(
        (status(&value), &value[HEADER_LENGTH + 4..]),
        (0, &b"x"[..])
    );

    // Without a password the connection ends behind the refusal.
    let mut stranger = subject.connect();
    let refused = ask(&mut stranger, &Packet::new(0x00, b"a"));
    assert_eq!(status(&refused), AUTHENTICATION_FAILED);
    assert!(stranger.read_to_end().expect("an end").0.is_empty());
}

#[test]
fn users_from_a_file() {
    if skip_unless_subject_is_torc("memcached reads other files for text and binary") {
        return;
    }
    let directory = TemporaryDirectory::new();
    let file = directory.path().join("users");
    std::fs::write(&file, "# ours\n\nann:secret one\nbob:s:e:c\n").expect("a file");
    for &shards in numbers_of_shards() {
        let settings = Settings {
            auth_file: Some(file.clone()),
            ..Settings::default()
        };
        let Some(subject) = Subject::start_with(shards, &settings) else {
            return;
        };
        check_passwords(&subject, "ann", "secret one");
        check_passwords(&subject, "bob", "s:e:c");
        subject.stop();
    }
}

#[test]
fn the_password_of_redis_is_that_of_the_user_default() {
    if skip_unless_subject_is_torc("requirepass is torc's") {
        return;
    }
    let settings = Settings {
        options: vec![("requirepass", "secret".to_string())],
        ..Settings::default()
    };
    let Some(subject) = Subject::start_with(2, &settings) else {
        return;
    };
    check_passwords(&subject, "default", "secret");
    subject.stop();
}

#[test]
fn a_file_of_users_that_is_none_stops_the_start() {
    if skip_unless_subject_is_torc("what memcached says at its start is its own") {
        return;
    }
    let directory = TemporaryDirectory::new();
    let wrong = directory.path().join("wrong");
    std::fs::write(&wrong, "ann:secret\nno colon\n").expect("a file");
    let missing = directory.path().join("missing");
    for (file, what) in [(&wrong, "line 2"), (&missing, "No such file")] {
        let file = file.to_str().expect("a path in UTF-8");
        let port = free_port().to_string();
        let directives = [
            ("port", "0"),
            ("memcached-port", port.as_str()),
            ("memcached-auth-file", file),
        ];
        let output = tested_command(&directives)
            .current_dir(directory.path())
            .output()
            .expect("it runs, and ends");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        for word in [file, what, "user:password", "--memcached-auth-file"] {
            assert!(said.contains(word), "{word:?} in {said}");
        }
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn the_unix_socket() {
    if skip_unless_subject_is_torc("memcached has either TCP or a Unix socket") {
        return;
    }
    let directory = TemporaryDirectory::new();
    let path = directory.path().join("socket");
    for &shards in numbers_of_shards() {
        let settings = Settings {
            unix_socket: Some(path.clone()),
            ..Settings::default()
        };
        let Some(subject) = Subject::start_with(shards, &settings) else {
            return;
        };
        let mut unix = Connection::open_unix(&path).expect("it accepts");
        for number in 0..20 {
            assert_eq!(unix.line(&format!("set k{number} 0 0 1\r\nx")), "STORED");
            assert_eq!(subject.connect().line(&format!("mg k{number}")), "HD");
        }
        assert_eq!(
            unix.lines_until("get k0 k19", "END"),
            "VALUE k0 0 1\r\nx\r\nVALUE k19 0 1\r\nx\r\nEND\r\n"
        );
        let mut binary = Connection::open_unix(&path).expect("it accepts");
        let reply = ask(&mut binary, &Packet::new(0x00, b"k7"));
        assert_eq!((status(&reply), reply.last()), (0, Some(&b'x')));
        let connections = unix.lines_until("stats conns", "END");
        let address = format!("addr unix:{}\r\n", path.display());
        assert!(connections.contains(&address), "{connections}");
        subject.stop();
        assert!(!path.exists(), "the socket is taken away at the end");
    }
}

#[test]
fn shutdown_is_obeyed_only_where_it_is_allowed() {
    let Some(subject) = Subject::start(2) else {
        return;
    };
    let mut connection = subject.connect();
    assert_eq!(connection.line("shutdown"), "ERROR: shutdown not enabled");
    assert_eq!(
        connection.line("shutdown graceful"),
        "ERROR: shutdown not enabled"
    );
    subject.stop();
    for request in ["shutdown\r\n", "shutdown graceful\r\n"] {
        let settings = Settings {
            allow_shutdown: true,
            ..Settings::default()
        };
        let Some(mut subject) = Subject::start_with(2, &settings) else {
            return;
        };
        let mut connection = subject.connect();
        assert_eq!(
            connection.line("shutdown now"),
            "CLIENT_ERROR invalid shutdown mode"
        );
        connection.send(request.as_bytes()).expect("sent");
        assert!(connection.read_to_end().expect("an end").0.is_empty());
        eventually("the server ends", WAIT_LIMIT, || subject.has_ended());
        if let Subject::Torc { server, .. } = &mut subject {
            assert_eq!(server.wait().code(), Some(0));
        }
    }
}

#[test]
fn a_client_too_many_is_told_so() {
    if skip_unless_subject_is_torc("it is asked for with another option") {
        return;
    }
    let settings = Settings {
        options: vec![("maxclients", "3".to_string())],
        ..Settings::default()
    };
    let Some(subject) = Subject::start_with(2, &settings) else {
        return;
    };
    let mut served: Vec<Connection> = (0..3).map(|_| subject.connect()).collect();
    for connection in &mut served {
        assert_eq!(connection.line("mn"), "MN");
    }
    let (said, _) = subject.connect().read_to_end().expect("an end");
    assert_eq!(
        said.escape_ascii().to_string(),
        "ERROR Too many open connections\\r\\n"
    );
    assert_eq!(served[0].line("mn"), "MN");
    drop(served.pop());
    eventually("there is room again", WAIT_LIMIT, || {
        let mut connection = subject.connect();
        // A refused connection may be reset before it can be written to.
        let sent = connection.send(b"mn\r\n").is_ok();
        sent && connection.read_line().is_ok_and(|line| line == b"MN\r\n")
    });
    subject.stop();
}

#[test]
fn the_limit_of_memory() {
    if skip_unless_subject_is_torc("memcached says the same, and then evicts at its own pace") {
        return;
    }
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let Subject::Torc { server, .. } = &subject else {
            panic!("the subject is torc");
        };
        let mut connection = subject.connect();
        assert_eq!(connection.line("cache_memlimit 96"), "OK");
        let settings = connection.lines_until("stats settings", "END");
        let line = format!("STAT maxbytes {}\r\n", 96 << 20);
        assert!(settings.contains(&line), "{settings}");
        let reply = server.client().words("CONFIG GET maxmemory");
        assert_eq!(reply.elements()[1].text(), (96 << 20).to_string());
        assert_eq!(
            connection.line("cache_memlimit 7"),
            "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"
        );
        let refused = connection.line("cache_memlimit 1000000001");
        assert!(refused.starts_with("MEMLIMIT_ADJUST_FAILED "), "{refused}");
        assert_eq!(connection.line("cache_memlimit x"), "ERROR");
        connection
            .send(b"cache_memlimit 128 noreply\r\n")
            .expect("sent");
        assert_eq!(connection.line("mn"), "MN");
        eventually("a silent limit is in force", WAIT_LIMIT, || {
            let settings = connection.lines_until("stats settings", "END");
            settings.contains(&format!("STAT maxbytes {}\r\n", 128 << 20))
        });
        subject.stop();
    }
}

#[test]
fn a_flush_that_was_put_off() {
    const DELAY: Duration = Duration::from_secs(3);
    // memcached's clock ticks once a second and its delay is up to two seconds short.
    let delay_min = DELAY - Duration::from_millis(if subject_is_torc() { 1000 } else { 2500 });
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let mut connection = subject.connect();
        for number in 0..30 {
            let line = connection.line(&format!("set k{number} 0 0 1\r\nx"));
            assert_eq!(line, "STORED");
        }
        let keys = (0..30).map(|number| format!(" k{number}"));
        let all = format!("get{}", keys.collect::<String>());
        let asked = Instant::now();
        assert_eq!(connection.line("flush_all 3"), "OK");
        let reply = connection.lines_until(&all, "END");
        if asked.elapsed() < delay_min {
            assert_eq!(reply.matches("VALUE").count(), 30);
        }
        eventually("all keys go", WAIT_LIMIT, || {
            connection.lines_until(&all, "END") == "END\r\n"
        });
        assert!(asked.elapsed() >= delay_min);
        // memcached still drops what is stored in the rest of that second, torc nothing.
        let mut stays = || {
            assert_eq!(connection.line("set k0 0 0 1\r\ny"), "STORED");
            connection.line("mg k0") == "HD"
        };
        if subject_is_torc() {
            assert!(stays());
        } else {
            eventually("an item stays", WAIT_LIMIT, stays);
        }
        subject.stop();
    }
}
