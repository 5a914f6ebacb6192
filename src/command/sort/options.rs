//! The options of SORT and SORT_RO.

use crate::command::CommandError;
use crate::command::number::integer;
use crate::protocol::args::Args;
use std::ops::Range;

/// What is asked; patterns and the destination are indexes of arguments.
#[derive(Default)]
pub struct Options {
    /// BY.
    pub by: Option<usize>,
    /// A BY without an asterisk: the order is that of the source.
    pub unsorted: bool,
    /// GET, in their order.
    pub get: Vec<usize>,
    /// ALPHA.
    pub alpha: bool,
    /// DESC.
    pub descending: bool,
    /// STORE.
    pub store: Option<usize>,
    /// Offset and count of LIMIT.
    limit: Option<(i64, i64)>,
}

impl Options {
    /// Reads them from argument 2 on.
    pub fn parse(args: &Args<'_>, stores: bool) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut index = 2;
        while index < args.len() {
            let following = args.len() - index - 1;
            match args.get(index).to_ascii_lowercase().as_slice() {
                b"asc" => options.descending = false,
                b"desc" => options.descending = true,
                b"alpha" => options.alpha = true,
                b"limit" if following >= 2 => {
                    let offset = integer(args.get(index + 1))?;
                    options.limit = Some((offset, integer(args.get(index + 2))?));
                    index += 2;
                }
                b"store" if stores && following >= 1 => {
                    index += 1;
                    options.store = Some(index);
                }
                b"by" if following >= 1 => {
                    index += 1;
                    options.by = Some(index);
                    // Once unsorted, always unsorted: another BY does not take it back.
                    options.unsorted |= !args.get(index).contains(&b'*');
                }
                b"get" if following >= 1 => {
                    index += 1;
                    options.get.push(index);
                }
                _ => return Err(CommandError::Syntax),
            }
            index += 1;
        }
        Ok(options)
    }

    /// The positions within the limit among `len` elements. A negative offset is 0, a negative count all.
    pub fn range(&self, len: usize) -> Range<usize> {
        let Some((offset, count)) = self.limit else {
            return 0..len;
        };
        let start = usize::try_from(offset).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len).min(len - start);
        start..start + count
    }
}

/// The positions of the keys: the source and the last destination.
pub fn keys(args: &Args<'_>) -> Vec<usize> {
    if args.len() < 2 {
        return Vec::new();
    }
    let mut keys = vec![1];
    if let Ok(Options {
        store: Some(destination),
        ..
    }) = Options::parse(args, true)
    {
        keys.push(destination);
    }
    keys
}
