//! One connection: what it has sent, what it is owed, and who it says it is.
//!
//! Replies leave in the order of the requests although commands of other shards come back later: while one is outstanding, later replies wait in slots
//! behind it. No I/O here; the worker moves the bytes.

use super::commands::Tracker;
use super::durability::Wait;
use super::subscriptions::Counts;
use crate::command::table::Command;
use crate::config::AppendFsync;
use crate::large::LargeBytes;
use crate::net::Token;
use crate::protocol::memcache::sasl;
use crate::protocol::resp::{Protocol, Reply};
use crate::protocol::{Dialect, RequestParser};
use crate::shard::message::{Message, Origin};
use crate::shard::operation::WatchedKey;
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// So many bytes of replies are sent although more of them will be ready soon.
const SENT_EARLY_BYTES_MIN: usize = 16 * 1024;

/// A place among a connection's replies.
enum Slot {
    /// Another shard, or an operation, will fill it. `muted`: the client wants no reply (CLIENT REPLY).
    Waiting {
        muted: bool,
        /// It is that of a write, which later writes wait for.
        is_write: bool,
        /// What was pushed to the client meanwhile and goes before the reply.
        ahead: Option<Box<Reply>>,
    },
    /// Filled, but one before it is not.
    Ready(Reply),
}

/// The replies a connection is owed, in order.
#[derive(Default)]
pub struct Replies {
    out: Reply,
    slots: VecDeque<Slot>,
    /// The place of the first slot; counts up and wraps.
    first_place: u32,
}

impl Replies {
    /// Where the next reply is to be written.
    #[inline]
    pub fn writer(&mut self) -> &mut Reply {
        if self.slots.is_empty() {
            return &mut self.out;
        }
        if !matches!(self.slots.back(), Some(Slot::Ready(_))) {
            let reply = Reply::new(self.out.protocol);
            self.slots.push_back(Slot::Ready(reply));
        }
        match self.slots.back_mut() {
            Some(Slot::Ready(reply)) => reply,
            _ => unreachable!("a ready slot was just put there"),
        }
    }

    /// Where a message goes that must not wait for the last reply, which is outstanding and may be so for ever: right before it.
    pub fn writer_ahead(&mut self) -> &mut Reply {
        let protocol = self.out.protocol;
        if self.slots.len() < 2 {
            return &mut self.out;
        }
        match self.slots.back_mut() {
            Some(Slot::Waiting { ahead, .. }) => {
                ahead.get_or_insert_with(|| Box::new(Reply::new(protocol)))
            }
            // Something that follows the last reply is there already, so that reply is about to come.
            Some(Slot::Ready(reply)) => reply,
            None => unreachable!("there are two at least"),
        }
    }

    /// Reserves the next place for a reply that comes later.
    pub fn reserve(&mut self, muted: bool) -> u32 {
        self.reserve_for(muted, false)
    }

    /// The same for a write that later writes wait for.
    pub fn reserve_write(&mut self, muted: bool) -> u32 {
        self.reserve_for(muted, true)
    }

    fn reserve_for(&mut self, muted: bool, is_write: bool) -> u32 {
        self.slots.push_back(Slot::Waiting {
            muted,
            is_write,
            ahead: None,
        });
        self.first_place.wrapping_add(self.slots.len() as u32 - 1)
    }

