"""The commands of torc through redis-py, over RESP2 and RESP3. Usage: redis_py.py PORT"""

import sys
import threading

import redis

PORT = int(sys.argv[1])


def equal(actual, expected):
    assert actual == expected, f"{actual!r} instead of {expected!r}"


def refused(call, *words):
    try:
        call()
    except redis.ResponseError as error:
        for word in words:
            assert word in str(error), f"{word!r} in {error!r}"
    else:
        raise AssertionError("not refused")


def strings(r):
    r.flushall()
    equal(r.set("a", "1"), True)
    equal(r.set("a", "2", nx=True), None)
    equal(r.set("a", "2", xx=True, get=True), b"1")
    equal(r.get("a"), b"2")
    equal(r.getset("a", "3"), b"2")
    equal(r.getdel("a"), b"3")
    equal(r.get("a"), None)
    equal(r.mset({"a": 1, "b": 2}), True)
    equal(r.mget("a", "b", "c"), [b"1", b"2", None])
    equal(r.msetnx({"b": 1, "d": 2}), False)
    equal(r.setnx("d", 1), True)
    equal(r.setex("e", 1000, "v"), True)
    equal(r.psetex("f", 1000000, "v"), True)
    assert 990 <= r.ttl("e") <= 1000
    equal(r.getex("e", persist=True), b"v")
    equal(r.ttl("e"), -1)
    equal(r.append("g", "Hello"), 5)
    equal(r.append("g", " World"), 11)
    equal(r.strlen("g"), 11)
    equal(r.getrange("g", -5, -1), b"World")
    equal(r.substr("g", 0, 4), b"Hello")
    equal(r.setrange("g", 6, "torc!"), 11)
    equal(r.get("g"), b"Hello torc!")
    equal(r.incr("n"), 1)
    equal(r.incrby("n", 41), 42)
    equal(r.decr("n"), 41)
    equal(r.decrby("n", 40), 1)
    equal(float(r.incrbyfloat("n", 0.5)), 1.5)
    refused(lambda: r.incr("g"), "not an integer")
    equal(r.mset({"x": "ohmytext", "y": "mynewtext"}), True)
    equal(r.lcs("x", "y"), b"mytext")
    equal(r.lcs("x", "y", len=True), 6)
    r.delete("bits")
    equal(r.setbit("bits", 7, 1), 0)
    equal(r.getbit("bits", 7), 1)
    equal(r.bitcount("bits"), 1)
    equal(r.bitpos("bits", 1), 7)
    equal(r.bitop("NOT", "stib", "bits"), 1)
    equal(r.get("stib"), b"\xfe")
    equal(r.bitfield("field").set("u8", 0, 200).get("u8", 0).incrby("u8", 0, 100, "SAT").execute(), [0, 200, 255])
    equal(r.bitfield_ro("field", "u8", 0), [255])
    binary = bytes(range(256)) * 100
    r.set(b"\x00\xff\r\n", binary)
    equal(r.get(b"\x00\xff\r\n"), binary)


def keys(r):
    r.flushall()
    equal(r.mset({f"key:{n}": n for n in range(1000)}), True)
    equal(r.dbsize(), 1000)
    equal(len(set(r.scan_iter(match="key:*", count=50))), 1000)
    equal(len(r.keys("key:1?")), 10)
    assert r.randomkey().startswith(b"key:")
    equal(r.exists("key:1", "key:2", "nosuch"), 2)
    equal(r.touch("key:1", "nosuch"), 1)
    equal(r.type("key:1"), b"string")
    equal(r.rename("key:1", "renamed"), True)
    equal(r.renamenx("renamed", "key:2"), False)
    equal(r.copy("renamed", "copied"), True)
    equal(r.copy("renamed", "elsewhere", destination_db=3), True)
    equal(r.move("copied", 3), True)
    equal(r.swapdb(0, 3), True)
    equal(sorted(r.keys("*")), [b"copied", b"elsewhere"])
    equal(r.swapdb(0, 3), True)
    equal(r.expire("key:3", 1000), True)
    equal(r.expire("key:3", 500, gt=True), False)
    equal(r.expireat("key:3", 4102444800), True)
    equal(r.expiretime("key:3"), 4102444800)
    equal(r.pexpiretime("key:3"), 4102444800000)
    equal(r.persist("key:3"), True)
    equal(r.pttl("key:3"), -1)
    equal(r.object("encoding", "key:3"), b"int")
    equal(r.delete("key:3", "key:4"), 2)
    equal(r.unlink("key:5"), 1)
    equal(r.flushdb(asynchronous=True), True)
    equal(r.dbsize(), 0)


def pipelines(r):
    r.flushall()
    with r.pipeline(transaction=False) as pipe:
        for n in range(5000):
            pipe.set(f"p:{n}", n).get(f"p:{n}").incr(f"p:{n}")
        replies = pipe.execute()
    equal(replies, [reply for n in range(5000) for reply in (True, str(n).encode(), n + 1)])
    with r.pipeline(transaction=False) as pipe:
        replies = pipe.set("s", "x").incr("s").get("s").execute(raise_on_error=False)
    assert isinstance(replies[1], redis.ResponseError)
    equal([replies[0], replies[2]], [True, b"x"])


def administration(r):
    equal(r.ping(), True)
    equal(r.echo("hello"), b"hello")
    equal(r.client_setname("me"), True)
    equal(r.client_getname(), b"me" if isinstance(r.client_getname(), bytes) else "me")
    assert r.client_id() > 0
    assert any(client["name"] == "me" for client in r.client_list())
    equal(r.client_info()["name"], "me")
    equal(r.client_pause(1), True)
    assert r.client_unpause() in (True, b"OK")
    assert "maxmemory" in r.config_get("maxmem*")
    before = r.config_get("timeout")["timeout"]
    equal(r.config_set("timeout", 100), True)
    equal(r.config_get("timeout")["timeout"], "100")
    equal(r.config_set("timeout", before), True)
    equal(r.config_resetstat(), True)
    refused(lambda: r.config_set("nosuch", 1), "nosuch")
    info = r.info()
    for field in ("redis_version", "uptime_in_seconds", "connected_clients", "used_memory", "total_commands_processed"):
        assert field in info, field
    assert r.command_count() > 50
    assert "get" in r.command()
    equal(r.command_getkeys("MSET", "a", 1, "b", 2), [b"a", b"b"] if isinstance(r.command_getkeys("GET", "a")[0], bytes) else ["a", "b"])
    assert len(r.time()) == 2
    r.set("m", "x" * 100)
    assert r.memory_usage("m") >= 100


def many_at_once():
    pool = redis.ConnectionPool(host="127.0.0.1", port=PORT, max_connections=20)
    r = redis.Redis(connection_pool=pool)
    r.delete("counter")

    def count():
        for _ in range(200):
            r.incr("counter")

    threads = [threading.Thread(target=count) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(r.get("counter"), b"4000")


for protocol in (2, 3):
    # One connection, so that its name stays its own.
    client = redis.Redis(host="127.0.0.1", port=PORT, protocol=protocol, single_connection_client=True)
    for part in (strings, keys, pipelines, administration):
        part(client)
        print(f"RESP{protocol} {part.__name__}: ok")
many_at_once()
print("many at once: ok")
