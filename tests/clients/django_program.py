"""Django's memcached backends, PyMemcacheCache and PyLibMCCache. Usage: django_program.py MEMCACHED_PORT [RESP_PORT]"""

import os
import pickle

from django.conf import settings

from common import equal, memcached_address, over_resp, passed, refused, until, within

LOCATION = "%s:%d" % memcached_address()
BACKENDS = {"default": "PyMemcacheCache", "libmemcached": "PyLibMCCache"}

settings.configure(
    CACHES={
        alias: {"BACKEND": f"django.core.cache.backends.memcached.{name}", "LOCATION": LOCATION, "KEY_PREFIX": alias, "TIMEOUT": 300}
        for alias, name in BACKENDS.items()
    }
)

from django.core.cache import caches  # noqa: E402: the settings come first
from django.core.cache.backends.base import InvalidCacheKey  # noqa: E402


def commands(cache):
    cache.clear()
    equal(cache.get("nosuch"), None)
    equal(cache.get("nosuch", "default"), "default")
    values = {"text": "ä", "bytes": b"\x00\xff", "int": 42, "float": 1.5, "true": True, "nested": {"a": [1, 2]}}
    for key, value in values.items():
        cache.set(key, value)
        equal(cache.get(key), value)
    equal(cache.get_many([*values, "nosuch"]), values)
    equal((cache.add("text", "late"), cache.add("new", "early")), (False, True))
    equal((cache.get("text"), cache.get("new")), ("ä", "early"))
    equal(cache.get_or_set("new", "late"), "early")
    equal(cache.get_or_set("made", lambda: "called"), "called")
    equal(("text" in cache, cache.has_key("nosuch")), (True, False))
    equal((cache.delete("text"), cache.delete("text")), (True, False))
    equal(cache.set_many({"m:1": 1, "m:2": [2]}, timeout=100), [])
    equal(cache.get_many(["m:1", "m:2", "m:3"]), {"m:1": 1, "m:2": [2]})
    cache.delete_many(["m:1", "m:2"])
    equal(cache.get_many(["m:1", "m:2"]), {})
    cache.set("n", 10)
    equal((cache.incr("n"), cache.incr("n", 9), cache.decr("n", 5), cache.incr("n", -5)), (11, 20, 15, 10))
    equal(cache.get("n"), 10)
    refused(ValueError, lambda: cache.incr("nosuch"))
    refused(ValueError, lambda: cache.decr("nosuch"))
    # Versions are parts of keys.
    cache.set("versioned", "1", version=1)
    equal((cache.get("versioned", version=1), cache.get("versioned", version=2)), ("1", None))
    equal(cache.incr_version("versioned"), 2)
    equal((cache.get("versioned", version=1), cache.get("versioned", version=2)), (None, "1"))
    equal(cache.decr_version("versioned", version=2), 1)
    # Expiry: at once, soon, beyond memcached's 30 days, never.
    cache.set("at_once", "1", timeout=0)
    equal(cache.get("at_once"), None)
    cache.set("short", "1", timeout=1)
    # Again if this program was held up for the second that the key lives.
    until(lambda: cache.set("touched", "1", timeout=1) or cache.touch("touched", 100))
    equal(cache.touch("nosuch", 100), False)
    cache.set("long", "1", timeout=60 * 60 * 24 * 40)
    cache.set("never", "1", timeout=None)
    until(lambda: cache.get("short") is None)
    equal(sorted(cache.get_many(["short", "touched", "long", "never"])), ["long", "never", "touched"])
    refused(InvalidCacheKey, lambda: cache.set("k" * 300, "1"))
    refused(InvalidCacheKey, lambda: cache.set("with space", "1"))
    cache.clear()
    equal(cache.get("never"), None)
    cache.close()
    cache.set("reopened", "1")
    equal(cache.get("reopened"), "1")


def too_large(cache):
    """Django deletes a key whose new value was refused, and PyLibMCCache lets the library's error through."""
    cache.set("large", "1")
    try:
        cache.set("large", os.urandom(2_000_000))
    except Exception as error:
        assert "TooBig" in type(error).__name__ or "too large" in str(error), repr(error)
    equal(cache.get("large"), None)


def asynchronous(cache):
    import asyncio

    async def run():
        await cache.aset("async", 1)
        equal(await cache.aget("async"), 1)
        equal(await cache.aincr("async"), 2)
        equal(await cache.aget_many(["async", "nosuch"]), {"async": 2})
        equal(await cache.adelete("async"), True)

    asyncio.run(run())


def shared_with_resp(cache, alias, r):
    key = f"{alias}:1:shared"
    cache.set("shared", [1, 2], timeout=100)
    equal(pickle.loads(r.get(key)), [1, 2])
    within(r.ttl(key), 60, 100)
    cache.set("shared", [1, 2], timeout=60 * 60 * 24 * 40)
    within(r.ttl(key), 60 * 60 * 24 * 40 - 60, 60 * 60 * 24 * 40)
    cache.set("shared", 41, timeout=None)
    equal((r.get(key), r.ttl(key)), (b"41", -1))
    equal(r.incr(key), 42)
    equal(cache.get("shared"), 42)
    equal(r.delete(key), 1)
    equal(cache.get("shared"), None)
    r.set(key, b"by resp")
    equal(cache.get("shared"), b"by resp")
    cache.clear()
    equal(r.dbsize(), 0)


resp = over_resp()
for alias in BACKENDS:
    for part in (commands, too_large, asynchronous):
        part(caches[alias])
    if resp:
        shared_with_resp(caches[alias], alias, resp)
passed("Django", *BACKENDS.values())
