//! Jobs: a few operations one after the other, where each must be complete before the next.
//!
//! Never: decides what a failure means. A job that failed is begun again from its beginning, for no step does harm when it is done twice.

use super::buffer::AlignedBuffer;
use super::disk::{DiskError, FileName, Operation, Ticket};
use super::frame::BLOCK_BYTES;
use super::manifest::Manifest;

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobKind {
    /// What must be before the first record.
    Boot,
    /// The next segment's file.
    Prepare(u64),
    /// A manifest that names another first segment.
    Publish,
    /// Files that mean nothing any more. What fails is left.
    Cleanup,
}

/// One operation, to be made more than once.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Create(FileName, u64),
    WriteBlock(FileName, Vec<u8>),
    Sync(FileName),
    Rename(FileName, FileName),
    Remove(FileName),
    SyncDirectory,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) kind: JobKind,
    steps: Vec<Step>,
    pub(super) at: usize,
    pub(super) ticket: Option<Ticket>,
    pub(super) failed: bool,
    /// Why it has failed.
    pub(super) error: Option<DiskError>,
}

impl Job {
    pub(super) fn new(kind: JobKind, steps: Vec<Step>) -> Job {
        Job {
            kind,
            steps,
            at: 0,
            ticket: None,
            failed: false,
            error: None,
        }
    }

    /// The next operation, `None` if all are done.
    pub(super) fn submit(&mut self, ticket: Ticket) -> Option<Operation> {
        let operation = match self.steps.get(self.at)?.clone() {
            Step::Create(file, preallocate_bytes) => Operation::Create {
                file,
                preallocate_bytes,
            },
            Step::WriteBlock(file, bytes) => {
                let mut buffer = AlignedBuffer::new(BLOCK_BYTES);
                buffer.bytes_mut().copy_from_slice(&bytes);
                Operation::Write {
                    file,
                    offset: 0,
                    buffer,
                    bytes: BLOCK_BYTES,
                    durable: false,
                }
            }
            Step::Sync(file) => Operation::Sync { file },
            Step::Rename(from, to) => Operation::Rename { from, to },
            Step::Remove(file) => Operation::Remove { file },
            Step::SyncDirectory => Operation::SyncDirectory,
        };
        self.ticket = Some(ticket);
        Some(operation)
    }

    /// The verb and the file of the step under way.
    pub(super) fn describe(&self) -> (&'static str, Option<FileName>) {
        match self.steps[self.at] {
            Step::Create(file, _) => ("create", Some(file)),
            Step::WriteBlock(file, _) => ("write", Some(file)),
            Step::Sync(file) => ("sync", Some(file)),
            Step::Rename(from, _) => ("rename", Some(from)),
            Step::Remove(file) => ("remove", Some(file)),
            Step::SyncDirectory => ("sync directory", None),
        }
    }

    /// Its step has failed; it stays until it is begun again.
    pub(super) fn fail(&mut self, error: DiskError) {
        self.failed = true;
        self.error = Some(error);
    }

    /// Back to the first step.
    pub(super) fn begin_again(&mut self) {
        self.failed = false;
        self.error = None;
        self.at = 0;
    }
}

/// What puts a manifest in place.
pub(super) fn publish_steps(manifest: &Manifest) -> Vec<Step> {
    let shard = manifest.shard;
    let (new, file) = (
        FileName::ManifestNew { shard },
        FileName::Manifest { shard },
    );
    vec![
        Step::Create(new, BLOCK_BYTES as u64),
        Step::WriteBlock(new, manifest.encode()),
        Step::Sync(new),
        Step::Rename(new, file),
        Step::SyncDirectory,
    ]
}
