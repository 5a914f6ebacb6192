//! The generator behind a script's `math.random`: the 48-bit linear congruential one that POSIX calls `lrand48`, so that a new
//! state and a seeded one draw the numbers that redis-server draws. What was drawn is not forgotten from one script to the next.

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Random(u64);

/// The greatest number drawn, and the divisor of fractions.
const MAX: i64 = 0x7fff_ffff;

impl Default for Random {
    /// As it is before any `srand48`.
    fn default() -> Random {
        Random(0x1234_abcd_330e)
    }
}

impl Random {
    /// As `srand48` begins.
    pub fn new(seed: i32) -> Random {
        Random(u64::from(seed as u32) << 16 | 0x330e)
    }

    /// The next fraction.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
        let drawn = (self.0 >> 17) as i64;
        (drawn % MAX) as f64 / MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_redis_server() {
        let mut random = Random::default();
        let mut draw = |max: f64| (random.fraction() * max).floor() as i64 + 1;
        assert_eq!([draw(1000.0), draw(1000.0)], [397, 841]);
        let mut random = Random::new(5);
        let mut draw = |max: f64| (random.fraction() * max).floor() as i64 + 1;
        assert_eq!([draw(1000.0), draw(1000.0)], [525, 273]);
    }
}
