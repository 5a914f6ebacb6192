//! The results as one page: tables and three plots as inline SVG, no script, nothing loaded from elsewhere. The colours
//! follow the reader's light or dark setting.

use super::{PERCENTILES, micros, ratio};
use crate::args::Plan;
use crate::histogram::Histogram;
use crate::run::Outcome;
use crate::stats::Stats;
use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1c2430;--soft:#5d6878;--line:#d8dde5;--a:#2563c9;--b:#c2571a;--c:#23803f;--d:#8b3fb0}\
@media(prefers-color-scheme:dark){:root{--back:#14181f;--text:#e4e8ee;--soft:#98a3b3;--line:#323a46;--a:#6ea3f7;--b:#f09a5f;--c:#6fce8d;--d:#cf93ef}}\
body{background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.2rem .7rem;border-bottom:1px solid var(--line);text-align:right}td:first-child,th:first-child{text-align:left}\
svg{width:100%;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}\
.grid{stroke:var(--line);stroke-width:1}.a{stroke:var(--a)}.b{stroke:var(--b)}.c{stroke:var(--c)}.d{stroke:var(--d)}.a,.b,.c,.d{fill:none;stroke-width:2;stroke-linejoin:round}\
.bar{fill:var(--a)}.key-a{fill:var(--a)!important}.key-b{fill:var(--b)!important}.key-c{fill:var(--c)!important}.key-d{fill:var(--d)!important}.wrong{color:var(--b);font-weight:600}";

/// The colours of curves. No load has more commands than these.
const CURVES: [&str; 4] = ["a", "b", "c", "d"];
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", round(v / 1e6)),
        v if v >= 1e3 => format!("{}k", round(v / 1e3)),
        v => round(v),
    }
}

fn round(value: f64) -> String {
    let text = if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn duration(us: f64) -> String {
    match us {
        v if v >= 1e6 => format!("{} s", round(v / 1e6)),
        v if v >= 1e3 => format!("{} ms", round(v / 1e3)),
        v => format!("{} µs", round(v)),
    }
}

/// An axis: where a value lies between 0 and 1, and which values are marked.
struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    fn linear(high: f64) -> Self {
        Self {
            low: 0.0,
            high: if high > 0.0 { high * 1.05 } else { 1.0 },
            logarithmic: false,
        }
    }

    /// Whole decades around the values.
    fn decades(low: f64, high: f64) -> Self {
        let low = 10f64.powf(low.max(0.1).log10().floor());
        let high = 10f64.powf(high.max(low).log10().ceil()).max(low * 10.0);
        Self {
            low,
            high,
            logarithmic: true,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        part.clamp(0.0, 1.0)
    }

    fn marks(&self) -> Vec<f64> {
        if self.logarithmic {
            let decades = (self.high / self.low).log10().round() as i32;
            return (0..=decades)
                .map(|decade| self.low * 10f64.powi(decade))
                .collect();
        }
        let rough = (self.high - self.low) / 6.0;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * magnitude)
            .find(|s| *s >= rough);
        let step = step.unwrap_or(10.0 * magnitude);
        (0..)
            .map(|i| self.low + f64::from(i) * step)
            .take_while(|mark| *mark <= self.high)
            .collect()
    }
}

struct Plot {
    svg: String,
    x: Axis,
    y: Axis,
}

impl Plot {
    fn new(title: &str, x: Axis, y: Axis, y_text: impl Fn(f64) -> String) -> Self {
        let mut plot = Self {
            svg: String::new(),
            x,
            y,
        };
        let title = escape(title);
        let _ = write!(
            plot.svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"
        );
        for mark in plot.y.marks() {
            let y = plot.y_at(mark);
            let _ = write!(
                plot.svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                y_text(mark)
            );
        }
        plot
    }

    fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_at(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn x_mark(&mut self, value: f64, text: &str) {
        let x = self.x_at(value);
        let _ = write!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM + 18.0,
            escape(text)
        );
    }

    fn x_title(&mut self, text: &str) {
        let _ = write!(
            self.svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            escape(text)
        );
    }

    fn line(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let _ = write!(self.svg, "<polyline class=\"{class}\" points=\"");
        for (x, y) in points {
            let _ = write!(self.svg, "{:.1},{:.1} ", self.x_at(x), self.y_at(y));
        }
        self.svg.push_str("\"/>");
    }

