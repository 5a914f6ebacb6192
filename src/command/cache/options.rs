//! The options that the commands of the family share: an expiry, and tags.

use crate::command::CommandError;
use crate::command::number::integer;
use crate::command::set::ExpiryOption;
use crate::engine::{Expiry, TAG_BYTES_MAX, TAGS_PER_KEY_MAX};
use crate::protocol::args::Args;
use std::ops::Range;

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `[EX seconds | PX milliseconds | EXAT time | PXAT time] [TAGS n tag ...]`.
    Store,
    /// `[LEASE seconds [REFRESH seconds] [TAGS n tag ...]]`.
    Read,
}

/// The options of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    time: ExpiryOption,
    /// The arguments that are tags.
    pub tags: Range<usize>,
    /// How long the lease lasts, in milliseconds.
    pub lease_ms: Option<i64>,
    /// An item that expires sooner than that is to be made anew, in milliseconds.
    pub refresh_ms: Option<i64>,
}

/// A positive number of seconds in milliseconds.
pub fn seconds(command: &str, text: &[u8], now_ms: i64) -> Result<i64, CommandError> {
    let milliseconds = integer(text)?.checked_mul(1000);
    // Beyond it no time can be told.
    let fits = |&ms: &i64| ms > 0 && ms.checked_add(now_ms).is_some();
    milliseconds
        .filter(fits)
        .ok_or_else(|| CommandError::expire_time(command))
}

/// Refuses names that are too long.
pub fn check_tags(args: &Args<'_>, tags: Range<usize>) -> Result<(), CommandError> {
    for index in tags {
        if args.get(index).len() > TAG_BYTES_MAX {
            return Err(CommandError::made(format!(
                "ERR a tag has at most {TAG_BYTES_MAX} bytes"
            )));
        }
    }
    Ok(())
}

/// The error of a key that would have too many tags.
pub fn too_many_tags() -> CommandError {
    CommandError::made(format!("ERR a key has at most {TAGS_PER_KEY_MAX} tags"))
}

impl Options {
    /// Reads the options from argument `start` on, in any order, each once.
    pub fn parse(
        command: &str,
        args: &Args<'_>,
        start: usize,
        form: Form,
        now_ms: i64,
    ) -> Result<Options, CommandError> {
        let mut options = Options {
            time: ExpiryOption::None,
            tags: 0..0,
            lease_ms: None,
            refresh_ms: None,
        };
        let mut index = start;
        while index < args.len() {
            let word = args.get(index);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            // All options have a number.
            index += 1;
            if index == args.len() {
                return Err(CommandError::Syntax);
            }
            let time = |seconds, absolute| ExpiryOption::Time {
                index,
                seconds,
                absolute,
            };
            let reads = form == Form::Read;
            let time = match () {
                () if reads => None,
                () if is("EX") => Some(time(true, false)),
                () if is("PX") => Some(time(false, false)),
                () if is("EXAT") => Some(time(true, true)),
                () if is("PXAT") => Some(time(false, true)),
                () => None,
            };
            if time.is_some() && options.time == ExpiryOption::None {
                options.time = time.expect("it was looked at");
            } else if is("TAGS") && options.tags.is_empty() {
                options.tags = options.read_tags(args, index)?;
                index = options.tags.end - 1;
            } else if reads && is("LEASE") && options.lease_ms.is_none() {
                options.lease_ms = Some(seconds(command, args.get(index), now_ms)?);
            } else if reads && is("REFRESH") && options.refresh_ms.is_none() {
                options.refresh_ms = Some(seconds(command, args.get(index), now_ms)?);
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        let needs_lease = options.refresh_ms.is_some() || !options.tags.is_empty();
        if form == Form::Read && needs_lease && options.lease_ms.is_none() {
            return Err(CommandError::Syntax);
        }
        Ok(options)
    }

    fn read_tags(&self, args: &Args<'_>, index: usize) -> Result<Range<usize>, CommandError> {
        let count = integer(args.get(index))?;
        let count = usize::try_from(count).unwrap_or(0);
        if count > TAGS_PER_KEY_MAX {
            return Err(too_many_tags());
        }
        let tags = index + 1..index + 1 + count;
        if tags.is_empty() || tags.end > args.len() {
            return Err(CommandError::Syntax);
        }
        check_tags(args, tags.clone())?;
        Ok(tags)
    }

    /// The expiry of what is stored.
    pub fn expiry(
        &self,
        command: &str,
        args: &Args<'_>,
        now_ms: i64,
    ) -> Result<Expiry, CommandError> {
        match self.time {
            ExpiryOption::None => Ok(Expiry::None),
            time => time.at(command, args, now_ms).map(Expiry::At),
        }
    }
}
