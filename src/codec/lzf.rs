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

use std::cell::RefCell;

const LITERALS_MAX: usize = 32;
const COPY_MAX: usize = 264;
const DISTANCE_MAX: usize = 8192;
const HASH_BITS: u32 = 16;
/// Positions in shorter inputs are numbers of 16 bits, with room for several inputs between two clearings.
const SHORT_BYTES_END: usize = 1 << 15;
/// Longer inputs are not compressed.
const LONG_BYTES_END: usize = 1 << 31;

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

/// Where three bytes were last seen, by a hash of them; what an earlier input left there is below `base` and counts as nothing, so that a
/// table of this size need not be cleared for each short input.
struct Seen<Position> {
    positions: Box<[Position]>,
    base: u32,
}

thread_local! {
    /// For short inputs: half of the memory, which the processor's first table of pages has room for.
    static SEEN_SHORT: RefCell<Seen<u16>> = RefCell::new(Seen::new());
    static SEEN: RefCell<Seen<u32>> = RefCell::new(Seen::new());
}

impl<Position: Copy + Default + Into<u32> + TryFrom<u32>> Seen<Position> {
    fn new() -> Seen<Position> {
        Seen {
            positions: vec![Position::default(); 1 << HASH_BITS].into(),
            base: 1,
        }
    }

    /// Forgets everything, to remember positions of an input of so many bytes.
    fn begin(&mut self, len: u32) {
        let end = self.base.checked_add(len);
        if end.is_none_or(|end| Position::try_from(end).is_err()) {
            self.positions.fill(Position::default());
            self.base = 1;
        }
    }

    /// Remembers a position, and tells the one that was remembered for the same hash.
    #[inline]
    fn replace(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let three = u32::from_be_bytes([0, input[at], input[at + 1], input[at + 2]]);
        let hash = (three >> (24 - HASH_BITS)).wrapping_sub(three.wrapping_mul(5));
        let slot = &mut self.positions[(hash & ((1 << HASH_BITS) - 1)) as usize];
        let position = Position::try_from(self.base + at as u32);
        let position = position.unwrap_or_else(|_| unreachable!("the beginning saw to it"));
        let before: u32 = std::mem::replace(slot, position).into();
        Some(before.checked_sub(self.base)? as usize)
    }

    fn compress(&mut self, input: &[u8], limit: usize) -> Option<Vec<u8>> {
        let len = input.len() as u32;
        self.begin(len);
        let compressed = compress_with(self, input, limit);
        self.base += len;
        compressed
    }
}

/// The compressed bytes, None unless they are at least four shorter, and for more than 2 GiB. Which copies are found, and when it is given up, is
/// liblzf's choice as Redis builds it, so that equal values have equal payloads here and there.
pub fn compress(input: &[u8]) -> Option<Vec<u8>> {
    let limit = input.len().checked_sub(4).filter(|limit| *limit > 0)?;
    match input.len() {
        0..SHORT_BYTES_END => SEEN_SHORT.with_borrow_mut(|seen| seen.compress(input, limit)),
        SHORT_BYTES_END..LONG_BYTES_END => SEEN.with_borrow_mut(|seen| seen.compress(input, limit)),
        _ => None,
    }
}

fn compress_with<Position: Copy + Default + Into<u32> + TryFrom<u32>>(
    seen: &mut Seen<Position>,
    input: &[u8],
    limit: usize,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(limit);
    // The place of the control byte of the literals that come next.
    out.push(0);
    let (mut at, mut literals) = (0, 0);
    while at + 2 < input.len() {
        let candidate = seen.replace(input, at);
        let copy = match candidate {
            // Never from the first byte, which liblzf cannot tell from an empty slot.
            Some(from) if from > 0 && at - from <= DISTANCE_MAX => common(input, from, at),
            _ => 0,
        };
        let Some(from) = candidate.filter(|_| copy >= 3) else {
            if out.len() >= limit {
                return None;
            }
            push_literal(&mut out, &mut literals, input[at]);
            at += 1;
            continue;
        };
        if out.len() - usize::from(literals == 0) + 4 >= limit {
            return None;
        }
        end_literals(&mut out, literals);
        let (length, back) = (copy - 2, at - from - 1);
        if length < 7 {
            out.push((length << 5 | back >> 8) as u8);
        } else {
            out.extend_from_slice(&[(7 << 5 | back >> 8) as u8, (length - 7) as u8]);
        }
        out.extend_from_slice(&[back as u8, 0]);
        literals = 0;
        at += copy;
        if at + 2 < input.len() {
            // Of what was copied only the last two positions are remembered.
            seen.replace(input, at - 2);
            seen.replace(input, at - 1);
        }
    }
    if out.len() + 3 > limit {
        return None;
    }
    for &byte in &input[at..] {
        push_literal(&mut out, &mut literals, byte);
    }
    end_literals(&mut out, literals);
    Some(out)
}

/// How many bytes from two positions on are the same, within what a copy may be.
fn common(input: &[u8], from: usize, at: usize) -> usize {
    // Two bytes are kept back, unless the first comparisons of liblzf, which go without looking at the end, have passed it by then.
    let most = (input.len() - at - 2).min(COPY_MAX);
    let most = most.max(if most > 16 { 19 } else { 3 });
    let pairs = input[from..].iter().zip(&input[at..]).take(most);
    pairs.take_while(|(left, right)| left == right).count()
}

fn push_literal(out: &mut Vec<u8>, literals: &mut usize, byte: u8) {
    out.push(byte);
    *literals += 1;
    if *literals == LITERALS_MAX {
        end_literals(out, LITERALS_MAX);
        out.push(0);
        *literals = 0;
    }
}

/// Writes the control byte of the literals at the end, or takes its place away when there are none.
fn end_literals(out: &mut Vec<u8>, literals: usize) {
    match literals.checked_sub(1) {
        Some(control) => {
            let place = out.len() - literals - 1;
            out[place] = control as u8;
        }
        None => {
            out.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tables_are_cleared_in_time() {
        let text: Vec<u8> = (0..20_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
        for len in [100, 1000, 32_767, 32_768, 70_000] {
            for from in 0..50 {
                let input = &text[from * 7..][..len];
                let compressed = compress(input).expect("it repeats itself");
                assert_eq!(decompress(&compressed, len).as_deref(), Some(input));
            }
        }
    }

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
