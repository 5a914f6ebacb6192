//! memcached's protocols: requests in, replies out.

pub mod binary;
pub mod binary_reply;
pub mod sasl;
