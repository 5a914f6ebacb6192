//! Leaderboards: sorted sets of players, whose number does not change.

use super::{Pen, command, finding};
use crate::protocol::Command;
use std::ops::Range;

pub(super) const COMMANDS: &[&str] = &["ZREVRANK", "ZADD", "ZINCRBY", "ZRANGE"];
const PLAYER: &str = "player:";
const SCORES: u64 = 1_000_000;

/// Makes some of the members.
pub(super) fn prefill(key: u64, players: Range<u64>, pen: &mut Pen<'_>) {
    pen.begin(2 + 2 * (players.end - players.start), "ZADD");
    pen.key(key);
    for player in players {
        let score = pen.below(SCORES);
        pen.number(score);
        pen.member(PLAYER, player);
    }
}

/// Writes the next request.
#[inline]
pub(super) fn write(members: u64, pen: &mut Pen<'_>) -> Command {
    let key = pen.pick();
    let (kind, player) = (pen.below(10), pen.below(members));
    match kind {
        0..4 => {
            pen.head(b"*3\r\n$8\r\nZREVRANK\r\n");
            pen.key(key);
            pen.member(PLAYER, player);
            finding(0)
        }
        4..6 => {
            pen.head(b"*4\r\n$4\r\nZADD\r\n");
            pen.key(key);
            let score = pen.below(SCORES);
            pen.number(score);
            pen.member(PLAYER, player);
            command(1)
        }
        6..8 => {
            pen.head(b"*4\r\n$7\r\nZINCRBY\r\n");
            pen.key(key);
            let step = pen.below(SCORES / 1_000);
            pen.number(step);
            pen.member(PLAYER, player);
            command(2)
        }
        _ => {
            pen.head(b"*6\r\n$6\r\nZRANGE\r\n");
            pen.key(key);
            pen.head(b"$1\r\n0\r\n$1\r\n9\r\n$3\r\nREV\r\n$10\r\nWITHSCORES\r\n");
            command(3)
        }
    }
}
