//! Tests of the packed run: encodings at their edges, and a model.

use super::packed::{Editor, Entry, Query, Run};
use crate::engine::random::Random;

/// Integers around every change of width, with their encoded lengths.
fn integers() -> Vec<(i64, usize)> {
    let mut all = vec![
        (0, 1),
        (99, 1),
        (100, 2),
        (-1, 2),
        (-2048, 2),
        (2047, 2),
        (2048, 3),
        (-2049, 3),
        (32767, 3),
        (-32768, 3),
    ];
    for bytes in 3..=8u32 {
        let least = 1i64 << (8 * (bytes - 1) - 1);
        all.push((least, 1 + bytes as usize));
        all.push((-least - 1, 1 + bytes as usize));
        let most = i64::MAX >> (64 - 8 * bytes);
        all.push((most, 1 + bytes as usize));
        all.push((-most - 1, 1 + bytes as usize));
    }
    all
}

#[test]
fn every_integer_has_the_shortest_encoding_and_reads_back() {
    for (integer, len) in integers() {
        let digits = integer.to_string();
        let entry = Entry::of(digits.as_bytes());
        assert_eq!(entry, Entry::Integer(integer));
        assert_eq!(entry.encoded_len(), len, "{integer}");
        assert_eq!(entry.bytes_len(), digits.len());
        assert_eq!(entry.to_vec(), digits.as_bytes());
        let mut bytes = Vec::new();
        Editor::new(&mut bytes).push(entry);
        assert_eq!(bytes.len(), 2 + len);
        let run = Run::new(&bytes);
        assert_eq!(run.at(run.start()), Some((entry, run.end())));
        assert_eq!(
            run.find(run.start(), &Query::new(digits.as_bytes()), 1),
            Some(run.start())
        );
    }
}

#[test]
fn strings_of_every_length_read_back() {
    for (len, prefix) in [
        (0, 1),
        (1, 1),
        (127, 1),
        (128, 3),
        (65535, 3),
        (65536, 5),
        (70000, 5),
    ] {
        let string = vec![b'x'; len];
        let entry = Entry::of(&string);
        assert_eq!(entry.encoded_len(), len + prefix);
        let mut bytes = Vec::new();
        let mut editor = Editor::new(&mut bytes);
        editor.push(Entry::Integer(7));
        editor.push(entry);
        editor.push(Entry::Integer(8));
        let run = Run::new(&bytes);
        assert_eq!(
            run.iter().collect::<Vec<_>>(),
            [Entry::Integer(7), entry, Entry::Integer(8)]
        );
        let at = run.seek(1);
        assert_eq!(run.find(run.start(), &Query::new(&string), 1), Some(at));
        assert_eq!(run.find(run.start(), &Query::new(&string), 2), None);
        assert_eq!(
            run.find(run.start(), &Query::new(&vec![b'x'; len + 1]), 1),
            None
        );
    }
}

#[test]
fn what_only_looks_like_an_integer_stays_a_string() {
    for text in [
        "",
        "-",
        "-0",
        "00",
        "01",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
    ] {
        assert_eq!(Entry::of(text.as_bytes()), Entry::Bytes(text.as_bytes()));
    }
}

#[test]
fn no_bytes_are_an_empty_run_and_the_tag_survives_editing() {
    let run = Run::new(&[]);
    assert_eq!((run.len(), run.tag(), run.is_empty()), (0, 0, true));
    assert_eq!((run.at(run.start()), run.iter().next()), (None, None));
    assert_eq!(run.find(run.start(), &Query::new(b"x"), 1), None);
    assert_eq!(run.seek(3), run.end());

    let mut bytes = Vec::new();
    let mut editor = Editor::new(&mut bytes);
    editor.set_tag(5);
    editor.push(Entry::of(b"a"));
    editor.push(Entry::of(b"12"));
    assert_eq!((editor.run().tag(), editor.run().len()), (5, 2));
    editor.clear();
    assert_eq!((editor.run().tag(), editor.run().len()), (5, 0));
    assert_eq!(bytes.len(), 2);
}

#[test]
fn it_is_a_sequence() {
    let seed = 11;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..40 {
        let mut bytes = Vec::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for _ in 0..300 {
            let mut draw = || match random.below(3) {
                0 => (random.draw() as i64 >> random.below(64))
                    .to_string()
                    .into_bytes(),
                1 => vec![b'a' + random.below(3) as u8; random.below(4)],
                _ => vec![b'z'; random.below(300)],
            };
            let new: Vec<Vec<u8>> = (0..3).map(|_| draw()).collect();
            let entries: Vec<Entry<'_>> = new.iter().map(|bytes| Entry::of(bytes)).collect();
            let index = random.below(model.len() + 1);
            let mut editor = Editor::new(&mut bytes);
            let position = editor.run().seek(index);
            match random.below(6) {
                0 => {
                    editor.push(entries[0]);
                    model.push(new[0].clone());
                }
                1 => {
                    editor.insert(position, &entries);
                    model.splice(index..index, new);
                }
                2 if index < model.len() => {
                    editor.replace(position, entries[0]);
                    model[index].clone_from(&new[0]);
                }
                3 => {
                    let count = random.below(model.len() - index + 1).min(3);
                    editor.remove(position, count);
                    model.drain(index..index + count);
                }
                4 => {
                    let count = random.below(model.len() - index + 1).min(4);
                    let put = random.below(4);
                    let after = editor.splice(position, count, &entries[..put]);
                    assert_eq!(after, editor.run().seek(index + put));
                    model.splice(index..index + count, new[..put].to_vec());
                }
                _ => {
                    let run = editor.run();
                    let query = model.get(index).unwrap_or(&new[0]);
                    let found = run.find(run.start(), &Query::new(query), 1);
                    let expected = model.iter().position(|bytes| bytes == query);
                    assert_eq!(found, expected.map(|index| run.seek(index)));
                }
            }
            let run = Run::new(&bytes);
            assert_eq!(run.len(), model.len());
            assert!(
                run.iter()
                    .map(|entry| entry.to_vec())
                    .eq(model.iter().cloned())
            );
        }
    }
}
