//! memcached's binary protocol (its `doc/protocol-binary.txt` and `doc/sasl.txt`): a head of 24 bytes, then extras, key and value. A read of several
//! keys is one GETKQ a key, of which only hits are answered, and a NOOP that ends them.

use super::memcache::{credentials, exptime};
use super::pieces::{LINE_SIZE_MAX, Partial, VALUE_SIZE_MAX, Value, unexpected};
use super::{Asked, KeyValue, Login, Operation, Protocol, Reply, ReplyReader};
use crate::keys::KeyFormat;

const REQUEST: u8 = 0x80;
const RESPONSE: u8 = 0x81;
const HEAD_SIZE: usize = 24;

const GET: u8 = 0x00;
const SET: u8 = 0x01;
const DELETE: u8 = 0x04;
const NOOP: u8 = 0x0a;
const GETKQ: u8 = 0x0d;
const SASL_AUTH: u8 = 0x21;

const SUCCESS: u16 = 0;
const KEY_NOT_FOUND: u16 = 1;

/// The writer of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemcacheBinary;

#[inline]
fn write_head(code: u8, extras_size: u8, key_size: usize, value_size: usize, out: &mut Vec<u8>) {
    let mut head = [0; HEAD_SIZE];
    head[0] = REQUEST;
    head[1] = code;
    head[2..4].copy_from_slice(&(key_size as u16).to_be_bytes());
    head[4] = extras_size;
    let body_size = usize::from(extras_size) + key_size + value_size;
    head[8..12].copy_from_slice(&(body_size as u32).to_be_bytes());
    out.extend_from_slice(&head);
}

impl Protocol for MemcacheBinary {
    type Reader = MemcacheBinaryReader;

    fn write_login(&self, login: &Login, out: &mut Vec<u8>) -> usize {
        let mut replies = 1;
        if let Some((user, password)) = credentials(login) {
            // SASL's PLAIN (RFC 4616): nobody to act for, the user, the password, each after a zero byte.
            let message = format!("\0{user}\0{password}");
            write_head(SASL_AUTH, 0, b"PLAIN".len(), message.len(), out);
            out.extend_from_slice(b"PLAIN");
            out.extend_from_slice(message.as_bytes());
            replies += 1;
        }
        // A server that wants a password, or speaks something else, says so here and not in the middle of the run.
        write_head(NOOP, 0, 0, 0, out);
        replies
    }
}

impl KeyValue for MemcacheBinary {
    #[inline]
    fn write_get(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>) {
        write_head(GET, 0, key_size, 0, out);
        key(out);
    }

    #[inline]
    fn write_get_many(&self, keys: &[u64], format: &KeyFormat, out: &mut Vec<u8>) {
        for key in keys {
            write_head(GETKQ, 0, format.size(), 0, out);
            format.write(*key, out);
        }
        write_head(NOOP, 0, 0, 0, out);
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
        write_head(SET, 8, key_size, value_size, out);
        // Flags, then the time to live.
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(exptime(ttl_ms) as u32).to_be_bytes());
        key(out);
        let start = out.len();
        value(out);
        debug_assert_eq!(out.len() - start, value_size);
    }

    #[inline]
    fn write_delete(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>) {
        write_head(DELETE, 0, key_size, 0, out);
        key(out);
    }
}

/// Of a reply's head, what matters here.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    code: u8,
    status: u16,
    extras_size: usize,
    key_size: usize,
    value_size: u64,
}

