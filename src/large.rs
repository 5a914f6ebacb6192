//! Large buffers: contiguous bytes of `crate::limits::LARGE_BYTES_MIN` and more (and what is too long for the arena's largest slot).
//!
//! They live in one process-wide reservation of address space, handed out by a buddy allocator: contiguous, so that every
//! command sees a plain slice; never touched beyond their length, so that the slack costs address space and no memory;
//! and freed in slices, because giving 512 MB back to the kernel in one call would stop a shard for tens of milliseconds.
//! A shared buffer (`LargeBytes`) can be in a shard's keyspace and in several send queues at once: nothing is copied.
//! Never: knows nothing of items, keys or sockets.

mod ahead;
pub(crate) mod buddy;
pub(crate) mod reservation;

use buddy::{Buddy, order_of};
use reservation::{KERNEL_PAGE_BYTES, Reservation};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Address space asked for first; halved until the system agrees. A process has 128 TiB.
#[cfg(not(miri))]
const RESERVATION_BYTES_MAX: usize = 4 << 40;
/// Below this the reservation is no use: two of the longest runs.
#[cfg(not(miri))]
const RESERVATION_BYTES_MIN: usize = 2 << 30;
#[cfg(miri)]
const RESERVATION_BYTES_MAX: usize = 1 << 30;
#[cfg(miri)]
const RESERVATION_BYTES_MIN: usize = 1 << 30;
/// When more than this waits for [`reclaim`], an allocation gives back up to [`RECLAIM_AT_ONCE_BYTES`] before it takes anything, so that
/// allocating faster than the background work frees cannot grow the process.
const WAITING_BYTES_MAX: u64 = 16 << 20;
/// See [`WAITING_BYTES_MAX`].
const RECLAIM_AT_ONCE_BYTES: usize = 1 << 20;

/// No address space or memory is left for a large buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeError;

/// A run of the reservation with the number of its bytes that were ever touched, in whole kernel pages.
#[derive(Debug)]
struct Run {
    offset: usize,
    order: u32,
    touched: usize,
}

struct Pool {
    reservation: Reservation,
    state: Mutex<PoolState>,
    /// Touched bytes of runs in use and of runs waiting.
    resident: AtomicU64,
    /// Touched bytes of dropped runs.
    waiting: AtomicU64,
}

struct PoolState {
    buddy: Buddy,
    /// Dropped runs whose memory was not given back yet.
    dropped: VecDeque<Run>,
}

fn pool() -> Option<&'static Pool> {
    static POOL: OnceLock<Option<Pool>> = OnceLock::new();
    POOL.get_or_init(|| {
        let mut len = RESERVATION_BYTES_MAX;
        while len >= RESERVATION_BYTES_MIN {
            if let Ok(reservation) = Reservation::new(len) {
                reservation.refuse_huge_pages(0, reservation.len());
                return Some(Pool {
                    reservation,
                    state: Mutex::new(PoolState {
                        buddy: Buddy::new(len),
                        dropped: VecDeque::new(),
                    }),
                    resident: AtomicU64::new(0),
                    waiting: AtomicU64::new(0),
                });
            }
            len /= 2;
        }
        None
    })
    .as_ref()
}

