//! Storing whole strings: SET with its options, SETNX, SETEX, PSETEX.
//!
//! SET without options is the path that budgets are measured on: it allocates nothing, hashes the key once and adopts a large argument's buffer.

use super::compare::Condition;
use super::number::integer;
use super::string_value::{find_string_read, find_string_write, reply_value, string_value};
use super::{CommandError, Context, key_at};
use crate::engine::{Engine, EventClass, Expiry, Key, NewValue, Touch};
use crate::protocol::args::Args;

/// The expiry that options ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryOption {
    /// Nothing was said.
    None,
    /// KEEPTTL.
    Keep,
    /// PERSIST (GETEX).
    Persist,
    /// EX, PX, EXAT, PXAT.
    Time {
        /// The argument with the number.
        index: usize,
        /// The number is seconds, not milliseconds.
        seconds: bool,
        /// The number is a time, not a duration.
        absolute: bool,
    },
}

impl ExpiryOption {
    /// The Unix time in milliseconds that a [`ExpiryOption::Time`] names.
    pub fn at(self, command: &str, args: &Args<'_>, now_ms: i64) -> Result<i64, CommandError> {
        let ExpiryOption::Time {
            index,
            seconds,
            absolute,
        } = self
        else {
            panic!("no time was given");
        };
        expiry_at(command, args.get(index), seconds, absolute, now_ms)
    }
}

/// The Unix time in milliseconds of an expiry argument of SET, SETEX, PSETEX and GETEX: above zero, and no overflow.
fn expiry_at(
    command: &str,
    text: &[u8],
    seconds: bool,
    absolute: bool,
    now_ms: i64,
) -> Result<i64, CommandError> {
    let number = integer(text)?;
    let milliseconds = if seconds {
        number.checked_mul(1000)
    } else {
        Some(number)
    };
    let base = if absolute { 0 } else { now_ms };
    milliseconds
        .filter(|&milliseconds| milliseconds > 0)
        .and_then(|milliseconds| milliseconds.checked_add(base))
        .ok_or_else(|| CommandError::expire_time(command))
}

/// The options of SET and GETEX.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    only_if_absent: bool,
    only_if_present: bool,
    /// What the value has to be, and the argument it is compared with.
    only_if: Option<(Condition, usize)>,
    get: bool,
    /// The expiry.
    pub expiry: ExpiryOption,
}

impl Options {
    const NONE: Options = Options {
        only_if_absent: false,
        only_if_present: false,
        only_if: None,
        get: false,
        expiry: ExpiryOption::None,
    };

    /// Reads the options from argument `start` on.
    pub fn parse(args: &Args<'_>, start: usize, for_getex: bool) -> Result<Options, CommandError> {
        let mut options = Options::NONE;
        let mut i = start;
        while i < args.len() {
            let word = args.get(i);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let unset = options.expiry == ExpiryOption::None;
            let time = if is("EX") {
                Some((true, false))
            } else if is("PX") {
                Some((false, false))
            } else if is("EXAT") {
                Some((true, true))
            } else if is("PXAT") {
                Some((false, true))
            } else {
                None
            };
            if let Some((seconds, absolute)) = time {
                i += 1;
                // The same option may be said again, and the last one counts.
                let again = matches!(options.expiry, ExpiryOption::Time { seconds: s, absolute: a, .. } if (s, a) == (seconds, absolute));
                if !(unset || again) || i == args.len() {
                    return Err(CommandError::Syntax);
                }
                options.expiry = ExpiryOption::Time {
                    index: i,
                    seconds,
                    absolute,
                };
            } else if for_getex {
                if !is("PERSIST") || !(unset || options.expiry == ExpiryOption::Persist) {
                    return Err(CommandError::Syntax);
                }
                options.expiry = ExpiryOption::Persist;
            } else if is("NX") && !options.only_if_present && options.only_if.is_none() {
                options.only_if_absent = true;
            } else if is("XX") && !options.only_if_absent && options.only_if.is_none() {
                options.only_if_present = true;
            } else if let Some(condition) = Condition::of_word(word) {
                let conditional = options.only_if_absent || options.only_if_present;
                i += 1;
                if conditional || options.only_if.is_some() || i == args.len() {
                    return Err(CommandError::Syntax);
                }
                options.only_if = Some((condition, i));
            } else if is("GET") {
                options.get = true;
            } else if is("KEEPTTL") && (unset || options.expiry == ExpiryOption::Keep) {
                options.expiry = ExpiryOption::Keep;
            } else {
                return Err(CommandError::Syntax);
            }
            i += 1;
        }
        Ok(options)
    }

