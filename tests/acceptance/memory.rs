//! `maxmemory` bounds the resident memory of the process, whatever the sizes of values and however they change.

use crate::load::{all_ok, pipelined};
use crate::support::client::Client;
use crate::support::process::{resident_bytes, resident_bytes_max};
use crate::support::reply::Reply;
use crate::support::server::{Server, skip_unless_torc};
use crate::{alone, full, mib};

/// What the process may have beyond `maxmemory`.
const BEYOND_BYTES: u64 = 64 << 20;
/// And for each shard.
const BEYOND_BYTES_SHARD: u64 = 16 << 20;
/// What a key costs beyond its value, about.
const OVERHEAD_BYTES: u64 = 40;
/// One in so many keys is looked for afterwards.
const LOOK_EVERY: usize = 7;
/// What was written last, this part of the limit, should be there: a policy may let newcomers go first, but not at once.
const NEWEST_DIVISOR: u64 = 40;

/// The part of these keys that is there.
fn part_there(client: &mut Client, keys: &[String]) -> f64 {
    let (mut there, mut asked) = (0, 0);
    let requests = keys
        .iter()
        .step_by(LOOK_EVERY)
        .map(|key| vec!["EXISTS", key.as_str()]);
    pipelined(client, requests, |_, reply| {
        there += reply.integer();
        asked += 1;
    });
    there as f64 / f64::from(asked)
}

/// The part of the bytes written last that is there.
fn newest_there(
    client: &mut Client,
    keys: &[Vec<String>],
    order: &[(usize, usize)],
    sizes: &[usize],
    bytes_wanted: u64,
) -> f64 {
    let mut bytes = 0;
    let newest: Vec<(usize, usize)> = order
        .iter()
        .rev()
        .copied()
        .take_while(|&(place, _)| {
            bytes += sizes[place];
            bytes as u64 <= bytes_wanted
        })
        .collect();
    let requests = newest
        .iter()
        .map(|&(place, number)| vec!["EXISTS", keys[place][number].as_str()]);
    let (mut there, mut all) = (0, 0);
    pipelined(client, requests, |number, reply| {
        let size = sizes[newest[number].0] as i64;
        there += reply.integer() * size;
        all += size;
    });
    there as f64 / all as f64
}

fn changing_sizes(policy: &str, shards: usize, limit: u64) {
    let limit_text = limit.to_string();
    let directives = [
        ("maxmemory", limit_text.as_str()),
        ("maxmemory-policy", policy),
    ];
    let server = Server::start_with_shards(shards, &directives);
    let mut client = server.client();
    let before = resident_bytes(server.pid());
    let phases: [&[usize]; 5] = [
        &[100],
        &[150],
        &[4096],
        &[64],
        &[64, 100, 150, 4096, 30_000],
    ];
    let value = vec![b'v'; 30_000];
    for sizes in phases {
        // In a mix every size has the same part of the bytes.
        let size_max = *sizes.iter().max().expect("a size");
        let mut keys: Vec<Vec<String>> = vec![Vec::new(); sizes.len()];
        let mut order = Vec::new();
        let mut bytes = 0;
        while bytes < limit * 3 / 2 {
            for (place, &size) in sizes.iter().enumerate() {
                for _ in 0..size_max / size {
                    let number = keys[place].len();
                    keys[place].push(format!("{}of{size}:{number}", sizes.len()));
                    order.push((place, number));
                    bytes += size as u64 + OVERHEAD_BYTES;
                }
            }
        }
        let requests = order.iter().map(|&(place, number)| {
            vec![
                b"SET".as_slice(),
                keys[place][number].as_bytes(),
                &value[..sizes[place]],
            ]
        });
        all_ok(&mut client, requests);
        let most = resident_bytes_max(server.pid());
        let allowed = limit + BEYOND_BYTES + shards as u64 * BEYOND_BYTES_SHARD;
        let mut there_bytes = 0.0;
        for (keys, size) in keys.iter().zip(sizes) {
            there_bytes += part_there(&mut client, keys) * (keys.len() * size) as f64;
        }
        let newest_there = newest_there(&mut client, &keys, &order, sizes, limit / NEWEST_DIVISOR);
        println!(
            "{policy}, {shards} shards, maxmemory {:.0} MiB, sizes {sizes:?}: resident {:.1} MiB at the start, {:.1} now, {:.1} at most \
             (allowed {:.0}); values of these sizes {:.1} MiB, of the newest {:.0} % are there",
            mib(limit),
            mib(before),
            mib(resident_bytes(server.pid())),
            mib(most),
            mib(allowed),
            mib(there_bytes as u64),
            100.0 * newest_there,
        );
        assert!(most <= allowed, "resident {most} bytes");
        assert!(
            there_bytes > limit as f64 / 4.0,
            "only {there_bytes} bytes of values of sizes {sizes:?}"
        );
        assert!(newest_there >= 0.7, "of the newest, {newest_there}");
    }
    drop(client);
    server.stop();
}

