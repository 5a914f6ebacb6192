//! The same commands to a stream here and one of redis-server: entries, nodes, groups and pending entries end up equal, as DUMP shows.

use super::support::client::Client;
use super::support::random::{Random, seed};
use super::support::reply::Reply;
use super::support::server::Server;
use super::{call, send};
use torc::command::dump::{self, DumpedValue, VERSION_7_0};
use torc::engine::value::stream::parts::{GroupParts, StreamParts};
use torc::engine::value::stream::{
    AutoClaimOptions, Claim, ClaimOptions, NewId, Stream, StreamId, StreamLimits, Trim, TrimTo,
};

/// Without what depends on the clock, and on how much a group's counter is trusted after deletions, which changed between versions.
fn comparable(mut parts: StreamParts, deletions: bool) -> StreamParts {
    for group in &mut parts.groups {
        if deletions {
            group.entries_read = None;
        }
        group
            .pending
            .iter_mut()
            .for_each(|pending| pending.delivery_time_ms = 0);
        // A consumer that gets nothing is made since Redis 7.2, and was not before.
        group
            .consumers
            .retain(|consumer| !consumer.pending.is_empty());
        for consumer in &mut group.consumers {
            (consumer.seen_time_ms, consumer.active_time_ms) = (0, None);
        }
    }
    parts
}

fn theirs(client: &mut Client) -> StreamParts {
    let payload = call!(client, "DUMP", "s");
    match dump::decode(payload.bytes(), 64 << 20) {
        Ok(DumpedValue::Stream(parts)) => parts,
        other => panic!("not a stream: {other:?}"),
    }
}

fn ids(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Null => Vec::new(),
        reply => reply
            .elements()
            .iter()
            .map(|entry| entry.elements()[0].text())
            .collect(),
    }
}

/// Both streams, and whether entries were ever deleted.
struct Contest {
    client: Client,
    ours: Stream,
    random: Random,
    now_ms: i64,
    deletions: bool,
}

impl Contest {
    fn id(&mut self) -> StreamId {
        let last = self.ours.view().log().last_id().ms;
        StreamId::new(self.random.below(last + 2), self.random.below(3))
    }

    /// Mostly the id of an entry.
    fn known_id(&mut self) -> StreamId {
        let id = self.id();
        let log = self.ours.view().log();
        log.range(id, StreamId::MAX)
            .next()
            .map_or(id, |entry| entry.id)
    }

    fn append(&mut self) {
        let last = self.ours.view().log().last_id();
        let id = if self.random.chance(30) {
            StreamId::new(last.ms, last.seq + 1)
        } else {
            StreamId::new(last.ms + 1 + self.random.below(3), self.random.below(1000))
        };
        let count = if self.random.chance(20) {
            1 + self.random.below(4)
        } else {
            2
        };
        let mut fields = Vec::new();
        for number in 0..count {
            fields.push(if self.random.chance(10) {
                b"123".to_vec()
            } else {
                format!("field{number}").into_bytes()
            });
            let bound = if self.random.chance(3) { 3000 } else { 40 };
            let length = self.random.below(bound);
            fields.push(if self.random.chance(40) {
                (self.random.next() as i64 >> self.random.below(64))
                    .to_string()
                    .into_bytes()
            } else {
                self.random.bytes(length as usize)
            });
        }
        send(&mut self.client, &["XADD", "s", &id.to_string()], &fields);
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        self.ours
            .append(NewId::Given(id), &fields, &StreamLimits::default())
            .expect("a greater id");
    }

    fn delete(&mut self) {
        let id = self.known_id();
        let reply = call!(self.client, "XDEL", "s", id.to_string());
        assert_eq!(reply.integer(), i64::from(self.ours.delete(id)));
        self.deletions = true;
    }

