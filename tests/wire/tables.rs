//! Tables of requests and replies, in `tests/wire/tables/*.txt`; each case on a new connection to an emptied server. The lines:
//!
//! ```text
//! case: what it is about
//! > SET key "a value\r\n"     a request, sent as an array of bulk strings
//! >> *1\r\n$4\r\nPING\r\n     bytes sent as they are
//! < +OK\r\n                   the whole next reply
//! ~ text                      the next reply contains this
//! closed                      the server closes the connection
//! ```
//!
//! `TORC_TEST_SERVER=redis-server TORC_TEST_RECORD=1` fills in what a real server answers where a request has no reply line
//! yet; what is in the tables therefore comes from there.

use crate::support::client::request;
use crate::support::reply::{printable, unprintable};
use crate::support::server::{Server, tested_is_torc};
use crate::support::with_each_number_of_shards;
use std::path::PathBuf;

/// Splits a request line into words; a word in double quotes may hold blanks and escapes.
fn split(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').expect("a closing quote");
            (&quoted[..end], &quoted[end + 1..])
        } else {
            rest.split_once(' ').unwrap_or((rest, ""))
        };
        words.push(unprintable(word));
        rest = after.trim_start();
    }
    words
}

fn run(server: &Server, name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/wire/tables")
        .join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).expect("the table is there");
    let record = std::env::var("TORC_TEST_RECORD").as_deref() == Ok("1");
    let lines: Vec<&str> = text.lines().collect();
    let mut recorded: Vec<String> = Vec::new();
    let mut client = server.client();
    let mut case = "";
    let mut wrong = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        recorded.push((*line).to_string());
        let place = || {
            format!(
                "{name}.txt:{}: {case}: after {:?}",
                index + 1,
                lines[index.saturating_sub(1)]
            )
        };
        if let Some(title) = line.strip_prefix("case: ") {
            case = title;
            client = server.client();
            // The state that connections share is made anew too.
            client.call(&["FLUSHALL"]);
        } else if let Some(words) = line.strip_prefix("> ") {
            client.send(&request(&split(words))).expect("sent");
            let answered = lines
                .get(index + 1)
                .is_some_and(|next| next.starts_with(['<', '~']) || *next == "closed");
            if record && !answered {
                recorded.push(format!(
                    "< {}",
                    printable(&client.read_raw().expect("answered"))
                ));
            } else {
                assert!(answered, "{}: no reply given", place());
            }
        } else if let Some(raw) = line.strip_prefix(">> ") {
            client.send(&unprintable(raw)).expect("sent");
        } else if let Some(expected) = line.strip_prefix("< ") {
            match client.read_raw() {
                Ok(raw) if raw == unprintable(expected) => {}
                Ok(raw) if record && expected == "?" => {
                    recorded.pop();
                    recorded.push(format!("< {}", printable(&raw)));
                }
                Ok(raw) => wrong.push(format!(
                    "{}: {} instead of {expected}",
                    place(),
                    printable(&raw)
                )),
                Err(error) => wrong.push(format!("{}: {error} instead of {expected}", place())),
            }
        } else if let Some(part) = line.strip_prefix("~ ") {
            let raw = client.read_raw().unwrap_or_default();
            if !printable(&raw).contains(part) {
                wrong.push(format!(
                    "{}: {} does not contain {part}",
                    place(),
                    printable(&raw)
                ));
            }
        } else if *line == "closed" {
            if !client.is_closed() {
                wrong.push(format!("{}: the connection is still open", place()));
            }
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "{}: what is {line:?}?",
                place()
            );
        }
    }
    if record {
        std::fs::write(&path, recorded.join("\n") + "\n").expect("the table is written");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong replies:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn connection() {
    with_each_number_of_shards(&[], |server| run(server, "connection"));
}

#[test]
fn protocol() {
    with_each_number_of_shards(&[], |server| run(server, "protocol"));
}

#[test]
fn keys() {
    with_each_number_of_shards(&[], |server| run(server, "keys"));
}

#[test]
fn strings() {
    with_each_number_of_shards(&[], |server| run(server, "strings"));
}

#[test]
fn administration() {
    with_each_number_of_shards(&[], |server| run(server, "administration"));
}

#[test]
fn sorted_sets() {
    with_each_number_of_shards(&[], |server| run(server, "sorted_sets"));
}

#[test]
fn lists() {
    with_each_number_of_shards(&[], |server| run(server, "lists"));
}

#[test]
fn hashes() {
    with_each_number_of_shards(&[], |server| run(server, "hashes"));
}

#[test]
fn newer_commands() {
    if !tested_is_torc() {
        println!("skipped: redis-server 7.0 does not know these commands");
        return;
    }
    with_each_number_of_shards(&[], |server| run(server, "newer"));
}

#[test]
fn sets() {
    with_each_number_of_shards(&[], |server| run(server, "sets"));
}

#[test]
fn streams() {
    with_each_number_of_shards(&[], |server| run(server, "streams"));
}

#[test]
fn geo() {
    with_each_number_of_shards(&[], |server| run(server, "geo"));
}

#[test]
fn hyperloglog() {
    with_each_number_of_shards(&[], |server| run(server, "hyperloglog"));
}

#[test]
fn sort() {
    with_each_number_of_shards(&[], |server| run(server, "sort"));
}

#[test]
fn transactions() {
    with_each_number_of_shards(&[], |server| run(server, "transactions"));
}

#[test]
fn scripts() {
    with_each_number_of_shards(&[], |server| run(server, "scripts"));
}

#[test]
fn script_libraries() {
    with_each_number_of_shards(&[], |server| run(server, "script_libraries"));
}

#[test]
fn functions() {
    with_each_number_of_shards(&[], |server| run(server, "functions"));
}

#[test]
fn tracking() {
    with_each_number_of_shards(&[], |server| run(server, "tracking"));
}
