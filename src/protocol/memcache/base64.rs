//! Base64 of binary keys in the meta commands, with padding (RFC 4648, section 4).
//!
//! Never: allocates beyond what is appended to the caller's buffer.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the encoded form of `bytes`.
pub fn encode(bytes: &[u8], into: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0u32, |bits, &byte| bits << 8 | u32::from(byte))
            << (8 * (3 - group.len()));
        for index in 0..4 {
            into.push(if index <= group.len() {
                ALPHABET[(bits >> (18 - 6 * index)) as usize & 63]
            } else {
                b'='
            });
        }
    }
}

/// Appends the bytes that `text` stands for; None (with nothing appended) when it is not base64, or empty.
pub fn decode(text: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let start = into.len();
    let decoded = decode_groups(text, into);
    if decoded.is_none() {
        into.truncate(start);
    }
    decoded
}

fn decode_groups(text: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let (groups, rest) = text.as_chunks::<4>();
    if groups.is_empty() || !rest.is_empty() {
        return None;
    }
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|&&byte| byte == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 < groups.len()) {
            return None;
        }
        let mut bits = 0;
        for &byte in &group[..4 - padding] {
            bits = bits << 6 | value(byte)?;
        }
        bits <<= 6 * padding;
        into.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(())
}

fn value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_go_both_ways() {
        for (plain, encoded) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{0}\u{7f}?>", "AH8/Pg=="),
        ] {
            let mut text = Vec::new();
            encode(plain.as_bytes(), &mut text);
            assert_eq!(text, encoded.as_bytes());
            let mut bytes = Vec::new();
            assert_eq!(decode(encoded.as_bytes(), &mut bytes), Some(()));
            assert_eq!(bytes, plain.as_bytes());
        }
    }

    #[test]
    fn what_is_not_base64_leaves_nothing() {
        for text in [
            "", "Zm9", "Zm9vY", "Z===", "====", "Zg==Zm9v", "Zm9%", "Zm 9", "Zg=v",
        ] {
            let mut bytes = b"x".to_vec();
            assert_eq!(decode(text.as_bytes(), &mut bytes), None, "{text}");
            assert_eq!(bytes, b"x");
        }
    }
}
