//! Generators of operations on the types of values other than strings. With `TORC_TEST_FAMILY` set they are
//! nearly all that is tested.

mod hash;
mod list;
mod stream;

use crate::generate::Builder;

/// An operation on some type.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(3) {
        0 => hash::choose(builder),
        1 => list::choose(builder),
        _ => stream::choose(builder),
    }
}

/// Whether most operations are to be of these.
pub fn is_alone() -> bool {
    static ALONE: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| std::env::var_os("TORC_TEST_FAMILY").is_some());
    *ALONE
}
