//! A command that takes or reads the elements of several keys (BLPOP, XREADGROUP, SMOVE), carried out where they are: which shard runs which words next, and what
//! comes of it. One that blocks is carried out at first over all its keys, and later for the key that has something.
//!
//! Pure: it is given the answers, and says what to do. It never brings values to another shard, since others may change them meanwhile: each step runs
//! where its keys are, so that every element is taken once and none is lost.
//! The decision worth knowing: when keys lie on several shards they are asked one after the other, in their order; LMOVE between two takes the element, puts it
//! at the destination, and back where it was if it cannot stay there; SMOVE adds the member before it removes it.

use crate::command::table::{Command, lookup};
use crate::command::with_keys;
use crate::engine::value::list::Direction;
use crate::protocol::resp::{Protocol, Reply};

/// Words of a request: name and arguments.
pub type Words = Vec<Box<[u8]>>;

/// A blocking command.
pub struct Request {
    /// Its row.
    pub command: &'static Command,
    /// Its words.
    pub words: Words,
    /// Where its keys are among the words.
    pub keys: Vec<usize>,
    /// The shard of each.
    pub owners: Vec<usize>,
    /// How it is answered.
    pub protocol: Protocol,
}

/// What to do next.
pub enum Next {
    /// Run these words on a shard, and tell their reply: empty when there was nothing.
    Run(usize, &'static Command, Words),
    /// Wait on: there is nothing.
    Nothing,
    /// This is the answer.
    Answer(Reply),
    /// This is the answer, and the element goes back to this end of the first key, where it was.
    PutBack(Reply, Direction, Box<[u8]>),
}

/// A request being carried out.
pub enum Attempt {
    /// As it is, on the shard that has all its keys.
    Whole,
    /// For the key of this place alone, which has something.
    One(usize),
    /// For the keys from this place on, until one answers.
    First(usize),
    /// For the keys from this place on; their answers, of which there are so many, are joined.
    Join(usize, usize, Vec<u8>),
    /// LMOVE and its like between two shards.
    Move(Move),
    /// SMOVE between two shards.
    MoveMember(MoveMember),
}

/// How far SMOVE between two shards has come.
pub enum MoveMember {
    /// The destination is asked whether it is a set.
    Begin,
    /// It is not, so that this is the answer if the source is there.
    Refused(Reply),
    /// The source is asked for the member.
    Look,
    /// The destination is given it.
    Add,
    /// The source loses it; whether the destination did not have it before.
    Remove(bool),
    /// Somebody else had removed it first: the destination loses it, and this is the answer.
    Undo(Reply),
}

/// How far LMOVE, or its like, between two shards has come.
pub enum Move {
    /// The destination is asked whether it is a list.
    Begin,
    /// It is not, so that this is the answer if the source has something.
    Refused(Reply),
    /// The source gives its element.
    Take,
    /// The destination is given it.
    Put(Box<[u8]>),
}

/// What those who read for a group are told when their stream is gone.
pub const STREAM_GONE: &str = "UNBLOCKED the stream key no longer exists";
const GROUP_GONE: &str = "NOGROUP the consumer group this client was blocked on no longer exists";

fn is_error(reply: &Reply, code: &str) -> bool {
    let text = reply.bytes.strip_prefix(b"-");
    text.is_some_and(|text| text.starts_with(code.as_bytes()))
}

/// Whether a reply says that there was nothing: one that blocks then writes none at all.
fn is_nothing(reply: &Reply) -> bool {
    matches!(&reply.bytes[..], b"" | b"*-1\r\n" | b"$-1\r\n" | b"_\r\n")
}

/// The string that a reply is, if it is one.
fn bulk(reply: &Reply) -> Option<&[u8]> {
    let start = reply.bytes.iter().position(|&byte| byte == b'\n')? + 1;
    let is_bulk = reply.bytes.first() == Some(&b'$') && start < reply.bytes.len();
    is_bulk.then(|| &reply.bytes[start..reply.bytes.len() - 2])
}

impl Request {
    /// Whether it is LMOVE or one of its like, whose second key is a destination.
    pub fn moves(&self) -> bool {
        matches!(
            self.command.name,
            "blmove" | "brpoplpush" | "lmove" | "rpoplpush"
        )
    }

