"""memcached's binary commands through python-binary-memcached. Usage: bmemcached_program.py MEMCACHED_PORT [RESP_PORT]"""

import pickle

import bmemcached
from bmemcached.exceptions import MemcachedException

from common import equal, memcached_address, over_resp, passed, refused, until, within

SERVER = "%s:%d" % memcached_address()
# The time to live with which the protocol says "do not create".
NEVER_CREATE = 0xFFFFFFFF


def storage(c):
    equal(c.flush_all(), True)
    equal(c.set("a", "1"), True)
    equal(c.add("a", "2"), False)
    equal(c.add("b", "2"), True)
    equal(c.replace("a", "3"), True)
    equal(c.replace("nosuch", "3"), False)
    equal((c.get("a"), c.get("b"), c.get("nosuch"), c.get("nosuch", "default")), ("3", "2", None, "default"))
    values = {"bytes": b"\x00\xff\r\n", "text": "ä", "int": -(10**30), "float": 1.5, "true": True, "nested": {"a": [1, (2, "b")]}, "empty": ""}
    for key, value in values.items():
        equal(c.set(key, value), True)
        equal(c.get(key), value)
    equal(c.get_multi(list(values) + ["nosuch"]), values)
    equal(c.get_multi(["nosuch", "text"]), {"text": "ä"})
    equal(c.get_multi([]), {})
    many = {f"m:{n}": n for n in range(1000)}
    equal(c.set_multi(many), [])
    equal(c.get_multi(list(many) + ["nosuch"]), many)
    equal(c.delete("m:0"), True)
    # This library's word for a key that is not there is True as well.
    equal(c.delete("m:0"), True)
    equal(c.delete_multi([f"m:{n}" for n in range(1, 500)]), True)
    equal(c.delete_multi(["m:500", "nosuch", "m:501"]), False)
    equal(len(c.get_multi(list(many))), 498)
    for level in (0, 1, 9, -1):
        equal(c.set("packed", "x" * 100_000, compress_level=level), True)
        equal(c.get("packed"), "x" * 100_000)
    big = bytes(range(256)) * 3900
    equal(c.set("big", big, compress_level=0), True)
    equal(c.get("big"), big)
    refused(MemcachedException, lambda: c.set("big", b"x" * 1_100_000, compress_level=0), "Code: 3", "Too large")
    equal(c.get("big"), None)
    equal(c.set("k" * 250, "1"), True)
    equal(c.get("k" * 250), "1")
    refused(MemcachedException, lambda: c.set("k" * 251, "1"), "Code: 4")
    # memcached closes a connection after a request that breaks the protocol.
    c.disconnect_all()


def compare_and_set(c):
    done, first = c.set("a", "1", get_cas=True)
    equal(done, True)
    equal(c.gets("a"), ("1", first))
    equal(c.get("a", get_cas=True), ("1", first))
    equal(c.gets("nosuch"), (None, None))
    equal(c.get_multi(["a", "nosuch"], get_cas=True), {"a": ("1", first)})
    done, second = c.cas("a", "2", first, get_cas=True)
    assert done and second != first
    equal(c.gets("a"), ("2", second))
    equal(c.cas("a", "3", first), False)
    equal(c.cas("a", "3", first, get_cas=True), (False, None))
    equal(c.cas("nosuch", "3", first), False)
    equal(c.cas("created", "3", None), True)
    equal(c.cas("created", "4", None), False)
    refused(ValueError, lambda: c.cas("a", "3", 0))
    done, third = c.replace("a", "3", get_cas=True)
    assert done and third != second
    equal(c.add("a", "4", get_cas=True), (False, None))
    done, added = c.add("added", "1", get_cas=True)
    equal((done, c.gets("added")), (True, ("1", added)))
    equal(c.delete("a", cas=second), False)
    equal(c.get("a"), "3")
    equal(c.delete("a", cas=third), True)
    equal(c.get("a"), None)
    c.set("x", "1")
    _, token = c.gets("x")
    # Keys with a token, wrong or 0: only if there is none. Quiet commands answer when they fail.
    failed = c.set_multi({("x", token + 1000): "2", ("fresh", 0): "3", ("added", 0): "4"})
    equal(sorted(key for key, _ in failed), ["added", "x"])
    equal((c.get("x"), c.get("fresh"), c.get("added")), ("1", "3", "1"))
    equal(c.set_multi({("x", token): "5"}), [])
    tokens = c.set_multi_cas({"x": "6", "y": "7", ("fresh", 0): "8"})
    equal(tokens["fresh"], None)
    equal(c.get_multi(["x", "y", "fresh"], get_cas=True), {"x": ("6", tokens["x"]), "y": ("7", tokens["y"]), "fresh": ("3", c.gets("fresh")[1])})


