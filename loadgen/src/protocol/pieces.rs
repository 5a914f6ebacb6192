//! What the readers of all protocols share: lines, blocks of a known size and values, taken from pieces of a stream that may be cut anywhere. What
//! lies whole in a piece is read where it lies; only what was cut is copied. Knows nothing of what the bytes mean.

use super::Operation;

/// The longest line, and the longest head of a binary reply: servers' own are far shorter.
pub const LINE_SIZE_MAX: usize = 4096;
/// The largest value a reply may announce.
pub const VALUE_SIZE_MAX: u64 = 512 << 20;

/// The beginning of something that was cut.
#[derive(Debug, Default)]
pub struct Partial {
    bytes: Vec<u8>,
    /// The bytes were handed out whole and are forgotten at the next call.
    used: bool,
}

impl Partial {
    fn forget_used(&mut self) {
        if self.used {
            self.bytes.clear();
            self.used = false;
        }
    }

    /// The next line with its newline, or `None` when the input is used up before its end.
    ///
    /// # Errors
    /// A line of more than [`LINE_SIZE_MAX`] bytes.
    #[inline]
    pub fn line<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<&'a [u8]>, String> {
        self.forget_used();
        // Reply lines are a few bytes long, where a plain loop beats a call of memchr.
        match input.iter().position(|&byte| byte == b'\n') {
            Some(end) => Ok(Some(self.join(input, end + 1))),
            None if self.bytes.len() + input.len() > LINE_SIZE_MAX => {
                Err("a reply line without an end".into())
            }
            None => {
                self.bytes.extend_from_slice(input);
                *input = &[];
                Ok(None)
            }
        }
    }

    /// The next `size` bytes, or `None` when the input is used up before.
    #[inline]
    pub fn block<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8], size: usize) -> Option<&'a [u8]> {
        self.forget_used();
        debug_assert!(self.bytes.len() <= size);
        let missing = size - self.bytes.len();
        if input.len() < missing {
            self.bytes.extend_from_slice(input);
            *input = &[];
            return None;
        }
        Some(self.join(input, missing))
    }

    #[inline]
    fn join<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8], count: usize) -> &'a [u8] {
        let (piece, rest) = input.split_at(count);
        *input = rest;
        if self.bytes.is_empty() {
            return piece;
        }
        self.bytes.extend_from_slice(piece);
        self.used = true;
        &self.bytes
    }
}

/// A value that is being received.
#[derive(Debug, Default)]
pub struct Value {
    /// Bytes of it, and of its closing CR LF, still to come.
    left: u64,
    /// The size of what closes it: 2 for CR LF, else 0.
    close: u64,
}

impl Value {
    /// A value of `size` bytes begins, closed by CR LF or by nothing.
    pub fn begin(&mut self, size: u64, closed: bool) {
        self.close = if closed { 2 } else { 0 };
        self.left = size + self.close;
    }

    /// Takes what there is of it, and appends its bytes to `body` if given. Whether it is whole.
    ///
    /// # Errors
    /// A value that is not closed where its size says.
    #[inline]
    pub fn skim(&mut self, input: &mut &[u8], body: Option<&mut Vec<u8>>) -> Result<bool, String> {
        let taken = self.left.min(input.len() as u64);
        let (piece, rest) = input.split_at(taken as usize);
        if let Some(body) = body {
            let value_bytes = self.left.saturating_sub(self.close).min(taken) as usize;
            body.extend_from_slice(&piece[..value_bytes]);
        }
        *input = rest;
        self.left -= taken;
        if self.left > 0 {
            return Ok(false);
        }
        if self.close > 0 && piece.last().is_some_and(|last| *last != b'\n') {
            return Err("a value that does not end where its length says".into());
        }
        Ok(true)
    }
}

/// A decimal number, digits only.
#[inline]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u64::from(byte - b'0'))
    })
}

/// What to say of a reply that does not belong to its request.
#[cold]
pub fn unexpected(reply: &[u8], operation: Operation) -> String {
    let shown: String = reply
        .iter()
        .take(60)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    format!(
        "\"{shown}\" is no reply to {}",
        operation.name(&Operation::NAMES)
    )
}
