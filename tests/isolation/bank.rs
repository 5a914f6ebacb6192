//! Invariants that every reader must see at any time, however others move things meanwhile: the sum of all accounts, the tokens in sets, the key that
//! is renamed, the elements of lists. No history is kept; each read is judged alone.

use crate::subject::Abilities;
use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::slots::name_in;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Things of a kind: accounts, pairs of keys, sets, lists.
const PLACES: u32 = 8;
/// What an account has in the beginning.
const BALANCE: i64 = 100;
const TOKENS: i64 = 12;

const TRANSFER: &str = "local from, to, amount = KEYS[1] or ARGV[2], KEYS[2] or ARGV[3], tonumber(ARGV[1]) \
    if tonumber(redis.call('GET', from)) < amount then return 0 end \
    redis.call('DECRBY', from, amount) \
    redis.call('INCRBY', to, amount) \
    return 1";
const READ_ALL: &str = "local sum = 0 \
    for _, key in ipairs(#KEYS > 0 and KEYS or ARGV) do sum = sum + tonumber(redis.call('GET', key)) end \
    return sum";

/// What one client does once; an error is a violation, in words.
type Turn = fn(&mut Client, &mut Random, &[String]) -> Result<(), String>;

fn names(kind: &str) -> Vec<String> {
    (0..PLACES)
        .map(|part| name_in(&format!("{kind}.{part}"), part, PLACES))
        .collect()
}

fn call(client: &mut Client, words: &[&str]) -> Reply {
    let reply = client.call(words);
    assert!(
        !matches!(&reply, Reply::Error(text) if !text.starts_with(b"ERR no such key")),
        "{words:?}: {reply:?}"
    );
    reply
}

/// MULTI, the commands, EXEC: the replies, or None where EXEC refused.
fn exec(client: &mut Client, commands: &[Vec<String>]) -> Option<Vec<Reply>> {
    let mut bytes = request(&["MULTI"]);
    commands
        .iter()
        .for_each(|command| bytes.extend(request(command)));
    bytes.extend(request(&["EXEC"]));
    client.send(&bytes).expect("the server receives");
    for _ in 0..=commands.len() {
        let reply = client.read().expect("the server answers");
        assert!(matches!(reply, Reply::Simple(_)), "{commands:?}: {reply:?}");
    }
    match client.read().expect("the server answers") {
        Reply::Array(replies) => Some(replies),
        Reply::Null => None,
        other => panic!("EXEC of {commands:?}: {other:?}"),
    }
}

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(number) => *number,
        other => other.text().parse().expect("a number"),
    }
}

fn expect(
    what: &str,
    expected: i64,
    found: i64,
    reply: &dyn std::fmt::Debug,
) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{what}: {found} instead of {expected}, by {reply:?}"
    ))
}

/// Two different names.
fn two<'a>(random: &mut Random, names: &'a [String]) -> (&'a str, &'a str) {
    let from = random.below(names.len() as u64) as usize;
    let to = (from + 1 + random.below(names.len() as u64 - 1) as usize) % names.len();
    (&names[from], &names[to])
}

fn words(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_string()).collect()
}

fn transfer_by_script(
    client: &mut Client,
    random: &mut Random,
    names: &[String],
) -> Result<(), String> {
    let (from, to) = two(random, names);
    let amount = (1 + random.below(30)).to_string();
    match random.chance(50) {
        true => call(client, &["EVAL", TRANSFER, "2", from, to, &amount]),
        false => call(client, &["EVAL", TRANSFER, "0", &amount, from, to]),
    };
    Ok(())
}

fn transfer_by_exec(
    client: &mut Client,
    random: &mut Random,
    names: &[String],
) -> Result<(), String> {
    let (from, to) = two(random, names);
    let amount = (1 + random.below(30)).to_string();
    let commands = [
        words(&["DECRBY", from, &amount]),
        words(&["INCRBY", to, &amount]),
    ];
    exec(client, &commands)
        .map(drop)
        .ok_or_else(|| "EXEC without WATCH is refused".to_string())
}

fn transfer_by_watch(
    client: &mut Client,
    random: &mut Random,
    names: &[String],
) -> Result<(), String> {
    let (from, to) = two(random, names);
    let amount = 1 + random.below(30) as i64;
    call(client, &["WATCH", from, to]);
    let (has, had) = (
        number(&call(client, &["GET", from])),
        number(&call(client, &["GET", to])),
    );
    let (less, more) = ((has - amount).to_string(), (had + amount).to_string());
    // Whether it is refused or not: nothing may be lost.
    exec(
        client,
        &[words(&["SET", from, &less]), words(&["SET", to, &more])],
    );
    Ok(())
}

