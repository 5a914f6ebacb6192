//! Fresh memory ahead of its first use: one thread of the process has the kernel back ranges that an arena is about to grow into.
//!
//! The first touch of a page makes the kernel find and clear memory: a hundred microseconds for a huge page, many milliseconds on a virtual machine whose
//! host has to do the same. Here that is nobody's turn. It never changes a byte, so a range that is late, or in use already, does no harm.

use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Ranges that may wait; beyond that the arenas touch their memory themselves.
const WAITING_MAX: usize = 64;

/// Address and length.
type Range = (usize, usize);

/// Asks for a range to be backed soon.
pub(super) fn populate(range: Range) {
    static THREAD: OnceLock<Option<SyncSender<Range>>> = OnceLock::new();
    let sender = THREAD.get_or_init(|| {
        let (sender, ranges) = sync_channel::<Range>(WAITING_MAX);
        let thread = std::thread::Builder::new().name("torc-memory".into());
        let run = move || ranges.into_iter().for_each(back);
        thread.spawn(run).ok().map(|_| sender)
    });
    if let Some(sender) = sender {
        // A full queue means that memory is taken faster than it can be had; asking louder would not help.
        let _ = sender.try_send(range);
    }
}

fn back((address, len): Range) {
    #[cfg(not(miri))]
    // SAFETY: populating reads and writes no byte of the range, whoever owns it by now; an unmapped one is refused by the kernel.
    unsafe {
        libc::madvise(address as *mut libc::c_void, len, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(miri)]
    let _ = (address, len);
}
