//! memcached's text protocol: `get`, `set`, `delete`. A read of any number of keys is one line; its reply names the keys that were found, then `END`.

use super::memcache::{exptime, is_error, write_text_login};
use super::pieces::{Partial, VALUE_SIZE_MAX, Value, number, unexpected};
use super::{Asked, KeyValue, Login, Operation, Protocol, Reply, ReplyReader, write_decimal};
use crate::keys::KeyFormat;

/// The writer of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemcacheText;

impl Protocol for MemcacheText {
    type Reader = MemcacheTextReader;

    fn write_login(&self, login: &Login, out: &mut Vec<u8>) -> usize {
        let replies = write_text_login(login, out);
        // A server that wants a password, or speaks something else, says so here and not in the middle of the run.
        out.extend_from_slice(b"version\r\n");
        replies + 1
    }
}

impl KeyValue for MemcacheText {
    #[inline]
    fn write_get(&self, key: impl FnOnce(&mut Vec<u8>), _key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"get ");
        key(out);
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn write_get_many(&self, keys: &[u64], format: &KeyFormat, out: &mut Vec<u8>) {
        out.extend_from_slice(b"get");
        for key in keys {
            out.push(b' ');
            format.write(*key, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn write_set(
        &self,
        key: impl FnOnce(&mut Vec<u8>),
        _key_size: usize,
        value: impl FnOnce(&mut Vec<u8>),
        value_size: usize,
        ttl_ms: u64,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(b"set ");
        key(out);
        out.extend_from_slice(b" 0 ");
        write_decimal(exptime(ttl_ms), out);
        out.push(b' ');
        write_decimal(value_size as u64, out);
        out.extend_from_slice(b"\r\n");
        let start = out.len();
        value(out);
        debug_assert_eq!(out.len() - start, value_size);
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn write_delete(&self, key: impl FnOnce(&mut Vec<u8>), _key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"delete ");
        key(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The skimmer of replies.
#[derive(Debug, Default)]
pub struct MemcacheTextReader {
    partial: Partial,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    value: Value,
    in_value: bool,
    key: Vec<u8>,
    error: String,
}

impl ReplyReader for MemcacheTextReader {
    #[inline]
    fn next(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String> {
        let Self { partial, state } = self;
        if !state.in_value {
            let Some(line) = partial.line(input)? else {
                return Ok(None);
            };
            let reply = state.read_line(line, asked.operation)?;
            if reply.is_some() {
                return Ok(reply);
            }
        }
        if !state.value.skim(input, body)? {
            return Ok(None);
        }
        state.in_value = false;
        Ok(Some(Reply::Hit))
    }

    fn key(&self) -> Option<&[u8]> {
        Some(&self.state.key)
    }

    fn error_text(&self) -> &str {
        &self.state.error
    }
}

impl State {
    /// Reads a line with its newline. `None`: a value follows.
    #[inline]
    fn read_line(&mut self, line: &[u8], operation: Operation) -> Result<Option<Reply>, String> {
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return Err(unexpected(line, operation));
        };
        match (text, operation) {
            (b"END", Operation::Get) => Ok(Some(Reply::End)),
            ([b'V', b'A', b'L', b'U', b'E', b' ', rest @ ..], Operation::Get) => {
                let (key, size) = value_head(rest).ok_or_else(|| unexpected(line, operation))?;
                self.key.clear();
                self.key.extend_from_slice(key);
                self.value.begin(size, true);
                self.in_value = true;
                Ok(None)
            }
            (b"STORED", Operation::Set | Operation::Login) => Ok(Some(Reply::Stored)),
            (b"DELETED", Operation::Delete) => Ok(Some(Reply::Deleted(true))),
            (b"NOT_FOUND", Operation::Delete) => Ok(Some(Reply::Deleted(false))),
            (text, Operation::Login) if text.starts_with(b"VERSION ") => Ok(Some(Reply::Stored)),
            (text, operation) if is_error(text) || is_refusal(text, operation) => {
                self.error.clear();
                self.error.push_str(&String::from_utf8_lossy(text));
                Ok(Some(Reply::Refused))
            }
            _ => Err(unexpected(line, operation)),
        }
    }
}

/// Whether a write was not done, for a reason that is no error.
fn is_refusal(text: &[u8], operation: Operation) -> bool {
    operation == Operation::Set && [&b"NOT_STORED"[..], b"EXISTS", b"NOT_FOUND"].contains(&text)
}

/// Key and size of a value: `KEY FLAGS SIZE`.
#[inline]
fn value_head(text: &[u8]) -> Option<(&[u8], u64)> {
    let mut words = text.split(|byte| *byte == b' ');
    let (key, flags, size) = (words.next()?, words.next()?, words.next()?);
    number(flags)?;
    let size = number(size).filter(|size| *size <= VALUE_SIZE_MAX)?;
    (!key.is_empty() && words.next().is_none()).then_some((key, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::stream_test::{DELETE, GET, GET_MANY, LOGIN, SET, cut_everywhere, wrong};

    #[test]
    fn replies_cut_at_every_two_bytes_read_the_same() {
        let stream = b"VERSION 1.6.18\r\nSTORED\r\nVALUE a 0 5\r\nhello\r\nEND\r\nEND\r\nDELETED\r\nNOT_FOUND\r\n\
            SERVER_ERROR out of memory storing object\r\nNOT_STORED\r\nVALUE b 7 7\r\nEND\r\n\r\n\r\nVALUE cc 0 0\r\n\r\nEND\r\n\
            CLIENT_ERROR bad\r\nERROR\r\n";
        let read = cut_everywhere::<MemcacheTextReader>(
            stream,
            &[
                LOGIN, SET, GET, GET, DELETE, DELETE, SET, SET, GET_MANY, GET, SET,
            ],
        );
        assert_eq!(
            read.replies,
            [
                Reply::Stored,
                Reply::Stored,
                Reply::Hit,
                Reply::End,
                Reply::End,
                Reply::Deleted(true),
                Reply::Deleted(false),
                Reply::Refused,
                Reply::Refused,
                Reply::Hit,
                Reply::Hit,
                Reply::End,
                Reply::Refused,
                Reply::Refused,
            ]
        );
        assert_eq!(read.body, b"helloEND\r\n\r\n");
        assert_eq!(read.keys, ["a", "b", "cc"]);
        assert_eq!(
            read.errors,
            [
                "SERVER_ERROR out of memory storing object",
                "NOT_STORED",
                "CLIENT_ERROR bad",
                "ERROR"
            ]
        );
    }

    #[test]
    fn what_does_not_fit_the_request_is_an_error() {
        for (asked, text) in [
            (SET, "END\r\n"),
            (SET, "VERSION 1\r\n"),
            (GET, "STORED\r\n"),
            (GET, "NOT_STORED\r\n"),
            (GET, "VALUE a 0 x\r\n"),
            (GET, "VALUE a 0\r\n"),
            (GET, "VALUE  0 1\r\n"),
            (GET, "VALUE a 0 1 2\r\n"),
            (GET, "VALUE a 0 99999999999\r\n"),
            (GET, "VALUE a 0 3\r\nabcdef"),
            (DELETE, "STORED\r\n"),
            (LOGIN, "HTTP/1.1 400 Bad Request\r\n"),
            (LOGIN, "-ERR unknown command\r\n"),
            (SET, "STORED\n"),
        ] {
            assert!(
                wrong::<MemcacheTextReader>(text.as_bytes(), asked),
                "{text}"
            );
        }
    }

    #[test]
    fn requests_are_lines() {
        let mut out = Vec::new();
        let key = |out: &mut Vec<u8>| out.extend_from_slice(b"key");
        let format = KeyFormat::new("k", 3, 100).unwrap();
        MemcacheText.write_get(key, 3, &mut out);
        MemcacheText.write_get_many(&[1, 23], &format, &mut out);
        MemcacheText.write_set(
            key,
            3,
            |out| out.extend_from_slice(b"value"),
            5,
            0,
            &mut out,
        );
        MemcacheText.write_set(key, 3, |_| (), 0, 1_500, &mut out);
        MemcacheText.write_delete(key, 3, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "get key\r\nget k01 k23\r\nset key 0 0 5\r\nvalue\r\nset key 0 2 0\r\n\r\ndelete key\r\n"
        );
    }

    #[test]
    fn the_login_is_a_write_of_the_credentials() {
        let login = |user: Option<&str>, password: Option<&str>| {
            let (mut out, login) = (
                Vec::new(),
                Login {
                    user: user.map(str::to_owned),
                    password: password.map(str::to_owned),
                    database: 0,
                },
            );
            let replies = MemcacheText.write_login(&login, &mut out);
            (String::from_utf8(out).unwrap(), replies)
        };
        assert_eq!(login(None, None), ("version\r\n".into(), 1));
        assert_eq!(
            login(Some("me"), Some("secret")),
            ("set auth 0 0 9\r\nme secret\r\nversion\r\n".into(), 2)
        );
        assert_eq!(
            login(None, Some("s")).0,
            "set auth 0 0 9\r\ndefault s\r\nversion\r\n"
        );
    }
}
