//! memcached's meta protocol: `mg`, `ms`, `md`. A read of several keys is one quiet `mg` a key, of which only hits are answered, and an `mn` that
//! ends them.

use super::memcache::{exptime, is_error, write_text_login};
use super::pieces::{Partial, VALUE_SIZE_MAX, Value, number, unexpected};
use super::{Asked, KeyValue, Login, Operation, Protocol, Reply, ReplyReader, write_decimal};
use crate::keys::KeyFormat;

/// The writer of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemcacheMeta;

impl Protocol for MemcacheMeta {
    type Reader = MemcacheMetaReader;

    fn write_login(&self, login: &Login, out: &mut Vec<u8>) -> usize {
        let replies = write_text_login(login, out);
        // A server that wants a password, or speaks something else, says so here and not in the middle of the run.
        out.extend_from_slice(b"mn\r\n");
        replies + 1
    }
}

impl KeyValue for MemcacheMeta {
    #[inline]
    fn write_get(&self, key: impl FnOnce(&mut Vec<u8>), _key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"mg ");
        key(out);
        out.extend_from_slice(b" v\r\n");
    }

    #[inline]
    fn write_get_many(&self, keys: &[u64], format: &KeyFormat, out: &mut Vec<u8>) {
        for key in keys {
            out.extend_from_slice(b"mg ");
            format.write(*key, out);
            out.extend_from_slice(b" k v q\r\n");
        }
        out.extend_from_slice(b"mn\r\n");
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
        out.extend_from_slice(b"ms ");
        key(out);
        out.push(b' ');
        write_decimal(value_size as u64, out);
        if ttl_ms != 0 {
            out.extend_from_slice(b" T");
            write_decimal(exptime(ttl_ms), out);
        }
        out.extend_from_slice(b"\r\n");
        let start = out.len();
        value(out);
        debug_assert_eq!(out.len() - start, value_size);
        out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn write_delete(&self, key: impl FnOnce(&mut Vec<u8>), _key_size: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"md ");
        key(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// The skimmer of replies.
#[derive(Debug, Default)]
pub struct MemcacheMetaReader {
    partial: Partial,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    value: Value,
    in_value: bool,
    /// The key of the last hit; empty where the reply names none.
    key: Vec<u8>,
    /// A key of a read of several was refused, which is said when the read ends.
    refused: bool,
    error: String,
}

impl ReplyReader for MemcacheMetaReader {
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

    fn key(&self) -> Option<&[u8]> {
        (!self.state.key.is_empty()).then_some(&self.state.key)
    }

    fn error_text(&self) -> &str {
        &self.state.error
    }
}

impl State {
    /// Reads a line with its newline. `None`: a value or a further line follows.
    #[inline]
    fn read_line(&mut self, line: &[u8], asked: Asked) -> Result<Option<Reply>, String> {
        let (operation, several) = (asked.operation, asked.keys > 1);
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return Err(unexpected(line, operation));
        };
        match (text, operation) {
            ([b'V', b'A', b' ', rest @ ..], Operation::Get) => {
                let (size, key) = value_head(rest).ok_or_else(|| unexpected(line, operation))?;
                if several == key.is_empty() {
                    return Err(unexpected(line, operation));
                }
                self.key.clear();
                self.key.extend_from_slice(key);
                self.value.begin(size, true);
                self.in_value = true;
                Ok(None)
            }
            (b"EN", Operation::Get) if !several => Ok(Some(Reply::Miss)),
            (b"MN", Operation::Get) if several => Ok(Some(if std::mem::take(&mut self.refused) {
                Reply::Refused
            } else {
                Reply::End
            })),
            (b"HD", Operation::Set) => Ok(Some(Reply::Stored)),
            (b"HD", Operation::Delete) => Ok(Some(Reply::Deleted(true))),
            (b"NF", Operation::Delete) => Ok(Some(Reply::Deleted(false))),
            (b"MN" | b"STORED", Operation::Login) => Ok(Some(Reply::Stored)),
            (text, operation) if is_error(text) || is_refusal(text, operation) => {
                self.error.clear();
                self.error.push_str(&String::from_utf8_lossy(text));
                // The `mn` behind the keys of one read is answered whatever became of them.
                self.refused = several;
                Ok((!several).then_some(Reply::Refused))
            }
            _ => Err(unexpected(line, operation)),
        }
    }
}

/// Whether a write was not done, for a reason that is no error.
fn is_refusal(text: &[u8], operation: Operation) -> bool {
    operation == Operation::Set && [&b"NS"[..], b"EX", b"NF"].contains(&text)
}

/// Size and key of a value, `SIZE FLAG...`; the key is empty when no flag names it.
#[inline]
fn value_head(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut words = text.split(|byte| *byte == b' ');
    let size = number(words.next()?).filter(|size| *size <= VALUE_SIZE_MAX)?;
    let key = words.find_map(|word| word.strip_prefix(b"k"));
    Some((size, key.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::stream_test::{DELETE, GET, GET_MANY, LOGIN, SET, cut_everywhere, wrong};

    #[test]
    fn replies_cut_at_every_two_bytes_read_the_same() {
        let stream = b"STORED\r\nMN\r\nHD\r\nVA 5\r\nhello\r\nEN\r\nHD\r\nNF\r\nNS\r\nSERVER_ERROR out of memory\r\n\
            VA 4 kb\r\nMN\r\n\r\nVA 0 kcc\r\n\r\nMN\r\nMN\r\nVA 1 kd\r\nx\r\nCLIENT_ERROR bad\r\nMN\r\nVA 1 s1\r\ny\r\nCLIENT_ERROR worse\r\n";
        let stream = &stream[..];
        let read = cut_everywhere::<MemcacheMetaReader>(
            stream,
            &[
                LOGIN, LOGIN, SET, GET, GET, DELETE, DELETE, SET, SET, GET_MANY, GET_MANY,
                GET_MANY, GET, GET,
            ],
        );
        assert_eq!(
            read.replies,
            [
                Reply::Stored,
                Reply::Stored,
                Reply::Stored,
                Reply::Hit,
                Reply::Miss,
                Reply::Deleted(true),
                Reply::Deleted(false),
                Reply::Refused,
                Reply::Refused,
                Reply::Hit,
                Reply::Hit,
                Reply::End,
                Reply::End,
                Reply::Hit,
                Reply::Refused,
                Reply::Hit,
                Reply::Refused,
            ]
        );
        assert_eq!(read.body, b"helloMN\r\nxy");
        assert_eq!(read.keys, ["b", "cc", "d"]);
        assert_eq!(
            read.errors,
            [
                "NS",
                "SERVER_ERROR out of memory",
                "CLIENT_ERROR bad",
                "CLIENT_ERROR worse"
            ]
        );
    }

    #[test]
    fn what_does_not_fit_the_request_is_an_error() {
        for (asked, text) in [
            (SET, "EN\r\n"),
            (SET, "STORED\r\n"),
            (GET, "HD\r\n"),
            (GET, "MN\r\n"),
            (GET, "NS\r\n"),
            (GET, "VA x\r\n"),
            (GET, "VA 1 ka\r\nx\r\n"),
            (GET, "VA 99999999999\r\n"),
            (GET, "VA 3\r\nabcdef"),
            (GET_MANY, "EN\r\n"),
            (GET_MANY, "VA 1\r\nx\r\n"),
            (DELETE, "NS\r\n"),
            (LOGIN, "HTTP/1.1 400 Bad Request\r\n"),
            (SET, "HD\n"),
        ] {
            assert!(
                wrong::<MemcacheMetaReader>(text.as_bytes(), asked),
                "{text}"
            );
        }
    }

    #[test]
    fn requests_are_lines() {
        let mut out = Vec::new();
        let key = |out: &mut Vec<u8>| out.extend_from_slice(b"key");
        let format = KeyFormat::new("k", 3, 100).unwrap();
        MemcacheMeta.write_get(key, 3, &mut out);
        MemcacheMeta.write_get_many(&[1, 23], &format, &mut out);
        MemcacheMeta.write_set(
            key,
            3,
            |out| out.extend_from_slice(b"value"),
            5,
            0,
            &mut out,
        );
        MemcacheMeta.write_set(key, 3, |_| (), 0, 60_000, &mut out);
        MemcacheMeta.write_delete(key, 3, &mut out);
        let login = Login {
            user: Some("me".into()),
            password: Some("secret".into()),
            database: 0,
        };
        assert_eq!(MemcacheMeta.write_login(&login, &mut out), 2);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "mg key v\r\nmg k01 k v q\r\nmg k23 k v q\r\nmn\r\nms key 5\r\nvalue\r\nms key 0 T60\r\n\r\nmd key\r\n\
             set auth 0 0 9\r\nme secret\r\nmn\r\n"
        );
    }
}
