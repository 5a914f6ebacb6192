//! A raw RESP client: it sends the bytes it is given and reads whole replies, with a time limit on everything. It never
//! retries, reconnects or hides a protocol detail, because those are what is tested.

use super::WAIT_LIMIT;
use super::reply::{Reply, parse};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection.
pub struct Client {
    stream: Stream,
    received: Vec<u8>,
    consumed: usize,
}

impl Client {
    /// Connects over TCP.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WAIT_LIMIT))?;
        stream.set_write_timeout(Some(WAIT_LIMIT))?;
        Ok(Client::over(Stream::Tcp(stream)))
    }

    /// Connects to a Unix socket.
    pub fn connect_unix(path: &Path) -> io::Result<Client> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(WAIT_LIMIT))?;
        stream.set_write_timeout(Some(WAIT_LIMIT))?;
        Ok(Client::over(Stream::Unix(stream)))
    }

    fn over(stream: Stream) -> Client {
        Client {
            stream,
            received: Vec::new(),
            consumed: 0,
        }
    }

    /// Changes the time limit of reads and writes.
    pub fn set_limit(&mut self, limit: Duration) {
        match &self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(limit)).expect("a time limit");
                stream.set_write_timeout(Some(limit)).expect("a time limit");
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(limit)).expect("a time limit");
                stream.set_write_timeout(Some(limit)).expect("a time limit");
            }
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    /// Says that nothing more will be sent; what was sent is still answered.
    pub fn finish_sending(&mut self) {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).expect("shutdown"),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).expect("shutdown"),
        }
    }

    /// The same where the server may have closed the connection before.
    pub fn finish_sending_if_connected(&mut self) {
        // An error says that there is no connection left to finish, which is allowed here.
        let _ = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Receives some more bytes; false at the end of the stream.
    fn receive(&mut self) -> io::Result<bool> {
        if self.consumed > 0 {
            self.received.drain(..self.consumed);
            self.consumed = 0;
        }
        let before = self.received.len();
        // Long replies are read in long pieces, so that looking for their end stays cheap.
        let piece = before.clamp(64 * 1024, 16 * 1024 * 1024);
        self.received.resize(before + piece, 0);
        let outcome = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut self.received[before..]),
            Stream::Unix(stream) => stream.read(&mut self.received[before..]),
        };
        self.received
            .truncate(before + *outcome.as_ref().unwrap_or(&0));
        Ok(outcome? > 0)
    }

    /// The next whole reply as the bytes that came.
    pub fn read_raw(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let pending = &self.received[self.consumed..];
            if let Some((_, length)) = parse(pending) {
                let raw = pending[..length].to_vec();
                self.consumed += length;
                return Ok(raw);
            }
            if !self.receive()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next whole reply.
    pub fn read(&mut self) -> io::Result<Reply> {
        loop {
            if let Some((reply, length)) = parse(&self.received[self.consumed..]) {
                self.consumed += length;
                return Ok(reply);
            }
            if !self.receive()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// True when the server closed the connection and nothing is left unread.
    pub fn is_closed(&mut self) -> bool {
        if self.received.len() > self.consumed {
            return false;
        }
        match self.receive() {
            Ok(more) => !more,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends one request and reads its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(&request(arguments)).expect("the server receives");
        self.read().expect("the server answers")
    }

    /// Sends one request of words separated by blanks and reads its reply.
    pub fn words(&mut self, line: &str) -> Reply {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }
}

/// A request as RESP's array of bulk strings.
pub fn request<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
