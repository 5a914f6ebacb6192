"""memcached's meta commands through meta-memcache. Usage: meta_memcache_program.py MEMCACHED_PORT [RESP_PORT]"""

import logging
import os

from meta_memcache import (
    CacheClient,
    Key,
    LeasePolicy,
    MemcacheServerError,
    Miss,
    NotStored,
    RecachePolicy,
    RequestFlags,
    ServerAddress,
    SetMode,
    StalePolicy,
    Success,
    Conflict,
    Value,
    connection_pool_factory_builder,
)
from meta_memcache.connection.memcache_socket import MemcacheSocket
from meta_memcache.configuration import socket_factory_builder

from common import equal, memcached_address, over_resp, passed, refused, until, within

# The library logs the errors that this program provokes.
logging.disable(logging.CRITICAL)
ADDRESS = memcached_address()
CONNECTIONS = connection_pool_factory_builder(connection_timeout=10, recv_timeout=10)


def build(create, **options):
    return create(servers=[ServerAddress(*ADDRESS)], connection_pool_factory_fn=CONNECTIONS, **options)


def raw_socket():
    return MemcacheSocket(socket_factory_builder(*ADDRESS, 10, 10, True)())


def values(c):
    for n, value in enumerate((b"\x00\xff\r\n", "ä", 42, -7, 1.5, None, True, {"a": [1, 2]}, "x" * 100_000, b"")):
        equal(c.set(f"v:{n}", value, ttl=100), True)
        # A value without bytes comes back as it is on the wire.
        equal(c.get(f"v:{n}"), value)
    equal(c.get("nosuch"), None)
    equal(c.set("a", "1", ttl=100), True)
    equal(c.set("a", "2", ttl=100, set_mode=SetMode.ADD), False)
    equal(c.set("b", "2", ttl=100, set_mode=SetMode.ADD), True)
    equal(c.set("a", "3", ttl=100, set_mode=SetMode.REPLACE), True)
    equal(c.set("nosuch", "3", ttl=100, set_mode=SetMode.REPLACE), False)
    equal(c.set("a", "4", ttl=100, set_mode=SetMode.APPEND), True)
    equal(c.set("a", "2", ttl=100, set_mode=SetMode.PREPEND), True)
    equal(c.set("nosuch", "2", ttl=100, set_mode=SetMode.APPEND), False)
    equal(c.set("nosuch", "2", ttl=100, set_mode=SetMode.PREPEND), False)
    equal(c.get("a"), "234")
    equal(c.refill("a", "5", ttl=100), False)
    equal(c.refill("refilled", "5", ttl=100), True)
    equal(c.get_typed("a", str), "234")
    equal(c.get_typed("a", int), None)
    refused(ValueError, lambda: c.get_typed("a", int, error_on_type_mismatch=True), "Expecting")
    several = c.multi_get(["v:0", "v:1", "v:2", "nosuch"])
    equal(several, {Key("v:0"): b"\x00\xff\r\n", Key("v:1"): "ä", Key("v:2"): 42, Key("nosuch"): None})
    many = {f"m:{n}": n for n in range(500)}
    for key, value in many.items():
        c.set(key, value, ttl=100, no_reply=True)
    equal({key.key: value for key, value in c.multi_get(many).items()}, many)
    equal(c.delete("a"), True)
    equal(c.delete("a"), False)
    equal(c.invalidate("a"), True)
    equal(c.invalidate("b"), True)
    equal(c.get("b"), None)
    equal(c.delete("refilled", no_reply=True), True)
    equal(c.get("refilled"), None)
    # Keys that the text protocol cannot carry go in base64.
    equal(c.set("with space ключ", "1", ttl=100), True)
    equal(c.get("with space ключ"), "1")
    equal(c.delete("with space ключ"), True)
    refused(MemcacheServerError, lambda: c.set("big", os.urandom(2_000_000), ttl=100))
    equal(c.get("big"), None)


