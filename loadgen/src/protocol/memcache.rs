//! What memcached's three protocols share: how long a value lives, who logs in, and what a refusal looks like
//! (memcached's `doc/protocol.txt`).

use super::{Login, write_decimal};
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest key in bytes.
pub const KEY_SIZE_MAX: usize = 250;
/// By how much less than its time a value may live. memcached compares whole seconds of a clock that it moves on once a second: a second, and half
/// of one for a clock that is moved late.
pub const TTL_EARLY_MS: u64 = 1_500;
/// From here on a server takes a time to live for a point in Unix time.
const RELATIVE_SECONDS_MAX: u64 = 30 * 24 * 60 * 60;
/// Servers read a signed number of 32 bits.
const EXPTIME_MAX: u64 = i32::MAX as u64;
/// Who logs in where only a password is given: Redis' name for the user without one.
const USER: &str = "default";

/// A time to live in milliseconds as servers take it: whole seconds, rounded up, and 0 for none. Times of more than 30 days are points in Unix time,
/// the last of which is in January 2038.
#[inline]
pub fn exptime(ttl_ms: u64) -> u64 {
    let seconds = ttl_ms.div_ceil(1_000);
    if seconds <= RELATIVE_SECONDS_MAX {
        return seconds;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    (since.map_or(0, |since| since.as_secs()) + seconds).min(EXPTIME_MAX)
}

/// User and password, if one is to be given.
pub fn credentials(login: &Login) -> Option<(&str, &str)> {
    let password = login.password.as_deref()?;
    Some((login.user.as_deref().unwrap_or(USER), password))
}

/// Appends the login of the text and meta protocols: a `set` whose key does not matter and whose value is the credentials. Returns how many replies
/// come.
pub fn write_text_login(login: &Login, out: &mut Vec<u8>) -> usize {
    let Some((user, password)) = credentials(login) else {
        return 0;
    };
    out.extend_from_slice(b"set auth 0 0 ");
    write_decimal((user.len() + 1 + password.len()) as u64, out);
    for part in ["\r\n", user, " ", password, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    1
}

/// Whether a line of text is an error, which may answer any request.
pub fn is_error(text: &[u8]) -> bool {
    text == b"ERROR"
        || [&b"ERROR "[..], b"CLIENT_ERROR", b"SERVER_ERROR"]
            .iter()
            .any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_are_seconds_rounded_up_and_points_in_time_above_thirty_days() {
        for (ttl_ms, seconds) in [
            (0, 0),
            (1, 1),
            (1_000, 1),
            (1_001, 2),
            (2_591_999_001, 2_592_000),
            (2_592_000_000, 2_592_000),
        ] {
            assert_eq!(exptime(ttl_ms), seconds, "{ttl_ms} ms");
        }
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_secs()
        };
        let before = now();
        let absolute = exptime(2_592_000_001);
        assert!((before + 2_592_001..=now() + 2_592_001).contains(&absolute));
        assert_eq!(exptime(10_000_000_000_000), EXPTIME_MAX);
    }

    #[test]
    fn errors_are_told_from_other_lines() {
        for error in [
            "ERROR",
            "ERROR Too many open connections",
            "CLIENT_ERROR bad data chunk",
            "SERVER_ERROR out of memory",
        ] {
            assert!(is_error(error.as_bytes()), "{error}");
        }
        for other in ["", "ERRORS", "END", "VALUE ERROR 0 1", "NOT_STORED"] {
            assert!(!is_error(other.as_bytes()), "{other}");
        }
    }
}
