//! Skims a whole RESP reply of any type and nesting from pieces of a stream cut anywhere, for commands whose replies are more than one line or value.
//! Keeps at most the one part that is asked for, and never looks for replies out of band or attributes: a server sends them only to who asked for them.
//!
//! What is skimmed need not be understood as a tree. It is enough to count the elements still to come: an aggregate adds its own, anything else takes
//! one away. So nesting costs no memory and needs no limit of depth.

use super::pieces::{Partial, VALUE_SIZE_MAX, Value, number};
use super::{Kept, Reply};

/// The most elements that may be still to come: far more than any command of a load is answered with.
const ELEMENTS_MAX: u64 = 1 << 32;
/// The place of the bulk string that is an entry's identifier: behind the stream's name.
const ENTRY_ID_PLACE: u32 = 1;

/// Skims replies of any type.
#[derive(Debug, Default)]
pub struct ReplySkimmer {
    partial: Partial,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    value: Value,
    in_value: bool,
    /// What the reply as a whole is, known from its first line; `None` between replies.
    whole: Option<Reply>,
    /// Elements whose first line is still to come.
    elements_left: u64,
    /// Bulk strings of this reply that have begun.
    bulks: u32,
    /// The part of the reply that was to be kept; empty when it is not there.
    kept: Vec<u8>,
    error: String,
}

impl ReplySkimmer {
    /// Takes the rest of the current reply from `input`: `Refused` for an error, `Miss` for a null of any kind, else `Hit`.
    ///
    /// `None`: the input is used up and the reply is not whole yet. An error or a null inside an aggregate is an element like any other. What is to be
    /// kept must be the same in all calls for one reply.
    ///
    /// # Errors
    /// What is no reply of RESP2 or RESP3.
    #[inline]
    pub fn next(&mut self, input: &mut &[u8], keep: Kept) -> Result<Option<Reply>, String> {
        let Self { partial, state } = self;
        loop {
            if state.in_value {
                let is_kept = keep == Kept::EntryId && state.bulks == ENTRY_ID_PLACE + 1;
                let body = is_kept.then_some(&mut state.kept);
                if !state.value.skim(input, body)? {
                    return Ok(None);
                }
                state.in_value = false;
            } else {
                let Some(line) = partial.line(input)? else {
                    return Ok(None);
                };
                state.read_line(line, keep)?;
            }
            if !state.in_value && state.elements_left == 0 {
                return Ok(state.whole.take());
            }
        }
    }

    /// The kept part of the last reply; empty when it had none.
    pub fn kept(&self) -> &[u8] {
        &self.state.kept
    }

    /// The text of the last refusal.
    pub fn error_text(&self) -> &str {
        &self.state.error
    }
}

impl State {
    /// Reads the first line of the reply, or of one of its elements.
    #[inline]
    fn read_line(&mut self, line: &[u8], keep: Kept) -> Result<(), String> {
        let [kind, text @ .., b'\r', b'\n'] = line else {
            return Err(no_reply(line));
        };
        let is_first = self.whole.is_none();
        if is_first {
            self.bulks = 0;
            self.kept.clear();
        } else {
            self.elements_left -= 1;
        }
        let mut reply = Reply::Hit;
        match kind {
            b':' if is_first && keep == Kept::Integer => self.kept.extend_from_slice(text),
            b'+' | b':' | b',' | b'#' | b'(' => {}
            b'_' => reply = Reply::Miss,
            b'$' | b'*' if text == b"-1" => reply = Reply::Miss,
            b'$' | b'=' => {
                let size = number(text).filter(|size| *size <= VALUE_SIZE_MAX);
                self.value.begin(size.ok_or_else(|| no_reply(line))?, true);
                self.in_value = true;
                self.bulks = self.bulks.saturating_add(1);
            }
            b'*' | b'~' | b'%' => {
                let each = if *kind == b'%' { 2 } else { 1 };
                let count = number(text).and_then(|count| count.checked_mul(each));
                let left = count.and_then(|count| count.checked_add(self.elements_left));
                self.elements_left = left
                    .filter(|left| *left <= ELEMENTS_MAX)
                    .ok_or_else(|| no_reply(line))?;
            }
            b'-' => {
                if is_first {
                    self.error.clear();
                    self.error.push_str(&String::from_utf8_lossy(text));
                }
                reply = Reply::Refused;
            }
            _ => return Err(no_reply(line)),
        }
        self.whole.get_or_insert(reply);
        Ok(())
    }
}

