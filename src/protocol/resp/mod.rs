//! RESP2 and RESP3: requests in, replies out.

mod parser;
mod reply;

pub use parser::{ParseError, Parser, Step};
pub use reply::{Protocol, Reply};
