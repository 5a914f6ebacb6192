//! The disk of a shard's log: carries its operations out over the shard's own ring.
//!
//! Never: decides what is written, or waits. The decision worth knowing: files go through the ring of the sockets and not through glommio's files, because then a turn that
//! writes costs no system call more: its one `io_uring_enter` hands over the replies and the log's write together. Files are opened with O_DIRECT; a file system that has
//! none (an old tmpfs) is written through the page cache, which is slower and as safe.

use crate::net::{FileDone, FileMemory, FileRequest, Ring};
use crate::persist::buffer::AlignedBuffer;
use crate::persist::disk::{Completion, Disk, DiskError, FileName, Operation, Ticket};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

impl FileMemory for AlignedBuffer {
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// An operation whose end is not known yet.
struct UnderWay {
    ticket: Ticket,
    step: Step,
}

enum Step {
    /// A file is being opened; then it gets room.
    Opening {
        file: FileName,
        bytes: u64,
        is_direct: bool,
    },
    Allocating,
    Writing {
        bytes: usize,
    },
    Other,
    Removing,
}

/// See the module.
pub struct LogDisk {
    /// The directory itself, by which files are named: it may get another name.
    directory: File,
    files: HashMap<FileName, OwnedFd>,
    under_way: HashMap<u64, UnderWay>,
    next: u64,
    submitted: Vec<(Ticket, Operation)>,
    is_direct: bool,
}

impl Disk for LogDisk {
    fn submit(&mut self, ticket: Ticket, operation: Operation) {
        self.submitted.push((ticket, operation));
    }
}

fn name(file: FileName) -> CString {
    CString::new(file.to_string()).expect("the name of a file of the log has no zero byte")
}

fn disk_error(error: &io::Error) -> DiskError {
    DiskError(error.raw_os_error().unwrap_or(libc::EIO))
}

impl LogDisk {
    /// The disk of the logs in a directory that is there.
    pub fn new(directory: &Path) -> io::Result<LogDisk> {
        Ok(LogDisk {
            directory: File::open(directory)?,
            files: HashMap::new(),
            under_way: HashMap::new(),
            next: 0,
            submitted: Vec::new(),
            is_direct: true,
        })
    }

    fn descriptor(&self, file: FileName) -> RawFd {
        // A file that is not open fails as the system says: EBADF.
        self.files.get(&file).map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Hands what was submitted to the ring.
    pub fn start(&mut self, ring: &mut Ring) {
        let directory = self.directory.as_raw_fd();
        for (ticket, operation) in std::mem::take(&mut self.submitted) {
            let (request, step) = match operation {
                Operation::Create {
                    file,
                    preallocate_bytes,
                } => {
                    let is_direct = self.is_direct;
                    let name = name(file);
                    let step = Step::Opening {
                        file,
                        bytes: preallocate_bytes,
                        is_direct,
                    };
                    {
                        let request = FileRequest::Create {
                            directory,
                            name,
                            is_direct,
                        };
                        (request, step)
                    }
                }
                Operation::Write {
                    file,
                    offset,
                    buffer,
                    bytes,
                    durable,
                } => {
                    let request = FileRequest::Write {
                        file: self.descriptor(file),
                        offset,
                        memory: Box::new(buffer),
                        bytes,
                        is_durable: durable,
                    };
                    (request, Step::Writing { bytes })
                }
                Operation::Sync { file } => {
                    let file = self.sync_descriptor(file);
                    (FileRequest::Sync { file }, Step::Other)
                }
                Operation::Rename { from, to } => {
                    if let Some(descriptor) = self.files.remove(&from) {
                        self.files.insert(to, descriptor);
                    }
                    let (from, to) = (name(from), name(to));
                    let request = FileRequest::Rename {
                        directory,
                        from,
                        to,
                    };
                    (request, Step::Other)
                }
                Operation::Remove { file } => {
                    self.files.remove(&file);
                    let name = name(file);
                    (FileRequest::Remove { directory, name }, Step::Removing)
                }
                Operation::SyncDirectory => (FileRequest::Sync { file: directory }, Step::Other),
            };
            self.ask(ring, ticket, step, request);
        }
    }

    fn found(&self, file: FileName) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}/{file}", self.directory.as_raw_fd());
        File::open(path).map(OwnedFd::from)
    }

    /// The descriptor of a file that may have been made by an earlier start.
    fn sync_descriptor(&mut self, file: FileName) -> RawFd {
        if !self.files.contains_key(&file)
            && let Ok(found) = self.found(file)
        {
            self.files.insert(file, found);
        }
        self.descriptor(file)
    }

    fn ask(&mut self, ring: &mut Ring, ticket: Ticket, step: Step, request: FileRequest) {
        self.next += 1;
        self.under_way.insert(self.next, UnderWay { ticket, step });
        ring.file(self.next, request);
    }

    /// A request has ended: what became of its operation, if that has ended, too.
    pub fn completed(
        &mut self,
        ring: &mut Ring,
        id: u64,
        result: io::Result<FileDone>,
        memory: Option<Box<dyn FileMemory>>,
    ) -> Option<Completion> {
        let UnderWay { ticket, step } = self.under_way.remove(&id).expect("it was asked");
        let buffer = memory.map(|memory| {
            let buffer = memory.into_any().downcast::<AlignedBuffer>();
            *buffer.expect("only such buffers are written")
        });
        let result = match (step, result) {
            (
                Step::Opening {
                    file,
                    bytes,
                    is_direct: true,
                },
                Err(error),
            ) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.is_direct = false;
                let step = Step::Opening {
                    file,
                    bytes,
                    is_direct: false,
                };
                let request = FileRequest::Create {
                    directory: self.directory.as_raw_fd(),
                    name: name(file),
                    is_direct: false,
                };
                self.ask(ring, ticket, step, request);
                return None;
            }
            (Step::Opening { file, bytes, .. }, Ok(FileDone::Opened(descriptor))) => {
                let file_descriptor = descriptor.as_raw_fd();
                self.files.insert(file, descriptor);
                if bytes == 0 {
                    Ok(())
                } else {
                    let request = FileRequest::Allocate {
                        file: file_descriptor,
                        bytes,
                    };
                    self.ask(ring, ticket, Step::Allocating, request);
                    return None;
                }
            }
            // Room is taken as it is written where the file system cannot give it before. One that has too little of it fails now, and not when
            // a reply already waits for a write.
            (Step::Allocating, Err(error))
                if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS)) =>
            {
                Ok(())
            }
            (Step::Writing { bytes }, Ok(FileDone::Written(written))) if written != bytes => {
                Err(DiskError(libc::EIO))
            }
            (Step::Removing, Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            (_, result) => result.map(drop).map_err(|error| disk_error(&error)),
        };
        Some(Completion {
            ticket,
            result,
            buffer,
        })
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }
}
