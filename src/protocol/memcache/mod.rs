//! memcached's protocols: requests in. Replies are written by the commands themselves.

pub mod base64;
pub mod binary;
pub mod binary_reply;
pub mod number;
pub mod sasl;
pub mod text;
#[cfg(test)]
mod text_tests;
pub mod verb;

pub use verb::{Invalid, Verb};
