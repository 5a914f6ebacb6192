//! The results as JSON. Fields are only ever added; a change of meaning raises `format`.
//!
//! - `format`: 1. `server`, `network` (`io_uring` or `epoll`), `interrupted`, `failure` (text or null).
//! - `load`: the options that shape the load: `protocol` (its name on the command line), `workload` (its name, or null) and its `members`, `multi_get` (keys in
//!   each read), `connections`, `threads`, `pipeline`, `rate` (null in a closed loop), `ratio` (SET, GET, DELETE; null with a workload), `keyspace`, `key_distribution`, `key_size`, `value_size`, `ttl_ms`,
//!   `trace`, `seed`.
//! - `requests` (replies received), `duration_us`, `requests_per_second`, `bytes_received`, `bytes_sent`.
//! - `keys` (of all those requests: more than `requests` when reads ask for several), `keys_per_second`.
//! - Of keys: `hits`, `misses`, `hit_ratio` (0 to 1). Of requests: `writes_after_miss`, `deleted`, `unsent` (due in an open loop, never sent).
//! - `errors`: count by text; `first_error` (text or null). Of keys: `verified`, `unverified`, `wrong`, `wrong_shown`. `reconnected`: connections.
//! - `client_cpu_us`, `client_cpu_us_per_request`.
//! - `connect_us` and `latency_us.{get,set,delete,total}`, or the workload's commands instead of the first three: `count`, `min`, `mean`, `p50` to `p99.99`, `max`, and, for
//!   latencies, `histogram`: pairs of [largest value of the bucket, count]. All in microseconds.
//! - `intervals`: `seconds` (length of each) and `points` of `start_seconds`, `requests`, `requests_per_second`, `p50_us`,
//!   `p99_us`, `max_us`. The last point may cover less than its length.

use super::{PERCENTILES, micros, ratio};
use crate::args::Plan;
use crate::histogram::Histogram;
use crate::run::Outcome;
use serde_json::{Map, Value, json};

fn distribution(latency: &Histogram, buckets: bool) -> Value {
    let mut map = Map::new();
    map.insert("count".into(), json!(latency.count()));
    map.insert("min".into(), json!(micros(latency.min())));
    map.insert("mean".into(), json!(latency.mean() / 1e3));
    for (name, percentile) in PERCENTILES {
        map.insert(name.into(), json!(micros(latency.percentile(percentile))));
    }
    map.insert("max".into(), json!(micros(latency.max())));
    if buckets {
        let pairs: Vec<Value> = latency
            .filled()
            .map(|(highest, count)| json!([micros(highest), count]))
            .collect();
        map.insert("histogram".into(), Value::Array(pairs));
    }
    Value::Object(map)
}

/// The document.
pub fn document(plan: &Plan, outcome: &Outcome) -> Value {
    let (stats, args) = (&outcome.stats, &plan.args);
    let seconds = outcome.elapsed.as_secs_f64();
    let replies = stats.replies();
    let mut latency = Map::new();
    for (name, counted) in plan.operations().iter().zip(&stats.latency) {
        latency.insert(name.to_ascii_lowercase(), distribution(counted, true));
    }
    latency.insert("total".into(), distribution(&stats.total(), true));
    let length = outcome.series.point_seconds();
    let points: Vec<Value> = outcome
        .series
        .points()
        .iter()
        .enumerate()
        .map(|(index, point)| {
            let start = index as f64 * length;
            json!({
                "start_seconds": start,
                "requests": point.count(),
                "requests_per_second": ratio(point.count() as f64, length.min(seconds - start)),
                "p50_us": micros(point.percentile(50.0)),
                "p99_us": micros(point.percentile(99.0)),
                "max_us": micros(point.max()),
            })
        })
        .collect();
    let cpu_us = outcome.cpu.as_nanos() as f64 / 1e3;
    json!({
        "format": 1,
        "server": plan.server(),
        "network": outcome.network,
        "interrupted": outcome.interrupted,
        "failure": outcome.failure.as_ref().map(ToString::to_string),
        "load": {
            "protocol": plan.protocol_name(),
            "workload": plan.workload_name(),
            "members": plan.workload.map(|shape| shape.members),
            "multi_get": args.multi_get,
            "connections": args.connections,
            "threads": args.threads,
            "pipeline": args.pipeline,
            "rate": args.rate,
            "ratio": plan.workload.is_none().then_some(plan.ratio),
            "keyspace": plan.keyspace,
            "key_distribution": format!("{:?}", args.key_dist).to_ascii_lowercase(),
            "key_size": args.key_size,
            "value_size": args.value_size,
            "ttl_ms": plan.ttl_ms,
            "trace": args.trace,
            "seed": args.seed,
        },
        "requests": replies,
        "duration_us": seconds * 1e6,
        "requests_per_second": ratio(replies as f64, seconds),
        "keys": stats.keys,
        "keys_per_second": ratio(stats.keys as f64, seconds),
        "bytes_received": stats.bytes_in,
        "bytes_sent": stats.bytes_out,
        "bytes_pushed": outcome.pushed_bytes,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_ratio": ratio(stats.hits as f64, (stats.hits + stats.misses) as f64),
        "writes_after_miss": stats.fills,
        "deleted": stats.deleted,
        "unsent": outcome.unsent,
        "errors": stats.errors,
        "first_error": stats.first_error,
        "verified": stats.verified,
        "unverified": stats.unverified,
        "wrong": stats.wrong,
        "reconnected": stats.reconnected,
        "wrong_shown": stats.wrong_shown,
        "client_cpu_us": cpu_us,
        "client_cpu_us_per_request": ratio(cpu_us, replies as f64),
        "connect_us": distribution(&outcome.connect, false),
        "latency_us": latency,
        "intervals": { "seconds": length, "points": points },
    })
}
