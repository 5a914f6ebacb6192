//! Random operations on sorted sets. Scores have few binary digits, because Redis 7.0 writes others with more digits than 7.2; sums are only stored
//! where they are never added again. Ranges of bytes are asked of sets whose scores are all the same, since of others they mean nothing.

use super::{Builder, Compare};

const SCORES: &[&str] = &[
    "0", "1", "2", "3", "-1", "-2.75", "0.5", "1.25", "1e3", "7", "100000", "inf", "-inf", "+2",
    "007",
];
const BAD_SCORES: &[&str] = &["nan", "x", "", " 1", "1 ", "1e400", "-", "0x"];
const ENDS: &[&str] = &[
    "0", "1", "2", "3", "(1", "(2", "(0.5", "-1", "-2.75", "inf", "-inf", "+inf", "(inf", "(-inf",
    "1e3", "(", "",
];
const BAD_ENDS: &[&str] = &["nan", "x", "((1", "[1", "1 "];
const LEX_ENDS: &[&str] = &[
    "-", "+", "[a", "(a", "[b", "(c", "[d", "(10", "[9", "[", "(", "[zz",
];
const BAD_LEX_ENDS: &[&str] = &["a", "", "-x", "+x", "1"];

impl Builder<'_> {
    pub(super) fn choose_sorted_set(&mut self) {
        match self.random.below(100) {
            0..=29 => self.add_members(),
            30..=35 => self.take_members_away(),
            36..=49 => self.ask_of_members(),
            50..=64 => self.ask_for_a_range(),
            65..=70 => self.range_of_bytes(),
            71..=75 => self.remove_a_range(),
            76..=82 => self.pop_members(),
            83..=94 => self.combine_sets(),
            95 | 96 => self.choose_random_member(),
            _ => self.whole_set(),
        }
    }

    fn sorted_set(&mut self) -> &mut Self {
        if self.random.chance(3) {
            return self.key();
        }
        let key = format!("{}zset:{}", self.territory.prefix, self.random.below(4));
        self.word(key)
    }

    /// One whose scores are all the same.
    fn flat_set(&mut self) -> &mut Self {
        let key = format!("{}flat:{}", self.territory.prefix, self.random.below(2));
        self.word(key)
    }

    /// Where sums go.
    fn result_set(&mut self) -> &mut Self {
        let key = format!("{}result", self.territory.prefix);
        self.word(key)
    }

    fn readable_set(&mut self) -> &mut Self {
        match self.random.below(10) {
            0 => self.result_set(),
            1 => self.flat_set(),
            _ => self.sorted_set(),
        }
    }

    fn member(&mut self) -> &mut Self {
        match self.random.below(60) {
            0 => self.word("long".repeat(20)),
            1 => self.word(""),
            2 => self.word(b"\x00\xff\r\n".to_vec()),
            number => {
                let members = [
                    "a",
                    "b",
                    "c",
                    "d",
                    "e",
                    "10",
                    "9",
                    "-5",
                    "ab",
                    "9223372036854775807",
                ];
                self.word(members[number as usize % members.len()])
            }
        }
    }

    fn one_of(&mut self, good: &[&str], bad: &[&str]) -> &mut Self {
        let words = if self.random.chance(97) { good } else { bad };
        let word = *self.random.pick(words);
        self.word(word)
    }

    fn score(&mut self) -> &mut Self {
        self.one_of(SCORES, BAD_SCORES)
    }

    /// Each with a chance, in any order that this gives.
    fn options(&mut self, options: &[&str], percent: u64) -> &mut Self {
        for option in options {
            if self.random.chance(percent) {
                self.word(*option);
            }
        }
        self
    }

    fn add_members(&mut self) {
        match self.random.below(8) {
            0 => {
                self.word("ZINCRBY").sorted_set().score().member();
            }
            1 => {
                self.word("ZADD").flat_set().word("0").member();
                while self.random.chance(60) {
                    self.word("0").member();
                }
            }
            _ => {
                self.word("ZADD").sorted_set();
                if self.random.chance(50) {
                    let option = *self.random.pick(&["NX", "XX", "GT", "lt", "CH", "INCR"]);
                    self.word(option)
                        .options(&["NX", "XX", "GT", "LT", "CH", "INCR"], 12);
                }
                self.score().member();
                while self.random.chance(40) {
                    self.score().member();
                }
            }
        }
    }

    fn take_members_away(&mut self) {
        self.word("ZREM").readable_set().member();
        while self.random.chance(40) {
            self.member();
        }
    }

    fn ask_of_members(&mut self) {
        match self.random.below(6) {
            0 => self.word("ZSCORE").readable_set().member(),
            1 => self.word("ZMSCORE").readable_set().member().member(),
            2 => self.word("ZRANK").readable_set().member(),
            3 => self.word("ZREVRANK").readable_set().member(),
            4 => self.word("ZCARD").readable_set(),
            _ => self
                .word("ZCOUNT")
                .readable_set()
                .one_of(ENDS, BAD_ENDS)
                .one_of(ENDS, BAD_ENDS),
        };
    }

    fn maybe_limit(&mut self) -> &mut Self {
        if self.random.chance(30) {
            self.word("LIMIT").integer(-1, 4).integer(-2, 4);
        }
        self
    }

    fn ask_for_a_range(&mut self) {
        let by_score = self.random.chance(50);
        match self.random.below(6) {
            0 => {
                self.word("ZREVRANGE").readable_set();
                self.integer(-6, 6)
                    .integer(-6, 6)
                    .options(&["WITHSCORES"], 40);
            }
            1 | 2 => {
                let name = *self.random.pick(&["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"]);
                self.word(name).readable_set();
                self.one_of(ENDS, BAD_ENDS).one_of(ENDS, BAD_ENDS);
                self.options(&["WITHSCORES"], 40).maybe_limit();
            }
            number => {
                if number == 3 {
                    self.word("ZRANGESTORE").sorted_set().sorted_set();
                } else {
                    self.word("ZRANGE").readable_set();
                }
                if by_score {
                    self.one_of(ENDS, BAD_ENDS).one_of(ENDS, BAD_ENDS);
                    self.word("BYSCORE").maybe_limit();
                } else {
                    self.integer(-6, 6).integer(-6, 6);
                    if self.random.chance(5) {
                        self.maybe_limit();
                    }
                }
                self.options(&["REV"], 40);
                let percent = if number == 3 { 2 } else { 40 };
                self.options(&["WITHSCORES"], percent);
            }
        }
    }

    fn range_of_bytes(&mut self) {
        let name = *self.random.pick(&[
            "ZRANGEBYLEX",
            "ZREVRANGEBYLEX",
            "ZLEXCOUNT",
            "ZREMRANGEBYLEX",
            "ZRANGE",
        ]);
        self.word(name).flat_set();
        self.one_of(LEX_ENDS, BAD_LEX_ENDS)
            .one_of(LEX_ENDS, BAD_LEX_ENDS);
        match name {
            "ZRANGE" => {
                self.word("BYLEX")
                    .options(&["REV"], 50)
                    .maybe_limit()
                    .options(&["WITHSCORES"], 5);
            }
            "ZRANGEBYLEX" | "ZREVRANGEBYLEX" => {
                self.maybe_limit();
            }
            _ => {}
        }
    }

    fn remove_a_range(&mut self) {
        if self.random.chance(50) {
            self.word("ZREMRANGEBYRANK")
                .readable_set()
                .integer(-4, 4)
                .integer(-4, 2);
        } else {
            self.word("ZREMRANGEBYSCORE").readable_set();
            self.one_of(ENDS, BAD_ENDS).one_of(ENDS, BAD_ENDS);
        }
    }

    fn pop_members(&mut self) {
        match self.random.below(5) {
            0 => {
                // With a time that is no good nobody waits.
                let name = *self.random.pick(&["BZPOPMIN", "BZPOPMAX"]);
                self.word(name).sorted_set();
                self.one_of(&["-1", "x"], &["nan"]);
            }
            1 | 2 => {
                let count = self.random.between(1, 3);
                self.word("ZMPOP").word(count.to_string());
                for _ in 0..count {
                    self.readable_set();
                }
                self.one_of(&["MIN", "max"], &["MID"]);
                if self.random.chance(50) {
                    self.word("COUNT").integer(0, 3);
                }
            }
            _ => {
                let name = *self.random.pick(&["ZPOPMIN", "ZPOPMAX"]);
                self.word(name).readable_set();
                if self.random.chance(60) {
                    self.integer(-1, 4);
                }
            }
        }
    }

    fn combine_sets(&mut self) {
        let name = *self.random.pick(&[
            "ZUNION",
            "ZINTER",
            "ZDIFF",
            "ZINTERCARD",
            "ZUNIONSTORE",
            "ZINTERSTORE",
            "ZDIFFSTORE",
        ]);
        self.word(name);
        let stores = name.ends_with("STORE");
        if stores {
            self.result_set();
        }
        let count = self.random.between(1, 3);
        let told = if self.random.chance(97) {
            count
        } else {
            self.random.between(-1, 4)
        };
        self.word(told.to_string());
        for _ in 0..count {
            if self.random.chance(20) {
                self.flat_set();
            } else {
                self.sorted_set();
            }
        }
        let has_scores = !name.contains("DIFF") && name != "ZINTERCARD";
        if self.random.chance(if has_scores { 40 } else { 2 }) {
            self.word("WEIGHTS");
            for _ in 0..count {
                self.one_of(&["1", "2", "0.5", "3", "inf"], &["x", "nan"]);
            }
        }
        if self.random.chance(if has_scores { 40 } else { 2 }) {
            self.word("AGGREGATE")
                .one_of(&["SUM", "min", "MAX"], &["avg"]);
        }
        if self
            .random
            .chance(if name == "ZINTERCARD" { 50 } else { 2 })
        {
            self.word("LIMIT").integer(-1, 3);
        }
        let percent = if stores || name == "ZINTERCARD" {
            2
        } else {
            50
        };
        self.options(&["WITHSCORES"], percent);
    }

    /// All of them: fewer would be chosen at random.
    fn choose_random_member(&mut self) {
        self.word("ZRANDMEMBER").sorted_set();
        self.one_of(&["1000", "0"], &["x", "-9223372036854775808"]);
        self.options(&["WITHSCORES"], 50);
        self.compare = Compare::Unordered;
    }

    fn whole_set(&mut self) {
        match self.random.below(8) {
            0 => self.word("TYPE").readable_set(),
            1 => self.word("EXISTS").readable_set().readable_set(),
            2 => self.word("PERSIST").readable_set(),
            3 => self.words("OBJECT ENCODING").readable_set(),
            4 => self.word("GET").sorted_set(),
            5 => self.word("COPY").sorted_set().sorted_set().word("REPLACE"),
            6 => self.word("RENAME").sorted_set().sorted_set(),
            _ => self.word("DEL").readable_set(),
        };
    }
}
