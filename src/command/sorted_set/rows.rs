//! The rows of the commands on sorted sets.

use super::{add, combine, docs, pop, range, read, sample};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Null, Route, Split, numbered_keys, timeout};
use crate::protocol::args::Args;

/// Where the keys are when argument 1 says how many there are.
fn one_counts(args: &Args<'_>) -> Vec<usize> {
    numbered_keys(args, 1)
}

/// Where the keys are when argument 2 says how many there are.
fn two_counts(args: &Args<'_>) -> Vec<usize> {
    numbered_keys(args, 2)
}

/// The destination, and the sources, whose number is argument 2.
fn destination_and_two(args: &Args<'_>) -> Vec<usize> {
    let mut keys = numbered_keys(args, 2);
    if !keys.is_empty() {
        keys.insert(0, 1);
    }
    keys
}

/// The rows, by name.
pub const ROWS: &[Command] = &[
Command::data("bzmpop", -5, Route::Keys(Split::Steps(Null::Array)),pop::bzmpop)
        .flags(WRITE | BLOCKING | MOVABLEKEYS,acl::SORTEDSET)
        .keys(0,0,0,&[KeySpec::numbered(key::RW | key::ACCESS | key::DELETE,2)])
        .find_keys(two_counts)
        .blocking(timeout::first_argument)
        .docs("7.0.0",
            "sorted-set",
            "O(K)+O(log(N)*M) for K keys and M members removed",
            "Removes members at one end of the first sorted set that is there, or waits for one",
            docs::BZMPOP),
Command::data("bzpopmax", -3, Route::Keys(Split::Steps(Null::Array)),pop::bzpopmax)
        .flags(WRITE | NOSCRIPT | BLOCKING | FAST,acl::SORTEDSET)
        .keys(1,-2,1,&[KeySpec::new(key::RW | key::ACCESS | key::DELETE,1,-2,1,"")])
        .blocking(timeout::last_argument)
        .docs("5.0.0",
            "sorted-set",
            "O(log(N))",
            "Removes the member with the highest score of the first sorted set that is there, or waits for one",
            docs::BZPOPMAX),
Command::data("bzpopmin", -3, Route::Keys(Split::Steps(Null::Array)),pop::bzpopmin)
        .flags(WRITE | NOSCRIPT | BLOCKING | FAST,acl::SORTEDSET)
        .keys(1,-2,1,&[KeySpec::new(key::RW | key::ACCESS | key::DELETE,1,-2,1,"")])
        .blocking(timeout::last_argument)
        .docs("5.0.0",
            "sorted-set",
            "O(log(N))",
            "Removes the member with the lowest score of the first sorted set that is there, or waits for one",
            docs::BZPOPMAX),
Command::data("zadd", -4, Route::Keys(Split::Never),add::zadd)
        .flags(WRITE | DENYOOM | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::UPDATE,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(log(N)) per member",
            "Adds members to a sorted set or changes their scores",
            docs::ZADD),
Command::data("zcard", 2, Route::Keys(Split::Never),read::zcard)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(1)",
            "Counts the members of a sorted set",
            docs::ZCARD),
Command::data("zcount", 4, Route::Keys(Split::Never),read::zcount)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.0.0",
            "sorted-set",
            "O(log(N))",
            "Counts the members with scores in a range",
            docs::ZCOUNT),
Command::data("zdiff", -3, Route::Keys(Split::Whole),combine::zdiff)
        .flags(READONLY | MOVABLEKEYS,acl::SORTEDSET)
        .keys(0,0,0,&[KeySpec::numbered(key::RO | key::ACCESS,1)])
        .find_keys(one_counts)
        .docs("6.2.0",
            "sorted-set",
            "O(N*K)+O(M*log(M)) for N members of the first of K sources and M of the result",
            "Replies with the members of the first of several sets that are in no other",
            docs::ZDIFF),
Command::data("zdiffstore", -4, Route::Keys(Split::Whole),combine::zdiffstore)
        .flags(WRITE | DENYOOM | MOVABLEKEYS,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::OW | key::UPDATE,1,0,1,""),KeySpec::numbered(key::RO | key::ACCESS,2)])
        .find_keys(destination_and_two)
        .docs("6.2.0",
            "sorted-set",
            "O(N*K)+O(M*log(M)) for N members of the first of K sources and M of the result",
            "Stores the members of the first of several sets that are in no other",
            docs::ZDIFFSTORE),
Command::data("zincrby", 4, Route::Keys(Split::Never),add::zincrby)
        .flags(WRITE | DENYOOM | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::ACCESS | key::UPDATE,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(log(N))",
            "Adds to the score of a member of a sorted set",
            docs::ZINCRBY),
