//! The servers that the workloads run against, and what each can do: asked of the server, so that a workload begins to run when its command appears.

use crate::history::Order;
use crate::support::reply::Reply;
use crate::support::server::{Server, tested_is_torc};
use std::net::{Ipv4Addr, SocketAddr};

/// What a server can do.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// MULTI, EXEC and WATCH.
    pub exec: bool,
    pub eval: bool,
    /// Commands on keys of several shards take effect at one point in time.
    pub isolates: bool,
    /// What a connection that sends several requests at once may rely on.
    pub order: Order,
}

/// A running server.
pub struct Subject {
    pub server: Server,
    pub abilities: Abilities,
}

impl Subject {
    /// The tested program with so many shards. Isolation across shards is there when transactions are, or when `TORC_TEST_ISOLATION=1` says so.
    pub fn tested(shards: usize) -> Subject {
        let mut subject = Subject::of(Server::start_with_shards(shards, &[]));
        if tested_is_torc() {
            subject.abilities.order = Order::Writes;
        }
        let is_said = std::env::var("TORC_TEST_ISOLATION").as_deref() == Ok("1");
        subject.abilities.isolates =
            subject.abilities.exec || shards == 1 || !tested_is_torc() || is_said;
        subject
    }

    /// A redis-server, which has all of this, or None where there is none.
    pub fn redis() -> Option<Subject> {
        Server::start_redis(&[]).map(Subject::of)
    }

    fn of(server: Server) -> Subject {
        let known = server.client().words("COMMAND INFO exec eval");
        let has = |number: usize| {
            known
                .elements()
                .get(number)
                .is_some_and(|row| *row != Reply::Null)
        };
        let abilities = Abilities {
            exec: has(0),
            eval: has(1),
            isolates: true,
            order: Order::All,
        };
        println!("{abilities:?}");
        Subject { server, abilities }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port).into()
    }
}
