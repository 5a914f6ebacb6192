//! A line of a configuration file as words, by the quoting rules of redis.conf, and back.
//!
//! The rules are those of inline requests; the protocol has its own reader of them, made for speed and for bytes.

/// The words of a line; none when a quote has no partner or is followed directly by something else.
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start().as_bytes();
    while !rest.is_empty() {
        let (word, after) = take_word(rest)?;
        words.push(String::from_utf8(word).ok()?);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

fn take_word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => break,
            b'"' | b'\'' => {
                rest = take_quoted(after, byte, &mut word)?;
                let ended = rest.first().is_none_or(u8::is_ascii_whitespace);
                return ended.then_some((word, rest));
            }
            _ => {
                word.push(byte);
                rest = after;
            }
        }
    }
    Some((word, rest))
}

/// The inside of a quote; returns what follows the closing one.
fn take_quoted<'a>(mut rest: &'a [u8], quote: u8, word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == quote {
            return Some(rest);
        }
        if byte == b'\\' && quote == b'\'' && after.first() == Some(&b'\'') {
            word.push(b'\'');
            rest = &after[1..];
        } else if byte == b'\\' && quote == b'"' {
            let (&escaped, after) = after.split_first()?;
            rest = after;
            match escaped {
                b'n' => word.push(b'\n'),
                b'r' => word.push(b'\r'),
                b't' => word.push(b'\t'),
                b'b' => word.push(8),
                b'a' => word.push(7),
                b'x' => match hex(after) {
                    Some(value) => {
                        word.push(value);
                        rest = &after[2..];
                    }
                    None => word.push(b'x'),
                },
                other => word.push(other),
            }
        } else {
            word.push(byte);
        }
    }
}

fn hex(text: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*text.get(index)?).to_digit(16);
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

/// A word as it may stand in a line: quoted when it must be.
pub fn quoted(word: &str) -> String {
    let plain = |char: char| {
        !char.is_whitespace() && !char.is_control() && !matches!(char, '"' | '\'' | '\\' | '#')
    };
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    let mut text = String::from("\"");
    for char in word.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            char if char.is_ascii_control() => text.push_str(&format!("\\x{:02x}", char as u32)),
            char => text.push(char),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("  port\t6379 ", Some(&["port", "6379"])),
            ("save \"\"", Some(&["save", ""])),
            (
                "requirepass 'a b\\'c\\n'",
                Some(&["requirepass", "a b'c\\n"]),
            ),
            (
                r#"requirepass "a\"\\\x41\n\q""#,
                Some(&["requirepass", "a\"\\A\nq"]),
            ),
            ("a \"b", None),
            ("a 'b", None),
            ("a \"b\"c", None),
            ("a \"\\xff\"", None),
            ("a \"\\", None),
        ];
        for (line, expected) in table {
            let expected = expected.map(|words| {
                words
                    .iter()
                    .map(|word| word.to_string())
                    .collect::<Vec<_>>()
            });
            assert_eq!(split(line), expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_read_back(words in proptest::collection::vec("\\PC{0,8}|[\\x00-\\x7f]{0,8}", 0..4)) {
            let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(split(&line), Some(words));
        }
    }
}
