"""memcached's text and binary commands through libmemcached, by way of pylibmc. Usage: pylibmc_program.py MEMCACHED_PORT [RESP_PORT]"""

import threading

import pylibmc

from common import equal, memcached_address, over_resp, passed, refused, until, within

SERVER = "%s:%d" % memcached_address()
# Each set of behaviours in text and in binary.
BEHAVIOURS = {
    "plain": {},
    "no delay": {"tcp_nodelay": True, "cas": True},
    "without blocking": {"no_block": True, "tcp_nodelay": True, "cas": True},
    "ketama": {"ketama": True, "hash": "md5", "cas": True, "tcp_keepalive": True},
    "ketama, weighted": {"ketama_weighted": True, "ketama_hash": "md5", "cas": True},
    "with timeouts": {"cas": True, "connect_timeout": 5000, "receive_timeout": 5_000_000, "send_timeout": 5_000_000},
}


def missing(call):
    """The library has an error for a key that is not there in one protocol, and False in the other."""
    try:
        equal(call(), False)
    except pylibmc.NotFound:
        pass


def storage(c):
    equal(c.flush_all(), True)
    equal(c.set("a", "1"), True)
    equal(c.add("a", "2"), False)
    equal(c.add("b", "2"), True)
    equal(c.replace("a", "3"), True)
    missing(lambda: c.replace("nosuch", "3"))
    equal((c.get("a"), c.get("nosuch"), c.get("nosuch", "default")), ("3", None, "default"))
    equal(c.append("a", "4"), True)
    equal(c.prepend("a", "2"), True)
    missing(lambda: c.append("nosuch", "4"))
    equal(c.get("a"), "234")
    values = {"bytes": b"\x00\xff\r\n", "text": "ä", "int": -7, "large": 2**70, "float": 1.5, "true": True, "empty": b""}
    values["nested"] = {"a": [1, (2, "b")]}
    for key, value in values.items():
        equal(c.set(key, value), True)
        equal(c.get(key), value)
    equal(c.get_multi(list(values) + ["nosuch"]), values)
    c["item"] = 1
    equal((c["item"], "item" in c, "nosuch" in c), (1, True, False))
    del c["item"]
    refused(KeyError, lambda: c["item"])
    many = {f"m:{n}": n for n in range(500)}
    equal(c.set_multi(many), [])
    equal(c.get_multi(list(many) + ["nosuch"]), many)
    equal(c.set_multi({"1": "a", "2": "b"}, time=100, key_prefix="prefix:"), [])
    equal(c.get_multi(["1", "2", "3"], key_prefix="prefix:"), {"1": "a", "2": "b"})
    equal(c.get("prefix:1"), "a")
    equal(c.add_multi({"m:0": "late", "new:0": "early"}), ["m:0"])
    equal((c.get("m:0"), c.get("new:0")), (0, "early"))
    equal(c.delete("m:0"), True)
    equal(c.delete("m:0"), False)
    equal(c.delete_multi([f"m:{n}" for n in range(1, 500)]), True)
    equal(c.delete_multi(["nosuch"]), False)
    equal(c.delete_multi(["1", "2"], key_prefix="prefix:"), True)
    equal(c.get_multi(list(many)), {})
    text = "abc" * 50_000
    equal(c.set("packed", text, min_compress_len=100), True)
    equal(c.get("packed"), text)
    equal(c.set_multi({"packed:1": text}, min_compress_len=100, compress_level=9), [])
    equal(c.get_multi(["packed:1"]), {"packed:1": text})
    big = bytes(range(256)) * 3900
    equal(c.set("big", big), True)
    equal(c.get("big"), big)
    refused(pylibmc.TooBig, lambda: c.set("big", b"x" * 1_100_000))
    equal(c.get("big"), None)
    equal(c.set("big", b"after"), True)
    equal(c.get("big"), b"after")
    equal(c.set("k" * 250, "1"), True)
    equal(c.get("k" * 250), "1")
    refused(ValueError, lambda: c.set("k" * 251, "1"))


def arithmetic(c):
    c.set("n", 10)
    equal(c.incr("n"), 11)
    equal(c.incr("n", 9), 20)
    equal(c.decr("n", 5), 15)
    equal(c.get("n"), 15)
    equal(c.decr("n", 100), 0)
    refused(pylibmc.NotFound, lambda: c.incr("nosuch"))
    refused(pylibmc.NotFound, lambda: c.decr("nosuch"))
    c.set_multi({"c:1": 1, "c:2": 2})
    c.incr_multi(["c:1", "c:2"], delta=10)
    equal(c.get_multi(["c:1", "c:2"]), {"c:1": 11, "c:2": 12})
    c.incr_multi(["1", "2"], key_prefix="c:")
    equal(c.get_multi(["c:1", "c:2"]), {"c:1": 12, "c:2": 13})
    refused(pylibmc.NotFound, lambda: c.incr_multi(["nosuch", "c:1"]))


def no_number():
    """With clients of their own: over binary, libmemcached gives up a server that says so."""
    for binary in (False, True):
        pylibmc.Client([SERVER], binary=binary).set("text", "abc")
        refused(pylibmc.Error, lambda: pylibmc.Client([SERVER], binary=binary).incr("text"))
        equal(pylibmc.Client([SERVER], binary=binary).get("text"), "abc")


def expiry(c):
    equal(c.set("short", "1", time=1), True)
    # Again if this program was held up for the second that the key lives.
    until(lambda: c.set("touched", "1", time=1) and c.touch("touched", 100))
    equal(c.touch("nosuch", 100), False)
    until(lambda: c.get("short") is None)
    equal(c.get("touched"), "1")
    equal(c.add("short", "2"), True)


