//! What of two replies is compared: every byte, but that CAS tokens become the ordinals of their first sight per key, that times may differ by a second or two,
//! and that what `me` and `version` say of a server's inside is skipped. Knows replies only as far as it must to find those places.

use crate::binary::{HEADER_LENGTH, MARKER_OPAQUE, packet_length};
use std::collections::HashMap;

/// Seconds by which remaining times may differ: the servers' clocks tick at different moments.
const TIME_DIFFERENCE_MAX: i64 = 2;
/// Seconds by which times since the last access may differ: memcached notes an access once a minute.
const ACCESS_DIFFERENCE_MAX: i64 = 65;

/// A piece of a reply made comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// The ordinal of a token among those of its key.
    Token(usize),
    /// Seconds left, -1 for ever.
    Remaining(i64),
    /// Seconds since the last access.
    Accessed(i64),
}

/// The tokens that one server showed for each key, in the order of their first sight.
#[derive(Default)]
pub struct Ledger(HashMap<Vec<u8>, Vec<u64>>);

impl Ledger {
    fn ordinal(&mut self, key: &[u8], token: u64) -> usize {
        let tokens = self.0.entry(key.to_vec()).or_default();
        tokens
            .iter()
            .position(|seen| *seen == token)
            .unwrap_or_else(|| {
                tokens.push(token);
                tokens.len() - 1
            })
    }

    /// The token seen `back` before the latest; 1 when there is none, which no server shows twice.
    pub fn token(&self, key: &[u8], back: usize) -> u64 {
        let tokens = self.0.get(key).map_or(&[][..], Vec::as_slice);
        tokens
            .len()
            .checked_sub(back + 1)
            .map_or(u64::MAX - 1, |index| tokens[index])
    }
}

/// True when two replies say the same.
pub fn are_alike(left: &[Piece], right: &[Piece]) -> bool {
    let pair = |(left, right): (&Piece, &Piece)| match (left, right) {
        (Piece::Remaining(left), Piece::Remaining(right)) => {
            (*left < 0) == (*right < 0) && (left - right).abs() <= TIME_DIFFERENCE_MAX
        }
        (Piece::Accessed(left), Piece::Accessed(right)) => {
            (left - right).abs() <= ACCESS_DIFFERENCE_MAX
        }
        _ => left == right,
    };
    left.len() == right.len() && left.iter().zip(right).all(pair)
}

/// The pieces of a reply of the text protocols to a request about `key`.
pub fn text_pieces(reply: &[u8], key: &[u8], ledger: &mut Ledger) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = reply;
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let line = &rest[..end];
        rest = &rest[end + 2..];
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let mut data = None;
        match words[0] {
            b"VALUE" if words.len() >= 4 => {
                pieces.push(Piece::Bytes(words[..4].join(&b' ')));
                if let Some(token) = words.get(4) {
                    push_token(&mut pieces, token, words[1], ledger);
                }
                pieces.extend(
                    words
                        .get(5..)
                        .unwrap_or_default()
                        .iter()
                        .map(|word| Piece::Bytes(word.to_vec())),
                );
                data = Some(words[3]);
            }
            b"VA" if words.len() >= 2 => {
                pieces.push(Piece::Bytes(words[..2].join(&b' ')));
                push_flags(&mut pieces, &words[2..], key, ledger);
                data = Some(words[1]);
            }
            b"HD" | b"EN" | b"NS" | b"NF" | b"EX" => {
                pieces.push(Piece::Bytes(words[0].to_vec()));
                push_flags(&mut pieces, &words[1..], key, ledger);
            }
            b"ME" if words.len() >= 2 => {
                pieces.push(Piece::Bytes(words[..2].join(&b' ')));
                push_debug(&mut pieces, &words[2..], key, ledger);
            }
            b"VERSION" => pieces.push(Piece::Bytes(b"VERSION".to_vec())),
            _ => pieces.push(Piece::Bytes(line.to_vec())),
        }
        pieces.push(Piece::Bytes(b"\r\n".to_vec()));
        if let Some(length) = data.and_then(number) {
            let end = (length as usize + 2).min(rest.len());
            pieces.push(Piece::Bytes(rest[..end].to_vec()));
            rest = &rest[end..];
        }
    }
    pieces.push(Piece::Bytes(rest.to_vec()));
    pieces
}