def compare_and_set(c):
    first = c.set_cas("a", "1", ttl=100)
    assert isinstance(first, int)
    equal(c.get_cas("a"), ("1", first))
    equal(c.get_cas_typed("a", str), ("1", first))
    equal(c.get_cas("nosuch"), (None, None))
    second = c.set_cas("a", "2", ttl=100, cas_token=first)
    assert second is not None and second != first
    equal(c.set("a", "3", ttl=100, cas_token=first), False)
    equal(c.set_cas("a", "3", ttl=100, cas_token=first), None)
    equal(c.set("nosuch", "3", ttl=100, cas_token=first), False)
    equal(c.multi_get_cas(["a", "nosuch"]), {Key("a"): ("2", second), Key("nosuch"): (None, None)})
    equal(c.delete("a", cas_token=first), False)
    equal(c.invalidate("a", cas_token=first), False)
    equal(c.get("a"), "2")
    equal(c.delete("a", cas_token=second), True)
    equal(c.get("a"), None)


def expiry(c):
    c.set("t", "1", ttl=100)
    equal(c.touch("t", 1000), True)
    equal(c.touch("nosuch", 1000), False)
    within(c.meta_get(Key("t"), RequestFlags(return_ttl=True)).flags.ttl, 900, 1000)
    equal(c.touch("t", 50, no_reply=True), True)
    within(c.meta_get(Key("t"), RequestFlags(return_ttl=True)).flags.ttl, 20, 50)
    equal(c.get("t", touch_ttl=200), "1")
    within(c.meta_get(Key("t"), RequestFlags(return_ttl=True)).flags.ttl, 150, 200)
    equal(c.get("t", touch_ttl=0), "1")
    equal(c.meta_get(Key("t"), RequestFlags(return_ttl=True)).flags.ttl, -1)
    c.set("t", "1", ttl=1)
    until(lambda: c.get("t") is None)


def herds(c):
    # With less than the policy's seconds to live one reader is told to refresh, and the others read on.
    c.set("hot", "old", ttl=200)
    equal(c.get("hot"), "old")
    equal(c.get("hot", recache_policy=RecachePolicy(ttl=100)), "old")
    equal(c.get("hot", recache_policy=RecachePolicy(ttl=300)), None)
    equal(c.get("hot", recache_policy=RecachePolicy(ttl=300)), "old")
    equal(c.multi_get(["hot"], recache_policy=RecachePolicy(ttl=300)), {Key("hot"): "old"})
    equal(c.set("hot", "new", ttl=1000), True)
    equal(c.get("hot", recache_policy=RecachePolicy(ttl=300)), "new")
    # A deleted key may stay as stale: the first reader is told to refresh it.
    stale = StalePolicy(mark_stale_on_deletion_ttl=30, mark_stale_on_cas_mismatch=True)
    equal(c.delete("hot", stale_policy=stale), True)
    equal(c.get_cas("hot")[0], None)
    value, token = c.get_cas("hot")
    equal(value, "new")
    equal(c.set("hot", "newer", ttl=100, cas_token=token), True)
    equal(c.get("hot"), "newer")
    # A writer with an old token may leave a stale value instead of nothing.
    _, token = c.get_cas("hot")
    equal(c.invalidate("hot", stale_policy=stale), True)
    equal(c.set("hot", "raced", ttl=100, cas_token=token, stale_policy=stale), True)
    read = c.meta_get(Key("hot"), RequestFlags(return_value=True, return_client_flag=True))
    equal((read.value, read.flags.stale), ("raced", True))
    # On a miss one reader gets a lease.
    lease = LeasePolicy(ttl=30, miss_retries=2, miss_retry_wait=0.01)
    c.delete("leased")
    waits = []
    equal(c.get_or_lease("leased", lease, lease_wait_fn=waits.append), None)
    equal(waits, [])
    equal(c.get_or_lease("leased", lease, lease_wait_fn=waits.append), None)
    equal(waits, [0.01])
    equal(c.get_or_lease("leased", lease, lease_wait_fn=lambda _: c.set("leased", "made", ttl=100)), "made")
    value, token = c.get_or_lease_cas("leased", lease)
    equal((value, token), c.get_cas("leased"))
    equal(c.delete("leased"), True)
    value, token = c.get_or_lease_cas("leased", lease)
    equal(value, None)
    equal(c.set("leased", "by the winner", ttl=100, cas_token=token), True)
    equal(c.get_or_lease("leased", lease), "by the winner")