    /// The request for this many of its keys from a place on.
    pub fn words_for(&self, from: usize, count: usize) -> Words {
        with_keys(self.command, &self.words, &self.keys, from..from + count)
    }

    /// Where the id that belongs to a key is, in a request for streams.
    pub fn id_at(&self, place: usize) -> usize {
        self.keys[place] + self.keys.len()
    }

    fn is_on_one_shard(&self) -> bool {
        self.owners.iter().all(|owner| *owner == self.owners[0])
    }

    /// The two ends of LMOVE; None for what are none, which the command itself refuses.
    fn ends(&self) -> Option<(Direction, Direction)> {
        let end = |at: usize| match &self.words[at] {
            word if word.eq_ignore_ascii_case(b"LEFT") => Some(Direction::Forward),
            word if word.eq_ignore_ascii_case(b"RIGHT") => Some(Direction::Backward),
            _ => None,
        };
        match self.command.name {
            "blmove" | "lmove" => Some((end(3)?, end(4)?)),
            _ => Some((Direction::Backward, Direction::Forward)),
        }
    }

    /// The first attempt: all keys.
    pub fn first(&self) -> Attempt {
        if self.is_on_one_shard() || (self.moves() && self.ends().is_none()) {
            Attempt::Whole
        } else if self.moves() {
            Attempt::Move(Move::Begin)
        } else if self.command.name == "smove" {
            Attempt::MoveMember(MoveMember::Begin)
        } else if self.command.group == "stream" {
            Attempt::Join(0, 0, Vec::new())
        } else {
            Attempt::First(0)
        }
    }

    /// An attempt at a key that has something.
    pub fn again(&self, key: &[u8]) -> Attempt {
        if self.moves() {
            return self.first();
        }
        let place = self.keys.iter().position(|&at| *self.words[at] == *key);
        Attempt::One(place.expect("only its own keys wake a request"))
    }

    /// Words for one key of those that the command has.
    fn step(&self, name: &str, key: usize, element: Option<&[u8]>) -> Next {
        let command = lookup(name.as_bytes()).expect("a command of the table");
        let key_word = self.words[self.keys[key]].clone();
        let words = [name.as_bytes().into(), key_word].into_iter();
        let words = words.chain(element.map(Box::from)).collect();
        Next::Run(self.owners[key], command, words)
    }

    /// The keys from a place on that are together on one shard: their number.
    fn together(&self, from: usize) -> usize {
        let owners = self.owners[from..].iter();
        owners
            .take_while(|owner| **owner == self.owners[from])
            .count()
    }
}

impl Attempt {
    /// Whether it takes several steps, which nobody may come between.
    pub fn is_spread(&self) -> bool {
        !matches!(self, Attempt::Whole | Attempt::One(_))
    }

    /// What to do, and then what to do after each reply of the words that were to be run.
    pub fn next(&mut self, request: &Request, reply: Option<Reply>) -> Next {
        match self {
            Attempt::Whole => match reply {
                None => Next::Run(request.owners[0], request.command, request.words.clone()),
                Some(reply) if is_nothing(&reply) => Next::Nothing,
                Some(reply) => Next::Answer(reply),
            },
            Attempt::One(place) => match reply {
                None => request.run_for(*place, 1),
                Some(reply) => request.answer_of_one(reply),
            },
            Attempt::First(from) => match reply {
                Some(reply) if !is_nothing(&reply) => Next::Answer(reply),
                _ if *from == request.keys.len() => Next::Nothing,
                _ => {
                    let count = request.together(*from);
                    *from += count;
                    request.run_for(*from - count, count)
                }
            },
            Attempt::Join(from, count, bodies) => {
                if let Some(error) = reply.and_then(|reply| join(reply, count, bodies))
                    && (*count == 0 || request.command.name == "xread")
                {
                    return Next::Answer(error);
                }
                if *from == request.keys.len() {
                    return request.joined(*count, bodies);
                }
                *from += 1;
                request.run_for(*from - 1, 1)
            }
            Attempt::Move(step) => step.next(request, reply),
            Attempt::MoveMember(step) => step.next(request, reply),
        }
    }
}

/// Adds a reply to those joined; gives an error back.
fn join(reply: Reply, count: &mut usize, bodies: &mut Vec<u8>) -> Option<Reply> {
    if reply.bytes.first() == Some(&b'-') {
        return Some(reply);
    }
    if is_nothing(&reply) {
        return None;
    }
    assert!(reply.large.is_empty(), "entries of streams are copied");
    // The head of an array or map of one element comes first.
    *count += 1;
    bodies.extend_from_slice(&reply.bytes["*1\r\n".len()..]);
    None
}

impl Request {
    fn run_for(&self, from: usize, count: usize) -> Next {
        Next::Run(self.owners[from], self.command, self.words_for(from, count))
    }

