use super::super::reply::Protocol;
use super::*;
use proptest::prelude::*;

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

#[test]
fn reads_every_kind() {
    let table: &[(&[u8], Value)] = &[
        (b"+OK\r\n", Value::Simple("OK".into())),
        (b"-ERR no\r\n", Value::Error("ERR no".into())),
        (b"!6\r\nERR no\r\n", Value::Error("ERR no".into())),
        (b":-5\r\n", Value::Integer(-5)),
        (b"$2\r\n\r\n\r\n", bulk("\r\n")),
        (b"$-1\r\n", Value::Null),
        (b"*-1\r\n", Value::Null),
        (b"_\r\n", Value::Null),
        (b",1.5\r\n", Value::Double(1.5)),
        (b",inf\r\n", Value::Double(f64::INFINITY)),
        (b"#t\r\n", Value::Boolean(true)),
        (
            b"(123456789012345678901234567890\r\n",
            Value::BigNumber("123456789012345678901234567890".into()),
        ),
        (
            b"=6\r\ntxt:ab\r\n",
            Value::Verbatim("txt".into(), b"ab".to_vec()),
        ),
        (
            b"*2\r\n*0\r\n:1\r\n",
            Value::Array(vec![Value::Array(vec![]), Value::Integer(1)]),
        ),
        (
            b"%1\r\n$1\r\nk\r\n:1\r\n",
            Value::Map(vec![(bulk("k"), Value::Integer(1))]),
        ),
        (b"~1\r\n$1\r\nk\r\n", Value::Set(vec![bulk("k")])),
        (
            b">1\r\n+x\r\n",
            Value::Push(vec![Value::Simple("x".into())]),
        ),
        (b"|1\r\n+ttl\r\n:9\r\n:1\r\n", Value::Integer(1)),
    ];
    for (bytes, value) in table {
        let with_more = [bytes, &b"+more\r\n"[..]].concat();
        assert_eq!(
            read(&with_more),
            Ok((value.clone(), bytes.len())),
            "{bytes:?}"
        );
        assert_eq!(skip_frame(&with_more), Some(bytes.len()), "{bytes:?}");
        for cut in 0..bytes.len() {
            assert_eq!(
                read(&bytes[..cut]),
                Err(ReadError::Incomplete),
                "{bytes:?} cut at {cut}"
            );
            assert_eq!(skip_frame(&bytes[..cut]), None, "{bytes:?} cut at {cut}");
        }
    }
}

#[test]
fn refuses_what_is_no_reply() {
    for bytes in [
        &b"x\r\n"[..],
        b"$-2\r\n",
        b"$x\r\n",
        b":1x\r\n",
        b"#x\r\n",
        b"+a\rb\r\n",
        b"$1\r\nabc",
        b"%-1\r\n",
        b"=2\r\nab\r\n",
        b"_x\r\n",
    ] {
        assert_eq!(read(bytes), Err(ReadError::Malformed), "{bytes:?}");
    }
    for bytes in [
        &b"%9223372036854775807\r\n%9223372036854775807\r\n"[..],
        b"*9223372036854775807\r\n:1\r\n",
    ] {
        assert!(read(bytes).is_err(), "{bytes:?}");
        assert_eq!(skip_frame(bytes), None, "{bytes:?}");
    }
}

#[test]
fn depth_is_bounded_for_values_only() {
    let deep = [b"*1\r\n".repeat(100_000), b":1\r\n".to_vec()].concat();
    assert_eq!(read(&deep), Err(ReadError::Malformed));
    assert_eq!(skip_frame(&deep), Some(deep.len()));
}

#[test]
fn elements_and_replies() {
    let mut reply = Reply::new(Protocol::Resp2);
    reply.array(2);
    reply.bulk(b"abc");
    reply.array(1);
    reply.integer(1);
    let found: Vec<&[u8]> = elements(&reply)
        .expect("an array")
        .into_iter()
        .map(|element| &reply.bytes[element.bytes])
        .collect();
    assert_eq!(found, [&b"$3\r\nabc\r\n"[..], b"*1\r\n:1\r\n"]);
    reply.ok();
    assert_eq!(replies(&reply).expect("two replies").len(), 2);
    reply.bytes.push(b'+');
    assert_eq!(replies(&reply), None);
    reply.clear();
    reply.ok();
    assert_eq!(elements(&reply), None);
    reply.clear();
    reply.null_array();
    assert_eq!(elements(&reply), None);
}

#[test]
fn a_line_without_a_marker_is_malformed() {
    assert_eq!(read(b"\r\n"), Err(ReadError::Malformed));
    assert_eq!(skip_frame(b"\r\n"), None);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"*$+-:_,#(=~>%|!\r\n0123456789"[..])], 0..200)) {
        let value = read(&bytes);
        let skipped = skip_frame(&bytes);
        if let Ok((_, len)) = value {
            prop_assert_eq!(skipped, Some(len));
        }
    }
}
