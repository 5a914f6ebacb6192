//! The packed form of a set of integers: sorted, all of the width that the widest needs, under the header of a packed run whose tag says
//! the width. The widths are Redis', 2, 4 and 8 bytes; removing does not narrow.

use crate::engine::value::packed::{Editor, Entry, Run};

/// Tags of a run that is an intset: the binary logarithm of the width.
const TAG_FIRST: u8 = 1;
const TAG_LAST: u8 = 3;

/// Sorted integers, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Intset<'a> {
    body: &'a [u8],
    width: usize,
}

/// Bytes that an integer needs.
fn width_of(integer: i64) -> usize {
    if i16::try_from(integer).is_ok() {
        2
    } else if i32::try_from(integer).is_ok() {
        4
    } else {
        8
    }
}

impl<'a> Intset<'a> {
    /// The intset in a run; `None` when the run is something else.
    #[inline]
    pub fn of(run: Run<'a>) -> Option<Intset<'a>> {
        match run.tag() {
            tag @ TAG_FIRST..=TAG_LAST => Some(Intset {
                body: run.body(),
                width: 1 << tag,
            }),
            _ => None,
        }
    }

    /// Number of integers.
    #[inline]
    pub fn len(self) -> usize {
        self.body.len() / self.width
    }

    /// The integer with this index, which is below the length.
    #[inline]
    pub fn at(self, index: usize) -> i64 {
        match &self.body[index * self.width..(index + 1) * self.width] {
            &[a, b] => i64::from(i16::from_le_bytes([a, b])),
            &[a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            wide => i64::from_le_bytes(wide.try_into().expect("the widths are 2, 4 and 8")),
        }
    }

    /// Where the integer is, or where it would be.
    pub fn search(self, integer: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(&integer) {
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Decimal digits of the longest integer, its sign included; it is the first or the last.
    pub fn digits_max(self) -> usize {
        match self.len() {
            0 => 0,
            len => [0, len - 1]
                .map(|end| Entry::Integer(self.at(end)).bytes_len())
                .into_iter()
                .fold(0, usize::max),
        }
    }

    /// Bytes of the run with one more integer.
    pub fn bytes_with(self, integer: i64) -> usize {
        2 + (self.len() + 1) * self.width.max(width_of(integer))
    }
}

/// Makes an empty intset of these bytes.
pub fn clear(bytes: &mut Vec<u8>) {
    let mut editor = Editor::new(bytes);
    editor.clear();
    editor.set_tag(TAG_FIRST);
}

/// Puts an integer, which is not there, where [`Intset::search`] said.
pub fn insert(bytes: &mut Vec<u8>, index: usize, integer: i64) {
    let intset = Intset::of(Run::new(bytes)).expect("the bytes are an intset");
    let (len, width) = (intset.len(), intset.width);
    let needed = width_of(integer);
    if needed > width {
        let integers: Vec<i64> = (0..len).map(|index| intset.at(index)).collect();
        let mut editor = Editor::new(bytes);
        editor.clear();
        editor.set_tag(needed.ilog2() as u8);
        for integer in integers {
            bytes.extend_from_slice(&integer.to_le_bytes()[..needed]);
        }
    }
    let width = needed.max(width);
    let header = bytes.len() - len * width;
    let at = header + index * width;
    bytes.splice(at..at, integer.to_le_bytes().into_iter().take(width));
    Editor::new(bytes).set_len(len + 1);
}

/// Removes the integer with this index.
pub fn remove(bytes: &mut Vec<u8>, index: usize) {
    let intset = Intset::of(Run::new(bytes)).expect("the bytes are an intset");
    let (len, width) = (intset.len(), intset.width);
    let header = bytes.len() - len * width;
    bytes.drain(header + index * width..header + (index + 1) * width);
    Editor::new(bytes).set_len(len - 1);
}
