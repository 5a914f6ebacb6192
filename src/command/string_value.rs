//! Values as strings: the one place that looks a key up as a string and would refuse another type.

use super::number::Digits;
use super::{CommandError, Context};
use crate::engine::{Engine, Item, Type, Value};
use crate::large::LargeBytes;
use crate::protocol::resp::Reply;
use std::ops::Deref;

/// The bytes of a string value, an integer's digits made on the stack.
#[derive(Debug)]
pub enum StringValue<'a> {
    /// Bytes in the item.
    Bytes(&'a [u8]),
    /// The digits of an integer.
    Digits(Digits),
    /// Bytes in a large buffer.
    Large(&'a LargeBytes),
}

impl Deref for StringValue<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            StringValue::Bytes(bytes) => bytes,
            StringValue::Digits(digits) => digits,
            StringValue::Large(large) => large.as_slice(),
        }
    }
}

/// The bytes of an item's value.
pub fn string_value(engine: &Engine, item: Item) -> StringValue<'_> {
    match engine.value(item) {
        Value::Bytes(bytes) => StringValue::Bytes(bytes),
        Value::Integer(value) => StringValue::Digits(Digits::new(value)),
        Value::Large(large) => StringValue::Large(large),
        Value::Packed(..) | Value::Collection(_) => unreachable!("its type was compared"),
    }
}

/// Replies with an item's value as a bulk string; a large one by reference.
#[inline]
pub fn reply_value(reply: &mut Reply, engine: &Engine, item: Item) {
    match engine.value(item) {
        Value::Bytes(bytes) => reply.bulk(bytes),
        Value::Integer(value) => reply.bulk_integer(value),
        Value::Large(large) => reply.bulk_large(large),
        Value::Packed(..) | Value::Collection(_) => unreachable!("its type was compared"),
    }
}

/// Looks a string up in order to read it; counts a hit or a miss.
#[inline]
pub fn find_string_read(
    context: &mut Context<'_>,
    index: usize,
) -> Result<Option<Item>, CommandError> {
    let found = context.find_read(index);
    string_only(context, found)
}

/// Looks a string up in order to change it; counts nothing.
#[inline]
pub fn find_string_write(
    context: &mut Context<'_>,
    index: usize,
) -> Result<Option<Item>, CommandError> {
    let found = context.find_write(index);
    string_only(context, found)
}

/// Refuses an item of another type.
#[inline]
fn string_only(context: &Context<'_>, found: Option<Item>) -> Result<Option<Item>, CommandError> {
    match found {
        Some(item) if context.engine.type_of(item) != Type::String => Err(CommandError::WrongType),
        found => Ok(found),
    }
}
