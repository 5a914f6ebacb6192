//! HyperLogLog strings and counts.

use super::support::random::{Random, seed};
use super::support::server::Server;
use super::{call, send};
use torc::command::hyperloglog::registers::{self, Encoding, SPARSE_BYTES_MAX_DEFAULT, Union};

fn add_all(bytes: &mut Vec<u8>, elements: &[Vec<u8>]) {
    for element in elements {
        registers::add(bytes, element, SPARSE_BYTES_MAX_DEFAULT).expect("a string of ours");
    }
}

#[test]
fn strings_and_counts_equal_redis() {
    let Some(redis) = Server::start_redis(&[]) else {
        return;
    };
    let mut client = redis.client();
    let mut random = Random::new(seed("hyperloglog"));
    for round in 0..3 {
        let key = format!("hll{round}");
        let mut ours = registers::empty();
        let (mut total, mut was_sparse) = (0, 0);
        while total < 100_000 {
            let batch = if total < 4000 {
                1 + random.below(40)
            } else {
                4000
            };
            let elements: Vec<Vec<u8>> = (0..batch)
                .map(|_| {
                    let length = random.below(20) as usize;
                    random.bytes(length)
                })
                .collect();
            send(&mut client, &["PFADD", &key], &elements);
            add_all(&mut ours, &elements);
            total += batch;
            assert_eq!(call!(client, "GET", key).bytes(), ours, "after {total}");
            let count = registers::count(&ours).expect("a string of ours");
            assert_eq!(
                call!(client, "PFCOUNT", key).integer() as u64,
                count,
                "of {total}"
            );
            // Counting leaves the cardinality in the header.
            registers::set_cached(&mut ours, count);
            assert_eq!(
                call!(client, "GET", key).bytes(),
                ours,
                "after counting {total}"
            );
            was_sparse += usize::from(registers::encoding(&ours) == Ok(Encoding::Sparse));
        }
        assert!(was_sparse > 20, "{was_sparse}");
        assert_eq!(registers::encoding(&ours), Ok(Encoding::Dense));
    }
    redis.stop();
}

#[test]
fn unions_equal_redis() {
    let Some(redis) = Server::start_redis(&[]) else {
        return;
    };
    let mut client = redis.client();
    let mut random = Random::new(seed("hyperloglog unions"));
    for _ in 0..30 {
        call!(client, "FLUSHALL");
        let mut parts = Vec::new();
        for name in ["a", "b", "to"] {
            let mut ours = registers::empty();
            let count = *random.pick(&[1, 50, 500, 1500, 5000]);
            let elements: Vec<Vec<u8>> = (0..count)
                .map(|_| random.below(4000).to_string().into_bytes())
                .collect();
            send(&mut client, &["PFADD", name], &elements);
            add_all(&mut ours, &elements);
            parts.push(ours);
        }
        let mut union = Union::new();
        parts
            .iter()
            .for_each(|part| union.take(part).expect("a string of ours"));
        let count = call!(client, "PFCOUNT", "a", "b", "to").integer() as u64;
        assert_eq!(union.count(), count);
        let dense = parts
            .iter()
            .any(|part| registers::encoding(part) == Ok(Encoding::Dense));
        let mut merged = parts.pop().expect("three parts");
        union
            .merge_into(&mut merged, dense, SPARSE_BYTES_MAX_DEFAULT)
            .expect("strings of ours");
        call!(client, "PFMERGE", "to", "a", "b");
        assert_eq!(call!(client, "GET", "to").bytes(), merged);
    }
    redis.stop();
}
