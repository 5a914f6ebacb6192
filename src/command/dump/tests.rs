//! Payloads there and back, damaged ones, and those of older versions by hand.

use super::writer::Writer;
use super::*;
use crate::engine::value::stream::{NewId, References, Stream, StreamId, StreamLimits};
use proptest::prelude::*;
use std::sync::LazyLock;

const BYTES_MAX: usize = 64 << 20;

fn read(payload: &[u8]) -> Result<DumpedValue, DumpError> {
    decode(payload, BYTES_MAX)
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn field(name: &str, value: &str, expires_at_ms: Option<i64>) -> DumpedField {
    DumpedField {
        name: name.into(),
        value: value.into(),
        expires_at_ms,
    }
}

fn stream_with_groups() -> Stream {
    let mut stream = Stream::new();
    for number in 1..=250u64 {
        let value = number.to_string();
        let fields: [&[u8]; 2] = [
            if number % 9 == 0 { b"other" } else { b"field" },
            value.as_bytes(),
        ];
        let id = NewId::Given(StreamId::new(number, number % 3));
        stream
            .append(id, &fields, &StreamLimits::default())
            .expect("ids grow");
    }
    stream.create_group(b"group", StreamId::MIN, None);
    let mut group = stream.group_mut(b"group").expect("it was made");
    group.read_new(b"first", Some(20), false, 1000, |_| ());
    group.read_new(b"second", Some(5), false, 2000, |_| ());
    group.create_consumer(b"idle", 3000);
    drop(group);
    stream.delete_with_references(StreamId::new(3, 0), References::Keep);
    stream
}

fn hash_of(fields: &[DumpedField]) -> Vec<u8> {
    hash(
        fields.len(),
        fields
            .iter()
            .map(|field| (&field.name, &field.value, field.expires_at_ms)),
    )
    .finish()
}

/// One payload of each form that is written.
static PAYLOADS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let many: Vec<String> = (0..1000)
        .map(|number| format!("element {number}"))
        .collect();
    let fields = [
        field("a", "1", Some(5000)),
        field("b", "2", None),
        field("c", "3", Some(9000)),
    ];
    let large: Vec<_> = many.iter().map(|name| field(name, "value", None)).collect();
    vec![
        string(b"hello").finish(),
        string(b"-129").finish(),
        string(&b"compressible ".repeat(50)).finish(),
        list(many.iter()).finish(),
        set(many.len(), many.iter()).finish(),
        sorted_set(
            many.len(),
            many.iter()
                .zip(0..)
                .map(|(member, score)| (member, f64::from(score))),
        )
        .finish(),
        hash_of(&[field("a", "1", None)]),
        hash_of(&large),
        hash_of(&fields),
        stream(stream_with_groups().view(), VERSION_7_0).finish(),
        stream(stream_with_groups().view(), VERSION_7_2).finish(),
    ]
});

#[test]
fn what_is_written_is_read() {
    for text in [
        "",
        "0",
        "-1",
        "127",
        "128",
        "-32768",
        "32768",
        "2147483647",
        "2147483648",
        "012",
        "word",
    ] {
        assert_eq!(
            read(&string(text.as_bytes()).finish()),
            Ok(DumpedValue::String(text.into()))
        );
    }
    let long = b"compressible ".repeat(50);
    assert!(string(&long).finish().len() < 100);
    assert!(string(&long).plain().len() > long.len());
    let parts = [&long[..], b"short", b"12", &long, &[b'-'; 21]];
    let all = list(parts.iter()).compressed();
    assert!(all.len() < 200, "{} bytes", all.len());
    let read_again = decode_value(all[0], &all[1..], BYTES_MAX);
    assert_eq!(
        read_again,
        Ok(DumpedValue::List(parts.map(Vec::from).to_vec()))
    );
    assert_eq!(read(&string(&long).finish()), Ok(DumpedValue::String(long)));
    let elements: Vec<Vec<u8>> = (0..3000usize)
        .map(|number| vec![b'0' + (number % 10) as u8; number % 40])
        .collect();
    assert_eq!(
        read(&list(elements.iter()).finish()),
        Ok(DumpedValue::List(elements))
    );
    let members = texts(&["a", "1", "b"]);
    assert_eq!(
        read(&set(members.len(), members.iter()).finish()),
        Ok(DumpedValue::Set(members))
    );
    let scored = vec![(b"a".to_vec(), -0.5), (b"b".to_vec(), f64::INFINITY)];
    let payload = sorted_set(
        scored.len(),
        scored.iter().map(|(member, score)| (member, *score)),
    )
    .finish();
    assert_eq!(read(&payload), Ok(DumpedValue::SortedSet(scored)));
    for fields in [
        vec![field("a", "1", None), field("b", "", None)],
        vec![
            field("a", "1", Some(1_700_000_000_000)),
            field("b", "", None),
            field("c", "", Some(1_600_000_000_000)),
        ],
        vec![field(&"long".repeat(50), "1", None)],
    ] {
        assert_eq!(read(&hash_of(&fields)), Ok(DumpedValue::Hash(fields)));
    }
}

