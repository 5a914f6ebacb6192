//! What is found after a stop or a crash: which bytes are the log, where it ends, and whether it can be trusted.
//!
//! Never: does I/O, changes anything, guesses. Pure over the bytes of files. The decision worth knowing: an invalid record ends the log only if nothing valid says that its place
//! was durable already. Headers and `Synced` records say up to where the log was known to be durable when they were written, so whatever survives behind a damaged
//! record tells whether that was a write that never finished (cut, with a message) or damage to what was promised (an error, and nothing is loaded).
//!
//! Which segments belong to the log is read backwards: each header names where the log ended before it. Segments in between were cut off by an earlier recovery.

use super::disk::FileName;
use super::entry::{Participants, part_of};
use super::frame::{
    BLOCK_BYTES, Defect, Header, HeaderError, Identity, Position, Record, RecordKind, Seed,
    durable_behind, read_record, written_end,
};
use super::log::Start;
use super::manifest::{Manifest, ManifestError};
use std::fmt;

/// The files of one shard as they were found.
#[derive(Debug, Clone, Default)]
pub struct ShardFiles<'a> {
    /// The shard.
    pub shard: u32,
    /// The manifest's bytes.
    pub manifest: Option<&'a [u8]>,
    /// A manifest that never took its place is there.
    pub manifest_new: bool,
    /// Numbers and bytes of segments, ascending.
    pub segments: Vec<(u64, &'a [u8])>,
}

/// Why a log cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryError {
    /// A shard has segments and no manifest.
    ManifestMissing(u32),
    /// A shard's manifest cannot be read.
    Manifest(FileName, ManifestError),
    /// Files of another data set, shard or number of shards than the first manifest says.
    Foreign {
        /// The file.
        file: FileName,
        /// What is different.
        what: &'static str,
    },
    /// A file that belongs to the log is not there.
    Missing(FileName),
    /// A header cannot be read, and it was durable or is of another version.
    Header(FileName, HeaderError),
    /// What was durable is damaged.
    Corrupt {
        /// The file.
        file: FileName,
        /// Where.
        offset: u64,
        /// What is wrong there.
        defect: Defect,
        /// What says that it was durable.
        durable: Position,
    },
    /// Other shards have data and this one has no file at all.
    ShardMissing(u32),
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoveryError::ManifestMissing(shard) => write!(
                out,
                "{} is missing although shard {shard} has other files",
                FileName::Manifest { shard: *shard }
            ),
            RecoveryError::Manifest(file, error) => write!(out, "{file} cannot be read: {error}"),
            RecoveryError::Foreign { file, what } => {
                write!(out, "{file} belongs to other data: its {what} is different")
            }
            RecoveryError::Missing(file) => {
                write!(out, "{file} is missing, and the log needs it")
            }
            RecoveryError::Header(file, error) => write!(out, "{file} offset 0: {error}"),
            RecoveryError::Corrupt {
                file,
                offset,
                defect,
                durable,
            } => write!(
                out,
                "{file} offset {offset}: no valid record ({defect}), although the log was durable up to {durable}"
            ),
            RecoveryError::ShardMissing(shard) => write!(
                out,
                "shard {shard} has no file although other shards have data"
            ),
        }
    }
}

/// Why the log ends before its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutReason {
    /// A write that never became durable.
    Torn(Defect),
    /// The header of a segment that never became durable.
    TornHeader(HeaderError),
    /// The file is shorter than it was made. What it held there, if anything, is not known.
    Short,
    /// A transaction that is not on all shards it concerns, which is the first of several perhaps.
    Transaction(u64),
}

/// The log's end, if bytes behind it are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: FileName,
    /// The first byte dropped.
    pub offset: u64,
    /// Bytes dropped in this file and in later ones.
    pub bytes: u64,
    /// Why.
    pub why: CutReason,
}

