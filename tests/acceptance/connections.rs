//! Idle connections cost little memory and no time.

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::process::{cpu_seconds, raise_open_files_limit, resident_bytes};
use crate::support::server::{Server, skip_unless_torc, tested_program};
use crate::{alone, full, mib};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BUSY: usize = 50;
/// Resident memory an idle connection may cost, in a full run.
const IDLE_BYTES_MAX: u64 = 2048;

/// Requests per second of the busy connections: by loadgen, from beside the tested program, in a full run; otherwise by
/// this test itself, all connections in turn.
fn throughput(server: &Server, seconds: u64) -> f64 {
    if full() {
        let program = tested_program().with_file_name("loadgen");
        let port = server.port.to_string();
        let (connections, duration) = (BUSY.to_string(), seconds.to_string());
        let output = Command::new(&program)
            .args(["--port", &port, "--connections", &connections])
            .args(["--pipeline", "1", "--duration", &duration])
            .args(["--keyspace", "100000", "--quiet"])
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        return said
            .split_whitespace()
            .find_map(|word| word.replace(',', "").parse().ok())
            .unwrap_or_else(|| panic!("loadgen said: {said}"));
    }
    let mut clients: Vec<Client> = (0..BUSY).map(|_| server.client()).collect();
    let (from, mut answered) = (Instant::now(), 0u64);
    while from.elapsed() < Duration::from_secs(seconds) {
        for client in &mut clients {
            client
                .send(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
                .expect("sent");
        }
        for client in &mut clients {
            client.read().expect("answered");
            answered += 1;
        }
    }
    answered as f64 / from.elapsed().as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
fn idle_connections_cost_little() {
    if skip_unless_torc("figures of torc") {
        return;
    }
    let _alone = alone();
    let idle_wanted = if full() { 10_000 } else { 1_000 };
    let limit = raise_open_files_limit();
    assert!(
        limit >= idle_wanted as u64 + 200,
        "{idle_wanted} connections need more open files than {limit}"
    );
    let server = Server::start_with_shards(1, &[("maxclients", "12000")]);
    let (rounds, seconds) = if full() { (5, 3) } else { (1, 1) };
    // Both ways in turn, so that a change of the machine's speed touches both.
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut bytes_each = 0;
    throughput(&server, 1);
    for round in 0..rounds {
        alone.push(throughput(&server, seconds));
        let before = resident_bytes(server.pid());
        let mut idle: Vec<Client> = (0..idle_wanted).map(|_| server.client()).collect();
        for client in &mut idle {
            assert_eq!(client.words("PING").text(), "PONG");
        }
        let grown = resident_bytes(server.pid()).saturating_sub(before);
        if round == 0 {
            bytes_each = grown / idle_wanted as u64;
            println!(
                "{idle_wanted} idle connections: {:.1} MiB, {bytes_each} bytes each",
                mib(grown)
            );
        }
        beside.push(throughput(&server, seconds));
        if round == 0 {
            let mut quiet = server.client();
            let (before, from) = (cpu_seconds(server.pid()), Instant::now());
            quiet.set_limit(Duration::from_secs(3));
            // Nothing is sent for three seconds, so nothing comes.
            assert!(quiet.read().is_err());
            let used = cpu_seconds(server.pid()) - before;
            let part = used / from.elapsed().as_secs_f64();
            println!(
                "idle with {idle_wanted} connections: {:.2} % of a core",
                100.0 * part
            );
            // CPU time is known to a hundredth of a second.
            assert!(
                part < 0.01 + 0.01 / 3.0,
                "{used} s of CPU in three idle seconds"
            );
        }
        drop(idle);
        let mut client = server.client();
        eventually("idle connections are gone", Duration::from_secs(30), || {
            let text = client.words("INFO clients").text();
            text.contains("connected_clients:1\r\n")
        });
    }
    let (alone, beside) = (median(alone), median(beside));
    println!(
        "{BUSY} busy connections: {alone:.0} requests/s alone, {beside:.0} beside {idle_wanted} idle ones ({:+.1} %)",
        100.0 * (beside / alone - 1.0)
    );
    if full() {
        assert!(bytes_each <= IDLE_BYTES_MAX, "{bytes_each} bytes each");
    }
    server.stop();
}
