//! What a start says of a directory that is not as it should be, and what a server does when its disk is full.
//!
//! Never damages a file that a server has open. The decision worth knowing: a damaged end is what a crash leaves, and is cut; damage before it is not, and is refused.

use crate::is_skipped;
use crate::running::Place;
use crate::support::client::request;
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Bytes of a disk that is soon full: the first segment takes 4 MiB before it is written to and each other one 64, so that the filler and two of these are too much, and two without it are not.
const DISK_BYTES: usize = 220 << 20;
const FILLER_BYTES: usize = 100 << 20;

/// Writes so many keys, and ends the server without a word.
fn write_and_kill(place: &Place, keys: usize) {
    let running = place.start();
    let mut client = running.server.client();
    for number in 0..keys {
        let reply = client.words(&format!("SET key:{number} value:{number}"));
        assert_eq!(reply.text(), "OK");
    }
    running.kill();
}

/// The first segment with records, and where its records end.
fn segment(place: &Place) -> (PathBuf, usize) {
    let files = place.files("segment-0000000001");
    let (path, _) = files.first().expect("a log has a segment");
    let bytes = fs::read(path).expect("it can be read");
    let last = bytes.iter().rposition(|byte| *byte != 0);
    (path.clone(), last.expect("it has a header") + 1)
}

