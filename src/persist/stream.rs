//! The bytes of a log on their way: gathered in one buffer, written in chunks, kept until they are durable.
//!
//! Never: decides when to write, to sync or to try again ([`super::log`] does). Bytes that were written and not synced are kept, so that after a failed sync,
//! of which nobody knows what it lost, everything since the last good one can be written again at the same place. They are packed: a chunk that was written is
//! copied behind the one before it, so that a second's many small writes hold no buffer each. With durable writes nothing is kept or copied.
//!
//! A chunk that ends within a block leaves that block's bytes to its successor, too, whose write repeats them. The two are never under way together; a tear
//! cannot hurt bytes that are the same before and after. When both are written once more the first one's write has the successor's bytes of that block as well,
//! for these were promised to survive the end of the process.

use super::buffer::{AlignedBuffer, Pool};
use super::disk::{FileName, Operation, Ticket};
use super::frame::{
    BLOCK_BYTES, Header, Identity, Position, RECORD_HEADER_BYTES, RecordKind, Seed, encode_record,
};
use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkState {
    Waiting,
    InFlight {
        ticket: Ticket,
        durable: bool,
    },
    Lost,
    Written,
    /// Written, and a sync is under way that began afterwards.
    Covered,
    Durable,
}

/// Bytes of one segment beginning at a whole block.
#[derive(Debug)]
struct Chunk {
    segment: u64,
    base: u64,
    len: usize,
    /// The last record that ends in this chunk or before it.
    sequence: u64,
    /// Where that record ends. What is durable is said in whole records: who finds half of one must not take it for damage.
    record_end: Position,
    /// `None` while the disk has it.
    buffer: Option<AlignedBuffer>,
    state: ChunkState,
}

impl Chunk {
    fn end(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.base + self.len as u64,
        }
    }

    /// Bytes that its write has: whole blocks.
    fn bytes_written(&self) -> usize {
        self.len.next_multiple_of(BLOCK_BYTES)
    }

    fn in_flight(&self) -> bool {
        matches!(self.state, ChunkState::InFlight { .. })
    }

    /// Completes its last block with what the successor has of it, so that writing this chunk again takes nothing of the successor's back.
    fn take_block_end(&mut self, successor: &Chunk) {
        if successor.segment != self.segment || successor.base >= self.end().offset {
            return;
        }
        let block = self.bytes_written() - BLOCK_BYTES;
        assert_eq!(self.base + block as u64, successor.base);
        let from = successor.buffer.as_ref().expect("nothing is under way");
        let to = self.buffer.as_mut().expect("nothing is under way");
        to.bytes_mut()[block..block + BLOCK_BYTES].copy_from_slice(&from.bytes()[..BLOCK_BYTES]);
    }
}

/// Whose log it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) identity: Identity,
    pub(super) shard: u32,
    pub(super) shards: u32,
    /// Room of the first segment.
    pub(super) segment_bytes_first: u64,
    /// Room of the others.
    pub(super) segment_bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stream {
    owner: Owner,
    pool: Pool,
    // The chunk that gathers.
    buffer: AlignedBuffer,
    segment: u64,
    /// Room of that segment.
    room_bytes: u64,
    seed: Seed,
    base: u64,
    len: usize,
    /// Bytes at its beginning that an earlier chunk holds, too.
    repeated: usize,
    sequence: u64,
    record_end: Position,
    /// Closed, in order, not given to the disk.
    waiting: VecDeque<Chunk>,
    /// Given to the disk, in order, until they and all before them are durable.
    sent: VecDeque<Chunk>,
    in_flight: usize,
    written_sequence: u64,
    durable_sequence: u64,
    durable: Position,
}

impl Stream {
    /// A stream that begins with a new segment. `predecessor` is where the log ended before, all of it durable when this one's header is written.
    pub(super) fn new(
        owner: Owner,
        pool: Pool,
        number: u64,
        predecessor: Position,
        sequence_first: u64,
        made_ms: u64,
    ) -> Stream {
        let mut pool = pool;
        let buffer = pool.take();
        let before = sequence_first - 1;
        let mut stream = Stream {
            owner,
            pool,
            buffer,
            segment: 0,
            room_bytes: owner.segment_bytes_first,
            seed: Seed::new(&owner.identity, 0),
            base: 0,
            len: 0,
            repeated: 0,
            sequence: before,
            record_end: predecessor,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            in_flight: 0,
            written_sequence: before,
            durable_sequence: before,
            durable: predecessor,
        };
        stream.begin_segment(number, predecessor, made_ms);
        stream
    }

    /// Where the next record begins.
    pub(super) fn end(&self) -> Position {
        Position {
            segment: self.segment,
            offset: self.base + self.len as u64,
        }
    }

    /// The room of the segment that the next record begins in.
    pub(super) fn room_bytes(&self) -> u64 {
        self.room_bytes
    }

    /// Up to where everything would be found after a power loss.
    pub(super) fn durable(&self) -> Position {
        self.durable
    }

