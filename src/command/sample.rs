//! The counts of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER: one rule for the three.
//! Never: the choice itself, which is the types'.

use super::CommandError;
use super::number::integer;

/// The longest reply with repetitions, in elements: beside the request it is all that bounds it. Redis goes on until its memory is spent.
const REPEATED_MAX: u64 = 10_000_000;

/// How many elements are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Different ones, at most so many.
    Distinct(usize),
    /// Exactly so many, the same one perhaps more than once.
    Repeated(usize),
}

/// Reads a count: negative when elements may come more than once.
pub fn count(text: &[u8]) -> Result<i64, CommandError> {
    match integer(text)? {
        i64::MIN => Err(CommandError::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        count => Ok(count),
    }
}

impl Sample {
    /// What a count asks of a key that is there; more repetitions than any reply may have are an error.
    pub fn of(count: i64) -> Result<Sample, CommandError> {
        let number = count.unsigned_abs();
        if count < 0 && number > REPEATED_MAX {
            return Err(CommandError::fixed("ERR value is out of range"));
        }
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        Ok(match count {
            0.. => Sample::Distinct(number),
            _ => Sample::Repeated(number),
        })
    }
}
