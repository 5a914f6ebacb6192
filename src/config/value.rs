//! Values as text: reading them, with redis-server's error messages, and writing them.

use super::types::{Bind, ClientsLimit, OutputLimit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The units of memory sizes: those with a `b` are powers of 1024, those without powers of 1000, as in Redis.
const UNITS: &[(&str, u64)] = &[
    ("gb", 1 << 30),
    ("mb", 1 << 20),
    ("kb", 1 << 10),
    ("g", 1_000_000_000),
    ("m", 1_000_000),
    ("k", 1000),
    ("b", 1),
    ("", 1),
];

/// An integer of a range.
pub fn integer(text: &str, min: i64, max: i64) -> Result<i64, String> {
    let value: i64 = match text.strip_prefix('+') {
        None => text.parse().ok(),
        Some(_) => None,
    }
    .ok_or("argument couldn't be parsed into an integer")?;
    if !(min..=max).contains(&value) {
        return Err(format!(
            "argument must be between {min} and {max} inclusive"
        ));
    }
    Ok(value)
}

/// A memory size such as `100mb`, of any magnitude.
fn memory_unbounded(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS
        .iter()
        .find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A memory size of a range.
pub fn memory(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let value = memory_unbounded(text).ok_or("argument must be a memory value")?;
    if !(min..=max).contains(&value) {
        return Err(format!(
            "argument must be between {min} and {max} inclusive"
        ));
    }
    Ok(value)
}

/// A memory size as CONFIG REWRITE and the documentation show it.
pub fn memory_text(value: u64) -> String {
    match UNITS
        .iter()
        .take(3)
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))
    {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => value.to_string(),
    }
}

/// `yes` or `no`.
pub fn yes_no(text: &str) -> Result<bool, String> {
    if text.eq_ignore_ascii_case("yes") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("no") {
        Ok(false)
    } else {
        Err("argument must be 'yes' or 'no'".to_string())
    }
}

/// The text of a truth value.
pub fn yes_no_text(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The index of a name.
pub fn choice(text: &str, names: &[&str]) -> Result<usize, String> {
    names
        .iter()
        .position(|name| text.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            format!(
                "argument(s) must be one of the following: {}",
                names.join(", ")
            )
        })
}

/// A mode of `unixsocketperm`; 0 leaves it to the umask, as in Redis.
pub fn octal(text: &str) -> Result<Option<u32>, String> {
    let mode = u32::from_str_radix(text, 8)
        .map_err(|_| "argument couldn't be parsed as an octal number")?;
    if mode > 0o777 {
        return Err("argument must be between 0 and 777 inclusive".to_string());
    }
    Ok((mode != 0).then_some(mode))
}

/// One address of `bind`.
pub fn bind(text: &str) -> Result<Bind, String> {
    let (optional, address) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let address = match address {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => address
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_err(|_| format!("'{text}' is not an IP address; give addresses, * or ::*"))?,
    };
    Ok(Bind { address, optional })
}

/// The text of one address of `bind`.
pub fn bind_text(bind: &Bind) -> String {
    let address = match bind.address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => "*".to_string(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => "::*".to_string(),
        address => address.to_string(),
    };
    if bind.optional {
        format!("-{address}")
    } else {
        address
    }
}

/// A memory size, or a percentage of `maxmemory`.
pub fn clients_limit(text: &str) -> Result<ClientsLimit, String> {
    let Some(number) = text.strip_suffix('%') else {
        return memory(text, 0, i64::MAX as u64)
            .map(ClientsLimit::Bytes)
            .map_err(|_| "argument must be a memory or percent value".to_string());
    };
    match number.parse::<u32>() {
        Ok(percent @ 0..=100) => Ok(ClientsLimit::Percent(percent as u8)),
        Ok(_) => Err("percentage argument must be less or equal to 100".to_string()),
        Err(_) => Err("argument must be a memory or percent value".to_string()),
    }
}

/// The text of `maxmemory-clients`.
pub fn clients_limit_text(limit: ClientsLimit) -> String {
    match limit {
        ClientsLimit::Bytes(bytes) => bytes.to_string(),
        ClientsLimit::Percent(percent) => format!("{percent}%"),
    }
}

