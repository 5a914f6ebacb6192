//! Writes the words of a request in RESP, and draws what a request is about. Knows no command.

use crate::keys::{KeyFormat, KeyPicker};
use crate::protocol::resp::write_bulk_head;
use crate::protocol::write_decimal;
use crate::random::{Random, mix};
use crate::values::{ValuePool, ValueSizes};

/// Digits of a member's name.
const MEMBER_DIGITS: usize = 8;

#[inline]
fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// What requests are drawn from and written to.
pub struct Pen<'a> {
    /// Where they go.
    pub out: &'a mut Vec<u8>,
    /// Chance.
    pub random: &'a mut Random,
    /// Draws keys.
    pub picker: &'a KeyPicker,
    /// Writes keys.
    pub format: &'a KeyFormat,
    /// Draws sizes of values.
    pub sizes: &'a ValueSizes,
    /// Values.
    pub pool: &'a ValuePool,
    /// The number of this request in the whole load.
    pub request: u64,
}

impl Pen<'_> {
    /// Draws a key.
    #[inline]
    pub fn pick(&mut self) -> u64 {
        self.picker.pick(self.random, self.request)
    }

    /// Draws a number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Begins a request with bytes made by hand: the number of words and the words that never change.
    #[inline]
    pub fn head(&mut self, bytes: &'static [u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Begins a request of so many words, the name of the command among them.
    pub fn begin(&mut self, words: u64, name: &str) {
        self.out.push(b'*');
        write_decimal(words, self.out);
        self.head(b"\r\n");
        self.word(name.as_bytes());
    }

    /// A word.
    #[inline]
    pub fn word(&mut self, word: &[u8]) {
        write_bulk_head(word.len(), self.out);
        self.out.extend_from_slice(word);
        self.head(b"\r\n");
    }

    /// A key.
    #[inline]
    pub fn key(&mut self, key: u64) {
        write_bulk_head(self.format.size(), self.out);
        self.format.write(key, self.out);
        self.head(b"\r\n");
    }

    /// One of the keys that a key stands for: a letter behind it, and if they belong together the rest as a hash tag.
    #[inline]
    pub fn sibling(&mut self, key: u64, letter: u8, together: bool) {
        write_bulk_head(self.format.size() + 1 + 2 * usize::from(together), self.out);
        if together {
            self.out.push(b'{');
        }
        self.format.write(key, self.out);
        if together {
            self.out.push(b'}');
        }
        self.out.push(letter);
        self.head(b"\r\n");
    }

    /// A decimal number.
    #[inline]
    pub fn number(&mut self, number: u64) {
        write_bulk_head(digits(number), self.out);
        write_decimal(number, self.out);
        self.head(b"\r\n");
    }

    /// The identifier of a stream's entry.
    #[inline]
    pub fn entry_id(&mut self, [time, sequence]: [u64; 2]) {
        write_bulk_head(digits(time) + 1 + digits(sequence), self.out);
        write_decimal(time, self.out);
        self.out.push(b'-');
        write_decimal(sequence, self.out);
        self.head(b"\r\n");
    }

    /// The name of a member: a word, and a number in digits of a fixed count.
    #[inline]
    pub fn member(&mut self, word: &str, number: u64) {
        let size = word.len() + MEMBER_DIGITS;
        write_bulk_head(size, self.out);
        self.out.extend_from_slice(word.as_bytes());
        let mut digits = [b'0'; MEMBER_DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        debug_assert_eq!(rest, 0, "a member's number fits its digits");
        self.out.extend_from_slice(&digits);
        self.head(b"\r\n");
    }

    /// A value.
    #[inline]
    pub fn value(&mut self) {
        let bits = self.random.bits();
        let size = self.sizes.size(bits);
        write_bulk_head(size, self.out);
        self.pool.write(size, mix(bits), self.out);
        self.head(b"\r\n");
    }
}