    /// What the reply for a key that had something means to one who has waited for it.
    fn answer_of_one(&self, reply: Reply) -> Next {
        let for_group = self.command.name == "xreadgroup";
        let is_gone = is_error(&reply, "WRONGTYPE");
        if reply.bytes.is_empty() || (is_gone && !for_group) {
            return Next::Nothing;
        }
        let mut answer = Reply::new(self.protocol);
        if for_group && is_gone {
            answer.error(STREAM_GONE);
        } else if for_group && is_error(&reply, "NOGROUP") {
            answer.error(GROUP_GONE);
        } else {
            answer = reply;
        }
        Next::Answer(answer)
    }

    fn joined(&self, count: usize, bodies: &[u8]) -> Next {
        if count == 0 {
            return Next::Nothing;
        }
        let mut answer = Reply::new(self.protocol);
        match self.protocol {
            Protocol::Resp2 => answer.array(count),
            Protocol::Resp3 => answer.map(count),
        }
        answer.bytes.extend_from_slice(bodies);
        Next::Answer(answer)
    }
}

impl Move {
    fn next(&mut self, request: &Request, reply: Option<Reply>) -> Next {
        let (from, to) = request.ends().expect("it has been looked at");
        let name = |at: Direction, forward, backward| match at {
            Direction::Forward => forward,
            Direction::Backward => backward,
        };
        let Some(reply) = reply else {
            return request.step("llen", 1, None);
        };
        let has_failed = is_error(&reply, "");
        match self {
            Move::Begin if has_failed => {
                *self = Move::Refused(reply);
                request.step("llen", 0, None)
            }
            Move::Begin => {
                *self = Move::Take;
                request.step(name(from, "lpop", "rpop"), 0, None)
            }
            Move::Refused(_) if reply.bytes == b":0\r\n" => Next::Nothing,
            Move::Refused(_) | Move::Take if has_failed => Next::Answer(reply),
            Move::Refused(error) => Next::Answer(std::mem::take(error)),
            Move::Take => {
                let Some(element) = bulk(&reply) else {
                    return Next::Nothing;
                };
                let next = request.step(name(to, "lpush", "rpush"), 1, Some(element));
                *self = Move::Put(element.into());
                next
            }
            Move::Put(element) if has_failed => Next::PutBack(reply, from, std::mem::take(element)),
            Move::Put(element) => {
                let mut answer = Reply::new(request.protocol);
                answer.bulk(element);
                Next::Answer(answer)
            }
        }
    }
}

impl MoveMember {
    fn next(&mut self, request: &Request, reply: Option<Reply>) -> Next {
        let member = Some(&*request.words[3]);
        let Some(reply) = reply else {
            return request.step("scard", 1, None);
        };
        let has_failed = is_error(&reply, "");
        let is_none = reply.bytes == b":0\r\n";
        match self {
            MoveMember::Begin if has_failed => {
                *self = MoveMember::Refused(reply);
                request.step("scard", 0, None)
            }
            MoveMember::Begin => {
                *self = MoveMember::Look;
                request.step("sismember", 0, member)
            }
            MoveMember::Refused(error) if !has_failed && !is_none => {
                Next::Answer(std::mem::take(error))
            }
            MoveMember::Look if !has_failed && !is_none => {
                *self = MoveMember::Add;
                request.step("sadd", 1, member)
            }
            MoveMember::Add if !has_failed => {
                *self = MoveMember::Remove(!is_none);
                request.step("srem", 0, member)
            }
            MoveMember::Remove(true) if has_failed || is_none => {
                *self = MoveMember::Undo(reply);
                request.step("srem", 1, member)
            }
            MoveMember::Undo(answer) => Next::Answer(std::mem::take(answer)),
            MoveMember::Refused(_) | MoveMember::Look | MoveMember::Add | MoveMember::Remove(_) => {
                Next::Answer(reply)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request whose keys, at these positions, are each on a shard of its own.
    fn request(line: &str, keys: &[usize]) -> Request {
        let words: Words = line.split(' ').map(|word| word.as_bytes().into()).collect();
        Request {
            command: lookup(&words[0]).expect("a command"),
            words,
            keys: keys.to_vec(),
            owners: (0..keys.len()).collect(),
            protocol: Protocol::Resp2,
        }
    }

    /// Gives an attempt the replies in turn and says all that it does.
    fn run(request: &Request, mut attempt: Attempt, replies: &[&str]) -> Vec<String> {
        let mut reply = None;
        let mut replies = replies.iter();
        let mut said = Vec::new();
        loop {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "|");
            said.push(match attempt.next(request, reply.take()) {
                Next::Run(shard, _, words) => {
                    let words: Vec<String> = words.iter().map(|word| text(word)).collect();
                    let mut next = Reply::new(Protocol::Resp2);
                    let bytes = replies.next().expect("no more steps than replies");
                    next.bytes
                        .extend_from_slice(bytes.replace('|', "\r\n").as_bytes());
                    reply = Some(next);
                    said.push(format!("{shard}: {}", words.join(" ")));
                    continue;
                }
                Next::Nothing => "nothing".into(),
                Next::Answer(answer) => text(&answer.bytes),
                Next::PutBack(answer, to, element) => {
                    format!("{} back {to:?} {}", text(&answer.bytes), text(&element))
                }
            });
            assert!(replies.next().is_none(), "all replies are used: {said:?}");
            return said;
        }
    }

    #[test]
    fn keys_of_several_shards_are_asked_until_one_answers() {
        let pop = request("BLPOP a b c 0", &[1, 2, 3]);
        assert_eq!(
            run(&pop, pop.first(), &["", "*2|$1|b|$1|x|"]),
            ["0: BLPOP a 0", "1: BLPOP b 0", "*2|$1|b|$1|x|"]
        );
        assert_eq!(
            run(&pop, pop.first(), &["", "", ""]).last().unwrap(),
            "nothing"
        );
        assert_eq!(
            run(&pop, pop.first(), &["-WRONGTYPE x|"]).last().unwrap(),
            "-WRONGTYPE x|"
        );
        assert_eq!(
            run(&pop, pop.again(b"c"), &["-WRONGTYPE x|"]),
            ["2: BLPOP c 0", "nothing"]
        );
        let pop = Request {
            owners: vec![0, 1, 1],
            ..pop
        };
        assert_eq!(
            run(&pop, pop.first(), &["", ""]),
            ["0: BLPOP a 0", "1: BLPOP b c 0", "nothing"]
        );
        let pop = Request {
            owners: vec![1, 1, 1],
            ..pop
        };
        assert_eq!(
            run(&pop, pop.first(), &[""]),
            ["1: BLPOP a b c 0", "nothing"]
        );
    }

    #[test]
    fn one_that_does_not_wait_has_the_same_steps() {
        let pop = request("LMPOP 2 a b LEFT", &[2, 3]);
        assert_eq!(
            run(&pop, pop.first(), &["*-1|", "*2|$1|b|*1|$1|x|"]),
            ["0: LMPOP 1 a LEFT", "1: LMPOP 1 b LEFT", "*2|$1|b|*1|$1|x|"]
        );
        let read = request("XREAD STREAMS a b 1 2", &[2, 3]);
        assert_eq!(
            run(&read, read.first(), &["*-1|", "*1|*2|$1|b|*0|"]).last(),
            Some(&"*1|*2|$1|b|*0|".to_string())
        );
        let moving = request("LMOVE a b LEFT RIGHT", &[1, 2]);
        assert_eq!(
            run(&moving, moving.first(), &[":3|", "$1|x|", ":4|"]),
            ["1: llen b", "0: lpop a", "1: rpush b x", "$1|x|"]
        );
    }

    #[test]
    fn a_member_is_in_both_sets_before_it_is_in_one() {
        let moving = request("SMOVE a b m", &[1, 2]);
        let run = |replies: &[&str]| run(&moving, moving.first(), replies);
        assert_eq!(
            run(&[":0|", ":1|", ":1|", ":1|"]),
            [
                "1: scard b",
                "0: sismember a m",
                "1: sadd b m",
                "0: srem a m",
                ":1|"
            ]
        );
        assert_eq!(run(&[":0|", ":0|"]).last().unwrap(), ":0|");
        assert_eq!(
            run(&[":0|", "-WRONGTYPE x|"]).last().unwrap(),
            "-WRONGTYPE x|"
        );
        assert_eq!(run(&["-WRONGTYPE x|", ":0|"]).last().unwrap(), ":0|");
        assert_eq!(
            run(&["-WRONGTYPE x|", ":2|"]).last().unwrap(),
            "-WRONGTYPE x|"
        );
        assert_eq!(run(&[":0|", ":1|", "-OOM x|"]).last().unwrap(), "-OOM x|");
        // Somebody else has removed it from the source meanwhile.
        assert_eq!(
            run(&[":0|", ":1|", ":1|", ":0|", ":1|"])[3..],
            ["0: srem a m", "1: srem b m", ":0|"]
        );
        assert_eq!(
            run(&[":0|", ":1|", ":0|", ":0|"])[3..],
            ["0: srem a m", ":0|"]
        );
    }

    #[test]
    fn what_streams_answer_is_joined() {
        let read = request("XREAD BLOCK 0 STREAMS a b 1 2", &[4, 5]);
        assert_eq!(
            run(&read, read.first(), &["*1|*2|$1|a|*0|", "*1|*2|$1|b|*0|"]),
            [
                "0: XREAD BLOCK 0 STREAMS a 1",
                "1: XREAD BLOCK 0 STREAMS b 2",
                "*2|*2|$1|a|*0|*2|$1|b|*0|"
            ]
        );
        assert_eq!(
            run(&read, read.first(), &["", ""]).last().unwrap(),
            "nothing"
        );
        let error = run(&read, read.first(), &["*1|*2|$1|a|*0|", "-ERR x|"]);
        assert_eq!(error.last().unwrap(), "-ERR x|");
        // What has been taken for a group is answered, whatever happened to another of its streams since all were checked.
        let take = request("XREADGROUP GROUP g c STREAMS a b > >", &[5, 6]);
        let taken = run(&take, take.first(), &["*1|*2|$1|a|*0|", "-NOGROUP x|"]);
        assert_eq!(taken.last().unwrap(), "*1|*2|$1|a|*0|");
        let gone = run(&take, take.again(b"b"), &["-NOGROUP x|"]);
        assert_eq!(
            gone,
            [
                "1: XREADGROUP GROUP g c STREAMS b >",
                &format!("-{GROUP_GONE}|")
            ]
        );
    }

    #[test]
    fn an_element_moves_between_shards_or_stays() {
        let moving = request("BLMOVE a b RIGHT LEFT 0", &[1, 2]);
        assert_eq!(
            run(&moving, moving.first(), &[":3|", "$1|x|", ":4|"]),
            ["1: llen b", "0: rpop a", "1: lpush b x", "$1|x|"]
        );
        assert_eq!(
            run(&moving, moving.again(b"a"), &[":0|", "$-1|"])
                .last()
                .unwrap(),
            "nothing"
        );
        assert_eq!(
            run(&moving, moving.first(), &["-WRONGTYPE x|", ":0|"]),
            ["1: llen b", "0: llen a", "nothing"]
        );
        assert_eq!(
            run(&moving, moving.first(), &["-WRONGTYPE x|", ":2|"])
                .last()
                .unwrap(),
            "-WRONGTYPE x|"
        );
        assert_eq!(
            run(&moving, moving.first(), &[":0|", "$0||", "-OOM x|"])
                .last()
                .unwrap(),
            "-OOM x| back Backward "
        );
        let wrong = request("BLMOVE a b UP LEFT 0", &[1, 2]);
        assert_eq!(
            run(&wrong, wrong.first(), &["-ERR syntax error|"]),
            ["0: BLMOVE a b UP LEFT 0", "-ERR syntax error|"]
        );
    }
}
