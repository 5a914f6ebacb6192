//! Hash slots of keys, as Redis Cluster defines them, and names of keys that lie far apart. Written apart from torc's own table on purpose, and
//! plainly.

/// The number of slots, which shards share in contiguous ranges.
const SLOTS: u32 = 16_384;

/// A key's slot: CRC16 (XMODEM) of the name, modulo 16384. Names with a `{hash tag}` are not for this function.
pub fn slot(name: &str) -> u32 {
    let mut crc: u16 = 0;
    for byte in name.bytes() {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
        }
    }
    u32::from(crc) % SLOTS
}

/// A name that begins with `prefix` and lies in the `part`th of `parts` equal ranges of slots: with at most so many shards, parts lie on all of them.
pub fn name_in(prefix: &str, part: u32, parts: u32) -> String {
    assert!(part < parts);
    (0u32..)
        .map(|number| format!("{prefix}.{number}"))
        .find(|name| slot(name) * parts / SLOTS == part)
        .expect("every range has names")
}

/// The shard, of so many, that a key belongs to. Names with a `{hash tag}` are not for this function.
pub fn shard_of(name: &str, shards: usize) -> usize {
    slot(name) as usize * shards / SLOTS as usize
}
