//! One shard's io_uring for sockets.
//!
//! Multishot accept, multishot receive into provided buffers, sends that complete whole (`MSG_WAITALL`), one `io_uring_enter` for
//! all of it. SINGLE_ISSUER, COOP_TASKRUN and DEFER_TASKRUN: the kernel does its part of the work inside our enter and never interrupts.
//! The ring owns buffers in flight; they come back with [`Event::Sent`].

use super::buffers::{self, Buffers};
use crate::large::LargeBytes;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::any::Any;
use std::collections::VecDeque;
use std::ffi::CString;
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Names a connection: an index and a generation, 56 bits in all, so that a late completion never meets a newer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// Place in the owner's table, below 2^24.
    pub index: u32,
    /// Counts the uses of the place.
    pub generation: u32,
}

impl Token {
    /// As one number of 56 bits.
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 24 | u64::from(self.index)
    }
    /// The inverse of [`Token::to_bits`].
    pub fn from_bits(bits: u64) -> Token {
        Token {
            index: bits as u32 & 0xff_ffff,
            generation: (bits >> 24) as u32,
        }
    }
}

/// Bytes to be sent, and large values that belong between them (each before the byte at its position).
#[derive(Debug, Default)]
pub struct Outgoing {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The large values; positions ascend.
    pub large: Vec<(usize, LargeBytes)>,
}

impl Outgoing {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.bytes.len()
            + self
                .large
                .iter()
                .map(|(_, value)| value.as_slice().len())
                .sum::<usize>()
    }
    /// All bytes in one piece.
    pub fn joined(self) -> Vec<u8> {
        if self.large.is_empty() {
            return self.bytes;
        }
        let mut joined = Vec::with_capacity(self.len());
        let mut from = 0;
        for (position, value) in &self.large {
            joined.extend_from_slice(&self.bytes[from..*position]);
            joined.extend_from_slice(value.as_slice());
            from = *position;
        }
        joined.extend_from_slice(&self.bytes[from..]);
        joined
    }
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.large.is_empty()
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A listener took a connection. `more`: the listener goes on by itself.
    Accepted {
        /// What was given to [`Ring::accept`].
        listener: u32,
        /// The socket.
        result: io::Result<OwnedFd>,
        /// Whether the listener goes on by itself.
        more: bool,
    },
    /// Bytes arrived: [`Ring::data`] shows them until [`Ring::release`].
    Received {
        /// The connection.
        token: Token,
        /// The receive buffer.
        buffer: u16,
        /// Bytes in it; never 0.
        len: usize,
        /// Whether receiving goes on by itself.
        more: bool,
    },
    /// Receiving has ended: the peer closed (`Ok`), or an error.
    ReceiveEnded {
        /// The connection.
        token: Token,
        /// ENOBUFS means: no receive buffer was free; arm again. ECANCELED: as asked.
        result: io::Result<()>,
    },
    /// A send has ended; the buffer comes back.
    Sent {
        /// The connection.
        token: Token,
        /// What was given to [`Ring::send`].
        outgoing: Outgoing,
        /// Bytes sent; fewer than given only when the connection is broken.
        result: io::Result<usize>,
    },
    /// A socket given to [`Ring::poll`] can be read from.
    Readable {
        /// What was given to [`Ring::poll`].
        listener: u32,
    },
    /// Somebody wrote to the wake descriptor.
    Woken,
    /// Something asked of the file system has ended.
    File {
        /// What was given with the request.
        id: u64,
        /// What came of it.
        result: io::Result<FileDone>,
        /// What was to be written.
        memory: Option<Box<dyn FileMemory>>,
    },
}

/// What came of a request to the file system.
#[derive(Debug)]
pub enum FileDone {
    /// The file is open.
    Opened(OwnedFd),
    /// So many bytes were written.
    Written(usize),
    /// It is done.
    Done,
}

