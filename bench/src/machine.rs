//! What a result was measured on: processor, memory, kernel. Never a host name or a path.

use serde_json::{Value, json};
use std::fs;

/// The release of the running kernel.
pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

/// The description.
pub fn describe() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let (model, cores) = processor(&cpuinfo);
    json!({
        "cpu_model": model,
        "cores": cores,
        "memory_mib": memory_mib(&meminfo),
        "kernel": kernel(),
        "architecture": std::env::consts::ARCH,
    })
}

/// Model and number of cores of a /proc/cpuinfo.
fn processor(text: &str) -> (String, usize) {
    let fields = || {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
    };
    let model = fields()
        .find(|(name, _)| *name == "model name")
        .map_or("unknown", |(_, value)| value);
    (
        model.into(),
        fields().filter(|(name, _)| *name == "processor").count(),
    )
}

fn memory_mib(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpuinfo_and_meminfo() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu\n\nprocessor\t: 1\nmodel name\t: Some CPU @ 2 GHz\n";
        assert_eq!(processor(text), ("Some CPU @ 2 GHz".into(), 2));
        assert_eq!(processor(""), ("unknown".into(), 0));
        assert_eq!(
            memory_mib("MemTotal:       24683904 kB\nMemFree: 1 kB\n"),
            Some(24105)
        );
    }
}
