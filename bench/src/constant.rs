//! A server that only answers: every GET with the same value, everything else with `+OK`, whatever the key.
//!
//! It receives, parses and sends exactly as torc does (the same ring, the same buffers, the same parser, one send for a connection and turn) and
//! does nothing in between, so it shows the practical limit: what a request costs before any work is done for it. Never stores anything.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use torc::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, RING_COMPLETIONS, RING_ENTRIES};
use torc::net::{Event, Outgoing, Ring, RingOptions, Token, socket};
use torc::protocol::resp::{Parser, Step};
use torc::server::executor;

/// Sleeps in the ring: while clients are active, and after some quiet.
const SLEEP_ACTIVE: Duration = Duration::from_millis(1);
const SLEEP_QUIET: Duration = Duration::from_millis(200);
const QUIET_AFTER: Duration = Duration::from_millis(20);
/// Connections waiting to be accepted.
const BACKLOG: i32 = 511;
/// Reply buffers kept for reuse, and the largest that is kept.
const BUFFERS_KEPT_MAX: usize = 1024;
const BUFFER_KEPT_BYTES_MAX: usize = 64 * 1024;

struct Connection {
    socket: OwnedFd,
    parser: Parser,
    /// The beginning of a request whose end has not come yet.
    rest: Vec<u8>,
    replies: Vec<u8>,
    receiving: bool,
    sending: bool,
    closing: bool,
    listed: bool,
}

#[derive(Default)]
struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
}

struct Constant {
    ring: Ring,
    listener: OwnedFd,
    reply: Vec<u8>,
    places: Vec<Place>,
    places_free: Vec<u32>,
    listed: Vec<u32>,
    buffers: Vec<Vec<u8>>,
}

/// Serves until the process is ended.
///
/// # Errors
/// When the port or a ring cannot be had.
pub fn serve(port: u16, reply_bytes: usize) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = socket::listen_tcp(&address, BACKLOG, false)
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let mut reply = format!("${reply_bytes}\r\n").into_bytes();
    reply.resize(reply.len() + reply_bytes, b'x');
    reply.extend_from_slice(b"\r\n");
    executor::spawn("constant", None, move || async move {
        let mut server = Constant::new(listener, reply)
            .map_err(|error| format!("the ring could not be set up: {error}"))?;
        println!("ready on {address}");
        server.run();
        Ok(())
    })?
    .join()?
}

impl Constant {
    /// To be made on the thread that serves: a ring belongs to one thread.
    fn new(listener: OwnedFd, reply: Vec<u8>) -> io::Result<Constant> {
        let ring = Ring::new(RingOptions {
            entries: RING_ENTRIES,
            completions: RING_COMPLETIONS,
            buffers: RECEIVE_BUFFERS,
            buffer_bytes: RECEIVE_BUFFER_BYTES,
        })?;
        Ok(Constant {
            ring,
            listener,
            reply,
            places: Vec::new(),
            places_free: Vec::new(),
            listed: Vec::new(),
            buffers: Vec::new(),
        })
    }

    fn run(&mut self) {
        self.ring.accept(self.listener.as_raw_fd(), 0);
        let mut active_at = Instant::now();
        let mut wait = None;
        loop {
            self.ring.enter(wait);
            let active = self.take_events();
            self.settle_listed();
            let now = Instant::now();
            if active {
                active_at = now;
            }
            wait = if !self.listed.is_empty() {
                None
            } else if now - active_at < QUIET_AFTER {
                Some(SLEEP_ACTIVE)
            } else {
                Some(SLEEP_QUIET)
            };
        }
    }

    fn take_events(&mut self) -> bool {
        let mut active = false;
        while let Some(event) = self.ring.next_event() {
            active = true;
            match event {
                Event::Accepted { result, more, .. } => {
                    if !more {
                        self.ring.accept(self.listener.as_raw_fd(), 0);
                    }
                    if let Ok(socket) = result {
                        self.add(socket);
                    }
                }
                Event::Received {
                    token,
                    buffer,
                    len,
                    more,
                } => {
                    self.received(token, buffer, len);
                    self.ring.release(buffer);
                    if !more {
                        self.change(token, |connection| connection.receiving = false);
                    }
                }
                Event::Readable { .. } => unreachable!("no socket of datagrams is polled"),
                Event::ReceiveEnded { token, result } => {
                    let starved = matches!(&result, Err(error) if error.raw_os_error() == Some(libc::ENOBUFS));
                    self.change(token, |connection| {
                        connection.receiving = false;
                        connection.closing |= !starved;
                    });
                }
                Event::Sent {
                    token,
                    outgoing,
                    result,
                } => {
                    let whole = result.ok() == Some(outgoing.len());
                    self.change(token, |connection| {
                        connection.sending = false;
                        connection.closing |= !whole;
                    });
                    self.keep(outgoing.bytes);
                }
                Event::File { .. } => unreachable!("nothing is asked of the file system"),
                Event::Woken => {}
            }
        }
        active
    }