#[test]
fn memory_stays_within_the_limit_while_sizes_change() {
    if skip_unless_torc("redis-server's resident memory grows beyond the limit") {
        return;
    }
    let _alone = alone();
    let (limit, shards): (u64, &[usize]) = if full() {
        (256 << 20, &[1, 2])
    } else {
        (12 << 20, &[2])
    };
    for &shards in shards {
        for policy in [
            "allkeys-lru",
            "allkeys-s3fifo",
            "allkeys-random",
            "allkeys-lfu",
        ] {
            changing_sizes(policy, shards, limit);
        }
    }
}

#[test]
fn without_eviction_writes_are_refused_and_nothing_is_lost() {
    let _alone = alone();
    let limit: u64 = if full() { 256 << 20 } else { 16 << 20 };
    let limit_text = limit.to_string();
    let directives = [
        ("maxmemory", limit_text.as_str()),
        ("maxmemory-policy", "noeviction"),
    ];
    let server = Server::start(&directives);
    let mut client = server.client();
    let value = vec![b'v'; 150];
    let keys: Vec<String> = (0..limit * 3 / 2 / 190)
        .map(|number| format!("key:{number:010}"))
        .collect();
    let set = |key: &'_ String| vec![b"SET".to_vec(), key.as_bytes().to_vec(), value.clone()];
    let (mut written, mut refused) = (Vec::new(), 0);
    pipelined(
        &mut client,
        keys.iter().map(set),
        |number, reply| match reply {
            Reply::Simple(_) => written.push(number),
            reply => {
                assert_eq!(
                    reply.text(),
                    "OOM command not allowed when used memory > 'maxmemory'."
                );
                refused += 1;
            }
        },
    );
    println!(
        "noeviction, maxmemory {:.0} MiB: {} written, {refused} refused, resident {:.1} MiB at most",
        mib(limit),
        written.len(),
        mib(resident_bytes_max(server.pid()))
    );
    assert!(refused > 0 && written.len() as u64 * 150 > limit / 3);
    let get = |&number: &usize| vec!["GET", keys[number].as_str()];
    pipelined(&mut client, written.iter().map(get), |number, reply| {
        assert_eq!(
            reply,
            Reply::Bulk(value.clone()),
            "{}",
            keys[written[number]]
        );
    });
    assert_eq!(
        client.words("DBSIZE").integer(),
        written.len() as i64,
        "what was refused is not there"
    );
    // Deletions go on, and make room for writes.
    let fifth = written.len() / 5;
    let delete = |&number: &usize| vec!["DEL", keys[number].as_str()];
    pipelined(
        &mut client,
        written[..fifth].iter().map(delete),
        |_, reply| {
            assert_eq!(reply, Reply::Integer(1));
        },
    );
    let again = written[..fifth / 2]
        .iter()
        .map(|&number| set(&keys[number]));
    all_ok(&mut client, again);
    server.stop();
}
