//! What a worker needs of the network: send each connection's output buffer, be told what came in. Two forms:
//! [`crate::ring`] (io_uring) and [`crate::epoll`]. Connections are numbered from 0 and connected already.

use std::io;
use std::time::Duration;

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Event<'a> {
    /// Bytes came in.
    Received(usize, &'a [u8]),
    /// The output buffer has gone out whole and may be filled again.
    Sent(usize),
    /// The server closed the connection.
    Closed(usize),
    /// The connection failed.
    Failed(usize, io::Error),
}

/// Moves bytes for a worker.
pub trait Transport {
    /// The output buffer of a connection, emptied. Only between `Sent` and the next `send`.
    fn output(&mut self, connection: usize) -> &mut Vec<u8>;

    /// Sends what stands in the output buffer, at the latest with the next `wait`.
    fn send(&mut self, connection: usize);

    /// Hands everything to the kernel and waits until something happened, at most `timeout`.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// Reports what happened.
    fn drain(&mut self, report: impl FnMut(Event<'_>)) -> io::Result<()>;
}
