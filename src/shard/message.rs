//! What one shard sends another in one turn: requests to execute and responses to deliver, written flat into two byte buffers (a hop costs one copy
//! and no allocation), and rare envelopes for everything that is not a plain command.
//!
//! A request: a fixed header, the ranges of its arguments, the bytes they point into. A response: a header, the reply's bytes. Large arguments and
//! values travel beside them by reference. The buffers never leave the process, so their layout is the machine's.

use super::operation::Envelope;
use crate::engine::Client;
use crate::large::{LargeBuffer, LargeBytes};
use crate::protocol::args::{Args, IN_LARGE, Range};
use crate::protocol::resp::{Protocol, Reply};

/// Who waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyTo {
    /// A connection of the sender: its token, and the place among its replies.
    Connection {
        /// The token's bits.
        token: u64,
        /// The place.
        place: u32,
    },
    /// An operation of the sender that gathers several replies.
    Operation {
        /// Its number.
        id: u32,
        /// Which of its parts.
        part: u32,
    },
}

const OPERATION: u64 = 1 << 63;

impl ReplyTo {
    fn encode(self) -> (u64, u32) {
        match self {
            ReplyTo::Connection { token, place } => (token, place),
            ReplyTo::Operation { id, part } => (OPERATION | u64::from(id), part),
        }
    }
    fn decode(target: u64, place: u32) -> ReplyTo {
        if target & OPERATION != 0 {
            ReplyTo::Operation {
                id: target as u32,
                part: place,
            }
        } else {
            ReplyTo::Connection {
                token: target,
                place,
            }
        }
    }
}

/// The client behind a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client.
    pub client: Client,
    /// It is to be told when the keys change that the request reads.
    pub is_tracked: bool,
}

/// The circumstances of a hopping request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// Who waits for the reply.
    pub reply_to: ReplyTo,
    /// Index in the command table.
    pub command: u16,
    /// The selected database.
    pub db: u32,
    /// How the reply is to be written.
    pub protocol: Protocol,
    /// Who has sent it.
    pub origin: Origin,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// It belongs to a transaction that holds what it needs: it waits for nobody, neither for locks nor as a blocking command.
    pub locked: bool,
    /// The reply waits until what the request has changed is durable.
    pub awaits: bool,
    /// The transaction's time, Unix milliseconds: nothing expires while it lasts. 0 for what belongs to none.
    pub time_ms: i64,
}

/// Bytes of an encoded request header.
const REQUEST_HEADER: usize = 48;
/// Bytes of an encoded response header.
const RESPONSE_HEADER: usize = 20;
const RANGE: usize = size_of::<Range>();

/// What one shard tells another in one turn.
#[derive(Debug)]
pub struct Message {
    /// The sender.
    pub from: usize,
    /// With which of the sender's batches it is sent, see [`super::mesh`]; 0: by itself.
    pub batch: u64,
    /// Encoded requests.
    pub requests: Vec<u8>,
    /// Encoded responses.
    pub responses: Vec<u8>,
    /// Large arguments of requests, in their order.
    pub large_arguments: Vec<Option<LargeBuffer>>,
    /// Large values of responses, in their order, with their positions in the reply.
    pub large_values: Vec<(usize, LargeBytes)>,
    /// Everything else; comes after the requests.
    pub envelopes: Vec<Envelope>,
}

/// A request found in a message.
#[derive(Debug, Clone, Copy)]
pub struct RequestView {
    /// Its circumstances.
    pub header: RequestHeader,
    /// Number of arguments.
    args: usize,
    /// Where the ranges begin.
    ranges_at: usize,
    /// Where the bytes begin.
    bytes_at: usize,
    /// Where the next request begins.
    end: usize,
    large_from: usize,
    large_until: usize,
}

