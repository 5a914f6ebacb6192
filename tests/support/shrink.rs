//! Makes a failing sequence short by leaving parts out while it still fails (delta debugging). Knows nothing of servers: the
//! caller says whether a sequence fails.

use std::time::{Duration, Instant};

/// The longest that shrinking may take; what is reached by then is reported.
const SHRINK_LIMIT: Duration = Duration::from_secs(60);

/// A shorter sequence that still fails. `fails` is asked with fresh databases each time.
pub fn shrink<T: Clone>(sequence: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let deadline = Instant::now() + SHRINK_LIMIT;
    let mut current = sequence.to_vec();
    let mut pieces = 2;
    while current.len() > 1 && Instant::now() < deadline {
        let length = current.len().div_ceil(pieces);
        let mut start = 0;
        let mut shorter = None;
        while start < current.len() && Instant::now() < deadline {
            let mut candidate = current[..start].to_vec();
            candidate.extend_from_slice(&current[(start + length).min(current.len())..]);
            if !candidate.is_empty() && fails(&candidate) {
                shorter = Some(candidate);
                break;
            }
            start += length;
        }
        match shorter {
            Some(candidate) => {
                current = candidate;
                pieces = (pieces - 1).max(2);
            }
            None if length == 1 => break,
            None => pieces = (pieces * 2).min(current.len()),
        }
    }
    current
}