fn number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn push_token(pieces: &mut Vec<Piece>, word: &[u8], key: &[u8], ledger: &mut Ledger) {
    let token = std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    pieces.push(match token {
        // Not a token but the lack of one.
        Some(0) | None => Piece::Bytes(word.to_vec()),
        Some(token) => Piece::Token(ledger.ordinal(key, token)),
    });
}

fn push_flags(pieces: &mut Vec<Piece>, words: &[&[u8]], key: &[u8], ledger: &mut Ledger) {
    for word in words {
        let (flag, argument) = (word.first(), word.get(1..).unwrap_or_default());
        let seconds = number(argument);
        match (flag, seconds) {
            (Some(b'c'), Some(_)) => {
                pieces.push(Piece::Bytes(b"c".to_vec()));
                push_token(pieces, argument, key, ledger);
            }
            (Some(b't'), Some(seconds)) => {
                pieces.push(Piece::Bytes(b"t".to_vec()));
                pieces.push(Piece::Remaining(seconds));
            }
            (Some(b'l'), Some(seconds)) => {
                pieces.push(Piece::Bytes(b"l".to_vec()));
                pieces.push(Piece::Accessed(seconds));
            }
            _ => pieces.push(Piece::Bytes(word.to_vec())),
        }
    }
}

fn push_debug(pieces: &mut Vec<Piece>, words: &[&[u8]], key: &[u8], ledger: &mut Ledger) {
    for word in words {
        let mut halves = word.splitn(2, |byte| *byte == b'=');
        let (name, value) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default(),
        );
        pieces.push(Piece::Bytes(name.to_vec()));
        match name {
            b"exp" => pieces.push(Piece::Remaining(number(value).unwrap_or(i64::MIN / 2))),
            b"la" => pieces.push(Piece::Accessed(number(value).unwrap_or(i64::MIN / 2))),
            b"cas" => push_token(pieces, value, key, ledger),
            // Slab classes and sizes are each server's own.
            b"cls" | b"size" => {}
            _ => pieces.push(Piece::Bytes(value.to_vec())),
        }
    }
}

/// The pieces of a reply of the binary protocol, which may be several packets.
pub fn binary_pieces(reply: &[u8], key: &[u8], ledger: &mut Ledger) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = reply;
    while let Some(length) = packet_length(rest) {
        let packet = &rest[..length];
        rest = &rest[length..];
        let token = u64::from_be_bytes(packet[16..24].try_into().expect("eight bytes"));
        let body = &packet[HEADER_LENGTH..];
        if packet[1] == 0x0b {
            // The length of a version is its own.
            pieces.push(Piece::Bytes(packet[..8].to_vec()));
            continue;
        }
        pieces.push(Piece::Bytes(packet[..16].to_vec()));
        pieces.push(match token {
            0 => Piece::Bytes(vec![0; 8]),
            token => Piece::Token(ledger.ordinal(key, token)),
        });
        pieces.push(Piece::Bytes(body.to_vec()));
    }
    pieces.push(Piece::Bytes(rest.to_vec()));
    pieces
}

/// Where the first reply to the marker begins in whole packets, None when it has not come yet.
pub fn binary_marker(received: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(length) = packet_length(&received[at..]) {
        let opaque = u32::from_be_bytes(received[at + 12..at + 16].try_into().expect("four bytes"));
        if received[at + 1] == 0x0a && opaque == MARKER_OPAQUE {
            return Some(at);
        }
        at += length;
    }
    None
}
