use super::*;
use proptest::prelude::*;

/// A request as a client writes it.
fn request(code: u8, extras: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![MAGIC_REQUEST, code];
    bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[extras.len() as u8, 0, 0x12, 0x34]);
    bytes.extend_from_slice(&((extras.len() + key.len() + value.len()) as u32).to_be_bytes());
    bytes.extend_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
    bytes.extend_from_slice(&7u64.to_be_bytes());
    for part in [extras, key, value] {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A header with lengths that need not agree.
fn header(code: u8, key: u16, extras: u8, body: u32) -> Vec<u8> {
    let mut bytes = vec![MAGIC_REQUEST, code];
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&[extras, 0, 0, 0]);
    bytes.extend_from_slice(&body.to_be_bytes());
    bytes.extend_from_slice(&[0; 12]);
    bytes
}

/// A request that came out: the operation, extras, key and value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen(u8, Vec<u8>, Vec<u8>, Vec<u8>);

fn seen(code: u8, extras: &[u8], key: &[u8], value: &[u8]) -> Seen {
    Seen(code, extras.to_vec(), key.to_vec(), value.to_vec())
}

/// Plays the caller's part: bytes come in pieces that end at `ends`, and at the end. Stops behind a request that closes the connection.
fn receive(
    parser: &mut Parser,
    bytes: &[u8],
    ends: &[usize],
) -> (Vec<Seen>, usize, Option<String>) {
    let mut requests = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    let mut start = 0;
    for &end in ends.iter().chain([&bytes.len()]) {
        let piece = &bytes[start..end];
        start = end;
        let taken = parser.fill_large(piece);
        pending.extend_from_slice(&piece[taken..]);
        while !parser.wants_large() {
            match parser.parse(&pending) {
                Ok(Step::Request { consumed }) => {
                    assert!(consumed > 0 && consumed <= pending.len());
                    assert_eq!(parser.parse(&pending), Ok(Step::Request { consumed }));
                    let code = parser.opcode();
                    let args = parser.args(&pending);
                    if !args.is_empty() {
                        assert_eq!((args.len(), args[0].len()), (4, HEADER_BYTES));
                        requests.push(seen(code, &args[1], &args[2], &args[3]));
                    }
                    let count = args.len();
                    assert_eq!(parser.ranges().len(), count);
                    parser.next_request();
                    pending.drain(..consumed);
                    if count > 0
                        && (opcode::REFUSED_LENGTHS..=opcode::REFUSED_UNAUTHENTICATED)
                            .contains(&code)
                    {
                        return (requests, 0, None);
                    }
                }
                Ok(Step::Incomplete) => break,
                Ok(Step::Large { head }) => {
                    let taken = parser.fill_large(&pending[head..]);
                    pending.drain(head..head + taken);
                }
                Err(error) => return (requests, pending.len(), Some(error.0.into_owned())),
            }
        }
    }
    (requests, pending.len(), None)
}

/// All operations that a client may name, with lengths that fit.
fn all_operations() -> Vec<(u8, usize, bool, bool)> {
    use opcode::*;
    let mut all = Vec::new();
    for code in [GET, GETQ, GETK, GETKQ, DELETE, DELETEQ] {
        all.push((code, 0, true, false));
    }
    for code in [SET, SETQ, ADD, ADDQ, REPLACE, REPLACEQ] {
        all.push((code, 8, true, true));
    }
    for code in [INCREMENT, INCREMENTQ, DECREMENT, DECREMENTQ] {
        all.push((code, 20, true, false));
    }
    for code in [APPEND, APPENDQ, PREPEND, PREPENDQ] {
        all.push((code, 0, true, true));
    }
    for code in [TOUCH, GAT, GATQ, GATK, GATKQ] {
        all.push((code, 4, true, false));
    }
    for code in [NOOP, VERSION, QUIT, QUITQ, SASL_LIST] {
        all.push((code, 0, false, false));
    }
    for code in [FLUSH, FLUSHQ] {
        all.push((code, 4, false, false));
        all.push((code, 0, false, false));
    }
    all.push((STAT, 0, true, false));
    all.push((STAT, 0, false, false));
    all.push((SASL_AUTH, 0, true, true));
    all.push((SASL_STEP, 0, true, true));
    all
}

