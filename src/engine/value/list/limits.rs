//! How long a list's chunks may be: `list-max-listpack-size`, in Redis' measure, since OBJECT ENCODING depends on it.

use crate::engine::value::packed::{ENTRIES_MAX, Entry, Run};

/// Bytes of a listpack beside its entries.
pub const LISTPACK_BYTES: usize = 7;
/// Bytes of a chunk whose limit is a number of entries.
const COUNTED_BYTES_MAX: usize = 8192;
/// What Redis assumes an entry to take beyond its bytes before it is encoded.
const ESTIMATED_OVERHEAD: usize = 8;

/// `list-max-listpack-size`: a positive number of entries, or -1 to -5 for 4 to 64 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// The option's value. 0 counts as 1, what is below -5 as -5.
    pub listpack_size: i32,
}

impl ListLimits {
    /// The most bytes and the most entries of a listpack.
    fn maxima(self) -> (usize, usize) {
        match usize::try_from(self.listpack_size) {
            Ok(entries) => (usize::MAX, entries.max(1)),
            Err(_) => {
                let step = (-1 - self.listpack_size.max(-5)) as u32;
                (4096 << step, usize::MAX)
            }
        }
    }

    /// Whether a listpack of these bytes and entries is too long.
    pub fn exceeded_by(self, bytes: usize, entries: usize) -> bool {
        match self.maxima() {
            (usize::MAX, entries_max) => bytes > COUNTED_BYTES_MAX || entries > entries_max,
            (bytes_max, _) => bytes > bytes_max,
        }
    }

    /// Whether a chunk takes one element more.
    pub fn allow(self, bytes: usize, entries: usize, element: &[u8]) -> bool {
        entries < ENTRIES_MAX
            && !self.exceeded_by(bytes + element.len() + ESTIMATED_OVERHEAD, entries + 1)
    }

    /// Whether what has become shorter is a listpack again: at half the limit, so that it does not go back and forth.
    pub fn met_by_half(self, bytes: usize, entries: usize) -> bool {
        let (bytes_max, entries_max) = self.maxima();
        bytes <= bytes_max / 2 && entries <= entries_max / 2
    }
}

/// Bytes of an entry in a listpack: its encoding, and its length once more behind it (the listpack specification).
pub fn listpack_entry_bytes(entry: Entry<'_>) -> usize {
    let encoded = match entry {
        Entry::Integer(0..=127) => 1,
        Entry::Integer(-4096..=4095) => 2,
        Entry::Integer(-0x8000..=0x7fff) => 3,
        Entry::Integer(-0x80_0000..=0x7f_ffff) => 4,
        Entry::Integer(-0x8000_0000..=0x7fff_ffff) => 5,
        Entry::Integer(_) => 9,
        Entry::Bytes(bytes) => {
            bytes.len()
                + match bytes.len() {
                    0..=63 => 1,
                    64..=4095 => 2,
                    _ => 5,
                }
        }
    };
    encoded
        + match encoded {
            0..=127 => 1,
            128..=16_382 => 2,
            16_383..=2_097_150 => 3,
            2_097_151..=268_435_454 => 4,
            _ => 5,
        }
}

/// The most by which an entry takes more in a listpack than in a run; it never takes less.
pub const EXCESS_BYTES_MAX: u8 = 5;

/// By how many bytes an entry takes more in a listpack than in a run.
pub fn excess_bytes(entry: Entry<'_>) -> u8 {
    (listpack_entry_bytes(entry) - entry.encoded_len()) as u8
}

/// Whether `more` bytes and `more_entries` entries make too long a listpack of what is in a run. The run's tag is at least the
/// [`excess_bytes`] of each of its entries, so that it need not be walked until it is about to be too long.
pub fn run_would_exceed(
    limits: ListLimits,
    run: Run<'_>,
    more: usize,
    more_entries: usize,
) -> bool {
    let entries = run.len();
    let least = LISTPACK_BYTES + run.end() - run.start();
    let exceeds = |bytes: usize| limits.exceeded_by(bytes + more, entries + more_entries);
    if exceeds(least) {
        return true;
    }
    exceeds(least + usize::from(run.tag()) * entries) && exceeds(listpack_bytes(run))
}

/// Bytes of a listpack of the entries of a run.
pub fn listpack_bytes(run: Run<'_>) -> usize {
    LISTPACK_BYTES + run.iter().map(listpack_entry_bytes).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::packed::Editor;

    #[test]
    fn an_entry_takes_little_more_in_a_listpack() {
        let check = |entry: Entry<'_>| {
            let (ours, theirs) = (entry.encoded_len(), listpack_entry_bytes(entry));
            assert!(ours <= theirs, "{entry:?}");
            assert!(theirs - ours <= usize::from(EXCESS_BYTES_MAX), "{entry:?}");
            assert_eq!(usize::from(excess_bytes(entry)), theirs - ours);
        };
        for shift in 0..64 {
            for near in -2..=2 {
                check(Entry::Integer((1i64 << shift).wrapping_add(near)));
                check(Entry::Integer((-1i64 << shift).wrapping_add(near)));
            }
        }
        let bytes = vec![b'x'; 70_000];
        (0..=bytes.len()).for_each(|len| check(Entry::Bytes(&bytes[..len])));
    }

    #[test]
    fn the_limits_are_those_of_redis() {
        let limit = |listpack_size| ListLimits { listpack_size };
        assert!(!limit(-2).exceeded_by(8192, 5000));
        assert!(limit(-2).exceeded_by(8193, 1));
        assert!(limit(-1).exceeded_by(4097, 1));
        assert!(!limit(-5).exceeded_by(65_536, 1));
        assert!(limit(-9).exceeded_by(65_537, 1));
        assert!(!limit(3).exceeded_by(8192, 3));
        assert!(limit(3).exceeded_by(100, 4));
        assert!(limit(3).exceeded_by(8193, 1));
        assert!(limit(0).exceeded_by(10, 2));
        assert!(limit(-2).met_by_half(4096, 5000) && !limit(-2).met_by_half(4097, 1));
        assert!(limit(5).met_by_half(100, 2) && !limit(5).met_by_half(100, 3));
    }

    #[test]
    fn a_run_is_measured_as_the_listpack_it_would_be() {
        let limits = ListLimits { listpack_size: -1 };
        let mut bytes = Vec::new();
        let mut editor = Editor::new(&mut bytes);
        // 2 bytes each in a listpack, 1 here.
        editor.set_tag(excess_bytes(Entry::Integer(7)));
        (0..2044).for_each(|_| editor.push(Entry::Integer(7)));
        let run = Run::new(&bytes);
        assert_eq!(listpack_bytes(run), 4095);
        assert!(!run_would_exceed(limits, run, 1, 1));
        assert!(run_would_exceed(limits, run, 2, 1));
    }
}