/// Bytes that stay where they are while the kernel writes them, whoever moves their owner.
pub trait FileMemory: Any + Send + Debug {
    /// The bytes.
    fn bytes(&self) -> &[u8];
    /// The owner, to be had back as what it is.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Something asked of the file system.
pub enum FileRequest {
    /// Makes a file, or empties it if it is there, and opens it for writing; the result is its descriptor. Directly: past the page cache.
    Create {
        /// The directory.
        directory: RawFd,
        /// Its name.
        name: CString,
        /// Past the page cache.
        is_direct: bool,
    },
    /// Asks for room.
    Allocate {
        /// The file.
        file: RawFd,
        /// Bytes of it.
        bytes: u64,
    },
    /// Writes bytes.
    Write {
        /// The file.
        file: RawFd,
        /// Where to.
        offset: u64,
        /// What.
        memory: Box<dyn FileMemory>,
        /// How many bytes of it.
        bytes: usize,
        /// They are to be durable when this ends.
        is_durable: bool,
    },
    /// Makes what was written durable: of a file, or of a directory.
    Sync {
        /// The file or the directory.
        file: RawFd,
    },
    /// Gives a file another name.
    Rename {
        /// The directory.
        directory: RawFd,
        /// Its name.
        from: CString,
        /// Its new name.
        to: CString,
    },
    /// Removes a file.
    Remove {
        /// The directory.
        directory: RawFd,
        /// Its name.
        name: CString,
    },
}

const OP_ACCEPT: u64 = 1;
const OP_RECEIVE: u64 = 2;
const OP_SEND: u64 = 3;
const OP_WAKE: u64 = 4;
const OP_IGNORE: u64 = 5;
const OP_POLL: u64 = 6;
const OP_FILE: u64 = 7;
const OP_SHIFT: u32 = 56;

/// Sizes of a ring.
#[derive(Debug, Clone, Copy)]
pub struct RingOptions {
    /// Submission entries.
    pub entries: u32,
    /// Completion entries.
    pub completions: u32,
    /// Receive buffers, a power of two.
    pub buffers: u16,
    /// Bytes of each.
    pub buffer_bytes: usize,
}

struct InFlight {
    token: Token,
    outgoing: Outgoing,
    /// Only for messages with large values: must stay in place while the kernel works.
    message: Option<Box<Message>>,
}

/// What a request to the file system refers to.
struct FileInFlight {
    id: u64,
    opens: bool,
    memory: Option<Box<dyn FileMemory>>,
    _names: [Option<CString>; 2],
}

struct Message {
    header: libc::msghdr,
    parts: Vec<libc::iovec>,
}

/// The ring.
pub struct Ring {
    // Dropped first: closing the ring ends every use of the memory below.
    ring: IoUring,
    buffers: Buffers,
    in_flight: Vec<Option<InFlight>>,
    in_flight_free: Vec<u32>,
    files: Vec<Option<FileInFlight>>,
    wake_value: Box<u64>,
    /// Completions that were collected and not handed out, oldest first.
    completed: VecDeque<(u64, i32, u32)>,
    /// Calls of io_uring_enter so far.
    pub enters: u64,
}

impl Ring {
    /// A ring for the calling thread; only this thread may use it.
    pub fn new(options: RingOptions) -> io::Result<Ring> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(options.completions)
            .build(options.entries)?;
        let buffers = Buffers::register(&ring, options.buffers, options.buffer_bytes)?;
        Ok(Ring {
            ring,
            buffers,
            in_flight: Vec::new(),
            in_flight_free: Vec::new(),
            files: Vec::new(),
            wake_value: Box::new(0),
            completed: VecDeque::with_capacity(options.completions as usize),
            enters: 0,
        })
    }

