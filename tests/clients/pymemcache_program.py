"""memcached's text commands through pymemcache. Usage: pymemcache_program.py MEMCACHED_PORT [RESP_PORT]"""

import time

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.client.retrying import RetryingClient
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheIllegalInputError,
    MemcacheServerError,
    MemcacheUnknownCommandError,
)

from common import equal, memcached_address, over_resp, passed, refused, until, within

ADDRESS = memcached_address()
# A time of the clock: more than 30 days ahead, and before 2038, beyond which memcached 1.6 knows no time.
FUTURE_S = int(time.time()) + 40 * 24 * 60 * 60


def connect(kind=Client, **options):
    return kind(ADDRESS, **{"default_noreply": False, "timeout": 10, "connect_timeout": 10, **options})


def storage(c):
    """What Client and PooledClient have in common, which is nearly everything."""
    equal(c.flush_all(), True)
    equal(c.set("a", b"1"), True)
    equal(c.add("a", b"2"), False)
    equal(c.add("b", b"2"), True)
    equal(c.replace("a", b"3"), True)
    equal(c.replace("nosuch", b"3"), False)
    equal(c.append("a", b"4"), True)
    equal(c.prepend("a", b"2"), True)
    equal(c.append("nosuch", b"4"), False)
    equal(c.prepend("nosuch", b"4"), False)
    equal(c.get("a"), b"234")
    equal(c.get("nosuch"), None)
    equal(c.get("nosuch", b"default"), b"default")
    equal(c.set_many({f"m:{n}": b"%d" % n for n in range(300)}), [])
    equal(c.set_multi({"m:300": b"300"}), [])
    equal(c.get_many([f"m:{n}" for n in range(310)]), {f"m:{n}": b"%d" % n for n in range(301)})
    equal(c.get_multi(["m:1", "nosuch"]), {"m:1": b"1"})
    equal(c.get_many([]), {})
    c["item"] = b"by subscript"
    equal(c["item"], b"by subscript")
    del c["item"]
    refused(KeyError, lambda: c["item"])
    equal(c.delete("m:0"), True)
    equal(c.delete("m:0"), False)
    equal(c.delete_many(["m:1", "m:2", "nosuch"]), True)
    equal(c.delete_multi(["m:3"]), True)
    equal(c.get_many(["m:1", "m:2", "m:3", "m:4"]), {"m:4": b"4"})
    equal(c.get("m:4"), b"4")
    equal(c.set("empty", b""), True)
    equal(c.get("empty"), b"")
    binary = bytes(range(256)) * 100
    equal(c.set("binary", binary), True)
    equal(c.get("binary"), binary)


def compare_and_set(c):
    equal(c.set("a", b"1", flags=7), True)
    value, cas = c.gets("a")
    equal(value, b"1")
    equal(c.cas("a", b"2", cas), True)
    equal(c.cas("a", b"3", cas), False)
    equal(c.cas("nosuch", b"3", cas), None)
    equal(c.gets("nosuch"), (None, None))
    first = c.gets("a")[1]
    equal(c.gets("a")[1], first)
    for write in (lambda: c.append("a", b"!"), lambda: c.set("a", b"5"), lambda: c.incr("a", 1), lambda: c.decr("a", 1)):
        before = c.gets("a")[1]
        write()
        equal(c.cas("a", b"late", before), False)
    equal(c.set_many({"b": b"1", "c": b"2"}), [])
    several = c.gets_many(["a", "b", "c", "nosuch"])
    equal(sorted(several), ["a", "b", "c"])
    equal(len({cas for _, cas in several.values()}), 3)
    equal(c.cas("b", b"3", several["b"][1], expire=100), True)
    equal(c.delete("b"), True)
    equal(c.cas("b", b"4", several["b"][1]), None)