impl Message {
    /// An empty message.
    pub fn new(from: usize) -> Message {
        Message {
            from,
            batch: 0,
            requests: Vec::new(),
            responses: Vec::new(),
            large_arguments: Vec::new(),
            large_values: Vec::new(),
            envelopes: Vec::new(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.responses.is_empty() && self.envelopes.is_empty()
    }

    /// Bytes of its requests.
    pub fn bytes_held(&self) -> usize {
        let large = self.large_arguments.iter().flatten();
        let large: usize = large.map(|large| large.as_slice().len()).sum();
        self.requests.len() + large
    }

    /// Empties it and keeps the buffers unless they have grown beyond `bytes_max`.
    pub fn clear(&mut self, from: usize, bytes_max: usize) {
        self.from = from;
        self.batch = 0;
        for buffer in [&mut self.requests, &mut self.responses] {
            if buffer.capacity() > bytes_max {
                *buffer = Vec::new();
            }
            buffer.clear();
        }
        self.large_arguments.clear();
        self.large_values.clear();
        self.envelopes.clear();
    }

    fn put_request_header(
        &mut self,
        header: &RequestHeader,
        args: usize,
        bytes: usize,
        large: usize,
    ) {
        let (target, place) = header.reply_to.encode();
        let flags = u8::from(header.protocol == Protocol::Resp3)
            | u8::from(header.no_touch) << 1
            | u8::from(header.locked) << 2
            | u8::from(header.origin.is_tracked) << 3
            | u8::from(header.awaits) << 4;
        let mut encoded = [0u8; REQUEST_HEADER];
        encoded[0..8].copy_from_slice(&target.to_le_bytes());
        encoded[8..12].copy_from_slice(&place.to_le_bytes());
        encoded[12..14].copy_from_slice(&header.command.to_le_bytes());
        encoded[14] = flags;
        encoded[15] = header.origin.client.shard as u8;
        encoded[16..20].copy_from_slice(&header.db.to_le_bytes());
        encoded[20..24].copy_from_slice(&(args as u32).to_le_bytes());
        encoded[24..28].copy_from_slice(&(bytes as u32).to_le_bytes());
        encoded[28..32].copy_from_slice(&(large as u32).to_le_bytes());
        encoded[32..40].copy_from_slice(&header.time_ms.to_le_bytes());
        encoded[40..48].copy_from_slice(&header.origin.client.token.to_le_bytes());
        self.requests.extend_from_slice(&encoded);
    }

    fn put_range(&mut self, offset: usize, length: usize) {
        self.requests
            .extend_from_slice(&(offset as u32).to_le_bytes());
        self.requests
            .extend_from_slice(&(length as u32).to_le_bytes());
    }

    /// Adds a whole request as it was received: its bytes with its ranges.
    pub fn push_request(&mut self, header: &RequestHeader, args: Args<'_>, bytes: usize) {
        let large_count = args.large.iter().filter(|large| large.is_some()).count();
        assert!(
            large_count == args.large.len(),
            "no large argument was taken before the hop"
        );
        self.put_request_header(header, args.len(), bytes, large_count);
        for range in args.ranges {
            self.put_range(range.offset as usize, range.length as usize);
        }
        self.requests.extend_from_slice(&args.buffer[..bytes]);
        self.large_arguments
            .extend(args.large.iter_mut().map(Option::take));
    }

    /// Adds a request made of chosen arguments.
    pub fn push_words<'a>(
        &mut self,
        header: &RequestHeader,
        words: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        let (count, bytes) = words.clone().fold((0, 0), |(count, bytes), word| {
            (count + 1, bytes + word.len())
        });
        self.put_request_header(header, count, bytes, 0);
        let mut offset = 0;
        for word in words.clone() {
            self.put_range(offset, word.len());
            offset += word.len();
        }
        for word in words {
            self.requests.extend_from_slice(word);
        }
    }

    /// The request that begins at `at`; None at the end. `large_from` is where the large arguments of the one before ended.
    pub fn request(&self, at: usize, large_from: usize) -> Option<RequestView> {
        let encoded: &[u8; REQUEST_HEADER] = self.requests.get(at..)?.first_chunk()?;
        let u32_at =
            |at: usize| u32::from_le_bytes(encoded[at..at + 4].try_into().expect("four bytes"));
        let target = u64::from_le_bytes(encoded[0..8].try_into().expect("eight bytes"));
        let token = u64::from_le_bytes(encoded[40..48].try_into().expect("eight bytes"));
        let args = u32_at(20) as usize;
        let ranges_at = at + REQUEST_HEADER;
        let bytes_at = ranges_at + args * RANGE;
        Some(RequestView {
            header: RequestHeader {
                reply_to: ReplyTo::decode(target, u32_at(8)),
                command: u16::from_le_bytes([encoded[12], encoded[13]]),
                db: u32_at(16),
                protocol: if encoded[14] & 1 != 0 {
                    Protocol::Resp3
                } else {
                    Protocol::Resp2
                },
                origin: Origin {
                    client: Client {
                        shard: encoded[15].into(),
                        token,
                    },
                    is_tracked: encoded[14] & 8 != 0,
                },
                no_touch: encoded[14] & 2 != 0,
                locked: encoded[14] & 4 != 0,
                awaits: encoded[14] & 16 != 0,
                time_ms: i64::from_le_bytes(encoded[32..40].try_into().expect("eight bytes")),
            },
            args,
            ranges_at,
            bytes_at,
            end: bytes_at + u32_at(24) as usize,
            large_from,
            large_until: large_from + u32_at(28) as usize,
        })
    }

    /// The arguments of a request; `ranges` is scratch space.
    pub fn args<'a>(&'a mut self, view: &RequestView, ranges: &'a mut Vec<Range>) -> Args<'a> {
        ranges.clear();
        let (encoded, _) = self.requests[view.ranges_at..view.bytes_at].as_chunks::<RANGE>();
        ranges.extend(encoded.iter().map(|range| Range {
            offset: u32::from_le_bytes([range[0], range[1], range[2], range[3]]),
            length: u32::from_le_bytes([range[4], range[5], range[6], range[7]]),
        }));
        debug_assert_eq!(ranges.len(), view.args);
        Args {
            buffer: &self.requests[view.bytes_at..view.end],
            ranges,
            large: &mut self.large_arguments[view.large_from..view.large_until],
        }
    }

    /// One argument of a request, unless it is a large one.
    pub fn argument(&self, view: &RequestView, index: usize) -> Option<&[u8]> {
        let at = view.ranges_at + index * RANGE;
        let range = self
            .requests
            .get(at..at + RANGE)
            .filter(|_| index < view.args)?;
        let offset = u32::from_le_bytes([range[0], range[1], range[2], range[3]]);
        let length = u32::from_le_bytes([range[4], range[5], range[6], range[7]]) as usize;
        if offset == IN_LARGE {
            return None;
        }
        let start = view.bytes_at + offset as usize;
        Some(&self.requests[start..start + length])
    }

    /// Adds a response.
    pub fn push_response(&mut self, reply_to: ReplyTo, reply: &Reply) {
        let (target, place) = reply_to.encode();
        let mut encoded = [0u8; RESPONSE_HEADER];
        encoded[0..8].copy_from_slice(&target.to_le_bytes());
        encoded[8..12].copy_from_slice(&place.to_le_bytes());
        encoded[12..16].copy_from_slice(&(reply.bytes.len() as u32).to_le_bytes());
        encoded[16..20].copy_from_slice(&(reply.large.len() as u32).to_le_bytes());
        self.responses.extend_from_slice(&encoded);
        self.responses.extend_from_slice(&reply.bytes);
        self.large_values.extend(reply.large.iter().cloned());
    }

    /// Visits every response: who waits, the reply's bytes, its large values.
    pub fn for_each_response(&self, mut visit: impl FnMut(ReplyTo, &[u8], &[(usize, LargeBytes)])) {
        let mut at = 0;
        let mut large_from = 0;
        while let Some(encoded) = self
            .responses
            .get(at..)
            .and_then(<[u8]>::first_chunk::<RESPONSE_HEADER>)
        {
            let u32_at =
                |at: usize| u32::from_le_bytes(encoded[at..at + 4].try_into().expect("four bytes"));
            let target = u64::from_le_bytes(encoded[0..8].try_into().expect("eight bytes"));
            let start = at + RESPONSE_HEADER;
            at = start + u32_at(12) as usize;
            let large_until = large_from + u32_at(16) as usize;
            let reply_to = ReplyTo::decode(target, u32_at(8));
            visit(
                reply_to,
                &self.responses[start..at],
                &self.large_values[large_from..large_until],
            );
            large_from = large_until;
        }
    }
}

impl RequestView {
    /// Where the next request begins, in bytes and among the large arguments.
    pub fn next(&self) -> (usize, usize) {
        (self.end, self.large_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(reply_to: ReplyTo) -> RequestHeader {
        RequestHeader {
            reply_to,
            command: 7,
            db: 3,
            protocol: Protocol::Resp3,
            origin: Origin {
                client: Client {
                    shard: 127,
                    token: 0xab_cdef_0123,
                },
                is_tracked: true,
            },
            no_touch: true,
            locked: true,
            awaits: true,
            time_ms: 1_700_000_000_123,
        }
    }

    #[test]
    fn requests_come_out_as_they_went_in() {
        let mut message = Message::new(1);
        let connection = header(ReplyTo::Connection {
            token: 0xab_cdef_0123,
            place: 9,
        });
        let buffer = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        let ranges = [
            Range {
                offset: 8,
                length: 3,
            },
            Range {
                offset: 17,
                length: 1,
            },
        ];
        message.push_request(
            &connection,
            Args {
                buffer,
                ranges: &ranges,
                large: &mut [],
            },
            buffer.len(),
        );
        let operation = RequestHeader {
            locked: false,
            ..header(ReplyTo::Operation { id: 4, part: 2 })
        };
        message.push_words(&operation, [&b"DEL"[..], b"", b"key"].into_iter());
        let first = message.request(0, 0).unwrap();
        assert_eq!(first.header, connection);
        assert_eq!(message.argument(&first, 1), Some(&b"k"[..]));
        let (at, large) = first.next();
        let second = message.request(at, large).unwrap();
        assert_eq!(second.header, operation);
        let mut scratch = Vec::new();
        let args = message.args(&second, &mut scratch);
        assert_eq!(
            (args.len(), args.get(0), args.get(1), args.get(2)),
            (3, &b"DEL"[..], &b""[..], &b"key"[..])
        );
        let (at, large) = second.next();
        assert!(message.request(at, large).is_none());
    }

    #[test]
    fn responses_come_out_as_they_went_in() {
        let mut message = Message::new(1);
        for (place, text) in [(1, "+OK\r\n"), (2, ""), (3, ":12\r\n")] {
            let mut reply = Reply::new(Protocol::Resp2);
            reply.bytes.extend_from_slice(text.as_bytes());
            message.push_response(ReplyTo::Connection { token: 5, place }, &reply);
        }
        let mut seen = Vec::new();
        message.for_each_response(|to, bytes, large| {
            assert!(large.is_empty());
            seen.push((to, bytes.to_vec()));
        });
        assert_eq!(seen.len(), 3);
        assert_eq!(
            seen[2],
            (
                ReplyTo::Connection { token: 5, place: 3 },
                b":12\r\n".to_vec()
            )
        );
    }
}
