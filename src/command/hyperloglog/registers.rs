//! The HyperLogLog string of Redis, byte for byte: a header of 16 bytes (`HYLL`, encoding, 3 unused, the cached cardinality), then 16384
//! registers of 6 bits, either all of them (dense) or as runs (sparse, in `sparse.rs`). Whoever reads the key with GET, or sends it to
//! another server, gets the same bytes as from Redis.
//! Never: trusts the bytes. Clients can write any string, so every walk over the runs is checked.
//! The one decision worth knowing: the estimate is Ertl's improved estimator ("New cardinality estimation algorithms for HyperLogLog
//! sketches", 2017, algorithm 6), in the same order of floating-point operations as Redis', so that the counts are equal and not only close.

use super::sparse::{self, Set};

/// Number of registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bytes before the registers.
pub const HEADER_BYTES: usize = 16;
/// Length of a dense string.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
/// Default of `hll-sparse-max-bytes`: a sparse string longer than this becomes dense. The header counts.
pub const SPARSE_BYTES_MAX_DEFAULT: usize = 3000;

const INDEX_BITS: u32 = 14;
/// Bits of the hash that the registers' values are taken from.
const VALUE_BITS: usize = 64 - INDEX_BITS as usize;
const MAGIC: &[u8; 4] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Set in the last byte of the cached cardinality when it is out of date.
const STALE: u8 = 0x80;

/// Why a string cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// It was never a HyperLogLog: `WRONGTYPE`.
    Type,
    /// It looks like one, and its registers are not readable: `INVALIDOBJ`.
    Corrupted,
}

/// How the registers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// Runs of equal values.
    Sparse,
}

/// An empty one: sparse, one run of zeros, a valid cached cardinality of 0.
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4] = SPARSE;
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// The encoding a string claims, with the checks that do not walk the registers.
pub fn encoding(bytes: &[u8]) -> Result<Encoding, Invalid> {
    if bytes.len() < HEADER_BYTES || &bytes[..4] != MAGIC {
        return Err(Invalid::Type);
    }
    match bytes[4] {
        DENSE if bytes.len() == DENSE_BYTES => Ok(Encoding::Dense),
        SPARSE => Ok(Encoding::Sparse),
        _ => Err(Invalid::Type),
    }
}

/// The cardinality in the header, unless it is out of date.
pub fn cached(bytes: &[u8]) -> Option<u64> {
    let field = bytes[8..HEADER_BYTES].try_into().expect("eight bytes");
    (bytes[HEADER_BYTES - 1] & STALE == 0).then(|| u64::from_le_bytes(field))
}

/// Writes the cardinality into the header.
pub fn set_cached(bytes: &mut [u8], cardinality: u64) {
    bytes[8..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
}

/// Marks the cardinality in the header as out of date.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[HEADER_BYTES - 1] |= STALE;
}

/// The 64-bit hash of MurmurHash2 (`MurmurHash64A`) with the seed that HyperLogLog uses.
pub fn hash(element: &[u8]) -> u64 {
    const SEED: u64 = 0xadc8_3b19;
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = SEED ^ (element.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, tail) = element.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> SHIFT)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> SHIFT)
}

/// The register an element belongs to, and the value it asks for: 1 to 51.
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash(element);
    let index = hash as usize & (REGISTERS - 1);
    let pattern = (hash >> INDEX_BITS) | (1 << VALUE_BITS);
    (index, pattern.trailing_zeros() as u8 + 1)
}

/// PFADD of one element; true when a register changed. Marks the cached cardinality as out of date when it did.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Invalid> {
    let (index, value) = place(element);
    raise(bytes, index, value, sparse_bytes_max)
}