    /// Fills a reserved place; whether it was reserved for a write.
    pub fn fill(&mut self, place: u32, bytes: &[u8], large: &[(usize, LargeBytes)]) -> bool {
        let index = place.wrapping_sub(self.first_place) as usize;
        let slot = &mut self.slots[index];
        let Slot::Waiting {
            muted,
            is_write,
            ahead,
        } = slot
        else {
            panic!("a place is filled once")
        };
        let (muted, is_write, ahead) = (*muted, *is_write, ahead.take());
        let (bytes, large) = if muted {
            (&[][..], &[][..])
        } else {
            (bytes, large)
        };
        if index > 0 {
            let mut reply = ahead.map_or_else(|| Reply::new(self.out.protocol), |ahead| *ahead);
            reply.append_replies(bytes, large);
            *slot = Slot::Ready(reply);
            return is_write;
        }
        assert!(ahead.is_none(), "what goes before the first reply has gone");
        self.out.append_replies(bytes, large);
        self.pop_first();
        while let Some(Slot::Ready(reply)) = self.slots.front() {
            self.out.append_replies(&reply.bytes, &reply.large);
            self.pop_first();
        }
        if let Some(Slot::Waiting { ahead, .. }) = self.slots.front_mut()
            && let Some(reply) = ahead.take()
        {
            self.out.append_replies(&reply.bytes, &reply.large);
        }
        if self.slots.is_empty() && self.slots.capacity() > 256 {
            self.slots = VecDeque::new();
        }
        is_write
    }

    fn pop_first(&mut self) {
        self.slots.pop_front();
        self.first_place = self.first_place.wrapping_add(1);
    }

    /// Replies outstanding elsewhere, and those waiting behind them.
    pub fn waiting(&self) -> usize {
        self.slots.len()
    }

    /// Whether bytes are ready to be sent.
    pub fn is_ready(&self) -> bool {
        !self.out.bytes.is_empty() || !self.out.large.is_empty()
    }

    /// Bytes held for replies, ready or not.
    pub fn bytes(&self) -> usize {
        let large: usize = self
            .out
            .large
            .iter()
            .map(|(_, value)| value.as_slice().len())
            .sum();
        let waiting: usize = self
            .slots
            .iter()
            .map(|slot| match slot {
                Slot::Ready(reply) => reply.len(),
                Slot::Waiting { ahead, .. } => ahead.as_ref().map_or(0, |ahead| ahead.len()),
            })
            .sum();
        self.out.bytes.len() + large + waiting
    }

    /// Bytes ready to be sent.
    pub fn ready_bytes(&self) -> usize {
        self.out.bytes.len()
    }

    /// Takes what is ready, with the buffer it was written to.
    pub fn take_ready(&mut self) -> (Vec<u8>, Vec<(usize, LargeBytes)>) {
        (
            std::mem::take(&mut self.out.bytes),
            std::mem::take(&mut self.out.large),
        )
    }

    /// Gives up the buffer that replies are written to, when nothing is in it.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        assert!(
            self.out.bytes.is_empty(),
            "replies are waiting in the buffer"
        );
        std::mem::take(&mut self.out.bytes)
    }

    /// Gives a buffer to write replies to, if it has none.
    pub fn give_buffer(&mut self, buffer: impl FnOnce() -> Vec<u8>) {
        if self.out.bytes.capacity() == 0 {
            self.out.bytes = buffer();
        }
    }

    /// The version replies are written in.
    pub fn protocol(&self) -> Protocol {
        self.out.protocol
    }

    /// Changes it, from the next reply on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.out.protocol = protocol;
        if let Some(Slot::Ready(reply)) = self.slots.back_mut() {
            reply.protocol = protocol;
        }
    }
}

/// What CLIENT REPLY asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyMode {
    /// Replies to everything.
    #[default]
    On,
    /// No replies.
    Off,
    /// No reply to the next command.
    SkipNext,
    /// No reply to this command.
    Skip,
}

/// Where a client comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// TCP: the two ends.
    Tcp {
        /// The client's end.
        remote: SocketAddr,
        /// Ours.
        local: SocketAddr,
    },
    /// A Unix socket: its path.
    Unix(String),
    /// UDP: where the request came from, and our end.
    Udp {
        /// The client's end.
        remote: SocketAddr,
        /// Ours.
        local: SocketAddr,
    },
}

