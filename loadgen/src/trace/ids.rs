//! Traces of bare object numbers: little-endian u32 per request, plain or compressed with zstd.

use std::io::Read;

/// Reads plain numbers.
pub fn read(bytes: &[u8]) -> Result<Vec<u32>, String> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes are no whole number of u32 values",
            bytes.len()
        ));
    }
    Ok(numbers
        .iter()
        .map(|number| u32::from_le_bytes(*number))
        .collect())
}

/// Reads numbers from one zstd frame.
pub fn read_compressed(bytes: &[u8]) -> Result<Vec<u32>, String> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(bytes)
        .map_err(|error| format!("not zstd: {error}"))?;
    let mut plain = Vec::new();
    let limit = super::REQUESTS_MAX as u64 * 4 + 4;
    decoder
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|error| format!("damaged zstd: {error}"))?;
    read(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_compressed_numbers_read_the_same() {
        let numbers: Vec<u32> = (0..10_000).map(|i| i * 7_919 % 1_000).collect();
        let plain: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        assert_eq!(read(&plain).unwrap(), numbers);
        let compressed = ruzstd::encoding::compress_to_vec(
            &plain[..],
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        assert!(compressed.len() < plain.len());
        assert_eq!(read_compressed(&compressed).unwrap(), numbers);
        assert!(read_compressed(&compressed[..compressed.len() / 2]).is_err());
        assert!(read_compressed(&plain).is_err());
        assert!(read(&plain[..5]).is_err());
    }
}