/// Raises one register to a value unless it is there already; true when it changed.
fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    value: u8,
    sparse_bytes_max: usize,
) -> Result<bool, Invalid> {
    if encoding(bytes)? == Encoding::Sparse {
        match sparse::set(bytes, index, value, sparse_bytes_max)? {
            Set::Unchanged => return Ok(false),
            Set::Changed => {
                invalidate(bytes);
                return Ok(true);
            }
            Set::TooLong => to_dense(bytes)?,
        }
    }
    Ok(raise_dense(bytes, index, value))
}

/// The same for a dense string, which keeps its length.
fn raise_dense(bytes: &mut [u8], index: usize, value: u8) -> bool {
    let registers = &mut bytes[HEADER_BYTES..];
    if dense_get(registers, index) >= value {
        return false;
    }
    dense_set(registers, index, value);
    invalidate(bytes);
    true
}

/// Whether adding an element would change a string that [`encoding`] said is dense.
pub fn dense_lacks(bytes: &[u8], element: &[u8]) -> bool {
    let (index, value) = place(element);
    dense_get(&bytes[HEADER_BYTES..], index) < value
}

/// [`add`] for a string that [`encoding`] said is dense.
pub fn add_dense(bytes: &mut [u8], element: &[u8]) -> bool {
    let (index, value) = place(element);
    raise_dense(bytes, index, value)
}

/// Rewrites a sparse string as a dense one; the header keeps its cardinality.
pub fn to_dense(bytes: &mut Vec<u8>) -> Result<(), Invalid> {
    if encoding(bytes)? == Encoding::Dense {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER_BYTES].copy_from_slice(&bytes[..HEADER_BYTES]);
    dense[4] = DENSE;
    let mut index = 0;
    for run in sparse::runs(&bytes[HEADER_BYTES..]) {
        let run = run?;
        if run.value > 0 {
            for register in index..index + run.len {
                dense_set(&mut dense[HEADER_BYTES..], register, run.value);
            }
        }
        index += run.len;
    }
    *bytes = dense;
    Ok(())
}

fn dense_get(registers: &[u8], index: usize) -> u8 {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let next = registers.get(at + 1).copied().unwrap_or(0);
    let pair = u16::from_le_bytes([registers[at], next]);
    (pair >> shift) as u8 & 63
}

fn dense_set(registers: &mut [u8], index: usize, value: u8) {
    let (at, shift) = (index * 6 / 8, index * 6 % 8);
    let mask = 63u16 << shift;
    let set = u16::from(value) << shift;
    registers[at] = registers[at] & !(mask as u8) | set as u8;
    if let Some(next) = registers.get_mut(at + 1) {
        *next = *next & !((mask >> 8) as u8) | (set >> 8) as u8;
    }
}

/// How many registers have each value.
struct Histogram([u32; 64]);

impl Histogram {
    fn of(bytes: &[u8]) -> Result<Histogram, Invalid> {
        let mut counts = [0; 64];
        match encoding(bytes)? {
            Encoding::Dense => {
                // Four registers in three bytes.
                for group in bytes[HEADER_BYTES..].as_chunks::<3>().0 {
                    let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
                    for register in 0..4 {
                        counts[(bits >> (6 * register)) as usize & 63] += 1;
                    }
                }
            }
            Encoding::Sparse => {
                for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                    let run = run?;
                    counts[usize::from(run.value)] += run.len as u32;
                }
            }
        }
        Ok(Histogram(counts))
    }

    fn estimate(&self) -> u64 {
        /// 1 / (2 ln 2).
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let registers = REGISTERS as f64;
        let full = f64::from(self.0[VALUE_BITS + 1]);
        let mut sum = registers * tau((registers - full) / registers);
        for value in (1..=VALUE_BITS).rev() {
            sum += f64::from(self.0[value]);
            sum *= 0.5;
        }
        sum += registers * sigma(f64::from(self.0[0]) / registers);
        (ALPHA * registers * registers / sum).round() as u64
    }
}

/// Ertl's sigma: the part of the registers that are zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// Ertl's tau: the part of the registers that are full.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// The estimate from the registers; does not look at the cached one.
pub fn count(bytes: &[u8]) -> Result<u64, Invalid> {
    Ok(Histogram::of(bytes)?.estimate())
}

