//! A small seeded generator of random numbers, the same on every machine for ever.

/// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014), with the
/// constants of Vigna's reference implementation (public domain). Good enough for test data, not for secrets.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator; equal seeds give equal numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in [0, 1): 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A whole number in [0, n); 0 for n = 0. (The bias of the multiplication is below n / 2^64.)
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of the texts, in proportion to its weight. The list must not be empty.
    pub fn pick(&mut self, weighted: &[(&'static str, u32)]) -> &'static str {
        let total: u32 = weighted.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(u64::from(total)) as u32;
        for (text, weight) in weighted {
            if at < *weight {
                return text;
            }
            at -= weight;
        }
        weighted.last().map_or("", |(text, _)| text)
    }
}

/// The finalizer: 64 bits to 64 bits, one to one, well mixed. Gives a customer fixed attributes without memory.
pub fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First numbers of Vigna's reference implementation for the seed 1234567.
    #[test]
    fn numbers_agree_with_the_reference() {
        let mut random = SplitMix64::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for number in expected {
            assert_eq!(random.next_u64(), number);
        }
    }

    #[test]
    fn picks_follow_the_weights() {
        let mut random = SplitMix64::new(7);
        let heads = (0..10_000).filter(|_| random.pick(&[("a", 3), ("b", 1)]) == "a").count();
        assert!((7_300..7_700).contains(&heads), "{heads} of 10000 were a, expected about 7500");
    }
}
