"""The data types of Redis through redis-py, over RESP2 and RESP3. Usage: redis_py_types.py PORT [HOST]. Empties the server's database."""

import sys
import threading

import redis
from common import equal, until, within

PORT = int(sys.argv[1])
HOST = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"


def refused(call, word, kind=redis.ResponseError):
    """The call raises this kind of error, or returns it, and its text has the word."""
    try:
        error = call()
    except kind as raised:
        error = raised
    assert isinstance(error, kind) and word in str(error), f"{error!r} instead of an error with {word!r}"


def error_of(call):
    """The error that a call in another thread raises, as a value."""
    try:
        return call()
    except redis.ResponseError as error:
        return error


def pairs(answer):
    """What XREAD answers, in RESP2 an array of pairs and in RESP3 a map of lists of batches, in one form."""
    if isinstance(answer, dict):
        return [(key, [entry for batch in batches for entry in batch]) for key, batches in answer.items()]
    return [(key, entries) for key, entries in answer]


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
    equal(r.pfadd("q", "c", "d"), 1)
    equal(r.pfcount("p", "q"), 4)
    equal(r.pfmerge("both", "p", "q"), True)
    equal(r.pfcount("both"), 4)
    equal(r.pfadd("p", "a"), 0)
    many = redis.Redis(host=HOST, port=PORT, socket_timeout=10)
    many.pfadd("many", *range(10_000))
    within(many.pfcount("many"), 9_700, 10_300)
    equal(r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
    equal(r.geodist("g", "Palermo", "Catania"), 166274.1516)
    equal(r.geodist("g", "Palermo", "nowhere"), None)
    equal(r.geohash("g", "Palermo", "nowhere"), ["sqc8b49rny0", None])
    [(longitude, latitude)] = r.geopos("g", "Palermo")
    within(longitude, 13.3613, 13.3614)
    within(latitude, 38.1155, 38.1156)
    equal(r.geosearch("g", longitude=15, latitude=37, radius=100, unit="km"), ["Catania"])
    equal(r.geosearch("g", member="Palermo", width=400, height=400, unit="km", sort="DESC"), ["Catania", "Palermo"])
    equal(r.geosearchstore("near", "g", longitude=15, latitude=37, radius=200, unit="km", storedist=True), 2)
    equal(r.zrange("near", 0, -1), ["Catania", "Palermo"])
    equal(r.georadiusbymember("g", "Catania", 200, unit="km", withdist=True, sort="ASC"), [["Catania", 0.0], ["Palermo", 166.2742]])


def streams(r):
    r.flushall()
    equal(r.xadd("s", {"a": 1}, id="1-1"), "1-1")
    equal(r.xadd("s", {"b": 2, "c": 3}, id="1-*"), "1-2")
    refused(lambda: r.xadd("s", {"a": 1}, id="1-2"), "equal or smaller")
    equal(r.xadd("none", {"a": 1}, nomkstream=True), None)
    equal(r.xrange("s"), [("1-1", {"a": "1"}), ("1-2", {"b": "2", "c": "3"})])
    equal(r.xrevrange("s", count=1), [("1-2", {"b": "2", "c": "3"})])
    equal(pairs(r.xread({"s": "1-1"})), [("s", [("1-2", {"b": "2", "c": "3"})])])
    equal(r.xlen("s"), 2)
    equal(r.xgroup_create("s", "g", "0"), True)
    refused(lambda: r.xgroup_create("s", "g", "0"), "already exists")
    refused(lambda: r.xreadgroup("nobody", "c", {"s": ">"}), "NOGROUP", redis.ResponseError)
    equal(pairs(r.xreadgroup("g", "one", {"s": ">"}, count=1)), [("s", [("1-1", {"a": "1"})])])
    equal(pairs(r.xreadgroup("g", "two", {"s": ">"})), [("s", [("1-2", {"b": "2", "c": "3"})])])
    equal(pairs(r.xreadgroup("g", "one", {"s": "0"})), [("s", [("1-1", {"a": "1"})])])
    pending = r.xpending("s", "g")
    equal((pending["pending"], pending["min"], pending["max"]), (2, "1-1", "1-2"))
    equal([entry["consumer"] for entry in r.xpending_range("s", "g", "-", "+", 10)], ["one", "two"])
    equal(r.xclaim("s", "g", "two", 0, ["1-1"]), [("1-1", {"a": "1"})])
    equal(r.xautoclaim("s", "g", "three", 0, "0-0", count=1)[:2], ["1-2", [("1-1", {"a": "1"})]])
    equal(r.xack("s", "g", "1-1", "1-2", "9-9"), 2)
    information = r.xinfo_stream("s")
    equal((information["length"], information["last-generated-id"], information["groups"]), (2, "1-2", 1))
    [group] = r.xinfo_groups("s")
    equal((group["name"], group["consumers"], group["pending"], group["lag"]), ("g", 3, 0, 0))
    equal(sorted(consumer["name"] for consumer in r.xinfo_consumers("s", "g")), ["one", "three", "two"])
    equal(r.xdel("s", "1-1"), 1)
    equal(r.xtrim("s", maxlen=0, approximate=False), 1)
    equal(r.xgroup_destroy("s", "g"), 1)


def moved(r):
    r.flushall()
    binary = redis.Redis(host=HOST, port=PORT, socket_timeout=10)
    r.set("string", "text", px=100_000)
    r.rpush("list", *range(200))
    r.sadd("set", "a", "b")
    r.zadd("scores", {"a": 1.5, "b": 2})
    r.hset("hash", mapping={"a": 1, "b": "two"})
    r.xadd("stream", {"a": 1}, id="1-1")
    for key in ("string", "list", "set", "scores", "hash", "stream"):
        dump = binary.dump(key)
        refused(lambda: binary.restore(key, 0, dump), "BUSYKEY")
        equal(binary.restore(f"{key}:copy", 0, dump), b"OK")
        equal(binary.restore(key, 100_000, dump, replace=True), b"OK")
        equal(r.type(f"{key}:copy"), r.type(key))
        within(r.pttl(key), 1, 100_000)
        refused(lambda: binary.restore("broken", 0, dump[:-1] + bytes([dump[-1] ^ 1])), "DUMP payload version or checksum are wrong")
    equal(r.get("string:copy"), "text")
    equal(r.pttl("string:copy"), -1)
    equal(r.lrange("list:copy", 0, -1), [str(number) for number in range(200)])
    equal(r.smembers("set:copy"), {"a", "b"})
    equal(r.zrange("scores:copy", 0, -1, withscores=True)[0][1], 1.5)
    equal(r.hgetall("hash:copy"), {"a": "1", "b": "two"})
    equal(r.xrange("stream:copy"), [("1-1", {"a": "1"})])
    equal(r.dump("nothing"), None)
    equal(r.copy("list", "other", replace=True), True)
    equal(r.rename("other", "renamed"), True)
    equal(r.llen("renamed"), 200)


def sorting(r):
    r.flushall()
    r.rpush("numbers", 3, 1, 10, 2)
    equal(r.sort("numbers"), ["1", "2", "3", "10"])
    equal(r.sort("numbers", desc=True, start=0, num=2), ["10", "3"])
    equal(r.sort("numbers", alpha=True), ["1", "10", "2", "3"])
    equal(r.sort("numbers", store="stored"), 4)
    equal(r.lrange("stored", 0, -1), ["1", "2", "3", "10"])
    equal(r.sort_ro("numbers", start=0, num=1), ["1"])
    refused(lambda: (r.rpush("words", "b", "a"), r.sort("words")), "can't be converted into double")


def blocking(r):
    r.flushall()
    other = redis.Redis(host=HOST, port=PORT, socket_timeout=10, decode_responses=True)
    equal(r.blpop(["l"], 0.05), None)
    identifier = r.client_id()

    def while_waiting(call, act):
        """What a blocking call returns when `act` is done while it waits."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
        thread.start()
        until(lambda: other.info("clients")["blocked_clients"] == 1)
        act()
        thread.join(8)
        assert answers, "the call still waits"
        return answers[0]

    equal(list(while_waiting(lambda: r.blpop(["none", "l"], 5), lambda: other.rpush("l", "x"))), ["l", "x"])
    equal(list(while_waiting(lambda: r.brpop(["none", "l"], 5), lambda: other.rpush("l", "y"))), ["l", "y"])
    equal(while_waiting(lambda: r.blmove("from", "to", 5), lambda: other.rpush("from", "z")), "z")
    equal(while_waiting(lambda: r.brpoplpush("from", "to", 5), lambda: other.rpush("from", "w")), "w")
    equal(r.lrange("to", 0, -1), ["w", "z"])
    equal(while_waiting(lambda: r.blmpop(5, 2, "none", "l", direction="LEFT", count=2), lambda: other.rpush("l", 1, 2, 3)), ["l", ["1", "2"]])
    r.delete("l")
    equal(list(while_waiting(lambda: r.bzpopmin(["none", "z"], 5), lambda: other.zadd("z", {"m": 2.5}))), ["z", "m", 2.5])
    equal(list(while_waiting(lambda: r.bzpopmax("z", 5), lambda: other.zadd("z", {"m": 2.5}))), ["z", "m", 2.5])
    taken = while_waiting(lambda: r.bzmpop(5, 2, ["none", "z"], min=True), lambda: other.zadd("z", {"m": 1}))
    equal((taken[0], list(taken[1][0])), ("z", ["m", "1"] if r.connection_pool.connection_kwargs["protocol"] == 2 else ["m", 1.0]))
    entries = while_waiting(lambda: r.xread({"s": "$", "t": "$"}, block=5000), lambda: other.xadd("t", {"a": 1}, id="1-1"))
    equal(pairs(entries), [("t", [("1-1", {"a": "1"})])])
    r.xgroup_create("s", "g", "$", mkstream=True)
    entries = while_waiting(lambda: r.xreadgroup("g", "c", {"s": ">"}, block=5000), lambda: other.xadd("s", {"a": 1}, id="1-1"))
    equal(pairs(entries), [("s", [("1-1", {"a": "1"})])])
    equal(while_waiting(lambda: r.blpop(["l"], 5), lambda: other.client_unblock(identifier)), None)
    refused(lambda: while_waiting(lambda: error_of(lambda: r.blpop(["l"], 5)), lambda: other.client_unblock(identifier, error=True)), "UNBLOCKED")
    equal(other.client_unblock(identifier), False)


for protocol in (2, 3):
    client = redis.Redis(host=HOST, port=PORT, protocol=protocol, decode_responses=True, single_connection_client=True, socket_timeout=10)
    for part in (hashes, lists, sets, sorted_sets, counts_and_places, streams, moved, sorting, blocking):
        part(client)
print("redis_py_types: hashes, lists, sets, sorted sets, HyperLogLog, geo, streams, DUMP and RESTORE, SORT and waiting passed over RESP2 and RESP3")
