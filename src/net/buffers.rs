//! The receive buffers of one ring: a mapped region cut in equal buffers that the kernel takes from a shared ring
//! (`IORING_REGISTER_PBUF_RING`, Linux 5.19) as data arrives. Idle connections hold none of them.

use io_uring::{IoUring, types::BufRingEntry};
use memmap2::{MmapMut, MmapOptions};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

/// The only buffer group of a ring.
pub const GROUP: u16 = 0;

/// The provided buffers.
pub struct Buffers {
    entries: MmapMut,
    memory: MmapMut,
    count: u16,
    bytes_each: usize,
    tail: u16,
}

impl Buffers {
    /// Maps `count` (a power of two) buffers and registers them with `ring`.
    pub fn register(ring: &IoUring, count: u16, bytes_each: usize) -> io::Result<Buffers> {
        assert!(
            count.is_power_of_two() && count <= 1 << 15,
            "the kernel's limits of a buffer ring"
        );
        let entries = MmapMut::map_anon(usize::from(count) * size_of::<BufRingEntry>())?;
        // Taken from the system now: every buffer is used in turn, so all of it becomes resident anyway, and not while a request waits.
        let mut options = MmapOptions::new();
        options.len(usize::from(count) * bytes_each).populate();
        let memory = options.map_anon()?;
        let mut buffers = Buffers {
            entries,
            memory,
            count,
            bytes_each,
            tail: 0,
        };
        // SAFETY: the mapping is page-aligned, large enough for `count` entries, and lives in the same struct as the ring's
        // registration; `Ring` drops the io_uring before these buffers.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                buffers.entries.as_ptr() as u64,
                count,
                GROUP,
                0,
            )?;
        }
        for id in 0..count {
            buffers.provide(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of buffer `id`.
    pub fn slice(&self, id: u16, len: usize) -> &[u8] {
        assert!(
            len <= self.bytes_each,
            "the kernel wrote no more than a buffer holds"
        );
        let start = usize::from(id) * self.bytes_each;
        &self.memory[start..start + len]
    }

    /// Gives buffer `id` back; the kernel sees it after [`Buffers::publish`].
    pub fn provide(&mut self, id: u16) {
        let address = self.memory[usize::from(id) * self.bytes_each..].as_ptr() as u64;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: `index` is below `count`, the mapping holds `count` entries, and entries at and beyond the published
        // tail belong to us.
        let entry = unsafe { &mut *self.entries.as_mut_ptr().cast::<BufRingEntry>().add(index) };
        entry.set_addr(address);
        entry.set_len(self.bytes_each as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was provided since the last time.
    pub fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry of the ring, is aligned, and is only written here; the kernel reads it with acquire order.
        let tail = unsafe {
            let base = self.entries.as_ptr().cast::<BufRingEntry>();
            AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut())
        };
        tail.store(self.tail, Ordering::Release);
    }

    /// Bytes mapped, all of which may become resident.
    pub fn bytes(&self) -> usize {
        self.memory.len() + self.entries.len()
    }
}