impl fmt::Display for Cut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cut {
            file,
            offset,
            bytes,
            why,
        } = self;
        write!(out, "{file} offset {offset}: {bytes} bytes dropped, ")?;
        match why {
            CutReason::Torn(defect) => write!(out, "the last write was not complete ({defect})"),
            CutReason::TornHeader(error) => {
                write!(out, "the segment's first write was not complete ({error})")
            }
            CutReason::Short => write!(out, "the file is shorter than it was made"),
            CutReason::Transaction(number) => {
                write!(out, "transaction {number} is not complete on all shards")
            }
        }
    }
}

/// A segment of the log.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Its number.
    pub number: u64,
    /// The file's bytes.
    pub file: &'a [u8],
    seed: Seed,
    /// Where the log's bytes in it end.
    pub end: u64,
    /// Records in it, of all kinds.
    pub records: u64,
}

/// This shard's part of a transaction, as it stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartAt {
    /// Where its record begins.
    pub position: Position,
    /// Its record's number.
    pub sequence: u64,
    /// The transaction.
    pub transaction: u64,
    /// All shards that have a part of it.
    pub participants: Participants,
}

/// One shard's data as it was found.
#[derive(Debug, Clone)]
pub struct ShardLog<'a> {
    /// The shard.
    pub shard: u32,
    /// Its manifest; `None` if the shard has not begun.
    pub manifest: Option<Manifest>,
    /// Segments, in order.
    pub ranges: Vec<Range<'a>>,
    /// Where the log ends.
    pub end: Position,
    /// What is dropped behind its end.
    pub cut: Option<Cut>,
    /// Records in the log, of all kinds.
    pub records: u64,
    /// Whether the last record says that the server stopped in good order.
    pub clean: bool,
    /// Parts of transactions, in order.
    pub parts: Vec<PartAt>,
    /// The number of the next record.
    pub sequence: u64,
    /// What the log itself says to be durable.
    pub durable: Position,
    next_number: u64,
    /// Files that mean nothing.
    pub remove: Vec<FileName>,
}

/// Reads one shard's files. Nothing is decoded but what transactions need.
pub fn read_shard<'a>(files: &ShardFiles<'a>) -> Result<ShardLog<'a>, RecoveryError> {
    let shard = files.shard;
    let mut log = ShardLog {
        shard,
        manifest: None,
        ranges: Vec::new(),
        end: Position::default(),
        cut: None,
        records: 0,
        clean: false,
        parts: Vec::new(),
        sequence: 1,
        durable: Position::default(),
        next_number: 1,
        remove: Vec::new(),
    };
    if files.manifest_new {
        log.remove.push(FileName::ManifestNew { shard });
    }
    let Some(manifest) = files.manifest else {
        if files.segments.is_empty() {
            return Ok(log);
        }
        return Err(RecoveryError::ManifestMissing(shard));
    };
    let name = FileName::Manifest { shard };
    let manifest =
        Manifest::decode(manifest).map_err(|error| RecoveryError::Manifest(name, error))?;
    if manifest.shard != shard {
        return Err(foreign(name, "shard"));
    }
    log.manifest = Some(manifest);
    let numbers = files.segments.iter().map(|(number, _)| *number);
    let greatest = numbers.max().unwrap_or(0);
    log.next_number = greatest.max(manifest.segment_first) + 1;
    Reader {
        files,
        manifest: &manifest,
    }
    .read_segments(&mut log)?;
    for (number, _) in &files.segments {
        if log.ranges.iter().all(|range| range.number != *number) {
            log.remove.push(FileName::Segment {
                shard,
                number: *number,
            });
        }
    }
    Ok(log)
}

fn foreign(file: FileName, what: &'static str) -> RecoveryError {
    RecoveryError::Foreign { file, what }
}

/// That a header which is intact is of this shard of this data set.
fn check_header(file: FileName, header: &Header, manifest: &Manifest) -> Result<(), RecoveryError> {
    if header.identity != manifest.identity {
        return Err(foreign(file, "identity"));
    }
    if header.shard != manifest.shard {
        return Err(foreign(file, "shard"));
    }
    if header.shards != manifest.shards {
        return Err(foreign(file, "number of shards"));
    }
    Ok(())
}