#[test]
fn streams_keep_everything() {
    let original = stream_with_groups();
    let parts = original.view().to_parts();
    let Ok(DumpedValue::Stream(again)) = read(&stream(original.view(), VERSION_7_2).finish())
    else {
        panic!("a stream");
    };
    assert_eq!(again, parts);
    let Ok(DumpedValue::Stream(older)) = read(&stream(original.view(), VERSION_7_0).finish())
    else {
        panic!("a stream");
    };
    assert_eq!(older.nodes, parts.nodes);
    assert!(Stream::from_parts(older).is_some());
}

#[test]
fn a_stream_may_have_a_node_without_live_entries() {
    // What redis-server 7.0.15 says after XADD 26-0 and 37-0, XDEL 37-0 and XTRIM MINID = 33-2.
    let payload = b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x00\x00\x00\x00\x00@DD\x00\x00\x00\x15\x00\
        \x00\x01\x02\x01\x02\x01\x81g\x02\x81x\x02\x00\x01\x03\x01\x00\x01\x00\x01\xf1\x13K\x03\xf2\x8b\x96\x00\x04\x05\x01\
        \x01\x01\x0b\x01\x00\x01\x02\x01\x81f\x02\x82-0\x03\x81g\x02\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\t\x08\x01\xff\x00\
        %\x00\x00\x00%\x00\x02\x00\n\x00+\x90\x19\x80\xfa\xd1\xa8\x0c";
    let Ok(DumpedValue::Stream(parts)) = read(payload) else {
        panic!("a stream");
    };
    let stream = Stream::from_parts(parts).expect("a sound one");
    assert!(stream.view().log().is_empty());
    assert_eq!(stream.view().log().last_id(), StreamId::new(37, 0));
}

fn payload_of(kind: u8, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::new(kind);
    write(&mut out);
    out.finish(6)
}

