//! A reply taken apart piece by piece, for those who turn it into values of Lua: nothing is allocated, and nothing is kept that would need dropping.
//! Never: trusts the bytes. A piece that is not there ends the reading.

/// One piece of a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'a> {
    /// `:`
    Integer(i64),
    /// `$`: so many bytes follow, to be taken with [`Words::string`].
    String(usize),
    /// `+`
    Status(&'a [u8]),
    /// `-`, without the marker.
    Error(&'a [u8]),
    /// `$-1` and `*-1`.
    NullOfVersion2,
    /// `_`
    Null,
    /// `#`
    Boolean(bool),
    /// `,`
    Double(f64),
    /// `(`
    BigNumber(&'a [u8]),
    /// `=`: so many bytes follow, the format and a colon first.
    Verbatim(usize),
    /// `*` and `>`: so many replies follow.
    Array(usize),
    /// `%`: so many pairs follow.
    Map(usize),
    /// `~`
    Set(usize),
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    /// Reads these bytes.
    pub fn new(bytes: &'a [u8]) -> Words<'a> {
        Words { bytes, at: 0 }
    }

    /// Where the next piece begins.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet; no aggregate has more elements.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes of a string whose length was just read, and its line end.
    pub fn string(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        self.skip_line_end().then_some(bytes)
    }

    /// Passes over a line end; false if there is none.
    pub fn skip_line_end(&mut self) -> bool {
        let found = self.bytes.get(self.at..self.at + 2) == Some(b"\r\n");
        if found {
            self.at += 2;
        }
        found
    }

    /// The next piece.
    #[inline]
    pub fn next(&mut self) -> Option<Kind<'a>> {
        let marker = *self.bytes.get(self.at)?;
        let line = self.line()?;
        Some(match marker {
            b':' => Kind::Integer(integer(line)?),
            b'$' => match integer(line)? {
                -1 => Kind::NullOfVersion2,
                len => Kind::String(usize::try_from(len).ok()?),
            },
            b'+' => Kind::Status(line),
            b'-' => Kind::Error(line),
            b'*' | b'>' => match integer(line)? {
                -1 => Kind::NullOfVersion2,
                len => Kind::Array(usize::try_from(len).ok()?),
            },
            b'%' => Kind::Map(usize::try_from(integer(line)?).ok()?),
            b'~' => Kind::Set(usize::try_from(integer(line)?).ok()?),
            b'_' => Kind::Null,
            b'#' => Kind::Boolean(line == b"t"),
            b',' => Kind::Double(std::str::from_utf8(line).ok()?.parse().ok()?),
            b'(' => Kind::BigNumber(line),
            b'=' => Kind::Verbatim(usize::try_from(integer(line)?).ok()?),
            _ => return None,
        })
    }

    /// The line that begins at the marker, without it and its end.
    #[inline]
    fn line(&mut self) -> Option<&'a [u8]> {
        let start = self.at + 1;
        let len = self
            .bytes
            .get(start..)?
            .iter()
            .position(|byte| *byte == b'\r')?;
        self.at = start + len + 2;
        (self.at <= self.bytes.len()).then(|| &self.bytes[start..start + len])
    }
}

fn integer(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, line),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for digit in digits {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        // Downwards, so that the least number fits too.
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_one_after_the_other() {
        let mut words = Words::new(b"*2\r\n$3\r\na\rb\r\n:-9223372036854775808\r\n");
        assert_eq!(words.next(), Some(Kind::Array(2)));
        assert_eq!(words.next(), Some(Kind::String(3)));
        assert_eq!(words.string(3), Some(&b"a\rb"[..]));
        assert_eq!(words.next(), Some(Kind::Integer(i64::MIN)));
        assert_eq!(words.next(), None);
        assert_eq!(Words::new(b"$-1\r\n").next(), Some(Kind::NullOfVersion2));
        assert_eq!(
            Words::new(b",inf\r\n").next(),
            Some(Kind::Double(f64::INFINITY))
        );
    }

    #[test]
    fn what_is_no_reply_ends_the_reading() {
        for bytes in [
            &b""[..],
            b":",
            b":1",
            b":1\r",
            b":\r\n",
            b":x\r\n",
            b"$-2\r\n",
            b"!3\r\n",
            b":9223372036854775808\r\n",
        ] {
            assert_eq!(Words::new(bytes).next(), None, "{bytes:?}");
        }
        let mut words = Words::new(b"$5\r\nab\r\n");
        assert_eq!(words.next(), Some(Kind::String(5)));
        assert_eq!(words.string(5), None);
    }
}