impl<'a> ShardLog<'a> {
    /// Ends the log at a part of a transaction, by its place in `parts`.
    pub fn cut_at(&mut self, part: usize) {
        let at = self.parts[part];
        let (shard, number) = (self.shard, at.position.segment);
        let place = self
            .ranges
            .iter()
            .position(|range| range.number == number)
            .expect("a part lies in a segment");
        let earlier = self.cut.map_or(0, |cut| cut.bytes);
        let dropped = self.ranges[place..]
            .iter()
            .map(|range| range.end)
            .sum::<u64>();
        self.cut = Some(Cut {
            file: FileName::Segment { shard, number },
            offset: at.position.offset,
            bytes: dropped - at.position.offset + earlier,
            why: CutReason::Transaction(at.transaction),
        });
        for range in self.ranges.drain(place + 1..) {
            self.remove.push(FileName::Segment {
                shard,
                number: range.number,
            });
        }
        self.ranges[place].end = at.position.offset;
        self.records -= self.sequence - at.sequence;
        self.sequence = at.sequence;
        self.end = at.position;
        self.clean = false;
        self.parts.truncate(part);
    }

    /// Entries, in order: bodies for [`super::entry::Entry::decode`]. Nothing is verified again.
    pub fn entries(&self) -> impl Iterator<Item = (Position, &'a [u8])> {
        self.ranges
            .iter()
            .copied()
            .flat_map(|range| records(range, false).filter_map(Result::ok))
            .filter(|(_, record)| record.kind == RecordKind::Entry)
            .map(|(position, record)| (position, record.body))
    }

    /// Where and how to continue.
    pub fn start(&self, identity: Identity, shards: u32) -> Start {
        let segments: Vec<u64> = self.ranges.iter().map(|range| range.number).collect();
        Start {
            identity,
            shard: self.shard,
            shards,
            manifest: self.manifest,
            number: self.next_number,
            predecessor: self.end,
            sequence: self.sequence,
            sync: segments
                .iter()
                .copied()
                .filter(|number| *number >= self.durable.segment)
                .collect(),
            segments,
            bytes: self.ranges.iter().map(|range| range.end).sum(),
            remove: self.remove.clone(),
        }
    }
}

/// Records of a range, up to the first that is invalid, which comes last as an error.
fn records<'a>(
    range: Range<'a>,
    verify: bool,
) -> impl Iterator<Item = Result<(Position, Record<'a>), (u64, Defect)>> {
    let mut offset = BLOCK_BYTES as u64;
    let file = &range.file[..(range.end as usize).min(range.file.len())];
    std::iter::from_fn(move || {
        if offset >= range.end {
            return None;
        }
        let at = offset;
        Some(match read_record(file, at, range.seed, verify) {
            Ok(record) => {
                offset = record.end();
                let segment = range.number;
                Ok((
                    Position {
                        segment,
                        offset: at,
                    },
                    record,
                ))
            }
            Err(defect) => {
                offset = range.end;
                Err((at, defect))
            }
        })
    })
}

/// A segment of the log, and where the log's bytes in it end if the next one's header says so.
type Link = (Header, Option<u64>);

struct Reader<'r, 'a> {
    files: &'r ShardFiles<'a>,
    manifest: &'r Manifest,
}

