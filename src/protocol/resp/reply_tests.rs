use super::super::reader;
use super::*;
use proptest::prelude::*;

fn written(protocol: Protocol, write: impl Fn(&mut Reply)) -> Vec<u8> {
    let mut reply = Reply::new(protocol);
    write(&mut reply);
    reply.bytes
}

type Write = fn(&mut Reply);

#[test]
fn every_kind_in_both_versions() {
    let table: &[(Write, &[u8], &[u8])] = &[
        (|reply| reply.simple("PONG"), b"+PONG\r\n", b"+PONG\r\n"),
        (|reply| reply.ok(), b"+OK\r\n", b"+OK\r\n"),
        (
            |reply| reply.error("ERR a\r\nb\n"),
            b"-ERR a  b \r\n",
            b"-ERR a  b \r\n",
        ),
        (|reply| reply.integer(0), b":0\r\n", b":0\r\n"),
        (|reply| reply.integer(10), b":10\r\n", b":10\r\n"),
        (
            |reply| reply.integer(i64::MIN),
            b":-9223372036854775808\r\n",
            b":-9223372036854775808\r\n",
        ),
        (|reply| reply.bulk(b""), b"$0\r\n\r\n", b"$0\r\n\r\n"),
        (
            |reply| reply.bulk(b"a\r\nb"),
            b"$4\r\na\r\nb\r\n",
            b"$4\r\na\r\nb\r\n",
        ),
        (
            |reply| reply.bulk_integer(-12),
            b"$3\r\n-12\r\n",
            b"$3\r\n-12\r\n",
        ),
        (|reply| reply.null(), b"$-1\r\n", b"_\r\n"),
        (|reply| reply.null_array(), b"*-1\r\n", b"_\r\n"),
        (|reply| reply.array(0), b"*0\r\n", b"*0\r\n"),
        (
            |reply| reply.array(1234567),
            b"*1234567\r\n",
            b"*1234567\r\n",
        ),
        (|reply| reply.map(7), b"*14\r\n", b"%7\r\n"),
        (|reply| reply.set(123), b"*123\r\n", b"~123\r\n"),
        (|reply| reply.push(3), b"*3\r\n", b">3\r\n"),
        (|reply| reply.double(1.5), b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (
            |reply| reply.double(f64::NEG_INFINITY),
            b"$4\r\n-inf\r\n",
            b",-inf\r\n",
        ),
        (|reply| reply.boolean(true), b":1\r\n", b"#t\r\n"),
        (|reply| reply.boolean(false), b":0\r\n", b"#f\r\n"),
        (
            |reply| reply.verbatim("txt", b"ab"),
            b"$2\r\nab\r\n",
            b"=6\r\ntxt:ab\r\n",
        ),
    ];
    for (write, resp2, resp3) in table {
        assert_eq!(written(Protocol::Resp2, write), *resp2);
        assert_eq!(written(Protocol::Resp3, write), *resp3);
    }
}

#[test]
fn append_takes_elements_over() {
    let mut from = Reply::new(Protocol::Resp2);
    from.array(3);
    from.bulk(b"one");
    from.null();
    from.integer(3);
    let elements = reader::elements(&from).expect("an array");
    let mut to = Reply::new(Protocol::Resp2);
    to.array(2);
    to.append(&from, &elements[2]);
    to.append(&from, &elements[0]);
    assert_eq!(to.bytes, b"*2\r\n:3\r\n$3\r\none\r\n");
    assert_eq!(to.len(), to.bytes.len());
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in proptest::collection::vec(any::<u8>(), 0..1200), number in any::<i64>(), length in 0usize..2000) {
        let mut reply = Reply::new(Protocol::Resp3);
        reply.bulk(&value);
        let (read, len) = reader::read(&reply.bytes).expect("whole");
        prop_assert_eq!(read, reader::Value::Bulk(value));
        prop_assert_eq!(len, reply.bytes.len());
        reply.clear();
        reply.integer(number);
        prop_assert_eq!(reader::read(&reply.bytes), Ok((reader::Value::Integer(number), reply.bytes.len())));
        reply.clear();
        reply.array(length);
        prop_assert_eq!(reply.bytes, format!("*{length}\r\n").into_bytes());
    }
}
