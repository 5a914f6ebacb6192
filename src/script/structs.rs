//! The library `struct`: values to bytes and back by a format string, as Roberto Ierusalimschy's library of that name does it: `>` `<` (byte order),
//! `!` (alignment), `x` `b` `B` `h` `H` `i` `I` `l` `L` `T` `f` `d` `s` `c`.

use super::format::truncated;
use super::library::{Fault, Outcome, add, fault, integer, number, one, string};
use mlua::{IntoLua, Lua, MultiValue, Table, Value};

/// The longest integer.
const INTEGER_BYTES_MAX: usize = 32;
/// Bytes of a pointer or a long, and the greatest native alignment.
const NATIVE_BYTES: usize = 8;
/// Bytes packed by one call.
const PACKED_BYTES_MAX: usize = 512 << 20;

/// The table of functions.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    add(lua, &library, "pack", pack)?;
    add(lua, &library, "unpack", unpack)?;
    add(lua, &library, "size", size)?;
    Ok(library)
}

/// A format being read.
struct Format<'a> {
    rest: &'a [u8],
    big_endian: bool,
    alignment: usize,
}

/// One item: what it is and how many bytes it takes.
struct Item {
    option: u8,
    bytes: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Format<'a> {
        Format {
            rest: text,
            big_endian: false,
            alignment: 1,
        }
    }

    fn digits(&mut self) -> Result<Option<usize>, Fault> {
        let mut value: Option<usize> = None;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let longer = value
                .unwrap_or(0)
                .checked_mul(10)
                .and_then(|value| value.checked_add(usize::from(digit - b'0')));
            match longer {
                Some(longer) if longer <= i32::MAX as usize => value = Some(longer),
                _ => return fault("integral size overflow"),
            }
            self.rest = rest;
        }
        Ok(value)
    }

    fn integer_size(&mut self, default: usize) -> Result<usize, Fault> {
        let size = self.digits()?.unwrap_or(default);
        if size > INTEGER_BYTES_MAX {
            return fault(format!(
                "integral size {size} is larger than limit of {INTEGER_BYTES_MAX}"
            ));
        }
        Ok(size)
    }

    /// The next option with its size. What only controls the reading has none and has had its effect.
    fn next(&mut self) -> Result<Option<Item>, Fault> {
        let Some((option, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let bytes = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.digits()?.unwrap_or(1),
            b'i' | b'I' => self.integer_size(4)?,
            b's' | b' ' => 0,
            b'>' | b'<' => {
                self.big_endian = *option == b'>';
                0
            }
            b'!' => {
                let alignment = self.digits()?.unwrap_or(NATIVE_BYTES);
                if !alignment.is_power_of_two() {
                    return fault(format!("alignment {alignment} is not a power of 2"));
                }
                self.alignment = alignment;
                0
            }
            other => {
                return Err(Fault::Argument(
                    1,
                    format!("invalid format option '{}'", char::from(*other)),
                ));
            }
        };
        Ok(Some(Item {
            option: *option,
            bytes,
        }))
    }

    /// Bytes of padding in front of an item at this place.
    fn padding(&self, item: &Item, place: usize) -> usize {
        let align = item.bytes.min(self.alignment);
        if align <= 1 || item.option == b'c' || !align.is_power_of_two() {
            return 0;
        }
        (align - (place & (align - 1))) & (align - 1)
    }
}

fn pack(lua: &Lua, arguments: &[Value]) -> Outcome {
    // The original has put a nil behind the arguments, which errors show as the value of one that is missing.
    let arguments = &[arguments, &[Value::Nil]].concat();
    let text = string(lua, arguments, 0)?;
    let text = text.as_bytes();
    let mut format = Format::new(&text);
    let mut bytes: Vec<u8> = Vec::new();
    let mut argument = 1;
    while let Some(item) = format.next()? {
        bytes.resize(bytes.len() + format.padding(&item, bytes.len()), 0);
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = number(lua, arguments, argument)?;
                argument += 1;
                // Beyond 64 bits the sign is not continued, as in the original.
                let value = if value < 0.0 {
                    truncated(value) as u64
                } else {
                    value as u64
                };
                let start = bytes.len();
                for place in 0..item.bytes {
                    bytes.push(if place < 8 {
                        (value >> (8 * place)) as u8
                    } else {
                        0
                    });
                }
                if format.big_endian {
                    bytes[start..].reverse();
                }
            }
            b'x' => bytes.push(0),
            b'f' => {
                let value = number(lua, arguments, argument)? as f32;
                argument += 1;
                bytes.extend_from_slice(&if format.big_endian {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                });
            }
            b'd' => {
                let value = number(lua, arguments, argument)?;
                argument += 1;
                bytes.extend_from_slice(&if format.big_endian {
                    value.to_be_bytes()
                } else {
                    value.to_le_bytes()
                });
            }
            b'c' | b's' => {
                let value = string(lua, arguments, argument)?;
                argument += 1;
                let value = value.as_bytes();
                let len = if item.option == b's' || item.bytes == 0 {
                    value.len()
                } else {
                    item.bytes
                };
                if value.len() < len {
                    // The original has counted on by then.
                    return Err(Fault::Argument(argument + 1, "string too short".into()));
                }
                bytes.extend_from_slice(&value[..len]);
                if item.option == b's' {
                    bytes.push(0);
                }
            }
            _ => {}
        }
        if bytes.len() > PACKED_BYTES_MAX {
            return fault("result too long");
        }
    }
    one(lua, lua.create_string(&bytes)?)
}

