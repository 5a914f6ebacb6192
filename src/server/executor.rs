//! The one place that knows glommio: an executor per core, on which one task, the shard's turn, runs from start to stop.
//!
//! The decision worth knowing: the turn never waits for the executor. It sleeps inside its own ring, where sockets, alarms and the wake-ups of
//! other shards arrive. An executor of glommio 0.12 that finds its preemption timer fired before it has polled a runnable task takes that timer's completion,
//! sees that it woke nobody, and parks with the task still runnable: on a busy machine every await is then a chance to sleep for ever (seen
//! within seconds under load, with an event descriptor as with `yield_if_needed`).

use glommio::{Latency, LocalExecutorBuilder, Placement, Shares};
use std::future::Future;
use std::time::Duration;

/// Locked memory for the executor's own file I/O; sockets have a ring of their own.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// The latency that the turn's queue asks for, and how long a task may run before the executor asks it to give way.
const PREEMPT: Duration = Duration::from_millis(1);

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