impl Pool {
    fn state(&self) -> std::sync::MutexGuard<'_, PoolState> {
        self.state
            .lock()
            .expect("no panic happens while the pool is locked")
    }

    fn allocate(&self, len: usize) -> Result<Run, LargeError> {
        let order = order_of(len).ok_or(LargeError)?;
        if self.waiting.load(Ordering::Relaxed) > WAITING_BYTES_MAX {
            self.reclaim(RECLAIM_AT_ONCE_BYTES);
        }
        let offset = self.state().buddy.allocate(order).ok_or(LargeError)?;
        Ok(Run {
            offset,
            order,
            touched: 0,
        })
    }

    /// Counts the run's bytes up to `len` as touched.
    fn touch(&self, run: &mut Run, len: usize) {
        let touched = bytes_resident_for(len);
        if touched > run.touched {
            self.resident
                .fetch_add((touched - run.touched) as u64, Ordering::Relaxed);
            run.touched = touched;
        }
    }

    fn release(&self, run: Run) {
        if run.touched == 0 {
            self.state().buddy.free(run.offset, run.order);
        } else {
            self.waiting
                .fetch_add(run.touched as u64, Ordering::Relaxed);
            self.state().dropped.push_back(run);
        }
    }

    fn reclaim(&self, bytes_max: usize) -> u64 {
        let mut left = bytes_max / KERNEL_PAGE_BYTES * KERNEL_PAGE_BYTES;
        while left > 0 {
            let Some(mut run) = self.state().dropped.pop_front() else {
                break;
            };
            let slice = run.touched.min(left);
            // SAFETY: the run was dropped by its last owner and is in nobody's hands but ours, so no reference into it exists.
            unsafe {
                self.reservation
                    .discard(run.offset + run.touched - slice, slice)
            };
            run.touched -= slice;
            left -= slice;
            self.resident.fetch_sub(slice as u64, Ordering::Relaxed);
            self.waiting.fetch_sub(slice as u64, Ordering::Relaxed);
            let mut state = self.state();
            if run.touched == 0 {
                state.buddy.free(run.offset, run.order);
            } else {
                state.dropped.push_front(run);
            }
        }
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Bytes of memory a buffer of `len` bytes takes: whole kernel pages.
pub fn bytes_resident_for(len: usize) -> usize {
    len.next_multiple_of(KERNEL_PAGE_BYTES)
}

/// A large buffer with one owner; it can be written and grown. New bytes read as zero.
pub struct LargeBuffer {
    pool: &'static Pool,
    run: Run,
    len: usize,
}

impl std::fmt::Debug for LargeBuffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LargeBuffer")
            .field("len", &self.len)
            .field("run", &self.run)
            .finish()
    }
}

impl LargeBuffer {
    /// A zeroed buffer of `len` bytes.
    pub fn zeroed(len: usize) -> Result<LargeBuffer, LargeError> {
        let pool = pool().ok_or(LargeError)?;
        let mut run = pool.allocate(len)?;
        pool.touch(&mut run, len);
        Ok(LargeBuffer { pool, run, len })
    }

    /// A buffer with these bytes.
    pub fn copy_of(bytes: &[u8]) -> Result<LargeBuffer, LargeError> {
        let mut buffer = LargeBuffer::zeroed(bytes.len())?;
        buffer.as_mut_slice().copy_from_slice(bytes);
        Ok(buffer)
    }

    fn start(&self) -> *mut u8 {
        // SAFETY: a run lies in the reservation.
        unsafe { self.pool.reservation.base().add(self.run.offset) }
    }

    /// The length in bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the run is this buffer's own until it is dropped, is mapped for ever and initialised (zero or written).
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }

    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.len) }
    }

    /// Changes the length; new bytes are zero. Moves the bytes only when the reserved run is too short.
    pub fn resize(&mut self, len: usize) -> Result<(), LargeError> {
        if len > 1 << self.run.order {
            let mut longer = LargeBuffer::zeroed(len)?;
            longer.as_mut_slice()[..self.len].copy_from_slice(self.as_slice());
            *self = longer;
            return Ok(());
        }
        if len > self.len {
            // Bytes between the old length and what was ever touched may be left over from before a cut.
            let dirty_end = len.min(self.run.touched);
            if dirty_end > self.len {
                // SAFETY: the range lies in this buffer's own run.
                unsafe {
                    self.start()
                        .add(self.len)
                        .write_bytes(0, dirty_end - self.len)
                };
            }
            self.pool.touch(&mut self.run, len);
        } else {
            self.give_up_upper_halves(len);
        }
        self.len = len;
        Ok(())
    }

    /// Splits the run as long as its lower half holds `len` bytes, so that cutting a long buffer gives its memory back in slices too.
    fn give_up_upper_halves(&mut self, len: usize) {
        let order = order_of(len).expect("shorter than the present run");
        while self.run.order > order {
            let half_order = self.run.order - 1;
            let half = 1 << half_order;
            let upper = Run {
                offset: self.run.offset + half,
                order: half_order,
                touched: self.run.touched.saturating_sub(half),
            };
            self.run.order = half_order;
            self.run.touched = self.run.touched.min(half);
            self.pool.release(upper);
        }
    }

    /// Gives up writing in order to share.
    pub fn freeze(self) -> LargeBytes {
        LargeBytes {
            shared: Arc::new(self),
        }
    }
}

impl Drop for LargeBuffer {
    fn drop(&mut self) {
        let run = Run {
            offset: self.run.offset,
            order: self.run.order,
            touched: self.run.touched,
        };
        self.pool.release(run);
    }
}