#[test]
fn forms_of_older_versions() {
    let strings = |kind| {
        payload_of(kind, |out| {
            out.number(2);
            out.string(b"a");
            out.string(b"b");
        })
    };
    assert_eq!(
        read(&strings(kind::LIST)),
        Ok(DumpedValue::List(texts(&["a", "b"])))
    );
    assert_eq!(
        read(&strings(kind::SET)),
        Ok(DumpedValue::Set(texts(&["a", "b"])))
    );
    let ziplist = b"\x12\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xfe\x05\xff";
    let mut ziplist = ziplist.to_vec();
    ziplist[0] = ziplist.len() as u8;
    let one = |kind, bytes: &[u8]| payload_of(kind, |out| out.string(bytes));
    assert_eq!(
        read(&one(kind::LIST_ZIPLIST, &ziplist)),
        Ok(DumpedValue::List(texts(&["a", "5"])))
    );
    let hash = DumpedValue::Hash(vec![field("a", "5", None)]);
    assert_eq!(read(&one(kind::HASH_ZIPLIST, &ziplist)), Ok(hash.clone()));
    let scored = DumpedValue::SortedSet(vec![(b"a".to_vec(), 5.0)]);
    assert_eq!(
        read(&one(kind::SORTED_SET_ZIPLIST, &ziplist)),
        Ok(scored.clone())
    );
    assert_eq!(
        read(&one(kind::HASH_ZIPMAP, b"\x01\x01a\x01\x005\xff")),
        Ok(hash.clone())
    );
    let quicklist = payload_of(kind::LIST_QUICKLIST, |out| {
        out.number(2);
        out.string(&ziplist);
        out.string(&ziplist);
    });
    assert_eq!(
        read(&quicklist),
        Ok(DumpedValue::List(texts(&["a", "5", "a", "5"])))
    );
    let plain = payload_of(kind::LIST_QUICKLIST_2, |out| {
        out.number(1);
        out.number(NODE_PLAIN);
        out.string(b"whole");
    });
    assert_eq!(read(&plain), Ok(DumpedValue::List(texts(&["whole"]))));
    let packed = crate::engine::value::stream::listpack::of([b"a".as_slice(), b"5"]);
    assert_eq!(read(&one(kind::HASH_LISTPACK, &packed)), Ok(hash));
    assert_eq!(
        read(&one(kind::SORTED_SET_LISTPACK, &packed)),
        Ok(scored.clone())
    );
    assert_eq!(
        read(&one(kind::SET_LISTPACK, &packed)),
        Ok(DumpedValue::Set(texts(&["a", "5"])))
    );
    let integers = one(kind::SET_INTSET, b"\x02\0\0\0\x02\0\0\0\xff\xff\x05\0");
    assert_eq!(read(&integers), Ok(DumpedValue::Set(texts(&["-1", "5"]))));
    for wide in [
        [-1, 5],
        [i64::from(i16::MIN) - 1, 70_000],
        [i64::MIN, i64::MAX],
    ] {
        let members = wide.map(|member| member.to_string().into_bytes());
        let expected = DumpedValue::Set(members.to_vec());
        assert_eq!(read(&intset(wide.into_iter()).finish()), Ok(expected));
    }
    let small = [("x", -2.5), ("y", 7.0), ("z", f64::INFINITY)];
    assert_eq!(
        read(&packed_sorted_set(small.into_iter()).finish()),
        Ok(DumpedValue::SortedSet(
            small.map(|(member, score)| (member.into(), score)).to_vec()
        ))
    );
    let text = payload_of(kind::SORTED_SET_TEXT, |out| {
        out.number(1);
        out.string(b"a");
        out.bytes(b"\x015");
    });
    assert_eq!(read(&text), Ok(scored));
    let triples = crate::engine::value::stream::listpack::of([
        b"a".as_slice(),
        b"5",
        b"7000",
        b"b",
        b"6",
        b"0",
    ]);
    let expected = DumpedValue::Hash(vec![field("a", "5", Some(7000)), field("b", "6", None)]);
    let mut out = Writer::new(kind::HASH_LISTPACK_EXPIRING);
    out.bytes(&7000u64.to_le_bytes());
    out.string(&triples);
    assert_eq!(read(&out.finish(VERSION_7_4)), Ok(expected.clone()));
    let mut out = Writer::new(kind::HASH_LISTPACK_EXPIRING_EARLY);
    out.string(&triples);
    assert_eq!(read(&out.finish(VERSION_7_4)), Ok(expected.clone()));
    // A distance of one is the earliest expiry itself; the early form has the times as they are.
    for (form, earliest, first) in [
        (kind::HASH_EXPIRING, Some(7000u64), 1),
        (kind::HASH_EXPIRING_EARLY, None, 7000),
    ] {
        let mut out = Writer::new(form);
        earliest.inspect(|time| out.bytes(&time.to_le_bytes()));
        out.number(2);
        for (expiry, name, value) in [(first, "a", "5"), (0, "b", "6")] {
            out.number(expiry);
            out.string(name.as_bytes());
            out.string(value.as_bytes());
        }
        assert_eq!(read(&out.finish(VERSION_7_4)), Ok(expected.clone()));
    }
}

#[test]
fn hashes_of_valkey() {
    let mut out = Writer::new(kind::HASH_EXPIRING_VALKEY);
    out.number(4);
    for (name, at) in [("a", -1i64), ("b", 7000), ("c", i64::MIN), ("d", i64::MAX)] {
        out.string(name.as_bytes());
        out.string(b"v");
        out.bytes(&at.to_le_bytes());
    }
    let payload = out.finish(VERSION_7_4);
    let body = &payload[1..payload.len() - FOOTER_BYTES];
    let fields = vec![
        field("a", "v", None),
        field("b", "v", Some(7000)),
        field("c", "v", Some(0)),
        field("d", "v", Some((1 << 46) - 1)),
    ];
    assert_eq!(
        decode_value(kind::HASH_EXPIRING_VALKEY, body, BYTES_MAX),
        Ok(DumpedValue::Hash(fields))
    );
    assert_eq!(read(&payload), Err(DumpError::Format), "no payload says so");
}

