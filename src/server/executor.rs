//! The one place that knows glommio: an executor per core, on which one task, the shard's turn, runs from start to stop.
//!
//! The decision worth knowing: the turn never waits for the executor. It sleeps inside its own ring, where sockets and the wake-ups of
//! other shards arrive, so that nothing depends on how the executor wakes a task; see [`PREEMPT`].

use glommio::{Latency, LocalExecutorBuilder, Placement, Shares};
use std::future::Future;
use std::time::Duration;

/// Locked memory for the executor's own file I/O; sockets have a ring of their own.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// After how long the executor's timer asks a task to give way: never, in effect. When that timer fires before the first task of a round has run (a
/// thread that was descheduled is enough), glommio 0.12 takes the round for empty and goes to sleep with its task runnable, for ever: seen within seconds
/// on a busy machine, in an await on an event descriptor as in `yield_if_needed`.
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