#[test]
fn every_operation_comes_out_whole_at_every_cut() {
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for (code, extras, keyed, valued) in all_operations() {
        let extras = &b"0123456789abcdefghij"[..extras];
        let key: &[u8] = if keyed { b"key" } else { b"" };
        let value: &[u8] = if valued { b"va\0lue" } else { b"" };
        bytes.extend(request(code, extras, key, value));
        expected.push(seen(code, extras, key, value));
    }
    // Bodies that nobody looks at.
    bytes.extend(request(0x55, b"extra", b"key", b"value"));
    expected.push(seen(opcode::UNKNOWN, b"", b"", b""));
    bytes.extend(request(0x1b, b"\0\0\0\x01", b"", b""));
    expected.push(seen(opcode::UNKNOWN, b"", b"", b""));
    bytes.extend(request(opcode::TOUCH, b"\0\0\0\x01", b"key", b"surplus"));
    expected.push(seen(opcode::TOUCH, b"\0\0\0\x01", b"key", b""));
    bytes.extend(request(opcode::NOOP, b"", b"", b""));
    expected.push(seen(opcode::NOOP, b"", b"", b""));
    for cut in 0..=bytes.len() {
        assert_eq!(
            receive(&mut Parser::new(), &bytes, &[cut]),
            (expected.clone(), 0, None),
            "cut at {cut}"
        );
    }
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(
        receive(&mut Parser::new(), &bytes, &every),
        (expected, 0, None)
    );
}

#[test]
fn the_header_is_an_argument() {
    let bytes = request(opcode::GET, b"", b"key", b"");
    let mut parser = Parser::new();
    assert_eq!(parser.parse(&bytes), Ok(Step::Request { consumed: 27 }));
    assert_eq!(&parser.args(&bytes)[0], &bytes[..24]);
    assert_eq!(
        parser.ranges()[2],
        Range {
            offset: 24,
            length: 3
        }
    );
}

#[test]
fn wrong_lengths_are_refused() {
    use opcode::*;
    for (code, extras, keyed, valued) in all_operations() {
        let key: &[u8] = if keyed { b"key" } else { b"" };
        let given = |extras: usize, key: &[u8], value: &[u8]| {
            let bytes = request(code, &[0; 30][..extras], key, value);
            let (requests, _, error) = receive(&mut Parser::new(), &bytes, &[]);
            assert_eq!((requests.len(), error), (1, None));
            requests[0].0
        };
        assert_eq!(given(extras + 1, key, b""), REFUSED_INVALID, "0x{code:02x}");
        if keyed && code != STAT {
            assert_eq!(given(extras, b"", b""), REFUSED_INVALID, "0x{code:02x}");
        }
        if !keyed && code != STAT {
            assert_eq!(given(extras, b"k", b""), REFUSED_INVALID, "0x{code:02x}");
        }
        assert_eq!(
            given(extras, &[b'k'; 251], b""),
            REFUSED_INVALID,
            "0x{code:02x}"
        );
        if keyed {
            assert_eq!(given(extras, &[b'k'; 250], b""), code, "0x{code:02x}");
        }
        let ignores_value = matches!(code, TOUCH | GAT | GATQ | GATK | GATKQ | STAT);
        let with_value = given(extras, key, b"v");
        if valued || ignores_value {
            assert_eq!(with_value, code, "0x{code:02x}");
        } else {
            assert_eq!(with_value, REFUSED_INVALID, "0x{code:02x}");
        }
    }
    // An unknown operation has no shape, but its key has a limit all the same.
    for (bytes, expected) in [
        (header(GET, 3, 0, 2), REFUSED_LENGTHS),
        (header(SET, 3, 8, 10), REFUSED_LENGTHS),
        (header(0x77, 3, 8, 10), REFUSED_LENGTHS),
        (header(0x77, 251, 0, 300), REFUSED_INVALID),
        (header(0x77, 250, 255, 505), UNKNOWN),
        (header(0xf4, 0, 0, 0), UNKNOWN),
        (header(0xff, 0, 0, u32::MAX), UNKNOWN),
        (header(SET, u16::MAX, 8, u32::MAX), REFUSED_INVALID),
    ] {
        let (requests, _, error) = receive(&mut Parser::new(), &bytes, &[]);
        assert_eq!(
            (requests, error),
            (vec![seen(expected, b"", b"", b"")], None),
            "{bytes:?}"
        );
    }
}

#[test]
fn another_magic_is_an_error() {
    for bytes in [&b"get k\r\n"[..], b"\x81", b"\0", &[0x81; 24]] {
        let mut parser = Parser::new();
        assert!(parser.parse(bytes).is_err(), "{bytes:?}");
    }
    let mut bytes = request(opcode::NOOP, b"", b"", b"");
    bytes.push(b'g');
    let (requests, left, error) = receive(&mut Parser::new(), &bytes, &[]);
    assert_eq!((requests.len(), left), (1, 1));
    assert_eq!(
        error.expect("an error"),
        "invalid magic 0x67 of a binary request"
    );
}

fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

