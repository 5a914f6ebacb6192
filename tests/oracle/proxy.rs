//! A proxy in front of a redis-server that falsifies one kind of reply: the planted mistake with which the oracle is tested.

use crate::support::client::Client;
use crate::support::reply::parse;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Starts one; it lives as long as the test process. STRLEN of anything longer than 100 bytes is said one too long.
pub fn start(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, server));
        }
    });
    address
}

fn serve(mut stream: TcpStream, server: SocketAddr) {
    // Replies go one by one, and must not wait for each other's acknowledgement.
    stream.set_nodelay(true).expect("a socket");
    let mut upstream = Client::connect(server).expect("the server accepts");
    let mut pending = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        pending.extend_from_slice(&piece[..length]);
        loop {
            // Requests of the oracle are arrays of bulk strings but for the inline HELLO.
            let end = if pending.first() == Some(&b'*') {
                parse(&pending).map(|(_, end)| end)
            } else {
                pending
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map(|end| end + 1)
            };
            let Some(end) = end else { break };
            let request: Vec<u8> = pending.drain(..end).collect();
            upstream.send(&request).expect("the server receives");
            let Ok(mut reply) = upstream.read_raw() else {
                return;
            };
            if request
                .to_ascii_uppercase()
                .windows(6)
                .any(|word| word == b"STRLEN")
                && let Some((crate::support::reply::Reply::Integer(length @ 101..), _)) =
                    parse(&reply)
            {
                reply = format!(":{}\r\n", length + 1).into_bytes();
            }
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    }
}
