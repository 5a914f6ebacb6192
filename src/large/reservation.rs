//! A range of address space of which only the touched pages take memory.
//!
//! It maps, gives touched pages back and unmaps. It never hands out parts: that is the business of its users (the buddy allocator, the
//! arena), who also keep the parts from overlapping. Worth knowing: discarded bytes read as zero again, and both users rely on it.

use std::ptr::NonNull;

/// The unit in which the kernel backs address space.
pub const KERNEL_PAGE_BYTES: usize = 4096;

/// Anonymous private memory, reserved and not committed.
#[derive(Debug)]
pub struct Reservation {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a reservation is an address range it owns until it is dropped; access to the bytes goes through raw pointers whose users keep
// their own rules of sharing.
unsafe impl Send for Reservation {}
// SAFETY: as above; no method changes the reservation itself.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `len` bytes; the error is the system's.
    #[cfg(not(miri))]
    pub fn new(len: usize) -> std::io::Result<Reservation> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("the kernel maps nothing at address zero");
        Ok(Reservation { base, len })
    }

    /// Reserves `len` bytes from the allocator: the interpreter has no overcommitted mappings.
    #[cfg(miri)]
    pub fn new(len: usize) -> std::io::Result<Reservation> {
        let layout = std::alloc::Layout::from_size_align(len, KERNEL_PAGE_BYTES)
            .expect("a small reservation");
        // SAFETY: the layout's size is not zero.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        Ok(Reservation {
            base: NonNull::new(base).expect("memory for the interpreter"),
            len,
        })
    }

    /// The first byte.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Lets the kernel back the range with huge pages where it can.
    pub fn allow_huge_pages(&self) {
        self.advise(0, self.len, libc::MADV_HUGEPAGE);
    }

    /// Keeps the kernel from backing a range with huge pages, so that residency is exact in small pages there.
    pub fn refuse_huge_pages(&self, offset: usize, len: usize) {
        self.advise(offset, len, libc::MADV_NOHUGEPAGE);
    }

    /// Has a range backed with memory now.
    pub fn populate(&self, offset: usize, len: usize) {
        self.advise(offset, len, libc::MADV_POPULATE_WRITE);
    }

    /// Has the part of a range that lies in the reservation backed with memory soon, by another thread.
    pub fn populate_soon(&self, offset: usize, len: usize) {
        let len = len.min(self.len.saturating_sub(offset));
        if len > 0 {
            super::ahead::populate((self.base() as usize + offset, len));
        }
    }

    /// Gives advice that changes no byte; a refusal (no huge pages in this kernel, no memory left) does no harm, hence no check.
    fn advise(&self, offset: usize, len: usize, advice: libc::c_int) {
        assert!(offset + len <= self.len, "a range lies in its reservation");
        #[cfg(not(miri))]
        // SAFETY: the range is this reservation's own, and neither advice touches its contents.
        unsafe {
            libc::madvise(self.base().add(offset).cast(), len, advice);
        }
        #[cfg(miri)]
        let _ = advice;
    }

    /// Gives the memory behind a range back to the kernel; its bytes read as zero afterwards.
    ///
    /// # Safety
    /// Nobody may hold a reference into the range.
    pub unsafe fn discard(&self, offset: usize, len: usize) {
        assert!(offset.is_multiple_of(KERNEL_PAGE_BYTES) && len.is_multiple_of(KERNEL_PAGE_BYTES));
        assert!(
            offset + len <= self.len,
            "a discarded range lies in its reservation"
        );
        // SAFETY: the range lies in the reservation.
        let start = unsafe { self.base().add(offset) };
        #[cfg(not(miri))]
        {
            // SAFETY: the range is whole pages of this reservation, and the caller holds no reference into it.
            let result = unsafe { libc::madvise(start.cast(), len, libc::MADV_DONTNEED) };
            if result != 0 {
                // Locked memory refuses; the promise of zero bytes is kept all the same.
                // SAFETY: as above.
                unsafe { start.write_bytes(0, len) };
            }
        }
        #[cfg(miri)]
        // SAFETY: as above.
        unsafe {
            start.write_bytes(0, len)
        };
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        #[cfg(not(miri))]
        // SAFETY: the range was mapped by `new`, and users keep no reference beyond the reservation's life.
        unsafe {
            libc::munmap(self.base().cast(), self.len);
        }
        #[cfg(miri)]
        // SAFETY: allocated by `new` with this layout.
        unsafe {
            std::alloc::dealloc(
                self.base(),
                std::alloc::Layout::from_size_align(self.len, KERNEL_PAGE_BYTES)
                    .expect("as in new"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discarded_bytes_read_as_zero() {
        let reservation = Reservation::new(16 * KERNEL_PAGE_BYTES).unwrap();
        // SAFETY: the range is owned by this test and no reference is kept over the discard.
        unsafe {
            reservation.base().add(5000).write(7);
            reservation.discard(KERNEL_PAGE_BYTES, KERNEL_PAGE_BYTES);
            assert_eq!(reservation.base().add(5000).read(), 0);
        }
    }
}
