//! The sockets that a server listens on, for each shard its own: who may connect, and which family of protocols is spoken there.

use super::start::StartError;
use crate::config::{Bind, Config};
use crate::net::socket;
use crate::protocol::Dialect;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A listening socket of a shard.
pub struct Listener {
    /// The socket.
    pub source: Source,
    /// What is spoken there.
    pub dialect: Dialect,
}

/// Where requests come from.
pub enum Source {
    /// TCP connections.
    Tcp(OwnedFd),
    /// Connections at this path.
    Unix(OwnedFd, String),
    /// Datagrams.
    Udp(Arc<UdpSocket>),
}

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Source::Tcp(socket) | Source::Unix(socket, _) => socket.as_raw_fd(),
            Source::Udp(socket) => socket.as_raw_fd(),
        }
    }
}

fn listen_error(what: &str, error: &io::Error) -> StartError {
    StartError(match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            format!(
                "{what} is in use by another process; stop that one or choose another with --port, --memcached-port (0 for none), --bind or --unixsocket"
            )
        }
        Some(libc::EACCES) => {
            format!(
                "no permission to listen on {what}; choose a port above 1023 or a directory that may be written"
            )
        }
        Some(libc::EADDRNOTAVAIL) => {
            format!("{what} is not an address of this machine; correct --bind")
        }
        _ => format!("cannot listen on {what}: {error}"),
    })
}

/// For so long an address is tried that is in use: the kernel takes the sockets of a server that was killed back a while after it has gone.
const IN_USE_MAX: Duration = Duration::from_millis(500);
/// Between two tries.
const IN_USE_PAUSE: Duration = Duration::from_millis(10);

/// Opens something as soon as its address is free.
fn when_free<T>(open: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let began = Instant::now();
    loop {
        match open() {
            Err(error)
                if error.raw_os_error() == Some(libc::EADDRINUSE)
                    && began.elapsed() < IN_USE_MAX =>
            {
                std::thread::sleep(IN_USE_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// What follows an address in the words about it.
fn suffix(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Redis => "",
        Dialect::Memcached => " (memcached)",
    }
}

/// The listeners of every shard, and what they listen on.
pub struct Listeners {
    /// Of each shard.
    pub of_shards: Vec<Vec<Listener>>,
    /// Their addresses, in words.
    pub names: Vec<String>,
}

impl Listeners {
    /// Opens all that the configuration asks for.
    pub fn open(config: &Config, shards: usize) -> Result<Listeners, StartError> {
        let mut listeners = Listeners {
            of_shards: (0..shards).map(|_| Vec::new()).collect(),
            names: Vec::new(),
        };
        let backlog = config.tcp_backlog as i32;
        for (dialect, port) in [
            (Dialect::Redis, config.port),
            (Dialect::Memcached, config.memcached_port),
        ] {
            for bind in config.bind.iter().filter(|_| port != 0) {
                listeners.tcp(dialect, bind, port, backlog)?;
            }
        }
        for bind in config
            .bind
            .iter()
            .filter(|_| config.memcached_udp_port != 0)
        {
            listeners.udp(bind, config.memcached_udp_port)?;
        }
        for (dialect, path, mode) in [
            (Dialect::Redis, &config.unixsocket, config.unixsocketperm),
            (
                Dialect::Memcached,
                &config.memcached_unixsocket,
                config.memcached_unixsocketperm,
            ),
        ] {
            if let Some(path) = path {
                listeners.unix(dialect, path, mode, backlog)?;
            }
        }
        // Who asks for nothing at all knows that: an import.
        if listeners.names.is_empty() && config.listens() {
            return Err(StartError(
                "there is nothing to listen on; give --port, --bind or --unixsocket".into(),
            ));
        }
        Ok(listeners)
    }

    fn tcp(
        &mut self,
        dialect: Dialect,
        bind: &Bind,
        port: u16,
        backlog: i32,
    ) -> Result<(), StartError> {
        let address = SocketAddr::new(bind.address, port);
        let name = format!("{address}{}", suffix(dialect));
        self.on_each_shard(name, dialect, bind, |share_port| {
            socket::listen_tcp(&address, backlog, share_port).map(Source::Tcp)
        })
    }

    fn udp(&mut self, bind: &Bind, port: u16) -> Result<(), StartError> {
        let address = SocketAddr::new(bind.address, port);
        let dialect = Dialect::Memcached;
        let name = format!("udp:{address}{}", suffix(dialect));
        self.on_each_shard(name, dialect, bind, |share_port| {
            let socket = socket::bind_udp(&address, share_port)?;
            Ok(Source::Udp(Arc::new(socket)))
        })
    }

    /// Gives each shard a socket of its own on the same port.
    fn on_each_shard(
        &mut self,
        name: String,
        dialect: Dialect,
        bind: &Bind,
        open: impl Fn(bool) -> io::Result<Source>,
    ) -> Result<(), StartError> {
        // Without SO_REUSEPORT first: another server on this port, ours or not, is an error.
        let sources = when_free(|| open(false)).map(drop).and_then(|()| {
            let shards = self.of_shards.len();
            (0..shards)
                .map(|_| open(true))
                .collect::<io::Result<Vec<Source>>>()
        });
        match sources {
            Ok(sources) => {
                for (own, source) in self.of_shards.iter_mut().zip(sources) {
                    own.push(Listener { source, dialect });
                }
                self.names.push(name);
                Ok(())
            }
            Err(error)
                if bind.optional
                    && matches!(
                        error.raw_os_error(),
                        Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT)
                    ) =>
            {
                Ok(())
            }
            Err(error) => Err(listen_error(&name, &error)),
        }
    }

    fn unix(
        &mut self,
        dialect: Dialect,
        path: &str,
        mode: Option<u32>,
        backlog: i32,
    ) -> Result<(), StartError> {
        let socket = when_free(|| socket::listen_unix(Path::new(path), mode, backlog))
            .map_err(|error| listen_error(path, &error))?;
        self.names.push(format!("unix:{path}{}", suffix(dialect)));
        self.of_shards[0].push(Listener {
            source: Source::Unix(socket, path.to_string()),
            dialect,
        });
        Ok(())
    }
}
