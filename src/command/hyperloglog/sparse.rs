//! The sparse form: registers as runs. `00nnnnnn` is a run of n+1 zeros, `01nnnnnn nnnnnnnn` one of up to 16384, `1vvvvvnn` n+1
//! registers of the value v+1 (at most 32).
//! Never: reads past the end, whatever the bytes are.
//! The one decision worth knowing: runs are split and joined exactly where Redis does, because the length of the string decides when it becomes dense.

use super::registers::{HEADER_BYTES, Invalid, REGISTERS};

const ZEROS_MAX: usize = 64;
const VALUE_MAX: u8 = 32;
const VALUES_MAX: usize = 4;
/// How many runs after a change are looked at for joining.
const JOIN_RUNS_MAX: usize = 5;

/// Registers of one value.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// 0 to 32.
    pub value: u8,
    /// 1 to 16384.
    pub len: usize,
    /// Bytes of the run itself.
    bytes: usize,
}

/// The run that begins `bytes`, None when it is cut short.
fn run_at(bytes: &[u8]) -> Option<Run> {
    let first = *bytes.first()?;
    Some(if first & 0x80 != 0 {
        Run {
            value: (first >> 2 & 31) + 1,
            len: usize::from(first & 3) + 1,
            bytes: 1,
        }
    } else if first & 0x40 != 0 {
        Run {
            value: 0,
            len: (usize::from(first & 63) << 8 | usize::from(*bytes.get(1)?)) + 1,
            bytes: 2,
        }
    } else {
        Run {
            value: 0,
            len: usize::from(first & 63) + 1,
            bytes: 1,
        }
    })
}

/// All runs. An error ends the iteration: a run cut short, or registers other than exactly 16384.
pub fn runs(mut bytes: &[u8]) -> impl Iterator<Item = Result<Run, Invalid>> {
    let mut registers = 0;
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || (bytes.is_empty() && registers == REGISTERS) {
            return None;
        }
        let run = run_at(bytes).filter(|run| registers + run.len <= REGISTERS);
        let Some(run) = run else {
            failed = true;
            return Some(Err(Invalid::Corrupted));
        };
        bytes = &bytes[run.bytes..];
        registers += run.len;
        Some(Ok(run))
    })
}

/// Appends a run of zeros.
pub fn push_zeros(out: &mut Vec<u8>, len: usize) {
    if len > ZEROS_MAX {
        out.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
    } else {
        out.push((len - 1) as u8);
    }
}

fn values(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// The register had this value or a greater one.
    Unchanged,
    /// It has it now.
    Changed,
    /// The sparse form cannot say it, or would be too long. Nothing was done.
    TooLong,
}

/// Raises one register in `bytes`, a whole string with its header.
pub fn set(bytes: &mut Vec<u8>, index: usize, value: u8, bytes_max: usize) -> Result<Set, Invalid> {
    if value > VALUE_MAX {
        return Ok(Set::TooLong);
    }
    let mut at = HEADER_BYTES;
    let mut previous = None;
    let mut first = 0;
    let run = loop {
        let run = run_at(&bytes[at..]).ok_or(Invalid::Corrupted)?;
        if index < first + run.len {
            break run;
        }
        previous = Some(at);
        at += run.bytes;
        first += run.len;
    };
    if run.value >= value {
        return Ok(Set::Unchanged);
    }
    let last = first + run.len - 1;
    let mut replacement = Vec::with_capacity(5);
    let push_old = |replacement: &mut Vec<u8>, len: usize| {
        if len == 0 {
        } else if run.value == 0 {
            push_zeros(replacement, len);
        } else {
            replacement.push(values(run.value, len));
        }
    };
    push_old(&mut replacement, index - first);
    replacement.push(values(value, 1));
    push_old(&mut replacement, last - index);
    if replacement.len() > run.bytes && bytes.len() + replacement.len() - run.bytes > bytes_max {
        return Ok(Set::TooLong);
    }
    bytes.splice(at..at + run.bytes, replacement);
    join(bytes, previous.unwrap_or(HEADER_BYTES));
    Ok(Set::Changed)
}

/// Joins neighbouring runs of one value, from the one at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS_MAX {
        let Some(run) = bytes.get(at..).and_then(run_at) else {
            return;
        };
        let next = bytes.get(at + run.bytes..).and_then(run_at);
        match next {
            Some(next)
                if run.value > 0 && next.value == run.value && run.len + next.len <= VALUES_MAX =>
            {
                bytes[at + 1] = values(run.value, run.len + next.len);
                bytes.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}
