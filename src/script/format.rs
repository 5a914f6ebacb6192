//! Numbers as C writes them: `%.17g` for arguments of commands, `%.14g` for JSON; and as C's conversion to integers reads them.

/// Appends a number as an argument of a command: 17 significant digits at most, integers plainly.
pub fn append_number(text: &mut Vec<u8>, value: f64) {
    // Integers below this are exact and have no exponent.
    if value.fract() == 0.0 && value.abs() < 1e15 && !(value == 0.0 && value.is_sign_negative()) {
        let mut buffer = [0; crate::protocol::number::INTEGER_BYTES_MAX];
        text.extend_from_slice(crate::protocol::number::integer(&mut buffer, value as i64));
    } else {
        append_general(text, value, 17);
    }
}

/// Appends a number as `%.{precision}g` does.
pub fn append_general(text: &mut Vec<u8>, value: f64, precision: usize) {
    use std::io::Write;
    if value.is_nan() {
        text.extend_from_slice(if value.is_sign_negative() {
            b"-nan"
        } else {
            b"nan"
        });
        return;
    }
    if value.is_infinite() {
        text.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
        return;
    }
    let precision = precision.max(1);
    // Digits and exponent, rounded to the precision.
    let scientific = format!("{:.*e}", precision - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Writing to a vector does not fail.
    if exponent < -4 || exponent >= precision as i32 {
        let _ = write!(
            text,
            "{}e{}{:02}",
            trimmed(mantissa),
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        );
    } else {
        let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
        let fixed = format!("{value:.decimals$}");
        text.extend_from_slice(trimmed(&fixed).as_bytes());
    }
}

/// Without zeros at the end of the decimals.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// A number as an integer of 64 bits as the processor converts it: what does not fit, and what is no number, is the least integer.
pub fn truncated(value: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(value: f64, precision: usize) -> String {
        let mut text = Vec::new();
        append_general(&mut text, value, precision);
        String::from_utf8(text).expect("ASCII")
    }

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        for (value, precision, expected) in [
            (0.1, 17, "0.10000000000000001"),
            (0.1, 14, "0.1"),
            (1e15, 14, "1e+15"),
            (1e15, 17, "1000000000000000"),
            (123456789.125, 5, "1.2346e+08"),
            (-0.0, 14, "-0"),
            (1e-5, 14, "1e-05"),
            (0.0001, 14, "0.0001"),
            (1e300, 3, "1e+300"),
            (9.9999, 2, "10"),
            (f64::INFINITY, 14, "inf"),
            (100.0, 14, "100"),
        ] {
            assert_eq!(general(value, precision), expected);
        }
        let mut text = Vec::new();
        append_number(&mut text, -12.0);
        append_number(&mut text, 3.5);
        assert_eq!(text, b"-123.5");
        assert_eq!(truncated(f64::NAN), i64::MIN);
        assert_eq!(truncated(-1.9), -1);
    }
}