    fn add(&mut self, socket: OwnedFd) {
        socket::prepare_tcp(socket.as_raw_fd(), 0);
        let index = self.places_free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() as u32 - 1
        });
        self.places[index as usize].connection = Some(Box::new(Connection {
            socket,
            parser: Parser::new(),
            rest: Vec::new(),
            replies: Vec::new(),
            receiving: false,
            sending: false,
            closing: false,
            listed: true,
        }));
        self.listed.push(index);
    }

    /// Changes a connection, if it still is the one meant, and lists it for the end of the turn.
    fn change(&mut self, token: Token, change: impl FnOnce(&mut Connection)) {
        let place = &mut self.places[token.index as usize];
        if place.generation != token.generation {
            return;
        }
        let Some(connection) = place.connection.as_deref_mut() else {
            return;
        };
        change(connection);
        if !std::mem::replace(&mut connection.listed, true) {
            self.listed.push(token.index);
        }
    }

    fn keep(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= BUFFER_KEPT_BYTES_MAX && self.buffers.len() < BUFFERS_KEPT_MAX {
            bytes.clear();
            self.buffers.push(bytes);
        }
    }

    fn received(&mut self, token: Token, buffer: u16, len: usize) {
        let place = &mut self.places[token.index as usize];
        if place.generation != token.generation {
            return;
        }
        let Some(connection) = place.connection.as_deref_mut() else {
            return;
        };
        if connection.replies.capacity() == 0 {
            connection.replies = self.buffers.pop().unwrap_or_default();
        }
        connection.receive(self.ring.data(buffer, len), &self.reply);
        if !std::mem::replace(&mut connection.listed, true) {
            self.listed.push(token.index);
        }
    }

    fn settle_listed(&mut self) {
        let mut listed = std::mem::take(&mut self.listed);
        for index in listed.drain(..) {
            self.settle(index);
        }
        self.listed = listed;
    }

    fn settle(&mut self, index: u32) {
        let place = &mut self.places[index as usize];
        let Some(connection) = place.connection.as_deref_mut() else {
            return;
        };
        connection.listed = false;
        let token = Token {
            index,
            generation: place.generation,
        };
        let fd = connection.socket.as_raw_fd();
        if connection.closing {
            if connection.receiving || connection.sending {
                socket::shutdown(fd);
            } else {
                place.connection = None;
                place.generation = place.generation.wrapping_add(1);
                self.places_free.push(index);
            }
            return;
        }
        if !connection.sending && !connection.replies.is_empty() {
            connection.sending = true;
            let bytes = std::mem::take(&mut connection.replies);
            self.ring.send(
                fd,
                token,
                Outgoing {
                    bytes,
                    large: Vec::new(),
                },
            );
        }
        if !connection.receiving {
            connection.receiving = true;
            self.ring.receive(fd, token);
        }
    }
}

impl Connection {
    fn receive(&mut self, data: &[u8], reply: &[u8]) {
        if self.closing {
            return;
        }
        if self.rest.is_empty() {
            let used = self.answer(data, reply);
            self.rest.extend_from_slice(&data[used..]);
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(data);
            let used = self.answer(&rest, reply);
            rest.drain(..used);
            self.rest = rest;
        }
    }

    /// Answers all whole requests of `input`; how many bytes they were.
    fn answer(&mut self, input: &[u8], reply: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() {
            match self.parser.parse(&input[at..]) {
                Ok(Step::Request { consumed }) => {
                    let args = self.parser.args(&input[at..]);
                    if !args.is_empty() {
                        let answer = if args[0].eq_ignore_ascii_case(b"GET") {
                            reply
                        } else {
                            b"+OK\r\n"
                        };
                        self.replies.extend_from_slice(answer);
                    }
                    self.parser.next_request();
                    at += consumed;
                }
                Ok(Step::Incomplete) => break,
                // Values of this size are not part of any measurement here.
                Ok(Step::Large { .. }) | Err(_) => {
                    self.closing = true;
                    return input.len();
                }
            }
        }
        at
    }
}