/// A large buffer that can be shared, also between threads. The last owner's drop puts its memory in line for [`reclaim`].
#[derive(Debug, Clone)]
pub struct LargeBytes {
    shared: Arc<LargeBuffer>,
}

impl LargeBytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.shared.as_slice()
    }

    /// The length in bytes.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.shared.len
    }

    /// Takes the buffer back for writing when nobody else holds it.
    pub fn into_unique(self) -> Result<LargeBuffer, LargeBytes> {
        Arc::try_unwrap(self.shared).map_err(|shared| LargeBytes { shared })
    }

    /// The buffer for writing in place when nobody else holds it.
    pub fn get_mut(&mut self) -> Option<&mut LargeBuffer> {
        Arc::get_mut(&mut self.shared)
    }
}

/// Gives at most `bytes_max` of dropped buffers back to the kernel; returns how many bytes are still waiting.
pub fn reclaim(bytes_max: usize) -> u64 {
    pool().map_or(0, |pool| pool.reclaim(bytes_max))
}

/// Bytes of dropped buffers that wait for [`reclaim`].
pub fn bytes_waiting() -> u64 {
    pool().map_or(0, |pool| pool.waiting.load(Ordering::Relaxed))
}

/// Bytes of large buffers that count as resident: those in use and those waiting for [`reclaim`].
pub fn bytes_resident() -> u64 {
    pool().map_or(0, |pool| pool.resident.load(Ordering::Relaxed))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Tests that look at the process-wide counters exclude one another.
    pub(crate) static SERIAL: Mutex<()> = Mutex::new(());

    fn serial() -> std::sync::MutexGuard<'static, ()> {
        SERIAL
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[test]
    fn new_bytes_are_zero_also_after_a_cut_and_on_reuse() {
        let _serial = serial();
        let mut buffer = LargeBuffer::zeroed(70_000).unwrap();
        assert!(buffer.as_slice().iter().all(|&byte| byte == 0));
        buffer.as_mut_slice().fill(9);
        buffer.resize(66_000).unwrap();
        buffer.resize(69_000).unwrap();
        assert!(buffer.as_slice()[..66_000].iter().all(|&byte| byte == 9));
        assert!(buffer.as_slice()[66_000..].iter().all(|&byte| byte == 0));
        buffer.resize(300_000).unwrap();
        assert!(buffer.as_slice()[..66_000].iter().all(|&byte| byte == 9));
        assert!(buffer.as_slice()[66_000..].iter().all(|&byte| byte == 0));
        drop(buffer);
        for _ in 0..4 {
            let mut buffer = LargeBuffer::zeroed(200_000).unwrap();
            assert!(buffer.as_slice().iter().all(|&byte| byte == 0));
            buffer.as_mut_slice().fill(7);
            drop(buffer);
            while reclaim(1 << 20) > 0 {}
        }
    }

    #[test]
    fn growth_within_the_run_stays_in_place() {
        let _serial = serial();
        let mut buffer = LargeBuffer::zeroed(70_000).unwrap();
        let start = buffer.as_slice().as_ptr();
        buffer.resize(131_072).unwrap();
        assert_eq!(start, buffer.as_slice().as_ptr());
        buffer.resize(100).unwrap();
        assert_eq!(
            start,
            buffer.as_slice().as_ptr(),
            "a cut keeps the lower part"
        );
        assert_eq!(buffer.run.touched, 1 << buddy::ORDER_MIN);
    }

    #[test]
    fn sharing_ends_with_the_last_owner() {
        let _serial = serial();
        let shared = LargeBuffer::copy_of(&[1; 65_536]).unwrap().freeze();
        let other = shared.clone();
        let shared = shared.into_unique().unwrap_err();
        let reader = std::thread::spawn(move || {
            other
                .as_slice()
                .iter()
                .map(|&byte| u64::from(byte))
                .sum::<u64>()
        });
        assert_eq!(reader.join().unwrap(), 65_536);
        let mut buffer = shared.into_unique().unwrap();
        buffer.as_mut_slice()[0] = 2;
        assert_eq!(buffer.as_slice()[0], 2);
    }

    #[test]
    fn too_long_is_an_error() {
        assert_eq!(LargeBuffer::zeroed((1 << 30) + 1).unwrap_err(), LargeError);
    }
}
