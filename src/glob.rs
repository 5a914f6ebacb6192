//! Glob patterns of KEYS, SCAN MATCH, CONFIG GET and `include`: `*`, `?`, `[a-z]`, `[^a]`, `\` in front of a literal.
//!
//! Only the most recent star is ever retried, because a later star can take over whatever an earlier one could have matched: the
//! time is at most pattern length times text length, where plain recursion over the stars takes exponential time.

/// Whether the pattern has anything in it that makes it more than a name.
pub fn is_pattern(pattern: &[u8]) -> bool {
    pattern
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// Whether `text` as a whole matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not match: the pattern behind it, and one byte further in the text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == b'*' {
            while p < pattern.len() && pattern[p] == b'*' {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        if t == text.len() {
            // No byte is left, and stars were skipped above.
            return p == pattern.len();
        }
        if p < pattern.len()
            && let Some(next) = match_one(pattern, p, text[t])
        {
            p = next;
            t += 1;
            continue;
        }
        match &mut retry {
            Some((star_p, star_t)) => {
                *star_t += 1;
                (p, t) = (*star_p, *star_t);
            }
            None => return false,
        }
    }
}

/// Matches one byte with the pattern's element at `p`, which is not a star; returns where the next element begins.
fn match_one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match pattern[p] {
        b'?' => Some(p + 1),
        b'[' => match_class(pattern, p, byte),
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == byte).then_some(p + 2),
        literal => (literal == byte).then_some(p + 1),
    }
}

/// Matches one byte with the class that begins at `p`. A class that is never closed ends with the pattern, as in Redis.
fn match_class(pattern: &[u8], start: usize, byte: u8) -> Option<usize> {
    let mut p = start + 1;
    let negated = pattern.get(p) == Some(&b'^');
    if negated {
        p += 1;
    }
    let mut found = false;
    loop {
        match pattern.get(p) {
            // Redis steps back to the last byte and over it again: the next element begins at the end.
            None => break,
            Some(b']') => {
                p += 1;
                break;
            }
            Some(b'\\') if p + 1 < pattern.len() => {
                found |= pattern[p + 1] == byte;
                p += 2;
            }
            Some(&low) => {
                if pattern.len() - p >= 3 && pattern[p + 1] == b'-' {
                    let high = pattern[p + 2];
                    found |= (low.min(high)..=low.max(high)).contains(&byte);
                    p += 3;
                } else {
                    found |= low == byte;
                    p += 1;
                }
            }
        }
    }
    (found != negated).then_some(p)
}

/// The pattern's only match when it has no special byte.
pub fn literal(pattern: &[u8]) -> Option<&[u8]> {
    (!pattern
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\')))
    .then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "abd", false),
            ("a*b*c", "a1b2b3c", true),
            ("*a*b", "aab", true),
            ("?", "", false),
            ("?", "a", true),
            ("h?llo", "hello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("[]", "]", false),
            ("[]]", "]", false),
            ("[a", "a", true),
            ("[^a", "b", true),
            ("[a-", "-", true),
            ("[a-]", "b", false),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("a\\", "a\\", true),
            ("[\\]]", "]", true),
            ("[\\", "\\", true),
            ("*\\", "b\\", true),
            ("**", "", true),
            ("*?", "", false),
            ("*[ab]*x", "qaqx", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"a*".repeat(2000);
        let text = vec![b'a'; 1999];
        assert!(!matches(&pattern, &text));
        assert!(!matches(
            &[b"*a".repeat(1000).as_slice(), b"b"].concat(),
            &vec![b'a'; 4000]
        ));
    }
}
