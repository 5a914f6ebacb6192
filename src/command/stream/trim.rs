//! The options of XADD and XTRIM before the id: what is trimmed, and whether a stream is made.
//! Never: trims.

use super::super::number::integer;
use super::super::{CommandError, Context};
use super::{id, is};
use crate::engine::value::stream::{References, Trim, TrimTo};

/// Nodes that `~` may delete in one call unless LIMIT says more: a bound on the time it takes.
const NODES_TRIMMED_MAX: u64 = 100;

/// The options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// NOMKSTREAM.
    pub no_mkstream: bool,
    /// MAXLEN or MINID.
    pub trim: Option<Trim>,
    /// KEEPREF unless DELREF or ACKED.
    pub references: References,
    /// The argument behind them: XADD's id, if there is one.
    pub next: usize,
}

/// KEEPREF, DELREF or ACKED.
pub(super) fn references_of(word: &[u8]) -> Option<References> {
    if is(word, "KEEPREF") {
        Some(References::Keep)
    } else if is(word, "DELREF") {
        Some(References::Delete)
    } else if is(word, "ACKED") {
        Some(References::Acknowledged)
    } else {
        None
    }
}

impl Options {
    /// Reads them; those of XADD end with an id.
    pub fn parse(context: &Context<'_>, for_xadd: bool) -> Result<Options, CommandError> {
        let args = &context.args;
        let mut no_mkstream = false;
        let mut to = None;
        let mut approximate = false;
        let mut limit = None;
        let mut references = None;
        let mut next = 2;
        while next < args.len() {
            let word = args.get(next);
            let more = args.len() - 1 - next;
            if for_xadd && word == b"*" {
                break;
            } else if (is(word, "MAXLEN") || is(word, "MINID")) && more > 0 {
                if to.is_some() {
                    return Err(CommandError::fixed(
                        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                approximate = more >= 2 && args.get(next + 1) == b"~";
                next += 1 + usize::from(approximate || more >= 2 && args.get(next + 1) == b"=");
                let value = args.get(next);
                to = Some(if is(word, "MAXLEN") {
                    let length = u64::try_from(integer(value)?).map_err(|_| {
                        CommandError::fixed("ERR The MAXLEN argument must be >= 0.")
                    })?;
                    TrimTo::Length(length)
                } else {
                    TrimTo::Id(id::parse_strict(value, 0)?)
                });
            } else if is(word, "LIMIT") && more > 0 {
                next += 1;
                let value = u64::try_from(integer(args.get(next))?)
                    .map_err(|_| CommandError::fixed("ERR The LIMIT argument must be >= 0."))?;
                limit = Some(value);
            } else if for_xadd && is(word, "NOMKSTREAM") {
                no_mkstream = true;
            } else if let Some(wanted) = references_of(word) {
                if references.is_some() {
                    return Err(CommandError::Syntax);
                }
                references = Some(wanted);
            } else if for_xadd {
                id::parse_to_add(word)?;
                break;
            } else {
                return Err(CommandError::Syntax);
            }
            next += 1;
        }
        if to.is_none() && limit.is_some_and(|limit| limit > 0) {
            return Err(CommandError::fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if to.is_none() && !for_xadd {
            return Err(CommandError::fixed(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if limit.is_some() && !approximate {
            return Err(CommandError::fixed(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let entries_max = context.engine.limits().stream.node_entries_max;
        let limit_unless_told = match NODES_TRIMMED_MAX.saturating_mul(entries_max) {
            0 => 10_000,
            entries => entries.min(1_000_000),
        };
        let trim = to.map(|to| Trim {
            to,
            approximate,
            limit: match limit {
                Some(limit) => limit,
                None if approximate => limit_unless_told,
                None => 0,
            },
        });
        Ok(Options {
            no_mkstream,
            trim,
            references: references.unwrap_or(References::Keep),
            next,
        })
    }
}
