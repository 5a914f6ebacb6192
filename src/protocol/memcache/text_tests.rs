//! The text parser: what lines come to, large and refused data, and that cuts in the stream change nothing.

use super::text::Parser;
use super::{Invalid, Verb};
use crate::limits::{LARGE_BYTES_MIN, MEMCACHE_FETCH_LINE_BYTES_MAX, MEMCACHE_LINE_BYTES_MAX};
use crate::protocol::resp::{ParseError, Step};
use proptest::prelude::*;

/// A request as it came out: its verb and its arguments.
type Request = (Verb, Vec<Vec<u8>>);

/// Plays the caller's part of the contract: keeps the head, fills the large data, goes on with what follows.
/// Gives the requests, and the bytes that are left of one that is not whole or the error.
fn receive(
    parser: &mut Parser,
    bytes: &[u8],
    pieces: impl Iterator<Item = usize>,
) -> (Vec<Request>, Result<usize, ParseError>) {
    let mut requests = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    let mut at = 0;
    for piece in pieces {
        let piece = &bytes[at..(at + piece.max(1)).min(bytes.len())];
        at += piece.len();
        let taken = parser.fill_large(piece);
        pending.extend_from_slice(&piece[taken..]);
        while !parser.wants_large() {
            match parser.parse(&pending) {
                Ok(Step::Request { consumed }) => {
                    let verb = parser.verb();
                    let args = parser.args(&pending);
                    assert!(!args.is_empty());
                    requests.push((
                        verb,
                        (0..args.len()).map(|index| args[index].to_vec()).collect(),
                    ));
                    parser.next_request();
                    pending.drain(..consumed);
                }
                Ok(Step::Incomplete) => break,
                Ok(Step::Large { head }) => {
                    let taken = parser.fill_large(&pending[head..]);
                    pending.drain(head..head + taken);
                }
                Err(error) => return (requests, Err(error)),
            }
        }
        if at == bytes.len() {
            break;
        }
    }
    (requests, Ok(pending.len()))
}

fn whole(bytes: &[u8]) -> Vec<Request> {
    let (requests, left) = receive(&mut Parser::new(), bytes, std::iter::repeat(bytes.len()));
    assert_eq!(left, Ok(0), "{:?}", String::from_utf8_lossy(bytes));
    requests
}

fn shown(requests: &[Request]) -> String {
    let mut text = String::new();
    for (verb, args) in requests {
        text += &format!("{verb:?}");
        for arg in args {
            text += &format!(" [{}]", arg.escape_ascii());
        }
        text += "\n";
    }
    text
}

