//! The payload of FUNCTION DUMP and RESTORE: the codes of libraries as in an RDB file, then 2 bytes of version and 8 of checksum, as redis-server 7 writes them.
//! Never: trusts a payload, or runs code. Codes are written uncompressed, which every reader takes; compressed ones are read.

use crate::codec::crc64::crc64;
use crate::codec::lzf;
use crate::command::dump::{VERSION_7_0, VERSION_7_4};

/// What stands before the code of a library.
const LIBRARY: u8 = 245;
/// The same in versions before the final one.
const LIBRARY_EARLY: u8 = 246;
/// Version and checksum.
const FOOTER_BYTES: usize = 10;
/// The longest code that is taken out of a compressed payload.
const CODE_BYTES_MAX: usize = 64 << 20;

/// The payload of these codes.
pub fn dump<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for code in codes {
        bytes.push(LIBRARY);
        match code.len() {
            len @ 0..0x40 => bytes.push(len as u8),
            len @ 0x40..0x4000 => bytes.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
            len => {
                bytes.push(0x80);
                bytes.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
        bytes.extend_from_slice(code);
    }
    bytes.extend_from_slice(&VERSION_7_0.to_le_bytes());
    let checksum = crc64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The codes in a payload. The error is the reply's text.
pub fn restore(payload: &[u8]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let footer = "ERR DUMP payload version or checksum are wrong";
    let body_bytes = payload.len().checked_sub(FOOTER_BYTES).ok_or(footer)?;
    let (checked, checksum) = payload.split_at(body_bytes + 2);
    let (body, version) = checked.split_at(body_bytes);
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version > VERSION_7_4 || checksum != crc64(checked).to_le_bytes() {
        return Err(footer.into());
    }
    let mut rest = body;
    let mut codes = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        match *kind {
            LIBRARY => {}
            LIBRARY_EARLY => return Err(b"ERR Pre-GA function format not supported".to_vec()),
            _ => return Err(b"ERR given type is not a function".to_vec()),
        }
        rest = after;
        codes.push(string(&mut rest).ok_or("ERR Failed loading library data")?);
    }
    Ok(codes)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn length(first: u8, rest: &mut &[u8]) -> Option<usize> {
    match first {
        0..=0x3f => Some(usize::from(first)),
        0x40..=0x7f => Some(usize::from(first & 0x3f) << 8 | usize::from(take(rest, 1)?[0])),
        0x80 => Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?) as usize),
        0x81 => usize::try_from(u64::from_be_bytes(take(rest, 8)?.try_into().ok()?)).ok(),
        _ => None,
    }
}

/// A string, plain or compressed. An integer is no code.
fn string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let first = take(rest, 1)?[0];
    if first != 0xc3 {
        let len = length(first, rest)?;
        return take(rest, len).map(<[u8]>::to_vec);
    }
    let first = take(rest, 1)?[0];
    let compressed = length(first, rest)?;
    let first = take(rest, 1)?[0];
    let len = length(first, rest)?;
    let compressed = take(rest, compressed)?;
    if len > CODE_BYTES_MAX {
        return None;
    }
    lzf::decompress(compressed, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back() {
        let codes = [vec![b'a'; 10], vec![b'b'; 1000], vec![b'c'; 20_000]];
        let payload = dump(codes.iter().map(Vec::as_slice));
        assert_eq!(restore(&payload), Ok(codes.to_vec()));
        assert_eq!(restore(&dump(std::iter::empty())), Ok(Vec::new()));
        for len in 0..payload.len().min(100) {
            assert!(restore(&payload[..len]).is_err());
        }
        for place in [0, 5, payload.len() - 1] {
            let mut wrong = payload.clone();
            wrong[place] ^= 1;
            assert!(restore(&wrong).is_err());
        }
    }
}
