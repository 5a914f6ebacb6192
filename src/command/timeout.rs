//! Timeouts of commands that wait: seconds as a decimal number. (XREAD's BLOCK is in milliseconds, and its own.)

use super::long_double::{Parsed, parse};
use super::{Blocking, CommandError, Null};
use crate::protocol::args::Args;

/// The milliseconds, rounded up, that a timeout in seconds says; 0 is for ever. What 64 bits cannot hold is negative, as in redis-server 7.0.
pub fn timeout_ms(text: &[u8]) -> Result<u64, CommandError> {
    const NEGATIVE: CommandError = CommandError::fixed("ERR timeout is negative");
    let seconds: f64 = match parse(text) {
        Some(Parsed::Finite(seconds)) => seconds.to_text().parse().unwrap_or(f64::INFINITY),
        Some(Parsed::Infinite) => f64::INFINITY,
        None => {
            return Err(CommandError::fixed(
                "ERR timeout is not a float or out of range",
            ));
        }
    };
    let timeout_ms = (seconds * 1000.0).ceil();
    // The smallest float beyond i64::MAX; the negation refuses what is no number too.
    if !(0.0..9_223_372_036_854_775_808.0).contains(&timeout_ms) {
        return Err(NEGATIVE);
    }
    Ok(timeout_ms as u64)
}

/// How a command waits whose timeout is the argument at an index; None when that is not there or no timeout. Also commands that reply with one element
/// are answered a null array when their time is over.
fn waits(args: &Args<'_>, index: usize) -> Option<Blocking> {
    if index >= args.len() {
        return None;
    }
    let timeout_ms = timeout_ms(args.get(index)).ok()?;
    Some(Blocking {
        timeout_ms,
        null: Null::Array,
    })
}

/// The timeout is the first argument.
pub fn first_argument(args: &Args<'_>) -> Option<Blocking> {
    waits(args, 1)
}

/// The timeout is the last argument.
pub fn last_argument(args: &Args<'_>) -> Option<Blocking> {
    waits(args, args.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_seconds_rounded_up() {
        for (text, timeout) in [
            ("0", 0),
            ("-0.0001", 0),
            ("0.0001", 1),
            ("1.5", 1500),
            ("1e3", 1_000_000),
            ("0x10", 16_000),
        ] {
            assert_eq!(timeout_ms(text.as_bytes()), Ok(timeout), "{text}");
        }
        for text in ["-1", "inf", "-inf", "1e300", "", "x", "nan", " 1"] {
            assert!(timeout_ms(text.as_bytes()).is_err(), "{text}");
        }
    }
}
