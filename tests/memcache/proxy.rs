//! A proxy in front of a memcached that falsifies one kind of reply: the planted mistake with which the oracle is tested.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// Starts one; it lives as long as the test process. `TOUCHED` is said in lower case.
pub fn start(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let upstream = TcpStream::connect(server).expect("the server accepts");
            let halves = (
                stream.try_clone().expect("a copy"),
                upstream.try_clone().expect("a copy"),
            );
            std::thread::spawn(move || forward(halves.0, halves.1, |_| {}));
            std::thread::spawn(move || forward(upstream, stream, lie));
        }
    });
    address
}

fn lie(bytes: &mut [u8]) {
    let word = b"TOUCHED";
    // One that is cut in two goes through as it is; there are many.
    while let Some(at) = bytes.windows(word.len()).position(|window| window == word) {
        bytes[at..at + word.len()].make_ascii_lowercase();
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, change: fn(&mut [u8])) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        change(&mut piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    // Whoever has gone already needs no telling.
    let _ = to.shutdown(std::net::Shutdown::Write);
}
