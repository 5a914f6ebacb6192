//! SASL as memcached's binary protocol carries it: the one mechanism PLAIN.
//!
//! Never: knows users or compares passwords. The decision worth knowing: the identity to act as (authzid) is not looked at, since all users are equal here.

/// The mechanisms offered, as the reply to the listing has them.
pub const MECHANISMS: &[u8] = b"PLAIN";
/// The longest name of a mechanism that memcached looks at.
pub const MECHANISM_BYTES_MAX: usize = 32;
/// The text of the reply to a client that has authenticated.
pub const AUTHENTICATED: &[u8] = b"Authenticated";

/// Who a client says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user; never empty.
    pub user: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

/// Reads a message of PLAIN (RFC 4616): `authzid NUL user NUL password`. None when it has another form or names no user.
pub fn plain(message: &[u8]) -> Option<Credentials<'_>> {
    let mut parts = message.split(|&byte| byte == 0);
    let (_authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !user.is_empty()).then_some(Credentials { user, password })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_messages() {
        let credentials = |user, password| Some(Credentials { user, password });
        let table: &[(&[u8], Option<Credentials<'_>>)] = &[
            (b"\0user\0secret", credentials(b"user", b"secret")),
            (b"other\0user\0secret", credentials(b"user", b"secret")),
            (b"\0user\0", credentials(b"user", b"")),
            (b"\0user\0\xff:\n", credentials(b"user", b"\xff:\n")),
            (b"", None),
            (b"user", None),
            (b"\0user", None),
            (b"\0\0secret", None),
            (b"\0\0", None),
            (b"\0user\0secret\0", None),
            (b"\0user\0sec\0ret", None),
        ];
        for (message, expected) in table {
            assert_eq!(plain(message), *expected, "{message:?}");
        }
    }
}
