//! One row per command of memcached's text protocol, the meta commands and the refusals included.
//!
//! The decision worth knowing: no row has DENYOOM, because memcached's refusal has a text of its own: the handlers make room themselves.

use super::{meta, text};
use crate::command::table::{Command, KeySpec, categories, flags, key_flags};
use crate::command::{CommandError, Context, Handler, Route, ServerCommand, Split};
use crate::protocol::memcache::{Invalid, Verb};

const READ: u32 = flags::READONLY | flags::FAST;
const WRITE: u32 = flags::WRITE | flags::FAST;
const STRING: u32 = categories::STRING;
const READS: u32 = key_flags::RO | key_flags::ACCESS;
const CHANGES: u32 = key_flags::RW | key_flags::UPDATE;

const READS_ONE: &[KeySpec] = &[KeySpec::new(READS, 1, 0, 1, "")];
const READS_ALL: &[KeySpec] = &[KeySpec::new(READS, 1, -1, 1, "")];
const TOUCHES_ALL: &[KeySpec] = &[KeySpec::new(CHANGES, 2, -1, 1, "")];
const CHANGES_ONE: &[KeySpec] = &[KeySpec::new(CHANGES, 1, 0, 1, "")];

const KEYS: Route = Route::Keys(Split::Never);
const EACH: Route = Route::Keys(Split::Each);

/// A command that changes its one key.
const fn write(name: &'static str, arity: i8, handler: Handler) -> Command {
    Command::data(name, arity, KEYS, handler)
        .flags(WRITE, STRING)
        .keys(1, 1, 1, CHANGES_ONE)
}

/// A command that fetches all of its keys.
const fn fetch(name: &'static str, handler: Handler) -> Command {
    Command::data(name, -2, EACH, handler)
        .flags(READ, STRING)
        .keys(1, -1, 1, READS_ALL)
}

/// A command that fetches all of its keys and sets their expiry.
const fn fetch_and_touch(name: &'static str, handler: Handler) -> Command {
    Command::data(name, -3, EACH, handler)
        .flags(WRITE, STRING)
        .keys(2, -1, 1, TOUCHES_ALL)
}

const fn server(name: &'static str) -> Command {
    Command::server(name, -1, ServerCommand::Memcache)
}

const fn refusal(name: &'static str, handler: Handler) -> Command {
    Command::data(name, -1, Route::Anywhere, handler).flags(flags::FAST | flags::NO_AUTH, 0)
}

macro_rules! refusals {
    ($($name:ident $invalid:ident),*) => {
        $(fn $name(context: &mut Context<'_>) -> Result<(), CommandError> {
            context.reply.bytes.extend_from_slice(Invalid::$invalid.line().as_bytes());
            Ok(())
        })*
    };
}

refusals!(
    error Error, bad_format BadFormat, bad_chunk BadChunk, bad_termination BadTermination, delete_usage DeleteUsage, exptime Exptime, no_keys NoKeys,
    bad_key BadKey, bad_flag BadFlag, flags_are_too_long FlagsAreTooLong, flags_too_long FlagsTooLong, out_of_memory OutOfMemory,
    unauthenticated Unauthenticated, silent Silent
);

/// The row of the first refusal; they are in the order of [`Invalid::ALL`].
const REFUSALS: usize = 33;
/// The row of the first part.
const PARTS: usize = REFUSALS + Invalid::ALL.len();

/// All rows: the verbs in the order of their declaration, the refusals, and the parts that a fetch from several shards is made of.
pub static MEMCACHE_COMMANDS: &[Command] = &[
    fetch("memcache|get", text::get),
    fetch("memcache|gets", text::gets),
    fetch_and_touch("memcache|gat", text::gat),
    fetch_and_touch("memcache|gats", text::gats),
    write("memcache|set", -6, text::set),
    write("memcache|add", -6, text::add),
    write("memcache|replace", -6, text::replace),
    write("memcache|append", -6, text::append),
    write("memcache|prepend", -6, text::prepend),
    write("memcache|cas", -7, text::cas),
    write("memcache|incr", -3, text::incr),
    write("memcache|decr", -3, text::decr),
    write("memcache|delete", -2, text::delete),
    write("memcache|touch", -3, text::touch),
    // It can vivify and touch, so it writes.
    write("memcache|mg", -2, meta::get),
    write("memcache|ms", -4, meta::set),
    write("memcache|md", -2, meta::delete),
    write("memcache|ma", -2, meta::arithmetic),
    Command::data("memcache|me", -2, KEYS, meta::debug)
        .flags(READ, STRING)
        .keys(1, 1, 1, READS_ONE),
    Command::data("memcache|mn", -1, Route::Anywhere, meta::noop).flags(flags::FAST, 0),
    server("memcache|flush_all"),
    server("memcache|stats"),
    server("memcache|version"),
    server("memcache|verbosity"),
    server("memcache|cache_memlimit"),
    server("memcache|shutdown"),
    server("memcache|quit"),
    server("memcache|watch"),
    server("memcache|lru"),
    server("memcache|lru_crawler"),
    server("memcache|slabs"),
    server("memcache|refresh_certs"),
    server("memcache|authenticate").flags(flags::FAST | flags::NO_AUTH, 0),
    refusal("memcache|error", error),
    refusal("memcache|bad_format", bad_format),
    refusal("memcache|bad_chunk", bad_chunk),
    refusal("memcache|bad_termination", bad_termination),
    refusal("memcache|delete_usage", delete_usage),
    refusal("memcache|exptime", exptime),
    refusal("memcache|no_keys", no_keys),
    refusal("memcache|bad_key", bad_key),
    refusal("memcache|bad_flag", bad_flag),
    refusal("memcache|flags_are_too_long", flags_are_too_long),
    refusal("memcache|flags_too_long", flags_too_long),
    refusal("memcache|too_large", text::too_large),
    write("memcache|too_large_remove", -2, text::too_large_remove),
    refusal("memcache|out_of_memory", out_of_memory),
    refusal("memcache|unauthenticated", unauthenticated),
    refusal("memcache|silent", silent),
    fetch("memcache|get_part", text::get_part),
    fetch("memcache|gets_part", text::gets_part),
    fetch_and_touch("memcache|gat_part", text::gat_part),
    fetch_and_touch("memcache|gats_part", text::gats_part),
];