    fn key(&mut self, class: &str, row: f64, text: &str) {
        let _ = write!(
            self.svg,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT + 12.0,
            TOP + 12.0 + row * 16.0,
            escape(text)
        );
    }

    fn end(mut self) -> String {
        self.svg.push_str("</svg>");
        self.svg
    }
}

fn percentile_plot(plan: &Plan, stats: &Stats) -> String {
    let total = stats.total();
    // Nines on a logarithmic axis: x = 1 / (1 - percentile).
    let nines = [
        ("0", 1.0),
        ("50 %", 2.0),
        ("90 %", 10.0),
        ("99 %", 100.0),
        ("99.9 %", 1e3),
        ("99.99 %", 1e4),
        ("99.999 %", 1e5),
    ];
    let x_max = (total.count() as f64).clamp(10.0, 1e5);
    let y = Axis::decades(micros(total.min()), micros(total.max()));
    let mut plot = Plot::new(
        "Latency by percentile",
        Axis::decades(1.0, x_max),
        y,
        duration,
    );
    let x_high = plot.x.high;
    for (text, x) in nines.into_iter().filter(|(_, x)| *x <= x_high) {
        plot.x_mark(x, text);
    }
    plot.x_title("percentile");
    let named = plan.operations().iter().zip(&stats.latency);
    let shown = named.filter(|(_, latency)| latency.count() > 0);
    for (row, ((name, latency), class)) in shown.zip(CURVES).enumerate() {
        let limit = (latency.count() as f64).clamp(1.0, 1e5);
        let steps = 120;
        let curve: Vec<(f64, f64)> = (0..=steps)
            .map(|step| limit.powf(f64::from(step) / f64::from(steps)))
            .map(|x| (x, micros(latency.percentile((1.0 - 1.0 / x) * 100.0))))
            .collect();
        plot.line(class, curve.into_iter());
        plot.key(&format!("key-{class}"), row as f64, name);
    }
    plot.end()
}

fn histogram_plot(total: &Histogram) -> String {
    const PER_DECADE: f64 = 20.0;
    let mut bars = std::collections::BTreeMap::new();
    for (highest, count) in total.filled() {
        let bar = (micros(highest).max(0.1).log10() * PER_DECADE).floor() as i64;
        *bars.entry(bar).or_insert(0u64) += count;
    }
    let x = Axis::decades(micros(total.min()), micros(total.max()));
    let y = Axis::linear(bars.values().copied().max().unwrap_or(1) as f64);
    let mut plot = Plot::new("Latency histogram", x, y, short);
    for (bar, count) in bars {
        let edge = |bar: i64| 10f64.powf(bar as f64 / PER_DECADE);
        let (left, right) = (plot.x_at(edge(bar)), plot.x_at(edge(bar + 1)));
        let top = plot.y_at(count as f64);
        let _ = write!(
            plot.svg,
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} to {}: {count}</title></rect>",
            (right - left - 1.0).max(1.0),
            (HEIGHT - BOTTOM - top).max(0.0),
            duration(edge(bar)),
            duration(edge(bar + 1))
        );
    }
    for mark in plot.x.marks() {
        plot.x_mark(mark, &duration(mark));
    }
    plot.x_title("latency; replies per bar");
    plot.end()
}

/// Throughput of the points; the last one covers only what the run lasted.
fn throughput_plot(outcome: &Outcome) -> String {
    let length = outcome.series.point_seconds();
    let end = outcome.elapsed.as_secs_f64();
    let rates: Vec<(f64, f64)> = outcome
        .series
        .points()
        .iter()
        .enumerate()
        .filter(|(index, _)| *index == 0 || (*index as f64 + 0.5) * length <= end)
        .map(|(index, point)| {
            let start = index as f64 * length;
            (start, ratio(point.count() as f64, length.min(end - start)))
        })
        .collect();
    let highest = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let mut plot = Plot::new(
        "Throughput over time",
        Axis::linear(end),
        Axis::linear(highest),
        short,
    );
    let mut steps = Vec::new();
    for (start, rate) in rates {
        steps.push((start, rate));
        steps.push(((start + length).min(end), rate));
    }
    plot.line("a", steps.into_iter());
    for mark in plot.x.marks() {
        plot.x_mark(mark, &round(mark));
    }
    plot.x_title("seconds; requests per second");
    plot.end()
}

