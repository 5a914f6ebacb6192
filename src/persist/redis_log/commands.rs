//! The commands of a log, one after the other: each is an array of bulk strings as clients send it. Lines that begin with # are annotations, of which the
//! time (`#TS:`, seconds since 1970) is told with the commands that follow.
//! Never: copies a word, or takes memory for what is only announced.
//! The decision worth knowing: MULTI and EXEC come as commands like any other, because only who runs them knows what a transaction is; but a log that ends
//! within a transaction counts as cut short before it, as in Redis.

use super::{LogError, LogErrorKind};

/// The longest line that announces a number, its end included.
const NUMBER_LINE_BYTES_MAX: usize = 32;
/// The longest annotation, its end included, as in Redis.
const ANNOTATION_BYTES_MAX: usize = 1024;

/// Where a command was, and when it ran. The words are the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// The byte of the file at which it begins.
    pub offset: usize,
    /// The time of the last annotation before it, in seconds since 1970; none in a log without (`aof-timestamp-enabled no`).
    pub time_s: Option<i64>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct CommandReader<'a> {
    file: &'a str,
    bytes: &'a [u8],
    at: usize,
    time_s: Option<i64>,
    /// Where the transaction began that has not ended.
    transaction_at: Option<usize>,
}

/// What a part of a command may end in.
enum Trouble {
    CutShort,
    Malformed(String),
}