    /// The last record appended.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The last record that is durable, with all before it.
    pub(super) fn durable_sequence(&self) -> u64 {
        self.durable_sequence
    }

    /// The last record that was written, with all before it.
    pub(super) fn written_sequence(&self) -> u64 {
        self.written_sequence
    }

    /// Writes under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Buffers left within the bound.
    pub(super) fn buffers_left(&self) -> usize {
        self.pool.left()
    }

    /// Buffers in use.
    pub(super) fn buffers_taken(&self) -> usize {
        self.pool.taken()
    }

    /// Ends this segment here and begins the next.
    pub(super) fn next_segment(&mut self, made_ms: u64) {
        let predecessor = self.end();
        self.close();
        self.room_bytes = self.owner.segment_bytes;
        self.begin_segment(self.segment + 1, predecessor, made_ms);
    }

    fn begin_segment(&mut self, number: u64, predecessor: Position, made_ms: u64) {
        let header = Header {
            shard: self.owner.shard,
            shards: self.owner.shards,
            number,
            sequence_first: self.sequence + 1,
            identity: self.owner.identity,
            made_ms,
            predecessor,
            durable: self.durable,
            room_bytes: self.room_bytes,
        };
        self.segment = number;
        self.seed = Seed::new(&self.owner.identity, number);
        self.base = 0;
        self.repeated = 0;
        self.len = BLOCK_BYTES;
        header.encode(self.buffer.bytes_mut());
        self.record_end = self.end();
    }

    /// Appends a record; its number.
    pub(super) fn append(&mut self, kind: RecordKind, parts: &[&[u8]]) -> u64 {
        let body: usize = parts.iter().map(|part| part.len()).sum();
        let record = RECORD_HEADER_BYTES + body;
        if record <= self.buffer.capacity() - self.len {
            let offset = self.base + self.len as u64;
            let out = &mut self.buffer.bytes_mut()[self.len..self.len + record];
            encode_record(out, kind, parts, self.seed, offset);
            self.len += record;
        } else {
            self.append_over_chunks(kind, body, parts);
        }
        self.sequence += 1;
        self.record_end = self.end();
        self.sequence
    }

    /// A record that does not fit the rest of the buffer: its checksum is computed first, for its place may be gone when its last byte is copied.
    #[cold]
    fn append_over_chunks(&mut self, kind: RecordKind, body: usize, parts: &[&[u8]]) {
        let word = kind.length_word(body).to_le_bytes();
        let mut hasher = self.seed.at(self.end().offset);
        hasher.update(&word);
        parts.iter().for_each(|part| hasher.update(part));
        self.copy(&hasher.finalize().to_le_bytes());
        self.copy(&word);
        parts.iter().for_each(|part| self.copy(part));
    }