    /// Whether the key at argument 1 is as SET's conditions want it.
    fn allow(&self, context: &mut Context<'_>) -> Result<bool, CommandError> {
        if let Some((condition, index)) = self.only_if {
            return match find_string_write(context, 1)? {
                None => Ok(condition.holds_of_nothing()),
                Some(item) => {
                    let value = string_value(context.engine, item);
                    condition.holds(context.args.get(index), &value)
                }
            };
        }
        if self.only_if_absent || self.only_if_present {
            let key = key_at!(context, 1);
            let found = context.engine.find(&key, Touch::No).is_some();
            return Ok(found != self.only_if_absent);
        }
        Ok(true)
    }
}

/// Stores what has expired already, of which nothing is left but the events.
pub fn store_expired(engine: &mut Engine, key: &Key<'_>) {
    if !engine.remove(key) {
        engine.notify(EventClass::New, "new", key);
    }
    engine.notify(EventClass::String, "set", key);
    engine.notify(EventClass::Generic, "expire", key);
    engine.notify(EventClass::Expired, "expired", key);
}

/// Stores argument `index` under the key at argument 1. An expiry that has passed leaves no key.
#[inline]
pub(super) fn store(
    context: &mut Context<'_>,
    index: usize,
    expiry: Expiry,
) -> Result<(), CommandError> {
    let large = context.args.take_large(index);
    let key = key_at!(context, 1);
    if let Expiry::At(time) = expiry
        && time <= context.engine.now_ms()
    {
        store_expired(context.engine, &key);
    } else {
        let value = match large {
            None => NewValue::Bytes(context.args.get(index)),
            Some(buffer) => NewValue::Large(buffer),
        };
        context.engine.set(&key, value, expiry)?;
        context.engine.notify(EventClass::String, "set", &key);
        if let Expiry::At(_) = expiry {
            context.engine.notify(EventClass::Generic, "expire", &key);
        }
    }
    context.stats.changes += 1;
    Ok(())
}

/// `SET key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET] [EX seconds | PX milliseconds | EXAT time | PXAT time | KEEPTTL]`.
#[inline]
pub fn set(context: &mut Context<'_>) -> Result<(), CommandError> {
    if context.args.len() == 3 {
        store(context, 2, Expiry::None)?;
        context.reply.ok();
        return Ok(());
    }
    set_with_options(context)
}

#[cold]
fn set_with_options(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(&context.args, 3, false)?;
    let expiry = match options.expiry {
        ExpiryOption::Time { .. } => Expiry::At(options.expiry.at(
            "set",
            &context.args,
            context.engine.now_ms(),
        )?),
        ExpiryOption::Keep => Expiry::Keep,
        ExpiryOption::None | ExpiryOption::Persist => Expiry::None,
    };
    let bytes_written = context.reply.bytes.len();
    let large_written = context.reply.large.len();
    if options.get {
        match find_string_read(context, 1)? {
            Some(item) => reply_value(context.reply, context.engine, item),
            None => context.reply.null(),
        }
    }
    let outcome = match options.allow(context) {
        Ok(true) => store(context, 2, expiry).map(|()| true),
        outcome => outcome,
    };
    match outcome {
        Err(error) => {
            context.reply.bytes.truncate(bytes_written);
            context.reply.large.truncate(large_written);
            return Err(error);
        }
        Ok(_) if options.get => {}
        Ok(true) => context.reply.ok(),
        Ok(false) => context.reply.null(),
    }
    Ok(())
}

/// SETNX key value.
pub fn setnx(context: &mut Context<'_>) -> Result<(), CommandError> {
    let absent = context.find_write(1).is_none();
    if absent {
        store(context, 2, Expiry::None)?;
    }
    context.reply.integer(i64::from(absent));
    Ok(())
}

/// SETEX key seconds value.
pub fn setex(context: &mut Context<'_>) -> Result<(), CommandError> {
    store_for(context, "setex", true)
}

/// PSETEX key milliseconds value.
pub fn psetex(context: &mut Context<'_>) -> Result<(), CommandError> {
    store_for(context, "psetex", false)
}

fn store_for(context: &mut Context<'_>, command: &str, seconds: bool) -> Result<(), CommandError> {
    let time = expiry_at(
        command,
        context.args.get(2),
        seconds,
        false,
        context.engine.now_ms(),
    )?;
    store(context, 3, Expiry::At(time))?;
    context.reply.ok();
    Ok(())
}