impl Head {
    /// `None`: no head, or sizes that contradict one another.
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD_SIZE] = bytes.try_into().ok()?;
        let size = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let body_size = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        let (extras_size, key_size) = (usize::from(bytes[4]), usize::from(size(2)));
        let value_size = u64::from(body_size).checked_sub((extras_size + key_size) as u64)?;
        (bytes[0] == RESPONSE && value_size <= VALUE_SIZE_MAX).then_some(Self {
            code: bytes[1],
            status: size(6),
            extras_size,
            key_size,
            value_size,
        })
    }

    fn is_error(self, operation: Operation) -> bool {
        match operation {
            Operation::Get | Operation::Delete => ![SUCCESS, KEY_NOT_FOUND].contains(&self.status),
            _ => self.status != SUCCESS,
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
enum Stage {
    #[default]
    Head,
    /// Extras, key and, of a refusal, the text.
    Rest(Head),
    Value(Head),
}

/// The skimmer of replies.
#[derive(Debug, Default)]
pub struct MemcacheBinaryReader {
    partial: Partial,
    stage: Stage,
    value: Value,
    /// The key of the last hit; empty where the reply names none.
    key: Vec<u8>,
    /// A key of a read of several was refused, which is said when the read ends.
    refused: bool,
    error: String,
}

impl ReplyReader for MemcacheBinaryReader {
    #[inline]
    fn next(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        mut body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String> {
        loop {
            match self.stage {
                Stage::Head => {
                    let Some(bytes) = self.partial.block(input, HEAD_SIZE) else {
                        return Ok(None);
                    };
                    let head = Head::read(bytes)
                        .filter(|head| belongs(head.code, asked))
                        .ok_or_else(|| unexpected(bytes, asked.operation))?;
                    if head.is_error(asked.operation) && head.value_size > LINE_SIZE_MAX as u64 {
                        return Err("a refusal without an end".into());
                    }
                    self.stage = Stage::Rest(head);
                }
                Stage::Rest(head) => {
                    let mut size = head.extras_size + head.key_size;
                    if head.is_error(asked.operation) {
                        size += head.value_size as usize;
                    }
                    let Some(bytes) = self.partial.block(input, size) else {
                        return Ok(None);
                    };
                    let (key, text) = bytes[head.extras_size..].split_at(head.key_size);
                    if head.is_error(asked.operation) {
                        self.stage = Stage::Head;
                        self.error.clear();
                        self.error.push_str(&String::from_utf8_lossy(text));
                        self.error += &format!(" (status {:#04x})", head.status);
                        if asked.keys == 1 {
                            return Ok(Some(Reply::Refused));
                        }
                        // The NOOP behind the keys of one read is answered whatever became of them.
                        self.refused = true;
                        continue;
                    }
                    self.key.clear();
                    self.key.extend_from_slice(key);
                    self.value.begin(head.value_size, false);
                    self.stage = Stage::Value(head);
                }
                Stage::Value(head) => {
                    // The text that explains a miss is no value.
                    let wanted = head.code != NOOP && head.status == SUCCESS;
                    let body = body.take_if(|_| wanted && asked.operation == Operation::Get);
                    if !self.value.skim(input, body)? {
                        return Ok(None);
                    }
                    self.stage = Stage::Head;
                    if let Some(reply) = self.reply(head, asked) {
                        return Ok(Some(reply));
                    }
                }
            }
        }
    }

    fn key(&self) -> Option<&[u8]> {
        (!self.key.is_empty()).then_some(&self.key)
    }

    fn error_text(&self) -> &str {
        &self.error
    }
}

/// Whether a reply of this code may answer what was asked.
#[inline]
fn belongs(code: u8, asked: Asked) -> bool {
    match asked.operation {
        Operation::Get if asked.keys > 1 => code == GETKQ || code == NOOP,
        Operation::Get => code == GET,
        Operation::Set => code == SET,
        Operation::Delete => code == DELETE,
        Operation::Login => code == SASL_AUTH || code == NOOP,
        Operation::Command(_) | Operation::Prefill => false,
    }
}

impl MemcacheBinaryReader {
    /// What a whole reply without an error means. `None`: a miss of a read of several, which its end tells of.
    #[inline]
    fn reply(&mut self, head: Head, asked: Asked) -> Option<Reply> {
        let found = head.status == SUCCESS;
        match asked.operation {
            Operation::Get if head.code == NOOP && std::mem::take(&mut self.refused) => {
                Some(Reply::Refused)
            }
            Operation::Get if head.code == NOOP => Some(Reply::End),
            Operation::Get if found => Some(Reply::Hit),
            Operation::Get => (asked.keys == 1).then_some(Reply::Miss),
            Operation::Delete => Some(Reply::Deleted(found)),
            _ => Some(Reply::Stored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::stream_test::{self as stream, cut_everywhere, wrong};

    fn reply(code: u8, status: u16, extras: &[u8], key: &str, value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write_head(code, extras.len() as u8, key.len(), value.len(), &mut out);
        out[0] = RESPONSE;
        out[6..8].copy_from_slice(&status.to_be_bytes());
        out.extend_from_slice(extras);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value.as_bytes());
        out
    }

    #[test]
    fn replies_cut_at_every_two_bytes_read_the_same() {
        let bytes = [
            reply(SASL_AUTH, 0, b"", "", "Authenticated"),
            reply(NOOP, 0, b"", "", ""),
            reply(SET, 0, b"", "", ""),
            reply(GET, 0, b"\0\0\0\0", "", "hello"),
            reply(GET, 1, b"", "", "Not found"),
            reply(DELETE, 0, b"", "", ""),
            reply(DELETE, 1, b"", "", "Not found"),
            reply(SET, 3, b"", "", "Too large."),
            reply(GETKQ, 0, b"\0\0\0\x07", "b", "x\r\n"),
            reply(GETKQ, 0, b"\0\0\0\0", "cc", ""),
            reply(NOOP, 0, b"", "", ""),
            reply(NOOP, 0, b"", "", ""),
            reply(GETKQ, 0, b"\0\0\0\0", "d", "y"),
            reply(GETKQ, 0x82, b"", "", "Out of memory"),
            reply(NOOP, 0, b"", "", ""),
            reply(GET, 0x84, b"", "", ""),
        ];
        let read = cut_everywhere::<MemcacheBinaryReader>(
            &bytes.concat(),
            &[
                stream::LOGIN,
                stream::LOGIN,
                stream::SET,
                stream::GET,
                stream::GET,
                stream::DELETE,
                stream::DELETE,
                stream::SET,
                stream::GET_MANY,
                stream::GET_MANY,
                stream::GET_MANY,
                stream::GET,
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
                Reply::Hit,
                Reply::Hit,
                Reply::End,
                Reply::End,
                Reply::Hit,
                Reply::Refused,
                Reply::Refused,
            ]
        );
        assert_eq!(read.body, b"hellox\r\ny");
        assert_eq!(read.keys, ["b", "cc", "d"]);
        assert_eq!(
            read.errors,
            [
                "Too large. (status 0x03)",
                "Out of memory (status 0x82)",
                " (status 0x84)"
            ]
        );
    }

    #[test]
    fn what_does_not_fit_the_request_is_an_error() {
        let mut contradiction = reply(GET, 0, b"\0\0\0\0", "", "hello");
        contradiction[11] = 3;
        let mut huge = reply(GET, 0, b"\0\0\0\0", "", "");
        huge[8] = 0xff;
        let mut endless = reply(SET, 4, b"", "", "");
        endless[10] = 0xff;
        for (asked, bytes) in [
            (stream::GET, reply(SET, 0, b"", "", "")),
            (stream::GET, reply(NOOP, 0, b"", "", "")),
            (stream::GET_MANY, reply(GET, 0, b"\0\0\0\0", "", "x")),
            (stream::SET, reply(GET, 0, b"\0\0\0\0", "", "x")),
            (stream::DELETE, reply(SET, 0, b"", "", "")),
            (
                stream::LOGIN,
                b"ERROR\r\nERROR\r\nERROR\r\nERROR\r\n".to_vec(),
            ),
            (stream::GET, contradiction),
            (stream::GET, huge),
            (stream::SET, endless),
        ] {
            assert!(wrong::<MemcacheBinaryReader>(&bytes, asked), "{bytes:?}");
        }
    }

    #[test]
    fn requests_have_a_head_of_24_bytes() {
        let mut out = Vec::new();
        let key = |out: &mut Vec<u8>| out.extend_from_slice(b"key");
        MemcacheBinary.write_set(
            key,
            3,
            |out| out.extend_from_slice(b"va"),
            2,
            1_500,
            &mut out,
        );
        let head = b"\x80\x01\x00\x03\x08\x00\x00\x00\x00\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(out[..24], head[..]);
        assert_eq!(&out[24..], b"\0\0\0\0\0\0\0\x02keyva");
        out.clear();
        MemcacheBinary.write_get(key, 3, &mut out);
        MemcacheBinary.write_delete(key, 3, &mut out);
        assert_eq!(
            (out.len(), out[1], out[27 + 1], out[11]),
            (54, GET, DELETE, 3)
        );
        out.clear();
        let format = KeyFormat::new("k", 3, 100).unwrap();
        MemcacheBinary.write_get_many(&[1, 23], &format, &mut out);
        assert_eq!(
            (out.len(), out[1], out[28], out[55]),
            (78, GETKQ, GETKQ, NOOP)
        );
        assert_eq!((&out[24..27], &out[51..54]), (&b"k01"[..], &b"k23"[..]));
    }

    #[test]
    fn the_login_is_sasl_plain() {
        let login = Login {
            user: Some("me".into()),
            password: Some("secret".into()),
            database: 0,
        };
        let mut out = Vec::new();
        assert_eq!(MemcacheBinary.write_login(&login, &mut out), 2);
        assert_eq!((out[1], out[3], out[11]), (SASL_AUTH, 5, 15));
        assert_eq!(&out[24..39], b"PLAIN\0me\0secret");
        assert_eq!((out.len(), out[39 + 1]), (63, NOOP));
        out.clear();
        assert_eq!(MemcacheBinary.write_login(&Login::default(), &mut out), 1);
    }
}