fn unpack(lua: &Lua, arguments: &[Value]) -> Outcome {
    let text = string(lua, arguments, 0)?;
    let text = text.as_bytes();
    let data = string(lua, arguments, 1)?;
    let data = data.as_bytes();
    let start = match arguments.get(2) {
        None | Some(Value::Nil) => 1,
        Some(_) => integer(lua, arguments, 2)?,
    };
    if start < 1 {
        return Err(Fault::Argument(3, "offset must be 1 or greater".into()));
    }
    let mut place = start as usize - 1;
    let mut format = Format::new(&text);
    let mut values: Vec<Value> = Vec::new();
    while let Some(item) = format.next()? {
        place = place.saturating_add(format.padding(&item, place));
        if place
            .checked_add(item.bytes)
            .is_none_or(|end| end > data.len())
        {
            return Err(Fault::Argument(2, "data string too short".into()));
        }
        let bytes = &data[place..place + item.bytes];
        let mut used = item.bytes;
        match item.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let signed = item.option.is_ascii_lowercase();
                values.push(Value::Number(read_integer(
                    bytes,
                    format.big_endian,
                    signed,
                )));
            }
            b'f' => {
                let raw: [u8; 4] = bytes.try_into().expect("four bytes");
                values.push(Value::Number(f64::from(if format.big_endian {
                    f32::from_be_bytes(raw)
                } else {
                    f32::from_le_bytes(raw)
                })));
            }
            b'd' => {
                let raw: [u8; 8] = bytes.try_into().expect("eight bytes");
                values.push(Value::Number(if format.big_endian {
                    f64::from_be_bytes(raw)
                } else {
                    f64::from_le_bytes(raw)
                }));
            }
            b'c' => {
                if item.bytes == 0 {
                    // The number read before says how long it is.
                    let len = match values.pop() {
                        Some(Value::Number(len)) if len >= 0.0 => len as usize,
                        Some(Value::Number(_)) => {
                            return Err(Fault::Argument(2, "data string too short".into()));
                        }
                        _ => return fault("format 'c0' needs a previous size"),
                    };
                    if place.checked_add(len).is_none_or(|end| end > data.len()) {
                        return Err(Fault::Argument(2, "data string too short".into()));
                    }
                    used = len;
                }
                values.push(Value::String(
                    lua.create_string(&data[place..place + used])?,
                ));
            }
            b's' => {
                let Some(len) = data[place..].iter().position(|byte| *byte == 0) else {
                    return fault("unfinished string in data");
                };
                values.push(Value::String(lua.create_string(&data[place..place + len])?));
                used = len + 1;
            }
            _ => {}
        }
        place += used;
        if values.len() > 7000 {
            return fault("too many results to unpack");
        }
    }
    values.push((place as f64 + 1.0).into_lua(lua)?);
    Ok(MultiValue::from_iter(values))
}

/// An integer of up to 32 bytes, of which eight count.
fn read_integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let mut value: u64 = 0;
    let place = |index: usize| {
        if big_endian {
            bytes[bytes.len() - 1 - index]
        } else {
            bytes[index]
        }
    };
    for index in 0..bytes.len().min(8) {
        value |= u64::from(place(index)) << (8 * index);
    }
    if !signed {
        return value as f64;
    }
    let bits = 8 * bytes.len();
    if bits < 64 && bits > 0 && value >> (bits - 1) == 1 {
        value |= u64::MAX << bits;
    }
    value as i64 as f64
}

fn size(lua: &Lua, arguments: &[Value]) -> Outcome {
    let text = string(lua, arguments, 0)?;
    let text = text.as_bytes();
    let mut format = Format::new(&text);
    let mut place = 0_usize;
    while let Some(item) = format.next()? {
        place = place.saturating_add(format.padding(&item, place));
        match item.option {
            b's' => return Err(Fault::Argument(1, "option 's' has no fixed size".into())),
            b'c' if item.bytes == 0 => {
                return Err(Fault::Argument(1, "option 'c0' has no fixed size".into()));
            }
            _ => place = place.saturating_add(item.bytes),
        }
    }
    one(lua, place as f64)
}