#[test]
fn lines_come_to_requests() {
    for (stream, expected) in [
        ("get a\r\n", "Get [get] [a]"),
        ("get  a   bb \r\n", "Get [get] [a] [bb]"),
        (" get a\r\n", "Get [get] [a]"),
        ("get a\n", "Get [get] [a]"),
        ("get a\r\r\n", "Get [get] [a\\r]"),
        ("bget a\r\n", "Get [bget] [a]"),
        ("gets a b\r\n", "Gets [gets] [a] [b]"),
        ("get\r\n", "Invalid(Error) [get]"),
        ("get \r\n", "Invalid(Error) [get]"),
        ("GET a\r\n", "Invalid(Error) [GET] [a]"),
        ("\r\n", "Invalid(Error) []"),
        ("\n", "Invalid(Error) []"),
        ("get\ta\r\n", "Invalid(Error) [get\\ta]"),
        ("gat 10 a b\r\n", "Gat [gat] [10] [a] [b]"),
        ("gats -1 a\r\n", "Gats [gats] [-1] [a]"),
        ("gat 0\r\n", "Invalid(NoKeys) [gat] [0]"),
        ("gat\r\n", "Invalid(Error) [gat]"),
        ("gat x a\r\n", "Invalid(Exptime) [gat] [x] [a]"),
        (
            "set k 1 2 5\r\nvalue\r\n",
            "Set [set] [k] [1] [2] [5] [value]",
        ),
        (
            "set k 1 2 5\nvalue\r\n",
            "Set [set] [k] [1] [2] [5] [value]",
        ),
        ("set k 0 0 0\r\n\r\n", "Set [set] [k] [0] [0] [0] []"),
        (
            "set k 0 0 5 noreply\r\na\r\nb \r\n",
            "Set [set] [k] [0] [0] [5] [noreply] [a\\r\\nb ]",
        ),
        (
            "set k 0 0 1 more\r\na\r\n",
            "Set [set] [k] [0] [0] [1] [more] [a]",
        ),
        ("add k 0 0 1\r\na\r\n", "Add [add] [k] [0] [0] [1] [a]"),
        (
            "replace k 0 0 1\r\na\r\n",
            "Replace [replace] [k] [0] [0] [1] [a]",
        ),
        (
            "append k 0 0 1\r\na\r\n",
            "Append [append] [k] [0] [0] [1] [a]",
        ),
        (
            "prepend k 0 0 1\r\na\r\n",
            "Prepend [prepend] [k] [0] [0] [1] [a]",
        ),
        (
            "cas k 0 0 1 77\r\na\r\n",
            "Cas [cas] [k] [0] [0] [1] [77] [a]",
        ),
        (
            "cas k 0 0 1 77 noreply\r\na\r\n",
            "Cas [cas] [k] [0] [0] [1] [77] [noreply] [a]",
        ),
        (
            "cas k 0 0 1 x noreply\r\n",
            "Invalid(Silent) [cas] [k] [0] [0] [1] [x] [noreply]",
        ),
        ("set k 0 0\r\n", "Invalid(Error) [set] [k] [0] [0]"),
        (
            "set k x 0 1\r\n",
            "Invalid(BadFormat) [set] [k] [x] [0] [1]",
        ),
        (
            "set k 0 x 1 noreply\r\n",
            "Invalid(Silent) [set] [k] [0] [x] [1] [noreply]",
        ),
        (
            "set k 0 0 -1\r\n",
            "Invalid(BadFormat) [set] [k] [0] [0] [-1]",
        ),
        (
            "set k 0 0 2147483646\r\n",
            "Invalid(BadFormat) [set] [k] [0] [0] [2147483646]",
        ),
        (
            "set k 0 0 1\r\nABCget a\r\n",
            "Invalid(BadChunk) [set] [k] [0] [0] [1]\nGet [get] [a]",
        ),
        (
            "set k 0 0 1 noreply\r\nABCget a\r\n",
            "Invalid(Silent) [set] [k] [0] [0] [1] [noreply]\nGet [get] [a]",
        ),
        (
            "ms k 1 q\r\nABCmn\r\n",
            "Invalid(BadChunk) [ms] [k] [1] [q]\nMetaNoop [mn]",
        ),
        ("incr n 5\r\n", "Incr [incr] [n] [5]"),
        ("decr n 5 noreply\r\n", "Decr [decr] [n] [5] [noreply]"),
        ("incr n\r\n", "Invalid(Error) [incr] [n]"),
        ("touch k 0\r\n", "Touch [touch] [k] [0]"),
        ("delete k\r\n", "Delete [delete] [k]"),
        ("delete k 0\r\n", "Delete [delete] [k] [0]"),
        (
            "delete k 0 noreply\r\n",
            "Delete [delete] [k] [0] [noreply]",
        ),
        ("delete k 5\r\n", "Invalid(DeleteUsage) [delete] [k] [5]"),
        (
            "delete k 5 noreply\r\n",
            "Invalid(Silent) [delete] [k] [5] [noreply]",
        ),
        (
            "delete k 0 0 0\r\n",
            "Invalid(Error) [delete] [k] [0] [0] [0]",
        ),
        ("mg k v\r\n", "MetaGet [mg] [k] [v]"),
        ("mg\r\n", "Invalid(Error) [mg]"),
        ("me\r\n", "Invalid(BadFormat) [me]"),
        ("ms k\r\n", "Invalid(BadFormat) [ms] [k]"),
        ("ms k S1\r\n", "Invalid(BadFormat) [ms] [k] [S1]"),
        (
            "ms k 2 T0 c\r\nhi\r\n",
            "MetaSet [ms] [k] [2] [T0] [c] [hi]",
        ),
        ("ms Zm9v 2 b\r\nhi\r\n", "MetaSet [ms] [foo] [2] [b] [hi]"),
        ("mg Zm9v k b\r\n", "MetaGet [mg] [foo] [k] [b]"),
        ("me Zm9v b\r\n", "MetaDebug [me] [foo] [b]"),
        ("mg Zm9 b\r\n", "Invalid(BadKey) [mg] [Zm9] [b]"),
        (
            "ms Zm9 2 b\r\nhi\r\n",
            "Invalid(BadKey) [ms] [Zm9] [2] [b] [hi]",
        ),
        ("md Zm9 b\r\n", "Invalid(BadFlag) [md] [Zm9] [b]"),
        ("ma n D5\r\n", "MetaArithmetic [ma] [n] [D5]"),
        ("md k q\r\n", "MetaDelete [md] [k] [q]"),
        (
            "flush_all 0 noreply\r\n",
            "FlushAll [flush_all] [0] [noreply]",
        ),
        (
            "flush_all 0 0 0\r\n",
            "Invalid(Error) [flush_all] [0] [0] [0]",
        ),
        ("verbosity\r\n", "Invalid(Error) [verbosity]"),
        ("verbosity 1\r\n", "Verbosity [verbosity] [1]"),
        (
            "cache_memlimit 64\r\n",
            "CacheMemlimit [cache_memlimit] [64]",
        ),
        ("lru\r\n", "Invalid(Error) [lru]"),
        ("lru mode flat\r\n", "Lru [lru] [mode] [flat]"),
        ("stats settings\r\n", "Stats [stats] [settings]"),
        (
            "version\r\nquit\r\nshutdown\r\nwatch\r\nslabs\r\nlru_crawler\r\nrefresh_certs\r\n",
            "Version [version]\nQuit [quit]\nShutdown [shutdown]\nWatch [watch]\nSlabs [slabs]\nLruCrawler [lru_crawler]\nRefreshCerts [refresh_certs]",
        ),
    ] {
        assert_eq!(
            shown(&whole(stream.as_bytes())).trim_end(),
            expected,
            "{stream:?}"
        );
    }
}