#[test]
fn large_values_go_the_large_way() {
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for len in [
        LARGE_BYTES_MIN,
        LARGE_BYTES_MIN - 1,
        3 * LARGE_BYTES_MIN + 1,
        1,
    ] {
        let value = patterned(len);
        bytes.extend(request(opcode::SET, b"flagstim", b"key", &value));
        expected.push(seen(opcode::SET, b"flagstim", b"key", &value));
        bytes.extend(request(opcode::GETQ, b"", b"k", b""));
        expected.push(seen(opcode::GETQ, b"", b"k", b""));
    }
    for piece in [1, 7, 1000, 16 * 1024, LARGE_BYTES_MIN + 7, bytes.len()] {
        let ends: Vec<usize> = (0..bytes.len()).step_by(piece).collect();
        assert_eq!(
            receive(&mut Parser::new(), &bytes, &ends),
            (expected.clone(), 0, None),
            "in pieces of {piece} bytes"
        );
    }
}

#[test]
fn a_large_value_can_be_taken_and_is_given_back() {
    let value = patterned(LARGE_BYTES_MIN);
    let bytes = request(opcode::ADD, b"flagstim", b"key", &value);
    let mut parser = Parser::new();
    assert_eq!(parser.parse(&bytes), Ok(Step::Large { head: 35 }));
    assert_eq!(parser.fill_large(&bytes[35..100]), 65);
    assert_eq!(parser.bytes_held(), 65);
    assert_eq!(parser.fill_large(&bytes[100..]), LARGE_BYTES_MIN - 65);
    assert!(!parser.wants_large());
    assert_eq!(parser.bytes_held(), LARGE_BYTES_MIN);
    let head = &bytes[..35];
    assert_eq!(parser.parse(head), Ok(Step::Request { consumed: 35 }));
    let mut args = parser.args(head);
    assert!(args.take_large(2).is_none());
    assert_eq!(args.take_large(3).expect("a large value").as_slice(), value);
    parser.next_request();
    assert_eq!((parser.bytes_held(), parser.wants_large()), (0, false));
    assert_eq!(parser.args(b"").large.len(), 0);
}

#[test]
fn an_announcement_is_not_memory_held() {
    let mut parser = Parser::new();
    let mut bytes = header(opcode::SET, 1, 8, 1 << 30);
    bytes.extend_from_slice(b"flagstimk");
    assert_eq!(parser.parse(&bytes), Ok(Step::Large { head: 33 }));
    assert_eq!(parser.fill_large(b"abc"), 3);
    assert_eq!(parser.bytes_held(), 3);
    parser.next_request();
    assert_eq!((parser.bytes_held(), parser.wants_large()), (0, false));
}

#[test]
fn too_large_a_value_is_skipped() {
    let mut parser = Parser::new();
    // As memcached counts, a key of three bytes leaves 62 bytes less for the value, and client flags take another four.
    parser.set_limits(162, true);
    let mut bytes = request(opcode::SET, b"\0\0\0\0time", b"key", &patterned(100));
    bytes.extend(request(
        opcode::ADD,
        b"\0\0\0\0time",
        b"key",
        &patterned(101),
    ));
    bytes.extend(request(opcode::PREPEND, b"", b"key", &patterned(100)));
    bytes.extend(request(opcode::SET, b"flagstim", b"key", &patterned(96)));
    bytes.extend(request(opcode::SETQ, b"flagstim", b"key", &patterned(97)));
    bytes.extend(request(opcode::APPEND, b"", b"key", &patterned(70_000)));
    bytes.extend(request(opcode::NOOP, b"", b"", b""));
    let expected = vec![
        seen(opcode::SET, b"\0\0\0\0time", b"key", &patterned(100)),
        seen(opcode::TOO_LARGE, b"\0\0\0\0time", b"key", b""),
        seen(opcode::PREPEND, b"", b"key", &patterned(100)),
        seen(opcode::SET, b"flagstim", b"key", &patterned(96)),
        seen(opcode::TOO_LARGE, b"flagstim", b"key", b""),
        seen(opcode::TOO_LARGE, b"", b"key", b""),
        seen(opcode::NOOP, b"", b"", b""),
    ];
    for piece in [1, 10, 1000, 100_000] {
        let ends: Vec<usize> = (0..bytes.len()).step_by(piece).collect();
        assert_eq!(
            receive(&mut parser, &bytes, &ends),
            (expected.clone(), 0, None),
            "in pieces of {piece} bytes"
        );
        assert_eq!(parser.bytes_held(), 0);
    }
    // The reply does not wait for the value.
    let bytes = request(opcode::SET, b"flagstim", b"key", &patterned(101));
    assert_eq!(
        parser.parse(&bytes[..35]),
        Ok(Step::Request { consumed: 35 })
    );
    parser.next_request();
    assert_eq!(parser.parse(b""), Ok(Step::Incomplete));
    assert_eq!(
        parser.parse(&bytes[35..40]),
        Ok(Step::Request { consumed: 5 })
    );
    assert!(parser.args(&bytes[35..40]).is_empty());
}

