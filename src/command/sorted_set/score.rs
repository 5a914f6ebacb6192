//! Scores and ends of ranges as requests give them, read as `strtod` reads numbers.
//!
//! Never: writes numbers (see [`crate::protocol::number`]). The decision worth knowing: a score must be the whole argument and within range, while the
//! end of a range may have blanks before it, may be too large, and ends at a zero byte, as with Redis.

use crate::command::CommandError;
use crate::engine::value::sorted_set::bounds::{LexBound, LexRange, ScoreBound, ScoreRange};

/// Integers of so many digits are exact in a double.
const EXACT_DIGITS_MAX: usize = 15;

/// Reads a score, an increment or a weight; None when it is no number, or one that a double cannot hold.
#[inline]
pub fn parse_score(text: &[u8]) -> Option<f64> {
    match small_integer(text) {
        Some(value) => Some(value),
        None => in_range(text),
    }
}

/// Reads an argument that must be a score.
#[inline]
pub fn score(text: &[u8]) -> Result<f64, CommandError> {
    parse_score(text).ok_or(CommandError::NotFloat)
}

/// Most scores are integers of a few digits.
#[inline]
fn small_integer(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > EXACT_DIGITS_MAX {
        return None;
    }
    let mut value: u64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    let value = value as f64;
    Some(if negative { -value } else { value })
}

fn in_range(text: &[u8]) -> Option<f64> {
    let value = number(text)?;
    let unsigned = unsigned(text).1;
    let is_word = matches!(unsigned.first(), Some(b'i' | b'I'));
    if value.is_infinite() && !is_word {
        return None;
    }
    // Too small to be told from zero is out of range as well.
    let exponent = if is_hexadecimal(unsigned) {
        b"pP"
    } else {
        b"eE"
    };
    let mantissa = unsigned.split(|byte| exponent.contains(byte)).next();
    let is_zero = mantissa
        .unwrap_or_default()
        .iter()
        .all(|byte| b"0.xX".contains(byte));
    (value != 0.0 || is_zero).then_some(value)
}

/// The sign and what follows it.
fn unsigned(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn is_hexadecimal(unsigned: &[u8]) -> bool {
    matches!(unsigned, [b'0', b'x' | b'X', ..])
}

/// The whole text as a number, infinite when it is too large; None for what is no number.
fn number(text: &[u8]) -> Option<f64> {
    let (negative, rest) = unsigned(text);
    if is_hexadecimal(rest) {
        let value = hexadecimal(&rest[2..])?;
        return Some(if negative { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// What follows `0x`: digits with a point and a binary exponent.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let mut parts = text.splitn(2, |byte| b"pP".contains(byte));
    let mantissa = parts.next()?;
    let mut exponent: i32 = match parts.next() {
        None => 0,
        Some(text) => {
            let (negative, digits) = unsigned(text);
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // Beyond this nothing changes: all is zero or infinite.
            let value = digits.iter().fold(0i32, |value, digit| {
                (value * 10 + i32::from(digit - b'0')).min(1 << 24)
            });
            if negative { -value } else { value }
        }
    };
    let (mut bits, mut digits, mut in_fraction) = (0u64, 0, false);
    for &byte in mantissa {
        if byte == b'.' && !in_fraction {
            in_fraction = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        digits += 1;
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            exponent = exponent.saturating_sub(if in_fraction { 4 } else { 0 });
        } else {
            // What is left over decides only which way to round.
            bits |= u64::from(digit != 0);
            exponent = exponent.saturating_add(if in_fraction { 0 } else { 4 });
        }
    }
    if digits == 0 {
        return None;
    }
    let mut value = bits as f64;
    // In steps, since one power of two can be too small or too large where the product is not.
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-900, 900);
        value *= 2f64.powi(step);
        exponent -= step;
    }
    Some(value)
}

/// The number at the end of a range of scores.
fn end(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | 9..=13))
        .count();
    number(&text[blanks..])
}

fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    match text {
        [b'(', rest @ ..] => end(rest).map(ScoreBound::Exclusive),
        _ => end(text).map(ScoreBound::Inclusive),
    }
}

/// Reads a range of scores.
pub fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    match (score_bound(min), score_bound(max)) {
        (Some(min), Some(max)) => Ok(ScoreRange { min, max }),
        _ => Err(CommandError::fixed("ERR min or max is not a float")),
    }
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        [b'-'] | [b'-', 0, ..] => Some(LexBound::Min),
        [b'+'] | [b'+', 0, ..] => Some(LexBound::Max),
        [b'[', rest @ ..] => Some(LexBound::Inclusive(rest)),
        [b'(', rest @ ..] => Some(LexBound::Exclusive(rest)),
        _ => None,
    }
}

/// Reads a range of bytes.
pub fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    match (lex_bound(min), lex_bound(max)) {
        (Some(min), Some(max)) => Ok(LexRange { min, max }),
        _ => Err(CommandError::fixed(
            "ERR min or max not valid string range item",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_whole_and_in_range() {
        for (text, value) in [
            ("0", 0.0),
            ("-7", -7.0),
            ("007", 7.0),
            ("+1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("123456789012345678", 123_456_789_012_345_680.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0xffffffffffffffffff", 4_722_366_482_869_645_213_695.0),
            ("0x1p-1074", 5e-324),
            ("0e999999", 0.0),
            ("0x0p99", 0.0),
        ] {
            assert_eq!(parse_score(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "abc",
            "1e",
            "0x",
            "0x1p",
            "0xg",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p9999",
            "0x1p-9999",
            "--1",
            "1\u{0}",
            ".",
            "e5",
            "infin",
            "0x1.2.3",
        ] {
            assert_eq!(parse_score(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn ends_of_ranges_are_read_more_freely() {
        let range = score_range(b"(1e400", b" 5\0x").unwrap();
        assert_eq!(range.min, ScoreBound::Exclusive(f64::INFINITY));
        assert_eq!(range.max, ScoreBound::Inclusive(5.0));
        assert_eq!(
            score_range(b"", b"(").unwrap().max,
            ScoreBound::Exclusive(0.0)
        );
        for text in [&b"nan"[..], b"(nan", b" ", b"1 ", b"((1", b"[1", b"x"] {
            assert!(score_range(text, b"1").is_err());
            assert!(score_range(b"1", text).is_err());
        }
        let range = lex_range(b"-", b"[+").unwrap();
        assert_eq!(
            (range.min, range.max),
            (LexBound::Min, LexBound::Inclusive(b"+"))
        );
        for text in [&b""[..], b"+x", b"-x", b"a"] {
            assert!(lex_range(text, b"+").is_err());
        }
    }
}