    fn trim(&mut self) {
        let length = self.ours.view().log().len() * (70 + self.random.below(40)) / 100;
        let (kind, to, bound) = if self.random.chance(60) {
            ("MAXLEN", TrimTo::Length(length), length.to_string())
        } else {
            let id = self.known_id();
            ("MINID", TrimTo::Id(id), id.to_string())
        };
        let approximate = kind == "MINID" || self.random.chance(50);
        let limit = if approximate {
            1 + self.random.below(400)
        } else {
            0
        };
        let trim = Trim {
            to,
            approximate,
            limit,
        };
        let reply = if approximate {
            call!(
                self.client,
                "XTRIM",
                "s",
                kind,
                "~",
                bound,
                "LIMIT",
                limit.to_string()
            )
        } else {
            call!(self.client, "XTRIM", "s", kind, bound)
        };
        assert_eq!(reply.integer() as u64, self.ours.trim(&trim), "{trim:?}");
        self.deletions = true;
    }

    fn group(&mut self) {
        let group = if self.random.chance(70) { "g1" } else { "g2" };
        let consumer = format!("c{}", self.random.below(3));
        let id = self.known_id();
        let id_text = id.to_string();
        let now_ms = self.now_ms;
        if self.ours.view().group(group.as_bytes()).is_none() {
            self.ours.create_group(group.as_bytes(), id, None);
            call!(self.client, "XGROUP", "CREATE", "s", group, id_text);
            return;
        }
        let count = 1 + self.random.below(20);
        let (choice, flag) = (self.random.below(11), self.random.chance(50));
        let count_text = count.to_string();
        let mut edit = self.ours.group_mut(group.as_bytes()).expect("just seen");
        let mut got = Vec::new();
        match choice {
            0..=3 => {
                edit.read_new(
                    consumer.as_bytes(),
                    Some(count as usize),
                    false,
                    now_ms,
                    |entry| got.push(entry.id.to_string()),
                );
                let reply = call!(
                    self.client,
                    "XREADGROUP",
                    "GROUP",
                    group,
                    consumer,
                    "COUNT",
                    count_text,
                    "STREAMS",
                    "s",
                    ">"
                );
                let found = match reply {
                    Reply::Null => Vec::new(),
                    reply => ids(&reply.elements()[0].elements()[1]),
                };
                assert_eq!(found, got);
            }
            4 => {
                edit.read_history(
                    consumer.as_bytes(),
                    id,
                    Some(count as usize),
                    now_ms,
                    |id, _| got.push(id.to_string()),
                );
                let reply = call!(
                    self.client,
                    "XREADGROUP",
                    "GROUP",
                    group,
                    consumer,
                    "COUNT",
                    count_text,
                    "STREAMS",
                    "s",
                    id_text
                );
                assert_eq!(ids(&reply.elements()[0].elements()[1]), got);
            }
            5 | 6 => {
                let reply = call!(self.client, "XACK", "s", group, id_text);
                assert_eq!(reply.integer(), i64::from(edit.acknowledge(id)));
            }
            7 => {
                let options = ClaimOptions {
                    force: flag,
                    ..ClaimOptions::default()
                };
                let claimed = matches!(
                    edit.claim(consumer.as_bytes(), id, &options, now_ms),
                    Claim::Claimed(_)
                );
                let reply = if flag {
                    call!(
                        self.client,
                        "XCLAIM",
                        "s",
                        group,
                        consumer,
                        "0",
                        id_text,
                        "FORCE"
                    )
                } else {
                    call!(self.client, "XCLAIM", "s", group, consumer, "0", id_text)
                };
                assert_eq!(ids(&reply).len(), usize::from(claimed));
            }
            8 => {
                let how = AutoClaimOptions {
                    idle_ms_min: 0,
                    start: id,
                    count: count as usize,
                    just_id: flag,
                };
                let result = edit.auto_claim(consumer.as_bytes(), &how, now_ms, |entry| {
                    got.push(entry.id.to_string());
                });
                let mut request: Vec<&str> = vec![
                    "XAUTOCLAIM",
                    "s",
                    group,
                    &consumer,
                    "0",
                    &id_text,
                    "COUNT",
                    &count_text,
                ];
                request.extend(flag.then_some("JUSTID"));
                let reply = self.client.call(&request);
                let parts = reply.elements();
                assert_eq!(parts[0].text(), result.next.to_string());
                let found: Vec<String> = if flag {
                    parts[1].elements().iter().map(Reply::text).collect()
                } else {
                    ids(&parts[1])
                };
                assert_eq!(found, got);
                let deleted: Vec<String> = result.deleted.iter().map(StreamId::to_string).collect();
                assert_eq!(
                    parts[2]
                        .elements()
                        .iter()
                        .map(Reply::text)
                        .collect::<Vec<_>>(),
                    deleted
                );
            }
            9 => {
                let reply = call!(self.client, "XGROUP", "DELCONSUMER", "s", group, consumer);
                let pending = edit.delete_consumer(consumer.as_bytes()).unwrap_or(0);
                assert_eq!(reply.integer(), pending as i64);
            }
            _ => {
                call!(self.client, "XGROUP", "SETID", "s", group, id_text);
                edit.set_id(id, None);
            }
        }
    }