impl<'a> CommandReader<'a> {
    /// Reads a file from this byte on, at which a command or an annotation begins, if any. The name is for errors.
    pub fn new(file: &'a str, bytes: &'a [u8], start: usize) -> CommandReader<'a> {
        assert!(start <= bytes.len(), "the start is in the file");
        CommandReader {
            file,
            bytes,
            at: start,
            time_s: None,
            transaction_at: None,
        }
    }

    /// The bytes of the file that were read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads the next command into `words`, which keeps its capacity; none at the end. After an error the reader stays where it is.
    pub fn next(&mut self, words: &mut Vec<&'a [u8]>) -> Result<Option<Command>, LogError> {
        words.clear();
        loop {
            let start = self.at;
            let outcome = match self.bytes.get(start) {
                None if self.transaction_at.is_none() => return Ok(None),
                None => Err(Trouble::CutShort),
                Some(b'#') => self.annotation().map(|()| false),
                Some(_) => self.command(words).map(|()| true),
            };
            match outcome {
                Ok(false) => {}
                Ok(true) => {
                    self.follow_transaction(words, start);
                    return Ok(Some(Command {
                        offset: start,
                        time_s: self.time_s,
                    }));
                }
                Err(trouble) => {
                    let error = self.error(trouble, start);
                    self.at = start;
                    words.clear();
                    return Err(error);
                }
            }
        }
    }

    fn error(&self, trouble: Trouble, start: usize) -> LogError {
        let (kind, message) = match trouble {
            Trouble::Malformed(message) => (LogErrorKind::Malformed, message),
            Trouble::CutShort => {
                let whole_bytes = self.transaction_at.unwrap_or(start);
                let what = match self.transaction_at {
                    Some(_) => "the transaction that begins",
                    None => "the command that begins",
                };
                let message = format!(
                    "the file ends in the middle of {what} at byte {whole_bytes}, {} bytes before",
                    self.bytes.len() - whole_bytes
                );
                (LogErrorKind::CutShort { whole_bytes }, message)
            }
        };
        LogError {
            file: self.file.to_string(),
            offset: self.at,
            kind,
            message,
        }
    }

    fn follow_transaction(&mut self, words: &[&[u8]], start: usize) {
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        if is("multi") {
            self.transaction_at.get_or_insert(start);
        } else if is("exec") || is("discard") {
            self.transaction_at = None;
        }
    }

    /// The line that begins here, without its end, which is passed.
    fn line(&mut self, bytes_max: usize, expected: &str) -> Result<&'a [u8], Trouble> {
        let rest = &self.bytes[self.at..];
        let rest = &rest[..rest.len().min(bytes_max)];
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(&rest[..end])
            }
            None if rest.len() < bytes_max => Err(Trouble::CutShort),
            None => Err(Trouble::Malformed(format!(
                "expected {expected} and found no end of the line within {bytes_max} bytes"
            ))),
        }
    }

    fn annotation(&mut self) -> Result<(), Trouble> {
        let line = self.line(ANNOTATION_BYTES_MAX, "an annotation")?;
        if let Some(time) = line.trim_ascii_end().strip_prefix(b"#TS:") {
            // Whatever else an annotation says is of no consequence.
            let time = std::str::from_utf8(time)
                .ok()
                .and_then(|time| time.parse().ok());
            self.time_s = time.or(self.time_s);
        }
        Ok(())
    }

    fn command(&mut self, words: &mut Vec<&'a [u8]>) -> Result<(), Trouble> {
        let count = self.number(b'*', "the number of a command's words")?;
        if count == 0 {
            return Err(Trouble::Malformed(
                "expected a command and found none of any words".into(),
            ));
        }
        for _ in 0..count {
            let len = self.number(b'$', "the length of a word")?;
            let rest = &self.bytes[self.at..];
            let after = usize::try_from(len)
                .ok()
                .and_then(|len| rest.split_at_checked(len));
            let Some((word, after)) = after else {
                return Err(Trouble::CutShort);
            };
            self.at += word.len();
            match after {
                [b'\r', b'\n', ..] => self.at += 2,
                [] | [b'\r'] => return Err(Trouble::CutShort),
                _ => {
                    return Err(Trouble::Malformed(format!(
                        "expected the end of a word of {len} bytes and found \"{}\"",
                        after[..after.len().min(2)].escape_ascii()
                    )));
                }
            }
            words.push(word);
        }
        Ok(())
    }

    /// A line of this mark and a number.
    fn number(&mut self, mark: u8, expected: &str) -> Result<u64, Trouble> {
        let start = self.at;
        let malformed = |found: &[u8]| {
            let found = &found[..found.len().min(NUMBER_LINE_BYTES_MAX)];
            Trouble::Malformed(format!(
                "expected {expected}, \"{}\" and a number, and found \"{}\"",
                char::from(mark),
                found.escape_ascii()
            ))
        };
        let rest = &self.bytes[start..];
        // What cannot become such a line is not cut short.
        let possible = |place: usize, byte: &u8| match place {
            0 => *byte == mark,
            _ => byte.is_ascii_digit() || *byte == b'\r',
        };
        let line = match self.line(NUMBER_LINE_BYTES_MAX, expected) {
            Err(Trouble::CutShort) => {
                let begun = rest
                    .iter()
                    .enumerate()
                    .all(|(place, byte)| possible(place, byte));
                return Err(if begun {
                    Trouble::CutShort
                } else {
                    malformed(rest)
                });
            }
            line => line?,
        };
        let number = line
            .strip_suffix(b"\r")
            .and_then(|line| line.strip_prefix(&[mark]))
            .filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
            .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        number.ok_or_else(|| {
            self.at = start;
            malformed(line)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Start, open};
    use super::*;
    use proptest::prelude::*;

    const LOG: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#TS:1700000000\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\n\
        #other\n*1\r\n$5\r\nMULTI\r\n#TS:1700000001\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*1\r\n$4\r\nEXEC\r\n*2\r\n$3\r\nDEL\r\n$0\r\n\r\n";

    type Commands = Vec<(Vec<Vec<u8>>, Command)>;

    fn read(bytes: &[u8]) -> (Commands, Result<(), LogError>) {
        let mut reader = CommandReader::new("log.aof", bytes, 0);
        let mut commands = Vec::new();
        let mut words = Vec::new();
        loop {
            match reader.next(&mut words) {
                Ok(Some(command)) => {
                    commands.push((words.iter().map(|word| word.to_vec()).collect(), command));
                }
                Ok(None) => return (commands, Ok(())),
                Err(error) => {
                    let again = reader.next(&mut words);
                    assert_eq!(again, Err(error.clone()), "an error stays");
                    return (commands, Err(error));
                }
            }
        }
    }

    #[test]
    fn commands_and_their_times() {
        let (commands, outcome) = read(LOG);
        assert_eq!(outcome, Ok(()));
        let first = Some(1_700_000_000);
        let second = Some(1_700_000_001);
        let expected = [
            ("SELECT 0", 0, None),
            ("SET k a\r\n", 39, first),
            ("MULTI", 75, first),
            ("INCR n", 106, second),
            ("EXEC", 127, second),
            ("DEL ", 141, second),
        ];
        assert_eq!(commands.len(), expected.len());
        for ((words, command), (expected, offset, time_s)) in commands.iter().zip(expected) {
            assert_eq!(words.join(&b' '), expected.as_bytes());
            assert_eq!(*command, Command { offset, time_s });
        }
        assert_eq!(read(b""), (Vec::new(), Ok(())));
    }

    #[test]
    fn every_truncation_is_noticed() {
        let (all, _) = read(LOG);
        for len in 0..LOG.len() {
            let (commands, outcome) = read(&LOG[..len]);
            assert_eq!(commands, all[..commands.len()], "{len}");
            // Between commands and annotations nothing is missing that anybody could miss.
            let whole = [0, 23, 39, 68, 75, 141];
            let is_whole = whole.contains(&len);
            match outcome {
                Ok(()) => assert!(is_whole, "{len}"),
                Err(error) => {
                    assert!(!is_whole, "{len}: {error}");
                    let LogErrorKind::CutShort { whole_bytes } = error.kind else {
                        panic!("{len}: {error}");
                    };
                    assert_eq!(read(&LOG[..whole_bytes]).1, Ok(()), "{len}: {error}");
                    assert!(whole_bytes <= len && error.offset <= len);
                    // From the first byte of MULTI to the last of EXEC.
                    assert_eq!(
                        whole_bytes == 75,
                        (76..141).contains(&len),
                        "{len}: {error}"
                    );
                }
            }
        }
    }

    #[test]
    fn errors_name_file_and_byte() {
        for (bytes, message) in [
            (
                &b"*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDE"[..],
                "log.aof at byte 22: the file ends in the middle of the command that begins at byte 14, 10 bytes before",
            ),
            (
                b"*1\r\n$5\r\nMULTI\r\n",
                "log.aof at byte 15: the file ends in the middle of the transaction that begins at byte 0, 15 bytes before",
            ),
            (
                b"*1\r\n$4\r\nPING\r\nPING\r\n",
                "log.aof at byte 14: expected the number of a command's words, \"*\" and a number, and found \"PING\\r\"",
            ),
            (
                b"*1\r\n$4\r\nPING\r\n\0\0\0",
                "log.aof at byte 14: expected the number of a command's words, \"*\" and a number, and found \"\\x00\\x00\\x00\"",
            ),
            (
                b"*1\r\n$4\r\nPINGS\r\n",
                "log.aof at byte 12: expected the end of a word of 4 bytes and found \"S\\r\"",
            ),
            (
                b"*0\r\n",
                "log.aof at byte 4: expected a command and found none of any words",
            ),
            (
                b"*1\r\n$-1\r\n",
                "log.aof at byte 4: expected the length of a word, \"$\" and a number, and found \"$-1\\r\"",
            ),
            (
                b"*11111111111111111111111111111111111111\r\n",
                "log.aof at byte 0: expected the number of a command's words and found no end of the line within 32 bytes",
            ),
        ] {
            let error = read(bytes).1.unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn announcements_take_no_memory() {
        for bytes in [
            &b"*18446744073709551615\r\n$1\r\na\r\n"[..],
            b"*1\r\n$18446744073709551615\r\na\r\n",
        ] {
            let kind = read(bytes).1.unwrap_err().kind;
            assert_eq!(kind, LogErrorKind::CutShort { whole_bytes: 0 });
        }
    }

    #[test]
    fn a_snapshot_may_come_first() {
        let snapshot = b"REDIS0009\xff\0\0\0\0\0\0\0\0";
        let bytes = [snapshot, &LOG[..23]].concat();
        let Ok(Start::Snapshot(mut reader)) = open("log.aof", &bytes) else {
            panic!("a snapshot");
        };
        assert!(reader.by_ref().all(|entry| entry.is_ok()));
        let mut commands = CommandReader::new("log.aof", &bytes, reader.offset());
        let mut words = Vec::new();
        let command = commands.next(&mut words).unwrap().unwrap();
        assert_eq!(command.offset, snapshot.len());
        assert_eq!(words, [b"SELECT".as_slice(), b"0"]);
        assert_eq!(commands.next(&mut words), Ok(None));
        assert!(matches!(open("log.aof", LOG), Ok(Start::Commands(_))));
        assert_eq!(
            open("log.aof", b"REDIS0099").unwrap_err().to_string(),
            "log.aof at byte 0: files of Redis' versions 1 to 14 can be read, and this is version 99"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(prop::sample::select(b"*$#\r\n0123TS:aMULTI".to_vec()), 0..60)) {
            let (commands, outcome) = read(&bytes);
            prop_assert!(commands.len() <= bytes.len());
            if let Err(error) = outcome {
                prop_assert!(error.offset <= bytes.len());
            }
        }

        #[test]
        fn mutations_are_safe(at in any::<prop::sample::Index>(), byte: u8) {
            let mut log = LOG.to_vec();
            let at = at.index(log.len());
            log[at] = byte;
            let _ = read(&log);
        }
    }
}
