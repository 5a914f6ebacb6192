//! The library `bit` (Lua BitOp): operations on numbers taken modulo 2^32, whose results are signed.

use super::library::{Fault, Outcome, add, number, one};
use mlua::{Lua, Table, Value};

/// Added to a number, it leaves the number's low 32 bits in those of the sum.
const SHIFT_TO_BITS: f64 = 6_755_399_441_055_744.0;

/// The table of functions.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    add(lua, &library, "tobit", |lua, arguments| {
        one(lua, bits(lua, arguments, 0)? as i32)
    })?;
    add(lua, &library, "bnot", |lua, arguments| {
        one(lua, !bits(lua, arguments, 0)? as i32)
    })?;
    add(lua, &library, "bswap", |lua, arguments| {
        one(lua, bits(lua, arguments, 0)?.swap_bytes() as i32)
    })?;
    for (name, operation) in FOLDS {
        add(lua, &library, name, move |lua, arguments| {
            fold(lua, arguments, *operation)
        })?;
    }
    for (name, operation) in SHIFTS {
        add(lua, &library, name, move |lua, arguments| {
            let value = bits(lua, arguments, 0)?;
            one(lua, operation(value, bits(lua, arguments, 1)? & 31) as i32)
        })?;
    }
    add(lua, &library, "tohex", hexadecimal)?;
    Ok(library)
}

type Operation = fn(u32, u32) -> u32;

const FOLDS: &[(&str, Operation)] = &[
    ("band", |a, b| a & b),
    ("bor", |a, b| a | b),
    ("bxor", |a, b| a ^ b),
];
const SHIFTS: &[(&str, Operation)] = &[
    ("lshift", |value, by| value << by),
    ("rshift", |value, by| value >> by),
    ("arshift", |value, by| (value as i32 >> by) as u32),
    ("rol", u32::rotate_left),
    ("ror", u32::rotate_right),
];

fn bits(lua: &Lua, arguments: &[Value], index: usize) -> Result<u32, Fault> {
    Ok((number(lua, arguments, index)? + SHIFT_TO_BITS).to_bits() as u32)
}

fn fold(lua: &Lua, arguments: &[Value], operation: Operation) -> Outcome {
    let mut result = bits(lua, arguments, 0)?;
    for index in 1..arguments.len() {
        result = operation(result, bits(lua, arguments, index)?);
    }
    one(lua, result as i32)
}

fn hexadecimal(lua: &Lua, arguments: &[Value]) -> Outcome {
    let value = bits(lua, arguments, 0)?;
    let digits = match arguments.get(1) {
        None => 8,
        Some(_) => bits(lua, arguments, 1)? as i32,
    };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 {
        format!("{value:08X}")
    } else {
        format!("{value:08x}")
    };
    one(lua, &text[8 - count..])
}
