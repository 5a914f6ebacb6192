//! Random operations over the string, key and connection commands. Generation depends on the random source alone, never on a
//! reply. The decision worth knowing: the clock must not matter, so expiry times are far in the future, far in the past, or
//! drawn from so wide a range that two of them never fall within the time one server lags behind the other.

use crate::families::{self, life::Transaction};
use crate::support::random::Random;

#[path = "families/sorted_set.rs"]
mod sorted_set;

/// How two replies to one operation are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// Aggregates whose order is the server's own choice.
    Unordered,
    /// Integers that depend on the clock: equal when negative, else at most so far apart.
    Near(i64),
    /// Names with values, in any order.
    Pairs,
    /// Texts that are numbers are compared as such: of most 7.0 writes more digits.
    Numbers,
    /// OBJECT ENCODING, where Redis 7.0 has fewer.
    Encoding,
    /// RANDOMKEY: null for both or a key that exists for both.
    RandomKey,
    /// SCAN and its like are followed to their end, and what they found is compared as a set.
    Scan,
    /// SRANDMEMBER and its like: any elements that are there.
    Sample,
    /// SPOP: any members; the other server is made to lose the same.
    Pop,
    /// DUMP: any payload.
    Dump,
    /// RESTORE: argument 3 is a key, the payload of which each server gets from the other.
    Restore,
    /// Replies about streams, without times and what versions of Redis count differently.
    Stream,
}

/// One request and how its replies are compared.
#[derive(Clone, Debug)]
pub struct Operation {
    pub arguments: Vec<Vec<u8>>,
    pub compare: Compare,
    /// How the elements of the reply are compared, where it is an array of several commands' replies.
    pub parts: Vec<Compare>,
    /// The operation is this transaction.
    pub transaction: Option<Box<Transaction>>,
}

/// What one connection may touch.
#[derive(Clone)]
pub struct Territory {
    /// Begins every key; empty for a connection that has the server to itself.
    pub prefix: String,
    /// Commands over whole databases (FLUSHALL, SWAPDB, DBSIZE, RANDOMKEY) are for one who is alone.
    pub alone: bool,
}

/// Seconds by which two servers may disagree about a time.
const LAG_SECONDS_MAX: i64 = 5;
/// Absolute times in the far future; few, so that GT and LT meet equal ones too.
const FAR_FUTURE_SECONDS: [i64; 3] = [4_102_444_800, 4_102_444_801, 7_258_118_400];
const KEYS: u64 = 10;

/// An operation in the making.
pub struct Builder<'a> {
    pub random: &'a mut Random,
    pub territory: &'a Territory,
    pub arguments: Vec<Vec<u8>>,
    pub compare: Compare,
    /// Whether arguments may be taken away, added or replaced afterwards.
    pub spoils: bool,
}

/// The next operation.
pub fn operation(random: &mut Random, territory: &Territory, without: &[String]) -> Operation {
    let life = if families::life::is_alone() { 80 } else { 8 };
    if !random.chance(life) {
        return plain_operation(random, territory, without);
    }
    families::life::operation(random, territory, without)
}

/// The next operation that is one command on data.
pub fn plain_operation(
    random: &mut Random,
    territory: &Territory,
    without: &[String],
) -> Operation {
    loop {
        let mut builder = Builder::new(random, territory);
        builder.choose();
        if builder.spoils {
            builder.maybe_spoil();
        }
        builder.random_case();
        builder.know_encodings();
        let operation = builder.finished();
        let name = String::from_utf8_lossy(&operation.arguments[0]).to_uppercase();
        if !without.contains(&name) {
            return operation;
        }
    }
}

impl<'a> Builder<'a> {
    /// Nothing yet.
    pub fn new(random: &'a mut Random, territory: &'a Territory) -> Builder<'a> {
        Builder {
            random,
            territory,
            arguments: Vec::new(),
            compare: Compare::Exact,
            spoils: true,
        }
    }

    /// The operation it has become.
    pub fn finished(self) -> Operation {
        Operation {
            arguments: self.arguments,
            compare: self.compare,
            parts: Vec::new(),
            transaction: None,
        }
    }
}

