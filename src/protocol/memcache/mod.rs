//! memcached's protocols: requests in. Replies are lines that the commands write themselves.

pub mod base64;
pub mod number;
pub mod text;
pub mod verb;

pub use verb::{Invalid, Verb};

#[cfg(test)]
mod text_tests;