fn read_by_mget(client: &mut Client, _: &mut Random, names: &[String]) -> Result<(), String> {
    let reply = client.call(&[&["MGET".to_string()], names].concat());
    let balances: Vec<i64> = reply.elements().iter().map(number).collect();
    expect(
        "the sum of all accounts",
        BALANCE * i64::from(PLACES),
        balances.iter().sum(),
        &balances,
    )
}

fn read_by_exec(client: &mut Client, _: &mut Random, names: &[String]) -> Result<(), String> {
    let reads: Vec<_> = names.iter().map(|name| words(&["GET", name])).collect();
    let replies = exec(client, &reads).ok_or("EXEC without WATCH is refused")?;
    let balances: Vec<i64> = replies.iter().map(number).collect();
    expect(
        "the sum of all accounts",
        BALANCE * i64::from(PLACES),
        balances.iter().sum(),
        &balances,
    )
}

fn read_by_script(
    client: &mut Client,
    random: &mut Random,
    names: &[String],
) -> Result<(), String> {
    let keys = if random.chance(50) { names.len() } else { 0 };
    let head = words(&["EVAL", READ_ALL, &keys.to_string()]);
    let reply = client.call(&[head.as_slice(), names].concat());
    expect(
        "the sum of all accounts",
        BALANCE * i64::from(PLACES),
        number(&reply),
        &reply,
    )
}

/// A pair of keys always has the same sum: MSET writes both.
fn write_pair(client: &mut Client, random: &mut Random, names: &[String]) -> Result<(), String> {
    let (half, one) = (
        names.len() / 2,
        random.below(names.len() as u64 / 2) as usize,
    );
    let value = random.between(-1000, 1000);
    let (first, second) = (value.to_string(), (BALANCE - value).to_string());
    call(
        client,
        &["MSET", &names[one], &first, &names[one + half], &second],
    );
    Ok(())
}

fn read_pairs(client: &mut Client, _: &mut Random, names: &[String]) -> Result<(), String> {
    let reply = client.call(&[&["MGET".to_string()], names].concat());
    let values: Vec<i64> = reply.elements().iter().map(number).collect();
    let half = values.len() / 2;
    (0..half).try_for_each(|one| {
        expect(
            "the sum of a pair",
            BALANCE,
            values[one] + values[one + half],
            &values,
        )
    })
}

fn move_member(client: &mut Client, random: &mut Random, names: &[String]) -> Result<(), String> {
    let (from, to) = two(random, names);
    let token = random.below(TOKENS as u64).to_string();
    call(client, &["SMOVE", from, to, &token]);
    Ok(())
}

fn count_members(client: &mut Client, random: &mut Random, names: &[String]) -> Result<(), String> {
    let (first, second) = two(random, names);
    match random.below(3) {
        0 => {
            let reply = client.call(&[&["SUNION".to_string()], names].concat());
            expect(
                "the members of all sets",
                TOKENS,
                reply.elements().len() as i64,
                &reply,
            )
        }
        1 => {
            let own = format!("union.{}", random.below(100));
            let reply = client.call(&[&["SUNIONSTORE".to_string(), own], names].concat());
            expect("the members of all sets", TOKENS, number(&reply), &reply)
        }
        _ => {
            let own = format!("intersection.{}", random.below(100));
            let reply = call(client, &["SINTERSTORE", &own, first, second]);
            expect("the members in two sets", 0, number(&reply), &reply)
        }
    }
}

fn rename(client: &mut Client, random: &mut Random, names: &[String]) -> Result<(), String> {
    let (from, to) = two(random, names);
    let verb = *random.pick(&["RENAME", "RENAMENX"]);
    call(client, &[verb, from, to]);
    Ok(())
}

fn count_names(client: &mut Client, _: &mut Random, names: &[String]) -> Result<(), String> {
    let reply = client.call(&[&["EXISTS".to_string()], names].concat());
    expect("the names of one key", 1, number(&reply), &reply)
}

fn move_element(client: &mut Client, random: &mut Random, names: &[String]) -> Result<(), String> {
    let (from, to) = two(random, names);
    let (take, put) = (
        *random.pick(&["LEFT", "RIGHT"]),
        *random.pick(&["LEFT", "RIGHT"]),
    );
    call(client, &["LMOVE", from, to, take, put]);
    Ok(())
}

fn count_elements(client: &mut Client, _: &mut Random, names: &[String]) -> Result<(), String> {
    let reads: Vec<_> = names.iter().map(|name| words(&["LLEN", name])).collect();
    let replies = exec(client, &reads).ok_or("EXEC without WATCH is refused")?;
    expect(
        "the elements of all lists",
        TOKENS,
        replies.iter().map(number).sum(),
        &replies,
    )
}

