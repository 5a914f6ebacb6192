//! Inline requests: one line split into arguments by redis-server's quoting rules.
//!
//! Never: looks for the line's end or knows limits; the parser has done both.
//! The decision worth knowing: a line without quotes costs no copy (ranges point into it); with the first quote all arguments go to the scratch
//! buffer, because escapes make them differ from what stands in the line.

use super::super::args::Range;

/// Where the arguments are.
#[derive(Debug, PartialEq, Eq)]
pub enum Split {
    /// The ranges point into the line.
    InLine,
    /// The ranges point into the scratch buffer.
    InScratch,
    /// A quote without its partner, or one with something directly behind it.
    Unbalanced,
}

/// What separates arguments in front of them (C's isspace).
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What ends an argument outside quotes: neither vertical tab nor form feed does, as in redis-server.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Splits a line without its line end; whatever follows a zero byte is ignored, as in redis-server.
pub fn split(line: &[u8], ranges: &mut Vec<Range>, scratch: &mut Vec<u8>) -> Split {
    let line = match line.iter().position(|&byte| byte == 0) {
        Some(end) => &line[..end],
        None => line,
    };
    if line.iter().any(|&byte| byte == b'"' || byte == b'\'') {
        scratch.clear();
        return match split_quoted(line, ranges, scratch) {
            Some(()) => Split::InScratch,
            None => Split::Unbalanced,
        };
    }
    let mut at = 0;
    loop {
        while at < line.len() && is_space(line[at]) {
            at += 1;
        }
        if at == line.len() {
            return Split::InLine;
        }
        let start = at;
        while at < line.len() && !ends_word(line[at]) {
            at += 1;
        }
        ranges.push(Range {
            offset: start as u32,
            length: (at - start) as u32,
        });
    }
}

fn split_quoted(line: &[u8], ranges: &mut Vec<Range>, scratch: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    loop {
        while at < line.len() && is_space(line[at]) {
            at += 1;
        }
        if at == line.len() {
            return Some(());
        }
        let start = scratch.len();
        while at < line.len() && !ends_word(line[at]) {
            let byte = line[at];
            at += 1;
            match byte {
                b'"' | b'\'' => {
                    at = quoted(line, at, byte, scratch)?;
                    if at < line.len() && !is_space(line[at]) {
                        return None;
                    }
                    // Even one that would not end a word, such as a form feed.
                    break;
                }
                _ => scratch.push(byte),
            }
        }
        ranges.push(Range {
            offset: start as u32,
            length: (scratch.len() - start) as u32,
        });
    }
}

/// The inside of a quote that opened before `at`; returns the place behind the closing one.
fn quoted(line: &[u8], mut at: usize, quote: u8, scratch: &mut Vec<u8>) -> Option<usize> {
    loop {
        let byte = *line.get(at)?;
        if byte == quote {
            return Some(at + 1);
        }
        if byte == b'\\' && quote == b'\'' && line.get(at + 1) == Some(&b'\'') {
            scratch.push(b'\'');
            at += 2;
        } else if byte == b'\\' && quote == b'"' && at + 1 < line.len() {
            let (value, length) = escape(&line[at..]);
            scratch.push(value);
            at += length;
        } else {
            scratch.push(byte);
            at += 1;
        }
    }
}

/// The byte that an escape stands for, and its length in the line.
fn escape(text: &[u8]) -> (u8, usize) {
    let hex = |index: usize| {
        text.get(index)
            .and_then(|&byte| char::from(byte).to_digit(16))
    };
    match text[1] {
        b'x' => match (hex(2), hex(3)) {
            (Some(high), Some(low)) => ((high * 16 + low) as u8, 4),
            _ => (b'x', 2),
        },
        b'n' => (b'\n', 2),
        b'r' => (b'\r', 2),
        b't' => (b'\t', 2),
        b'b' => (8, 2),
        b'a' => (7, 2),
        other => (other, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut ranges, mut scratch) = (Vec::new(), Vec::new());
        let found = split(line, &mut ranges, &mut scratch);
        let buffer = match found {
            Split::InLine => line,
            Split::InScratch => &scratch,
            Split::Unbalanced => return None,
        };
        Some(
            ranges
                .iter()
                .map(|range| {
                    buffer[range.offset as usize..(range.offset + range.length) as usize].to_vec()
                })
                .collect(),
        )
    }

    #[test]
    fn splits_as_redis_server_does() {
        let table: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b" \t ", &[]),
            (b"PING", &[b"PING"]),
            (b"  set a\tb ", &[b"set", b"a", b"b"]),
            (b"ECHO\x0bfoo", &[b"ECHO\x0bfoo"]),
            (b"ECHO \x0b\x0cfoo", &[b"ECHO", b"foo"]),
            (b"ECHO a\x00b", &[b"ECHO", b"a"]),
            (b"\"\"", &[b""]),
            (b"'' x", &[b"", b"x"]),
            (b"a\"b c\" d", &[b"ab c", b"d"]),
            (b"\"PI\"\x0bx", &[b"PI", b"x"]),
            (br#""\n\r\t\b\a\\\"\q""#, &[b"\n\r\t\x08\x07\\\"q"]),
            (br#""\x41\xfF\xZZ\x4""#, &[b"A\xffxZZx4"]),
            (br"'a\'b\n'", &[br"a'b\n"]),
            (br"a\n'b'", &[br"a\nb"]),
        ];
        for (line, expected) in table {
            assert_eq!(
                words(line).as_deref(),
                Some(
                    &expected
                        .iter()
                        .map(|word| word.to_vec())
                        .collect::<Vec<_>>()[..]
                ),
                "{line:?}"
            );
        }
    }

    #[test]
    fn refuses_unbalanced_quotes() {
        for line in [
            &b"\"a"[..],
            b"'a",
            b"\"a\"b",
            b"'a'b",
            b"\"a\\\"",
            b"'a\\'",
            b"\"a\x00b\"",
            b"\"a\"'b'",
        ] {
            assert_eq!(words(line), None, "{line:?}");
        }
    }
}
