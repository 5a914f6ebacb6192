//! Requests and replies with large arguments, through the whole path.

use super::reader;
use super::*;
use crate::large::LargeBuffer;
use crate::limits::LARGE_BYTES_MIN;
use proptest::prelude::*;

/// Plays the caller's part of the contract: keeps the head, fills the large argument, goes on with what follows.
fn receive(parser: &mut Parser, bytes: &[u8], piece: usize) -> Vec<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    for piece in bytes.chunks(piece) {
        let taken = parser.fill_large(piece);
        pending.extend_from_slice(&piece[taken..]);
        while !parser.wants_large() {
            match parser.parse(&pending).expect("a well-formed request") {
                Step::Request { consumed } => {
                    let args = parser.args(&pending);
                    requests.push((0..args.len()).map(|index| args[index].to_vec()).collect());
                    parser.next_request();
                    pending.drain(..consumed);
                }
                Step::Incomplete => break,
                Step::Large { head } => {
                    let taken = parser.fill_large(&pending[head..]);
                    pending.drain(head..head + taken);
                }
            }
        }
    }
    assert!(pending.is_empty() && !parser.wants_large());
    requests
}

fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

fn encoded(args: &[Vec<u8>]) -> Vec<u8> {
    let mut reply = Reply::new(Protocol::Resp2);
    reply.array(args.len());
    for arg in args {
        reply.bulk(arg);
    }
    reply.bytes
}

#[test]
fn large_arguments_go_the_large_way() {
    let requests = vec![
        vec![
            b"SET".to_vec(),
            b"key".to_vec(),
            patterned(LARGE_BYTES_MIN),
            b"EX".to_vec(),
            b"10".to_vec(),
        ],
        vec![b"GET".to_vec(), b"key".to_vec()],
        vec![
            b"MSET".to_vec(),
            patterned(LARGE_BYTES_MIN + 1),
            patterned(LARGE_BYTES_MIN - 1),
            b"b".to_vec(),
            patterned(3 * LARGE_BYTES_MIN),
        ],
    ];
    let bytes: Vec<u8> = requests.iter().flat_map(|args| encoded(args)).collect();
    for piece in [1, 1000, 16 * 1024, LARGE_BYTES_MIN + 7, bytes.len()] {
        assert_eq!(
            receive(&mut Parser::new(), &bytes, piece),
            requests,
            "in pieces of {piece} bytes"
        );
    }
}

#[test]
fn a_large_argument_can_be_taken() {
    let value = patterned(LARGE_BYTES_MIN);
    let bytes = encoded(&[b"SET".to_vec(), b"key".to_vec(), value.clone()]);
    let mut parser = Parser::new();
    let Ok(Step::Large { head }) = parser.parse(&bytes) else {
        panic!("the value is large")
    };
    assert_eq!(&bytes[head..head + 3], &value[..3]);
    assert_eq!(parser.fill_large(&bytes[head..]), LARGE_BYTES_MIN);
    assert!(parser.bytes_held() >= LARGE_BYTES_MIN);
    let rest = [&bytes[..head], b"\r\n"].concat();
    assert_eq!(parser.parse(&rest[..head + 1]), Ok(Step::Incomplete));
    assert_eq!(
        parser.parse(&rest),
        Ok(Step::Request { consumed: head + 2 })
    );
    let mut args = parser.args(&rest);
    assert!(args.take_large(1).is_none());
    assert_eq!(
        args.take_large(2).expect("a large one").as_slice(),
        &value[..]
    );
    assert!(args.take_large(2).is_none());
    parser.next_request();
    assert!(parser.bytes_held() < 1000);
}

#[test]
fn a_large_announcement_is_not_memory_held() {
    let mut parser = Parser::new();
    assert_eq!(
        parser.parse(b"*1\r\n$536870912\r\n"),
        Ok(Step::Large { head: 16 })
    );
    assert_eq!(parser.fill_large(b"abc"), 3);
    assert!(parser.bytes_held() < 1000, "{}", parser.bytes_held());
    parser.next_request();
    assert!(!parser.wants_large());
}

#[test]
fn large_values_in_replies_are_found_and_moved() {
    let mut buffer = LargeBuffer::zeroed(LARGE_BYTES_MIN).expect("memory");
    buffer.as_mut_slice().fill(b'x');
    let large = buffer.freeze();
    let mut from = Reply::new(Protocol::Resp2);
    from.array(3);
    from.bulk(b"a");
    from.bulk_large(&large);
    from.null();
    assert_eq!(
        from.len(),
        b"*3\r\n$1\r\na\r\n$65536\r\n\r\n$-1\r\n".len() + LARGE_BYTES_MIN
    );
    let elements = reader::elements(&from).expect("an array");
    let mut to = Reply::new(Protocol::Resp2);
    to.ok();
    to.append(&from, &elements[1]);
    to.append(&from, &elements[2]);
    assert_eq!(to.bytes, b"+OK\r\n$65536\r\n\r\n$-1\r\n");
    assert_eq!(to.large.len(), 1);
    assert_eq!(to.large[0].0, b"+OK\r\n$65536\r\n".len());
    assert_eq!(reader::replies(&to).expect("three replies").len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_mixture_in_any_pieces(lens in proptest::collection::vec(prop_oneof![0usize..100, LARGE_BYTES_MIN - 2..LARGE_BYTES_MIN + 3], 1..6), piece in 1usize..70_000) {
        let args: Vec<Vec<u8>> = lens.iter().map(|&len| patterned(len)).collect();
        let requests = vec![args.clone(), args];
        let bytes: Vec<u8> = requests.iter().flat_map(|args| encoded(args)).collect();
        prop_assert_eq!(receive(&mut Parser::new(), &bytes, piece), requests);
    }
}
