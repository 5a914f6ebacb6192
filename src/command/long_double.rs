//! INCRBYFLOAT's arithmetic: x86's 80-bit floating point (64 bits of mantissa) in software.
//!
//! Redis adds in `long double` and prints with 17 decimals; a 64-bit float would give other digits for one sum in many. Reading and writing are exactly
//! rounded. Exponents below the format's range are kept where x86 would lose bits: the difference is below the 17th decimal.
//! Never: not-a-number and infinities as results; [`parse`] reports them.

/// The longest text that is read, as in Redis.
const TEXT_BYTES_MAX: usize = 5 * 1024;
/// The largest exponent of the highest bit.
const EXPONENT_MAX: i64 = 16383;
/// The smallest value above zero is 2 to this.
const EXPONENT_MIN: i64 = -16445;
/// Decimals that are written.
const DECIMALS: usize = 17;

/// A finite number: `mantissa * 2^exponent`. The mantissa's top bit is set unless it is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    mantissa: u64,
    exponent: i64,
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A number.
    Finite(LongDouble),
    /// `inf`, which Redis reads and then refuses as a sum.
    Infinite,
}

/// Reads a number as `strtold` does, with nothing around it; None when it is none or out of range.
pub fn parse(text: &[u8]) -> Option<Parsed> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some(Parsed::Infinite);
    }
    let number = match rest {
        [b'0', b'x' | b'X', digits @ ..] => parse_digits(negative, digits, 16)?,
        _ => parse_digits(negative, rest, 10)?,
    };
    Some(Parsed::Finite(number))
}

