//! The hashes producers place keys with: which partition the bytes of a key belong to.

/// Kafka's murmur2 (32 bit, seed `0x9747b28c`, little-endian words), what Java clients and most others use.
///
/// Source: `org.apache.kafka.common.utils.Utils#murmur2`, whose signed result has the same bits.
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0u32, |sum, &byte| (sum << 8) | u32::from(byte));
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0u32, |sum, &byte| (sum << 8) | u32::from(byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// CRC-32 (IEEE), what librdkafka's `consistent` and `consistent_random` partitioners use.
pub fn crc32(key: &[u8]) -> u32 {
    crc32fast::hash(key)
}

/// The partition of a key placed by murmur2: the hash without its sign, modulo the number of partitions.
/// No partitions (0) counts as one.
pub fn murmur2_partition(key: &[u8], partitions: u16) -> u16 {
    modulo(murmur2(key) & 0x7fff_ffff, partitions)
}

/// The partition of a key placed by CRC-32: the unsigned hash modulo the number of partitions.
/// No partitions (0) counts as one.
pub fn crc32_partition(key: &[u8], partitions: u16) -> u16 {
    modulo(crc32(key), partitions)
}

fn modulo(hash: u32, partitions: u16) -> u16 {
    // The remainder is below a `u16`, so the cast loses nothing.
    (hash % u32::from(partitions.max(1))) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest#testMurmur2`.
    #[test]
    fn murmur2_agrees_with_kafkas_vectors() {
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, expected) in cases {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "murmur2 of {key:?}");
        }
    }

    /// The check value of CRC-32/ISO-HDLC.
    #[test]
    fn crc32_agrees_with_its_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn partitions_are_in_range_and_take_the_sign_away() {
        // -973932308 without its sign bit is 1173551340.
        assert_eq!(murmur2_partition(b"21", 1_000), 340);
        assert_eq!(crc32_partition(b"123456789", 10), (0xcbf4_3926_u32 % 10) as u16);
        assert_eq!(murmur2_partition(b"21", 0), 0);
        assert_eq!(crc32_partition(b"", 7), 0);
    }
}