fn latency_table(plan: &Plan, outcome: &Outcome) -> String {
    let mut table = String::from(
        "<div class=\"scroll\"><table><tr><th></th><th>count</th><th>min</th><th>mean</th>",
    );
    for (name, _) in PERCENTILES {
        let _ = write!(table, "<th>{name}</th>");
    }
    table.push_str("<th>max</th></tr>");
    let total = outcome.stats.total();
    let names = plan.operations().iter().copied();
    for (name, latency) in names
        .zip(&outcome.stats.latency)
        .chain([("total", &total)])
        .filter(|(_, latency)| latency.count() > 0)
    {
        let _ = write!(table, "<tr><td>{name}</td><td>{}</td>", latency.count());
        let _ = write!(
            table,
            "<td>{}</td><td>{}</td>",
            duration(micros(latency.min())),
            duration(latency.mean() / 1e3)
        );
        for (_, percentile) in PERCENTILES {
            let _ = write!(
                table,
                "<td>{}</td>",
                duration(micros(latency.percentile(percentile)))
            );
        }
        let _ = write!(table, "<td>{}</td></tr>", duration(micros(latency.max())));
    }
    table.push_str("</table></div>");
    table
}

/// The page.
pub fn page(plan: &Plan, outcome: &Outcome) -> String {
    let (stats, args) = (&outcome.stats, &plan.args);
    let seconds = outcome.elapsed.as_secs_f64();
    let replies = stats.replies() as f64;
    let server = escape(&plan.server());
    let mut facts = vec![
        (
            "Load",
            format!(
                "{}, {} connections, {} threads, pipeline {}, {}",
                plan.load_name(),
                args.connections,
                args.threads,
                args.pipeline,
                outcome.network
            ),
        ),
        (
            "Loop",
            args.rate.map_or("closed".into(), |rate| {
                format!(
                    "open, {rate} requests/s, {} due but not sent",
                    outcome.unsent
                )
            }),
        ),
        ("Requests", format!("{replies:.0} in {seconds:.2} s")),
        (
            "Requests per second",
            format!("{:.0}", ratio(replies, seconds)),
        ),
        (
            "Hit ratio",
            format!(
                "{:.2} %",
                ratio(stats.hits as f64, (stats.hits + stats.misses) as f64) * 100.0
            ),
        ),
        ("Errors", {
            let first = stats.first_error.iter();
            let first: String = first
                .map(|first| format!(", the first: {}", escape(first)))
                .collect();
            format!("{}{first}", stats.error_count())
        }),
        (
            "Client CPU per request",
            duration(ratio(outcome.cpu.as_nanos() as f64 / 1e3, replies)),
        ),
    ];
    if args.multi_get > 1 {
        facts.push((
            "Keys",
            format!(
                "{}, {} in each read, {:.0} per second",
                stats.keys,
                args.multi_get,
                ratio(stats.keys as f64, seconds)
            ),
        ));
    }
    if let Some(trace) = &args.trace {
        facts.push(("Trace", escape(trace)));
    }
    if args.verify.is_some() {
        facts.push((
            "Verified",
            format!("{} right, {} wrong", stats.verified, stats.wrong),
        ));
    }
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>loadgen: {server}</title>\
         <style>{STYLE}</style></head><body><h1>Load on {server}</h1>"
    );
    if let Some(failure) = &outcome.failure {
        let _ = write!(
            page,
            "<p class=\"wrong\">{}</p>",
            escape(&failure.to_string())
        );
    }
    page.push_str("<table>");
    for (name, value) in facts {
        let _ = write!(page, "<tr><td>{name}</td><td>{value}</td></tr>");
    }
    page.push_str("</table>");
    let _ = write!(page, "<h2>Latency</h2>{}", latency_table(plan, outcome));
    let _ = write!(
        page,
        "<h2>Latency by percentile</h2>{}",
        percentile_plot(plan, stats)
    );
    let _ = write!(
        page,
        "<h2>Latency histogram</h2>{}",
        histogram_plot(&stats.total())
    );
    let _ = write!(
        page,
        "<h2>Throughput over time</h2>{}",
        throughput_plot(outcome)
    );
    page.push_str("</body></html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_place_and_mark_values() {
        let axis = Axis::decades(15.0, 2_300.0);
        assert_eq!(axis.marks().len(), 4);
        assert!((axis.place(100.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(axis.place(1e9), 1.0);
        let linear = Axis::linear(100.0);
        assert_eq!(linear.marks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(duration(1_500.0), "1.5 ms");
        assert_eq!(duration(12.0), "12 µs");
        assert_eq!(short(100_000.0), "100k");
        assert_eq!(round(100.0), "100");
    }
}
