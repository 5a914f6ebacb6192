//! Numbers as text: integers two digits at a time, floating-point numbers in their shortest form as Redis 7.2 writes them.
//!
//! Never: allocates. The decision worth knowing: digits are written from the right end of a small array on the stack, which is then copied once.

/// Room for any `i64` or `u64` and its sign.
pub const INTEGER_BYTES_MAX: usize = 20;
/// Room for any `f64`: a sign, 19 digits or 17 digits with `.`, `e`, sign and three digits of exponent, or zeros after `0.`.
pub const DOUBLE_BYTES_MAX: usize = 32;

const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Writes `value` at the end of `buffer` and returns where it begins.
#[inline]
pub fn unsigned_at_end(buffer: &mut [u8; INTEGER_BYTES_MAX], mut value: u64) -> usize {
    let mut start = INTEGER_BYTES_MAX;
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        start -= 2;
        buffer[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        start -= 2;
        buffer[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        start -= 1;
        buffer[start] = b'0' + value as u8;
    }
    start
}

/// The digits of `value`, in `buffer`.
#[inline]
pub fn integer(buffer: &mut [u8; INTEGER_BYTES_MAX], value: i64) -> &[u8] {
    let mut start = unsigned_at_end(buffer, value.unsigned_abs());
    if value < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

/// A floating-point number as Redis 7.2 writes it: the shortest digits that read back as the same number; `inf`, `-inf`, `nan`.
pub fn double(buffer: &mut [u8; DOUBLE_BYTES_MAX], value: f64) -> &[u8] {
    let mut out = Cursor { buffer, len: 0 };
    if value.is_nan() {
        out.put(b"nan");
    } else if value.is_infinite() {
        out.put(if value < 0.0 { b"-inf" } else { b"inf" });
    } else if value == 0.0 {
        out.put(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if value.abs() <= (i64::MAX / 2) as f64 && value == (value as i64) as f64 {
        out.put(integer(&mut [0; INTEGER_BYTES_MAX], value as i64));
    } else {
        shortest(&mut out, value);
    }
    let len = out.len;
    &buffer[..len]
}

/// A number that is neither zero nor special: plain, or with an exponent when that is shorter by Redis' rule.
fn shortest(out: &mut Cursor<'_>, value: f64) {
    use std::io::Write;
    let mut text = [0u8; 40];
    let mut rest = &mut text[..];
    // The standard library gives the shortest digits, as `d.dddde-ddd`; only their arrangement differs.
    write!(rest, "{:e}", value.abs()).expect("the shortest form of a number fits");
    let len = 40 - rest.len();
    let e = text[..len]
        .iter()
        .position(|&byte| byte == b'e')
        .expect("this format always has an exponent");
    let exponent: i32 = std::str::from_utf8(&text[e + 1..len])
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("the exponent is a number");
    let mut digits = [0u8; 20];
    let mut count = 0;
    for &byte in text[..e].iter().filter(|byte| byte.is_ascii_digit()) {
        digits[count] = byte;
        count += 1;
    }
    let digits = &digits[..count];
    // The value is `digits` times ten to the power of `scale`.
    let scale = exponent - (count as i32 - 1);
    if value < 0.0 {
        out.put(b"-");
    }
    if scale >= 0 && exponent.abs() < count as i32 + 7 {
        out.put(digits);
        out.zeros(scale as usize);
    } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
        if exponent >= 0 {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            out.put(whole);
            out.put(b".");
            out.put(fraction);
        } else {
            out.put(b"0.");
            out.zeros((-exponent - 1) as usize);
            out.put(digits);
        }
    } else {
        out.put(&digits[..1]);
        if count > 1 {
            out.put(b".");
            out.put(&digits[1..]);
        }
        out.put(if exponent < 0 { b"e-" } else { b"e+" });
        out.put(integer(
            &mut [0; INTEGER_BYTES_MAX],
            i64::from(exponent.abs()),
        ));
    }
}

struct Cursor<'a> {
    buffer: &'a mut [u8; DOUBLE_BYTES_MAX],
    len: usize,
}

impl Cursor<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
    fn zeros(&mut self, count: usize) {
        self.buffer[self.len..self.len + count].fill(b'0');
        self.len += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn double_text(value: f64) -> String {
        String::from_utf8(double(&mut [0; DOUBLE_BYTES_MAX], value).to_vec()).expect("ASCII")
    }

    #[test]
    fn doubles_as_redis_7_2_writes_them() {
        let table: &[(f64, &str)] = &[
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (3.0e15, "3000000000000000"),
            (0.1, "0.1"),
            (-0.5, "-0.5"),
            (1.5, "1.5"),
            (3.3, "3.3"),
            (0.30000000000000004, "0.30000000000000004"),
            (1234.5678, "1234.5678"),
            (0.0001, "0.0001"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1.5e-10, "1.5e-10"),
            (0.0012345678, "0.0012345678"),
            (0.00012345678, "1.2345678e-4"),
            (123456.12345678, "1.2345612345678e+5"),
            (0.000012345678, "1.2345678e-5"),
            (4e18, "4000000000000000000"),
            (1e19, "1e+19"),
            (1.2345678e19, "1.2345678e+19"),
            (1.2345678901234567e19, "12345678901234567000"),
            (1e100, "1e+100"),
            (-1.7976931348623157e308, "-1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (value, expected) in table {
            assert_eq!(double_text(*value), *expected, "{value:e}");
        }
    }

    proptest! {
        #[test]
        fn integers_equal_the_standard_librarys(value in any::<i64>(), shift in 0u32..64) {
            let value = value >> shift;
            let mut buffer = [0; INTEGER_BYTES_MAX];
            prop_assert_eq!(integer(&mut buffer, value).to_vec(), value.to_string().into_bytes());
        }

        #[test]
        fn doubles_fit_and_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let read: f64 = double_text(value).parse().expect("a number");
            prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
        }

        #[test]
        fn ordinary_doubles_fit_and_read_back(mantissa in -1_000_000_000_000i64..1_000_000_000_000, exponent in -30i32..30) {
            let value = mantissa as f64 * 10f64.powi(exponent);
            prop_assert_eq!(double_text(value).parse::<f64>(), Ok(value));
        }
    }

    #[test]
    fn extreme_integers() {
        for value in [0, 9, 10, 99, 100, -9, -10, i64::MAX, i64::MIN] {
            assert_eq!(
                integer(&mut [0; INTEGER_BYTES_MAX], value),
                value.to_string().as_bytes()
            );
        }
    }
}
