//! Random requests of the meta protocol, with the flags that memcached 1.6.18 knows. Left out, because later versions differ from it: `E`; `x` of md; `s`, `f`, `t`
//! and `N` of ms; and what shows a remaining time below zero.

use crate::operation::{Operation, Part, Territory, flags, value};
use crate::support::random::Random;

/// The next request.
pub fn operation(random: &mut Random, territory: &Territory) -> Operation {
    match random.below(100) {
        0..=37 => get(random, territory),
        38..=64 => set(random, territory),
        65..=74 => delete(random, territory),
        75..=89 => arithmetic(random, territory),
        90..=93 => debug(random, territory),
        94 => Operation::text(
            b"",
            *random.pick(&["mn\r\n", "mn foo\r\n", " mn\r\n", "mnx\r\n"]),
        ),
        _ => malformed(random, territory),
    }
}

/// A request in the making.
struct Line {
    key: Vec<u8>,
    parts: Vec<Part>,
    bytes: Vec<u8>,
    flags: Vec<u8>,
}

impl Line {
    /// Begins with a command and a key, which is now and then a binary one in base64.
    fn new(random: &mut Random, territory: &Territory, name: &str) -> (Line, bool) {
        let mut bytes = format!("{name} ").into_bytes();
        let encoded = random.chance(12);
        let key = if encoded {
            // Of their own: memcached shows every key that was stored in base64 in base64 ever after.
            let mut key = territory.prefix.clone().into_bytes();
            key.extend_from_slice(
                [b"\0\r\n \xff".as_slice(), b"b1", b"b22", b"b"][random.below(4) as usize],
            );
            bytes.extend_from_slice(base64(&key).as_bytes());
            key
        } else {
            let key = territory.key(random);
            bytes.extend_from_slice(&key);
            key
        };
        let line = Line {
            key,
            parts: Vec::new(),
            bytes,
            flags: Vec::new(),
        };
        (line, encoded)
    }

    /// Adds a flag once, with its argument.
    fn flag(&mut self, flag: u8, argument: impl AsRef<str>) {
        if self.flags.contains(&flag) {
            return;
        }
        self.flags.push(flag);
        self.bytes.extend_from_slice(&[b' ', flag]);
        self.bytes.extend_from_slice(argument.as_ref().as_bytes());
    }

    /// Adds the flag that compares tokens.
    fn token(&mut self, random: &mut Random) {
        if self.flags.contains(&b'C') {
            return;
        }
        if random.chance(15) {
            let literal = *random.pick(&["18446744073709551615", "0", "x", "-1"]);
            return self.flag(b'C', literal);
        }
        self.flags.push(b'C');
        self.bytes.extend_from_slice(b" C");
        self.parts
            .push(Part::Bytes(std::mem::take(&mut self.bytes)));
        let back = if random.chance(25) { 1 } else { 0 };
        self.parts.push(Part::Token {
            key: self.key.clone(),
            back,
            binary: false,
        });
    }

    fn finish(mut self, tail: &[u8]) -> Operation {
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(tail);
        self.parts.push(Part::Bytes(self.bytes));
        Operation {
            parts: self.parts,
            ..Operation::text(&self.key, "")
        }
    }
}

fn opaque(random: &mut Random) -> String {
    match random.below(12) {
        0 => String::new(),
        1 => "o".repeat(31),
        2 => "o".repeat(32),
        _ => random.below(1000).to_string(),
    }
}

fn get(random: &mut Random, territory: &Territory) -> Operation {
    let (mut line, encoded) = Line::new(random, territory, "mg");
    // Where the base64 flag stands among the others decides where it is shown.
    let encoded_at = random.below(4);
    for number in 0..random.below(8).max(4) {
        if encoded && number == encoded_at {
            line.flag(b'b', "");
        }
        match random.below(22) {
            0..=3 => line.flag(b'v', ""),
            4 => line.flag(b'c', ""),
            5 => line.flag(b'f', ""),
            6 => line.flag(b'h', ""),
            // It decides by the item how a key is shown, which an append makes another one of; the tables have base64's.
            7 if !encoded => line.flag(b'k', ""),
            8 => line.flag(b'l', ""),
            // A longer one is refused after the other flags have had their effects.
            9 => line.flag(b'O', opaque(random).get(..31).unwrap_or("7")),
            10 => line.flag(b'q', ""),
            11 => line.flag(b's', ""),
            12 | 13 => line.flag(b't', ""),
            14 => line.flag(b'u', ""),
            // It forgets that a key it creates came in base64, and then shows the bytes.
            15 if !encoded => line.flag(b'N', random.pick(&["0", "100", "1000"])),
            16 => line.flag(b'R', random.pick(&["0", "30", "500"])),
            17 => line.flag(b'T', random.pick(&["0", "100", "1000"])),
            18 => line.flag(b'P', "proxy"),
            19 => line.flag(b'L', ""),
            _ => {}
        }
    }
    line.finish(b"")
}

