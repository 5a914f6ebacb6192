//! Ids as clients write them: `ms-seq`, `ms` alone, `ms-*`, `-` and `+`, and intervals with `(`.
//! Never: what `$` and `>` mean, which depends on the stream and the command.
//! The decision worth knowing: redis-server reads what is no canonical number with the C library, so blanks and signs in front of digits, leading zeros and
//! whatever follows a NUL are accepted here too.

use super::super::CommandError;
use crate::engine::value::stream::StreamId;

/// Longest text that is read as an id.
const ID_BYTES_MAX: usize = 127;

/// Not an id.
pub(super) const INVALID: CommandError =
    CommandError::fixed("ERR Invalid stream ID specified as stream command argument");

/// An unsigned number as redis-server reads one.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(value) = super::super::number::parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let blanks = text
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b)
        .count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// The two numbers of an id; the second is None where there is none.
fn parts(text: &[u8]) -> Option<(u64, Option<&[u8]>)> {
    match text.iter().position(|byte| *byte == b'-') {
        Some(dash) => Some((number(&text[..dash])?, Some(&text[dash + 1..]))),
        None => Some((number(text)?, None)),
    }
}

fn text_of(argument: &[u8]) -> Option<&[u8]> {
    (argument.len() <= ID_BYTES_MAX).then(|| super::c_text(argument))
}

/// Reads an id that must be one: neither `-` nor `+`. `missing_seq` stands for a second number that was left out.
pub(super) fn parse_strict(argument: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    let read = || {
        let (ms, seq) = parts(text_of(argument)?)?;
        let seq = match seq {
            Some(text) => number(text)?,
            None => missing_seq,
        };
        Some(StreamId::new(ms, seq))
    };
    read().ok_or(INVALID)
}

/// Reads an id, or `-` for the least and `+` for the greatest.
pub(super) fn parse(argument: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text_of(argument) {
        Some(b"-") => Ok(StreamId::MIN),
        Some(b"+") => Ok(StreamId::MAX),
        _ => parse_strict(argument, missing_seq),
    }
}

/// The id of an entry to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToAdd {
    /// In full.
    Given(StreamId),
    /// `ms-*`.
    At(u64),
}

/// Reads an id of XADD.
pub(super) fn parse_to_add(argument: &[u8]) -> Result<ToAdd, CommandError> {
    let any_seq = text_of(argument).and_then(|text| match parts(text) {
        Some((ms, Some(b"*"))) => Some(ms),
        _ => None,
    });
    match any_seq {
        Some(ms) => Ok(ToAdd::At(ms)),
        None => parse_strict(argument, 0).map(ToAdd::Given),
    }
}

fn exclusive(argument: &[u8]) -> Option<&[u8]> {
    match argument {
        [b'(', rest @ ..] if !rest.is_empty() => Some(rest),
        _ => None,
    }
}

/// Reads the start of an interval, `(` in front of one that does not belong to it.
pub(super) fn parse_start(argument: &[u8]) -> Result<StreamId, CommandError> {
    match exclusive(argument) {
        Some(rest) => parse_strict(rest, 0)?
            .next()
            .ok_or(CommandError::fixed("ERR invalid start ID for the interval")),
        None => parse(argument, 0),
    }
}

/// Reads the end of an interval, `(` in front of one that does not belong to it.
pub(super) fn parse_end(argument: &[u8]) -> Result<StreamId, CommandError> {
    match exclusive(argument) {
        Some(rest) => parse_strict(rest, u64::MAX)?
            .previous()
            .ok_or(CommandError::fixed("ERR invalid end ID for the interval")),
        None => parse(argument, u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_ids() {
        for (text, ms, seq) in [
            ("5-3", 5, 3),
            ("5", 5, 9),
            ("007-01", 7, 1),
            (" +5- 3", 5, 3),
            ("5-3\0x", 5, 3),
            ("5--03", 5, 3u64.wrapping_neg()),
            ("18446744073709551615", u64::MAX, 9),
        ] {
            let expected = Ok(StreamId::new(ms, seq));
            assert_eq!(parse_strict(text.as_bytes(), 9), expected, "{text:?}");
        }
        for text in [
            "",
            "-",
            "+",
            "-1",
            "5-",
            "5--3",
            "5-3-1",
            "5 ",
            "x",
            "5-*",
            "18446744073709551616",
        ] {
            assert_eq!(parse_strict(text.as_bytes(), 0), Err(INVALID), "{text:?}");
        }
        assert_eq!(parse_strict(&[b'1'; 128], 0), Err(INVALID));
        assert_eq!(parse(b"-", 0), Ok(StreamId::MIN));
        assert_eq!(parse(b"+", 0), Ok(StreamId::MAX));
        assert_eq!(parse_to_add(b"7-*"), Ok(ToAdd::At(7)));
        assert_eq!(parse_to_add(b"7"), Ok(ToAdd::Given(StreamId::new(7, 0))));
        assert_eq!(parse_to_add(b"x-*"), Err(INVALID));
    }

    #[test]
    fn intervals() {
        assert_eq!(parse_start(b"(5-3"), Ok(StreamId::new(5, 4)));
        assert_eq!(parse_start(b"(5"), Ok(StreamId::new(5, 1)));
        assert_eq!(parse_end(b"(5"), Ok(StreamId::new(5, u64::MAX - 1)));
        assert_eq!(parse_end(b"5"), Ok(StreamId::new(5, u64::MAX)));
        assert!(
            parse_end(b"(0-0").is_err() && parse_end(b"(-").is_err() && parse_end(b"(").is_err()
        );
        assert!(parse_start(StreamId::MAX.to_string().as_bytes()).is_ok());
        assert!(parse_start(format!("({}", StreamId::MAX).as_bytes()).is_err());
    }
}
