//! Tables of text requests and replies, in `tests/memcache/tables/*.txt`: what the oracle cannot know, because memcached 1.6.18 does not know it or torc
//! departs from it. Each case runs on a new connection to an emptied server. The lines, which are ended by a line break when sent and expected:
//!
//! ```text
//! case: what it is about
//! > ms key 2\r\nhi      a request
//! < HD                  its whole reply
//! ```

use crate::support::memcache::{Subject, numbers_of_shards, skip_unless_subject_is_torc};
use crate::support::reply::{printable, unprintable};

/// Asked behind every request; its answer ends the reply.
const MARKER: &str = "mg the-end-of-the-reply k\r\n";
const MARKER_REPLY: &str = "EN kthe-end-of-the-reply\r\n";

fn run(subject: &Subject, name: &str, table: &str) {
    let mut connection = subject.connect();
    let (mut case, mut asked) = ("", "");
    let mut reply: Option<Vec<u8>> = None;
    let mut wrong = Vec::new();
    for (index, line) in table.lines().enumerate() {
        if let Some(title) = line.strip_prefix("case: ") {
            case = title;
            connection = subject.connect();
            assert_eq!(connection.line("flush_all"), "OK");
        } else if let Some(request) = line.strip_prefix("> ") {
            asked = request;
            let bytes = [unprintable(request).as_slice(), b"\r\n", MARKER.as_bytes()].concat();
            connection.send(&bytes).expect("the server receives");
            let mut all = connection
                .read_until(MARKER_REPLY.as_bytes())
                .expect("the server answers");
            all.truncate(all.len() - MARKER_REPLY.len());
            reply = Some(all);
        } else if let Some(expected) = line.strip_prefix("< ") {
            let actual = reply.take().expect("a request before each reply");
            if actual != [unprintable(expected).as_slice(), b"\r\n"].concat() {
                wrong.push(format!(
                    "{name}:{}: {case}: after {asked}: {} instead of {expected}",
                    index + 1,
                    printable(&actual)
                ));
            }
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "{name}:{}: what is {line:?}?",
                index + 1
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong replies:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_later_versions_added() {
    check("newer.txt", include_str!("tables/newer.txt"));
}

#[test]
fn where_torc_departs_on_purpose() {
    check("own.txt", include_str!("tables/own.txt"));
}

fn check(name: &str, table: &str) {
    if skip_unless_subject_is_torc("memcached 1.6.18 answers these otherwise") {
        return;
    }
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        run(&subject, name, table);
        subject.stop();
    }
}
