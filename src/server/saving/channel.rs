//! A bounded channel to the writing thread on which a shard never waits for it unless it wants to.
//!
//! Never: has a sender spin. The decision worth knowing: in the standard channel a sender that comes while the receiver is in the middle of taking something waits until it is done, which is
//! long when the kernel has just given the receiver's processor to somebody else: 20 milliseconds of a turn were seen. Here the receiver takes under a lock, and who cannot have the lock at once
//! is told that there is no room.

use std::sync::mpsc::{self, RecvError, SendError, SyncSender, TryRecvError, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// So long the receiver sleeps when there is nothing.
const NAP: Duration = Duration::from_millis(1);

/// A shard's side.
pub struct Sender<T> {
    inner: SyncSender<T>,
    taking: Arc<Mutex<()>>,
}

/// The writing thread's side.
pub struct Receiver<T> {
    inner: mpsc::Receiver<T>,
    taking: Arc<Mutex<()>>,
}

/// A channel with room for so many.
pub fn bounded<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::sync_channel(room);
    let taking = Arc::new(Mutex::new(()));
    let sender = Sender {
        inner: sender,
        taking: taking.clone(),
    };
    let receiver = Receiver {
        inner: receiver,
        taking,
    };
    (sender, receiver)
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender {
            inner: self.inner.clone(),
            taking: self.taking.clone(),
        }
    }
}

impl<T> Sender<T> {
    /// Sends if there is room, and nobody is in the way.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.taking.try_lock() {
            Ok(_taking) => self.inner.try_send(value),
            Err(_) => Err(TrySendError::Full(value)),
        }
    }

    /// Waits until there is room.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.inner.send(value)
    }
}

impl<T> Receiver<T> {
    /// Waits for the next. An error: all senders are gone.
    pub fn recv(&self) -> Result<T, RecvError> {
        loop {
            let taking = self.taking.lock().expect("nobody panics with it");
            let taken = self.inner.try_recv();
            drop(taking);
            match taken {
                Ok(value) => return Ok(value),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => thread::park_timeout(NAP),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_served_at_once_is_told_so() {
        let (sender, receiver) = bounded(2);
        {
            let _taking = receiver.taking.lock().unwrap();
            assert!(matches!(sender.try_send(1), Err(TrySendError::Full(1))));
        }
        let other = sender.clone();
        sender.try_send(1).unwrap();
        other.send(2).unwrap();
        assert!(matches!(sender.try_send(3), Err(TrySendError::Full(3))));
        assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Ok(2)));
        drop((sender, other));
        assert_eq!(receiver.recv(), Err(RecvError));
        let (sender, receiver) = bounded(1);
        drop(receiver);
        assert!(matches!(
            sender.try_send(1),
            Err(TrySendError::Disconnected(1))
        ));
    }
}