def arithmetic(c):
    equal(c.set("n", b"10"), True)
    equal(c.incr("n", 5), 15)
    equal(c.decr("n", 6), 9)
    # memcached fills up with spaces where a number got shorter.
    equal(c.get("n").strip(), b"9")
    equal(c.decr("n", 100), 0)
    equal(c.incr("nosuch", 1), None)
    equal(c.decr("nosuch", 1), None)
    equal(c.set("n", b"18446744073709551615"), True)
    equal(c.incr("n", 1), 0)
    equal(c.set("n", b"18446744073709551610"), True)
    equal(c.incr("n", 3), 18446744073709551613)
    equal(c.incr("n", 0), 18446744073709551613)
    c.set("text", b"abc")
    refused(MemcacheClientError, lambda: c.incr("text", 1), "cannot increment or decrement non-numeric value")
    refused(MemcacheClientError, lambda: c.decr("text", 1), "cannot increment or decrement non-numeric value")
    refused(MemcacheClientError, lambda: c.incr("n", -1), "invalid numeric delta argument")
    refused(MemcacheIllegalInputError, lambda: c.incr("n", "x"))
    equal(c.get("text"), b"abc")


def expiry(c):
    c.set("gone", b"1", expire=-1)
    equal(c.get("gone"), None)
    c.set("short", b"1", expire=1)
    # Again if this program was held up for the second that the key lives.
    until(lambda: c.set("touched", b"1", expire=1) and c.touch("touched", 100))
    equal(c.touch("nosuch", 100), False)
    until(lambda: c.set("kept", b"1", expire=1) and c.touch("kept"))
    # Beyond 30 days the number is a time of the clock.
    c.set("past", b"1", expire=60 * 60 * 24 * 30 + 1)
    equal(c.get("past"), None)
    c.set("future", b"1", expire=FUTURE_S)
    equal(c.get("future"), b"1")
    until(lambda: c.get("short") is None)
    equal(c.get_many(["short", "touched", "kept"]), {"touched": b"1", "kept": b"1"})
    equal(c.add("short", b"2"), True)


def without_reply(c):
    """Nothing is awaited, but a connection's commands keep their order."""
    equal(c.set("q", b"1", noreply=True), True)
    equal(c.add("q", b"2", noreply=True), True)
    equal(c.replace("q", b"3", noreply=True), True)
    equal(c.append("q", b"4", noreply=True), True)
    equal(c.prepend("q", b"2", noreply=True), True)
    equal(c.get("q"), b"234")
    equal(c.incr("q", 6, noreply=True), None)
    equal(c.decr("q", 40, noreply=True), None)
    equal(c.get("q"), b"200")
    equal(c.touch("q", 100, noreply=True), True)
    _, cas = c.gets("q")
    equal(c.cas("q", b"5", cas, noreply=True), True)
    equal(c.cas("q", b"6", cas, noreply=True), True)
    equal(c.get("q"), b"5")
    equal(c.set_many({f"q:{n}": b"v" for n in range(100)}, noreply=True), [])
    equal(len(c.get_many([f"q:{n}" for n in range(100)])), 100)
    equal(c.delete_many([f"q:{n}" for n in range(99)], noreply=True), True)
    equal(c.get_many([f"q:{n}" for n in range(100)]), {"q:99": b"v"})
    equal(c.delete("q", noreply=True), True)
    equal(c.get("q"), None)
    equal(c.flush_all(noreply=True), True)
    equal(c.get("q:99"), None)


def limits(c):
    refused(MemcacheIllegalInputError, lambda: c.set("k" * 251, b"1"))
    refused(MemcacheIllegalInputError, lambda: c.set("with space", b"1"))
    refused(MemcacheIllegalInputError, lambda: c.get("ключ"))
    longest = "k" * 250
    equal(c.set(longest, b"1"), True)
    equal(c.get(longest), b"1")
    equal(c.delete(longest), True)
    big = b"0123456789" * 100_000
    equal(c.set("big", big), True)
    equal(c.get("big"), big)
    for size in (1024 * 1024 + 1, 5_000_000):
        refused(MemcacheServerError, lambda: c.set("big", b"x" * size), "too large")
        # A value that was refused must not leave the old one to be read.
        equal(c.get("big"), None)
        equal(c.set("big", b"after"), True)
        equal(c.get("big"), b"after")
    refused(MemcacheServerError, lambda: c.add("nosuch", b"x" * 2_000_000), "too large")
    equal(c.get("nosuch"), None)


