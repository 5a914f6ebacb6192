//! Sockets as the server wants them: listeners with SO_REUSEPORT, connections without delay. Never reads or writes.

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn set_option(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe a live integer.
    check(unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    })
    .map(drop)
}

fn new_socket(family: libc::c_int, kind: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: plain system call; the descriptor it returns is owned by nobody else.
    unsafe {
        let fd = check(libc::socket(family, kind | libc::SOCK_CLOEXEC, 0))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn bind(fd: RawFd, address: &SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: all-zero is a valid sockaddr_in.
            let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
            // SAFETY: pointer and length describe the structure above.
            check(unsafe {
                libc::bind(
                    fd,
                    (&raw const raw).cast(),
                    mem::size_of_val(&raw) as libc::socklen_t,
                )
            })
            .map(drop)
        }
        SocketAddr::V6(v6) => {
            // SAFETY: all-zero is a valid sockaddr_in6.
            let mut raw: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            // SAFETY: pointer and length describe the structure above.
            check(unsafe {
                libc::bind(
                    fd,
                    (&raw const raw).cast(),
                    mem::size_of_val(&raw) as libc::socklen_t,
                )
            })
            .map(drop)
        }
    }
}

fn family(address: &SocketAddr) -> libc::c_int {
    if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

fn prepare_listener(socket: &OwnedFd, address: &SocketAddr, share_port: bool) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    if share_port {
        set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    if address.is_ipv6() {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    bind(fd, address)
}

/// A listening TCP socket. `share_port`: one of several on the same port (SO_REUSEPORT); without it a port that anybody listens on is refused.
pub fn listen_tcp(address: &SocketAddr, backlog: i32, share_port: bool) -> io::Result<OwnedFd> {
    let socket = new_socket(family(address), libc::SOCK_STREAM)?;
    let fd = socket.as_raw_fd();
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    prepare_listener(&socket, address, share_port)?;
    // SAFETY: plain system call on our own descriptor.
    check(unsafe { libc::listen(fd, backlog) })?;
    Ok(socket)
}

/// A socket that takes datagrams and never waits. `share_port` as in [`listen_tcp`].
pub fn bind_udp(address: &SocketAddr, share_port: bool) -> io::Result<UdpSocket> {
    let socket = new_socket(family(address), libc::SOCK_DGRAM | libc::SOCK_NONBLOCK)?;
    prepare_listener(&socket, address, share_port)?;
    Ok(UdpSocket::from(socket))
}

/// A listening Unix socket; a stale file of an earlier run is replaced, one that somebody listens on is not.
pub fn listen_unix(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<OwnedFd> {
    if path.exists() {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?
            }
            Err(error) => return Err(error),
        }
    }
    let socket = new_socket(libc::AF_UNIX, libc::SOCK_STREAM)?;
    // SAFETY: all-zero is a valid sockaddr_un.
    let mut raw: libc::sockaddr_un = unsafe { mem::zeroed() };
    raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= raw.sun_path.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path is longer than 107 bytes",
        ));
    }
    for (to, from) in raw.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let fd = socket.as_raw_fd();
    // SAFETY: pointer and length describe the structure above.
    check(unsafe {
        libc::bind(
            fd,
            (&raw const raw).cast(),
            mem::size_of_val(&raw) as libc::socklen_t,
        )
    })?;
    if let Some(mode) = mode {
        let path = CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // SAFETY: the path is a terminated string.
        check(unsafe { libc::chmod(path.as_ptr(), mode as libc::mode_t) })?;
    }
    // SAFETY: plain system call on our own descriptor.
    check(unsafe { libc::listen(fd, backlog) })?;
    Ok(socket)
}

/// Prepares an accepted TCP connection: no delay, and keep-alive probes after `keepalive_seconds` (0: none), as Redis spaces them.
pub fn prepare_tcp(fd: RawFd, keepalive_seconds: u32) {
    // A peer that is already gone makes these fail; the first receive will say so.
    let _ = set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
    if keepalive_seconds > 0 {
        let idle = i32::try_from(keepalive_seconds).unwrap_or(i32::MAX);
        let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1);
        let _ = set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, idle);
        let _ = set_option(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_KEEPINTVL,
            (idle / 3).max(1),
        );
        let _ = set_option(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3);
    }
}

/// Ends both directions; whatever waits on the socket completes.
pub fn shutdown(fd: RawFd) {
    // SAFETY: plain system call; an error means that the connection has already ended.
    let _ = unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

/// One end of a TCP connection.
fn name_of(
    fd: RawFd,
    call: unsafe extern "C" fn(
        libc::c_int,
        *mut libc::sockaddr,
        *mut libc::socklen_t,
    ) -> libc::c_int,
) -> Option<SocketAddr> {
    // SAFETY: all-zero is a valid storage; the call writes at most `len` bytes into it.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let mut len = mem::size_of_val(&storage) as libc::socklen_t;
    // SAFETY: pointers to live storage of the stated size.
    if unsafe { call(fd, (&raw mut storage).cast(), &raw mut len) } != 0 {
        return None;
    }
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds a sockaddr_in.
            let raw = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(raw.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds a sockaddr_in6.
            let raw = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(raw.sin6_port)))
        }
        _ => None,
    }
}

/// The address of the other end; None for Unix sockets.
pub fn peer_address(fd: RawFd) -> Option<SocketAddr> {
    name_of(fd, libc::getpeername)
}

/// The address of this end; None for Unix sockets.
pub fn local_address(fd: RawFd) -> Option<SocketAddr> {
    name_of(fd, libc::getsockname)
}

/// A new event descriptor, for waking a sleeping ring.
pub fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: plain system call; the descriptor it returns is owned by nobody else.
    unsafe {
        Ok(OwnedFd::from_raw_fd(check(libc::eventfd(
            0,
            libc::EFD_CLOEXEC,
        ))?))
    }
}

/// Wakes whoever reads the event descriptor.
pub fn signal(eventfd: RawFd) {
    let one: u64 = 1;
    // SAFETY: writes eight bytes of a live integer. A full counter (EAGAIN cannot happen on a blocking one below 2^64-1) wakes as well.
    let _ = unsafe { libc::write(eventfd, (&raw const one).cast(), 8) };
}

/// Writes a short farewell to a connection that is refused; what does not fit at once is lost.
pub fn refuse(fd: RawFd, text: &[u8]) {
    // SAFETY: pointer and length describe a live slice.
    let _ = unsafe {
        libc::send(
            fd,
            text.as_ptr().cast(),
            text.len(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        )
    };
}
