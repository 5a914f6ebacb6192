//! The manifest: a small text that says where a shard's data begins.
//!
//! Never: does I/O, guesses. It is replaced as a whole (written beside, synced, renamed, directory synced), so that what it names is there whenever it is there itself.

use super::frame::{BLOCK_BYTES, Identity};
use std::fmt::{self, Write};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// The data set.
    pub identity: Identity,
    /// The shard.
    pub shard: u32,
    /// The server's shards.
    pub shards: u32,
    /// The segment to begin with.
    pub segment_first: u64,
    /// Transactions with lower numbers are in the data of every shard they concern.
    pub settled_below: u64,
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// Its last line's checksum is not that of the lines before.
    Checksum,
    /// It is intact and of another version.
    Version(String),
    /// A line is not as it should be.
    Line(&'static str),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManifestError::Checksum => write!(out, "its checksum is wrong"),
            ManifestError::Version(version) => {
                write!(
                    out,
                    "it is of version {version}, this program reads version 1"
                )
            }
            ManifestError::Line(name) => write!(out, "its line \"{name}\" is missing or wrong"),
        }
    }
}

/// An identity in hexadecimal.
pub fn hexadecimal(identity: &Identity) -> String {
    identity.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn identity(text: &str) -> Option<Identity> {
    let mut identity = Identity::default();
    if text.len() != 2 * identity.len() || !text.is_ascii() {
        return None;
    }
    for (place, byte) in identity.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(identity)
}

impl Manifest {
    /// The file's bytes: text, and line ends up to a whole block.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        let mut line = |text_of_line: fmt::Arguments<'_>| {
            text.write_fmt(text_of_line)
                .expect("a string takes everything");
            text.push('\n');
        };
        line(format_args!("torc-log 1"));
        line(format_args!("identity {}", hexadecimal(&self.identity)));
        line(format_args!("shard {}", self.shard));
        line(format_args!("shards {}", self.shards));
        line(format_args!("segment-first {}", self.segment_first));
        line(format_args!("settled-below {}", self.settled_below));
        let checksum = crc32fast::hash(text.as_bytes());
        writeln!(text, "crc32 {checksum:08x}").expect("a string takes everything");
        let mut bytes = text.into_bytes();
        assert!(bytes.len() <= BLOCK_BYTES, "a manifest fits a block");
        bytes.resize(BLOCK_BYTES, b'\n');
        bytes
    }

    /// Reads a file's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let block = &bytes[..bytes.len().min(BLOCK_BYTES)];
        let text = std::str::from_utf8(block).map_err(|_| ManifestError::Checksum)?;
        let (body, last) = text.split_once("crc32 ").ok_or(ManifestError::Checksum)?;
        let last = last.lines().next().unwrap_or_default();
        if last.len() != 8 || u32::from_str_radix(last, 16) != Ok(crc32fast::hash(body.as_bytes()))
        {
            return Err(ManifestError::Checksum);
        }
        let mut lines = body.lines();
        let mut field = |name: &'static str| {
            lines
                .next()
                .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .ok_or(ManifestError::Line(name))
        };
        let version = field("torc-log")?;
        if version != "1" {
            return Err(ManifestError::Version(version.to_string()));
        }
        fn number<N: std::str::FromStr>(
            name: &'static str,
            text: &str,
        ) -> Result<N, ManifestError> {
            text.parse().map_err(|_| ManifestError::Line(name))
        }
        let identity = identity(field("identity")?).ok_or(ManifestError::Line("identity"))?;
        let shard = number("shard", field("shard")?)?;
        let shards = number("shards", field("shards")?)?;
        Ok(Manifest {
            identity,
            shard,
            shards,
            segment_first: number("segment-first", field("segment-first")?)?,
            settled_below: number("settled-below", field("settled-below")?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            identity: *b"0123456789abcdef",
            shard: 2,
            shards: 4,
            segment_first: 9,
            settled_below: u64::MAX,
        }
    }

    #[test]
    fn it_round_trips_and_reads_well() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        let text = std::str::from_utf8(&bytes).expect("text");
        assert!(text.contains("\nsegment-first 9\n"), "{text}");
    }

    #[test]
    fn no_flipped_bit_and_no_cut_passes() {
        let whole = manifest().encode();
        let text_end = whole.iter().rposition(|byte| *byte != b'\n').expect("text") + 1;
        for bit in 0..text_end * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // A letter of the checksum may change its case, which means the same.
            if let Ok(read) = Manifest::decode(&bytes) {
                assert_eq!(read, manifest(), "bit {bit}");
                assert!(bit / 8 >= text_end - 8, "bit {bit}");
            }
        }
        for len in 0..text_end {
            assert!(
                Manifest::decode(&whole[..len]).is_err(),
                "cut to {len} bytes"
            );
        }
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let body = "torc-log 2\nnovelty\n";
        let text = format!("{body}crc32 {:08x}\n", crc32fast::hash(body.as_bytes()));
        assert_eq!(
            Manifest::decode(text.as_bytes()),
            Err(ManifestError::Version("2".into()))
        );
    }
}