/// The registers of a union, one byte each: PFCOUNT of several keys and PFMERGE.
pub struct Union {
    values: Box<[u8]>,
}

impl Default for Union {
    fn default() -> Union {
        Union::new()
    }
}

impl Union {
    /// The union of nothing.
    pub fn new() -> Union {
        Union {
            values: vec![0; REGISTERS].into_boxed_slice(),
        }
    }

    /// Takes in one string; after an error the union must not be used.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        match encoding(bytes)? {
            Encoding::Dense => {
                let groups = bytes[HEADER_BYTES..].as_chunks::<3>().0;
                for (values, group) in self.values.as_chunks_mut::<4>().0.iter_mut().zip(groups) {
                    let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
                    for (register, value) in values.iter_mut().enumerate() {
                        *value = (*value).max((bits >> (6 * register)) as u8 & 63);
                    }
                }
            }
            Encoding::Sparse => {
                let mut index = 0;
                for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                    let run = run?;
                    for value in &mut self.values[index..index + run.len] {
                        *value = (*value).max(run.value);
                    }
                    index += run.len;
                }
            }
        }
        Ok(())
    }

    /// The estimate for the union.
    pub fn count(&self) -> u64 {
        let mut counts = [0; 64];
        for value in &self.values {
            counts[usize::from(*value)] += 1;
        }
        Histogram(counts).estimate()
    }

    /// PFMERGE: raises the registers of `bytes` to those of the union. `dense` says that one of the sources was dense, which makes the
    /// destination dense. The cached cardinality is out of date afterwards, whether or not a register changed.
    pub fn merge_into(
        &self,
        bytes: &mut Vec<u8>,
        dense: bool,
        sparse_bytes_max: usize,
    ) -> Result<(), Invalid> {
        if dense {
            to_dense(bytes)?;
        }
        for (index, value) in self
            .values
            .iter()
            .enumerate()
            .filter(|(_, value)| **value > 0)
        {
            raise(bytes, index, *value, sparse_bytes_max)?;
        }
        invalidate(bytes);
        Ok(())
    }

    /// The values of the registers in order, as PFDEBUG GETREG shows them.
    pub fn registers(&self) -> &[u8] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(elements: impl Iterator<Item = u64>) -> Vec<u8> {
        let mut bytes = empty();
        for element in elements {
            add(
                &mut bytes,
                element.to_string().as_bytes(),
                SPARSE_BYTES_MAX_DEFAULT,
            )
            .expect("ours");
        }
        bytes
    }

    #[test]
    fn an_empty_one_is_what_redis_makes() {
        let bytes = empty();
        assert_eq!(bytes, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        assert_eq!(cached(&bytes), Some(0));
        assert_eq!(count(&bytes), Ok(0));
    }

    #[test]
    fn the_hash_of_recorded_elements() {
        // Where redis-server puts these elements, by PFDEBUG GETREG.
        for (element, index, value) in RECORDED_PLACES {
            assert_eq!(place(element.as_bytes()), (*index, *value), "{element:?}");
        }
    }

    const RECORDED_PLACES: &[(&str, usize, u8)] = &[
        ("", 5938, 2),
        ("a", 12711, 2),
        ("ab", 719, 1),
        ("hello", 9216, 1),
        ("1234567", 10327, 3),
        ("12345678", 10579, 3),
        ("123456789", 9293, 2),
        ("the quick brown fox jumps", 7253, 2),
    ];

    #[test]
    fn the_estimate_is_near() {
        let mut bytes = empty();
        for number in 1..=100_000u64 {
            add(&mut bytes, &number.to_le_bytes(), SPARSE_BYTES_MAX_DEFAULT).expect("ours");
            if [10, 100, 1000, 10_000, 100_000].contains(&number) {
                let estimate = count(&bytes).expect("ours") as f64;
                assert!(
                    (estimate / number as f64 - 1.0).abs() < 0.03,
                    "{number}: {estimate}"
                );
            }
        }
        assert_eq!(encoding(&bytes), Ok(Encoding::Dense));
    }

    #[test]
    fn the_cached_cardinality_goes_out_of_date_on_a_change_only() {
        let mut bytes = of(0..100);
        assert_eq!(cached(&bytes), None);
        set_cached(&mut bytes, 100);
        assert_eq!(cached(&bytes), Some(100));
        assert_eq!(add(&mut bytes, b"7", SPARSE_BYTES_MAX_DEFAULT), Ok(false));
        assert_eq!(cached(&bytes), Some(100));
        assert_eq!(add(&mut bytes, b"new", SPARSE_BYTES_MAX_DEFAULT), Ok(true));
        assert_eq!(cached(&bytes), None);
    }

    #[test]
    fn sparse_and_dense_say_the_same() {
        for elements in [0, 1, 10, 200, 900] {
            let sparse = of(0..elements);
            assert_eq!(encoding(&sparse), Ok(Encoding::Sparse));
            let mut dense = sparse.clone();
            to_dense(&mut dense).expect("ours");
            assert_eq!(encoding(&dense), Ok(Encoding::Dense));
            assert_eq!(count(&sparse), count(&dense));
            let (mut first, mut second) = (Union::new(), Union::new());
            first.take(&sparse).expect("ours");
            second.take(&dense).expect("ours");
            assert_eq!(first.registers(), second.registers());
            assert_eq!(Ok(first.count()), count(&sparse));
        }
    }

    #[test]
    fn a_merge_equals_adding_everything() {
        for (left, right) in [(100, 150), (300, 9000), (20_000, 21_000)] {
            let mut union = Union::new();
            let parts = [of(0..left), of(left / 2..right)];
            for part in &parts {
                union.take(part).expect("ours");
            }
            let dense = parts
                .iter()
                .any(|part| encoding(part) == Ok(Encoding::Dense));
            let mut merged = empty();
            union
                .merge_into(&mut merged, dense, SPARSE_BYTES_MAX_DEFAULT)
                .expect("ours");
            assert_eq!(cached(&merged), None);
            assert_eq!(count(&merged), count(&of(0..right)));
            assert_eq!(count(&merged), Ok(union.count()));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let mut short = b"HYLL".to_vec();
        assert_eq!(encoding(&short), Err(Invalid::Type));
        short.resize(HEADER_BYTES, 0);
        assert_eq!(encoding(&short), Err(Invalid::Type), "dense and short");
        short[4] = SPARSE;
        assert_eq!(count(&short), Err(Invalid::Corrupted), "no runs");
        assert_eq!(add(&mut short, b"x", 3000), Err(Invalid::Corrupted));
        short[4] = 2;
        assert_eq!(encoding(&short), Err(Invalid::Type));
        let mut other = empty();
        other[0] = b'X';
        assert_eq!(encoding(&other), Err(Invalid::Type));
        let mut long = empty();
        long.push(0);
        assert_eq!(
            count(&long),
            Err(Invalid::Corrupted),
            "more than 16384 registers"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(body in prop::collection::vec(any::<u8>(), 0..300), dense: bool, element: Vec<u8>) {
            let mut bytes = empty()[..HEADER_BYTES].to_vec();
            bytes.extend_from_slice(&body);
            if dense {
                bytes[4] = DENSE;
                bytes.resize(DENSE_BYTES, 0xff);
            }
            let mut union = Union::new();
            let readable = union.take(&bytes).is_ok();
            prop_assert_eq!(count(&bytes).is_ok(), readable);
            // An element may be added to a string whose rest is not readable, as in Redis; it must only stay in bounds.
            let added = add(&mut bytes, &element, SPARSE_BYTES_MAX_DEFAULT);
            prop_assert!(!readable || added.is_ok());
        }
    }
}
