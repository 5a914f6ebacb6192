use super::*;
use crate::persist::random::Random;

const IDENTITY: Identity = *b"sixteen bytes id";

fn header() -> Header {
    Header {
        shard: 3,
        shards: 8,
        number: 77,
        sequence_first: 1 << 40,
        identity: IDENTITY,
        made_ms: 1_700_000_000_000,
        predecessor: Position {
            segment: 76,
            offset: 9999,
        },
        durable: Position {
            segment: 75,
            offset: 4096,
        },
        room_bytes: 1 << 26,
    }
}

fn record(kind: RecordKind, body: &[u8], seed: Seed, offset: u64) -> Vec<u8> {
    let mut out = vec![0; RECORD_HEADER_BYTES + body.len()];
    encode_record(&mut out, kind, &[body], seed, offset);
    out
}

#[test]
fn a_header_round_trips_and_no_flipped_bit_passes() {
    let mut block = vec![0xff; BLOCK_BYTES];
    header().encode(&mut block);
    assert_eq!(Header::decode(&block), Ok(header()));
    assert_eq!(Header::decode(&block[..4095]), Err(HeaderError::Short));
    for bit in 0..(HEADER_BYTES + 4) * 8 {
        block[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::decode(&block).is_err(), "bit {bit}");
        block[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn another_version_is_told_from_damage() {
    let mut block = vec![0; BLOCK_BYTES];
    header().encode(&mut block);
    block[8] = 9;
    let checksum = crc32fast::hash(&block[..HEADER_BYTES]);
    block[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(Header::decode(&block), Err(HeaderError::Version(9)));
}

#[test]
fn a_record_is_valid_in_its_own_place_only() {
    let seed = Seed::new(&IDENTITY, 7);
    let mut file = vec![0; BLOCK_BYTES];
    file.extend(record(RecordKind::Entry, b"hello", seed, 4096));
    let read = read_record(&file, 4096, seed, true).expect("valid");
    assert_eq!(
        (read.kind, read.body, read.end()),
        (RecordKind::Entry, b"hello".as_slice(), 4109)
    );
    assert_eq!(
        read_record(&file, read.end(), seed, true),
        Err(Defect::Nothing)
    );
    for other in [Seed::new(&IDENTITY, 8), Seed::new(b"other bytes here", 7)] {
        assert_eq!(read_record(&file, 4096, other, true), Err(Defect::Checksum));
    }
    file.insert(0, 0);
    assert_eq!(
        read_record(&file, 4097, seed, true),
        Err(Defect::Checksum),
        "moved by a byte"
    );
}

#[test]
fn what_is_durable_is_found_wherever_it_stands() {
    let seed = Seed::new(&IDENTITY, 7);
    let note = |offset| position_note(Position { segment: 7, offset });
    for at in (4096_u64..4096 + 30)
        .chain(8192 - 30..8192 + 30)
        .chain([12288 - 24])
    {
        let mut file = vec![0; 12288];
        let bytes = record(RecordKind::Synced, &note(4321), seed, at);
        file[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
        let expected = Some(Position {
            segment: 7,
            offset: 4321,
        });
        assert_eq!(durable_behind(&file, 4096, seed), expected, "at {at}");
        assert_eq!(durable_behind(&file, at, seed), expected, "at {at}");
        assert_eq!(durable_behind(&file, at + 1, seed), None, "at {at}");
        let stale = Seed::new(&IDENTITY, 6);
        assert_eq!(durable_behind(&file, 4096, stale), None);
    }
}

#[test]
fn garbage_is_no_record_and_harms_nobody() {
    let seed = Seed::new(&IDENTITY, 7);
    let mut random = Random::from_environment();
    for _ in 0..2000 {
        let len = random.below(300);
        // Few values, so that lengths are often plausible.
        let file: Vec<u8> = (0..len)
            .map(|_| [0, 0, 0, 1, 16, 0x40, 0x80, 0xff][random.below(8)])
            .collect();
        for offset in 0..=len as u64 + 1 {
            assert!(read_record(&file, offset, seed, true).is_err());
            if let Ok(unverified) = read_record(&file, offset, seed, false) {
                assert!(unverified.end() <= len as u64);
            }
        }
        assert_eq!(durable_behind(&file, 0, seed), None);
        assert!(Header::decode(&file).is_err());
    }
}

#[test]
fn random_records_round_trip_in_parts() {
    let seed = Seed::new(&IDENTITY, 1);
    let mut random = Random::from_environment();
    let mut file = Vec::new();
    let mut bodies = Vec::new();
    for _ in 0..500 {
        let body: Vec<u8> = (0..1 + random.below(200))
            .map(|_| random.draw() as u8)
            .collect();
        let cut = random.below(body.len() + 1);
        let offset = file.len();
        file.resize(offset + RECORD_HEADER_BYTES + body.len(), 0);
        encode_record(
            &mut file[offset..],
            RecordKind::Entry,
            &[&body[..cut], &[], &body[cut..]],
            seed,
            offset as u64,
        );
        bodies.push(body);
    }
    let mut offset = 0;
    for body in &bodies {
        let read = read_record(&file, offset, seed, true).expect("valid");
        assert_eq!(read.body, body);
        offset = read.end();
    }
    assert_eq!(offset, file.len() as u64);
    assert_eq!(
        written_end(&file, 0) as usize,
        file.iter().rposition(|byte| *byte != 0).expect("some") + 1
    );
}
