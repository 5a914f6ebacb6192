//! The request parser on what clients send: single commands and a pipeline, whole and in pieces.

// The macro makes a function without documentation.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use torc::protocol::resp::{Parser, Step};

const PIPELINE: usize = 16;

fn request(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Parses all requests in the bytes; how many there were.
fn parse_all(parser: &mut Parser, bytes: &[u8]) -> usize {
    let (mut at, mut requests) = (0, 0);
    while let Ok(Step::Request { consumed }) = parser.parse(&bytes[at..]) {
        black_box(parser.args(&bytes[at..]).len());
        parser.next_request();
        at += consumed;
        requests += 1;
    }
    requests
}

fn parse(criterion: &mut Criterion) {
    let get = request(&[b"GET", b"key:000000000001"]);
    let set = request(&[b"SET", b"key:000000000001", &[b'v'; 100]]);
    let mut group = criterion.benchmark_group("parse");
    for (name, bytes) in [("get", &get), ("set 100 bytes", &set)] {
        let pipeline = bytes.repeat(PIPELINE);
        group.throughput(Throughput::Elements(PIPELINE as u64));
        group.bench_function(name, |bencher| {
            let mut parser = Parser::new();
            bencher.iter(|| assert_eq!(parse_all(&mut parser, black_box(&pipeline)), PIPELINE))
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("set in two pieces", |bencher| {
        let mut parser = Parser::new();
        bencher.iter(|| {
            assert_eq!(parser.parse(black_box(&set[..60])), Ok(Step::Incomplete));
            assert_eq!(parse_all(&mut parser, black_box(&set)), 1);
        })
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500));
    targets = parse
}
criterion_main!(benches);
