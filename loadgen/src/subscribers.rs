//! Connections that receive what a load publishes: as many for each channel as its members say, drained by one thread of their own.
//!
//! What comes is counted in bytes and not looked at. The decision worth knowing: they are no part of the load, since nothing is asked of them and no reply
//! belongs to a message; their thread shares the processors that the load is pinned to.

use crate::args::Plan;
use crate::connect::{self, Socket};
use crate::error::{Error, Result};
use crate::protocol::resp::Resp;
use crate::protocol::resp::write_bulk_head;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Read at once from one subscriber.
const BUFFER_BYTES: usize = 256 << 10;
/// How often the thread looks whether it is to end, when nothing comes.
const LOOK_MS: libc::c_int = 20;

/// The subscribers of a run.
pub struct Subscribers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Subscribers {
    /// Subscribes, waits until every subscription is confirmed, and begins to receive.
    pub fn start(plan: &Plan, per_channel: u64) -> Result<Self> {
        let mut sockets = Vec::new();
        for channel in 0..plan.keyspace {
            let mut request = b"*2\r\n$9\r\nSUBSCRIBE\r\n".to_vec();
            write_bulk_head(plan.key_format.size(), &mut request);
            plan.key_format.write(channel, &mut request);
            request.extend_from_slice(b"\r\n");
            for _ in 0..per_channel {
                let socket = connect::open(plan, &Resp)?;
                subscribe(&socket, &request)
                    .map_err(|error| Error::run(format!("cannot subscribe: {error}")))?;
                sockets.push(socket);
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let cpu = plan.cpus.first().copied();
        let thread = std::thread::Builder::new()
            .name("subscribers".into())
            .spawn(move || {
                if let Some(cpu) = cpu {
                    // Where it cannot be pinned the load's own threads have said so.
                    let _ = crate::run::pin(cpu);
                }
                drain(&sockets, &stopped)
            })
            .map_err(|error| Error::run(format!("cannot start a thread: {error}")))?;
        Ok(Self { stop, thread })
    }

    /// Ends them. The bytes they have received.
    pub fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("draining does not panic")
    }
}

/// The socket as a stream that leaves it open; Unix sockets are read and written in the same way.
fn stream(socket: &Socket) -> ManuallyDrop<TcpStream> {
    // SAFETY: the descriptor is open for as long as the socket lives, and this stream never closes it.
    ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(socket.as_raw_fd()) })
}

fn subscribe(socket: &Socket, request: &[u8]) -> io::Result<()> {
    let mut stream = stream(socket);
    stream.write_all(request)?;
    let mut reply = Vec::new();
    let mut byte = [0];
    // Its end is the count of subscriptions.
    while !reply.ends_with(b":1\r\n") {
        stream.read_exact(&mut byte)?;
        reply.push(byte[0]);
        if reply[0] == b'-' && reply.ends_with(b"\r\n") || reply.len() > 4096 {
            let text = String::from_utf8_lossy(&reply).trim().to_string();
            return Err(io::Error::other(text));
        }
    }
    Ok(())
}

/// Reads whatever comes until told to stop.
fn drain(sockets: &[Socket], stop: &AtomicBool) -> u64 {
    let mut polled: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut received = 0;
    while !stop.load(Ordering::Relaxed) {
        // SAFETY: the array is as long as said.
        let ready =
            unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, LOOK_MS) };
        if ready <= 0 {
            continue;
        }
        for (entry, socket) in polled.iter_mut().zip(sockets) {
            if entry.revents == 0 {
                continue;
            }
            match stream(socket).read(&mut buffer) {
                // The load tells what became of the server.
                Ok(0) | Err(_) => entry.fd = -1,
                Ok(bytes) => received += bytes as u64,
            }
        }
        // Many messages at once cost one look at a hundred sockets.
        std::thread::sleep(Duration::from_micros(200));
    }
    received
}