/// Lets writers and readers loose on what a kind's keys are in the beginning; the first violation, with its seed.
fn contend(
    address: SocketAddr,
    seed: u64,
    kind: &str,
    turns: u64,
    setup: &[Vec<String>],
    writers: &[Turn],
    readers: &[Turn],
) -> Option<String> {
    let names = names(kind);
    let mut client = Client::connect(address).expect("the server accepts");
    setup.iter().for_each(|command| drop(client.call(command)));
    let (violation, is_over) = (Mutex::new(None), AtomicBool::new(false));
    let done = AtomicU64::new(0);
    let clients = writers.iter().chain(writers).chain(readers).enumerate();
    std::thread::scope(|scope| {
        for (number, turn) in clients {
            let (names, violation, is_over, done) = (&names, &violation, &is_over, &done);
            scope.spawn(move || {
                let mut random =
                    Random::new(seed ^ (number as u64 + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
                let mut client = Client::connect(address).expect("the server accepts");
                if number % 2 == 1 {
                    client.words("HELLO 3");
                }
                while !is_over.load(Ordering::Relaxed) {
                    if let Err(what) = turn(&mut client, &mut random, names) {
                        violation
                            .lock()
                            .expect("no client panicked")
                            .get_or_insert(what);
                        is_over.store(true, Ordering::Relaxed);
                    }
                    if done.fetch_add(1, Ordering::Relaxed) >= turns {
                        is_over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    violation.into_inner().expect("no client panicked")
}

/// All invariants for which the server has the commands: what is violated, or None.
pub fn run(address: SocketAddr, abilities: Abilities, seed: u64, turns: u64) -> Option<String> {
    let set_all = |kind: &str, value: i64| -> Vec<Vec<String>> {
        names(kind)
            .iter()
            .map(|name| words(&["SET", name, &value.to_string()]))
            .collect()
    };
    let tokens: Vec<String> = (0..TOKENS).map(|token| token.to_string()).collect();
    let to_first =
        |verb: &str, kind: &str| vec![[words(&[verb, &names(kind)[0]]), tokens.clone()].concat()];
    let mut found = contend(
        address,
        seed,
        "pair",
        turns,
        &set_all("pair", BALANCE / 2),
        &[write_pair as Turn; 3],
        &[read_pairs as Turn; 3],
    )
    .or_else(|| {
        contend(
            address,
            seed,
            "set",
            turns,
            &to_first("SADD", "set"),
            &[move_member as Turn; 3],
            &[count_members as Turn; 3],
        )
    })
    .or_else(|| {
        let one = [words(&["SET", &names("renamed")[0], "value"])];
        contend(
            address,
            seed,
            "renamed",
            turns,
            &one,
            &[rename as Turn; 3],
            &[count_names as Turn; 3],
        )
    });
    if abilities.exec {
        let lists = to_first("RPUSH", "list");
        found = found.or_else(|| {
            contend(
                address,
                seed,
                "list",
                turns,
                &lists,
                &[move_element as Turn; 3],
                &[count_elements as Turn; 3],
            )
        });
    }
    let (mut writers, mut readers): (Vec<Turn>, Vec<Turn>) = (Vec::new(), vec![read_by_mget]);
    if abilities.exec {
        writers.extend([transfer_by_exec as Turn, transfer_by_watch]);
        readers.push(read_by_exec);
    }
    if abilities.eval {
        writers.push(transfer_by_script);
        readers.push(read_by_script);
    }
    found.or_else(|| {
        contend(
            address,
            seed,
            "account",
            turns,
            &set_all("account", BALANCE),
            &writers,
            &readers,
        )
    })
}

/// The pairs with a writer who sets one key after the other: what a reader must notice.
pub fn run_torn(address: SocketAddr, seed: u64, turns: u64) -> Option<String> {
    fn write(client: &mut Client, random: &mut Random, names: &[String]) -> Result<(), String> {
        let (half, one) = (
            names.len() / 2,
            random.below(names.len() as u64 / 2) as usize,
        );
        let value = random.between(-1000, 1000);
        call(client, &["SET", &names[one], &value.to_string()]);
        call(
            client,
            &["SET", &names[one + half], &(BALANCE - value).to_string()],
        );
        Ok(())
    }
    let halves: Vec<_> = names("torn")
        .iter()
        .map(|name| words(&["SET", name, &(BALANCE / 2).to_string()]))
        .collect();
    contend(
        address,
        seed,
        "torn",
        turns,
        &halves,
        &[write as Turn],
        &[read_pairs as Turn; 3],
    )
}
