//! Timeouts of blocking commands: seconds as a decimal number.

use crate::command::CommandError;
use crate::command::long_double::{Parsed, parse};

/// The milliseconds, rounded up, that a timeout in seconds says; 0 is for ever. What 64 bits cannot hold is negative, as in redis-server 7.0.
pub(super) fn timeout_ms(text: &[u8]) -> Result<u64, CommandError> {
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