def compare_and_set(c):
    c.set("a", "1")
    value, token = c.gets("a")
    equal(value, "1")
    equal(c.cas("a", "2", token), True)
    equal(c.cas("a", "3", token), False)
    equal(c.get("a"), "2")
    equal(c.gets("nosuch"), (None, None))
    token = c.gets("a")[1]
    c.append("a", "!")
    equal(c.cas("a", "late", token), False)
    token = c.gets("a")[1]
    c.delete("a")
    missing(lambda: c.cas("a", "4", token))
    equal(c.get("a"), None)


def administration(c):
    ((server, stats),) = c.get_stats()
    assert SERVER.encode() in server, server
    # The library knows a fixed list of names and leaves 0 or nothing where the server said nothing.
    for name in ("pid", "pointer_size", "curr_items", "total_items", "curr_connections", "total_connections", "cmd_get", "cmd_set", "threads"):
        assert int(stats[name]) > 0, name
    for name in ("get_hits", "get_misses", "bytes", "bytes_read", "bytes_written", "time"):
        assert int(stats[name]) > 0, name
    assert stats["version"][:1].isdigit(), stats["version"]
    assert len(c.get_stats("settings")) == 1
    c.set("a", "1")
    other = c.clone()
    equal(other.get("a"), "1")
    other.disconnect_all()
    equal(other.get("a"), "1")
    equal(c.get_behaviors()["cas"], 1)


def buffered():
    """Writes that nobody waits for are there for whoever reads after them."""
    for binary in (False, True):
        c = pylibmc.Client([SERVER], binary=binary, behaviors={"buffer_requests": True, "no_block": True})
        for n in range(200):
            # pylibmc has no word for libmemcached's "buffered", 32, and calls it an error.
            refused(pylibmc.Error, lambda: c.set(f"buffered:{n}", n), "error 32")
        equal(c.get_multi([f"buffered:{n}" for n in range(200)]), {f"buffered:{n}": n for n in range(200)})
        quiet = pylibmc.Client([SERVER], binary=binary, behaviors={"_noreply": True})
        for n in range(200):
            quiet.set(f"quiet:{n}", n)
        equal(quiet.get("quiet:199"), 199)
        equal(c.get_multi([f"quiet:{n}" for n in range(200)]), {f"quiet:{n}": n for n in range(200)})


def spread():
    """Two names of one server under every way of hashing."""
    for binary in (False, True):
        for hashing in ({"ketama": True}, {"distribution": "consistent"}, {"distribution": "modula", "hash": "murmur"}, {"hash": "fnv1a_32"}):
            c = pylibmc.Client([SERVER, SERVER.replace("127.0.0.1", "localhost")], binary=binary, behaviors=hashing)
            many = {f"s:{n}": n for n in range(100)}
            equal(c.set_multi(many), [])
            equal(c.get_multi(list(many)), many)
            equal(c.delete_multi(list(many)), True)
            equal(c.get_multi(list(many)), {})


def many_at_once():
    c = pylibmc.Client([SERVER], binary=True)
    c.set("counter", 0)
    pool = pylibmc.ClientPool(c, 8)

    def count():
        for _ in range(100):
            with pool.reserve(block=True) as mine:
                mine.incr("counter")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(c.get("counter"), 800)
    with pylibmc.ThreadMappedPool(c).reserve() as mine:
        equal(mine.get("counter"), 800)


def shared_with_resp(r, binary):
    c = pylibmc.Client([SERVER], binary=binary, behaviors={"cas": True})
    r.flushall()
    c.set("k", b"v")
    equal(r.get("k"), b"v")
    text = "abc" * 50_000
    c.set("packed", text, min_compress_len=100)
    assert r.strlen("packed") < 1000
    r.rename("packed", "renamed")
    equal(c.get("renamed"), text)
    r.set("k", b"\x00\xff")
    equal(c.get("k"), b"\x00\xff")
    c.set("n", 41, time=100)
    equal(r.incr("n"), 42)
    equal(c.get("n"), 42)
    equal(c.incr("n", 8), 50)
    equal(r.get("n"), b"50")
    within(r.ttl("n"), 60, 100)
    equal(c.touch("n", 1000), True)
    within(r.ttl("n"), 900, 1000)
    r.pexpire("n", 300)
    until(lambda: c.get("n") is None)
    token = c.gets("k")[1]
    r.set("k", "by resp")
    equal(c.cas("k", "late", token), False)
    token = c.gets("k")[1]
    equal(c.cas("k", b"in time", token), True)
    equal(r.get("k"), b"in time")
    c.set_multi({"d:1": b"1", "d:2": b"2"})
    equal(r.mget("d:1", "d:2"), [b"1", b"2"])
    equal(r.delete("d:1"), 1)
    equal(c.get_multi(["d:1", "d:2"]), {"d:2": b"2"})
    equal(c.delete("d:2"), True)
    equal(r.exists("d:2"), 0)
    equal(c.flush_all(), True)
    equal(r.dbsize(), 0)


for binary in (False, True):
    for behaviours in BEHAVIOURS.values():
        client = pylibmc.Client([SERVER], binary=binary, behaviors=behaviours)
        storage(client)
        arithmetic(client)
    client = pylibmc.Client([SERVER], binary=binary, behaviors={"cas": True, "tcp_nodelay": True})
    for part in (expiry, compare_and_set, administration):
        part(client)
    client.disconnect_all()
no_number()
buffered()
spread()
many_at_once()
resp = over_resp()
if resp:
    for binary in (False, True):
        shared_with_resp(resp, binary)
passed("pylibmc", f"text and binary under {len(BEHAVIOURS)} sets of behaviours", "cas, expiry, stats", "buffers", "ketama", "pools")
