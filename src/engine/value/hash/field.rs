//! A field of a large hash: name, value and expiry in one allocation, laid out by this module alone.
//!
//! ```text
//! u8: bit 7: has expiry; bits 0..=6: length of the name, 127 when it does not fit | [length u32] | [expiry i64] | name | value
//! ```
//! Integers are little endian. The value takes what is left.

/// The first byte's bit that says that there is an expiry.
const HAS_EXPIRY: u8 = 0x80;
/// The first byte's length that says that four bytes with the length follow.
const LONG: u8 = 0x7f;

/// What is in a field.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// When it expires, in Unix milliseconds.
    pub expiry: Option<i64>,
}

impl<'a> Field<'a> {
    /// What is in these bytes.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Field<'a> {
        let (first, mut rest) = bytes.split_first().expect("a field has its first byte");
        let mut name_len = usize::from(first & LONG);
        if name_len == usize::from(LONG) {
            let (len, after) = rest
                .split_first_chunk()
                .expect("a long name has its length");
            name_len = u32::from_le_bytes(*len) as usize;
            rest = after;
        }
        let mut expiry = None;
        if first & HAS_EXPIRY != 0 {
            let (time, after) = rest.split_first_chunk().expect("the flag says so");
            expiry = Some(i64::from_le_bytes(*time));
            rest = after;
        }
        let (name, value) = rest.split_at(name_len);
        Field {
            name,
            value,
            expiry,
        }
    }

    /// Its name alone, for looking up.
    #[inline]
    pub fn name_in(bytes: &'a [u8]) -> &'a [u8] {
        Field::read(bytes).name
    }

    fn head_len(&self) -> usize {
        let long = if self.name.len() < usize::from(LONG) {
            0
        } else {
            size_of::<u32>()
        };
        1 + long + self.expiry.map_or(0, |_| size_of::<i64>())
    }

    /// Writes it over the bytes of a field of the same name; they are replaced when their number differs.
    pub fn write(&self, bytes: &mut Box<[u8]>) {
        let head_len = self.head_len();
        let len = head_len + self.name.len() + self.value.len();
        if bytes.len() != len {
            let mut fresh = Vec::with_capacity(len);
            self.write_head(|part| fresh.extend_from_slice(part));
            fresh.extend_from_slice(self.name);
            fresh.extend_from_slice(self.value);
            *bytes = fresh.into_boxed_slice();
            return;
        }
        let mut at = 0;
        self.write_head(|part| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        });
        bytes[at..at + self.name.len()].copy_from_slice(self.name);
        bytes[at + self.name.len()..].copy_from_slice(self.value);
    }

    /// Gives the field in these bytes another expiry, in place when it had one and keeps having one; returns the one before.
    pub fn change_expiry(bytes: &mut Box<[u8]>, expiry: Option<i64>) -> Option<i64> {
        let field = Field::read(bytes);
        let before = field.expiry;
        if let (Some(_), Some(time)) = (before, expiry) {
            let end = field.head_len();
            bytes[end - size_of::<i64>()..end].copy_from_slice(&time.to_le_bytes());
        } else if before != expiry {
            let old = std::mem::take(bytes);
            Field {
                expiry,
                ..Field::read(&old)
            }
            .write(bytes);
        }
        before
    }

    fn write_head(&self, mut put: impl FnMut(&[u8])) {
        let flag = if self.expiry.is_some() { HAS_EXPIRY } else { 0 };
        match u8::try_from(self.name.len()) {
            Ok(len) if len < LONG => put(&[flag | len]),
            _ => {
                let len = u32::try_from(self.name.len()).expect("a name is at most 512 MB");
                put(&[flag | LONG]);
                put(&len.to_le_bytes());
            }
        }
        if let Some(expiry) = self.expiry {
            put(&expiry.to_le_bytes());
        }
    }

    /// Whether it has not expired.
    #[inline]
    pub fn is_live(&self, now_ms: i64) -> bool {
        is_live(self.expiry, now_ms)
    }
}

/// Whether something with this expiry has not expired.
#[inline]
pub fn is_live(expiry: Option<i64>, now_ms: i64) -> bool {
    expiry.is_none_or(|expiry| expiry > now_ms)
}
