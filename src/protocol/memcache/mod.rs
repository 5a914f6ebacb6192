//! memcached's protocols: requests in, replies out.

pub mod binary;
pub mod sasl;
