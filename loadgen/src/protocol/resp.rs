//! RESP2, as Redis and Valkey speak it. Requests are arrays of bulk strings; of a reply only its type, its length and,
//! for an error, its text is read.

use super::pieces::{Partial, VALUE_SIZE_MAX, Value, number, unexpected};
use super::{Asked, KeyValue, Login, Operation, Protocol, Reply, ReplyReader, write_decimal};
use crate::keys::KeyFormat;

/// The writer of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resp;

/// Appends what stands before a bulk string of `size` bytes.
#[inline]
pub fn write_bulk_head(size: usize, out: &mut Vec<u8>) {
    out.push(b'$');
    write_decimal(size as u64, out);
    out.extend_from_slice(b"\r\n");
}

fn write_words(words: &[&[u8]], out: &mut Vec<u8>) {
    out.push(b'*');
    write_decimal(words.len() as u64, out);
    out.extend_from_slice(b"\r\n");
    for word in words {
        write_bulk_head(word.len(), out);
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

impl Protocol for Resp {
    type Reader = RespReader;

    fn write_login(&self, login: &Login, out: &mut Vec<u8>) -> usize {
        let mut replies = 1;
        if let Some(password) = &login.password {
            match &login.user {
                Some(user) => write_words(&[b"AUTH", user.as_bytes(), password.as_bytes()], out),
                None => write_words(&[b"AUTH", password.as_bytes()], out),
            }
            replies += 1;
        }
        if login.database != 0 {
            write_words(&[b"SELECT", login.database.to_string().as_bytes()], out);
            replies += 1;
        }
        // A server that wants a password, or is still loading, says so here and not in the middle of the run.
        write_words(&[b"PING"], out);
        replies
    }
}

impl KeyValue for Resp {
    #[inline]
    fn write_get(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
        write_bulk_head(key_size, out);
        key(out);
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn write_get_many(&self, keys: &[u64], format: &KeyFormat, out: &mut Vec<u8>) {
        out.push(b'*');
        write_decimal(keys.len() as u64 + 1, out);
        out.extend_from_slice(b"\r\n$4\r\nMGET\r\n");
        for key in keys {
            write_bulk_head(format.size(), out);
            format.write(*key, out);
            out.extend_from_slice(b"\r\n");
        }
    }

    #[inline]
    fn write_set(
        &self,
        key: impl FnOnce(&mut Vec<u8>),
        key_size: usize,
        value: impl FnOnce(&mut Vec<u8>),
        value_size: usize,
        ttl_ms: u64,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(if ttl_ms == 0 {
            b"*3\r\n$3\r\nSET\r\n"
        } else {
            b"*5\r\n$3\r\nSET\r\n"
        });
        write_bulk_head(key_size, out);
        key(out);
        out.extend_from_slice(b"\r\n");
        write_bulk_head(value_size, out);
        let start = out.len();
        value(out);
        debug_assert_eq!(out.len() - start, value_size);
        out.extend_from_slice(b"\r\n");
        if ttl_ms != 0 {
            let (unit, number) = if ttl_ms.is_multiple_of(1000) {
                (b"EX", ttl_ms / 1000)
            } else {
                (b"PX", ttl_ms)
            };
            out.extend_from_slice(b"$2\r\n");
            out.extend_from_slice(unit);
            out.extend_from_slice(b"\r\n");
            write_bulk_head(number.ilog10() as usize + 1, out);
            write_decimal(number, out);
            out.extend_from_slice(b"\r\n");
        }
    }

    #[inline]
    fn write_delete(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*2\r\n$3\r\nDEL\r\n");
        write_bulk_head(key_size, out);
        key(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The skimmer of replies.
#[derive(Debug, Default)]
pub struct RespReader {
    partial: Partial,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    value: Value,
    in_value: bool,
    /// Keys of an MGET's reply still to come.
    array_left: u32,
    error: String,
}

impl ReplyReader for RespReader {
    #[inline]
    fn next(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String> {
        let Self { partial, state } = self;
        while !state.in_value {
            let Some(line) = partial.line(input)? else {
                return Ok(None);
            };
            let reply = state.read_line(line, asked)?;
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

    fn error_text(&self) -> &str {
        &self.state.error
    }
}

impl State {
    /// Reads a line with its newline. `None`: a value or the rest of an array follows.
    #[inline]
    fn read_line(&mut self, line: &[u8], asked: Asked) -> Result<Option<Reply>, String> {
        let operation = asked.operation;
        let [kind, text @ .., b'\r', b'\n'] = line else {
            return Err(unexpected(line, operation));
        };
        if asked.keys > 1 {
            match (self.array_left, kind) {
                (0, b'*') if number(text) == Some(u64::from(asked.keys)) => {
                    self.array_left = asked.keys;
                    return Ok(None);
                }
                (0, b'-') => {}
                (1.., b'$' | b'_') => self.array_left -= 1,
                _ => return Err(unexpected(line, operation)),
            }
        }
        match (kind, operation) {
            (b'$', Operation::Get) if text == b"-1" => Ok(Some(Reply::Miss)),
            (b'$', Operation::Get) => {
                let size = number(text).filter(|size| *size <= VALUE_SIZE_MAX);
                self.value
                    .begin(size.ok_or_else(|| unexpected(line, operation))?, true);
                self.in_value = true;
                Ok(None)
            }
            (b'_', Operation::Get) => Ok(Some(Reply::Miss)),
            (b'+', Operation::Set | Operation::Login) => Ok(Some(Reply::Stored)),
            (b':', Operation::Delete) => match number(text) {
                Some(count) => Ok(Some(Reply::Deleted(count > 0))),
                None => Err(unexpected(line, operation)),
            },
            (b'-', _) => {
                self.error.clear();
                self.error.push_str(&String::from_utf8_lossy(text));
                Ok(Some(Reply::Refused))
            }
            _ => Err(unexpected(line, operation)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pieces::LINE_SIZE_MAX;
    use crate::protocol::stream_test::{DELETE, GET, GET_MANY, LOGIN, SET, cut_everywhere, wrong};

    #[test]
    fn replies_cut_at_every_two_bytes_read_the_same() {
        let stream = b"+OK\r\n$5\r\nhello\r\n$-1\r\n:1\r\n:0\r\n-ERR no\r\n$0\r\n\r\n_\r\n$12\r\nab\r\ncd\r\n$9\r\n\r\n+PONG\r\n\
            *3\r\n$1\r\nx\r\n$-1\r\n$2\r\n*1\r\n-ERR never\r\n$1\r\ny\r\n";
        let read = cut_everywhere::<RespReader>(
            stream,
            &[
                SET, GET, GET, DELETE, DELETE, SET, GET, GET, GET, LOGIN, GET_MANY, GET_MANY, GET,
            ],
        );
        assert_eq!(
            read.replies,
            [
                Reply::Stored,
                Reply::Hit,
                Reply::Miss,
                Reply::Deleted(true),
                Reply::Deleted(false),
                Reply::Refused,
                Reply::Hit,
                Reply::Miss,
                Reply::Hit,
                Reply::Stored,
                Reply::Hit,
                Reply::Miss,
                Reply::Hit,
                Reply::Refused,
                Reply::Hit,
            ]
        );
        assert_eq!(read.body, b"helloab\r\ncd\r\n$9\r\nx*1y");
        assert_eq!(read.errors, ["ERR no", "ERR never"]);
    }

    #[test]
    fn what_does_not_fit_the_request_is_an_error() {
        for (asked, text) in [
            (SET, &b"$3\r\nabc\r\n"[..]),
            (GET, b"+OK\r\n"),
            (GET, b"$x\r\n"),
            (GET, b"$-2\r\n"),
            (GET, b"$99999999999\r\n"),
            (DELETE, b":x\r\n"),
            (GET, b"HTTP/1.1 400\r\n"),
            (GET, b"$3\r\nabcdef"),
            (GET, b"\n"),
            (GET, b"*1\r\n$-1\r\n"),
            (GET_MANY, b"*2\r\n"),
            (GET_MANY, b"$1\r\nx\r\n"),
            (GET_MANY, b"*3\r\n-ERR\r\n"),
            (SET, &[b'+'; LINE_SIZE_MAX + 1]),
        ] {
            assert!(wrong::<RespReader>(text, asked), "{text:?}");
        }
    }

    #[test]
    fn requests_are_arrays_of_bulk_strings() {
        let mut out = Vec::new();
        let key = |out: &mut Vec<u8>| out.extend_from_slice(b"key");
        Resp.write_get(key, 3, &mut out);
        Resp.write_set(
            key,
            3,
            |out| out.extend_from_slice(b"value"),
            5,
            0,
            &mut out,
        );
        Resp.write_set(key, 3, |_| (), 0, 10_000, &mut out);
        Resp.write_set(key, 3, |_| (), 0, 1_500, &mut out);
        Resp.write_delete(key, 3, &mut out);
        let format = KeyFormat::new("k", 3, 100).unwrap();
        Resp.write_get_many(&[1, 23], &format, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n\
             *3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n\
             *5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n$2\r\nEX\r\n$2\r\n10\r\n\
             *5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n$2\r\nPX\r\n$4\r\n1500\r\n\
             *2\r\n$3\r\nDEL\r\n$3\r\nkey\r\n\
             *3\r\n$4\r\nMGET\r\n$3\r\nk01\r\n$3\r\nk23\r\n"
        );
    }
}