def arithmetic(c):
    c.set("n", 10, ttl=100)
    equal(c.delta("n", 5), True)
    equal(c.delta_and_get("n", 5), 20)
    equal(c.delta_and_get("n", -15), 5)
    equal(c.delta_and_get("n", -100), 0)
    equal(c.delta("n", 1, no_reply=True), True)
    equal(c.get("n"), 1)
    equal(c.delta("nosuch", 1), False)
    equal(c.delta_and_get("nosuch", 1), None)
    equal(c.delta_initialize("fresh", 1, initial_value=7, initial_ttl=100), True)
    equal(c.delta_initialize_and_get("fresh", 1, initial_value=7, initial_ttl=100), 8)
    equal(c.delta_initialize_and_get("newer", -1, initial_value=19, initial_ttl=100), 19)
    within(c.meta_get(Key("newer"), RequestFlags(return_ttl=True)).flags.ttl, 60, 100)
    # Not from 9 to 10: memcached 1.6.18 forgets the new time to live where the number gets longer.
    equal(c.delta_and_get("newer", 1, refresh_ttl=1000), 20)
    within(c.meta_get(Key("newer"), RequestFlags(return_ttl=True)).flags.ttl, 900, 1000)
    _, token = c.get_cas("newer")
    equal(c.delta_and_get("newer", 1, cas_token=token), 21)
    equal(c.delta_and_get("newer", 1, cas_token=token), None)
    equal(c.delta("newer", 1, cas_token=token), False)
    c.set("text", "abc", ttl=100)
    refused(MemcacheServerError, lambda: c.delta("text", 1))


def meta_commands(c):
    """The commands as they are, with every flag this library knows."""
    key = Key("meta")
    written = c.meta_set(key, "12", RequestFlags(cache_ttl=100, return_cas_token=True, opaque=b"77"))
    assert type(written) is Success
    equal(written.flags.opaque, b"77")
    read = c.meta_get(
        key,
        RequestFlags(
            return_value=True,
            return_ttl=True,
            return_client_flag=True,
            return_cas_token=True,
            return_size=True,
            return_last_access=True,
            return_fetched=True,
            no_update_lru=False,
            opaque=b"88",
        ),
    )
    assert type(read) is Value
    flags = read.flags
    equal((read.value, read.size), ("12", 2))
    equal((flags.cas_token, flags.size, flags.opaque, flags.fetched, flags.client_flag), (written.flags.cas_token, 2, b"88", False, 0))
    within(flags.ttl, 60, 100)
    within(flags.last_access, 0, 3)
    equal((flags.win, flags.stale), (None, False))
    equal(c.meta_get(key, RequestFlags(return_fetched=True)).flags.fetched, True)
    assert type(c.meta_get(key)) is Success
    assert type(c.meta_get(Key("nosuch"))) is Miss
    assert type(c.meta_set(key, "1", RequestFlags(mode=SetMode.ADD.value))) is NotStored
    assert type(c.meta_set(key, "1", RequestFlags(cas_token=1))) is Conflict
    assert type(c.meta_set(Key("nosuch"), "1", RequestFlags(cas_token=1))) is Miss
    assert type(c.meta_delete(key, RequestFlags(cas_token=1))) is Conflict
    assert type(c.meta_delete(Key("nosuch"))) is Miss
    counted = c.meta_arithmetic(key, RequestFlags(return_value=True, ma_delta_value=30, return_ttl=True, return_cas_token=True))
    equal((counted.value, counted.flags.ttl > 90), ("42", True))
    assert counted.flags.cas_token != written.flags.cas_token
    assert type(c.meta_arithmetic(Key("nosuch"))) is Miss
    equal({k.key: type(v) for k, v in c.meta_multiget([key, Key("nosuch")]).items()}, {"meta": Success, "nosuch": Miss})
    assert type(c.meta_delete(key)) is Success


def pipelines():
    """The library's socket without its pool: quiet commands, replies in order, plain lines."""
    s = raw_socket()
    equal(s.raw_cmd(b"mn"), b"MN")
    for n in range(1000):
        s.send_meta_set(f"p:{n}", b"%d" % n, RequestFlags(cache_ttl=100))
        s.send_meta_get(f"p:{n}", RequestFlags(return_value=True))
    for n in range(1000):
        assert type(s.get_response()) is Success
        equal(bytes(s.get_response().value), b"%d" % n)
    answers = s.meta_multiget([f"p:{n}" for n in range(1010)], RequestFlags(return_value=True))
    equal([type(answer) is Value for answer in answers], [True] * 1000 + [False] * 10)
    s.sendall(b"mg p:1 v q\r\nmg nosuch v q\r\nms p:1 1 q\r\nx\r\nmd p:2 q\r\nmg p:1 v k\r\nmn\r\n", with_noop=False)
    equal(bytes(s.get_response().value), b"1")
    equal(bytes(s.get_response().value), b"x")
    s.close()
    s = raw_socket()
    assert s.raw_cmd(b"me p:1").startswith(b"ME p:1 exp="), "me"
    equal(s.raw_cmd(b"me nosuch"), b"EN")
    equal(s.raw_cmd(b"mg p:3 k s t O9"), b"HD kp:3 s1 t%d O9" % s.meta_get("p:3", RequestFlags(return_ttl=True)).flags.ttl)
    s.close()


