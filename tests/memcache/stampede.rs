//! Many clients want one missing or stale value at the same moment: exactly one of them is told to make it.

use crate::support::memcache::{Connection, Subject, numbers_of_shards};

const CONNECTIONS: usize = 200;
const ROUNDS: usize = 5;

/// Sends a request over all connections before the first answer is read, and reads one answer from each: a line, and a value where one follows.
fn ask_all(connections: &mut [Connection], request: &str) -> Vec<(String, String)> {
    for connection in connections.iter_mut() {
        connection
            .send(request.as_bytes())
            .expect("the server receives");
    }
    let mut answer = |connection: &mut Connection| {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("text")
                .trim_end()
                .to_string()
        };
        let line = text(connection.read_line().expect("the server answers"));
        let value = if line.starts_with("VA ") {
            text(connection.read_line().expect("a value follows"))
        } else {
            String::new()
        };
        (line, value)
    };
    connections.iter_mut().map(&mut answer).collect()
}

/// One answer is the winner's, all others are this one.
fn one_wins(answers: &[(String, String)], winner: (&str, &str), others: (&str, &str)) {
    let count = |wanted: (&str, &str)| {
        answers
            .iter()
            .filter(|(line, value)| (line.as_str(), value.as_str()) == wanted)
            .count()
    };
    let counts = (count(winner), count(others));
    assert_eq!(
        counts,
        (1, CONNECTIONS - 1),
        "{winner:?} and {others:?} among {answers:?}"
    );
}

#[test]
fn one_of_two_hundred_wins() {
    for &shards in numbers_of_shards() {
        println!("shards: {shards}");
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let mut connections: Vec<Connection> =
            (0..CONNECTIONS).map(|_| subject.connect()).collect();
        for round in 0..ROUNDS {
            let key = format!("key:{round}");
            // Missing: one creates it, and the others see that somebody does.
            let answers = ask_all(&mut connections, &format!("mg {key} v N30\r\n"));
            one_wins(&answers, ("VA 0 W", ""), ("VA 0 Z", ""));
            // Made: nobody is told anything.
            assert_eq!(
                connections[round].line(&format!("ms {key} 5 T30\r\nfresh")),
                "HD"
            );
            let answers = ask_all(&mut connections, &format!("mg {key} v N30\r\n"));
            assert!(
                answers
                    .iter()
                    .all(|answer| *answer == ("VA 5".to_string(), "fresh".to_string())),
                "{answers:?}"
            );
            // Near its end: one makes it anew while the others go on with what there is.
            let answers = ask_all(&mut connections, &format!("mg {key} v R60\r\n"));
            one_wins(&answers, ("VA 5 W", "fresh"), ("VA 5 Z", "fresh"));
            assert_eq!(
                connections[round].line(&format!("ms {key} 5 T600\r\nlater")),
                "HD"
            );
            let answers = ask_all(&mut connections, &format!("mg {key} v R60\r\n"));
            assert!(
                answers
                    .iter()
                    .all(|answer| *answer == ("VA 5".to_string(), "later".to_string())),
                "{answers:?}"
            );
            // Invalidated: one makes it anew, and the others are given the stale value.
            assert_eq!(connections[round].line(&format!("md {key} I T30")), "HD");
            let answers = ask_all(&mut connections, &format!("mg {key} v\r\n"));
            one_wins(&answers, ("VA 5 X W", "later"), ("VA 5 Z X", "later"));
            assert_eq!(
                connections[round].line(&format!("ms {key} 5\r\nagain")),
                "HD"
            );
            let answers = ask_all(&mut connections, &format!("mg {key} v\r\n"));
            assert!(
                answers
                    .iter()
                    .all(|answer| *answer == ("VA 5".to_string(), "again".to_string())),
                "{answers:?}"
            );
        }
        drop(connections);
        subject.stop();
    }
}