    fn copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.buffer.capacity() - self.len;
            if room == 0 {
                self.close();
                continue;
            }
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.bytes_mut()[self.len..self.len + now.len()].copy_from_slice(now);
            self.len += now.len();
            bytes = rest;
        }
    }

    /// Whether bytes have gathered that are in no closed chunk.
    pub(super) fn has_gathered(&self) -> bool {
        self.len > self.repeated
    }

    /// Whether what has gathered could be written at once: nothing waits before it, and no write is under way that touches its first block.
    pub(super) fn may_close(&self) -> bool {
        self.waiting.is_empty()
            && !(self.repeated > 0 && self.sent.back().is_some_and(Chunk::in_flight))
    }

    /// Makes a chunk of what has gathered, if anything has.
    pub(super) fn close(&mut self) {
        if !self.has_gathered() {
            return;
        }
        let mut next = self.pool.take();
        let whole = self.len - self.len % BLOCK_BYTES;
        let partial = self.len - whole;
        next.bytes_mut()[..partial].copy_from_slice(&self.buffer.bytes()[whole..self.len]);
        let block_end = self.len.next_multiple_of(BLOCK_BYTES);
        self.buffer.bytes_mut()[self.len..block_end].fill(0);
        self.waiting.push_back(Chunk {
            segment: self.segment,
            base: self.base,
            len: self.len,
            sequence: self.sequence,
            record_end: self.record_end,
            buffer: Some(std::mem::replace(&mut self.buffer, next)),
            state: ChunkState::Waiting,
        });
        self.base += whole as u64;
        self.len = partial;
        self.repeated = partial;
    }

    /// The next write that may be given to the disk, if any. Segments after `segment_ready` do not exist yet.
    pub(super) fn next_write(
        &mut self,
        ticket: Ticket,
        segment_ready: u64,
        durable: bool,
    ) -> Option<Operation> {
        let first = self.waiting.front()?;
        let overlaps = self.sent.back().is_some_and(|before| {
            before.in_flight()
                && before.segment == first.segment
                && before.end().offset > first.base
        });
        if first.segment > segment_ready || overlaps {
            return None;
        }
        let mut chunk = self.waiting.pop_front().expect("just seen");
        let buffer = chunk.buffer.take().expect("the disk does not have it");
        let operation = Operation::Write {
            file: FileName::Segment {
                shard: self.owner.shard,
                number: chunk.segment,
            },
            offset: chunk.base,
            buffer,
            bytes: chunk.bytes_written(),
            durable,
        };
        chunk.state = ChunkState::InFlight { ticket, durable };
        self.sent.push_back(chunk);
        self.in_flight += 1;
        Some(operation)
    }

    /// Takes the end of a write. `None` if the ticket is not of a write of this stream; the buffer is given back then.
    pub(super) fn completed(
        &mut self,
        ticket: Ticket,
        succeeded: bool,
        buffer: &mut Option<AlignedBuffer>,
    ) -> Option<FileName> {
        let place = self.sent.iter().position(
            |chunk| matches!(chunk.state, ChunkState::InFlight { ticket: of, .. } if of == ticket),
        )?;
        let chunk = &mut self.sent[place];
        let ChunkState::InFlight { durable, .. } = chunk.state else {
            unreachable!("just seen");
        };
        chunk.buffer = buffer.take();
        assert!(chunk.buffer.is_some(), "a write gives its buffer back");
        chunk.state = match (succeeded, durable) {
            (false, _) => ChunkState::Lost,
            (true, false) => ChunkState::Written,
            (true, true) => ChunkState::Durable,
        };
        self.in_flight -= 1;
        let file = FileName::Segment {
            shard: self.owner.shard,
            number: chunk.segment,
        };
        self.advance();
        if place < self.sent.len() {
            self.pack(place + 1);
            self.pack(place);
        }
        Some(file)
    }

    /// Moves both marks forward and lets go of what is durable.
    fn advance(&mut self) {
        for chunk in &self.sent {
            match chunk.state {
                ChunkState::Written | ChunkState::Covered | ChunkState::Durable => {
                    self.written_sequence = self.written_sequence.max(chunk.sequence);
                }
                _ => break,
            }
        }
        while self
            .sent
            .front()
            .is_some_and(|chunk| chunk.state == ChunkState::Durable)
        {
            let chunk = self.sent.pop_front().expect("just seen");
            self.durable = self.durable.max(chunk.record_end);
            self.durable_sequence = self.durable_sequence.max(chunk.sequence);
            self.pool
                .give(chunk.buffer.expect("the disk has given it back"));
        }
    }

    /// Copies a written chunk behind the one before it, if both are written and it fits.
    fn pack(&mut self, place: usize) {
        if place == 0 || place >= self.sent.len() {
            return;
        }
        let (before, chunk) = (&self.sent[place - 1], &self.sent[place]);
        if before.state != ChunkState::Written
            || chunk.state != ChunkState::Written
            || before.segment != chunk.segment
        {
            return;
        }
        let (from, len) = (before.len, (chunk.end().offset - before.base) as usize);
        let source = (before.end().offset - chunk.base) as usize;
        let room = before.buffer.as_ref().map_or(0, AlignedBuffer::capacity);
        if len > room {
            return;
        }
        let chunk = self.sent.remove(place).expect("just seen");
        let source = source..chunk.bytes_written();
        let buffer = chunk.buffer.expect("it is written");
        let before = &mut self.sent[place - 1];
        let block_end = len.next_multiple_of(BLOCK_BYTES);
        before.buffer.as_mut().expect("it is written").bytes_mut()[from..block_end]
            .copy_from_slice(&buffer.bytes()[source]);
        before.len = len;
        before.sequence = chunk.sequence;
        before.record_end = chunk.record_end;
        self.pool.give(buffer);
    }

    /// Whether written bytes wait for a sync.
    pub(super) fn wants_sync(&self) -> bool {
        self.sent
            .iter()
            .any(|chunk| chunk.state == ChunkState::Written)
    }

    /// The first segment with bytes that wait for a sync: what is written of it is covered by a sync submitted now.
    pub(super) fn cover(&mut self) -> Option<FileName> {
        let number = self
            .sent
            .iter()
            .find(|chunk| chunk.state == ChunkState::Written)?
            .segment;
        for chunk in &mut self.sent {
            if chunk.segment == number && chunk.state == ChunkState::Written {
                chunk.state = ChunkState::Covered;
            }
        }
        Some(FileName::Segment {
            shard: self.owner.shard,
            number,
        })
    }

    /// Takes the end of a sync.
    pub(super) fn synced(&mut self, succeeded: bool) {
        for chunk in &mut self.sent {
            if chunk.state == ChunkState::Covered {
                chunk.state = if succeeded {
                    ChunkState::Durable
                } else {
                    ChunkState::Lost
                };
            }
        }
        self.advance();
    }

    /// Puts everything that is not durable back, to be written again. Nothing may be under way.
    pub(super) fn begin_again(&mut self) {
        assert_eq!(self.in_flight, 0);
        while let Some(mut chunk) = self.sent.pop_back() {
            chunk.state = ChunkState::Waiting;
            if let Some(successor) = self.waiting.front() {
                chunk.take_block_end(successor);
            }
            self.waiting.push_front(chunk);
        }
    }
}
