//! SASL as memcached's binary protocol carries it: the one mechanism PLAIN.
//!
//! Never: knows users or compares passwords; the caller does, once for each message. The decision worth knowing: the identity to act as (authzid) must
//! be none or the user's own, as with the library that memcached uses.

use super::binary_reply::{error_text, status};

/// The mechanisms offered, as the reply to the listing has them.
pub const MECHANISMS: &[u8] = b"PLAIN";
/// The longest name of a mechanism that memcached looks at.
const MECHANISM_BYTES_MAX: usize = 32;

/// Who a client says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user; never empty.
    pub user: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

/// Reads a message of PLAIN (RFC 4616): `authzid NUL user NUL password`. None when it has another form, names no user or wants to act as another one.
pub fn plain(message: &[u8]) -> Option<Credentials<'_>> {
    let mut parts = message.split(|&byte| byte == 0);
    let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let valid =
        parts.next().is_none() && !user.is_empty() && (authzid.is_empty() || authzid == user);
    valid.then_some(Credentials { user, password })
}

/// How far a connection's exchange of messages is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchange {
    /// PLAIN was asked for without its message, which may come with the next step.
    awaits_message: bool,
}

/// The answer to a request of a client that wants to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is who it says.
    Authenticated,
    /// Its message is awaited.
    Continue,
    /// It is not, or the mechanism is unknown; the connection stays open and unauthenticated.
    Failure,
    /// The name of the mechanism is too long; nothing has changed.
    Invalid,
}

impl Answer {
    /// Status and body of the reply.
    pub fn reply(self) -> (u16, &'static str) {
        match self {
            Answer::Authenticated => (status::OK, "Authenticated"),
            Answer::Continue => (status::AUTH_CONTINUE, ""),
            Answer::Failure => (status::AUTH_FAILURE, error_text(status::AUTH_FAILURE)),
            Answer::Invalid => (status::INVALID, error_text(status::INVALID)),
        }
    }
}

impl Exchange {
    /// Answers a request to authenticate, or a further step of one (`is_step`). `check` says whether a user has this password.
    pub fn answer(
        &mut self,
        is_step: bool,
        mechanism: &[u8],
        message: &[u8],
        check: impl FnOnce(&Credentials<'_>) -> bool,
    ) -> Answer {
        if mechanism.len() > MECHANISM_BYTES_MAX {
            return Answer::Invalid;
        }
        let expected = std::mem::take(&mut self.awaits_message) || !is_step;
        if !expected || !mechanism.eq_ignore_ascii_case(MECHANISMS) {
            return Answer::Failure;
        }
        if message.is_empty() && !is_step {
            self.awaits_message = true;
            return Answer::Continue;
        }
        match plain(message) {
            Some(credentials) if check(&credentials) => Answer::Authenticated,
            _ => Answer::Failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_messages() {
        let credentials = |user, password| Some(Credentials { user, password });
        let table: &[(&[u8], Option<Credentials<'_>>)] = &[
            (b"\0user\0secret", credentials(b"user", b"secret")),
            (b"user\0user\0secret", credentials(b"user", b"secret")),
            (b"\0user\0", credentials(b"user", b"")),
            (b"\0user\0\xff:\n", credentials(b"user", b"\xff:\n")),
            (b"other\0user\0secret", None),
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

    #[test]
    fn exchanges() {
        use Answer::*;
        type Request<'a> = (bool, &'a [u8], &'a [u8], Answer);
        let right = b"\0user\0secret";
        let wrong = b"\0user\0Secret";
        let long = [b'P'; 33];
        let table: &[&[Request<'_>]] = &[
            &[(false, b"PLAIN", right, Authenticated)],
            &[(false, b"plain", right, Authenticated)],
            &[
                (false, b"PLAIN", wrong, Failure),
                (false, b"PLAIN", right, Authenticated),
            ],
            &[(false, b"PLAIN", b"nonsense", Failure)],
            &[
                (false, b"CRAM-MD5", right, Failure),
                (false, &long, right, Invalid),
            ],
            &[(true, b"PLAIN", right, Failure)],
            &[
                (false, b"PLAIN", b"", Continue),
                (true, b"PLAIN", right, Authenticated),
                (true, b"PLAIN", right, Failure),
            ],
            &[
                (false, b"PLAIN", b"", Continue),
                (true, &long, right, Invalid),
                (true, b"PLAIN", wrong, Failure),
                (true, b"PLAIN", right, Failure),
            ],
            &[
                (false, b"PLAIN", b"", Continue),
                (true, b"PLAIN", b"", Failure),
            ],
        ];
        for requests in table {
            let mut exchange = Exchange::default();
            for &(is_step, mechanism, message, expected) in *requests {
                let answer = exchange.answer(is_step, mechanism, message, |credentials| {
                    (credentials.user, credentials.password) == (&b"user"[..], &b"secret"[..])
                });
                assert_eq!(answer, expected, "{requests:?}");
            }
        }
    }

    #[test]
    fn replies() {
        assert_eq!(Answer::Authenticated.reply(), (0, "Authenticated"));
        assert_eq!(Answer::Continue.reply(), (0x21, ""));
        assert_eq!(Answer::Failure.reply(), (0x20, "Auth failure."));
        assert_eq!(Answer::Invalid.reply(), (0x04, "Invalid arguments"));
    }
}
