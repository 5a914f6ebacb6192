//! Values as memcached's clients see them: the one place that looks at a value and would refuse another type.

use super::super::number::Digits;
use super::super::string_value::StringValue;
use crate::engine::{Engine, Item, Value};

/// A value's bytes with the blanks behind them: a number that became shorter in place keeps its length for memcached's clients.
#[derive(Debug)]
pub struct Visible<'a> {
    /// The bytes.
    pub bytes: StringValue<'a>,
    /// The number of blanks.
    pub blanks: usize,
}

impl Visible<'_> {
    /// The length that clients see.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.blanks
    }
    /// The bytes it takes in a reply, where a large one is only referred to.
    pub fn bytes_in_reply(&self) -> usize {
        match self.bytes {
            StringValue::Large(_) => self.blanks,
            _ => self.len(),
        }
    }
    /// Whether clients see nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The value of an item; None when it is no string.
#[inline]
pub fn visible(engine: &Engine, item: Item) -> Option<Visible<'_>> {
    // Other types of value are refused; while there is none the last arm is not reached.
    #[allow(unreachable_patterns)]
    let bytes = match engine.value(item) {
        Value::Bytes(bytes) => StringValue::Bytes(bytes),
        Value::Integer(value) => StringValue::Digits(Digits::new(value)),
        Value::Large(large) => StringValue::Large(large),
        _ => return None,
    };
    let width = usize::from(engine.attributes(item).width);
    let blanks = width.saturating_sub(if width == 0 { 0 } else { bytes.len() });
    Some(Visible { bytes, blanks })
}