def administration(c):
    version = c.version()
    assert all(part.isdigit() for part in version.split(b".")[:2]), version
    stats = c.stats()
    for name in (
        b"pid uptime time version pointer_size rusage_user rusage_system curr_connections total_connections cmd_get cmd_set cmd_flush"
        b" cmd_touch get_hits get_misses delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval"
        b" touch_hits touch_misses bytes_read bytes_written limit_maxbytes threads bytes curr_items total_items evictions"
    ).split():
        assert name in stats, name
    equal(stats[b"version"], version)
    within(stats[b"curr_connections"], 1, 1000)
    c.flush_all()
    before = c.stats()
    c.set("counted", b"1")
    c.get("counted")
    c.get("nosuch")
    c.incr("counted", 1)
    c.decr("nosuch", 1)
    c.touch("counted", 0)
    c.delete("counted")
    c.cas("nosuch", b"1", 1)
    after = c.stats()
    grown = {
        name.decode(): after[name] - before[name]
        for name in b"cmd_get get_hits get_misses incr_hits decr_misses touch_hits delete_hits cas_misses".split()
    }
    equal(
        grown,
        dict(cmd_get=2, get_hits=1, get_misses=1, incr_hits=1, decr_misses=1, touch_hits=1, delete_hits=1, cas_misses=1),
    )
    settings = c.stats("settings")
    for name in (b"maxbytes", b"maxconns", b"tcpport", b"verbosity", b"evictions", b"num_threads", b"item_size_max", b"cas_enabled"):
        assert name in settings, name
    equal(settings[b"tcpport"], ADDRESS[1])
    equal(settings[b"item_size_max"], 1024 * 1024)
    for names in (("items",), ("slabs",), ("sizes",), ("conns",)):
        assert isinstance(c.stats(*names), dict)
    refused(MemcacheUnknownCommandError, lambda: c.raw_command("nosuch"))
    equal(c.raw_command("verbosity 1"), b"OK")
    equal(c.raw_command(b"mn"), b"MN")
    c.set("gat", b"1", flags=3)
    equal(c.raw_command("gat 100 gat", "END\r\n"), b"VALUE gat 3 1\r\n1\r\n")
    _, cas = c.gets("gat")
    equal(c.raw_command("gats 0 gat", "END\r\n"), b"VALUE gat 3 1 %s\r\n1\r\n" % cas)
    equal(c.raw_command("gat 100 nosuch", "END\r\n"), b"")
    refused(MemcacheClientError, lambda: c.raw_command("get " + "k" * 251), "bad command line format")
    refused(MemcacheUnknownCommandError, lambda: c.shutdown())
    equal(c.get("gat"), b"1")


def only_of_client():
    c = connect()
    equal(c.cache_memlimit(1024), True)
    equal(c.stats()[b"limit_maxbytes"], 1024 * 1024 * 1024)
    c.set("a", b"1")
    c.quit()
    equal(c.get("a"), b"1")
    c.close()
    equal(c.get("a"), b"1")
    # A flush for later leaves what is there until then, and takes what came meanwhile.
    equal(c.flush_all(delay=1000), True)
    equal(c.get("a"), b"1")
    equal(c.flush_all(delay=2), True)
    until(lambda: c.get("a") is None)
    # memcached also drops what is stored in the rest of that second.
    until(lambda: c.set("a", b"2") and c.get("a") == b"2")
    with_prefix = connect(key_prefix=b"prefix:")
    with_prefix.set("a", b"3")
    equal(with_prefix.get_many(["a", "b"]), {"a": b"3"})
    equal(c.get("prefix:a"), b"3")
    unicode = connect(allow_unicode_keys=True)
    equal(unicode.set("ключ", b"4"), True)
    equal(unicode.get("ключ"), b"4")
    retrying = RetryingClient(connect(), attempts=2)
    equal(retrying.get("a"), b"2")


