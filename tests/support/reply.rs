//! RESP2 and RESP3 replies as values, and where one reply ends in a stream of bytes. Written apart from torc's own protocol
//! module on purpose: a mistake there must not be repeated here.

/// One reply. Numbers that are not integers keep their text, because the text is what is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`.
    Null,
    Boolean(bool),
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    Verbatim(Vec<u8>),
    Array(Vec<Reply>),
    Map(Vec<Reply>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
}

impl Reply {
    /// The bytes of a string of any kind.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Reply::Simple(bytes)
            | Reply::Error(bytes)
            | Reply::Bulk(bytes)
            | Reply::Verbatim(bytes)
            | Reply::Double(bytes) => bytes,
            other => panic!("not a string: {other:?}"),
        }
    }

    /// The text of a string of any kind.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The number of an integer reply.
    pub fn integer(&self) -> i64 {
        match self {
            Reply::Integer(number) => *number,
            other => panic!("not an integer: {other:?}"),
        }
    }

    /// The elements of an aggregate of any kind.
    pub fn elements(&self) -> &[Reply] {
        match self {
            Reply::Array(elements)
            | Reply::Map(elements)
            | Reply::Set(elements)
            | Reply::Push(elements) => elements,
            other => panic!("not an aggregate: {other:?}"),
        }
    }
}

/// Reads one whole reply from the start of `bytes`: the reply and its length, or None when more bytes are needed.
/// Panics on what is not RESP, which no server may send.
pub fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes[1..line_end].to_vec();
    let after = line_end + 2;
    let number = || -> i64 {
        let text = std::str::from_utf8(&bytes[1..line_end]).expect("a length is text");
        text.parse()
            .unwrap_or_else(|_| panic!("not a number in a reply: {text:?}"))
    };
    let string = |wrap: fn(Vec<u8>) -> Reply| -> Option<(Reply, usize)> {
        let Ok(length) = usize::try_from(number()) else {
            return Some((Reply::Null, after));
        };
        if bytes.len() < after + length + 2 {
            return None;
        }
        assert_eq!(&bytes[after + length..after + length + 2], b"\r\n");
        Some((
            wrap(bytes[after..after + length].to_vec()),
            after + length + 2,
        ))
    };
    let aggregate = |wrap: fn(Vec<Reply>) -> Reply, factor: usize| -> Option<(Reply, usize)> {
        let Ok(count) = usize::try_from(number()) else {
            return Some((Reply::Null, after));
        };
        let mut elements = Vec::new();
        let mut at = after;
        for _ in 0..count * factor {
            let (element, length) = parse(&bytes[at..])?;
            elements.push(element);
            at += length;
        }
        Some((wrap(elements), at))
    };
    match bytes[0] {
        b'+' => Some((Reply::Simple(line), after)),
        b'-' => Some((Reply::Error(line), after)),
        b':' => Some((Reply::Integer(number()), after)),
        b'_' => Some((Reply::Null, after)),
        b'#' => Some((Reply::Boolean(line == b"t"), after)),
        b',' => Some((Reply::Double(line), after)),
        b'(' => Some((Reply::BigNumber(line), after)),
        b'$' => string(Reply::Bulk),
        b'=' => string(Reply::Verbatim),
        b'*' => aggregate(Reply::Array, 1),
        b'~' => aggregate(Reply::Set, 1),
        b'>' => aggregate(Reply::Push, 1),
        b'%' => aggregate(Reply::Map, 2),
        other => panic!(
            "not RESP: byte {other} begins {:?}",
            printable(&bytes[..bytes.len().min(80)])
        ),
    }
}

/// Bytes as text on one line, to be read by people and compared in tables.
pub fn printable(bytes: &[u8]) -> String {
    bytes
        .escape_ascii()
        .to_string()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

/// The inverse of [`printable`]: `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN`.
pub fn unprintable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut input = text.bytes();
    while let Some(byte) = input.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match input.next().expect("something follows a backslash") {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'0' => bytes.push(0),
            b'x' => {
                let digits = [
                    input.next().expect("a hex digit"),
                    input.next().expect("a hex digit"),
                ];
                let digits = std::str::from_utf8(&digits).expect("hex digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("hex digits"));
            }
            other => bytes.push(other),
        }
    }
    bytes
}
