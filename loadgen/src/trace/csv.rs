//! CSV traces: Twitter's (no header: timestamp, key, key size, value size, client, operation, TTL) and Meta's key-value
//! caches (with a header that names the columns, in any order).
//!
//! get, gets and GET_LEASE read; set, add, replace, cas, append, prepend, incr, decr, SET_LEASE write; delete deletes.
//! A row of Meta's with an `op_count` stands for that many requests.

use super::Rows;
use crate::protocol::Operation;

/// The most requests one row may stand for.
const COUNT_MAX: usize = 100_000;

struct Columns {
    key: usize,
    value_size: usize,
    operation: usize,
    ttl: usize,
    count: Option<usize>,
}

const TWITTER: Columns = Columns {
    key: 1,
    value_size: 3,
    operation: 5,
    ttl: 6,
    count: None,
};

fn columns(header: &[u8]) -> Result<Columns, String> {
    let names: Vec<&[u8]> = header
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .collect();
    let find = |name: &str| names.iter().position(|found| *found == name.as_bytes());
    let need = |name: &str| find(name).ok_or_else(|| format!("the header has no column {name}"));
    Ok(Columns {
        key: need("key")?,
        value_size: need("size")?,
        operation: need("op")?,
        ttl: need("ttl")?,
        count: find("op_count"),
    })
}

fn operation(name: &[u8]) -> Option<Operation> {
    Some(match name.to_ascii_lowercase().as_slice() {
        b"get" | b"gets" | b"get_lease" => Operation::Get,
        b"set" | b"add" | b"replace" | b"cas" | b"append" | b"prepend" | b"incr" | b"decr"
        | b"set_lease" => Operation::Set,
        b"delete" => Operation::Delete,
        _ => return None,
    })
}

/// Reads a whole file.
pub fn read(bytes: &[u8]) -> Result<Rows, String> {
    let mut rows = Rows::default();
    let mut layout = TWITTER;
    let mut fields: Vec<&[u8]> = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        // Twitter's first column is a number; a header's is a name.
        if index == 0 && !line[0].is_ascii_digit() {
            layout = columns(line)?;
            continue;
        }
        fields.clear();
        fields.extend(line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii));
        let problem = |what: &str| format!("line {}: {what}", index + 1);
        let field = |column: usize| {
            fields
                .get(column)
                .copied()
                .ok_or_else(|| problem("too few columns"))
        };
        let number = |column: usize| -> Result<u32, String> {
            std::str::from_utf8(field(column)?)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| problem("expected a number"))
        };
        let key = field(layout.key)?;
        if key.is_empty() {
            return Err(problem("the key is empty"));
        }
        let operation =
            operation(field(layout.operation)?).ok_or_else(|| problem("unknown operation"))?;
        let value_size = number(layout.value_size)?;
        if value_size as usize > crate::values::VALUE_SIZE_MAX {
            return Err(problem("a value above 512 MB"));
        }
        let ttl = number(layout.ttl)?;
        let count = layout.count.map_or(Ok(1), number)? as usize;
        if count > COUNT_MAX {
            return Err(problem("op_count is above 100000"));
        }
        for _ in 0..count {
            rows.push(operation, key, value_size, ttl);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::{Key, Request, Trace};
    use super::*;

    fn request(
        operation: Operation,
        key: &[u8],
        value_size: Option<usize>,
        ttl_seconds: u32,
    ) -> Request<'_> {
        Request {
            operation,
            key: Key::Bytes(key),
            value_size,
            ttl_seconds,
        }
    }

    #[test]
    fn twitter_rows() {
        let trace = Trace::Rows(
            read(b"0,q:q:1:8W,10,249,1,get,0\n1,b,1,0,2,add,86400\r\n2,c,1,0,2,delete,0").unwrap(),
        );
        assert_eq!(trace.len(), 3);
        assert_eq!(
            trace.request(0),
            request(Operation::Get, b"q:q:1:8W", Some(249), 0)
        );
        assert_eq!(
            trace.request(1),
            request(Operation::Set, b"b", None, 86_400)
        );
        assert_eq!(trace.request(2), request(Operation::Delete, b"c", None, 0));
    }

    #[test]
    fn meta_rows_in_either_order_of_columns() {
        let first = b"op_time,key,key_size,op,op_count,size,cache_hits,ttl,usecase\n1,k,48,GET,2,87,1,0,3\n1,l,48,SET_LEASE,1,9,1,60,3\n";
        let second = b"op_time,key,key_size,op,op_count,size,cache_hits,usecase,ttl\n1,k,48,GET,2,87,1,3,0\n1,l,48,SET_LEASE,1,9,1,3,60\n";
        for text in [&first[..], &second[..]] {
            let trace = Trace::Rows(read(text).unwrap());
            assert_eq!(trace.len(), 3);
            assert_eq!(trace.request(1), request(Operation::Get, b"k", Some(87), 0));
            assert_eq!(trace.request(2), request(Operation::Set, b"l", Some(9), 60));
        }
    }

    #[test]
    fn damaged_rows_are_named_by_line() {
        for (text, part) in [
            (&b"0,a,1,2,3,get,0\n0,b\n"[..], "line 2"),
            (b"0,a,1,x,3,get,0\n", "number"),
            (b"0,a,1,1,3,fly,0\n", "unknown operation"),
            (b"time,object\n1,2\n", "no column key"),
            (b"0,,1,1,3,get,0\n", "empty"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
