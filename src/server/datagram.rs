//! memcached's protocols over UDP: a datagram is a connection that lives for its requests.
//!
//! A datagram begins with eight bytes: the client's number for the request, the datagram's number in the request, the count of datagrams in it, and
//! two reserved bytes, in network order (memcached's protocol.txt, "UDP protocol"). A request has to fit one; a reply takes as many as it needs.
//! Never: retries; what is lost is lost.

use super::connection::{Peer, Socket, State};
use super::service::Service;
use crate::limits::DATAGRAM_REPLY_BYTES_MAX;
use crate::net::Outgoing;
use crate::protocol::Dialect;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const HEADER_BYTES: usize = 8;
const SEVERAL: &[u8] = b"SERVER_ERROR multi-packet request not supported\r\n";

fn header(request: u16, number: u16, count: u16) -> [u8; HEADER_BYTES] {
    let [a, b] = request.to_be_bytes();
    let [c, d] = number.to_be_bytes();
    let [e, f] = count.to_be_bytes();
    [a, b, c, d, e, f, 0, 0]
}

impl Service {
    /// Executes the requests of a datagram. One that is too short for its header is dropped, as is what is not a whole request.
    pub fn take_datagram(&mut self, socket: &Arc<UdpSocket>, remote: SocketAddr, bytes: &[u8]) {
        let Some((head, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return;
        };
        let request = u16::from_be_bytes([head[0], head[1]]);
        let count = u16::from_be_bytes([head[4], head[5]]);
        let Ok(local) = socket.local_addr() else {
            return;
        };
        let peer = Peer::Udp { remote, local };
        let refused = self.shared.connections_total() >= self.config.maxclients
            || self
                .protected_mode_refusal(&peer, Dialect::Memcached)
                .is_some();
        if refused {
            self.metrics.rejected_connections += 1;
            return;
        }
        self.metrics.bytes_received += bytes.len() as u64;
        self.shared.connections[self.shard.id]
            .0
            .fetch_add(1, Ordering::Relaxed);
        let listener = socket.clone();
        let socket = Socket::Datagram { listener, request };
        let token = self.add_connection(socket, peer, Dialect::Memcached);
        if count == 1 {
            self.feed(token.index, body);
        }
        let Some(connection) = self.connection(token) else {
            return;
        };
        if count != 1 {
            connection.replies.writer().bytes.extend_from_slice(SEVERAL);
        }
        // What stalls goes on as replies leave; what is incomplete never will be whole.
        connection.ended = true;
        self.list(token.index);
    }

    /// Sends all that a datagram's connection is owed.
    pub fn send_datagrams(&mut self, index: u32, request: u16) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let (bytes, large) = connection.replies.take_ready();
        let (Socket::Datagram { listener, .. }, Peer::Udp { remote, .. }) =
            (&connection.socket, &connection.session.peer)
        else {
            unreachable!("datagrams are sent for datagrams")
        };
        let whole = Outgoing { bytes, large }.joined();
        let parts = whole.chunks(DATAGRAM_REPLY_BYTES_MAX - HEADER_BYTES);
        let Ok(count) = u16::try_from(parts.len()) else {
            // More than the header can count: the client times out, and asks over TCP.
            connection.state = State::Closed;
            return;
        };
        for (number, part) in parts.enumerate() {
            let head = header(request, number as u16, count);
            // A datagram that cannot be sent now is lost, as any may be.
            let _ = listener.send_to(&[&head, part].concat(), remote);
        }
        self.metrics.bytes_sent += whole.len() as u64;
        self.list(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_in_network_order() {
        assert_eq!(header(0x0102, 3, 0x0405), [1, 2, 0, 3, 4, 5, 0, 0]);
    }
}
