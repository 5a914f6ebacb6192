//! Opens connections and logs in, blocking: failures are found here, one clear sentence each.

use crate::args::Plan;
use crate::error::{Error, Result};
use crate::protocol::{Asked, Operation, Protocol, Reply, ReplyReader};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// An open connection.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    /// How long connecting took, without the login.
    pub connect_ns: u64,
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

fn connect_tcp(plan: &Plan, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (plan.args.host.as_str(), plan.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Opens one connection and logs in.
pub fn open<P: Protocol>(plan: &Plan, protocol: &P) -> Result<Socket> {
    let timeout = Duration::from_secs_f64(plan.args.timeout);
    let failed = |error: io::Error| {
        let what = match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => "connection refused".into(),
            _ => error.to_string(),
        };
        Error::run(format!("cannot connect to {}: {what}", plan.server()))
    };
    let start = Instant::now();
    match &plan.args.unixsocket {
        Some(path) => {
            let stream = UnixStream::connect(path).map_err(failed)?;
            let connect_ns = start.elapsed().as_nanos() as u64;
            stream.set_read_timeout(Some(timeout)).map_err(failed)?;
            log_in(plan, protocol, &stream)?;
            Ok(Socket {
                descriptor: stream.into(),
                connect_ns,
            })
        }
        None => {
            let stream = connect_tcp(plan, timeout).map_err(failed)?;
            let connect_ns = start.elapsed().as_nanos() as u64;
            stream.set_read_timeout(Some(timeout)).map_err(failed)?;
            log_in(plan, protocol, &stream)?;
            Ok(Socket {
                descriptor: stream.into(),
                connect_ns,
            })
        }
    }
}

fn log_in<P: Protocol, S>(plan: &Plan, protocol: &P, mut stream: S) -> Result<()>
where
    S: Read + Write,
{
    let server = plan.server();
    let mut request = Vec::new();
    let mut left = protocol.write_login(&plan.login, &mut request);
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::run(format!(
            "{server} took the connection but answered nothing for {} s",
            plan.args.timeout
        )),
        _ => Error::run(format!(
            "{server} dropped the connection at its start: {error}"
        )),
    };
    stream.write_all(&request).map_err(failed)?;
    let asked = Asked {
        operation: Operation::Login,
        keys: 1,
    };
    let mut reader = P::Reader::default();
    let mut buffer = [0; 4096];
    while left > 0 {
        let received = match stream.read(&mut buffer) {
            Ok(0) => {
                return Err(Error::run(format!(
                    "{server} closed the connection at its start"
                )));
            }
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        let mut input = &buffer[..received];
        while !input.is_empty() {
            match reader.next(&mut input, asked, None) {
                Ok(None) => {}
                Ok(Some(Reply::Refused)) => {
                    let text = reader.error_text();
                    let wants_password = ["NOAUTH", "unauthenticated", "Auth failure"]
                        .iter()
                        .any(|words| text.contains(words));
                    let advice = if wants_password && plan.login.password.is_none() {
                        "; give --password"
                    } else {
                        ""
                    };
                    return Err(Error::run(format!(
                        "{server} refused the login: {text}{advice}"
                    )));
                }
                Ok(Some(_)) => left = left.saturating_sub(1),
                Err(what) => {
                    return Err(Error::run(format!(
                        "{server} does not speak this protocol: {what}"
                    )));
                }
            }
        }
    }
    Ok(())
}
