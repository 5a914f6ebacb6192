//! The flags of the meta commands: one pass over the words behind the key, memcached's errors included.

use crate::protocol::args::Args;
use crate::protocol::memcache::number::{signed32, unsigned32, unsigned64};

/// The longest word of an opaque, its `O` included, as in memcached.
const OPAQUE_BYTES_MAX: usize = 32;
/// The error of a flag's number.
const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format\r\n";

/// What the flags of a request say; those that only ask for something in the reply are read again where it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// `v`: the reply has the value.
    pub value: bool,
    /// `q`: the usual outcome is not said.
    pub quiet: bool,
    /// `u`: a fetch is no use.
    pub no_use: bool,
    /// `I`.
    pub invalidate: bool,
    /// `x`: the value goes, the item stays.
    pub remove_value: bool,
    /// `b`: the key came in base64.
    pub encoded_key: bool,
    /// `N`: seconds.
    pub vivify: Option<i32>,
    /// `T`: seconds.
    pub expiry: Option<i32>,
    /// `R`: seconds.
    pub recache: Option<i32>,
    /// `F`.
    pub client_flags: u32,
    /// `C`.
    pub token: Option<u64>,
    /// `E`.
    pub new_token: Option<u64>,
    /// `M`: its character, 0 without.
    pub mode: u8,
    /// `D`.
    pub delta: Option<u64>,
    /// `J`.
    pub initial: u64,
    /// `O` is longer than it may be. Memcached says so after all other errors, that of the mode included.
    pub long_opaque: bool,
}

impl Flags {
    /// Reads the words from `start` to before `end`. The error is memcached's line. Like memcached it reads on after a bad number and reports the last
    /// error, but stops at a flag that is unknown or said twice.
    pub fn parse(
        args: &Args<'_>,
        start: usize,
        end: usize,
        knows_x: bool,
    ) -> Result<Flags, &'static [u8]> {
        let mut flags = Flags::default();
        let mut seen = 0u128;
        let mut error: Option<&'static [u8]> = None;
        let mut fail = |line| error = Some(line);
        // Said only when nothing else is wrong, as in memcached.
        let mut bad_client_flags = false;
        for index in start..end {
            let word = args.get(index);
            let (name, text) = (word[0], &word[1..]);
            if name >= 127 || seen & 1 << name != 0 {
                return Err(b"CLIENT_ERROR duplicate flag\r\n");
            }
            seen |= 1 << name;
            match name {
                b'v' => flags.value = true,
                b'q' => flags.quiet = true,
                b'u' => flags.no_use = true,
                b'b' => flags.encoded_key = true,
                b'I' => flags.invalidate = true,
                b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' | b'L' | b'P' => {}
                b'O' => flags.long_opaque = word.len() > OPAQUE_BYTES_MAX,
                b'N' | b'T' | b'R' => match signed32(text) {
                    None => fail(BAD_TOKEN),
                    seconds if name == b'N' => flags.vivify = seconds,
                    seconds if name == b'T' => flags.expiry = seconds,
                    seconds => flags.recache = seconds,
                },
                b'F' => match unsigned32(text) {
                    None => bad_client_flags = true,
                    Some(client_flags) => flags.client_flags = client_flags,
                },
                b'C' | b'E' => match unsigned64(text) {
                    None => fail(BAD_TOKEN),
                    token if name == b'C' => flags.token = token,
                    token => flags.new_token = token,
                },
                b'M' if text.len() == 1 => flags.mode = text[0],
                b'M' => fail(b"CLIENT_ERROR incorrect length for M token\r\n"),
                b'J' => match unsigned64(text) {
                    None => fail(b"CLIENT_ERROR invalid numeric initial value\r\n"),
                    Some(initial) => flags.initial = initial,
                },
                b'D' => match unsigned64(text) {
                    None => fail(b"CLIENT_ERROR invalid numeric delta value\r\n"),
                    delta => flags.delta = delta,
                },
                b'x' if knows_x => flags.remove_value = true,
                _ => return Err(b"CLIENT_ERROR invalid flag\r\n"),
            }
        }
        match error {
            Some(line) => Err(line),
            None if bad_client_flags => Err(b"CLIENT_ERROR bad command line format\r\n"),
            None => Ok(flags),
        }
    }
}
