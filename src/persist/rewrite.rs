//! Rewriting: images of all keys, which the caller appends like any other record, take the place of the segments before the first of them.
//!
//! Never: walks over keys, knows an image from another record, or decides when to rewrite. The decision worth knowing: a rewrite is a segment that begins and, when
//! its images are durable, a manifest that names it. Until that manifest is durable the old state is complete, and from then on the new one is. One that is given
//! up has left nothing behind but records that say again what the log says already, so giving up costs no operation. What fails while the manifest is put in place is
//! tried again until it succeeds, for nobody knows which of the two manifests a crash would leave.

use super::disk::{Disk, FileName};
use super::frame::Position;
use super::job::{JobKind, publish_steps};
use super::log::{Failure, Log};
use super::manifest::Manifest;

/// How the last rewrite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteEnd {
    /// The data begins with its segment.
    Done,
    /// It was given up by the caller.
    Aborted,
}

/// Why a rewrite cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteError {
    /// One is under way.
    UnderWay,
    /// The log is starting, stopping or has failed.
    NotReady,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The caller appends images.
    Images,
    /// All images are there, and are to be durable up to this place.
    Finishing { settled_below: u64, until: Position },
    /// This manifest is being put in place.
    Publishing(Manifest),
}

/// A rewrite under way.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// The segment that the data will begin with.
    segment_first: u64,
    /// Bytes of the log in segments before that.
    bytes_before: u64,
    phase: Phase,
}

impl Log {
    /// Begins a rewrite: what is appended from now on is in a new segment.
    pub fn begin_rewrite(&mut self) -> Result<(), RewriteError> {
        if self.rewrite.is_some() {
            return Err(RewriteError::UnderWay);
        }
        if !self.may_rewrite() {
            return Err(RewriteError::NotReady);
        }
        self.next_segment();
        self.rewrite = Some(Rewrite {
            segment_first: self.stream.end().segment,
            bytes_before: self.bytes_before,
            phase: Phase::Images,
        });
        self.rewrite_end = None;
        Ok(())
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        self.rewrite.is_some()
    }

    /// How the last rewrite ended; `None` while one is under way, or if there was none.
    pub fn rewrite_end(&self) -> Option<RewriteEnd> {
        self.rewrite_end
    }

    /// Why the manifest cannot be put in place at the moment, which is tried again and again.
    pub fn rewrite_failure(&self) -> Option<Failure> {
        let mut jobs = self.jobs.iter();
        let job = jobs.find(|job| job.kind == JobKind::Publish && job.failed)?;
        let (what, file) = job.describe();
        let error = job.error.expect("it has failed");
        Some(Failure { what, file, error })
    }

    /// Ends a rewrite: everything that the log has to say of earlier segments has been appended. When it is durable the manifest names the rewrite's first segment, and older ones go.
    /// Transactions below `settled_below` are durable on every shard they concern. All that this shard took part in before now must be: nothing could take back what an
    /// image holds of them.
    pub fn finish_rewrite(&mut self, settled_below: u64, disk: &mut impl Disk) {
        let until = self.stream.end();
        let Some(rewrite) = &mut self.rewrite else {
            return;
        };
        assert_eq!(rewrite.phase, Phase::Images, "a rewrite is finished once");
        rewrite.phase = Phase::Finishing {
            settled_below,
            until,
        };
        self.require_durable();
        self.commit_wanted = true;
        self.pump(disk);
    }

    /// Gives the rewrite up, unless its manifest is being put in place.
    pub fn abort_rewrite(&mut self) {
        let may_end = |rewrite: &mut Rewrite| !matches!(rewrite.phase, Phase::Publishing(_));
        if self.rewrite.take_if(may_end).is_some() {
            self.rewrite_end = Some(RewriteEnd::Aborted);
        }
    }

    /// Puts the manifest in place when the images are durable.
    pub(super) fn pump_rewrite(&mut self, disk: &mut impl Disk) {
        let durable = self.stream.durable();
        if let Some(rewrite) = &mut self.rewrite
            && let Phase::Finishing {
                settled_below,
                until,
            } = rewrite.phase
            && durable >= until
        {
            let manifest = Manifest {
                identity: self.owner.identity,
                shard: self.owner.shard,
                shards: self.owner.shards,
                segment_first: rewrite.segment_first,
                settled_below,
            };
            rewrite.phase = Phase::Publishing(manifest);
            self.begin_job(JobKind::Publish, publish_steps(&manifest), disk);
        }
    }

    /// The new manifest is durable: what was before it goes.
    pub(super) fn published(&mut self, disk: &mut impl Disk) {
        let rewrite = self.rewrite.take().expect("it is being published");
        let Phase::Publishing(manifest) = rewrite.phase else {
            unreachable!("it is being published");
        };
        let shard = self.owner.shard;
        let segments = self.take_segments_before(rewrite.segment_first).into_iter();
        let files = segments.map(|number| FileName::Segment { shard, number });
        self.bytes_before -= rewrite.bytes_before;
        self.manifest = Some(manifest);
        self.rewrite_end = Some(RewriteEnd::Done);
        self.begin_cleanup(files.collect(), disk);
    }
}
