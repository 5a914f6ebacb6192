//! LCS: the longest common subsequence of two strings.
//!
//! The whole table of lengths is kept (four bytes for each pair of positions), because the way back through it decides which of several
//! longest subsequences is the answer, and clients see that choice. `proto-max-bulk-len` bounds the table, as in Redis.

use super::CommandError;
use super::number::integer;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// The options of LCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lcs {
    length: bool,
    indexes: bool,
    match_length_min: i64,
    with_match_length: bool,
}

/// A run of equal bytes: where it begins and ends (inclusive) in the first and in the second string.
#[derive(Debug, Clone, Copy)]
struct Run {
    a: (usize, usize),
    b: (usize, usize),
}

impl Lcs {
    /// Reads the options.
    pub fn parse(args: &Args<'_>) -> Result<Lcs, CommandError> {
        let mut lcs = Lcs::default();
        let mut index = 3;
        while index < args.len() {
            match args.get(index).to_ascii_lowercase().as_slice() {
                b"len" => lcs.length = true,
                b"idx" => lcs.indexes = true,
                b"withmatchlen" => lcs.with_match_length = true,
                b"minmatchlen" if index + 1 < args.len() => {
                    index += 1;
                    lcs.match_length_min = integer(args.get(index))?.max(0);
                }
                _ => return Err(CommandError::Syntax),
            }
            index += 1;
        }
        if lcs.length && lcs.indexes {
            return Err(CommandError::fixed(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(lcs)
    }

    /// Compares two strings and writes the reply.
    pub fn run(
        &self,
        a: &[u8],
        b: &[u8],
        string_bytes_max: usize,
        reply: &mut Reply,
    ) -> Result<(), CommandError> {
        let width = b.len() + 1;
        let cells = (a.len() + 1).checked_mul(width).filter(|cells| {
            cells
                .checked_mul(4)
                .is_some_and(|bytes| bytes <= string_bytes_max)
        });
        let cells = cells.ok_or(CommandError::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ))?;
        if self.length {
            reply.integer(i64::from(length(a, b)));
            return Ok(());
        }
        let mut table: Vec<u32> = Vec::new();
        table.try_reserve_exact(cells).map_err(|_| {
            CommandError::fixed(
                "ERR Insufficient memory, failed allocating transient memory for LCS",
            )
        })?;
        table.resize(cells, 0);
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = table[i * width..(i + 2) * width].split_at_mut(width);
            for (j, other) in b.iter().enumerate() {
                row[j + 1] = if byte == other {
                    above[j] + 1
                } else {
                    above[j + 1].max(row[j])
                };
            }
        }
        let (common, runs) = walk_back(a, b, &table);
        if !self.indexes {
            reply.bulk(&common);
            return Ok(());
        }
        let listed = |run: &&Run| {
            self.match_length_min == 0 || (run.a.1 - run.a.0 + 1) as i64 >= self.match_length_min
        };
        reply.map(2);
        reply.bulk(b"matches");
        reply.array(runs.iter().filter(listed).count());
        for run in runs.iter().filter(listed) {
            reply.array(2 + usize::from(self.with_match_length));
            for (first, last) in [run.a, run.b] {
                reply.array(2);
                reply.integer(first as i64);
                reply.integer(last as i64);
            }
            if self.with_match_length {
                reply.integer((run.a.1 - run.a.0 + 1) as i64);
            }
        }
        reply.bulk(b"len");
        reply.integer(common.len() as i64);
        Ok(())
    }
}

/// The length alone needs two rows.
fn length(a: &[u8], b: &[u8]) -> u32 {
    let mut row = vec![0u32; b.len() + 1];
    for byte in a {
        let mut diagonal = 0;
        for (j, other) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if byte == other {
                diagonal + 1
            } else {
                above.max(row[j])
            };
            diagonal = above;
        }
    }
    row[b.len()]
}

/// Follows the table from its end to its beginning: the subsequence, and the runs it is made of, the last one first.
fn walk_back(a: &[u8], b: &[u8], table: &[u32]) -> (Vec<u8>, Vec<Run>) {
    let width = b.len() + 1;
    let mut common = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut open = false;
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            i -= 1;
            j -= 1;
            common.push(a[i]);
            match runs.last_mut() {
                Some(run) if open => (run.a.0, run.b.0) = (i, j),
                _ => runs.push(Run {
                    a: (i, i),
                    b: (j, j),
                }),
            }
            open = true;
        } else {
            open = false;
            if table[(i - 1) * width + j] > table[i * width + j - 1] {
                i -= 1
            } else {
                j -= 1
            }
        }
    }
    common.reverse();
    (common, runs)
}