fn parse_digits(negative: bool, text: &[u8], base: u32) -> Option<LongDouble> {
    let mut number = Big::default();
    let mut scale: i64 = 0;
    let (mut any, mut point) = (false, false);
    let mut i = 0;
    while i < text.len() {
        if text[i] == b'.' && !point {
            point = true;
        } else if let Some(digit) = (text[i] as char).to_digit(base) {
            any = true;
            number.multiply_add(base, digit);
            scale -= i64::from(point);
        } else {
            break;
        }
        i += 1;
    }
    if !any {
        return None;
    }
    let mark = if base == 16 { b'p' } else { b'e' };
    if i < text.len() {
        if text[i].to_ascii_lowercase() != mark {
            return None;
        }
        let (minus, digits) = match &text[i + 1..] {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if digits.is_empty() {
            return None;
        }
        let mut power: i64 = 0;
        for &digit in digits {
            power = (power * 10 + i64::from((digit as char).to_digit(10)?)).min(1_000_000);
        }
        let power = if minus { -power } else { power };
        scale = if base == 16 {
            scale * 4 + power
        } else {
            scale + power
        };
    } else if base == 16 {
        scale *= 4;
    }
    if number.is_zero() {
        return Some(LongDouble {
            negative,
            mantissa: 0,
            exponent: 0,
        });
    }
    // Far outside the range whatever the digits are: no need for the big arithmetic.
    if scale.abs() > 100_000 {
        return None;
    }
    if base == 16 {
        return finish(negative, &number, scale, false);
    }
    if scale >= 0 {
        for _ in 0..scale {
            if number.bits() > EXPONENT_MAX as usize + 2 {
                return None;
            }
            number.multiply_add(10, 0);
        }
        finish(negative, &number, 0, false)
    } else {
        let mut divisor = Big::from(1);
        for _ in 0..-scale {
            divisor.multiply_add(10, 0);
        }
        let (quotient, exponent, sticky) = number.divide(divisor);
        finish(negative, &quotient, exponent, sticky)
    }
}

/// Rounds `number * 2^exponent` (and a little more when `sticky`) to the format.
fn finish(negative: bool, number: &Big, exponent: i64, sticky: bool) -> Option<LongDouble> {
    let bits = number.bits();
    let drop = bits.saturating_sub(66);
    let (top, lost) = number.shifted_right(drop);
    let low = top.low_u128();
    let rounded = round(
        negative,
        (low << 1) | u128::from(lost || sticky),
        exponent + drop as i64 - 1,
    );
    rounded.in_range().filter(|number| number.mantissa != 0)
}

/// Rounds to 64 bits, to nearest, ties to even.
fn round(negative: bool, value: u128, exponent: i64) -> LongDouble {
    if value == 0 {
        return LongDouble {
            negative: false,
            mantissa: 0,
            exponent: 0,
        };
    }
    let bits = 128 - value.leading_zeros();
    if bits <= 64 {
        return LongDouble {
            negative,
            mantissa: (value as u64) << (64 - bits),
            exponent: exponent - i64::from(64 - bits),
        };
    }
    let drop = bits - 64;
    let mut kept = value >> drop;
    let rest = value & ((1 << drop) - 1);
    let half = 1u128 << (drop - 1);
    if rest > half || (rest == half && kept & 1 == 1) {
        kept += 1;
    }
    let mut exponent = exponent + i64::from(drop);
    if kept >> 64 != 0 {
        kept >>= 1;
        exponent += 1;
    }
    LongDouble {
        negative,
        mantissa: kept as u64,
        exponent,
    }
}

impl LongDouble {
    /// The number itself unless it is too large or too small for the format.
    fn in_range(self) -> Option<LongDouble> {
        let top = self.exponent + 63;
        (self.mantissa == 0 || (EXPONENT_MIN..=EXPONENT_MAX).contains(&top)).then_some(self)
    }

    /// The sum; None when it is infinite.
    pub fn plus(self, other: LongDouble) -> Option<LongDouble> {
        if self.mantissa == 0 {
            return Some(other);
        }
        if other.mantissa == 0 {
            return Some(self);
        }
        let (large, small) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        // Two bits of headroom above, 62 below: enough for exact rounding with the lost bits gathered in the lowest.
        let distance = (large.exponent - small.exponent) as u32;
        let a = u128::from(large.mantissa) << 62;
        let b = u128::from(small.mantissa) << 62;
        let b = if distance > 126 {
            1
        } else {
            (b >> distance) | u128::from(b & ((1u128 << distance) - 1) != 0)
        };
        let (negative, sum) = if large.negative == small.negative {
            (large.negative, a + b)
        } else if a >= b {
            (large.negative, a - b)
        } else {
            (small.negative, b - a)
        };
        let sum = round(negative, sum, large.exponent - 62);
        (sum.exponent + 63 <= EXPONENT_MAX || sum.mantissa == 0).then_some(sum)
    }

    /// The number with at most 17 decimals and no zeros behind the last one that counts.
    pub fn to_text(self) -> String {
        let mut text = if self.exponent >= 0 && self.mantissa != 0 {
            let mut whole = Big::from(self.mantissa);
            whole.shift_left(self.exponent as usize);
            whole.to_decimal()
        } else {
            // Below 2^64 * 10^17 < 2^121.
            let scaled = u128::from(self.mantissa) * 10u128.pow(DECIMALS as u32);
            let drop = -self.exponent;
            let scaled = match drop {
                0 => scaled,
                1..=126 => {
                    let kept = scaled >> drop;
                    let rest = scaled & ((1u128 << drop) - 1);
                    let half = 1u128 << (drop - 1);
                    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
                }
                _ => 0,
            };
            let mut digits = format!("{scaled:0>width$}", width = DECIMALS + 1);
            digits.insert(digits.len() - DECIMALS, '.');
            let length = digits.trim_end_matches('0').trim_end_matches('.').len();
            digits.truncate(length);
            digits
        };
        if self.negative && text != "0" {
            text.insert(0, '-');
        }
        text
    }
}

/// An unsigned integer of any size, lowest limb first, no zero limbs on top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Big {
    limbs: Vec<u32>,
}

impl From<u64> for Big {
    fn from(value: u64) -> Big {
        let mut big = Big {
            limbs: vec![value as u32, (value >> 32) as u32],
        };
        big.trim();
        big
    }
}

