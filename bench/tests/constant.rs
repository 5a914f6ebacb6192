//! The server that only answers, as a process of its own, under a load whose replies are all read.

use clap::Parser;
use loadgen::args::{Args, Plan};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_request_is_answered() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["constant", "--port", &port, "--reply-bytes", "300"]);
    let mut server = Stopped(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut ready = String::new();
    BufReader::new(server.0.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    assert_eq!(ready, format!("ready on 127.0.0.1:{port}\n"));
    // Batches of 64 writes of 1000 bytes do not fit one receive buffer: requests are cut anywhere. The second run reuses places of connections.
    for _ in 0..2 {
        let words = [
            "loadgen", "-q", "-c", "20", "-P", "64", "-n", "20000", "-d", "1000", "--ratio", "1:1",
            "--port", &port,
        ];
        let outcome =
            loadgen::run::run(Plan::new(Args::try_parse_from(words).unwrap()).unwrap()).unwrap();
        assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
        let stats = outcome.stats;
        assert_eq!(
            (stats.replies(), stats.misses, stats.error_count()),
            (20_000, 0, 0)
        );
        assert!(stats.hits > 8_000);
        assert!(stats.bytes_in > 300 * stats.hits);
    }
}
