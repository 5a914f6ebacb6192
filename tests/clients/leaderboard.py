"""A leaderboard in a sorted set: scores, the top ten, the neighbours of a player, and ties, compared with a sorted list.

Usage: leaderboard.py PORT [HOST] [SEED]. Empties the server's database.
"""

import random
import sys

import redis


def main():
    port = int(sys.argv[1])
    host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    client = redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=10)
    client.flushall()
    scores = {}
    for _ in range(3000):
        player, points = f"player:{generator.randrange(500):03}", generator.randrange(1, 20)
        scores[player] = scores.get(player, 0) + points
        assert client.zincrby("board", points, player) == scores[player]
    # Equal scores are in the order of the members' bytes, descending as well as the scores.
    ranked = sorted(((player, float(score)) for player, score in scores.items()), key=lambda pair: (pair[1], pair[0]), reverse=True)
    assert client.zcard("board") == len(ranked)
    assert client.zrevrange("board", 0, 9, withscores=True) == ranked[:10]
    assert client.zrange("board", 0, -1, withscores=True) == ranked[::-1]
    for rank, (player, score) in enumerate(ranked):
        assert client.zrevrank("board", player) == rank
        assert client.zscore("board", player) == score
        first = max(rank - 2, 0)
        assert client.zrevrange("board", first, rank + 2, withscores=True) == ranked[first : rank + 3]
    assert client.zrevrank("board", "nobody") is None
    low, high = ranked[-50][1], ranked[50][1]
    between = [pair for pair in ranked if low <= pair[1] <= high]
    assert client.zcount("board", low, high) == len(between)
    assert client.zrevrangebyscore("board", high, low, withscores=True) == between
    client.zadd("ties", {"b": 1, "a": 1, "c": 1})
    assert client.zrange("ties", 0, -1) == ["a", "b", "c"]
    assert client.zadd("ties", {"a": 5}, gt=True, ch=True) == 1
    assert client.zadd("ties", {"a": 4}, gt=True, ch=True) == 0
    assert client.zrevrange("ties", 0, -1) == ["a", "c", "b"]
    assert client.zremrangebyrank("board", 0, -11) == len(ranked) - 10
    assert client.zrevrange("board", 0, -1, withscores=True) == ranked[:10]
    print(f"leaderboard: {len(ranked)} players, top ten, ranks around each and ties passed")


main()
