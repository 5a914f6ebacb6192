//! Patterns of CONFIG GET and of `include`: `*`, `?`, `[a-z]`, `[^a]`, `\` in front of a literal.
//!
//! Bounded time: only the most recent star is ever tried again.

/// Whether the pattern has anything in it that makes it more than a name.
pub fn is_pattern(pattern: &[u8]) -> bool {
    pattern
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// Whether all of `text` matches.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(next) = text.get(t).and_then(|&byte| one(pattern, p, byte)) {
            p = next;
            t += 1;
        } else if let Some((after, from)) = star.filter(|(_, from)| *from < text.len()) {
            p = after;
            t = from + 1;
            star = Some((after, t));
        } else {
            return false;
        }
    }
    true
}

/// Where the pattern goes on when its element at `p` matches `byte`.
fn one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == byte).then_some(p + 2),
        b'[' => class(pattern, p + 1, byte),
        literal => (literal == byte).then_some(p + 1),
    }
}

/// The same for a class, whose first byte is at `p`; one that is not closed goes to the end.
fn class(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    while p < pattern.len() && pattern[p] != b']' {
        if pattern[p] == b'\\' && p + 1 < pattern.len() {
            p += 1;
        }
        let first = pattern[p];
        if pattern.get(p + 1) == Some(&b'-') && pattern.get(p + 2).is_some_and(|&last| last != b']')
        {
            let last = pattern[p + 2];
            found |= (first.min(last)..=first.max(last)).contains(&byte);
            p += 3;
        } else {
            found |= first == byte;
            p += 1;
        }
    }
    (found != negated).then_some((p + 1).min(pattern.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        let table = [
            ("", "", true),
            ("*", "", true),
            ("*", "port", true),
            ("max*-s*", "maxmemory-samples", true),
            ("max*-s*", "maxmemory", false),
            ("p?rt", "port", true),
            ("p?rt", "prt", false),
            ("[a-p]ort", "port", true),
            ("[^a-o]ort", "port", true),
            ("[^p]ort", "port", false),
            ("por\\t", "port", true),
            ("por\\*", "port", false),
            ("*t*t", "port", false),
            ("[p", "p", true),
            ("a*", "b", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(pattern in proptest::collection::vec(proptest::sample::select(&b"*?[]^-\\ab"[..]), 0..20), text in "[ab]{0,20}") {
            matches(&pattern, text.as_bytes());
        }
    }
}