Command::data("zinter", -3, Route::Keys(Split::Whole),combine::zinter)
        .flags(READONLY | MOVABLEKEYS,acl::SORTEDSET)
        .keys(0,0,0,&[KeySpec::numbered(key::RO | key::ACCESS,1)])
        .find_keys(one_counts)
        .docs("6.2.0",
            "sorted-set",
            "O(N*K)+O(M*log(M)) for N members of the smallest of K sources and M of the result",
            "Replies with the members of all of several sets",
            docs::ZINTER),
Command::data("zintercard", -3, Route::Keys(Split::Whole),combine::zintercard)
        .flags(READONLY | MOVABLEKEYS,acl::SORTEDSET)
        .keys(0,0,0,&[KeySpec::numbered(key::RO | key::ACCESS,1)])
        .find_keys(one_counts)
        .docs("7.0.0",
            "sorted-set",
            "O(N*K) for N members of the smallest of K sources",
            "Counts the members of all of several sets",
            docs::ZINTERCARD),
Command::data("zinterstore", -4, Route::Keys(Split::Whole),combine::zinterstore)
        .flags(WRITE | DENYOOM | MOVABLEKEYS,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::OW | key::UPDATE,1,0,1,""),KeySpec::numbered(key::RO | key::ACCESS,2)])
        .find_keys(destination_and_two)
        .docs("2.0.0",
            "sorted-set",
            "O(N*K)+O(M*log(M)) for N members of the smallest of K sources and M of the result",
            "Stores the members of all of several sets",
            docs::ZINTERSTORE),
Command::data("zlexcount", 4, Route::Keys(Split::Never),read::zlexcount)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.8.9",
            "sorted-set",
            "O(log(N))",
            "Counts the members with bytes in a range",
            docs::ZLEXCOUNT),
Command::data("zmpop", -4, Route::Keys(Split::Steps(Null::Array)),pop::zmpop)
        .flags(WRITE | MOVABLEKEYS,acl::SORTEDSET)
        .keys(0,0,0,&[KeySpec::numbered(key::RW | key::ACCESS | key::DELETE,1)])
        .find_keys(one_counts)
        .docs("7.0.0",
            "sorted-set",
            "O(K)+O(log(N)*M) for K keys and M members removed",
            "Removes members at one end of the first sorted set that is there",
            docs::ZMPOP),
Command::data("zmscore", -3, Route::Keys(Split::Never),read::zmscore)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("6.2.0",
            "sorted-set",
            "O(1) per member",
            "Replies with the scores of members",
            docs::ZMSCORE),
Command::data("zpopmax", -2, Route::Keys(Split::Never),pop::zpopmax)
        .flags(WRITE | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::ACCESS | key::DELETE,1,0,1,"")])
        .docs("5.0.0",
            "sorted-set",
            "O(log(N)*M) for M members removed",
            "Removes the members with the highest scores and replies with them",
            docs::ZPOPMAX),
Command::data("zpopmin", -2, Route::Keys(Split::Never),pop::zpopmin)
        .flags(WRITE | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::ACCESS | key::DELETE,1,0,1,"")])
        .docs("5.0.0",
            "sorted-set",
            "O(log(N)*M) for M members removed",
            "Removes the members with the lowest scores and replies with them",
            docs::ZPOPMAX),
Command::data("zrandmember", -2, Route::Keys(Split::Never),sample::zrandmember)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("6.2.0",
            "sorted-set",
            "O(M) for M members replied",
            "Replies with members chosen at random",
            docs::ZRANDMEMBER)
        .tips(&["nondeterministic_output"]),
Command::data("zrange", -4, Route::Keys(Split::Never),range::zrange)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(log(N)+M) for M members replied",
            "Replies with the members in a range of places, scores or bytes",
            docs::ZRANGE),
Command::data("zrangebylex", -4, Route::Keys(Split::Never),range::zrangebylex)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.8.9",
            "sorted-set",
            "O(log(N)+M) for M members replied",
            "Replies with the members with bytes in a range",
            docs::ZRANGEBYLEX)
        .deprecated("6.2.0",
            "`ZRANGE` with the `BYLEX` argument"),
Command::data("zrangebyscore", -4, Route::Keys(Split::Never),range::zrangebyscore)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("1.0.5",
            "sorted-set",
            "O(log(N)+M) for M members replied",
            "Replies with the members with scores in a range",
            docs::ZRANGEBYSCORE)
        .deprecated("6.2.0",
            "`ZRANGE` with the `BYSCORE` argument"),
