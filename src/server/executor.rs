//! The one place that knows glommio: an executor per core, giving way to its other tasks, and sleeping until a descriptor is readable.

use glommio::io::PollableFd;
use glommio::{Latency, LocalExecutorBuilder, Placement, Shares};
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// Locked memory for the executor's own file I/O; sockets have a ring of their own.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// After how long the executor's timer asks a task to give way: never, in effect. When that timer fires before the first task of a round has run (a
/// thread that was descheduled is enough), glommio takes the round for empty and goes to sleep with its task runnable, for ever. Completions of
/// other tasks' I/O ask for giving way without it.
const PREEMPT: Duration = Duration::from_secs(3600);

/// A thread with an executor on it.
pub struct Executor<T: Send + 'static>(glommio::ExecutorJoinHandle<T>);

/// Starts an executor, on one core if `cpu` names one, and runs on it what `make` makes there.
pub fn spawn<T, F, Fut>(name: &str, cpu: Option<usize>, make: F) -> Result<Executor<T>, String>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    LocalExecutorBuilder::new(cpu.map_or(Placement::Unbound, Placement::Fixed))
        .name(name)
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(128)
        .preempt_timer(PREEMPT)
        .spawn(move || async move {
            let queue = glommio::executor().create_task_queue(
                Shares::default(),
                Latency::Matters(PREEMPT),
                "turn",
            );
            glommio::spawn_local_into(make(), queue)
                .expect("the queue was just made")
                .await
        })
        .map(Executor)
        .map_err(|error| format!("an executor could not be started: {error}"))
}

impl<T: Send + 'static> Executor<T> {
    /// Waits for its end.
    pub fn join(self) -> Result<T, String> {
        self.0.join().map_err(|error| error.to_string())
    }
}

/// Lets other tasks of this executor run if it is time.
pub async fn give_way() {
    glommio::executor().yield_if_needed().await;
}

/// A descriptor that this executor can sleep on.
pub struct Sleeper(PollableFd<OwnedFd>);

impl Sleeper {
    /// Sleeps on a descriptor of its own executor.
    pub fn new(fd: OwnedFd) -> io::Result<Sleeper> {
        PollableFd::new(fd).map(Sleeper).map_err(io::Error::other)
    }

    /// The descriptor.
    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Sleeps until the descriptor is readable. There is no time limit, and the future must not be dropped before it is done: this sleep is
    /// never cancelled, because a cancelled poll beside a timer was seen to leave the executor asleep for ever.
    pub async fn sleep(&self) {
        // An error here means that the executor is going away; the next turn will see why.
        let _ = self.0.readable().await;
    }
}
