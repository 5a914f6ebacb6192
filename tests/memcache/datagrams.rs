//! The text protocol over UDP: a header of 8 bytes (request id, number of the datagram, how many there are, zero; each 16 bits, high byte first), then text.

use crate::support::WAIT_LIMIT;
use crate::support::memcache::{Settings, Subject, numbers_of_shards, skip_unless_subject_is_torc};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// No datagram is longer; what protocol.txt leaves open and memcached has.
const DATAGRAM_LENGTH_MAX: usize = 1400;

/// Sends a request and puts the datagrams of its answer together; asks again when some do not come, which the protocol allows.
fn ask(socket: &UdpSocket, subject: &Subject, id: u16, request: &str) -> (String, usize) {
    let mut frame = Vec::from(id.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1, 0, 0]);
    frame.extend_from_slice(request.as_bytes());
    let deadline = Instant::now() + WAIT_LIMIT;
    let mut pieces: Vec<Option<Vec<u8>>> = Vec::new();
    socket.send_to(&frame, subject.udp_address()).expect("sent");
    loop {
        assert!(Instant::now() < deadline, "no answer to {request:?}");
        let mut buffer = vec![0; 65_536];
        let Ok(length) = socket.recv(&mut buffer) else {
            socket.send_to(&frame, subject.udp_address()).expect("sent");
            continue;
        };
        let field = |index: usize| u16::from_be_bytes([buffer[2 * index], buffer[2 * index + 1]]);
        assert!(
            (8..=DATAGRAM_LENGTH_MAX).contains(&length),
            "{length} bytes"
        );
        assert_eq!(field(0), id);
        assert_eq!(field(3), 0);
        let (number, count) = (usize::from(field(1)), usize::from(field(2)));
        assert!(number < count, "{number} of {count} for {request:?}");
        pieces.resize(count, None);
        pieces[number] = Some(buffer[8..length].to_vec());
        if pieces.iter().all(Option::is_some) {
            let bytes: Vec<u8> = pieces.into_iter().flatten().flatten().collect();
            return (String::from_utf8(bytes).expect("text"), count);
        }
    }
}

#[test]
fn requests_and_replies_in_datagrams() {
    for &shards in numbers_of_shards() {
        let settings = Settings {
            udp: true,
            ..Settings::default()
        };
        let Some(subject) = Subject::start_with(shards, &settings) else {
            return;
        };
        let socket = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            socket
                .set_read_timeout(Some(Duration::from_secs(2)))
                .expect("a limit");
            socket
        };
        let asked = socket();
        assert_eq!(
            ask(&asked, &subject, 1, "get a\r\n"),
            ("END\r\n".to_string(), 1)
        );
        assert_eq!(
            ask(&asked, &subject, 2, "set a 5 0 5\r\nhello\r\n"),
            ("STORED\r\n".to_string(), 1)
        );
        assert_eq!(
            ask(&asked, &subject, 0xfffe, "get a\r\n").0,
            "VALUE a 5 5\r\nhello\r\nEND\r\n"
        );
        let mut tcp = subject.connect();
        let mut expected = String::new();
        let mut keys = String::new();
        for number in 0..30 {
            let value = char::from(b'a' + number % 26)
                .to_string()
                .repeat(300 + usize::from(number));
            assert_eq!(
                tcp.line(&format!("set many:{number} 0 0 {}\r\n{value}", value.len())),
                "STORED"
            );
            expected.push_str(&format!(
                "VALUE many:{number} 0 {}\r\n{value}\r\n",
                value.len()
            ));
            keys.push_str(&format!(" many:{number}"));
        }
        let long = "x".repeat(5000);
        assert_eq!(tcp.line(&format!("set long 0 0 5000\r\n{long}")), "STORED");
        let (reply, count) = ask(&socket(), &subject, 6, "get long\r\n");
        assert_eq!(
            (reply, count),
            (format!("VALUE long 0 5000\r\n{long}\r\nEND\r\n"), 4)
        );
        // Another client each time, so that late datagrams of a repeated question disturb nobody.
        if !skip_unless_subject_is_torc(
            "memcached 1.6.18 sends every value of a multi-get as a message of its own",
        ) {
            let (reply, count) = ask(&socket(), &subject, 7, &format!("get{keys}\r\n"));
            assert_eq!(reply, expected + "END\r\n");
            assert!(count > 6, "{count} datagrams");
        }
        // What is no frame is dropped, and the next is answered.
        for bytes in [
            b"".as_slice(),
            b"\0\x01\0",
            b"\0\x01\0\0\0\x01\0\0",
            b"\0\x01\0\x05\0\x09\0\0get a\r\n",
        ] {
            socket()
                .send_to(bytes, subject.udp_address())
                .expect("sent");
        }
        let found = "VALUE a 5 5\r\nhello\r\nEND\r\n";
        assert_eq!(ask(&socket(), &subject, 9, "get a\r\n").0, found);
        if !skip_unless_subject_is_torc(
            "memcached 1.6.18 numbers the answer 0 of 0 when the first key misses",
        ) {
            assert_eq!(ask(&socket(), &subject, 10, "get missing a\r\n").0, found);
        }
        subject.stop();
    }
}