    fn compare(&mut self) {
        let parts = comparable(theirs(&mut self.client), self.deletions);
        let ours = comparable(self.ours.view().to_parts(), self.deletions);
        // From small to large, so that a failure says the least that differs.
        assert_eq!(parts.counters, ours.counters);
        assert_eq!(parts.length, ours.length);
        for (theirs, ours) in parts.groups.iter().zip(&ours.groups) {
            let heads =
                |group: &GroupParts| (group.name.clone(), group.last_id, group.entries_read);
            assert_eq!(heads(theirs), heads(ours));
            assert_eq!(theirs.pending, ours.pending);
            assert_eq!(theirs.consumers, ours.consumers);
        }
        assert!(parts.nodes == ours.nodes, "nodes differ");
        assert_eq!(parts.groups.len(), ours.groups.len());
        let again = Stream::from_parts(parts).expect("redis-server's stream");
        assert_eq!(
            again.view().log().first_id(),
            self.ours.view().log().first_id()
        );
    }

    fn compare_lag(&mut self) {
        if self.deletions {
            return;
        }
        let reply = call!(self.client, "XINFO", "GROUPS", "s");
        for (theirs, (name, group)) in reply.elements().iter().zip(self.ours.view().groups()) {
            let fields = theirs.elements();
            assert_eq!(fields[1].bytes(), name);
            let (read, lag) = (&fields[9], &fields[11]);
            let number = |value: Option<i64>| value.map_or(Reply::Null, Reply::Integer);
            assert_eq!(*read, number(group.entries_read()), "entries read");
            assert_eq!(*lag, number(self.ours.view().lag(group)), "lag");
        }
    }
}

fn contest(with_deletions: bool) {
    let Some(redis) = Server::start_redis(&[]) else {
        return;
    };
    let seed = seed("streams");
    for round in 0..10 {
        let mut contest = Contest {
            client: redis.client(),
            ours: Stream::new(),
            random: Random::new(seed + round),
            now_ms: 0,
            deletions: false,
        };
        call!(contest.client, "DEL", "s");
        contest.append();
        for step in 0..600 {
            contest.now_ms += 1;
            match contest.random.below(20) {
                0..=10 => contest.append(),
                11..=13 if with_deletions => contest.delete(),
                14 if with_deletions && contest.random.chance(10) => contest.trim(),
                _ => contest.group(),
            }
            if step % 20 == 0 {
                contest.compare();
                contest.compare_lag();
            }
        }
        contest.compare();
        // What is written here is taken there, and is the same again.
        let payload = dump::stream(contest.ours.view(), VERSION_7_0).finish();
        let reply = call!(contest.client, "RESTORE", "s", "0", payload, "REPLACE");
        assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
        contest.compare();
    }
    redis.stop();
}

#[test]
fn streams_that_only_grow_equal_redis() {
    contest(false);
}

#[test]
fn streams_with_deletions_equal_redis() {
    contest(true);
}
