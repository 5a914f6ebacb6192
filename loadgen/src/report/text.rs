//! The summary on standard output, in the words of ab and memtier.

use super::{PERCENTILES, micros, ratio};
use crate::args::Plan;
use crate::histogram::Histogram;
use crate::run::Outcome;
use std::fmt::Write;

/// One line: requests per second.
pub fn brief(outcome: &Outcome) -> String {
    let rate = ratio(
        outcome.stats.replies() as f64,
        outcome.elapsed.as_secs_f64(),
    );
    format!(
        "{rate:.2} requests per second, p50={:.3} ms\n",
        micros(outcome.stats.total().percentile(50.0)) / 1e3
    )
}

fn latency_row(out: &mut String, name: &str, latency: &Histogram) {
    let _ = write!(out, "{name:<10}{:>12}", latency.count());
    let ms = |ns: u64| micros(ns) / 1e3;
    let _ = write!(
        out,
        "{:>10.3}{:>10.3}",
        ms(latency.min()),
        latency.mean() / 1e6
    );
    for (_, percentile) in PERCENTILES {
        let _ = write!(out, "{:>10.3}", ms(latency.percentile(percentile)));
    }
    let _ = writeln!(out, "{:>10.3}", ms(latency.max()));
}

/// The whole summary.
pub fn summary(plan: &Plan, outcome: &Outcome) -> String {
    let (stats, args) = (&outcome.stats, &plan.args);
    let seconds = outcome.elapsed.as_secs_f64();
    let replies = stats.replies() as f64;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<24}{value}");
    };
    if outcome.interrupted {
        line(
            "Interrupted:",
            "the figures are of what was done until then".into(),
        );
    }
    line("Server:", plan.server());
    let mode = match args.rate {
        Some(rate) => format!("open loop, {rate} requests/s"),
        None => "closed loop".into(),
    };
    line(
        "Load:",
        format!(
            "{mode}, {}, {} connections, {} threads, pipeline {}, {}",
            plan.load_name(),
            args.connections,
            args.threads,
            args.pipeline,
            outcome.network
        ),
    );
    line("Requests:", format!("{replies:.0}"));
    line("Duration:", format!("{seconds:.3} s"));
    line(
        "Requests per second:",
        format!("{:.2}", ratio(replies, seconds)),
    );
    if args.multi_get > 1 {
        line(
            "Keys:",
            format!(
                "{} ({} in each read), {:.2} per second",
                stats.keys,
                args.multi_get,
                ratio(stats.keys as f64, seconds)
            ),
        );
    }
    let megabytes = |bytes: u64| ratio(bytes as f64 / 1e6, seconds);
    line(
        "Bandwidth:",
        format!(
            "{:.2} MB/s received, {:.2} MB/s sent",
            megabytes(stats.bytes_in),
            megabytes(stats.bytes_out)
        ),
    );
    let reads = (stats.hits + stats.misses) as f64;
    if reads > 0.0 {
        line(
            "Hits:",
            format!(
                "{} of {reads:.0} {}({:.2} %), {} misses",
                stats.hits,
                if args.multi_get > 1 { "keys " } else { "" },
                ratio(stats.hits as f64, reads) * 100.0,
                stats.misses
            ),
        );
    }
    if plan.trace.is_some() {
        line("Written after a miss:", stats.fills.to_string());
    }
    if args.verify.is_some() {
        line(
            "Verified:",
            format!(
                "{} right, {} wrong, {} not known",
                stats.verified, stats.wrong, stats.unverified
            ),
        );
    }
    if args.reconnect.is_some() {
        line(
            "Opened again:",
            format!("{} connections", stats.reconnected),
        );
    }
    let first = stats.first_error.iter();
    let first: String = first.map(|first| format!(", the first: {first}")).collect();
    line("Errors:", format!("{}{first}", stats.error_count()));
    if outcome.pushed_bytes > 0 {
        line("Pushed:", format!("{} bytes", outcome.pushed_bytes));
    }
    if args.rate.is_some() {
        line("Due but not sent:", outcome.unsent.to_string());
    }
    line(
        "Connecting:",
        format!(
            "mean {:.3} ms, p99 {:.3} ms, max {:.3} ms",
            outcome.connect.mean() / 1e6,
            micros(outcome.connect.percentile(99.0)) / 1e3,
            micros(outcome.connect.max()) / 1e3
        ),
    );
    let cpu_ns = outcome.cpu.as_nanos() as f64;
    line(
        "Client CPU:",
        format!(
            "{:.3} us per request, {:.0} % of {} threads",
            ratio(cpu_ns / 1e3, replies),
            ratio(cpu_ns / 1e7, seconds) / args.threads as f64,
            args.threads
        ),
    );
    let _ = write!(out, "\nLatency in ms    count       min      mean");
    for (name, _) in PERCENTILES {
        let _ = write!(out, "{name:>10}");
    }
    let _ = writeln!(out, "{:>10}", "max");
    for (name, latency) in plan.operations().iter().zip(&stats.latency) {
        if latency.count() > 0 {
            latency_row(&mut out, name, latency);
        }
    }
    latency_row(&mut out, "total", &stats.total());
    if !stats.errors.is_empty() {
        let _ = writeln!(out, "\nErrors by text:");
        for (text, count) in &stats.errors {
            let _ = writeln!(out, "{count:>12}  {text}");
        }
    }
    if stats.wrong > 0 {
        let _ = writeln!(
            out,
            "\nWrong answers, the first {}:",
            stats.wrong_shown.len()
        );
        for shown in &stats.wrong_shown {
            let _ = writeln!(out, "  {shown}");
        }
    }
    out
}
