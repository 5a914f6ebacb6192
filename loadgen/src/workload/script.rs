//! A script of three calls, run by its digest: a value is set, a counter counted, the value read. Every connection loads it when it logs in, as client
//! libraries do.

use super::{Pen, finding};
use crate::protocol::Command;

pub(super) const COMMANDS: &[&str] = &["EVALSHA"];

/// What is run.
pub(super) const SCRIPT: &str =
    "redis.call('SET',KEYS[1],ARGV[1]) redis.call('INCR',KEYS[2]) return redis.call('GET',KEYS[1])";

/// SHA-1 of it, in hexadecimal digits.
pub(super) const DIGEST: &str = "e73af7853c6641b20345cfabcf0272b77636bdcd";

/// Writes the next request. Its two keys belong together, that is to one shard, or do not.
#[inline]
pub(super) fn write(together: bool, pen: &mut Pen<'_>) -> Command {
    let key = pen.pick();
    pen.head(b"*6\r\n$7\r\nEVALSHA\r\n");
    pen.word(DIGEST.as_bytes());
    pen.head(b"$1\r\n2\r\n");
    pen.sibling(key, b'a', together);
    pen.sibling(key, b'c', together);
    pen.value();
    finding(0)
}
