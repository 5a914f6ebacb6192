//! RESP2, as Redis and Valkey speak it. Requests are arrays of bulk strings; of a reply only its type, its length and,
//! for an error, its text is read.

use super::{Login, Operation, Protocol, Reply, ReplyReader, write_decimal};

/// The writer of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resp;

#[inline]
fn write_bulk_head(size: usize, out: &mut Vec<u8>) {
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

    #[inline]
    fn write_get(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
        write_bulk_head(key_size, out);
        key(out);
        out.extend_from_slice(b"\r\n");
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

/// The longest reply line: Redis' own errors are far shorter.
const LINE_SIZE_MAX: usize = 4096;

/// The skimmer of replies.
#[derive(Debug, Default)]
pub struct RespReader {
    /// The part of a line that an earlier piece ended with.
    line: Vec<u8>,
    /// Bytes of a value, and of its closing CR LF, still to come.
    value_left: u64,
    in_value: bool,
    error: String,
}

impl ReplyReader for RespReader {
    #[inline]
    fn next(
        &mut self,
        input: &mut &[u8],
        operation: Operation,
        body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String> {
        if !self.in_value {
            let Some(end) = find_newline(input) else {
                if self.line.len() + input.len() > LINE_SIZE_MAX {
                    return Err("a reply line without an end".into());
                }
                self.line.extend_from_slice(input);
                *input = &[];
                return Ok(None);
            };
            let (line, rest) = input.split_at(end + 1);
            *input = rest;
            let reply = if self.line.is_empty() {
                self.read_line(line, operation)
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                let reply = self.read_line(&whole, operation);
                whole.clear();
                self.line = whole;
                reply
            }?;
            if reply.is_some() {
                return Ok(reply);
            }
        }
        self.skim_value(input, body)
    }

    fn error_text(&self) -> &str {
        &self.error
    }
}

/// Reply lines are a few bytes long, where a plain loop beats a call of memchr.
#[inline]
fn find_newline(input: &[u8]) -> Option<usize> {
    input.iter().position(|&byte| byte == b'\n')
}

impl RespReader {
    /// Reads a line with its newline. `None`: a value follows.
    #[inline]
    fn read_line(&mut self, line: &[u8], operation: Operation) -> Result<Option<Reply>, String> {
        let [kind, text @ .., b'\r', b'\n'] = line else {
            return Err(unexpected(line, operation));
        };
        match (kind, operation) {
            (b'$', Operation::Get) if text == b"-1" => Ok(Some(Reply::Miss)),
            (b'$', Operation::Get) => {
                let size = number(text).filter(|size| *size <= 512 << 20);
                self.value_left = size.ok_or_else(|| unexpected(line, operation))? + 2;
                self.in_value = true;
                Ok(None)
            }
            (b'_', Operation::Get) => Ok(Some(Reply::Miss)),
            (b'+', Operation::Set) => Ok(Some(Reply::Stored)),
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

    #[inline]
    fn skim_value(
        &mut self,
        input: &mut &[u8],
        body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String> {
        let taken = self.value_left.min(input.len() as u64);
        let (piece, rest) = input.split_at(taken as usize);
        if let Some(body) = body {
            let value_bytes = self.value_left.saturating_sub(2).min(taken) as usize;
            body.extend_from_slice(&piece[..value_bytes]);
        }
        *input = rest;
        self.value_left -= taken;
        if self.value_left > 0 {
            return Ok(None);
        }
        if piece.last().is_some_and(|last| *last != b'\n') {
            return Err("a value that does not end where its length says".into());
        }
        self.in_value = false;
        Ok(Some(Reply::Hit))
    }
}

#[inline]
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u64::from(byte - b'0'))
    })
}

#[cold]
fn unexpected(line: &[u8], operation: Operation) -> String {
    let shown: String = line
        .iter()
        .take(60)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    format!("\"{shown}\" is no reply to {}", operation.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"+OK\r\n$5\r\nhello\r\n$-1\r\n:1\r\n:0\r\n-ERR no\r\n$0\r\n\r\n_\r\n$12\r\nab\r\ncd\r\n$9\r\n\r\n+PONG\r\n";
    const OPERATIONS: [Operation; 10] = [
        Operation::Set,
        Operation::Get,
        Operation::Get,
        Operation::Delete,
        Operation::Delete,
        Operation::Set,
        Operation::Get,
        Operation::Get,
        Operation::Get,
        Operation::Set,
    ];

    fn read(pieces: &[&[u8]]) -> (Vec<Reply>, Vec<u8>, String) {
        let (mut reader, mut replies, mut body) = (RespReader::default(), Vec::new(), Vec::new());
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                let operation = OPERATIONS[replies.len()];
                if let Some(reply) = reader.next(&mut piece, operation, Some(&mut body)).unwrap() {
                    replies.push(reply);
                }
            }
        }
        (replies, body, reader.error_text().to_owned())
    }

    #[test]
    fn replies_cut_at_every_two_bytes_read_the_same() {
        let whole = read(&[STREAM]);
        assert_eq!(
            whole.0,
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
            ]
        );
        assert_eq!(whole.1, b"helloab\r\ncd\r\n$9\r\n");
        assert_eq!(whole.2, "ERR no");
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let pieces = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
                assert_eq!(read(&pieces), whole, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_the_request_is_an_error() {
        for (operation, text) in [
            (Operation::Set, &b"$3\r\nabc\r\n"[..]),
            (Operation::Get, b"+OK\r\n"),
            (Operation::Get, b"$x\r\n"),
            (Operation::Get, b"$-2\r\n"),
            (Operation::Get, b"$99999999999\r\n"),
            (Operation::Delete, b":x\r\n"),
            (Operation::Get, b"HTTP/1.1 400\r\n"),
            (Operation::Get, b"$3\r\nabcdef"),
            (Operation::Get, b"\n"),
        ] {
            let mut input = text;
            assert!(
                RespReader::default()
                    .next(&mut input, operation, None)
                    .is_err(),
                "{text:?}"
            );
        }
        let mut endless = &[b'+'; LINE_SIZE_MAX + 1][..];
        assert!(
            RespReader::default()
                .next(&mut endless, Operation::Set, None)
                .is_err()
        );
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
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n\
             *3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n\
             *5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n$2\r\nEX\r\n$2\r\n10\r\n\
             *5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n$2\r\nPX\r\n$4\r\n1500\r\n\
             *2\r\n$3\r\nDEL\r\n$3\r\nkey\r\n"
        );
    }
}