/// The row of a verb.
#[inline]
pub fn row(verb: Verb) -> &'static Command {
    let index = match verb {
        Verb::Get => 0,
        Verb::Gets => 1,
        Verb::Gat => 2,
        Verb::Gats => 3,
        Verb::Set => 4,
        Verb::Add => 5,
        Verb::Replace => 6,
        Verb::Append => 7,
        Verb::Prepend => 8,
        Verb::Cas => 9,
        Verb::Incr => 10,
        Verb::Decr => 11,
        Verb::Delete => 12,
        Verb::Touch => 13,
        Verb::MetaGet => 14,
        Verb::MetaSet => 15,
        Verb::MetaDelete => 16,
        Verb::MetaArithmetic => 17,
        Verb::MetaDebug => 18,
        Verb::MetaNoop => 19,
        Verb::FlushAll => 20,
        Verb::Stats => 21,
        Verb::Version => 22,
        Verb::Verbosity => 23,
        Verb::CacheMemlimit => 24,
        Verb::Shutdown => 25,
        Verb::Quit => 26,
        Verb::Watch => 27,
        Verb::Lru => 28,
        Verb::LruCrawler => 29,
        Verb::Slabs => 30,
        Verb::RefreshCerts => 31,
        Verb::Authenticate => 32,
        Verb::Invalid(invalid) => REFUSALS + invalid as usize,
    };
    &MEMCACHE_COMMANDS[index]
}

/// The row that fetches one key of `row`'s and writes no `END`, for a request whose keys lie on several shards; None for rows with one key.
pub fn part_of(row: &Command) -> Option<&'static Command> {
    let fetches = &MEMCACHE_COMMANDS[..4];
    let index = fetches.iter().position(|fetch| std::ptr::eq(fetch, row))?;
    Some(&MEMCACHE_COMMANDS[PARTS + index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Run;

    #[test]
    fn every_verb_has_its_row() {
        use Verb::*;
        let verbs = [
            Get,
            Gets,
            Gat,
            Gats,
            Set,
            Add,
            Replace,
            Append,
            Prepend,
            Cas,
            Incr,
            Decr,
            Delete,
            Touch,
            MetaGet,
            MetaSet,
            MetaDelete,
            MetaArithmetic,
            MetaDebug,
            MetaNoop,
            FlushAll,
            Stats,
            Version,
            Verbosity,
            CacheMemlimit,
            Shutdown,
            Quit,
            Watch,
            Lru,
            LruCrawler,
            Slabs,
            RefreshCerts,
            Authenticate,
        ];
        assert_eq!(verbs.len(), REFUSALS);
        let plain = |text: &str| text.replace(['_', '(', ')'], "").to_lowercase();
        for (index, verb) in verbs
            .into_iter()
            .chain(super::Invalid::ALL.map(Verb::Invalid))
            .enumerate()
        {
            assert!(
                std::ptr::eq(row(verb), &MEMCACHE_COMMANDS[index]),
                "{verb:?}"
            );
            let name = plain(row(verb).name.strip_prefix("memcache|").expect("a prefix"));
            let expected = match verb {
                MetaGet => "mg".into(),
                MetaSet => "ms".into(),
                MetaDelete => "md".into(),
                MetaArithmetic => "ma".into(),
                MetaDebug => "me".into(),
                MetaNoop => "mn".into(),
                Invalid(invalid) => plain(&format!("{invalid:?}")),
                verb => plain(&format!("{verb:?}")),
            };
            assert_eq!(name, expected);
        }
        for verb in [Get, Gets, Gat, Gats] {
            let part = part_of(row(verb)).expect("a part");
            assert_eq!(part.name, format!("{}_part", row(verb).name));
            assert!(part_of(part).is_none());
        }
        assert!(part_of(row(Set)).is_none());
        assert_eq!(MEMCACHE_COMMANDS.len(), PARTS + 4);
        assert!(
            MEMCACHE_COMMANDS
                .iter()
                .all(|row| row.flags & flags::DENYOOM == 0)
        );
        assert!(matches!(
            row(Stats).run,
            Run::Server(ServerCommand::Memcache)
        ));
    }
}