/// Hard limit, soft limit and seconds of one class of `client-output-buffer-limit`.
pub fn output_limit(hard: &str, soft: &str, seconds: &str) -> Result<OutputLimit, String> {
    let limit = || {
        Some(OutputLimit {
            hard_bytes: memory_unbounded(hard)?,
            soft_bytes: memory_unbounded(soft)?,
            soft_seconds: seconds.parse::<u32>().ok()?.into(),
        })
    };
    limit().ok_or_else(|| {
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_string()
    })
}

/// Cores such as `0-3,6`, in the order given.
pub fn cpu_list(text: &str) -> Result<Vec<usize>, String> {
    let mut cores = Vec::new();
    if text.is_empty() {
        return Ok(cores);
    }
    let wrong = || format!("'{text}' is no list of cores such as 0-3,6, each core once");
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.parse().map_err(|_| wrong())?;
        let last: usize = last.parse().map_err(|_| wrong())?;
        if first > last || last >= CORES_MAX {
            return Err(wrong());
        }
        for core in first..=last {
            if cores.contains(&core) {
                return Err(wrong());
            }
            cores.push(core);
        }
    }
    Ok(cores)
}

/// One more than the highest core number that the system's sets of cores have room for.
const CORES_MAX: usize = 1024;

/// The text of a list of cores, with ranges where they are shorter.
pub fn cpu_list_text(cores: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &core in cores {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == core => *last = core,
            _ => parts.push((core, core)),
        }
    }
    let texts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_sizes() {
        let table = [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("1KB", Some(1024)),
            ("2m", Some(2_000_000)),
            ("2mb", Some(2 << 20)),
            ("3Gb", Some(3 << 30)),
            ("3g", Some(3_000_000_000)),
            ("5b", Some(5)),
            ("", None),
            ("-1", None),
            ("1x", None),
            (" 1", None),
            ("1 mb", None),
            ("99999999999gb", None),
            ("mb", None),
        ];
        for (text, expected) in table {
            assert_eq!(memory(text, 0, u64::MAX).ok(), expected, "{text:?}");
        }
        assert_eq!(
            memory("1k", 1 << 20, 1 << 30),
            Err("argument must be between 1048576 and 1073741824 inclusive".into())
        );
    }

    #[test]
    fn integers() {
        assert_eq!(integer("65535", 0, 65535), Ok(65535));
        assert_eq!(
            integer("65536", 0, 65535),
            Err("argument must be between 0 and 65535 inclusive".into())
        );
        for text in ["", "abc", "1.5", "+1", " 1", "1kb"] {
            assert_eq!(
                integer(text, 0, 10),
                Err("argument couldn't be parsed into an integer".into()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn addresses() {
        for text in ["127.0.0.1", "-::1", "*", "-::*", "::1", "-10.0.0.1"] {
            assert_eq!(
                bind(text).map(|bind| bind_text(&bind)),
                Ok(text.to_string())
            );
        }
        assert!(bind("localhost").is_err());
        assert!(bind("").is_err());
    }

    #[test]
    fn lists_of_cores() {
        for (text, cores) in [
            ("", vec![]),
            ("3", vec![3]),
            ("0-3,6", vec![0, 1, 2, 3, 6]),
            ("6,0-1", vec![6, 0, 1]),
        ] {
            assert_eq!(cpu_list(text), Ok(cores.clone()));
            assert_eq!(cpu_list_text(&cores), text);
        }
        for text in [
            "a",
            "3-1",
            "0-",
            "-1",
            "0,,1",
            "1,0-2",
            "0-1024",
            "0-99999999999",
        ] {
            assert!(cpu_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_rest() {
        assert_eq!(octal("700"), Ok(Some(0o700)));
        assert_eq!(octal("0"), Ok(None));
        assert!(octal("999").is_err() && octal("1000").is_err());
        assert_eq!(clients_limit("5%"), Ok(ClientsLimit::Percent(5)));
        assert_eq!(clients_limit("1kb"), Ok(ClientsLimit::Bytes(1024)));
        assert_eq!(
            clients_limit("101%"),
            Err("percentage argument must be less or equal to 100".into())
        );
        assert!(clients_limit("x%").is_err());
    }

    proptest! {
        #[test]
        fn memory_text_reads_back(value in any::<u64>(), shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(memory(&memory_text(value), 0, u64::MAX), Ok(value));
        }
        #[test]
        fn nothing_panics(text in ".{0,30}") {
            let _ = (integer(&text, 0, 5), memory(&text, 0, 5), octal(&text), bind(&text), clients_limit(&text), cpu_list(&text));
        }
    }
}