impl<'a> Reader<'_, 'a> {
    fn name(&self, number: u64) -> FileName {
        FileName::Segment {
            shard: self.files.shard,
            number,
        }
    }

    fn seed(&self, number: u64) -> Seed {
        Seed::new(&self.manifest.identity, number)
    }

    fn find(&self, number: u64) -> Option<&'a [u8]> {
        self.files
            .segments
            .iter()
            .find(|(of, _)| *of == number)
            .map(|(_, file)| *file)
    }

    /// The header of a segment, or why there is none. One that is intact and of other data is an error.
    fn header(
        &self,
        number: u64,
        file: &[u8],
    ) -> Result<Result<Header, HeaderError>, RecoveryError> {
        let name = self.name(number);
        match Header::decode(file) {
            Ok(header) => {
                check_header(name, &header, self.manifest)?;
                Ok(if header.number == number {
                    Ok(header)
                } else {
                    Err(HeaderError::Stale)
                })
            }
            Err(error @ HeaderError::Version(_)) => Err(RecoveryError::Header(name, error)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn read_segments(&self, log: &mut ShardLog<'a>) -> Result<(), RecoveryError> {
        let first = self.manifest.segment_first;
        let mut headers: Vec<(u64, Header)> = Vec::new();
        // Segments without a header, and what is wrong with it.
        let mut torn: Vec<(u64, HeaderError)> = Vec::new();
        for &(number, file) in self.files.segments.iter().filter(|(of, _)| *of >= first) {
            match self.header(number, file)? {
                Ok(header) => headers.push((number, header)),
                Err(error) => torn.push((number, error)),
            }
        }
        let (chain, broken) = self.chain(first, &headers, &torn)?;
        self.read_chain(log, &chain)?;
        self.judge_headers(log, first, &torn, &headers, broken)
    }

    /// The segments of the log in order, each with where the log's bytes in it end if its successor says so; and segments dropped because a header before them is torn.
    fn chain(
        &self,
        first: u64,
        headers: &[(u64, Header)],
        torn: &[(u64, HeaderError)],
    ) -> Result<(Vec<Link>, Vec<u64>), RecoveryError> {
        let mut broken = Vec::new();
        let mut below = u64::MAX;
        loop {
            let mut chain: Vec<Link> = Vec::new();
            let Some((_, last)) = headers.iter().rfind(|(number, _)| *number < below) else {
                return Ok((chain, broken));
            };
            let mut header = *last;
            let mut end = None;
            let stopped_at = loop {
                chain.push((header, end));
                let before = header.predecessor;
                if header.number == first || (before.segment == first && before.offset == 0) {
                    break None;
                }
                // The very first segment that ever was has no predecessor.
                if before.segment < first {
                    return Err(RecoveryError::Missing(self.name(first)));
                }
                if let Some((_, found)) =
                    headers.iter().find(|(number, _)| *number == before.segment)
                {
                    header = *found;
                    end = Some(before.offset);
                } else if torn.iter().any(|(number, _)| *number == before.segment) {
                    break Some(before.segment);
                } else {
                    return Err(RecoveryError::Missing(self.name(before.segment)));
                }
            };
            let Some(torn_number) = stopped_at else {
                chain.reverse();
                return Ok((chain, broken));
            };
            broken.extend(chain.iter().map(|(header, _)| header.number));
            below = torn_number;
        }
    }

    /// Reads the chain up to its end or its first invalid record, which is judged.
    fn read_chain(&self, log: &mut ShardLog<'a>, chain: &[Link]) -> Result<(), RecoveryError> {
        let first = self.manifest.segment_first;
        log.end = Position {
            segment: first,
            offset: 0,
        };
        for (place, (header, end)) in chain.iter().enumerate() {
            let number = header.number;
            let file = self.find(number).expect("its header was read");
            if place == 0 {
                log.sequence = header.sequence_first;
            } else if log.sequence != header.sequence_first {
                return Err(foreign(self.name(number), "first sequence number"));
            }
            log.durable = log.durable.max(header.durable);
            let mut range = Range {
                number,
                file,
                seed: self.seed(number),
                end: end.unwrap_or(file.len() as u64),
                records: 0,
            };
            let mut invalid =
                (range.end > file.len() as u64).then_some((file.len() as u64, Defect::Nothing));
            let mut offset = BLOCK_BYTES as u64;
            for record in records(range, true) {
                let (position, record) = match record {
                    Ok(record) => record,
                    Err(at) => {
                        invalid = Some(at);
                        break;
                    }
                };
                offset = record.end();
                log.durable = log.durable.max(record.durable().unwrap_or_default());
                log.clean = record.kind == RecordKind::CleanEnd;
                if record.kind == RecordKind::Entry
                    && let Some((transaction, participants)) = part_of(record.body)
                {
                    log.parts.push(PartAt {
                        position,
                        sequence: log.sequence,
                        transaction,
                        participants,
                    });
                }
                log.sequence += 1;
                log.records += 1;
                range.records += 1;
            }
            // The last segment is judged even where the file ends with a record: it may have been longer.
            if end.is_none() && invalid.is_none() {
                invalid = Some((offset, Defect::Nothing));
            }
            range.end = offset;
            log.end = Position {
                segment: number,
                offset,
            };
            log.ranges.push(range);
            if let Some((at, defect)) = invalid {
                return self.judge(log, header, &chain[place + 1..], at, defect);
            }
        }
        Ok(())
    }

    /// An invalid record: the end of the log, or damage to what was durable.
    fn judge(
        &self,
        log: &mut ShardLog<'a>,
        header: &Header,
        later: &[Link],
        at: u64,
        defect: Defect,
    ) -> Result<(), RecoveryError> {
        let range = *log.ranges.last().expect("it lies in a segment");
        let mut durable = log.durable;
        durable = durable.max(durable_behind(range.file, at, range.seed).unwrap_or_default());
        let mut dropped = written_end(range.file, at) - at;
        for (header, _) in later {
            let file = self.find(header.number).expect("its header was read");
            durable = durable
                .max(header.durable)
                .max(self.says(header.number, file));
            dropped += written_end(file, 0);
        }
        let here = Position {
            segment: range.number,
            offset: at,
        };
        let file = self.name(range.number);
        if durable > here {
            return Err(RecoveryError::Corrupt {
                file,
                offset: at,
                defect,
                durable,
            });
        }
        if dropped > 0 {
            log.cut = Some(Cut {
                file,
                offset: at,
                bytes: dropped,
                why: CutReason::Torn(defect),
            });
        } else if header.room_bytes > range.file.len() as u64 && !log.clean {
            log.cut = Some(Cut {
                file,
                offset: at,
                bytes: header.room_bytes - range.file.len() as u64,
                why: CutReason::Short,
            });
        }
        Ok(())
    }

    /// What a segment's records say to be durable.
    fn says(&self, number: u64, file: &[u8]) -> Position {
        durable_behind(file, BLOCK_BYTES as u64, self.seed(number)).unwrap_or_default()
    }

    /// Segments behind the log's end: those without a header, which are damaged if anything says that they were durable, and those that need one of them.
    fn judge_headers(
        &self,
        log: &mut ShardLog<'a>,
        first: u64,
        torn: &[(u64, HeaderError)],
        headers: &[(u64, Header)],
        broken: Vec<u64>,
    ) -> Result<(), RecoveryError> {
        let end = log.end;
        let is_behind = |number: u64| number > end.segment || end.offset == 0;
        let mut durable = log.durable;
        let mut dropped = 0;
        for &(number, _) in torn.iter().filter(|(number, _)| is_behind(*number)) {
            let file = self.find(number).expect("its header was looked at");
            durable = durable.max(self.says(number, file));
            dropped += written_end(file, 0);
        }
        for number in broken {
            let (_, header) = headers
                .iter()
                .find(|(of, _)| *of == number)
                .expect("its header was read");
            let file = self.find(number).expect("its header was read");
            durable = durable.max(header.durable).max(self.says(number, file));
            dropped += written_end(file, 0);
        }
        let Some(&(number, error)) = torn.iter().find(|(number, _)| is_behind(*number)) else {
            return if durable.segment >= first && log.ranges.is_empty() {
                Err(RecoveryError::Missing(self.name(first)))
            } else {
                Ok(())
            };
        };
        if durable > end && durable.segment >= number {
            return Err(RecoveryError::Header(self.name(number), error));
        }
        if durable > end {
            return Err(RecoveryError::Corrupt {
                file: self.name(end.segment),
                offset: end.offset,
                defect: Defect::Nothing,
                durable,
            });
        }
        // Where the log should begin there was a header, unless the first start of all was interrupted.
        if (dropped > 0 || number == first) && log.cut.is_none() {
            log.cut = Some(Cut {
                file: self.name(number),
                offset: 0,
                bytes: dropped,
                why: CutReason::TornHeader(error),
            });
        }
        Ok(())
    }
}
