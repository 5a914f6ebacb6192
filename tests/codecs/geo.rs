//! Scores, hashes, distances and searches.

use super::support::random::{Random, seed};
use super::support::server::Server;
use super::{call, strings};
use torc::command::geo::geohash::{self, LATITUDE_MAX, Position};
use torc::command::geo::search::{Search, Shape};

fn uniform(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (random.next() >> 11) as f64 / (1u64 << 53) as f64 * (high - low)
}

fn anywhere(random: &mut Random) -> Position {
    let edge = |random: &mut Random, max: f64| match random.below(30) {
        0 => max,
        1 => -max,
        2 => 0.0,
        _ => uniform(random, -max, max),
    };
    Position {
        longitude: edge(random, 180.0),
        latitude: edge(random, LATITUDE_MAX),
    }
}

#[test]
fn scores_hashes_distances_and_searches_equal_redis() {
    let Some(redis) = Server::start_redis(&[]) else {
        return;
    };
    let mut client = redis.client();
    let mut random = Random::new(seed("geo"));
    let mut members: Vec<(u64, String)> = Vec::new();
    for number in 0..3000 {
        let position = anywhere(&mut random);
        let name = format!("m{number}");
        let (longitude, latitude) = (
            position.longitude.to_string(),
            position.latitude.to_string(),
        );
        call!(client, "GEOADD", "geo", longitude, latitude, name);
        let score: f64 = call!(client, "ZSCORE", "geo", name)
            .text()
            .parse()
            .expect("a number");
        assert_eq!(geohash::score(position), score, "{position:?}");
        let hash = call!(client, "GEOHASH", "geo", name);
        assert_eq!(
            hash.elements()[0].bytes(),
            geohash::text(score),
            "{position:?}"
        );
        let back = call!(client, "GEOPOS", "geo", name);
        let parts: Vec<f64> = strings(&back.elements()[0])
            .iter()
            .map(|part| String::from_utf8_lossy(part).parse().expect("a number"))
            .collect();
        let ours = geohash::position(score);
        // The reply has 17 decimals.
        let near = |ours: f64, theirs: f64| (ours - theirs).abs() < 1e-15;
        assert!(near(ours.longitude, parts[0]), "{position:?}");
        assert!(near(ours.latitude, parts[1]), "{position:?}");
        if let Some((other, other_name)) = members.last() {
            let distance = geohash::distance_metres(ours, geohash::position(*other as f64));
            let theirs = call!(client, "GEODIST", "geo", name, other_name);
            assert_eq!(theirs.text(), format!("{distance:.4}"), "{position:?}");
        }
        members.push((score as u64, name));
    }
    members.sort();
    for _ in 0..3000 {
        let middle = anywhere(&mut random);
        let size = |random: &mut Random| 10f64.powf(uniform(random, 0.0, 7.3)).round();
        let shape = if random.chance(50) {
            Shape::Circle {
                radius: size(&mut random),
            }
        } else {
            let (width, height) = (size(&mut random), size(&mut random));
            Shape::Box { width, height }
        };
        let search = Search { middle, shape };
        let mut found = Vec::new();
        for (from, to) in search.ranges() {
            let start = members.partition_point(|(score, _)| *score < from);
            let inside = members[start..].iter().take_while(|(score, _)| *score < to);
            let within = inside.filter(|(score, _)| {
                search
                    .distance_within(geohash::position(*score as f64))
                    .is_some()
            });
            found.extend(within.map(|(_, name)| name.clone().into_bytes()));
        }
        let (longitude, latitude) = (middle.longitude.to_string(), middle.latitude.to_string());
        let reply = match shape {
            Shape::Circle { radius } => {
                call!(
                    client,
                    "GEOSEARCH",
                    "geo",
                    "FROMLONLAT",
                    longitude,
                    latitude,
                    "BYRADIUS",
                    radius.to_string(),
                    "m"
                )
            }
            Shape::Box { width, height } => {
                let (width, height) = (width.to_string(), height.to_string());
                call!(
                    client,
                    "GEOSEARCH",
                    "geo",
                    "FROMLONLAT",
                    longitude,
                    latitude,
                    "BYBOX",
                    width,
                    height,
                    "m"
                )
            }
        };
        let theirs = strings(&reply);
        let missing = theirs.iter().filter(|name| !found.contains(name)).count();
        let more = found.iter().filter(|name| !theirs.contains(name)).count();
        assert_eq!((missing, more), (0, 0), "{search:?}");
        let other = theirs
            .iter()
            .zip(&found)
            .position(|(left, right)| left != right);
        assert_eq!(other, None, "the order of {}, {search:?}", found.len());
    }
    redis.stop();
}