impl Big {
    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }
    fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }
    fn bits(&self) -> usize {
        self.limbs.last().map_or(0, |top| {
            self.limbs.len() * 32 - top.leading_zeros() as usize
        })
    }
    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.limbs.push(carry as u32);
        }
    }
    fn shift_left(&mut self, bits: usize) {
        let (limbs, bits) = (bits / 32, bits % 32);
        if bits != 0 {
            let mut carry = 0;
            for limb in &mut self.limbs {
                let next = *limb >> (32 - bits);
                *limb = (*limb << bits) | carry;
                carry = next;
            }
            if carry != 0 {
                self.limbs.push(carry);
            }
        }
        if !self.is_zero() {
            self.limbs.splice(0..0, std::iter::repeat_n(0, limbs));
        }
    }
    /// The number without its lowest bits, and whether one of them was set.
    fn shifted_right(&self, bits: usize) -> (Big, bool) {
        let (limbs, bits) = (bits / 32, bits % 32);
        let mut lost = self.limbs.iter().take(limbs).any(|&limb| limb != 0);
        let mut rest = Big {
            limbs: self.limbs.get(limbs..).unwrap_or_default().to_vec(),
        };
        if bits != 0 {
            lost |= rest
                .limbs
                .first()
                .is_some_and(|low| low & ((1 << bits) - 1) != 0);
            let mut carry = 0;
            for limb in rest.limbs.iter_mut().rev() {
                let next = *limb << (32 - bits);
                *limb = (*limb >> bits) | carry;
                carry = next;
            }
        }
        rest.trim();
        (rest, lost)
    }
    fn low_u128(&self) -> u128 {
        self.limbs
            .iter()
            .take(4)
            .rev()
            .fold(0, |value, &limb| (value << 32) | u128::from(limb))
    }
    fn at_least(&self, other: &Big) -> bool {
        let order = self.limbs.len().cmp(&other.limbs.len());
        order
            .then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
            .is_ge()
    }
    fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.limbs.iter_mut().enumerate() {
            let (difference, under) =
                limb.overflowing_sub(other.limbs.get(i).copied().unwrap_or(0));
            let (difference, under_again) = difference.overflowing_sub(u32::from(borrow));
            *limb = difference;
            borrow = under || under_again;
        }
        assert!(!borrow, "subtraction below zero");
        self.trim();
    }
    /// At least 66 bits of the quotient, the power of two to multiply it with, and whether something is left.
    fn divide(mut self, mut divisor: Big) -> (Big, i64, bool) {
        let shift = self.bits() as i64 - divisor.bits() as i64;
        if shift >= 0 {
            divisor.shift_left(shift as usize);
        } else {
            self.shift_left(-shift as usize);
        }
        // Both have the same number of bits now: the quotient's first bit is its ones or its halves.
        let mut quotient: u128 = 0;
        for _ in 0..=67 {
            quotient <<= 1;
            if self.at_least(&divisor) {
                self.subtract(&divisor);
                quotient |= 1;
            }
            self.shift_left(1);
        }
        let mut big = Big::from((quotient >> 64) as u64);
        big.shift_left(64);
        let low = Big::from(quotient as u64);
        for (i, limb) in low.limbs.iter().enumerate() {
            if i < big.limbs.len() {
                big.limbs[i] = *limb;
            } else {
                big.limbs.push(*limb);
            }
        }
        (big, shift - 67, !self.is_zero())
    }
    fn to_decimal(&self) -> String {
        let mut rest = self.clone();
        let mut groups = Vec::new();
        while !rest.is_zero() {
            let mut remainder: u64 = 0;
            for limb in rest.limbs.iter_mut().rev() {
                let value = (remainder << 32) | u64::from(*limb);
                *limb = (value / 1_000_000_000) as u32;
                remainder = value % 1_000_000_000;
            }
            rest.trim();
            groups.push(remainder);
        }
        let mut text = groups
            .pop()
            .map_or_else(|| "0".to_owned(), |group| group.to_string());
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<LongDouble> {
        match parse(text.as_bytes())? {
            Parsed::Finite(number) => Some(number),
            Parsed::Infinite => None,
        }
    }

    fn sum(a: &str, b: &str) -> String {
        number(a)
            .unwrap()
            .plus(number(b).unwrap())
            .unwrap()
            .to_text()
    }

    #[test]
    fn sums_are_those_of_redis() {
        for (a, b, expected) in [
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0", "0", "0"),
            ("-0.1", "0.1", "0"),
            ("3", "0", "3"),
            ("0.1", "0.2", "0.3"),
            ("1e19", "1", "10000000000000000001"),
            ("1e20", "1", "100000000000000000000"),
            ("-1e-18", "0", "0"),
            ("0x10", "0", "16"),
            ("0x1.8p1", "0", "3"),
            (".5", "5.", "5.5"),
            ("1e-17", "0", "0.00000000000000001"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", ".", "e5", "1e", "1e+", "abc", "1 ", " 1", "1a", "nan", "1e5000", "1e-5000",
            "0x", "1..2", "--1",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
        assert_eq!(parse(b"-inf"), Some(Parsed::Infinite));
        assert_eq!(parse(&vec![b'1'; TEXT_BYTES_MAX + 1]), None);
    }

    #[test]
    fn the_largest_numbers_are_exact() {
        let large = number("1e4932").unwrap();
        assert_eq!(large.to_text().len(), 4933);
        assert!(large.plus(large).is_none());
        assert_eq!(sum("18446744073709551615", "0"), "18446744073709551615");
        assert_eq!(sum("18446744073709551617", "0"), "18446744073709551616");
    }
}
