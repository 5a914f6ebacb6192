//! Positions as 52-bit geohashes: longitude and latitude, each halved 26 times, with their bits interleaved. Such a number is exact as a
//! score of a sorted set, and near positions have near scores.
//! Never: sorted sets. The one decision worth knowing: the latitude of scores ends at 85.05 degrees, where the Mercator projection is
//! square, and not at the poles; only the 11-character string uses the usual range.

/// Longitudes go from minus this to this, degrees.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Latitudes of scores go from minus this to this, degrees.
pub const LATITUDE_MAX: f64 = 85.05112878;
/// Halvings of each coordinate in a score.
pub const STEPS_MAX: u32 = 26;
/// The earth's radius that Redis measures with, metres.
pub const EARTH_RADIUS_METRES: f64 = 6_372_797.560856;

/// A position in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// East is positive.
    pub longitude: f64,
    /// North is positive.
    pub latitude: f64,
}

impl Position {
    /// False for what GEOADD refuses.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }
}

/// A cell of the grid: `2 * steps` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Latitude in the even bits, longitude in the odd ones.
    pub bits: u64,
    /// Halvings of each coordinate, 1 to 26.
    pub steps: u32,
}

/// The part of the earth that a cell covers, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// The western edge.
    pub longitude_min: f64,
    /// The eastern edge.
    pub longitude_max: f64,
    /// The southern edge.
    pub latitude_min: f64,
    /// The northern edge.
    pub latitude_max: f64,
}

const ODD_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const EVEN_BITS: u64 = 0x5555_5555_5555_5555;

/// Spreads 32 bits to the even ones of 64.
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, EVEN_BITS),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// The inverse of [`spread`]; the odd bits are ignored.
fn gather(bits: u64) -> u32 {
    let mut gathered = bits & EVEN_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        gathered = (gathered | gathered >> shift) & mask;
    }
    gathered as u32
}

fn encode(position: Position, latitude_max: f64, steps: u32) -> u64 {
    let cells = (1u64 << steps) as f64;
    let latitude = (position.latitude + latitude_max) / (latitude_max + latitude_max) * cells;
    let longitude = (position.longitude + LONGITUDE_MAX) / (LONGITUDE_MAX + LONGITUDE_MAX) * cells;
    spread(latitude as u32) | spread(longitude as u32) << 1
}

impl Cell {
    /// The cell of this size that holds a valid position.
    pub fn at(position: Position, steps: u32) -> Cell {
        assert!((1..=STEPS_MAX).contains(&steps));
        Cell {
            bits: encode(position, LATITUDE_MAX, steps),
            steps,
        }
    }

    /// The cell whose score this is.
    pub fn of_score(score: f64) -> Cell {
        Cell {
            bits: score as u64,
            steps: STEPS_MAX,
        }
    }

    /// Its edges.
    pub fn area(self) -> Area {
        let cells = (1u64 << self.steps) as f64;
        let (latitude, longitude) = (
            f64::from(gather(self.bits)),
            f64::from(gather(self.bits >> 1)),
        );
        let at = |place: f64, max: f64| -max + place / cells * (max + max);
        Area {
            longitude_min: at(longitude, LONGITUDE_MAX),
            longitude_max: at(longitude + 1.0, LONGITUDE_MAX),
            latitude_min: at(latitude, LATITUDE_MAX),
            latitude_max: at(latitude + 1.0, LATITUDE_MAX),
        }
    }

