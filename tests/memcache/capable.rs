//! The protocol tester that comes with libmemcached.

use crate::support::memcache::{Subject, numbers_of_shards, program_or_skip};
use std::process::Command;

fn run(protocol: &str) {
    let Some(program) = program_or_skip("memccapable") else {
        return;
    };
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let address = subject.address();
        // It gives up on each of its tests after two seconds; all have to end within this.
        let output = Command::new("timeout")
            .args([
                "100".as_ref(),
                program.as_os_str(),
                "-h".as_ref(),
                "127.0.0.1".as_ref(),
                "-p".as_ref(),
            ])
            .args([&address.port().to_string(), protocol])
            .output()
            .expect("memccapable runs");
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            text.contains("All tests passed"),
            "{shards} shards:\n{text}"
        );
        subject.stop();
    }
}

#[test]
fn the_text_protocol() {
    run("-a");
}

#[test]
fn the_binary_protocol() {
    run("-b");
}