def values_of_types():
    plain = connect()
    c = connect(serde=serde.pickle_serde)
    values = {"bytes": b"\x00\xff", "text": "ä", "int": -(10**30), "float": 1.5, "none": None, "true": True, "nested": {"a": [1, (2, "b")]}}
    for key, value in values.items():
        equal(c.set(key, value), True)
        equal(c.get(key), value)
    equal(c.get_many(list(values)), values)
    packing = connect(serde=serde.compressed_serde)
    equal(packing.set("packed", "x" * 100_000), True)
    equal(packing.get("packed"), "x" * 100_000)
    assert len(plain.get("packed")) < 1000
    # Every bit of the flags comes back.
    for flags in (0, 1, 0x55AA55AA, 2**32 - 1):
        plain.set("flags", b"1", flags=flags)
        equal(plain.raw_command("get flags", "END\r\n"), b"VALUE flags %d 1\r\n1\r\n" % flags)
        plain.append("flags", b"2")
        equal(plain.raw_command("get flags", "END\r\n"), b"VALUE flags %d 2\r\n12\r\n" % flags)
        plain.incr("flags", 1)
        equal(plain.raw_command("get flags", "END\r\n"), b"VALUE flags %d 2\r\n13\r\n" % flags)


def spread():
    """Two names of one server: every key is found, whichever name it is hashed to."""
    for options in ({}, {"use_pooling": True, "max_pool_size": 4}):
        c = HashClient([ADDRESS, ("localhost", ADDRESS[1])], default_noreply=False, timeout=10, connect_timeout=10, **options)
        c.flush_all()
        equal(c.set_many({f"h:{n}": b"%d" % n for n in range(100)}), [])
        equal(c.get_many([f"h:{n}" for n in range(110)]), {f"h:{n}": b"%d" % n for n in range(100)})
        equal(len(c.gets_many([f"h:{n}" for n in range(110)])), 100)
        equal((c.set("a", b"1"), c.get("a"), c.add("a", b"2"), c.replace("a", b"3")), (True, b"1", False, True))
        equal((c.append("a", b"4"), c.prepend("a", b"2"), c.get("a")), (True, True, b"234"))
        equal((c.incr("a", 6), c.decr("a", 40), c.touch("a", 100)), (240, 200, True))
        _, cas = c.gets("a")
        equal((c.cas("a", b"5", cas), c.cas("a", b"6", cas)), (True, False))
        equal((c.delete("a"), c.delete("a"), c.get("a", b"none")), (True, False, b"none"))
        equal(c.delete_many([f"h:{n}" for n in range(100)]), True)
        equal(c.get_many([f"h:{n}" for n in range(100)]), {})
        c.set("a", b"1")
        c.flush_all()
        equal(c.get("a"), None)
        c.quit()
        c.close()


