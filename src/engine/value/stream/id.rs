//! The identifier of an entry: milliseconds and a sequence number, in this order. As a 128-bit number it only ever grows within a stream.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds since 1970, or whatever a client gave.
    pub ms: u64,
    /// Distinguishes entries of one millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The greatest one.
    pub const MAX: StreamId = StreamId {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// From its two parts.
    pub fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// Reads `ms-seq`, or `ms` alone with the sequence number that is then meant; None for anything else, `ms-*` included.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        let number = |digits: &[u8]| -> Option<u64> {
            if digits.is_empty() {
                return None;
            }
            digits.iter().try_fold(0u64, |value, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
                value.checked_mul(10)?.checked_add(u64::from(digit))
            })
        };
        let seq = match text.iter().position(|byte| *byte == b'-') {
            Some(dash) => {
                return Some(StreamId::new(
                    number(&text[..dash])?,
                    number(&text[dash + 1..])?,
                ));
            }
            None => missing_seq,
        };
        Some(StreamId::new(number(text)?, seq))
    }

    /// The next one, None after the greatest.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => self.ms.checked_add(1).map(|ms| StreamId { ms, seq: 0 }),
        }
    }

    /// The one before, None before `0-0`.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => self
                .ms
                .checked_sub(1)
                .map(|ms| StreamId { ms, seq: u64::MAX }),
        }
    }

    /// Big-endian, so that bytes sort as ids do: the form in DUMP payloads.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The inverse of [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let bits = u128::from_be_bytes(bytes);
        StreamId {
            ms: (bits >> 64) as u64,
            seq: bits as u64,
        }
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let parse = |text: &str| StreamId::parse(text.as_bytes(), 7);
        assert_eq!(parse("5-3"), Some(StreamId::new(5, 3)));
        assert_eq!(parse("5"), Some(StreamId::new(5, 7)));
        assert_eq!(parse(&StreamId::MAX.to_string()), Some(StreamId::MAX));
        for wrong in [
            "",
            "-",
            "5-",
            "-5",
            "5-*",
            "5-3-1",
            "x",
            "5 ",
            "18446744073709551616",
            "+5",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn neighbours() {
        let carry = StreamId::new(3, u64::MAX);
        assert_eq!(carry.next(), Some(StreamId::new(4, 0)));
        assert_eq!(carry.next().and_then(StreamId::previous), Some(carry));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
        assert_eq!(StreamId::from_bytes(carry.to_bytes()), carry);
        assert_eq!(carry.to_string(), "3-18446744073709551615");
    }
}
