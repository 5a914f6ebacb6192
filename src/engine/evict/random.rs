//! Random eviction: no memory, no bookkeeping.

use super::Candidates;
use super::sample::Scope;
use crate::engine::Item;

/// Any item of the scope.
pub fn victim<C: Candidates>(candidates: &mut C, scope: Scope) -> Option<Item> {
    scope.random(candidates)
}