#[test]
fn an_unwanted_body_is_told_of() {
    let mut bytes = request(0x55, b"", b"key", b"value");
    let len = bytes.len();
    bytes.extend(request(opcode::NOOP, b"", b"", b""));
    let mut parser = Parser::new();
    // The request is given again until it is done with.
    for _ in 0..2 {
        assert_eq!(parser.parse(&bytes), Ok(Step::Request { consumed: 24 }));
        assert!(parser.skips());
    }
    parser.next_request();
    assert_eq!(
        parser.parse(&bytes[24..]),
        Ok(Step::Request { consumed: len - 24 })
    );
    assert!(parser.ranges().is_empty() && !parser.skips());
    parser.next_request();
    assert_eq!(
        parser.parse(&bytes[len..]),
        Ok(Step::Request { consumed: 24 })
    );
    assert_eq!((parser.opcode(), parser.skips()), (opcode::NOOP, false));
}

#[test]
fn strangers_have_narrow_limits() {
    let large = patterned(20_000);
    for code in [opcode::SET, opcode::SASL_AUTH, 0x55] {
        let extras: &[u8] = if code == opcode::SET {
            b"flagstim"
        } else {
            b""
        };
        let bytes = request(code, extras, b"PLAIN", &large);
        let mut parser = Parser::new();
        parser.set_limits(1 << 20, false);
        let (requests, ..) = receive(&mut parser, &bytes, &[]);
        assert_eq!(
            requests,
            [seen(opcode::REFUSED_UNAUTHENTICATED, b"", b"", b"")]
        );
    }
    // A SASL message that is too long for any mechanism comes out cut off, and the connection goes on.
    for authenticated in [false, true] {
        let mut parser = Parser::new();
        parser.set_limits(1 << 20, authenticated);
        let mut bytes = request(opcode::SASL_AUTH, b"", b"PLAIN", &large[..4100]);
        bytes.extend(request(opcode::SASL_AUTH, b"", b"PLAIN", &large[..4095]));
        assert_eq!(
            receive(&mut parser, &bytes, &[100]),
            (
                vec![
                    seen(opcode::SASL_AUTH, b"", b"PLAIN", &large[..4096]),
                    seen(opcode::SASL_AUTH, b"", b"PLAIN", &large[..4095]),
                ],
                0,
                None
            )
        );
    }
}

fn some_request() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop_oneof![0u8..0x26, any::<u8>()];
    let extras = prop_oneof![Just(0usize), Just(4), Just(8), Just(20), 0usize..256];
    let key = prop_oneof![0usize..5, 248usize..253];
    let value = prop_oneof![
        0usize..40,
        Just(0usize),
        LARGE_BYTES_MIN - 1..LARGE_BYTES_MIN + 2
    ];
    (codes, extras, key, value).prop_map(|(code, extras, key, value)| {
        request(code, &patterned(extras), &patterned(key), &patterned(value))
    })
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cuts in proptest::collection::vec(0usize..200, 0..5)) {
        for at in [0, 24] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = MAGIC_REQUEST;
            }
        }
        // Short lengths, so that more than one request fits.
        if bytes.len() > 12 && bytes[12] % 2 == 0 {
            bytes[2] = 0;
            bytes[8] = 0;
            bytes[9] = 0;
            bytes[10] = 0;
        }
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut <= bytes.len()).collect();
        cuts.sort_unstable();
        let whole = receive(&mut Parser::new(), &bytes, &[]);
        prop_assert_eq!(receive(&mut Parser::new(), &bytes, &cuts).0, whole.0);
    }

    #[test]
    fn any_cuts_give_the_same_requests(requests in proptest::collection::vec(some_request(), 1..8), cuts in proptest::collection::vec(any::<u32>(), 0..8), limit in prop_oneof![Just(usize::MAX), 65usize..110], authenticated in any::<bool>()) {
        let bytes = requests.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut as usize % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut parser = Parser::new();
        parser.set_limits(limit, authenticated);
        let whole = receive(&mut parser, &bytes, &[]);
        let mut parser = Parser::new();
        parser.set_limits(limit, authenticated);
        prop_assert_eq!(receive(&mut parser, &bytes, &cuts), whole);
        prop_assert_eq!(parser.bytes_held(), 0);
    }
}
