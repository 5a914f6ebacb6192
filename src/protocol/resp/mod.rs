//! RESP2 and RESP3: requests in, replies out.

mod inline;
mod parser;
pub mod reader;
mod reply;

pub use parser::{ParseError, Parser, Step};
pub use reply::{Protocol, Reply};

#[cfg(test)]
mod large_tests;