fn set(random: &mut Random, territory: &Territory) -> Operation {
    let (mut line, encoded) = Line::new(random, territory, "ms");
    let value = value(random);
    line.bytes
        .extend_from_slice(format!(" {}", value.len()).as_bytes());
    if encoded {
        line.flag(b'b', "");
    }
    for _ in 0..random.below(6) {
        match random.below(14) {
            0 => line.flag(b'c', ""),
            1 => line.flag(b'k', ""),
            2 => line.flag(b'O', opaque(random)),
            3 => line.flag(b'q', ""),
            4 => line.flag(b'F', flags(random)),
            5 => line.flag(b'I', ""),
            6 | 7 => line.flag(b'T', random.pick(&["0", "100", "1000", "-1"])),
            8 | 9 => line.flag(
                b'M',
                random.pick(&["E", "A", "A", "P", "R", "S", "Z", "", "EE", "a"]),
            ),
            10..=12 => line.token(random),
            _ => {}
        }
    }
    line.finish(&[value.as_slice(), b"\r\n"].concat())
}

fn delete(random: &mut Random, territory: &Territory) -> Operation {
    let (mut line, encoded) = Line::new(random, territory, "md");
    if encoded {
        line.flag(b'b', "");
    }
    for _ in 0..random.below(5) {
        match random.below(8) {
            0..=2 => line.flag(b'I', ""),
            3 => line.flag(b'T', random.pick(&["0", "100", "1000", "-1"])),
            4 => line.flag(b'k', ""),
            5 => line.flag(b'O', opaque(random)),
            6 => line.flag(b'q', ""),
            _ => line.token(random),
        }
    }
    line.finish(b"")
}

fn arithmetic(random: &mut Random, territory: &Territory) -> Operation {
    let (mut line, encoded) = Line::new(random, territory, "ma");
    if encoded {
        line.flag(b'b', "");
    }
    for _ in 0..random.below(7) {
        match random.below(16) {
            0..=3 => line.flag(b'v', ""),
            4 if !encoded => line.flag(b'N', random.pick(&["0", "100", "1000"])),
            5 => line.flag(
                b'J',
                random.pick(&["0", "13", "18446744073709551615", "x", "-1"]),
            ),
            6 | 7 => line.flag(
                b'D',
                random.pick(&["0", "1", "7", "100000", "18446744073709551615", "x", "-1"]),
            ),
            // Where the number gets longer the time is given to the item that was, and is lost.
            8 if !line.flags.contains(&b'D') => {
                line.flag(b'D', "0");
                line.flag(b'T', random.pick(&["0", "100", "1000"]));
            }
            9 | 10 => line.flag(
                b'M',
                random.pick(&["I", "D", "D", "+", "-", "X", "", "incr"]),
            ),
            11 => line.flag(b't', ""),
            12 => line.flag(b'c', ""),
            13 => line.flag(b'k', ""),
            14 => line.flag(b'q', ""),
            _ => line.token(random),
        }
    }
    line.finish(b"").alone()
}

fn debug(random: &mut Random, territory: &Territory) -> Operation {
    // Without the flag for base64, for the item decides by itself whether it shows its key so.
    let (line, _) = Line::new(random, territory, "me");
    line.finish(b"")
}

fn malformed(random: &mut Random, territory: &Territory) -> Operation {
    let key = String::from_utf8(territory.key(random)).expect("these keys are text");
    let long = "k".repeat(251);
    let many = "s t c f l h k v u q O1 P L A B C D E F G H I J K";
    let form = *random.pick(&[
        "mg",
        "ms",
        "md",
        "ma",
        "me",
        "ms KEY",
        "ms KEY x\r\nv",
        "ms KEY -1\r\nv",
        "ms KEY S1\r\nv",
        "ms KEY 1 X\r\nv",
        "ms KEY 1 !\r\nv",
        "mg KEY v v",
        "mg KEY !",
        "mg KEY 5",
        "mg KEY Z",
        "mg KEY W",
        "mg KEY y",
        "mg KEY \u{7f}",
        "mg KEY vv",
        "mg KEY kk",
        "mg KEY T",
        "mg KEY Tx",
        "mg KEY Nx",
        "mg KEY Rx",
        "mg KEY R",
        "mg KEY MXY",
        // Nothing but digits of base64: memcached passes over all other bytes, torc refuses them.
        "mg k1x b",
        "mg !!! b",
        "mg YQ b k",
        "md KEY k k",
        "md KEY Z",
        "md !!! b",
        "ma KEY y",
        "ma KEY N",
        "mg LONG v",
        "md LONG",
        "ma LONG",
        "me LONG",
        "ms LONG 1\r\nv",
        "mg KEY MANY",
        "md KEY MANY",
        "ma KEY MANY",
        "MG KEY",
        "mx KEY",
        "m",
        "mga KEY",
        " mg  KEY  v ",
        "ms KEY 1\r\nvw",
        "ms KEY 1 q\r\nvw",
        "mg LONG O1 O2",
        // Of a key that is there it would count as a use before it is refused.
        "mg is-never-stored Oooooooooooooooooooooooooooooooooooooooo",
        "mg KEY O1 O2",
        "mg KEY k1 s2",
    ]);
    let bytes = form
        .replace("KEY", &key)
        .replace("LONG", &long)
        .replace("MANY", many);
    Operation::text(key.as_bytes(), bytes + "\r\n")
}

/// Base64 with padding (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = 0u32;
        for index in 0..3 {
            bits = bits << 8 | u32::from(*group.get(index).unwrap_or(&0));
        }
        for index in 0..4 {
            if index <= group.len() {
                text.push(DIGITS[(bits >> (18 - 6 * index) & 63) as usize] as char);
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[test]
fn base64_is_that_of_the_standard() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}
