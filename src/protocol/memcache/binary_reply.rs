//! Replies of memcached's binary protocol: a header of 24 bytes, then extras, key and value.
//!
//! Never: decides what is said, or leaves a reply out because it was asked for quietly.

use super::binary::{HEADER_BYTES, MAGIC_REPLY};

/// Statuses of replies.
#[allow(missing_docs)]
pub mod status {
    pub const OK: u16 = 0x00;
    pub const NOT_FOUND: u16 = 0x01;
    pub const EXISTS: u16 = 0x02;
    pub const TOO_LARGE: u16 = 0x03;
    pub const INVALID: u16 = 0x04;
    pub const NOT_STORED: u16 = 0x05;
    pub const NOT_NUMERIC: u16 = 0x06;
    pub const AUTH_FAILURE: u16 = 0x20;
    pub const AUTH_CONTINUE: u16 = 0x21;
    pub const UNKNOWN_COMMAND: u16 = 0x81;
    pub const OUT_OF_MEMORY: u16 = 0x82;
}

/// The text that memcached puts into the body of an error; empty for a status that is none.
pub fn error_text(status: u16) -> &'static str {
    match status {
        status::NOT_FOUND => "Not found",
        status::EXISTS => "Data exists for key.",
        status::TOO_LARGE => "Too large.",
        status::INVALID => "Invalid arguments",
        status::NOT_STORED => "Not stored.",
        status::NOT_NUMERIC => "Non-numeric server-side value for incr or decr",
        status::AUTH_FAILURE => "Auth failure.",
        status::UNKNOWN_COMMAND => "Unknown command",
        status::OUT_OF_MEMORY => "Out of memory",
        _ => "",
    }
}

/// Appends a reply to the request with this header (24 bytes; operation and opaque are taken from it).
#[inline]
pub fn write_reply(
    reply: &mut Vec<u8>,
    request_header: &[u8],
    status: u16,
    extras: &[u8],
    key: &[u8],
    value: &[u8],
    cas: u64,
) {
    reply.reserve(HEADER_BYTES + extras.len() + key.len() + value.len());
    write_head(reply, request_header, status, extras, key, value.len(), cas);
    reply.extend_from_slice(value);
}

/// Appends a reply up to its value, which has `value_bytes` bytes and has to follow.
#[inline]
pub fn write_head(
    reply: &mut Vec<u8>,
    request_header: &[u8],
    status: u16,
    extras: &[u8],
    key: &[u8],
    value_bytes: usize,
    cas: u64,
) {
    assert!(
        request_header.len() == HEADER_BYTES,
        "a reply answers a request"
    );
    let body = extras.len() + key.len() + value_bytes;
    let mut header = [0; HEADER_BYTES];
    header[0] = MAGIC_REPLY;
    header[1] = request_header[1];
    header[2..4].copy_from_slice(&(key.len() as u16).to_be_bytes());
    header[4] = extras.len() as u8;
    header[6..8].copy_from_slice(&status.to_be_bytes());
    header[8..12].copy_from_slice(&(body as u32).to_be_bytes());
    header[12..16].copy_from_slice(&request_header[12..16]);
    header[16..24].copy_from_slice(&cas.to_be_bytes());
    reply.extend_from_slice(&header);
    reply.extend_from_slice(extras);
    reply.extend_from_slice(key);
}

/// Appends an error with the text of its status.
pub fn write_error(reply: &mut Vec<u8>, request_header: &[u8], status: u16) {
    write_error_text(reply, request_header, status, error_text(status));
}

/// Appends an error with a text of its own.
pub fn write_error_text(reply: &mut Vec<u8>, request_header: &[u8], status: u16, text: &str) {
    write_reply(reply, request_header, status, b"", b"", text.as_bytes(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_answers_its_request() {
        let mut request = [0; HEADER_BYTES];
        request[0] = 0x80;
        request[1] = 0x0c;
        request[12..16].copy_from_slice(&[1, 2, 3, 4]);
        let mut reply = b"before".to_vec();
        write_reply(
            &mut reply,
            &request,
            status::OK,
            b"\0\0\0\x07",
            b"key",
            b"value",
            0x0102_0304_0506_0708,
        );
        assert_eq!(
            reply,
            b"before\x81\x0c\0\x03\x04\0\0\0\0\0\0\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x07keyvalue"
        );
        reply.clear();
        write_error(&mut reply, &request, status::UNKNOWN_COMMAND);
        assert_eq!(
            reply,
            b"\x81\x0c\0\0\0\0\0\x81\0\0\0\x0f\x01\x02\x03\x04\0\0\0\0\0\0\0\0Unknown command"
        );
        assert_eq!(error_text(status::OK), "");
    }
}
