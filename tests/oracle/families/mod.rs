//! Generators of operations on the types of values other than strings. With `TORC_TEST_FAMILY` set they are
//! nearly all that is tested.

mod any;
mod chance;
mod geo;
mod hash;
mod hyperloglog;
pub mod life;
mod list;
mod set;
mod sort;
mod stream;

use crate::generate::Builder;

/// An operation on some type.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=12 => hash::choose(builder),
        13..=25 => list::choose(builder),
        26..=38 => stream::choose(builder),
        39..=53 => set::choose(builder),
        54..=59 => hyperloglog::choose(builder),
        60..=69 => geo::choose(builder),
        70..=78 => sort::choose(builder),
        79..=86 => chance::choose(builder),
        _ => any::choose(builder),
    }
}

/// Whether most operations are to be of these.
pub fn is_alone() -> bool {
    static ALONE: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| std::env::var_os("TORC_TEST_FAMILY").is_some());
    *ALONE
}