#[test]
fn keys_have_a_limit() {
    let key = "k".repeat(250);
    let long = "k".repeat(251);
    for name in ["get", "gets", "mg", "md", "ma", "me", "delete"] {
        assert!(!matches!(
            whole(format!("{name} {key}\r\n").as_bytes())[0].0,
            Verb::Invalid(_)
        ));
        let invalid = whole(format!("{name} {long}\r\n").as_bytes())[0].0;
        assert_eq!(invalid, Verb::Invalid(Invalid::BadFormat), "{name}");
    }
    for line in [
        "get a {}",
        "gat 0 a {}",
        "incr {} 1",
        "touch {} 1",
        "set {} 0 0 1",
        "ms {} 1",
    ] {
        let line = format!("{}\r\n", line.replace("{}", &long));
        assert_eq!(
            whole(line.as_bytes())[0].0,
            Verb::Invalid(Invalid::BadFormat),
            "{line}"
        );
    }
    let flags = " O1".repeat(18);
    assert_eq!(
        whole(format!("mg k{flags}\r\n").as_bytes())[0].0,
        Verb::Invalid(Invalid::FlagsAreTooLong)
    );
    assert_eq!(
        whole(format!("ms k 1{flags}\r\n").as_bytes())[0].0,
        Verb::Invalid(Invalid::FlagsTooLong)
    );
    assert_eq!(
        whole(format!("mg k{}\r\n", " O1".repeat(17)).as_bytes())[0].0,
        Verb::MetaGet
    );
}

#[test]
fn lines_have_a_limit() {
    let error = ParseError("CLIENT_ERROR line too long".into());
    let end = |line: &str| receive(&mut Parser::new(), line.as_bytes(), std::iter::repeat(1000));
    assert_eq!(
        end(&"x".repeat(MEMCACHE_LINE_BYTES_MAX)),
        (vec![], Ok(MEMCACHE_LINE_BYTES_MAX))
    );
    assert_eq!(
        end(&"x".repeat(MEMCACHE_LINE_BYTES_MAX + 1)),
        (vec![], Err(error.clone()))
    );
    assert_eq!(
        end(&("x".repeat(MEMCACHE_LINE_BYTES_MAX + 1) + "\n")).1,
        Err(error.clone())
    );
    let keys = format!("get{}\r\n", " key".repeat(10_000));
    let (requests, left) = end(&keys);
    assert_eq!(
        (requests[0].0, requests[0].1.len(), left),
        (Verb::Get, 10_001, Ok(0))
    );
    let keys = format!("get{}", " key".repeat(MEMCACHE_FETCH_LINE_BYTES_MAX / 4));
    assert_eq!(end(&keys).1, Err(error));
    let mut parser = Parser::new();
    let keys = format!("get{}\r\n", " key".repeat(10_000));
    assert_eq!(
        parser.parse(keys.as_bytes()),
        Ok(Step::Request {
            consumed: keys.len()
        })
    );
    parser.next_request();
    assert!(
        parser.bytes_held() < 8192,
        "what an unusual request needed goes back"
    );
}

fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

#[test]
fn large_data_goes_the_large_way() {
    let value = patterned(LARGE_BYTES_MIN + 5);
    let mut stream = format!("set key 1 0 {}\r\n", value.len()).into_bytes();
    stream.extend_from_slice(&value);
    stream.extend_from_slice(b"\r\n");
    stream.extend_from_slice(format!("ms a2V5 {} b\r\n", value.len()).as_bytes());
    stream.extend_from_slice(&value);
    stream.extend_from_slice(b"\r\nget a\r\n");
    for piece in [1, 1000, 16 * 1024, LARGE_BYTES_MIN + 7, stream.len()] {
        let (requests, left) = receive(&mut Parser::new(), &stream, std::iter::repeat(piece));
        assert_eq!((requests.len(), left), (3, Ok(0)));
        assert_eq!(requests[0].1[5], value);
        assert_eq!(
            (&requests[1].1[1][..], &requests[1].1[4]),
            (&b"key"[..], &value)
        );
    }
    let mut parser = Parser::new();
    let Ok(Step::Large { head }) = parser.parse(&stream) else {
        panic!("the value is large");
    };
    assert_eq!(parser.fill_large(&stream[head..]), value.len());
    let rest = [&stream[..head], b"\r\n"].concat();
    assert_eq!(
        parser.parse(&rest),
        Ok(Step::Request { consumed: head + 2 })
    );
    let mut args = parser.args(&rest);
    assert_eq!(
        args.take_large(5).expect("a large one").as_slice(),
        &value[..]
    );
    parser.next_request();
    assert!(parser.bytes_held() < 1000);
    // What does not end in CRLF is given back.
    let mut spoilt = stream.clone();
    spoilt[head + value.len()] = b'x';
    let (requests, _) = receive(
        &mut Parser::new(),
        &spoilt[..head + value.len() + 2],
        std::iter::repeat(4096),
    );
    assert_eq!(requests[0].0, Verb::Invalid(Invalid::BadChunk));
    assert_eq!(requests[0].1.len(), 5);
}

#[test]
fn too_large_an_item_is_dropped_and_not_held() {
    for (line, invalid) in [
        ("set k 0 0 {}\r\n", Invalid::TooLargeRemove),
        ("set k 0 0 {} noreply\r\n", Invalid::TooLargeRemove),
        ("add k 0 0 {}\r\n", Invalid::TooLarge),
        ("ms k {}\r\n", Invalid::TooLargeRemove),
        ("ms aw== {} b\r\n", Invalid::TooLargeRemove),
    ] {
        let mut parser = Parser::new();
        parser.set_limits(1024 * 1024, true);
        let head = line.replace("{}", "2000000");
        assert_eq!(
            parser.parse(head.as_bytes()),
            Ok(Step::Large { head: head.len() })
        );
        let mut left = 2_000_000;
        let piece = vec![b'\n'; 100_000];
        while left > 0 {
            left -= parser.fill_large(&piece[..left.min(piece.len())]);
            assert!(parser.bytes_held() < 1000);
        }
        assert!(!parser.wants_large());
        let rest = format!("{head}..get a\r\n");
        assert_eq!(
            parser.parse(rest.as_bytes()),
            Ok(Step::Request {
                consumed: head.len() + 2
            })
        );
        assert_eq!(parser.verb(), Verb::Invalid(invalid));
        assert_eq!(parser.args(rest.as_bytes()).get(1), b"k");
    }
    // The limit is memcached's to the byte.
    for (line, fits) in [
        ("set k 0 0 1048516\r\n", true),
        ("set k 0 0 1048517\r\n", false),
        ("set k 1 0 1048512\r\n", true),
        ("set k 1 0 1048513\r\n", false),
    ] {
        let mut parser = Parser::new();
        parser.set_limits(1024 * 1024, true);
        parser.parse(line.as_bytes()).expect("a large step");
        assert_eq!(parser.verb() == Verb::Set, fits, "{line}");
    }
}

