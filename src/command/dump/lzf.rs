//! LZF, the compression of strings in DUMP payloads. A control byte below 32 begins a run of 1 to 32 literal bytes; another one copies 3 to 264 bytes
//! from at most 8192 back.
//!
//! ```text
//! 000nnnnn                       n+1 literal bytes follow
//! lllooooo oooooooo              copy l+2 bytes (l is 1 to 6) from o+1 back
//! 111ooooo llllllll oooooooo     copy l+9 bytes from o+1 back
//! ```
//!
//! Never: allocates what is only announced.

const LITERALS_MAX: usize = 32;
const COPY_MAX: usize = 264;
const DISTANCE_MAX: usize = 8192;
const HASH_BITS_MAX: u32 = 14;

/// The decompressed bytes, which must be exactly so many; None otherwise, and where the input is cut short or copies from before the start.
pub fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    // Three bytes never become more than 264, so a greater length is a lie.
    if len > input.len().saturating_mul(COPY_MAX / 3) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = input;
    let take = |rest: &mut &[u8]| -> Option<usize> {
        let (first, after) = rest.split_first()?;
        *rest = after;
        Some(usize::from(*first))
    };
    while !rest.is_empty() {
        let control = take(&mut rest)?;
        if control < LITERALS_MAX {
            let (literals, after) = rest.split_at_checked(control + 1)?;
            out.extend_from_slice(literals);
            rest = after;
        } else {
            let mut copy = control >> 5;
            if copy == 7 {
                copy += take(&mut rest)?;
            }
            copy += 2;
            let distance = ((control & 31) << 8 | take(&mut rest)?) + 1;
            let start = out.len().checked_sub(distance)?;
            if out.len() + copy > len {
                return None;
            }
            // The copy may run into what it has just written.
            for at in start..start + copy {
                out.push(out[at]);
            }
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// The compressed bytes, None unless they are at least four shorter.
pub fn compress(input: &[u8]) -> Option<Vec<u8>> {
    let limit = input.len().checked_sub(4).filter(|limit| *limit > 0)?;
    // Where three bytes with this hash were last seen, plus one.
    // A short input gets a small table: to clear it would take longer than the rest.
    let bits = (usize::BITS - input.len().leading_zeros()).min(HASH_BITS_MAX);
    let mut seen = vec![0u32; 1 << bits];
    let mut out = Vec::with_capacity(limit);
    let (mut at, mut literals) = (0, 0);
    while at < input.len() {
        let mut copy = 0;
        let mut distance = 0;
        if let Some(three) = input.get(at..at + 3) {
            let key = u32::from_le_bytes([three[0], three[1], three[2], 0]);
            let slot = &mut seen[(key.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize];
            let candidate = *slot as usize;
            *slot = u32::try_from(at + 1).ok()?;
            distance = at + 1 - candidate;
            if candidate > 0 && distance <= DISTANCE_MAX {
                let same = input[candidate - 1..]
                    .iter()
                    .zip(&input[at..])
                    .take(COPY_MAX);
                copy = same.take_while(|(left, right)| left == right).count();
            }
        }
        if copy < 3 {
            at += 1;
            literals += 1;
            continue;
        }
        push_literals(&mut out, &input[at - literals..at]);
        literals = 0;
        let (length, back) = (copy - 2, distance - 1);
        if length < 7 {
            out.push((length << 5 | back >> 8) as u8);
        } else {
            out.extend_from_slice(&[(7 << 5 | back >> 8) as u8, (length - 7) as u8]);
        }
        out.push(back as u8);
        at += copy;
        if out.len() > limit {
            return None;
        }
    }
    push_literals(&mut out, &input[at - literals..]);
    (out.len() <= limit).then_some(out)
}

fn push_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        assert_eq!(
            decompress(b"\x01ab\x20\x01", 5).as_deref(),
            Some(b"ababa".as_slice())
        );
        assert_eq!(
            decompress(b"\x00a\xe0\x01\x00", 11).as_deref(),
            Some(b"aaaaaaaaaaa".as_slice())
        );
        assert_eq!(
            decompress(b"\x01ab\x20\x02", 5),
            None,
            "from before the start"
        );
        assert_eq!(decompress(b"\x01ab", 3), None, "shorter than announced");
        assert_eq!(decompress(b"\x01ab", 1), None, "longer than announced");
        assert_eq!(decompress(b"\x05ab", 6), None, "cut short");
        assert_eq!(
            decompress(b"\x00a\xe0\xff\x00", 1 << 40),
            None,
            "more than can be"
        );
        assert_eq!(compress(b"abcd"), None);
    }

    proptest! {
        #[test]
        fn compression_is_undone(words in prop::collection::vec(0usize..6, 0..2000)) {
            const WORDS: [&[u8]; 6] = [b"a", b"the ", b"compression", b"\0\0\0\0", b"0123456789", b"xyzzy"];
            let text: Vec<u8> = words.into_iter().flat_map(|word| WORDS[word]).copied().collect();
            if let Some(compressed) = compress(&text) {
                prop_assert!(compressed.len() + 4 <= text.len());
                let again = decompress(&compressed, text.len());
                prop_assert_eq!(again.as_ref(), Some(&text));
            } else {
                prop_assert!(text.len() < 100, "words compress");
            }
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, len in 0usize..5000) {
            if let Some(out) = decompress(&bytes, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