/// The body of the stream with groups up to the number of its groups.
fn stream_start(out: &mut Writer, kind: u8) {
    let stream = stream_with_groups();
    let parts = stream.view().to_parts();
    out.number(parts.nodes.len() as u64);
    for (first, listpack) in &parts.nodes {
        out.string(&first.to_bytes());
        out.string(listpack);
    }
    out.number(parts.length);
    out.number(250);
    out.number(1);
    if kind >= kind::STREAM_2 {
        for number in [1, 1, 3, 0, 250] {
            out.number(number);
        }
    }
}

#[test]
fn streams_that_did_not_count_what_groups_have_read() {
    let mut out = Writer::new(kind::STREAM_1);
    stream_start(&mut out, kind::STREAM_1);
    out.number(4);
    for (name, ms) in [("none", 0), ("one", 1), ("some", 100), ("all", 250)] {
        out.string(name.as_bytes());
        out.number(ms);
        out.number(1);
        out.number(0);
        out.number(0);
    }
    let Ok(DumpedValue::Stream(parts)) = read(&out.finish(9)) else {
        panic!("a stream");
    };
    let read: Vec<_> = parts
        .groups
        .iter()
        .map(|group| group.entries_read)
        .collect();
    assert_eq!(read, [Some(0), Some(1), None, Some(249)]);
    assert!(Stream::from_parts(parts).is_some());
}

#[test]
fn streams_of_redis_8_6_and_8_8() {
    for kind in [kind::STREAM_4, kind::STREAM_5] {
        let mut out = Writer::new(kind);
        stream_start(&mut out, kind);
        out.number(1);
        out.string(b"group");
        for number in [5, 2, u64::MAX, 2] {
            out.number(number);
        }
        for ms in [1u64, 5] {
            out.bytes(&StreamId::new(ms, ms % 3).to_bytes());
            out.bytes(&1000i64.to_le_bytes());
            out.number(1);
        }
        out.number(1);
        out.string(b"consumer");
        out.bytes(&1000i64.to_le_bytes());
        out.bytes(&(-1i64).to_le_bytes());
        let (owned, given_back): (&[u64], &[u64]) = match kind {
            kind::STREAM_4 => (&[1, 5], &[]),
            _ => (&[1], &[5]),
        };
        out.number(owned.len() as u64);
        for &ms in owned {
            out.bytes(&StreamId::new(ms, ms % 3).to_bytes());
        }
        if kind == kind::STREAM_5 {
            out.number(given_back.len() as u64);
            for &ms in given_back {
                out.bytes(&StreamId::new(ms, ms % 3).to_bytes());
            }
        }
        for number in [100, 100, 1] {
            out.number(number);
        }
        out.string(b"producer");
        out.number(1);
        out.string(b"its id");
        for number in [7, 1, 9, 2] {
            out.number(number);
        }
        let Ok(DumpedValue::Stream(parts)) = read(&out.finish(VERSION_7_4)) else {
            panic!("a stream");
        };
        let consumers = &parts.groups[0].consumers;
        assert_eq!(consumers[0].pending.len(), owned.len());
        assert_eq!(consumers.len(), 1 + given_back.len());
        if let Some(nobody) = consumers.get(1) {
            assert_eq!(nobody.name, b"");
            assert_eq!(nobody.pending, [StreamId::new(5, 2)]);
        }
        assert!(Stream::from_parts(parts).is_some());
    }
}

#[test]
fn a_payload_that_redis_7_0_made() {
    // DUMP of the string "10", from the documentation of the command's format: type, integer of eight bits, version, checksum.
    let payload = b"\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb";
    assert_eq!(read(payload), Ok(DumpedValue::String(b"10".to_vec())));
    assert_eq!(string(b"10").finish(), payload);
}

