//! Asks a server for its INFO, to learn its version and counters, and memcached for its version.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest INFO taken.
const INFO_BYTES_MAX: u64 = 4 << 20;
const TIMEOUT: Duration = Duration::from_secs(5);

/// All sections a server shows.
pub fn fetch(port: u16) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"*2\r\n$4\r\nINFO\r\n$10\r\neverything\r\n")?;
    let mut reader = BufReader::new(stream.take(INFO_BYTES_MAX));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let size = line
        .trim_end()
        .strip_prefix('$')
        .and_then(|size| size.parse::<usize>().ok());
    let size = size.filter(|size| *size as u64 <= INFO_BYTES_MAX);
    let size =
        size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an answer to INFO"))?;
    let mut body = vec![0; size];
    reader.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// What memcached answers to `version`.
pub fn memcached_version(port: u16) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"version\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(INFO_BYTES_MAX)).read_line(&mut line)?;
    let version = line.trim_end().strip_prefix("VERSION ");
    version
        .map(str::to_owned)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an answer to version"))
}

/// The value of a field.
pub fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim_end)
}

/// Its version: a server that is compatible with Redis says its own beside the one it is compatible with.
pub fn version(info: &str) -> Option<&str> {
    ["torc_version", "valkey_version", "redis_version"]
        .into_iter()
        .find_map(|name| field(info, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_s_own_version_wins() {
        let info =
            "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n";
        assert_eq!(version(info), Some("9.1.2"));
        assert_eq!(version("redis_version:7.0.15\r\nos:Linux"), Some("7.0.15"));
        assert_eq!(version("# Server\r\n"), None);
    }

    #[test]
    fn a_field_is_named_in_full() {
        let info = "uptime_in_days:3\r\nuptime:5\r\n";
        assert_eq!(field(info, "uptime"), Some("5"));
        assert_eq!(field(info, "time"), None);
    }
}