def other_routers():
    ephemeral = build(CacheClient.ephemeral_cache_client_from_servers, max_ttl=60)
    equal(ephemeral.set("e", "1", ttl=1000), True)
    within(ephemeral.meta_get(Key("e"), RequestFlags(return_ttl=True)).flags.ttl, 20, 60)
    # The first server does not exist, so that everything goes to the gutter.
    gutter = CacheClient.cache_client_with_gutter_from_servers(
        servers=[ServerAddress("127.0.0.1", 1)],
        gutter_servers=[ServerAddress(*ADDRESS)],
        gutter_ttl=60,
        connection_pool_factory_fn=connection_pool_factory_builder(initial_pool_size=0, connection_timeout=10, recv_timeout=10),
    )
    equal(gutter.set("g", "1", ttl=1000), True)
    equal(gutter.get("g"), "1")


def shared_with_resp(c, r):
    r.flushall()
    c.set("k", "text", ttl=100)
    equal(r.get("k"), b"text")
    within(r.ttl("k"), 60, 100)
    c.set("k", b"\x00\xff", ttl=0)
    equal((r.get("k"), r.ttl("k")), (b"\x00\xff", -1))
    r.set("k", "by resp", ex=100)
    read = c.meta_get(Key("k"), RequestFlags(return_value=True, return_client_flag=True, return_ttl=True, return_size=True))
    equal((read.value, read.flags.client_flag, read.flags.size), ("by resp", 0, 7))
    within(read.flags.ttl, 60, 100)
    c.set("n", 10, ttl=100)
    equal(r.incr("n"), 11)
    equal(c.get("n"), 11)
    equal(c.delta_and_get("n", 4), 15)
    equal(r.get("n"), b"15")
    within(r.ttl("n"), 60, 100)
    for name, write in {"set": lambda: r.set("k", "1"), "append": lambda: r.append("k", "2"), "incr": lambda: r.incr("k")}.items():
        token = c.get_cas("k")[1]
        write()
        assert c.set("k", "3", ttl=0, cas_token=token) is False, name
        assert c.delete("k", cas_token=token) is False, name
    value, token = c.get_cas("k")
    equal(c.set("k", "4", ttl=0, cas_token=token), True)
    equal(r.get("k"), b"4")
    token = c.get_cas("k")[1]
    equal(r.delete("k"), 1)
    equal(c.set("k", "5", ttl=0, cas_token=token), False)
    # A stale value is there for RESP too, and a write over RESP makes it fresh.
    c.set("s", "1", ttl=100)
    c.delete("s", stale_policy=StalePolicy(mark_stale_on_deletion_ttl=30))
    within(r.ttl("s"), 1, 30)
    r.set("s", "2")
    read = c.meta_get(Key("s"), RequestFlags(return_value=True))
    equal((read.value, read.flags.stale, read.flags.win), ("2", False, None))
    # Keys of any bytes.
    c.set("with space", "1", ttl=100)
    equal(r.get("with space"), b"1")
    r.set("line\r\nbreak", "2")
    equal(c.get("line\r\nbreak"), "2")
    equal(r.pexpire("with space", 300), True)
    until(lambda: c.get("with space") is None)
    equal(c.delete("line\r\nbreak"), True)
    equal(r.exists("line\r\nbreak"), 0)


equal(raw_socket().raw_cmd(b"flush_all"), b"OK")
client = build(CacheClient.cache_client_from_servers)
for part in (values, compare_and_set, expiry, herds, arithmetic, meta_commands):
    part(client)
pipelines()
other_routers()
resp = over_resp()
if resp:
    shared_with_resp(client, resp)
passed("meta-memcache", "values, cas, expiry, recache, stale and lease policies, arithmetic, meta commands, pipelines, routers")
