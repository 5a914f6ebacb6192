//! The users who may authenticate with SASL: a file of lines `user:password`, read whole at the start.
//!
//! Never: shows a password, in an error or otherwise. The decision worth knowing: a check compares with every user, all bytes of fixed room, so that
//! its time says neither how much of a password was right nor whether there is such a user.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;

/// Users in a file: a check looks at all of them, and must be short.
pub const USERS_MAX: usize = 256;
/// The longest user and the longest password.
pub const FIELD_BYTES_MAX: usize = 255;
/// The largest file: all users, and as much again of comments.
pub const FILE_BYTES_MAX: usize = 2 * USERS_MAX * 2 * (FIELD_BYTES_MAX + 1);

/// Bytes in fixed room, the rest zero, with their number at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Field([u8; FIELD_BYTES_MAX + 1]);

impl Field {
    /// None when there are too many.
    fn new(bytes: &[u8]) -> Option<Field> {
        let mut field = [0; FIELD_BYTES_MAX + 1];
        field[FIELD_BYTES_MAX] = u8::try_from(bytes.len()).ok()?;
        field[..bytes.len()].copy_from_slice(bytes);
        Some(Field(field))
    }

    /// Zero if they are the same; takes the same time whatever they are.
    fn difference(&self, other: &Field) -> u8 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.fold(0, |difference, (a, b)| black_box(difference | (a ^ b)))
    }
}

/// Users and passwords.
pub struct Users {
    users: Vec<(Field, Field)>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Users({})", self.users.len())
    }
}

