//! The mesh: one inbox per shard, into which every other shard puts at most one message per turn.
//!
//! An inbox is a stack that producers push onto and its owner takes whole and turns round: messages keep the order in which they came, and an idle
//! shard is woken through an event descriptor only when it has said that it sleeps. The decision worth knowing: the messages that a shard posts to several others are sent
//! at one moment ([`post`]); who finds one of them before that moment waits for it, so many instructions of the sender as it has messages left to post. So whoever has seen
//! what one of them did, and then asks another shard, comes there after the message to that shard.

use super::message::Message;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence};

/// One message in an inbox.
struct Node {
    message: Message,
    next: *mut Node,
}

/// A number on a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct OwnLine(AtomicU64);

/// The inbox of one shard.
pub struct Inbox {
    head: AtomicPtr<Node>,
    asleep: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
    /// How often the shard has sent messages to several others at once.
    batches_sent: OwnLine,
}

/// Sends a shard's messages, at most one to each other shard, all at one moment.
pub fn post(
    inboxes: &[Arc<Inbox>],
    from: usize,
    mut messages: impl Iterator<Item = (usize, Message)>,
) {
    let Some((to, message)) = messages.next() else {
        return;
    };
    let Some(second) = messages.next() else {
        // One is sent at one moment anyway.
        return inboxes[to].push(message);
    };
    let sent = &inboxes[from].batches_sent.0;
    // Nobody else changes it.
    let batch = sent.load(Ordering::Relaxed) + 1;
    for (to, mut message) in [(to, message), second].into_iter().chain(messages) {
        message.batch = batch;
        inboxes[to].push(message);
    }
    sent.store(batch, Ordering::Release);
}

/// Waits until a message that was found has been sent.
#[inline]
pub fn await_sent(inboxes: &[Arc<Inbox>], message: &Message) {
    if message.batch == 0 {
        return;
    }
    let sent = &inboxes[message.from].batches_sent.0;
    let mut looks = 0;
    while sent.load(Ordering::Acquire) < message.batch {
        looks += 1;
        // The sender may have lost its core in the middle.
        match looks < LOOKS_BEFORE_YIELDING {
            true => std::hint::spin_loop(),
            false => std::thread::yield_now(),
        }
    }
}

/// See [`await_sent`].
const LOOKS_BEFORE_YIELDING: u32 = 1000;

// SAFETY: nodes are owned by the inbox, or by the one thread that took them; messages are Send.
unsafe impl Send for Inbox {}
// SAFETY: as above; the head is only changed atomically.
unsafe impl Sync for Inbox {}

impl Inbox {
    /// An empty inbox; `wake` is called by a sender when the owner said that it sleeps.
    pub fn new(wake: Box<dyn Fn() + Send + Sync>) -> Arc<Inbox> {
        Arc::new(Inbox {
            head: AtomicPtr::new(ptr::null_mut()),
            asleep: AtomicBool::new(false),
            wake,
            batches_sent: OwnLine::default(),
        })
    }

    /// Puts a message in; wakes the owner if it sleeps.
    pub fn push(&self, message: Message) {
        let node = Box::into_raw(Box::new(Node {
            message,
            next: ptr::null_mut(),
        }));
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange succeeds.
            unsafe { (*node).next = head };
            match self
                .head
                .compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        // Pairs with the fence in `prepare_to_sleep`: either the owner sees the message, or we see that it sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            (self.wake)();
        }
    }

    /// Wakes the owner whether or not there is a message (for stopping).
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes all messages, oldest first, and passes them to `visit`.
    pub fn drain(&self, mut visit: impl FnMut(Message)) {
        if self.is_empty() {
            return;
        }
        let mut newest = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest: *mut Node = ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: the swap made this list ours alone.
            unsafe {
                let next = (*newest).next;
                (*newest).next = oldest;
                oldest = newest;
                newest = next;
            }
        }
        while !oldest.is_null() {
            // SAFETY: every node came from `Box::into_raw` and is visited once.
            let node = unsafe { Box::from_raw(oldest) };
            oldest = node.next;
            visit(node.message);
        }
    }

    /// Says that the owner is about to sleep. False: a message is there, do not sleep.
    pub fn prepare_to_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.is_empty() {
            return true;
        }
        self.asleep.store(false, Ordering::Relaxed);
        false
    }

    /// Says that the owner is awake.
    pub fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.drain(drop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn messages_of_one_sender_keep_their_order_and_none_is_lost() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = wakes.clone();
        let inbox = Inbox::new(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        let count = if cfg!(miri) { 50 } else { 10_000 };
        let senders: Vec<_> = (0..3usize)
            .map(|from| {
                let inbox = inbox.clone();
                std::thread::spawn(move || {
                    for number in 0..count {
                        let mut message = Message::new(from);
                        message
                            .responses
                            .extend_from_slice(&u64::to_le_bytes(number));
                        inbox.push(message);
                    }
                })
            })
            .collect();
        let mut next = [0u64; 3];
        while next.iter().sum::<u64>() < 3 * count {
            inbox.drain(|message| {
                let number = u64::from_le_bytes(message.responses[..8].try_into().unwrap());
                assert_eq!(number, next[message.from]);
                next[message.from] += 1;
            });
            std::thread::yield_now();
        }
        for sender in senders {
            sender.join().unwrap();
        }
    }

    #[test]
    fn who_has_seen_one_message_finds_the_others() {
        let inboxes: Vec<_> = (0..3).map(|_| Inbox::new(Box::new(|| {}))).collect();
        let rounds = if cfg!(miri) { 50 } else { 20_000u64 };
        let number = |message: &Message| {
            u64::from_le_bytes(message.responses[..8].try_into().expect("eight bytes"))
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=rounds {
                    let messages = [1, 2].map(|to| {
                        let mut message = Message::new(0);
                        message.responses.extend_from_slice(&round.to_le_bytes());
                        (to, message)
                    });
                    // Now the one comes first and now the other.
                    match round % 2 {
                        0 => post(&inboxes, 0, messages.into_iter()),
                        _ => post(&inboxes, 0, messages.into_iter().rev()),
                    }
                }
            });
            let mut seen = [0, 0];
            while seen[0] < rounds || seen[1] < rounds {
                for place in [0, 1] {
                    let before = seen;
                    inboxes[place + 1].drain(|message| {
                        await_sent(&inboxes, &message);
                        assert_eq!(number(&message), seen[place] + 1);
                        seen[place] += 1;
                    });
                    let other = 1 - place;
                    inboxes[other + 1].drain(|message| {
                        await_sent(&inboxes, &message);
                        seen[other] = number(&message);
                    });
                    assert!(seen[other] >= seen[place], "{before:?} {seen:?}");
                }
            }
        });
    }

    #[test]
    fn a_sleeper_is_woken_once() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = wakes.clone();
        let inbox = Inbox::new(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        assert!(inbox.prepare_to_sleep());
        inbox.push(Message::new(0));
        inbox.push(Message::new(0));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert!(!inbox.prepare_to_sleep(), "a message is waiting");
    }
}
