//! A disk that fails, tears, forgets and dawdles as it is told, for tests.
//!
//! Never: does I/O, completes anything by itself. What would be found after a power loss is kept apart from what a running system sees: writes that are not synced
//! survive by sectors, and files made, renamed and removed since the directory was synced each survive or not. Everything repeats from a seed.

use super::disk::{Completion, Disk, DiskError, FileName, Operation, Ticket};
use super::random::Random;
use std::collections::BTreeMap;

const SECTOR_BYTES: usize = 512;
/// Error number of a full disk.
pub const ENOSPC: i32 = 28;
/// Error number of a device's failure.
pub const EIO: i32 = 5;

/// How the system stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// What is not durable survives or not, piece by piece.
    PowerLoss,
    /// The process is killed: what was complete stays, what was under way happens or not.
    Kill,
}

#[derive(Debug, Clone)]
struct UnsyncedWrite {
    offset: usize,
    bytes: Vec<u8>,
    /// It was asked to be durable and is complete; it is here for its place among the others.
    durable: bool,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What a reader sees.
    seen: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<UnsyncedWrite>,
}

fn apply(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        let mut longer = vec![0; offset + bytes.len()];
        longer[..file.len()].copy_from_slice(file);
        *file = longer;
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Lets a write land in part: any of its sectors, or all bytes up to one in the middle of a sector.
fn tear(file: &mut Vec<u8>, write: &UnsyncedWrite, random: &mut Random) {
    match random.below(4) {
        0 => {}
        1 => apply(file, write.offset, &write.bytes),
        2 => {
            let end = random.below(write.bytes.len() + 1);
            apply(file, write.offset, &write.bytes[..end]);
        }
        _ => {
            for (place, sector) in write.bytes.chunks(SECTOR_BYTES).enumerate() {
                if random.one_in(2) {
                    apply(file, write.offset + place * SECTOR_BYTES, sector);
                }
            }
        }
    }
}

impl Inode {
    fn settle(&mut self) {
        for write in std::mem::take(&mut self.unsynced) {
            apply(&mut self.durable, write.offset, &write.bytes);
        }
    }

    fn lose_power(&mut self, random: &mut Random) {
        let mut found = std::mem::take(&mut self.durable);
        for write in std::mem::take(&mut self.unsynced) {
            if write.durable {
                apply(&mut found, write.offset, &write.bytes);
            } else {
                tear(&mut found, &write, random);
            }
        }
        self.seen.clone_from(&found);
        self.durable = found;
    }
}

#[derive(Debug, Clone, Copy)]
enum NameChange {
    Set(FileName, usize),
    Remove(FileName),
    Rename(FileName, FileName, usize),
}

fn change(names: &mut BTreeMap<FileName, usize>, by: NameChange) {
    match by {
        NameChange::Set(file, inode) => {
            names.insert(file, inode);
        }
        NameChange::Remove(file) => {
            names.remove(&file);
        }
        NameChange::Rename(from, to, inode) => {
            names.remove(&from);
            names.insert(to, inode);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct SimulatedDisk {
    inodes: Vec<Inode>,
    names: BTreeMap<FileName, usize>,
    durable_names: BTreeMap<FileName, usize>,
    unsynced_names: Vec<NameChange>,
    under_way: Vec<(Ticket, Operation)>,
    /// Preallocated room holds the bytes of a file that was removed, as if that had been reused.
    pub recycles: bool,
    removed: Vec<u8>,
    random: Random,
}

impl Disk for SimulatedDisk {
    fn submit(&mut self, ticket: Ticket, operation: Operation) {
        if let Operation::Write {
            offset,
            buffer,
            bytes,
            ..
        } = &operation
        {
            assert!(
                offset.is_multiple_of(4096) && bytes.is_multiple_of(4096) && *bytes > 0,
                "direct I/O is in whole blocks"
            );
            assert!(*bytes <= buffer.capacity());
        }
        assert!(
            self.under_way.iter().all(|(of, _)| *of != ticket),
            "a ticket is used once"
        );
        self.under_way.push((ticket, operation));
    }
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            under_way: Vec::new(),
            recycles: false,
            removed: Vec::new(),
            random: Random::new(seed),
        }
    }

    /// Operations that are not complete.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The files as a reader sees them.
    pub fn files(&self) -> BTreeMap<FileName, &[u8]> {
        let bytes =
            |(file, inode): (&FileName, &usize)| (*file, self.inodes[*inode].seen.as_slice());
        self.names.iter().map(bytes).collect()
    }

    fn take(&mut self) -> Option<(Ticket, Operation)> {
        if self.under_way.is_empty() {
            return None;
        }
        let place = self.random.below(self.under_way.len());
        Some(self.under_way.remove(place))
    }

    /// Completes any one of the operations under way.
    pub fn complete(&mut self) -> Option<Completion> {
        let (ticket, operation) = self.take()?;
        let result = self.carry_out(&operation);
        Some(completion(ticket, operation, result))
    }

    /// Fails any one of the operations under way. A write may have landed in part; of what a failed sync was for, some is lost.
    pub fn fail(&mut self, error: i32) -> Option<Completion> {
        let (ticket, operation) = self.take()?;
        match &operation {
            Operation::Write {
                file,
                offset,
                buffer,
                bytes,
                ..
            } => {
                let write = UnsyncedWrite {
                    offset: *offset as usize,
                    bytes: buffer.bytes()[..*bytes].to_vec(),
                    durable: false,
                };
                let inode = &mut self.inodes[self.names[file]];
                tear(&mut inode.seen, &write, &mut self.random);
                inode.unsynced.push(write);
            }
            Operation::Sync { file } => {
                let inode = &mut self.inodes[self.names[file]];
                let random = &mut self.random;
                inode
                    .unsynced
                    .retain(|write| write.durable || random.one_in(2));
                inode.seen.clone_from(&inode.durable);
                for write in &inode.unsynced {
                    apply(&mut inode.seen, write.offset, &write.bytes);
                }
            }
            // Nobody knows whether it happened.
            Operation::Rename { .. } if self.random.one_in(2) => {
                let _ = self.carry_out(&operation);
            }
            _ => {}
        }
        Some(completion(ticket, operation, Err(DiskError(error))))
    }

    fn change_name(&mut self, by: NameChange) {
        change(&mut self.names, by);
        self.unsynced_names.push(by);
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), DiskError> {
        const ENOENT: DiskError = DiskError(2);
        match operation {
            Operation::Create {
                file,
                preallocate_bytes,
            } => {
                let mut room = vec![0; *preallocate_bytes as usize];
                if self.recycles {
                    let len = room.len().min(self.removed.len());
                    room[..len].copy_from_slice(&self.removed[..len]);
                }
                self.inodes.push(Inode {
                    seen: room.clone(),
                    durable: room,
                    unsynced: Vec::new(),
                });
                self.change_name(NameChange::Set(*file, self.inodes.len() - 1));
            }
            Operation::Write {
                file,
                offset,
                buffer,
                bytes,
                durable,
            } => {
                let inode = *self.names.get(file).ok_or(ENOENT)?;
                let write = UnsyncedWrite {
                    offset: *offset as usize,
                    bytes: buffer.bytes()[..*bytes].to_vec(),
                    durable: *durable,
                };
                apply(&mut self.inodes[inode].seen, write.offset, &write.bytes);
                self.inodes[inode].unsynced.push(write);
            }
            Operation::Sync { file } => {
                let inode = *self.names.get(file).ok_or(ENOENT)?;
                self.inodes[inode].settle();
            }
            Operation::Rename { from, to } => {
                let inode = *self.names.get(from).ok_or(ENOENT)?;
                self.change_name(NameChange::Rename(*from, *to, inode));
            }
            Operation::Remove { file } => {
                if let Some(inode) = self.names.get(file).copied() {
                    self.removed.clone_from(&self.inodes[inode].seen);
                    self.change_name(NameChange::Remove(*file));
                }
            }
            Operation::SyncDirectory => {
                for by in std::mem::take(&mut self.unsynced_names) {
                    change(&mut self.durable_names, by);
                }
            }
        }
        Ok(())
    }

    /// Stops the system; what is found afterwards is in [`SimulatedDisk::files`]. Operations under way happen, in part or not at all.
    pub fn crash(&mut self, how: Crash, seed: u64) {
        self.random = Random::new(seed);
        for (_, operation) in std::mem::take(&mut self.under_way) {
            match &operation {
                Operation::Write {
                    file,
                    offset,
                    buffer,
                    bytes,
                    ..
                } => {
                    let Some(inode) = self.names.get(file).copied() else {
                        continue;
                    };
                    let write = UnsyncedWrite {
                        offset: *offset as usize,
                        bytes: buffer.bytes()[..*bytes].to_vec(),
                        durable: false,
                    };
                    let inode = &mut self.inodes[inode];
                    let mut landed = inode.seen.clone();
                    tear(&mut landed, &write, &mut self.random);
                    let end = (write.offset + write.bytes.len()).min(landed.len());
                    if write.offset < end {
                        inode.unsynced.push(UnsyncedWrite {
                            offset: write.offset,
                            bytes: landed[write.offset..end].to_vec(),
                            durable: false,
                        });
                    }
                    inode.seen = landed;
                }
                // A sync under way promises nothing.
                Operation::Sync { .. } | Operation::SyncDirectory => {}
                _ if self.random.one_in(2) => {
                    let _ = self.carry_out(&operation);
                }
                _ => {}
            }
        }
        if how == Crash::PowerLoss {
            for by in std::mem::take(&mut self.unsynced_names) {
                if self.random.one_in(2) {
                    change(&mut self.durable_names, by);
                }
            }
            self.names.clone_from(&self.durable_names);
            for inode in &mut self.inodes {
                inode.lose_power(&mut self.random);
            }
        }
    }
}

fn completion(ticket: Ticket, operation: Operation, result: Result<(), DiskError>) -> Completion {
    let buffer = match operation {
        Operation::Write { buffer, .. } => Some(buffer),
        _ => None,
    };
    Completion {
        ticket,
        result,
        buffer,
    }
}