/// What a connection's bytes come from and go to.
#[derive(Debug)]
pub enum Socket {
    /// A stream of its own.
    Stream(OwnedFd),
    /// One datagram that came to a listener, and what it is answered with.
    Datagram {
        /// The listener.
        listener: Arc<UdpSocket>,
        /// The number the client gave its request.
        request: u16,
    },
    /// None: a script of this number calls commands through the connection.
    Script(u32),
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Socket::Stream(socket) => socket.as_raw_fd(),
            Socket::Datagram { listener, .. } => listener.as_raw_fd(),
            Socket::Script(_) => -1,
        }
    }
}

/// Who a client is and what it has chosen.
pub struct Session {
    /// CLIENT ID.
    pub id: u64,
    /// Where it comes from.
    pub peer: Peer,
    /// What it speaks.
    pub dialect: Dialect,
    /// How far an exchange of SASL messages is.
    pub sasl: sasl::Exchange,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME and LIB-VER.
    pub library: [Vec<u8>; 2],
    /// SELECT.
    pub db: usize,
    /// Whether it may do more than AUTH and HELLO.
    pub authenticated: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT DURABILITY, if it was said.
    pub durability: Option<AppendFsync>,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// Unix milliseconds of the connection's beginning and of its last command.
    pub created_ms: i64,
    /// See `created_ms`.
    pub last_command_ms: i64,
    /// The last command.
    pub last_command: Option<&'static Command>,
    /// Commands executed.
    pub commands: u64,
    /// How much it has subscribed to.
    pub subscriptions: Counts,
    /// Between MULTI and EXEC: what is queued.
    pub multi: Option<Box<Multi>>,
    /// How other shards know it, and whether the keys are to be remembered that its command reads.
    pub origin: Origin,
    /// CLIENT TRACKING.
    pub tracking: Option<Box<Tracker>>,
    /// It is shown what all clients do (MONITOR).
    pub is_monitor: bool,
    /// What it watches.
    pub watched: Vec<WatchedKey>,
    /// An EXEC under way that waits for something.
    pub exec: Option<Box<Exec>>,
}

/// Commands queued between MULTI and EXEC.
#[derive(Debug, Default)]
pub struct Queued {
    /// The commands; what their headers say is of no matter.
    pub commands: Option<Box<Message>>,
    /// How many.
    pub len: usize,
}

/// A transaction being put together.
#[derive(Debug, Default)]
pub struct Multi {
    /// What is to be done.
    pub queued: Queued,
    /// One of its commands was refused, so that EXEC is.
    pub is_refused: bool,
}

/// An EXEC whose commands are being carried out.
#[derive(Debug)]
pub struct Exec {
    /// What is to be done.
    pub queued: Queued,
    /// Where its next command is.
    pub at: (usize, usize),
    /// Commands under way that the next one must not overtake.
    pub under_way: usize,
    /// It is going through its commands now.
    pub is_running: bool,
    /// The time that its commands see, all along; Unix milliseconds.
    pub time_ms: i64,
    /// The transaction that holds its locks, unless it does without.
    pub transaction: Option<u32>,
    /// Whether the client wants no replies.
    pub is_muted: bool,
    /// What was pushed to the client meanwhile and goes behind the reply.
    pub pushed: Reply,
}

impl Queued {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let held = self.commands.as_ref().map(|message| message.bytes_held());
        held.unwrap_or(0)
    }
}

/// Writes of a connection that other shards have not answered. They are all at one shard: one for another shard waits for them.
#[derive(Debug, Default)]
pub struct WritesUnderWay {
    count: u32,
    shard: u32,
    /// One of them is a script, which may touch anything and may have to wait for it.
    have_script: bool,
}

impl WritesUnderWay {
    /// Whether there are none.
    #[inline]
    pub fn are_none(&self) -> bool {
        self.count == 0
    }

    /// Whether this is where they are.
    pub fn are_at(&self, shard: usize) -> bool {
        self.shard as usize == shard
    }

