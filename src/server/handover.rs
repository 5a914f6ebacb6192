//! A connection on its way to another shard: few connections spread badly over SO_REUSEPORT, so the shard that accepts one gives it to the
//! shard that has the fewest.

use super::connection::Peer;
use super::service::Service;
use crate::protocol::Dialect;
use crate::shard::operation::Envelope;
use std::os::fd::OwnedFd;

/// A connection nothing was read from yet.
#[derive(Debug)]
pub struct Handover {
    /// The socket.
    pub socket: OwnedFd,
    /// Where it comes from.
    pub peer: Peer,
    /// What it speaks.
    pub dialect: Dialect,
}

impl Service {
    /// Gives a connection to another shard.
    pub fn hand_over(&mut self, target: usize, handover: Handover) {
        self.message_to(target)
            .envelopes
            .push(Envelope::Server(Box::new(handover)));
        self.metrics.connections_handed_over += 1;
    }
}