def shared_with_resp(r):
    c = connect()
    typed = connect(serde=serde.pickle_serde)
    r.flushall()
    # Values, both ways; flags say nothing over RESP and are 0 for what RESP wrote.
    binary = bytes(range(256))
    for value in (b"", b"v", b"123", binary, b"x" * 100_000, b"y" * 1_000_000):
        c.set("k", value, flags=9)
        equal(r.get("k"), value)
        equal(r.strlen("k"), len(value))
        r.set("k", value[::-1])
        equal(c.get("k"), value[::-1])
    c.set("k", b"1", flags=9)
    r.set("k", "2")
    equal(c.raw_command("get k", "END\r\n"), b"VALUE k 0 1\r\n2\r\n")
    # RESP commands that change a value in place keep its flags.
    typed.set("int", 41)
    equal(r.incr("int"), 42)
    equal(typed.get("int"), 42)
    typed.set("text", "ab")
    equal(r.append("text", "cd"), 4)
    equal(typed.get("text"), "abcd")
    equal(r.setrange("text", 0, "X"), 4)
    equal(typed.get("text"), "Xbcd")
    equal(r.expire("text", 1000), True)
    equal(r.persist("text"), True)
    equal(typed.get("text"), "Xbcd")
    # Expiry.
    c.set("t", b"1")
    equal(r.ttl("t"), -1)
    c.set("t", b"1", expire=100)
    within(r.ttl("t"), 60, 100)
    c.touch("t", 1000)
    within(r.ttl("t"), 900, 1000)
    c.incr("t", 1)
    within(r.ttl("t"), 900, 1000)
    c.touch("t", 0)
    equal(r.ttl("t"), -1)
    c.set("t", b"1", expire=FUTURE_S)
    within(r.expiretime("t"), FUTURE_S - 1, FUTURE_S + 1)
    c.set("t", b"1", expire=-1)
    equal(r.get("t"), None)
    r.set("t", "1", px=300)
    until(lambda: c.get("t") is None)
    r.set("t", "1", ex=100)
    equal(c.get("t"), b"1")
    equal(c.touch("t", 0), True)
    equal(r.ttl("t"), -1)
    # Counters.
    c.set("n", b"10")
    equal(r.incrby("n", 5), 15)
    equal(c.incr("n", 5), 20)
    equal(c.decr("n", 15), 5)
    equal(r.get("n"), b"5")
    r.set("n", -3)
    refused(MemcacheClientError, lambda: c.incr("n", 1), "non-numeric")
    c.set("n", b"18446744073709551615")
    equal(r.get("n"), b"18446744073709551615")
    # Every write over RESP makes an older token worthless.
    writes = {
        "set": lambda: r.set("cas", "1"),
        "append": lambda: r.append("cas", "1"),
        "incr": lambda: r.incr("cas"),
        "setrange": lambda: r.setrange("cas", 0, "2"),
        "getset": lambda: r.getset("cas", "3"),
        "mset": lambda: r.mset({"cas": "4", "other": "5"}),
        "delete and set": lambda: (r.delete("cas"), r.set("cas", "1")),
    }
    for name, write in writes.items():
        c.set("cas", b"1")
        token = c.gets("cas")[1]
        write()
        assert c.cas("cas", b"late", token) is False, name
    token = c.gets("cas")[1]
    equal(r.get("cas"), b"1")
    equal(c.cas("cas", b"2", token), True)
    equal(r.get("cas"), b"2")
    r.set("of resp", "1")
    r.set("ofresp", "1")
    token = c.gets("ofresp")[1]
    equal(c.cas("ofresp", b"2", token), True)
    r.delete("ofresp")
    equal(c.cas("ofresp", b"3", token), None)
    # Deletes and flushes.
    c.set_many({"d:1": b"1", "d:2": b"2", "d:3": b"3"})
    equal(r.mget("d:1", "d:2", "d:4"), [b"1", b"2", None])
    equal(r.delete("d:1"), 1)
    equal(c.get("d:1"), None)
    equal(c.delete("d:2"), True)
    equal(r.exists("d:2", "d:3"), 1)
    equal(c.add("d:3", b"4"), False)
    equal(r.set("d:1", "5", nx=True), True)
    equal(c.get("d:1"), b"5")
    equal(r.rename("d:1", "d:9"), True)
    equal(c.get_many(["d:1", "d:9"]), {"d:9": b"5"})
    equal(c.flush_all(), True)
    equal(r.dbsize(), 0)
    c.set("d:1", b"1")
    equal(r.flushall(), True)
    equal(c.get("d:1"), None)
    # The second database is not the memcached port's.
    other = type(r)(host="127.0.0.1", port=r.connection_pool.connection_kwargs["port"], db=1)
    other.set("elsewhere", "1")
    equal(c.get("elsewhere"), None)
    other.flushdb()


for kind in (Client, PooledClient):
    client = connect(kind)
    for part in (storage, compare_and_set, arithmetic, expiry, without_reply, limits, administration):
        part(client)
    client.quit()
    client.close()
only_of_client()
values_of_types()
spread()
resp = over_resp()
if resp:
    shared_with_resp(resp)
passed("pymemcache", "storage, cas, arithmetic, expiry, noreply, limits and stats of Client and PooledClient", "serde", "HashClient")
