//! RDB files and append-only directories, against a real redis-server: what it writes is read here, what is written here it loads. No torc server runs;
//! the library's own functions are compared. Whatever redis-server is the first of the path is taken, from version 7.0 on; Valkey's, under that name, too.

#[path = "../support/mod.rs"]
mod support;

mod data;
mod keyspace;
mod log;
mod old;
mod snapshot;

use keyspace::*;
use std::path::Path;
use support::client::Client;
use support::server::Server;

/// One request; every argument as bytes.
macro_rules! call {
    ($client:expr, $($argument:expr),+ $(,)?) => {
        $client.call(&[$(AsRef::<[u8]>::as_ref(&$argument)),+])
    };
}
use call;

/// A redis-server that loads what is in this directory.
fn start_with(directory: &Path, directives: &[(&str, &str)]) -> Server {
    let path = directory.to_str().expect("a path in UTF-8");
    let all = [
        &[("dir", path), ("enable-debug-command", "yes")],
        directives,
    ]
    .concat();
    Server::start_redis(&all).expect("it was there before")
}

/// The fingerprint of all a redis-server's keys.
fn digest(client: &mut Client) -> String {
    call!(client, "DEBUG", "DIGEST").text()
}
