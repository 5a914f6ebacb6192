"""The data types of Redis through redis-py, over RESP2 and RESP3. Usage: redis_py_types.py PORT [HOST]. Empties the server's database."""

import sys
import threading

import redis

PORT = int(sys.argv[1])
HOST = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"


def equal(actual, expected):
    assert actual == expected, f"{actual!r} instead of {expected!r}"


def hashes(r):
    r.flushall()
    equal(r.hset("h", mapping={"a": 1, "b": 2}), 2)
    equal(r.hset("h", "a", 3), 0)
    equal(r.hsetnx("h", "a", 4), 0)
    equal(r.hgetall("h"), {"a": "3", "b": "2"})
    equal(r.hmget("h", ["a", "x"]), ["3", None])
    equal(r.hincrby("h", "a", -4), -1)
    equal(r.hincrbyfloat("h", "f", 1.5), 1.5)
    equal(r.hstrlen("h", "f"), 3)
    equal(sorted(r.hkeys("h")), ["a", "b", "f"])
    equal(sorted(r.hvals("h")), ["-1", "1.5", "2"])
    equal(dict(r.hscan_iter("h")), {"a": "-1", "b": "2", "f": "1.5"})
    equal(r.hdel("h", "a", "b", "f"), 3)
    equal(r.exists("h"), 0)


def lists(r):
    r.flushall()
    equal(r.rpush("l", "a", "b", "c", "b"), 4)
    equal(r.lpushx("none", "a"), 0)
    equal(r.lpos("l", "b", count=0), [1, 3])
    equal(r.linsert("l", "BEFORE", "c", "x"), 5)
    equal(r.lset("l", 0, "z"), True)
    equal(r.lrange("l", 0, -1), ["z", "b", "x", "c", "b"])
    equal(r.lrem("l", -1, "b"), 1)
    equal(r.lmove("l", "m", "LEFT", "RIGHT"), "z")
    equal(r.lpop("l", 2), ["b", "x"])
    equal(r.lmpop(2, "none", "l", direction="LEFT"), ["l", ["c"]])
    equal(r.exists("l"), 0)


def sets(r):
    r.flushall()
    equal(r.sadd("s", "a", "b", "c"), 3)
    equal(r.sadd("t", "b", "d"), 2)
    equal(r.smembers("s"), {"a", "b", "c"})
    equal(set(r.sinter("s", "t")), {"b"})
    equal(set(r.sdiff("s", "t")), {"a", "c"})
    equal(r.sunionstore("u", "s", "t"), 4)
    equal(r.sintercard(2, ["s", "t"]), 1)
    equal(r.smismember("s", ["a", "d"]), [1, 0])
    equal(bool(r.smove("s", "t", "a")), True)
    equal(set(r.sscan_iter("t")), {"a", "b", "d"})
    equal(r.sort("u", alpha=True, desc=True, start=0, num=2), ["d", "c"])


def sorted_sets(r):
    r.flushall()
    equal(r.zadd("z", {"a": 1, "b": 2, "c": 3}), 3)
    equal(r.zadd("z", {"a": 2.5}, incr=True), 3.5)
    equal(r.zrange("z", 0, -1), ["b", "c", "a"])
    equal(r.zrangebyscore("z", "(2", "+inf"), ["c", "a"])
    equal(r.zmscore("z", ["a", "x"]), [3.5, None])
    equal(r.zrangestore("y", "z", 0, 1), 2)
    equal(r.zunionstore("w", {"z": 2, "y": 1}), 3)
    equal(r.zscore("w", "b"), 6.0)
    equal(dict(r.zscan_iter("w")), {"a": 7.0, "b": 6.0, "c": 9.0})
    equal(r.zremrangebyscore("w", 7, 9), 2)


def counts_and_places(r):
    r.flushall()
    equal(r.pfadd("p", "a", "b", "c"), 1)
    equal(r.pfcount("p"), 3)
    equal(r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
    equal(r.geodist("g", "Palermo", "Catania"), 166274.1516)
    equal(r.geosearch("g", longitude=15, latitude=37, radius=100, unit="km"), ["Catania"])


def blocking(r):
    r.flushall()
    other = redis.Redis(host=HOST, port=PORT, socket_timeout=10)
    equal(r.blpop(["l"], 0.05), None)
    identifier = r.client_id()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(r.blpop(["none", "l"], 5)), daemon=True)
    thread.start()
    other.rpush("l", "x")
    thread.join(8)
    equal([list(answer) for answer in answers], [["l", "x"]])
    equal(other.client_unblock(identifier), False)


for protocol in (2, 3):
    client = redis.Redis(host=HOST, port=PORT, protocol=protocol, decode_responses=True, single_connection_client=True, socket_timeout=10)
    for part in (hashes, lists, sets, sorted_sets, counts_and_places, blocking):
        part(client)
print("redis_py_types: hashes, lists, sets, sorted sets, HyperLogLog, geo and BLPOP passed over RESP2 and RESP3")