#[cold]
fn no_reply(line: &[u8]) -> String {
    let shown = &line[..line.len().min(60)];
    format!("\"{}\" is no reply", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reply by its bytes and what it is as a whole.
    const REPLIES: [(&[u8], Reply); 20] = [
        (b"+OK\r\n", Reply::Hit),
        (b":-12\r\n", Reply::Hit),
        (b",1.5\r\n", Reply::Hit),
        (b"#t\r\n", Reply::Hit),
        (b"$5\r\nhello\r\n", Reply::Hit),
        (b"$0\r\n\r\n", Reply::Hit),
        (b"$4\r\n\r\n*9\r\n", Reply::Hit),
        (b"=7\r\ntxt:abc\r\n", Reply::Hit),
        (b"$-1\r\n", Reply::Miss),
        (b"*-1\r\n", Reply::Miss),
        (b"_\r\n", Reply::Miss),
        (b"*0\r\n", Reply::Hit),
        (b"%0\r\n", Reply::Hit),
        (b"*2\r\n$1\r\na\r\n$-1\r\n", Reply::Hit),
        (b"%2\r\n+a\r\n:1\r\n+b\r\n_\r\n", Reply::Hit),
        (b"~1\r\n(123456789012345678901234567890\r\n", Reply::Hit),
        (b"*2\r\n-ERR inside\r\n:1\r\n", Reply::Hit),
        // A reply to XREADGROUP: streams, entries, fields.
        (
            b"*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$3\r\n2-0\r\n*-1\r\n",
            Reply::Hit,
        ),
        (b"*3\r\n*0\r\n%1\r\n*0\r\n*1\r\n*0\r\n*1\r\n_\r\n", Reply::Hit),
        (b"-WRONGTYPE no\r\n", Reply::Refused),
    ];

    fn read(pieces: &[&[u8]]) -> (Vec<Reply>, String) {
        let mut skimmer = ReplySkimmer::default();
        let mut replies = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while !input.is_empty() {
                replies.extend(skimmer.next(&mut input, Kept::Nothing).unwrap());
            }
        }
        (replies, skimmer.error_text().to_owned())
    }

    #[test]
    fn replies_cut_at_every_two_places_read_the_same() {
        let stream = REPLIES.map(|(bytes, _)| bytes).concat();
        let expected = (
            REPLIES.map(|(_, reply)| reply).to_vec(),
            String::from("WRONGTYPE no"),
        );
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(read(&pieces), expected, "cut at {first} and {second}");
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), expected, "byte by byte");
    }

    #[test]
    fn the_part_that_is_asked_for_is_kept_however_it_was_cut() {
        let entry =
            b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$5\r\n12-34\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
        for (reply, keep, kept) in [
            (&entry[..], Kept::EntryId, &b"12-34"[..]),
            (entry, Kept::Integer, b""),
            (entry, Kept::Nothing, b""),
            (b"*-1\r\n", Kept::EntryId, b""),
            (b"-NOGROUP\r\n", Kept::EntryId, b""),
            (b":17\r\n", Kept::Integer, b"17"),
            (b":17\r\n", Kept::EntryId, b""),
            (b"*1\r\n:5\r\n", Kept::Integer, b""),
        ] {
            let mut skimmer = ReplySkimmer::default();
            for cut in 0..reply.len() {
                let mut whole = None;
                for mut input in [&reply[..cut], &reply[cut..]] {
                    while !input.is_empty() {
                        whole = skimmer.next(&mut input, keep).unwrap();
                    }
                }
                assert!(whole.is_some() && skimmer.kept() == kept, "cut at {cut}");
            }
        }
    }

    #[test]
    fn no_reply_ends_before_its_last_byte() {
        for (bytes, reply) in REPLIES {
            let mut skimmer = ReplySkimmer::default();
            let mut input = &bytes[..bytes.len() - 1];
            assert_eq!(
                skimmer.next(&mut input, Kept::Nothing),
                Ok(None),
                "{bytes:?}"
            );
            let mut input = &bytes[bytes.len() - 1..];
            assert_eq!(
                skimmer.next(&mut input, Kept::Nothing),
                Ok(Some(reply)),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for text in [
            &b"HTTP/1.1 400\r\n"[..],
            b"\n",
            b"\r\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"$99999999999\r\n",
            b"$3\r\nabcdef",
            b"*x\r\n",
            b"*-2\r\n",
            b"*9999999999\r\n",
            b"%3000000000\r\n",
            b"*2\r\n:1\r\n>1\r\n",
            b"*2\r\n*4294967296\r\n",
        ] {
            let (mut skimmer, mut input) = (ReplySkimmer::default(), text);
            let mut outcome = Ok(None);
            while !input.is_empty() && outcome.is_ok() {
                outcome = skimmer.next(&mut input, Kept::Nothing);
            }
            assert!(outcome.is_err(), "{}", text.escape_ascii());
        }
    }
}
