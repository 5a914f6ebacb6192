//! The network over one io_uring per thread.
//!
//! Each connection has one multishot receive into buffers the kernel picks from a shared ring, armed once; all sends of
//! a loop pass go out with the one `io_uring_enter` that also waits. Completions are processed on this thread only
//! (`DEFER_TASKRUN`), so nothing interrupts it.

use crate::transport::{Event, Transport};
use io_uring::types::{BufRingEntry, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const BUFFER_GROUP: u16 = 0;
const SEND: u64 = 1 << 32;

/// An anonymous mapping, page-aligned as the kernel wants the buffer ring.
struct Mapping {
    address: *mut libc::c_void,
    size: usize,
}

impl Mapping {
    fn new(size: usize) -> io::Result<Self> {
        // SAFETY: a fresh private anonymous mapping at an address of the kernel's choice touches no existing memory.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address, size })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers to it any more (the ring, declared before it, is gone).
        unsafe { libc::munmap(self.address, self.size) };
    }
}

/// Receive buffers that the kernel takes from and we give back to.
struct Buffers {
    entries: Mapping,
    memory: Mapping,
    count: u16,
    size: usize,
    tail: u16,
}

impl Buffers {
    fn new(count: u16, size: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two());
        Ok(Self {
            entries: Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?,
            memory: Mapping::new(usize::from(count) * size)?,
            count,
            size,
            tail: 0,
        })
    }

    fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        assert!(buffer < self.count && length <= self.size);
        // SAFETY: the range lies in the mapping (asserted), which is readable and initialized (zero or received bytes),
        // and the kernel does not write a buffer between handing it out and getting it back.
        unsafe {
            let start = self
                .memory
                .address
                .cast::<u8>()
                .add(usize::from(buffer) * self.size);
            std::slice::from_raw_parts(start, length)
        }
    }

    /// Puts a buffer in the ring; the kernel sees it after `publish`.
    fn give(&mut self, buffer: u16) {
        assert!(buffer < self.count);
        let slot = usize::from(self.tail & (self.count - 1));
        // SAFETY: the slot is within the entries (masked); the kernel reads only entries before the published tail,
        // and there are never more buffers than entries.
        unsafe {
            let entry = &mut *self.entries.address.cast::<BufRingEntry>().add(slot);
            entry.set_addr(self.memory.address as u64 + (usize::from(buffer) * self.size) as u64);
            entry.set_len(self.size as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: the tail lies in the first entry of the live mapping, aligned, and both sides treat it as atomic.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.address.cast::<BufRingEntry>());
            (*tail.cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }
}

struct Output {
    bytes: Vec<u8>,
    sent: usize,
    in_flight: bool,
}

/// The transport.
pub struct Ring {
    // Dropped first: closing the ring ends all requests before the memory they use goes away.
    ring: IoUring,
    buffers: Buffers,
    outputs: Vec<Output>,
    rearm: Vec<u32>,
}

impl Ring {
    /// A ring for these sockets, which must stay open as long as it lives; the calling thread must be the one that
    /// uses it. `reply_size` is about how much one connection receives at a time.
    pub fn new(sockets: &[RawFd], reply_size: usize) -> io::Result<Self> {
        let entries = (sockets.len() * 2).next_power_of_two().clamp(64, 4096) as u32;
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(entries * 4)
            .build(entries)?;
        ring.submitter().register_files(sockets)?;
        let count = (sockets.len() * 2).next_power_of_two().clamp(64, 4096) as u16;
        let mut buffers = Buffers::new(count, reply_size.next_power_of_two().clamp(4096, 65536))?;
        // SAFETY: the entries are a page-aligned mapping of `count` entries that lives as long as the ring.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                buffers.entries.address as u64,
                count,
                BUFFER_GROUP,
                0,
            )?;
        }
        for buffer in 0..count {
            buffers.give(buffer);
        }
        buffers.publish();
        let outputs = sockets
            .iter()
            .map(|_| Output {
                bytes: Vec::new(),
                sent: 0,
                in_flight: false,
            })
            .collect();
        let rearm = (0..sockets.len() as u32).rev().collect();
        Ok(Self {
            ring,
            buffers,
            outputs,
            rearm,
        })
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: what the entries point to outlives them: receives use the registered buffers, and a send's
            // bytes belong to `outputs`, which no one changes while `in_flight` is set.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.ring.submit()?;
        }
    }

    fn push_send(&mut self, connection: usize) -> io::Result<()> {
        let output = &self.outputs[connection];
        let rest = &output.bytes[output.sent..];
        let length = rest.len().min(1 << 30) as u32;
        let entry = opcode::Send::new(Fixed(connection as u32), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build()
            .user_data(connection as u64 | SEND);
        self.push(&entry)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Ends the receives, which would otherwise write into buffers that are about to go.
        let _ = self
            .ring
            .submitter()
            .register_sync_cancel(None, types::CancelBuilder::any());
        // A send may still read its output buffer when the run was stopped in its middle: such a buffer is left alone
        // for good, a few at the end of a process.
        for output in &mut self.outputs {
            if output.in_flight {
                std::mem::forget(std::mem::take(&mut output.bytes));
            }
        }
    }
}

impl Transport for Ring {
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
        // An error of the push is one of io_uring_enter and comes back with the next wait.
        let _ = self.push_send(connection);
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        while let Some(connection) = self.rearm.pop() {
            let entry = opcode::RecvMulti::new(Fixed(connection), BUFFER_GROUP)
                .build()
                .user_data(u64::from(connection));
            self.push(&entry)?;
        }
        let time = Timespec::new()
            .sec(timeout.as_secs())
            .nsec(timeout.subsec_nanos());
        match self
            .ring
            .submitter()
            .submit_with_args(1, &SubmitArgs::new().timespec(&time))
        {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn drain(&mut self, mut report: impl FnMut(Event<'_>)) -> io::Result<()> {
        let mut given = false;
        loop {
            let Some(completion) = self.ring.completion().next() else {
                break;
            };
            let connection = (completion.user_data() & 0xffff_ffff) as usize;
            let result = completion.result();
            if completion.user_data() & SEND != 0 {
                let output = &mut self.outputs[connection];
                if result >= 0 {
                    output.sent += result as usize;
                    if output.sent < output.bytes.len() {
                        self.push_send(connection)?;
                        continue;
                    }
                    output.in_flight = false;
                    report(Event::Sent(connection));
                } else {
                    output.in_flight = false;
                    report(Event::Failed(
                        connection,
                        io::Error::from_raw_os_error(-result),
                    ));
                }
                continue;
            }
            if let Some(buffer) = cqueue::buffer_select(completion.flags()) {
                if result > 0 {
                    report(Event::Received(
                        connection,
                        self.buffers.bytes(buffer, result as usize),
                    ));
                }
                self.buffers.give(buffer);
                given = true;
            }
            match -result {
                0 => {
                    report(Event::Closed(connection));
                    continue;
                }
                // The buffers ran out for a moment: they are given back below, and the receive is armed again.
                libc::ENOBUFS | libc::EINTR | libc::EAGAIN => {}
                error if error > 0 => {
                    report(Event::Failed(
                        connection,
                        io::Error::from_raw_os_error(error),
                    ));
                    continue;
                }
                _ => {}
            }
            if !cqueue::more(completion.flags()) {
                self.rearm.push(connection as u32);
            }
        }
        if given {
            self.buffers.publish();
        }
        Ok(())
    }
}