    /// Whether one of them is a script: even reads come after it.
    pub fn have_script(&self) -> bool {
        self.have_script
    }

    /// The last one is a script.
    pub fn note_script(&mut self) {
        self.have_script = true;
    }

    /// One has been sent.
    pub fn add(&mut self, shard: usize) {
        assert!(
            self.are_none() || self.are_at(shard),
            "a write for another shard waits"
        );
        self.shard = shard as u32;
        self.count += 1;
    }

    /// One has been answered; whether it was the last.
    pub fn end_one(&mut self) -> bool {
        self.count -= 1;
        self.have_script &= self.count > 0;
        self.count == 0
    }
}

/// Why a connection's requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// An operation on several shards that later commands must not overtake.
    Operation,
    /// DEBUG SLEEP.
    Sleep {
        /// Until this Unix time in milliseconds.
        until_ms: i64,
        /// The place of its reply.
        place: u32,
    },
    /// CLIENT PAUSE.
    Pause,
    /// Earlier writes at another shard.
    Order,
    /// A command that waits for something.
    Blocked,
}

/// How far a connection's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Serving.
    Open,
    /// What it is owed will be sent, then it is closed; nothing more is read.
    Finishing,
    /// Shut down; waits for the kernel to let go of its buffers.
    Closed,
}

/// One connection.
pub struct Connection {
    /// Its name towards ring and messages.
    pub token: Token,
    /// The socket.
    pub socket: Socket,
    /// Who it is.
    pub session: Session,
    /// The parser, in the middle of the request that `tail` begins with.
    pub parser: RequestParser,
    /// Whole requests that came behind one that holds the connection; they go before `tail`.
    pub deferred: Vec<u8>,
    /// Bytes received and not parsed to the end.
    pub tail: Vec<u8>,
    /// What it is owed.
    pub replies: Replies,
    /// Why its requests wait.
    pub hold: Option<Hold>,
    /// Its writes at another shard.
    pub writes_under_way: WritesUnderWay,
    /// It has asked for changes since its replies were last looked at.
    pub has_written: bool,
    /// What its replies wait for, see `durability`.
    pub(super) waits: Vec<Wait>,
    /// How far its end has come.
    pub state: State,
    /// Whether a send is under way, and its bytes.
    pub sending_bytes: usize,
    /// Whether receiving is under way.
    pub receiving: bool,
    /// Whether receiving was asked to end.
    pub receive_cancelled: bool,
    /// Whether whole requests may be waiting that could not be executed when they came.
    pub stalled: bool,
    /// It goes on with them in the next turn, since this one had no time left.
    pub is_put_off: bool,
    /// The client has said that it sends no more.
    pub ended: bool,
    /// Whether it is in the list of those to be looked at before the turn ends.
    pub listed: bool,
    /// Since when its output has been above the soft limit, Unix milliseconds.
    pub soft_limit_since_ms: Option<i64>,
}

impl Connection {
    /// Whether another request may be executed now.
    #[inline]
    pub fn may_execute(&self) -> bool {
        self.hold.is_none()
            && self.state == State::Open
            && self.replies.ready_bytes() + self.sending_bytes < crate::limits::OUTPUT_STALL_BYTES
            && self.replies.waiting() < crate::limits::HOPS_WAITING_MAX
    }

    /// Whether a script is its client.
    pub fn is_inner(&self) -> bool {
        matches!(self.socket, Socket::Script(_))
    }

    /// Whether it is worth waiting with the replies that are ready, because the rest of a pipeline only waits for another shard's next turn.
    pub fn has_more_soon(&self) -> bool {
        self.hold == Some(Hold::Order)
            && self.state == State::Open
            && self.replies.ready_bytes() < SENT_EARLY_BYTES_MIN
    }

    /// Lets its requests wait, or the next command of the transaction that they belong to.
    pub fn hold_for(&mut self, hold: Hold) {
        match &mut self.session.exec {
            Some(exec) => exec.under_way += 1,
            None => self.hold = Some(hold),
        }
    }