Command::data("zrangestore", -5, Route::Keys(Split::Whole),range::zrangestore)
        .flags(WRITE | DENYOOM,acl::SORTEDSET)
        .keys(1,2,1,&[KeySpec::new(key::OW | key::UPDATE,1,0,1,""),KeySpec::new(key::RO | key::ACCESS,2,0,1,"")])
        .docs("6.2.0",
            "sorted-set",
            "O(log(N)+M*log(M)) for M members stored",
            "Stores the members in a range of places, scores or bytes",
            docs::ZRANGESTORE),
Command::data("zrank", -3, Route::Keys(Split::Never),read::zrank)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.0.0",
            "sorted-set",
            "O(log(N))",
            "Replies with the place of a member from the lowest score on",
            docs::ZRANK),
Command::data("zrem", -3, Route::Keys(Split::Never),add::zrem)
        .flags(WRITE | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::DELETE,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(log(N)) per member",
            "Removes members of a sorted set",
            docs::ZMSCORE),
Command::data("zremrangebylex", 4, Route::Keys(Split::Never),range::zremrangebylex)
        .flags(WRITE,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::DELETE,1,0,1,"")])
        .docs("2.8.9",
            "sorted-set",
            "O(log(N)+M) for M members removed",
            "Removes the members with bytes in a range",
            docs::ZLEXCOUNT),
Command::data("zremrangebyrank", 4, Route::Keys(Split::Never),range::zremrangebyrank)
        .flags(WRITE,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::DELETE,1,0,1,"")])
        .docs("2.0.0",
            "sorted-set",
            "O(log(N)+M) for M members removed",
            "Removes the members in a range of places",
            docs::ZREMRANGEBYRANK),
Command::data("zremrangebyscore", 4, Route::Keys(Split::Never),range::zremrangebyscore)
        .flags(WRITE,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RW | key::DELETE,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(log(N)+M) for M members removed",
            "Removes the members with scores in a range",
            docs::ZCOUNT),
Command::data("zrevrange", -4, Route::Keys(Split::Never),range::zrevrange)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(log(N)+M) for M members replied",
            "Replies with the members in a range of places, the highest score first",
            docs::ZREVRANGE)
        .deprecated("6.2.0",
            "`ZRANGE` with the `REV` argument"),
Command::data("zrevrangebylex", -4, Route::Keys(Split::Never),range::zrevrangebylex)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.8.9",
            "sorted-set",
            "O(log(N)+M) for M members replied",
            "Replies with the members with bytes in a range, the highest first",
            docs::ZREVRANGEBYLEX)
        .deprecated("6.2.0",
            "`ZRANGE` with the `REV` and `BYLEX` arguments"),
Command::data("zrevrangebyscore", -4, Route::Keys(Split::Never),range::zrevrangebyscore)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.2.0",
            "sorted-set",
            "O(log(N)+M) for M members replied",
            "Replies with the members with scores in a range, the highest first",
            docs::ZREVRANGEBYSCORE)
        .deprecated("6.2.0",
            "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
Command::data("zrevrank", -3, Route::Keys(Split::Never),read::zrevrank)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.0.0",
            "sorted-set",
            "O(log(N))",
            "Replies with the place of a member from the highest score on",
            docs::ZRANK),
Command::data("zscan", -3, Route::Keys(Split::Never),sample::zscan)
        .flags(READONLY,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("2.8.0",
            "sorted-set",
            "O(1) per call, O(N) for all",
            "Walks through the members of a sorted set in steps",
            docs::ZSCAN)
        .tips(&["nondeterministic_output"]),
Command::data("zscore", 3, Route::Keys(Split::Never),read::zscore)
        .flags(READONLY | FAST,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::RO | key::ACCESS,1,0,1,"")])
        .docs("1.2.0",
            "sorted-set",
            "O(1)",
            "Replies with the score of a member",
            docs::ZSCORE),
Command::data("zunion", -3, Route::Keys(Split::Whole),combine::zunion)
        .flags(READONLY | MOVABLEKEYS,acl::SORTEDSET)
        .keys(0,0,0,&[KeySpec::numbered(key::RO | key::ACCESS,1)])
        .find_keys(one_counts)
        .docs("6.2.0",
            "sorted-set",
            "O(N)+O(M*log(M)) for N members of all sources and M of the result",
            "Replies with the members of any of several sets",
            docs::ZINTER),
Command::data("zunionstore", -4, Route::Keys(Split::Whole),combine::zunionstore)
        .flags(WRITE | DENYOOM | MOVABLEKEYS,acl::SORTEDSET)
        .keys(1,1,1,&[KeySpec::new(key::OW | key::UPDATE,1,0,1,""),KeySpec::numbered(key::RO | key::ACCESS,2)])
        .find_keys(destination_and_two)
        .docs("2.0.0",
            "sorted-set",
            "O(N)+O(M*log(M)) for N members of all sources and M of the result",
            "Stores the members of any of several sets",
            docs::ZINTERSTORE),
];
