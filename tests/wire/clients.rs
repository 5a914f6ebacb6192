//! What the server keeps of connections: CLIENT KILL, LIST, PAUSE; passwords; Unix sockets and IPv6.

use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::{Server, free_port};
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};
use std::io::ErrorKind;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

#[test]
fn connections_are_listed_and_killed() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut others: Vec<Client> = (0..20).map(|_| server.client()).collect();
        for (number, other) in others.iter_mut().enumerate() {
            other.words(&format!("CLIENT SETNAME other-{number}"));
        }
        let list = admin.words("CLIENT LIST").text();
        assert_eq!(list.lines().count(), 21, "{list}");
        for field in [
            "id=",
            "addr=127.0.0.1:",
            "laddr=",
            "fd=",
            "name=other-7",
            "age=",
            "idle=",
            "db=0",
            "cmd=client|setname",
            "resp=2",
        ] {
            assert!(list.contains(field), "{field} in {list}");
        }
        let id = others[0].words("CLIENT ID").integer();
        assert_eq!(admin.words(&format!("CLIENT KILL ID {id}")).integer(), 1);
        assert!(others[0].is_closed());
        let line = list
            .lines()
            .find(|line| line.contains("name=other-1 "))
            .expect("listed");
        let address = line
            .split_whitespace()
            .find_map(|field| field.strip_prefix("addr="))
            .expect("an address");
        assert_eq!(admin.words(&format!("CLIENT KILL {address}")).text(), "OK");
        assert!(others[1].is_closed());
        let own = admin.words("CLIENT ID").integer();
        let one = admin.words(&format!("CLIENT LIST ID {own}")).text();
        assert_eq!(one.lines().count(), 1, "{one}");
        // All but oneself.
        assert_eq!(admin.words("CLIENT KILL TYPE normal").integer(), 18);
        for other in &mut others[2..] {
            assert!(other.is_closed());
        }
        assert_eq!(admin.words("PING").text(), "PONG");
        // The last one ends itself, after the answer.
        assert_eq!(
            admin
                .words(&format!("CLIENT KILL ID {own} SKIPME no"))
                .integer(),
            1
        );
        assert!(admin.is_closed());
    });
}

#[test]
fn a_pause_holds_requests_back_until_it_ends() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut other = server.client();
        // Writes only: reads go on.
        assert_eq!(admin.words("CLIENT PAUSE 100000 WRITE").text(), "OK");
        assert_eq!(other.words("GET key"), Reply::Null);
        other.send(b"SET key value\r\n").expect("received");
        other.set_limit(Duration::from_millis(100));
        let silence = other.read().expect_err("nothing comes while paused");
        assert!(
            matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            "{silence}"
        );
        assert_eq!(admin.words("CLIENT UNPAUSE").text(), "OK");
        other.set_limit(WAIT_LIMIT);
        assert_eq!(other.read().expect("answered").text(), "OK");
        // All requests, for a while.
        let start = Instant::now();
        assert_eq!(admin.words("CLIENT PAUSE 150").text(), "OK");
        assert_eq!(other.words("GET key").text(), "value");
        assert!(
            start.elapsed() >= Duration::from_millis(140),
            "{:?}",
            start.elapsed()
        );
    });
}

#[test]
fn a_password_is_asked_for() {
    with_each_number_of_shards(&[("requirepass", "secret")], |server| {
        let mut client = server.client();
        for line in ["GET a", "PING", "SELECT 1", "CLIENT ID", "HELLO 3"] {
            let error = client.words(line).text();
            assert!(error.starts_with("NOAUTH "), "{line}: {error}");
        }
        assert_eq!(
            client.words("AUTH wrong").text(),
            "WRONGPASS invalid username-password pair or user is disabled."
        );
        assert!(client.words("GET a").text().starts_with("NOAUTH "));
        assert_eq!(client.words("AUTH secret").text(), "OK");
        assert_eq!(client.words("GET a"), Reply::Null);
        assert_eq!(client.words("RESET").text(), "RESET");
        assert!(client.words("GET a").text().starts_with("NOAUTH "));
        let mut modern = server.client();
        assert!(matches!(
            modern.words("HELLO 3 AUTH default secret"),
            Reply::Map(_)
        ));
        assert_eq!(modern.words("GET a"), Reply::Null);
        // A stranger may not make the server keep much: few arguments, and short ones.
        let mut stranger = server.client();
        stranger.send(b"*11\r\n").expect("received");
        assert_eq!(
            stranger.read().expect("answered").text(),
            "ERR Protocol error: unauthenticated multibulk length"
        );
        let mut stranger = server.client();
        stranger.send(b"*2\r\n$16385\r\n").expect("received");
        assert_eq!(
            stranger.read().expect("answered").text(),
            "ERR Protocol error: unauthenticated bulk length"
        );
    });
}

#[test]
fn a_unix_socket_serves_as_tcp_does() {
    let directory = crate::support::process::TemporaryDirectory::new();
    let path = directory.path().join("socket");
    let server = Server::start(&[("unixsocket", path.to_str().expect("UTF-8"))]);
    let mut local = Client::connect_unix(&path).expect("the socket is there");
    let mut remote = server.client();
    assert_eq!(local.words("SET key value").text(), "OK");
    assert_eq!(remote.words("GET key").text(), "value");
    let list = remote.words("CLIENT LIST").text();
    assert!(
        list.contains(&format!("addr={}:0", path.display())),
        "{list}"
    );
    server.stop();
}

#[test]
fn ipv6_serves_as_ipv4_does() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("skipped: no IPv6 on this machine");
        return;
    }
    let server = Server::start(&[("bind", "127.0.0.1 ::1")]);
    let mut six = Client::connect((Ipv6Addr::LOCALHOST, server.port)).expect("accepted");
    let mut four = server.client();
    assert_eq!(six.words("SET key value").text(), "OK");
    assert_eq!(four.words("GET key").text(), "value");
    let list = four.words("CLIENT LIST").text();
    assert!(list.contains("addr=[::1]:"), "{list}");
    server.stop();
    // The port is free again at once.
    assert_ne!(free_port(), 0);
}

#[test]
fn idle_connections_are_closed_after_the_timeout() {
    let server = Server::start(&[("timeout", "1")]);
    let mut idle = server.client();
    assert_eq!(idle.words("PING").text(), "PONG");
    let mut busy = server.client();
    eventually("the idle one is closed", WAIT_LIMIT, || {
        busy.words("CLIENT LIST").text().lines().count() == 1
    });
    assert!(idle.is_closed());
    assert_eq!(busy.words("CONFIG SET timeout 0").text(), "OK");
    server.stop();
}
