//! Searching: which ranges of scores can hold a position within a circle or a box, and whether one does. At most nine cells: the one of
//! the middle and its neighbours, as large as the shape needs.
//! Never: sorted sets; who searches walks the ranges in the order given here, which is the order of unsorted results.

use super::geohash::{
    Cell, EARTH_RADIUS_METRES, Position, STEPS_MAX, degrees, distance_metres,
    latitude_distance_metres, radians,
};

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Everything at most so far away.
    Circle {
        /// Metres.
        radius: f64,
    },
    /// A box with edges along the directions of the compass.
    Box {
        /// East to west, metres.
        width: f64,
        /// North to south, metres.
        height: f64,
    },
}

/// A shape at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// The middle of the shape.
    pub middle: Position,
    /// The shape.
    pub shape: Shape,
}

/// The edges of a shape, degrees; they may lie beyond the map.
struct Bounds {
    longitude_min: f64,
    longitude_max: f64,
    latitude_min: f64,
    latitude_max: f64,
}

impl Search {
    /// The distance in metres from the middle when a position is within the shape.
    pub fn distance_within(&self, position: Position) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = distance_metres(self.middle, position);
                (distance <= radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                if latitude_distance_metres(position.latitude, self.middle.latitude) > height / 2.0
                {
                    return None;
                }
                let below = Position {
                    longitude: self.middle.longitude,
                    latitude: position.latitude,
                };
                if distance_metres(position, below) > width / 2.0 {
                    return None;
                }
                Some(distance_metres(self.middle, position))
            }
        }
    }

    fn bounds(&self) -> Bounds {
        let (half_width, half_height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Position {
            longitude,
            latitude,
        } = self.middle;
        let latitude_delta = degrees(half_height / EARTH_RADIUS_METRES);
        // Meridians come nearer towards the poles, so the edge that lies nearer to one spans more degrees.
        let edge = if latitude < 0.0 {
            latitude - latitude_delta
        } else {
            latitude + latitude_delta
        };
        let longitude_delta = degrees(half_width / EARTH_RADIUS_METRES / radians(edge).cos());
        Bounds {
            longitude_min: longitude - longitude_delta,
            longitude_max: longitude + longitude_delta,
            latitude_min: latitude - latitude_delta,
            latitude_max: latitude + latitude_delta,
        }
    }

    /// Halvings after which nine cells cover the shape in most cases.
    fn steps_estimate(&self) -> u32 {
        /// Half the length of the equator in the Mercator projection, metres.
        const MERCATOR_MAX: f64 = 20_037_726.37;
        let mut reach = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        if reach == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1i32;
        while reach < MERCATOR_MAX {
            reach *= 2.0;
            steps += 1;
        }
        steps -= 2;
        let latitude = self.middle.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    /// The ranges of scores that can hold positions within the shape, at most nine: first score included, second not.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        const DIRECTIONS: [(i32, i32); 9] = [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        let bounds = self.bounds();
        let mut cell = Cell::at(self.middle, self.steps_estimate());
        // Near an edge of the cell its neighbours may end before the shape does.
        let short = cell.neighbour(0, 1).area().latitude_max < bounds.latitude_max
            || cell.neighbour(0, -1).area().latitude_min > bounds.latitude_min
            || cell.neighbour(1, 0).area().longitude_max < bounds.longitude_max
            || cell.neighbour(-1, 0).area().longitude_min > bounds.longitude_min;
        if short && cell.steps > 1 {
            cell = Cell::at(self.middle, cell.steps - 1);
        }
        let area = cell.area();
        let (mut south, mut north, mut west, mut east) = (true, true, true, true);
        if cell.steps >= 2 {
            south = area.latitude_min >= bounds.latitude_min;
            north = area.latitude_max <= bounds.latitude_max;
            west = area.longitude_min >= bounds.longitude_min;
            east = area.longitude_max <= bounds.longitude_max;
        }
        // With very large cells neighbours are one and the same; the last is not visited twice.
        let mut last = None;
        DIRECTIONS.into_iter().filter_map(move |(x, y)| {
            let useful =
                (y >= 0 || south) && (y <= 0 || north) && (x >= 0 || west) && (x <= 0 || east);
            let next = cell.neighbour(x, y);
            if !useful || last == Some(next.bits) {
                return None;
            }
            if (x, y) != (0, 0) {
                last = Some(next.bits);
            }
            Some(next.scores())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::geohash::score;
    use super::*;
    use crate::engine::random::Random;

    #[test]
    fn the_ranges_hold_every_position_within() {
        let seed = 0x5ea7_c4e5;
        println!("seed {seed:#x}");
        let mut random = Random::new(seed);
        let mut uniform = |low: f64, high: f64| {
            low + (random.draw() >> 11) as f64 / (1u64 << 53) as f64 * (high - low)
        };
        let mut found = 0;
        for _ in 0..2000 {
            // Away from the poles and the date line, where Redis' cells are known to leave something out.
            let middle = Position {
                longitude: uniform(-120.0, 120.0),
                latitude: uniform(-60.0, 60.0),
            };
            let size = 10f64.powf(uniform(1.0, 5.7));
            let shape = if uniform(0.0, 1.0) < 0.5 {
                Shape::Circle { radius: size }
            } else {
                let height = size * uniform(0.2, 2.0);
                Shape::Box {
                    width: size,
                    height,
                }
            };
            let search = Search { middle, shape };
            let ranges: Vec<_> = search.ranges().collect();
            assert!((1..=9).contains(&ranges.len()));
            for _ in 0..50 {
                let spread = size / 80_000.0;
                let position = Position {
                    longitude: middle.longitude + uniform(-spread, spread),
                    latitude: middle.latitude + uniform(-spread, spread),
                };
                if search.distance_within(position).is_some() {
                    let score = score(position) as u64;
                    let inside = ranges
                        .iter()
                        .any(|(from, to)| (*from..*to).contains(&score));
                    assert!(inside, "{search:?} and {position:?}");
                    found += 1;
                }
            }
        }
        assert!(found > 10_000, "{found}");
    }

    #[test]
    fn a_circle_of_nothing_is_the_smallest_cells() {
        let middle = Position {
            longitude: 10.0,
            latitude: 50.0,
        };
        let search = Search {
            middle,
            shape: Shape::Circle { radius: 0.0 },
        };
        assert!(search.ranges().all(|(from, to)| to - from <= 4));
        assert_eq!(search.distance_within(middle), Some(0.0));
    }
}