    /// Goes on with its requests, if this is what has held them.
    pub fn go_on_after(&mut self, hold: Hold) {
        if self.hold == Some(hold) {
            self.hold = None;
            self.stalled = true;
        }
    }

    /// Bytes of requests waiting.
    pub fn input_bytes(&self) -> usize {
        let multi = self.session.multi.as_ref();
        let queued = multi.map_or(0, |multi| multi.queued.bytes());
        self.tail.len() + self.deferred.len() + self.parser.bytes_held() + queued
    }

    /// All that it makes the server keep: requests, replies, subscriptions.
    pub fn bytes_held(&self) -> usize {
        let tracker = self.session.tracking.as_ref();
        let prefixes = tracker.map_or(0, |tracker| tracker.bytes);
        self.input_bytes() + self.output_bytes() + self.session.subscriptions.bytes + prefixes
    }

    /// Bytes of replies waiting or being sent.
    pub fn output_bytes(&self) -> usize {
        self.replies.bytes() + self.sending_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_ahead(replies: &mut Replies, text: &str) {
        let reply = replies.writer_ahead();
        reply.bytes.extend_from_slice(text.as_bytes());
    }

    fn write(replies: &mut Replies, text: &str) {
        replies.writer().bytes.extend_from_slice(text.as_bytes());
    }

    #[test]
    fn replies_leave_in_the_order_of_the_requests() {
        let mut replies = Replies::default();
        write(&mut replies, "1");
        let second = replies.reserve(false);
        write(&mut replies, "3");
        write(&mut replies, "4");
        let fifth = replies.reserve(false);
        let sixth = replies.reserve(true);
        write(&mut replies, "7");
        assert_eq!(replies.take_ready().0, b"1");
        replies.fill(fifth, b"5", &[]);
        assert!(!replies.is_ready());
        replies.fill(second, b"2", &[]);
        assert_eq!(replies.take_ready().0, b"2345");
        replies.fill(sixth, b"6", &[]);
        assert_eq!(
            replies.take_ready().0,
            b"7",
            "a muted reply takes its place and no bytes"
        );
        assert_eq!(replies.waiting(), 0);
        write(&mut replies, "8");
        assert_eq!(replies.take_ready().0, b"8");
    }

    #[test]
    fn a_message_goes_before_a_reply_that_may_never_come() {
        let mut replies = Replies::default();
        let only = replies.reserve(false);
        write_ahead(&mut replies, "a");
        assert_eq!(replies.take_ready().0, b"a");
        replies.fill(only, b"1", &[]);
        let first = replies.reserve(false);
        write(&mut replies, "3");
        let second = replies.reserve(false);
        write_ahead(&mut replies, "b");
        write_ahead(&mut replies, "c");
        assert_eq!(replies.bytes(), 4);
        assert_eq!(replies.take_ready().0, b"1");
        replies.fill(first, b"2", &[]);
        assert_eq!(replies.take_ready().0, b"23bc");
        write_ahead(&mut replies, "d");
        replies.fill(second, b"4", &[]);
        assert_eq!(replies.take_ready().0, b"d4");
        let first = replies.reserve(false);
        let second = replies.reserve(false);
        write_ahead(&mut replies, "e");
        replies.fill(second, b"6", &[]);
        replies.fill(first, b"5", &[]);
        assert_eq!(replies.take_ready().0, b"5e6");
    }

    #[test]
    fn places_wrap() {
        let mut replies = Replies {
            first_place: u32::MAX,
            ..Replies::default()
        };
        let first = replies.reserve(false);
        let second = replies.reserve(false);
        assert_eq!((first, second), (u32::MAX, 0));
        replies.fill(second, b"b", &[]);
        replies.fill(first, b"a", &[]);
        assert_eq!(replies.take_ready().0, b"ab");
    }
}