    fn push(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: every entry made in this module refers to memory that this struct keeps until the completion.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            // The queue is full: hand over what is in it. Completions are collected later.
            self.enters += 1;
            match self.ring.submit() {
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)
                    ) => {}
                Err(error) => panic!("io_uring refused to take submissions: {error}"),
            }
        }
    }

    /// Goes on accepting from a listening socket; events name it by `listener`.
    pub fn accept(&mut self, socket: RawFd, listener: u32) {
        let entry = opcode::AcceptMulti::new(types::Fd(socket))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(OP_ACCEPT << OP_SHIFT | u64::from(listener));
        self.push(&entry);
    }

    /// Reports [`Event::Readable`] once when a socket of datagrams can be read from.
    pub fn poll(&mut self, socket: RawFd, listener: u32) {
        let entry = opcode::PollAdd::new(types::Fd(socket), libc::POLLIN as u32)
            .build()
            .user_data(OP_POLL << OP_SHIFT | u64::from(listener));
        self.push(&entry);
    }

    /// Stops accepting, or polling.
    pub fn cancel_accept(&mut self, listener: u32) {
        for op in [OP_ACCEPT, OP_POLL] {
            let target = op << OP_SHIFT | u64::from(listener);
            let entry = opcode::AsyncCancel::new(target)
                .build()
                .user_data(OP_IGNORE << OP_SHIFT);
            self.push(&entry);
        }
    }

    /// Goes on receiving from a connection until an event without `more` or [`Event::ReceiveEnded`].
    pub fn receive(&mut self, socket: RawFd, token: Token) {
        let entry = opcode::RecvMulti::new(types::Fd(socket), buffers::GROUP)
            .build()
            .user_data(OP_RECEIVE << OP_SHIFT | token.to_bits());
        self.push(&entry);
    }

    /// Asks for receiving to end; data that is already here may still come before [`Event::ReceiveEnded`].
    pub fn cancel_receive(&mut self, token: Token) {
        let target = OP_RECEIVE << OP_SHIFT | token.to_bits();
        let entry = opcode::AsyncCancel::new(target)
            .build()
            .user_data(OP_IGNORE << OP_SHIFT);
        self.push(&entry);
    }

    /// Sends everything, in one operation that ends when all is sent or the connection is broken.
    pub fn send(&mut self, socket: RawFd, token: Token, outgoing: Outgoing) {
        assert!(!outgoing.is_empty(), "there is something to send");
        let place = match self.in_flight_free.pop() {
            Some(place) => place,
            None => {
                self.in_flight.push(None);
                u32::try_from(self.in_flight.len() - 1).expect("sends are bounded by connections")
            }
        };
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let user_data = OP_SEND << OP_SHIFT | u64::from(place);
        let slot = self.in_flight[place as usize].insert(InFlight {
            token,
            outgoing,
            message: None,
        });
        let entry = if slot.outgoing.large.is_empty() {
            let bytes = &slot.outgoing.bytes;
            opcode::Send::new(types::Fd(socket), bytes.as_ptr(), bytes.len() as u32)
                .flags(flags)
                .build()
        } else {
            let message = slot.message.insert(Message::new(&slot.outgoing));
            opcode::SendMsg::new(types::Fd(socket), &raw const message.header)
                .flags(flags as u32)
                .build()
        };
        self.push(&entry.user_data(user_data));
    }

    /// Asks something of the file system; [`Event::File`] names it by `id`. No order is kept between requests.
    pub fn file(&mut self, id: u64, request: FileRequest) {
        let place = match self.files.iter().position(Option::is_none) {
            Some(place) => place,
            None => {
                self.files.push(None);
                self.files.len() - 1
            }
        };
        let mut kept = FileInFlight {
            id,
            opens: false,
            memory: None,
            _names: [None, None],
        };
        let entry = match request {
            FileRequest::Create {
                directory,
                name,
                is_direct,
            } => {
                let direct = if is_direct { libc::O_DIRECT } else { 0 };
                let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC;
                let entry = opcode::OpenAt::new(types::Fd(directory), name.as_ptr())
                    .flags(flags | direct)
                    .mode(0o600)
                    .build();
                kept._names[0] = Some(name);
                kept.opens = true;
                entry
            }
            FileRequest::Allocate { file, bytes } => {
                opcode::Fallocate::new(types::Fd(file), bytes).build()
            }
            FileRequest::Write {
                file,
                offset,
                memory,
                bytes,
                is_durable,
            } => {
                let slice = &memory.bytes()[..bytes];
                let flags = if is_durable { libc::RWF_DSYNC } else { 0 };
                let entry = opcode::Write::new(types::Fd(file), slice.as_ptr(), bytes as u32)
                    .offset(offset)
                    .rw_flags(flags)
                    .build();
                kept.memory = Some(memory);
                entry
            }
            FileRequest::Sync { file } => opcode::Fsync::new(types::Fd(file))
                .flags(types::FsyncFlags::DATASYNC)
                .build(),
            FileRequest::Rename {
                directory,
                from,
                to,
            } => {
                let here = types::Fd(directory);
                let entry = opcode::RenameAt::new(here, from.as_ptr(), here, to.as_ptr()).build();
                kept._names = [Some(from), Some(to)];
                entry
            }
            FileRequest::Remove { directory, name } => {
                let entry = opcode::UnlinkAt::new(types::Fd(directory), name.as_ptr()).build();
                kept._names[0] = Some(name);
                entry
            }
        };
        self.files[place] = Some(kept);
        self.push(&entry.user_data(OP_FILE << OP_SHIFT | place as u64));
    }

    /// Reports [`Event::Woken`] once when somebody writes to an event descriptor.
    pub fn wake_on(&mut self, eventfd: RawFd) {
        let entry = opcode::Read::new(types::Fd(eventfd), (&raw mut *self.wake_value).cast(), 8)
            .build()
            .user_data(OP_WAKE << OP_SHIFT);
        self.push(&entry);
    }

    /// The bytes of an [`Event::Received`].
    pub fn data(&self, buffer: u16, len: usize) -> &[u8] {
        self.buffers.slice(buffer, len)
    }

    /// Gives a receive buffer back.
    pub fn release(&mut self, buffer: u16) {
        self.buffers.provide(buffer);
    }

    /// Hands everything over to the kernel and collects what has completed, waiting at most `wait` for the first event. What completes later is not seen before the next time.
    /// With nothing to hand over, nothing pending and no wait it makes no system call.
    pub fn enter(&mut self, wait: Option<Duration>) {
        self.buffers.publish();
        let (pending, task_work) = {
            let queue = self.ring.submission();
            (queue.len(), queue.taskrun() || queue.cq_overflow())
        };
        let ready = !self.ring.completion().is_empty();
        let result = match wait {
            Some(wait) if !ready => {
                let time = types::Timespec::new()
                    .sec(wait.as_secs())
                    .nsec(wait.subsec_nanos());
                let arguments = types::SubmitArgs::new().timespec(&time);
                self.enters += 1;
                self.ring.submitter().submit_with_args(1, &arguments)
            }
            _ if pending == 0 && !task_work => Ok(0),
            _ => {
                self.enters += 1;
                const GETEVENTS: u32 = 1;
                // SAFETY: no extended argument is passed; the queue's entries satisfy the promise of `push`.
                unsafe {
                    self.ring.submitter().enter::<libc::sigset_t>(
                        pending as u32,
                        0,
                        GETEVENTS,
                        None,
                    )
                }
            }
        };
        match result {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) => {}
            Err(error) => panic!("io_uring_enter failed: {error}"),
        }
        let queue = self.ring.completion();
        self.completed
            .extend(queue.map(|entry| (entry.user_data(), entry.result(), entry.flags())));
    }

    /// The next thing that had happened when the ring was last entered.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let (user_data, result, flags) = self.completed.pop_front()?;
            if let Some(event) = self.event(user_data, result, flags) {
                return Some(event);
            }
        }
    }

    /// The next end of a request to the file system, which waits for no other event. None of them is lost or comes twice.
    pub fn next_file(&mut self) -> Option<Event> {
        let is_file = |(user_data, ..): &(u64, i32, u32)| user_data >> OP_SHIFT == OP_FILE;
        let place = self.completed.iter().position(is_file)?;
        let (user_data, result, flags) = self.completed.remove(place)?;
        self.event(user_data, result, flags)
    }

    fn event(&mut self, user_data: u64, result: i32, flags: u32) -> Option<Event> {
        let payload = user_data & ((1 << OP_SHIFT) - 1);
        let outcome = if result < 0 {
            Err(io::Error::from_raw_os_error(-result))
        } else {
            Ok(result)
        };
        let more = cqueue::more(flags);
        match user_data >> OP_SHIFT {
            OP_ACCEPT => Some(Event::Accepted {
                listener: payload as u32,
                // SAFETY: a successful accept returns a descriptor that nobody else owns.
                result: outcome.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
                more,
            }),
            OP_RECEIVE => {
                let token = Token::from_bits(payload);
                let buffer = cqueue::buffer_select(flags);
                match (outcome, buffer) {
                    (Ok(len), Some(buffer)) if len > 0 => Some(Event::Received {
                        token,
                        buffer,
                        len: len as usize,
                        more,
                    }),
                    (outcome, buffer) => {
                        if let Some(buffer) = buffer {
                            self.release(buffer);
                        }
                        Some(Event::ReceiveEnded {
                            token,
                            result: outcome.map(drop),
                        })
                    }
                }
            }
            OP_SEND => {
                let place = payload as u32;
                let slot = self.in_flight[place as usize]
                    .take()
                    .expect("a send completes once");
                self.in_flight_free.push(place);
                Some(Event::Sent {
                    token: slot.token,
                    outgoing: slot.outgoing,
                    result: outcome.map(|len| len as usize),
                })
            }
            OP_FILE => {
                let kept = self.files[payload as usize].take();
                let kept = kept.expect("a request completes once");
                Some(Event::File {
                    id: kept.id,
                    result: outcome.map(|result| match &kept.memory {
                        None if kept.opens => {
                            // SAFETY: a successful open returns a descriptor that nobody else owns.
                            FileDone::Opened(unsafe { OwnedFd::from_raw_fd(result) })
                        }
                        None => FileDone::Done,
                        Some(_) => FileDone::Written(result as usize),
                    }),
                    memory: kept.memory,
                })
            }
            OP_WAKE => Some(Event::Woken),
            OP_POLL if outcome.is_err() => None,
            OP_POLL => Some(Event::Readable {
                listener: payload as u32,
            }),
            OP_IGNORE => None,
            op => unreachable!("operation {op} was never submitted"),
        }
    }

    /// Whether there are events that [`Ring::next_event`] has not handed out.
    pub fn has_taken_events(&self) -> bool {
        !self.completed.is_empty()
    }

    /// Bytes of memory the ring keeps for receiving.
    pub fn bytes(&self) -> usize {
        self.buffers.bytes()
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl Message {
    fn new(outgoing: &Outgoing) -> Box<Message> {
        let part = |bytes: &[u8]| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let mut parts = Vec::with_capacity(outgoing.large.len() * 2 + 1);
        let mut from = 0;
        for (position, value) in &outgoing.large {
            if *position > from {
                parts.push(part(&outgoing.bytes[from..*position]));
                from = *position;
            }
            parts.push(part(value.as_slice()));
        }
        if from < outgoing.bytes.len() {
            parts.push(part(&outgoing.bytes[from..]));
        }
        // SAFETY: an all-zero msghdr is a valid empty one.
        let header = unsafe { std::mem::zeroed::<libc::msghdr>() };
        let mut message = Box::new(Message { header, parts });
        message.header.msg_iov = message.parts.as_mut_ptr();
        message.header.msg_iovlen = message.parts.len() as _;
        message
    }
}
