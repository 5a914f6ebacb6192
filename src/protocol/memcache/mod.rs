//! memcached's protocols: requests in, and the binary replies out. The replies in text are lines that the commands write themselves.

pub mod base64;
pub mod binary;
pub mod binary_reply;
pub mod number;
pub mod sasl;
pub mod text;
pub mod verb;

pub use verb::{Invalid, Verb};

#[cfg(test)]
mod text_tests;