fn change(path: &Path, at: usize, to: impl Fn(u8) -> u8) {
    let mut bytes = fs::read(path).expect("it can be read");
    bytes[at] = to(bytes[at]);
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn a_missing_directory_is_made() {
    if is_skipped() {
        return;
    }
    let place = Place::new(2, &[("appenddirname", "elsewhere")]);
    let running = place.start();
    assert_eq!(running.server.client().words("SET a b").text(), "OK");
    assert!(place.path().join("elsewhere").is_dir());
    running.server.stop();
    let running = place.start();
    assert_eq!(running.server.client().words("GET a").text(), "b");
    running.server.stop();
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    if is_skipped() {
        return;
    }
    let place = Place::new(1, &[]);
    fs::write(place.log(), "not a directory").expect("written");
    let said = place.refused();
    assert!(said.contains("appendonlydir"), "{said}");
    let left = fs::read(place.log()).expect("it is still there");
    assert_eq!(left, b"not a directory");
}

#[test]
fn a_foreign_file_is_left_alone() {
    if is_skipped() {
        return;
    }
    let place = Place::new(1, &[]);
    fs::create_dir(place.log()).expect("made");
    let foreign = place.log().join("appendonly.aof.1.base.rdb");
    fs::write(&foreign, "REDIS0011").expect("written");
    for _ in 0..2 {
        let running = place.start();
        let said = running.server.said();
        assert!(said.contains("appendonly.aof.1.base.rdb"), "{said}");
        running.server.stop();
    }
    assert_eq!(fs::read(&foreign).expect("it is still there"), b"REDIS0011");
}

#[test]
fn a_second_server_on_the_directory_is_refused() {
    if is_skipped() {
        return;
    }
    let place = Place::new(1, &[]);
    let running = place.start();
    assert_eq!(running.server.client().words("SET a b").text(), "OK");
    let said = place.refused();
    assert!(said.contains("another server uses it"), "{said}");
    assert_eq!(running.server.client().words("GET a").text(), "b");
    running.kill();
    let running = place.start();
    assert_eq!(running.server.client().words("GET a").text(), "b");
    running.server.stop();
}

#[test]
fn another_number_of_shards_has_the_same_data() {
    if is_skipped() {
        return;
    }
    let mut place = Place::new(2, &[]);
    write_and_kill(&place, 100);
    for shards in [3, 1, 2] {
        place.shards = shards;
        let running = place.start();
        let mut client = running.server.client();
        assert_eq!(client.words("DBSIZE").integer(), 100);
        for number in 0..100 {
            let value = client.words(&format!("GET key:{number}"));
            assert_eq!(value.text(), format!("value:{number}"));
        }
        assert_eq!(client.words("SET key:99 value:99").text(), "OK");
        running.kill();
    }
}

#[test]
fn a_byte_flipped_in_the_middle_is_refused_and_named() {
    if is_skipped() {
        return;
    }
    let place = Place::new(1, &[]);
    write_and_kill(&place, 1000);
    let (path, end) = segment(&place);
    for at in [end / 2, 8192 + (end - 8192) / 4] {
        change(&path, at, |byte| byte ^ 0x10);
        let said = place.refused();
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(said.contains(&format!("{name} offset ")), "{said}");
        let after = said.split("offset ").nth(1).expect("an offset follows");
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        let named: usize = digits.parse().expect("a number");
        assert!(named <= at && at - named < 4096, "{at} is damaged; {said}");
        change(&path, at, |byte| byte ^ 0x10);
    }
    let running = place.start();
    assert_eq!(running.server.client().words("DBSIZE").integer(), 1000);
    running.server.stop();
}

#[test]
fn a_torn_end_is_cut_and_told() {
    if is_skipped() {
        return;
    }
    let mut place = Place::new(1, &[("aof-load-truncated", "no")]);
    write_and_kill(&place, 1000);
    let (path, end) = segment(&place);
    change(&path, end - 3, |_| 0);
    change(&path, end - 2, |_| 0);
    let before = fs::read(&path).expect("it can be read");
    let said = place.refused();
    assert!(said.contains("aof-load-truncated yes"), "{said}");
    let same = fs::read(&path).expect("it can be read") == before;
    assert!(same, "a refused start changes nothing");
    place.set("aof-load-truncated", "yes");
    let running = place.start();
    let said = running.server.said();
    assert!(said.contains("bytes dropped"), "{said}");
    let mut client = running.server.client();
    assert_eq!(client.words("DBSIZE").integer(), 999);
    assert_eq!(client.words("EXISTS key:999").integer(), 0);
    assert_eq!(client.words("SET key:999 again").text(), "OK");
    running.kill();
    // What was written behind the cut is found, and nothing is dropped a second time.
    place.set("aof-load-truncated", "no");
    let running = place.start();
    let mut client = running.server.client();
    assert_eq!(client.words("GET key:999").text(), "again");
    assert_eq!(client.words("DBSIZE").integer(), 1000);
    running.server.stop();
}

/// A small file system of its own; unmounted when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: &Path) -> Option<Mounted> {
        let size = format!("size={DISK_BYTES}");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path);
        let outcome = command.output();
        let is_mounted = outcome.is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("skipped: this test may not mount a file system");
        }
        is_mounted.then(|| Mounted(path.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What cannot be unmounted stays, as the message of the command says.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn survive_a_full_disk(shards: usize, rule: &str) {
    let place = Place::new(shards, &[("appendfsync", rule)]);
    let Some(_mounted) = Mounted::new(place.path()) else {
        return;
    };
    let filler = place.path().join("filler");
    fs::write(&filler, vec![1; FILLER_BYTES]).expect("there is room for it");
    let running = place.start();
    let mut client = running.server.client();
    client.set_limit(Duration::from_secs(3));
    let mut acknowledged: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut refusal = None;
    let mut held = None;
    for version in 0..3000 {
        let key = format!("key:{}", version % 20);
        let mut value = format!("{version}:").into_bytes();
        value.resize(100_000, b'.');
        client
            .send(&request(&[b"SET", key.as_bytes(), &value]))
            .expect("sent");
        match client.read() {
            Ok(Reply::Simple(_)) => drop(acknowledged.insert(key, value)),
            Ok(Reply::Error(text)) => {
                refusal = Some(String::from_utf8_lossy(&text).into_owned());
                break;
            }
            Ok(other) => panic!("SET: {other:?}"),
            // It was carried out and waits for the disk.
            Err(_) => {
                held = Some((key, value));
                break;
            }
        }
    }
    let mut other = running.server.client();
    println!(
        "{shards} shards, {rule}: refused {refusal:?}, held {}",
        held.is_some()
    );
    assert!(
        refusal.is_some() || held.is_some(),
        "the disk was never full"
    );
    eventually("writes are refused", WAIT_LIMIT, || {
        let reply = other.words("SET refused 1");
        matches!(reply, Reply::Error(text) if text.starts_with(b"MISCONF "))
    });
    for line in [
        "DEL key:1",
        "EVAL return{redis.call('SET','refused','1')} 0",
    ] {
        let reply = other.words(line);
        let Reply::Error(text) = &reply else {
            panic!("{line}: {reply:?}");
        };
        assert!(text.starts_with(b"MISCONF"), "{line}: {reply:?}");
    }
    for (key, value) in &acknowledged {
        let is_held = held.as_ref().is_some_and(|(name, _)| name == key);
        let reply = other.words(&format!("GET {key}"));
        assert!(is_held || reply.bytes() == value, "{key} is read on");
    }
    fs::remove_file(&filler).expect("it was there");
    eventually("writes are taken again", WAIT_LIMIT, || {
        matches!(other.words("SET again 1"), Reply::Simple(_))
    });
    if let Some((key, value)) = held {
        client.set_limit(WAIT_LIMIT);
        let reply = client.read().expect("the reply that waited comes");
        assert_eq!(reply.text(), "OK");
        acknowledged.insert(key, value);
    }
    assert_eq!(other.words("EXISTS refused").integer(), 0);
    if rule == "always" {
        running.kill();
    } else {
        running.server.stop();
    }
    let running = place.start();
    let mut client = running.server.client();
    for (key, value) in &acknowledged {
        let reply = client.words(&format!("GET {key}"));
        assert_eq!(
            reply.bytes()[..10].escape_ascii().to_string(),
            value[..10].escape_ascii().to_string(),
            "{key}"
        );
    }
    assert_eq!(client.words("GET again").text(), "1");
    assert_eq!(
        client.words("DBSIZE").integer(),
        acknowledged.len() as i64 + 1
    );
    running.server.stop();
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    if is_skipped() {
        return;
    }
    survive_a_full_disk(1, "always");
    survive_a_full_disk(1, "everysec");
}
