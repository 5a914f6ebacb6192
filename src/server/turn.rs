//! How long a turn may go on executing requests.
//!
//! Never stops a request that runs: it is asked between them. The decision worth knowing: what a turn has no time for waits with its connection, and the
//! connection that has waited longest always goes on a little in the next turn, however busy the others keep it.

use std::mem;
use std::time::{Duration, Instant};

/// After this long the turn executes no more: what began just before, the sending and the upkeep must fit what is left of a millisecond.
const REQUESTS_MAX: Duration = Duration::from_micros(250);
/// The clock is looked at after so many bytes from the ring,
pub const LOOK_BYTES: usize = 4 * 1024;
/// and after so many arguments of requests that are executed one after the other, since they tell more of the time a request takes than its bytes.
pub const LOOK_ARGUMENTS: usize = 48;

/// See the module.
#[derive(Debug)]
pub struct Turn {
    began: Instant,
    granted: bool,
}

impl Default for Turn {
    fn default() -> Turn {
        Turn {
            began: Instant::now(),
            granted: false,
        }
    }
}

impl Turn {
    /// A turn begins.
    pub fn begin(&mut self) {
        *self = Turn::default();
    }

    /// Whether it should execute no more requests.
    pub fn is_over(&self) -> bool {
        self.began.elapsed() > REQUESTS_MAX
    }

    /// Lets the next who asks [`Turn::may_go_on`] go on, even if the turn is over.
    pub fn grant_one(&mut self) {
        self.granted = true;
    }

    /// Whether a connection may execute its next few requests.
    pub fn may_go_on(&mut self) -> bool {
        mem::take(&mut self.granted) || !self.is_over()
    }
}
