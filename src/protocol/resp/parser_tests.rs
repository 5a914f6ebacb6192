use super::*;
use proptest::prelude::*;

/// Parses all of `input` in one piece: the requests' arguments (empty requests left out), the bytes left over, and the error.
fn parse_all(parser: &mut Parser, mut input: &[u8]) -> (Vec<Vec<Vec<u8>>>, usize, Option<String>) {
    let mut requests = Vec::new();
    loop {
        match parser.parse(input) {
            Ok(Step::Request { consumed }) => {
                let args = parser.args(input);
                if !args.is_empty() {
                    requests.push((0..args.len()).map(|index| args[index].to_vec()).collect());
                }
                parser.next_request();
                input = &input[consumed..];
            }
            Ok(Step::Incomplete) => return (requests, input.len(), None),
            Ok(Step::Large { .. }) => unreachable!("these tests have no large arguments"),
            Err(error) => return (requests, input.len(), Some(error.0.into_owned())),
        }
    }
}

fn encoded(args: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

#[test]
fn parses_requests() {
    type Requests = &'static [&'static [&'static [u8]]];
    let table: &[(&[u8], Requests)] = &[
        (b"", &[]),
        (b"*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]),
        (
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
            &[&[b"SET", b"k", b""]],
        ),
        (
            b"*2\r\n$3\r\nGET\r\n$4\r\n\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n",
            &[&[b"GET", b"\r\n\r\n"], &[b"PING"]],
        ),
        (
            b"*-1\r\n*-5\r\n*0\r\n*-9223372036854775808\r\nPING\r\n",
            &[&[b"PING"]],
        ),
        (
            b"\r\n\n  \nPING\nECHO \"a b\"\r\nPING\r\n",
            &[&[b"PING"], &[b"ECHO", b"a b"], &[b"PING"]],
        ),
        // Nobody looks at the byte behind a CR, nor at the two behind an argument.
        (b"*1\rx$4\rxPINGxxPING\n", &[&[b"PING"], &[b"PING"]]),
    ];
    for (input, expected) in table {
        let mut parser = Parser::new();
        let expected: Vec<Vec<Vec<u8>>> = expected
            .iter()
            .map(|request| request.iter().map(|arg| arg.to_vec()).collect())
            .collect();
        assert_eq!(
            parse_all(&mut parser, input),
            (expected, 0, None),
            "{input:?}"
        );
    }
}

#[test]
fn more_arguments_than_the_short_way_takes() {
    let args: Vec<Vec<u8>> = (0..2000)
        .map(|index| index.to_string().into_bytes())
        .collect();
    assert_eq!(
        parse_all(&mut Parser::new(), &encoded(&args)),
        (vec![args], 0, None)
    );
}

#[test]
fn refuses_with_redis_servers_words() {
    let long = "1".repeat(70_000);
    let table: &[(Vec<u8>, &str)] = &[
        (b"*a\r\n".to_vec(), "invalid multibulk length"),
        (b"*\r\n".to_vec(), "invalid multibulk length"),
        (b"*+1\r\n".to_vec(), "invalid multibulk length"),
        (b"*-0\r\n".to_vec(), "invalid multibulk length"),
        (b"*01\r\n".to_vec(), "invalid multibulk length"),
        (b"*1048577\r\n".to_vec(), "invalid multibulk length"),
        (
            b"*9223372036854775808\r\n".to_vec(),
            "invalid multibulk length",
        ),
        (b"*1\r\n:4\r\n".to_vec(), "expected '$', got ':'"),
        (b"*1\rxPING\r\n".to_vec(), "expected '$', got 'P'"),
        (b"*1\r\n\r\n\r\n".to_vec(), "expected '$', got '\r'"),
        (b"*1\r\n\xff\r\n".to_vec(), "expected '$', got '?'"),
        (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$01\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$536870913\r\n".to_vec(), "invalid bulk length"),
        (
            b"*1\r\n$99999999999999999999\r\n".to_vec(),
            "invalid bulk length",
        ),
        (
            format!("*{long}").into_bytes(),
            "too big mbulk count string",
        ),
        (
            format!("*1\r\n${long}").into_bytes(),
            "too big bulk count string",
        ),
        (long.clone().into_bytes(), "too big inline request"),
        (format!("{long}\n").into_bytes(), "too big inline request"),
        (b"ECHO \"a\r\n".to_vec(), "unbalanced quotes in request"),
        (b"ECHO 'a'b\r\n".to_vec(), "unbalanced quotes in request"),
    ];
    for (input, expected) in table {
        let mut parser = Parser::new();
        let (requests, _, error) = parse_all(&mut parser, input);
        assert!(requests.is_empty());
        assert_eq!(
            error,
            Some(format!("Protocol error: {expected}")),
            "{:?}",
            &input[..input.len().min(40)]
        );
    }
}

#[test]
fn before_authentication_less_is_allowed() {
    let table: &[(Vec<u8>, Option<&str>)] = &[
        (b"*10\r\n".to_vec(), None),
        (
            b"*11\r\n".to_vec(),
            Some("Protocol error: unauthenticated multibulk length"),
        ),
        (b"*1\r\n$16384\r\n".to_vec(), None),
        (
            b"*1\r\n$16385\r\n".to_vec(),
            Some("Protocol error: unauthenticated bulk length"),
        ),
        (
            b"*1\r\n$70000\r\n".to_vec(),
            Some("Protocol error: unauthenticated bulk length"),
        ),
    ];
    for (input, expected) in table {
        let mut parser = Parser::new();
        parser.set_limits(STRING_BYTES_MAX, false);
        assert_eq!(
            parse_all(&mut parser, input).2.as_deref(),
            *expected,
            "{input:?}"
        );
    }
}

#[test]
fn the_longest_argument_can_be_set() {
    let mut parser = Parser::new();
    parser.set_limits(100, true);
    assert_eq!(parse_all(&mut parser, b"*1\r\n$100\r\n").2, None);
    let mut parser = Parser::new();
    parser.set_limits(100, true);
    assert_eq!(
        parse_all(&mut parser, b"*1\r\n$101\r\n").2.as_deref(),
        Some("Protocol error: invalid bulk length")
    );
}

#[test]
fn an_announcement_costs_nothing() {
    let mut parser = Parser::new();
    assert_eq!(
        parser.parse(b"*1048576\r\n$1\r\na\r\n$60000\r\n"),
        Ok(Step::Incomplete)
    );
    assert!(parser.bytes_held() < 1000, "{}", parser.bytes_held());
}

#[test]
fn an_unusual_request_leaves_little_behind() {
    let mut parser = Parser::new();
    let many = encoded(&vec![b"x".to_vec(); 10_000]);
    assert_eq!(parse_all(&mut parser, &many).0[0].len(), 10_000);
    let quoted = format!("\"{}\"\r\n", "x".repeat(60_000));
    assert_eq!(
        parse_all(&mut parser, quoted.as_bytes()).0[0][0].len(),
        60_000
    );
    assert!(parser.bytes_held() < 8192, "{}", parser.bytes_held());
}

/// Gives the bytes piece by piece, each time as long as the parser has not taken them.
fn parse_in_pieces(bytes: &[u8], cuts: &[usize]) -> (Vec<Vec<Vec<u8>>>, usize, Option<String>) {
    let mut parser = Parser::new();
    let mut requests = Vec::new();
    let mut pending = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&bytes.len()]) {
        pending.extend_from_slice(&bytes[from..to]);
        from = to;
        let (more, left, error) = parse_all(&mut parser, &pending);
        requests.extend(more);
        pending.drain(..pending.len() - left);
        if error.is_some() {
            return (requests, bytes.len() - from + left, error);
        }
    }
    (requests, pending.len(), None)
}

#[test]
fn byte_by_byte_gives_the_same() {
    let bytes = b"*2\r\n$3\r\nGET\r\n$11\r\nhello world\r\nPING\r\n*0\r\n\r\nECHO \"a\\n b\"\n*1\r\n$4\r\nQUIT\r\n";
    let cuts: Vec<usize> = (1..bytes.len()).collect();
    assert_eq!(
        parse_in_pieces(bytes, &cuts),
        parse_all(&mut Parser::new(), bytes)
    );
    assert_eq!(parse_in_pieces(bytes, &cuts).0.len(), 4);
}

fn likely_byte() -> impl Strategy<Value = u8> {
    prop_oneof![1 => any::<u8>(), 4 => proptest::sample::select(&b"*$-0123456789\r\n\r\n \"'\\xab"[..])]
}

proptest! {
    #[test]
    fn every_cut_gives_the_same(
        requests in proptest::collection::vec(proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..6), 1..4),
        seed in proptest::collection::vec(any::<proptest::sample::Index>(), 0..5),
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(|args| encoded(args)).collect();
        for cut in 0..=bytes.len() {
            prop_assert_eq!(parse_in_pieces(&bytes, &[cut]), (requests.clone(), 0, None));
        }
        let mut cuts: Vec<usize> = seed.iter().map(|index| index.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(parse_in_pieces(&bytes, &cuts), (requests, 0, None));
    }

    #[test]
    fn random_bytes_never_panic_and_pieces_do_not_matter(bytes in proptest::collection::vec(likely_byte(), 0..120)) {
        let whole = parse_all(&mut Parser::new(), &bytes);
        let cuts: Vec<usize> = (1..bytes.len().max(1)).collect();
        let pieces = parse_in_pieces(&bytes, &cuts);
        prop_assert_eq!(whole.0, pieces.0);
        prop_assert_eq!(whole.2, pieces.2);
    }
}