#[test]
fn footers_are_checked() {
    let payload = string(b"hello").finish();
    for at in 0..payload.len() {
        let mut bad = payload.clone();
        bad[at] ^= 1;
        assert_eq!(read(&bad), Err(DumpError::Footer), "byte {at}");
    }
    for version in [0, VERSION_7_4 + 1, u16::MAX] {
        let mut out = Writer::new(kind::STRING);
        out.string(b"hello");
        assert_eq!(
            read(&out.finish(version)),
            Err(DumpError::Footer),
            "version {version}"
        );
    }
    assert_eq!(read(b"short"), Err(DumpError::Footer));
    let empty = payload_of(kind::SET, |out| out.number(0));
    assert_eq!(read(&empty), Err(DumpError::Empty));
}

#[test]
fn what_is_wrong_inside_is_refused() {
    let two = |kind, first: &[u8], second: &[u8]| {
        payload_of(kind, |out| {
            out.number(2);
            out.string(first);
            out.string(second);
        })
    };
    assert_eq!(
        read(&two(kind::SET, b"same", b"same")),
        Err(DumpError::Format)
    );
    assert_eq!(
        read(&two(kind::SET, b"\x01\x01", b"")),
        read(&set(2, texts(&["\x01\x01", ""]).iter()).finish())
    );
    let trailing = payload_of(kind::STRING, |out| {
        out.string(b"a");
        out.bytes(b"b");
    });
    assert_eq!(read(&trailing), Err(DumpError::Format));
    let not_a_number = sorted_set(1, [(b"a", f64::NAN)].into_iter()).finish();
    assert_eq!(read(&not_a_number), Err(DumpError::Format));
    let module = payload_of(7, |out| out.number(1));
    assert_eq!(read(&module), Err(DumpError::Format));
}

#[test]
fn announcements_take_no_memory() {
    for kind in (0..=30).chain([kind::HASH_EXPIRING_VALKEY]) {
        let announced = payload_of(kind, |out| out.number(u64::MAX));
        assert_eq!(read(&announced), Err(DumpError::Format));
        let body = &announced[1..announced.len() - FOOTER_BYTES];
        assert_eq!(decode_value(kind, body, BYTES_MAX), Err(DumpError::Format));
        let compressed = payload_of(kind, |out| {
            out.bytes(b"\xc3");
            out.number(5);
            out.number(1 << 50);
            out.bytes(b"\x00a\xe0\xff\x00");
        });
        assert!(read(&compressed).is_err());
    }
    let bomb = string(&vec![0; 10 << 20]).finish();
    assert!(bomb.len() < 200_000);
    assert_eq!(decode(&bomb, 1 << 20), Err(DumpError::TooLarge));
    assert!(decode(&bomb, 16 << 20).is_ok());
    let many = set(100_000, (0..100_000).map(|number: i32| number.to_string())).finish();
    assert_eq!(decode(&many, 1 << 20), Err(DumpError::TooLarge));
}

/// Puts a right footer behind what may be a wrong body.
fn with_footer(mut body: Vec<u8>) -> Vec<u8> {
    body.extend_from_slice(&VERSION_7_4.to_le_bytes());
    let checksum = crate::codec::crc64::crc64(&body);
    body.extend_from_slice(&checksum.to_le_bytes());
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_payloads_are_safe(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), kind in prop::option::of(0u8..30)) {
        let payload = which.get(&PAYLOADS);
        let mut body = payload[..payload.len() - FOOTER_BYTES].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(kind) = kind {
            body[0] = kind;
        }
        if let Ok(DumpedValue::Stream(parts)) = read(&with_footer(body)) {
            // What decodes either makes a stream that can be read or none.
            if let Some(stream) = Stream::from_parts(parts) {
                let entries = stream.view().log().range(StreamId::MIN, StreamId::MAX).count();
                prop_assert_eq!(entries as u64, stream.view().log().len());
            }
        }
    }

    #[test]
    fn any_bytes_are_safe(body in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..30) {
        let _ = read(&body);
        let body = [&[kind], body.as_slice()].concat();
        let _ = read(&with_footer(body));
    }

    #[test]
    fn any_strings_are_written_and_read(elements in prop::collection::vec(any::<Vec<u8>>(), 1..50)) {
        for element in &elements {
            prop_assert_eq!(read(&string(element).finish()), Ok(DumpedValue::String(element.clone())));
        }
        prop_assert_eq!(read(&list(elements.iter()).finish()), Ok(DumpedValue::List(elements)));
    }
}