#[test]
fn before_authentication_only_set_is_looked_at() {
    let mut parser = Parser::new();
    parser.set_limits(1 << 20, false);
    let stream = b"get a\r\nset\r\nset a 0 0 x\r\nset a 0 0 9\r\nuser passx\r\nset a b c 9 d e\nuser pass\r\n";
    let (requests, left) = receive(&mut parser, stream, std::iter::repeat(3));
    assert_eq!(left, Ok(0));
    assert_eq!(
        shown(&requests),
        "Invalid(Unauthenticated) [get] [a]\nInvalid(Unauthenticated) [set]\nInvalid(Unauthenticated) [set] [a] [0] [0] [x]\n\
         Invalid(BadTermination) [set] [a] [0] [0] [9]\nInvalid(Unauthenticated) []\n\
         Authenticate [set] [a] [b] [c] [9] [d] [e] [user pass]\n"
    );
    let mut parser = Parser::new();
    parser.set_limits(1 << 20, false);
    assert_eq!(
        parser.parse(b"set a 0 0 513\r\n"),
        Err(ParseError("CLIENT_ERROR unauthenticated".into()))
    );
    parser.set_limits(1 << 20, false);
    let mut parser = Parser::new();
    parser.set_limits(1 << 20, false);
    let keys = format!("get{}", " key".repeat(1000));
    assert!(parser.parse(keys.as_bytes()).is_err());
}

/// A piece of a stream: mostly whole requests, some of them wrong.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "(get|gets|mg|md|ma|delete|gat 5)( [a-z]{1,12}){1,5} ?\r?\n".prop_map(String::into_bytes),
        2 => ("(set|add|cas|ms|append)", "[a-z]{1,20}", proptest::collection::vec(any::<u8>(), 0..40), 0usize..3, any::<bool>()).prop_map(|(name, key, data, off, noreply)| {
            let line = match name.as_str() {
                "ms" => format!("ms {key} {} T5\r\n", data.len() + off),
                "cas" => format!("cas {key} 0 0 {} 5\r\n", data.len() + off),
                _ => format!("{name} {key} 0 0 {}{}\r\n", data.len() + off, if noreply { " noreply" } else { "" }),
            };
            [line.as_bytes(), &data, b"\r\n"].concat()
        }),
        1 => (LARGE_BYTES_MIN - 1..LARGE_BYTES_MIN + 2).prop_map(|len| [format!("set big 0 0 {len}\r\n").as_bytes(), &patterned(len), b"\r\n"].concat()),
        1 => (1000usize..3000).prop_map(|len| [format!("set refused 0 0 {}\r\n", len + 200_000).as_bytes(), &patterned(len + 200_000), b"\r\n"].concat()),
        1 => "ms (Zm9v|Zm9|%%) 2 b k\r\nhi\r\n".prop_map(String::into_bytes),
        2 => "[ a-z0-9]{0,30}\r\n".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn cuts_change_nothing(fragments in proptest::collection::vec(fragment(), 1..8), pieces in proptest::collection::vec(prop_oneof![3 => 1usize..40, 1 => 1usize..100_000], 1..30)) {
        let stream = fragments.concat();
        let mut at_once = Parser::new();
        at_once.set_limits(200_000, true);
        let mut in_pieces = Parser::new();
        in_pieces.set_limits(200_000, true);
        let expected = receive(&mut at_once, &stream, std::iter::repeat(stream.len()));
        let found = receive(&mut in_pieces, &stream, pieces.into_iter().cycle());
        prop_assert_eq!(found.0, expected.0);
        prop_assert_eq!(found.1.is_err(), expected.1.is_err());
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'\n'), Just(b'1'), Just(b'b')], 0..300), authenticated in any::<bool>()) {
        let mut parser = Parser::new();
        parser.set_limits(1 << 20, authenticated);
        let _ = receive(&mut parser, &bytes, std::iter::repeat(7));
        for name in ["set ", "ms ", "get ", "mg ", "cas ", "gat "] {
            let mut parser = Parser::new();
            parser.set_limits(1 << 20, authenticated);
            let _ = receive(&mut parser, &[name.as_bytes(), &bytes].concat(), std::iter::repeat(11));
        }
    }
}
