//! What scripts and functions say of themselves: `#!lua flags=...` in a script's first line, and the flags of functions.

/// A set of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFlags(u8);

/// The names of flags, in the order of their bits.
const NAMES: [&str; 5] = [
    "no-writes",
    "allow-oom",
    "allow-stale",
    "no-cluster",
    "allow-cross-slot-keys",
];

impl ScriptFlags {
    /// Calls no command that writes.
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    /// May run when the memory is full.
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(2);
    /// May run on a replica without its master.
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(4);
    /// Does not run in a cluster.
    pub const NO_CLUSTER: ScriptFlags = ScriptFlags(8);
    /// May access keys of several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: ScriptFlags = ScriptFlags(16);
    /// The script has no first line with flags, and is treated as those before there were any: what each command needs is looked at when it is called.
    pub const UNDECLARED: ScriptFlags = ScriptFlags(128);

    /// The flag of that name.
    pub fn named(name: &[u8]) -> Option<ScriptFlags> {
        let place = NAMES.iter().position(|known| known.as_bytes() == name)?;
        Some(ScriptFlags(1 << place))
    }

    /// Both sets together.
    pub fn with(self, other: ScriptFlags) -> ScriptFlags {
        ScriptFlags(self.0 | other.0)
    }

    /// Whether all of these are in it.
    pub fn has(self, flags: ScriptFlags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The names of the flags in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES
            .iter()
            .enumerate()
            .filter(move |(place, _)| self.0 >> place & 1 == 1)
            .map(|(_, name)| *name)
    }
}

/// The flags of a script and where its text begins: at the end of its first line, so that lines keep their numbers. The error is the reply's text.
pub fn flags_of(source: &[u8]) -> Result<(ScriptFlags, usize), Vec<u8>> {
    if !source.starts_with(b"#!") {
        return Ok((ScriptFlags::UNDECLARED, 0));
    }
    let Some(end) = source.iter().position(|byte| *byte == b'\n') else {
        return Err(b"ERR Invalid script shebang".to_vec());
    };
    let mut words = source[..end]
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err([b"ERR Unexpected engine in script shebang: ", engine].concat());
    }
    let mut flags = ScriptFlags::default();
    for word in words {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err([b"ERR Unknown lua shebang option: ", word].concat());
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|byte| *byte == b',') {
            let Some(flag) = ScriptFlags::named(name) else {
                return Err([b"ERR Unexpected flag in script shebang: ", name].concat());
            };
            flags = flags.with(flag);
        }
    }
    Ok((flags, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_first_line() {
        assert_eq!(flags_of(b"return 1"), Ok((ScriptFlags::UNDECLARED, 0)));
        let (flags, end) =
            flags_of(b"#!lua  flags=no-writes flags=allow-oom \nreturn 1").expect("flags");
        assert_eq!(
            flags.names().collect::<Vec<_>>(),
            ["no-writes", "allow-oom"]
        );
        assert_eq!(end, 39);
        assert!(flags.has(ScriptFlags::NO_WRITES) && !flags.has(ScriptFlags::NO_CLUSTER));
        assert_eq!(flags_of(b"#!lua\n"), Ok((ScriptFlags::default(), 5)));
        for (source, text) in [
            (
                "#!lua flags=nope\n",
                "ERR Unexpected flag in script shebang: nope",
            ),
            (
                "#!lua flags=no-writes,\n",
                "ERR Unexpected flag in script shebang: ",
            ),
            (
                "#!luax\n",
                "ERR Unexpected engine in script shebang: #!luax",
            ),
            ("#!lua xx=1\n", "ERR Unknown lua shebang option: xx=1"),
            ("#!lua flags=no-writes", "ERR Invalid script shebang"),
        ] {
            assert_eq!(flags_of(source.as_bytes()), Err(text.as_bytes().to_vec()));
        }
    }
}
