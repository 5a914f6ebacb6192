//! The parser behind `cjson.decode`: tokens, and values made of them. Reads what lua-cjson reads, which is more than JSON (numbers in C's forms).

use super::cjson::{DEPTH_MAX, InvalidNumbers, Settings};
use super::library::{Fault, fault};
use mlua::{Lua, Value};

/// See the module.
pub struct Parser<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    depth_max: usize,
    takes_invalid: bool,
}

/// A token, and where it begins.
struct Token {
    kind: Kind,
    index: usize,
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::String(_) => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Error(text) => text,
        }
    }
}

fn unexpected<T>(expected: &str, token: &Token) -> Result<T, Fault> {
    fault(format!(
        "Expected {expected} but found {} at character {}",
        token.kind.name(),
        token.index + 1
    ))
}

impl<'a> Parser<'a> {
    /// A parser of this text.
    pub fn new(lua: &'a Lua, text: &'a [u8], settings: &Settings) -> Parser<'a> {
        Parser {
            lua,
            text,
            at: 0,
            depth_max: settings.decode_depth_max.min(DEPTH_MAX),
            takes_invalid: settings.decode_invalid != InvalidNumbers::Off,
        }
    }

    /// The one value of the text.
    pub fn document(&mut self) -> Result<Value, Fault> {
        if self.text.len() >= 2 && (self.text[0] == 0 || self.text[1] == 0) {
            return fault("JSON parser does not support UTF-16 or UTF-32");
        }
        let token = self.next();
        let value = self.value(token, 0)?;
        match self.next() {
            Token {
                kind: Kind::End, ..
            } => Ok(value),
            token => unexpected("the end", &token),
        }
    }

    fn value(&mut self, token: Token, depth: usize) -> Result<Value, Fault> {
        Ok(match token.kind {
            Kind::String(bytes) => Value::String(self.lua.create_string(bytes)?),
            Kind::Number(number) => Value::Number(number),
            Kind::Boolean(value) => Value::Boolean(value),
            Kind::Null => Value::NULL,
            Kind::ObjectBegin => self.object(self.deeper(depth)?)?,
            Kind::ArrayBegin => self.array(self.deeper(depth)?)?,
            _ => return unexpected("value", &token),
        })
    }

    fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        if depth + 1 > self.depth_max {
            return fault(format!(
                "Found too many nested data structures ({}) at character {}",
                depth + 1,
                self.at
            ));
        }
        Ok(depth + 1)
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if let Kind::ObjectEnd = token.kind {
            return Ok(Value::Table(table));
        }
        loop {
            let Kind::String(name) = token.kind else {
                return unexpected("object key string", &token);
            };
            let name = self.lua.create_string(name)?;
            let colon = self.next();
            let Kind::Colon = colon.kind else {
                return unexpected("colon", &colon);
            };
            let first = self.next();
            let value = self.value(first, depth)?;
            table.raw_set(name, value)?;
            let after = self.next();
            match after.kind {
                Kind::ObjectEnd => return Ok(Value::Table(table)),
                Kind::Comma => token = self.next(),
                _ => return unexpected("comma or object end", &after),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if let Kind::ArrayEnd = token.kind {
            return Ok(Value::Table(table));
        }
        for index in 1_i64.. {
            let value = self.value(token, depth)?;
            table.raw_set(index, value)?;
            let after = self.next();
            match after.kind {
                Kind::ArrayEnd => break,
                Kind::Comma => token = self.next(),
                _ => return unexpected("comma or array end", &after),
            }
        }
        Ok(Value::Table(table))
    }

    fn next(&mut self) -> Token {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let index = self.at;
        let single = match self.text.get(index) {
            None => {
                return Token {
                    kind: Kind::End,
                    index,
                };
            }
            Some(b'{') => Some(Kind::ObjectBegin),
            Some(b'}') => Some(Kind::ObjectEnd),
            Some(b'[') => Some(Kind::ArrayBegin),
            Some(b']') => Some(Kind::ArrayEnd),
            Some(b':') => Some(Kind::Colon),
            Some(b',') => Some(Kind::Comma),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Token { kind, index };
        }
        let rest = &self.text[index..];
        if rest[0] == b'"' {
            return match self.string() {
                Ok(bytes) => Token {
                    kind: Kind::String(bytes),
                    index,
                },
                Err(text) => Token {
                    kind: Kind::Error(text),
                    index: self.at,
                },
            };
        }
        let is_invalid = is_invalid_number(rest);
        if matches!(rest[0], b'-' | b'0'..=b'9') {
            if is_invalid && !self.takes_invalid {
                return Token {
                    kind: Kind::Error("invalid number"),
                    index,
                };
            }
            return self.number(index);
        }
        for (word, kind) in [
            ("true", Kind::Boolean(true)),
            ("false", Kind::Boolean(false)),
            ("null", Kind::Null),
        ] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Token { kind, index };
            }
        }
        if is_invalid && self.takes_invalid {
            return self.number(index);
        }
        Token {
            kind: Kind::Error("invalid token"),
            index,
        }
    }

    fn number(&mut self, index: usize) -> Token {
        let kind = match c_number(&self.text[index..]) {
            Some((number, len)) => {
                self.at += len;
                Kind::Number(number)
            }
            None => Kind::Error("invalid number"),
        };
        Token { kind, index }
    }

    /// The string that begins at the quote here; leaves the place where it went wrong.
    fn string(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut bytes = Vec::new();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None => return Err("unexpected end of string"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(bytes);
                }
                Some(b'\\') => {
                    let plain = match self.text.get(self.at + 1) {
                        Some(b'u') => {
                            self.unicode(&mut bytes)?;
                            continue;
                        }
                        Some(b'b') => 8,
                        Some(b't') => b'\t',
                        Some(b'n') => b'\n',
                        Some(b'f') => 12,
                        Some(b'r') => b'\r',
                        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
                        _ => return Err("invalid escape code"),
                    };
                    bytes.push(plain);
                    self.at += 2;
                }
                Some(byte) => {
                    bytes.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    fn unicode(&mut self, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
        const WRONG: &str = "invalid unicode escape code";
        let high = self.four_digits(self.at).ok_or(WRONG)?;
        let mut len = 6;
        let mut code = high;
        if high & 0xf800 == 0xd800 {
            // Two halves of a code; the second cannot come first.
            if high & 0x400 != 0 {
                return Err(WRONG);
            }
            let low = self.four_digits(self.at + 6).ok_or(WRONG)?;
            if low & 0xfc00 != 0xdc00 {
                return Err(WRONG);
            }
            code = (high & 0x3ff) << 10 | low & 0x3ff;
            code += 0x1_0000;
            len = 12;
        }
        let character = char::from_u32(code).ok_or(WRONG)?;
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += len;
        Ok(())
    }

    /// The number of an escape `\uXXXX` at this place.
    fn four_digits(&self, at: usize) -> Option<u32> {
        let escape = self.text.get(at..at + 6)?;
        if !escape.starts_with(b"\\u") {
            return None;
        }
        escape[2..].iter().try_fold(0, |value, digit| {
            Some(value << 4 | char::from(*digit).to_digit(16)?)
        })
    }
}

/// Whether it begins as one of the numbers that JSON has not: leading zeros, hexadecimal ones, infinities, no numbers.
fn is_invalid_number(text: &[u8]) -> bool {
    let text = text
        .strip_prefix(b"+")
        .or(text.strip_prefix(b"-"))
        .unwrap_or(text);
    match text {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        [b'0'..=b'9', ..] => false,
        _ => text.get(..3).is_some_and(|word| {
            word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
        }),
    }
}

/// A number as C's `strtod` reads it, and its length.
fn c_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let rest = &text[sign..];
    let signed = |value: f64| if negative { -value } else { value };
    let word = |name: &str| {
        rest.get(..name.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    for (name, value) in [
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ] {
        if word(name) {
            return Some((signed(value), sign + name.len()));
        }
    }
    if let [b'0', b'x' | b'X', digits @ ..] = rest {
        let len = digits
            .iter()
            .take_while(|digit| digit.is_ascii_hexdigit())
            .count();
        if len > 0 {
            let value = digits[..len].iter().fold(0.0, |value, digit| {
                value * 16.0 + f64::from(char::from(*digit).to_digit(16).unwrap_or(0))
            });
            return Some((signed(value), sign + 2 + len));
        }
    }
    let digits = |from: usize| {
        rest[from..]
            .iter()
            .take_while(|digit| digit.is_ascii_digit())
            .count()
    };
    let whole = digits(0);
    let mut len = whole;
    let mut decimals = 0;
    if rest.get(len) == Some(&b'.') {
        decimals = digits(len + 1);
        if whole + decimals > 0 {
            len += 1 + decimals;
        }
    }
    if whole + decimals == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = rest.get(len) {
        let exponent_sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
        if len + 1 + exponent_sign <= rest.len() {
            let exponent = digits(len + 1 + exponent_sign);
            if exponent > 0 {
                len += 1 + exponent_sign + exponent;
            }
        }
    }
    let value: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((signed(value), sign + len))
}
