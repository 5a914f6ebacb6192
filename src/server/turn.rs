//! How long a turn may go on executing requests.
//!
//! Never stops a request that runs: it is asked between them. The decision worth knowing: what a turn has no time for waits with its connection, and such
//! connections come first in the next turn, in the order in which they were put off, so that nobody waits longer than all others together take.

use std::time::{Duration, Instant};

/// After this long the turn takes no more from the ring, which costs nothing: it stays there.
const TAKING_MAX: Duration = Duration::from_micros(250);
/// After this long it executes no more of what it has taken, which must be copied to wait: what began just before, the sending and the upkeep must
/// fit what is left of a millisecond.
const EXECUTING_MAX: Duration = Duration::from_micros(450);
/// Until then a walk over all keys goes on that somebody waits for, so that the turn stays below a millisecond.
const WALKING_MAX: Duration = Duration::from_micros(700);
/// The clock is looked at after so many bytes from the ring,
pub const LOOK_BYTES: usize = 4 * 1024;
/// and after so many arguments of requests that are executed one after the other, since they tell more of the time a request takes than its bytes.
pub const LOOK_ARGUMENTS: usize = 48;

/// See the module.
#[derive(Debug)]
pub struct Turn {
    began: Instant,
}

impl Default for Turn {
    fn default() -> Turn {
        Turn {
            began: Instant::now(),
        }
    }
}

impl Turn {
    /// A turn begins.
    pub fn begin(&mut self) {
        *self = Turn::default();
    }

    /// What is left of it for a walk over all keys while somebody waits for what that holds.
    pub fn left_for_walks(&self) -> Duration {
        WALKING_MAX.saturating_sub(self.began.elapsed())
    }

    /// Whether it should take no more from the ring.
    pub fn takes_no_more(&self) -> bool {
        self.began.elapsed() > TAKING_MAX
    }

    /// Whether it should execute no more requests.
    pub fn is_over(&self) -> bool {
        self.began.elapsed() > EXECUTING_MAX
    }
}