impl Users {
    /// Reads the lines `user:password`; the password begins behind the first colon and may have more. Empty lines and lines that begin with `#` are
    /// skipped. An error is a sentence that names the line.
    pub fn parse(text: &[u8]) -> Result<Users, String> {
        if text.len() > FILE_BYTES_MAX {
            return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
        }
        let mut users: Vec<(Field, Field)> = Vec::new();
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let wrong = |what: &str| format!("line {}: {what}", index + 1);
            let colon = line.iter().position(|&byte| byte == b':');
            let colon = colon.ok_or_else(|| wrong("no colon between user and password"))?;
            let (user, password) = (&line[..colon], &line[colon + 1..]);
            if user.is_empty() || password.is_empty() {
                return Err(wrong("an empty user or password"));
            }
            if line.contains(&0) {
                return Err(wrong("a NUL, which no client can send"));
            }
            let too_long = || wrong("a user or password of more than 255 bytes");
            let user = Field::new(user).ok_or_else(too_long)?;
            let password = Field::new(password).ok_or_else(too_long)?;
            if users.iter().any(|(known, _)| *known == user) {
                return Err(wrong("a user that an earlier line has"));
            }
            if users.len() == USERS_MAX {
                return Err(wrong("more than 256 users"));
            }
            users.push((user, password));
        }
        if users.is_empty() {
            return Err("it has no users".to_owned());
        }
        Ok(Users { users })
    }

    /// Reads a file. An error is a sentence that names it.
    pub fn read(path: &Path) -> Result<Users, String> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text))
            .map_err(|error| format!("cannot read the users in {}: {error}", path.display()))?;
        Users::parse(&text)
            .map_err(|error| format!("cannot use the users in {}: {error}", path.display()))
    }

    /// Whether there is this user with this password.
    pub fn check(&self, user: &[u8], password: &[u8]) -> bool {
        let (Some(user), Some(password)) = (Field::new(user), Field::new(password)) else {
            return false;
        };
        let mut found = false;
        for (known_user, known_password) in &self.users {
            let difference = user.difference(known_user) | password.difference(known_password);
            found |= difference == 0;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn users_are_read() {
        let text = b"# our users\n\nann:secret\r\nbob:se:cr#et \n#eve:gone\n\xff:\xfe";
        let users = Users::parse(text).expect("a file without errors");
        for (user, password, expected) in [
            (&b"ann"[..], &b"secret"[..], true),
            (b"bob", b"se:cr#et ", true),
            (b"\xff", b"\xfe", true),
            (b"ann", b"secret\r", false),
            (b"ann", b"secre", false),
            (b"ann", b"Secret", false),
            (b"ann", b"", false),
            (b"ann", b"secret\0", false),
            (b"ann", b"se:cr#et ", false),
            (b"Ann", b"secret", false),
            (b"eve", b"gone", false),
            (b"#eve", b"gone", false),
            (b"", b"", false),
            (b"ann:secret", b"", false),
            (&[b'a'; 300], b"secret", false),
            (b"ann", &[b's'; 300], false),
        ] {
            assert_eq!(
                users.check(user, password),
                expected,
                "{user:?} {password:?}"
            );
        }
        assert_eq!(format!("{users:?}"), "Users(3)");
    }

    #[test]
    fn errors_name_the_line() {
        let long = "x".repeat(256);
        let many: String = (0..257).map(|index| format!("u{index}:p\n")).collect();
        for (text, expected) in [
            (
                "ann:secret\nbob\n",
                "line 2: no colon between user and password",
            ),
            ("# c\n\n:secret", "line 3: an empty user or password"),
            ("ann:", "line 1: an empty user or password"),
            ("ann:\r\n", "line 1: an empty user or password"),
            ("ann:sec\0ret", "line 1: a NUL, which no client can send"),
            (
                &format!("{long}:p"),
                "line 1: a user or password of more than 255 bytes",
            ),
            (
                &format!("u:{long}"),
                "line 1: a user or password of more than 255 bytes",
            ),
            (
                "ann:a\nbob:b\nann:c\n",
                "line 3: a user that an earlier line has",
            ),
            (&many, "line 257: more than 256 users"),
            ("", "it has no users"),
            ("# nobody\n", "it has no users"),
            (
                &"\n".repeat(FILE_BYTES_MAX + 1),
                "it has more than 262144 bytes",
            ),
        ] {
            assert_eq!(
                Users::parse(text.as_bytes()).expect_err("an error"),
                expected
            );
        }
        assert!(Users::parse(&many.as_bytes()[..many.len() - 7]).is_ok());
        let longest = format!("{}:{}", &long[1..], &long[1..]);
        let users = Users::parse(longest.as_bytes()).expect("255 bytes are not too long");
        assert!(users.check(&long.as_bytes()[1..], &long.as_bytes()[1..]));
        assert!(!users.check(&long.as_bytes()[1..], &long.as_bytes()[2..]));
    }

    #[test]
    fn files_are_read() {
        let path = std::env::temp_dir().join(format!("torc-users-{}", std::process::id()));
        let name = path.display();
        let error = Users::read(&path).expect_err("there is no such file");
        assert!(
            error.starts_with(&format!("cannot read the users in {name}: ")),
            "{error}"
        );
        std::fs::write(&path, "ann:secret\n").expect("a writable directory");
        let users = Users::read(&path);
        std::fs::write(&path, "ann\n").expect("a writable directory");
        let error = Users::read(&path).expect_err("a line without a colon");
        std::fs::remove_file(&path).expect("the file just written");
        assert!(
            users
                .expect("a file without errors")
                .check(b"ann", b"secret")
        );
        assert_eq!(
            error,
            format!("cannot use the users in {name}: line 1: no colon between user and password")
        );
    }

    proptest! {
        #[test]
        fn only_the_pairs_of_the_file(names in proptest::collection::hash_map("[a-c]{1,3}", "[a-c:]{1,3}", 1..6), user in "[a-c]{0,3}", password in "[a-c:]{0,3}") {
            let text: String = names.iter().map(|(user, password)| format!("{user}:{password}\n")).collect();
            let users = Users::parse(text.as_bytes()).expect("well-formed lines");
            prop_assert_eq!(users.check(user.as_bytes(), password.as_bytes()), names.get(&user) == Some(&password));
            for (user, password) in &names {
                prop_assert!(users.check(user.as_bytes(), password.as_bytes()));
            }
        }

        #[test]
        fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(users) = Users::parse(&text) {
                prop_assert!(!users.check(b"", b""));
            }
        }
    }
}
