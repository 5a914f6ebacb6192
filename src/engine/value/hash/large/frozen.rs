//! What a warm restart keeps of a large hash: its fields as they are allocated. The index of expiries is made again.

use super::{Encoding, Field, LargeHash};
use crate::engine::frozen::{In, Out};
use crate::engine::value::table::Table;
use crate::engine::value::{ElementHasher, allocated_bytes};
use std::io;

const ENCODINGS: [Encoding; 3] = [
    Encoding::Listpack,
    Encoding::ListpackExpires,
    Encoding::Hashtable,
];

impl LargeHash {
    /// Writes it.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.bytes(&[self.encoding as u8])?;
        self.table.freeze(out, |out, field, _| out.text(field))
    }

    /// See [`LargeHash::freeze`].
    pub(in crate::engine) fn thaw(
        input: &mut In<'_>,
        hasher: &ElementHasher,
    ) -> Result<LargeHash, String> {
        let encoding = ENCODINGS.get(usize::from(input.byte()?));
        let encoding = *encoding.ok_or("a hash is in no form")?;
        let (mut field_bytes, mut expiries) = (0, Vec::new());
        let table = Table::thaw(input, |input| {
            let bytes = input.text()?.into_boxed_slice();
            if bytes.is_empty() {
                return Err("a field of a hash is none".into());
            }
            field_bytes += allocated_bytes(bytes.len());
            let field = Field::read(&bytes);
            let hash = hasher.hash(field.name);
            expiries.extend(field.expiry.map(|time| (time, hash)));
            Ok((bytes, hash))
        })?;
        Ok(LargeHash {
            table,
            hasher: hasher.clone(),
            encoding,
            field_bytes,
            expiries: expiries.into_iter().collect(),
        })
    }
}
