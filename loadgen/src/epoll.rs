//! The network over epoll, for kernels or sandboxes without io_uring: one receive and one send call per batch.

use crate::transport::{Event, Transport};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

struct Output {
    bytes: Vec<u8>,
    sent: usize,
    in_flight: bool,
}

/// The transport.
pub struct Epoll {
    epoll: OwnedFd,
    sockets: Vec<RawFd>,
    outputs: Vec<Output>,
    events: Vec<libc::epoll_event>,
    ready: usize,
    outcomes: Vec<(usize, io::Result<()>)>,
    buffer: Vec<u8>,
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

impl Epoll {
    /// A transport for these sockets, which must stay open as long as it lives.
    pub fn new(sockets: &[RawFd]) -> io::Result<Self> {
        // SAFETY: creates a new descriptor, which nobody else owns.
        let epoll =
            unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        let transport = Self {
            epoll,
            sockets: sockets.to_vec(),
            outputs: sockets
                .iter()
                .map(|_| Output {
                    bytes: Vec::new(),
                    sent: 0,
                    in_flight: false,
                })
                .collect(),
            events: vec![libc::epoll_event { events: 0, u64: 0 }; sockets.len().max(1)],
            ready: 0,
            outcomes: Vec::new(),
            buffer: vec![0; 65536],
        };
        for connection in 0..sockets.len() {
            transport.watch(connection, libc::EPOLL_CTL_ADD, false)?;
        }
        Ok(transport)
    }

    fn watch(&self, connection: usize, operation: libc::c_int, output: bool) -> io::Result<()> {
        let wanted = libc::EPOLLIN | if output { libc::EPOLLOUT } else { 0 };
        let mut event = libc::epoll_event {
            events: wanted as u32,
            u64: connection as u64,
        };
        // SAFETY: both descriptors are open and the event lives through the call.
        check(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                operation,
                self.sockets[connection],
                &mut event,
            )
        })?;
        Ok(())
    }

    /// Sends what the socket takes; true when all has gone.
    fn push(&mut self, connection: usize) -> io::Result<bool> {
        let output = &mut self.outputs[connection];
        while output.sent < output.bytes.len() {
            let rest = &output.bytes[output.sent..];
            // SAFETY: the pointer and the length are those of a live slice.
            let sent = unsafe {
                libc::send(
                    self.sockets[connection],
                    rest.as_ptr().cast(),
                    rest.len(),
                    libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
                )
            };
            if sent < 0 {
                let error = io::Error::last_os_error();
                return match error.kind() {
                    io::ErrorKind::WouldBlock => Ok(false),
                    io::ErrorKind::Interrupted => continue,
                    _ => Err(error),
                };
            }
            output.sent += sent as usize;
        }
        Ok(true)
    }

    fn advance(&mut self, connection: usize, watched: bool) {
        let outcome = match self.push(connection) {
            Ok(true) if watched => self.watch(connection, libc::EPOLL_CTL_MOD, false),
            Ok(true) => Ok(()),
            Ok(false) if watched => return,
            Ok(false) => match self.watch(connection, libc::EPOLL_CTL_MOD, true) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        self.outputs[connection].in_flight = false;
        self.outcomes.push((connection, outcome));
    }
}

impl Transport for Epoll {
    fn output(&mut self, connection: usize) -> &mut Vec<u8> {
        let output = &mut self.outputs[connection];
        assert!(
            !output.in_flight,
            "an output buffer is not touched while it is sent"
        );
        output.bytes.clear();
        &mut output.bytes
    }

    fn send(&mut self, connection: usize) {
        let output = &mut self.outputs[connection];
        assert!(!output.in_flight && !output.bytes.is_empty());
        output.sent = 0;
        output.in_flight = true;
        self.advance(connection, false);
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let time = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
        };
        // SAFETY: the event array and the timespec live through the call, and the length is the array's.
        let ready = check(unsafe {
            libc::epoll_pwait2(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                &time,
                std::ptr::null(),
            )
        });
        self.ready = match ready {
            Ok(ready) => ready as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    fn drain(&mut self, mut report: impl FnMut(Event<'_>)) -> io::Result<()> {
        for index in 0..std::mem::take(&mut self.ready) {
            let event = self.events[index];
            let (flags, connection) = (event.events, event.u64 as usize);
            if flags & libc::EPOLLOUT as u32 != 0 && self.outputs[connection].in_flight {
                self.advance(connection, true);
            }
            if flags & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) as u32 == 0 {
                continue;
            }
            // SAFETY: the buffer is writable for its whole length.
            let received = unsafe {
                libc::recv(
                    self.sockets[connection],
                    self.buffer.as_mut_ptr().cast(),
                    self.buffer.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            match received {
                0 => report(Event::Closed(connection)),
                1.. => report(Event::Received(
                    connection,
                    &self.buffer[..received as usize],
                )),
                _ => {
                    let error = io::Error::last_os_error();
                    if !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) {
                        report(Event::Failed(connection, error));
                    }
                }
            }
        }
        for (connection, outcome) in self.outcomes.drain(..) {
            match outcome {
                Ok(()) => report(Event::Sent(connection)),
                Err(error) => report(Event::Failed(connection, error)),
            }
        }
        Ok(())
    }
}