def arithmetic(c):
    c.delete("n")
    equal(c.incr("n", 5, default=10), 10)
    equal(c.incr("n", 5), 15)
    equal(c.decr("n", 6), 9)
    equal(c.decr("n", 100), 0)
    equal(c.decr("down", 1, default=7), 7)
    equal(c.decr("down", 1), 6)
    c.delete("nosuch")
    refused(MemcachedException, lambda: c.incr("nosuch", 1, time=NEVER_CREATE), "Code: 1")
    equal(c.get("nosuch"), None)
    equal(c.incr("n", 2**64 - 1), 2**64 - 1)
    equal(c.incr("n", 2), 1)
    c.set("text", "abc")
    refused(MemcachedException, lambda: c.incr("text", 1), "Code: 6")
    refused(MemcachedException, lambda: c.decr("text", 1), "Code: 6")
    c.set("number", 41)
    equal(c.incr("number", 1), 42)
    equal(c.get("number"), 42)


def expiry(c):
    c.set("short", "1", time=1)
    c.set("kept", "1", time=100)
    c.incr("counter", 1, default=1, time=1)
    until(lambda: c.get("short") is None and c.get_multi(["counter"]) == {})
    equal(c.get("kept"), "1")
    equal(c.flush_all(1000), True)
    equal(c.get("kept"), "1")
    equal(c.flush_all(2), True)
    until(lambda: c.get("kept") is None)
    until(lambda: c.set("kept", "2") and c.get("kept") == "2")


def administration(c):
    (stats,) = c.stats().values()
    for name in ("pid", "uptime", "version", "curr_items", "cmd_get", "cmd_set", "get_hits", "threads", "limit_maxbytes"):
        assert name in stats, name
    (settings,) = c.stats("settings").values()
    equal(settings["item_size_max"], b"1048576")
    equal(settings["tcpport"], b"%d" % memcached_address()[1])
    for name in ("items", "slabs"):
        assert isinstance(c.stats(name), dict)
    (protocol,) = c.servers
    equal(protocol.noop(), 0)
    c.disconnect_all()
    c.enable_retry_delay(False)
    equal(c.set("again", "1"), True)


def unneeded_password():
    """Where no authentication is asked for, one that is offered does no harm."""
    c = bmemcached.Client((SERVER,), "user", "password", socket_timeout=10)
    equal((c.set("a", "1"), c.get("a")), (True, "1"))
    c.disconnect_all()


def shared_with_resp(r):
    c = bmemcached.Client((SERVER,), socket_timeout=10)
    raw = bmemcached.Client((SERVER,), socket_timeout=10, raw_data=True)
    r.flushall()
    for value in (b"", b"v", b"123", bytes(range(256)), b"y" * 1_000_000):
        raw.set("k", value)
        equal(r.get("k"), value)
        r.set("k", value[::-1])
        equal(raw.get("k"), value[::-1])
    c.set("k", {"a": 1})
    equal(pickle.loads(r.get("k")), {"a": 1})
    r.set("k", "by resp")
    equal(c.get("k"), "by resp")
    # Commands that change a value in place keep its flags.
    c.set("n", 41)
    equal(r.incr("n"), 42)
    equal(c.get("n"), 42)
    equal(c.incr("n", 8), 50)
    equal(r.get("n"), b"50")
    c.incr("made", 1, default=5, time=100)
    equal(r.get("made"), b"5")
    within(r.ttl("made"), 60, 100)
    c.set("t", "1", time=100)
    within(r.ttl("t"), 60, 100)
    equal(r.persist("t"), True)
    equal(r.pexpire("t", 300), True)
    until(lambda: c.get("t") is None)
    for name, write in {"set": lambda: r.set("cas", "1"), "append": lambda: r.append("cas", "2"), "incr": lambda: r.incr("cas")}.items():
        token = c.gets("cas")[1] or c.set("cas", "1", get_cas=True)[1]
        write()
        assert c.cas("cas", "late", token) is False, name
        assert c.delete("cas", cas=token) is False, name
    token = c.gets("cas")[1]
    equal(c.cas("cas", "4", token), True)
    equal(r.get("cas"), b"4")
    token = c.gets("cas")[1]
    equal(r.delete("cas"), 1)
    equal(c.cas("cas", "5", token), False)
    c.set_multi({"d:1": "1", "d:2": "2"})
    equal(r.mget("d:1", "d:2"), [b"1", b"2"])
    equal(r.unlink("d:1"), 1)
    equal(c.get_multi(["d:1", "d:2"]), {"d:2": "2"})
    equal(c.delete("d:2"), True)
    equal(r.exists("d:2"), 0)
    c.set("d:1", "1")
    equal(c.flush_all(), True)
    equal(r.dbsize(), 0)


for kind in (bmemcached.Client, bmemcached.DistributedClient):
    client = kind((SERVER,), socket_timeout=10)
    for part in (storage, compare_and_set, arithmetic, expiry):
        part(client)
    client.disconnect_all()
administration(bmemcached.Client((SERVER,), socket_timeout=10))
unneeded_password()
resp = over_resp()
if resp:
    shared_with_resp(resp)
passed("python-binary-memcached", "storage, cas, arithmetic and expiry of two clients", "stats", "an unneeded password")
