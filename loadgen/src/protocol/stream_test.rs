//! What the tests of all readers share: a stream of replies, read whole and cut at every two places.

use super::{Asked, Operation, Reply, ReplyReader};

const fn asked(operation: Operation, keys: u32) -> Asked {
    Asked { operation, keys }
}

/// A login.
pub const LOGIN: Asked = asked(Operation::Login, 1);
/// A read of one key.
pub const GET: Asked = asked(Operation::Get, 1);
/// A read of three keys.
pub const GET_MANY: Asked = asked(Operation::Get, 3);
/// A write.
pub const SET: Asked = asked(Operation::Set, 1);
/// A deletion.
pub const DELETE: Asked = asked(Operation::Delete, 1);

/// What a reader made of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The replies.
    pub replies: Vec<Reply>,
    /// The values of all hits, one behind the other.
    pub body: Vec<u8>,
    /// The keys that hits named.
    pub keys: Vec<String>,
    /// The texts of the refusals.
    pub errors: Vec<String>,
}

fn read<R: ReplyReader>(pieces: &[&[u8]], requests: &[Asked]) -> Read {
    let (mut reader, mut read) = (R::default(), Read::default());
    let (mut request, mut answered) = (0, 0);
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            let asked = requests[request];
            let Some(reply) = reader
                .next(&mut piece, asked, Some(&mut read.body))
                .unwrap()
            else {
                continue;
            };
            read.replies.push(reply);
            let named = reply == Reply::Hit && reader.key().is_some();
            if named {
                let key = reader.key().unwrap().to_vec();
                read.keys.push(String::from_utf8(key).unwrap());
            } else {
                answered += 1;
            }
            if reply == Reply::Refused {
                read.errors.push(reader.error_text().into());
            }
            // A hit that names its key is followed by more.
            if matches!(reply, Reply::End | Reply::Refused) || (!named && answered == asked.keys) {
                (request, answered) = (request + 1, 0);
            }
        }
    }
    assert_eq!(request, requests.len(), "every request was answered");
    read
}

/// Reads a stream whole, and makes sure that pieces cut at every two places read the same.
pub fn cut_everywhere<R: ReplyReader>(stream: &[u8], requests: &[Asked]) -> Read {
    let whole = read::<R>(&[stream], requests);
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
            let cut = read::<R>(&pieces, requests);
            assert_eq!(cut, whole, "cut at {first} and {second}");
        }
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read::<R>(&bytes, requests), whole, "byte by byte");
    whole
}

/// Whether a reader finds something wrong with a reply.
pub fn wrong<R: ReplyReader>(reply: &[u8], asked: Asked) -> bool {
    let (mut reader, mut input) = (R::default(), reply);
    while !input.is_empty() {
        if reader.next(&mut input, asked, None).is_err() {
            return true;
        }
    }
    false
}