impl Builder<'_> {
    pub fn word(&mut self, word: impl Into<Vec<u8>>) -> &mut Self {
        self.arguments.push(word.into());
        self
    }

    pub fn words(&mut self, line: &str) -> &mut Self {
        for word in line.split(' ') {
            self.word(word);
        }
        self
    }

    pub fn key(&mut self) -> &mut Self {
        let number = self.random.below(KEYS + 1);
        let mut key = self.territory.prefix.clone().into_bytes();
        match number {
            0 if self.random.chance(20) => key.extend_from_slice(b"\x00\r\n\xff"),
            0 if self.random.chance(20) => {}
            0 => key.extend_from_slice(b"{tag}long".repeat(8).as_slice()),
            _ => key.extend_from_slice(format!("key:{number}").as_bytes()),
        }
        self.word(key)
    }

    pub fn keys(&mut self, most: u64) -> &mut Self {
        for _ in 0..=self.random.below(most) {
            self.key();
        }
        self
    }

    /// Keys that only ever hold short values, for LCS, whose cost is the product of two lengths.
    fn short_key(&mut self) -> &mut Self {
        let key = format!("{}short:{}", self.territory.prefix, self.random.below(3));
        self.word(key)
    }

    pub fn value(&mut self) -> &mut Self {
        let value = match self.random.below(12) {
            0 => Vec::new(),
            1..=3 => self.random.between(-20, 20_000).to_string().into_bytes(),
            4 => self
                .random
                .pick(&[
                    "9223372036854775807",
                    "-9223372036854775808",
                    "9223372036854775808",
                    "10000",
                    "9999",
                ])
                .as_bytes()
                .to_vec(),
            5 => self
                .random
                .pick(&[
                    "3.0", "0.1", "-2.5", "1e3", " 1", "1 ", "+1", "007", "-0", "nan", "0x10",
                ])
                .as_bytes()
                .to_vec(),
            6 => {
                let length = self.random.below(60) as usize;
                self.random.bytes(length)
            }
            7 => {
                // Around the border between the two encodings of short strings.
                let length = 43 + self.random.below(3) as usize;
                vec![b'v'; length]
            }
            8 => {
                let length = 100 + self.random.below(5000) as usize;
                self.random.bytes(length)
            }
            _ => {
                let length = 1 + self.random.below(20) as usize;
                (0..length)
                    .map(|_| b'a' + self.random.below(4) as u8)
                    .collect()
            }
        };
        self.word(value)
    }

    pub fn short_value(&mut self) -> &mut Self {
        let length = self.random.below(60) as usize;
        let value: Vec<u8> = (0..length)
            .map(|_| b'a' + self.random.below(4) as u8)
            .collect();
        self.word(value)
    }

    /// An integer, mostly a good one.
    pub fn integer(&mut self, low: i64, high: i64) -> &mut Self {
        if self.random.chance(92) {
            let number = self.random.between(low, high);
            return self.word(number.to_string());
        }
        let odd = self.random.pick(&[
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "1.5",
            "abc",
            "",
            " 7",
            "7 ",
            "+7",
            "007",
            "-0",
            "1e2",
        ]);
        self.word(*odd)
    }

    fn database(&mut self) -> &mut Self {
        match self.random.below(20) {
            0 => self.word("16"),
            1 => self.word("-1"),
            2 => self.word("one"),
            // Few databases in use, so that they interact.
            3 => self.integer(0, 15),
            _ => self.integer(0, 3),
        }
    }

    /// A time from now, in units of which `per_second` make a second.
    fn relative_time(&mut self, per_second: i64) -> &mut Self {
        match self.random.below(20) {
            0 => self.integer(-1000, 0),
            1 => self.integer(0, 0),
            _ => {
                let seconds = self.random.between(100_000, 1_000_000_000);
                self.word((seconds * per_second).to_string())
            }
        }
    }

    fn absolute_time(&mut self, per_second: i64) -> &mut Self {
        match self.random.below(20) {
            0 => self.integer(-1000, 0),
            // Set, GETEX and EXPIREAT treat a time that has passed each in its way.
            1 if !self.territory.alone => self.integer(1, 1_000_000_000),
            _ => {
                let seconds = *self.random.pick(&FAR_FUTURE_SECONDS);
                self.word((seconds * per_second).to_string())
            }
        }
    }

    fn expiry_option(&mut self) -> &mut Self {
        match self.random.below(4) {
            0 => self.word("EX").relative_time(1),
            1 => self.word("PX").relative_time(1000),
            2 => self.word("EXAT").absolute_time(1),
            _ => self.word("PXAT").absolute_time(1000),
        }
    }

    fn choose(&mut self) {
        if self.random.chance(15) {
            return self.choose_sorted_set();
        }
        // Writers come first and often: the more there is, the more the rest has to bite on.
        match self.random.below(100) {
            0..90 if crate::families::is_alone() => crate::families::choose(self),
            0..20 => crate::families::choose(self),
            20..=22 => self.choose_set(),
            23..=27 => self.choose_plain_string(),
            28..=41 => self.choose_number(),
            42..=55 => self.choose_bits(),
            56..=63 => self.choose_multiple(),
            64..=76 => self.choose_expiry(),
            77..=92 => self.choose_key(),
            93..=96 => self.choose_database(),
            97 => self.choose_lcs(),
            _ => self.choose_connection(),
        }
    }

    fn choose_set(&mut self) {
        self.word("SET").key().value();
        for _ in 0..self.random.below(3) {
            match self.random.below(6) {
                0 => self.word("NX"),
                1 => self.word("XX"),
                2 => self.word("GET"),
                3 => self.word("KEEPTTL"),
                _ => self.expiry_option(),
            };
        }
    }

    fn choose_plain_string(&mut self) {
        match self.random.below(14) {
            0 | 1 => self.word("GET").key(),
            2 => self.word("GETSET").key().value(),
            3 => self.word("GETDEL").key(),
            4 => {
                self.word("GETEX").key();
                match self.random.below(4) {
                    0 => self,
                    1 => self.word("PERSIST"),
                    _ => self.expiry_option(),
                }
            }
            5 => self.word("SETNX").key().value(),
            6 => self.word("SETEX").key().relative_time(1).value(),
            7 => self.word("PSETEX").key().relative_time(1000).value(),
            8 | 9 => self.word("APPEND").key().value(),
            10 => self.word("STRLEN").key(),
            11 => self
                .word("GETRANGE")
                .key()
                .integer(-30, 60)
                .integer(-30, 60),
            12 => self.word("SUBSTR").key().integer(-30, 60).integer(-30, 60),
            _ => {
                self.word("SETRANGE").key();
                if self.random.chance(5) {
                    self.word("536870912");
                } else {
                    self.integer(-1, 300);
                }
                self.value()
            }
        };
    }

    fn choose_number(&mut self) {
        match self.random.below(8) {
            0 => self.word("INCR").key(),
            1 => self.word("DECR").key(),
            2 | 3 => self.word("INCRBY").key().integer(-5000, 5000),
            4 => self.word("DECRBY").key().integer(-5000, 5000),
            // A number first, so that counting finds one to count.
            5 | 6 => {
                let number = self.random.between(-100, 100);
                self.word("SET").key().word(number.to_string())
            }
            _ => {
                // Beyond some 10^17 the result shows the machine's extended precision, which no client relies on.
                let amount = *self.random.pick(&[
                    "1",
                    "0.1",
                    "-2.5",
                    "3.0",
                    "1e3",
                    "10.50",
                    "0.0001",
                    "-0.25",
                    "100000000",
                    "nan",
                    "inf",
                    "-inf",
                    "abc",
                    "",
                    " 1",
                    "1 ",
                ]);
                self.word("INCRBYFLOAT").key().word(amount)
            }
        };
    }

    fn bit_offset(&mut self) -> &mut Self {
        match self.random.below(20) {
            0 => self.word("4294967296"),
            1 => self.word("-1"),
            2 => self.word("bit"),
            3 => self.integer(0, 20_000),
            _ => self.integer(0, 200),
        }
    }

    fn choose_bits(&mut self) {
        match self.random.below(12) {
            0..=2 => {
                self.word("SETBIT").key().bit_offset();
                let bit = *self.random.pick(&["0", "1", "1", "1", "2", "-1", "x"]);
                self.word(bit)
            }
            3 => self.word("GETBIT").key().bit_offset(),
            4 | 5 => {
                self.word("BITCOUNT").key();
                if self.random.chance(70) {
                    self.integer(-30, 60).integer(-30, 60);
                    if self.random.chance(50) {
                        let unit = *self.random.pick(&["BYTE", "BIT", "bit", "WORD"]);
                        self.word(unit);
                    }
                }
                self
            }
            6 | 7 => {
                self.word("BITPOS").key();
                let bit = *self.random.pick(&["0", "1", "1", "0", "2"]);
                self.word(bit);
                for _ in 0..self.random.below(3) {
                    self.integer(-30, 60);
                }
                if self.random.chance(30) {
                    let unit = *self.random.pick(&["BYTE", "BIT"]);
                    self.word(unit);
                }
                self
            }
            8 => {
                let operator = *self
                    .random
                    .pick(&["AND", "OR", "XOR", "NOT", "not", "NAND"]);
                self.word("BITOP").word(operator).key();
                if operator.eq_ignore_ascii_case("not") && self.random.chance(80) {
                    self.key()
                } else {
                    self.keys(3)
                }
            }
            _ => self.choose_bitfield(),
        };
    }

    fn choose_bitfield(&mut self) -> &mut Self {
        let read_only = self.random.chance(25);
        self.word(if read_only { "BITFIELD_RO" } else { "BITFIELD" })
            .key();
        for _ in 0..self.random.below(4) {
            let kind = *self.random.pick(&[
                "u8", "i8", "u1", "i5", "u16", "i16", "u32", "i32", "u63", "i64", "u64", "i65",
                "u0", "x8",
            ]);
            let offset = match self.random.below(10) {
                0 => "-1".to_string(),
                1 => "#x".to_string(),
                2..=4 => format!("#{}", self.random.below(8)),
                _ => self.random.below(150).to_string(),
            };
            let verb = if read_only && self.random.chance(90) {
                0
            } else {
                self.random.below(4)
            };
            match verb {
                0 => self.word("GET").word(kind).word(offset),
                1 => self.word("SET").word(kind).word(offset).integer(-300, 300),
                2 => self
                    .word("INCRBY")
                    .word(kind)
                    .word(offset)
                    .integer(-300, 300),
                _ => {
                    let behaviour = *self.random.pick(&["WRAP", "SAT", "FAIL", "fail", "HALT"]);
                    self.word("OVERFLOW").word(behaviour)
                }
            };
        }
        self
    }

    fn choose_multiple(&mut self) {
        match self.random.below(4) {
            0 => self.word("MGET").keys(6),
            1 | 2 => {
                let name = if self.random.chance(60) {
                    "MSET"
                } else {
                    "MSETNX"
                };
                self.word(name);
                for _ in 0..=self.random.below(5) {
                    self.key().value();
                }
                self
            }
            _ => {
                let name = *self.random.pick(&["DEL", "UNLINK", "EXISTS", "TOUCH"]);
                self.word(name).keys(3)
            }
        };
    }

    fn choose_expiry(&mut self) {
        match self.random.below(12) {
            choice @ 0..=5 => {
                match choice {
                    0 | 1 => self.word("EXPIRE").key().relative_time(1),
                    2 => self.word("PEXPIRE").key().relative_time(1000),
                    3 | 4 => self.word("EXPIREAT").key().absolute_time(1),
                    _ => self.word("PEXPIREAT").key().absolute_time(1000),
                };
                for _ in 0..self.random.below(3) {
                    let option = *self.random.pick(&["NX", "XX", "GT", "LT", "gt", "AB"]);
                    self.word(option);
                }
            }
            6 | 7 => {
                self.word("PERSIST").key();
            }
            choice => {
                let (name, tolerance) = match choice {
                    8 => ("TTL", LAG_SECONDS_MAX),
                    9 => ("PTTL", LAG_SECONDS_MAX * 1000),
                    10 => ("EXPIRETIME", LAG_SECONDS_MAX),
                    _ => ("PEXPIRETIME", LAG_SECONDS_MAX * 1000),
                };
                self.word(name).key();
                self.compare = Compare::Near(tolerance);
            }
        }
    }

    fn pattern(&mut self) -> String {
        let pattern = *self.random.pick(&[
            "*",
            "key:*",
            "key:[1-5]",
            "key:?",
            "*[^1-8]",
            "key:1*",
            "nothing",
            "[",
            "k*y:\\3",
            "{tag}*",
        ]);
        format!("{}{pattern}", self.territory.prefix)
    }

    fn choose_key(&mut self) {
        match self.random.below(16) {
            0 | 1 => self.word("TYPE").key(),
            2 => self.word("EXISTS").keys(3),
            3 => {
                self.compare = Compare::Unordered;
                let pattern = self.pattern();
                self.word("KEYS").word(pattern)
            }
            4 => {
                self.compare = Compare::Scan;
                let pattern = self.pattern();
                self.words("SCAN 0 MATCH").word(pattern);
                if self.random.chance(50) {
                    let count = *self.random.pick(&["1", "3", "10", "1000", "0", "-1", "x"]);
                    self.word("COUNT").word(count);
                }
                if self.random.chance(30) {
                    let kind = *self
                        .random
                        .pick(&["string", "STRING", "hash", "list", "nothing"]);
                    self.word("TYPE").word(kind);
                }
                self
            }
            5 | 6 => self.word("RENAME").key().key(),
            7 => self.word("RENAMENX").key().key(),
            8 | 9 => {
                self.word("COPY").key().key();
                if self.random.chance(40) {
                    self.word("DB").database();
                }
                if self.random.chance(40) {
                    self.word("REPLACE");
                }
                self
            }
            10 => self.word("MOVE").key().database(),
            // Not OBJECT REFCOUNT: redis-server shares small integers until COPY makes one of its own, which is nothing to imitate.
            11..=14 => self.words("OBJECT ENCODING").key(),
            _ => self.word("DEL").key(),
        };
    }

    fn choose_database(&mut self) {
        if !self.territory.alone {
            self.word("SELECT").database();
            return;
        }
        match self.random.below(20) {
            0 => {
                let mode = *self.random.pick(&["", "ASYNC", "SYNC", "NOW"]);
                self.word("FLUSHDB");
                if !mode.is_empty() {
                    self.word(mode);
                }
            }
            1 => {
                let mode = *self.random.pick(&["", "ASYNC", "sync", "NOW"]);
                self.word("FLUSHALL");
                if !mode.is_empty() {
                    self.word(mode);
                }
            }
            2..=5 => {
                self.word("SWAPDB").database().database();
            }
            6..=9 => {
                self.word("DBSIZE");
            }
            10..=13 => {
                self.word("RANDOMKEY");
                self.compare = Compare::RandomKey;
            }
            _ => {
                self.word("SELECT").database();
            }
        }
    }

    fn choose_lcs(&mut self) {
        if self.random.chance(50) {
            self.word("SET").short_key().short_value();
            return;
        }
        self.word("LCS").short_key().short_key();
        for _ in 0..self.random.below(4) {
            match self.random.below(5) {
                0 => self.word("LEN"),
                1 | 2 => self.word("IDX"),
                3 => self.word("MINMATCHLEN").integer(-1, 6),
                _ => self.word("WITHMATCHLEN"),
            };
        }
    }

    fn choose_connection(&mut self) {
        match self.random.below(6) {
            0 => self.word("PING"),
            1 => self.word("PING").value(),
            2 => self.word("ECHO").value(),
            3 => self.word("NOSUCHCOMMAND").value().value(),
            4 => self.words("OBJECT NOSUCH").key(),
            _ => self.word("get").key(),
        };
    }

    /// Breaks a few of the requests: an argument too few, too many, or nonsense in the place of one. What is put in
    /// keeps the prefix, because it may end up where a key is expected.
    fn maybe_spoil(&mut self) {
        let nonsense = format!("{}nonsense", self.territory.prefix);
        match self.random.below(100) {
            // Without a number a member is chosen at random.
            0 | 1 if self.arguments.len() > 1 && self.arguments[0] != b"ZRANDMEMBER" => {
                self.arguments.pop();
            }
            // Of ZRANK and ZREVRANK newer servers know one option more.
            2 | 3 if !self.arguments[0].ends_with(b"RANK") => {
                self.word(nonsense);
            }
            4 | 5 if self.arguments.len() > 1 => {
                let place = 1 + self.random.below(self.arguments.len() as u64 - 1) as usize;
                if self.may_become_nonsense(place) {
                    self.arguments[place] = nonsense.into_bytes();
                }
            }
            _ => {}
        }
        // A MOVE, FLUSHALL or the like that lost its way is still safe; an LCS over long values is not cheap.
        if self.arguments[0].eq_ignore_ascii_case(b"LCS") {
            let nonsense = format!("{}nonsense", self.territory.prefix).into_bytes();
            for argument in self.arguments.iter_mut().skip(1) {
                if *argument == nonsense {
                    *argument = [nonsense.as_slice(), b"-short"].concat();
                }
            }
        }
    }

    fn asks_for_bytes(&self) -> bool {
        let is_lex = |word: &Vec<u8>| word.windows(3).any(|part| part == b"LEX");
        self.arguments.iter().any(is_lex)
    }

    /// Ranges of bytes keep their key: of another set they mean nothing. So do searches, and added positions their members: two at one place would be
    /// tied.
    fn may_become_nonsense(&self, place: usize) -> bool {
        match self.arguments[0].as_slice() {
            b"GEOADD" => !self.arguments[place].starts_with(b"p"),
            name if name.starts_with(b"GEOSEARCH") || name.starts_with(b"GEORADIUS") => place > 2,
            _ => !self.asks_for_bytes(),
        }
    }

    /// How an encoding is compared does not depend on who asks for it.
    fn know_encodings(&mut self) {
        let is = |word: Option<&Vec<u8>>, name: &[u8]| {
            word.is_some_and(|word| word.eq_ignore_ascii_case(name))
        };
        if is(self.arguments.first(), b"OBJECT")
            && is(self.arguments.get(1), b"ENCODING")
            && self.arguments.len() == 3
        {
            self.compare = Compare::Encoding;
        }
    }

    /// Command names come in any case.
    fn random_case(&mut self) {
        if self.random.chance(10) {
            self.arguments[0].make_ascii_lowercase();
        }
    }
}