    /// Its middle.
    pub fn middle(self) -> Position {
        let area = self.area();
        let longitude = (area.longitude_min + area.longitude_max) / 2.0;
        let latitude = (area.latitude_min + area.latitude_max) / 2.0;
        Position {
            longitude: longitude.clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The scores within the cell: from the first, which is included, to the second, which is not.
    pub fn scores(self) -> (u64, u64) {
        let shift = 52 - 2 * self.steps;
        (self.bits << shift, (self.bits + 1) << shift)
    }

    /// The cell so many cells to the east and to the north (-1, 0 or 1), around the edges of the map.
    pub fn neighbour(self, east: i32, north: i32) -> Cell {
        let unused = 64 - 2 * self.steps;
        let longitude = step(
            self.bits & ODD_BITS,
            EVEN_BITS >> unused,
            ODD_BITS >> unused,
            east,
        );
        let latitude = step(
            self.bits & EVEN_BITS,
            ODD_BITS >> unused,
            EVEN_BITS >> unused,
            north,
        );
        Cell {
            bits: longitude | latitude,
            steps: self.steps,
        }
    }
}

/// Adds a direction to interleaved bits: with the bits in between all set, a carry runs through them. Only a step goes around the edge of the map;
/// the one longitude that lies beyond it, 180 degrees, has a bit more, and stays there without a step.
fn step(bits: u64, between: u64, own: u64, direction: i32) -> u64 {
    match direction.signum() {
        1 => bits.wrapping_add(between.wrapping_add(1)) & own,
        -1 => (bits | between).wrapping_sub(between.wrapping_add(1)) & own,
        _ => bits,
    }
}

/// The score of a valid position in a sorted set.
pub fn score(position: Position) -> f64 {
    Cell::at(position, STEPS_MAX).bits as f64
}

/// The position a score stands for.
pub fn position(score: f64) -> Position {
    Cell::of_score(score).middle()
}

/// The 11 characters of GEOHASH, in the usual alphabet and range of latitudes. The last is always `0`: 52 bits make ten and a bit.
pub fn text(score: f64) -> [u8; 11] {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = encode(position(score), 90.0, STEPS_MAX);
    std::array::from_fn(|place| {
        let index = if place == 10 {
            0
        } else {
            bits >> (52 - (place + 1) * 5) & 31
        };
        ALPHABET[index as usize]
    })
}

/// Metres between two latitudes along a meridian.
pub fn latitude_distance_metres(first: f64, second: f64) -> f64 {
    EARTH_RADIUS_METRES * (radians(second) - radians(first)).abs()
}

/// Metres between two positions on a sphere, by the haversine formula.
pub fn distance_metres(first: Position, second: Position) -> f64 {
    let across = ((radians(second.longitude) - radians(first.longitude)) / 2.0).sin();
    if across == 0.0 {
        return latitude_distance_metres(first.latitude, second.latitude);
    }
    let (first, second) = (radians(first.latitude), radians(second.latitude));
    let along = ((second - first) / 2.0).sin();
    let chord = along * along + first.cos() * second.cos() * across * across;
    2.0 * EARTH_RADIUS_METRES * chord.sqrt().asin()
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

/// Degrees as radians, by the one multiplication that Redis does.
pub(super) fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

/// Radians as degrees.
pub(super) fn degrees(radians: f64) -> f64 {
    radians / RADIANS_PER_DEGREE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn palermo() -> Position {
        Position {
            longitude: 13.361389,
            latitude: 38.115556,
        }
    }

    fn catania() -> Position {
        Position {
            longitude: 15.087269,
            latitude: 37.502669,
        }
    }

    #[test]
    fn the_example_of_the_documentation() {
        assert_eq!(score(palermo()), 3479099956230698.0);
        assert_eq!(score(catania()), 3479447370796909.0);
        assert_eq!(&text(score(palermo())), b"sqc8b49rny0");
        assert_eq!(&text(score(catania())), b"sqdtr74hyu0");
        let distance = distance_metres(position(score(palermo())), position(score(catania())));
        assert_eq!(format!("{distance:.4}"), "166274.1516");
    }

    #[test]
    fn edges_of_the_map() {
        let corner = Position {
            longitude: -LONGITUDE_MAX,
            latitude: -LATITUDE_MAX,
        };
        assert_eq!(score(corner), 0.0);
        assert!(corner.is_valid());
        let beyond = Position {
            longitude: 180.1,
            latitude: 0.0,
        };
        assert!(!beyond.is_valid());
        let nowhere = Position {
            longitude: f64::NAN,
            latitude: 0.0,
        };
        assert!(!nowhere.is_valid());
    }

    #[test]
    fn neighbours_go_around_the_map() {
        let west = Cell { bits: 0, steps: 3 };
        assert_eq!(west.neighbour(-1, 0).neighbour(1, 0), west);
        assert_eq!(west.neighbour(-1, 0).area().longitude_max, LONGITUDE_MAX);
        assert_eq!(west.neighbour(0, -1).area().latitude_max, LATITUDE_MAX);
    }

    proptest! {
        #[test]
        fn a_position_lies_in_its_cell(longitude in -180.0..180.0f64, latitude in -LATITUDE_MAX..LATITUDE_MAX, steps in 1..=STEPS_MAX) {
            let cell = Cell::at(Position { longitude, latitude }, steps);
            let area = cell.area();
            let slack = 1e-9;
            prop_assert!(area.longitude_min - slack <= longitude && longitude <= area.longitude_max + slack);
            prop_assert!(area.latitude_min - slack <= latitude && latitude <= area.latitude_max + slack);
            let (from, to) = cell.scores();
            let score = score(Position { longitude, latitude }) as u64;
            prop_assert!(from <= score && score < to);
            prop_assert_eq!(cell.neighbour(1, 1).neighbour(-1, -1), cell);
        }

        #[test]
        fn spreading_is_undone(bits: u32) {
            prop_assert_eq!(gather(spread(bits)), bits);
            prop_assert_eq!(spread(bits) & ODD_BITS, 0);
        }

        #[test]
        fn any_score_has_a_position(score: f64) {
            prop_assert!(position(score).is_valid());
            prop_assert!(text(score).is_ascii());
        }
    }
}
